//! What the agent reports of its sources every few seconds: how far each is read, and what is not read at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use record::time::Timestamp;
use record::wire;

use super::file::{File, Role};
use super::{Follow, Report};
use crate::reach::Reach;
use crate::stream::Stream;
use crate::unread::{Obstacle, Unread};
use crate::wording::shown;

/// Places and files that are named; more are counted.
const UNREAD: usize = 100;
/// Sources that are reported; with the longest names that is as much as a collector takes.
const SOURCES: usize = 10_000;

/// One source, while its files are gone through.
#[derive(Default)]
struct Sum {
    reach: Reach,
    /// Of each file until when it is read; none where it never was read to its end.
    read_to: Vec<Option<Timestamp>>,
    held: Option<String>,
    /// What of it cannot be read.
    unread: Option<String>,
    /// The newest file, by its age within its chain.
    newest: Option<(u64, PathBuf)>,
}

impl Sum {
    fn name(&mut self, age: u64, path: &Path) {
        if self.newest.as_ref().is_none_or(|(newest, _)| *newest < age) {
            self.newest = Some((age, path.to_owned()));
        }
    }

    fn add(&mut self, read_to: Option<Timestamp>, stream: Option<&Stream>) {
        self.read_to.push(read_to);
        if self.held.is_none() {
            self.held = stream.and_then(|stream| stream.refused.clone());
        }
    }
}

impl Follow {
    pub fn report(&self) -> Report {
        let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
        for file in self.files.values().filter(|file| is_followed(file)) {
            let stream = file.stream().and_then(|id| self.streams.get(id));
            let sum = sums.entry(&file.source_name).or_default();
            sum.reach.count(file.size(), stream);
            sum.name(file.age + u64::from(!file.rotated), &file.path);
            sum.add(stream.and_then(|stream| self.read_to(file, stream)), stream);
        }
        // Of a file that is gone, some may still be on its way.
        let gone = |stream: &&Stream| stream.file().is_none() && !stream.queue.is_empty();
        for stream in self.streams.values().filter(gone) {
            let sum = sums.entry(&stream.identity.source_name).or_default();
            sum.reach.count(stream.framed.to, Some(stream));
            sum.name(0, &stream.identity.path);
            sum.add(stream.reached.at(), Some(stream));
        }
        let mut unread = self.unread();
        unread.sort_by_key(|unread| !matches!(unread.obstacle, Obstacle::Unreadable(_)));
        for file in self.files.values().filter(|file| file.trouble.is_some()) {
            let faults = unread.iter().find(|unread| unread.path == file.path);
            sums.entry(&file.source_name).or_default().unread = faults.map(Unread::to_string);
        }
        for fault in unread.iter().filter(|unread| matches!(unread.obstacle, Obstacle::Unreadable(_))) {
            let places: Vec<&str> =
                self.sources.places().filter(|place| place.names(&fault.path)).map(|place| &*place.name).collect();
            let of_it = |name: &str| {
                places
                    .iter()
                    .any(|place| name.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            };
            for (_, sum) in sums.iter_mut().filter(|(name, _)| of_it(name)) {
                sum.unread.get_or_insert_with(|| fault.to_string());
            }
        }
        let sources = sums.into_iter().take(SOURCES).map(|(name, sum)| wire::SourceReport {
            name: name.to_owned(),
            path: sum.newest.map(|(_, path)| shown(&path)).unwrap_or_default(),
            files: sum.reach.files as u64,
            size: sum.reach.known,
            committed: sum.reach.committed,
            shown: sum.reach.shown,
            unfinished: sum.reach.unfinished,
            // Of the one that lags most.
            read_to: sum.read_to.into_iter().min().flatten().filter(|_| sum.unread.is_none()),
            unread: sum.unread,
            held: sum.held,
        });
        let more_unread = unread.len().saturating_sub(UNREAD) as u64;
        let unread = unread.iter().take(UNREAD).map(on_wire).collect();
        let places: Vec<String> = self.sources.places().map(|place| place.name.clone()).collect();
        let places = Some(places).filter(|places| places.len() <= SOURCES);
        Report { sources: sources.collect(), unread, more_unread, places }
    }

    /// When all that was in the file then is stored or shown: now, as far as the last look at all files goes.
    fn read_to(&self, file: &File, stream: &Stream) -> Option<Timestamp> {
        let seen = self.rounds.all_seen_at().filter(|_| stream.has(file.size()));
        stream.reached.at().max(seen)
    }

    /// Places and files that are not read.
    pub(super) fn unread(&self) -> Vec<Unread> {
        let unreadable = self.files.values().filter_map(|file| {
            let trouble = file.trouble.as_ref()?;
            Some(Unread::new(file.path.clone(), trouble.obstacle.clone()))
        });
        self.rounds.unread().iter().cloned().chain(unreadable).collect()
    }
}

/// What was never opened is not followed, whatever was meant to be.
pub(super) fn is_followed(file: &File) -> bool {
    !matches!(file.role, Role::Ignored | Role::Held { .. }) && (file.trouble.is_none() || file.stream().is_some())
}

fn on_wire(unread: &Unread) -> wire::Unread {
    wire::Unread {
        path: shown(&unread.path),
        others: unread.others as u64,
        reason: unread.obstacle.name().to_owned(),
        what: unread.obstacle.to_string(),
    }
}
