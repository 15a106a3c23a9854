//! A rule as prose that an operator would sign.

use crate::phrase::{self, Mood, Named, joined, one_of, time};
use crate::print::{Labels, labels, percent};
use crate::syntax::{
    Amount, Anchor, Defaults, End, Ending, Much, OnSilence, Per, Rule, Severity, Side, Step, Term, Timing, Unless,
    Watch, Who,
};

/// Its sentences; what is a list has a line for each item.
pub fn explain(rule: &Rule) -> String {
    let labels = labels(&rule.steps);
    let start = phrase::pattern(&rule.start, Mood::Is, Named::New);
    let named = if rule.steps.len() == 1 && speaks_of_a_device(&rule.start.0) { Named::It } else { Named::Known };
    let steps: Vec<_> = rule.steps.iter().enumerate().map(|(at, one)| step(rule, at, one, named, &labels)).collect();
    let scope = scope(rule);
    let mut blocks = vec![match steps.as_slice() {
        [] => format!("When {start}, then {scope} it is waited for the end."),
        [one] => format!("When {start}, then {scope}: {one}."),
        _ => format!("When {start}, then {scope}:{}", list(&steps, &rule.steps)),
    }];
    if !rule.unless.is_empty() {
        let seen = rule.unless.iter().map(|one| unless(one, &labels));
        blocks.push(sentence_or_list("It is not judged if", seen.collect()));
    }
    if !rule.ends.is_empty() {
        let ends = rule.ends.iter().map(|one| end(one, rule));
        blocks.push(sentence_or_list("It is over when", ends.collect()));
    }
    blocks.push(weight(rule));
    woven(blocks)
}

/// The same for what is counted.
pub fn explain_watch(watch: &Watch) -> String {
    let counted = phrase::pattern(&watch.count, Mood::Is, Named::New);
    let of =
        watch.of.as_ref().map(|of| format!(", as a share of how often {}", phrase::pattern(of, Mood::Is, Named::New)));
    let per = watch.per.as_ref().map(|per| format!(", for {}", one_of(per)));
    let when = joined(watch.mail_when.iter().map(|one| amount(one, "")), "or");
    format!(
        "It is counted how often {counted}{}{}. An alert is opened at {when}{}. {}.",
        of.unwrap_or_default(),
        per.unwrap_or_default(),
        at_least(watch.min),
        capital(watch.severity.name())
    )
}

fn scope(rule: &Rule) -> &'static str {
    match rule.per {
        Per::Scenario => "in that scenario",
        Per::Attempt => "for that attempt",
        Per::Leg if speaks_of_a_device(&rule.start.0) => "on that device's leg",
        Per::Leg => "on that leg",
        Per::Device => "for that device",
        Per::Dialog => "in that dialog",
        Per::Transaction => "in that transaction",
    }
}

fn speaks_of_a_device(terms: &[Term]) -> bool {
    let ends = terms.iter().flat_map(|term| [&term.from, &term.to]).flatten();
    ends.into_iter().any(|who| matches!(who, Who::Device | Who::Such { .. }))
}

fn step(rule: &Rule, at: usize, step: &Step, named: Named, labels: &Labels<'_>) -> String {
    let mood = match (&step.failure, step.forbidden) {
        (_, true) => Mood::MustNot,
        (Some(_), false) => Mood::Must,
        (None, false) => Mood::May,
    };
    let come = phrase::pattern(&step.pattern, mood, named);
    let timing = step.timing.map(|timing| self::timing(rule, at, timing, labels)).unwrap_or_default();
    // Behind several messages it would seem to be the time of the last alone.
    let come = if step.pattern.0.len() > 1 && !timing.is_empty() {
        format!("{}, {come}", timing.trim_start())
    } else {
        format!("{come}{timing}")
    };
    match &step.failure {
        Some(class) => format!("{come}, else {}", failure(class, rule)),
        None => come,
    }
}

fn timing(rule: &Rule, at: usize, timing: Timing, labels: &Labels<'_>) -> String {
    match timing {
        Timing::Within { micros, of: None } => {
            // It counts from the last required step before it, else the start.
            let before = rule.steps[..at].iter().rposition(|step| step.failure.is_some() && !step.forbidden);
            let of = match before {
                None if at == 0 => String::new(),
                None => " after the start".into(),
                Some(before) => match labels.get(before).copied().flatten() {
                    Some(label) => format!(" after {label}"),
                    None => " after the step before".into(),
                },
            };
            format!(" within {}{of}", time(micros))
        }
        Timing::Within { micros, of: Some(of) } => format!(" within {} after {}", time(micros), anchor(of, labels)),
        Timing::Before { micros: None, label } => format!(" before {}", anchor(label, labels)),
        Timing::Before { micros: Some(micros), label } => {
            format!(" in the {} before {}", time(micros), anchor(label, labels))
        }
    }
}

