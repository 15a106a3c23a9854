//! What is wrong with a config file, in words: where, which key, and what to write instead.

use std::path::Path;

use strsim::damerau_levenshtein;

/// A fault of a TOML file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// Counted from 1.
    pub line: usize,
    /// The key that stands there, or the table it opens.
    pub key: String,
    /// One sentence without its full stop.
    pub hint: String,
}

/// Says in words what the reader of TOML has found in this text; `example` shows every key.
pub fn explain(error: &toml::de::Error, text: &str, example: &str) -> Wrong {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let line = memchr::memchr_iter(b'\n', &text.as_bytes()[..at]).count();
    Wrong { line: line + 1, key: key_at(text, line), hint: in_words(error.message(), example) }
}

/// A path for people: what is no text, or would move a terminal's cursor, is escaped.
pub fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// A text that may be a stranger's, on one line: what would end the line, move a cursor or turn the text around is escaped.
pub fn escaped(text: &str) -> String {
    // The signs after the controls change the direction of what follows, or end a line.
    let moves = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if moves(letter) { out.extend(letter.escape_default()) } else { out.push(letter) }
    }
    out
}

/// What is meant, if one of these is close to what was written.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let far = |name: &str| {
        let name = name.to_lowercase();
        // The city alone stands for a zone.
        let last = name.rsplit('/').next().unwrap_or_default();
        damerau_levenshtein(&lower, &name).min(damerau_levenshtein(&lower, last))
    };
    let (distance, name) = known.into_iter().map(|name| (far(name), name)).min()?;
    (distance <= (written.chars().count() / 3).clamp(1, 3)).then_some(name)
}

/// The key of a line, or of the line that its value begins on.
fn key_at(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line + 1).map(str::trim).collect();
    let own = |line: &&&str| {
        let is_table = line.starts_with('[') && line.ends_with(']');
        let key = line.split('=').next().unwrap_or_default().trim();
        is_table || (line.contains('=') && !key.is_empty() && !key.contains(['"', '[', ',']))
    };
    let found = lines.iter().rev().find(own).or(lines.last()).copied().unwrap_or_default();
    found.split('=').next().unwrap_or_default().trim().to_owned()
}

fn in_words(message: &str, example: &str) -> String {
    let message = message.trim().lines().map(str::trim).collect::<Vec<_>>().join("; ");
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let names = quoted(rest);
        let (name, known) = names.split_first().map_or(("", &names[..]), |(name, known)| (name.as_str(), known));
        let meant = nearest(name, known.iter().map(String::as_str));
        let meant = meant.map_or_else(|| format!("{example} shows every key"), |meant| format!("is `{meant}` meant?"));
        return format!("there is no key `{name}` here; {meant}");
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let names = quoted(rest);
        if let Some((name, known)) = names.split_first() {
            let known: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
            return format!("{name:?} cannot stand here; write {}", known.join(" or "));
        }
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return format!("the key {rest} is missing here");
    }
    if message == "invalid socket address syntax" {
        return "an address and a port such as \"127.0.0.1:8480\" are expected here".to_owned();
    }
    for begin in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) = message.strip_prefix(begin).and_then(|rest| rest.split_once(", expected ")) {
            return format!("{} is expected here, not {}", expected_value(expected), found_value(found));
        }
    }
    message
}

/// What a type is called by who writes TOML.
fn expected_value(expected: &str) -> String {
    let named = match expected {
        "a sequence" => "a list such as [\"…\"]",
        "a string" | "path string" | "a borrowed string" => "a text in quotes",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "i64" | "i32" => "a whole number",
        "socket address" => "an address and a port such as \"127.0.0.1:8480\"",
        "a map" => "a table",
        other if other.starts_with("struct ") || other.starts_with("internally") => "a table",
        other => other,
    };
    named.to_owned()
}

fn found_value(found: &str) -> String {
    let value = |text: &str| text.split_once(' ').map_or_else(String::new, |(_, value)| value.replace('`', ""));
    match found.split(' ').next().unwrap_or_default() {
        "string" => format!("the text {}", value(found)),
        "integer" => format!("the number {}", value(found)),
        "boolean" => value(found),
        "floating" => format!("the number {}", found.rsplit(' ').next().unwrap_or_default().replace('`', "")),
        "sequence" => "a list".into(),
        "map" => "a table".into(),
        "datetime" => "a date".into(),
        _ => found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    #[expect(dead_code, reason = "only read")]
    struct Sample {
        paths: Option<Vec<String>>,
        poll: Option<String>,
        insecure: Option<bool>,
        memory: Option<usize>,
        start: Option<crate::Start>,
        listen: Option<std::net::SocketAddr>,
        inner: Option<Vec<Inner>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        name: String,
    }

    fn check(text: &str, expect: &str) {
        let wrong = explain(&toml::from_str::<Sample>(text).unwrap_err(), text, "etc/agent.toml");
        assert_eq!(format!("{}: {}: {}", wrong.line, wrong.key, wrong.hint), expect);
    }

    #[test]
    fn each_fault_is_one_plain_sentence() {
        check("poll = \"1s\"\npol = 1", "2: pol: there is no key `pol` here; is `poll` meant?");
        check("colour = 1", "1: colour: there is no key `colour` here; etc/agent.toml shows every key");
        check("paths = \"/x\"", "1: paths: a list such as [\"…\"] is expected here, not the text \"/x\"");
        check("poll = 5", "1: poll: a text in quotes is expected here, not the number 5");
        check("insecure = \"yes\"", "1: insecure: true or false is expected here, not the text \"yes\"");
        check("memory = -1", "1: memory: a whole number of 0 or more is expected here, not the number -1");
        check("memory = 1.5", "1: memory: a whole number of 0 or more is expected here, not the number 1.5");
        check("start = \"middle\"", "1: start: \"middle\" cannot stand here; write \"beginning\" or \"end\"");
        check("listen = \"nowhere\"", "1: listen: an address and a port such as \"127.0.0.1:8480\" are expected here");
        check("[[inner]]\nnam = \"x\"", "1: [[inner]]: the key `name` is missing here");
        check("paths = [\n  \"/x\",\n  5,\n]", "3: paths: a text in quotes is expected here, not the number 5");
        check("inner = 5", "1: inner: a list such as [\"…\"] is expected here, not the number 5");
    }

    #[test]
    fn what_is_close_is_suggested_and_nothing_else() {
        let zones = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        for (written, meant) in
            [("Europe/Berln", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin"), ("Seoul", "Asia/Seoul")]
        {
            assert_eq!(nearest(written, zones()), Some(meant), "{written}");
        }
        for written in ["Mars/Olympus", "", "x"] {
            assert_eq!(nearest(written, ["Europe/Berlin", "Asia/Seoul"]), None, "{written}");
        }
    }
}
