//! Logs that something has wrapped: what a container runtime, a syslog daemon or UTF-16 made of the lines of a program.
//!
//! A sans-IO state machine takes the bytes of the file and gives those that the program wrote. It needs no more than the
//! bytes from an offset on and a note of a few bytes, so unwrapping starts again at any end of a span. Each unwrapped byte
//! has its place in the file, so spans stay ranges of the file.
//!
//! - [`Wrapper`]: what there is; [`Unwrapper`]: one line after another
//! - `docker`, `cri`, `syslog`, `utf16`: how each of them writes a line
//! - `sink`: where unwrapped bytes go, or where one of them stands in the file
//! - [`Text`]: a stretch of unwrapped bytes with its places in the file
//! - `recognise`: what a log looks like

mod cri;
mod docker;
#[cfg(test)]
mod laws;
mod recognise;
mod sink;
mod syslog;
#[cfg(test)]
mod tests;
mod text;
mod utf16;

use std::fmt;

use chrono_tz::Tz;
use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};

use crate::format::{Format, LONGEST_HEADER, Line};
pub use recognise::Seen;
use sink::Sink;
pub use text::{Mark, Places, Text};

/// How far in the file the rest of a line is looked for that may be a header.
const AHEAD: usize = 16 << 10;
/// A line beyond this passes as it is. Docker and CRI write lines of some 16 KiB.
const LONGEST: usize = 1 << 20;

/// What lines are wrapped in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapper {
    /// `{"log":"text\n","stream":"stdout","time":"…"}`: Docker's json-file.
    Docker,
    /// `2026-11-20T10:00:00.1Z stdout F text`: Kubernetes, containerd, CRI-O, podman.
    Cri,
    /// Text in which a syslog daemon wrote control characters as `#012`.
    Syslog,
    /// UTF-16 with a byte order mark.
    Utf16Le,
    Utf16Be,
}

/// Which of a container's two outputs a line comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Output {
    Stdout,
    Stderr,
}

/// Where in a line of the file unwrapping stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// At its start, or where that makes no difference.
    #[default]
    Start,
    /// In the text of an entry; `ends`: the line's end is one of the text.
    Entry { output: Output, ends: bool },
    /// In a line that passes as it is.
    Plain,
}

/// Takes the lines of a wrapped file one by one. It holds no byte; its value is the note with which it starts again.
///
/// A container writes two outputs into one file, line by line. Records are followed in the output in which the last header
/// line stood; lines of the other one are left out until a header line stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unwrapper {
    wrapper: Wrapper,
    #[serde(default)]
    place: Place,
    /// The output of the last header line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    follows: Option<Output>,
    /// The output of the last text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Output>,
    /// The outputs whose last entry ended without a line end: a bit each.
    #[serde(default)]
    open: u8,
    /// The text so far ends inside a line.
    #[serde(default)]
    inside: bool,
    /// Bytes of the first character that were given already.
    #[serde(default)]
    given: u8,
    /// The byte order mark lies before here.
    #[serde(default)]
    begun: bool,
}

impl Wrapper {
    /// Those that a config can name.
    pub const NAMED: [Wrapper; 3] = [Wrapper::Docker, Wrapper::Cri, Wrapper::Syslog];

