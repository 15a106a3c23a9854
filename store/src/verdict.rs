//! What rules say of scenarios: written with what was worked out of them, and read back for pages.

use std::collections::{BTreeMap, BTreeSet};

use record::id::{MessageId, ScenarioId};
use record::time::{DAY, MINUTE, Timestamp};
use rule::told::Told;
use rule::verdict::Outcome;
use sqlx::QueryBuilder;

use crate::alert::{self, Alarm, Failures, Instance};
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::{self, push_list};
use crate::{Error, Store, blob};

/// What rules say of one scenario.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Judged {
    /// The worst that any rule says, with its failure and rule.
    pub worst: Option<(Outcome, Option<String>, String)>,
    /// Instances that failed, were late, or of which nobody can tell.
    pub told: Vec<Told>,
    /// Instances that are still open.
    pub open: Vec<Instance>,
    /// Where something failed, what did not: by the version of its rule and the message that opened it.
    pub others: Vec<(u64, MessageId)>,
    /// By rule, minute of event time in which the instance began, and outcome: how many.
    pub counts: BTreeMap<Counted, i64>,
    /// Failures, in their groups.
    pub alarms: Vec<Alarm>,
    /// Of a scenario that is all of one day: what of it was judged. Without one: all.
    pub window: Option<Window>,
}

/// Which part of a day was judged: what began before it stays as it was judged then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// In logged time, at the full minute: nothing that is judged began before it and ended in it.
    pub from: Timestamp,
    /// The next one begins here: what began before is judged for good.
    pub next: Timestamp,
}

impl Window {
    /// As `nth` of what is told counts: milliseconds since midnight.
    pub(crate) fn begins(self) -> i32 {
        nth(self.from)
    }
}

/// Which of a day an instance is that began at this time, as logged.
pub fn nth(began: Timestamp) -> i32 {
    i32::try_from(began.0.rem_euclid(DAY) / 1_000).unwrap_or(i32::MAX)
}

/// Rule, minute and outcome.
type Counted = (String, i64, Outcome);

/// As counts are kept with the scenario, to be taken back when it is judged again: by rule and outcome, minutes with how many
/// in each, the first since 1970 and the others since the one before. A day may have hundreds.
type Kept = Vec<(String, Outcome, Vec<(i64, i64)>)>;

fn keep(counts: &BTreeMap<Counted, i64>) -> Kept {
    let mut by: BTreeMap<(&str, Outcome), Vec<(i64, i64)>> = BTreeMap::new();
    for ((rule, minute, outcome), n) in counts {
        by.entry((rule, *outcome)).or_default().push((*minute, *n));
    }
    let kept = by.into_iter().map(|((rule, outcome), mut minutes)| {
        for at in (1..minutes.len()).rev() {
            minutes[at].0 -= minutes[at - 1].0;
        }
        (rule.to_owned(), outcome, minutes)
    });
    kept.collect()
}

fn kept(kept: Kept) -> BTreeMap<Counted, i64> {
    let mut counts = BTreeMap::new();
    for (rule, outcome, minutes) in kept {
        let mut minute = 0_i64;
        for (since, n) in minutes {
            minute = minute.saturating_add(since);
            counts.insert((rule.clone(), minute, outcome), n);
        }
    }
    counts
}

/// What was written of a scenario when it was judged last.
#[derive(Clone, PartialEq, Eq, Default)]
struct Before {
    worst: Option<(Outcome, Option<String>, String)>,
    counts: BTreeMap<Counted, i64>,
}

/// What the row of a scenario says of that.
#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub(crate) struct Standing {
    pub outcome: Option<i16>,
    pub failure: Option<String>,
    pub rule: Option<String>,
    pub judged: Option<Vec<u8>>,
    pub judged_from: Option<i64>,
}

/// Its columns.
pub(crate) const STANDING: &str = "outcome, failure, rule, judged, judged_from";

impl Before {
    fn of(standing: &Standing) -> Self {
        let Standing { outcome, failure, rule, judged, .. } = standing;
        let counts = judged.as_ref().map(|kept| blob::read::<Kept>(kept, "what was counted of a scenario")).transpose();
        let counts = counts.unwrap_or_else(|error| {
            tracing::warn!(%error, "it is counted anew");
            None
        });
        let worst = outcome.and_then(Outcome::from_code).zip(rule.clone());
        let worst = worst.map(|(outcome, rule)| (outcome, failure.clone(), rule));
        Self { worst, counts: counts.map(kept).unwrap_or_default() }
    }

    fn write_to(&self, standing: &mut Standing) {
        let (outcome, failure, rule) = match &self.worst {
            Some((outcome, failure, rule)) => (Some(outcome.code()), failure.clone(), Some(rule.clone())),
            None => (None, None, None),
        };
        (standing.outcome, standing.failure, standing.rule) = (outcome, failure, rule);
        standing.judged = Some(blob::write_bare(&keep(&self.counts)));
    }
}

