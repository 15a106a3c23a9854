//! The recorded logs: framing gives exactly the records that their writers say they wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::laws::frame;
use super::torture::{framer, grow};
use super::*;

/// Length and SHA-256 of a message, and how often it was written.
type Messages = BTreeMap<(u64, String), usize>;

#[test]
fn kamailio_as_registrar_and_forking_proxy() {
    insta::assert_snapshot!(recorded(&["kamailio.log"], "kamailio.truth.tsv", &[1, 7, 4096, 262_144]), @r"
    17 noise
    288 record
    ");
}

#[test]
fn two_kamailios_in_a_row() {
    insta::assert_snapshot!(recorded(&["two-servers/core.log"], "two-servers/core.truth.tsv", &[1, 7, 4096, 262_144]), @r"
    10 noise
    147 record
    ");
    insta::assert_snapshot!(recorded(&["two-servers/edge.log"], "two-servers/edge.truth.tsv", &[1, 7, 4096, 262_144]), @r"
    2 noise
    112 record
    ");
}

#[test]
fn logback_rolling_under_three_threads() {
    let files = [
        "logback/app.2026-11-23.0.log",
        "logback/app.2026-11-23.1.log",
        "logback/app.2026-11-23.2.log",
        "logback/app.log",
    ];
    insta::assert_snapshot!(recorded(&files, "logback.truth.tsv", &[7, 4096, 262_144]), @r"
    280 noise
    1200 record
    ");
}

/// Frames the files in chunks of each size, holds their records against the truth and counts what else there is.
fn recorded(files: &[&str], truth: &str, sizes: &[usize]) -> String {
    let mut found = Messages::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let log = fs::read(path(file)).expect("a recorded log");
        let spans = frame(&log, &[sizes[0]]);
        for size in &sizes[1..] {
            assert_eq!(frame(&log, &[*size]), spans, "{file} in chunks of {size}");
        }
        the_tail_is_the_last_record(&log, &spans);
        for span in &spans {
            let kind = format!("{:?}", span.kind).to_lowercase();
            let name = [vec![kind], span.flags.names()].concat().join(" ");
            *counts.entry(name).or_default() += 1;
        }
        for span in spans.iter().filter(|span| span.kind == SpanKind::Record) {
            *found.entry(message(&log, span)).or_default() += 1;
        }
    }
    let wanted = written(truth);
    let missing: Vec<_> = wanted.iter().filter(|(key, count)| found.get(*key) != Some(count)).collect();
    let unknown: Vec<_> = found.iter().filter(|(key, count)| wanted.get(*key) != Some(count)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing {missing:#?}, unknown {unknown:#?}");
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join("\n")
}

/// Without a close the last record is final or provisional, with the same bytes.
fn the_tail_is_the_last_record(log: &[u8], spans: &[Span]) {
    let mut framer = framer();
    let mut open = grow(&mut framer, log, 0, log.len());
    open.extend(framer.tail());
    let last = |spans: &[Span]| {
        spans.iter().rev().find(|span| span.kind == SpanKind::Record).map(|span| (span.start, message(log, span)))
    };
    assert_eq!(last(&open), last(spans));
}

fn message(log: &[u8], span: &Span) -> (u64, String) {
    let from = span.start.0 + u64::from(span.head);
    let to = span.end().0 - u64::from(span.line_end);
    (to - from, format!("{:x}", Sha256::digest(&log[from as usize..to as usize])))
}

fn written(truth: &str) -> Messages {
    let text = fs::read_to_string(path(truth)).expect("the truth of a log");
    let mut messages = Messages::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let len = fields[4].parse().expect("a length");
        *messages.entry((len, fields[5].to_owned())).or_default() += 1;
    }
    messages
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/logs").join(name)
}
