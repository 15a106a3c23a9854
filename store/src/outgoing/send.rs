//! Mails are taken to be sent, and what came of each try is kept.

use record::time::{SECOND, Timestamp};
use sqlx::QueryBuilder;

use super::read::{MAIL, MailRow};
use super::{Mail, MailState, joined};
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::{Error, Store};

/// So long after a try an account stays with whoever made it.
const GOES_ON: i64 = 10 * SECOND;

/// What came of a try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    pub state: MailState,
    pub code: Option<i32>,
    pub said: String,
    /// If it is to be tried again.
    pub not_before: Timestamp,
    /// Recipients that are left; none: as before.
    pub recipients: Option<String>,
    /// Recipients that are refused for good, with what the server said of each.
    pub refused: Vec<String>,
    /// The account waits until then, and so long.
    pub hold: Option<(Timestamp, i64)>,
}

/// Who sends: a collector, and the account by which it does.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    pub owner: &'a str,
    pub account: &'a str,
    /// A short hash of the account's settings.
    pub settings: i32,
}

impl Store {
    /// Takes the mail that is to be sent next, unless its account must wait, or another sends by it. One at a time: a server
    /// dislikes many log-ins.
    pub async fn next_mail(
        &self,
        owner: &str,
        account: &str,
        now: Timestamp,
        lease_micros: i64,
    ) -> Result<Option<(Mail, Vec<u8>)>, Error> {
        let waits: Option<i64> = with_pool!(self.backend, pool => {
            sqlx::query_scalar(
                "select id from mail_outbox where state = $1 and not_before <= $2 and lease_until < $2
                     and not exists (select 1 from mail_hold where account = $3 and until > $2)
                     and not exists (select 1 from mail_turn where account = $3 and owner <> $4 and until >= $2) limit 1",
            )
            .bind(MailState::Queued as i16)
            .bind(now.0)
            .bind(account)
            .bind(owner)
            .fetch_optional(pool)
            .await?
        });
        if waits.is_none() {
            return Ok(None);
        }
        let mut tx = self.backend.begin().await?;
        let until = Timestamp(now.0.saturating_add(lease_micros));
        if !turn(&mut tx, owner, account, until, now).await? {
            return Ok(None);
        }
        let skip_locked = tx.skip_locked();
        let row: Option<MailRow> = with_transaction!(&mut tx, db => {
            let mut q = QueryBuilder::<Db>::new("update mail_outbox set lease_until = ");
            q.push_bind(until.0).push(", lease_owner = ").push_bind(owner);
            q.push(", attempts = attempts + 1 where id in (select id from mail_outbox where state = ");
            q.push_bind(MailState::Queued as i16).push(" and not_before <= ").push_bind(now.0);
            q.push(" and lease_until < ").push_bind(now.0).push(" order by priority desc, created, id limit 1");
            q.push(skip_locked).push(") returning ").push(MAIL);
            q.build_query_as().fetch_optional(&mut *db).await?
        });
        let Some(mail) = row.map(MailRow::mail) else { return Ok(None) };
        let mime: Vec<u8> = with_transaction!(&mut tx, db => {
            sqlx::query_scalar("select mime from mail_outbox where id = $1").bind(mail.id).fetch_one(&mut *db).await?
        });
        tx.commit().await?;
        Ok(Some((mail, mime)))
    }

