//! Mails are made with the state of their group, in one transaction.

use std::collections::BTreeMap;

use record::id::ScenarioId;
use record::time::{DAY, HOUR, SECOND, Timestamp};
use sqlx::QueryBuilder;

use super::{MailKind, MailState};
use crate::alert::{Group, ItemState};
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::{self, push_list};
use crate::{Error, Store};

/// So soon a group is looked at again that has changed meanwhile.
const SOON: i64 = 2 * SECOND;

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
    /// They tell how many failed until then, too, and name none of these.
    pub older: Option<Timestamp>,
    pub state: Vec<u8>,
    /// When it is to be looked at again; none: only when it changes.
    pub due: Option<Timestamp>,
    pub closed: bool,
}

/// How many mails there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// To a team within an hour.
    pub of_team: i64,
    /// To all within a day.
    pub of_all: i64,
}

/// What became of what a look came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    Yes,
    /// Something changed meanwhile, or another looks at it by now, and nothing was kept.
    Changed,
    /// There are as many mails as there may be, and nothing was kept.
    Full,
}

impl Store {
    /// Keeps what a look at a group came to: its mails and its state, in one transaction. False: the group changed meanwhile, or
    /// another looks at it by now, and nothing was kept.
    pub async fn report(&self, reported: &Reported, state: MailState, now: Timestamp) -> Result<bool, Error> {
        Ok(self.keep_look(reported, None, state, now).await? == Kept::Yes)
    }

    /// The same, unless there are as many mails as there may be by now: whoever else makes some waits until these are made.
    pub async fn report_within(
        &self,
        reported: &Reported,
        room: Room,
        state: MailState,
        now: Timestamp,
    ) -> Result<Kept, Error> {
        self.keep_look(reported, Some(room), state, now).await
    }

    async fn keep_look(
        &self,
        reported: &Reported,
        room: Option<Room>,
        state: MailState,
        now: Timestamp,
    ) -> Result<Kept, Error> {
        let mut tx = self.backend.begin().await?;
        let Reported { group, changed, lease_until, mails, state: mind, due, closed, .. } = reported;
        let kept = with_transaction!(&mut tx, db => {
            sqlx::query(
                "update alert_group set lease_until = 0, held = null, due = $1, state = $2, mails = mails + $3,
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
            release(&mut tx, *group, *lease_until).await?;
            tx.commit().await?;
            return Ok(Kept::Changed);
        }
        if let Some(room) = room.filter(|_| !mails.is_empty()) {
            one_after_the_other(&mut tx).await?;
            for mail in mails {
                let (of_team, _) = made_since(&mut tx, &mail.team, hour_before(now), None).await?;
                if of_team >= room.of_team {
                    return Ok(Kept::Full);
                }
            }
            let (_, of_all) = made_since(&mut tx, "", day_before(now), None).await?;
            if of_all.saturating_add(mails.len() as i64) > room.of_all {
                return Ok(Kept::Full);
            }
        }
        for mail in mails {
            make(&mut tx, mail, Some(*group), state, now).await?;
        }
        mark(&mut tx, reported, now).await?;
        tx.commit().await?;
        Ok(Kept::Yes)
    }

    /// The same of many groups of which the same mails tell, to a team each. What came to a group since it was looked at is looked at
    /// again. Such mails are one an hour to each team, and leave what is kept for others of those of a day (`room`).
    pub async fn report_together(
        &self,
        of: &[Reported],
        mails: &[NewMail],
        room: Room,
        state: MailState,
        now: Timestamp,
    ) -> Result<Kept, Error> {
        let mut tx = self.backend.begin().await?;
        let for_update = tx.for_update();
        let ids: Vec<i64> = of.iter().map(|reported| reported.group).collect();
        let mut taken: BTreeMap<i64, i64> = BTreeMap::new();
        for list in statement::lists(&ids) {
            // In the order in which failures are added to them.
            let rows: Vec<(i64, i64)> = with_transaction!(&mut tx, db => {
                let mut q = QueryBuilder::<Db>::new("select id, lease_until from alert_group where closed is null and id in ");
                push_list!(q, list);
                q.push(" order by hash").push(for_update).build_query_as().fetch_all(&mut *db).await?
            });
            taken.extend(rows);
        }
        if of.iter().any(|reported| taken.get(&reported.group) != Some(&reported.lease_until.0)) {
            for reported in of {
                release(&mut tx, reported.group, reported.lease_until).await?;
            }
            tx.commit().await?;
            return Ok(Kept::Changed);
        }
        one_after_the_other(&mut tx).await?;
        for mail in mails {
            let (of_team, _) = made_since(&mut tx, &mail.team, hour_before(now), Some(MailKind::Storm)).await?;
            if of_team > 0 {
                return Ok(Kept::Full);
            }
        }
        let (_, of_all) = made_since(&mut tx, "", day_before(now), None).await?;
        if of_all.saturating_add(mails.len() as i64) > room.of_all {
            return Ok(Kept::Full);
        }
        let mut made = Vec::new();
        for mail in mails {
            made.push(make(&mut tx, mail, None, state, now).await?);
        }
        let soon = Timestamp(now.0.saturating_add(SOON));
        for reported in of {
            let Reported { group, changed, state: mind, due, closed, .. } = reported;
            with_transaction!(&mut tx, db => {
                sqlx::query(
                    "update alert_group set lease_until = 0, held = null, state = $1, mails = mails + $2, reported = $3,
                         due = case when changed = $4 then $5 else $6 end, closed = case when changed = $4 then $7 else null end
                     where id = $8",
                )
                .bind(&mind[..])
                .bind(mails.len() as i64)
                .bind(now.0)
                .bind(changed.0)
                .bind(due.filter(|_| !closed).map(|due| due.0))
                .bind(soon.0)
                .bind(closed.then_some(now.0))
                .bind(group)
                .execute(&mut *db)
                .await?;
                for mail in &made {
                    sqlx::query("insert into mail_group (group_id, mail_id) values ($1, $2)")
                        .bind(group)
                        .bind(mail)
                        .execute(&mut *db)
                        .await?;
                }
            });
            mark(&mut tx, reported, now).await?;
        }
        tx.commit().await?;
        Ok(Kept::Yes)
    }

    /// No mail is left for a group: it is looked at again then, or soon if it changed since it was looked at.
    pub async fn hold(&self, group: &Group, until: Timestamp, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.backend.begin().await?;
        with_transaction!(&mut tx, db => {
            sqlx::query(
                "update alert_group set lease_until = 0, held = coalesce(held, $1), due = case when changed = $2 then $3 else $4 end
                 where id = $5 and lease_until = $6 and closed is null",
            )
            .bind(now.0)
            .bind(group.changed.0)
            .bind(until.0)
            .bind(now.0.saturating_add(SOON).min(until.0))
            .bind(group.id)
            .bind(group.lease_until.0)
            .execute(&mut *db)
            .await?;
        });
        tx.commit().await
    }

    /// Mails that were made for a team, and for all, since a time; resent ones count once.
    pub async fn mails_since(&self, team: &str, since: Timestamp) -> Result<(i64, i64), Error> {
        Ok(with_pool!(self.backend, pool => {
            sqlx::query_as(MADE).bind(team).bind(since.0).bind(None::<i16>).fetch_one(pool).await?
        }))
    }

    /// Mails to a team since a time that told of many groups at once.
    pub async fn storms_since(&self, team: &str, since: Timestamp) -> Result<i64, Error> {
        let (of_team, _): (i64, i64) = with_pool!(self.backend, pool => {
            sqlx::query_as(MADE).bind(team).bind(since.0).bind(Some(MailKind::Storm as i16)).fetch_one(pool).await?
        });
        Ok(of_team)
    }
}

/// Mails of a team, and of all, since a time; of one kind where one is named.
const MADE: &str = "select cast(coalesce(sum(case when team = $1 then 1 else 0 end), 0) as bigint), count(*)
     from mail_outbox where created >= $2 and (kind = $3 or $3 is null)";

fn hour_before(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(HOUR))
}

fn day_before(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(DAY))
}

