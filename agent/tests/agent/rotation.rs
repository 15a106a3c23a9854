//! Rotation and identity (B).

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use message::span::{Cause, SpanKind};

use crate::world::{World, eventually, open};

/// What logrotate's `copytruncate` does.
fn copytruncate(world: &World, name: &str, copy: &str) {
    fs::copy(world.log(name), world.log(copy)).unwrap();
    File::options().write(true).open(world.log(name)).unwrap().set_len(0).unwrap();
}

fn rename(world: &World, from: &str, to: &str) {
    fs::rename(world.log(from), world.log(to)).unwrap();
}

#[tokio::test]
async fn b01_rename_and_create_loses_nothing() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 20);
    world.start();
    for rotation in 0..5 {
        world.append("app.log", 20);
        rename(&world, "app.log", &format!("app.log.{}", 5 - rotation));
        world.append("app.log", 20);
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 6);
}

#[tokio::test]
async fn b02_late_lines_in_a_renamed_file_are_read() {
    let mut world = World::new(&["app.log"]);
    let old = world.append("app.log", 5);
    world.start();
    world.stored().await;
    rename(&world, "app.log", "app.log.1");
    let new = open(&world.log("app.log"));
    for _ in 0..50 {
        world.write(&old, 2);
        world.write(&new, 2);
    }
    world.exact().await;
}

#[tokio::test]
async fn b03_a_file_moved_out_of_sight_is_read_on() {
    let mut world = World::new(&["app.log"]);
    let old = world.append("app.log", 5);
    world.start();
    world.stored().await;
    fs::create_dir(world.log("old")).unwrap();
    rename(&world, "app.log", "old/app.log.1");
    let new = open(&world.log("app.log"));
    for _ in 0..20 {
        world.write(&old, 2);
        world.write(&new, 1);
    }
    world.exact().await;
}

#[tokio::test]
async fn b05_a_record_cut_by_a_rotation_is_two_flagged_halves() {
    let mut world = World::new(&["app.log"]);
    let mut old = world.append("app.log", 3);
    let cut = world.records.len();
    let record = crate::world::record(1000, 900);
    old.write_all(&record[..500]).unwrap();
    world.start();
    world.stored().await;
    rename(&world, "app.log", "app.log.1");
    let mut new = open(&world.log("app.log"));
    new.write_all(&record[500..]).unwrap();
    world.write(&new, 3);
    let has = |world: &World, flag: &str| {
        let streams = world.collector.streams();
        streams.iter().flat_map(|(_, stored)| &stored.spans).any(|span| span.flags.names().contains(&flag))
    };
    eventually("both halves are final", || has(&world, "cut_by_rotation") && has(&world, "orphan_fragment")).await;
    eventually("the neighbours are stored", || {
        let found = world.collector.records();
        world.records.iter().all(|record| found.contains(record))
    })
    .await;
    assert_eq!(world.records.len(), cut + 3);
    let bytes: usize = world.collector.streams().iter().map(|(_, stored)| stored.w as usize).sum();
    assert_eq!(bytes, world.records.iter().map(Vec::len).sum::<usize>() + record.len());
    assert_eq!(world.collector.gaps(), []);
}

#[tokio::test]
async fn b06_copytruncate_under_load_loses_only_the_window_and_says_so() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 10);
    world.start();
    world.stored().await;
    for rotation in 1..=4_usize {
        world.write(&log, 2000);
        fs::copy(world.log("app.log"), world.log(&format!("app.log.{}", 5 - rotation))).unwrap();
        // Into the window between copy and truncate; the agent may be fast enough to see it.
        world.write(&log, 5);
        log.set_len(0).unwrap();
        world.write(&log, 10);
        eventually("the truncate is seen", || {
            world.collector.streams().len() > rotation && world.collector.gaps().len() == rotation
        })
        .await;
    }
    world.write(&log, 10);
    let last = world.records.last().unwrap().clone();
    eventually("the end is stored", || world.collector.records().contains(&last)).await;
    world.stop().await;
    let missing = world.check();
    assert!(missing.len() <= 20, "more is missing than was written in the windows: {missing:?}");
    let causes: Vec<Cause> = world.collector.gaps().into_iter().map(|(cause, ..)| cause).collect();
    assert_eq!(causes, [Cause::Copytruncate; 4]);
}

