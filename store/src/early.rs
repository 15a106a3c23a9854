//! Provisional rows in lists: calls that have no scenario yet, and what such rows add to a scenario that is there.

use std::collections::{BTreeMap, HashMap};

use message::logged::Message;
use message::summary::Summary;
use record::id::{CallKey, MessageId, ScenarioId};
use record::time::{DAY, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::with_pool;
use crate::scenario::{Found, Scenario, ScenarioCall, ScenarioRow, Subject};
use crate::scope::{Most, Scope, daily, doubtful, push_matching};
use crate::search::{Filter, LONGEST, Part, Place, Text, Touched};
use crate::statement::push_list;
use crate::stored::{StoredRow, call_key};
use crate::text::count;
use crate::{Error, Store, append, statement, summaries};

/// A list looks at the newest of them only, and reads at most so many messages, of so many bytes.
const NEWEST: i64 = 10_000;
const MOST: usize = 5_000;
const MOST_BYTES: u64 = 32 << 20;
/// Calls, messages and bytes read in one go.
const CALLS: usize = 64;
const CHUNK: usize = 1_000;
const CHUNK_BYTES: u64 = 8 << 20;
/// Messages that are read of one call or one list of scenarios to say what came of it.
const READ: usize = 2_000;
/// Scenarios that a filter finds by their provisional rows.
const TOUCHED: i64 = 1_024;

/// ` and …`: the scenario `s` owns the provisional row `p` by its call and class; of a call that is filed by day, that of the
/// day.
macro_rules! push_owned {
    ($query:expr) => {{
        let (daily, doubtful) = (daily(), doubtful("p."));
        $query.push(format_args!(
            " and (s.class = p.class and s.first / {DAY} = p.ts / {DAY}
                 or s.class not in ({daily}) and (p.class not in ({daily}) or {doubtful}))"
        ))
    }};
}

/// A provisional row without what it says.
#[derive(sqlx::FromRow)]
struct Early {
    ts: i64,
    call: Vec<u8>,
    kind: i16,
    status: i16,
    method: String,
    len: i64,
    owned: i64,
}

/// The provisional rows of a call that no scenario owns.
struct Group {
    call: CallKey,
    first: Timestamp,
    last: Timestamp,
    rows: usize,
    bytes: u64,
    /// One of them meets the filter on messages.
    meets: bool,
}

impl Store {
    /// Calls that have provisional rows and no scenario, as a list shows them; newest first, after `before` in the list. And
    /// back to when rows were looked at, where there are too many.
    pub(crate) async fn unjoined(
        &self,
        filter: &Filter,
        before: Option<Place>,
        limit: usize,
    ) -> Result<(Part, Option<Timestamp>), Error> {
        let (groups, cut) = self.groups(filter).await?;
        let mut groups: Vec<Group> = groups
            .into_iter()
            .filter(|group| group.meets)
            .filter(|group| filter.to.is_none_or(|to| group.first < to))
            .filter(|group| {
                filter.from.is_none_or(|from| group.last >= from && group.first.0 >= from.0.saturating_sub(LONGEST))
            })
            .filter(|group| before.is_none_or(|before| group.place() < before))
            .filter(|group| filter.since.is_none_or(|since| group.place() > since))
            .collect();
        groups.sort_unstable_by_key(|group| std::cmp::Reverse(group.place()));
        let mut part = Part::default();
        let (mut left, mut read, mut bytes) = (groups.as_slice(), 0, 0);
        while !left.is_empty() && part.rows.len() <= limit && read < MOST && bytes < MOST_BYTES {
            let (some, rest) = left.split_at(chunk(left));
            left = rest;
            part.to = some.last().filter(|_| !rest.is_empty()).map(Group::place);
            read += some.iter().map(|group| group.rows).sum::<usize>();
            bytes += some.iter().map(|group| group.bytes).sum::<u64>();
            part.rows.extend(
                self.shown(some, filter)
                    .await?
                    .into_iter()
                    .filter(|(row, people)| filter.takes(row, people))
                    .map(|(row, _)| row),
            );
        }
        let first_page = before.is_none() && filter.since.is_none();
        Ok((part, cut.filter(|_| first_page)))
    }

    /// How many calls have provisional rows and no scenario; of very many, those of the newest rows.
    pub(crate) async fn count_unjoined(&self) -> Result<i64, Error> {
        Ok(self.groups(&Filter::default()).await?.0.len() as i64)
    }

