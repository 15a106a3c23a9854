//! `[[rule]]` and `[[watch]]`: from a table to a value, with all that is wrong in it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::defaults::{is_title, says, times};
use crate::document::{Quoted, Table};
use crate::fault::Wrong;
use crate::grammar::{self, Names};
use crate::outcome;
use crate::syntax::{Amount, Defaults, Much, Per, Rule, Severity, Step, Watch};
use crate::version;
use crate::words::is_name;

/// Of one rule.
const MOST_SENTENCES: usize = 100;

/// A rule or a watch, as far as it could be read.
#[derive(Debug)]
pub struct Written<'d, T> {
    pub id: Option<Quoted<'d>>,
    pub explains: Vec<Quoted<'d>>,
    /// None: it has faults.
    pub value: Option<T>,
}

pub fn rule<'d>(table: &Table<'d>, defaults: &Defaults) -> Written<'d, Rule> {
    table.only(&[
        "id",
        "title",
        "severity",
        "per",
        "start",
        "steps",
        "unless",
        "end",
        "mail_when",
        "critical_when",
        "min",
        "retry_within",
        "explains",
        "says",
        "late_for",
        "give_up",
        "lateness",
        "on_silence",
    ]);
    let id = id(table);
    let explains = table.texts("explains");
    let value = rule_of(table, defaults, id.as_ref(), &explains);
    Written { id, explains, value }
}

fn rule_of(table: &Table<'_>, defaults: &Defaults, id: Option<&Quoted<'_>>, explains: &[Quoted<'_>]) -> Option<Rule> {
    let title = title(table);
    let severity = severity(table);
    table.needed("per", "\"leg\"");
    let per = table.word("per", &Per::ALL);
    let texts = sentences(table, "steps");
    let labels: Vec<Option<String>> =
        texts.iter().map(|text| grammar::label_of(text.text).map(str::to_owned)).collect();
    for (at, (text, label)) in texts.iter().zip(&labels).enumerate() {
        if let Some(label) = label.as_ref().filter(|label| labels[..at].contains(&Some((*label).clone()))) {
            let start = text.text.find(label.as_str()).unwrap_or(0);
            let wrong =
                Wrong::new(text.part(start..start + label.len()), format!("the label `{label}` stands here twice"));
            text.complain_of(wrong);
        }
    }
    // Which devices there are is unknown as long as `per` is: one fault is enough.
    let of_a_device = per.is_none_or(Per::is_of_a_device);
    let names = Names { codes: &defaults.codes, who: &defaults.who, labels: &labels, of_a_device };
    table.needed("start", "\"INVITE from caller\"");
    let start = table.text("start").and_then(|text| text.take(grammar::pattern(text.text, &names)));
    let read = |at: usize, text: &Quoted<'_>| text.take(grammar::step(text.text, &names, at));
    let steps: Vec<Option<Step>> = texts.iter().enumerate().map(|(at, text)| read(at, text)).collect();
    let unless = sentences(table, "unless");
    let unless: Vec<_> = unless.iter().map(|text| text.take(grammar::unless(text.text, &names))).collect();
    let end_texts = sentences(table, "end");
    let ends: Vec<_> = end_texts.iter().map(|text| text.take(grammar::end(text.text, &names))).collect();
    if texts.is_empty() && end_texts.is_empty() && !table.has("steps") {
        table.needed("steps", "[\"ACK to device within 32s else no-ack\"]");
    }
    let (mail_when, critical_when) = (amounts(table, "mail_when"), amounts(table, "critical_when"));
    let min = min(table, mail_when.iter().chain(&critical_when).flatten());
    let retry_within = table.time("retry_within");
    let own: Vec<_> = table.table("says").iter().flat_map(says).collect();
    let times = times(table, defaults.times);

    let mut produced: Vec<(String, Range<usize>)> = Vec::new();
    for (step, text) in steps.iter().zip(&texts) {
        let class = step.iter().filter_map(|step| step.failure.clone());
        produced.extend(class.map(|class| (class.clone(), last_word(text, &class))));
    }
    for (end, text) in ends.iter().zip(&end_texts) {
        match end.as_ref().map(|end| outcome::classes(end, &defaults.codes)) {
            Some(Ok(classes)) => {
                produced.extend(classes.into_iter().map(|class| (class.clone(), last_word(text, &class))));
            }
            Some(Err(status)) => {
                text.complain(format!("status {status} has no name in [codes], so it is no ending"), []);
            }
            None => {}
        }
    }
    let mut said = BTreeMap::new();
    for (class, at) in &produced {
        let sentence = own.iter().find(|(key, _)| key.text == class).map(|(_, text)| text.text);
        match sentence.or(defaults.says.get(class).map(String::as_str)) {
            Some(sentence) => drop(said.insert(class.clone(), sentence.to_owned())),
            None => {
                let wrong = Wrong::new(at.clone(), format!("`{class}` has no sentence in [rule.says] or the defaults"));
                let known = own.iter().map(|(key, _)| key.text).chain(defaults.says.keys().map(String::as_str));
                table.complain(wrong.expecting([format!("{class} = \"what is wrong\"")]).meaning(class, known));
            }
        }
    }
    let whole = steps.iter().all(Option::is_some) && ends.iter().all(Option::is_some);
    for (key, _) in own.iter().filter(|(key, _)| whole && produced.iter().all(|(class, _)| class != key.text)) {
        let wrong = Wrong::new(key.at.clone(), format!("no failure in this rule is called `{}`", key.text));
        table.complain(wrong.meaning(key.text, produced.iter().map(|(class, _)| class.as_str())));
    }
    let mut rule = Rule {
        id: id?.text.to_owned(),
        title: title?,
        severity: severity?,
        per: per?,
        start: start?,
        steps: steps.into_iter().collect::<Option<_>>()?,
        unless: unless.into_iter().collect::<Option<_>>()?,
        ends: ends.into_iter().collect::<Option<_>>()?,
        mail_when: mail_when?,
        critical_when: critical_when?,
        min: min?,
        retry_within,
        explains: explains.iter().map(|text| text.text.to_owned()).collect(),
        says: said,
        times,
        version: 0,
    };
    rule.version = version::of(&version::rule(&rule, &defaults.codes));
    Some(rule)
}

pub fn watch<'d>(table: &Table<'d>, defaults: &Defaults) -> Written<'d, Watch> {
    table.only(&["id", "title", "severity", "count", "of", "per", "mail_when", "min"]);
    let id = id(table);
    let value = watch_of(table, defaults, id.as_ref());
    Written { id, explains: Vec::new(), value }
}

