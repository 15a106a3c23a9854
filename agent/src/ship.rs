//! Brings one batch to the collector: again and again, until an answer says what became of it.

use std::time::Duration;

use rand::Rng;
use record::wire::MAX_COMPRESSED;
use tokio::sync::mpsc;
use tracing::debug;

use crate::follow::{Outcome, Shipment};
use crate::http::Load;
use crate::link::Word;
use crate::reply::Reply;
use crate::transport::Transport;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// The collector may ask for so long a wait at most.
const LONGEST_ASKED: Duration = Duration::from_mins(5);
/// Nobody but an operator can help: a wrong token, a version that is not understood.
const HELD: Duration = Duration::from_secs(30);

/// Sends until there is an outcome.
pub async fn ship(transport: &Transport, shipment: &Shipment, words: &mpsc::UnboundedSender<Word>) -> Outcome {
    let mut tries = Tries::default();
    let mut load = None;
    loop {
        let reply = transport.append(&shipment.append, &mut load).await;
        let never = load.as_ref().is_some_and(|load: &Load| load.len() > MAX_COMPRESSED);
        match judge(reply, never, &mut tries) {
            Reaction::Done(outcome) => {
                debug!(batch = shipment.append.batch, streams = shipment.append.streams.len(), "a batch is answered");
                let _ = words.send(Word::Up);
                return outcome;
            }
            Reaction::Again { after, word } => {
                debug!(batch = shipment.append.batch, ?word, millis = after.as_millis(), "a batch is sent again later");
                let _ = words.send(word);
                tokio::time::sleep(after).await;
            }
        }
    }
}

/// What to do with an answer.
#[derive(Debug)]
enum Reaction {
    Done(Outcome),
    Again { after: Duration, word: Word },
}

/// Counts what has failed.
#[derive(Default)]
pub struct Tries {
    failed: u32,
    damaged: u32,
}

impl Tries {
    pub fn is_first(&self) -> bool {
        self.failed == 0
    }

    /// Full jitter: between nothing and a limit that doubles.
    pub fn backoff(&mut self) -> Duration {
        let limit = FIRST.saturating_mul(1 << self.failed.min(8)).min(LONGEST);
        self.failed += 1;
        rand::rng().random_range(Duration::from_millis(1)..=limit)
    }
}

/// `never`: it is more than any collector takes.
fn judge(reply: Reply, never: bool, tries: &mut Tries) -> Reaction {
    match reply {
        Reply::Answer(answer) | Reply::Refused { status: 400 | 409, answer: Some(answer), .. }
            if !answer.streams.is_empty() =>
        {
            Reaction::Done(Outcome::Answer(answer))
        }
        Reply::Answer(_) => {
            let why = "the collector named no stream in its answer".to_owned();
            Reaction::Again { after: tries.backoff(), word: Word::Down(why) }
        }
        Reply::Refused { status: 413, .. } => Reaction::Done(Outcome::TooLarge { never }),
        Reply::Refused { status: 422, text, .. } => {
            tries.damaged += 1;
            let after = if tries.damaged == 1 { Duration::ZERO } else { tries.backoff() };
            Reaction::Again { after, word: Word::Down(format!("{text}: the batch was damaged on its way")) }
        }
        Reply::Refused { status: 400 | 401 | 403, text, .. } => {
            Reaction::Again { after: HELD, word: Word::Refused(text) }
        }
        Reply::Busy { status, retry_after } => {
            let after = retry_after.map_or_else(|| tries.backoff(), |asked| asked.min(LONGEST_ASKED));
            Reaction::Again { after, word: Word::Busy(format!("the collector is busy ({status})")) }
        }
        Reply::Refused { text, .. } | Reply::Lost { text } => {
            Reaction::Again { after: tries.backoff(), word: Word::Down(text) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(reply: Reply, tries: &mut Tries) -> Duration {
        match judge(reply, false, tries) {
            Reaction::Again { after, .. } => after,
            Reaction::Done(outcome) => panic!("{outcome:?}"),
        }
    }

    fn refused(status: u16) -> Reply {
        Reply::Refused { status, text: String::new(), answer: None }
    }

    #[test]
    fn what_only_an_operator_can_mend_is_asked_each_30_seconds() {
        for status in [400, 401, 403] {
            assert_eq!(again(refused(status), &mut Tries::default()), HELD);
        }
    }

    #[test]
    fn a_damaged_batch_is_sent_again_at_once_and_then_later() {
        let mut tries = Tries::default();
        assert_eq!(again(refused(422), &mut tries), Duration::ZERO);
        assert!(again(refused(422), &mut tries) > Duration::ZERO);
    }

    #[test]
    fn retry_after_is_honoured_up_to_five_minutes() {
        let busy = |seconds| Reply::Busy { status: 503, retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(again(busy(7), &mut Tries::default()), Duration::from_secs(7));
        assert_eq!(again(busy(86_400), &mut Tries::default()), Duration::from_mins(5));
    }

    #[test]
    fn the_backoff_grows_to_30_seconds_with_full_jitter_and_never_gives_up() {
        let mut tries = Tries::default();
        let waits: Vec<Duration> = (0..100).map(|_| again(Reply::Lost { text: String::new() }, &mut tries)).collect();
        assert!(waits[0] <= FIRST && waits.iter().all(|wait| *wait <= LONGEST));
        // Many agents that lost one collector do not come back in step.
        let distinct: std::collections::HashSet<&Duration> = waits.iter().collect();
        assert!(distinct.len() > 90 && waits.iter().any(|wait| *wait > LONGEST / 2), "{waits:?}");
        assert!(matches!(judge(refused(413), false, &mut tries), Reaction::Done(Outcome::TooLarge { never: false })));
    }
}
