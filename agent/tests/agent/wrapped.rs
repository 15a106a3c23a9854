//! Logs whose lines are wrapped, and UTF-16.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;

use record::span::{Flags, SpanKind};
use record::wrapper::Wrapper;

use crate::world::{World, eventually, open, record};

const ALL: [Wrapper; 5] = [Wrapper::Docker, Wrapper::Cri, Wrapper::Syslog, Wrapper::Utf16Le, Wrapper::Utf16Be];

/// A log as it lies in the file.
fn wrap(wrapper: Wrapper, log: &[u8], output: &str) -> Vec<u8> {
    let text = std::str::from_utf8(log).unwrap();
    let lines = || text.split_inclusive('\n');
    let mut out = String::new();
    match wrapper {
        Wrapper::Docker => {
            for line in lines() {
                let line = line.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r").replace('\n', "\\n");
                writeln!(out, "{{\"log\":\"{line}\",\"stream\":\"{output}\",\"time\":\"2026-11-20T10:00:00.1Z\"}}")
                    .unwrap();
            }
        }
        Wrapper::Cri => {
            for line in lines() {
                // A runtime cuts long lines; here they are cut early.
                let (first, rest) = line.split_at(line.len() / 2);
                writeln!(out, "2026-11-20T10:00:00.123456789Z {output} P {first}").unwrap();
                write!(out, "2026-11-20T10:00:00.123456789Z {output} F {rest}").unwrap();
            }
        }
        Wrapper::Syslog => {
            out = format!("{}\n", text.strip_suffix('\n').unwrap_or(text).replace('\r', "#015").replace('\n', "#012"));
        }
        Wrapper::Utf16Le => return text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Wrapper::Utf16Be => return text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
    out.into_bytes()
}

fn mark(wrapper: Wrapper) -> &'static [u8] {
    match wrapper {
        Wrapper::Utf16Le => b"\xff\xfe",
        Wrapper::Utf16Be => b"\xfe\xff",
        _ => b"",
    }
}

struct Wrapped {
    world: World,
    wrapper: Wrapper,
}

impl Wrapped {
    fn new(wrapper: Wrapper) -> Self {
        let mut world = World::new(&["app.log"]);
        world.config.sources[0].wrapper = Some(wrapper.name().to_owned()).filter(|_| !wrapper.is_utf16());
        Self { world, wrapper }
    }

    fn open(&self) -> File {
        let mut log = open(&self.world.log("app.log"));
        if log.metadata().unwrap().len() == 0 {
            log.write_all(mark(self.wrapper)).unwrap();
        }
        log
    }

    /// The next record, as it lies in the file.
    fn record(&mut self) -> Vec<u8> {
        let record = self.world.record();
        wrap(self.wrapper, &record, "stdout")
    }

    fn append(&mut self, number: usize) {
        let mut log = self.open();
        for _ in 0..number {
            let record = self.record();
            log.write_all(&record).unwrap();
        }
    }
}

#[tokio::test]
async fn wrapped_logs_are_exact_over_kills_in_mid_record_and_rotations() {
    for wrapper in ALL {
        let mut wrapped = Wrapped::new(wrapper);
        wrapped.append(20);
        for round in 0..12_u64 {
            wrapped.world.start();
            wrapped.append(15);
            let record = wrapped.record();
            let (first, rest) = record.split_at(record.len() * (round as usize + 1) / 14);
            let mut log = wrapped.open();
            log.write_all(first).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(round * 3)).await;
            wrapped.world.kill().await;
            log.write_all(rest).unwrap();
            if round % 3 == 0 {
                wrapped.world.rename("app.log", &format!("app.log.{}", 100 - round));
            }
            wrapped.append(5);
        }
        wrapped.world.start();
        wrapped.world.exact().await;
        let spans: Vec<_> =
            wrapped.world.collector.streams().into_iter().flat_map(|(_, stored)| stored.spans).collect();
        assert!(spans.iter().all(|span| span.kind == SpanKind::Record && span.flags == Flags::empty()), "{wrapper}");
        wrapped.world.stop().await;
    }
}

