//! Rotation by renaming (B).

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use record::span::{Cause, SpanKind};

use crate::world::{World, eventually, open, record};

#[tokio::test]
async fn b01_rename_and_create_loses_nothing() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 20);
    world.start();
    world.stored().await;
    for _ in 0..5 {
        world.append("app.log", 20);
        world.rotate("app.log", 9);
        // The writer opens the new file at once.
        world.append("app.log", 20);
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 6);
}

/// For a minute, which is as long as a file must be quiet to be closed; both are shorter here.
#[tokio::test]
async fn b02_a_renamed_file_is_read_on_as_long_as_it_is_written_to_and_after() {
    let mut world = World::new(&["app.log"]);
    let old = world.append("app.log", 5);
    world.start();
    world.stored().await;
    world.rename("app.log", "app.log.1");
    let new = open(&world.log("app.log"));
    let begun = Instant::now();
    while begun.elapsed() < 3 * world.config.close_after {
        world.write(&old, 2);
        world.write(&new, 2);
        tokio::time::sleep(world.config.close_after / 10).await;
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2, "both are followed");
    eventually("the old file is closed", || world.open_files() == 1).await;
    world.write(&old, 2);
    world.write(&new, 2);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn b03_a_file_moved_out_of_sight_is_read_on_by_its_handle() {
    let mut world = World::new(&["app.log"]);
    world.config.close_after = Duration::from_mins(1);
    let old = world.append("app.log", 5);
    world.start();
    world.stored().await;
    fs::create_dir(world.log("old")).unwrap();
    world.rename("app.log", "old/app.log.1");
    let new = open(&world.log("app.log"));
    for _ in 0..20 {
        world.write(&old, 2);
        world.write(&new, 1);
    }
    world.exact().await;
    // Not busy any more: only the look at what is held open, each second, finds what is written now.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    world.write(&old, 2);
    world.exact().await;
    assert_eq!((world.open_files(), world.collector.streams().len()), (2, 2));
}

#[tokio::test]
async fn b04_a_record_cut_by_a_rotation_is_one_record_wherever_it_is_cut() {
    let mut world = World::new(&["app.log"]);
    let mut log = world.append("app.log", 3);
    world.start();
    world.stored().await;
    let long = record(world.records.len(), 700).len();
    for cut in (1..long).step_by(23).chain([long - 1]) {
        let record = world.record();
        log.write_all(&record[..cut]).unwrap();
        if cut % 2 == 0 && cut > 100 {
            // Else it is left to chance what is read of it before the rotation.
            eventually("the half is read", || {
                world.collector.streams().iter().any(|(_, stored)| !stored.tail.is_empty())
            })
            .await;
        }
        world.rotate("app.log", 99);
        log = open(&world.log("app.log"));
        log.write_all(&record[cut..]).unwrap();
        world.write(&log, 2);
        if cut % 3 == 0 {
            world.kill().await;
            world.start();
        }
        world.stored().await;
    }
    world.exact().await;
    let spans = world.collector.streams().into_iter().flat_map(|(_, stored)| stored.spans);
    let (references, odd): (Vec<_>, Vec<_>) = spans
        .filter(|span| span.kind == SpanKind::Fragment || !span.flags.is_empty())
        .partition(|span| span.of.is_some() && span.flags.is_empty() && span.bytes.is_empty());
    assert_eq!(odd, []);
    assert_eq!(references.len(), world.records.len() / 3 - 1);
}

#[tokio::test]
async fn b05_a_record_whose_rest_comes_too_late_is_two_flagged_halves() {
    let mut world = World::new(&["app.log"]);
    let mut old = world.append("app.log", 3);
    let cut = world.records.len();
    let record = record(1000, 900);
    old.write_all(&record[..500]).unwrap();
    world.start();
    world.stored().await;
    world.rename("app.log", "app.log.1");
    let mut new = open(&world.log("app.log"));
    let has = |world: &World, flag: &str| {
        let streams = world.collector.streams();
        streams
            .iter()
            .flat_map(|(_, stored)| &stored.spans)
            .any(|span| span.flags.names().iter().any(|name| name == flag))
    };
    eventually("the first half is final", || has(&world, "cut_by_rotation")).await;
    new.write_all(&record[500..]).unwrap();
    world.write(&new, 3);
    eventually("and so is the second", || has(&world, "orphan_fragment")).await;
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
async fn b13_rotations_while_down_are_read() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.kill().await;
    world.append("app.log", 5);
    for _ in 0..5 {
        world.rotate("app.log", 9);
        world.append("app.log", 10);
    }
    world.start();
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 6);
}