#[tokio::test]
async fn b07_a_truncate_without_a_copy_is_a_gap_of_unknown_length() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 20);
    world.start();
    world.stored().await;
    world.write(&log, 1);
    log.set_len(0).unwrap();
    world.write(&log, 5);
    let first = world.records[20].clone();
    eventually("the new content and the gap are stored", || {
        let found = world.collector.records();
        world.records[21..].iter().all(|record| found.contains(record)) && world.collector.gaps().len() == 1
    })
    .await;
    let end: u64 = world.records[..20].iter().map(|record| record.len() as u64).sum();
    let seen = world.collector.records().contains(&first);
    let at = if seen { end + first.len() as u64 } else { end };
    assert_eq!(world.collector.gaps(), [(Cause::Copytruncate, at, 0, None)]);
    assert_eq!(world.check().len(), usize::from(!seen));
}

#[tokio::test]
async fn b08_a_copytruncate_of_a_quiet_log_is_exact() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 20);
    world.start();
    world.stored().await;
    // Quiet for longer than a second: nothing was growing.
    tokio::time::sleep(Duration::from_millis(1300)).await;
    copytruncate(&world, "app.log", "app.log.1");
    eventually("the truncate is seen", || world.collector.streams().len() == 2).await;
    world.write(&log, 20);
    world.exact().await;
    world.stop().await;
    assert_eq!(world.collector.streams().len(), 2, "the copy is no stream of its own");
}

#[tokio::test]
async fn b09_a_file_refilled_to_its_old_size_is_read_anew() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 10);
    world.start();
    world.stored().await;
    let size = log.metadata().unwrap().len();
    tokio::time::sleep(Duration::from_millis(1300)).await;
    log.set_len(0).unwrap();
    world.write(&log, 10);
    assert_eq!(log.metadata().unwrap().len(), size);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn b10_a_file_refilled_beyond_its_old_size_with_the_same_head_is_read_anew() {
    let mut world = World::new(&["app.log"]);
    let banner = "# the same banner\n".repeat(300);
    let mut log = open(&world.log("app.log"));
    log.write_all(banner.as_bytes()).unwrap();
    world.write(&log, 10);
    world.start();
    world.stored().await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    log.set_len(0).unwrap();
    log.write_all(banner.as_bytes()).unwrap();
    world.write(&log, 20);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn b11_a_hole_after_a_truncate_is_noise() {
    let mut world = World::new(&["app.log"]);
    let log = File::create(world.log("app.log")).unwrap();
    world.write(&log, 50);
    world.start();
    world.stored().await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    log.set_len(0).unwrap();
    // The writer has no O_APPEND: it goes on at its old offset.
    world.write(&log, 20);
    world.exact().await;
    let streams = world.collector.streams();
    let hole = streams.iter().filter_map(|(_, stored)| stored.spans.first()).find(|span| span.kind == SpanKind::Noise);
    assert!(hole.is_some_and(|hole| hole.bytes.is_empty() && hole.len > 0), "the hole is noise without bytes");
}

#[tokio::test]
async fn b12_a_saved_copy_goes_on_where_the_file_was() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // What an editor does: a new file with the same content and a line more takes the name.
    fs::copy(world.log("app.log"), world.log("app.tmp")).unwrap();
    world.append("app.tmp", 1);
    rename(&world, "app.tmp", "app.log");
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 1, "only the new line is sent");
}

