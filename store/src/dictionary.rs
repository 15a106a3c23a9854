//! The dictionary that messages are compressed with, kept with the rows that need it.

use crate::backend::{with_pool, with_transaction};
use crate::compress::{BUNDLED, BUNDLED_BYTES};
use crate::{Error, Store};

/// Another one under its number is not ours to read with.
pub(crate) async fn register(store: &Store) -> Result<(), Error> {
    let mut tx = store.backend.begin().await?;
    let kept: Vec<u8> = with_transaction!(&mut tx, db => {
        sqlx::query("insert into dictionary (id, bytes) values ($1, $2) on conflict do nothing")
            .bind(BUNDLED)
            .bind(BUNDLED_BYTES)
            .execute(&mut *db)
            .await?;
        sqlx::query_scalar("select bytes from dictionary where id = $1").bind(BUNDLED).fetch_one(db).await?
    });
    tx.commit().await?;
    is_ours(&kept)
}

/// The same for who writes nothing.
pub(crate) async fn check(store: &Store) -> Result<(), Error> {
    let kept: Option<Vec<u8>> = with_pool!(store.backend, pool => {
        sqlx::query_scalar("select bytes from dictionary where id = $1").bind(BUNDLED).fetch_optional(pool).await?
    });
    is_ours(&kept.unwrap_or_default())
}

fn is_ours(kept: &[u8]) -> Result<(), Error> {
    if kept != BUNDLED_BYTES {
        return Err(Error::Damaged(format!("dictionary {BUNDLED} of the database is not the one of this siptrail")));
    }
    Ok(())
}
