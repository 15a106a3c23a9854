//! The kind of a message, and the collector's decision about it (`docs/log-format.md`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of message a record holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    Sip,
    Rest,
    Push,
    Media,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Sip, Kind::Rest, Kind::Push, Kind::Media];

    /// The code in the database.
    pub fn code(self) -> i16 {
        match self {
            Kind::Sip => 1,
            Kind::Rest => 2,
            Kind::Push => 3,
            Kind::Media => 4,
        }
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Sip => "SIP",
            Kind::Rest => "REST",
            Kind::Push => "PUSH",
            Kind::Media => "MEDIA",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(text)).ok_or(())
    }
}
