//! What is judged again: rules have changed, or more is known of what logs hold.

use std::collections::BTreeSet;

use message::flow::Log;
use record::time::{DAY, MINUTE, SECOND, Timestamp};
use rule::verdict::Outcome;
use sqlx::QueryBuilder;

use super::SETTLED;
use crate::backend::with_transaction;
use crate::{Error, Store};

/// Of each class, what is settled again at most.
const AGAIN: i64 = 10_000;
/// Logs that one statement names.
const LOGS: usize = 20;

/// Of what began since a time.
#[derive(Clone, Copy)]
enum Which<'a> {
    All,
    /// That of which nobody could tell, in one of these logs.
    Unclear(&'a BTreeSet<Log>),
    /// That of which nobody could tell.
    AnyUnclear,
}

impl Store {
    /// What began since a time is settled again within a minute, as after a change of rules, and of days what is newer: the
    /// newest, up to some thousands. What somebody else is writing is left out, so it is to be asked twice. Gives how many.
    pub async fn judge_again(&self, since: Timestamp, now: Timestamp) -> Result<u64, Error> {
        self.again(Which::All, since, now).await
    }

    /// The same of what nobody could tell of, since more is known of what these logs hold. Where they are many, of any log.
    pub async fn judge_unclear_again(
        &self,
        logs: &BTreeSet<Log>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let which = if logs.len() > LOGS { Which::AnyUnclear } else { Which::Unclear(logs) };
        self.again(which, since, now).await
    }

    async fn again(&self, which: Which<'_>, since: Timestamp, now: Timestamp) -> Result<u64, Error> {
        let mut tx = self.backend.begin().await?;
        let skip_locked = tx.skip_locked();
        let from = since.0 - since.0.rem_euclid(MINUTE);
        let mut again = 0;
        for class in self.settled.all() {
            // They do not all stand before what comes in.
            let at = format!("({} + id % 60 * {SECOND})", now.0);
            again += with_transaction!(&mut tx, db => {
                let mut q = QueryBuilder::<Db>::new("update scenario set version = version + 1, due = ");
                q.push(format_args!("case when rest_until > {at} then rest_until else {at} end"));
                q.push(", judged_from = case when judged_from <= ").push_bind(from).push(" then judged_from when first > ");
                q.push_bind(from).push(" and judged_from is not null then first when judged_from is not null then ");
                q.push_bind(from).push(" end where id in (select id from scenario where merged_into is null and class = ");
                let begins = if class.is_daily() { since.0 - since.0.rem_euclid(DAY) } else { since.0 };
                q.push_bind(class.code()).push(" and first >= ").push_bind(begins).push(" and last >= ").push_bind(since.0);
                q.push(" and (settled is not null or lease_until > ").push_bind(now.0);
                // Nobody had asked for this class.
                q.push(if SETTLED.contains(&class) { ")" } else { " or due is null)" });
                if !matches!(which, Which::All) {
                    q.push(" and id in (select v.scenario_id from verdict v where v.outcome = ");
                    q.push_bind(Outcome::Unknown.code()).push(" and v.due >= ").push_bind(since.0);
                    if let Which::Unclear(logs) = which {
                        q.push(" and exists (select 1 from scenario_call c join stream s on s.stream_id = c.stream_id");
                        q.push(" where c.scenario_id = v.scenario_id and (");
                        for (nth, log) in logs.iter().enumerate() {
                            q.push(if nth == 0 { "(s.agent = " } else { " or (s.agent = " }).push_bind(&log.agent);
                            q.push(" and s.source = ").push_bind(&log.source).push(")");
                        }
                        q.push("))");
                    }
                    q.push(" order by v.due desc limit ").push_bind(AGAIN).push(")");
                }
                q.push(" order by first desc, id desc limit ").push_bind(AGAIN).push(skip_locked).push(")");
                q.build().execute(&mut *db).await?.rows_affected()
            });
        }
        tx.commit().await?;
        Ok(again)
    }
}
