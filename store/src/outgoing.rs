//! Mails that are to be sent: made with the state of their group in one transaction, sent at least once.

use record::id::ScenarioId;
use record::time::{SECOND, Timestamp};
use sqlx::QueryBuilder;

use crate::backend::{with_pool, with_transaction};
use crate::{Error, Store, statement};

/// No try takes longer.
const TRY: i64 = 120 * SECOND;

/// A mail as it is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMail {
    pub kind: MailKind,
    pub team: String,
    /// With commas between them. Without any it is made to be looked at, and never sent.
    pub recipients: String,
    /// Unique; the same for each try.
    pub message_id: String,
    pub subject: String,
    /// Its plain text, for whoever looks at it here.
    pub plain: String,
    pub mime: Vec<u8>,
    /// The higher the sooner.
    pub priority: i16,
    pub expires: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MailKind {
    Firing,
    Update,
    Resolved,
    Storm,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MailState {
    /// It waits to be sent, or to be sent again.
    Queued,
    Sent,
    /// The server will never take it.
    Failed,
    /// It was not sent in time.
    Expired,
    /// Nothing is configured that could send it, or nobody who gets it.
    NotSent,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    pub id: i64,
    pub group: Option<i64>,
    pub kind: MailKind,
    pub state: MailState,
    pub team: String,
    pub recipients: String,
    /// Those of them who are still to get it, where that is not everybody.
    pub left_to: Option<String>,
    /// Who will never get it, with what the server said of each.
    pub refused: Vec<String>,
    pub message_id: String,
    pub subject: String,
    pub created: Timestamp,
    /// When it is to be sent; of one that waits no more, when that was decided.
    pub not_before: Timestamp,
    pub expires: Timestamp,
    pub sent: Option<Timestamp>,
    /// Since it was queued last.
    pub attempts: i32,
    pub last_code: Option<i32>,
    pub last_text: Option<String>,
    /// Until when the sender who took it last may send it: what is written of it counts for that one alone.
    pub lease_until: Timestamp,
}

/// What a look at a group came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reported {
    pub group: i64,
    /// As it was when it was looked at: what changed meanwhile is looked at again.
    pub changed: Timestamp,
    /// As it was taken: what another has taken since is for that one to report.
    pub lease_until: Timestamp,
    pub mails: Vec<NewMail>,
    /// What these mails tell of: scenario, leg and which of the day, as of its items.
    pub items: Vec<(ScenarioId, String, i32)>,
    pub state: Vec<u8>,
    /// When it is to be looked at again; none: only when it changes.
    pub due: Option<Timestamp>,
    pub closed: bool,
}

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

