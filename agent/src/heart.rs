//! When the collector hears of the agent: every few seconds, and soon after something about it has changed.

use std::time::Duration;

use record::wire::Heartbeat;
use tokio::task::JoinSet;

use crate::transport::Transport;

/// After a change, the next one comes when a tenth of the usual time has passed since the last one.
const SOON: u32 = 10;
/// For the last one, as the agent ends: a collector that is gone does not hold it up.
const LAST: Duration = Duration::from_secs(1);

/// Times are monotonic, since the start of the agent.
#[derive(Debug)]
pub struct Heart {
    every: Duration,
    /// None before the agent knows anything worth reporting.
    due: Option<Duration>,
    beat_at: Option<Duration>,
    /// A heartbeat is on its way.
    beating: bool,
}

impl Heart {
    pub fn new(every: Duration) -> Self {
        Self { every, due: None, beat_at: None, beating: false }
    }

    pub fn due(&self) -> Duration {
        self.due.filter(|_| !self.beating).unwrap_or(Duration::MAX)
    }

    /// The agent has something to say of itself.
    pub fn has_begun(&self) -> bool {
        self.due.is_some()
    }

    /// Something that a person should see has changed.
    pub fn soon(&mut self, now: Duration) {
        let at = self.beat_at.map_or(now, |last| now.max(last + self.every / SOON));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Whether a heartbeat is to be sent now.
    pub fn beats(&mut self, now: Duration) -> bool {
        if now < self.due() {
            return false;
        }
        (self.beating, self.beat_at, self.due) = (true, Some(now), Some(now + self.every));
        true
    }

    /// It was heard, or was not.
    pub fn beat(&mut self) {
        self.beating = false;
    }
}

/// The last heartbeat of an agent that was asked to stop, after the one that is on its way: it is to be heard last.
pub async fn last(transport: &Transport, heartbeat: Heartbeat, before: &mut JoinSet<Result<(), String>>) {
    let said = tokio::time::timeout(LAST, async {
        while before.join_next().await.is_some() {}
        transport.heartbeat(heartbeat).await
    });
    if !matches!(said.await, Ok(Ok(()))) {
        tracing::debug!("the collector did not hear that the agent stops");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_heartbeat_is_due_every_10_seconds_and_a_second_after_the_last_one_when_something_changed() {
        let mut heart = Heart::new(at(10_000));
        assert_eq!(heart.due(), Duration::MAX);
        heart.soon(at(50));
        assert!(heart.beats(at(50)) && !heart.beats(at(20_000)), "one at a time");
        heart.beat();
        assert_eq!(heart.due(), at(10_050));
        heart.soon(at(100));
        heart.soon(at(300));
        assert_eq!(heart.due(), at(1050));
        assert!(heart.beats(at(1060)));
        heart.soon(at(1070));
        heart.beat();
        assert_eq!(heart.due(), at(2060), "a change while one is under way is reported by the next one");
    }
}
