//! The call flows of RFC 3665: each message of each flow is written, read, and drawn from its facts, one line a message.
//!
//! Each was compared with the text of its section: the same messages pass over the same hops in the same order. They are
//! not copied but written here; where the RFC slips (in 3.8 a CANCEL for Alice and an ACK with the Via of another hop)
//! they are right. A line shows the hop, what was sent, CSeq, the tags of From and To, the branches of all Vias from the
//! top, what else the message says, and its faults.

use std::fmt::Write as _;

use message::facts::{self, Facts, Settings};
use message::kind::Kind;
use message::sip::NameAddr;

mod established;
mod registration;
mod unsuccessful;

/// Stations in the order in which a request passes them.
type Path = &'static [&'static str];

/// Writes the messages of one flow.
struct Flow {
    call_id: &'static str,
    /// The last CSeq number of each side: each counts its own requests.
    alice: u32,
    bob: u32,
    /// Counts transactions, so that each has branches of its own.
    turns: u32,
    /// Bob's tag, or that of who answers for him.
    tag: &'static str,
    /// Proxies that stay in the dialog (RFC 3261, 16.6).
    recording: Path,
    messages: Vec<Written>,
}

struct Written {
    from: &'static str,
    to: &'static str,
    call_id: &'static str,
    text: String,
}

/// What the messages of one transaction share.
#[derive(Clone, Copy)]
struct Turn {
    method: &'static str,
    cseq: u32,
    number: u32,
    path: Path,
    /// Each station answers it, and each sends its own (RFC 3261, 9.1 and 17.1.1.3).
    hop_by_hop: bool,
}

const CALL_ID: &str = "flow-17@alice.example.com";
const ALICE: &str = "Alice <sip:alice@example.com>";
const BOB: &str = "Bob <sip:bob@example.org>";
const TARGET: &str = "sip:bob@example.org";
const ALICE_HOST: &str = "sip:alice@alice.example.com;transport=tcp";
const BOB_HOST: &str = "sip:bob@bob.example.org;transport=tcp";
const PROXIES: Path = &["alice", "p1", "p2", "bob"];
const PRELOADED: &str = "Route: <sip:p1.example.com;lr>\n";

impl Flow {
    fn recorded_by(recording: Path) -> Self {
        Self { call_id: CALL_ID, alice: 0, bob: 0, turns: 0, tag: "", recording, messages: Vec::new() }
    }

    /// A new transaction, with the next CSeq number of who begins it.
    fn turn(&mut self, method: &'static str, path: Path) -> Turn {
        self.turns += 1;
        let count = if path[0] == "alice" { &mut self.alice } else { &mut self.bob };
        *count += 1;
        Turn { method, cseq: *count, number: self.turns, path, hop_by_hop: false }
    }

    /// ACK to a 2xx: a transaction of its own with the number of its INVITE.
    fn ack(&mut self, invite: Turn, path: Path) -> Turn {
        self.turns += 1;
        Turn { method: "ACK", number: self.turns, path, ..invite }
    }

    /// A request on one hop; the first is 1. In `lines`, what it has beyond the usual, and its body.
    fn request(&mut self, turn: Turn, hop: usize, target: &str, lines: &str) {
        self.write(turn, hop, &format!("{} {target} SIP/2.0", turn.method), true, lines);
    }

    /// A response on its way back over one hop.
    fn response(&mut self, turn: Turn, hop: usize, status: &str, lines: &str) {
        self.write(turn, hop, &format!("SIP/2.0 {status}"), false, lines);
    }

    /// An INVITE on all hops; each station but the first says that it tries.
    fn invite(&mut self, path: Path, first: &str, lines: &str) -> Turn {
        let invite = self.turn("INVITE", path);
        for hop in 1..path.len() {
            let own = if hop == 1 { first.to_owned() } else { self.recorded(&path[1..hop]) };
            self.request(invite, hop, target(path, hop), &format!("{own}{lines}"));
            if hop > 1 {
                self.response(invite, hop - 1, "100 Trying", "");
            }
        }
        invite
    }

    /// A request within the dialog, on all hops; each takes itself off the route.
    fn pass(&mut self, turn: Turn, target: &str, lines: &str) {
        for hop in 1..turn.path.len() {
            let left = listed("Route", turn.path[hop..turn.path.len() - 1].iter());
            self.request(turn, hop, target, &format!("{left}{lines}"));
        }
    }

    /// A response on all hops.
    fn back(&mut self, turn: Turn, status: &str, lines: &str) {
        for hop in (1..turn.path.len()).rev() {
            self.response(turn, hop, status, lines);
        }
    }

    /// A final response that is no 2xx, from this hop on: each station acknowledges it.
    fn refuse(&mut self, invite: Turn, from: usize, status: &str, lines: &str) {
        for hop in (1..=from).rev() {
            self.response(invite, hop, status, lines);
            self.request(invite.hop_by_hop("ACK"), hop, target(invite.path, hop), "");
        }
    }

    /// The proxies among these that recorded themselves, the last first.
    fn recorded(&self, passed: &[&str]) -> String {
        listed("Record-Route", passed.iter().rev().filter(|name| self.recording.contains(name)))
    }

