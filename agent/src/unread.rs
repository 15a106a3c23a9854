//! Places and files of the sources that are not read, and why: states that a person must be able to see.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use crate::wording::shown;

/// A place or file of a source that is not read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Unread {
    pub path: PathBuf,
    pub obstacle: Obstacle,
    /// So many others of its directory are not read for the same reason.
    pub others: usize,
}

/// What keeps a place or file from being read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Obstacle {
    /// A file or directory that is named does not exist.
    Missing,
    /// There is no file yet that a pattern matches, or in a directory.
    NoFile,
    /// It cannot be opened, listed or read. It is tried again.
    Unreadable(String),
    /// It is no plain file, or a compressed one.
    Unfit(&'static str),
}

impl Obstacle {
    pub fn unreadable(error: &io::Error) -> Self {
        Self::Unreadable(in_words(error))
    }

    /// As the API calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NoFile => "no_file",
            Self::Unreadable(_) => "unreadable",
            Self::Unfit(_) => "unfit",
        }
    }
}

/// The second half of a sentence that begins with the path.
impl Display for Obstacle {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => out.write_str("does not exist yet; it is followed when it appears"),
            Self::NoFile => out.write_str("matches no file yet; what appears is followed"),
            Self::Unreadable(why) => write!(out, "cannot be read: {why}; it is tried again"),
            Self::Unfit(what) => write!(out, "is not followed: {what}"),
        }
    }
}

/// Without its number, which says nothing that the words do not.
pub fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

impl Unread {
    pub fn new(path: PathBuf, obstacle: Obstacle) -> Self {
        Self { path, obstacle, others: 0 }
    }

    /// The path as it is shown, with how many others it stands for.
    pub fn name(&self) -> String {
        let path = shown(&self.path);
        if self.others == 0 { path } else { format!("{path} (like {} more in its directory)", self.others) }
    }
}

/// A sentence without its full stop.
impl Display for Unread {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name(), self.obstacle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_one_sentence_in_which_no_name_can_forge_another() {
        let said = |path: &str, obstacle, others| Unread { path: path.into(), obstacle, others }.to_string();
        let denied = Obstacle::unreadable(&io::Error::from_raw_os_error(13));
        assert_eq!(said("/x/a.log", denied, 0), "/x/a.log cannot be read: Permission denied; it is tried again");
        assert_eq!(said("/x", Obstacle::NoFile, 0), "/x matches no file yet; what appears is followed");
        assert_eq!(
            said("/x/a.gz", Obstacle::Unfit("it is compressed"), 41),
            "/x/a.gz (like 41 more in its directory) is not followed: it is compressed"
        );
        assert_eq!(
            said("/x/a\n\u{1b}[31m\u{202e}gol.log", Obstacle::Missing, 0),
            r"/x/a\n\u{1b}[31m\u{202e}gol.log does not exist yet; it is followed when it appears"
        );
    }
}