    /// Keeps what came of a try. False: another sender had taken the mail since; then it is listed among the tries, and counts
    /// for nothing.
    pub async fn tried(&self, mail: &Mail, by: Sender<'_>, tried: &Tried, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.backend.begin().await?;
        let refused = joined(&[&mail.refused[..], &tried.refused[..]].concat());
        let kept = with_transaction!(&mut tx, db => {
            let kept = sqlx::query(
                "update mail_outbox set state = $1, sent = $2, lease_until = 0, not_before = $3, last_code = $4,
                     last_text = $5, left_to = coalesce($6, left_to), refused = $10
                 where id = $7 and lease_owner = $8 and lease_until = $9",
            )
            .bind(tried.state as i16)
            .bind((tried.state == MailState::Sent).then_some(now.0))
            .bind(tried.not_before.0)
            .bind(tried.code)
            .bind(&tried.said)
            .bind(&tried.recipients)
            .bind(mail.id)
            .bind(by.owner)
            .bind(mail.lease_until.0)
            .bind(&refused)
            .execute(&mut *db)
            .await?
            .rows_affected();
            sqlx::query(
                "insert into mail_attempt (mail_id, at, code, said, refused) values ($1, $2, $3, $4, $5) on conflict do nothing",
            )
            .bind(mail.id)
            .bind(now.0)
            .bind(tried.code)
            .bind(&tried.said)
            .bind(joined(&tried.refused))
            .execute(&mut *db)
            .await?;
            // Whoever sent goes on, by the same connection, and another waits a little longer than it takes to do so.
            sqlx::query("update mail_turn set until = $1 where account = $2 and owner = $3")
                .bind(now.0.saturating_add(GOES_ON))
                .bind(by.account)
                .bind(by.owner)
                .execute(&mut *db)
                .await?;
            // Another sender knows better what the account must do by now.
            match tried.hold.filter(|_| kept > 0) {
                Some((until, wait)) => {
                    sqlx::query(
                        "insert into mail_hold (until, wait, since, settings, account, why) values ($1, $2, $3, $4, $5, $6)
                         on conflict (account) do update set until = excluded.until, wait = excluded.wait,
                             settings = excluded.settings, why = excluded.why",
                    )
                    .bind(until.0)
                    .bind(wait)
                    .bind(now.0)
                    .bind(by.settings)
                    .bind(by.account)
                    .bind(&tried.said)
                    .execute(&mut *db)
                    .await?;
                }
                None if kept > 0 && tried.state == MailState::Sent => {
                    sqlx::query("delete from mail_hold where account = $1").bind(by.account).execute(&mut *db).await?;
                }
                None => {}
            }
            kept
        });
        tx.commit().await?;
        Ok(kept > 0)
    }

    /// What could not be sent in time is not sent any more; what nothing could send, is queued once something can. Gives how many
    /// expired.
    pub async fn expire_mails(&self, now: Timestamp, can_send: bool) -> Result<u64, Error> {
        let mut tx = self.backend.begin().await?;
        let expired = with_transaction!(&mut tx, db => {
            if can_send {
                sqlx::query("update mail_outbox set state = $1 where state = $2 and expires > $3 and recipients <> ''")
                    .bind(MailState::Queued as i16)
                    .bind(MailState::NotSent as i16)
                    .bind(now.0)
                    .execute(&mut *db)
                    .await?;
            }
            sqlx::query(
                "update mail_outbox set state = $1, not_before = $3 where state = $2 and expires <= $3 and lease_until < $3",
            )
            .bind(MailState::Expired as i16)
            .bind(MailState::Queued as i16)
            .bind(now.0)
            .execute(&mut *db)
            .await?
            .rows_affected()
        });
        tx.commit().await?;
        Ok(expired)
    }

    /// Queues a mail once more, for all whom it is to: one that failed, expired or was sent. Accounts that wait are tried for it.
    /// False: there is none, it is to nobody, or it waits already.
    pub async fn resend(&self, id: i64, now: Timestamp, expires: Timestamp) -> Result<bool, Error> {
        let mut tx = self.backend.begin().await?;
        let queued = with_transaction!(&mut tx, db => {
            sqlx::query(
                "update mail_outbox set state = $1, not_before = $2, expires = $3, lease_until = 0, attempts = 0,
                     left_to = null, refused = null
                 where id = $4 and state <> $1 and recipients <> ''",
            )
            .bind(MailState::Queued as i16)
            .bind(now.0)
            .bind(expires.0)
            .bind(id)
            .execute(&mut *db)
            .await?
            .rows_affected()
        });
        if queued > 0 {
            with_transaction!(&mut tx, db => {
                sqlx::query("update mail_hold set until = $1 where until > $1").bind(now.0).execute(&mut *db).await?;
            });
        }
        tx.commit().await?;
        Ok(queued > 0)
    }
}

/// Takes or keeps the turn to send by an account. False: it is another's.
async fn turn(
    tx: &mut Transaction,
    owner: &str,
    account: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let taken = with_transaction!(&mut *tx, db => {
        sqlx::query(
            "insert into mail_turn (until, owner, account) values ($1, $2, $3)
             on conflict (account) do update set until = excluded.until, owner = excluded.owner
             where mail_turn.owner = excluded.owner or mail_turn.until < $4",
        )
        .bind(until.0)
        .bind(owner)
        .bind(account)
        .bind(now.0)
        .execute(&mut *db)
        .await?
        .rows_affected()
    });
    Ok(taken > 0)
}
