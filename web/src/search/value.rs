//! Values of filters as they are typed: read, or said what is wrong with them; and in words again.

use message::event::CallClass;
use message::kind::Kind;
use rule::verdict::Outcome;

use crate::params::quoted;
use crate::words;

/// A field that cannot be read, and what it takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub field: &'static str,
    pub text: String,
}

/// `failed, cannot tell`
pub(crate) fn outcome_words(names: &str) -> String {
    let word = |name: &str| match Outcome::ALL.into_iter().find(|outcome| outcome.name() == name) {
        Some(outcome) => words::judged(outcome).0.to_owned(),
        None => name.to_owned(),
    };
    names.split(',').map(|name| word(name.trim())).collect::<Vec<_>>().join(", ")
}

pub(crate) fn class_words(names: &str) -> String {
    let mut out = Vec::new();
    for name in names.split(',').map(str::trim) {
        out.push(match CallClass::ALL.into_iter().find(|class| class.name() == name) {
            Some(class) => words::class(class),
            None => name,
        });
    }
    out.join(", ")
}

pub(crate) fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(crate) fn flag(field: &'static str, text: &str, faults: &mut Vec<Fault>) -> bool {
    if !matches!(text, "" | "true" | "false") {
        faults.push(Fault { field, text: format!("{field} is true or left out, not {}", quoted(text)) });
    }
    text == "true"
}

pub(crate) fn classes(names: &str, faults: &mut Vec<Fault>) -> Vec<CallClass> {
    let mut classes = Vec::new();
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match CallClass::ALL.into_iter().find(|class| class.name() == name) {
            Some(class) if classes.contains(&class) => {}
            Some(class) => classes.push(class),
            None => faults.push(Fault { field: "class", text: format!("there is no class {}", quoted(name)) }),
        }
    }
    classes
}

pub(crate) fn outcomes(names: &str, faults: &mut Vec<Fault>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match Outcome::ALL.into_iter().find(|outcome| outcome.name() == name) {
            Some(outcome) if outcomes.contains(&outcome) => {}
            Some(outcome) => outcomes.push(outcome),
            None => {
                let known = Outcome::ALL.map(Outcome::name).join(", ");
                faults.push(Fault { field: "outcome", text: format!("there is no outcome {}: {known}", quoted(name)) });
            }
        }
    }
    outcomes
}

pub(crate) fn kind(text: &str, faults: &mut Vec<Fault>) -> Option<Kind> {
    let kind = text.parse().ok();
    if kind.is_none() && !text.is_empty() {
        faults.push(Fault { field: "kind", text: format!("{} is no kind: SIP, REST, PUSH or MEDIA", quoted(text)) });
    }
    kind
}

/// `486`, `4xx` or `400-499`.
pub(crate) fn statuses(field: &'static str, text: &str, faults: &mut Vec<Fault>) -> Option<(u16, u16)> {
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=999).contains(code));
    let range = match text.to_ascii_lowercase().strip_suffix("xx") {
        Some(class) => class.parse::<u16>().ok().filter(|c| (1..=9).contains(c)).map(|c| (c * 100, c * 100 + 99)),
        None => match text.split_once('-') {
            Some((first, last)) => code(first).zip(code(last)).filter(|(first, last)| first <= last),
            None => code(text).map(|code| (code, code)),
        },
    };
    if range.is_none() && !text.is_empty() {
        faults.push(Fault { field, text: format!("{} is no status: write 486, 4xx or 400-499", quoted(text)) });
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_a_class_or_a_range() {
        let read = |text: &str| statuses("status", text, &mut Vec::new());
        assert_eq!(read("486"), Some((486, 486)));
        assert_eq!(read("4XX"), Some((400, 499)));
        assert_eq!(read("500-503"), Some((500, 503)));
        for text in ["", "4x", "99", "0xx", "503-500", "65536", "éxx", "-"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
