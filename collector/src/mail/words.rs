//! What went wrong with a mail, in words: what happened, and what to do. Pure.

use super::outcome::{Answer, Failure, Step, Trouble};
use super::settings::{Security, Settings};

/// One or two sentences without the last full stop, for terminal, log and pages.
pub fn explain(failure: &Failure, settings: &Settings) -> String {
    let Failure { step, trouble } = failure;
    let server = &settings.server;
    let place = format!("{server}:{}", settings.port());
    match trouble {
        Trouble::NotFound(why) => {
            format!("the name {server} is not found ({why}); check `server`, and the name servers of this machine")
        }
        Trouble::Unreachable(why) => {
            format!(
                "{place} cannot be reached ({why}); check `server` and `port`, and whether a firewall lets this machine out"
            )
        }
        Trouble::Certificate(why) => certificate(why, server),
        Trouble::NotTls(why) => {
            format!("{place} does not speak TLS as it should ({why}); {}", other_security(settings))
        }
        Trouble::NoStarttls => format!("{place} offers no STARTTLS, so nothing was sent; {}", other_security(settings)),
        Trouble::NoLogin => {
            format!(
                "{place} offers no login with user and password; leave out `user` and `password_file` if it needs none"
            )
        }
        Trouble::Challenge => {
            format!("{place} asks for more than user and password (334); {}", login_advice(settings))
        }
        Trouble::Answered(answer) => answered(*step, answer, settings),
        Trouble::Closed => format!("{place} closed the connection {}; {}", when(*step), afterwards(*step, settings)),
        Trouble::TimedOut => {
            let seconds = settings.timeout.as_secs();
            format!("{place} did not answer within {seconds} s, {}; {}", when(*step), afterwards(*step, settings))
        }
        Trouble::NotSmtp(why) => {
            format!("{place} does not speak SMTP as it should ({why}); {}", other_security(settings))
        }
    }
}

fn answered(step: Step, answer: &Answer, settings: &Settings) -> String {
    let server = &settings.server;
    let is_transient = answer.code < 500;
    match (step, answer.enhanced()) {
        (_, Some([4 | 5, 4, 5])) => {
            format!(
                "the account has sent as many mails as it may in a day ({answer}); the server takes more within 24 hours"
            )
        }
        (Step::Login, Some([4, 7, 0])) => {
            format!("{server} takes no login for a while ({answer}); there were too many, so wait 15 minutes")
        }
        (Step::Reach | Step::Secure, _) if is_transient => {
            format!("{server} takes no mails for a while ({answer}); wait 15 minutes")
        }
        (Step::Reach | Step::Secure, _) => {
            format!("{server} will not talk to this machine ({answer}); ask who runs it")
        }
        (Step::Login, _) if is_transient => {
            format!("{server} cannot check user and password now ({answer}); try again later")
        }
        (Step::Login, _) => format!("{server} refuses user and password ({answer}); {}", login_advice(settings)),
        (_, _) if answer.code == 530 && settings.user.is_none() => {
            format!("{server} wants a login first ({answer}); set `user` and `password_file`")
        }
        (_, _) if answer.code == 530 => {
            format!("{server} wants more before it takes mails ({answer}); check `security`")
        }
        (Step::From, _) if is_transient => format!("{server} takes no mail now ({answer}); try again later"),
        (Step::From, _) => format!(
            "{server} will not send as {} ({answer}); `from` must be the account, or an address that it may send as",
            settings.from.0.email
        ),
        (Step::To, _) => recipient(answer, settings),
        (_, _) if is_transient => format!("{server} does not take the mail now ({answer}); try again later"),
        (_, _) => format!("{server} refuses the mail ({answer})"),
    }
}

/// Why one recipient gets nothing.
pub fn recipient(answer: &Answer, settings: &Settings) -> String {
    let server = &settings.server;
    if answer.code < 500 {
        return format!("{server} does not take mails for it now ({answer}); try again later");
    }
    let advice = match settings.user {
        None => "check the address; if the server sends for known users only, set `user` and `password_file`",
        Some(_) => "check the address",
    };
    format!("{server} does not take mails for it ({answer}); {advice}")
}