    /// By call, and back to when there may be more.
    async fn groups(&self, filter: &Filter) -> Result<(Vec<Group>, Option<Timestamp>), Error> {
        let call = filter.call_id.as_ref().map(|call_id| CallKey::of(call_id.as_bytes()));
        let rows: Vec<Early> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select ts, call, kind, status, method, len, cast(case when exists (
                     select 1 from scenario_call c join scenario s on s.id = c.scenario_id where c.call = p.call",
            );
            push_owned!(q);
            q.push(") then 1 else 0 end as bigint) as owned from (select ts, call, class, kind, status, method, len from provisional");
            if let Some(call) = call {
                q.push(" where call = ").push_bind(call.0.to_vec());
            }
            q.push(" order by ts desc limit ").push_bind(NEWEST).push(") p order by ts desc");
            q.build_query_as().fetch_all(pool).await?
        });
        let cut = rows.last().filter(|_| rows.len() as i64 == NEWEST).map(|row| Timestamp(row.ts));
        let mut groups: BTreeMap<Vec<u8>, Group> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.owned == 0) {
            let (time, meets, bytes) = (Timestamp(row.ts), row.meets(filter), count(row.len));
            if let Some(group) = groups.get_mut(&row.call) {
                group.first = group.first.min(time);
                group.rows += 1;
                group.bytes += bytes;
                group.meets |= meets;
            } else {
                let call = call_key(&row.call)?;
                groups.insert(row.call, Group { call, first: time, last: time, rows: 1, bytes, meets });
            }
        }
        Ok((groups.into_values().collect(), cut))
    }

    /// As a list shows them, with the users of each; of a filter with a text only those that hold it.
    async fn shown(&self, groups: &[Group], filter: &Filter) -> Result<Vec<(ScenarioRow, Vec<String>)>, Error> {
        let text = filter.text.as_deref().map(Text::of);
        let calls = groups.iter().map(|group| group.call).collect();
        let scope = Scope { calls: Some(calls), early: true, ..Scope::default() };
        let rows = self.rows_of(&scope, None, Most::rows(READ)).await?.rows;
        let mut messages: HashMap<CallKey, Vec<Message>> = HashMap::new();
        for message in self.messages_of(rows).await?.rows {
            messages.entry(message.call).or_default().push(message);
        }
        let mut shown = Vec::new();
        for group in groups {
            let mut of = messages.remove(&group.call).unwrap_or_default();
            of.retain(|message| (group.first..=group.last).contains(&message.time));
            if text.as_ref().is_some_and(|text| !text.is_in_one(&of)) {
                continue;
            }
            // Where it stands in the list must not depend on how much of it was read.
            if let Some(call) = scenario_of(group.call, &of) {
                let events = of.iter().map(Message::event);
                let people = events.flat_map(|event| [event.from, event.to, event.target, event.identity]).flatten();
                shown.push((ScenarioRow { first: group.first, ..call.row }, people.collect()));
            }
        }
        Ok(shown)
    }

    /// A call by its key: one that has a scenario leads there, one that has none is like a scenario of its own.
    pub async fn call(&self, call: CallKey) -> Result<Found<Scenario>, Error> {
        let owners = self.owners_of(&[call]).await?.remove(&call).unwrap_or_default();
        if let Some((id, _)) = owners.iter().find(|(_, day)| day.is_none()) {
            return Ok(Found::Merged(*id));
        }
        // Of a call that is filed by day: what is later than its last scenario.
        let last = owners.iter().filter_map(|(id, day)| Some((day.as_ref()?, id))).max();
        let from = last.map(|(day, _)| day.end());
        let scope = Scope { calls: Some(vec![call]), from, ..Scope::default() };
        let rows = self.rows_of(&scope, None, Most::rows(READ)).await?.rows;
        let messages = self.messages_of(rows).await?.rows;
        Ok(match (scenario_of(call, &messages), last) {
            (Some(scenario), _) => Found::Here(scenario),
            (None, Some((_, id))) => Found::Merged(*id),
            (None, None) => Found::Nowhere,
        })
    }

    /// Adds what provisional rows say to scenarios, as if they were final. When each began stays as it is: that is
    /// its place in the list.
    pub(crate) async fn add_early(&self, rows: &mut [ScenarioRow]) -> Result<(), Error> {
        let ids: Vec<i64> = rows.iter().filter_map(|row| row.subject.scenario()).map(|id| id.0).collect();
        let found = self.early_of(&ids).await?;
        let touched: Vec<i64> = found.keys().copied().collect();
        let mut summaries: HashMap<i64, (Summary, bool)> = HashMap::new();
        for list in statement::lists(&touched) {
            let packed: Vec<(i64, Vec<u8>, i16)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select id, summary, told from scenario where id in ");
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            for (id, packed, told) in packed {
                // Correlation says so when one cannot be read.
                if let Ok(summary) = summaries::unpack(&packed) {
                    summaries.insert(id, (summary, told != 0));
                }
            }
        }
        for row in rows {
            let Some(id) = row.subject.scenario() else { continue };
            let (Some(messages), Some((summary, told))) = (found.get(&id.0), summaries.get_mut(&id.0)) else {
                continue;
            };
            for message in messages {
                summary.add(&message.event());
            }
            let provisional = messages.iter().any(|message| message.provisional);
            let whole = ScenarioRow::of(row.subject.clone(), summary, row.version);
            let early = ScenarioRow { first: row.first, provisional, ..whole };
            *row = if *told { early.settled_as(row) } else { early.judged_as(row) };
        }
        Ok(())
    }

    /// The provisional messages of each of these scenarios that has some.
    async fn early_of(&self, ids: &[i64]) -> Result<HashMap<i64, Vec<Message>>, Error> {
        let mut owners: HashMap<MessageId, i64> = HashMap::new();
        let mut rows: Vec<StoredRow> = Vec::new();
        for list in statement::lists(ids) {
            let found: Vec<Owned> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select c.scenario_id as owner, cast(1 as bigint) as provisional");
                for column in append::COLUMNS.split(", ") {
                    q.push(", p.").push(column);
                }
                q.push(" from (select distinct scenario_id, call from scenario_call where scenario_id in ");
                push_list!(q, list);
                q.push(") c join scenario s on s.id = c.scenario_id join provisional p on p.call = c.call where 1 = 1");
                push_owned!(q);
                q.push(" order by p.ts, p.stream_id, p.off limit ").push_bind(READ as i64);
                q.build_query_as().fetch_all(pool).await?
            });
            for Owned { owner, row } in found {
                owners.insert(row.id(), owner);
                rows.push(row);
            }
        }
        let mut messages: HashMap<i64, Vec<Message>> = HashMap::new();
        for message in self.messages_of(rows).await?.rows {
            if let Some(owner) = owners.get(&message.id) {
                messages.entry(*owner).or_default().push(message);
            }
        }
        Ok(messages)
    }

    /// Scenarios that meet one of the filters by a provisional row, each filter by itself.
    pub(crate) async fn touched(&self, filter: &Filter) -> Result<Touched, Error> {
        let mut touched = Touched::default();
        if let Some(from) = filter.from {
            touched.from = self.touched_by("p.ts >= ", from.0, i64::MAX).await?;
        }
        if filter.kind.is_some() || filter.method.is_some() || filter.status.is_some() {
            touched.messages = self.touched_by_message(filter).await?;
        }
        if let Some((least, most)) = filter.final_status {
            touched.status = self.touched_by("p.status >= ", i64::from(least), i64::from(most)).await?;
        }
        Ok(touched)
    }

    async fn touched_by_message(&self, filter: &Filter) -> Result<Vec<i64>, Error> {
        Ok(with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select distinct c.scenario_id from (select ts, call, class, status from (
                     select ts, call, class, kind, status, method from provisional order by ts desc limit ",
            );
            q.push_bind(NEWEST).push(") r where 1 = 1");
            push_matching!(q, filter);
            q.push(") p join scenario_call c on c.call = p.call join scenario s on s.id = c.scenario_id where 1 = 1");
            push_owned!(q);
            q.push(" order by c.scenario_id desc limit ").push_bind(TOUCHED);
            q.build_query_scalar().fetch_all(pool).await?
        }))
    }

    /// `condition` compares with `least`; a status is `most` at most.
    async fn touched_by(&self, condition: &'static str, least: i64, most: i64) -> Result<Vec<i64>, Error> {
        Ok(with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select distinct c.scenario_id from (select ts, call, class, kind, status from provisional order by ts desc limit ",
            );
            q.push_bind(NEWEST);
            q.push(") p join scenario_call c on c.call = p.call join scenario s on s.id = c.scenario_id where ");
            q.push(condition).push_bind(least).push(" and p.status <= ").push_bind(most);
            push_owned!(q);
            q.push(" order by c.scenario_id desc limit ").push_bind(TOUCHED);
            q.build_query_scalar().fetch_all(pool).await?
        }))
    }
}

