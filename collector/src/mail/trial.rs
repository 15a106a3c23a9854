//! The mail of `siptrail mail test`, and what is worth knowing before it is looked for. Pure.

use lettre::Address;

use super::mime::Mail;
use super::settings::Settings;

pub fn trial(settings: &Settings) -> Mail {
    let pages = settings.pages();
    let text = format!(
        "This is the test mail of Siptrail. Alerts will come by the same way.\n\n\
         Pages  {pages}\n\nIf this link does not open, set `base_url` in [mail] of the collector's config.\n"
    );
    let shown = pages.replace('&', "&amp;").replace('\'', "&#39;");
    let html = format!(
        "<!doctype html><html lang='en' style='color-scheme:light dark'><head><meta charset='utf-8'>\
         <meta name='color-scheme' content='light dark'><title>Siptrail test mail</title></head>\
         <body style='font:15px/1.5 -apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif'>\
         <p>This is the test mail of Siptrail. Alerts will come by the same way.</p>\
         <p>Pages: <a href='{shown}' style='color:inherit'>{shown}</a></p>\
         <p>If this link does not open, set <code>base_url</code> in [mail] of the collector's config.</p></body></html>"
    );
    let headers = vec![
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress", "All".to_owned()),
        ("X-Siptrail-Status", "test".to_owned()),
    ];
    Mail { subject: "[siptrail] test mail".to_owned(), text, html, headers }
}

/// What a server that takes everything does not say.
pub fn hints(settings: &Settings, to: &Address) -> Vec<String> {
    let mut hints = Vec::new();
    let from = settings.from.0.email.to_string();
    let user = settings.user.as_deref().unwrap_or_default();
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if settings.is_gmail() && !same(&from, user) {
        hints.push(format!("Gmail writes {user} over `from`, unless {from} is a verified alias of that account."));
    }
    if settings.is_gmail() && same(to.as_ref(), user) {
        hints.push("Gmail files a mail to the own account under Sent; try the address of somebody else.".to_owned());
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gmail_does_silently_is_said() {
        let settings = |server: &str, from: &str| -> Settings {
            toml::from_str(&format!(
                "server = \"{server}\"\nuser = \"siptrail@example.com\"\npassword_file = \"/x\"\nfrom = \"{from}\"\n\
                 base_url = \"https://siptrail.example.com\""
            ))
            .expect("settings")
        };
        let to = |address: &str| address.parse::<Address>().expect("an address");
        let gmail = settings("smtp.gmail.com", "Alerts <alerts@example.com>");
        insta::assert_snapshot!(hints(&gmail, &to("Siptrail@example.com")).join("\n"), @r"
        Gmail writes siptrail@example.com over `from`, unless alerts@example.com is a verified alias of that account.
        Gmail files a mail to the own account under Sent; try the address of somebody else.
        ");
        let own = settings("smtp.gmail.com", "siptrail@example.com");
        assert_eq!(hints(&own, &to("oncall@example.com")), Vec::<String>::new());
        let other = settings("smtp.example.com", "alerts@example.com");
        assert_eq!(hints(&other, &to("siptrail@example.com")), Vec::<String>::new());
    }
}