fn certificate(why: &str, server: &str) -> String {
    let (what, advice) = match why {
        _ if why.contains("CaUsedAsEndEntity") => {
            ("is that of an authority, not of a server", "make one with CA:FALSE, or one that the authority has signed")
        }
        _ if why.contains("UnknownIssuer") => (
            "is signed by nobody whom this machine trusts",
            "if it is a server of your own, name the certificate that signed it in `ca_file`",
        ),
        _ if why.contains("NotValidForName") => ("is for another name", "write the name that stands in it as `server`"),
        _ if why.contains("NotValidYet") => ("is not valid yet", "check the clock of this machine"),
        _ if why.contains("Expired") => {
            ("has expired", "whoever runs the server must renew it; check the clock of this machine, too")
        }
        _ => ("cannot be used", "whoever runs the server must renew it"),
    };
    let short: String = why.chars().take(200).collect();
    format!("the certificate of {server} {what} ({short}); {advice}")
}

fn login_advice(settings: &Settings) -> String {
    let file = settings.password_file.as_ref().map_or_else(String::new, |file| file.display().to_string());
    if settings.is_gmail() {
        return format!(
            "Gmail takes app passwords only: turn on 2-step verification for {}, make an app password at \
             https://myaccount.google.com/apppasswords and put it into {file}. An app password ends when the account's \
             password is changed",
            settings.user.as_deref().unwrap_or("the account")
        );
    }
    format!("check `user` and the password in {file}")
}

fn other_security(settings: &Settings) -> &'static str {
    match settings.security {
        Security::Starttls => "if it speaks TLS from the first byte (usually port 465), write security = \"tls\"",
        Security::Tls => "if it begins without TLS (usually port 587), write security = \"starttls\"",
        Security::None => "check `server` and `port`",
    }
}

fn when(step: Step) -> &'static str {
    match step {
        Step::Reach => "before it said who it is",
        Step::Secure => "when TLS was asked for",
        Step::Login => "at the login",
        Step::From => "when the sender was named",
        Step::To => "when the recipients were named",
        Step::Announce => "before it took the mail",
        Step::Content => "after it had been given the mail",
    }
}

