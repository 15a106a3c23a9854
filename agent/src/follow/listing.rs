//! Files come, are renamed and go.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use record::span::Cause;
use tracing::{info, warn};

use super::file::{File, Handle, Job, State};
use super::{Action, Chain, Follow};
use crate::content::Stat;
use crate::discover::{Entry, Listing};
use crate::stream::FileKey;

/// Kernel clocks are coarse: a file may look a little older than the listing before it.
const COARSE: i64 = 1_000_000_000;

/// A log of which no file was seen for so long is forgotten.
const FORGET: Duration = Duration::from_hours(1);

impl Follow {
    pub(super) fn listed(&mut self, listing: Listing, held: Vec<(FileKey, Stat)>) {
        self.listing_asked = false;
        self.listed_wall = self.asked_wall;
        self.listings += 1;
        self.list_at = self.now.mono + self.rules.poll;
        self.unsettled = true;
        // From now on rotations are part of the log: that must be known after a crash.
        self.dirty |= self.listings == 1;
        for file in self.files.values_mut() {
            file.listed = false;
        }
        let mut fresh = Vec::new();
        let mut newest: HashMap<PathBuf, FileKey> = HashMap::new();
        for (age, entry) in listing.entries.into_iter().enumerate() {
            let chain = entry.chain.clone();
            let key = match self.spots.get(&entry.spot).copied().filter(|key| self.files.contains_key(key)) {
                Some(key) => {
                    self.seen_again(key, entry, age as u64);
                    key
                }
                None => {
                    let key = self.seen_first(entry, age as u64);
                    fresh.push(key);
                    key
                }
            };
            newest.insert(chain, key);
        }
        for (key, stat) in held {
            self.seen_stat(key, stat);
        }
        self.note_missed_files(&fresh);
        self.note_rotated(&newest);
        // Logs with names that never come again are not looked for for ever.
        let now = self.now.mono;
        self.chains.retain(|_, chain| now.saturating_sub(chain.seen_at) < FORGET);
        self.forget_vanished();
        self.open_what_is_due();
        self.empty = listing.empty;
        self.tell(listing.missing, listing.odd);
    }

    /// All but the newest of a chain are rotated, and what is out of sight is too: these may be closed.
    fn note_rotated(&mut self, newest: &HashMap<PathBuf, FileKey>) {
        let mut turned = Vec::new();
        for (key, file) in &mut self.files {
            let rotated = !file.listed || newest.get(&file.chain) != Some(key);
            if rotated && !std::mem::replace(&mut file.rotated, rotated) {
                turned.push(*key);
            }
            file.rotated = rotated;
        }
        for (path, newest) in newest {
            if let Some(chain) = self.chains.get_mut(path) {
                chain.newest = Some(*newest);
            }
        }
        for key in turned {
            self.put_on_agenda(key, self.now.mono);
        }
    }

    fn seen_first(&mut self, entry: Entry, age: u64) -> FileKey {
        let key = self.next_file;
        self.next_file += 1;
        self.chain(&entry);
        self.spots.insert(entry.spot, key);
        let file = File {
            source: entry.source,
            source_name: entry.source_name,
            chain: entry.chain,
            path: entry.path,
            named: entry.named,
            plain: entry.name.is_plain(),
            listed: true,
            rotated: false,
            age,
            spot: entry.spot,
            identity: None,
            stat: entry.stat,
            read_stat: Stat::default(),
            most: entry.stat.size,
            most_from: 0,
            open: Handle::Closed,
            job: None,
            state: State::Fresh,
            look: None,
            equal: None,
            cleared: HashSet::new(),
            grew_at: self.now.mono,
            due: None,
            trouble: None,
            early: self.listings == 1,
        };
        self.chains.entry(file.chain.clone()).or_default().files.insert(key);
        self.files.insert(key, file);
        key
    }

    fn seen_again(&mut self, key: FileKey, entry: Entry, age: u64) {
        self.chain(&entry);
        let Some(file) = self.files.get_mut(&key) else { return };
        // A second name of the same inode: the first one stands.
        if file.listed {
            return;
        }
        file.listed = true;
        file.age = age;
        file.plain = entry.name.is_plain();
        if !same_path(&file.path, &entry.path) {
            info!(from = %file.path.display(), to = %entry.path.display(), "a followed file was renamed");
            file.path = entry.path;
        }
        if !same_path(&file.chain, &entry.chain) {
            let before = std::mem::replace(&mut file.chain, entry.chain.clone());
            self.caught_up(&before, key);
            if let Some(chain) = self.chains.get_mut(&before) {
                chain.files.remove(&key);
            }
            self.chains.entry(entry.chain).or_default().files.insert(key);
        }
        self.seen_stat(key, entry.stat);
    }

