//! Where a stream's bytes are, and who has its cursor.

use super::FileKey;
use crate::cursor::Cursor;

/// ```text
/// Reading ⇄ Away        a turn is given and comes back
/// Reading → Closed      all that is in its file is final
/// Closed → Reopening    late bytes were written to a closed file
/// any → Stopped         the collector is elsewhere: the file is looked at again
/// any → Seeking         its file is gone, was truncated, or is not found yet
/// Seeking, Reopening, Stopped → Reading    a file with its bytes is found
/// Seeking → Gone        nothing was found
/// ```
#[derive(Debug)]
pub enum State {
    /// Its file is read from here.
    Reading(FileKey, Box<Cursor>),
    /// A reader has the cursor.
    Away(FileKey),
    /// The collector is elsewhere: the cursor is void, and the file must be looked at before it is read again.
    Stopped(FileKey),
    /// All that is in its file is final.
    Closed(FileKey),
    /// Its file is closed, was released and has changed: it is opened again.
    Reopening,
    /// Its file is gone or was truncated, or is not found yet: its bytes are looked for.
    Seeking(Search, Left),
    /// It is nowhere any more, and stays only until all of it is acknowledged.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Search {
    pub why: Why,
    /// Number of the listing that must have been judged before the search is given up.
    pub listing: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It is not found yet since the agent started.
    Down,
    /// Other bytes stand in its file.
    Truncated,
    /// Its file was deleted, and another one holds the same bytes.
    Moved,
}

/// What is still expected of a stream whose bytes are looked for.
#[derive(Debug)]
pub enum Left {
    /// Nobody knows how much.
    Unknown,
    /// What follows this cursor, which may still hold some of it in memory.
    After(Box<Cursor>),
    /// Nothing: it was closed.
    Nothing,
}

impl Search {
    pub const FROM_EARLIER_RUN: Self = Self { why: Why::Down, listing: 0 };
}

impl State {
    pub fn file(&self) -> Option<FileKey> {
        match self {
            Self::Reading(file, _) | Self::Away(file) | Self::Stopped(file) | Self::Closed(file) => Some(*file),
            Self::Reopening | Self::Seeking(..) | Self::Gone => None,
        }
    }

    /// The cursor, if no reader has it.
    pub fn cursor(&self) -> Option<&Cursor> {
        match self {
            Self::Reading(_, cursor) | Self::Seeking(_, Left::After(cursor)) => Some(cursor),
            _ => None,
        }
    }

    pub fn cursor_mut(&mut self) -> Option<&mut Cursor> {
        match self {
            Self::Reading(_, cursor) | Self::Seeking(_, Left::After(cursor)) => Some(cursor),
            _ => None,
        }
    }

    pub fn search(&self) -> Option<Search> {
        if let Self::Seeking(search, _) = self { Some(*search) } else { None }
    }

