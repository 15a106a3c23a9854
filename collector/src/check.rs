//! Is a batch what it claims to be: spans tile, lengths fit, hashes match. Pure.

use record::id::Offset;
use record::miss::NearMiss;
use record::span::SpanKind;
use record::wire::{Append, Heartbeat, MAX_UNPACKED, Refused, StreamAppend, VERSION, WireSpan};

use crate::Error;

/// An agent id is a name for people and logs, not a place to keep things.
const MAX_AGENT: usize = 128;
/// A PiB: far beyond any log, and sums of such numbers still are `bigint` in the database.
const MAX_OFFSET: u64 = 1 << 50;
/// A span has each reason once; a newer agent may know more of them.
const MOST_REASONS: usize = 64;
/// Of a heartbeat.
const MOST_SOURCES: usize = 20_000;
const MOST_UNREAD: usize = 200;

pub fn append(append: &Append) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::NotUnderstood(what.to_owned()));
    sender(append.version, &append.agent)?;
    let mut ids: Vec<_> = append.streams.iter().map(|s| s.stream).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return wrong("a stream stands in the batch twice");
    }
    append.streams.iter().try_for_each(tiles)
}

fn sender(version: u16, agent: &str) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::NotUnderstood(what.to_owned()));
    if version != VERSION {
        return wrong(&format!("version {version}, this collector speaks {VERSION}"));
    }
    self::agent(agent)
}

/// An id that an agent may have.
pub fn agent(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.len() > MAX_AGENT || id.chars().any(char::is_control) {
        let what = "agent id must be 1 to 128 characters without control characters";
        return Err(Error::NotUnderstood(what.to_owned()));
    }
    Ok(())
}

/// Its texts are cut to what a page can show, and its lists to what an agent sends.
pub fn heartbeat(mut heartbeat: Heartbeat) -> Result<Heartbeat, Error> {
    sender(heartbeat.version, &heartbeat.agent)?;
    cut(&mut heartbeat.program, 64);
    cut(&mut heartbeat.host, 256);
    heartbeat.sources.truncate(MOST_SOURCES);
    for source in &mut heartbeat.sources {
        cut(&mut source.name, 512);
        cut(&mut source.path, 4096);
        source.held.iter_mut().chain(&mut source.unread).for_each(|text| cut(text, 1024));
    }
    // Of a list that was cut nobody could say what is not in it.
    heartbeat.places = heartbeat.places.filter(|places| places.len() <= MOST_SOURCES);
    heartbeat.places.iter_mut().flatten().for_each(|name| cut(name, 512));
    heartbeat.unread.truncate(MOST_UNREAD);
    for unread in &mut heartbeat.unread {
        cut(&mut unread.path, 4096);
        cut(&mut unread.reason, 64);
        cut(&mut unread.what, 1024);
    }
    Ok(heartbeat)
}

/// It stands in pages, in answers and in the log.
fn cut(text: &mut String, most: usize) {
    text.retain(|letter| !letter.is_control());
    text.truncate(text.floor_char_boundary(most));
}

/// Spans tile [base, end), the tail follows it without a hole.
fn tiles(stream: &StreamAppend) -> Result<(), Error> {
    let wrong =
        |at: Offset, what: &str| Err(Error::NotUnderstood(format!("stream {}, offset {at}: {what}", stream.stream)));
    let mut at = stream.base;
    for span in &stream.spans {
        if span.start != at {
            return wrong(span.start, "spans do not tile");
        }
        if span.len == 0 && span.kind != SpanKind::Gap {
            return wrong(at, "only a gap may be empty");
        }
        at = span.end();
    }
    if at != stream.end {
        return wrong(at, "spans do not reach the end");
    }
    for span in &stream.tail {
        if span.start != at {
            return wrong(span.start, "the tail has a hole");
        }
        at = span.end();
    }
    if at.0 > MAX_OFFSET || stream.size > MAX_OFFSET || stream.read_to.0 > MAX_OFFSET {
        return wrong(at, "offset beyond 2^50");
    }
    Ok(())
}

