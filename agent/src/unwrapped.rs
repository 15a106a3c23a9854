//! Logs that are wrapped: how a source is read, and where reading stands in the unwrapped bytes of a file.

use record::format::Format;
use record::wrapper::{Mark, Places, Seen, Text, Unwrapper, Wrapper};

/// What lines of a source are wrapped in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wrapping {
    /// Nothing. What looks otherwise is reported.
    #[default]
    Nothing,
    /// What the config says.
    As(Wrapper),
    /// What each file looks like.
    Recognised,
}

/// A wrapped file. Its text has offsets of its own, which begin at the offset of the file where reading began.
#[derive(Debug)]
pub struct Unwrapped {
    pub text: Text,
    /// The next byte of the text that the framer wants.
    pub at: u64,
    /// The end of the last final span.
    pub framed: Mark,
    /// Its last line ended with the file.
    pub closed: bool,
}

/// What was seen of a file that may be wrapped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub seen: Seen,
    /// All before was looked at.
    pub to: u64,
    /// Not reported yet.
    pub news: Option<Wrapper>,
}

impl Unwrapped {
    pub fn new(at: u64, state: Unwrapper) -> Self {
        let framed = Mark { text: at, raw: at, state };
        Self { text: Text::new(framed), at, framed, closed: false }
    }

    /// Bytes of the text that are not final.
    pub fn unfinished(&self) -> u64 {
        self.text.end() - self.framed.text
    }

    /// Lines that say nothing follow the last final span.
    pub fn skips(&self) -> bool {
        match self.text.places(self.framed.text) {
            Some(Places::Between { last, .. }) => last.raw > self.framed.raw,
            _ => false,
        }
    }

    /// Keeps what may be needed soon: what is not final, if it is no more than this.
    pub fn trim(&mut self, most: usize) {
        let end = self.text.end();
        let from =
            if self.unfinished() <= most as u64 { self.framed.text } else { self.at.clamp(self.framed.text, end) };
        self.text.forget(from);
        if from > self.framed.text {
            self.text.thin(from);
        }
    }

    /// Keeps no byte.
    pub fn forget(&mut self) {
        self.text.forget(self.text.end());
        self.text.thin(self.text.end());
    }
}

impl Look {
    /// Looks at bytes that begin with a line of the file.
    pub fn take(&mut self, bytes: &[u8], to: u64, format: &Format) -> Option<Wrapper> {
        self.to = to;
        self.news = self.seen.look(bytes, format);
        self.news
    }
}
