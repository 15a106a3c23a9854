//! What was worked out of scenarios, written for a whole round at once.

use std::collections::BTreeMap;

use message::gist::Gist;
use record::id::ScenarioId;
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::Settled;
use crate::backend::{Transaction, with_transaction};
use crate::statement::{self, push_list};
use crate::verdict::{self, Judged, Standing};
use crate::{Error, Store, append};

#[derive(sqlx::FromRow)]
struct Locked {
    id: i64,
    version: i64,
    merged_into: Option<i64>,
    lease_owner: Option<String>,
    #[sqlx(flatten)]
    standing: Standing,
}

impl Store {
    /// Keeps what was worked out, of those that are still as they were. Gives their number.
    pub async fn settle(&self, owner: &str, settled: &[Settled], now: Timestamp) -> Result<u64, Error> {
        let mut tx = self.backend.begin().await?;
        let mut standing = lock(&mut tx, owner, settled).await?;
        let is_kept = |settled: &&Settled| standing.contains_key(&settled.due.id.0);
        let (kept, changed): (Vec<&Settled>, Vec<&Settled>) = settled.iter().partition(is_kept);
        let judged: Vec<(ScenarioId, &Judged)> =
            kept.iter().filter_map(|settled| Some((settled.due.id, settled.judged.as_ref()?))).collect();
        verdict::write(&mut tx, &judged, &mut standing, now).await?;
        keep(&mut tx, &kept, &standing).await?;
        tries(&mut tx, &kept).await?;
        leave(&mut tx, owner, &changed).await?;
        tx.commit().await?;
        Ok(kept.len() as u64)
    }
}

/// Takes these in the order in which everybody does. Gives those that are still as they were, with what rules say of them.
async fn lock(tx: &mut Transaction, owner: &str, settled: &[Settled]) -> Result<BTreeMap<i64, Standing>, Error> {
    let for_update = tx.for_update();
    let versions: BTreeMap<i64, i64> = settled.iter().map(|of| (of.due.id.0, of.due.version)).collect();
    let mut standing = BTreeMap::new();
    for list in statement::lists(&versions.keys().copied().collect::<Vec<_>>()) {
        let rows: Vec<Locked> = with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("select id, version, merged_into, lease_owner, ");
            q.push(verdict::STANDING).push(" from scenario where id in ");
            push_list!(q, list);
            q.push(" order by id").push(for_update).build_query_as().fetch_all(&mut *db).await?
        });
        let as_it_was = |row: &Locked| {
            let ours = row.merged_into.is_none() && row.lease_owner.as_deref() == Some(owner);
            ours && versions.get(&row.id) == Some(&row.version)
        };
        standing.extend(rows.into_iter().filter(as_it_was).map(|row| (row.id, row.standing)));
    }
    Ok(standing)
}

async fn keep(tx: &mut Transaction, kept: &[&Settled], standing: &BTreeMap<i64, Standing>) -> Result<(), Error> {
    let (mut invited, mut others) = (Vec::new(), Vec::new());
    for settled in kept {
        let Some(standing) = standing.get(&settled.due.id.0) else { continue };
        match &settled.gist {
            Some(gist) => invited.push((*settled, standing, gist)),
            None => others.push((*settled, standing)),
        }
    }
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    // Of a day no problems are kept.
    let problems = |of: &Settled| (!of.due.class.is_daily()).then(|| number(of.problems));
    let status = |gist: &Gist| gist.status.and_then(|status| i16::try_from(status).ok());
    let at = |at: Option<Timestamp>| at.map(|at| at.0);
    macro_rules! push_standing {
        ($row:expr, $of:expr, $standing:expr) => {{
            $row.push_bind($of.due.id.0).push_bind($of.next.map(|at| at.0.max($of.rest_until.0)));
            $row.push_bind($of.rest_until.0).push_bind(problems($of));
            $row.push_bind($standing.outcome).push_bind(&$standing.failure).push_bind(&$standing.rule);
            $row.push_bind(&$standing.judged).push_bind($standing.judged_from);
        }};
    }
    const STANDING: &str =
        "update scenario set settled = version, lease_until = 0, due = w.column2, rest_until = w.column3,
         problems = coalesce(w.column4, problems), outcome = w.column5, failure = w.column6, rule = w.column7,
         judged = w.column8, judged_from = w.column9";
    for some in statement::chunks(&invited) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(STANDING);
            q.push(
                ", status = w.column10, begun = w.column11, rang = w.column12, answered = w.column13, ending = w.column14,
                 talked = w.column15, answered_by = w.column16, legs = w.column17, devices = w.column18,
                 ended = w.column19, transferred_to = w.column20, told = 1 from (",
            );
            q.push_values(some, |mut row, (of, standing, gist)| {
                push_standing!(row, of, standing);
                row.push_bind(status(gist)).push_bind(at(gist.begun)).push_bind(at(gist.rang));
                row.push_bind(at(gist.answered)).push_bind(at(gist.ended)).push_bind(gist.talked);
                row.push_bind(gist.answered_by.as_deref().map(append::searched));
                row.push_bind(number(gist.legs)).push_bind(number(gist.devices)).push_bind(at(gist.closed));
                row.push_bind(gist.transferred_to.as_deref().map(append::searched));
            });
            q.push(") as w where id = w.column1").build().execute(&mut *db).await?;
        });
    }
    for some in statement::chunks(&others) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(STANDING);
            q.push(", ending = coalesce(w.column10, ending), told = 0 from (");
            q.push_values(some, |mut row, (of, standing)| {
                push_standing!(row, of, standing);
                row.push_bind(at(of.left));
            });
            q.push(") as w where id = w.column1").build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

/// What callers got in earlier attempts, in place of what was known of that.
async fn tries(tx: &mut Transaction, kept: &[&Settled]) -> Result<(), Error> {
    let invited: Vec<(i64, &Gist)> = kept.iter().filter_map(|of| Some((of.due.id.0, of.gist.as_ref()?))).collect();
    for list in statement::lists(&invited.iter().map(|(id, _)| *id).collect::<Vec<_>>()) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("delete from scenario_try where scenario_id in ");
            push_list!(q, list);
            q.build().execute(&mut *db).await?;
        });
    }
    let status = |status: &u16| i16::try_from(*status).unwrap_or(i16::MAX);
    let tried: Vec<(i64, i16)> =
        invited.iter().flat_map(|(id, gist)| gist.tried.iter().map(|of| (*id, status(of)))).collect();
    for some in statement::chunks(&tried) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into scenario_try (scenario_id, first, status) select s.id, s.first, w.column2 from (",
            );
            q.push_values(some, |mut row, (id, status)| {
                row.push_bind(*id).push_bind(*status);
            });
            q.push(") as w join scenario s on s.id = w.column1 where 1 = 1 on conflict do nothing");
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

/// They changed meanwhile, and are due again once they may be.
async fn leave(tx: &mut Transaction, owner: &str, changed: &[&Settled]) -> Result<(), Error> {
    for some in statement::chunks(changed) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "update scenario set lease_until = 0, rest_until = w.column2,
                     due = case when due < w.column2 then w.column2 else due end from (",
            );
            q.push_values(some, |mut row, of| {
                row.push_bind(of.due.id.0).push_bind(of.rest_until.0);
            });
            q.push(") as w where id = w.column1 and lease_until > 0 and lease_owner = ").push_bind(owner);
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}
