//! Logs made for the store, parsed already: a batch at a time, so that any number of messages takes the same memory.

use message::event::{CallClass, CallEvent};
use message::keys::Key;
use message::kind::Kind;
use message::said::Said;
use record::format::Format;
use record::id::{CallKey, Offset, StreamId};
use record::span::Flags;
use record::time::{SECOND, Timestamp};
use record::wire::{FileIdentity, Guard, StreamMeta};
use store::append::{Incoming, Item, MessageRow, Packed};

use super::Fault;

pub const NOON: Timestamp = Timestamp(1_795_435_200 * SECOND);
pub const STREAMS: usize = 4;
const BATCH: usize = 1000;
const IN_CALL: usize = 7;
/// Between two messages of a log, in microseconds.
const STEP: i64 = 1000;

/// The batches of one stream, in order. Their bytes are still to be packed.
pub struct Log<'a> {
    stream: i64,
    messages: usize,
    samples: &'a [String],
    at: u64,
    number: usize,
}

impl<'a> Log<'a> {
    pub fn new(stream: usize, messages: usize, samples: &'a [String]) -> Self {
        Self { stream: stream as i64, messages, samples, at: 0, number: 0 }
    }

    /// There is another batch of it.
    pub fn goes_on(&mut self) {
        self.messages = self.messages.max(self.number + BATCH);
    }
}

impl Iterator for Log<'_> {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        let (base, first) = (self.at, self.number);
        self.number = self.messages.min(first + BATCH);
        let row = |number: usize| {
            let row = row(self.stream, self.at, number, sample(self.samples, number));
            self.at += row.len;
            Item::Record(Box::new(row), Vec::new())
        };
        let items: Vec<Item> = (first..self.number).map(row).collect();
        (!items.is_empty()).then(|| batch(self.stream, base, self.at, items))
    }
}

/// The texts of a batch come in the order in which its lengths were taken from them.
pub fn pack(batch: &mut Incoming, samples: &[String]) {
    for item in &mut batch.items {
        let Item::Record(row, _) = item else { continue };
        row.raw = Packed::of(sample(samples, number(row)).as_bytes());
    }
}

/// Some numbers begin with it, whichever it is.
pub fn prefix(at: usize) -> String {
    format!("+1202555{:03}", at * 7 % 1000)
}

fn sample(samples: &[String], number: usize) -> &str {
    &samples[number % samples.len()]
}

/// Which of its log's messages a row is.
fn number(row: &MessageRow) -> usize {
    ((row.time.0 - NOON.0) / STEP) as usize
}

/// Records of logs without their prefixes, or some of our own.
pub fn samples(logs: &[String]) -> Result<Vec<String>, Fault> {
    let mut samples: Vec<String> = Vec::new();
    for log in logs {
        let mut open = false;
        for line in String::from_utf8_lossy(&std::fs::read(log)?).split_inclusive('\n') {
            let text = line.trim_end();
            if text.ends_with(']') && text.matches("][").count() >= 3 {
                let first = text.find("][").and_then(|at| text[..at].rfind('[')).unwrap_or(0);
                samples.push(line[first..].into());
                open = true;
            } else if let Some(last) = samples.last_mut().filter(|last| open && last.len() < 4000) {
                last.push_str(line);
            } else {
                open = false;
            }
        }
    }
    if samples.is_empty() {
        let line = "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK776asdhds\r\n";
        samples.push(format!("[2026-11-23 12:00:00.000][INVITE][sip:192.0.2.9:5060][sip:192.0.2.1:5060]\nINVITE sip:bob@example.com SIP/2.0\r\n{}\r\n\r\n\n", line.repeat(10)));
    }
    Ok(samples)
}

fn batch(stream: i64, base: u64, end: u64, items: Vec<Item>) -> Incoming {
    Incoming {
        agent: "agent-1".into(),
        lease: 0,
        stream: StreamId(stream),
        meta: Some(StreamMeta {
            source: "proxy".into(),
            format: Format::siptrail().definition().clone(),
            zone: "UTC".into(),
            path: b"/var/log/proxy.log".to_vec(),
            host: "proxy-1".into(),
            file: FileIdentity::default(),
            epoch: 0,
            predecessor: None,
        }),
        base: Offset(base),
        end: Offset(end),
        items,
        tail: Vec::new(),
        guard: Guard::default(),
        size: end,
        read_to: Offset(end),
        read_at: NOON,
        near_misses: Vec::new(),
        tail_near_misses: Vec::new(),
        closed: None,
        settled: false,
        received: NOON,
    }
}

/// Seven messages a call, several calls at a time.
fn row(stream: i64, start: u64, number: usize, sample: &str) -> MessageRow {
    let call = number / (IN_CALL * 10) * 10 + number % 10;
    let call_id = format!("{:016x}@192.0.2.{stream}", call.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let header = sample.find('\n').map_or(0, |at| at + 1);
    let place = number % 70 / 10;
    let method = ["INVITE", "INVITE", "INVITE", "INVITE", "ACK", "BYE", "BYE"][place];
    let status =
        [None, Some(100), Some(180), Some(200), None, None, Some(if call.is_multiple_of(500) { 503 } else { 200 })]
            [place];
    let time = Timestamp(NOON.0 + number as i64 * STEP);
    // Calls in pairs, as a B2BUA makes them.
    let keys =
        Key::own(&call_id).into_iter().chain([Key::new("call", format!("pair-{stream}-{}", call / 2))]).collect();
    let (source, destination) = (format!("sip:192.0.2.{}:5060", call % 200), "sip:198.51.100.1:5060".to_string());
    let user = |salt: usize| format!("+1202555{:04}", call.wrapping_mul(31).wrapping_add(salt) % 10_000);
    MessageRow {
        time,
        day: time.day(),
        start: Offset(start),
        len: sample.len() as u64,
        head: header as u32,
        line_end: 1,
        call: CallKey::of(call_id.as_bytes()),
        kind: Kind::Sip,
        method: status.map_or_else(|| method.into(), |status: u16| status.to_string()),
        status,
        source: source.clone(),
        destination: destination.clone(),
        flags: Flags::empty(),
        masked: Vec::new(),
        text_len: None,
        masked_hash: None,
        raw: Packed::of(b""),
        event: CallEvent {
            exchange: Vec::new(),
            nameless: false,
            stream: StreamId(stream),
            offset: Offset(start),
            call: CallKey::of(call_id.as_bytes()),
            call_id,
            class: CallClass::Call,
            day: time.day(),
            time,
            kind: Kind::Sip,
            method: method.into(),
            status,
            response: status.is_some(),
            said: Said::of(Kind::Sip, method, status),
            from: Some(user(0)),
            to: Some(user(5)),
            identity: None,
            target: None,
            branch: format!("z9hG4bK{number:x}"),
            to_tag: false,
            tags: Vec::new(),
            source,
            destination,
            keys,
            cid: None,
            hop: None,
            answered_by: None,
        },
    }
}
