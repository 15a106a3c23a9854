//! A page of a list, and where the next one goes on.

use record::time::Timestamp;

/// A page of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T, Id> {
    pub rows: Vec<T>,
    /// Where the next one goes on. None: there is none.
    pub next: Option<(Timestamp, Id)>,
    /// It ends here before it is full, since one question looks at no more; `next` goes on.
    pub searched_to: Option<Timestamp>,
    /// Records that wait in their logs were looked at back to here only: there are too many of them.
    pub waiting_to: Option<Timestamp>,
    /// Rows that are damaged: they are left out, and the log says why.
    pub unreadable: usize,
}

impl<T, Id> Default for Page<T, Id> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: None, searched_to: None, waiting_to: None, unreadable: 0 }
    }
}
