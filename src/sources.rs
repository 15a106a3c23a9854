//! What `watch` follows: each LOG of the command line as a source of the agent in this process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::agent::{Config, Source, Start, is_pattern};
use anyhow::Context;

use crate::cli::From;
use crate::outcome::WrongConfig;

/// Bytes read ahead of the database: one batch on its way and one behind it, as no network is to be bridged.
const READ_AHEAD: usize = 8 << 20;

/// The agent's config for these logs, its state beside the collector's data.
pub fn config(data: &Path, logs: &[PathBuf], from: From) -> anyhow::Result<Config> {
    let start = match from {
        From::Beginning => Start::Beginning,
        From::End => Start::End,
    };
    let logs = logs.iter().map(|log| absolute(log)).collect::<anyhow::Result<BTreeSet<PathBuf>>>()?;
    let sources = names(&logs)
        .into_iter()
        .zip(logs)
        .map(|(name, log)| Source { start, ..Source::new(name, vec![log]) })
        .collect();
    let config = Config { state: data.join("agent"), sources, memory: READ_AHEAD, ..Config::default() };
    match config.check() {
        Ok(()) => Ok(config),
        Err(fault) => Err(WrongConfig(format!("cannot follow {}: {}", fault.value, fault.hint)).into()),
    }
}

/// The same wherever Siptrail is started: a log must not get another name by it.
fn absolute(log: &Path) -> anyhow::Result<PathBuf> {
    if log.starts_with("~") {
        let text = format!("{}: a quoted ~ is not your home directory; write the path out", log.display());
        return Err(WrongConfig(text).into());
    }
    std::path::absolute(log).with_context(|| format!("cannot tell where {} is", log.display()))
}

/// A source is named after its log: the file's name without extension, or its directory's for a pattern. Where two would
/// be alike, with more of their path before it; the order in which they are given does not matter.
fn names(logs: &BTreeSet<PathBuf>) -> Vec<String> {
    let places: Vec<Vec<String>> = logs.iter().map(|log| place(log)).collect();
    let name = |place: &[String], parts: usize| place[place.len().saturating_sub(parts)..].join("-");
    let unlike = |place: &Vec<String>, parts: &usize| {
        places.iter().filter(|other| name(other, *parts) == name(place, *parts)).count() == 1
    };
    let short =
        |place: &Vec<String>| (1..=place.len()).find(|parts| unlike(place, parts)).map(|parts| name(place, parts));
    let numbered =
        |(at, place): (usize, &Vec<String>)| short(place).unwrap_or_else(|| format!("{}-{at}", name(place, 1)));
    places.iter().enumerate().map(numbered).collect()
}

/// The parts of a path that tell what is followed, a pattern left out.
fn place(log: &Path) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in log.components().skip(1).map(|part| part.as_os_str().to_string_lossy().into_owned()) {
        if is_pattern(&part) && !log.exists() {
            return if parts.is_empty() { vec!["log".to_owned()] } else { parts };
        }
        parts.push(part);
    }
    if let Some(stem) = log.file_stem().map(|stem| stem.to_string_lossy().into_owned()) {
        parts.pop();
        parts.push(stem);
    }
    if parts.is_empty() { vec!["log".to_owned()] } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_after_its_log_and_two_never_alike() {
        let named = |logs: &[&str]| names(&logs.iter().map(PathBuf::from).collect());
        assert_eq!(named(&["/a/sip.log", "/var/log/app/*.log", "/var/log/kamailio"]), ["sip", "app", "kamailio"]);
        assert_eq!(named(&["/b/sip.log", "/a/sip.log", "/"]), ["log", "a-sip", "b-sip"]);
        assert_eq!(named(&["/srv/a/x/sip.log", "/srv/b/x/sip.log"]), ["a-x-sip", "b-x-sip"]);
        assert_eq!(named(&["/a/*.log", "/a/*.txt", "/*.log"]), ["log", "a-1", "a-2"]);
    }

    #[test]
    fn a_log_is_the_same_from_wherever_it_is_named() {
        let here = std::env::current_dir().expect("a directory");
        let named = absolute(Path::new("sip.log")).expect("absolute");
        assert_eq!(named, here.join("sip.log"));
        assert_eq!(absolute(Path::new("./sip.log")).expect("absolute"), named);
        assert!(absolute(Path::new("~/sip.log")).is_err());
    }

    #[test]
    fn a_pattern_that_is_none_is_wrong_usage() {
        let wrong = config(Path::new("/data"), &[PathBuf::from("/tmp/[z")], From::Beginning).expect_err("wrong");
        assert!(wrong.downcast_ref::<WrongConfig>().is_some());
        assert!(wrong.to_string().contains("/tmp/[z"), "{wrong}");
    }
}
