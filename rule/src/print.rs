//! A rule's sentences as text, in the one form that reads back as the same value.

use crate::duration;
use crate::syntax::{
    Amount, Anchor, Code, Codes, End, Ending, Fact, FactName, Much, Pattern, Side, Step, Term, Timing, Unless, Who,
};

/// Labels of all steps of a rule, in order: what anchors are called.
pub type Labels<'l> = [Option<&'l str>];

pub fn labels(steps: &[Step]) -> Vec<Option<&str>> {
    steps.iter().map(|step| step.label.as_deref()).collect()
}

pub fn step(step: &Step, labels: &Labels<'_>) -> String {
    let label = step.label.iter().map(|label| format!("{label}:"));
    let words = label.chain(step.forbidden.then(|| "no".into())).chain([pattern(&step.pattern)]);
    let words = words.chain(step.timing.map(|timing| self::timing(timing, labels)));
    let fate = step.failure.as_ref().map_or_else(|| "optional".to_owned(), |class| format!("else {class}"));
    joined(words.chain([fate]))
}

pub fn pattern(pattern: &Pattern) -> String {
    pattern.0.iter().map(term).collect::<Vec<_>>().join(" or ")
}

pub fn unless(unless: &Unless, labels: &Labels<'_>) -> String {
    let side = unless.side.map(|(side, anchor)| {
        let side = if side == Side::Before { "before" } else { "after" };
        format!("{side} {}", self::anchor(anchor, labels))
    });
    joined([pattern(&unless.pattern)].into_iter().chain(side))
}

pub fn end(end: &End) -> String {
    let outcome = end.outcome.as_ref().map(|outcome| match outcome {
        Ending::Ok => "as ok".to_owned(),
        Ending::Business(None) => "as business".to_owned(),
        Ending::Business(Some(class)) => format!("as business {class}"),
        Ending::Failed(class) => format!("as failed {class}"),
    });
    joined([pattern(&end.pattern)].into_iter().chain(outcome))
}

pub fn amounts(amounts: &[Amount]) -> String {
    amounts.iter().map(amount).collect::<Vec<_>>().join(" or ")
}

fn amount(amount: &Amount) -> String {
    let much = match amount.much {
        Much::Count(count) => count.to_string(),
        Much::Share(share) => percent(share),
        Much::BelowLastWeek(share) => format!("below {} of last week", percent(share)),
        Much::AboveLastWeek(share) => format!("above {} of last week", percent(share)),
    };
    let per = amount.per.as_ref().map(|per| format!("per {}", per.show()));
    joined([format!("{much} in {}", duration::show(amount.span))].into_iter().chain(per))
}

/// From hundredths of a percent.
pub fn percent(share: u32) -> String {
    match share % 100 {
        0 => format!("{}%", share / 100),
        part if part % 10 == 0 => format!("{}.{}%", share / 100, part / 10),
        part => format!("{}.{part:02}%", share / 100),
    }
}

pub fn facts(facts: &[Fact]) -> String {
    facts.iter().map(fact).collect::<Vec<_>>().join(" and ")
}

fn fact(fact: &Fact) -> String {
    let value = |value: &String| match (&fact.name, value.parse::<i64>()) {
        (FactName::RegisteredAgo, Ok(micros)) => duration::show(micros),
        _ if is_plain(value) => value.clone(),
        _ => quoted(value),
    };
    let values: Vec<_> = fact.values.iter().map(value).collect();
    format!("{}{}{}", fact.name.show(), fact.op.show(), values.join("|"))
}

pub fn codes(codes: &Codes) -> String {
    let code = |code: &Code| match code {
        Code::Named(name) => name.clone(),
        Code::Range { from, to } => range(*from, *to),
    };
    codes.0.iter().map(code).collect::<Vec<_>>().join("|")
}

pub fn range(from: u16, to: u16) -> String {
    match (from, to) {
        (from, to) if from == to => from.to_string(),
        (from, to) if from % 100 == 0 && to % 100 == 99 && from / 100 == to / 100 => format!("{}xx", from / 100),
        (from, to) if from % 100 == 0 && to % 100 == 99 => format!("{}xx-{}xx", from / 100, to / 100),
        (from, to) => format!("{from}-{to}"),
    }
}

/// `2nd`, `3rd`, `11th`.
pub fn ordinal(nth: u32) -> String {
    let end = match (nth % 10, nth % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{nth}{end}")
}

fn term(term: &Term) -> String {
    let nth = (term.nth > 1).then(|| ordinal(term.nth));
    let words = nth.into_iter().chain(term.codes.as_ref().map(codes)).chain([term.methods.join("|")]);
    let path = term.path.as_ref().map(|path| format!("{}{}", path.text, if path.prefix { "*" } else { "" }));
    let from = term.from.as_ref().map(|who| format!("from {}", self::who(who)));
    let to = term.to.as_ref().map(|who| format!("to {}", self::who(who)));
    let with = (!term.with.is_empty()).then(|| format!("with {}", facts(&term.with)));
    joined(words.chain(path).chain(from).chain(to).chain(with))
}

/// A node is quoted, so that no word of the language is ever taken for one.
fn who(who: &Who) -> String {
    match who {
        Who::Caller => "caller".into(),
        Who::Callee => "callee".into(),
        Who::Device => "device".into(),
        Who::OtherLeg => "other-leg".into(),
        Who::OtherParty => "other-party".into(),
        Who::Such { name, .. } => name.clone(),
        Who::Node(name) => quoted(name),
    }
}

fn timing(timing: Timing, labels: &Labels<'_>) -> String {
    match timing {
        Timing::Within { micros, of: None } => format!("within {}", duration::show(micros)),
        Timing::Within { micros, of: Some(of) } => {
            format!("within {} of {}", duration::show(micros), anchor(of, labels))
        }
        Timing::Before { micros: None, label } => format!("before {}", anchor(label, labels)),
        Timing::Before { micros: Some(micros), label } => {
            format!("within {} before {}", duration::show(micros), anchor(label, labels))
        }
    }
}

/// A step that something counts from has a label.
pub fn anchor<'l>(anchor: Anchor, labels: &Labels<'l>) -> &'l str {
    match anchor {
        Anchor::Start => "start",
        Anchor::Step(step) => labels.get(step).copied().flatten().unwrap_or("?"),
    }
}

fn is_plain(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'@' | b'+');
    !value.is_empty() && value.bytes().all(plain)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn joined(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}