#[derive(sqlx::FromRow)]
struct BeforeRow {
    id: i64,
    #[sqlx(flatten)]
    standing: Standing,
}

/// How often a rule came to what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts(pub BTreeMap<Outcome, i64>);

/// Writes what rules say of these scenarios, in the transaction that settles them. What their own rows are to say of it is
/// put into `standing`, which holds all of them as they are.
pub(crate) async fn write<'j>(
    tx: &mut Transaction,
    judged: &[(ScenarioId, &'j Judged)],
    standing: &mut BTreeMap<i64, Standing>,
    now: Timestamp,
) -> Result<(), Error> {
    if judged.is_empty() {
        return Ok(());
    }
    let before: BTreeMap<i64, Before> = standing.iter().map(|(id, standing)| (*id, Before::of(standing))).collect();
    let outcome = |id: i64| before.get(&id)?.worst.as_ref().map(|worst| worst.0);
    let had_rows = |id: &i64| outcome(*id).is_some_and(is_kept);
    let whole = judged.iter().filter(|(_, judged)| judged.window.is_none()).map(|(id, _)| id.0);
    remove(tx, &whole.filter(had_rows).collect::<Vec<_>>()).await?;
    for (id, window) in judged.iter().filter_map(|(id, judged)| Some((id, judged.window?))) {
        if had_rows(&id.0) {
            remove_from(tx, id.0, window).await?;
        }
    }
    insert(tx, judged).await?;
    let mut changes: BTreeMap<Counted, i64> = BTreeMap::new();
    for (id, judged) in judged {
        let (Some(earlier), Some(standing)) = (before.get(&id.0), standing.get_mut(&id.0)) else { continue };
        let mut after = Before { worst: judged.worst.clone(), counts: judged.counts.clone() };
        if let Some(window) = judged.window {
            let minute = window.from.0.div_euclid(MINUTE);
            let stay = earlier.counts.iter().filter(|((_, at, _), _)| *at < minute);
            after.counts.extend(stay.map(|(key, n)| (key.clone(), *n)));
            after.worst = worst_of_day(tx, id.0, window, &after).await?;
            standing.judged_from = Some(window.next.0);
        }
        if after == *earlier {
            continue;
        }
        for (key, n) in &earlier.counts {
            *changes.entry(key.clone()).or_default() -= n;
        }
        for (key, n) in &after.counts {
            *changes.entry(key.clone()).or_default() += n;
        }
        after.write_to(standing);
    }
    count(tx, changes).await?;
    // What was reported may stand though it was undecided meanwhile.
    let had_alarms = |id: i64| outcome(id).is_some_and(|outcome| outcome <= Outcome::Open);
    let of = |(id, judged): &(ScenarioId, &'j Judged)| {
        let Judged { alarms, told, open, others, window, .. } = *judged;
        Failures { of: *id, alarms, told, open, others, begins: window.map(Window::begins) }
    };
    let alarming: Vec<Failures> =
        judged.iter().filter(|(id, judged)| !judged.alarms.is_empty() || had_alarms(id.0)).map(of).collect();
    alert::write(tx, &alarming, now).await
}

async fn before(tx: &mut Transaction, of: &[i64]) -> Result<BTreeMap<i64, Before>, Error> {
    let mut before = BTreeMap::new();
    for list in statement::lists(of) {
        let rows: Vec<BeforeRow> = with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("select id, ");
            q.push(STANDING).push(" from scenario where id in ");
            push_list!(q, list);
            q.build_query_as().fetch_all(&mut *db).await?
        });
        before.extend(rows.into_iter().map(|row| (row.id, Before::of(&row.standing))));
    }
    Ok(before)
}

/// Scenarios that were merged are judged no more: their calls are counted with the one that they are part of by now.
pub(crate) async fn merge(tx: &mut Transaction, gone: &[(i64, i64)]) -> Result<(), Error> {
    let from: Vec<i64> = gone.iter().map(|(from, _)| *from).collect();
    let taken = take_back(tx, &from).await?;
    if taken.is_empty() {
        return Ok(());
    }
    for list in statement::lists(&taken.keys().copied().collect::<Vec<_>>()) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "update scenario set outcome = null, failure = null, rule = null, judged = null where id in ",
            );
            push_list!(q, list);
            q.build().execute(&mut *db).await?;
        });
    }
    // Until they are judged together, it stands as bad as its parts: then what is reported is looked at, too.
    for (from, into) in gone {
        let worst = taken.get(from).and_then(|before| before.worst.as_ref());
        let Some((outcome, failure, rule)) = worst.filter(|worst| worst.0 <= Outcome::Late) else { continue };
        with_transaction!(&mut *tx, db => {
            sqlx::query(
                "update scenario set outcome = $1, failure = $2, rule = $3
                 where id = $4 and (outcome is null or outcome > $1)",
            )
            .bind(outcome.code())
            .bind(failure)
            .bind(rule)
            .bind(into)
            .execute(&mut *db)
            .await?;
        });
    }
    alert::merge(tx, gone).await
}

