//! Correlators that store halves of exchanges, one after the other: an answer and its request that come at the same moment, each to
//! one of them, would miss each other.
//!
//! Rows of `exchange` that are no halves: one that is locked by whoever stores some, and one of each correlator that was too late,
//! which goes first in its turn. So nobody waits for ever for others who are quicker, and nobody waits while he holds a lock.

use message::event::ExchangeKey;
use record::time::{SECOND, Timestamp};

use crate::backend::{Transaction, with_transaction};
use crate::text::capped;
use crate::{Error, Store};

/// In place of `response`: of the row that is locked, and of those who wait for their turn.
const LOCKED: i16 = 2;
const WAITS: i16 = 3;
/// One that does not come by then has no turn any more.
const COMES_WITHIN: i64 = 10 * SECOND;
/// One whose clock is so far ahead has none: nobody would know when it ends.
const AHEAD: i64 = 20 * SECOND;

/// No id has this hash.
fn nobodys() -> Vec<u8> {
    ExchangeKey::default().to_vec()
}

/// Until the transaction ends, no other correlator stores halves of exchanges. False: one that was too late before goes first.
pub(super) async fn take(tx: &mut Transaction, owner: &str, now: Timestamp) -> Result<bool, Error> {
    // Whoever comes later waits here.
    with_transaction!(&mut *tx, db => {
        sqlx::query(
            "insert into exchange (last, ts, response, kind, hash, call_id) values ($1, $1, $2, 0, $3, '')
             on conflict (hash, response, call_id) do update set ts = excluded.ts",
        )
        .bind(now.0)
        .bind(LOCKED)
        .bind(nobodys())
        .execute(&mut *db)
        .await?;
    });
    let ours = match first(tx, now).await? {
        None => return Ok(true),
        Some(first) => first == named(owner),
    };
    if ours {
        leave(tx, owner, now).await?;
    }
    Ok(ours)
}

/// Whether another one that was too late goes first, as far as is known before the lock.
pub(super) async fn is_of_another(tx: &mut Transaction, owner: &str, now: Timestamp) -> Result<bool, Error> {
    Ok(first(tx, now).await?.is_some_and(|first| first != named(owner)))
}

/// Whose turn it is.
async fn first(tx: &mut Transaction, now: Timestamp) -> Result<Option<String>, Error> {
    Ok(with_transaction!(&mut *tx, db => {
        sqlx::query_scalar(
            "select call_id from exchange where hash = $1 and response = $2 and last > $3 and last < $4
             order by ts, call_id limit 1",
        )
        .bind(nobodys())
        .bind(WAITS)
        .bind(now.0)
        .bind(now.0.saturating_add(AHEAD))
        .fetch_optional(&mut *db)
        .await?
    }))
}

/// Its next round is not too late, whatever others store: they wait for it. In the order in which they were too late.
pub(in crate::correlate) async fn ask(store: &Store, owner: &str, now: Timestamp) -> Result<(), Error> {
    let mut tx = store.backend.begin().await?;
    with_transaction!(&mut tx, db => {
        sqlx::query(
            "insert into exchange (last, ts, response, kind, hash, call_id) values ($1, $2, $3, 0, $4, $5)
             on conflict (hash, response, call_id) do update set
                ts = case when exchange.last > excluded.ts then exchange.ts else excluded.ts end, last = excluded.last",
        )
        .bind(now.0.saturating_add(COMES_WITHIN))
        .bind(now.0)
        .bind(WAITS)
        .bind(nobodys())
        .bind(named(owner))
        .execute(&mut *db)
        .await?;
    });
    tx.commit().await
}

/// It had its turn, or wants none any more; so had those who did not come in time.
pub(in crate::correlate) async fn leave(tx: &mut Transaction, owner: &str, now: Timestamp) -> Result<(), Error> {
    with_transaction!(&mut *tx, db => {
        sqlx::query("delete from exchange where hash = $1 and response = $2 and (call_id = $3 or last <= $4)")
            .bind(nobodys())
            .bind(WAITS)
            .bind(named(owner))
            .bind(now.0)
            .execute(&mut *db)
            .await?;
    });
    Ok(())
}

fn named(owner: &str) -> String {
    capped(owner, 1024)
}
