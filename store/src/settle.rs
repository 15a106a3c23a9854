//! Calls that are settled: what happened in each is worked out from its messages, and kept for lists.
//!
//! The work is a due row with a lease, so any number of collectors share it; what one wrote counts only for the version
//! that it read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::borrowed::Wanted;
use message::event::CallClass;
use message::gist::Gist;
use message::kind::Kind;
use message::logged::Message;
use message::summary::Summary;
use record::id::{CallKey, MessageId, ScenarioId};
use record::time::{SECOND, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::{with_pool, with_transaction};
use crate::scope::{Most, Scope};
use crate::statement::{self, push_list};
use crate::stored::{StoredRow, call_key};
use crate::text::big;
use crate::verdict::{self, Judged};
use crate::{Error, Store, append};

/// Messages that are read for one round of settling, unless one call alone has more.
const READ: i64 = 20_000;
/// Answers that are looked at for those of some requests.
const WAITING: i64 = 1_000;
/// A call of more is never settled: its list entry is that of its summary.
const MOST: i64 = 50_000;
/// After a final answer or a BYE, and after anything else.
const SOON: i64 = SECOND;
const QUIET: i64 = 5 * SECOND;

/// When a scenario is to be settled after something came to it; `ends`: a final answer, or a BYE. Calls alone are.
pub(crate) fn due(summary: &Summary, ends: bool, now: Timestamp) -> Option<Timestamp> {
    let is_call = summary.class == Some(CallClass::Call) && big(summary.messages) <= MOST;
    is_call.then(|| Timestamp(now.0.saturating_add(if ends { SOON } else { QUIET })))
}

/// When a call is to be settled for what came to others.
pub(crate) fn again(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_add(QUIET))
}

/// A call that is to be settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    pub id: ScenarioId,
    /// As it was when it was taken.
    pub version: i64,
    /// It was settled as it is now before.
    pub again: bool,
}

/// What was worked out of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    pub due: Due,
    /// None: nobody was invited.
    pub gist: Option<Gist>,
    /// What went wrong, as far as its logs had been read.
    pub problems: usize,
    /// When it is to be looked at again, by the collector's clock.
    pub next: Option<Timestamp>,
    /// Not before then, whatever comes.
    pub rest_until: Timestamp,
    /// What rules say of it; none where none are in force.
    pub judged: Option<Judged>,
}

#[derive(sqlx::FromRow)]
struct Taken {
    id: i64,
    version: i64,
    messages: i64,
    settled: Option<i64>,
}

