//! The laws of framing, on hostile bytes: spans tile, any split gives the same spans, framing starts again anywhere.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// Feeds a closed file in chunks of these sizes (the last size goes on), as a reader does, and gives all spans.
pub fn frame(log: &[u8], sizes: &[usize]) -> Vec<Span> {
    let mut framer = Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits::default());
    let mut out = Vec::new();
    run(&mut framer, log, 0, sizes, &mut out);
    joined(out)
}

fn run(framer: &mut Framer, log: &[u8], mut at: usize, sizes: &[usize], out: &mut Vec<Span>) {
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(*sizes.last().unwrap_or(&4096)));
    let mut whole = 0;
    loop {
        while at < log.len() {
            let size = sizes.next().unwrap_or(1).max(1).max(whole);
            let end = log.len().min(at + size);
            whole = 0;
            at = match framer.feed(&log[at..end], out) {
                Next::More => end,
                Next::From(offset) => {
                    whole = framer.wants();
                    offset.0 as usize
                }
            };
        }
        match framer.close(out) {
            Next::More => return,
            Next::From(offset) => {
                whole = framer.wants();
                at = offset.0 as usize;
            }
        }
    }
}

/// Noise is merged: where it is cut depends on when it was looked at.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if last.kind == SpanKind::Noise && span.kind == SpanKind::Noise => {
                last.len += span.len;
                last.lines += span.lines;
            }
            _ => out.push(span),
        }
    }
    out
}

fn tiles(spans: &[Span], len: usize) -> Result<(), TestCaseError> {
    let mut at = Offset(0);
    for span in spans {
        prop_assert_eq!(span.start, at);
        prop_assert!(span.len > 0);
        prop_assert!(u64::from(span.head) + u64::from(span.line_end) <= span.len);
        at = span.end();
    }
    prop_assert_eq!(at, Offset(len as u64));
    Ok(())
}

const PIECES: [&str; 51] = [
    "[2026-11-23 19:53:58.132][INVITE][sip:a][sip:b]\n",
    "[1795463450.798149][200][sip:a][sip:[2001:db8::1]:5060]\r\n",
    " 2(28536) INFO: {1}<script>: [1795463450.798149][INVITE][sip:a][sip:b]\n",
    "2026-11-23 19:53:58 INFO app - [2026-11-23 19:53:58.132][POST][http://a][https://b]\n",
    " 1(2) ERROR: tm: noise\n",
    "2026-11-23 19:53:58 WARN app - noise\n",
    "[not][a][header][line]\n",
    "[1795463450][INVITE][][sip:b]\n",
    "INVITE sip:b SIP/2.0\r\n",
    "INVITE sip:b SIP/2.0\n",
    "SIP/2.0 200 OK\r\n",
    "POST /v1 HTTP/1.1\r\n",
    "HTTP/1.1 200 OK\r\n",
    "Content-Length: 12\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 7\n",
    "l: 300\r\n",
    "Content-Length: 9000\r\n",
    "Content-Length: 70000\r\n",
    "Content-Length: x\r\n",
    "Content-Length:\r\n 5\r\n",
    "\r\n",
    "\n",
    "  \n",
    "v=0\r\no=a\r\n",
    "v=0\no=a\n",
    "{\"a\":[1,\"}\\\"\",{}]}",
    "{\n",
    "}\n",
    "[1,\n",
    "]\n",
    "plain text\n",
    "caf\u{e9}\u{1F600}",
    "\0\0\0",
    "\"",
    "INFO:root:[1795463450][INFO][sip:a][sip:b]\n",
    "info: [1795463450][POST][http://a][https://b]\n",
    "Info: [1795463450][200][http://a][https://b]\r\n",
    "WARNING:root:noise\n",
    "warn: noise\n",
    "INFO sip:b SIP/2.0\r\n",
    "info: sip:b SIP/2.0\n",
    "Alert-Info: <http://a>\r\n",
    "Warning: 399 a \"b\"\n",
    "POST /v1 HTTP/1.1\n",
    "HTTP/1.1 200 OK\n",
    "Content-Length: 12\n",
    "Content-Length: 5\n",
    "Content-Length: 90\n",
    "{\n  \"a\": 1\n}\n",
    "  \"a\": 1\n",
];

