//! Scenarios, their calls and their messages.

use std::collections::{BTreeSet, HashMap};

use message::event::CallClass;
use message::gist::Gist;
use message::logged::Message;
use message::summary::Summary;
use record::id::{CallKey, MessageId, Offset, ScenarioId, StreamId};
use record::time::{Day, Timestamp};
use rule::verdict::Outcome;
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::page::Page;
use crate::scope::{Most, Scope};
use crate::stored::call_key;
use crate::text::{big, count};
use crate::{Error, Store, append};

/// What a row of a list, a page or a live view is of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    Scenario(ScenarioId),
    /// A call that has no scenario yet, with its name, which may be cut.
    Call(CallKey, String),
}

/// What the list shows of a scenario, or of a call that has none yet.
#[derive(Clone, PartialEq, Debug)]
pub struct ScenarioRow {
    pub subject: Subject,
    pub class: CallClass,
    pub first: Timestamp,
    pub last: Timestamp,
    pub caller: Option<String>,
    pub callee: Option<String>,
    pub answered_by: Option<String>,
    /// Whom a transfer connected last to the caller, or to who had answered; none until it is worked out.
    pub transferred_to: Option<String>,
    pub rang: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    pub ending: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub status: Option<u16>,
    /// When the caller sent the INVITE that counts, by repaired clocks.
    pub begun: Option<Timestamp>,
    /// Microseconds from the caller's answer to its end.
    pub talked: Option<i64>,
    /// What went wrong; none until it is worked out.
    pub problems: Option<i64>,
    /// The worst that any rule says, with its failure and rule; none until it is judged.
    pub outcome: Option<Outcome>,
    pub failure: Option<String>,
    pub rule: Option<String>,
    pub calls: i64,
    pub legs: i64,
    pub messages: i64,
    pub nodes: i64,
    pub devices: i64,
    /// Messages by kind: SIP, REST, PUSH, MEDIA.
    pub kinds: [i64; 4],
    /// The rest of one of its messages is not there yet.
    pub provisional: bool,
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
    /// None for the first call.
    pub joined_by: Option<Join>,
}

/// The key by which a call came to its scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Join {
    pub space: String,
    pub value: String,
    /// False where calls that have nothing to do with each other may carry the same value.
    pub sure: bool,
    /// The message that carried it.
    pub message: MessageId,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Found<T> {
    Here(T),
    /// It was joined into this one.
    Merged(ScenarioId),
    Nowhere,
}

/// Columns of a [`ScenarioColumns`].
pub(crate) const COLUMNS: &str = "id, class, first, last, caller, callee, answered_by, rang, answered, ending, ended, status, \
    calls, legs, messages, nodes, devices, sip, rest, push, media, version, merged_into, begun, talked, problems, outcome, failure, rule, \
    transferred_to";

#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ScenarioColumns {
    id: i64,
    class: i16,
    first: i64,
    last: i64,
    caller: Option<String>,
    callee: Option<String>,
    answered_by: Option<String>,
    transferred_to: Option<String>,
    rang: Option<i64>,
    answered: Option<i64>,
    ending: Option<i64>,
    ended: Option<i64>,
    status: Option<i16>,
    calls: i64,
    legs: i64,
    messages: i64,
    nodes: i64,
    devices: i64,
    sip: i64,
    rest: i64,
    push: i64,
    media: i64,
    version: i64,
    merged_into: Option<i64>,
    begun: Option<i64>,
    talked: Option<i64>,
    problems: Option<i64>,
    outcome: Option<i16>,
    failure: Option<String>,
    rule: Option<String>,
}

#[derive(sqlx::FromRow)]
struct CallColumns {
    call: Vec<u8>,
    stream_id: i64,
    day: i32,
    class: i16,
    call_id: String,
    joined_space: Option<String>,
    joined_value: Option<String>,
    joined_sure: Option<i16>,
    joined_stream: Option<i64>,
    joined_off: Option<i64>,
}