impl Store {
    /// Takes calls that are due, the longest due first: at most `most`, and fewer where they are large.
    pub async fn due(&self, owner: &str, now: Timestamp, lease_micros: i64, most: usize) -> Result<Vec<Due>, Error> {
        // Most looks find nothing, and need no transaction.
        let waits: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select id from scenario where due <= $1 and lease_until < $1 and merged_into is null limit 1")
                .bind(now.0)
                .fetch_optional(pool)
                .await?
        });
        if waits.is_none() {
            return Ok(Vec::new());
        }
        let mut tx = self.backend.begin().await?;
        let skip_locked = tx.skip_locked();
        let until = now.0.saturating_add(lease_micros);
        let mut taken: Vec<Taken> = with_transaction!(&mut tx, db => {
            let mut q = QueryBuilder::<Db>::new("update scenario set lease_owner = ");
            q.push_bind(owner).push(", lease_until = ").push_bind(until);
            q.push(" where id in (select id from scenario where due <= ").push_bind(now.0);
            q.push(" and lease_until < ").push_bind(now.0);
            q.push(" and merged_into is null order by due limit ").push_bind(most as i64);
            q.push(skip_locked).push(") returning id, version, messages, settled");
            q.build_query_as().fetch_all(&mut *db).await?
        });
        taken.sort_by_key(|row| row.id);
        let (mut due, mut left, mut all) = (Vec::new(), Vec::new(), 0);
        for row in taken {
            all += row.messages;
            let of = Due { id: ScenarioId(row.id), version: row.version, again: row.settled == Some(row.version) };
            if due.is_empty() || all <= READ { due.push(of) } else { left.push(of) }
        }
        release(&mut tx, owner, &left).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// The messages of these calls, provisional ones left out: they write nothing.
    pub async fn due_messages(&self, due: &[Due]) -> Result<Vec<(Due, Vec<Message>)>, Error> {
        let ids: Vec<i64> = due.iter().map(|due| due.id.0).collect();
        let mut scope = Scope { provisional: Some(false), class: Some(CallClass::Call), ..Scope::default() };
        let (mut streams, mut days) = (BTreeSet::new(), BTreeSet::new());
        let mut owner: HashMap<CallKey, usize> = HashMap::new();
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
                owner.insert(call_key(&call)?, at);
                streams.insert(stream);
                days.insert(day);
            }
        }
        scope.calls = Some(owner.keys().copied().collect::<BTreeSet<_>>().into_iter().collect());
        scope.streams = streams.into_iter().collect();
        scope.days = days.into_iter().collect();
        let mut read: Vec<(Due, Vec<Message>)> = due.iter().map(|due| (*due, Vec::new())).collect();
        let mut after: Option<(Timestamp, MessageId)> = None;
        loop {
            let rows = self.rows_of(&scope, after, Most::rows(READ as usize)).await?;
            let page = self.page_of(rows).await?;
            for message in page.rows {
                if let Some(at) = owner.get(&message.call).filter(|at| (read[**at].1.len() as i64) < MOST) {
                    read[*at].1.push(message);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut wanted: Vec<Option<Wanted>> = Vec::with_capacity(read.len());
        for (_, messages) in &mut read {
            let answers = self.waiting_answers(messages).await?;
            messages.extend(answers);
            wanted.push(Wanted::of(messages));
        }
        let calls = read.iter().zip(&wanted).filter_map(|((due, _), wanted)| Some((due.id, wanted.clone()?)));
        self.want(&calls.collect::<Vec<_>>()).await?;
        for ((_, messages), wanted) in read.iter_mut().zip(wanted) {
            if let Some(wanted) = wanted {
                messages.extend(self.registrations(&wanted, false).await?);
            }
        }
        Ok(read)
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

    /// Keeps what was worked out, of those that are still as they were. Gives their number.
    pub async fn settle(&self, owner: &str, settled: &[Settled], now: Timestamp) -> Result<u64, Error> {
        let mut tx = self.backend.begin().await?;
        let mut kept = 0;
        let mut sorted: Vec<&Settled> = settled.iter().collect();
        sorted.sort_by_key(|settled| settled.due.id.0);
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let mut judged: Vec<(ScenarioId, &Judged)> = Vec::new();
        for settled in sorted {
            let Settled { due, gist, problems, next, rest_until, .. } = settled;
            let written = with_transaction!(&mut tx, db => {
                let mut q = QueryBuilder::<Db>::new("update scenario set settled = version, lease_until = 0, due = ");
                q.push_bind(next.map(|at| at.0.max(rest_until.0))).push(", rest_until = ").push_bind(rest_until.0);
                q.push(", problems = ").push_bind(number(*problems));
                if let Some(gist) = gist {
                    q.push(", status = ").push_bind(gist.status.and_then(|status| i16::try_from(status).ok()));
                    q.push(", begun = ").push_bind(gist.begun.map(|at| at.0));
                    q.push(", rang = ").push_bind(gist.rang.map(|at| at.0));
                    q.push(", answered = ").push_bind(gist.answered.map(|at| at.0));
                    q.push(", ending = ").push_bind(gist.ended.map(|at| at.0));
                    q.push(", talked = ").push_bind(gist.talked);
                    q.push(", answered_by = ").push_bind(gist.answered_by.as_deref().map(append::searched));
                    q.push(", legs = ").push_bind(number(gist.legs));
                    q.push(", devices = ").push_bind(number(gist.devices));
                }
                q.push(" where id = ").push_bind(due.id.0).push(" and version = ").push_bind(due.version);
                q.push(" and merged_into is null and lease_owner = ").push_bind(owner);
                q.build().execute(&mut *db).await?.rows_affected()
            });
            kept += written;
            judged.extend(settled.judged.as_ref().filter(|_| written > 0).map(|judged| (due.id, judged)));
            if written == 0 {
                // It changed meanwhile, and is due again once it may be.
                with_transaction!(&mut tx, db => {
                    sqlx::query(
                        "update scenario set lease_until = 0, rest_until = $1,
                             due = case when due < $1 then $1 else due end
                         where id = $2 and lease_owner = $3 and lease_until > 0",
                    )
                    .bind(rest_until.0)
                    .bind(due.id.0)
                    .bind(owner)
                    .execute(&mut *db)
                    .await?;
                });
            }
        }
        verdict::write(&mut tx, &judged, now).await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// By agent and source: the event time to which its log is read, as its agent last said.
    pub async fn read_to(&self) -> Result<BTreeMap<(String, String), Timestamp>, Error> {
        let mut read = BTreeMap::new();
        for agent in self.agents().await? {
            for source in agent.heartbeat.into_iter().flat_map(|heartbeat| heartbeat.sources) {
                if let Some(at) = source.read_to {
                    read.insert((agent.id.clone(), source.name), at);
                }
            }
        }
        Ok(read)
    }
}

async fn release(tx: &mut crate::backend::Transaction, owner: &str, of: &[Due]) -> Result<(), Error> {
    let ids: Vec<i64> = of.iter().map(|due| due.id.0).collect();
    for list in statement::lists(&ids) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("update scenario set lease_until = 0 where lease_until > 0 and lease_owner = ");
            q.push_bind(owner).push(" and id in ");
            push_list!(q, list);
            q.build().execute(db).await?;
        });
    }
    Ok(())
}