fn afterwards(step: Step, settings: &Settings) -> &'static str {
    match (step, settings.security) {
        (Step::Reach, Security::Starttls) if settings.port() == 465 => other_security(settings),
        (Step::Reach, _) => "check `server` and `port`, and whether a firewall lets this machine out",
        (Step::Content, _) => "it may have been delivered or not, so it is sent again, with the same Message-ID",
        _ => "try again later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str) -> Settings {
        toml::from_str(&format!(
            "server = \"{server}\"\nuser = \"siptrail@example.com\"\npassword_file = \"/etc/siptrail/mail-password\"\n\
             from = \"alerts@example.com\"\nbase_url = \"https://siptrail.example.com\""
        ))
        .expect("settings")
    }

    fn said(server: &str, step: Step, trouble: Trouble) -> String {
        explain(&Failure { step, trouble }, &settings(server))
    }

    fn answer(code: u16, text: &str) -> Trouble {
        Trouble::Answered(Answer::new(code, text))
    }

    #[test]
    fn what_is_wrong_on_the_way_is_said_with_what_to_do() {
        let on_the_way = [
            (Step::Reach, Trouble::NotFound("Name or service not known".into())),
            (Step::Reach, Trouble::Unreachable("Connection refused".into())),
            (Step::Reach, Trouble::TimedOut),
            (Step::Reach, answer(421, "4.7.0 Try again later")),
            (Step::Reach, answer(554, "5.7.1 Listed")),
            (Step::Secure, Trouble::NoStarttls),
            (Step::Secure, Trouble::NotTls("received corrupt message".into())),
            (Step::Secure, Trouble::Certificate("UnknownIssuer".into())),
            (Step::Secure, Trouble::Certificate("Expired".into())),
            (Step::Secure, Trouble::Certificate("NotValidForName".into())),
            (Step::Reach, Trouble::NotSmtp("HTTP/1.1 400".into())),
        ];
        let said = on_the_way.map(|(step, trouble)| said("smtp.example.com", step, trouble)).join("\n");
        insta::assert_snapshot!(said, @r#"
        the name smtp.example.com is not found (Name or service not known); check `server`, and the name servers of this machine
        smtp.example.com:587 cannot be reached (Connection refused); check `server` and `port`, and whether a firewall lets this machine out
        smtp.example.com:587 did not answer within 60 s, before it said who it is; check `server` and `port`, and whether a firewall lets this machine out
        smtp.example.com takes no mails for a while (421 4.7.0 Try again later); wait 15 minutes
        smtp.example.com will not talk to this machine (554 5.7.1 Listed); ask who runs it
        smtp.example.com:587 offers no STARTTLS, so nothing was sent; if it speaks TLS from the first byte (usually port 465), write security = "tls"
        smtp.example.com:587 does not speak TLS as it should (received corrupt message); if it speaks TLS from the first byte (usually port 465), write security = "tls"
        the certificate of smtp.example.com is signed by nobody whom this machine trusts (UnknownIssuer); if it is a server of your own, name the certificate that signed it in `ca_file`
        the certificate of smtp.example.com has expired (Expired); whoever runs the server must renew it; check the clock of this machine, too
        the certificate of smtp.example.com is for another name (NotValidForName); write the name that stands in it as `server`
        smtp.example.com:587 does not speak SMTP as it should (HTTP/1.1 400); if it speaks TLS from the first byte (usually port 465), write security = "tls"
        "#);
    }

    #[test]
    fn what_the_server_refuses_is_said_with_what_to_do() {
        let refused = [
            (Step::Login, Trouble::NoLogin),
            (Step::Login, Trouble::Challenge),
            (Step::Login, answer(535, "5.7.8 Authentication failed")),
            (Step::Login, answer(454, "4.7.0 Too many login attempts")),
            (Step::From, answer(553, "5.7.1 Sender address rejected")),
            (Step::To, answer(550, "5.1.1 No such user")),
            (Step::To, answer(450, "4.2.1 Receiving too quickly")),
            (Step::Content, answer(550, "5.4.5 Daily limit")),
            (Step::Content, answer(552, "5.3.4 Too big")),
            (Step::Content, Trouble::Closed),
            (Step::Content, Trouble::TimedOut),
        ];
        let said = refused.map(|(step, trouble)| said("smtp.example.com", step, trouble)).join("\n");
        insta::assert_snapshot!(said, @r"
        smtp.example.com:587 offers no login with user and password; leave out `user` and `password_file` if it needs none
        smtp.example.com:587 asks for more than user and password (334); check `user` and the password in /etc/siptrail/mail-password
        smtp.example.com refuses user and password (535 5.7.8 Authentication failed); check `user` and the password in /etc/siptrail/mail-password
        smtp.example.com takes no login for a while (454 4.7.0 Too many login attempts); there were too many, so wait 15 minutes
        smtp.example.com will not send as alerts@example.com (553 5.7.1 Sender address rejected); `from` must be the account, or an address that it may send as
        smtp.example.com does not take mails for it (550 5.1.1 No such user); check the address
        smtp.example.com does not take mails for it now (450 4.2.1 Receiving too quickly); try again later
        the account has sent as many mails as it may in a day (550 5.4.5 Daily limit); the server takes more within 24 hours
        smtp.example.com refuses the mail (552 5.3.4 Too big)
        smtp.example.com:587 closed the connection after it had been given the mail; it may have been delivered or not, so it is sent again, with the same Message-ID
        smtp.example.com:587 did not answer within 60 s, after it had been given the mail; it may have been delivered or not, so it is sent again, with the same Message-ID
        ");
    }

    #[test]
    fn who_uses_gmail_learns_of_app_passwords() {
        let said = said("smtp.gmail.com", Step::Login, answer(535, "5.7.8 Username and Password not accepted"));
        insta::assert_snapshot!(said, @"smtp.gmail.com refuses user and password (535 5.7.8 Username and Password not accepted); Gmail takes app passwords only: turn on 2-step verification for siptrail@example.com, make an app password at https://myaccount.google.com/apppasswords and put it into /etc/siptrail/mail-password. An app password ends when the account's password is changed");
        assert!(!settings("smtp.notgmail.com").is_gmail());
    }

    #[test]
    fn a_port_that_expects_another_security_is_named() {
        let mut settings = settings("smtp.example.com");
        settings.port = Some(465);
        let failure = Failure { step: Step::Reach, trouble: Trouble::TimedOut };
        assert!(explain(&failure, &settings).ends_with("write security = \"tls\""), "{}", explain(&failure, &settings));
        settings.security = Security::Tls;
        settings.port = Some(587);
        let failure = Failure { step: Step::Reach, trouble: Trouble::NotTls("InvalidContentType".into()) };
        assert!(explain(&failure, &settings).ends_with("write security = \"starttls\""));
    }
}
