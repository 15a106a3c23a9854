//! Patterns, facts and times in plain English.

use crate::print::{ordinal, range};
use crate::syntax::{Code, Codes, Fact, FactName, Op, Path, Pattern, Term, Who};

/// What is said of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// It comes.
    Is,
    Must,
    MustNot,
    May,
}

/// How far a text has come: what was named once is no longer new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// A device, an INVITE.
    New,
    /// The device, the INVITE.
    Known,
    /// As before, but the device is the only one that is spoken of.
    It,
}

pub fn pattern(pattern: &Pattern, mood: Mood, named: Named) -> String {
    let terms: Vec<_> = pattern.0.iter().map(|one| term(one, mood, named)).collect();
    terms.join(if mood == Mood::MustNot { ", and " } else { ", or " })
}

/// Somebody does something.
struct Clause {
    subject: String,
    /// As in "it sends", and as in "it must send".
    verb: (&'static str, &'static str),
    object: String,
}

fn term(term: &Term, mood: Mood, named: Named) -> String {
    let Clause { subject, verb, object } = clause(term, named);
    let done = match mood {
        Mood::Is => format!("{subject} {}", verb.0),
        Mood::Must => format!("{subject} must {}", verb.1),
        Mood::MustNot => format!("{subject} must not {}", verb.1),
        Mood::May => format!("{subject} may {}", verb.1),
    };
    let object = if object.is_empty() { object } else { format!(" {object}") };
    format!("{done}{object}{}", facts(&term.with))
}

fn clause(term: &Term, named: Named) -> Clause {
    let methods = any_of(term.methods.iter().cloned());
    let methods = format!("{methods}{}", term.path.as_ref().map(path).unwrap_or_default());
    let nth = (term.nth > 1).then(|| ordinal(term.nth));
    let (from, to) = (term.from.as_ref().map(|from| who(from, named)), term.to.as_ref().map(|to| who(to, named)));
    let Some(codes) = &term.codes else {
        let request = match nth {
            Some(nth) => format!("a {nth} {methods}"),
            None => with_article(&methods),
        };
        return match (from, to) {
            (None, None) => Clause { subject: request, verb: ("is sent", "be sent"), object: String::new() },
            (Some(from), None) => Clause { subject: from, verb: ("sends", "send"), object: request },
            (None, Some(to)) => Clause { subject: request, verb: ("reaches", "reach"), object: to },
            (Some(from), Some(to)) => {
                Clause { subject: from, verb: ("sends", "send"), object: format!("{request} to {to}") }
            }
        };
    };
    let codes = format!("({})", self::codes(codes));
    let asked = if named == Named::New { with_article(&methods) } else { format!("the {methods}") };
    let again = nth.as_ref().map(|nth| format!(" a {nth} time")).unwrap_or_default();
    let answer = nth.as_ref().map_or_else(|| "an answer".to_owned(), |nth| format!("a {nth} answer"));
    match (from, to) {
        (None, None) => Clause {
            subject: asked,
            verb: ("is answered", "be answered"),
            object: format!("{again} {codes}").trim().into(),
        },
        (Some(from), None) => {
            Clause { subject: from, verb: ("answers", "answer"), object: format!("{asked}{again} {codes}") }
        }
        (None, Some(to)) => {
            Clause { subject: to, verb: ("gets", "get"), object: format!("{answer} to {asked} {codes}") }
        }
        (Some(from), Some(to)) => {
            Clause { subject: to, verb: ("gets", "get"), object: format!("{answer} of {from} to {asked} {codes}") }
        }
    }
}

fn path(path: &Path) -> String {
    if path.prefix { format!(" on paths that begin with {}", path.text) } else { format!(" on {}", path.text) }
}

fn who(who: &Who, named: Named) -> String {
    match (who, named) {
        (Who::Caller, _) => "the caller".into(),
        (Who::Callee, _) => "the callee".into(),
        (Who::Device | Who::Such { .. }, Named::It) => "it".into(),
        (Who::Device, Named::New) => "a device".into(),
        (Who::Device, Named::Known) => "the device".into(),
        (Who::OtherLeg, _) => "another device".into(),
        (Who::OtherParty, _) => "the other party".into(),
        (Who::Such { name, with }, Named::New) => {
            let known = with.iter().map(|fact| condition(fact).replacen("the ", "", 1).replacen(" is ", " ", 1));
            let known: Vec<_> = known.collect();
            format!("{} ({})", with_article(name), known.join(", "))
        }
        (Who::Such { name, .. }, Named::Known) => format!("the {name}"),
        (Who::Node(name), _) => format!("node {name}"),
    }
}

