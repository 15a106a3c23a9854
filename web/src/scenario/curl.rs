//! A REST request as a command for a shell. What a stranger logged is quoted, so it stays an argument.

use message::kind::Kind;
use message::logged::Message;
use message::rest::{self, Http, HttpStart, Part};

/// Bytes of a command that anybody would paste.
const MOST: usize = 16 << 10;

/// `curl -X POST 'http://192.0.2.40:8080/v1/route' -H 'Accept: */*' --data-binary '{}'`; none where it is no request, or too long.
pub fn curl(message: &Message) -> Option<String> {
    if message.kind != Kind::Rest || message.facts.response || message.body().len() > MOST {
        return None;
    }
    let parts = rest::parts(message.body());
    let command = match parts.first() {
        Some(Part::Http(http)) => of_http(http, message)?,
        other => of_record(other, message)?,
    };
    (command.len() <= MOST).then_some(command)
}

fn of_http(http: &Http, message: &Message) -> Option<String> {
    let HttpStart::Request { method, target } = http.start else { return None };
    let mut command = format!("curl -X {} {}", quoted(method), quoted(&url(&message.destination, target)?));
    for header in http.headers.clone() {
        let (name, value) = (header.name(), header.value());
        let by_curl = ["host", "content-length", "transfer-encoding", "connection"];
        if !name.is_empty() && !by_curl.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            command += &format!(" -H {}", quoted(&format!("{name}: {value}")));
        }
    }
    Some(command + &data(&http.body)?)
}

/// A request without a head: its method and address stand in the line of the record. A body that holds the result, too,
/// is not what was sent.
fn of_record(part: Option<&Part>, message: &Message) -> Option<String> {
    let facts = &message.facts;
    let command = format!("curl -X {} {}", quoted(&facts.method), quoted(&url(&message.destination, "")?));
    match part {
        Some(Part::Bare { body, .. }) if facts.result.is_none() && facts.status.is_none() => {
            Some(format!("{command} -H 'Content-Type: application/json'{}", data(body)?))
        }
        _ => Some(command),
    }
}

fn data(body: &[u8]) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    Some(if body.is_empty() { String::new() } else { format!(" --data-binary {}", quoted(body)) })
}

/// Of scheme and host as the record names them, and the target of the request; without one the whole of it.
fn url(destination: &str, target: &str) -> Option<String> {
    let is_web = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    if is_web(target) {
        return Some(target.to_owned());
    }
    if target.is_empty() {
        return is_web(destination).then(|| destination.to_owned());
    }
    let host = destination.find("://").filter(|_| is_web(destination))? + 3;
    let end = destination[host..].find(['/', '?', '#']).map_or(destination.len(), |at| host + at);
    Some(format!("{}{target}", &destination[..end]))
}

/// As one word of a POSIX shell; what a terminal would act on is escaped as bash, zsh and ksh read it.
fn quoted(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/=@%+,".contains(&byte)) {
        return text.to_owned();
    }
    if !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = String::from("$'");
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' | '\\' => out.extend(['\\', letter]),
            control if control.is_control() => {
                control.to_string().bytes().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
            }
            other => out.push(other),
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_whatever_it_holds() {
        for (text, word) in [
            ("POST", "POST"),
            ("", "''"),
            ("a b$(id)`id`", "'a b$(id)`id`'"),
            ("it's", r"'it'\''s'"),
            ("a\n\u{1b}[201~'\\", r"$'a\n\x1b[201~\'\\'"),
            ("\u{85}", r"$'\xc2\x85'"),
        ] {
            assert_eq!(quoted(text), word);
        }
        let shell = std::process::Command::new("bash")
            .args(["-c", &format!("printf %s {}", quoted("a'b\\\n$(id) \u{1b}x\u{85}"))])
            .output()
            .unwrap();
        assert_eq!(shell.stdout, "a'b\\\n$(id) \u{1b}x\u{85}".as_bytes());
    }

    #[test]
    fn the_address_is_that_of_the_record() {
        assert_eq!(url("http://192.0.2.40:8080/v1/a", "/v1/b?c").unwrap(), "http://192.0.2.40:8080/v1/b?c");
        assert_eq!(url("https://api", "/").unwrap(), "https://api/");
        assert_eq!(url("sip:api", "http://api/x").unwrap(), "http://api/x");
        assert_eq!(url("192.0.2.40", "/x"), None);
    }
}
