//! What failed lately: which instances of which rules, and what each of them saw.

use record::id::ScenarioId;
use record::time::Timestamp;
use rule::told::Told;
use rule::verdict::Outcome;

use crate::backend::with_pool;
use crate::{Error, Store, blob};

/// An instance of a rule that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub scenario: ScenarioId,
    pub rule: String,
    /// Which one, such as `no-ack`.
    pub failure: String,
    pub nth: i32,
    pub due: Timestamp,
}

impl Store {
    /// Instances that failed in a span of event time, the newest first. What they saw is larger than all this, and is asked
    /// for by itself.
    pub async fn failed(&self, from: Timestamp, to: Timestamp, most: usize) -> Result<Vec<Failure>, Error> {
        let rows: Vec<(i64, String, String, i32, i64)> = with_pool!(self.backend, pool => {
            sqlx::query_as(
                "select scenario_id, rule, failure, nth, due from verdict where due >= $1 and due < $2 and outcome = $3
                 order by due desc, scenario_id limit $4",
            )
            .bind(from.0)
            .bind(to.0)
            .bind(Outcome::Failed.code())
            .bind(most as i64)
            .fetch_all(pool)
            .await?
        });
        let read = |(id, rule, failure, nth, due)| Failure {
            scenario: ScenarioId(id),
            rule,
            failure,
            nth,
            due: Timestamp(due),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// What an instance saw; none if it was judged anew since, and does not fail any more, or if that cannot be read.
    pub async fn told(&self, of: &Failure) -> Result<Option<Told>, Error> {
        let told: Option<Vec<u8>> = with_pool!(self.backend, pool => {
            sqlx::query_scalar("select told from verdict where scenario_id = $1 and rule = $2 and nth = $3")
                .bind(of.scenario.0)
                .bind(&of.rule)
                .bind(of.nth)
                .fetch_optional(pool)
                .await?
        });
        let scenario = of.scenario;
        let read = |bytes: Vec<u8>| {
            let told = blob::read(&bytes, "what a rule says");
            told.inspect_err(|error| tracing::error!(%scenario, %error, "what a rule says is left out")).ok()
        };
        Ok(told.and_then(read))
    }
}
