//! Laws of wrapped logs: any split of the file gives the same spans, which tile it; reading starts again at the end of any
//! span; what was wrapped comes back byte for byte.

use std::fmt::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::frame::{Framer, Limits, Next, Resume};
use crate::id::Offset;
use crate::span::{Span, SpanKind};

/// A span of a wrapped file: its place there, what the framer said, and its bytes.
#[derive(Clone, PartialEq, Debug)]
pub struct Got {
    pub start: u64,
    pub end: u64,
    pub span: Option<Span>,
    pub bytes: Vec<u8>,
    /// How reading goes on behind it.
    pub note: Resume,
}

impl Got {
    pub fn kind(&self) -> SpanKind {
        self.span.map_or(SpanKind::Noise, |span| span.kind)
    }
}

/// Reads a file that grows in steps of these sizes, and is closed then.
pub fn read(raw: &[u8], from: u64, note: &Resume, wrapper: Wrapper, sizes: &[usize]) -> Vec<Got> {
    let format = Arc::new(Format::siptrail());
    let state = note.unwrapper.unwrap_or_else(|| Unwrapper::new(wrapper));
    let mut reader = Reader {
        raw,
        text: Text::new(Mark { text: from, raw: from, state }),
        framer: Framer::new(format.clone(), Offset(from), note, Limits::default()),
        format,
        framed: Mark { text: from, raw: from, state },
        out: Vec::new(),
    };
    let mut at = from;
    let (mut seen, mut steps) =
        (from as usize, sizes.iter().copied().chain(std::iter::repeat(*sizes.last().unwrap_or(&4096))));
    while seen < raw.len() {
        seen = raw.len().min(seen + steps.next().unwrap_or(1).max(1));
        reader.grow(seen, false);
        at = reader.feed(at);
    }
    reader.grow(seen, true);
    at = reader.feed(at);
    let mut spans = Vec::new();
    while let Next::From(offset) = reader.framer.close(&mut spans) {
        reader.take(&mut spans);
        at = reader.feed(offset.0);
    }
    assert!(at >= reader.text.end());
    reader.take(&mut spans);
    joined(reader.out)
}

struct Reader<'a> {
    raw: &'a [u8],
    text: Text,
    framer: Framer,
    format: Arc<Format>,
    framed: Mark,
    out: Vec<Got>,
}

impl Reader<'_> {
    fn grow(&mut self, seen: usize, closed: bool) {
        self.text.take(&self.raw[self.text.raw() as usize..seen], closed, &self.format);
    }

    fn feed(&mut self, mut at: u64) -> u64 {
        let mut spans = Vec::new();
        while at < self.text.end() {
            let chunk = self.text.bytes(at, usize::MAX).expect("kept");
            at = match self.framer.feed(chunk, &mut spans) {
                Next::More => self.text.end(),
                Next::From(offset) => offset.0,
            };
            self.take(&mut spans);
        }
        self.take(&mut spans);
        at
    }

    fn take(&mut self, spans: &mut Vec<Span>) {
        let note = self.framer.resume();
        for span in spans.drain(..) {
            self.between();
            let end = match self.text.places(span.end().0).expect("known") {
                Places::Between { first, .. } => first,
                Places::Within { begin, end } => begin
                    .find(span.end().0, &end, &self.raw[begin.raw as usize..end.raw as usize], &self.format)
                    .expect("in the line"),

                Places::After(_) => panic!("nothing is forgotten here"),
            };
            let bytes = self.text.bytes(span.start.0, span.len as usize).expect("kept").to_vec();
            self.push(end, Some(span), bytes);
        }
        self.between();
        if let Some(last) = self.out.last_mut() {
            last.note = Resume { unwrapper: Some(self.framed.state), ..note };
        }
    }

    /// Lines that say nothing stand between two spans.
    fn between(&mut self) {
        if let Some(Places::Between { last, .. }) = self.text.places(self.framed.text)
            && last.raw > self.framed.raw
        {
            self.push(last, None, Vec::new());
        }
    }

    fn push(&mut self, end: Mark, span: Option<Span>, bytes: Vec<u8>) {
        self.out.push(Got { start: self.framed.raw, end: end.raw, span, bytes, note: Resume::default() });
        self.framed = end;
    }
}

/// Noise is merged: where it is cut depends on when it was looked at.
fn joined(got: Vec<Got>) -> Vec<Got> {
    let mut out: Vec<Got> = Vec::new();
    for next in got {
        match out.last_mut() {
            Some(last) if last.kind() == SpanKind::Noise && next.kind() == SpanKind::Noise => {
                last.end = next.end;
                last.bytes.extend(&next.bytes);
                last.note = next.note;
            }
            _ => out.push(next),
        }
    }
    out
}

/// What matters of a span, whatever it was cut from.
/// Place, length, kind and bytes of a span, and of a record its header, line end and flags.
type Shown = (u64, u64, SpanKind, Vec<u8>, Option<(u32, u8, u16)>);