#[tokio::test]
async fn b13_rotations_while_down_are_read_oldest_first() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.kill().await;
    world.append("app.log", 5);
    for _ in 0..5 {
        for number in (1..5).rev().filter(|number| world.log(&format!("app.log.{number}")).exists()) {
            rename(&world, &format!("app.log.{number}"), &format!("app.log.{}", number + 1));
        }
        rename(&world, "app.log", "app.log.1");
        world.append("app.log", 10);
    }
    world.start();
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 6);
}

#[tokio::test]
async fn b14_a_chain_broken_while_down_is_one_gap() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.stop().await;
    let w: u64 = world.records.iter().map(|record| record.len() as u64).sum();
    // Five rotations, of which three are left.
    for number in (1..=3).rev() {
        world.append(&format!("app.log.{number}"), 10);
    }
    fs::remove_file(world.log("app.log")).unwrap();
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    eventually("the gap is stored", || !world.collector.gaps().is_empty()).await;
    assert_eq!(world.check(), Vec::<usize>::new());
    assert_eq!(world.collector.gaps(), [(Cause::DeletedWhileDown, w, 0, None)]);

    // Once: a restart says nothing new.
    world.stop().await;
    world.start();
    world.append("app.log", 1);
    world.stored().await;
    assert_eq!(world.collector.gaps().len(), 1);
}

#[tokio::test]
async fn b20_delete_and_recreate_gives_a_stream_each_time() {
    let mut world = World::new(&["app.log"]);
    world.start();
    for _ in 0..100 {
        world.append("app.log", 1);
        let last = world.records.last().unwrap().clone();
        eventually("it is read", || world.collector.records().contains(&last)).await;
        fs::remove_file(world.log("app.log")).unwrap();
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 100);
}

#[tokio::test]
async fn b21_no_resume_in_foreign_data_after_delete_and_recreate_while_down() {
    let mut world = World::new(&["app.log"]);
    for _ in 0..10 {
        world.append("app.log", 3);
        world.start();
        world.stored().await;
        eventually("it is followed", || world.progress().files == 1).await;
        fs::remove_file(world.log("app.log")).unwrap();
        eventually("the delete is seen", || world.progress().files == 0).await;
        world.stop().await;
    }
    world.append("app.log", 5);
    world.start();
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 11);
}

#[tokio::test]
async fn b22_a_hard_link_and_a_symlink_are_read_once() {
    let mut world = World::new(&["*.log"]);
    world.append("app.log", 10);
    fs::hard_link(world.log("app.log"), world.log("hard.log")).unwrap();
    std::os::unix::fs::symlink(world.log("app.log"), world.log("soft.log")).unwrap();
    world.start();
    world.append("hard.log", 10);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 1);
}

#[tokio::test]
async fn b23_two_files_with_the_same_head_are_two_streams() {
    let mut world = World::new(&["*.log"]);
    let same = "# a line that both of them have\n".repeat(2048);
    let (mut one, mut two) = (open(&world.log("one.log")), open(&world.log("two.log")));
    one.write_all(same.as_bytes()).unwrap();
    two.write_all(same.as_bytes()).unwrap();
    world.start();
    for _ in 0..10 {
        world.write(&one, 3);
        world.write(&two, 3);
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
    assert!(world.collector.streams().iter().all(|(_, stored)| stored.w > same.len() as u64));
}

#[tokio::test]
async fn b24_a_symlink_that_moves_on_leaves_its_old_target_read() {
    let mut world = World::new(&["current"]);
    let old = world.append("app-a.log", 5);
    std::os::unix::fs::symlink(world.log("app-a.log"), world.log("current")).unwrap();
    world.start();
    world.stored().await;
    let new = world.append("app-b.log", 5);
    fs::remove_file(world.log("current")).unwrap();
    std::os::unix::fs::symlink(world.log("app-b.log"), world.log("current")).unwrap();
    world.write(&old, 5);
    world.write(&new, 5);
    world.exact().await;
}

#[tokio::test]
async fn b26_fast_rotations_with_enough_backups_are_exact() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 1);
    world.start();
    world.stored().await;
    for _ in 0..100 {
        world.append("app.log", 2);
        for number in (1..20).rev().filter(|number| world.log(&format!("app.log.{number}")).exists()) {
            rename(&world, &format!("app.log.{number}"), &format!("app.log.{}", number + 1));
        }
        rename(&world, "app.log", "app.log.1");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.append("app.log", 2);
    let last = world.records.last().unwrap().clone();
    eventually("the end is stored", || world.collector.records().contains(&last)).await;
    world.exact().await;
}

