//! Mails and what came of them, read.

use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::{Mail, MailKind, MailState, lines};
use crate::backend::with_pool;
use crate::{Error, Store};

/// Mails of one state that are counted.
pub const COUNTED: i64 = 1_000;

/// Mails that somebody did not get.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, sqlx::FromRow)]
pub struct Undelivered {
    /// The server will never take them.
    pub failed: i64,
    /// They were not sent in time.
    pub expired: i64,
    /// They were sent, and not to everybody.
    pub refused: i64,
}

/// A try to send a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    pub at: Timestamp,
    pub code: Option<i32>,
    /// What the server said.
    pub said: String,
    /// Whom it refused for good, and why.
    pub refused: Vec<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct MailRow {
    id: i64,
    group_id: Option<i64>,
    kind: i16,
    state: i16,
    team: String,
    recipients: String,
    left_to: Option<String>,
    refused: Option<String>,
    message_id: String,
    subject: String,
    created: i64,
    not_before: i64,
    expires: i64,
    sent: Option<i64>,
    attempts: i32,
    last_code: Option<i32>,
    last_text: Option<String>,
    lease_until: i64,
}

pub(super) const MAIL: &str = "id, group_id, kind, state, team, recipients, left_to, refused, message_id, subject, created, not_before, \
     expires, sent, attempts, last_code, last_text, lease_until";

impl MailRow {
    pub fn mail(self) -> Mail {
        Mail {
            id: self.id,
            group: self.group_id,
            kind: match self.kind {
                0 => MailKind::Firing,
                1 => MailKind::Update,
                2 => MailKind::Resolved,
                _ => MailKind::Storm,
            },
            state: match self.state {
                0 => MailState::Queued,
                1 => MailState::Sent,
                2 => MailState::Failed,
                3 => MailState::Expired,
                _ => MailState::NotSent,
            },
            team: self.team,
            recipients: self.recipients,
            left_to: self.left_to,
            refused: lines(self.refused),
            message_id: self.message_id,
            subject: self.subject,
            created: Timestamp(self.created),
            not_before: Timestamp(self.not_before),
            expires: Timestamp(self.expires),
            sent: self.sent.map(Timestamp),
            attempts: self.attempts,
            last_code: self.last_code,
            last_text: self.last_text,
            lease_until: Timestamp(self.lease_until),
        }
    }
}

impl Store {
    /// Mails, the newest first; where a group is named, those that tell of it.
    pub async fn mails(&self, group: Option<i64>, most: usize) -> Result<Vec<Mail>, Error> {
        let rows: Vec<MailRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(MAIL).push(" from mail_outbox");
            if let Some(group) = group {
                q.push(" where id in (select id from mail_outbox where group_id = ").push_bind(group);
                q.push(" union select mail_id from mail_group where group_id = ").push_bind(group).push(")");
            }
            q.push(" order by id desc limit ").push_bind(most as i64);
            q.build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(MailRow::mail).collect())
    }

    /// Mails made before one of them, the newest first.
    pub async fn mails_before(&self, id: i64, most: usize) -> Result<Vec<Mail>, Error> {
        let rows: Vec<MailRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(MAIL).push(" from mail_outbox where id < ").push_bind(id);
            q.push(" order by id desc limit ").push_bind(most as i64);
            q.build_query_as().fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(MailRow::mail).collect())
    }

    /// A mail with its text and its bytes.
    pub async fn mail(&self, id: i64) -> Result<Option<(Mail, String, Vec<u8>)>, Error> {
        let row: Option<MailRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(MAIL).push(" from mail_outbox where id = ").push_bind(id);
            q.build_query_as().fetch_optional(pool).await?
        });
        let Some(mail) = row.map(MailRow::mail) else { return Ok(None) };
        let (plain, mime): (Vec<u8>, Vec<u8>) = with_pool!(self.backend, pool => {
            sqlx::query_as("select plain, mime from mail_outbox where id = $1").bind(id).fetch_one(pool).await?
        });
        Ok(Some((mail, String::from_utf8_lossy(&plain).into_owned(), mime)))
    }

    /// Tries of a mail, in order.
    pub async fn mail_attempts(&self, id: i64) -> Result<Vec<Attempt>, Error> {
        let rows: Vec<(i64, Option<i32>, String, Option<String>)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select at, code, said, refused from mail_attempt where mail_id = $1 order by at limit 200")
                .bind(id)
                .fetch_all(pool)
                .await?
        });
        let attempt = |(at, code, said, refused)| Attempt { at: Timestamp(at), code, said, refused: lines(refused) };
        Ok(rows.into_iter().map(attempt).collect())
    }

    /// How many mails are in each state, counted up to [`COUNTED`], and when the oldest that waits was made.
    pub async fn mail_counts(&self) -> Result<(Vec<(MailState, i64)>, Option<Timestamp>), Error> {
        let (mut counts, mut oldest) = (Vec::new(), None);
        for state in [MailState::Queued, MailState::Sent, MailState::Failed, MailState::Expired, MailState::NotSent] {
            let (n, first): (i64, Option<i64>) = with_pool!(self.backend, pool => {
                // The table has all mails that ever were: of a state those that are next.
                sqlx::query_as(
                    "select count(*), min(created) from
                         (select created from mail_outbox where state = $1 order by not_before limit $2) as first_ones",
                )
                .bind(state as i16)
                .bind(COUNTED)
                .fetch_one(pool)
                .await?
            });
            if n > 0 {
                counts.push((state, n));
            }
            oldest = oldest.or(first.filter(|_| state == MailState::Queued).map(Timestamp));
        }
        Ok((counts, oldest))
    }

    /// Mails that somebody did not get, as it turned out since a time.
    pub async fn undelivered(&self, since: Timestamp) -> Result<Undelivered, Error> {
        Ok(with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select cast(coalesce(sum(case when state = $1 then 1 else 0 end), 0) as bigint) as failed,
                     cast(coalesce(sum(case when state = $2 then 1 else 0 end), 0) as bigint) as expired,
                     cast(coalesce(sum(case when state = $3 then 1 else 0 end), 0) as bigint) as refused
                 from mail_outbox where state in ($1, $2, $3) and not_before >= $4 and (state <> $3 or refused is not null)",
            )
            .bind(MailState::Failed as i16)
            .bind(MailState::Expired as i16)
            .bind(MailState::Sent as i16)
            .bind(since.0)
            .fetch_one(pool)
            .await?
        }))
    }
}
