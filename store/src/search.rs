//! Search: rows are scenarios, never messages; and the message list of the API.

use message::event::CallClass;
use message::id::{MessageId, ScenarioId};
use message::kind::Kind;
use message::record::Message;
use message::time::Timestamp;

use crate::scenario::ScenarioRow;
use crate::{Error, Store};

/// All that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Scenario classes; empty = call and other.
    pub classes: Vec<CallClass>,
    /// Prefix of the user that calls.
    pub caller: Option<String>,
    /// Prefix of the user that is called.
    pub callee: Option<String>,
    /// Prefix of a user on either side of any call part.
    pub person: Option<String>,
    /// Exact Call-ID of any call.
    pub call_id: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// A message of this kind.
    pub kind: Option<Kind>,
    /// A message with this method (as logged).
    pub method: Option<String>,
    /// A message with a status in this closed range.
    pub status: Option<(u16, u16)>,
    /// The scenario's final status in this closed range.
    pub final_status: Option<(u16, u16)>,
}

/// Newest first, behind `before`.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub more: bool,
    /// A filter on messages looked at the newest scenarios only, back to this time.
    pub searched_to: Option<Timestamp>,
}

/// Messages in stored order within time; the API's list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageFilter {
    pub call_id: Option<String>,
    pub scenario: Option<ScenarioId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub kind: Option<Kind>,
    pub method: Option<String>,
    pub status: Option<(u16, u16)>,
    pub provisional: Option<bool>,
}

impl Store {
    pub async fn search(
        &self,
        _filter: &Filter,
        _before: Option<(Timestamp, ScenarioId)>,
        _limit: usize,
    ) -> Result<Page<ScenarioRow>, Error> {
        Ok(Page { rows: Vec::new(), more: false, searched_to: None })
    }

    /// Ascending by (time, stream, offset), behind `after`.
    pub async fn messages(
        &self,
        _filter: &MessageFilter,
        _after: Option<(Timestamp, MessageId)>,
        _limit: usize,
    ) -> Result<Page<Message>, Error> {
        Ok(Page { rows: Vec::new(), more: false, searched_to: None })
    }
}