impl Store {
    /// A scenario with what its provisional rows say, as if they were final.
    pub async fn scenario(&self, id: ScenarioId) -> Result<Found<Scenario>, Error> {
        let row: Option<ScenarioColumns> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(COLUMNS).push(" from scenario where id = ").push_bind(id.0);
            q.build_query_as().fetch_optional(pool).await?
        });
        let Some(row) = row else { return Ok(Found::Nowhere) };
        if let Some(into) = row.merged_into {
            return Ok(Found::Merged(ScenarioId(into)));
        }
        let calls: Vec<CallColumns> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select call, stream_id, day, class, call_id, joined_space, joined_value, joined_sure,
                        joined_stream, joined_off
                 from scenario_call where scenario_id = $1 order by first, call, stream_id, day",
            )
            .bind(id.0)
            .fetch_all(pool)
            .await?
        });
        let mut rows = [row.read()?];
        self.add_early(&mut rows).await?;
        let [row] = rows;
        Ok(Found::Here(Scenario { row, calls: gather(calls)? }))
    }

    /// Messages of a scenario, provisional ones too, by (time, stream, offset), after `after`: at most `limit`, and fewer where
    /// they are large.
    pub async fn scenario_messages(
        &self,
        scenario: &Scenario,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Page<Message, MessageId>, Error> {
        let read = self.rows_of(&scenario.scope(), after, Most::rows(limit)).await?;
        self.page_of(read).await
    }
}

impl Scenario {
    /// Where its messages are. A call that is filed by day has a scenario a day.
    pub(crate) fn scope(&self) -> Scope {
        let parts = || self.calls.iter().flat_map(|call| &call.streams);
        let day = self.row.first.day();
        let daily = self.row.class.is_daily();
        let last = match self.row.subject {
            Subject::Scenario(_) => day,
            Subject::Call(..) => self.row.last.day(),
        };
        Scope {
            calls: Some(self.calls.iter().map(|call| call.call).collect()),
            streams: parts().map(|(stream, _)| stream.0).collect::<BTreeSet<_>>().into_iter().collect(),
            days: parts().map(|(_, day)| day.0).collect::<BTreeSet<_>>().into_iter().collect(),
            from: daily.then(|| day.start()),
            to: daily.then(|| last.end()),
            class: self.row.subject.scenario().map(|_| self.row.class),
            ..Scope::default()
        }
    }
}

impl Subject {
    pub fn scenario(&self) -> Option<ScenarioId> {
        match self {
            Self::Scenario(id) => Some(*id),
            Self::Call(..) => None,
        }
    }

    /// The order of what began at one time: by id, and calls without a scenario above all ids. A place, never an id.
    pub fn place(&self) -> ScenarioId {
        match self {
            Self::Scenario(id) => *id,
            Self::Call(CallKey([a, b, c, d, e, f, g, h, ..]), _) => {
                let hash = i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                ScenarioId((hash & (i64::MAX >> 1)) | (1 << 62))
            }
        }
    }
}

impl ScenarioRow {
    /// Its place in a list, which is newest first.
    pub fn place(&self) -> (Timestamp, ScenarioId) {
        (self.first, self.subject.place())
    }

    pub(crate) fn of(subject: Subject, summary: &Summary, version: i64) -> Self {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            subject,
            class: summary.class.unwrap_or(CallClass::Other),
            first: summary.first.unwrap_or_default(),
            last: summary.last.unwrap_or_default(),
            caller: summary.caller().map(append::searched),
            callee: summary.callee().map(append::searched),
            answered_by: summary.answered_by.as_deref().map(append::searched),
            transferred_to: None,
            rang: summary.rang,
            answered: summary.answered,
            ending: summary.ending,
            ended: summary.ended,
            status: summary.status(),
            begun: None,
            talked: None,
            problems: None,
            outcome: None,
            failure: None,
            rule: None,
            calls: number(summary.calls()),
            legs: number(summary.legs()),
            messages: big(summary.messages),
            nodes: number(summary.nodes()),
            devices: number(summary.devices()),
            kinds: summary.kinds.map(big),
            provisional: false,
            version,
        }
    }
}