fn codes(codes: &Codes) -> String {
    any_of(codes.0.iter().map(|code| match code {
        Code::Named(name) => name.clone(),
        Code::Range { from, to } => range(*from, *to),
    }))
}

/// What follows the message: where it is, and under which conditions it counts.
fn facts(facts: &[Fact]) -> String {
    let places: Vec<_> = facts.iter().filter_map(place).collect();
    let conditions: Vec<_> = facts.iter().filter(|fact| place(fact).is_none()).map(condition).collect();
    let places: String = places.iter().flat_map(|place| [" ", place]).collect();
    if conditions.is_empty() { places } else { format!("{places} where {}", conditions.join(" and ")) }
}

/// What is better said without "where".
fn place(fact: &Fact) -> Option<String> {
    let yes = (fact.values.iter().any(|value| value == "yes")) == (fact.op == Op::Is);
    let said = match fact.name {
        FactName::Scenario => {
            let side = if fact.op == Op::Is { "in" } else { "outside" };
            return Some(format!("{side} {}", with_article(&any_of(fact.values.iter().cloned()))));
        }
        FactName::Initial if yes => "outside a dialog",
        FactName::Initial => "within a dialog",
        FactName::Repeated if yes => "as a retransmission",
        FactName::Repeated => "for the first time",
        FactName::Winner if yes => "and wins the call",
        FactName::Winner => "without winning the call",
        FactName::Expires => {
            let seconds = any_of(fact.values.iter().cloned());
            return Some(format!("with an expiry of {} s", compared(fact.op, &seconds)));
        }
        _ => return None,
    };
    Some(said.to_owned())
}

fn condition(fact: &Fact) -> String {
    let yes = (fact.values.iter().any(|value| value == "yes")) == (fact.op == Op::Is);
    let values = || any_of(fact.values.iter().cloned());
    match fact.name {
        FactName::Rang if yes => "it rang".into(),
        FactName::Rang => "it did not ring".into(),
        FactName::Pushable if yes => "the device has a push token".into(),
        FactName::Pushable => "the device has no push token".into(),
        FactName::RegisteredAgo => {
            let micros = fact.values.first().and_then(|value| value.parse().ok()).unwrap_or_default();
            format!("the device registered {} ago", compared(fact.op, &time(micros)).replace("not ", "not exactly "))
        }
        _ => match fact.op {
            Op::Is => format!("{} is {}", called(&fact.name), values()),
            Op::IsNot => format!("{} is not {}", called(&fact.name), values()),
            op => format!("{} is {}", called(&fact.name), compared(op, &values())),
        },
    }
}

fn compared(op: Op, value: &str) -> String {
    match op {
        Op::Is => value.to_owned(),
        Op::IsNot => format!("not {value}"),
        Op::Less => format!("less than {value}"),
        Op::AtMost => format!("at most {value}"),
        Op::More => format!("more than {value}"),
        Op::AtLeast => format!("at least {value}"),
    }
}

fn called(name: &FactName) -> String {
    match name {
        FactName::FromHost => "the sending host".into(),
        FactName::ToHost => "the receiving host".into(),
        FactName::Header(name) => format!("the header {name}"),
        FactName::Json(pointer) => format!("the JSON value at {pointer}"),
        other => format!("the {}", other.show().replace('_', " ")),
    }
}

/// Of which things each has a count of its own: "for one device".
pub fn one_of(name: &FactName) -> String {
    called(name).replacen("the ", "one ", 1)
}

/// `32 s`, `10 min`.
pub fn time(micros: i64) -> String {
    let text = crate::duration::show(micros);
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    match (unit, number) {
        ("m", _) => format!("{number} min"),
        ("d", "1") => "24 h".into(),
        ("d", _) => format!("{number} days"),
        _ => format!("{number} {unit}"),
    }
}

fn with_article(words: &str) -> String {
    let vowel = words.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']);
    format!("{} {words}", if vowel { "an" } else { "a" })
}

/// `a, b or c`.
fn any_of(words: impl Iterator<Item = String>) -> String {
    joined(words, "or")
}

pub fn joined(words: impl Iterator<Item = String>, by: &str) -> String {
    let mut words: Vec<String> = words.collect();
    match words.pop() {
        None => String::new(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} {by} {last}", words.join(", ")),
    }
}
