//! From spans to rows: the header's fields, the kind, and what the messages say. Pure.

use std::sync::Arc;

use chrono::TimeZone;
use chrono_tz::Tz;
use message::event::CallEvent;
use message::facts::{self, Settings};
use message::kind::{self, Kind};
use record::format::{Format, Header, Line};
use record::id::{MessageId, StreamId};
use record::parts::{self, Protocol};
use record::span::{Flags, SpanKind};
use record::time::{MINUTE, SECOND, Timestamp};
use record::wire::{Refused, StreamMeta, WireSpan};
use store::append::{FragmentRow, GapRow, Item, MessageRow, Packed};

use crate::cut::{self, Cut};

/// How the header lines of one stream are read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Whose stream it is.
    pub agent: String,
    pub source: String,
    pub format: Arc<Format>,
    pub zone: Tz,
}

impl Reading {
    pub fn is_of(&self, meta: &StreamMeta) -> bool {
        self.source == meta.source && *self.format.definition() == meta.format && self.zone.name() == meta.zone
    }
}

/// Reads the spans of one stream in the order of a batch.
#[derive(Debug)]
pub struct Parser<'a> {
    pub settings: &'a Settings,
    pub reading: &'a Reading,
    pub stream: StreamId,
    /// The collector's clock.
    pub received: Timestamp,
    /// The agent's clock when it looked.
    read_at: Timestamp,
    /// What the header of the latest record said, else when the agent looked: what has no header happened about then.
    about: (Timestamp, Flags),
}

/// What a header line says of each message behind it.
struct Envelope {
    time: Timestamp,
    flags: Flags,
    source: String,
    destination: String,
}

/// Who logs and who reads have one clock, and a log that is followed is not read much later than it is written.
const AHEAD: i64 = 5 * SECOND;
const BEHIND: i64 = 10 * MINUTE;
/// What is said of the end of a record is said of its last message.
const OF_THE_END: Flags = Flags::LENGTH_MISMATCH.union(Flags::CUT_BY_ROTATION).union(Flags::UNFINISHED);
/// Of a message without a header line nobody knows who sent it.
const UNKNOWN: &str = "-";

impl<'a> Parser<'a> {
    pub fn new(
        settings: &'a Settings,
        reading: &'a Reading,
        stream: StreamId,
        received: Timestamp,
        read_at: Timestamp,
    ) -> Self {
        Self { settings, reading, stream, received, read_at, about: (read_at, Flags::RECEIVED_TIME) }
    }

    /// A committed span as it is stored. Refused: a record whose first line is no header.
    pub fn item(&mut self, span: &WireSpan) -> Result<Item, Refused> {
        Ok(match span.kind {
            SpanKind::Record => {
                let (first, others) = self.record(span)?;
                Item::Record(Box::new(first), others)
            }
            SpanKind::Noise => Item::Noise { start: span.start, len: span.len, lines: span.lines },
            SpanKind::Fragment => {
                let (flags, raw, of) = (span.flags, Packed::of(&span.bytes), span.of);
                let row = FragmentRow { start: span.start, len: span.len, flags, raw, of };
                Item::Fragment(row, self.within(span))
            }
            SpanKind::Gap => {
                let refused = Refused::Span { start: span.start, text: "a gap without a cause".into() };
                let hash = *span.hash;
                Item::Gap(GapRow {
                    start: span.start,
                    len: span.len,
                    cause: span.cause.ok_or(refused)?,
                    lost: span.lost,
                    hash: (hash != [0; 16]).then_some(hash),
                })
            }
        })
    }

    /// The messages of an unfinished span, shown early. What cannot be read yet is not shown yet.
    pub fn provisional(&mut self, span: &WireSpan) -> Vec<MessageRow> {
        match span.kind {
            SpanKind::Record => match self.record(span) {
                Ok((first, others)) => [vec![first], others].concat(),
                Err(_) => Vec::new(),
            },
            SpanKind::Fragment => self.within(span),
            SpanKind::Noise | SpanKind::Gap => Vec::new(),
        }
    }

