//! Which file is read when, and how much memory reading takes.

mod memory;
mod ready;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use record::id::StreamId;

use self::memory::Memory;
use self::ready::Ready;
use super::chain::ChainId;
use crate::stream::FileKey;

/// Files that are read at once at most; the reader threads are fewer, so neither of them waits.
const READING: usize = 4;
/// Bytes of unfinished records that stay in memory, over all streams.
const KEPT: usize = 4 << 20;

/// Invariants: each file stands on the agenda once at most; `kept` is the sum of `kept_of`.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    /// When which file is looked at again, by time and by file.
    agenda: BTreeSet<(Duration, FileKey)>,
    due: BTreeMap<FileKey, Duration>,
    /// Files whose turn it is.
    ready: Ready,
    /// Turns that are under way.
    reading: usize,
    /// Bytes that are read and not acknowledged: queued, and on their way.
    memory: Memory,
    /// Bytes of unfinished records in the cursors.
    kept: usize,
    kept_of: HashMap<StreamId, usize>,
}

impl Scheduler {
    /// Looks at the file then, and not when it was to be before.
    pub fn schedule(&mut self, file: FileKey, due: Duration) {
        self.forget(file);
        self.due.insert(file, due);
        self.agenda.insert((due, file));
    }

    /// The file is gone.
    pub fn forget(&mut self, file: FileKey) {
        if let Some(due) = self.due.remove(&file) {
            self.agenda.remove(&(due, file));
        }
    }

    /// When the next file is due.
    pub fn due(&self) -> Duration {
        self.agenda.first().map_or(Duration::MAX, |(due, _)| *due)
    }

    /// The next file that is due now.
    pub fn take_due(&mut self, now: Duration) -> Option<FileKey> {
        let (_, file) = self.agenda.first().copied().filter(|(due, _)| *due <= now)?;
        self.forget(file);
        Some(file)
    }

    /// The file waits for its turn.
    pub fn line_up(&mut self, file: FileKey, chain: ChainId, age: u64) {
        self.ready.add(file, chain, age);
    }

    /// Whose turn it is, as far as readers and memory, of which there are `most` bytes, allow. This is the one place that
    /// decides which log goes first: the chains take turns, and in a chain the oldest file goes first.
    pub fn next_turn(&mut self, most: usize) -> Option<FileKey> {
        if self.reading >= READING || self.memory.total() >= most {
            return None;
        }
        let share = self.memory.share(most, self.ready.chains());
        let Self { ready, memory, .. } = self;
        ready.take(|chain| memory.allows(chain, most, share))
    }

    pub fn turn_begins(&mut self) {
        self.reading += 1;
    }

    pub fn turn_ends(&mut self) {
        self.reading = self.reading.saturating_sub(1);
    }

    /// So many bytes of a stream are read and wait to be acknowledged; `chain` is the log they were read from.
    pub fn take_memory(&mut self, stream: StreamId, chain: Option<ChainId>, bytes: usize) {
        self.memory.take(stream, chain, bytes);
    }

    pub fn free_memory(&mut self, stream: StreamId, bytes: usize) {
        self.memory.free(stream, bytes);
    }

    pub fn memory(&self) -> usize {
        self.memory.total()
    }

    /// Bytes of an unfinished record stay in memory, or do not: false where there is no room for them.
    pub fn keep(&mut self, stream: StreamId, bytes: usize) -> bool {
        self.release(stream);
        let fits = self.kept + bytes <= KEPT;
        if fits {
            self.kept += bytes;
            self.kept_of.insert(stream, bytes);
        }
        fits
    }

    /// Nothing of the stream's unfinished record is in memory.
    pub fn release(&mut self, stream: StreamId) {
        self.kept -= self.kept_of.remove(&stream).unwrap_or(0);
    }

    /// Nothing is read, and all that was is acknowledged.
    pub fn is_drained(&self) -> bool {
        self.memory.total() == 0 && self.reading == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_file_is_due_once_and_at_the_time_that_was_said_last() {
        let mut scheduler = Scheduler::default();
        scheduler.schedule(1, 2 * SECOND);
        scheduler.schedule(2, 3 * SECOND);
        scheduler.schedule(1, 4 * SECOND);
        assert_eq!(scheduler.due(), 3 * SECOND);
        assert_eq!(scheduler.take_due(5 * SECOND), Some(2));
        assert_eq!(scheduler.take_due(5 * SECOND), Some(1));
        assert_eq!((scheduler.take_due(5 * SECOND), scheduler.due()), (None, Duration::MAX));
        scheduler.schedule(3, SECOND);
        scheduler.forget(3);
        assert_eq!(scheduler.take_due(5 * SECOND), None);
    }

    #[test]
    fn turns_are_given_as_far_as_memory_and_readers_allow() {
        let mut scheduler = Scheduler::default();
        (1..=9).for_each(|file| scheduler.line_up(file, ChainId::new(file), 0));
        assert_eq!(scheduler.next_turn(100), Some(1));
        scheduler.take_memory(StreamId(1), Some(ChainId::new(1)), 100);
        assert_eq!(scheduler.next_turn(100), None);
        scheduler.free_memory(StreamId(1), 100);
        assert_eq!(scheduler.next_turn(100), Some(2));
        (0..READING).for_each(|_| scheduler.turn_begins());
        assert_eq!(scheduler.next_turn(100), None);
        scheduler.turn_ends();
        assert_eq!(scheduler.next_turn(100), Some(3));
    }

    #[test]
    fn what_unfinished_records_take_is_bounded_over_all_streams() {
        let mut scheduler = Scheduler::default();
        assert!(scheduler.keep(StreamId(1), KEPT - 10));
        assert!(!scheduler.keep(StreamId(2), 11));
        assert!(scheduler.keep(StreamId(2), 10));
        assert!(scheduler.keep(StreamId(1), 20), "what it kept before counts no more");
        scheduler.release(StreamId(1));
        scheduler.release(StreamId(1));
        assert!(scheduler.keep(StreamId(3), KEPT - 10));
    }
}
