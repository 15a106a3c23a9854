//! The version of a rule: a hash of its canonical text and of what it uses.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::duration;
use crate::print;
use crate::syntax::{Code, CodeNames, Pattern, Rule, Watch, Who};

/// The first 8 bytes of SHA-256.
pub fn of(text: &str) -> u64 {
    let hash = Sha256::digest(text);
    hash.iter().take(8).fold(0, |version, byte| version << 8 | u64::from(*byte))
}

/// All that a verdict can depend on, and no more: comments and blanks are not in it.
pub fn rule(rule: &Rule, codes: &CodeNames) -> String {
    let labels = print::labels(&rule.steps);
    let mut text =
        format!("rule {}\ntitle {}\nseverity {}\nper {}\n", rule.id, rule.title, rule.severity.name(), rule.per.name());
    let mut line = |key: &str, value: &str| writeln!(text, "{key} {value}").unwrap_or_default();
    line("start", &print::pattern(&rule.start));
    rule.steps.iter().for_each(|step| line("step", &print::step(step, &labels)));
    rule.unless.iter().for_each(|unless| line("unless", &print::unless(unless, &labels)));
    rule.ends.iter().for_each(|end| line("end", &print::end(end)));
    line("mail_when", &print::amounts(&rule.mail_when));
    line("critical_when", &print::amounts(&rule.critical_when));
    line("min", &rule.min.to_string());
    line("retry_within", &rule.retry_within.map(duration::show).unwrap_or_default());
    rule.explains.iter().for_each(|id| line("explains", id));
    rule.says.iter().for_each(|(class, sentence)| line("says", &format!("{class} {sentence}")));
    line("lateness", &duration::show(rule.times.lateness));
    line("late_for", &duration::show(rule.times.late_for));
    line("give_up", &duration::show(rule.times.give_up));
    line("on_silence", &format!("{:?}", rule.times.on_silence));
    let steps = rule.steps.iter().map(|step| &step.pattern);
    let patterns = [&rule.start].into_iter().chain(steps).chain(rule.unless.iter().map(|unless| &unless.pattern));
    let patterns: Vec<_> = patterns.chain(rule.ends.iter().map(|end| &end.pattern)).collect();
    text + &used(&patterns, rule.ends.iter().any(|end| end.outcome.is_none()), codes)
}

pub fn watch(watch: &Watch, codes: &CodeNames) -> String {
    let of = watch.of.as_ref().map(print::pattern).unwrap_or_default();
    let per = watch.per.as_ref().map(crate::syntax::FactName::show).unwrap_or_default();
    let text = format!(
        "watch {}\ntitle {}\nseverity {}\ncount {}\nof {of}\nper {per}\nmail_when {}\nmin {}\n",
        watch.id,
        watch.title,
        watch.severity.name(),
        print::pattern(&watch.count),
        print::amounts(&watch.mail_when),
        watch.min
    );
    let patterns: Vec<_> = [&watch.count].into_iter().chain(&watch.of).collect();
    text + &used(&patterns, false, codes)
}

/// The names that these use.
fn used(patterns: &[&Pattern], endings: bool, codes: &CodeNames) -> String {
    let terms = || patterns.iter().flat_map(|pattern| &pattern.0);
    let such = terms().flat_map(|term| [&term.from, &term.to]).filter_map(|who| match who {
        Some(Who::Such { name, with }) => Some(format!("who {name} {}\n", print::facts(with))),
        _ => None,
    });
    let such: std::collections::BTreeSet<String> = such.collect();
    let mut text: String = such.into_iter().collect();
    let named =
        terms().flat_map(|term| &term.codes).flat_map(|codes| &codes.0).any(|code| matches!(code, Code::Named(_)));
    for entry in codes.entries.iter().filter(|_| named || endings) {
        let ranges: Vec<_> = entry.ranges.iter().map(|(from, to)| print::range(*from, *to)).collect();
        let kind = if entry.business { "business" } else { "failed" };
        text += &format!("{kind} {} {}\n", entry.name, ranges.join("|"));
    }
    text
}
