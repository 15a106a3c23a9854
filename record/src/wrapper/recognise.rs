//! What a log looks like before anybody said what it is wrapped in.

use chrono_tz::Tz;
use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memrchr};

use super::{Wrapper, cri, docker};
use crate::format::{Format, Line};

/// A container's log is known by one of its first lines.
const LINES: usize = 8;
const BYTES: u64 = 64 << 10;
/// Escaped line ends that are looked at in one go.
const ESCAPES: usize = 64;

/// What has been seen of a log that is read as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    bytes: u64,
    /// It has records, or is known: there is nothing more to look for.
    over: bool,
}

impl Seen {
    /// Looks at bytes that begin with a line of the log.
    pub fn look(&mut self, bytes: &[u8], format: &Format) -> Option<Wrapper> {
        if self.over {
            return None;
        }
        let found = container(bytes).filter(|_| self.bytes < BYTES).or_else(|| syslog(bytes, format));
        self.bytes += bytes.len() as u64;
        self.over = found.is_some();
        found
    }

    /// There is a record: it is understood as it is.
    pub fn understood(&mut self) {
        self.over = true;
    }

    pub fn is_over(&self) -> bool {
        self.over
    }
}

/// One of the first lines is one of a container.
fn container(bytes: &[u8]) -> Option<Wrapper> {
    let ends = memchr_iter(b'\n', bytes).map(|at| at + 1);
    let mut from = 0;
    ends.take(LINES).find_map(|end| {
        let line = &bytes[std::mem::replace(&mut from, end)..end];
        if docker::is_entry(line) { Some(Wrapper::Docker) } else { cri::entry(line).map(|_| Wrapper::Cri) }
    })
}

/// A header line ends with an escaped line end.
fn syslog(bytes: &[u8], format: &Format) -> Option<Wrapper> {
    let escape = Finder::new(b"#012");
    let mut at = 0;
    for _ in 0..ESCAPES {
        let found = at + escape.find(&bytes[at..])?;
        let from = memrchr(b'\n', &bytes[at..found]).map_or(at, |lf| at + lf + 1);
        let line = &bytes[from..found];
        let line = line.strip_suffix(b"#015").unwrap_or(line);
        if format.candidate(line) && matches!(format.read(line, Tz::UTC), Line::Header(_)) {
            return Some(Wrapper::Syslog);
        }
        at = found + memchr(b'\n', &bytes[found..])?;
    }
    None
}
