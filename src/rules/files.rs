//! Files of rules and routes, and how their faults are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use collector::book;
use rule::fault::Fault;
use rule::routes::Routes;
use rule::set::RuleSet;

use crate::outcome::WrongConfig;

/// Read if it is there and no other is named.
const DIRECTORY: &str = "/etc/siptrail/rules";

pub fn usual<'a>() -> Option<&'a Path> {
    Some(Path::new(DIRECTORY)).filter(|dir| dir.is_dir())
}

/// The built-in files, those of the directory, and more files in place of those of their names. The outer error is one that
/// cannot be read.
pub fn rules(dir: Option<&Path>, more: &[PathBuf]) -> Result<Result<RuleSet, Vec<Fault>>, WrongConfig> {
    let mut own = dir.map_or_else(|| Ok(BTreeMap::new()), files)?;
    let mut named = BTreeSet::new();
    for path in more {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wrong = |what: &str| WrongConfig(format!("{}: {what}", path.display()));
        if path.extension().is_none_or(|end| end != "toml") {
            return Err(wrong("the name of a file of rules ends in .toml"));
        }
        if !named.insert(name.clone()) {
            return Err(wrong("another file of this name is given, too"));
        }
        own.insert(name, (path.clone(), book::text(path).map_err(WrongConfig)?));
    }
    let texts: Vec<(String, String)> = own.iter().map(|(name, (_, text))| (name.clone(), text.clone())).collect();
    Ok(RuleSet::load(&texts).map_err(|mut faults| {
        // Where the editor finds it. What is built in has no path.
        for fault in &mut faults {
            if let Some((path, _)) = own.get(&fault.file) {
                fault.file = path.display().to_string();
            }
        }
        faults
    }))
}

/// By name: path and text.
fn files(dir: &Path) -> Result<BTreeMap<String, (PathBuf, String)>, WrongConfig> {
    let files = book::files(dir)
        .map_err(|what| WrongConfig(format!("{what}; name the directory of your rules with --rules")))?;
    Ok(files.into_iter().map(|(name, text)| (name.clone(), (dir.join(name), text))).collect())
}

pub fn routes(file: &Path, rules: &BTreeSet<String>) -> Result<Result<Routes, Vec<Fault>>, WrongConfig> {
    Ok(Routes::load(&file.display().to_string(), &book::text(file).map_err(WrongConfig)?, rules))
}

/// What is right, or all that is wrong in both.
pub fn both(rules: Result<RuleSet, Vec<Fault>>, routes: Option<&Path>) -> anyhow::Result<(RuleSet, Option<Routes>)> {
    let known = rules.as_ref().map_or_else(|_| RuleSet::built_in().ids(), RuleSet::ids);
    match (rules, routes.map(|file| self::routes(file, &known)).transpose()?.transpose()) {
        (Ok(rules), Ok(routes)) => Ok((rules, routes)),
        (rules, routes) => {
            let faults = rules.err().into_iter().chain(routes.err()).flatten().collect::<Vec<_>>();
            Err(told(&faults))
        }
    }
}

/// Shows all faults; what is left to say is how many there are.
pub fn told(faults: &[Fault]) -> anyhow::Error {
    for fault in faults {
        eprintln!("{fault}\n");
    }
    let files: BTreeSet<&str> = faults.iter().map(|fault| fault.file.as_str()).collect();
    WrongConfig(format!("{} in {}", count(faults.len(), "fault"), count(files.len(), "file"))).into()
}

pub fn count(number: usize, what: &str) -> String {
    match (number, what) {
        (1, what) => format!("1 {what}"),
        (number, "watch") => format!("{number} watches"),
        (number, what) => format!("{number} {what}s"),
    }
}
