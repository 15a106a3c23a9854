//! Delivery (D), in one process.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use record::span::{Cause, SpanKind};
use record::wire::Refused;

use crate::collector::Fault;
use crate::world::{World, eventually, open, record, resident};

/// Shortened: some times the budget at once instead of an hour at 5 MB a second, and the rate at which an agent that is not
/// optimised catches up is a tenth of what is asked of a real one.
#[tokio::test]
async fn d01_while_the_collector_is_down_the_file_is_the_buffer() {
    const CATCH_UP: f64 = 5.0 * 5e6 / 10.0;
    let mut world = World::new(&["app.log"]);
    world.config.memory = 4 << 20;
    let log = world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.collector.set_down(true);
    let (held, read) = (resident(), bytes_read());
    for chunk in 0..24 {
        let bytes: Vec<u8> = (0..500).flat_map(|nth| record(10 + chunk * 500 + nth, 2000)).collect();
        (&log).write_all(&bytes).unwrap();
    }
    let size = log.metadata().unwrap().len();
    assert!(size > 20 << 20);
    eventually("the agent knows all of it", || world.progress().reach.known == size).await;
    let mut taken = 0;
    while bytes_read() - read > taken + 100_000 {
        taken = bytes_read() - read;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let grown = resident().saturating_sub(held);
    // The budget, and turns that were under way when it was spent.
    assert!((2 << 20..10 << 20).contains(&taken), "{} KiB were read, though 4 MiB may be in memory", taken >> 10);
    assert!(grown < 24 << 20, "{} MiB more are held", grown >> 20);

    world.collector.set_down(false);
    let before = cpu_seconds();
    eventually("all is stored", || world.collector.totals() == (1, size)).await;
    let rate = size as f64 / (cpu_seconds() - before);
    assert!(rate > CATCH_UP, "caught up with {:.1} MB a CPU second", rate / 1e6);
    world.records.extend((0..12_000).map(|nth| record(10 + nth, 2000)));
    world.exact().await;
}

/// CPU time that this process has taken so far.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let times = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

/// Bytes that this process has read from files so far.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar:")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn d02_lost_answers_store_nothing_twice() {
    let mut world = World::new(&["app.log"]);
    world.collector.next((0..200).map(|nth| if nth % 3 == 0 { Fault::LoseAnswer } else { Fault::None }));
    world.start();
    for _ in 0..20 {
        world.append("app.log", 20);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.exact().await;
    assert!(world.collector.repeated() > 0, "what was stored was sent again");
}

#[tokio::test]
async fn d03_appends_answered_late_and_out_of_order_commit_only_what_was_stored() {
    let mut world = World::new(&["*.log"]);
    world.config.batch_bytes = 64 << 10;
    let late = |nth: u64| Duration::from_millis(nth * 37 % 50);
    world.collector.next((0..60).map(|nth| if nth % 2 == 0 { Fault::Slow(late(nth)) } else { Fault::Late(late(nth)) }));
    for file in 0..8 {
        world.append(&format!("app-{file}.log"), 100);
    }
    world.start();
    for file in 0..8 {
        world.append(&format!("app-{file}.log"), 100);
    }
    while !world.missing().is_empty() {
        let known = world.progress().reach.committed;
        let stored: u64 = world.collector.streams().iter().map(|(_, stored)| stored.w).sum();
        assert!(known <= stored, "{known} bytes count as committed, and {stored} are stored");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.exact().await;
    assert_eq!(world.collector.most_in_flight(), 4);
    assert!(world.collector.overtook() > 0, "answers came in another order");
}

#[tokio::test]
async fn d04_errors_and_busy_answers_are_tried_again_in_order() {
    let mut world = World::new(&["app.log"]);
    world.collector.next((0..200).map(|nth| match nth % 10 {
        3 => Fault::Status(500),
        5 => Fault::Busy,
        7 => Fault::Status(429),
        9 => Fault::LoseRequest,
        _ => Fault::None,
    }));
    world.start();
    for _ in 0..20 {
        world.append("app.log", 10);
        eventually("they are stored", || world.missing().is_empty()).await;
    }
    world.exact().await;
    assert!(world.collector.appends() >= 20, "each kind of answer was given");
    assert_eq!(world.collector.refused(), [], "no batch overtakes the one before it");
    assert!(world.collector.arrived() == world.records);
}

#[tokio::test]
async fn d05_a_refused_token_holds_everything() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 5);
    world.start();
    world.stored().await;
    let w = world.collector.streams()[0].1.w;
    world.collector.next([Fault::Status(401)]);
    let before = world.collector.appends();
    world.append("app.log", 5);
    eventually("it is refused", || world.collector.appends() > before).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.collector.appends(), before + 1, "it is not asked again at once");
    assert_eq!(world.collector.streams()[0].1.w, w);
    world.kill().await;
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn d06_a_poison_record_is_put_aside_alone() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 30);
    let poison = world.records[17].clone();
    world.collector.set_poison(b"bob-000017@");
    world.start();
    eventually("the neighbours are stored", || {
        let found = world.collector.records();
        world.records.iter().filter(|record| **record != poison).all(|record| found.contains(record))
    })
    .await;
    assert_eq!(world.check(), [17]);
    let start: u64 = world.records[..17].iter().map(|record| record.len() as u64).sum();
    assert_eq!(world.collector.gaps(), [(Cause::Rejected, start, poison.len() as u64, Some(0))]);
    let aside = world.state().join("quarantine");
    let kept = || fs::read_dir(&aside).ok()?.next()?.ok().and_then(|entry| fs::read(entry.path()).ok());
    eventually("the record is put aside", || kept().is_some_and(|kept| kept == poison)).await;
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 1);
}

