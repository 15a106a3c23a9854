//! Readers who look at the same picture: it is drawn once for all of them, and what has changed in it is written once.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::FutureExt;
use store::scenario::Subject;
use tokio::sync::{broadcast, watch};

use super::event::{self, Events};
use super::rows::{Change, Known};
use crate::reading::Reading;
use crate::room::Taken;
use crate::scenario::{Around, Evidence, Judgement, LiveView, Row, live_view};
use crate::watch::Seen;
use crate::{Error, Site, subject};

/// Batches that a reader may be late by before it begins anew.
const BATCHES: usize = 16;
/// More changes at once are a new page; above the rows and notes that a page holds.
const MOST: usize = 5_000;
/// Drawing takes at most this part of the time: a large picture is drawn less often, and every few seconds in any case.
const SHARE: u32 = 10;
const SELDOM: Duration = Duration::from_secs(10);
/// How often the logs and verdicts of a picture are looked at, of which nothing new comes.
const LOGS: Duration = Duration::from_secs(10);
/// For so long a picture may fail to be drawn, and how long it is until the next try.
const FAILS: Duration = Duration::from_mins(1);
const AGAIN: Duration = Duration::from_secs(2);

/// All groups of a process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(Arc<Mutex<HashMap<Key, Arc<Group>>>>);

/// What is looked at, and the query that says how.
type Key = (Subject, String);

#[derive(Debug)]
struct Group {
    batches: broadcast::Sender<Batch>,
    current: watch::Sender<Option<Arc<Snapshot>>>,
}

/// What readers get: all of them the same bytes.
#[derive(Clone, Debug)]
pub(super) enum Batch {
    /// What has changed since the picture before; their numbers rise.
    News { number: u64, bytes: Bytes },
    /// And nothing after it.
    End(Bytes),
}

/// The picture as the group has it now.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub number: u64,
    pub version: i64,
    /// Whoever has this has these rows.
    pub shown: i64,
    rows: Vec<Row>,
    around: Around,
    all: OnceLock<Bytes>,
    _room: Taken,
}

/// A reader's place in its group.
#[derive(Debug)]
pub(super) struct Member {
    pub batches: broadcast::Receiver<Batch>,
    current: watch::Receiver<Option<Arc<Snapshot>>>,
}

impl Member {
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.borrow().clone()
    }
}

impl Snapshot {
    /// For a reader who has its rows.
    pub fn around(&self) -> Bytes {
        let mut events = Events::default();
        events.add_json("around", &self.around);
        events.end(self.shown)
    }

    /// For a reader of whom it is not known what it has: each row, and what else it may have is to go.
    pub fn all(&self) -> Bytes {
        let all = self.all.get_or_init(|| {
            let mut events = Events::default();
            let rows = self.rows.iter();
            let before = std::iter::once(None).chain(self.rows.iter().map(|row| Some(row.id.clone())));
            for (row, after) in rows.zip(before) {
                events.add_change(&Change::Row { row: row.clone(), after });
            }
            events.add_change(&Change::Keep(self.rows.iter().map(|row| row.id.clone()).collect()));
            events.add_json("around", &self.around);
            events.end(self.shown)
        });
        all.clone()
    }
}

impl Groups {
    /// Joins those who look at this; `query` is how. Whoever comes first begins the group.
    pub(super) fn join(&self, site: &Site, subject: Subject, query: &str, now: Seen) -> Member {
        let key = (subject, query.to_owned());
        let mut groups = self.lock();
        if let Some(group) = groups.get(&key) {
            return group.member();
        }
        let group = Arc::new(Group { batches: broadcast::channel(BATCHES).0, current: watch::channel(None).0 });
        let member = group.member();
        groups.insert(key.clone(), Arc::clone(&group));
        drop(groups);
        let (groups, site) = (self.clone(), site.clone());
        tokio::spawn(async move {
            let run = AssertUnwindSafe(group.run(&site, &groups, &key, now)).catch_unwind().await;
            groups.forget(&key, &group);
            let broke = || Some(event::refused("The live view broke off by a fault of Siptrail. Reload in a moment."));
            if let Some(last_words) = run.unwrap_or_else(|_| broke()) {
                let _ = group.batches.send(Batch::End(last_words));
            }
        });
        member
    }

    /// Whoever comes later begins a new group; one may have done so already.
    fn forget(&self, key: &Key, group: &Arc<Group>) {
        let mut groups = self.lock();
        if groups.get(key).is_some_and(|there| Arc::ptr_eq(there, group)) {
            groups.remove(key);
        }
    }