async fn made_since(
    tx: &mut Transaction,
    team: &str,
    since: Timestamp,
    kind: Option<MailKind>,
) -> Result<(i64, i64), Error> {
    Ok(with_transaction!(&mut *tx, db => {
        sqlx::query_as(MADE).bind(team).bind(since.0).bind(kind.map(|kind| kind as i16)).fetch_one(&mut *db).await?
    }))
}

/// Whoever makes mails waits for those who do: else two would count the same mails, and make one too many.
async fn one_after_the_other(tx: &mut Transaction) -> Result<(), Error> {
    with_transaction!(&mut *tx, db => {
        sqlx::query(
            "insert into mail_turn (until, owner, account) values (0, '', '') on conflict (account) do update set until = 0",
        )
        .execute(&mut *db)
        .await?;
    });
    Ok(())
}

/// Whoever took it looks at it no more.
async fn release(tx: &mut Transaction, group: i64, lease_until: Timestamp) -> Result<(), Error> {
    with_transaction!(&mut *tx, db => {
        sqlx::query("update alert_group set lease_until = 0 where id = $1 and lease_until = $2")
            .bind(group)
            .bind(lease_until.0)
            .execute(&mut *db)
            .await?;
    });
    Ok(())
}

/// Gives the number of the mail.
async fn make(
    tx: &mut Transaction,
    mail: &NewMail,
    group: Option<i64>,
    state: MailState,
    now: Timestamp,
) -> Result<i64, Error> {
    Ok(with_transaction!(&mut *tx, db => {
        sqlx::query_scalar(
            "insert into mail_outbox (group_id, created, not_before, expires, attempts, kind, state, priority, team,
                 recipients, message_id, subject, plain, mime)
             values ($1, $2, $2, $3, 0, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning id",
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
        .fetch_one(&mut *db)
        .await?
    }))
}

/// What mails tell of is reported, as it was when it was looked at: what has changed since is later than that.
async fn mark(tx: &mut Transaction, reported: &Reported, now: Timestamp) -> Result<(), Error> {
    for some in statement::chunks(&reported.items) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("update alert_item set reported = ");
            q.push_bind(now.0).push(" from (");
            q.push_values(some, |mut row, (scenario, leg, nth)| {
                row.push_bind(scenario.0).push_bind(leg).push_bind(*nth);
            });
            q.push(") as m where group_id = ").push_bind(reported.group);
            q.push(" and scenario_id = m.column1 and leg = m.column2 and nth = m.column3");
            q.build().execute(&mut *db).await?;
        });
    }
    let Some(older) = reported.older else { return Ok(()) };
    with_transaction!(tx, db => {
        // What came since the look is not told of.
        sqlx::query(
            "update alert_item set reported = $1
             where group_id = $2 and at <= $3 and state = $4 and reported is null and changed <= $5",
        )
        .bind(now.0)
        .bind(reported.group)
        .bind(older.0)
        .bind(ItemState::Failed.code())
        .bind(reported.changed.0)
        .execute(&mut *db)
        .await?;
    });
    Ok(())
}
