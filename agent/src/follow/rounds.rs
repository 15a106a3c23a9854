//! When places are listed, and what of them was reported.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use record::time::Timestamp;
use tracing::{info, warn};

use crate::content::InodeId;
use crate::discover::{Entry, Listing, Scope};
use crate::stream::FileKey;
use crate::unread::{Obstacle, Unread};

/// Where hints come from, all is listed once in so many `poll`s: nothing depends on hints but the time it takes. Where there
/// are so many files that this takes more than a share of the time, it is done less often, and at least half as often.
const RARELY: u32 = 5;
const RARELY_SHARE: u32 = 300;
/// Where hints come from all there is, what remains is whether each directory still is the one that is watched: a little
/// more often than every second `poll`.
const CHECK_IN_QUARTERS: u32 = 7;
/// After the first hint, so that both ends of a rename are seen at once.
const SETTLE: Duration = Duration::from_millis(5);
/// Listings that hints ask for take a fiftieth of the time, however many come: the next one waits for this multiple of what
/// the last one took, at least for `EARLIEST`, and for a `poll` at most.
const SHARE: u32 = 49;
const EARLIEST: Duration = Duration::from_millis(20);
/// Hints that are kept apart; beyond, all places are listed.
const MOST: usize = 1024;

/// What a file was when the agent began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Early {
    pub size: u64,
    /// Only a rotation of a log that a source names.
    pub rotated: bool,
}

/// Invariant: one listing is under way at most.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Listings of all places that were taken in.
    number: u64,
    /// Listings of any scope that were taken in.
    looks: u64,
    /// The listing under way, and since when.
    asked: Option<(Scope, Duration)>,
    /// The same by the clock on the wall; and that of the last listing of all places, as it began.
    asked_at: Timestamp,
    all_seen_at: Option<Timestamp>,
    /// One of all places is to follow that.
    again: bool,
    /// The listing under way is the one that only says what is there as the agent begins.
    only_first: bool,
    /// When all places are listed next, and when those from which no hint comes.
    at: Duration,
    poll_at: Duration,
    hinted: Hinted,
    /// No listing for a hint before.
    not_before: Duration,
    /// Hinted files that may have other names once they are listed.
    kept: BTreeSet<PathBuf>,
    /// The files that were there when the agent began.
    first: Option<HashMap<InodeId, Early>>,
    missing: Vec<PathBuf>,
    empty: Vec<PathBuf>,
    odd: HashSet<(PathBuf, Obstacle)>,
    /// The same, as it is shown.
    unread: Vec<Unread>,
}

/// What hints ask for, and nothing was asked for yet.
#[derive(Debug, Default)]
struct Hinted {
    all: bool,
    directories: BTreeSet<PathBuf>,
    files: BTreeSet<FileKey>,
    /// When the first of them came; none without any.
    since: Option<Duration>,
}

/// A listing to ask for.
#[derive(Debug)]
pub(super) struct Round {
    pub scope: Scope,
    /// Files that hints named.
    pub files: BTreeSet<FileKey>,
    /// What raises no hints is looked at, too.
    pub polls: bool,
}

impl Rounds {
    /// What is to be listed now, of all places or of those that are `polled` and hinted at.
    pub fn ask(&mut self, now: Duration, polled: impl FnOnce() -> Scope) -> Option<Round> {
        if self.asked.is_some() || now < self.due() {
            return None;
        }
        let polls = now >= self.at || now >= self.poll_at;
        // What was hinted at is listed with it.
        let Hinted { all, directories: hinted, files, .. } = std::mem::take(&mut self.hinted);
        let scope = match polled() {
            _ if all || now >= self.at => Scope::All,
            Scope::All if polls => Scope::All,
            Scope::Directories(polled) if polls => Scope::Directories(&polled | &hinted),
            _ => Scope::Directories(hinted),
        };
        if polls {
            self.poll_at = Duration::MAX;
        }
        self.asked = Some((scope.clone(), now));
        Some(Round { scope, files, polls })
    }

    /// Whether to ask for a listing that says what is there as the agent begins; nothing else comes of it.
    pub fn ask_first(&mut self) -> bool {
        let ask = self.asked.is_none() && self.first.is_none();
        if ask {
            self.asked = Some((Scope::All, Duration::ZERO));
        }
        self.only_first |= ask;
        ask
    }

