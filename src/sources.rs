//! What `watch` follows: each LOG of the command line as a source of the agent in this process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::agent::config::FormatTable;
use ::agent::{Config, Source, Start, is_pattern, zone};
use anyhow::Context;

use crate::cli::{Following, From};
use crate::outcome::WrongConfig;
use crate::screen;

/// Bytes read ahead of the database: one batch on its way and one behind it, as no network is to be bridged.
const READ_AHEAD: usize = 8 << 20;

/// The agent's config for these logs, its state beside the collector's data.
pub fn config(data: &Path, asked: Following) -> anyhow::Result<Config> {
    let own = Config { state: data.join("agent"), memory: READ_AHEAD, ..Config::default() };
    let mut config = match &asked.config {
        None => own,
        Some(file) => Config { state: own.state, memory: own.memory, ..of_agent(file)? },
    };
    if !asked.logs.is_empty() {
        let logs = asked.logs.iter().map(|log| absolute(log)).collect::<anyhow::Result<BTreeSet<PathBuf>>>()?;
        config.sources = names(&logs).into_iter().zip(logs).map(|(name, log)| Source::new(name, [log])).collect();
    } else if config.sources.is_empty() {
        let file = asked.config.unwrap_or_default();
        let text = format!("{} has no [[source]]; name a LOG, or add one as etc/agent.toml shows", file.display());
        return Err(WrongConfig(text).into());
    }
    if let Some(zone) = &asked.zone {
        zone::check(zone).map_err(|why| WrongConfig(format!("--zone {zone}: {why}")))?;
    }
    let format = asked.format.map(|format| named(&mut config, format)).transpose()?;
    for source in &mut config.sources {
        source.zone = source.zone.take().or_else(|| asked.zone.clone());
        source.format = source.format.take().or_else(|| format.clone());
        source.recognise = true;
        if asked.from == From::End {
            source.start = Start::End;
        }
    }
    match config.check() {
        Ok(()) => Ok(config),
        Err(fault) => Err(WrongConfig(format!("cannot follow {}: {}", fault.value, fault.hint)).into()),
    }
}

/// The sources, formats and masks of an agent's config; what else it says is for the agent alone.
fn of_agent(file: &Path) -> anyhow::Result<Config> {
    let mut ignored = Vec::new();
    let default = Config::default();
    let config = Config::load(file, |config| {
        let all = [
            ("id", config.id.is_some()),
            ("host", config.host.is_some()),
            ("state", config.state != default.state),
            ("collector", config.collector != default.collector),
            ("insecure", config.insecure != default.insecure),
            ("token_file", config.token_file.is_some()),
            ("memory", config.memory != default.memory),
        ];
        ignored.extend(all.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key));
        (config.id, config.host, config.token_file) = (None, None, None);
        (config.collector, config.insecure) = (default.collector.clone(), default.insecure);
    });
    let config = config.map_err(|error| anyhow::Error::new(WrongConfig(error.to_string())))?;
    if !ignored.is_empty() {
        screen::say(&format!(
            "{}: {} concern the agent alone and are ignored here",
            file.display(),
            ignored.join(", ")
        ));
    }
    Ok(config)
}

/// The name of the format that was asked for; a pattern becomes a format of its own.
fn named(config: &mut Config, format: String) -> anyhow::Result<String> {
    let is_pattern = format.contains('{');
    let name = if is_pattern { "command line".to_owned() } else { format.clone() };
    if is_pattern {
        let table = FormatTable { header: format.clone(), time: None, noise: Vec::new() };
        config.formats.insert(name.clone(), table);
    }
    match config.format(Some(&name)) {
        Ok(_) => Ok(name),
        Err(fault) if is_pattern => Err(WrongConfig(format!("--format {format:?}: {}", fault.hint)).into()),
        Err(fault) => {
            let text = format!("--format {format}: {}; a pattern of your own holds {{time}} and the like", fault.hint);
            Err(WrongConfig(text).into())
        }
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
        let asked = Following { logs: vec!["/tmp/[z".into()], ..Following::default() };
        let wrong = config(Path::new("/data"), asked).expect_err("wrong");
        assert!(wrong.downcast_ref::<WrongConfig>().is_some());
        assert!(wrong.to_string().contains("/tmp/[z"), "{wrong}");
    }
}
