//! Scenarios, their calls and their messages.

use message::event::CallClass;
use message::id::{CallKey, MessageId, ScenarioId, StreamId};
use message::record::Message;
use message::time::{Day, Timestamp};

use crate::{Error, Store};

/// What the list shows of a scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct ScenarioRow {
    pub id: ScenarioId,
    pub class: CallClass,
    pub first: Timestamp,
    pub last: Timestamp,
    pub caller: Option<String>,
    pub callee: Option<String>,
    pub answered_by: Option<String>,
    pub rang: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    pub ending: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub status: Option<u16>,
    pub calls: i64,
    pub legs: i64,
    pub messages: i64,
    pub nodes: i64,
    pub devices: i64,
    /// Messages by kind: SIP, REST, PUSH, MEDIA.
    pub kinds: [i64; 4],
    pub version: i64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    pub row: ScenarioRow,
    pub calls: Vec<ScenarioCall>,
}

/// A call of a scenario, and by which key it was joined.
#[derive(Clone, PartialEq, Debug)]
pub struct ScenarioCall {
    pub call: CallKey,
    pub call_id: String,
    pub streams: Vec<(StreamId, Day)>,
    pub class: CallClass,
    /// Key space, value, and the message that carried it; none for the first call.
    pub joined_by: Option<(String, String, MessageId)>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Found<T> {
    Here(T),
    /// It was joined into this one.
    Merged(ScenarioId),
    Nowhere,
}

impl Store {
    pub async fn scenario(&self, _id: ScenarioId) -> Result<Found<Scenario>, Error> {
        Ok(Found::Nowhere)
    }

    /// Messages of a scenario, provisional ones too, by (time, stream, offset), behind `after`, at most `limit`.
    pub async fn scenario_messages(
        &self,
        _scenario: &Scenario,
        _after: Option<(Timestamp, MessageId)>,
        _limit: usize,
    ) -> Result<Vec<Message>, Error> {
        Ok(Vec::new())
    }

    /// One message, final or provisional, and the scenario it belongs to, if it is correlated yet.
    pub async fn message(&self, _id: MessageId) -> Result<Option<(Message, Option<ScenarioId>)>, Error> {
        Ok(None)
    }

    /// The scenarios of calls, for lists of messages.
    pub async fn scenarios_of(&self, _messages: &[MessageId]) -> Result<Vec<(MessageId, ScenarioId)>, Error> {
        Ok(Vec::new())
    }

    /// Version and merged-into of each scenario being watched: the live view's one query. A version rises with each
    /// correlated batch; a provisional row raises the second number, the greatest tail mark of its streams.
    pub async fn versions(&self, _ids: &[ScenarioId]) -> Result<Vec<(ScenarioId, i64, Option<ScenarioId>)>, Error> {
        Ok(Vec::new())
    }
}
