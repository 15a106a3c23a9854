//! The environment (E) and hostile logs.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::unread::{Obstacle, Unread};
use agent::{Progress, Start};
use record::span::{Cause, SpanKind};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::world::{World, eventually, open, record, resident};

#[tokio::test]
async fn e13_what_is_no_regular_file_is_left_out() {
    let mut world = World::new(&["*.log"]);
    mkfifoat(CWD, world.log("fifo.log"), Mode::RWXU).unwrap();
    let _socket = UnixListener::bind(world.log("socket.log")).unwrap();
    fs::create_dir(world.log("directory.log")).unwrap();
    world.append("app.log", 5);
    world.start();
    world.exact().await;
    eventually("one file is followed", || world.progress().reach.files == 1).await;
}

#[tokio::test]
async fn e14_any_file_name_is_followed_and_sent_as_bytes() {
    let mut world = World::new(&["*"]);
    let names: [&[u8]; 3] = [b"new\nline.log", b"bad\xff\xfe.log", &[b'x'; 255]];
    for name in names {
        let log = open(&world.log("").join(OsString::from_vec(name.to_vec())));
        world.write(&log, 3);
    }
    world.start();
    world.exact().await;
    let mut paths: Vec<Vec<u8>> =
        world.collector.streams().into_iter().filter_map(|(_, s)| s.meta.map(|m| m.path)).collect();
    let mut expected: Vec<Vec<u8>> =
        names.iter().map(|name| [world.log("").as_os_str().as_bytes(), name].concat()).collect();
    paths.sort();
    expected.sort();
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn e15_an_empty_file_is_listed_at_once_and_ten_bytes_are_shown() {
    let mut world = World::new(&["*.log"]);
    open(&world.log("empty.log"));
    let mut short = open(&world.log("short.log"));
    short.write_all(b"ten bytes\n").unwrap();
    world.start();
    eventually("both are listed", || world.collector.streams().len() == 2).await;
    eventually("the ten bytes were read", || {
        world.collector.streams().iter().any(|(_, stored)| stored.w == 10 || !stored.tail.is_empty())
    })
    .await;
}

#[tokio::test]
async fn a_file_that_does_not_exist_yet_is_waited_for() {
    let mut world = World::new(&["app.log"]);
    fs::create_dir(world.log("later")).unwrap();
    let later = world.log("later").join("app.log");
    world.config.sources[0].paths.push(later.clone());
    world.append("app.log", 5);
    world.start();
    world.stored().await;
    let missing = Unread::new(later, Obstacle::Missing);
    eventually("the missing file is waited for", || world.progress().unread == [missing.clone()]).await;
    world.append("later/app.log", 5);
    world.exact().await;
    eventually("it is not waited for any more", || world.progress().unread.is_empty()).await;
}

#[tokio::test]
async fn start_at_the_end_is_recorded_as_a_gap() {
    let mut world = World::new(&["app.log"]);
    world.config.sources[0].start = Start::End;
    let old: Vec<u8> = (0..10).flat_map(|nth| record(9000 + nth, 500)).collect();
    fs::write(world.log("app.log"), &old).unwrap();
    world.start();
    eventually("the gap is stored", || !world.collector.gaps().is_empty()).await;
    world.append("app.log", 5);
    world.stored().await;
    assert_eq!(world.collector.gaps(), [(Cause::StartAtEnd, 0, old.len() as u64, Some(0))]);
    world.check();

    // A file that comes later is read from its beginning.
    fs::rename(world.log("app.log"), world.log("app.log.1")).unwrap();
    world.append("app.log", 5);
    world.stored().await;
    world.stop().await;
    world.append("app.log", 5);
    world.start();
    world.stored().await;
    assert_eq!(world.collector.gaps().len(), 1);
}

#[tokio::test]
async fn an_unfinished_record_is_shown_and_then_replaced() {
    let mut world = World::new(&["app.log"]);
    let mut log = world.append("app.log", 2);
    let whole = world.record();
    log.write_all(&whole[..300]).unwrap();
    world.start();
    let tail =
        |world: &World| world.collector.streams().first().map(|(_, stored)| stored.tail.clone()).unwrap_or_default();
    eventually("the first half is shown", || tail(&world).first().is_some_and(|span| span.len == 300)).await;
    let start = tail(&world)[0].start;
    let w = world.collector.streams()[0].1.w;
    assert_eq!(start.0, w, "the watermark stays at the unfinished record");
    log.write_all(&whole[300..]).unwrap();
    world.exact().await;
    assert!(tail(&world).is_empty());
    let spans = &world.collector.streams()[0].1.spans;
    assert_eq!(spans.iter().filter(|span| span.start == start).count(), 1);
}

#[tokio::test]
async fn a_log_whose_last_record_is_unfinished_is_caught_up() {
    let mut world = World::new(&["app.log"]);
    let mut log = world.append("app.log", 3);
    // Only the next line shows where this one ends.
    let push = b"[2026-11-23 19:53:59][PUSH][http://192.0.2.1][https://push.example.com]\nto: alice\n";
    log.write_all(push).unwrap();
    world.start();
    eventually("it is caught up", || {
        let progress = world.progress();
        progress.reach.unfinished_files == 1
            && progress.reach.committed + progress.reach.unfinished == progress.reach.known
    })
    .await;
    assert_eq!(world.progress().reach.unfinished, push.len() as u64);
    world.write(&log, 1);
    let size = log.metadata().unwrap().len();
    eventually("all is final", || {
        let progress = world.progress();
        (progress.reach.committed, progress.reach.unfinished, progress.reach.unfinished_files) == (size, 0, 0)
    })
    .await;
}

/// `/proc/self/mem` is a regular file that cannot be read at its beginning.
#[tokio::test]
async fn e04_a_file_that_cannot_be_read_is_told_once_and_the_others_go_on() {
    let (said, _listening) = listen();
    let mut world = World::new(&["*.log"]);
    std::os::unix::fs::symlink("/proc/self/mem", world.log("bad.log")).unwrap();
    world.append("app.log", 5);
    world.start();
    world.exact().await;
    let is_shown = |progress: &Progress| {
        let [unread] = &progress.unread[..] else { return false };
        unread.path == world.log("bad.log") && matches!(unread.obstacle, Obstacle::Unreadable(_))
    };
    eventually("it is shown", || is_shown(&world.progress())).await;
    assert_eq!(world.progress().reach.files, 1, "what is not read is not counted as followed");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let said = String::from_utf8(said.lock().unwrap().clone()).unwrap();
    assert_eq!(said.matches("bad.log").count(), 1, "{said}");
    world.append("app.log", 5);
    world.exact().await;
}

/// What is logged from here on, by this thread.
fn listen() -> (Arc<Mutex<Vec<u8>>>, tracing::subscriber::DefaultGuard) {
    struct Listener(Arc<Mutex<Vec<u8>>>);
    impl Write for Listener {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Listener(Arc::clone(&heard)));
    (said, tracing::subscriber::set_default(subscriber.finish()))
}

#[tokio::test]
async fn credentials_never_leave_the_host() {
    let mut world = World::new(&["app.log"]);
    let mut log = world.append("app.log", 1);
    let secret = "Digest username=\"alice\", response=\"6629fae49393a05397450978507c4ef1\"";
    let message = format!("REGISTER sip:example.com SIP/2.0\r\nAuthorization: {secret}\r\nContent-Length: 0\r\n\r\n");
    write!(log, "[2026-11-23 19:53:58.132][REGISTER][sip:192.0.2.1][sip:192.0.2.2]\n{message}\n").unwrap();
    world.write(&log, 1);
    world.start();
    eventually("all is stored", || world.collector.records().len() == 3).await;
    let stored = world.collector.streams().remove(0).1;
    assert!(world.collector.records().iter().all(|record| !record.windows(8).any(|bytes| bytes == b"6629fae4")));
    let masked: Vec<_> = stored.spans.iter().filter(|span| !span.masked.is_empty()).collect();
    assert_eq!(masked.len(), 1);
    let shown = String::from_utf8(masked[0].bytes.to_vec()).unwrap();
    let expect = "Authorization: Digest username=\"alice\", response=\"~masked~\"\r\nContent-Length";
    assert!(shown.contains(expect), "{shown}");
    assert_eq!(masked[0].masked[0].len_before, 32);
    assert_eq!(masked[0].hash.as_slice(), [0; 16], "a hash would let the value be guessed");
    assert_eq!(stored.w, log.metadata().unwrap().len(), "lengths are those of the file");
}

#[tokio::test]
async fn credentials_whose_line_a_rotation_cut_never_leave_the_host() {
    let mut world = World::new(&["app.log"]);
    let mut log = open(&world.log("app.log"));
    write!(log, "ponse=\"6629fae49393a05397450978507c4ef1\"\r\nContent-Length: 0\r\n\r\n\n").unwrap();
    world.write(&log, 1);
    world.start();
    eventually("all is stored", || world.collector.records().len() == 1).await;
    let spans = world.collector.streams().remove(0).1.spans;
    assert_eq!((spans[0].kind, spans[0].masked.len()), (SpanKind::Fragment, 1));
    assert_eq!(spans[0].bytes.to_vec(), b"~masked~\r\nContent-Length: 0\r\n\r\n\n");
}

#[tokio::test]
async fn noise_is_sent_as_length_and_lines_only() {
    let mut world = World::new(&["app.log"]);
    let mut log = open(&world.log("app.log"));
    world.write(&log, 1);
    for nth in 0..10_000 {
        writeln!(log, "2026-11-23 19:53:58.132 INFO  [main] a line of no interest {nth}").unwrap();
    }
    world.write(&log, 1);
    world.start();
    world.exact().await;
    let spans = &world.collector.streams()[0].1.spans;
    let noise: Vec<_> = spans.iter().filter(|span| span.kind == SpanKind::Noise).collect();
    assert_eq!(noise.iter().map(|span| span.lines).sum::<u64>(), 10_000);
    assert!(noise.iter().all(|span| span.bytes.is_empty()));
    assert!(spans.len() < 200, "{} spans", spans.len());
}

#[tokio::test]
async fn a_line_without_an_end_and_binary_noise_stall_nothing() {
    let mut world = World::new(&["*.log"]);
    let mut long = open(&world.log("long.log"));
    let chunk = vec![b'x'; 1 << 20];
    (0..100).for_each(|_| long.write_all(&chunk).unwrap());
    let mut binary = open(&world.log("binary.log"));
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    binary.write_all(&bytes).unwrap();
    binary.write_all(b"\n2026-11-23 19:53:58 INFO back to normal\n").unwrap();
    world.write(&binary, 5);
    world.append("app.log", 50);
    let before = resident();
    world.start();
    world.stored().await;
    eventually("the long line is read", || world.progress().reach.known >= 100 << 20).await;
    assert_eq!(world.check(), Vec::<usize>::new());
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more are held", grown >> 20);
}

#[tokio::test]
async fn a_record_that_is_too_large_to_send_is_a_gap() {
    let mut world = World::new(&["app.log"]);
    let mut log = world.append("app.log", 2);
    let large = record(7000, 17 << 20);
    log.write_all(&large).unwrap();
    world.write(&log, 2);
    world.start();
    world.stored().await;
    assert_eq!(world.check(), Vec::<usize>::new());
    let gaps = world.collector.gaps();
    assert_eq!(
        gaps.iter().map(|(cause, _, len, _)| (*cause, *len)).collect::<Vec<_>>(),
        [(Cause::Rejected, large.len() as u64)]
    );
    let kept: Vec<_> = fs::read_dir(world.config.state.join("quarantine")).unwrap().flatten().collect();
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(fs::read(kept.path()).unwrap(), large, "it is in quarantine, whole");
    assert_eq!(kept.metadata().unwrap().mode() & 0o777, 0o600, "and for nobody else");
}
