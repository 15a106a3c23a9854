//! Whether anybody is told: pages of alerts and mails say so, and what to do.

use record::time::{DAY, Timestamp};
use store::outgoing::{Hold, Undelivered};
use store::rulebook::Rulebook;

use crate::ladder::words::shortened;
use crate::words::counted;
use crate::zone::Zone;
use crate::{Error, Site};

/// Letters of why an account waits.
const LONGEST: usize = 300;

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

/// What keeps mails from those whom they are for, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stuck {
    /// Stands out.
    pub what: String,
    pub why: String,
}

impl Stuck {
    /// Now, and within a day.
    pub async fn of(site: &Site, zone: Zone) -> Result<Vec<Self>, Error> {
        let now = site.now();
        let day = Timestamp(now.0.saturating_sub(DAY));
        let (holds, undelivered) = tokio::try_join!(site.store.mail_holds(now), site.store.undelivered(day))?;
        Ok(said(&holds, undelivered, zone))
    }
}

fn said(holds: &[Hold], undelivered: Undelivered, zone: Zone) -> Vec<Stuck> {
    let held = holds.iter().map(|Hold { since, until, why, .. }| Stuck {
        what: "No mail is sent".to_owned(),
        why: format!(
            "since {}: {}; it is tried again at {}",
            zone.full(*since),
            shortened(why, LONGEST),
            zone.full(*until)
        ),
    });
    let Undelivered { failed, expired, refused } = undelivered;
    let counts = [
        (failed, "refused by the mail server in the last 24 hours"),
        (expired, "not sent in time in the last 24 hours, and given up"),
        (refused, "sent in the last 24 hours, and not to everybody"),
    ];
    let counts = counts.into_iter().filter(|(number, _)| *number > 0);
    let counts = counts.map(|(number, why)| {
        let be = if number == 1 { "was" } else { "were" };
        Stuck { what: counted(number, "mail"), why: format!("{be} {why}") }
    });
    held.chain(counts).collect()
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