impl ScenarioRow {
    /// With what was worked out of another state of it: that stands until it is done again.
    pub(crate) fn settled_as(self, other: &Self) -> Self {
        Self {
            status: other.status,
            begun: other.begun,
            rang: other.rang,
            answered: other.answered,
            ending: other.ending,
            ended: other.ended,
            talked: other.talked,
            answered_by: other.answered_by.clone(),
            transferred_to: other.transferred_to.clone(),
            legs: other.legs,
            devices: other.devices,
            ..self.judged_as(other)
        }
    }

    /// With what was said of another state of it: what is no call has no other result than what its summary says.
    pub(crate) fn judged_as(self, other: &Self) -> Self {
        Self {
            problems: other.problems,
            outcome: other.outcome,
            failure: other.failure.clone(),
            rule: other.rule.clone(),
            ..self
        }
    }

    /// Takes what was worked out of its messages in place of what their summary says.
    pub fn take(&mut self, gist: &Gist) {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        (self.status, self.rang, self.answered) = (gist.status, gist.rang, gist.answered);
        (self.begun, self.ending, self.ended, self.talked) = (gist.begun, gist.ended, gist.closed, gist.talked);
        self.answered_by = gist.answered_by.as_deref().map(append::searched);
        self.transferred_to = gist.transferred_to.as_deref().map(append::searched);
        (self.legs, self.devices) = (number(gist.legs), number(gist.devices));
        self.problems = Some(number(gist.problems));
    }
}

impl ScenarioColumns {
    pub fn read(self) -> Result<ScenarioRow, Error> {
        Ok(ScenarioRow {
            subject: Subject::Scenario(ScenarioId(self.id)),
            class: class_of(self.class)?,
            first: Timestamp(self.first),
            last: Timestamp(self.last),
            caller: self.caller,
            callee: self.callee,
            answered_by: self.answered_by,
            transferred_to: self.transferred_to,
            rang: self.rang.map(Timestamp),
            answered: self.answered.map(Timestamp),
            ending: self.ending.map(Timestamp),
            ended: self.ended.map(Timestamp),
            status: self.status.and_then(|status| u16::try_from(status).ok()),
            begun: self.begun.map(Timestamp),
            talked: self.talked,
            problems: self.problems,
            outcome: self.outcome.and_then(Outcome::from_code),
            failure: self.failure,
            rule: self.rule,
            calls: self.calls,
            legs: self.legs,
            messages: self.messages,
            nodes: self.nodes,
            devices: self.devices,
            kinds: [self.sip, self.rest, self.push, self.media],
            provisional: false,
            version: self.version,
        })
    }
}

pub(crate) fn class_of(code: i16) -> Result<CallClass, Error> {
    CallClass::from_code(code).ok_or_else(|| Error::Damaged(format!("class {code} of a scenario")))
}

/// A row is a call as one stream saw it on one day; a call is all of its rows.
fn gather(rows: Vec<CallColumns>) -> Result<Vec<ScenarioCall>, Error> {
    let mut calls: Vec<ScenarioCall> = Vec::new();
    let mut places: HashMap<CallKey, usize> = HashMap::new();
    for row in rows {
        let call = call_key(&row.call)?;
        let part = (StreamId(row.stream_id), Day(row.day));
        let joined_by = match (row.joined_space, row.joined_value, row.joined_stream, row.joined_off) {
            (Some(space), Some(value), Some(stream), Some(off)) => {
                let message = MessageId::new(StreamId(stream), Offset(count(off)));
                Some(Join { space, value, sure: row.joined_sure != Some(0), message })
            }
            _ => None,
        };
        if let Some(at) = places.get(&call) {
            let known = &mut calls[*at];
            known.streams.push(part);
            known.joined_by = known.joined_by.take().or(joined_by);
        } else {
            places.insert(call, calls.len());
            calls.push(ScenarioCall {
                call,
                call_id: row.call_id,
                streams: vec![part],
                class: class_of(row.class)?,
                joined_by,
            });
        }
    }
    Ok(calls)
}
