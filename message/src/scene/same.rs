//! Which logs tell of one message.

use std::hash::{DefaultHasher, Hasher};

use super::{Scene, to_tag};
use crate::exchange::{Half, Sighting};
use crate::kind::Kind;
use crate::logged::Message;
use crate::number::Numbers;
use crate::rest::{self, HttpStart, Part};

/// Headers by which a request of REST or push, and its response, is known at both ends.
const IDS: [&[u8]; 2] = [b"x-request-id", b"apns-id"];

/// What does not change between the sender's and the receiver's log of a message; its direction is compared apart.
#[derive(PartialEq, Eq, Hash)]
enum Identity<'a> {
    Sip {
        transaction: usize,
        branch: &'a str,
        method: &'a str,
        status: Option<u16>,
        tag: Option<&'a str>,
        content: u64,
    },
    Other {
        kind: Kind,
        response: bool,
        method: &'a str,
        status: Option<u16>,
        target: Option<&'a str>,
        content: u64,
    },
}

/// By message: a number for all that are one message but for their hop's marks; none for what is never the same as
/// another (MEDIA, and what could not be read).
pub(crate) struct Sameness {
    whole: Vec<Option<usize>>,
    response: Vec<Option<usize>>,
}

impl Sameness {
    pub fn new(scene: &Scene, sightings: &[Sighting]) -> Self {
        let mut numbers = Numbers::with_room(sightings.len());
        let mut content = Content::default();
        let mut same = Self { whole: vec![None; scene.messages.len()], response: vec![None; scene.messages.len()] };
        for sighting in sightings {
            let number = identity(scene, *sighting, &mut content).map(|identity| numbers.of(identity));
            same.half(*sighting)[sighting.message] = number;
        }
        same
    }

    pub fn of(&self, sighting: Sighting) -> Option<usize> {
        if sighting.half == Half::Response { self.response[sighting.message] } else { self.whole[sighting.message] }
    }

    fn half(&mut self, sighting: Sighting) -> &mut Vec<Option<usize>> {
        if sighting.half == Half::Response { &mut self.response } else { &mut self.whole }
    }
}

fn identity<'a>(scene: &Scene<'a>, sighting: Sighting, content: &mut Content) -> Option<Identity<'a>> {
    let message = &scene.messages[sighting.message];
    let facts = &message.facts;
    let status = sighting.status(scene.messages);
    match (facts.kind, &facts.sip) {
        (Kind::Sip, Some(sip)) => Some(Identity::Sip {
            transaction: scene.transaction[sighting.message],
            branch: sip.vias.first().map_or("", |via| via.branch.as_str()),
            method: &facts.method,
            status,
            tag: to_tag(sip),
            content: content.of_sip(message, status),
        }),
        (Kind::Rest | Kind::Push, _) => Some(Identity::Other {
            kind: facts.kind,
            response: sighting.is_response(scene.messages),
            method: &facts.method,
            status,
            target: facts.target.as_deref(),
            content: content.of_rest(message.body(), sighting.is_response(scene.messages)),
        }),
        _ => None,
    }
}

/// Hashes of text without line ends: one logger keeps CRLF, another writes LF and adds one of its own.
#[derive(Default)]
struct Content {
    lines: Vec<u8>,
}

impl Content {
    /// The body, and RSeq of a reliable provisional response (RFC 3262): a second 183 with other SDP is no repeat.
    fn of_sip(&mut self, message: &Message, status: Option<u16>) -> u64 {
        let text = message.body();
        let end = head_end(text);
        let mut rseq: &[u8] = &[];
        if matches!(status, Some(101..=199)) {
            let of_rseq = |line: &&[u8]| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"rseq:"));
            rseq = text[..end].split(|byte| *byte == b'\n').find(of_rseq).unwrap_or_default();
        }
        self.of(&text[end..]) ^ self.of(rseq).rotate_left(1)
    }

    /// The id that its sender gave it, else the body of the HTTP message, else all of the record.
    fn of_rest(&mut self, text: &[u8], response: bool) -> u64 {
        let parts = rest::parts(text);
        let mut parts = parts.iter().filter_map(|part| match part {
            Part::Http(http) if matches!(http.start, HttpStart::Response { .. }) == response => Some(http),
            _ => None,
        });
        // Of responses the last: what came before it was interim.
        let Some(http) = (if response { parts.next_back() } else { parts.next() }) else { return self.of(text) };
        let is_id = |name: &[u8]| IDS.iter().any(|id| id.eq_ignore_ascii_case(name));
        match http.headers.clone().find(|header| is_id(header.name_bytes())) {
            Some(id) => self.of(id.value().as_bytes()).rotate_left(1),
            None => self.of(&http.body),
        }
    }

    fn of(&mut self, text: &[u8]) -> u64 {
        let text = text.trim_ascii();
        if text.is_empty() {
            return 0;
        }
        self.lines.clear();
        for line in text.split(|byte| *byte == b'\n') {
            self.lines.extend_from_slice(line.trim_ascii_end());
            self.lines.push(b'\n');
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.lines);
        hasher.finish()
    }
}

fn head_end(text: &[u8]) -> usize {
    let breaks = memchr::memchr_iter(b'\n', text);
    let mut ends =
        breaks.map(|at| at + 1).filter(|at| text[*at..].starts_with(b"\n") || text[*at..].starts_with(b"\r\n"));
    ends.next().unwrap_or(text.len())
}