/// Scenarios that are gone, with what was reported of them.
pub(crate) async fn forget(tx: &mut Transaction, gone: &[i64]) -> Result<(), Error> {
    take_back(tx, gone).await?;
    alert::forget(tx, gone).await
}

/// What was said of these is said and counted no more. Gives what it was, of those of which anything was.
async fn take_back(tx: &mut Transaction, of: &[i64]) -> Result<BTreeMap<i64, Before>, Error> {
    let mut before = before(tx, of).await?;
    before.retain(|_, before| *before != Before::default());
    remove(tx, &before.keys().copied().collect::<Vec<_>>()).await?;
    let mut changes: BTreeMap<Counted, i64> = BTreeMap::new();
    for (key, n) in before.values().flat_map(|before| &before.counts) {
        *changes.entry(key.clone()).or_default() -= n;
    }
    count(tx, changes).await?;
    Ok(before)
}

/// Counts of a rule that are looked at, the last ones, where it is asked whether it can tell anything.
const LAST: i64 = 5_000;

/// Such an instance has a row of its own.
fn is_kept(outcome: Outcome) -> bool {
    outcome <= Outcome::Unknown
}

async fn remove(tx: &mut Transaction, of: &[i64]) -> Result<(), Error> {
    for list in statement::lists(of) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("delete from verdict where scenario_id in ");
            push_list!(q, list);
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

/// What began in a part of a day.
async fn remove_from(tx: &mut Transaction, of: i64, window: Window) -> Result<(), Error> {
    with_transaction!(&mut *tx, db => {
        sqlx::query("delete from verdict where scenario_id = $1 and nth >= $2")
            .bind(of)
            .bind(window.begins())
            .execute(&mut *db)
            .await?;
    });
    Ok(())
}

/// The worst of a day, with what was judged for good before.
async fn worst_of_day(
    tx: &mut Transaction,
    of: i64,
    window: Window,
    after: &Before,
) -> Result<Option<(Outcome, Option<String>, String)>, Error> {
    let row: Option<(i16, String, String)> = with_transaction!(&mut *tx, db => {
        sqlx::query_as(
            "select outcome, failure, rule from verdict where scenario_id = $1 and nth < $2
             order by outcome, severity desc, due limit 1",
        )
        .bind(of)
        .bind(window.begins())
        .fetch_optional(&mut *db)
        .await?
    });
    let earlier = row.and_then(|(outcome, failure, rule)| {
        Some((Outcome::from_code(outcome)?, Some(failure).filter(|failure| !failure.is_empty()), rule))
    });
    let well = || {
        let (rule, _, outcome) = after.counts.keys().min_by_key(|(_, _, outcome)| *outcome)?;
        Some((*outcome, None, rule.clone()))
    };
    let worst = [earlier, after.worst.clone()].into_iter().flatten().min_by_key(|worst| worst.0);
    Ok(worst.or_else(well))
}

async fn insert(tx: &mut Transaction, judged: &[(ScenarioId, &Judged)]) -> Result<(), Error> {
    let mut rows = Vec::new();
    for (id, judged) in judged {
        for (nth, told) in judged.told.iter().filter(|told| is_kept(told.outcome)).enumerate() {
            rows.push((id.0, told.nth.unwrap_or(nth as i32), told, blob::write(told)));
        }
    }
    for some in statement::chunks(&rows) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into verdict (scenario_id, due, nth, outcome, severity, rule, failure, told) ",
            );
            q.push_values(some, |mut row, (id, nth, told, bytes)| {
                row.push_bind(*id).push_bind(told.due.map_or(0, |due| due.0)).push_bind(*nth);
                row.push_bind(told.outcome.code()).push_bind(told.severity as i16).push_bind(&told.rule);
                row.push_bind(told.failure.as_deref().unwrap_or_default()).push_bind(bytes);
            });
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

async fn count(tx: &mut Transaction, changes: BTreeMap<Counted, i64>) -> Result<(), Error> {
    // In one order, so that two collectors do not wait for each other.
    let changes: Vec<_> = changes.into_iter().filter(|(_, n)| *n != 0).collect();
    for some in statement::chunks(&changes) {
        with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into rule_count (minute, count, outcome, rule) ");
            q.push_values(some, |mut row, ((rule, minute, outcome), n)| {
                row.push_bind(*minute).push_bind(*n).push_bind(outcome.code()).push_bind(rule);
            });
            q.push(" on conflict (rule, minute, outcome) do update set count = rule_count.count + excluded.count");
            q.build().execute(&mut *db).await?;
        });
    }
    Ok(())
}