    /// As a config names it.
    pub fn name(self) -> &'static str {
        match self {
            Wrapper::Docker => "docker",
            Wrapper::Cri => "cri",
            Wrapper::Syslog => "syslog",
            Wrapper::Utf16Le => "utf-16le",
            Wrapper::Utf16Be => "utf-16be",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|wrapper| wrapper.name() == name)
    }

    /// What a person calls it.
    pub fn title(self) -> &'static str {
        match self {
            Wrapper::Docker => "Docker's json-file",
            Wrapper::Cri => "container lines (CRI)",
            Wrapper::Syslog => "syslog lines with escaped line ends (#012)",
            Wrapper::Utf16Le | Wrapper::Utf16Be => "UTF-16",
        }
    }

    pub fn is_utf16(self) -> bool {
        matches!(self, Wrapper::Utf16Le | Wrapper::Utf16Be)
    }

    /// The UTF-16 that a file begins with the byte order mark of.
    pub fn of_mark(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, ..] => Some(Wrapper::Utf16Le),
            [0xfe, 0xff, ..] => Some(Wrapper::Utf16Be),
            _ => None,
        }
    }
}

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Output {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"stdout" => Some(Output::Stdout),
            b"stderr" => Some(Output::Stderr),
            _ => None,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What follows a line in the file, as far as it is there.
#[derive(Clone, Copy)]
struct Rest<'a> {
    raw: &'a [u8],
    closed: bool,
    format: &'a Format,
}

/// What a line of a container says.
struct Entry<'a> {
    output: Output,
    /// Where its text stands in the line.
    at: usize,
    /// The text as it stands there.
    text: &'a [u8],
    /// The last of its line.
    ends: bool,
}

impl Unwrapper {
    /// At the head of a file.
    pub fn new(wrapper: Wrapper) -> Self {
        Self { wrapper, place: Place::Start, follows: None, last: None, open: 0, inside: false, given: 0, begun: false }
    }

    /// In a file that was read otherwise up to here. `starts_line`: a line of the file begins here.
    pub fn from_here(wrapper: Wrapper, starts_line: bool) -> Self {
        let place = if starts_line || wrapper == Wrapper::Syslog { Place::Start } else { Place::Plain };
        Self { place, inside: !starts_line, begun: true, ..Self::new(wrapper) }
    }

    /// The same, given how it is after a line that passes.
    fn in_line_before(self, after: &Self) -> Self {
        Self { follows: after.follows, ..self }
    }

    pub fn wrapper(&self) -> Wrapper {
        self.wrapper
    }

    /// The text so far ends inside a line.
    pub fn is_inside_line(&self) -> bool {
        self.inside
    }

    /// Takes a line of the file, or a piece of a long one, and gives its bytes. None: more bytes are needed, of which there
    /// are none where the file is `closed`.
    fn take(&mut self, raw: &[u8], closed: bool, format: &Format, to: &mut Sink<'_>) -> Option<usize> {
        if raw.is_empty() {
            return None;
        }
        to.leave_out(std::mem::take(&mut self.given));
        if self.wrapper.is_utf16() {
            return utf16::take(self, raw, closed, to);
        }
        let near = &raw[..raw.len().min(LONGEST)];
        let line_end = memchr(b'\n', near).map(|at| at + 1);
        let is_last = closed && raw.len() < LONGEST;
        let taken = match line_end {
            Some(end) => {
                self.line(&raw[..end], Rest { raw: &raw[end..], closed, format }, to)?;
                end
            }
            None if self.place == Place::Plain || is_last => {
                self.line(near, Rest { raw: &[], closed: true, format }, to)?;
                near.len()
            }
            None if raw.len() < LONGEST => return None,
            None if self.wrapper == Wrapper::Syslog => {
                let piece = syslog::whole(near);
                syslog::decode(piece, to);
                self.gave(to);
                piece.len()
            }
            None => {
                self.pass(near, to);
                self.place = Place::Plain;
                near.len()
            }
        };
        Some(taken)
    }

    /// None: what follows must be known first.
    fn line(&mut self, line: &[u8], rest: Rest<'_>, to: &mut Sink<'_>) -> Option<()> {
        match (self.wrapper, self.place) {
            (Wrapper::Syslog, _) => {
                self.place = Place::Start;
                syslog::decode(line, to);
                self.gave(to);
            }
            (_, Place::Plain) => self.pass(line, to),
            (Wrapper::Docker, Place::Entry { output, .. }) => {
                let text = docker::string(line, 0).map_or(line, |end| &line[..end]);
                self.entry(&Entry { output, at: 0, text, ends: false }, to);
            }
            (_, Place::Entry { output, ends }) => {
                self.entry(&Entry { output, at: 0, text: cri::text(line, ends), ends }, to);
            }
            (_, Place::Start) => match self.read(line) {
                None => self.pass(line, to),
                Some(entry) if self.passes(&entry, rest)? => {
                    if self.inside && self.last.is_some_and(|last| last != entry.output) {
                        to.escaped(0, b"\n");
                    }
                    self.entry(&entry, to);
                }
                Some(entry) => self.note_open(entry.output, !self.ends(&entry)),
            },
        }
        Some(())
    }

