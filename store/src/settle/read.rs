//! The messages that a scenario is settled by.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::borrowed::Wanted;
use message::event::CallClass;
use message::kind::Kind;
use message::logged::Message;
use record::id::{CallKey, MessageId};
use record::time::{DAY, Day, HOUR, SECOND, Timestamp};
use sqlx::QueryBuilder;

use super::{Due, MOST, READ};
use crate::backend::with_pool;
use crate::scope::{Most, Scope};
use crate::statement::{self, push_list};
use crate::stored::{StoredRow, call_key};
use crate::{Error, Store, append};

/// Answers that are looked at for those of some requests.
const WAITING: i64 = 1_000;
/// What began before midnight is read on so long after it: timer F, twice.
const MIDNIGHT: i64 = 64 * SECOND;
/// Messages of one day that are judged at once; the others are when these are judged for good.
pub const AT_ONCE: usize = 10_000;

/// Bytes of messages that are read for one round, and for a scenario alone: what is large is settled by itself.
const BYTES: usize = if cfg!(test) { 1 << 20 } else { 128 << 20 };
const ALONE: usize = 512 << 20;

/// Of what is filed by day: a call, its day, and which of the scenarios it is of.
type OfDay = (CallKey, i32, usize);

/// Where the calls of scenarios lie.
#[derive(Default)]
struct Placed {
    /// By call, which of the scenarios it is of.
    owner: HashMap<CallKey, usize>,
    streams: BTreeSet<i64>,
    days: BTreeSet<i32>,
    daily: BTreeSet<OfDay>,
}

impl Store {
    /// The messages of these scenarios, provisional ones left out: they write nothing. Of one that is filed by day those that
    /// are not judged for good, with what came soon after its end.
    pub async fn due_messages(&self, due: &[Due]) -> Result<Vec<(Due, Vec<Message>)>, Error> {
        self.messages_to_settle(due, true).await
    }

    /// `keep`: what they want to borrow is kept, so that what comes later makes them due again.
    pub(crate) async fn messages_to_settle(&self, due: &[Due], keep: bool) -> Result<Vec<(Due, Vec<Message>)>, Error> {
        let placed = self.placed(due).await?;
        let mut read: Vec<(Due, Vec<Message>)> = due.iter().map(|due| (*due, Vec::new())).collect();
        // Whoever reads history goes through it page by page.
        let most = if !keep {
            usize::MAX
        } else if due.len() > 1 {
            BYTES
        } else {
            ALONE
        };
        self.read_daily(&placed, &mut read, most).await?;
        self.read_whole(placed, &mut read, most).await?;
        let mut wanted: Vec<Option<Wanted>> = Vec::with_capacity(read.len());
        for (due, messages) in &mut read {
            if due.class.is_daily() {
                wanted.push(None);
                continue;
            }
            let answers = self.waiting_answers(messages).await?;
            messages.extend(answers);
            wanted.push(Wanted::of(messages));
        }
        if keep {
            let calls = read.iter().zip(&wanted).filter_map(|((due, _), wanted)| Some((due.id, wanted.clone()?)));
            self.want(&calls.collect::<Vec<_>>()).await?;
        }
        for ((_, messages), wanted) in read.iter_mut().zip(wanted) {
            if let Some(wanted) = wanted {
                messages.extend(self.registrations(&wanted, false).await?);
            }
        }
        Ok(read)
    }

