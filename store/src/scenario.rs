//! Scenarios, their calls and their messages.

use std::collections::{BTreeSet, HashMap};

use message::event::CallClass;
use message::id::{CallKey, MessageId, Offset, ScenarioId, StreamId};
use message::record::Message;
use message::time::{Day, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::scope::Scope;
use crate::statement::push_list;
use crate::stored::{StoredRow, call_key};
use crate::text::{big, count};
use crate::{Error, Store, statement};

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

/// Columns of a [`ScenarioColumns`].
pub(crate) const COLUMNS: &str = "id, kind, first, last, caller, callee, answered_by, rang, answered, ending, ended, status, \
    calls, legs, messages, nodes, devices, sip, rest, push, media, version, merged_into";

#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ScenarioColumns {
    id: i64,
    kind: i16,
    first: i64,
    last: i64,
    caller: Option<String>,
    callee: Option<String>,
    answered_by: Option<String>,
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
    joined_stream: Option<i64>,
    joined_off: Option<i64>,
}

impl Store {
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
                "select call, stream_id, day, class, call_id, joined_space, joined_value, joined_stream, joined_off
                 from scenario_call where scenario_id = $1 order by first, call, stream_id, day",
            )
            .bind(id.0)
            .fetch_all(pool)
            .await?
        });
        Ok(Found::Here(Scenario { row: row.read()?, calls: gather(calls)? }))
    }

    /// Messages of a scenario, provisional ones too, by (time, stream, offset), behind `after`, at most `limit`.
    pub async fn scenario_messages(
        &self,
        scenario: &Scenario,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let scope = Scope::of(scenario);
        let rows = self.rows_of(&scope, after, limit).await?;
        self.messages_of(rows).await
    }

    /// One message, final or provisional, and the scenario it belongs to, if it is correlated yet.
    pub async fn message(&self, id: MessageId) -> Result<Option<(Message, Option<ScenarioId>)>, Error> {
        let row: Option<StoredRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("");
            for (table, sign) in [("message", 0), ("provisional", 1)] {
                q.push("select ").push(crate::append::COLUMNS);
                q.push(format_args!(", cast({sign} as bigint) as provisional from {table} where stream_id = "));
                q.push_bind(id.stream.0).push(" and off = ").push_bind(big(id.offset.0));
                q.push(if sign == 0 { " union all " } else { " order by provisional limit 1" });
            }
            q.build_query_as().fetch_optional(pool).await?
        });
        let Some(row) = row else { return Ok(None) };
        let scenario = self.owners(&[Sighting::of(&row)?]).await?.pop().map(|(_, scenario)| scenario);
        Ok(self.messages_of(vec![row]).await?.pop().map(|message| (message, scenario)))
    }

    /// The scenarios of messages, for lists of messages; those not correlated yet are left out.
    pub async fn scenarios_of(&self, messages: &[Message]) -> Result<Vec<(MessageId, ScenarioId)>, Error> {
        let sighting = |message: &Message| Sighting { id: message.id, time: message.time, call: message.call };
        self.owners(&messages.iter().map(sighting).collect::<Vec<_>>()).await
    }

    /// Version and merged-into of each scenario being watched: the live view's query, four short statements however
    /// many are watched. A version is compared for being different, not greater: it is the scenario's own, which
    /// rises with each correlated batch, plus the tail marks of the streams that log its calls or hold provisional
    /// rows of them. A stream's mark rises whenever its provisional rows change, whichever call they are of.
    pub async fn versions(&self, ids: &[ScenarioId]) -> Result<Vec<(ScenarioId, i64, Option<ScenarioId>)>, Error> {
        let mut versions = Vec::new();
        for ids in statement::lists(&ids.iter().map(|id| id.0).collect::<Vec<_>>()) {
            let rows: Vec<(i64, i64, Option<i64>)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, version, merged_into from scenario where id in ");
                push_list!(q, &ids);
                q.push(" order by id");
                q.build_query_as().fetch_all(pool).await?
            });
            let marks = self.tail_marks(&ids).await?;
            versions.extend(rows.into_iter().map(|(id, version, into)| {
                (ScenarioId(id), version + marks.get(&id).copied().unwrap_or(0), into.map(ScenarioId))
            }));
        }
        Ok(versions)
    }

    /// Sums of the tail marks of each scenario's streams.
    async fn tail_marks(&self, ids: &[i64]) -> Result<HashMap<i64, i64>, Error> {
        let calls: Vec<(i64, Vec<u8>, i64)> = with_pool!(self.backend, pool => {
            let mut q =
                QueryBuilder::<Db>::new("select distinct scenario_id, call, stream_id from scenario_call where scenario_id in ");
            push_list!(q, ids);
            q.build_query_as().fetch_all(pool).await?
        });
        let mut streams: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        let mut owners: HashMap<Vec<u8>, i64> = HashMap::new();
        for (scenario, call, stream) in calls {
            streams.entry(scenario).or_default().insert(stream);
            owners.insert(call, scenario);
        }
        for keys in statement::lists(&owners.keys().cloned().collect::<Vec<_>>()) {
            let tails: Vec<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select call, stream_id from provisional where call in ");
                push_list!(q, &keys);
                q.build_query_as().fetch_all(pool).await?
            });
            for (call, stream) in tails {
                if let Some(scenario) = owners.get(&call) {
                    streams.entry(*scenario).or_default().insert(stream);
                }
            }
        }
        let all: Vec<i64> = streams.values().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut marks: HashMap<i64, i64> = HashMap::new();
        for list in statement::lists(&all) {
            let rows: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select stream_id, tail_mark from stream_offset where stream_id in ");
                push_list!(q, &list);
                q.build_query_as().fetch_all(pool).await?
            });
            marks.extend(rows);
        }
        let sum = |of: &BTreeSet<i64>| of.iter().filter_map(|stream| marks.get(stream)).sum();
        Ok(streams.iter().map(|(scenario, of)| (*scenario, sum(of))).collect())
    }

    /// Which scenario owns the call of each message. Of a call that is filed by day, the one of the message's day.
    pub(crate) async fn owners(&self, sightings: &[Sighting]) -> Result<Vec<(MessageId, ScenarioId)>, Error> {
        let mut calls: Vec<CallKey> = sightings.iter().map(|s| s.call).collect();
        calls.sort_unstable();
        calls.dedup();
        let mut owners: HashMap<CallKey, Vec<(ScenarioId, Option<Day>)>> = HashMap::new();
        for list in statement::lists(&calls) {
            let rows: Vec<(Vec<u8>, i64, i16, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select distinct c.call, s.id, s.kind, s.first from scenario_call c
                     join scenario s on s.id = c.scenario_id where c.call in ",
                );
                push_list!(q, list.iter().map(|call| call.0.to_vec()));
                q.build_query_as().fetch_all(pool).await?
            });
            for (call, id, kind, first) in rows {
                let day = class_of(kind)?.is_daily().then(|| Timestamp(first).day());
                owners.entry(call_key(&call)?).or_default().push((ScenarioId(id), day));
            }
        }
        let owner = |sighting: &Sighting| {
            let of = owners.get(&sighting.call)?;
            let day = Some(sighting.time.day());
            let found = of.iter().find(|(_, d)| *d == day).or_else(|| of.iter().find(|(_, d)| d.is_none()))?;
            Some((sighting.id, found.0))
        };
        Ok(sightings.iter().filter_map(owner).collect())
    }
}

