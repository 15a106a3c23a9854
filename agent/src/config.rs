//! The agent's config: which logs, which collector, and the few limits an operator may want to turn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use record::duration;
use record::format::{Definition, Format};
use record::redact;
use record::wrapper::Wrapper;
use serde::{Deserialize, Serialize};

use crate::source::Start;
use crate::unwrapped::Wrapping;
use crate::wording::{Wrong, explain, nearest};
use crate::{Error, zone};

/// Everything `etc/agent.toml` may say. A missing key has the value of `Default`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this agent is to the collector; none = made once and kept in the state directory.
    pub id: Option<String>,
    /// The host's name in the collector; none = the host's own.
    pub host: Option<String>,
    /// Directory for the agent's id, its checkpoint and rejected records.
    pub state: PathBuf,
    /// Base URL of the collector.
    pub collector: String,
    /// Allows plain HTTP to another host.
    pub insecure: bool,
    /// File with the bearer token; read again when the collector refuses it.
    pub token_file: Option<PathBuf>,
    /// How often directories are listed and idle files looked at.
    #[serde(with = "duration")]
    pub poll: Duration,
    /// Whether the operating system is asked for hints where something was written, so that less must be looked at.
    pub hints: bool,
    /// An unfinished record is shown as provisional after this time.
    #[serde(with = "duration")]
    pub provisional_after: Duration,
    /// A rotated file counts as closed when it was quiet for so long.
    #[serde(with = "duration")]
    pub close_after: Duration,
    /// Time for what was read to be acknowledged before the agent stops.
    #[serde(with = "duration")]
    pub drain: Duration,
    /// A batch is sent when it holds so many bytes...
    pub batch_bytes: usize,
    /// ... or is so old.
    #[serde(with = "duration")]
    pub batch_after: Duration,
    /// Bytes read but not acknowledged; beyond, reading stops and the file is the buffer.
    pub memory: usize,
    /// A request without an answer for so long is sent again.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How often the collector hears how far the agent is. Not a key: 30 s without a word say that an agent is not there.
    #[serde(skip)]
    pub heartbeat: Duration,
    /// A record beyond this many bytes is flagged `oversize`.
    pub record_limit: u64,
    /// What is masked before it leaves the host.
    pub redact: redact::Rules,
    #[serde(rename = "format", skip_serializing_if = "BTreeMap::is_empty")]
    pub formats: BTreeMap<String, FormatTable>,
    #[serde(rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

/// One or several logs that are read the same way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    /// Files, directories (all regular files in it) and patterns (`*`, `?`, `[...]`, `{a,b}`, `**`).
    pub paths: Vec<PathBuf>,
    /// A `[format.NAME]`; none = `siptrail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// IANA name of the zone for times without offset; none = the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default)]
    pub start: Start,
    /// What lines are wrapped in: `docker`, `cri` or `syslog`; none = nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapper: Option<String>,
    /// Without a wrapper: reads files as what they look like, instead of reporting that they look so.
    #[serde(skip)]
    pub recognise: bool,
}

/// A `[format.NAME]` table: a [`Definition`] without its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatTable {
    pub header: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id: None,
            host: None,
            state: "/var/lib/siptrail-agent".into(),
            collector: "http://127.0.0.1:8480".into(),
            insecure: false,
            token_file: None,
            poll: Duration::from_secs(1),
            hints: true,
            provisional_after: Duration::from_secs(1),
            close_after: Duration::from_mins(1),
            drain: Duration::from_secs(10),
            batch_bytes: 4 << 20,
            batch_after: Duration::from_millis(200),
            memory: 16 << 20,
            timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            record_limit: 64 << 20,
            redact: redact::Rules::default(),
            formats: BTreeMap::new(),
            sources: Vec::new(),
        }
    }
}

impl Source {
    /// How the lines of its files are unwrapped.
    pub(crate) fn wrapping(&self) -> Result<Wrapping, Fault> {
        let Some(name) = self.wrapper.as_deref() else {
            return Ok(if self.recognise { Wrapping::Recognised } else { Wrapping::Nothing });
        };
        let hint = "no such wrapper; use \"docker\", \"cri\" or \"syslog\", or leave the key out";
        Wrapper::named(name).map(Wrapping::As).ok_or_else(|| Fault::new("wrapper", name, hint))
    }