/// As Logback's FixedWindow does with `app.%i.log`.
fn shift(world: &World) {
    for number in (1..5).rev() {
        let (from, to) = (format!("app.{number}.log"), format!("app.{}.log", number + 1));
        if world.log(&from).exists() {
            fs::rename(world.log(&from), world.log(&to)).unwrap();
        }
    }
    fs::rename(world.log("app.log"), world.log("app.1.log")).unwrap();
}

#[tokio::test]
async fn rotations_with_a_number_amid_their_names_are_exact() {
    for path in ["app.log", "*.log"] {
        let mut world = World::new(&[path]);
        world.append("app.log", 5);
        world.start();
        world.stored().await;
        shift(&world);
        world.append("app.log", 5);
        world.append("app.1.log", 1);
        world.stored().await;
        world.stop().await;
        world.append("app.log", 3);
        shift(&world);
        world.append("app.log", 4);
        shift(&world);
        world.append("app.log", 2);
        world.start();
        world.exact().await;
        world.stop().await;
    }
}

#[tokio::test]
async fn numbered_instances_beside_a_followed_log_are_not_touched() {
    let mut world = World::new(&["sbc.log"]);
    world.append("sbc.log", 2);
    fs::write(world.log("sbc-1.log"), record(1000, 100)).unwrap();
    world.start();
    world.stored().await;
    fs::rename(world.log("sbc-1.log"), world.log("sbc-2.log")).unwrap();
    fs::write(world.log("sbc-1.log"), record(1001, 100)).unwrap();
    world.append("sbc.log", 2);
    world.stored().await;
    eventually("two more looks", || world.progress().reach.files == 1).await;
    world.exact().await;
    world.stop().await;
}

#[tokio::test]
async fn b14_a_chain_broken_while_down_is_one_gap() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.stop().await;
    let (stream, w) = world.collector.streams().first().map(|(id, stored)| (*id, stored.w)).unwrap();
    // Five rotations, of which three are kept: the file that was followed and the one behind it are deleted.
    for _ in 0..5 {
        world.append("app.log", 10);
        world.rotate("app.log", 3);
    }
    world.append("app.log", 10);
    let lost: Vec<usize> = (10..30).collect();
    world.start();
    world.stored_but(&lost).await;
    eventually("the gap is stored", || !world.collector.gaps().is_empty()).await;
    assert_eq!(world.check(), lost, "three rotations and the log itself are read");
    assert_eq!(world.collector.streams().len(), 5);
    assert_eq!(world.collector.gaps(), [(Cause::DeletedWhileDown, w, 0, None)]);
    let gap = world.collector.streams().into_iter().find(|(id, _)| *id == stream).unwrap().1.spans.pop().unwrap();
    assert_eq!(gap.cause, Some(Cause::DeletedWhileDown), "it ends the lost stream");

    // Once: a restart says nothing new.
    world.stop().await;
    world.start();
    world.append("app.log", 1);
    world.stored_but(&lost).await;
    assert_eq!(world.collector.gaps().len(), 1);
}

#[tokio::test]
async fn b26_fast_rotations_with_enough_backups_are_exact() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 1);
    world.start();
    world.stored().await;
    for _ in 0..100 {
        world.append("app.log", 2);
        world.rotate("app.log", 20);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.append("app.log", 2);
    world.stored_last().await;
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
        world.rename("app.tmp", &format!("app.log.{number}"));
    }
    for number in [5, 4, 3] {
        fs::remove_file(world.log(&format!("app.log.{number}"))).unwrap();
    }
    fs::remove_file(world.log("app.log")).unwrap();
    world.append("app.log", 2);
    world.stored_last().await;
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
