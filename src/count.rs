//! How much is stored, said again and again while `watch` works: on a terminal in one place, elsewhere now and then.

use std::time::{Duration, Instant};

use agent::Progress;
use store::Store;
use store::stream::Totals;
use tokio::sync::watch;

use crate::screen;
use crate::words::counted;

/// How long calls may take to become scenarios before what is there is counted all the same, and how often to look.
const JOINED: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
/// By when a record that cannot be final yet is shown: until then it is too early to say that there is none.
const SHOWN: Duration = Duration::from_secs(3);

/// Between two counts on a terminal, where one takes the place of the other; and elsewhere, where each is a line.
const COUNT: Duration = Duration::from_secs(1);
const COUNT_LINE: Duration = Duration::from_mins(1);
/// Counting takes at most a fiftieth of the time.
const SHARE: u32 = 50;
/// At the end, for what was read last to become scenarios.
const LAST: Duration = Duration::from_secs(2);

/// The count at the end: the last one that was said may be older.
pub async fn last(told: &watch::Receiver<Progress>, store: &Store) {
    if told.borrow().reach.files > 0 {
        Count::default().say_within(store, LAST).await;
    }
}

/// When to say how much is stored.
#[derive(Default)]
pub struct Count {
    /// The first count was said.
    begun: bool,
    /// What a scenario is is said before the first that is counted.
    explains: bool,
    /// Records that were acknowledged, and bytes that were shown after them, when it was said.
    of: (u64, u64),
    /// There is more to say, at this time.
    due: Option<tokio::time::Instant>,
    not_before: Option<tokio::time::Instant>,
}

impl Count {
    /// So much is there now. Before the first count there is nothing to keep true.
    pub fn note(&mut self, of: (u64, u64)) {
        if self.begun && self.of != of {
            self.of = of;
            let now = tokio::time::Instant::now();
            self.due.get_or_insert(self.not_before.map_or(now, |at| at.max(now)));
        }
    }

    pub async fn is_due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Says it, once the calls among what is stored are scenarios.
    pub async fn say(&mut self, store: &Store) {
        self.explains = !self.begun;
        self.say_within(store, JOINED).await;
    }

    async fn say_within(&mut self, store: &Store, patience: Duration) {
        self.due = None;
        let every = if screen::is_terminal() { COUNT } else { COUNT_LINE };
        let counted = joined(store, patience).await;
        let took = counted.as_ref().map_or(Duration::ZERO, |counted| counted.took);
        let next = tokio::time::Instant::now() + every.max(took * SHARE);
        self.not_before = Some(next);
        if let Some(counted) = &counted {
            if self.explains && counted.totals.scenarios > 0 {
                screen::say("a scenario is all that belongs together, such as a call with its legs and pushes");
            }
            screen::count(&stored(counted.totals.records, counted.totals.scenarios));
            self.begun = true;
        }
        // It may be more by then, though no record comes.
        if counted.is_none_or(|counted| counted.totals.waiting > 0) {
            self.due = Some(next);
        }
    }
}

/// What is stored, and what counting it took.
struct Counted {
    totals: Totals,
    took: Duration,
}

/// What is stored, once the calls among it are scenarios; that comes a moment after it is acknowledged.
async fn joined(store: &Store, patience: Duration) -> Option<Counted> {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let totals = store.totals().await.ok()?;
        let took = asked.elapsed();
        let told = totals.records > 0 || begun.elapsed() > SHOWN.min(patience);
        if totals.waiting == 0 && told || begun.elapsed() > patience {
            return Some(Counted { totals, took });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn stored(records: i64, scenarios: i64) -> String {
    if records == 0 {
        return "no record is in what was read: one begins with a line [timestamp][method][source url][destination url]; \
                see docs/log-format.md"
            .to_owned();
    }
    let messages = counted(records, "message");
    // They are joined a moment after they are stored.
    if scenarios == 0 {
        format!("stored: {messages}")
    } else {
        format!("stored: {messages} of {}", counted(scenarios, "scenario"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_record_in_its_log_is_told_what_one_is() {
        assert_eq!(stored(1234, 1), "stored: 1,234 messages of 1 scenario");
        assert_eq!(stored(18, 0), "stored: 18 messages");
        assert!(stored(0, 0).contains("[timestamp][method][source url][destination url]"));
    }
}
