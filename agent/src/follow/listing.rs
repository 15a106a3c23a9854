//! Files come, are renamed and go.

use std::collections::HashSet;
use std::path::Path;

use record::span::Cause;
use tracing::info;

use super::file::{Busy, File, Role};
use super::hinted::is_watched;
use super::{Action, Follow};
use crate::content::Stat;
use crate::discover::{Entry, Listing, Scope};
use crate::stream::FileKey;
use crate::wording::shown;

impl Follow {
    /// Judges what is within the scope of the listing: of other files it says nothing.
    pub(super) fn listed(&mut self, listing: Listing, held: Vec<(FileKey, Stat)>) {
        if self.rounds.begin(&listing) {
            return;
        }
        self.rounds.forget_gone(&listing);
        let Listing { scope, mut entries, missing, empty, odd, directories } = listing;
        if scope == Scope::All {
            self.sight.listed(directories);
        }
        let polled = self.sight.polled();
        let all_watched = polled.is_empty() && !self.files.values().any(is_polled);
        self.rounds.listed(&scope, self.now.mono, self.rules.poll, &polled, all_watched);
        if scope.is_empty() && held.is_empty() {
            self.open_what_is_due();
            return self.hinted_again();
        }
        self.judging.ask();
        if self.rounds.number() == 1 {
            // From now on rotations are part of the log: that must be known after a crash.
            self.checkpoints.note_change();
        }
        for (_, file) in self.files.iter_mut().filter(|(_, file)| scope.covers(&file.chain)) {
            file.listed = false;
        }
        self.put_in_order(&mut entries);
        let (mut fresh, mut listed) = (Vec::new(), Vec::with_capacity(entries.len()));
        for (age, entry) in entries.into_iter().enumerate() {
            let key = if let Some(key) = self.files.at(entry.inode) {
                self.seen_again(key, entry, age as u64);
                key
            } else {
                let key = self.seen_first(entry, age as u64);
                fresh.push(key);
                key
            };
            listed.push(key);
        }
        for (key, stat) in held {
            self.seen_stat(key, stat);
        }
        self.note_missed_files(&fresh);
        self.note_rotated(&scope, &listed);
        self.open_what_is_due();
        if scope == Scope::All {
            self.chains.forget_unseen(self.now.mono);
            self.forget_vanished();
            self.rounds.report(missing, empty, odd);
        } else if !fresh.is_empty() && self.rounds.waits_for_files() {
            self.rounds.list_soon(self.now.mono);
        }
        if all_watched && self.files.values().any(is_polled) {
            self.rounds.poll_before(self.now.mono + self.rules.poll);
        }
        self.hinted_again();
    }

    /// Files of a log that were seen to be written to, one after the other, stand in that order whatever their times say:
    /// clocks are set back. All others keep their places.
    fn put_in_order(&self, entries: &mut [Entry]) {
        let rank = |entry: &Entry| {
            let stream = self.files.get(self.files.at(entry.inode)?)?.stream()?;
            self.streams.get(stream)?.rank.filter(|_| !entry.name.is_plain())
        };
        for log in entries.chunk_by_mut(|a, b| same_path(&a.chain, &b.chain)).filter(|log| log.len() > 1) {
            let ranked: Vec<(u64, usize)> =
                log.iter().enumerate().filter_map(|(place, entry)| Some((rank(entry)?, place))).collect();
            if ranked.is_sorted() {
                continue;
            }
            let mut in_order = ranked.clone();
            in_order.sort_unstable();
            let moved: Vec<Entry> = in_order.iter().map(|(_, from)| log[*from].clone()).collect();
            for ((_, to), entry) in ranked.into_iter().zip(moved) {
                log[to] = entry;
            }
        }
    }

