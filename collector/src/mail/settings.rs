//! `[mail]` of the config: by which server mails go, and as whom.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use record::duration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A try ends before the lease of its mail does.
const LONGEST: Duration = Duration::from_secs(100);

/// One account of a mail server. Without it nothing is mailed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: String,
    /// None: 587 for `starttls`, 465 for `tls`, 25 for `none`.
    pub port: Option<u16>,
    #[serde(default)]
    pub security: Security,
    /// None: the server takes mails without a login.
    pub user: Option<String>,
    /// A file that holds the password, so that none stands in the config.
    pub password_file: Option<PathBuf>,
    pub from: Sender,
    pub reply_to: Option<Sender>,
    /// Where the pages are, as readers of mails reach them.
    pub base_url: String,
    /// Who this is at the server (EHLO), and the domain of Message-IDs. None: the machine's name, and the domain of `from`.
    pub hostname: Option<String>,
    /// Certificates in PEM that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long one mail may take, from connecting to the server's last answer.
    #[serde(default = "minute", with = "duration")]
    pub timeout: Duration,
}

/// `siptrail@example.com`, or with a name: `Siptrail (prod) <siptrail@example.com>`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sender(pub Mailbox);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Plain, then TLS before anything is said of mails; a server that has no TLS gets none.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// On this machine only.
    None,
}

/// What is wrong with a key of `[mail]`, and what to write.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("mail.{key}: {what}")]
pub struct Fault {
    pub key: &'static str,
    pub what: String,
}

impl Settings {
    /// For mails that are made and not sent: as they would be, by an address that nobody has.
    pub fn nowhere(base_url: &str) -> Self {
        Self {
            server: "localhost".to_owned(),
            port: None,
            security: Security::None,
            user: None,
            password_file: None,
            from: Sender(Mailbox::new(Some("Siptrail".to_owned()), nobody())),
            reply_to: None,
            base_url: base_url.to_owned(),
            hostname: None,
            ca_file: None,
            timeout: minute(),
        }
    }

    /// What serde cannot see: keys that do not go together. Files are read when the account is opened.
    pub fn check(&self) -> Result<(), Fault> {
        let fault = |key, what: &str| Err(Fault { key, what: what.to_owned() });
        if !is_name(&self.server) {
            return fault("server", "the name or the address of a mail server is expected, such as \"smtp.gmail.com\"");
        }
        if self.port == Some(0) {
            return fault("port", "0 is no port; leave it out for the usual one");
        }
        if self.security == Security::None && !is_loopback(&self.server) {
            return fault(
                "security",
                "without TLS mails go to a server on this machine only (localhost, 127.0.0.1); write \"starttls\" or \"tls\"",
            );
        }
        match (&self.user, &self.password_file) {
            (Some(_), None) => {
                return fault("password_file", "a `user` needs a password; name the file that holds it");
            }
            (None, Some(_)) => return fault("user", "a `password_file` needs the `user` whose password it holds"),
            (Some(user), Some(_)) if user.is_empty() => return fault("user", "it is empty; leave it out for no login"),
            _ => {}
        }
        if !is_base(&self.base_url) {
            return fault("base_url", "the address of the pages is expected, such as \"https://siptrail.example.com\"");
        }
        if self.hostname.as_deref().is_some_and(|name| !is_name(name)) {
            return fault("hostname", "a name such as \"siptrail.example.com\" is expected");
        }
        if !(Duration::from_secs(1)..=LONGEST).contains(&self.timeout) {
            return fault(
                "timeout",
                "from \"1s\" to \"100s\" is expected: after two minutes another collector sends the mail",
            );
        }
        Ok(())
    }