    /// A group of which the last reader is gone, under the lock under which others join.
    fn is_left(&self, key: &Key, group: &Group) -> bool {
        let mut groups = self.lock();
        let left = group.batches.receiver_count() == 0;
        if left {
            groups.remove(key);
        }
        left
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    fn member(&self) -> Member {
        Member { batches: self.batches.subscribe(), current: self.current.subscribe() }
    }

    /// Draws as often as something has changed and there is time for it, until the last reader is gone. Gives the last words to
    /// those who are still there; none where there are none, or the server stops.
    async fn run(&self, site: &Site, groups: &Groups, key: &Key, mut now: Seen) -> Option<Bytes> {
        let (subject, query) = key;
        let stop = site.settings.stop.clone();
        let mut seen = site.watch.subscribe(subject.clone()).await?;
        let (mut drawing, mut failing) = (Drawing::default(), None::<Instant>);
        loop {
            match (now, subject) {
                (Seen::At(_), _) => {}
                (Seen::Merged(_), Subject::Scenario(_)) => return Some(event::reload("joined")),
                (Seen::Merged(into), Subject::Call(..)) => {
                    return Some(event::moved(&subject::path(&Subject::Scenario(into))));
                }
            }
            let begun = Instant::now();
            let mut again = false;
            match self.draw(site, subject, query, &mut drawing).await {
                Ok(None) => failing = None,
                Ok(Some(last_words)) => return Some(last_words),
                Err(Error::NotFound { .. }) => return Some(event::reload("gone")),
                // There is room again soon, or the database answers again.
                Err(_) if failing.get_or_insert(begun).elapsed() < FAILS => again = true,
                Err(_) => {
                    let why = "The live view broke off: the database does not answer. Reload in a moment.";
                    return Some(event::refused(why));
                }
            }
            let pause = if again { AGAIN } else { (begun.elapsed() * SHARE).min(SELDOM) };
            tokio::time::sleep(pause).await;
            loop {
                if groups.is_left(key, self) {
                    return None;
                }
                if again {
                    now = seen.borrow_and_update().unwrap_or(now);
                    break;
                }
                let current = *seen.borrow_and_update();
                if let Some(current) = current.filter(|current| *current != now) {
                    now = current;
                    break;
                }
                tokio::select! {
                    () = stop.cancelled() => return None,
                    // Asked again under the lock.
                    () = self.batches.closed() => {}
                    changed = seen.changed() => if changed.is_err() { return None },
                    () = tokio::time::sleep(LOGS) => if drawing.is_old(site, subject).await { break },
                }
            }
        }
    }

    /// Draws the picture as it is now, and tells the readers what has changed. Gives the last words, if these are that.
    async fn draw(
        &self,
        site: &Site,
        subject: &Subject,
        query: &str,
        drawing: &mut Drawing,
    ) -> Result<Option<Bytes>, Error> {
        // None: it has moved since; the next version says where to.
        let Some(view) = live_view(site, subject, query).await? else { return Ok(None) };
        // Once as rows, and once as what newcomers get. Before anything is noted: what is not sent is to be told later.
        let bytes = 2 * view.rows.iter().map(|row| row.html.len() + row.id.len() + 100).sum::<usize>();
        let room = site.pictures.take(bytes).await?;
        let changes = drawing.known.update(view.rows.clone());
        if drawing.number > 0 && changes.len() > MOST {
            return Ok(Some(event::reload("many")));
        }
        let mut events = Events::default();
        for change in &changes {
            events.add_change(change);
        }
        if drawing.around.as_ref() != Some(&view.around) {
            events.add_json("around", &view.around);
        }
        drawing.number += 1;
        let LiveView { rows, around, evidence, judgement, version, shown } = view;
        drawing.around = Some(around.clone());
        drawing.evidence = Some(evidence);
        drawing.judgement = judgement;
        let number = drawing.number;
        let snapshot = Snapshot { number, version, shown, rows, around, all: OnceLock::new(), _room: room };
        self.current.send_replace(Some(Arc::new(snapshot)));
        // Nobody is there to hear it, or everybody does.
        let _ = self.batches.send(Batch::News { number, bytes: events.end(shown) });
        Ok(None)
    }
}

/// What the readers of a group have.
#[derive(Debug, Default)]
struct Drawing {
    number: u64,
    known: Known,
    around: Option<Around>,
    evidence: Option<Evidence>,
    judgement: Judgement,
}

impl Drawing {
    /// Its logs are read to another point than when it was drawn, or nobody reads them any more, or rules say something else.
    async fn is_old(&self, site: &Site, subject: &Subject) -> bool {
        let Ok(reading) = Reading::of(site).await else { return false };
        self.evidence.as_ref().is_some_and(|evidence| !evidence.is_as(&reading))
            || Judgement::of(&site.store, subject).await.is_ok_and(|judgement| judgement != self.judgement)
    }
}