    fn seen_first(&mut self, entry: Entry, age: u64) -> FileKey {
        self.seen_chain(&entry);
        let chain = entry.chain.clone();
        let file = File {
            source: entry.source,
            source_name: entry.source_name,
            chain: entry.chain,
            path: entry.path,
            named: entry.named,
            plain: entry.name.is_plain(),
            listed: true,
            link: entry.link,
            watched: false,
            rotated: false,
            age,
            inode: entry.inode,
            identity: None,
            data_end: None,
            stat: entry.stat,
            read_stat: Stat::default(),
            most: entry.stat.size,
            most_from: 0,
            open: false,
            busy: None,
            again: false,
            role: Role::Fresh,
            look: None,
            equal: None,
            cleared: HashSet::new(),
            grew_at: self.now.mono,
            trouble: None,
            early: self.rounds.early(entry.inode),
        };
        let file = File { watched: is_watched(&self.sight, &file), ..file };
        let key = self.files.add(file);
        self.chains.entry(&chain).add(key);
        key
    }

    fn seen_again(&mut self, key: FileKey, entry: Entry, age: u64) {
        self.seen_chain(&entry);
        let Some(file) = self.files.get_mut(key) else { return };
        // A second name of the same inode: the first one stands.
        if file.listed {
            return;
        }
        // To look that up is not free.
        file.watched &= same_path(&file.path, &entry.path) && !entry.link && entry.stat.links <= 1;
        (file.listed, file.link) = (true, entry.link);
        file.age = age;
        file.plain = entry.name.is_plain();
        if !same_path(&file.path, &entry.path)
            && let Some(from) = self.files.renamed(key, entry.path)
            && let Some(file) = self.files.get(key)
        {
            info!("{} was renamed to {}", shown(&from), shown(&file.path));
        }
        let Some(file) = self.files.get_mut(key) else { return };
        if !same_path(&file.chain, &entry.chain) {
            let before = std::mem::replace(&mut file.chain, entry.chain.clone());
            self.caught_up(&before, key);
            if let Some(chain) = self.chains.get_mut(&before) {
                chain.remove(key);
            }
            self.chains.entry(&entry.chain).add(key);
        }
        if let Some(stream) = self.files.get(key).filter(|file| file.plain).and_then(File::stream) {
            self.streams.rank(stream);
        }
        self.seen_stat(key, entry.stat);
        if let Some(file) = self.files.get_mut(key).filter(|file| !file.watched) {
            file.watched = is_watched(&self.sight, file);
        }
    }

    /// Compares what a file is with what it was.
    fn seen_stat(&mut self, key: FileKey, stat: Stat) {
        let now = self.now.mono;
        let Some(file) = self.files.get_mut(key) else { return };
        let changed = (file.stat.size, file.stat.mtime, file.stat.links) != (stat.size, stat.mtime, stat.links);
        if !changed {
            let as_read = (file.read_stat.size, file.read_stat.mtime) == (stat.size, stat.mtime);
            if let Some(stream) = file.stream().filter(|_| as_read).and_then(|id| self.streams.get_mut(id)) {
                stream.sight.looked_at = now;
            }
            return;
        }
        let grew = stat.size != file.stat.size;
        if grew {
            // The size it had last is worth knowing when it is gone.
            self.checkpoints.note_change();
        }
        file.stat = stat;
        if self.rounds.looks() > file.most_from {
            file.most = file.most.max(file.size());
        }
        match file.role {
            Role::Held { .. } | Role::Ignored if grew || file.data_end.is_some() => {
                file.judge_again();
                file.grew_at = now;
            }
            Role::Fresh => file.look = None,
            // Something may have been written where the file had only room when it was closed.
            Role::Following { stream } if self.streams.get(stream).is_some_and(|stream| stream.state.is_closed()) => {
                file.data_end = None;
            }
            _ => {}
        }
        self.schedule(key, now);
    }

    fn seen_chain(&mut self, entry: &Entry) {
        self.chains.seen(&entry.chain, entry.source, &entry.source_name, self.now.mono);
    }