/// What a power cut leaves: half a line, then NULs, then the log goes on.
#[tokio::test]
async fn nuls_amid_a_wrapped_log_are_noise_and_what_was_torn_before_them_is_kept() {
    for wrapper in [Wrapper::Docker, Wrapper::Cri, Wrapper::Syslog] {
        let mut wrapped = Wrapped::new(wrapper);
        wrapped.append(5);
        wrapped.world.start();
        wrapped.world.stored().await;
        let torn = wrap(wrapper, &record(99, 700), "stdout");
        let mut log = wrapped.open();
        log.write_all(&torn[..torn.len() / 2]).unwrap();
        log.write_all(&vec![0; 20_000]).unwrap();
        wrapped.append(5);
        wrapped.world.stored().await;
        let streams = wrapped.world.collector.streams();
        assert_eq!((streams.len(), wrapped.world.collector.gaps()), (1, Vec::new()), "{wrapper}");
        let spans = &streams[0].1.spans;
        assert!(
            spans.iter().all(|span| !span.flags.contains(Flags::CUT_BY_ROTATION)),
            "{wrapper}: nothing was rotated"
        );
        let noise: u64 = spans.iter().filter(|span| span.kind == SpanKind::Noise).map(|span| span.len).sum();
        assert_eq!(noise, 20_000, "{wrapper}: the NULs alone");
        let begin = torn.iter().position(|byte| *byte == b'[').unwrap();
        let kept = spans.iter().any(|span| span.bytes.windows(20).any(|bytes| *bytes == torn[begin..begin + 20]));
        assert!(kept, "{wrapper}: the torn record is sent");
        wrapped.world.stop().await;
    }
}

#[tokio::test]
async fn a_wrapped_log_that_grows_in_small_pieces_is_exact() {
    for wrapper in ALL {
        let mut wrapped = Wrapped::new(wrapper);
        wrapped.world.start();
        let all: Vec<u8> = (0..20).flat_map(|_| wrapped.record()).collect();
        let mut log = wrapped.open();
        for (nth, piece) in all.chunks(97).enumerate() {
            log.write_all(piece).unwrap();
            if nth % 8 == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            }
        }
        wrapped.world.exact().await;
        wrapped.world.stop().await;
    }
}

