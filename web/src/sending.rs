//! Whether anybody is told: pages of alerts and mails say so, and what to do.

use store::rulebook::Rulebook;

/// Whether somebody gets a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sending {
    Sends,
    NoServer,
    /// Nobody is named in routes.
    NoTeam,
    /// No collector has said yet what it does.
    Unknown,
}

impl Sending {
    pub fn of(book: Option<&Rulebook>) -> Self {
        match book {
            None => Self::Unknown,
            Some(book) if book.server.is_none() => Self::NoServer,
            Some(book) if !book.teams.iter().any(|(_, addresses)| !addresses.is_empty()) => Self::NoTeam,
            Some(_) => Self::Sends,
        }
    }

    pub fn is(self, name: &str) -> bool {
        let own = match self {
            Self::Sends => "sends",
            Self::NoServer => "no server",
            Self::NoTeam => "no team",
            Self::Unknown => "unknown",
        };
        own == name
    }
}