    /// A source in the default format, in the host's zone, from the beginning.
    pub fn new(name: impl Into<String>, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        let (format, zone, wrapper) = (None, None, None);
        Self { name: name.into(), paths, format, zone, start: Start::Beginning, wrapper, recognise: false }
    }
}

impl Config {
    /// Reads and checks a config file, with what was set elsewhere laid over it.
    pub fn load(file: &Path, over: impl FnOnce(&mut Self)) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(file).map_err(|cause| Error::ConfigFile { file: file.to_path_buf(), cause })?;
        Self::read(&text, file, over)
    }

    /// Reads and checks the text of a config file; `file` is only named in errors.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        Self::read(text, file, |_| {})
    }

    fn read(text: &str, file: &Path, over: impl FnOnce(&mut Self)) -> Result<Self, Error> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let Wrong { line, key, hint } = explain(&error, text, "etc/agent.toml");
            Error::Config { file: file.to_path_buf(), line, key, hint }
        })?;
        over(&mut config);
        config.check().map_err(|fault| match text.lines().position(|line| fault.is_in(line)) {
            Some(at) => {
                Error::Config { file: file.to_path_buf(), line: at + 1, key: fault.key.to_owned(), hint: fault.hint }
            }
            None => Error::Setting { key: fault.key.to_owned(), value: fault.value, hint: fault.hint },
        })?;
        Ok(config)
    }

    /// What no type can say: names that must exist, limits that must hold.
    pub fn check(&self) -> Result<(), Fault> {
        self.check_collector()?;
        for (key, duration) in [("poll", self.poll), ("batch_after", self.batch_after), ("timeout", self.timeout)] {
            if duration.is_zero() {
                return Err(Fault::new(key, key, "must be longer than nothing"));
            }
        }
        for (key, bytes) in [("batch_bytes", self.batch_bytes), ("memory", self.memory)] {
            if !(64 << 10..=16 << 20).contains(&bytes) {
                return Err(Fault::new(key, key, "must be between 65536 (64 KiB) and 16777216 (16 MiB)"));
            }
        }
        if self.id.as_deref().is_some_and(|id| id.is_empty() || id.len() > 128 || id.contains(char::is_control)) {
            return Err(Fault::new(
                "id",
                "id",
                "must be 1 to 128 bytes of printable characters; leave it out and one is made",
            ));
        }
        for name in self.formats.keys() {
            self.format(Some(name))?;
        }
        for (at, source) in self.sources.iter().enumerate() {
            if source.name.is_empty() || source.name.contains('/') {
                return Err(Fault::new(
                    "name",
                    &source.name,
                    "a source's name must not be empty and must hold no slash",
                ));
            }
            if self.sources[..at].iter().any(|other| other.name == source.name) {
                return Err(Fault::new(
                    "name",
                    &source.name,
                    "two sources have this name; put their paths into one, or rename one",
                ));
            }
            if source.paths.is_empty() || source.paths.iter().any(|path| path.as_os_str().is_empty()) {
                return Err(Fault::new("paths", "paths", "name at least one file, directory or pattern"));
            }
            for path in &source.paths {
                crate::place::check(path).map_err(|why| Fault::new("paths", &path.to_string_lossy(), &why))?;
            }
            if let Some(zone) = source.zone.as_deref() {
                zone::check(zone).map_err(|why| Fault::new("zone", zone, &why))?;
            }
            self.format(source.format.as_deref())?;
            source.wrapping()?;
        }
        Ok(())
    }

    /// The compiled format of that name; none = `siptrail`.
    pub fn format(&self, name: Option<&str>) -> Result<Format, Fault> {
        let Some(name) = name.filter(|name| *name != "siptrail" || self.formats.contains_key("siptrail")) else {
            return Ok(Format::siptrail());
        };
        let table = self.formats.get(name).ok_or_else(|| {
            let meant = nearest(name, self.formats.keys().map(String::as_str));
            let what_to_do =
                meant.map_or_else(|| "add it, or leave the key out".into(), |meant| format!("is {meant:?} meant?"));
            Fault::new("format", name, &format!("there is no [format.{name}]; {what_to_do}"))
        })?;
        let FormatTable { header, time, noise } = table.clone();
        Format::compile(Definition { name: name.to_owned(), header, time, noise }).map_err(
            |record::format::Error::Pattern { what, .. }| Fault::new("format", &format!("[format.{name}]"), &what),
        )
    }

    fn check_collector(&self) -> Result<(), Fault> {
        let fault = |hint| Err(Fault::new("collector", &self.collector, hint));
        let Ok(url) = reqwest::Url::parse(&self.collector) else {
            return fault("must be a URL such as \"https://siptrail.example.com\"");
        };
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_local(&url) || self.insecure => Ok(()),
            "http" => fault("plain HTTP goes to this host only; use https, or set insecure = true"),
            _ => fault("must begin with http:// or https://"),
        }
    }
}