/// Are the span's bytes those of the file. None: yes.
pub fn span(span: &WireSpan) -> Option<Refused> {
    let refused = |text: &str| Some(Refused::Span { start: span.start, text: text.to_owned() });
    match span.kind {
        SpanKind::Noise => return if span.lines <= span.len { None } else { refused("more lines than bytes") },
        SpanKind::Gap => return if span.cause.is_some() { None } else { refused("a gap without a cause") },
        SpanKind::Fragment if span.of.is_some() => return None,
        SpanKind::Fragment | SpanKind::Record => {}
    }
    if span.text_len() > MAX_UNPACKED as u64 {
        return refused("longer than a batch may be");
    }
    if !span.unwrapped.as_ref().is_none_or(|unwrapped| ascend(&unwrapped.places, (unwrapped.len, span.len))) {
        return refused("places of messages lie outside the span or are out of order");
    }
    let sent = span.bytes.len() as u64;
    if span.masked.is_empty() {
        if sent != span.text_len() {
            return refused("the bytes are not as many as the length says");
        }
        if WireSpan::hash_of(&span.bytes) != span.hash {
            return Some(Refused::Damaged { start: span.start });
        }
        return None;
    }
    let mut unmasked = sent;
    let mut behind = 0;
    for mask in &span.masked {
        let (at, end) = (u64::from(mask.at), u64::from(mask.at) + u64::from(mask.len));
        if at < behind || end > sent {
            return refused("a mask lies outside the span");
        }
        behind = end;
        unmasked = unmasked - u64::from(mask.len) + u64::from(mask.len_before);
    }
    if unmasked == span.text_len() { None } else { refused("the masks do not add up to the length") }
}

/// The near misses of a span that can be of it. Others are left out: for what is only counted, no record is refused.
pub fn near_misses(span: &WireSpan) -> impl Iterator<Item = NearMiss> {
    let fits = |miss: &&NearMiss| span.start <= miss.at && miss.at < span.end() && miss.lines <= span.len;
    span.near_misses.iter().filter(fits).take(MOST_REASONS).cloned()
}

/// Places ascend on both sides, and lie within the span.
fn ascend(places: &[(u64, u64)], end: (u64, u64)) -> bool {
    let in_order = places.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1);
    in_order && places.last().is_none_or(|last| last.0 <= end.0 && last.1 <= end.1)
}

#[cfg(test)]
mod tests {
    use record::id::StreamId;
    use record::redact::Mask;
    use record::time::Timestamp;
    use record::wire::{Guard, Unwrapped};

    use super::*;

    fn batch(base: u64, spans: &[(u64, u64, SpanKind)], end: u64) -> Append {
        let spans = spans.iter().map(|(start, len, kind)| WireSpan::new(Offset(*start), *len, *kind)).collect();
        let stream = StreamAppend {
            stream: StreamId(7),
            meta: None,
            base: Offset(base),
            end: Offset(end),
            spans,
            tail: Vec::new(),
            guard: Guard::default(),
            size: end,
            read_to: Offset(end),
            read_at: Timestamp(0),
            closed: None,
            settled: false,
        };
        Append { version: VERSION, agent: "a".into(), lease: 0, batch: 1, streams: vec![stream] }
    }

    #[test]
    fn near_misses_that_lie_elsewhere_are_left_out_and_refuse_nothing() {
        let mut noise = WireSpan::new(Offset(10), 5, SpanKind::Noise);
        for (at, lines) in [(9, 1), (10, 5), (14, 6), (15, 1)] {
            noise.near_misses.push(NearMiss { at: Offset(at), lines, ..NearMiss::default() });
        }
        assert!(span(&noise).is_none());
        assert_eq!(near_misses(&noise).map(|miss| miss.at).collect::<Vec<_>>(), [Offset(10)]);
    }