#[derive(sqlx::FromRow)]
struct Owned {
    owner: i64,
    #[sqlx(flatten)]
    row: StoredRow,
}

impl Early {
    fn meets(&self, filter: &Filter) -> bool {
        filter.kind.is_none_or(|kind| kind.code() == self.kind)
            && filter.method.as_ref().is_none_or(|method| *method == self.method)
            && filter.status.is_none_or(|(least, most)| {
                u16::try_from(self.status).is_ok_and(|status| (least..=most).contains(&status))
            })
    }
}

impl Group {
    fn place(&self) -> (Timestamp, ScenarioId) {
        (self.first, Subject::Call(self.call, String::new()).place())
    }
}

/// How many of these calls are read in one go: at least one.
fn chunk(groups: &[Group]) -> usize {
    let (mut rows, mut bytes) = (0, 0);
    let fits = |group: &&Group| {
        rows += group.rows;
        bytes += group.bytes;
        rows <= CHUNK && bytes <= CHUNK_BYTES
    };
    groups.iter().take(CALLS).take_while(fits).count().max(1)
}

/// The messages of a call as if they were a scenario; none where there are none.
fn scenario_of(call: CallKey, messages: &[Message]) -> Option<Scenario> {
    let events: Vec<_> = messages.iter().map(Message::event).collect();
    let name = events.first()?.call_id.clone();
    let provisional = messages.iter().any(|message| message.provisional);
    let row =
        ScenarioRow { provisional, ..ScenarioRow::of(Subject::Call(call, name.clone()), &Summary::of(&events), 0) };
    let calls = vec![ScenarioCall { call, call_id: name, streams: Vec::new(), class: row.class, joined_by: None }];
    Some(Scenario { row, calls })
}
