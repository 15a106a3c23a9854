//! Hints of the operating system: with them a log is read at once, without them the result is the same (E1).

use std::fs;
use std::io::Write;
use std::time::Duration;

use crate::world::{World, eventually, open, record};

/// After the first listing nothing is listed for an hour, unless a hint asks for it.
fn world_of_hints(paths: &[&str]) -> World {
    let mut world = World::new(paths);
    world.config.poll = Duration::from_hours(1);
    world
}

/// A file that was read just now is looked at again for two seconds, without any hint.
async fn cold() {
    tokio::time::sleep(Duration::from_millis(2500)).await;
}

#[tokio::test]
async fn a_record_in_a_quiet_log_is_read_by_a_hint_alone() {
    let mut world = world_of_hints(&["app.log"]);
    let log = world.append("app.log", 3);
    world.start();
    world.exact().await;
    for _ in 0..2 {
        cold().await;
        world.write(&log, 1);
        world.exact().await;
    }
    assert_eq!(world.collector.streams().len(), 1);
}

#[tokio::test]
async fn rotations_are_found_by_hints_alone() {
    let mut world = world_of_hints(&["app.log"]);
    let first = world.append("app.log", 3);
    world.start();
    world.exact().await;
    world.rename("app.log", "app.log.1");
    let second = world.append("app.log", 3);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
    cold().await;
    world.write(&first, 1);
    world.write(&second, 1);
    world.exact().await;
    cold().await;
    world.copytruncate("app.log", "app.log.2");
    world.write(&second, 2);
    world.exact().await;
}

#[tokio::test]
async fn new_logs_and_new_directories_are_found_by_hints_alone() {
    let mut world = world_of_hints(&["*.log", "*/app.log", "deep/**/*.log", "later.log", "named"]);
    world.append("app.log", 1);
    fs::create_dir(world.log("deep")).unwrap();
    world.start();
    world.exact().await;
    world.append("new.log", 1);
    fs::create_dir(world.log("sub")).unwrap();
    world.append("sub/app.log", 1);
    fs::create_dir_all(world.log("deep/a/b")).unwrap();
    world.append("deep/a/b/x.log", 1);
    world.append("later.log", 1);
    fs::create_dir(world.log("named")).unwrap();
    world.append("named/y.log", 1);
    world.exact().await;
    eventually("nothing is waited for", || world.progress().unread.is_empty()).await;
    assert_eq!(world.collector.streams().len(), 6);
}

#[tokio::test]
async fn what_a_link_leads_to_is_polled() {
    let mut world = World::new(&["app.log", "hard.log"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let real = elsewhere.path().join("real.log");
    let file = open(&real);
    world.write(&file, 2);
    std::os::unix::fs::symlink(&real, world.log("app.log")).unwrap();
    let hard = open(&elsewhere.path().join("hard.log"));
    fs::hard_link(elsewhere.path().join("hard.log"), world.log("hard.log")).unwrap_or_else(|_| {
        // Another file system: then it is one file with one name.
        fs::write(world.log("hard.log"), "").unwrap();
    });
    world.start();
    world.stored().await;
    cold().await;
    world.write(&file, 2);
    world.write(&hard, 2);
    world.stored().await;
}

#[tokio::test]
async fn b25_a_directory_that_is_removed_and_made_again_is_watched_again() {
    for hints in [true, false] {
        let mut world = World::new(&["sub/app.log", "*/x.log"]);
        world.config.hints = hints;
        fs::create_dir(world.log("sub")).unwrap();
        world.append("sub/app.log", 2);
        world.start();
        world.exact().await;
        for round in 0..3 {
            if round == 1 {
                world.rename("sub", "moved");
            } else {
                let _ = fs::remove_dir_all(world.log("moved"));
                fs::remove_dir_all(world.log("sub")).unwrap();
            }
            fs::create_dir(world.log("sub")).unwrap();
            world.append("sub/app.log", 2);
            world.append("sub/x.log", 2);
            world.stored().await;
        }
    }
}

#[tokio::test]
async fn e01_without_hints_all_is_the_same() {
    for hints in [true, false] {
        let mut world = World::new(&["*.log"]);
        world.config.hints = hints;
        let old = world.append("app.log", 20);
        world.start();
        world.stored().await;
        for _ in 0..3 {
            world.rotate("app.log", 9);
            world.write(&old, 1);
            world.append("app.log", 20);
            world.append("other.log", 1);
        }
        world.exact().await;
        assert_eq!(world.collector.streams().len(), 5);
    }
}

/// What one program writes to two files by turns raises an event for each write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e02_a_storm_of_events_is_exact() {
    let mut world = World::new(&["*.log"]);
    let logs = [world.append("a.log", 1), world.append("b.log", 1)];
    world.start();
    world.exact().await;
    let line = b"2026-11-23 19:53:58.132 INFO  [main] a line of no interest\n";
    for nth in 0..40_000 {
        (&logs[nth % 2]).write_all(line).unwrap();
    }
    world.write(&logs[0], 1);
    world.write(&logs[1], 1);
    world.exact().await;
    assert_eq!(world.records.last(), Some(&record(3, 700)));
}
