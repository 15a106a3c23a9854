//! What of this process does its work, and what does not: a part that fails says so until it works again, and a panic in it is
//! a failure like any other, after which it goes on.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use record::time::Timestamp;

use crate::Error;

/// What runs for as long as the process does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// Batches of agents become rows.
    Storing,
    /// What agents say of themselves is kept.
    Hearing,
    /// Messages are joined into scenarios.
    Joining,
    /// What happened in calls is worked out for lists.
    Settling,
    /// Failures become mails.
    Reporting,
    /// Mails are sent.
    Mailing,
    /// Tables for the days to come.
    Partitions,
    /// Pages that follow what happens.
    LiveViews,
}

impl Part {
    /// What it means that it fails.
    pub fn fails(self) -> &'static str {
        match self {
            Self::Storing => "Batches cannot be stored",
            Self::Hearing => "What agents say of themselves cannot be stored",
            Self::Joining => "Messages are not joined into scenarios",
            Self::Settling => "What happened in calls is not worked out: lists show what is known at once",
            Self::Reporting => "Failures are not put into mails",
            Self::Mailing => "Mails are not sent",
            Self::Partitions => "No tables are made for the days to come",
            Self::LiveViews => "Live views stand still",
        }
    }

    /// Without it, what arrives is not stored or not shown: then this process is not ready.
    pub fn is_vital(self) -> bool {
        matches!(self, Self::Storing | Self::Hearing | Self::Joining)
    }
}

/// A part that failed when it last tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub part: Part,
    /// It has failed at every try since then.
    pub since: Timestamp,
    pub why: String,
}

/// Shared by all handles of one store.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<(Part, String), Failing>>);

#[derive(Debug)]
struct Failing {
    fault: Fault,
    tried: Instant,
}

/// An agent that has not tried for so long has gone: it is reported as silent, and its last failure no more.
const FORGOTTEN: Duration = Duration::from_mins(10);

impl Health {
    /// What fails now: the same thing once, whomever it concerns.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let mut failing = self.lock();
        failing.retain(|_, failing| failing.tried.elapsed() < FORGOTTEN);
        for Failing { fault, .. } in failing.values() {
            match faults.iter_mut().find(|other| (other.part, &other.why) == (fault.part, &fault.why)) {
                Some(other) => other.since = other.since.min(fault.since),
                None => faults.push(fault.clone()),
            }
        }
        faults
    }

    /// Does something of a part's work, and notes how that went.
    pub async fn step<T, E>(&self, part: Part, work: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: From<Error> + Display,
    {
        self.step_for(part, "", work).await
    }

    /// The same for somebody: that it works for others says nothing of it.
    pub async fn step_for<T, E>(&self, part: Part, whom: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: From<Error> + Display,
    {
        let done = AssertUnwindSafe(work).catch_unwind().await;
        let done = done.unwrap_or_else(|_| {
            tracing::error!(?part, "a fault of Siptrail was met; the part it is in goes on");
            Err(Error::Panicked.into())
        });
        match &done {
            Ok(_) => _ = self.lock().remove(&(part, whom.to_owned())),
            Err(why) => self.note(part, whom, why.to_string()),
        }
        done
    }

    /// A part has nothing to do: what it failed at before is nobody's concern now.
    pub fn rests(&self, part: Part) {
        self.lock().retain(|(of, _), _| *of != part);
    }

    fn note(&self, part: Part, whom: &str, why: String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = Timestamp(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        let new = || Failing { fault: Fault { part, since, why: String::new() }, tried: Instant::now() };
        let mut failing = self.lock();
        let failing = failing.entry((part, whom.to_owned())).or_insert_with(new);
        (failing.fault.why, failing.tried) = (why, Instant::now());
    }

    /// What is noted is right even after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Part, String), Failing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_or_panics_says_so_until_it_works_again() {
        let health = Health::default();
        let fails = async || health.step(Part::Joining, async { Err::<(), _>(Error::Damaged("a row".into())) }).await;
        assert!(fails().await.is_err());
        let first = health.faults();
        assert_eq!(
            (first.len(), first[0].part, first[0].why.as_str()),
            (1, Part::Joining, "stored row is damaged: a row")
        );
        let panics = async { Ok::<u8, Error>("x".parse().expect("what a message said")) };
        let panics = health.step(Part::Joining, panics).await;
        assert!(matches!(panics, Err(Error::Panicked)));
        let second = health.faults();
        assert_eq!(second[0].since, first[0].since);
        assert!(second[0].why.contains("fault of Siptrail") && !second[0].why.contains("said"), "{}", second[0].why);
        assert!(health.step(Part::Storing, async { Ok::<_, Error>(7) }).await.is_ok_and(|seven| seven == 7));
        assert_eq!(health.faults().len(), 1, "one part says nothing of another");
        assert!(health.step(Part::Joining, async { Ok::<_, Error>(()) }).await.is_ok());
        assert!(health.faults().is_empty());
    }

    #[tokio::test]
    async fn what_fails_for_one_is_not_mended_by_what_works_for_another() {
        let health = Health::default();
        for whom in ["agent-1", "agent-2"] {
            let full = async { Err::<(), _>(Error::Damaged("a disk".into())) };
            assert!(health.step_for(Part::Storing, whom, full).await.is_err());
        }
        assert_eq!(health.faults().len(), 1, "it is one thing for both");
        for (whom, left) in [("agent-3", 1), ("agent-1", 1), ("agent-2", 0)] {
            assert!(health.step_for(Part::Storing, whom, async { Ok::<_, Error>(()) }).await.is_ok());
            assert_eq!(health.faults().len(), left, "{whom}");
        }
    }
}