/// An account that must wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    pub account: String,
    /// Nothing was sent by it since then.
    pub since: Timestamp,
    pub until: Timestamp,
    pub why: String,
}

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
struct MailRow {
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

const MAIL: &str = "id, group_id, kind, state, team, recipients, left_to, refused, message_id, subject, created, not_before, \
     expires, sent, attempts, last_code, last_text, lease_until";

impl MailRow {
    fn mail(self) -> Mail {
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

/// One a line; nothing for none.
fn lines(text: Option<String>) -> Vec<String> {
    text.map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}

fn joined(lines: &[String]) -> Option<String> {
    (!lines.is_empty()).then(|| lines.join("\n"))
}

impl Store {
    /// Keeps what a look at a group came to: its mails and its state, in one transaction. False: the group changed meanwhile, or
    /// another looks at it by now, and nothing was kept.
    pub async fn report(&self, reported: &Reported, state: MailState, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.backend.begin().await?;
        let Reported { group, changed, lease_until, mails, items, state: mind, due, closed } = reported;
        let kept = with_transaction!(&mut tx, db => {
            sqlx::query(
                "update alert_group set lease_until = 0, due = $1, state = $2, mails = mails + $3,
                     reported = case when $3 > 0 then $4 else reported end, closed = $5
                 where id = $6 and changed = $7 and lease_until = $8 and closed is null",
            )
            .bind(due.filter(|_| !closed).map(|due| due.0))
            .bind(&mind[..])
            .bind(mails.len() as i64)
            .bind(now.0)
            .bind(closed.then_some(now.0))
            .bind(group)
            .bind(changed.0)
            .bind(lease_until.0)
            .execute(&mut *db)
            .await?
            .rows_affected()
        });
        if kept == 0 {
            with_transaction!(&mut tx, db => {
                sqlx::query("update alert_group set lease_until = 0 where id = $1 and lease_until = $2")
                    .bind(group)
                    .bind(lease_until.0)
                    .execute(&mut *db)
                    .await?;
            });
            tx.commit().await?;
            return Ok(false);
        }
        with_transaction!(&mut tx, db => {
            for mail in mails {
                sqlx::query(
                    "insert into mail_outbox (group_id, created, not_before, expires, attempts, kind, state, priority, team,
                         recipients, message_id, subject, plain, mime)
                     values ($1, $2, $2, $3, 0, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                )
                .bind(group)
                .bind(now.0)
                .bind(mail.expires.0)
                .bind(mail.kind as i16)
                .bind(if mail.recipients.is_empty() { MailState::NotSent } else { state } as i16)
                .bind(mail.priority)
                .bind(&mail.team)
                .bind(&mail.recipients)
                .bind(&mail.message_id)
                .bind(&mail.subject)
                .bind(mail.plain.as_bytes())
                .bind(&mail.mime)
                .execute(&mut *db)
                .await?;
            }
            for some in statement::chunks(items) {
                let mut q = QueryBuilder::<Db>::new("update alert_item set reported = ");
                q.push_bind(now.0).push(" from (");
                q.push_values(some, |mut row, (scenario, leg, nth)| {
                    row.push_bind(scenario.0).push_bind(leg).push_bind(*nth);
                });
                q.push(") as m where group_id = ").push_bind(group);
                q.push(" and scenario_id = m.column1 and leg = m.column2 and nth = m.column3");
                q.build().execute(&mut *db).await?;
            }
        });
        tx.commit().await?;
        Ok(true)
    }

    /// Takes the mail that is to be sent next, unless its account must wait. One at a time: a server dislikes many log-ins.
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
                     and not exists (select 1 from mail_hold where account = $3 and until > $2) limit 1",
            )
            .bind(MailState::Queued as i16)
            .bind(now.0)
            .bind(account)
            .fetch_optional(pool)
            .await?
        });
        if waits.is_none() {
            return Ok(None);
        }
        let mut tx = self.backend.begin().await?;
        let skip_locked = tx.skip_locked();
        let row: Option<MailRow> = with_transaction!(&mut tx, db => {
            let mut q = QueryBuilder::<Db>::new("update mail_outbox set lease_until = ");
            q.push_bind(now.0.saturating_add(lease_micros)).push(", lease_owner = ").push_bind(owner);
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

    /// Mails that were made for a team, and for all, since a time; resent ones count once.
    pub async fn mails_since(&self, team: &str, since: Timestamp) -> Result<(i64, i64), Error> {
        let row: (i64, i64) = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select cast(coalesce(sum(case when team = $1 then 1 else 0 end), 0) as bigint), count(*)
                 from mail_outbox where created >= $2",
            )
            .bind(team)
            .bind(since.0)
            .fetch_one(pool)
            .await?
        });
        Ok(row)
    }

    /// Mails to a team since a time that told of many groups at once.
    pub async fn storms_since(&self, team: &str, since: Timestamp) -> Result<i64, Error> {
        Ok(with_pool!(self.backend, pool => {
            sqlx::query_scalar("select count(*) from mail_outbox where team = $1 and created >= $2 and kind = $3")
                .bind(team)
                .bind(since.0)
                .bind(MailKind::Storm as i16)
                .fetch_one(pool)
                .await?
        }))
    }

    /// Mails, the newest first; of one group where one is named.
    pub async fn mails(&self, group: Option<i64>, most: usize) -> Result<Vec<Mail>, Error> {
        let rows: Vec<MailRow> = with_pool!(self.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select ");
            q.push(MAIL).push(" from mail_outbox");
            if let Some(group) = group {
                q.push(" where group_id = ").push_bind(group);
            }
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

    /// How many mails are in each state, and when the oldest that waits was made.
    pub async fn mail_counts(&self) -> Result<(Vec<(MailState, i64)>, Option<Timestamp>), Error> {
        let rows: Vec<(i16, i64, i64)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select state, count(*), min(created) from mail_outbox group by state order by state")
                .fetch_all(pool)
                .await?
        });
        let states = [MailState::Queued, MailState::Sent, MailState::Failed, MailState::Expired, MailState::NotSent];
        let of = |code: i16| states.into_iter().find(|state| *state as i16 == code);
        let oldest = rows.iter().find(|row| row.0 == MailState::Queued as i16).map(|row| Timestamp(row.2));
        Ok((rows.iter().filter_map(|row| Some((of(row.0)?, row.1))).collect(), oldest))
    }
}
