//! The logs of a case (`tests/cases`), read as a collector reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use message::facts::{Settings, read};
use message::kind;
use message::logged::{Message, Place};
use record::format::{Format, Line};
use record::frame::{Framer, Limits, Next, Resume};
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::span::{Span, SpanKind};

/// The records of all logs of a case, as the server that wrote each log would have them stored.
pub fn case(name: &str) -> Vec<Message> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let one = root.join("calls-one-log").join(format!("{name}.log"));
    let mut logs: Vec<PathBuf> = if one.exists() {
        vec![one]
    } else {
        let folder = root.join("calls").join(name);
        let read = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        read.map(|entry| entry.unwrap().path()).collect()
    };
    logs.sort();
    logs.iter().enumerate().flat_map(|(nth, log)| records(log, nth as i64 + 1)).collect()
}

/// The records of one log.
pub fn records(path: &Path, stream: i64) -> Vec<Message> {
    let log = std::fs::read(path).unwrap();
    let format = Arc::new(Format::siptrail());
    let source = path.file_stem().unwrap().to_string_lossy().into_owned();
    let place = Arc::new(Place { agent: source.clone(), host: source.clone(), source, ..Place::default() });
    let record = |span: &Span| {
        let raw = log[span.start.0 as usize..span.end().0 as usize].to_vec();
        let body = raw[span.head as usize..raw.len() - span.line_end as usize].to_vec();
        let line = raw[..span.head as usize].trim_ascii_end();
        let Line::Header(header) = format.read(line, chrono_tz::UTC) else { panic!("no header: {line:?}") };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (method, source, destination) = (text(header.method), text(header.source), text(header.destination));
        let settings = Settings::default();
        let (kind, _) = kind::decide(&settings.kind, &place.source, &method, &source, &destination, &body);
        let facts = read(kind, &method, &source, &destination, &body, &settings);
        let id = MessageId::new(StreamId(stream), span.start);
        let call = facts.call_id.clone().unwrap_or_else(|| id.to_string());
        Message {
            id,
            time: header.time,
            kind,
            status: facts.status,
            call: CallKey::of(call.as_bytes()),
            flags: span.flags,
            provisional: false,
            place: place.clone(),
            len: span.len,
            head: span.head,
            line_end: span.line_end,
            masked: Vec::new(),
            method,
            source,
            destination,
            facts,
            raw: raw.clone(),
        }
    };
    spans(&log, &format).iter().filter(|span| span.kind == SpanKind::Record).map(record).collect()
}

fn spans(log: &[u8], format: &Arc<Format>) -> Vec<Span> {
    let mut framer = Framer::new(format.clone(), Offset(0), &Resume::default(), Limits::default());
    let mut spans = Vec::new();
    let mut next = framer.feed(log, &mut spans);
    loop {
        next = match next {
            Next::From(at) if (at.0 as usize) < log.len() => framer.feed(&log[at.0 as usize..], &mut spans),
            _ => match framer.close(&mut spans) {
                Next::More => return spans,
                from @ Next::From(_) => from,
            },
        }
    }
}
