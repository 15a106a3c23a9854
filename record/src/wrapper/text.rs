//! A stretch of unwrapped bytes with their places in the file.

use std::collections::VecDeque;

use super::Unwrapper;
use super::sink::Sink;
use crate::format::Format;

/// Where marks are thinned out, so many bytes of the file may lie between two.
const APART: u64 = 64 << 10;

/// A place in the text and in the file, and how unwrapping goes on there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    pub text: u64,
    pub raw: u64,
    pub state: Unwrapper,
}

/// Where in the file a place in the text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Places {
    /// Between lines of the file; some of them, between `first` and `last`, say nothing.
    Between { first: Mark, last: Mark, lines: u64 },
    /// In the line of the file, or the piece of a long one, that begins and ends here.
    Within { begin: Mark, end: Mark },
    /// Only a place before it is known: take the bytes of the file from there on once more.
    After(Mark),
}

/// Unwrapped bytes, in offsets of their own. What is not needed any more is forgotten; some places are kept, from which it
/// can be unwrapped again.
#[derive(Clone, Debug)]
pub struct Text {
    state: Unwrapper,
    raw: u64,
    from: u64,
    bytes: Vec<u8>,
    /// In ascending order, the first at the beginning: one a line of the file from `dense` on.
    marks: VecDeque<Mark>,
    dense: u64,
}

impl Text {
    pub fn new(begin: Mark) -> Self {
        let Mark { text, raw, state } = begin;
        Self { state, raw, from: text, bytes: Vec::new(), marks: VecDeque::from([begin]), dense: text }
    }

    /// Takes the bytes of the file from [`Text::raw`] on, line by line. The last line waits for its end, unless the file is
    /// `closed`.
    pub fn take(&mut self, raw: &[u8], closed: bool, format: &Format) {
        let mut at = 0;
        while let Some(taken) = self.state.take(&raw[at..], closed, format, &mut Sink::into(&mut self.bytes)) {
            at += taken;
            self.raw += taken as u64;
            self.marks.push_back(Mark { text: self.end(), raw: self.raw, state: self.state });
        }
    }

    /// All bytes of the file before are unwrapped.
    pub fn raw(&self) -> u64 {
        self.raw
    }

    /// The end of the text.
    pub fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    /// The bytes from `at` on, at most `len` of them; none where they are forgotten.
    pub fn bytes(&self, at: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(at.checked_sub(self.from)?).ok()?;
        let rest = self.bytes.get(at..)?;
        Some(&rest[..rest.len().min(len)])
    }

    /// Bytes in memory.
    pub fn kept(&self) -> usize {
        self.bytes.len() + self.marks.len() * size_of::<Mark>()
    }

    /// Where a place of the text is in the file; it must not lie before the first mark.
    pub fn places(&self, text: u64) -> Option<Places> {
        let after = self.marks.partition_point(|mark| mark.text < text);
        if text < self.dense {
            return self.marks.get(after.saturating_sub(1)).copied().map(Places::After);
        }
        let behind = self.marks.partition_point(|mark| mark.text <= text);
        let last = *self.marks.get(behind.checked_sub(1)?)?;
        Some(match self.marks.get(after) {
            Some(first) if first.text == text => {
                Places::Between { first: *first, last, lines: (behind - 1 - after) as u64 }
            }
            next => Places::Within { begin: last, end: *next? },
        })
    }

    /// A place before which nothing is asked for any more.
    pub fn settle(&mut self, begin: Mark) {
        while self.marks.front().is_some_and(|mark| (mark.text, mark.raw) <= (begin.text, begin.raw)) {
            self.marks.pop_front();
        }
        self.marks.push_front(begin);
        self.dense = self.dense.max(begin.text);
    }

    /// Forgets the bytes before a place.
    pub fn forget(&mut self, before: u64) {
        let drop = before.saturating_sub(self.from).min(self.bytes.len() as u64);
        self.bytes.drain(..drop as usize);
        self.from += drop;
    }

    /// Keeps few of the marks before a place.
    pub fn thin(&mut self, before: u64) {
        let mut last: Option<u64> = None;
        self.marks.retain(|mark| {
            let keep = mark.text >= before || last.is_none_or(|last| mark.raw - last >= APART);
            if keep {
                last = Some(mark.raw);
            }
            keep
        });
        self.dense = self.dense.max(before);
    }
}

impl Mark {
    /// A place of the text within a line or piece up to `end`, of which `raw` are the bytes.
    pub fn find(&self, text: u64, end: &Mark, raw: &[u8], format: &Format) -> Option<Mark> {
        // That it passed was known of what follows it.
        let mut state = self.state.in_line_before(&end.state);
        let mut to = Sink::find(usize::try_from(text.checked_sub(self.text)?).ok()?);
        let taken = state.take(raw, true, format, &mut to)?;
        let at = to.stopped().map_or(taken, |(at, _)| at);
        Some(Mark { text, raw: self.raw + at as u64, state })
    }
}