    /// The first listing says what is there as the agent begins; true where nothing else is to come of it.
    pub fn begin(&mut self, listing: &Listing) -> bool {
        if self.first.is_none() && listing.scope == Scope::All {
            let early = |entry: &Entry| (entry.inode, Early { size: entry.stat.size, rotated: !entry.named });
            self.first = Some(listing.entries.iter().map(early).collect());
        }
        let only_first = std::mem::take(&mut self.only_first);
        if only_first {
            self.asked = None;
        }
        only_first
    }

    /// Where a file system has no time of birth, another file may get the inode of one that is gone: it came later.
    pub fn forget_gone(&mut self, listing: &Listing) {
        let Some(first) = self.first.as_mut().filter(|_| listing.scope == Scope::All) else { return };
        if first.keys().any(|file| file.birth == 0) {
            let there: HashSet<InodeId> = listing.entries.iter().map(|entry| entry.inode).collect();
            first.retain(|file, _| file.birth != 0 || there.contains(file));
        }
    }

    /// What a file was when the agent began; none where it came later.
    pub fn early(&self, file: InodeId) -> Option<Early> {
        self.first.as_ref()?.get(&file).copied()
    }

    /// A listing came back. Only one of all places counts: a search may be given up after it. `polled` are the places from
    /// which no hint comes; `all_watched` says that there are none, and no such open files either.
    pub fn listed(&mut self, scope: &Scope, now: Duration, poll: Duration, polled: &Scope, all_watched: bool) {
        self.looks += 1;
        let mut took = Duration::ZERO;
        if let Some((_, since)) = self.asked.take_if(|(asked, _)| asked == scope) {
            took = now.saturating_sub(since);
            self.not_before = now + (took * SHARE).max(EARLIEST).min(poll);
        }
        if self.poll_at == Duration::MAX || *scope == Scope::All {
            self.poll_at = now + if all_watched { poll.saturating_mul(CHECK_IN_QUARTERS) / 4 } else { poll };
        }
        if *scope == Scope::All {
            self.number += 1;
            self.all_seen_at = Some(self.asked_at);
            let rarely = poll.saturating_mul(RARELY);
            let rarely = (took * RARELY_SHARE).clamp(rarely, rarely * 2);
            let rarely = if *polled == Scope::All { poll } else { rarely };
            self.at = if std::mem::take(&mut self.again) { now } else { now + rarely };
        }
    }

    /// The clock on the wall as a listing is asked for.
    pub fn note_asked(&mut self, wall: Timestamp) {
        self.asked_at = wall;
    }

    /// All files were seen after this, as the clock on the wall says. None: not once yet.
    pub fn all_seen_at(&self) -> Option<Timestamp> {
        self.all_seen_at
    }

    /// A file raises no hints any more: it is looked at this soon.
    pub fn poll_before(&mut self, at: Duration) {
        self.poll_at = self.poll_at.min(at);
    }

    /// Lists all places soon: something was renamed, truncated or removed. A listing under way may be older than that.
    pub fn list_soon(&mut self, now: Duration) {
        self.again |= matches!(self.asked, Some((Scope::All, _)));
        self.at = now;
    }

    /// A hint says that anything may have changed.
    pub fn hint_all(&mut self, now: Duration) {
        self.hinted.since.get_or_insert(now);
        self.hinted.all = true;
    }

    /// A hint says that names in this directory may have changed.
    pub fn hint(&mut self, directory: PathBuf, now: Duration) {
        self.hinted.since.get_or_insert(now);
        self.hinted.directories.insert(directory);
        self.hinted.all |= self.hinted.directories.len() > MOST;
    }

    /// A hint says that an open file may have changed that nobody reads now.
    pub fn hint_file(&mut self, file: FileKey, now: Duration) {
        self.hinted.since.get_or_insert(now);
        self.hinted.files.insert(file);
    }

    /// Keeps the path of a hinted file until a listing that is due or under way has come back.
    pub fn keep(&mut self, path: PathBuf, now: Duration) {
        let pending = self.asked.is_some() || self.hinted.all || !self.hinted.directories.is_empty();
        if pending {
            self.kept.insert(path);
        }
        if self.kept.len() > MOST {
            self.kept.clear();
            self.hint_all(now);
        }
    }