fn shown(got: &[Got]) -> Vec<Shown> {
    got.iter()
        .map(|got| {
            let said = got.span.filter(|span| span.kind != SpanKind::Noise);
            let said = said.map(|span| (span.head, span.line_end, span.flags.bits()));
            (got.start, got.end, got.kind(), got.bytes.clone(), said)
        })
        .collect()
}

/// What is not noise, without its place.
fn said(got: &[Got]) -> Vec<(SpanKind, Vec<u8>)> {
    got.iter().filter(|got| got.kind() != SpanKind::Noise).map(|got| (got.kind(), got.bytes.clone())).collect()
}

/// A log as this wrapper would have it. Entries hold `most` bytes at most.
pub fn wrap(log: &[u8], wrapper: Wrapper, most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    match wrapper {
        Wrapper::Docker => {
            for line in log.split_inclusive(|byte| *byte == b'\n') {
                for piece in pieces(line, most) {
                    out.extend_from_slice(docker(piece, "stdout", out.len() % 3 == 0).as_bytes());
                }
            }
        }
        Wrapper::Cri => {
            for line in log.split_inclusive(|byte| *byte == b'\n') {
                let (text, ends) = line.strip_suffix(b"\n").map_or((line, false), |text| (text, true));
                let all: Vec<&[u8]> = pieces(text, most).collect();
                for (nth, piece) in all.iter().enumerate() {
                    let tag = if ends && nth + 1 == all.len() { "F" } else { "P" };
                    out.extend_from_slice(&cri(piece, "stdout", tag));
                }
            }
        }
        Wrapper::Syslog => {
            for (nth, line) in log.split_inclusive(|byte| *byte == b'\n').enumerate() {
                let last = nth % 4 == 3;
                for byte in line {
                    match byte {
                        b'\n' if last => out.push(b'\n'),
                        b'\n' => out.extend_from_slice(b"#012"),
                        b'\r' => out.extend_from_slice(b"#015"),
                        b'\t' => out.extend_from_slice(b"#011"),
                        other => out.push(*other),
                    }
                }
            }
        }
        Wrapper::Utf16Le | Wrapper::Utf16Be => {
            let bytes = |unit: u16| if wrapper == Wrapper::Utf16Le { unit.to_le_bytes() } else { unit.to_be_bytes() };
            out.extend(bytes(0xfeff));
            let text = std::str::from_utf8(log).expect("text");
            out.extend(text.encode_utf16().flat_map(bytes));
        }
    }
    out
}

/// Pieces of whole characters; an empty line is one.
fn pieces(line: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut cut = most.max(4);
        while cut < line.len() && line[cut] & 0xc0 == 0x80 {
            cut -= 1;
        }
        let (piece, more) = if line.len() > cut { line.split_at(cut) } else { (line, &line[..0]) };
        rest = (!more.is_empty()).then_some(more);
        Some(piece)
    })
}

/// An entry of Docker's json-file; `ascii`: as a writer does that escapes all else.
pub fn docker(text: &[u8], stream: &str, ascii: bool) -> String {
    let text = String::from_utf8_lossy(text);
    let mut log = String::new();
    for char in text.chars() {
        let _ = match char {
            '\n' => write!(log, "\\n"),
            '\r' => write!(log, "\\r"),
            '\t' => write!(log, "\\t"),
            '"' => write!(log, "\\\""),
            '\\' => write!(log, "\\\\"),
            char if u32::from(char) < 0x20 || (ascii && !char.is_ascii()) => {
                char.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(log, "\\u{unit:04x}"))
            }
            char => write!(log, "{char}"),
        };
    }
    if ascii {
        format!("{{\"log\": \"{log}\", \"stream\": \"{stream}\", \"time\": \"2026-11-20T10:00:00.1Z\"}}\n")
    } else {
        format!(
            "{{\"log\":\"{log}\",\"stream\":\"{stream}\",\"attrs\":{{\"tag\":\"a\\\"}}\"}},\"time\":\"2026-11-20T10:00:00.1Z\"}}\n"
        )
    }
}

pub fn cri(text: &[u8], stream: &str, tag: &str) -> Vec<u8> {
    let mut line = format!("2026-11-20T10:00:00.123456789Z {stream} {tag} ").into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    line
}

const PIECES: [&str; 22] = [
    "[2026-11-23 19:53:58.132][INVITE][sip:a][sip:b]\n",
    "[1795463450.798149][200][sip:a][sip:[2001:db8::1]:5060]\r\n",
    " 2(28536) INFO: {1}<script>: [1795463450.798149][INVITE][sip:a][sip:b]\n",
    " 1(2) ERROR: tm: noise\n",
    "2026-11-23 19:53:58 WARN app - noise\n",
    "INVITE sip:b SIP/2.0\r\n",
    "SIP/2.0 200 OK\r\n",
    "POST /v1 HTTP/1.1\r\n",
    "Content-Length: 12\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 7\n",
    "Content-Length: 9000\r\n",
    "\r\n",
    "\n",
    "  \n",
    "v=0\r\no=a\r\n",
    "{\"a\":[1,\"}\\\"\",{}]}",
    "{\n",
    "]\n",
    "plain text\ttab\n",
    "caf\u{e9} \u{1F600} \u{d55c}",
    "\"\\\u{1}",
];