    pub fn is_seeking(&self) -> bool {
        self.search().is_some()
    }

    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }

    /// All that is known of it is final.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Reopening | Self::Seeking(_, Left::Nothing) | Self::Gone)
    }

    /// A gap may be made now: its cursor is here, or no cursor will come.
    pub fn takes_gaps(&self) -> bool {
        self.cursor().is_some() || self.is_closed()
    }

    /// Gives the cursor to a reader.
    pub fn lend(&mut self) -> Option<Box<Cursor>> {
        let file = if let Self::Reading(file, _) = self { *file } else { return None };
        match std::mem::replace(self, Self::Away(file)) {
            Self::Reading(_, cursor) => Some(cursor),
            _ => None,
        }
    }

    /// A reader brings the cursor back.
    pub fn take_back(&mut self, file: FileKey, cursor: Cursor) {
        *self = Self::Reading(file, Box::new(cursor));
    }

    /// What a reader brings back is void.
    pub fn drop_cursor(&mut self) {
        if let Self::Away(file) = self {
            *self = Self::Stopped(*file);
        }
    }

    /// All that is in its file is final.
    pub fn close(&mut self) {
        if let Some(file) = self.file() {
            *self = Self::Closed(file);
        }
    }

    /// Its closed file has changed.
    pub fn reopen(&mut self) {
        *self = Self::Reopening;
    }

    /// The collector is elsewhere: the cursor is void, and so is that all was final.
    pub fn rewind(&mut self) {
        *self = match (self.file(), self.search()) {
            (Some(file), _) => Self::Stopped(file),
            (None, Some(search)) => Self::Seeking(search, Left::Unknown),
            (None, None) => Self::Gone,
        };
    }

    /// Its file does not hold its bytes any more.
    pub fn seek(&mut self, search: Search) {
        let left = match std::mem::replace(self, Self::Gone) {
            Self::Reading(_, cursor) => Left::After(cursor),
            Self::Closed(_) | Self::Reopening => Left::Nothing,
            Self::Seeking(_, left) => left,
            Self::Away(_) | Self::Stopped(_) | Self::Gone => Left::Unknown,
        };
        *self = Self::Seeking(search, left);
    }

    /// Nothing more is expected of a stream that is looked for.
    pub fn expect_nothing(&mut self) {
        if let Self::Seeking(_, left) = self {
            *left = Left::Nothing;
        }
    }

    /// A file holds its bytes: `resume` makes the cursor there, of the former one if there is one.
    pub fn resume(&mut self, file: FileKey, resume: impl FnOnce(Option<Cursor>) -> Cursor) {
        let former = match std::mem::replace(self, Self::Gone) {
            Self::Reading(_, cursor) | Self::Seeking(_, Left::After(cursor)) => Some(*cursor),
            _ => None,
        };
        *self = Self::Reading(file, Box::new(resume(former)));
    }

    /// It will not be read any more; gives what was expected of it.
    pub fn end(&mut self) -> Left {
        match std::mem::replace(self, Self::Gone) {
            Self::Reading(_, cursor) => Left::After(cursor),
            Self::Seeking(_, left) => left,
            Self::Closed(_) | Self::Reopening | Self::Gone => Left::Nothing,
            Self::Away(_) | Self::Stopped(_) => Left::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use record::format::Format;
    use record::frame::Limits;
    use record::redact;

    use super::*;
    use crate::cursor::Framing;

    fn cursor() -> Cursor {
        let (format, masks) = (Arc::new(Format::siptrail()), redact::Rules::default());
        let wrapping = crate::unwrapped::Wrapping::default();
        Cursor::new(&Arc::new(Framing { format, limits: Limits::default(), masks, wrapping }), b"[2026")
    }

    fn search() -> Search {
        Search { why: Why::Moved, listing: 1 }
    }

    #[test]
    fn a_cursor_is_lent_once_and_comes_back() {
        let mut state = State::Reading(7, Box::new(cursor()));
        let lent = state.lend().unwrap();
        assert!(matches!(state, State::Away(7)) && state.lend().is_none() && state.cursor().is_none());
        assert!(!state.takes_gaps(), "its cursor will come back");
        state.take_back(7, *lent);
        assert!(matches!(state, State::Reading(7, _)) && state.takes_gaps());
    }

    #[test]
    fn a_rewind_makes_a_cursor_void_wherever_it_is() {
        let mut lent = State::Away(7);
        lent.rewind();
        lent.drop_cursor();
        assert!(matches!(lent, State::Stopped(7)) && !lent.is_closed());
        let mut closed = State::Closed(7);
        closed.rewind();
        assert!(matches!(closed, State::Stopped(7)));
        let mut sought = State::Seeking(search(), Left::After(Box::new(cursor())));
        sought.rewind();
        assert!(matches!(sought, State::Seeking(_, Left::Unknown)));
    }

    #[test]
    fn a_search_knows_what_is_left_to_be_found() {
        let mut read = State::Reading(7, Box::new(cursor()));
        read.seek(search());
        assert!(matches!(&read, State::Seeking(_, Left::After(_))) && read.file().is_none());
        read.seek(Search { why: Why::Down, listing: 2 });
        assert!(matches!(read.end(), Left::After(_)) && read.is_gone());
        let mut closed = State::Closed(7);
        closed.seek(search());
        assert!(closed.is_closed() && matches!(closed.end(), Left::Nothing));
        let mut reopened = State::Reopening;
        reopened.resume(8, |former| former.unwrap_or_else(cursor));
        assert!(matches!(reopened, State::Reading(8, _)) && !reopened.is_closed());
    }
}
