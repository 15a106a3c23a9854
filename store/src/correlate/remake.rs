//! A summary that cannot be read is made anew from the messages of its scenario that are joined already.

use std::collections::HashMap;

use message::logged::Message;
use message::summary::Summary;
use record::id::ScenarioId;
use record::time::Timestamp;

use crate::backend::{with_pool, with_transaction};
use crate::scenario::Found;
use crate::{Error, Store, summaries};

/// Messages read at a time.
const CHUNK: usize = 1000;

pub(super) async fn summary(store: &Store, id: ScenarioId) -> Result<(), Error> {
    let damaged: Vec<u8> = with_pool!(store.backend, pool => {
        sqlx::query_scalar("select summary from scenario where id = $1").bind(id.0).fetch_one(pool).await?
    });
    let summary = match of_messages(store, id).await {
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

/// What lies after the offset of correlation is still to be added by whoever joins it.
async fn of_messages(store: &Store, id: ScenarioId) -> Result<Summary, Error> {
    let offsets: Vec<(i64, i64)> = with_pool!(store.backend, pool => {
        sqlx::query_as(
            "select o.stream_id, o.off from correlation_offset o
             where o.stream_id in (select stream_id from scenario_call where scenario_id = $1)",
        )
        .bind(id.0)
        .fetch_all(pool)
        .await?
    });
    let offsets: HashMap<i64, i64> = offsets.into_iter().collect();
    let joined = |message: &&Message| {
        let off = offsets.get(&message.id.stream.0).copied().unwrap_or(0);
        !message.provisional && i64::try_from(message.id.offset.0).is_ok_and(|at| at < off)
    };
    let Found::Here(scenario) = store.scenario(id).await? else { return Ok(Summary::default()) };
    let (mut summary, mut after) = (Summary::default(), None::<(Timestamp, record::id::MessageId)>);
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
