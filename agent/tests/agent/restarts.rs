//! Restarts: what is found again, what is left alone, and what a start may not forget.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, SystemTime};

use agent::Source;
use record::wire::Asked;

use crate::world::{World, eventually, open};

/// Several listings pass before the collector says how far it is.
const LATE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_file_of_which_nothing_is_final_is_known_again_when_the_collector_answers_late() {
    let mut world = World::new(&["app.log"]);
    let mut log = open(&world.log("app.log"));
    let whole = world.record();
    log.write_all(&whole[..300]).unwrap();
    for _ in 0..3 {
        world.start();
        let shown = || world.collector.streams().iter().any(|(_, stored)| !stored.tail.is_empty());
        eventually("the half is shown", shown).await;
        eventually("it is followed", || world.progress().reach.files == 1).await;
        world.stop().await;
        world.collector.set_slow_positions(LATE);
    }
    log.write_all(&whole[300..]).unwrap();
    world.start();
    world.append("app.log", 3);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 1);
}

#[tokio::test]
async fn an_empty_log_is_one_stream_over_restarts() {
    let mut world = World::new(&["app.log"]);
    open(&world.log("app.log"));
    world.collector.set_slow_positions(LATE);
    for _ in 0..4 {
        world.start();
        eventually("it is followed", || world.progress().reach.files == 1).await;
        eventually("it is known", || !world.collector.streams().is_empty()).await;
        world.stop().await;
    }
    world.start();
    world.append("app.log", 3);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 1);
}

#[tokio::test]
async fn neither_checkpoint_nor_positions_grow_with_the_number_of_rotations() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 1);
    world.start();
    for rotations in 1..=40 {
        world.stored().await;
        fs::remove_file(world.log("app.log")).unwrap();
        world.append("app.log", 1);
        let settled = || world.collector.streams().iter().filter(|(_, stored)| stored.settled).count();
        eventually("what is gone is settled", || settled() == rotations).await;
        if rotations % 20 == 0 {
            world.stored().await;
            world.stop().await;
            let asked = world.collector.positions(Asked::After(None), 100);
            assert_eq!((asked.positions.len(), asked.sources.len()), (1, 1));
            world.start();
            eventually("it is followed", || world.progress().reach.files == 1).await;
        }
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 41);
    assert!(world.collector.streams().iter().all(|(_, stored)| stored.spans.iter().all(|span| span.len > 0)), "no gap");
    assert_eq!(world.checkpoint().len(), 1, "the checkpoint names what is followed");
}