    pub fn take_kept(&mut self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.kept)
    }

    pub fn due(&self) -> Duration {
        if self.asked.is_some() {
            return Duration::MAX;
        }
        let hinted = self.hinted.since.map_or(Duration::MAX, |since| (since + SETTLE).max(self.not_before));
        self.at.min(self.poll_at).min(hinted)
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// The number of the last listing of all places that may have seen less than is known now.
    pub fn under_way(&self) -> u64 {
        self.number + u64::from(matches!(self.asked, Some((Scope::All, _))))
    }

    /// Listings of any scope that were taken in.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// The number of the last one of these that may have seen less than is known now.
    pub fn look_under_way(&self) -> u64 {
        self.looks + u64::from(self.asked.is_some())
    }

    /// Some place has no file yet.
    pub fn waits_for_files(&self) -> bool {
        !self.missing.is_empty() || !self.empty.is_empty()
    }

    /// Places and files that cannot be read, as the last listing found them.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// Reports what was not reported before.
    pub fn report(&mut self, missing: Vec<PathBuf>, empty: Vec<PathBuf>, odd: Vec<(PathBuf, Obstacle)>) {
        for path in missing.iter().filter(|path| !self.missing.contains(path)) {
            info!(target: "agent::unread", "{}", Unread::new(path.clone(), Obstacle::Missing));
        }
        for unread in by_directory(odd.iter().filter(|odd| !self.odd.contains(odd))) {
            warn!(target: "agent::unread", "{unread}");
        }
        let places = [(&missing, Obstacle::Missing), (&empty, Obstacle::NoFile)].into_iter();
        let places = places.flat_map(|(paths, obstacle)| paths.iter().map(move |path| (path, obstacle.clone())));
        self.unread = places.map(|(path, obstacle)| Unread::new(path.clone(), obstacle)).collect();
        self.unread.extend(by_directory(odd.iter()));
        (self.missing, self.empty) = (missing, empty);
        self.odd = odd.into_iter().collect();
    }
}

