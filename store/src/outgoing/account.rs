//! Accounts by which mails are sent, and which of them must wait.

use record::time::{SECOND, Timestamp};

use crate::backend::{with_pool, with_transaction};
use crate::{Error, Store};

/// No try takes longer.
const TRY: i64 = 120 * SECOND;

/// An account that must wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    pub account: String,
    /// Nothing was sent by it since then.
    pub since: Timestamp,
    pub until: Timestamp,
    pub why: String,
}

impl Store {
    /// How long and until when an account waits, and why.
    pub async fn mail_hold(&self, account: &str) -> Result<Option<(Timestamp, i64, String)>, Error> {
        let row: Option<(i64, i64, String)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select until, wait, why from mail_hold where account = $1")
                .bind(account)
                .fetch_optional(pool)
                .await?
        });
        Ok(row.map(|(until, wait, why)| (Timestamp(until), wait, why)))
    }

    /// All holds, for whoever asks why nothing is sent. While a try is made at the end of one, it is one still.
    pub async fn mail_holds(&self, now: Timestamp) -> Result<Vec<Hold>, Error> {
        let rows: Vec<(String, i64, i64, String)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select account, since, until, why from mail_hold where until > $1 order by account")
                .bind(now.0.saturating_sub(TRY))
                .fetch_all(pool)
                .await?
        });
        let hold =
            |(account, since, until, why)| Hold { account, since: Timestamp(since), until: Timestamp(until), why };
        Ok(rows.into_iter().map(hold).collect())
    }

    /// What an account waits for may be over, if its settings are others by now.
    pub async fn release_account(&self, account: &str, settings: i32) -> Result<(), Error> {
        let mut tx = self.backend.begin().await?;
        with_transaction!(&mut tx, db => {
            sqlx::query("delete from mail_hold where account = $1 and settings <> $2")
                .bind(account)
                .bind(settings)
                .execute(&mut *db)
                .await?;
        });
        tx.commit().await
    }
}
