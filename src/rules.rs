//! `siptrail rules`: what is wrong in files of rules and routes, and what rules say in plain English.

use std::collections::BTreeSet;
use std::path::Path;

use collector::book;
use rule::fault::Fault;
use rule::near::nearest;
use rule::prose::{explain, explain_watch};
use rule::routes::Routes;
use rule::set::RuleSet;

use crate::cli::{Check, Explain, Rules};
use crate::outcome::WrongConfig;
use crate::screen;

/// Read if it is there and no other is named.
const DIRECTORY: &str = "/etc/siptrail/rules";

pub fn run(asked: Rules) -> anyhow::Result<()> {
    match asked {
        Rules::Check(asked) => check(&asked),
        Rules::Explain(asked) => explained(&asked),
    }
}

fn check(asked: &Check) -> anyhow::Result<()> {
    let set = load(asked.rules.as_deref())?;
    let known = set.as_ref().map_or_else(|_| RuleSet::built_in().ids(), RuleSet::ids);
    let routes = asked.routes.as_deref().map(|file| routes(file, &known)).transpose()?;
    let faults: Vec<&Fault> = [set.as_ref().err(), routes.as_ref().and_then(|routes| routes.as_ref().err())]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    if !faults.is_empty() {
        return Err(told(&faults));
    }
    if let Ok(set) = set {
        screen::say(&format!("{} and {} are right", count(set.rules.len(), "rule"), count(set.watches.len(), "watch")));
    }
    if let Some(Ok(routes)) = routes {
        let (teams, routes) = (count(routes.teams.len(), "team"), count(routes.routes.len(), "route"));
        screen::say(&format!("{teams} and {routes} are right"));
    }
    Ok(())
}

fn explained(asked: &Explain) -> anyhow::Result<()> {
    let set = load(asked.rules.as_deref())?.map_err(|faults| told(&faults.iter().collect::<Vec<_>>()))?;
    let rules = set.rules.iter().map(|rule| (&rule.id, &rule.title, explain(rule)));
    let watches = set.watches.iter().map(|watch| (&watch.id, &watch.title, explain_watch(watch)));
    let all: Vec<_> = rules.chain(watches).collect();
    let Some(id) = &asked.id else {
        let all: Vec<String> = all.iter().map(|(id, title, prose)| format!("{id}: {title}\n{prose}")).collect();
        screen::say(&all.join("\n\n"));
        return Ok(());
    };
    match all.iter().find(|(known, ..)| *known == id) {
        Some((_, _, prose)) => screen::say(prose),
        None => {
            let meant = nearest(id, all.iter().map(|(known, ..)| known.as_str()));
            let hint = meant.map_or_else(
                || "`siptrail rules explain` lists all".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            return Err(WrongConfig(format!("there is no rule `{id}`; {hint}")).into());
        }
    }
    Ok(())
}

/// The built-in files, and those of the directory. The outer error is a directory that cannot be read.
fn load(dir: Option<&Path>) -> anyhow::Result<Result<RuleSet, Vec<Fault>>> {
    let dir = dir.or_else(|| Some(Path::new(DIRECTORY)).filter(|dir| dir.is_dir()));
    let own = dir.map_or_else(|| Ok(Vec::new()), files)?;
    Ok(RuleSet::load(&own).map_err(|mut faults| {
        // Where the editor finds it. What is built in has no path.
        for fault in faults.iter_mut().filter(|fault| own.iter().any(|(name, _)| *name == fault.file)) {
            fault.file = dir.unwrap_or(Path::new("")).join(&fault.file).display().to_string();
        }
        faults
    }))
}

fn files(dir: &Path) -> Result<Vec<(String, String)>, WrongConfig> {
    let files = book::files(dir)
        .map_err(|what| WrongConfig(format!("{what}; name the directory of your rules with --rules")))?;
    Ok(files.into_iter().collect())
}

fn routes(file: &Path, rules: &BTreeSet<String>) -> Result<Result<Routes, Vec<Fault>>, WrongConfig> {
    Ok(Routes::load(&file.display().to_string(), &book::text(file).map_err(WrongConfig)?, rules))
}

/// Shows all faults; what is left to say is how many there are.
fn told(faults: &[&Fault]) -> anyhow::Error {
    for fault in faults {
        eprintln!("{fault}\n");
    }
    let files: BTreeSet<&str> = faults.iter().map(|fault| fault.file.as_str()).collect();
    WrongConfig(format!("{} in {}", count(faults.len(), "fault"), count(files.len(), "file"))).into()
}

fn count(number: usize, what: &str) -> String {
    match (number, what) {
        (1, what) => format!("1 {what}"),
        (number, "watch") => format!("{number} watches"),
        (number, what) => format!("{number} {what}s"),
    }
}