    /// The newest file of a chain is deleted, and rotations stand there that were never seen: others may have come and gone.
    fn note_missed_files(&mut self, fresh: &[FileKey]) {
        for key in fresh {
            let Some(file) = self.files.get(*key).filter(|file| !file.plain) else { continue };
            let newest = self.chains.get(&file.chain).and_then(|chain| chain.newest);
            let newest = newest.and_then(|key| self.files.get(key));
            let lost = newest.filter(|newest| !newest.listed && newest.is_deleted()).and_then(File::stream);
            if let Some(stream) = lost.and_then(|id| self.streams.get_mut(id)).filter(|stream| !stream.missed) {
                stream.missed = true;
                stream.gaps.push(Cause::MissedFiles);
                if stream.state.takes_gaps() {
                    let id = stream.id;
                    self.make_gaps(id);
                }
            }
        }
    }

    /// All but the newest of a chain are rotated, and what is out of sight is too: these may be closed. What is `listed`
    /// stands in the order of its chain.
    fn note_rotated(&mut self, scope: &Scope, listed: &[FileKey]) {
        for key in listed {
            let chain = self.files.get(*key).and_then(|file| self.chains.get_mut(&file.chain));
            if let Some(chain) = chain {
                chain.newest = Some(*key);
            }
        }
        let mut turned = Vec::new();
        for (key, file) in self.files.iter_mut().filter(|(_, file)| scope.covers(&file.chain)) {
            let newest = || self.chains.get(&file.chain).and_then(|chain| chain.newest);
            let rotated = !file.listed || newest() != Some(key);
            if rotated && !file.rotated {
                turned.push(key);
            }
            file.rotated = rotated;
        }
        for key in turned {
            self.schedule(key, self.now.mono);
        }
    }

    /// Files that are neither listed nor open are gone, and so are deleted ones that brought nothing.
    fn forget_vanished(&mut self) {
        let gone = |file: &File| {
            let idle = file.busy.is_none();
            idle && !file.listed && (!file.open || (file.is_deleted() && file.stream().is_none()))
        };
        let keys: Vec<FileKey> = self.files.iter().filter(|(_, file)| gone(file)).map(|(key, _)| key).collect();
        for key in keys {
            let stream = self.files.get(key).and_then(File::stream);
            self.forget_file(key);
            if let Some(stream) = stream.and_then(|id| self.streams.get_mut(id)) {
                stream.state.end();
                let id = stream.id;
                self.drop_settled(id);
            }
        }
    }

    pub(super) fn forget_file(&mut self, key: FileKey) {
        let Some(file) = self.files.remove(key) else { return };
        if file.open {
            self.actions.push(Action::Close { file: key });
        }
        self.scheduler.forget(key);
        self.caught_up(&file.chain, key);
        if let Some(chain) = self.chains.get_mut(&file.chain) {
            chain.remove(key);
        }
    }

    /// Opens what is not judged yet, and what could not be opened before.
    fn open_what_is_due(&mut self) {
        let now = self.now.mono;
        for (key, file) in self.files.iter_mut() {
            let to_open = !file.open && file.listed && file.busy.is_none() && file.role == Role::Fresh;
            if to_open && file.is_due(now) {
                file.busy = Some(Busy::Open);
                self.actions.push(Action::Open { file: key, path: file.path.clone() });
            }
        }
    }

    /// A file is caught up with, or gone: those that waited for it are read.
    pub(super) fn caught_up(&mut self, chain: &Path, key: FileKey) {
        for waiting in self.chains.caught_up(chain, key) {
            self.schedule(waiting, self.now.mono);
        }
    }
}

fn is_polled(file: &File) -> bool {
    file.open && file.is_out_of_sight()
}

/// As bytes: part by part takes ten times as long, and is done for each file at each listing.
fn same_path(a: &Path, b: &Path) -> bool {
    a.as_os_str() == b.as_os_str()
}
