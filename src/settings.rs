//! Reads the collector's config: TOML, and a fault is told with file, line, key and a hint.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::outcome::WrongConfig;

pub fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| WrongConfig(format!("cannot read {}: {error}; name the file with --config", path.display())))?;
    parse(&text, path).map_err(anyhow::Error::new)
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, WrongConfig> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text[..at].matches('\n').count();
        let key = text.lines().nth(line).and_then(|line| line.split('=').next()).unwrap_or_default().trim();
        let file = path.display();
        WrongConfig(format!("{file}:{}: {key}: {}; etc/collector.toml shows every key", line + 1, error.message()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_file_line_key_and_what_to_do() {
        let text = "listen = \"127.0.0.1:8480\"\ndate = \"/tmp\"\n";
        let fault = parse::<collector::Config>(text, Path::new("collector.toml")).expect_err("an unknown key").to_string();
        assert!(fault.starts_with("collector.toml:2: date: unknown field `date`"), "{fault}");
        let text = "listen = \"nowhere\"\n";
        let fault = parse::<collector::Config>(text, Path::new("collector.toml")).expect_err("no address").to_string();
        assert!(fault.starts_with("collector.toml:1: listen: "), "{fault}");
    }

    #[test]
    fn the_example_lists_every_key_with_its_default() {
        let text = include_str!("../etc/collector.toml");
        let read: collector::Config = parse(text, Path::new("etc/collector.toml")).expect("the example is right");
        assert_eq!(read, collector::Config::default());
        let all = toml::Table::try_from(collector::Config::default()).expect("a table");
        for key in all.keys().chain(["postgres_url_file".to_owned()].iter()) {
            assert!(text.contains(key.as_str()), "{key} is not in etc/collector.toml");
        }
    }
}