    #[test]
    fn spans_must_tile_from_base_to_end() {
        let noise = SpanKind::Noise;
        assert!(append(&batch(10, &[(10, 5, noise), (15, 1, noise)], 16)).is_ok());
        assert!(append(&batch(10, &[(10, 5, noise), (16, 1, noise)], 17)).is_err(), "a hole");
        assert!(append(&batch(10, &[(10, 5, noise), (14, 2, noise)], 16)).is_err(), "an overlap");
        assert!(append(&batch(10, &[(10, 5, noise)], 16)).is_err(), "too short");
        assert!(append(&batch(10, &[(10, 0, noise)], 10)).is_err(), "empty noise");
        assert!(append(&batch(10, &[(10, 0, SpanKind::Gap)], 10)).is_ok(), "an empty gap is a mark");
        assert!(append(&batch(10, &[(10, u64::MAX, noise)], u64::MAX)).is_err(), "beyond 2^50");
        assert!(append(&batch(0, &[(0, MAX_OFFSET, noise)], MAX_OFFSET)).is_ok());
        assert!(append(&batch(MAX_OFFSET, &[(MAX_OFFSET, 1, noise)], MAX_OFFSET + 1)).is_err(), "beyond 2^50");
    }

    #[test]
    fn another_version_or_the_same_stream_twice_is_not_understood() {
        let mut twice = batch(0, &[], 0);
        twice.streams.push(twice.streams[0].clone());
        assert!(append(&twice).is_err());
        let mut newer = batch(0, &[], 0);
        newer.version = 2;
        assert!(append(&newer).is_err());
    }

    #[test]
    fn bytes_damaged_on_the_way_are_told_from_bytes_that_cannot_be() {
        let mut record = WireSpan::new(Offset(0), 3, SpanKind::Record);
        record.bytes = serde_bytes::ByteBuf::from(b"abc".to_vec());
        assert_eq!(span(&record), Some(Refused::Damaged { start: Offset(0) }));
        record.hash = WireSpan::hash_of(b"abc");
        assert_eq!(span(&record), None);
        record.len = 4;
        assert!(matches!(span(&record), Some(Refused::Span { .. })));
    }

    #[test]
    fn the_bytes_of_a_wrapped_span_are_as_many_as_it_says_and_its_places_ascend() {
        let mut record = WireSpan::new(Offset(0), 100, SpanKind::Record);
        record.bytes = serde_bytes::ByteBuf::from(b"abcdef".to_vec());
        record.hash = WireSpan::hash_of(b"abcdef");
        assert!(matches!(span(&record), Some(Refused::Span { .. })), "not wrapped");
        let mut with = |len, places: &[(u64, u64)]| {
            record.unwrapped = Some(Box::new(Unwrapped { len, places: places.to_vec() }));
            span(&record)
        };
        for good in [&[][..], &[(2, 40)], &[(0, 0), (2, 40), (6, 100)]] {
            assert_eq!(with(6, good), None, "{good:?}");
        }
        for bad in [&[(7, 40)][..], &[(2, 101)], &[(2, 40), (1, 50)], &[(2, 40), (3, 40)], &[(2, 40), (2, 50)]] {
            assert!(matches!(with(6, bad), Some(Refused::Span { .. })), "{bad:?}");
        }
        assert!(matches!(with(7, &[]), Some(Refused::Span { .. })));
        record.bytes[0] = b'x';
        record.unwrapped = Some(Box::new(Unwrapped { len: 6, places: Vec::new() }));
        assert_eq!(span(&record), Some(Refused::Damaged { start: Offset(0) }));
    }

    #[test]
    fn noise_has_no_more_lines_than_bytes() {
        let mut noise = WireSpan::new(Offset(0), 3, SpanKind::Noise);
        noise.lines = 3;
        assert_eq!(span(&noise), None);
        noise.lines = u64::MAX / 2;
        assert!(matches!(span(&noise), Some(Refused::Span { .. })));
    }

    #[test]
    fn masks_must_add_up_to_the_length_in_the_file() {
        let mut record = WireSpan::new(Offset(0), 12, SpanKind::Record);
        record.bytes = serde_bytes::ByteBuf::from(b"A: ~m~ b".to_vec());
        record.masked = vec![Mask { at: 3, len: 3, len_before: 7 }];
        assert_eq!(span(&record), None);
        record.masked[0].len_before = 8;
        assert!(span(&record).is_some());
        record.masked[0] = Mask { at: 7, len: 3, len_before: 7 };
        assert!(span(&record).is_some(), "outside");
        record.masked[0] = Mask { at: 3, len: 3, len_before: u32::MAX };
        record.len = 8 - 3 + u64::from(u32::MAX);
        assert!(span(&record).is_some(), "longer than any record");
    }
}
