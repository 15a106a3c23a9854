//! The shipped rules, and single ones.

use std::collections::BTreeMap;

use rule::grammar::{self, Names};
use rule::set::RuleSet;
use rule::syntax::{Defaults, Per, Rule, Severity};
use toml::{Table, Value};

pub fn shipped() -> (Vec<Rule>, Defaults) {
    let set = RuleSet::built_in();
    (set.rules, set.defaults)
}

/// One rule, as it would stand in a file.
pub fn rule(text: &str, defaults: &Defaults) -> Rule {
    one(&text.parse().unwrap(), defaults)
}

fn one(table: &Table, defaults: &Defaults) -> Rule {
    let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| -> Vec<String> {
        let value = table.get(key).cloned().unwrap_or(Value::Array(Vec::new()));
        value.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let per = match text("per").as_str() {
        "attempt" => Per::Attempt,
        "leg" => Per::Leg,
        "device" => Per::Device,
        "dialog" => Per::Dialog,
        "transaction" => Per::Transaction,
        _ => Per::Scenario,
    };
    let steps = list("steps");
    let labels: Vec<_> = steps.iter().map(|step| grammar::label_of(step).map(str::to_owned)).collect();
    let of_a_device = matches!(per, Per::Leg | Per::Device);
    let names = Names { codes: &defaults.codes, who: &defaults.who, labels: &labels, of_a_device };
    let mut times = defaults.times;
    for (key, time) in [("late_for", &mut times.late_for), ("give_up", &mut times.give_up)] {
        if let Some(text) = table.get(key) {
            *time = rule::duration::read(text.as_str().unwrap()).unwrap();
        }
    }
    Rule {
        id: text("id"),
        title: text("title"),
        severity: Severity::Warning,
        per,
        start: grammar::pattern(&text("start"), &names).unwrap(),
        steps: steps.iter().enumerate().map(|(at, step)| grammar::step(step, &names, at).unwrap()).collect(),
        unless: list("unless").iter().map(|unless| grammar::unless(unless, &names).unwrap()).collect(),
        ends: list("end").iter().map(|end| grammar::end(end, &names).unwrap()).collect(),
        mail_when: Vec::new(),
        critical_when: Vec::new(),
        min: 0,
        retry_within: table.get("retry_within").map(|text| rule::duration::read(text.as_str().unwrap()).unwrap()),
        explains: list("explains"),
        says: BTreeMap::new(),
        times,
        version: 0,
    }
}