fn logs() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        20 => prop::sample::select(PIECES.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => (15_000..36_000usize).prop_map(|n| vec![b'x'; n]),
        1 => (5..40_000usize).prop_map(|n| { let mut long = "\u{e9}\u{d55c}".repeat(n / 5).into_bytes(); long.push(b'\n'); long }),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Bytes of any kind between whole entries of a container, of both outputs, and ends of lines anywhere.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(PIECES.to_vec());
    let stream = prop::sample::select(vec!["stdout", "stderr", "other"]);
    let entry = (text, stream, prop::sample::select(vec!["F", "P", "F:x", "X", ""]), any::<bool>());
    let line = prop_oneof![
        8 => (entry.clone()).prop_map(|(text, stream, _, ascii)| docker(text.as_bytes(), stream, ascii).into_bytes()),
        8 => entry.prop_map(|(text, stream, tag, _)| cri(text.trim_end_matches('\n').as_bytes(), stream, tag)),
        2 => prop::sample::select(vec![
            "{\"log\":\"torn", "{\"log\":\"\\ud83d\\u12\\x\\\",\"stream\":\"stdout\"}\n", "{}\n", "{\"log\":\"\\ud83dx\"}\n",
            "#01", "#012", "#015#012", "#", "{\"log\":7}\n", "\u{feff}", "]#012", "\n", "{\"log\":\"a\",\"x\":[[[[1,{\"y\":\"]\"}]]]]}\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::sample::select(PIECES.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::sample::select(PIECES.to_vec()).prop_map(|text| text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    prop::collection::vec(line, 0..40).prop_map(|lines| lines.concat())
}

const ALL: [Wrapper; 5] = [Wrapper::Docker, Wrapper::Cri, Wrapper::Syslog, Wrapper::Utf16Le, Wrapper::Utf16Be];

fn wrappers() -> impl Strategy<Value = Wrapper> {
    prop::sample::select(ALL.to_vec())
}

fn start(raw: &[u8], wrapper: Wrapper, sizes: &[usize]) -> Vec<Got> {
    read(raw, 0, &Resume::default(), wrapper, sizes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn spans_of_a_wrapped_file_tile_it_and_any_split_gives_the_same(
        raw in hostile(), wrapper in wrappers(), sizes in prop::collection::vec(1..3000usize, 1..6),
    ) {
        let whole = start(&raw, wrapper, &[usize::MAX / 2]);
        let mut at = 0;
        for got in &whole {
            prop_assert_eq!(got.start, at);
            prop_assert!(got.end > at, "{:?}", got);
            at = got.end;
        }
        prop_assert_eq!(at, raw.len() as u64);
        prop_assert_eq!(shown(&start(&raw, wrapper, &sizes)), shown(&whole));
    }

    #[test]
    fn reading_starts_again_at_the_end_of_any_span(raw in hostile(), wrapper in wrappers(), size in 1..400usize) {
        let whole = start(&raw, wrapper, &[size]);
        for (nth, got) in whole.iter().enumerate().filter(|(_, got)| got.note.unwrapper.is_some()) {
            let rest = read(&raw, got.end, &got.note, wrapper, &[usize::MAX / 2]);
            let mut expect = whole[nth + 1..].to_vec();
            // Noise goes on as noise.
            if got.kind() == SpanKind::Noise && expect.first().is_some_and(|next| next.kind() == SpanKind::Noise) {
                expect.remove(0);
            }
            prop_assert_eq!(shown(&rest), shown(&expect), "from {}", got.end);
        }
    }

    #[test]
    fn a_log_that_was_wrapped_comes_back_byte_for_byte(
        log in logs(), wrapper in wrappers(), most in prop::sample::select(vec![7, 100, 16 << 10]), size in 1..70_000usize,
    ) {
        // An end without a line end is the runtime's to tell, and CRI does not.
        let log = [log, b"\n".to_vec()].concat();
        let framed: Vec<(SpanKind, Vec<u8>)> = crate::frame::spans(&log, &Arc::new(Format::siptrail()))
            .iter()
            .filter(|span| span.kind != SpanKind::Noise)
            .map(|span| (span.kind, log[span.start.0 as usize..span.end().0 as usize].to_vec()))
            .collect();
        let raw = wrap(&log, wrapper, most);
        let got = said(&start(&raw, wrapper, &[size]));
        prop_assert_eq!(got, framed);
    }
}