    /// Compares what a file is with what it was.
    fn seen_stat(&mut self, key: FileKey, stat: Stat) {
        let Some(file) = self.files.get_mut(&key) else { return };
        let changed = (file.stat.size, file.stat.mtime, file.stat.links) != (stat.size, stat.mtime, stat.links);
        if !changed {
            let as_read = (file.read_stat.size, file.read_stat.mtime) == (stat.size, stat.mtime);
            if let Some(stream) = file.stream().filter(|_| as_read).and_then(|id| self.streams.get_mut(&id)) {
                stream.looked_at = self.now.mono;
            }
            return;
        }
        let grew = stat.size != file.stat.size;
        // The size it had last is worth knowing when it is gone.
        self.dirty |= grew;
        file.stat = stat;
        if self.listings > file.most_from {
            file.most = file.most.max(stat.size);
        }
        match file.state {
            State::Held { .. } | State::Spent if grew => {
                file.state = State::Fresh;
                file.look = None;
                file.grew_at = self.now.mono;
            }
            State::Fresh => file.look = None,
            _ => {}
        }
        let now = self.now.mono;
        self.put_on_agenda(key, now);
    }

    fn chain(&mut self, entry: &Entry) {
        let now = self.now.mono;
        if let Some(chain) = self.chains.get_mut(&entry.chain) {
            chain.seen_at = now;
            if chain.of.as_ref().is_none_or(|(source, name)| (*source, name) != (entry.source, &entry.source_name)) {
                chain.of = Some((entry.source, entry.source_name.clone()));
            }
            return;
        }
        let of = Some((entry.source, entry.source_name.clone()));
        let birth = self.births.get(&entry.source_name);
        // A log that was followed before and whose state is lost: what is younger than its youngest known file is new.
        // The collector may have answered long after the agent began: what was rotated in between is of interest.
        let first = if self.listings > 1 { None } else { self.began_wall };
        let since = birth.copied().or(first).unwrap_or(self.now.wall.0).saturating_mul(1000);
        let since = since.saturating_sub(COARSE);
        self.chains.insert(entry.chain.clone(), Chain { since, of, seen_at: now, ..Chain::default() });
    }

    /// The newest file of a chain is deleted, and rotations stand there that were never seen: others may have come and gone.
    fn note_missed_files(&mut self, fresh: &[FileKey]) {
        for key in fresh {
            let Some(file) = self.files.get(key).filter(|file| !file.plain) else { continue };
            let newest =
                self.chains.get(&file.chain).and_then(|chain| chain.newest).and_then(|key| self.files.get(&key));
            let lost = newest.filter(|newest| !newest.listed && newest.is_deleted()).and_then(File::stream);
            if let Some(stream) = lost.and_then(|id| self.streams.get_mut(&id)).filter(|stream| !stream.missed) {
                stream.missed = true;
                stream.gaps.push(Cause::MissedFiles);
                let id = stream.id;
                if stream.cursor.is_some() || stream.closed {
                    self.make_gaps(id);
                }
            }
        }
    }

    /// Files that are neither listed nor open are gone, and so are deleted ones that brought nothing.
    fn forget_vanished(&mut self) {
        let gone = |file: &File| {
            let idle = file.job.is_none();
            idle && !file.listed && (file.open != Handle::Open || (file.is_deleted() && file.stream().is_none()))
        };
        let keys: Vec<FileKey> = self.files.iter().filter(|(_, file)| gone(file)).map(|(key, _)| *key).collect();
        for key in keys {
            let stream = self.files.get(&key).and_then(File::stream);
            self.forget_file(key);
            if let Some(stream) = stream.and_then(|id| self.streams.get_mut(&id)) {
                stream.home = crate::stream::Home::Nowhere;
                let id = stream.id;
                self.drop_settled(id);
            }
        }
    }

    pub(super) fn forget_file(&mut self, key: FileKey) {
        let Some(file) = self.files.remove(&key) else { return };
        if file.open == Handle::Open {
            self.actions.push(Action::Close { file: key });
        }
        if self.spots.get(&file.spot) == Some(&key) {
            self.spots.remove(&file.spot);
        }
        if let Some(due) = file.due {
            self.agenda.remove(&(due, key));
        }
        self.caught_up(&file.chain, key);
        if let Some(chain) = self.chains.get_mut(&file.chain) {
            chain.files.remove(&key);
        }
    }

    /// Opens what is not judged yet, and what could not be opened before.
    fn open_what_is_due(&mut self) {
        let now = self.now.mono;
        for (key, file) in &mut self.files {
            if file.open == Handle::Closed
                && file.is_due(now)
                && file.listed
                && file.job.is_none()
                && file.state == State::Fresh
            {
                file.job = Some(Job::Open);
                self.actions.push(Action::Open { file: *key, path: file.path.clone() });
            }
        }
    }

    fn tell(&mut self, missing: Vec<PathBuf>, odd: Vec<(PathBuf, String)>) {
        for path in missing.iter().filter(|path| !self.missing.contains(path)) {
            info!(path = %path.display(), "a path of the config does not exist yet; it is waited for");
        }
        // One line a directory and reason: there may be thousands of archives.
        let mut new: HashMap<(Option<&Path>, &str), (&Path, usize)> = HashMap::new();
        for (path, why) in odd.iter().filter(|odd| !self.odd.contains(odd)) {
            new.entry((path.parent(), why)).or_insert((path, 0)).1 += 1;
        }
        for ((_, why), (path, files)) in new {
            warn!(path = %path.display(), files, why, "cannot be followed and is left out");
        }
        self.missing = missing;
        self.odd = odd.into_iter().collect();
    }
}

/// As bytes: part by part takes ten times as long, and is done for each file at each listing.
fn same_path(a: &Path, b: &Path) -> bool {
    a.as_os_str() == b.as_os_str()
}
