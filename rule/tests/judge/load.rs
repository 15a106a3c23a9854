//! The shipped rules, read.

use std::collections::BTreeMap;
use std::path::Path;

use rule::grammar::{self, Names};
use rule::syntax::*;
use toml::{Table, Value};

pub fn shipped() -> (Vec<Rule>, Defaults) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/rules");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap().parse::<Table>().unwrap();
    let first = read(&files[0]);
    let time = |table: &Table, key: &str| rule::duration::read(table[key].as_str().unwrap()).unwrap();
    let mut codes = CodeNames::default();
    for (kind, business) in [("business", true), ("failed", false)] {
        for (name, text) in first["codes"][kind].as_table().unwrap() {
            let ranges = grammar::ranges(text.as_str().unwrap()).unwrap();
            codes.entries.push(CodeName { name: name.clone(), business, ranges });
        }
    }
    let who = first["who"].as_table().unwrap();
    let who: BTreeMap<_, _> =
        who.iter().map(|(name, text)| (name.clone(), grammar::facts(text.as_str().unwrap()).unwrap())).collect();
    let times = Times {
        lateness: time(&first, "lateness"),
        late_for: time(&first, "late_for"),
        give_up: time(&first, "give_up"),
        on_silence: OnSilence::Unknown,
    };
    let source = SourceAlerts { silent_after: 0, lag_over: 0, clock_off: 0, gap: true };
    let defaults = Defaults { times, mail_age: 0, codes, who, says: BTreeMap::new(), source };
    let mut rules = Vec::new();
    for file in &files[1..] {
        for table in read(file).get("rule").and_then(Value::as_array).into_iter().flatten() {
            rules.push(one(table.as_table().unwrap(), &defaults));
        }
    }
    (rules, defaults)
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
    if let Some(late) = table.get("late_for") {
        times.late_for = rule::duration::read(late.as_str().unwrap()).unwrap();
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
