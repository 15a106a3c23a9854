//! Rules and routes as collectors loaded them: pages read them here.

use std::collections::BTreeMap;

use record::time::Timestamp;
use rule::syntax::Severity;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backend::{with_pool, with_transaction};
use crate::{Error, Store, blob};

/// Sets that are kept, for whoever asks what was in force.
const KEPT: i64 = 100;

/// What pages show of the rules in force.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rulebook {
    pub rules: Vec<Entry>,
    /// What is wrong with files that were read last: then the set before them stays in force.
    pub faults: Vec<String>,
    /// Where rules and routes were read; none: they are the built-in ones.
    pub rules_dir: Option<String>,
    pub routes_file: Option<String>,
    /// Teams, with their addresses.
    pub teams: Vec<(String, Vec<String>)>,
    /// Whether mails are sent, and by which server.
    pub server: Option<String>,
    /// By log, by the name of its agent: what rules know of it, as (sorts known, requests seen).
    pub base_url: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub id: String,
    pub title: String,
    pub severity: Severity,
    pub version: u64,
    /// It in prose.
    pub prose: String,
    /// Its file.
    pub file: String,
    /// A watch counts, and judges nothing.
    pub watch: bool,
    /// Rules whose failures in the same scenario this one's failure explains.
    #[serde(default)]
    pub explains: Vec<String>,
    /// By failure: its sentence.
    pub says: BTreeMap<String, String>,
}

impl Store {
    /// Keeps the set that is in force now.
    pub async fn keep_rulebook(&self, book: &Rulebook, now: Timestamp) -> Result<(), Error> {
        let content = blob::write(book);
        let hash = Sha256::digest(&content);
        let mut tx = self.backend.begin().await?;
        with_transaction!(&mut tx, db => {
            sqlx::query(
                "insert into rulebook (loaded, hash, content) values ($1, $2, $3)
                 on conflict (hash) do update set loaded = excluded.loaded",
            )
            .bind(now.0)
            .bind(&hash[..])
            .bind(&content)
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "delete from rulebook where loaded < (select min(loaded) from
                     (select loaded from rulebook order by loaded desc limit $1) as newest)",
            )
            .bind(KEPT)
            .execute(&mut *db)
            .await?;
        });
        tx.commit().await
    }

    /// The set in force, and when it was loaded; none where that cannot be read: whoever has it in force keeps it anew as it starts.
    pub async fn rulebook(&self) -> Result<Option<(Rulebook, Timestamp)>, Error> {
        let row: Option<(Vec<u8>, i64)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select content, loaded from rulebook order by loaded desc limit 1").fetch_optional(pool).await?
        });
        let read = |(content, at): (Vec<u8>, i64)| {
            let book = blob::read(&content, "the rules in force");
            let book = book.inspect_err(|error| tracing::error!(%error, "pages show no rules")).ok()?;
            Some((book, Timestamp(at)))
        };
        Ok(row.and_then(read))
    }
}