    pub fn port(&self) -> u16 {
        let usual = match self.security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        };
        self.port.unwrap_or(usual)
    }

    /// What links to pages begin with.
    pub fn pages(&self) -> &str {
        self.base_url.trim_end_matches('/')
    }

    /// The right-hand side of Message-IDs and List-Ids.
    pub fn domain(&self) -> &str {
        self.hostname.as_deref().unwrap_or_else(|| self.from.0.email.domain())
    }

    /// The account is one of Google's, which has habits of its own.
    pub fn is_gmail(&self) -> bool {
        let server = self.server.to_ascii_lowercase();
        ["gmail.com", "googlemail.com", "google.com"]
            .iter()
            .any(|of| server.strip_suffix(of).is_some_and(|rest| rest.ends_with('.') || rest.is_empty()))
    }

    /// Another number for other settings or another password. It is kept where others may read it, and too short to try passwords
    /// by.
    pub fn fingerprint(&self) -> i32 {
        let mut hash = Sha256::new_with_prefix(format!("{self:?}"));
        for file in self.password_file.iter().chain(&self.ca_file) {
            hash.update(std::fs::read(file).unwrap_or_default());
        }
        let digest = hash.finalize();
        i32::from(u16::from_be_bytes([digest[0], digest[1]]))
    }

    pub(crate) fn password(&self) -> Result<Option<String>, Fault> {
        self.password_file.as_deref().map(password).transpose()
    }
}

fn password(file: &Path) -> Result<String, Fault> {
    let fault = |what: String| Fault { key: "password_file", what };
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|why| fault(format!("cannot read {name}: {why}")))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(fault(format!("{name} is empty; it should hold the password alone")));
    }
    if text.contains(['\r', '\n', '\0']) {
        return Err(fault(format!("{name} holds more than one line; it should hold the password alone")));
    }
    Ok(without_groups(text))
}

/// Google shows app passwords as four groups of four letters; the blanks between them are no part of it.
fn without_groups(password: &str) -> String {
    let groups: Vec<&str> = password.split_whitespace().collect();
    let is_group = |group: &&str| group.len() == 4 && group.bytes().all(|b| b.is_ascii_lowercase());
    if groups.len() == 4 && groups.iter().all(is_group) { groups.concat() } else { password.to_owned() }
}

fn is_name(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_');
    !text.is_empty() && text.bytes().all(is_letter) && (!text.contains(':') || text.parse::<IpAddr>().is_ok())
}

fn is_loopback(server: &str) -> bool {
    server.eq_ignore_ascii_case("localhost") || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_base(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'<' | b'>' | b'"' | b'@' | b'\\');
        !rest.starts_with('/') && !rest.is_empty() && rest.bytes().all(plain)
    })
}

fn nobody() -> Address {
    Address::new("siptrail", "localhost").expect("a user and a host name")
}

fn minute() -> Duration {
    Duration::from_mins(1)
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starttls => "STARTTLS",
            Self::Tls => "TLS",
            Self::None => "without TLS",
        })
    }
}

impl TryFrom<String> for Sender {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        sender(&text)
            .ok_or_else(|| format!("{text:?} is no mail address such as \"Siptrail (prod) <siptrail@example.com>\""))
    }
}

impl From<Sender> for String {
    fn from(Sender(mailbox): Sender) -> Self {
        mailbox.to_string()
    }
}

