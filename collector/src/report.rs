//! The loop that reports: groups that are due become mails, and their state with them, in one transaction.

mod budget;
mod look;
mod mails;
mod notice;
mod storm;

use std::sync::Arc;
use std::time::Duration;

use record::time::{SECOND, Timestamp};
use store::Store;
use store::health::Part;
use store::outgoing::{Kept, MailState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::alert::Decision;
use crate::book::Book;
use crate::ingest::now;
use crate::mail::Settings;
use crate::sources::Lookout;
use budget::{is_over, room};
use storm::{Waiting, storms};

pub use budget::a_day;
use look::Causes;
pub use look::{FULL, Looking, counted, rule, teams};

/// How long a group is ours to report.
const LEASE: i64 = 60 * SECOND;
const LOOK: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// Groups of one round.
const TOGETHER: usize = 100;

/// By what account mails go; without one they are made, and not sent.
#[derive(Clone, Debug)]
pub struct Desk {
    pub settings: Settings,
    pub can_send: bool,
}

impl Desk {
    /// Of mails as they are made.
    fn state(&self) -> MailState {
        if self.can_send { MailState::Queued } else { MailState::NotSent }
    }
}

/// Runs until cancelled.
pub async fn run(store: Store, book: watch::Receiver<Arc<Book>>, desk: Desk, cancel: CancellationToken) {
    let mut retry = LOOK;
    let mut lookout = Lookout::new(now());
    while !cancel.is_cancelled() {
        let shelf = book.borrow().clone();
        let reporting = Box::pin(async {
            lookout.step(&store, &shelf, now()).await?;
            step(&store, &book, &desk, now()).await
        });
        let wait = match store.health().step(Part::Reporting, reporting).await {
            Ok(0) => {
                retry = LOOK;
                LOOK
            }
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "alerts wait: the database does not answer as it should");
                retry = (retry * 2).min(LAST_RETRY);
                retry
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Looks at the groups that are due once; gives their number.
pub async fn step(
    store: &Store,
    book: &watch::Receiver<Arc<Book>>,
    desk: &Desk,
    now: Timestamp,
) -> Result<usize, Error> {
    let groups = store.due_alerts(now, LEASE, TOGETHER).await?;
    let count = groups.len();
    let book = book.borrow().clone();
    let (mut waiting, mut causes) = (Vec::new(), Causes::new());
    for group in groups {
        // As it is by now: a look at a group that has changed since it was taken is not kept, and failures may keep coming.
        let Some(group) = store.taken_alert(&group).await? else { continue };
        let look = Looking::new(group);
        if let Some(until) = look.rests(store, &book, now).await? {
            keep(store, desk, &look, &look.until(until), now).await?;
            continue;
        }
        let look = look.read(store, &book, &mut causes, now).await?;
        let decision = look.decide(&book, now);
        let Some(draft) = &decision.mail else {
            keep(store, desk, &look, &decision, now).await?;
            continue;
        };
        if is_over(store, &book, &look.teams(&book), draft.severity, now).await? {
            waiting.push(Waiting::new(&book, look, &decision));
            continue;
        }
        let mails = look.mails(&book, desk, draft, now);
        if mails.is_empty() {
            // What cannot be mailed is reported later.
            keep(store, desk, &look, &look.later(now), now).await?;
            continue;
        }
        let reported = look.reported(&decision, mails);
        match store.report_within(&reported, room(&book, draft.severity), desk.state(), now).await? {
            // Another collector has made the last of them.
            Kept::Full => waiting.push(Waiting::new(&book, look, &decision)),
            Kept::Yes | Kept::Changed => {}
        }
    }
    storms(store, &book, desk, waiting, &mut causes, now).await?;
    Ok(count)
}

/// What a look came to that makes no mail.
async fn keep(store: &Store, desk: &Desk, look: &Looking, decision: &Decision, now: Timestamp) -> Result<(), Error> {
    store.report(&look.reported(decision, Vec::new()), desk.state(), now).await?;
    Ok(())
}
