//! Delivery (D), in one process.

use std::fs;
use std::time::Duration;

use message::span::Cause;

use crate::collector::Fault;
use crate::world::{World, eventually, open, record};

/// Bytes this process holds.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap();
    pages * 4096
}

#[tokio::test]
async fn d01_while_the_collector_is_down_the_file_is_the_buffer() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.collector.set_down(true);
    let before = resident();
    let mut bytes = Vec::new();
    for nth in 0..40_000 {
        bytes.extend(record(10 + nth, 2000));
        if bytes.len() > 1 << 20 {
            std::io::Write::write_all(&mut &log, &bytes).unwrap();
            bytes.clear();
        }
    }
    std::io::Write::write_all(&mut &log, &bytes).unwrap();
    let size = log.metadata().unwrap().len();
    assert!(size > 64 << 20);
    eventually("the agent knows all of it", || world.progress().bytes_known == size).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 << 20, "{} MiB more are held", grown >> 20);
    world.collector.set_down(false);
    eventually("all is stored", || world.collector.streams()[0].1.w == size).await;
    assert_eq!(world.collector.records().len(), 40_010);
    assert_eq!(world.collector.broken(), Vec::<String>::new());
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
}

#[tokio::test]
async fn d03_appends_answered_late_and_out_of_order_commit_only_what_was_stored() {
    let mut world = World::new(&["*.log"]);
    world.config.batch_bytes = 64 << 10;
    world.collector.next((0..60).map(|nth| Fault::Slow(Duration::from_millis(nth * 37 % 50))));
    for file in 0..8 {
        world.append(&format!("app-{file}.log"), 100);
    }
    world.start();
    for file in 0..8 {
        world.append(&format!("app-{file}.log"), 100);
    }
    world.exact().await;
    assert!(world.collector.most_in_flight() > 1 && world.collector.most_in_flight() <= 4);
}

#[tokio::test]
async fn d04_errors_and_busy_answers_are_tried_again_in_order() {
    let mut world = World::new(&["app.log"]);
    world.collector.next([
        Fault::Status(500),
        Fault::Busy,
        Fault::None,
        Fault::Status(502),
        Fault::Status(429),
        Fault::LoseRequest,
    ]);
    world.start();
    for _ in 0..10 {
        world.append("app.log", 10);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.exact().await;
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
async fn d07_a_batch_that_is_too_large_is_halved_and_a_record_that_is_becomes_a_gap() {
    let mut world = World::new(&["app.log"]);
    world.collector.set_most(100_000);
    world.append("app.log", 1000);
    let large = record(5000, 200_000);
    let mut log = open(&world.log("app.log"));
    std::io::Write::write_all(&mut log, &large).unwrap();
    world.write(&log, 50);
    world.start();
    world.stored().await;
    assert_eq!(world.check(), Vec::<usize>::new());
    let gaps = world.collector.gaps();
    assert_eq!(
        gaps.iter().map(|(cause, _, len, _)| (*cause, *len)).collect::<Vec<_>>(),
        [(Cause::Rejected, large.len() as u64)]
    );
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
    world.append("app.log", 30);
    world.start();
    world.stored().await;
    world.collector.rewind(0);
    world.append("app.log", 1);
    world.exact().await;
}

#[tokio::test]
async fn d10_what_the_collector_has_already_is_skipped() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 30);
    world.start();
    world.stored().await;
    world.kill().await;
    // The agent comes back with a watermark that is behind: the collector has moved on meanwhile.
    world.collector.next([Fault::LoseAnswer]);
    world.append("app.log", 10);
    world.start();
    world.append("app.log", 10);
    world.exact().await;
}

#[tokio::test]
async fn d14_a_slow_batch_does_not_hold_up_other_streams() {
    let mut world = World::new(&["*.log"]);
    world.append("slow.log", 5);
    world.collector.next([Fault::Slow(Duration::from_secs(5))]);
    world.start();
    eventually("the slow batch is on its way", || world.collector.appends() == 1).await;
    let begun = std::time::Instant::now();
    world.append("fast.log", 5);
    let last = world.records.last().unwrap().clone();
    eventually("the other log is stored", || world.collector.records().contains(&last)).await;
    assert!(begun.elapsed() < Duration::from_secs(4));
}