#[tokio::test]
async fn d06_nothing_stands_for_a_poison_record_before_it_is_put_aside() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 30);
    world.collector.set_poison(b"bob-000017@");
    fs::create_dir_all(world.state()).unwrap();
    fs::write(world.state().join("quarantine"), "in the way").unwrap();
    world.start();
    eventually("the record is refused", || !world.collector.refused().is_empty()).await;
    let appends = world.collector.appends();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((world.collector.appends(), world.collector.gaps()), (appends, vec![]), "its log waits");
    fs::remove_file(world.state().join("quarantine")).unwrap();
    world.stored_but(&[17]).await;
    assert_eq!(world.collector.gaps().len(), 1);
    let aside = fs::read_dir(world.state().join("quarantine")).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read(aside.path()).unwrap(), world.records[17]);
}

#[tokio::test]
async fn d07_a_batch_that_is_too_large_is_halved_down_to_one_record() {
    let mut world = World::new(&["*.log"]);
    // Two records are too many.
    world.collector.set_most(1000);
    world.append("app.log", 200);
    world.append("other.log", 50);
    world.start();
    world.exact().await;
    world.append("app.log", 50);
    world.exact().await;
}

#[tokio::test]
async fn d07_a_record_that_is_too_large_alone_waits_and_is_not_passed_over() {
    let mut world = World::new(&["*.log"]);
    world.collector.set_most(100_000);
    let log = world.append("app.log", 100);
    let large = record(world.records.len(), 200_000);
    (&log).write_all(&large).unwrap();
    world.records.push(large);
    world.write(&log, 50);
    world.append("other.log", 100);
    world.start();
    let waits: Vec<usize> = (100..151).collect();
    world.stored_but(&waits).await;
    world.append("other.log", 100);
    world.stored_but(&waits).await;
    assert_eq!((world.check(), world.collector.gaps()), (waits, vec![]));
    // Whoever stands between is told to take more; the record is tried again each 30 s, and at a start.
    world.collector.set_most(1_000_000);
    world.kill().await;
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn d08_the_same_batch_twice_at_once_is_stored_once() {
    let mut world = World::new(&["app.log"]);
    world.collector.next([Fault::Twice; 20]);
    world.start();
    for _ in 0..10 {
        world.append("app.log", 10);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.exact().await;
}

#[tokio::test]
async fn d09_a_collector_that_lacks_bytes_gets_them() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 30);
    world.start();
    world.stored().await;
    let size = log.metadata().unwrap().len();
    eventually("the agent knows", || world.progress().reach.committed == size).await;
    world.collector.rewind(0);
    world.append("app.log", 1);
    world.exact().await;
    assert_eq!(world.collector.refused(), [Refused::Base], "the hole is refused, once");
}

