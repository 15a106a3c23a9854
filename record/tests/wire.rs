//! What agent and collector say to each other, byte by byte a promise: a snapshot of each, as it is on the wire.

use std::fmt::{self, Write};

use record::format::Format;
use record::frame::Resume;
use record::id::{Offset, StreamId};
use record::redact::Mask;
use record::span::{Cause, Continues, Flags, SpanKind};
use record::time::Timestamp;
use record::wire::{
    Answer, Append, Counters, EndMarker, FileIdentity, Guard, Position, Positions, Refused, StreamAnswer, StreamAppend,
    StreamMeta, VERSION, WireSpan, decode, encode,
};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

/// MessagePack as it is on the wire, as text: what is a map, a list, bytes, text or a number.
struct Shown(String);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Show;
        impl<'de> Visitor<'de> for Show {
            type Value = Shown;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("anything")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Shown, E> {
                Ok(Shown(format!(" {value}")))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Shown, E> {
                Ok(Shown(format!(" {value}")))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Shown, E> {
                Ok(Shown(format!(" {value}")))
            }
            fn visit_unit<E>(self) -> Result<Shown, E> {
                Ok(Shown(" nil".into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Shown, E> {
                Ok(Shown(format!(" {value:?}")))
            }
            fn visit_bytes<E>(self, value: &[u8]) -> Result<Shown, E> {
                Ok(Shown(format!(" bytes {:?}", String::from_utf8_lossy(value))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shown, A::Error> {
                let mut text = String::new();
                while let Some(Shown(value)) = list.next_element()? {
                    let _ = write!(text, "\n-{}", value.replace('\n', "\n  "));
                }
                Ok(Shown(if text.is_empty() { " []".into() } else { text }))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shown, A::Error> {
                let mut text = String::new();
                while let Some((name, Shown(value))) = map.next_entry::<String, _>()? {
                    let _ = write!(text, "\n{name}:{}", value.replace('\n', "\n  "));
                }
                Ok(Shown(text))
            }
        }
        from.deserialize_any(Show)
    }
}

/// Encodes, compares with what was decoded, and shows.
#[track_caller]
fn shown<T: Serialize + serde::de::DeserializeOwned + PartialEq + fmt::Debug>(value: &T) -> String {
    let bytes = encode(value).expect("encoded");
    assert_eq!(decode::<T>(&bytes).expect("decoded"), *value);
    decode::<Shown>(&bytes).expect("any MessagePack").0
}

fn guard() -> Guard {
    Guard {
        head: ByteArray::new(*b"head------------"),
        head_len: 1024,
        before: ByteArray::new(*b"before----------"),
        before_len: 64,
        crc: 7,
        crc_from: Offset(0),
        resume: Resume::default(),
    }
}

#[test]
fn an_append_on_the_wire_is_what_was_promised() {
    let mut record = WireSpan::new(Offset(70_120), 9, SpanKind::Record);
    (record.head, record.line_end, record.flags) = (5, 1, Flags::OVERSIZE);
    record.hash = ByteArray::new(*b"hash------------");
    record.bytes = ByteBuf::from(b"[..]\nBYE".to_vec());
    record.masked = vec![Mask { at: 2, len: 2, len_before: 3 }];
    let mut gap = WireSpan::new(Offset(70_129), 100, SpanKind::Gap);
    (gap.cause, gap.lost) = (Some(Cause::Copytruncate), Some(12));
    let mut fragment = WireSpan::new(Offset(70_229), 3, SpanKind::Fragment);
    (fragment.of, fragment.part) = (Some(Continues { stream: StreamId(4), offset: Offset(9) }), Some(1));
    let mut noise = WireSpan::new(Offset(70_232), 40, SpanKind::Noise);
    noise.lines = 2;
    let stream = StreamAppend {
        stream: StreamId(0x05e1_c2a9_7f3b_4d10),
        meta: Some(StreamMeta {
            source: "proxy".into(),
            format: Format::siptrail().definition().clone(),
            zone: "Asia/Seoul".into(),
            path: b"/var/log/sip.log".to_vec(),
            host: "pbx-1".into(),
            file: FileIdentity { device: 1, inode: 2, generation: 3, birth: -4 },
            epoch: 1,
            predecessor: Some(StreamId(5)),
        }),
        base: Offset(70_120),
        end: Offset(70_272),
        spans: vec![record.clone(), gap, fragment, noise],
        tail: vec![WireSpan::new(Offset(70_272), 4, SpanKind::Record)],
        guard: guard(),
        size: 80_000,
        read_to: Offset(70_276),
        read_at: Timestamp(1_795_435_200_000_000),
        closed: Some(EndMarker { size: 80_000, crc: 9, counters: Counters::default() }),
        settled: true,
    };
    let append = Append { version: VERSION, agent: "pbx-1".into(), lease: 3, batch: 17, streams: vec![stream] };
    insta::assert_snapshot!(shown(&append), @r#"
    version: 1
    agent: "pbx-1"
    lease: 3
    batch: 17
    streams:
      -
        stream: 423833873189391632
        meta:
          source: "proxy"
          format:
            name: "siptrail"
            header: "{prefix}[{time}][{method}][{source}][{destination}]"
          zone: "Asia/Seoul"
          path: bytes "/var/log/sip.log"
          host: "pbx-1"
          file:
            device: 1
            inode: 2
            generation: 3
            birth: -4
          epoch: 1
          predecessor: 5
        base: 70120
        end: 70272
        spans:
          -
            start: 70120
            len: 9
            kind: "record"
            flags: 8
            hash: bytes "hash------------"
            head: 5
            line_end: 1
            bytes: bytes "[..]\nBYE"
            masked:
              -
                at: 2
                len: 2
                len_before: 3
            lines: 0
          -
            start: 70129
            len: 100
            kind: "gap"
            flags: 0
            hash: bytes "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            head: 0
            line_end: 0
            bytes: bytes ""
            lines: 0
            cause: "copytruncate"
            lost: 12
          -
            start: 70229
            len: 3
            kind: "fragment"
            flags: 0
            hash: bytes "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            head: 0
            line_end: 0
            bytes: bytes ""
            lines: 0
            of:
              stream: 4
              offset: 9
            part: 1
          -
            start: 70232
            len: 40
            kind: "noise"
            flags: 0
            hash: bytes "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            head: 0
            line_end: 0
            bytes: bytes ""
            lines: 2
        tail:
          -
            start: 70272
            len: 4
            kind: "record"
            flags: 0
            hash: bytes "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            head: 0
            line_end: 0
            bytes: bytes ""
            lines: 0
        guard:
          head: bytes "head------------"
          head_len: 1024
          before: bytes "before----------"
          before_len: 64
          crc: 7
          crc_from: 0
          resume:
            before: nil
            shape: bytes ""
        size: 80000
        read_to: 70276
        read_at: 1795435200000000
        closed:
          size: 80000
          crc: 9
          counters:
            records: 0
            record_bytes: 0
            noise: 0
            noise_bytes: 0
            noise_lines: 0
            fragments: 0
            fragment_bytes: 0
            gaps: 0
            gap_bytes: 0
        settled: true
    "#);
}

#[test]
fn an_answer_on_the_wire_is_what_was_promised() {
    let refused = [
        None,
        Some(Refused::Base),
        Some(Refused::Straddle),
        Some(Refused::Lease { holder: 4 }),
        Some(Refused::Span { start: Offset(9), text: "why".into() }),
        Some(Refused::Meta { text: "why".into() }),
        Some(Refused::Damaged { start: Offset(9) }),
        Some(Refused::Owner),
    ];
    let stream =
        |(at, refused)| StreamAnswer { stream: StreamId(at), w: Offset(100), part: (at == 1).then_some(2), refused };
    let streams = (1..).zip(refused).map(stream).collect();
    insta::assert_snapshot!(shown(&Answer { version: VERSION, batch: 17, lease: 3, streams }), @r#"
    version: 1
    batch: 17
    lease: 3
    streams:
      -
        stream: 1
        w: 100
        part: 2
      -
        stream: 2
        w: 100
        refused:
          why: "base"
      -
        stream: 3
        w: 100
        refused:
          why: "straddle"
      -
        stream: 4
        w: 100
        refused:
          why: "lease"
          holder: 4
      -
        stream: 5
        w: 100
        refused:
          why: "span"
          start: 9
          text: "why"
      -
        stream: 6
        w: 100
        refused:
          why: "meta"
          text: "why"
      -
        stream: 7
        w: 100
        refused:
          why: "damaged"
          start: 9
      -
        stream: 8
        w: 100
        refused:
          why: "owner"
    "#);
}

#[test]
fn a_position_on_the_wire_is_what_was_promised() {
    let position = Position {
        stream: StreamId(1),
        file: FileIdentity { device: 1, inode: 2, generation: 3, birth: -4 },
        epoch: 1,
        w: Offset(100),
        guard: guard(),
        size: 120,
        source: "proxy".into(),
        path: b"/var/log/sip.log".to_vec(),
        closed: false,
    };
    insta::assert_snapshot!(shown(&Positions { positions: vec![position], sources: vec!["proxy".into()], more: true }), @r#"
    positions:
      -
        stream: 1
        file:
          device: 1
          inode: 2
          generation: 3
          birth: -4
        epoch: 1
        w: 100
        guard:
          head: bytes "head------------"
          head_len: 1024
          before: bytes "before----------"
          before_len: 64
          crc: 7
          crc_from: 0
          resume:
            before: nil
            shape: bytes ""
        size: 120
        source: "proxy"
        path: bytes "/var/log/sip.log"
        closed: false
    sources:
      - "proxy"
    more: true
    "#);
}