fn watch_of(table: &Table<'_>, defaults: &Defaults, id: Option<&Quoted<'_>>) -> Option<Watch> {
    let names = Names { codes: &defaults.codes, who: &defaults.who, labels: &[], of_a_device: false };
    let title = title(table);
    let severity = severity(table);
    table.needed("count", "\"REGISTER\"");
    let pattern = |key| table.text(key).map(|text| text.take(grammar::pattern(text.text, &names)));
    let (count, of) = (pattern("count"), pattern("of"));
    let per = table.text("per").map(|text| text.take(grammar::fact_name(text.text)));
    table.needed("mail_when", "\"20 in 10m\"");
    let mail_when = amounts(table, "mail_when");
    if mail_when.iter().flatten().any(|amount| matches!(amount.much, Much::Share(_))) && !table.has("of") {
        let wrong = Wrong::new(table.place("mail_when"), "a percentage needs `of`: what it is a share of");
        table.complain(wrong.expecting(["of = \"INVITE from caller\""]));
    }
    let mut watch = Watch {
        min: min(table, mail_when.iter().flatten())?,
        id: id?.text.to_owned(),
        title: title?,
        severity: severity?,
        count: count??,
        of: of.map_or(Some(None), |of| of.map(Some))?,
        per: per.map_or(Some(None), |per| per.map(Some))?,
        mail_when: mail_when?,
        version: 0,
    };
    watch.version = version::of(&version::watch(&watch, &defaults.codes));
    Some(watch)
}

fn id<'d>(table: &Table<'d>) -> Option<Quoted<'d>> {
    table.needed("id", "\"answered-no-ack\"");
    let id = table.text("id")?;
    if is_name(id.text) {
        return Some(id);
    }
    id.complain(format!("`{}` is no id: a lower-case word with dashes", id.text), []);
    None
}

fn title(table: &Table<'_>) -> Option<String> {
    table.needed("title", "\"An answer is acknowledged\"");
    table.text("title").filter(is_title).map(|text| text.text.to_owned())
}

fn severity(table: &Table<'_>) -> Option<Severity> {
    table.needed("severity", "\"warning\"");
    table.word("severity", &Severity::ALL)
}

fn sentences<'d>(table: &Table<'d>, key: &str) -> Vec<Quoted<'d>> {
    let mut texts = table.texts(key);
    if let Some(text) = texts.get(MOST_SENTENCES) {
        text.complain(format!("a rule has at most {MOST_SENTENCES} sentences of a kind"), []);
        texts.truncate(MOST_SENTENCES);
    }
    texts
}

/// None: it has faults.
fn amounts(table: &Table<'_>, key: &str) -> Option<Vec<Amount>> {
    if !table.has(key) {
        return Some(Vec::new());
    }
    let text = table.text(key)?;
    text.take(grammar::amounts(text.text))
}

/// A percentage of few says nothing, so it needs one.
fn min<'a>(table: &Table<'_>, mut amounts: impl Iterator<Item = &'a Amount>) -> Option<u32> {
    let shares = amounts.any(|amount| !matches!(amount.much, Much::Count(_)));
    if shares && !table.has("min") {
        let key = if table.has("mail_when") { "mail_when" } else { "critical_when" };
        let wrong = Wrong::new(table.place(key), "a percentage needs `min`: of how many at least");
        table.complain(wrong.expecting(["min = 50"]));
        return None;
    }
    if table.has("min") { table.number("min") } else { Some(0) }
}

/// The class at the end of a sentence; else all of it.
fn last_word(text: &Quoted<'_>, class: &str) -> Range<usize> {
    let trimmed = text.text.trim_end();
    match trimmed.strip_suffix(class) {
        Some(before) => text.part(before.len()..trimmed.len()),
        None => text.part(0..text.text.len()),
    }
}
