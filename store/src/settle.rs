//! Scenarios that are settled: what happened in each is worked out from its messages, and kept for lists.
//!
//! The work is a due row with a lease, so any number of collectors share it; what one wrote counts only for the version
//! that it read.

mod again;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use message::event::CallClass;
use message::gist::Gist;
use message::summary::Summary;
pub use read::AT_ONCE;
use record::id::ScenarioId;
use record::time::{SECOND, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::{with_pool, with_transaction};
use crate::statement::{self, push_list};
use crate::text::big;
use crate::verdict::Judged;
use crate::{Error, Store};

/// Messages that are read for one round of settling, unless one call alone has more.
pub(crate) const READ: i64 = 20_000;
/// A call of more is never settled: its list entry is that of its summary.
pub const MOST: i64 = 50_000;
/// Classes of scenarios that are always settled.
const SETTLED: [CallClass; 4] = [CallClass::Call, CallClass::Registration, CallClass::Message, CallClass::Other];
/// So many at most are thought to be left of a day of which some is judged for good.
const LEFT: i64 = 200;
/// After a final answer or a BYE, and after anything else.
const SOON: i64 = SECOND;
const QUIET: i64 = 5 * SECOND;

/// Classes that are settled: keepalives, subscriptions and publications only where somebody asks for it, since they are most
/// of what many servers log.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    more: AtomicU32,
}

impl Classes {
    pub fn has(&self, class: CallClass) -> bool {
        SETTLED.contains(&class) || self.more.load(Ordering::Relaxed) & bit(class) != 0
    }

    fn all(&self) -> impl Iterator<Item = CallClass> + '_ {
        CallClass::ALL.into_iter().filter(|class| self.has(*class))
    }
}

fn bit(class: CallClass) -> u32 {
    1 << class.code()
}

/// When a scenario of such a class is to be settled after something came to it; `ends`: a final answer, or a BYE.
pub(crate) fn due(classes: &Classes, summary: &Summary, ends: bool, now: Timestamp) -> Option<Timestamp> {
    let class = summary.class?;
    // Little of a day is read at once.
    let settled = classes.has(class) && (class.is_daily() || big(summary.messages) <= MOST);
    settled.then(|| Timestamp(now.0.saturating_add(if ends { SOON } else { QUIET })))
}

/// When a call is to be settled for what came to others.
pub(crate) fn again(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_add(QUIET))
}

/// A scenario that is to be settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    pub id: ScenarioId,
    /// As it was when it was taken.
    pub version: i64,
    pub class: CallClass,
    /// Of one that is filed by day: what was logged before is judged for good.
    pub from: Option<Timestamp>,
    /// It was settled as it is now before.
    pub again: bool,
}

/// What was worked out of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    pub due: Due,
    /// None: nobody was invited.
    pub gist: Option<Gist>,
    /// Of a registration: when it was taken back.
    pub left: Option<Timestamp>,
    /// What went wrong, as far as its logs had been read.
    pub problems: usize,
    /// When it is to be looked at again, by the collector's clock.
    pub next: Option<Timestamp>,
    /// Not before then, whatever comes.
    pub rest_until: Timestamp,
    /// What rules say of it; none where none are in force.
    pub judged: Option<Judged>,
}

/// Scenarios that should have been settled by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Late {
    /// No more than [`COUNTED`] are counted.
    pub scenarios: i64,
    /// When the first of them was due.
    pub since: Timestamp,
}

/// Late scenarios that are counted.
pub const COUNTED: i64 = 10_000;

#[derive(sqlx::FromRow)]
struct Taken {
    id: i64,
    version: i64,
    messages: i64,
    settled: Option<i64>,
    class: i16,
    first: i64,
    judged_from: Option<i64>,
}

impl Taken {
    fn due(&self) -> Due {
        let class = CallClass::from_code(self.class).unwrap_or(CallClass::Other);
        let from = class.is_daily().then(|| Timestamp(self.judged_from.unwrap_or(self.first)));
        let again = self.settled == Some(self.version);
        Due { id: ScenarioId(self.id), version: self.version, class, from, again }
    }

    /// How many of its messages are read, about.
    fn left(&self) -> i64 {
        let some = self.judged_from.is_some_and(|from| from > self.first);
        if some { self.messages.min(LEFT) } else { self.messages }
    }
}

impl Store {
    /// Scenarios of these classes are settled from now on, beside calls, registrations, messages and others.
    pub fn settle_classes(&self, classes: &BTreeSet<CallClass>) {
        let more = classes.iter().fold(0, |more, class| more | bit(*class));
        self.settled.more.store(more, Ordering::Relaxed);
    }

    /// How far settling is behind: what was due before a time and is not settled yet.
    pub async fn late(&self, before: Timestamp) -> Result<Option<Late>, Error> {
        let (scenarios, since): (i64, Option<i64>) = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select count(*), min(due) from (
                     select due from scenario where due < $1 and merged_into is null order by due limit $2) late",
            )
            .bind(before.0)
            .bind(COUNTED)
            .fetch_one(pool)
            .await?
        });
        Ok(since.map(|since| Late { scenarios, since: Timestamp(since) }))
    }

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
            q.push(skip_locked).push(") returning id, version, messages, settled, class, first, judged_from");
            q.build_query_as().fetch_all(&mut *db).await?
        });
        taken.sort_by_key(|row| row.id);
        let (mut due, mut left, mut all) = (Vec::new(), Vec::new(), 0);
        for row in taken {
            all += row.left();
            let of = row.due();
            if due.is_empty() || all <= READ { due.push(of) } else { left.push(of) }
        }
        release(&mut tx, owner, &left).await?;
        tx.commit().await?;
        Ok(due)
    }

    /// Leaves one that cannot be settled until then, or until more of it comes. False: another has it by now.
    pub async fn put_off(&self, owner: &str, due: &Due, until: Timestamp) -> Result<bool, Error> {
        let mut tx = self.backend.begin().await?;
        let rows = with_transaction!(&mut tx, db => {
            sqlx::query(
                "update scenario set due = case when version = $4 then $1 else due end, lease_until = 0
                 where id = $2 and lease_owner = $3 and lease_until > 0",
            )
            .bind(until.0)
            .bind(due.id.0)
            .bind(owner)
            .bind(due.version)
            .execute(db)
            .await?
            .rows_affected()
        });
        tx.commit().await?;
        Ok(rows > 0)
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