#[tokio::test]
async fn b26_files_that_came_and_went_unseen_are_a_gap() {
    let mut world = World::new(&["app.log"]);
    world.config.poll = Duration::from_secs(2);
    world.append("app.log", 1);
    world.start();
    world.stored().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    // Five rotations at once, of which the last two stay.
    for number in [5, 4, 3, 2, 1] {
        world.append("app.tmp", 2);
        rename(&world, "app.tmp", &format!("app.log.{number}"));
    }
    for number in [5, 4, 3] {
        fs::remove_file(world.log(&format!("app.log.{number}"))).unwrap();
    }
    fs::remove_file(world.log("app.log")).unwrap();
    world.append("app.log", 2);
    let last = world.records.last().unwrap().clone();
    eventually("the end is stored", || world.collector.records().contains(&last)).await;
    eventually("the gap is stored", || world.collector.gaps().len() == 1).await;
    assert_eq!(world.collector.gaps()[0].0, Cause::MissedFiles);
}

#[tokio::test]
async fn b27_two_dated_files_that_are_both_active_are_both_read() {
    let mut world = World::new(&["app.*.log"]);
    let today = world.append("app.2026-11-23.log", 5);
    world.start();
    world.stored().await;
    let tomorrow = open(&world.log("app.2026-11-24.log"));
    for _ in 0..20 {
        world.write(&today, 1);
        world.write(&tomorrow, 1);
    }
    world.exact().await;
    let names: Vec<String> =
        world.collector.streams().into_iter().filter_map(|(_, s)| s.meta.map(|m| m.source)).collect();
    assert_eq!(names, ["pbx/app.log", "pbx/app.log"]);
}

#[tokio::test]
async fn b28_a_deleted_file_is_read_to_its_end() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 5);
    world.start();
    world.stored().await;
    world.collector.set_down(true);
    world.append("app.log", 3000);
    fs::remove_file(world.log("app.log")).unwrap();
    world.append("app.log", 5);
    world.collector.set_down(false);
    world.exact().await;
}

#[tokio::test]
async fn b30_what_was_deleted_unread_is_a_gap_with_its_size() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    let w: u64 = world.records.iter().map(|record| record.len() as u64).sum();
    world.collector.set_down(true);
    world.append("app.log", 100);
    let size: u64 = world.records.iter().map(|record| record.len() as u64).sum();
    eventually("the agent knows the size", || world.progress().bytes_known == size).await;
    world.append("other", 0);
    // Only the checkpoint knows the size now; it is written at most once a second.
    let state = world.state();
    let written = move || fs::read(state.join("checkpoint")).ok();
    let before = written();
    eventually("the checkpoint has it", || written() != before).await;
    fs::remove_file(world.log("app.log")).unwrap();
    world.kill().await;
    world.collector.set_down(false);
    world.append("app.log", 5);
    world.start();
    eventually("the gap and the new file are stored", || {
        let found = world.collector.records();
        world.records[110..].iter().all(|record| found.contains(record)) && world.collector.gaps().len() == 1
    })
    .await;
    assert_eq!(world.collector.gaps(), [(Cause::DeletedWhileDown, w, size - w, None)]);
    assert_eq!(world.check(), (10..110).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_zeroed_start_of_a_file_is_noise() {
    let mut world = World::new(&["app.log"]);
    let mut record = vec![0; 5000];
    record.extend(world.record());
    let log = open(&world.log("app.log"));
    log.write_all_at(&record, 0).unwrap();
    world.start();
    world.exact().await;
}
