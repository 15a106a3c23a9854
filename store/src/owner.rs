//! From a message to its scenario.

use std::collections::{HashMap, HashSet};

use message::logged::Message;
use record::id::{CallKey, MessageId, Offset, ScenarioId, StreamId};
use record::time::{Day, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::scenario::class_of;
use crate::statement::push_list;
use crate::stored::{StoredRow, call_key};
use crate::text::{big, count};
use crate::{Error, Store, append, scope, statement};

impl Store {
    /// One message, final or provisional, and the scenario it belongs to, if it is correlated yet.
    pub async fn message(&self, id: MessageId) -> Result<Option<(Message, Option<ScenarioId>)>, Error> {
        let row: Option<StoredRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("");
            for (table, sign) in [("message", 0), ("provisional", 1)] {
                q.push("select ").push(append::COLUMNS);
                q.push(format_args!(", cast({sign} as bigint) as provisional from {table} where stream_id = "));
                q.push_bind(id.stream.0).push(" and off = ").push_bind(big(id.offset.0));
                q.push(if sign == 0 { " union all " } else { " order by provisional limit 1" });
            }
            q.build_query_as().fetch_optional(pool).await?
        });
        let Some(row) = row else { return Ok(None) };
        let scenario = self.owners(&[Sighting::of(&row)?]).await?.pop().map(|(_, scenario)| scenario);
        Ok(self.each_of(vec![row]).await?.pop().transpose()?.map(|message| (message, scenario)))
    }

    /// The scenarios of messages, for lists of messages; those not correlated yet are left out.
    pub async fn scenarios_of(&self, messages: &[Message]) -> Result<Vec<(MessageId, ScenarioId)>, Error> {
        let sighting = |message: &Message| Sighting { id: message.id, time: message.time, call: message.call };
        self.owners(&messages.iter().map(sighting).collect::<Vec<_>>()).await
    }

    /// Which scenario owns the call of each message. Of a call that is filed by day, the one of the message's day.
    async fn owners(&self, sightings: &[Sighting]) -> Result<Vec<(MessageId, ScenarioId)>, Error> {
        let mut calls: Vec<CallKey> = sightings.iter().map(|s| s.call).collect();
        calls.sort_unstable();
        calls.dedup();
        let owners = self.owners_of(&calls).await?;
        let both = |call: &CallKey| {
            let of = owners.get(call).map_or(&[][..], Vec::as_slice);
            of.iter().any(|(_, day)| day.is_some()) && of.iter().any(|(_, day)| day.is_none())
        };
        let daily = self.daily(&sightings.iter().filter(|s| both(&s.call)).map(|s| s.id).collect::<Vec<_>>()).await?;
        let owner = |sighting: &Sighting| {
            let of = owners.get(&sighting.call)?;
            let day = Some(sighting.time.day()).filter(|_| !both(&sighting.call) || daily.contains(&sighting.id));
            let found =
                of.iter().find(|(_, d)| d.is_some() && *d == day).or_else(|| of.iter().find(|(_, d)| d.is_none()))?;
            Some((sighting.id, found.0))
        };
        Ok(sightings.iter().filter_map(owner).collect())
    }

    /// Those of these messages that are filed by day: of a Call-ID that has a call, too, their rows say so.
    async fn daily(&self, of: &[MessageId]) -> Result<HashSet<MessageId>, Error> {
        let mut daily = HashSet::new();
        for some in statement::chunks(of) {
            let rows: Vec<(i64, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("");
                for (table, more) in [("message", " union all "), ("provisional", "")] {
                    q.push(format_args!("select m.stream_id, m.off from {table} m join ("));
                    q.push_values(some, |mut row, id| {
                        row.push_bind(id.stream.0).push_bind(big(id.offset.0));
                    });
                    q.push(") as v on m.stream_id = v.column1 and m.off = v.column2 where m.class in (");
                    q.push(scope::daily()).push(")").push(more);
                }
                q.build_query_as().fetch_all(pool).await?
            });
            daily.extend(rows.into_iter().map(|(stream, off)| MessageId::new(StreamId(stream), Offset(count(off)))));
        }
        Ok(daily)
    }

    /// The scenarios of each call, with their day where they are filed by day.
    pub(crate) async fn owners_of(&self, calls: &[CallKey]) -> Result<HashMap<CallKey, Vec<Owner>>, Error> {
        let mut owners: HashMap<CallKey, Vec<Owner>> = HashMap::new();
        for list in statement::lists(calls) {
            let rows: Vec<(Vec<u8>, i64, i16, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select distinct c.call, s.id, s.class, s.first from scenario_call c
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
        Ok(owners)
    }
}

/// A scenario, and its day where it is filed by day.
pub(crate) type Owner = (ScenarioId, Option<Day>);

/// What is needed of a message to find its scenario.
#[derive(Debug)]
struct Sighting {
    id: MessageId,
    time: Timestamp,
    call: CallKey,
}

impl Sighting {
    fn of(row: &StoredRow) -> Result<Self, Error> {
        Ok(Self { id: row.id(), time: Timestamp(row.ts), call: call_key(&row.call)? })
    }
}
