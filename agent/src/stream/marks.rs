//! The CRCs of a stream's bytes up to some offsets: a copy that ends before what was read is known by them.

use std::collections::VecDeque;

use record::wire::Guard;

/// Marks that are kept of a stream.
const MARKS: usize = 64;

/// Invariant: offsets ascend and are all after `from`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// All CRCs begin here: at 0, or after a gap.
    from: u64,
    /// CRC-32C of [`from`, offset).
    at: VecDeque<(u64, u32)>,
}

impl Marks {
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The largest offset up to `size` whose CRC is known.
    pub fn below(&self, size: u64) -> Option<(u64, u32)> {
        self.at.iter().rev().find(|(at, _)| *at <= size && *at > 0).copied()
    }

    pub fn up_to(&self, w: u64) -> Vec<(u64, u32)> {
        self.at.iter().copied().filter(|(at, _)| *at <= w).collect()
    }

    pub fn add(&mut self, at: u64, guard: &Guard) {
        if self.from != guard.crc_from.0 {
            self.at.clear();
            self.from = guard.crc_from.0;
        }
        if at <= self.from || self.at.back().is_some_and(|(last, _)| *last >= at) {
            return;
        }
        self.at.push_back((at, guard.crc));
        if self.at.len() > MARKS {
            // Older marks stand further apart.
            let recent = self.at.split_off(MARKS / 2);
            let old = std::mem::take(&mut self.at).into_iter().skip(1).step_by(2);
            self.at = old.chain(recent).collect();
        }
    }

    /// Adds the marks of an earlier run, as far as they are below all that is known.
    pub fn add_older(&mut self, from: u64, marks: Vec<(u64, u32)>) {
        if from == self.from {
            let own = self.at.back().map_or(0, |(at, _)| *at);
            let older: Vec<(u64, u32)> = marks.into_iter().filter(|(at, _)| *at < own).collect();
            older.into_iter().rev().for_each(|mark| self.at.push_front(mark));
        }
    }

    /// Forgets what lies after `w`.
    pub fn cut(&mut self, w: u64) {
        self.at.retain(|(at, _)| *at <= w);
    }
}