fn anchor(anchor: Anchor, labels: &Labels<'_>) -> String {
    match anchor {
        Anchor::Start => "the start".into(),
        step @ Anchor::Step(_) => crate::print::anchor(step, labels).to_owned(),
    }
}

fn failure(class: &str, rule: &Rule) -> String {
    rule.says.get(class).map_or_else(|| class.to_owned(), |says| format!("{class}, \"{says}\""))
}

fn unless(unless: &Unless, labels: &Labels<'_>) -> String {
    let seen = phrase::pattern(&unless.pattern, Mood::Is, Named::Known);
    match unless.side {
        None => seen,
        Some((Side::Before, label)) => format!("{seen} before {}", anchor(label, labels)),
        Some((Side::After, label)) => format!("{seen} after {}", anchor(label, labels)),
    }
}

fn end(end: &End, rule: &Rule) -> String {
    let seen = phrase::pattern(&end.pattern, Mood::Is, Named::Known);
    let has_status = end.pattern.0.iter().any(|term| term.codes.is_some());
    match &end.outcome {
        None if has_status => format!("{seen}, and the status says how it ended"),
        None | Some(Ending::Ok) => format!("{seen}, which is a good end"),
        Some(Ending::Business(None)) => format!("{seen}, which is normal life"),
        Some(Ending::Business(Some(class))) => format!("{seen}, which is normal life ({class})"),
        Some(Ending::Failed(class)) => format!("{seen}, which fails as {}", failure(class, rule)),
    }
}

/// How bad a failure is, who hears of it, and what clears it.
fn weight(rule: &Rule) -> String {
    let shipped = Defaults::default().times;
    let mut said = vec![match (rule.severity, rule.critical_when.is_empty()) {
        (Severity::Critical, _) | (_, true) => format!("{}.", capital(rule.severity.name())),
        (severity, false) => {
            let when = joined(rule.critical_when.iter().map(|one| amount(one, " failures")), "or");
            format!("{}; critical from {when} on.", capital(severity.name()))
        }
    }];
    if !rule.mail_when.is_empty() {
        let when = joined(rule.mail_when.iter().map(|one| amount(one, " failures")), "or");
        said.push(format!("It is mailed from {when} on{}.", at_least(rule.min)));
    }
    if let Some(within) = rule.retry_within {
        said.push(format!("The same request, sent again within {} and answered well, clears a failure.", time(within)));
    }
    if !rule.explains.is_empty() {
        said.push(format!(
            "A failure explains one of {} in the same scenario.",
            joined(rule.explains.iter().cloned(), "and")
        ));
    }
    if rule.times.late_for != shipped.late_for {
        said.push(format!("A step that comes up to {} too late is late, not failed.", time(rule.times.late_for)));
    }
    if rule.times.lateness != shipped.lateness {
        said.push(format!("Lines may reach their log {} late.", time(rule.times.lateness)));
    }
    if rule.times.give_up != shipped.give_up {
        said.push(format!("After {} without an end it is unknown.", time(rule.times.give_up)));
    }
    if rule.times.on_silence == OnSilence::Failed {
        said.push("What a silent source would have shown counts as missing.".to_owned());
    }
    said.join(" ")
}

fn amount(amount: &Amount, what: &str) -> String {
    let share = |share: u32| percent(share).replace('%', " %");
    let much = match amount.much {
        Much::Count(1) => format!("1{}", what.trim_end_matches('s')),
        Much::Count(count) => format!("{count}{what}"),
        Much::Share(hundredths) => share(hundredths),
        Much::BelowLastWeek(hundredths) => format!("less than {} of a week ago", share(hundredths)),
        Much::AboveLastWeek(hundredths) => format!("more than {} of a week ago", share(hundredths)),
    };
    let per = amount.per.as_ref().map(|per| format!(" for {}", one_of(per)));
    format!("{much} in {}{}", time(amount.span), per.unwrap_or_default())
}

fn at_least(min: u32) -> String {
    if min == 0 { String::new() } else { format!(" (a percentage needs at least {min})") }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A line for each step, by its label.
fn list(sentences: &[String], steps: &[Step]) -> String {
    let line = |(sentence, step): (&String, &Step)| match &step.label {
        Some(label) => format!("\n- {label}: {sentence}."),
        None => format!("\n- {sentence}."),
    };
    sentences.iter().zip(steps).map(line).collect()
}

fn sentence_or_list(begin: &str, items: Vec<String>) -> String {
    match items.as_slice() {
        [one] => format!("{begin} {one}."),
        all => format!("{begin}:{}", all.iter().flat_map(|item| ["\n- ", item, "."]).collect::<String>()),
    }
}

/// What is one sentence goes on in its line; after a list a new line begins.
fn woven(blocks: Vec<String>) -> String {
    let mut text = String::new();
    for block in blocks {
        let apart = text.lines().count() > 1 || block.contains('\n');
        let by = if text.is_empty() {
            ""
        } else if apart {
            "\n"
        } else {
            " "
        };
        text = format!("{text}{by}{block}");
    }
    text
}