/// What is needed of a message to find its scenario.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub id: MessageId,
    pub time: Timestamp,
    pub call: CallKey,
}

impl Sighting {
    fn of(row: &StoredRow) -> Result<Self, Error> {
        Ok(Self { id: row.id(), time: Timestamp(row.ts), call: call_key(&row.call)? })
    }
}

impl ScenarioColumns {
    pub fn read(self) -> Result<ScenarioRow, Error> {
        Ok(ScenarioRow {
            id: ScenarioId(self.id),
            class: class_of(self.kind)?,
            first: Timestamp(self.first),
            last: Timestamp(self.last),
            caller: self.caller,
            callee: self.callee,
            answered_by: self.answered_by,
            rang: self.rang.map(Timestamp),
            answered: self.answered.map(Timestamp),
            ending: self.ending.map(Timestamp),
            ended: self.ended.map(Timestamp),
            status: self.status.and_then(|status| u16::try_from(status).ok()),
            calls: self.calls,
            legs: self.legs,
            messages: self.messages,
            nodes: self.nodes,
            devices: self.devices,
            kinds: [self.sip, self.rest, self.push, self.media],
            version: self.version,
        })
    }
}

fn class_of(code: i16) -> Result<CallClass, Error> {
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
                Some((space, value, MessageId::new(StreamId(stream), Offset(count(off)))))
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
