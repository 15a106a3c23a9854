//! The dictionary that messages are compressed with, kept with the rows that need it.

use crate::backend::with_transaction;
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
    if kept != BUNDLED_BYTES {
        return Err(Error::Damaged(format!("dictionary {BUNDLED} of the database is not the one of this siptrail")));
    }
    Ok(())
}
