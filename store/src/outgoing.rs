//! Mails that are to be sent: made with the state of their group in one transaction, sent at least once.

mod account;
mod made;
mod read;
mod send;

use record::time::Timestamp;

pub use account::Hold;
pub use made::{Kept, NewMail, Reported, Room};
pub use read::{Attempt, COUNTED, Undelivered};
pub use send::{Sender, Tried};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MailKind {
    Firing,
    Update,
    Resolved,
    Storm,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MailState {
    /// It waits to be sent, or to be sent again.
    Queued,
    Sent,
    /// The server will never take it.
    Failed,
    /// It was not sent in time.
    Expired,
    /// Nothing is configured that could send it, or nobody who gets it.
    NotSent,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    pub id: i64,
    pub group: Option<i64>,
    pub kind: MailKind,
    pub state: MailState,
    pub team: String,
    pub recipients: String,
    /// Those of them who are still to get it, where that is not everybody.
    pub left_to: Option<String>,
    /// Who will never get it, with what the server said of each.
    pub refused: Vec<String>,
    pub message_id: String,
    pub subject: String,
    pub created: Timestamp,
    /// When it is to be sent; of one that waits no more, when that was decided.
    pub not_before: Timestamp,
    pub expires: Timestamp,
    pub sent: Option<Timestamp>,
    /// Since it was queued last.
    pub attempts: i32,
    pub last_code: Option<i32>,
    pub last_text: Option<String>,
    /// Until when the sender who took it last may send it: what is written of it counts for that one alone.
    pub lease_until: Timestamp,
}

/// One a line; nothing for none.
fn lines(text: Option<String>) -> Vec<String> {
    text.map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}

fn joined(lines: &[String]) -> Option<String> {
    (!lines.is_empty()).then(|| lines.join("\n"))
}