/// A name may hold signs that a header would have to quote.
fn sender(text: &str) -> Option<Sender> {
    let (name, address) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
        None => ("", text.trim()),
    };
    if name.chars().any(char::is_control) || !address.is_ascii() {
        return None;
    }
    let name = (!name.is_empty()).then(|| name.to_owned());
    Some(Sender(Mailbox::new(name, address.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        "server = \"smtp.example.com\"\nfrom = \"siptrail@example.com\"\nbase_url = \"https://siptrail.example.com\"\n";

    fn settings(more: &str) -> Settings {
        // A key that is said again replaces the one of the least config.
        let mut table: toml::Table = LEAST.parse().expect("a table");
        table.extend(more.parse::<toml::Table>().expect("a table"));
        table.try_into().expect("settings")
    }

    #[test]
    fn three_keys_are_enough() {
        let least = settings("");
        assert_eq!(least.check(), Ok(()));
        assert_eq!((least.port(), least.security, least.timeout), (587, Security::Starttls, Duration::from_mins(1)));
        assert_eq!(least.domain(), "example.com");
        assert_eq!(settings("base_url = \"https://example.com/siptrail/\"").pages(), "https://example.com/siptrail");
        assert_eq!(settings("security = \"tls\"").port(), 465);
        assert_eq!(settings("hostname = \"siptrail.example.com\"").domain(), "siptrail.example.com");
        assert_eq!(
            settings("from = \"Siptrail (prod) <siptrail@example.com>\"").from,
            settings("from = '\"Siptrail (prod)\" <siptrail@example.com>'").from
        );
    }

    #[test]
    fn each_fault_names_its_key_and_what_to_write() {
        let faulty = [
            "server = \"smtp.example.com/x\"",
            "port = 0",
            "security = \"none\"",
            "user = \"siptrail\"",
            "password_file = \"/etc/siptrail/mail-password\"",
            "base_url = \"siptrail.example.com\"",
            "hostname = \"\"",
            "timeout = \"0s\"",
            "timeout = \"5m\"",
        ];
        let said = faulty.map(|more| settings(more).check().expect_err(more).to_string()).join("\n");
        insta::assert_snapshot!(said, @r#"
        mail.server: the name or the address of a mail server is expected, such as "smtp.gmail.com"
        mail.port: 0 is no port; leave it out for the usual one
        mail.security: without TLS mails go to a server on this machine only (localhost, 127.0.0.1); write "starttls" or "tls"
        mail.password_file: a `user` needs a password; name the file that holds it
        mail.user: a `password_file` needs the `user` whose password it holds
        mail.base_url: the address of the pages is expected, such as "https://siptrail.example.com"
        mail.hostname: a name such as "siptrail.example.com" is expected
        mail.timeout: from "1s" to "100s" is expected: after two minutes another collector sends the mail
        mail.timeout: from "1s" to "100s" is expected: after two minutes another collector sends the mail
        "#);
        assert_eq!(settings("server = \"127.0.0.1\"\nsecurity = \"none\"").check(), Ok(()));
        assert_eq!(settings("timeout = \"100s\"").check(), Ok(()));
    }

    #[test]
    fn what_is_no_mail_address_is_refused_with_an_example() {
        for from in ["siptrail", "Siptrail <siptrail>", "a@b.example, c@d.example", "a\\nb <c@d.example>"] {
            let text = LEAST.replace("\"siptrail@example.com\"", &format!("\"{from}\""));
            let error = toml::from_str::<Settings>(&text).expect_err(from).to_string();
            assert!(error.contains("is no mail address such as"), "{error}");
        }
    }

    #[test]
    fn the_groups_of_an_app_password_are_put_together() {
        assert_eq!(without_groups("abcd efgh ijkl mnop"), "abcdefghijklmnop");
        assert_eq!(without_groups("abcd\u{a0}efgh\u{a0}ijkl\u{a0}mnop"), "abcdefghijklmnop");
        for whole in ["correct horse battery staple", "abcd efgh ijkl", " a b ", "ABCD efgh ijkl mnop"] {
            assert_eq!(without_groups(whole), whole);
        }
    }

    #[test]
    fn settings_and_passwords_that_change_are_noticed() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let file = dir.path().join("password");
        let of = |password: &str, more: &str| {
            std::fs::write(&file, password).expect("written");
            settings(&format!("user = \"siptrail\"\npassword_file = \"{}\"\n{more}", file.display())).fingerprint()
        };
        let before = of("one", "");
        assert_eq!(of("one", ""), before);
        assert_ne!(of("two", ""), before);
        assert_ne!(of("one", "security = \"tls\""), before);
    }

    #[test]
    fn a_password_file_holds_one_line() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let file = dir.path().join("password");
        let read = |text: &str| {
            std::fs::write(&file, text).expect("written");
            password(&file).map_err(|fault| fault.to_string().replace(&file.display().to_string(), "FILE"))
        };
        assert_eq!(read("s3cret, with a blank \n"), Ok("s3cret, with a blank ".to_owned()));
        assert_eq!(read("\n"), Err("mail.password_file: FILE is empty; it should hold the password alone".into()));
        assert_eq!(
            read("user\npassword\n"),
            Err("mail.password_file: FILE holds more than one line; it should hold the password alone".into())
        );
    }
}
