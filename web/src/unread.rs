//! What an agent in this process does not read, and why.

/// A place or file that is not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unread {
    /// As it is shown: no control characters are in it.
    pub path: String,
    /// So many others of its directory are not read for the same reason.
    pub others: usize,
    /// `missing`, `no_file`, `unreadable` or `unfit`.
    pub reason: &'static str,
    /// What is wrong with it, and what happens: the second half of a sentence.
    pub what: String,
}

impl Unread {
    /// Somebody must do something; what is only waited for is no fault.
    pub fn is_fault(&self) -> bool {
        self.reason == "unreadable"
    }
}
