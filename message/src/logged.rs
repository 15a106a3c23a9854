//! One stored message with its place and its facts: what pages and judge work on.

use std::sync::Arc;

use crate::address::Address;
use crate::event::{CallClass, CallEvent, class_of};
use crate::facts::Facts;
use crate::kind::Kind;
use crate::learned::Learned;
use crate::machine::Seen;
use record::id::{CallKey, MessageId};
use record::redact::Mask;
use record::span::Flags;
use record::time::Timestamp;

/// Letters of a branch that tell it from others.
const LONGEST: usize = 128;

/// A message as it was logged, and what it says.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    /// As logged.
    pub time: Timestamp,
    pub kind: Kind,
    /// Field 2 of the header as logged: `INVITE`, `180`, `POST`, `PUSH`.
    pub method: String,
    pub status: Option<u16>,
    pub source: String,
    pub destination: String,
    pub call: CallKey,
    /// Without [`Flags::UNFINISHED`], which `provisional` says.
    pub flags: Flags,
    /// The rest of it is not read yet. One that is whole and merely waits for a record before it is as good as final.
    pub provisional: bool,
    pub place: Arc<Place>,
    /// Length of the span in the file.
    pub len: u64,
    /// The whole span as sent: header line, message, the logger's line end.
    pub raw: Vec<u8>,
    /// Bytes of the header line with its line end.
    pub head: u32,
    pub line_end: u8,
    pub masked: Vec<Mask>,
    pub facts: Facts,
}

/// Where messages of one stream come from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    pub agent: String,
    pub host: String,
    /// Name of the source: one log of one host over its rotations.
    pub source: String,
    pub path: String,
    pub learned: Arc<Learned>,
}

impl Message {
    /// What correlation gets of it.
    pub fn event(&self) -> CallEvent {
        CallEvent::of(self.id, self.time.day(), self.time, &self.method, &self.source, &self.destination, &self.facts)
    }

    /// What it says of who logged it.
    pub fn seen(&self) -> Seen {
        let request = self.facts.sip.as_deref().filter(|_| !self.facts.response);
        let mut vias = request.into_iter().flat_map(|sip| &sip.vias).map(|via| {
            // As long as anybody's is; a stranger's may be anything.
            via.branch.chars().take(LONGEST).collect::<String>()
        });
        Seen {
            from: Address::read(&self.source),
            to: Address::read(&self.destination),
            by_sender: self.by_sender(),
            branches: (vias.next().unwrap_or_default(), vias.next().unwrap_or_default()),
        }
    }

    /// A request with one Via comes from a user agent, one with more from a proxy; responses the other way. REST and push are
    /// logged by who asks.
    pub fn by_sender(&self) -> bool {
        match &self.facts.sip {
            Some(sip) if self.facts.kind == Kind::Sip => (sip.vias.len() > 1) != self.facts.response,
            _ => !self.facts.response,
        }
    }

    /// It is filed as a registration; in a call, it is one that the call borrows.
    pub fn is_registration(&self) -> bool {
        class_of(&self.facts) == CallClass::Registration
    }

    /// The header line as logged, without its line end.
    pub fn header(&self) -> &[u8] {
        let line = &self.raw[..self.head as usize];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The message alone, byte-exact.
    pub fn body(&self) -> &[u8] {
        &self.raw[self.head as usize..self.raw.len() - self.line_end as usize]
    }
}