fn logs() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        12 => prop::sample::select(PIECES.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (15_000..18_000usize).prop_map(|n| vec![b'x'; n]),
        1 => (16_380..16_390usize).prop_map(|n| { let mut long = vec![b'y'; n]; long.extend(b"\r\n"); long }),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Records with LF everywhere whose lengths may count them once, twice, or wrongly.
fn lf_logs() -> impl Strategy<Value = Vec<u8>> {
    const LINES: [&str; 12] = [
        "v=0\n",
        "\n",
        " \n",
        "{\n",
        "}\n",
        "}",
        "a: 1\r\n",
        "text",
        "Warning: x\n",
        PIECES[0],
        PIECES[4],
        "HTTP/1.1 200 OK\n",
    ];
    let start = prop::sample::select(vec!["INFO sip:b SIP/2.0", "POST / HTTP/1.1"]);
    let body = prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..6).prop_map(|lines| lines.concat());
    let record = (prop::sample::select(PIECES[..4].to_vec()), start, body, 0..12_usize, any::<bool>());
    let record = record.prop_map(|(header, start, body, off, end)| {
        let length = body.len() + off;
        format!("{header}{start}\nContent-Length: {length}\n\n{body}{}", if end { "\n" } else { "" })
    });
    prop::collection::vec(record, 1..6).prop_map(|records| records.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn spans_tile_and_any_split_gives_the_same(log in logs(), sizes in prop::collection::vec(1..5000usize, 1..6)) {
        let whole = frame(&log, &[usize::MAX / 2]);
        tiles(&whole, log.len())?;
        prop_assert_eq!(&frame(&log, &sizes), &whole);
    }

    #[test]
    fn bodies_behind_bare_lf_tile_and_any_split_gives_the_same(
        log in lf_logs(),
        sizes in prop::collection::vec(1..60usize, 1..6),
    ) {
        let whole = frame(&log, &[usize::MAX / 2]);
        tiles(&whole, log.len())?;
        prop_assert_eq!(&frame(&log, &sizes), &whole);
    }

    #[test]
    fn framing_starts_again_at_any_committed_offset(log in logs(), stop in any::<prop::sample::Index>()) {
        let whole = frame(&log, &[usize::MAX / 2]);
        let format = Arc::new(Format::siptrail());
        let mut first = Framer::new(format.clone(), Offset(0), &Resume::default(), Limits::default());
        let (mut out, mut at, stop) = (Vec::new(), 0, stop.index(log.len() + 1));
        while at < stop {
            at = match first.feed(&log[at..stop], &mut out) {
                Next::More => stop,
                Next::From(offset) => offset.0 as usize,
            };
        }
        let w = first.unfinished();
        prop_assert_eq!(out.last().map_or(Offset(0), Span::end), w, "spans reach what may be committed");
        let mut second = Framer::new(format, w, &first.resume(), Limits::default());
        run(&mut second, &log, w.0 as usize, &[usize::MAX / 2], &mut out);
        prop_assert_eq!(joined(out), whole);
    }
}

#[test]
fn byte_by_byte_is_looked_at_about_twice() {
    let log = PIECES.concat().into_bytes();
    let mut framer = Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits::default());
    let (mut out, mut fed, mut at, mut reach) = (Vec::new(), 0, 0, 0);
    while at < log.len() {
        // A writer adds a byte; the reader reads from where it is to the end of the file.
        reach = (reach + 1).max(at + 1).min(log.len());
        fed += reach - at;
        at = match framer.feed(&log[at..reach], &mut out) {
            Next::More => reach,
            Next::From(offset) => offset.0 as usize,
        };
        reach = reach.max(at);
    }
    assert!(fed <= log.len() * 5 / 2, "{fed} of {}", log.len());
}