    /// The message of a record, and the SIP messages that follow it in the same record.
    fn record(&mut self, span: &WireSpan) -> Result<(MessageRow, Vec<MessageRow>), Refused> {
        let refused = |text: &str| Refused::Span { start: span.start, text: text.to_owned() };
        let (head, end) = (span.head as usize, span.bytes.len().saturating_sub(span.line_end as usize));
        let line = span
            .bytes
            .get(..head)
            .filter(|_| head > 0 && head <= end)
            .ok_or_else(|| refused("the header line is longer than the record"))?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Line::Header(header) = self.reading.format.read(line, self.reading.zone) else {
            return Err(refused("the first line is no header of this format"));
        };
        let Header { ambiguous_time, .. } = header;
        let time = if ambiguous_time { self.of_two(header.time) } else { header.time };
        let (method, source, destination) = (text(header.method), text(header.source), text(header.destination));
        let rules = &self.settings.kind;
        let (kind, guessed) =
            kind::decide(rules, &self.reading.source, &method, &source, &destination, &span.bytes[head..end]);
        let ambiguous = if ambiguous_time { Flags::AMBIGUOUS_TIME } else { Flags::empty() };
        self.about = (time, ambiguous);
        let guessed = if guessed { Flags::KIND_GUESSED } else { Flags::empty() };
        let envelope = Envelope { time, flags: span.flags | ambiguous | guessed, source, destination };

        let mut cuts = if kind == Kind::Sip { messages(span) } else { Vec::new() };
        let last = cuts.len().saturating_sub(1);
        let rest = if last > 0 { cuts.split_off(1) } else { Vec::new() };
        let whole =
            || Cut { at: 0, len: span.len, bytes: &span.bytes, text_len: span.text_len(), masked: span.masked.clone() };
        let first = cuts.pop().unwrap_or_else(whole);
        let line_end = |nth: usize| if nth == last { span.line_end } else { 0 };
        let mut first = self.row(span, &envelope, Some(method), kind, first, line_end(0));
        // The hash is that of the whole span.
        first.masked_hash = (!span.masked.is_empty()).then(|| *span.hash);
        let rest = rest.into_iter().enumerate();
        let mut others: Vec<MessageRow> =
            rest.map(|(nth, cut)| self.row(span, &envelope, None, kind, cut, line_end(nth + 1))).collect();
        if let Some((_, before)) = others.split_last_mut() {
            before.iter_mut().chain([&mut first]).for_each(|row| row.flags.remove(OF_THE_END));
        }
        Ok((first, others))
    }

    /// Of a time that occurs twice, given as the earlier one: the later one, if that is when the agent read it. A log that is
    /// followed is read within seconds.
    fn of_two(&self, earlier: Timestamp) -> Timestamp {
        let zone = self.reading.zone;
        let local = earlier.to_utc().with_timezone(&zone).naive_local();
        let later = zone.from_local_datetime(&local).latest().map(|later| Timestamp(later.timestamp_micros()));
        let is_read_then = |later: &Timestamp| (-AHEAD..=BEHIND).contains(&self.read_at.micros_since(*later));
        later.filter(is_read_then).unwrap_or(earlier)
    }

    /// Whole SIP messages within bytes that have no header: they are found by what they say, and by nothing else.
    fn within(&self, span: &WireSpan) -> Vec<MessageRow> {
        let (time, flags) = self.about;
        let flags = flags | Flags::ORPHAN_FRAGMENT | Flags::INTERLEAVE_SUSPECT;
        let envelope = Envelope { time, flags, source: UNKNOWN.into(), destination: UNKNOWN.into() };
        let bytes = cut::as_in_file(span);
        let found = parts::messages_within(&bytes).into_iter();
        found.map(|part| self.row(span, &envelope, None, Kind::Sip, cut::cut(span, part.start..part.end), 0)).collect()
    }

    /// Without a `method`, which is the header's, it begins with its start line, which tells it.
    fn row(
        &self,
        span: &WireSpan,
        envelope: &Envelope,
        method: Option<String>,
        kind: Kind,
        cut: Cut<'_>,
        line_end: u8,
    ) -> MessageRow {
        let Envelope { time, source, destination, .. } = envelope;
        let head = if method.is_some() { span.head } else { 0 };
        let body = &cut.bytes[head as usize..cut.bytes.len() - line_end as usize];
        let header_method = method.as_deref().unwrap_or(UNKNOWN);
        let facts = facts::read(kind, header_method, source, destination, body, self.settings);
        let suspect = method.as_deref().is_some_and(|method| facts.interleaved(method));
        let flags = if suspect { envelope.flags | Flags::INTERLEAVE_SUSPECT } else { envelope.flags };
        let own = || match facts.status {
            Some(status) if facts.response => status.to_string(),
            None if facts.response => UNKNOWN.to_owned(),
            _ => facts.method.clone(),
        };
        let (start, day) = (span.start.plus(cut.at), time.clamped(self.received).day());
        let method = method.unwrap_or_else(own);
        let id = MessageId::new(self.stream, start);
        let event = CallEvent::of(id, day, *time, &method, source, destination, &facts);
        MessageRow {
            time: *time,
            day,
            start,
            len: cut.len,
            head,
            line_end,
            call: event.call,
            kind,
            method,
            status: facts.status,
            source: source.clone(),
            destination: destination.clone(),
            flags,
            masked_hash: None,
            masked: cut.masked,
            text_len: span.unwrapped.as_ref().map(|_| cut.text_len),
            raw: Packed::of(cut.bytes),
            event,
        }
    }
}

