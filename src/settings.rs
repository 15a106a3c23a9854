//! Reads the collector's config: TOML, and a fault is told with file, line, key and a hint.

use std::path::Path;

use ::agent::wording::{Wrong, explain};
use serde::de::DeserializeOwned;

use crate::outcome::WrongConfig;

pub fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        WrongConfig(format!("cannot read {}: {error}; name the file with --config", path.display()))
    })?;
    parse(&text, path).map_err(anyhow::Error::new)
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, WrongConfig> {
    toml::from_str(text).map_err(|error| {
        let Wrong { line, key, hint } = explain(&error, text, "etc/collector.toml");
        WrongConfig(format!("{}:{line}: {key}: {hint}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_file_line_key_and_what_to_do() {
        let text = "listen = \"127.0.0.1:8480\"\ndate = \"/tmp\"\n";
        let fault =
            parse::<collector::Config>(text, Path::new("collector.toml")).expect_err("an unknown key").to_string();
        assert!(fault.starts_with("collector.toml:2: date: there is no key `date` here; is `data` meant?"), "{fault}");
        let text = "listen = \"nowhere\"\n";
        let fault = parse::<collector::Config>(text, Path::new("collector.toml")).expect_err("no address").to_string();
        assert!(
            fault == "collector.toml:1: listen: an address and a port such as \"127.0.0.1:8480\" are expected here",
            "{fault}"
        );
    }

    const EXAMPLE: &str = include_str!("../etc/collector.toml");

    fn example(text: &str) -> collector::Config {
        parse(text, Path::new("etc/collector.toml")).expect("the example is right")
    }

    #[test]
    fn the_example_lists_every_key_with_its_default() {
        assert_eq!(example(EXAMPLE), collector::Config::default());
        let all = toml::Table::try_from(collector::Config::default()).expect("a table");
        let written = EXAMPLE.parse().expect("a table");
        // These begin a table each, so they stand as examples at the end.
        assert_eq!(missing(&all, &written, ""), ["env", "key", "kind"]);
    }

    /// Keys of `all` that `written` has not, tables within tables too.
    fn missing(all: &toml::Table, written: &toml::Table, path: &str) -> Vec<String> {
        let of = |(key, value): (&String, &toml::Value)| match (value, written.get(key)) {
            (_, None) => vec![format!("{path}{key}")],
            (toml::Value::Table(all), Some(toml::Value::Table(written))) => {
                missing(all, written, &format!("{path}{key}."))
            }
            (value, Some(written)) => {
                if value == written {
                    Vec::new()
                } else {
                    vec![format!("{path}{key}")]
                }
            }
        };
        all.iter().flat_map(of).collect()
    }

    #[test]
    fn what_the_example_only_shows_can_be_used() {
        let is_example = |line: &str| {
            let name = line.trim_start_matches('[').split([' ', ']']).next().unwrap_or_default();
            let key = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            key && (line.starts_with('[') || line[name.len()..].starts_with(" = "))
        };
        let uncommented: Vec<&str> = EXAMPLE
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|example| is_example(example)).unwrap_or(line))
            .collect();
        let config = example(&uncommented.join("\n"));
        assert_eq!((config.kind.len(), config.key.len()), (1, 2));
        assert!(config.postgres_url_file.is_some());
        let mail = config.mail.expect("a mail server");
        assert_eq!((mail.check(), mail.port(), Some(mail.port())), (Ok(()), 587, mail.port));
        assert_eq!(toml::Table::try_from(&mail).expect("a table").len(), 11, "each key of [mail] is shown");
    }
}