#[tokio::test]
async fn of_two_copies_of_a_lost_file_one_goes_on() {
    let mut world = World::new(&["*"]);
    world.append("app.log", 20);
    world.start();
    world.stored().await;
    world.stop().await;
    fs::copy(world.log("app.log"), world.log("app.log.2")).unwrap();
    fs::copy(world.log("app.log"), world.log("app.log.1")).unwrap();
    fs::remove_file(world.log("app.log")).unwrap();
    world.append("app.log", 5);
    world.start();
    world.exact().await;
    // The older copy is judged first, and late lines in it are read.
    world.append("app.log.2", 5);
    world.exact().await;
    world.append("app.log", 5);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn a_copy_that_brings_nothing_still_brings_nothing_after_a_restart() {
    let mut world = World::new(&[""]);
    let log = world.append("app.log", 100);
    world.start();
    world.stored().await;
    fs::copy(world.log("app.log"), world.log("app.log.1")).unwrap();
    world.write(&log, 10);
    world.stored().await;
    // Quiet for longer than a second: nothing was growing.
    tokio::time::sleep(Duration::from_millis(1300)).await;
    log.set_len(0).unwrap();
    world.write(&log, 10);
    world.exact().await;
    eventually("the truncated file is a stream of its own", || world.collector.streams().len() == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..3 {
        world.stop().await;
        world.start();
        world.append("app.log", 1);
        world.exact().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.exact().await;
    }
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn a_start_without_a_collector_keeps_the_checkpoint() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 5);
    world.start();
    world.stored().await;
    world.stop().await;
    let kept = |world: &World| {
        ["checkpoint", "checkpoint.former"].map(|name| fs::read(world.state().join(name)).unwrap_or_default())
    };
    let before = kept(&world);
    assert!(before[0].len() > 200);
    world.collector.set_down(true);
    for _ in 0..3 {
        world.start();
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.stop().await;
    }
    assert_eq!(kept(&world), before);
    world.collector.set_down(false);
    world.append("app.log", 5);
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn a_log_that_only_grows_has_no_gaps() {
    let mut world = World::new(&["app.log"]);
    world.config.poll = Duration::from_millis(1);
    let noise = format!("2026-11-23 19:53:58.132 INFO  [main] {}\n", "x".repeat(4000)).repeat(256);
    let path = world.log("app.log");
    let writer = std::thread::spawn(move || {
        let mut log = open(&path);
        for _ in 0..100 {
            for chunk in noise.as_bytes().chunks(64 << 10) {
                log.write_all(chunk).unwrap();
            }
        }
    });
    world.start();
    eventually("all is written", || writer.is_finished()).await;
    world.append("app.log", 3);
    world.exact().await;
}

#[tokio::test]
async fn logs_named_in_another_order_go_on() {
    let mut world = World::new(&[]);
    fs::create_dir(world.log("a")).unwrap();
    fs::create_dir(world.log("b")).unwrap();
    let source =
        |world: &World, name: &str, path: &str| Source::new(name, vec![world.log(path).to_str().unwrap().to_owned()]);
    let orders = [[("sip", "a/sip.log"), ("sip-2", "b/sip.log")], [("sip", "b/sip.log"), ("sip-2", "a/sip.log")]];
    for round in 0..4 {
        world.config.sources = orders[round % 2].iter().map(|(name, path)| source(&world, name, path)).collect();
        world.append("a/sip.log", 10);
        world.append("b/sip.log", 10);
        world.start();
        world.exact().await;
        eventually("both are followed", || world.progress().reach.files == 2).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.stop().await;
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn logs_that_are_not_named_any_more_are_left_alone_and_go_on_when_they_are_named_again() {
    let mut world = World::new(&[]);
    fs::create_dir(world.log("a")).unwrap();
    fs::create_dir(world.log("b")).unwrap();
    for round in 0..6 {
        let path = if round % 2 == 0 { "a/sip.log" } else { "b/sip.log" };
        world.config.sources = vec![Source::new("sip", vec![world.log(path).to_str().unwrap().to_owned()])];
        world.append(path, 10);
        world.start();
        world.exact().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.stop().await;
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn a_file_and_a_directory_and_a_pattern_without_a_slash_are_followed() {
    for path in ["app.log", "*.log", "."] {
        let mut world = World::new(&[]);
        std::env::set_current_dir(world.log("")).unwrap();
        world.config.sources = vec![Source::new("pbx", vec![path.to_owned()])];
        // Not written just now: only a file that is named is read from before the agent's time.
        let log = world.append("app.log", 5);
        log.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
        world.start();
        world.exact().await;
        fs::rename(world.log("app.log"), world.log("app.log.1")).unwrap();
        world.append("app.log", 5);
        world.exact().await;
        world.stop().await;
    }
}

#[tokio::test]
async fn what_a_config_says_anew_reaches_the_collector_after_a_restart() {
    let mut world = World::new(&["app.log"]);
    for zone in ["UTC", "Asia/Seoul"] {
        world.config.sources[0].zone = Some(zone.into());
        world.append("app.log", 5);
        world.start();
        world.exact().await;
        world.append("app.log", 5);
        world.exact().await;
        world.stop().await;
        let meta = world.collector.streams()[0].1.meta.clone().unwrap();
        assert_eq!(meta.zone, zone);
    }
    assert_eq!(world.collector.metas(), 2, "and only once a start");
}

/// A file that is cut behind what was read has lost what was seen to be there.
#[tokio::test]
async fn a_file_cut_behind_what_was_read_is_a_gap() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.config.memory = 64 << 10;
    world.start();
    world.stored().await;
    world.collector.set_down(true);
    let log = world.append("app.log", 40_000);
    let size = log.metadata().unwrap().len();
    eventually("the agent knows all of it", || world.progress().reach.known == size).await;
    File::options().write(true).open(world.log("app.log")).unwrap().set_len(size - 1_000_000).unwrap();
    eventually("it is seen to be shorter", || world.progress().reach.known == size - 1_000_000).await;
    world.collector.set_down(false);
    eventually("all that is left is stored", || world.collector.streams()[0].1.w >= size - 1_001_000).await;
    world.append("app.log", 1);
    eventually("one gap", || world.collector.gaps().len() == 1).await;
}

/// Clocks are set back, servers of files have clocks of their own, and `cp -p` keeps a time: none of it hides a rotation.
#[tokio::test]
async fn a_rotation_while_down_is_read_whatever_its_time_says() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 5);
    world.start();
    world.exact().await;
    world.stop().await;
    fs::rename(world.log("app.log"), world.log("app.log.2")).unwrap();
    let rotated = world.append("app.log.1", 7);
    rotated.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    world.append("app.log", 3);
    world.start();
    world.exact().await;
    assert_eq!((world.collector.streams().len(), world.collector.gaps()), (3, Vec::new()));
}

#[tokio::test]
async fn what_was_rotated_before_the_log_was_first_followed_is_not_read_and_not_after_a_restart() {
    let mut world = World::new(&["app.log"]);
    fs::write(world.log("app.log.1"), world.record()).unwrap();
    world.records.pop();
    world.append("app.log", 5);
    for _ in 0..3 {
        world.start();
        world.exact().await;
        world.stop().await;
        world.append("app.log", 1);
    }
    world.start();
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 1);
}