    fn read<'l>(&self, line: &'l [u8]) -> Option<Entry<'l>> {
        if self.wrapper == Wrapper::Docker { docker::entry(line) } else { cri::entry(line) }
    }

    fn decode(&self, entry: &Entry<'_>, to: &mut Sink<'_>) {
        match self.wrapper {
            Wrapper::Docker => docker::decode(entry.text, entry.at, to),
            _ => to.plain(entry.at, entry.text),
        }
    }

    /// A line that is none of the wrapper's passes as it is.
    fn pass(&mut self, line: &[u8], to: &mut Sink<'_>) {
        to.plain(0, line);
        self.place = if line.ends_with(b"\n") && to.stopped().is_none() { Place::Start } else { Place::Plain };
        self.gave(to);
    }

    fn entry(&mut self, entry: &Entry<'_>, to: &mut Sink<'_>) {
        self.decode(entry, to);
        self.last = Some(entry.output);
        self.gave(to);
        self.place = match to.stopped() {
            Some(_) => Place::Entry { output: entry.output, ends: entry.ends },
            None => Place::Start,
        };
        self.note_open(entry.output, self.inside);
    }

    fn note_open(&mut self, output: Output, open: bool) {
        self.open = if open { self.open | output.bit() } else { self.open & !output.bit() };
    }

    /// Remembers how the text ends now.
    fn gave(&mut self, to: &Sink<'_>) {
        if let Some(last) = to.last() {
            self.inside = last != b'\n';
        }
        if let Some((_, given)) = to.stopped() {
            self.given = given;
        }
    }

    fn ends(&self, entry: &Entry<'_>) -> bool {
        if self.wrapper == Wrapper::Docker { docker::ends(entry.text) } else { entry.ends }
    }

    /// Whether an entry is of the output that is followed, which is that of the last header line.
    fn passes(&mut self, entry: &Entry<'_>, rest: Rest<'_>) -> Option<bool> {
        if self.follows == Some(entry.output) {
            return Some(true);
        }
        let starts_line = self.open & entry.output.bit() == 0;
        if starts_line && self.is_header(entry, rest)? {
            self.follows = Some(entry.output);
            return Some(true);
        }
        Some(self.follows.is_none() && (!self.inside || self.last == Some(entry.output)))
    }

    /// Whether a header line begins with this entry. Other entries may hold the rest of it.
    fn is_header(&self, entry: &Entry<'_>, rest: Rest<'_>) -> Option<bool> {
        let mut line = Vec::new();
        self.decode(entry, &mut Sink::into(&mut line));
        let mut ends = self.ends(entry);
        let near = &rest.raw[..rest.raw.len().min(AHEAD)];
        let mut from = 0;
        let mut lines = memchr_iter(b'\n', near).map(|at| at + 1);
        while !ends && line.len() <= LONGEST_HEADER {
            let Some(to) = lines.next() else {
                return if rest.closed || rest.raw.len() >= AHEAD { Some(false) } else { None };
            };
            let next = self.read(&near[std::mem::replace(&mut from, to)..to]);
            if let Some(next) = next.filter(|next| next.output == entry.output) {
                self.decode(&next, &mut Sink::into(&mut line));
                ends = self.ends(&next);
            }
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Some(rest.format.candidate(line) && matches!(rest.format.read(line, Tz::UTC), Line::Header(_)))
    }
}