    async fn placed(&self, due: &[Due]) -> Result<Placed, Error> {
        let ids: Vec<i64> = due.iter().map(|due| due.id.0).collect();
        let mut placed = Placed::default();
        for list in statement::lists(&ids) {
            let rows: Vec<(i64, Vec<u8>, i64, i32)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select scenario_id, call, stream_id, day from scenario_call where scenario_id in ",
                );
                push_list!(q, list);
                q.build_query_as().fetch_all(pool).await?
            });
            for (id, call, stream, day) in rows {
                let Some(at) = due.iter().position(|due| due.id.0 == id) else { continue };
                let call = call_key(&call)?;
                if due[at].class.is_daily() {
                    placed.daily.insert((call, day, at));
                } else {
                    placed.owner.insert(call, at);
                    placed.streams.insert(stream);
                    placed.days.insert(day);
                }
            }
        }
        Ok(placed)
    }

    async fn read_whole(&self, placed: Placed, read: &mut [(Due, Vec<Message>)], most: usize) -> Result<(), Error> {
        let Placed { owner, streams, days, .. } = placed;
        if owner.is_empty() {
            return Ok(());
        }
        let scope = Scope {
            provisional: Some(false),
            class: Some(CallClass::Call),
            calls: Some(owner.keys().copied().collect::<BTreeSet<_>>().into_iter().collect()),
            streams: streams.into_iter().collect(),
            days: days.into_iter().collect(),
            ..Scope::default()
        };
        let (mut after, mut bytes) = (None::<(Timestamp, MessageId)>, 0);
        loop {
            let rows = self.rows_of(&scope, after, Most::rows(READ as usize)).await?;
            let page = self.page_of(rows).await?;
            within(&mut bytes, &page.rows, most)?;
            for message in page.rows {
                if let Some(at) = owner.get(&message.call).filter(|at| (read[**at].1.len() as i64) < MOST) {
                    read[*at].1.push(message);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Those that are read from about the same time on are read together.
    async fn read_daily(&self, placed: &Placed, read: &mut [(Due, Vec<Message>)], most: usize) -> Result<(), Error> {
        let mut together: BTreeMap<(CallClass, i64), Vec<OfDay>> = BTreeMap::new();
        for (call, day, at) in &placed.daily {
            let due = read[*at].0;
            let from = due.from.map_or(i64::MIN, |from| from.0.div_euclid(HOUR));
            together.entry((due.class, from)).or_default().push((*call, *day, *at));
        }
        let mut bytes = 0;
        for ((class, _), calls) in together {
            let mut days: BTreeMap<CallKey, Vec<(i32, usize)>> = BTreeMap::new();
            for (call, day, at) in &calls {
                days.entry(*call).or_default().push((*day, *at));
            }
            let from = calls.iter().filter_map(|(.., at)| read[*at].0.from).min();
            let scope = Scope {
                provisional: Some(false),
                class: Some(class),
                calls: Some(days.keys().copied().collect()),
                days: calls
                    .iter()
                    .flat_map(|(_, day, _)| [*day, *day + 1])
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
                from,
                since_id: self.first_id_from(from).await?,
                ..Scope::default()
            };
            let mut after: Option<(Timestamp, MessageId)> = None;
            loop {
                let rows = self.rows_of(&scope, after, Most::rows(READ as usize)).await?;
                let page = self.page_of(rows).await?;
                within(&mut bytes, &page.rows, most)?;
                for message in page.rows {
                    for (day, at) in days.get(&message.call).into_iter().flatten() {
                        let (due, messages) = &mut read[*at];
                        let ends = (i64::from(*day) + 1).saturating_mul(DAY).saturating_add(MIDNIGHT);
                        let begins =
                            due.from.is_none_or(|from| message.time >= from) && message.time.day() >= Day(*day);
                        if begins && message.time.0 < ends && messages.len() < AT_ONCE {
                            messages.push(message.clone());
                        }
                    }
                }
                let is_full = calls.iter().all(|(.., at)| read[*at].1.len() >= AT_ONCE);
                match page.next {
                    Some(next) if !is_full => after = Some(next),
                    _ => break,
                }
            }
        }
        Ok(())
    }

    /// No message of this time or later has a lower number; none where messages are not numbered in the order in which they
    /// came.
    async fn first_id_from(&self, from: Option<Timestamp>) -> Result<Option<i64>, Error> {
        let (Some(from), true) = (from, self.backend.messages_by_time().1) else { return Ok(None) };
        Ok(with_pool!(self.backend, pool => {
            sqlx::query_scalar("select min(min_id) from message_mark where max_ts >= $1")
                .bind(from.0)
                .fetch_one(pool)
                .await?
        }))
    }

    /// Answers that name no call and are not joined yet, since a record before them in their log is open: those that carry an
    /// id of a request among these messages.
    pub async fn waiting_answers(&self, of: &[Message]) -> Result<Vec<Message>, Error> {
        let is_half = |message: &&Message| message.kind != Kind::Sip && message.facts.result.is_none();
        let asked: Vec<&Message> = of.iter().filter(is_half).filter(|m| !m.facts.ids.is_empty()).collect();
        let wanted: BTreeSet<&String> =
            asked.iter().filter(|m| !m.facts.response).flat_map(|message| &message.facts.ids).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let known: BTreeSet<MessageId> = asked.iter().map(|message| message.id).collect();
        let streams: BTreeSet<i64> = asked.iter().map(|message| message.id.stream.0).collect();
        let mut found = Vec::new();
        for list in statement::lists(&streams.into_iter().collect::<Vec<_>>()) {
            let rows: Vec<StoredRow> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new("select ");
                q.push(append::COLUMNS).push(", cast(1 as bigint) as provisional from provisional where kind <> ");
                q.push_bind(Kind::Sip.code()).push(" and stream_id in ");
                push_list!(q, list);
                q.push(" limit ").push_bind(WAITING).build_query_as().fetch_all(pool).await?
            });
            found.extend(self.messages_of(rows).await?.rows);
        }
        let mut met = BTreeSet::new();
        found.retain(|message| {
            let facts = &message.facts;
            let bare = facts.response && facts.call_id.is_none() && facts.ids.iter().any(|id| wanted.contains(id));
            bare && !known.contains(&message.id) && met.insert(message.id)
        });
        Ok(found)
    }
}

/// What was read so far is not more than that.
fn within(bytes: &mut usize, more: &[Message], most: usize) -> Result<(), Error> {
    *bytes += more.iter().map(|message| message.raw.len()).sum::<usize>();
    if *bytes > most { Err(Error::TooMuch(most >> 20)) } else { Ok(()) }
}
