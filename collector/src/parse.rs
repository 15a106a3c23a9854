//! From spans to rows: the header's fields, the kind, and what the message says. Pure.

use std::sync::Arc;

use chrono_tz::Tz;
use message::event::CallEvent;
use message::facts::{self, Settings};
use message::kind;
use record::format::{Format, Header, Line};
use record::id::{MessageId, StreamId};
use record::span::{Flags, SpanKind};
use record::time::Timestamp;
use record::wire::{Refused, StreamMeta, WireSpan};
use store::append::{FragmentRow, GapRow, Item, MessageRow, Packed};

/// How the header lines of one stream are read.
#[derive(Clone, Debug)]
pub struct Reading {
    pub source: String,
    pub format: Arc<Format>,
    pub zone: Tz,
}

impl Reading {
    pub fn is_of(&self, meta: &StreamMeta) -> bool {
        self.source == meta.source && *self.format.definition() == meta.format && self.zone.name() == meta.zone
    }
}

/// A committed span as it is stored. Refused: a record whose first line is no header.
pub fn item(
    settings: &Settings,
    reading: &Reading,
    stream: StreamId,
    received: Timestamp,
    span: &WireSpan,
) -> Result<Item, Refused> {
    Ok(match span.kind {
        SpanKind::Record => Item::Record(Box::new(row(settings, reading, stream, received, span)?)),
        SpanKind::Noise => Item::Noise { start: span.start, len: span.len, lines: span.lines },
        SpanKind::Fragment => Item::Fragment(FragmentRow {
            start: span.start,
            len: span.len,
            flags: span.flags,
            raw: Packed::of(&span.bytes),
            of: span.of,
        }),
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

/// An unfinished record, shown early. What cannot be read yet is not shown yet.
pub fn provisional(
    settings: &Settings,
    reading: &Reading,
    stream: StreamId,
    received: Timestamp,
    span: &WireSpan,
) -> Option<MessageRow> {
    (span.kind == SpanKind::Record).then(|| row(settings, reading, stream, received, span).ok()).flatten()
}

fn row(
    settings: &Settings,
    reading: &Reading,
    stream: StreamId,
    received: Timestamp,
    span: &WireSpan,
) -> Result<MessageRow, Refused> {
    let refused = |text: &str| Refused::Span { start: span.start, text: text.to_owned() };
    let (head, end) = (span.head as usize, span.bytes.len().saturating_sub(span.line_end as usize));
    let line = span
        .bytes
        .get(..head)
        .filter(|_| head > 0 && head <= end)
        .ok_or_else(|| refused("the header line is longer than the record"))?;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Line::Header(header) = reading.format.read(line, reading.zone) else {
        return Err(refused("the first line is no header of this format"));
    };
    let Header { time, ambiguous_time, .. } = header;
    let (method, source, destination) = (text(header.method), text(header.source), text(header.destination));
    let body = &span.bytes[head..end];
    let (kind, guessed) = kind::decide(&settings.kind, &reading.source, &method, &source, &destination, body);
    let facts = facts::read(kind, &method, &source, &destination, body, settings);
    let mut flags = span.flags;
    for (set, flag) in [
        (ambiguous_time, Flags::AMBIGUOUS_TIME),
        (guessed, Flags::KIND_GUESSED),
        (facts.interleaved(&method), Flags::INTERLEAVE_SUSPECT),
    ] {
        flags = if set { flags.union(flag) } else { flags };
    }
    let day = time.clamped(received).day();
    let event = CallEvent::of(MessageId::new(stream, span.start), day, time, &source, &destination, &facts);
    Ok(MessageRow {
        time,
        day,
        start: span.start,
        len: span.len,
        head: span.head,
        line_end: span.line_end,
        call: event.call,
        kind,
        method,
        status: facts.status,
        source,
        destination,
        flags,
        masked_hash: (!span.masked.is_empty()).then(|| *span.hash),
        masked: span.masked.clone(),
        raw: Packed::of(&span.bytes),
        event,
    })
}

/// Header fields are text for people; the bytes stay in the stored line.
fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The records of a log, as an agent sends them.
    fn records(log: &str) -> Vec<MessageRow> {
        let format = Format::siptrail();
        let reading = Reading { source: "proxy".into(), format: format.clone().into(), zone: Tz::UTC };
        let spans = record::frame::spans(log.as_bytes(), &Arc::new(format));
        let sent = spans.iter().map(|span| {
            let mut sent = WireSpan::new(span.start, span.len, span.kind);
            (sent.head, sent.line_end, sent.flags) = (span.head, span.line_end, span.flags);
            sent.bytes = log.as_bytes()[span.start.0 as usize..span.end().0 as usize].to_vec().into();
            sent
        });
        let rows = sent.filter_map(|span| {
            match item(&Settings::default(), &reading, StreamId(1), Timestamp(0), &span).expect("a span that is good") {
                Item::Record(row) => Some(*row),
                _ => None,
            }
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
}