#[tokio::test]
async fn a_record_of_megabytes_in_a_wrapped_log_is_whole_and_one_that_lies_costs_nothing_behind_it() {
    for wrapper in ALL {
        let mut wrapped = Wrapped::new(wrapper);
        wrapped.world.start();
        let mut log = wrapped.open();
        let large = record(0, 3 << 20);
        wrapped.world.records.push(large.clone());
        for piece in wrap(wrapper, &large, "stdout").chunks(700_000) {
            log.write_all(piece).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
        let lie = String::from_utf8(record(1, 700)).unwrap().replace("Content-Length: ", "Content-Length: 9");
        wrapped.world.records.push(lie.clone().into_bytes());
        log.write_all(&wrap(wrapper, lie.as_bytes(), "stdout")).unwrap();
        wrapped.append(200);
        wrapped.world.exact().await;
        wrapped.world.stop().await;
    }
}

#[tokio::test]
async fn an_unfinished_record_of_a_wrapped_log_is_shown_with_what_is_complete() {
    for wrapper in ALL {
        let mut wrapped = Wrapped::new(wrapper);
        wrapped.append(3);
        let (next, raw) = (record(3, 9000), wrap(wrapper, &record(3, 9000), "stdout"));
        let half = raw.len() / 2;
        wrapped.open().write_all(&raw[..half]).unwrap();
        wrapped.world.start();
        let tail =
            || wrapped.world.collector.streams().into_iter().flat_map(|(_, stored)| stored.tail).collect::<Vec<_>>();
        // A line of syslog holds all of its record.
        if wrapper != Wrapper::Syslog {
            eventually("it is shown", || tail().iter().any(|span| span.kind == SpanKind::Record)).await;
            let shown = tail().into_iter().find(|span| span.kind == SpanKind::Record).unwrap();
            assert!(next.starts_with(&shown.bytes) && shown.bytes.len() > 1000, "{wrapper}");
            assert!(shown.flags.contains(Flags::UNFINISHED) && shown.len <= half as u64);
        }
        wrapped.world.records.push(next);
        wrapped.open().write_all(&raw[half..]).unwrap();
        wrapped.world.exact().await;
        wrapped.world.stop().await;
    }
}

#[tokio::test]
async fn both_outputs_of_a_container_are_read_and_never_mixed() {
    for wrapper in [Wrapper::Docker, Wrapper::Cri] {
        let mut wrapped = Wrapped::new(wrapper);
        wrapped.world.start();
        let mut log = wrapped.open();
        for nth in 0..30 {
            let (own, other) = if nth % 7 < 4 { ("stdout", "stderr") } else { ("stderr", "stdout") };
            let record = wrapped.world.record();
            for line in record.split_inclusive(|byte| *byte == b'\n') {
                log.write_all(&wrap(wrapper, line, own)).unwrap();
                log.write_all(&wrap(wrapper, b"at com.example.Main(Main.java:7)\n", other)).unwrap();
            }
        }
        wrapped.world.exact().await;
        wrapped.world.stop().await;
    }
}

#[tokio::test]
async fn what_a_log_is_wrapped_in_is_recognised_where_that_is_asked_for() {
    for wrapper in ALL {
        for recognise in [true, false] {
            let mut wrapped = Wrapped::new(wrapper);
            wrapped.world.config.sources[0].wrapper = None;
            wrapped.world.config.sources[0].recognise = recognise;
            wrapped.open().write_all(&wrap(wrapper, b"starting\n", "stderr")).unwrap();
            wrapped.world.start();
            eventually("the first line is read", || wrapped.world.progress().reach.left() == 0).await;
            wrapped.append(5);
            if recognise || wrapper.is_utf16() {
                wrapped.world.exact().await;
                let named = [(wrapped.world.log("app.log"), wrapper)];
                eventually("it is named", || wrapped.world.progress().wrapped == named).await;
                // It is known from the note alone.
                wrapped.world.stop().await;
                wrapped.append(5);
                wrapped.world.start();
                wrapped.world.exact().await;
            } else {
                eventually("it is read to its end", || wrapped.world.progress().reach.left() == 0).await;
                assert_eq!((wrapped.world.collector.records().len(), wrapped.world.progress().wrapped.len()), (0, 0));
                // Nothing of it is final yet: its beginning may be the rest of a record.
                wrapped.world.stop().await;
                wrapped.world.config.sources[0].wrapper = Some(wrapper.name().to_owned());
                wrapped.append(5);
                wrapped.world.start();
                wrapped.world.exact().await;
            }
            wrapped.world.stop().await;
        }
    }
}

#[tokio::test]
async fn credentials_of_a_wrapped_log_never_leave_the_host() {
    for wrapper in ALL {
        let mut wrapped = Wrapped::new(wrapper);
        let text = "[2026-11-23 19:53:58.132][REGISTER][sip:192.0.2.1][sip:192.0.2.2]\nREGISTER sip:a SIP/2.0\r\n\
            Authorization: Digest nc=1, response=secret\r\nContent-Length: 0\r\n\r\n\n";
        wrapped.open().write_all(&wrap(wrapper, text.as_bytes(), "stdout")).unwrap();
        wrapped.world.start();
        eventually("it is stored", || !wrapped.world.collector.records().is_empty()).await;
        let shown = String::from_utf8(wrapped.world.collector.records().remove(0)).unwrap();
        assert_eq!(shown, text.replace("secret", "~masked~"), "{wrapper}");
        wrapped.world.stop().await;
    }
}
