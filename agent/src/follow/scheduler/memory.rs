//! The memory that reading takes, shared among the chains.
//!
//! Busy logs may hold seven eighths of it, in equal shares; the last eighth is for logs that hold next to nothing. So a log
//! with a record now and then is read at once, however far behind the others are.

use std::collections::HashMap;

use record::id::StreamId;

use crate::follow::chain::ChainId;

/// A chain that holds less than this is not a busy one.
const LITTLE: usize = 64 << 10;
/// The part of the memory that is kept free for chains that hold little.
const RESERVE: usize = 8;

/// Invariants: `total` is the sum of what the streams hold, and what a chain holds is the sum over its streams. Nothing
/// that holds 0 is kept.
#[derive(Debug, Default)]
pub(super) struct Memory {
    total: usize,
    of_stream: HashMap<StreamId, Held>,
    of_chain: HashMap<ChainId, usize>,
}

/// What is held of a stream, and which chain it counts for.
#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    chain: Option<ChainId>,
}

impl Memory {
    pub fn total(&self) -> usize {
        self.total
    }

    /// Takes memory for a stream. If its file becomes one of another chain, what it holds counts for the former until all of
    /// it is freed.
    pub fn take(&mut self, stream: StreamId, chain: Option<ChainId>, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let held = self.of_stream.entry(stream).or_insert(Held { bytes: 0, chain });
        held.bytes += bytes;
        self.total += bytes;
        if let Some(chain) = held.chain {
            *self.of_chain.entry(chain).or_default() += bytes;
        }
    }

    pub fn free(&mut self, stream: StreamId, bytes: usize) {
        let Some(held) = self.of_stream.get_mut(&stream) else { return };
        let bytes = bytes.min(held.bytes);
        held.bytes -= bytes;
        self.total -= bytes;
        let (chain, empty) = (held.chain, held.bytes == 0);
        if empty {
            self.of_stream.remove(&stream);
        }
        if let Some(chain) = chain
            && let Some(held) = self.of_chain.get_mut(&chain)
        {
            *held -= bytes;
            if *held == 0 {
                self.of_chain.remove(&chain);
            }
        }
    }

    /// What a busy chain may hold of `most` bytes, when so many chains wait for a turn.
    pub fn share(&self, most: usize, waiting: usize) -> usize {
        (most - most / RESERVE) / self.of_chain.len().max(waiting).max(1)
    }

    /// A chain may read more.
    pub fn allows(&self, chain: ChainId, most: usize, share: usize) -> bool {
        let held = self.of_chain.get(&chain).copied().unwrap_or(0);
        let busy = held >= LITTLE.min(most / RESERVE);
        self.total < most && (!busy || (held < share && self.total < most - most / RESERVE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 8 << 20;

    fn fill(memory: &mut Memory, chains: u64, bytes: usize) {
        (0..chains).for_each(|n| memory.take(StreamId(n.cast_signed()), Some(ChainId::new(n)), bytes));
    }

    #[test]
    fn a_log_that_holds_nothing_is_read_while_busy_ones_hold_all_they_may() {
        let (mut memory, quiet) = (Memory::default(), ChainId::new(99));
        fill(&mut memory, 4, MOST / 8 * 7 / 4);
        let share = memory.share(MOST, 1);
        assert!((0..4).all(|n| !memory.allows(ChainId::new(n), MOST, share)));
        assert!(memory.allows(quiet, MOST, share));
        memory.take(StreamId(99), Some(quiet), LITTLE);
        assert!(!memory.allows(quiet, MOST, share), "it is a busy one now");
    }

    #[test]
    fn one_busy_log_may_hold_more_than_its_share_of_many() {
        let mut memory = Memory::default();
        fill(&mut memory, 1, MOST / 2);
        assert!(memory.allows(ChainId::new(0), MOST, memory.share(MOST, 1)));
        assert!(!memory.allows(ChainId::new(0), MOST, memory.share(MOST, 2)));
    }

    #[test]
    fn what_is_freed_was_taken_and_the_sums_agree() {
        let mut memory = Memory::default();
        memory.take(StreamId(1), Some(ChainId::new(1)), 10);
        memory.take(StreamId(2), Some(ChainId::new(1)), 20);
        memory.take(StreamId(3), None, 5);
        memory.take(StreamId(1), Some(ChainId::new(7)), 1);
        assert_eq!((memory.total(), memory.of_chain[&ChainId::new(1)]), (36, 31));
        memory.free(StreamId(1), 11);
        memory.free(StreamId(1), 11);
        memory.free(StreamId(2), 19);
        assert_eq!((memory.total(), memory.of_chain[&ChainId::new(1)]), (6, 1));
        memory.free(StreamId(2), 1);
        memory.free(StreamId(3), 5);
        assert_eq!((memory.total(), memory.of_chain.len(), memory.of_stream.len()), (0, 0, 0));
    }
}
