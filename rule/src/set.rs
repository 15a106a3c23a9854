//! All rules and watches: the built-in files, and the operator's in place of those of the same name.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::DeTable;

use crate::defaults;
use crate::document::{Quoted, Source, Table};
use crate::fault::{Fault, Wrong};
use crate::logs::LogFault;
use crate::syntax::{Defaults, Rule, Watch};
use crate::written::{self, Written};

/// Every file of `etc/rules`, by its name.
pub const BUILT_IN: [(&str, &str); 9] = [
    (defaults::FILE, include_str!("../../etc/rules/00-defaults.toml")),
    ("10-call.toml", include_str!("../../etc/rules/10-call.toml")),
    ("20-ack.toml", include_str!("../../etc/rules/20-ack.toml")),
    ("30-push.toml", include_str!("../../etc/rules/30-push.toml")),
    ("40-fork.toml", include_str!("../../etc/rules/40-fork.toml")),
    ("50-bye.toml", include_str!("../../etc/rules/50-bye.toml")),
    ("60-rest.toml", include_str!("../../etc/rules/60-rest.toml")),
    ("70-register.toml", include_str!("../../etc/rules/70-register.toml")),
    ("80-rates.toml", include_str!("../../etc/rules/80-rates.toml")),
];

/// More rules and watches are a mistake.
const MOST: usize = 1_000;

/// More files, too.
const MOST_FILES: usize = 200;

/// What is expected, as a whole: it is read all or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleSet {
    pub defaults: Defaults,
    /// In the order of the names of their files, and within a file as they are written.
    pub rules: Vec<Rule>,
    pub watches: Vec<Watch>,
}

impl RuleSet {
    pub fn built_in() -> Self {
        Self::load(&[]).expect("the built-in rules are right, as `every_shipped_rule_is_read` shows")
    }

    /// The operator's files are pairs of name and text. One of the name of a built-in one replaces it; an empty one
    /// switches it off.
    pub fn load(own: &[(String, String)]) -> Result<Self, Vec<Fault>> {
        if own.len() > MOST_FILES {
            return Err(vec![Fault::of_file(&own[MOST_FILES].0, format!("at most {MOST_FILES} files are read"))]);
        }
        let own = own.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let files: BTreeMap<&str, &str> = BUILT_IN.into_iter().chain(own).collect();
        let sources: Vec<Source<'_>> = files.into_iter().map(|(name, text)| Source::new(name, text)).collect();
        let parsed: Vec<_> = sources.iter().map(Source::parse).collect();
        let set = read(&sources, &parsed);
        drop(parsed);
        let faults: Vec<Fault> = sources.into_iter().flat_map(Source::into_faults).collect();
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    /// The ids of all rules and watches, also of those built-in ones that are switched off.
    pub fn ids(&self) -> BTreeSet<String> {
        let own = self.rules.iter().map(|rule| &rule.id).chain(self.watches.iter().map(|watch| &watch.id));
        let of_logs = LogFault::ALL.map(|fault| fault.id().to_owned());
        own.cloned().chain(built_in_ids()).chain(of_logs).collect()
    }
}

fn read<'d>(sources: &'d [Source<'d>], parsed: &'d [Option<Spanned<DeTable<'d>>>]) -> RuleSet {
    let roots: Vec<(&Source<'_>, Table<'_>)> = sources
        .iter()
        .zip(parsed)
        .filter_map(|(source, table)| Some((source, Table::root(source, table.as_ref()?))))
        .collect();
    let of_defaults = roots.iter().find(|(source, _)| source.file == defaults::FILE);
    let defaults = of_defaults.map_or_else(shipped_defaults, |(_, root)| defaults::read(root));
    let (mut rules, mut watches) = (Vec::new(), Vec::new());
    for (_, root) in roots.iter().filter(|(source, _)| source.file != defaults::FILE) {
        root.only(&["rule", "watch"]);
        for table in root.tables("rule") {
            if rules.len() == MOST {
                table.complain(Wrong::new(table.at.clone(), format!("at most {MOST} rules are read")));
                break;
            }
            rules.push(written::rule(&table, &defaults));
        }
        for table in root.tables("watch") {
            if watches.len() == MOST {
                table.complain(Wrong::new(table.at.clone(), format!("at most {MOST} watches are read")));
                break;
            }
            watches.push(written::watch(&table, &defaults));
        }
    }
    unique(
        rules.iter().filter_map(|rule| rule.id.as_ref()).chain(watches.iter().filter_map(|watch| watch.id.as_ref())),
    );
    // With a file that cannot be read, it is not known which rules there are.
    if roots.len() == sources.len() {
        explained(&rules);
    }
    RuleSet {
        defaults,
        rules: rules.into_iter().filter_map(|rule| rule.value).collect(),
        watches: watches.into_iter().filter_map(|watch| watch.value).collect(),
    }
}

/// For rules beside a file of defaults that is no TOML: one fault is enough.
fn shipped_defaults() -> Defaults {
    let source = Source::new(BUILT_IN[0].0, BUILT_IN[0].1);
    let parsed = source.parse();
    parsed.as_ref().map_or_else(Defaults::default, |table| defaults::read(&Table::root(&source, table)))
}

fn unique<'a, 'd: 'a>(ids: impl Iterator<Item = &'a Quoted<'d>>) {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for id in ids {
        match seen.get(id.text) {
            Some(first) => id.complain(format!("the id `{}` is taken already, at {first}", id.text), []),
            None => drop(seen.insert(id.text, id.position())),
        }
    }
}

fn explained(rules: &[Written<'_, Rule>]) {
    let ids: BTreeSet<String> =
        rules.iter().filter_map(|rule| Some(rule.id.as_ref()?.text.to_owned())).chain(built_in_ids()).collect();
    for name in rules.iter().flat_map(|rule| &rule.explains).filter(|name| !ids.contains(name.text)) {
        let wrong = Wrong::new(name.part(0..name.text.len()), format!("there is no rule `{}`", name.text));
        name.complain_of(wrong.meaning(name.text, ids.iter().map(String::as_str)));
    }
    let explained: BTreeMap<&str, Vec<&str>> = rules
        .iter()
        .filter_map(|rule| Some((rule.id.as_ref()?.text, rule.explains.iter().map(|name| name.text).collect())))
        .collect();
    for rule in rules {
        let Some(own) = &rule.id else { continue };
        for name in &rule.explains {
            let (mut met, mut left) = (BTreeSet::new(), vec![name.text]);
            while let Some(next) = left.pop() {
                if met.insert(next) {
                    left.extend(explained.get(next).into_iter().flatten());
                }
            }
            if met.contains(own.text) {
                let wrong = if name.text == own.text {
                    "a rule does not explain its own failure".to_owned()
                } else {
                    format!("`{}` explains `{}`, too: each would hide the other", name.text, own.text)
                };
                name.complain(wrong, []);
            }
        }
    }
}

fn built_in_ids() -> impl Iterator<Item = String> {
    let lines = BUILT_IN.iter().flat_map(|(_, text)| text.lines());
    lines.filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "id").then(|| value.trim().trim_matches('"').to_owned())
    })
}