/// One a directory and obstacle: there may be thousands of archives.
fn by_directory<'a>(odd: impl Iterator<Item = &'a (PathBuf, Obstacle)>) -> Vec<Unread> {
    let mut all: BTreeMap<(Option<&Path>, &Obstacle), Unread> = BTreeMap::new();
    for (path, obstacle) in odd {
        let known = all.entry((path.parent(), obstacle));
        known.and_modify(|unread| unread.others += 1).or_insert_with(|| Unread::new(path.clone(), obstacle.clone()));
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Stat;
    use crate::logname::LogName;
    use crate::place::SourceId;

    fn listing(inodes: &[InodeId]) -> Listing {
        let entry = |inode: &InodeId| Entry {
            path: "/log/app.log.1".into(),
            source: SourceId(0),
            source_name: "app".into(),
            named: false,
            chain: "/log/app.log".into(),
            name: LogName::default(),
            inode: *inode,
            stat: Stat::default(),
            link: false,
        };
        Listing { entries: inodes.iter().map(entry).collect(), ..Listing::default() }
    }

    #[test]
    fn an_inode_without_a_birth_that_was_gone_is_of_a_later_file() {
        let (born, unborn) = (InodeId { birth: 7, ..InodeId::default() }, InodeId::default());
        let mut rounds = Rounds::default();
        assert!(rounds.ask_first() && rounds.begin(&listing(&[born, unborn])), "nothing else comes of the first one");
        assert!(rounds.early(born).is_some() && rounds.early(unborn).is_some());
        let next = listing(&[]);
        assert!(!rounds.begin(&next));
        rounds.forget_gone(&next);
        assert_eq!((rounds.early(born).is_some(), rounds.early(unborn)), (true, None));
    }

    const POLL: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn some(directories: &[&str]) -> Scope {
        Scope::Directories(directories.iter().map(PathBuf::from).collect())
    }

    /// After the first listing at 0, with hints from all places but these.
    fn begun(polled: &Scope) -> Rounds {
        let mut rounds = Rounds::default();
        let round = rounds.ask(at(0), || Scope::All).unwrap();
        rounds.listed(&round.scope, at(0), POLL, polled, polled.is_empty());
        rounds
    }

    /// What is asked for at this time; it is listed at once.
    fn asks(rounds: &mut Rounds, now: u64, polled: &Scope) -> Option<(Scope, bool)> {
        let round = rounds.ask(at(now), || polled.clone())?;
        rounds.listed(&round.scope, at(now), POLL, polled, polled.is_empty());
        Some((round.scope, round.polls))
    }

    #[test]
    fn without_hints_all_is_listed_at_each_poll() {
        let mut rounds = begun(&Scope::All);
        assert_eq!(rounds.due(), at(1000));
        assert_eq!(asks(&mut rounds, 1000, &Scope::All), Some((Scope::All, true)));
        assert_eq!(rounds.due(), at(2000));
    }

    #[test]
    fn with_hints_all_is_listed_rarely_and_the_rest_at_each_poll() {
        let polled = some(&["/nfs"]);
        let mut rounds = begun(&polled);
        for second in 1..5 {
            assert_eq!(asks(&mut rounds, second * 1000 - 1, &polled), None);
            assert_eq!(asks(&mut rounds, second * 1000, &polled), Some((polled.clone(), true)));
        }
        assert_eq!(asks(&mut rounds, 5000, &polled), Some((Scope::All, true)));
        // Where hints come from everywhere, only the watches are looked at between.
        let none = some(&[]);
        let mut rounds = begun(&none);
        assert_eq!(asks(&mut rounds, 1749, &none), None);
        assert_eq!(asks(&mut rounds, 1750, &none), Some((none.clone(), true)));
        assert_eq!(asks(&mut rounds, 3500, &none), Some((none.clone(), true)));
        assert_eq!(asks(&mut rounds, 5000, &none), Some((Scope::All, true)));
    }

    #[test]
    fn where_listing_takes_long_it_is_done_less_often_but_at_least_half_as_often() {
        let none = some(&[]);
        for (took, next) in [(10, 5000), (20, 6000), (500, 10_000)] {
            let mut rounds = begun(&none);
            rounds.poll_at = Duration::MAX;
            let round = rounds.ask(at(5000), || none.clone()).unwrap();
            rounds.listed(&round.scope, at(5000 + took), POLL, &none, true);
            assert_eq!((round.scope, rounds.at), (Scope::All, at(5000 + took + next)), "{took} ms");
        }
    }

    #[test]
    fn hints_that_come_together_are_one_listing_and_many_of_them_take_little_time() {
        let none = some(&[]);
        let mut rounds = begun(&none);
        for millis in 0..4 {
            rounds.hint(format!("/log/{millis}").into(), at(100 + millis));
        }
        assert_eq!(rounds.due(), at(105));
        let round = rounds.ask(at(105), || none.clone()).unwrap();
        assert_eq!((&round.scope, round.polls), (&some(&["/log/0", "/log/1", "/log/2", "/log/3"]), false));
        rounds.hint("/log/0".into(), at(110));
        assert_eq!(rounds.due(), Duration::MAX, "one at a time");
        rounds.listed(&round.scope, at(125), POLL, &none, true);
        assert_eq!(rounds.due(), at(125 + 49 * 20));
        // However long a listing takes, the next one waits no longer than a poll.
        let round = rounds.ask(at(1105), || none.clone()).unwrap();
        rounds.hint_all(at(1106));
        rounds.listed(&round.scope, at(2105), POLL, &none, true);
        assert_eq!(asks(&mut rounds, 3105, &none), Some((Scope::All, true)));
    }

    #[test]
    fn what_happens_during_a_listing_asks_for_another() {
        let mut rounds = begun(&some(&[]));
        rounds.list_soon(at(10));
        let round = rounds.ask(at(10), || some(&[])).unwrap();
        rounds.list_soon(at(20));
        rounds.listed(&round.scope, at(30), POLL, &some(&[]), true);
        assert_eq!(asks(&mut rounds, 30, &some(&[])), Some((Scope::All, true)));
        assert!(asks(&mut rounds, 31, &some(&[])).is_none());
    }

    #[test]
    fn the_paths_of_hinted_files_are_kept_only_while_names_may_change() {
        let mut rounds = begun(&some(&[]));
        rounds.keep("/log/app.log".into(), at(10));
        assert!(rounds.take_kept().is_empty());
        rounds.hint("/log".into(), at(10));
        rounds.keep("/log/app.log".into(), at(10));
        assert_eq!(rounds.take_kept().len(), 1);
        for nth in 0..=MOST {
            rounds.keep(format!("/log/{nth}").into(), at(10));
        }
        assert!(rounds.take_kept().is_empty());
        assert_eq!(asks(&mut rounds, 20, &some(&[])), Some((Scope::All, false)), "they are bounded");
    }
}