impl Store {
    /// What rules say of a scenario that did not go well, the first that was due first.
    pub async fn verdicts(&self, id: ScenarioId) -> Result<Vec<Told>, Error> {
        let rows: Vec<Vec<u8>> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select told from verdict where scenario_id = $1 order by due, rule, nth limit 1000")
                .bind(id.0)
                .fetch_all(pool)
                .await?
        });
        let read = |bytes: &Vec<u8>| {
            let told = blob::read(bytes, "what a rule says of a scenario");
            told.inspect_err(|error| tracing::error!(scenario = %id, %error, "what a rule says is left out")).ok()
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// The worst that any rule says of a scenario, with its failure and rule; none until it is judged.
    pub async fn worst(&self, id: ScenarioId) -> Result<Option<(Outcome, Option<String>, String)>, Error> {
        let row: Option<(Option<i16>, Option<String>, Option<String>)> = with_pool!(self.backend, pool => {
            sqlx::query_as("select outcome, failure, rule from scenario where id = $1")
                .bind(id.0)
                .fetch_optional(pool)
                .await?
        });
        Ok(row.and_then(|(outcome, failure, rule)| Some((outcome.and_then(Outcome::from_code)?, failure, rule?))))
    }

    /// By rule, how often it came to what in instances that began in a span of event time.
    pub async fn rule_counts(&self, from: Timestamp, to: Timestamp) -> Result<BTreeMap<String, Counts>, Error> {
        let rules: Vec<String> = self.rules_seen().await?.into_iter().collect();
        self.counts_of(&rules, from, to).await
    }

    /// The same of some rules. What a rule counted lies together.
    pub async fn counts_of(
        &self,
        rules: &[String],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<String, Counts>, Error> {
        let minute = |at: Timestamp| at.0.div_euclid(MINUTE);
        let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
        for list in statement::lists(rules) {
            let rows: Vec<(String, i16, i64)> = with_pool!(self.backend, pool => {
                let mut q = QueryBuilder::<Db>::new(
                    "select rule, outcome, cast(sum(count) as bigint) from rule_count where rule in ",
                );
                push_list!(q, list);
                q.push(" and minute >= ").push_bind(minute(from)).push(" and minute <= ").push_bind(minute(to));
                q.push(" group by rule, outcome").build_query_as().fetch_all(pool).await?
            });
            for (rule, outcome, n) in rows {
                if let Some(outcome) = Outcome::from_code(outcome).filter(|_| n > 0) {
                    counts.entry(rule).or_default().0.insert(outcome, n);
                }
            }
        }
        Ok(counts)
    }

    /// By minute, what came of instances of a rule that began in a span of event time.
    pub async fn counts_by_minute(
        &self,
        rule: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<i64, Counts>, Error> {
        let minute = |at: Timestamp| at.0.div_euclid(MINUTE);
        let rows: Vec<(i64, i16, i64)> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select minute, outcome, count from rule_count
                 where rule = $1 and minute >= $2 and minute <= $3",
            )
            .bind(rule)
            .bind(minute(from))
            .bind(minute(to))
            .fetch_all(pool)
            .await?
        });
        let mut counts: BTreeMap<i64, Counts> = BTreeMap::new();
        for (minute, outcome, n) in rows {
            if let Some(outcome) = Outcome::from_code(outcome).filter(|_| n > 0) {
                counts.entry(minute).or_default().0.insert(outcome, n);
            }
        }
        Ok(counts)
    }

    /// Rules that could tell at least once, of what they were asked last: some days of it, where that is every minute.
    pub async fn rules_seen(&self) -> Result<BTreeSet<String>, Error> {
        let rows: Vec<String> = with_pool!(self.backend, pool => {
            // From one to the next: of each there are many rows.
            sqlx::query_scalar(
                "with recursive seen (rule) as (
                     select min(rule) from rule_count
                     union all
                     select (select min(c.rule) from rule_count c where c.rule > seen.rule) from seen where seen.rule is not null
                 ) select rule from seen where rule is not null and exists
                     (select 1 from (select c.outcome, c.count from rule_count c where c.rule = seen.rule
                         order by c.minute desc, c.outcome desc limit $2) as last where outcome <> $1 and count > 0)",
            )
            .bind(Outcome::Unknown.code())
            .bind(LAST)
            .fetch_all(pool)
            .await?
        });
        Ok(rows.into_iter().collect())
    }
}