    fn write(&mut self, turn: Turn, hop: usize, start: &str, request: bool, lines: &str) {
        let mut text = format!("{start}\r\n");
        let first = if turn.hop_by_hop { hop - 1 } else { 0 };
        let passed = &turn.path[first..hop];
        for (nth, station) in passed.iter().rev().enumerate() {
            let _ = write!(text, "Via: SIP/2.0/TCP {station}.example.com:5060;branch=z9hG4bK{station}{}", turn.number);
            if nth > 0 || !request {
                text.push_str("\r\n ;received=192.0.2.101");
            }
            text.push_str("\r\n");
        }
        let (own, other) = (";tag=a1", if self.tag.is_empty() { String::new() } else { format!(";tag={}", self.tag) });
        let (from, to) = match (turn.path[0], turn.method) {
            // Who registers, registers himself.
            (_, "REGISTER") => (format!("{BOB}{own}"), format!("{BOB}{other}")),
            ("alice", _) => (format!("{ALICE}{own}"), format!("{BOB}{other}")),
            _ => (format!("{BOB}{other}"), format!("{ALICE}{own}")),
        };
        let (call_id, cseq, method) = (self.call_id, turn.cseq, turn.method);
        let _ = write!(text, "From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n");
        let (lines, body) = lines.split_once("\n\n").unwrap_or((lines, ""));
        for line in lines.lines() {
            let _ = write!(text, "{line}\r\n");
        }
        let body = body.replace('\n', "\r\n");
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        let (before, behind) = (turn.path[hop - 1], turn.path[hop]);
        let (from, to) = if request { (before, behind) } else { (behind, before) };
        self.messages.push(Written { from, to, call_id, text });
    }

    fn drawn(&self) -> String {
        let mut out = String::new();
        for message in &self.messages {
            let facts = facts::read(Kind::Sip, "-", "-", "-", message.text.as_bytes(), &Settings::default());
            assert_eq!(facts.call_id.as_deref(), Some(message.call_id));
            let _ = write!(out, "{} → {} · ", message.from, message.to);
            line(&facts, &mut out);
            if message.call_id != CALL_ID {
                let _ = write!(out, " · call {}", message.call_id);
            }
            out.push('\n');
        }
        out
    }
}

impl Turn {
    /// ACK to a refusal, or CANCEL: in the transaction of the INVITE.
    fn hop_by_hop(self, method: &'static str) -> Self {
        Self { method, hop_by_hop: true, ..self }
    }
}

/// The last proxy knows where Bob is.
fn target(path: Path, hop: usize) -> &'static str {
    if path[hop] == "bob" { BOB_HOST } else { TARGET }
}

/// A header that lists stations, each on a line of its own; none where there are none.
fn listed<'a>(name: &str, stations: impl Iterator<Item = &'a &'a str>) -> String {
    let list: Vec<_> = stations.map(|station| format!("<sip:{station}.example.com;lr>")).collect();
    if list.is_empty() { String::new() } else { format!("{name}: {}\n", list.join(",\n ")) }
}

fn contact(uri: &str) -> String {
    format!("Contact: <{uri}>\n")
}

fn sdp(contact: &str, address: &str) -> String {
    format!(
        "{contact}Content-Type: application/sdp\n\nv=0\no=- 1 1 IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0\n\
         m=audio 49172 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"
    )
}

fn offer() -> String {
    sdp(&contact(ALICE_HOST), "192.0.2.101")
}

fn answer() -> String {
    sdp(&contact(BOB_HOST), "192.0.2.201")
}

fn line(facts: &Facts, out: &mut String) {
    let sip = facts.sip.as_deref().unwrap();
    let what = match facts.status {
        Some(status) => format!("{status} {}", facts.reason),
        None => format!("{} {}", facts.method, sip.request_uri.as_ref().unwrap().text),
    };
    // Each station writes down where a request came from.
    let own = usize::from(!facts.response);
    assert!(sip.vias[own..].iter().all(|via| via.received.as_deref() == Some("192.0.2.101")));
    let tag = |party: &Option<NameAddr>| party.as_ref().unwrap().tag().unwrap_or("-").to_owned();
    let branches: Vec<_> = sip.vias.iter().map(|via| via.branch.trim_start_matches("z9hG4bK")).collect();
    let (cseq, method) = (sip.cseq.unwrap(), &facts.method);
    let (from, to, branches) = (tag(&sip.from), tag(&sip.to), branches.join(" "));
    let _ = write!(out, "{what} · {cseq} {method} · {from} {to} · {branches}");
    for (name, list) in [("contact", &sip.contacts), ("route", &sip.routes), ("recorded", &sip.record_routes)] {
        for address in list {
            let _ = write!(out, " · {name} {}", address.uri.text);
        }
    }
    if let Some(expires) = sip.expires {
        let _ = write!(out, " · expires {expires}");
    }
    if let Some(sdp) = &sip.sdp {
        let _ = write!(out, " · sdp {} {}", sdp.address.as_deref().unwrap_or("-"), sdp.media[0].codecs.join(","));
    }
    for fault in &facts.faults {
        let _ = write!(out, " · fault {}", fault.what);
    }
}