/// The URL is one of this host.
pub(crate) fn is_local(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A value that cannot stand, and where to look for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub key: &'static str,
    /// As it was given.
    pub value: String,
    pub hint: String,
}

impl Fault {
    fn new(key: &'static str, value: &str, hint: &str) -> Self {
        Self { key, value: value.to_owned(), hint: hint.to_owned() }
    }

    fn is_in(&self, line: &str) -> bool {
        !line.trim_start().starts_with('#') && line.contains(self.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Config::parse(text, Path::new("agent.toml")).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn the_example_config_lists_every_key_with_its_default() {
        let text = include_str!("../../etc/agent.toml");
        let listed = Config::parse(text, Path::new("etc/agent.toml")).unwrap();
        assert_eq!(listed, Config::default());

        let default: toml::Table = toml::from_str(&toml::to_string(&Config::default()).unwrap()).unwrap();
        let written: toml::Table = toml::from_str(text).unwrap();
        for key in default.keys() {
            assert!(written.contains_key(key), "{key} is not in etc/agent.toml");
        }
        for key in [
            "id",
            "host",
            "token_file",
            "[[source]]",
            "paths",
            "format",
            "zone",
            "start",
            "wrapper",
            "[format.pbx]",
            "time",
            "noise",
        ] {
            assert!(text.contains(&format!("# {key}")), "{key} is not shown in etc/agent.toml");
        }
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        let text = "poll = \"1s\"\npol = \"2s\"\n";
        assert!(
            fault(text).starts_with("agent.toml:2: pol: there is no key `pol` here; is `poll` meant?"),
            "{}",
            fault(text)
        );
        assert!(fault("poll = \"1 fortnight\"").starts_with("agent.toml:1: poll: \"1 fortnight\" is no duration"));
        assert!(fault("poll = [").starts_with("agent.toml:1: poll"));
    }

    #[test]
    fn what_does_not_exist_is_named_with_a_hint() {
        let source = "[[source]]\nname = \"proxy\"\npaths = [\"/var/log/proxy.log\"]\n";
        let zone = fault(&format!("{source}zone = \"Mars/Olympus\"\n"));
        assert_eq!(
            zone,
            "agent.toml:4: zone: there is no such zone; use an IANA name such as \"Asia/Seoul\" or \"UTC\""
        );
        let format = fault(&format!("{source}format = \"pbx\"\n"));
        assert_eq!(format, "agent.toml:4: format: there is no [format.pbx]; add it, or leave the key out");
        let wrapper = fault(&format!("{source}wrapper = \"podman\"\n"));
        assert_eq!(
            wrapper,
            "agent.toml:4: wrapper: no such wrapper; use \"docker\", \"cri\" or \"syslog\", or leave the key out"
        );
        let twice = fault(&format!("{source}{source}"));
        assert!(twice.contains("two sources have this name"), "{twice}");
    }

    #[test]
    fn plain_http_stays_on_this_host() {
        for url in ["http://127.0.0.1:8480", "http://[::1]:1", "http://localhost", "https://siptrail.example.com"] {
            assert_eq!(Config { collector: url.into(), ..Config::default() }.check(), Ok(()), "{url}");
        }
        for url in ["http://siptrail.example.com", "http://127.0.0.1.example.com", "ftp://127.0.0.1", "collector", ""] {
            assert!(Config { collector: url.into(), ..Config::default() }.check().is_err(), "{url}");
        }
        let insecure = Config { collector: "http://192.0.2.1".into(), insecure: true, ..Config::default() };
        assert_eq!(insecure.check(), Ok(()));
    }
}
