//! A summary that cannot be read, or of a scenario that some messages leave, is made anew from the messages that are joined already.

use std::collections::{BTreeSet, HashMap};

use message::logged::Message;
use message::summary::Summary;
use record::id::{MessageId, ScenarioId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use crate::backend::{with_pool, with_transaction};
use crate::scenario::Found;
use crate::statement::push_list;
use crate::{Error, Store, statement, summaries};

/// Messages read at a time.
const CHUNK: usize = 1000;

pub(super) async fn summary(store: &Store, id: ScenarioId) -> Result<(), Error> {
    let damaged: Vec<u8> = with_pool!(store.backend, pool => {
        sqlx::query_scalar("select summary from scenario where id = $1").bind(id.0).fetch_one(pool).await?
    });
    let summary = match without(store, id, &BTreeSet::new()).await {
        Ok(summary) => {
            tracing::warn!(scenario = %id, "the summary of a scenario cannot be read; it is made anew from its messages");
            summary
        }
        Err(Error::Damaged(why)) => {
            tracing::error!(scenario = %id, why, "neither the summary of a scenario nor what it is made of can be read; it begins anew");
            Summary::default()
        }
        Err(other) => return Err(other),
    };
    let mut tx = store.backend.begin().await?;
    with_transaction!(&mut tx, db => {
        sqlx::query("update scenario set summary = $1 where id = $2 and summary = $3")
            .bind(summaries::pack(&summary))
            .bind(id.0)
            // Another collector may have mended it meanwhile, and added to it.
            .bind(damaged)
            .execute(db)
            .await?;
    });
    tx.commit().await
}

/// As it is stored; none of a scenario that is gone.
pub(super) async fn read(store: &Store, id: ScenarioId) -> Result<Option<Summary>, Error> {
    let packed: Option<Vec<u8>> = with_pool!(store.backend, pool => {
        sqlx::query_scalar("select summary from scenario where id = $1 and merged_into is null")
            .bind(id.0)
            .fetch_optional(pool)
            .await?
    });
    packed.map(|packed| summaries::unpack(&packed)).transpose()
}

/// By stream: up to where its messages are joined. What lies after that is still to be added by whoever joins it.
pub(super) async fn joined(store: &Store, streams: impl Iterator<Item = i64>) -> Result<HashMap<i64, i64>, Error> {
    let streams: BTreeSet<i64> = streams.collect();
    let mut offsets = HashMap::new();
    for list in statement::lists(&streams.into_iter().collect::<Vec<_>>()) {
        let rows: Vec<(i64, i64)> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select stream_id, off from correlation_offset where stream_id in ");
            push_list!(q, list);
            q.build_query_as().fetch_all(pool).await?
        });
        offsets.extend(rows);
    }
    Ok(offsets)
}

/// Made of the messages that are joined, but for some.
pub(super) async fn without(store: &Store, id: ScenarioId, leave: &BTreeSet<MessageId>) -> Result<Summary, Error> {
    let streams: Vec<i64> = with_pool!(store.backend, pool => {
        sqlx::query_scalar("select distinct stream_id from scenario_call where scenario_id = $1")
            .bind(id.0)
            .fetch_all(pool)
            .await?
    });
    let offsets = joined(store, streams.into_iter()).await?;
    let joined = |message: &&Message| {
        let off = offsets.get(&message.id.stream.0).copied().unwrap_or(0);
        let is_joined = i64::try_from(message.id.offset.0).is_ok_and(|at| at < off);
        !message.provisional && is_joined && !leave.contains(&message.id)
    };
    let Found::Here(scenario) = store.scenario(id).await? else { return Ok(Summary::default()) };
    let (mut summary, mut after) = (Summary::default(), None::<(Timestamp, MessageId)>);
    loop {
        let page = store.scenario_messages(&scenario, after, CHUNK).await?;
        if page.unreadable > 0 {
            tracing::error!(scenario = %id, unreadable = page.unreadable, "messages are missing in a summary that is made anew");
        }
        for message in page.rows.iter().filter(joined) {
            summary.add(&message.event());
        }
        after = page.next;
        if after.is_none() {
            return Ok(summary);
        }
    }
}
