//! The header grammar and named formats: what a header line is (`docs/log-format.md`).

mod brackets;
mod template;
mod timestamp;

use chrono_tz::Tz;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use template::Template;
use timestamp::Times;

/// A format as it stands in a config and travels to the collector: its definition, not only its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub name: String,
    /// Placeholders `{prefix}{time}{method}{source}{destination}` and the text between them.
    pub header: String,
    /// A strptime pattern; none = the built-in time forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Linear-time regular expressions on bytes: lines that are noise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise: Vec<String>,
}

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Format {
    definition: Definition,
    layout: Layout,
    times: Times,
    noise: Vec<Regex>,
}

#[derive(Clone, Debug)]
enum Layout {
    /// The default, by hand: it is asked for each line that ends in `]`.
    Brackets,
    Template(Template),
}

/// Where a layout found its five fields; whether they are good is asked later.
struct Fields<'a> {
    prefix: &'a [u8],
    time: &'a [u8],
    method: &'a [u8],
    source: &'a [u8],
    destination: &'a [u8],
}

/// The fields of a header line, borrowed from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// What the logger wrote before the header.
    pub prefix: &'a [u8],
    pub time: Timestamp,
    pub time_text: &'a [u8],
    /// The local time occurs twice; the earlier reading was taken.
    pub ambiguous_time: bool,
    pub method: &'a [u8],
    pub source: &'a [u8],
    pub destination: &'a [u8],
}

/// What a line is to the header grammar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    Header(Header<'a>),
    /// Four groups with a good time that fail another test: noise, counted apart.
    NearMiss,
    Other,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    #[error("format {name}: {what}")]
    Pattern { name: String, what: String },
}

/// A header line is at most this long, prefix included, line end not.
pub const LONGEST_HEADER: usize = 16 << 10;

const SIPTRAIL: &str = "{prefix}[{time}][{method}][{source}][{destination}]";
const LONGEST_METHOD: usize = 32;
const MOST_NOISE: usize = 64;
const LONGEST_NOISE: usize = 4096;
/// Bytes of one compiled noise pattern, and again of its lazy automaton.
const NOISE_SIZE: usize = 1 << 20;

impl Format {
    /// `[timestamp][method][source url][destination url]`, the default.
    pub fn siptrail() -> Self {
        Self {
            definition: Definition { name: "siptrail".into(), header: SIPTRAIL.into(), time: None, noise: Vec::new() },
            layout: Layout::Brackets,
            times: Times::BuiltIn,
            noise: Vec::new(),
        }
    }

    /// Bounded whatever the definition says: it may come from a stranger.
    /// The error is a sentence that says what is wrong and how to mend it.
    pub fn compile(definition: Definition) -> Result<Self, Error> {
        let wrong = |what| Error::Pattern { name: definition.name.clone(), what };
        let layout = match &*definition.header {
            SIPTRAIL => Layout::Brackets,
            pattern => Layout::Template(Template::compile(pattern).map_err(wrong)?),
        };
        let times = match &definition.time {
            None => Times::BuiltIn,
            Some(pattern) => Times::pattern(pattern).map_err(wrong)?,
        };
        if definition.noise.len() > MOST_NOISE {
            return Err(wrong(format!("noise has more than {MOST_NOISE} patterns; join some with |")));
        }
        let noise = definition.noise.iter().map(|p| noise_pattern(p)).collect::<Result<_, _>>().map_err(wrong)?;
        Ok(Self { definition, layout, times, noise })
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// A cheap test before [`Format::read`]: false = it is not a header and no near miss.
    pub fn candidate(&self, line: &[u8]) -> bool {
        let line = without_cr(line);
        match &self.layout {
            Layout::Brackets => line.last() == Some(&b']'),
            Layout::Template(template) => template.candidate(line),
        }
    }

    /// Does one of the definition's own noise patterns match? Built-in shapes and prefixes are the framer's.
    pub fn is_noise(&self, line: &[u8]) -> bool {
        let line = without_cr(line);
        self.noise.iter().any(|pattern| pattern.is_match(line))
    }

    /// Reads a line without its LF; a CR at its end belongs to the line end. `zone` is for times without an offset.
    pub fn read<'a>(&self, line: &'a [u8], zone: Tz) -> Line<'a> {
        let line = without_cr(line);
        let fields = match &self.layout {
            Layout::Brackets => brackets::split(line),
            Layout::Template(template) => template.split(line, |text| self.times.read(text, zone).is_some()),
        };
        let Some(fields) = fields else { return Line::Other };
        let Some(reading) = self.times.read(fields.time, zone) else { return Line::Other };
        let good = line.len() <= LONGEST_HEADER
            && is_method(fields.method)
            && !fields.source.trim_ascii().is_empty()
            && !fields.destination.trim_ascii().is_empty();
        if !good {
            return Line::NearMiss;
        }
        Line::Header(Header {
            prefix: fields.prefix,
            time: reading.time,
            time_text: fields.time,
            ambiguous_time: reading.ambiguous,
            method: fields.method,
            source: fields.source,
            destination: fields.destination,
        })
    }
}

/// On bytes, without Unicode tables: `\d` is 0–9 and a pattern may name any byte.
fn noise_pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST_NOISE {
        return Err(format!("a noise pattern is longer than {LONGEST_NOISE} bytes; give shorter ones"));
    }
    RegexBuilder::new(pattern).unicode(false).size_limit(NOISE_SIZE).dfa_size_limit(NOISE_SIZE).build().map_err(|e| {
        let why = match e {
            regex::Error::CompiledTooBig(_) => "it is too big; use smaller repetitions".into(),
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        };
        format!("noise pattern {pattern:?} cannot be used: {why}")
    })
}

/// A token of RFC 3261 section 25.1, of 1 to 32 bytes.
fn is_method(text: &[u8]) -> bool {
    (1..=LONGEST_METHOD).contains(&text.len())
        && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(b))
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_documented_prefixes_are_read() {
        for (line, prefix) in [
            (
                " 2(28536) INFO: {1}<script>: [1795463450.798149][INVITE][sip:127.0.0.1:5063][sip:127.0.0.1:5070]",
                " 2(28536) INFO: {1}<script>: ",
            ),
            (
                "2026-11-23 19:53:58.132 INFO  [Thread-0] c.e.Transport - [2026-11-23 19:53:58.132][POST][http://10.0.0.1:8080][https://api.example.com/v1/calls/7]",
                "2026-11-23 19:53:58.132 INFO  [Thread-0] c.e.Transport - ",
            ),
        ] {
            let Line::Header(header) = Format::siptrail().read(line.as_bytes(), Tz::UTC) else { panic!("{line}") };
            assert_eq!(header.prefix, prefix.as_bytes());
        }
    }
}