#[tokio::test]
async fn d10_of_a_batch_that_overlaps_the_watermark_only_the_rest_is_stored() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 30);
    overtaken(&mut world, |world| {
        world.append("app.log", 10);
    })
    .await;
    assert!(world.collector.repeated() > 0);
    assert_eq!(world.collector.refused(), []);
}

#[tokio::test]
async fn d10_a_span_that_straddles_the_watermark_is_framed_again_from_there() {
    let mut world = World::new(&["app.log"]);
    let noise = |world: &World, lines: usize| {
        let line = "2026-11-23 19:53:58.132 INFO  [main] a line of no interest\n";
        open(&world.log("app.log")).write_all(line.repeat(lines).as_bytes()).unwrap();
    };
    world.append("app.log", 3);
    noise(&world, 10);
    overtaken(&mut world, |world| {
        // One span with the noise before it.
        noise(world, 10);
        world.append("app.log", 3);
    })
    .await;
    assert_eq!(world.collector.refused(), [Refused::Straddle]);
    let spans = &world.collector.streams()[0].1.spans;
    let lines: Vec<u64> = spans.iter().filter(|span| span.kind == SpanKind::Noise).map(|span| span.lines).collect();
    assert_eq!(lines, [10, 10], "the noise behind the watermark is a span of its own");
}

/// An agent is killed with its batch on its way. The next one finds nothing stored, reads what `more` has written too,
/// and just before its batch arrives the first one does.
async fn overtaken(world: &mut World, more: impl FnOnce(&mut World)) {
    world.collector.next([Fault::Withhold]);
    world.start();
    eventually("a batch is on its way", || world.collector.withheld() == 1).await;
    world.kill().await;
    more(world);
    world.collector.next([Fault::Overtaken]);
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn d14_a_slow_batch_does_not_hold_up_other_streams() {
    let mut world = World::new(&["*.log"]);
    world.append("slow.log", 5);
    world.collector.next([Fault::Slow(Duration::from_secs(5))]);
    world.start();
    eventually("the slow batch is on its way", || world.collector.appends() == 1).await;
    let begun = Instant::now();
    world.append("fast.log", 5);
    let last = world.records.last().unwrap().clone();
    eventually("the other log is stored", || world.collector.records().contains(&last)).await;
    assert!(begun.elapsed() < Duration::from_secs(4));
}

/// Of five logs the last by name gets one record, while the others are far behind.
#[tokio::test]
async fn a_quiet_log_is_read_while_busy_ones_are_behind() {
    let mut world = World::new(&["*.log"]);
    world.config.memory = 1 << 20;
    for name in ["a.log", "b.log", "c.log", "d.log"] {
        world.append(name, 8000);
    }
    let busy = world.records.len();
    world.append("z.log", 1);
    world.start();
    let quiet = || {
        let streams = world.collector.streams();
        streams.iter().any(|(_, stored)| {
            let path = stored.meta.as_ref().map(|meta| meta.path.clone()).unwrap_or_default();
            path.ends_with(b"z.log") && stored.covered() > 0
        })
    };
    eventually("the quiet log is read", quiet).await;
    let missing = world.missing().len();
    assert!(missing > busy / 2, "only {missing} of {busy} records of busy logs were still waiting");
    world.exact().await;
}
