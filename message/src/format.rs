//! The header grammar and named formats: what a header line is (`docs/log-format.md`).

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

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

impl Format {
    /// `[timestamp][method][source url][destination url]`, the default.
    pub fn siptrail() -> Self {
        Self {
            definition: Definition {
                name: "siptrail".into(),
                header: "{prefix}[{time}][{method}][{source}][{destination}]".into(),
                time: None,
                noise: Vec::new(),
            },
        }
    }

    pub fn compile(definition: Definition) -> Result<Self, Error> {
        Ok(Self { definition })
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Reads a line without its line end. `zone` is for times without an offset.
    pub fn read<'a>(&self, _line: &'a [u8], _zone: Tz) -> Line<'a> {
        Line::Other
    }
}
