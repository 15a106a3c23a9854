//! A turn: reads what is new in a file, feeds the framer, and makes parcels of the spans that are final.
//!
//! - `read`: reads, and proves that the file is still the same; the bytes that stay in memory
//! - `nuls`: NULs at the head or at the end of a file
//! - `feed`: what was read goes to the framer, and what is final into parcels
//! - `spans`: a span with its bytes, as it is sent
//! - `tail`: what is not final yet, as it seems now
//! - `unwrapped`: the same for a file whose lines are wrapped
//! - `stitch`: a record that a rotation has cut goes on in the next file
//! - `close`: the end of a file is the end of its last record

mod close;
mod feed;
mod nuls;
mod read;
mod spans;
mod stitch;
mod tail;
mod unwrapped;

use std::io;

use record::wire::WireSpan;

use crate::content::{Content, Stat};
use crate::cursor::Cursor;
use crate::parcel::{PARCEL, Parcel};

pub use close::finish;
pub use stitch::{Stitch, stitch};

/// One `pread`.
const CHUNK: usize = 256 << 10;
/// Bytes of an unfinished record that stay in memory between two turns, and within one: a declared end is waited for as far
/// as this beyond a header line, and where it is none, all between is framed.
const KEPT: usize = 64 << 10;
const LOOK_BACK: usize = (1 << 20) + 2 * CHUNK;

/// What a turn is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Bytes to read at most; several chunks.
    pub limit: usize,
    /// Bytes of a parcel, as far as spans can be told apart.
    pub parcel: usize,
    pub close: Close,
    /// Say what stands unfinished at the end.
    pub tail: bool,
}

/// Whether what is left at the end of the file becomes final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    No,
    /// If there was nothing new.
    IfQuiet,
    AtEnd,
}

/// What became of a turn.
#[derive(Debug)]
pub struct Turn {
    pub cursor: Cursor,
    pub parcels: Vec<Parcel>,
    pub ended: TurnEnd,
    pub stat: Stat,
    /// New bytes that were read.
    pub read: u64,
    pub tail: Option<Told>,
}

/// What is shown of a file before it is final.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Told {
    pub spans: Vec<WireSpan>,
    /// Where the rest begins that is too much to be shown.
    pub cut_at: Option<u64>,
}

#[derive(Debug)]
pub enum TurnEnd {
    /// There is more to read.
    More,
    /// Read to the end.
    End,
    /// Read to the end, and closed.
    Closed,
    /// Smaller than what was read, or other bytes stand there: probably truncated.
    Changed,
    Failed(io::Error),
}

impl Turn {
    /// Reads and frames what is new in a file, as far as the order allows. `scratch` only saves allocations.
    pub fn take(cursor: Cursor, content: &impl Content, order: Order, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        scratch.extend_from_slice(&cursor.window);
        let stat = Stat { size: cursor.seen, ..Stat::default() };
        let turn = Self { cursor, parcels: Vec::new(), ended: TurnEnd::More, stat, read: 0, tail: None };
        let mut work = Work {
            content,
            buf: scratch,
            turn,
            open: Parcel::empty(),
            parcel: order.parcel,
            slice: slice_of(order.parcel),
            more_nuls: false,
            block_to: None,
        };
        work.turn.ended = work.run(order).unwrap_or_else(|stop| stop);
        work.into_turn()
    }
}

/// Where parcels must be small, no two records may end in one slice.
fn slice_of(parcel: usize) -> usize {
    if parcel < PARCEL { (parcel / 8).max(1) } else { parcel }
}

/// A turn under way. `buf` holds the bytes up to `seen`.
struct Work<'a, C> {
    content: &'a C,
    buf: &'a mut Vec<u8>,
    turn: Turn,
    open: Parcel,
    /// What a parcel holds.
    parcel: usize,
    /// What the framer is fed at once: a parcel ends at the end of one.
    slice: usize,
    /// NULs are left that were not looked through.
    more_nuls: bool,
    /// What was read ends at a block of NULs, which ends here.
    block_to: Option<u64>,
}

impl<C: Content> Work<'_, C> {
    fn run(&mut self, order: Order) -> Result<TurnEnd, TurnEnd> {
        self.turn.stat = self.content.stat().map_err(TurnEnd::Failed)?;
        if self.turn.stat.size < self.turn.cursor.seen.max(self.turn.cursor.head.len() as u64) {
            return Err(TurnEnd::Changed);
        }
        // Room that was given back is not there any more.
        self.turn.cursor.nuls_to = self.turn.cursor.nuls_to.min(self.turn.stat.size);
        if order.limit > 0 && !self.head_is_same()? {
            return Err(TurnEnd::Changed);
        }
        self.pass_over()?;
        self.feed()?;
        let only_looked = order.limit == 0 && self.turn.stat.size == self.turn.cursor.seen;
        let mut ended = if only_looked { TurnEnd::End } else { TurnEnd::More };
        while self.turn.read < order.limit as u64 {
            if self.turn.cursor.leading && !self.skip_nuls()? {
                ended = self.at_end();
                break;
            }
            let want = self.want();
            let new = self.read(want)?;
            self.feed()?;
            self.trim(LOOK_BACK);
            if self.skip_block()? {
                continue;
            }
            if new < want {
                ended = self.at_end();
                break;
            }
        }
        let close = match order.close {
            Close::No => false,
            Close::IfQuiet => self.turn.read == 0,
            Close::AtEnd => true,
        };
        // What was written since it was found to be empty is not read in this turn.
        let unread = order.limit == 0 && order.close == Close::IfQuiet && self.turn.stat.size > self.turn.cursor.seen;
        if close && !unread && (matches!(ended, TurnEnd::End) || order.limit == 0) {
            if order.limit > 0 && self.ends_in_data()? {
                ended = TurnEnd::More;
            } else {
                self.end_all()?;
                ended = TurnEnd::Closed;
            }
        }
        self.cut();
        if order.tail {
            self.turn.tail = self.tail();
        }
        Ok(ended)
    }

    /// The end of the file, or so many NULs that another turn must find it.
    fn at_end(&self) -> TurnEnd {
        if self.more_nuls { TurnEnd::More } else { TurnEnd::End }
    }

    fn into_turn(mut self) -> Turn {
        self.cut();
        self.trim(KEPT);
        if let Some(unwrapped) = &mut self.turn.cursor.unwrapped {
            unwrapped::keep(unwrapped);
        }
        self.turn.cursor.window = self.buf.clone();
        self.turn
    }
}