/// The SIP messages of a record, where it holds several: the first one with the header line, the last one with the
/// line end. Else none.
fn messages(span: &WireSpan) -> Vec<Cut<'_>> {
    let head = span.head as usize;
    // A mask in the header line would move it; none of ours does.
    if span.masked.first().is_some_and(|mask| (mask.at as usize) < head) {
        return Vec::new();
    }
    let bytes = cut::as_in_file(span);
    let parts = parts::parts(&bytes[head..bytes.len() - span.line_end as usize]);
    if parts.len() < 2 || parts.iter().any(|part| part.protocol != Some(Protocol::Sip)) {
        return Vec::new();
    }
    let starts = parts.iter().skip(1).map(|part| head + part.start);
    let ends = starts.clone().chain([bytes.len()]);
    std::iter::once(0).chain(starts).zip(ends).map(|(start, end)| cut::cut(span, start..end)).collect()
}

/// Header fields are text for people; the bytes stay in the stored line.
fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use record::id::Offset;
    use record::redact::{self, Rules};
    use serde_bytes::ByteArray;

    use super::*;

    /// The records of a log, as an agent sends them.
    fn records(log: &str) -> Vec<MessageRow> {
        let format = Format::siptrail();
        let reading =
            Reading { agent: "a".into(), source: "proxy".into(), format: format.clone().into(), zone: Tz::UTC };
        let spans = record::frame::spans(log.as_bytes(), &Arc::new(format));
        let sent = spans.iter().map(|span| {
            let mut sent = WireSpan::new(span.start, span.len, span.kind);
            (sent.head, sent.line_end, sent.flags) = (span.head, span.line_end, span.flags);
            sent.bytes = log.as_bytes()[span.start.0 as usize..span.end().0 as usize].to_vec().into();
            sent
        });
        let settings = Settings::default();
        let mut parser = Parser::new(&settings, &reading, StreamId(1), Timestamp(0), Timestamp(7));
        let rows = sent.flat_map(|span| match parser.item(&span).expect("a span that is good") {
            Item::Record(first, others) => [vec![*first], others].concat(),
            Item::Fragment(_, found) => found,
            _ => Vec::new(),
        });
        rows.collect()
    }

    #[test]
    fn a25_records_of_two_writers_that_mix_their_lines_are_suspect() {
        let header = |method: &str| format!("[2026-11-23 19:53:58.132][{method}][sip:192.0.2.1][sip:192.0.2.7]\n");
        let message = |method: &str| format!("{method} sip:bob@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n\n");
        let (invite, bye) = (message("INVITE"), message("BYE"));
        let mixed = records(&format!("{}{}{invite}{bye}", header("INVITE"), header("BYE")));
        assert_eq!(mixed.iter().map(|row| row.flags).collect::<Vec<_>>(), [Flags::INTERLEAVE_SUSPECT; 2]);
        let whole = records(&format!("{}{invite}{}{bye}", header("INVITE"), header("BYE")));
        assert_eq!(whole.iter().map(|row| row.flags).collect::<Vec<_>>(), [Flags::empty(); 2]);
    }

    const HEADER: &str = "[2026-11-23 19:53:58.132][INVITE][sip:192.0.2.1][sip:192.0.2.7]\r\n";
    const INVITE: &str =
        "INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: one@a\r\nCookie: x\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    const OK: &str = "SIP/2.0 200 OK\r\nCall-ID: two@a\r\nCSeq: 1 BYE\r\nl: 0\r\n\r\n";

    /// One record or fragment, masked as an agent does, and its messages.
    fn messages(kind: SpanKind, head: usize, log: &str, flags: Flags) -> Vec<MessageRow> {
        let format = Format::siptrail();
        let reading = Reading { agent: "a".into(), source: "proxy".into(), format: format.into(), zone: Tz::UTC };
        let mut span = WireSpan::new(Offset(1000), log.len() as u64, kind);
        (span.head, span.flags) = (head as u32, flags);
        span.line_end = if kind == SpanKind::Record { 2 } else { 0 };
        span.hash = ByteArray::new([7; 16]);
        (span.bytes, span.masked) = match redact::mask(log.as_bytes(), span.head, false, &Rules::default()) {
            Some((bytes, masks)) => (bytes.into(), masks),
            None => (log.as_bytes().to_vec().into(), Vec::new()),
        };
        let settings = Settings::default();
        Parser::new(&settings, &reading, StreamId(1), Timestamp(0), Timestamp(7)).provisional(&span)
    }

    #[test]
    fn several_sip_messages_of_one_record_are_that_many_messages() {
        let flags = Flags::OVERSIZE | Flags::UNFINISHED;
        let log = format!("{HEADER}{INVITE}{OK}{INVITE}\r\n");
        let rows = messages(SpanKind::Record, HEADER.len(), &log, flags);
        let second = 1000 + (HEADER.len() + INVITE.len()) as u64;
        let third = second + OK.len() as u64;
        let places: Vec<_> = rows.iter().map(|row| (row.start.0, row.head as usize, row.line_end)).collect();
        assert_eq!(places, [(1000, HEADER.len(), 0), (second, 0, 0), (third, 0, 2)]);
        assert_eq!(rows.iter().map(|row| row.len).sum::<u64>(), log.len() as u64, "they are all of its bytes");
        assert_eq!(rows.iter().map(|row| row.method.as_str()).collect::<Vec<_>>(), ["INVITE", "200", "INVITE"]);
        assert_eq!(rows.iter().map(|row| &*row.event.call_id).collect::<Vec<_>>(), ["one@a", "two@a", "one@a"]);
        assert_eq!(
            rows.iter().map(|row| row.event.offset).collect::<Vec<_>>(),
            rows.iter().map(|row| row.start).collect::<Vec<_>>()
        );
        let whole = |row: &MessageRow| (row.time, row.source.clone(), row.destination.clone());
        assert!(rows.iter().all(|row| whole(row) == whole(&rows[0])));
        assert_eq!(rows.iter().map(|row| row.flags).collect::<Vec<_>>(), [Flags::OVERSIZE, Flags::OVERSIZE, flags]);
        let at = |row: &MessageRow| row.masked.iter().map(|mask| mask.at as usize).collect::<Vec<_>>();
        let cookie = INVITE.find(": x").expect("a cookie") + 2;
        assert_eq!([at(&rows[0]), at(&rows[1]), at(&rows[2])], [vec![HEADER.len() + cookie], vec![], vec![cookie]]);
        assert_eq!(rows.iter().map(|row| row.masked_hash.is_some()).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn a_body_with_masks_in_it_is_as_long_as_it_was() {
        let body = "Cookie: a value that is longer than its mask\r\n";
        let first = format!("INFO sip:b@a SIP/2.0\r\nCall-ID: x@a\r\nl: {}\r\n\r\n{body}", body.len());
        let rows = messages(SpanKind::Record, HEADER.len(), &format!("{HEADER}{first}{OK}\r\n"), Flags::empty());
        assert_eq!(rows[1].start.0, 1000 + (HEADER.len() + first.len()) as u64);
    }

    #[test]
    fn whole_messages_in_a_fragment_are_of_unknown_peers() {
        let log = format!("rest of a line\r\n{INVITE}\r\n{OK}");
        let rows = messages(SpanKind::Fragment, 0, &log, Flags::ORPHAN_FRAGMENT);
        assert_eq!(
            rows.iter().map(|row| (row.start.0, row.head)).collect::<Vec<_>>(),
            [(1016, 0), (1018 + INVITE.len() as u64, 0)]
        );
        let flags = Flags::ORPHAN_FRAGMENT | Flags::INTERLEAVE_SUSPECT | Flags::RECEIVED_TIME;
        for (row, method) in rows.iter().zip(["INVITE", "200"]) {
            assert_eq!((row.method.as_str(), row.kind, row.flags, row.time), (method, Kind::Sip, flags, Timestamp(7)));
            assert_eq!((row.source.as_str(), row.destination.as_str()), ("-", "-"));
        }
    }

    #[test]
    fn a_fragment_happened_about_when_the_record_before_it_did() {
        let rows = records(&format!("{HEADER}{OK}\r\n{INVITE}"));
        assert_eq!((rows.len(), rows[0].time), (2, rows[1].time));
        assert!(!rows[1].flags.contains(Flags::RECEIVED_TIME));
    }
}
