//! Rotation by copy and truncate, and files that are written anew (B6 to B11).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use record::span::{Cause, SpanKind};

use crate::load::whole_in;
use crate::rotate::{copytruncate_under_load, truncate};
use crate::world::{World, eventually, open};

/// Bytes a second.
const RATE: u32 = 20_000_000;
const ROTATIONS: usize = 3;

/// Copies and truncates a log under load, several times; the copies go to a directory. Gives their paths.
async fn rotate_under_load(world: &mut World, copies: PathBuf) -> Vec<PathBuf> {
    let log = world.log("app.log");
    world.start();
    let mut made = Vec::new();
    for rotation in 1..=ROTATIONS {
        let load = world.load("app.log", RATE);
        eventually("some megabytes are written", || log.metadata().is_ok_and(|meta| meta.len() > 2 << 20)).await;
        made.push(copies.join(format!("app.log.{}", 1 + ROTATIONS - rotation)));
        copytruncate_under_load(log.clone(), made[rotation - 1].clone()).await;
        world.unload(load);
        eventually("the truncate is seen and told", || {
            world.collector.totals().0 > rotation && world.collector.gaps().len() == rotation
        })
        .await;
    }
    world.append("app.log", 1);
    world.stored_last().await;
    world.stop().await;
    made
}

/// One gap a rotation, at the end of what is stored of each truncated file, and all that was read is stored.
fn check_gaps(world: &World) {
    let streams = world.collector.streams();
    let told: Vec<String> = streams
        .iter()
        .filter_map(|(id, stored)| {
            let meta = stored.meta.as_ref()?;
            let path = String::from_utf8_lossy(&meta.path);
            Some(format!("{id}: {path} inode {} epoch {} to {}", meta.file.inode, meta.epoch, stored.w))
        })
        .collect();
    assert_eq!(streams.len(), ROTATIONS + 1, "a stream for each epoch, and none for a copy: {told:#?}");
    for (_, stored) in streams {
        let epoch = stored.meta.unwrap().epoch;
        let gaps: Vec<_> = stored.spans.iter().filter(|span| span.kind == SpanKind::Gap).collect();
        assert_eq!(gaps.len(), usize::from(epoch < ROTATIONS as u64), "one gap a rotation");
        for gap in gaps {
            assert_eq!((gap.cause, gap.len, gap.lost), (Some(Cause::Copytruncate), 0, None));
            assert_eq!(gap.start.0, stored.w, "it stands where the bytes are missing");
            assert_eq!(stored.read_to, stored.w, "all that was read is stored");
        }
    }
}

#[tokio::test]
async fn b06_copytruncate_at_20_mb_a_second_loses_only_what_neither_agent_nor_copy_saw() {
    let mut world = World::new(&["app.log"]);
    let (beside, log) = (world.log(""), world.log("app.log"));
    let copies = rotate_under_load(&mut world, beside).await;
    check_gaps(&world);
    // What is in no file any more was written between the end of a copy and its truncate.
    let files = copies.iter().chain([&log]).flat_map(|path| whole_in(path, &world.records));
    let left: HashSet<usize> = files.collect();
    assert!(left.len() < world.records.len(), "somebody wrote between copy and truncate");
    let missing = world.missing();
    let beyond: Vec<&usize> = missing.iter().filter(|nth| left.contains(nth)).collect();
    assert_eq!(beyond, Vec::<&usize>::new(), "missing, though they stand in a file");
    // A copy may end inside of a record, whose rest nobody saw either.
    let written: HashSet<&[u8]> = world.records.iter().map(Vec::as_slice).collect();
    let found = world.collector.records();
    let cut: Vec<_> = found.iter().filter(|record| !written.contains(record.as_slice())).collect();
    assert!(cut.len() <= ROTATIONS, "{} records are not as they were written", cut.len());
    for cut in cut {
        assert!(missing.iter().any(|nth| world.records[*nth].starts_with(cut)), "what nobody wrote");
    }
}

#[tokio::test]
async fn b07_without_a_copy_what_was_written_behind_the_last_read_is_a_gap_of_unknown_length() {
    let mut world = World::new(&["app.log"]);
    // Out of sight: no source names it.
    let elsewhere = world.state().with_file_name("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let copies = rotate_under_load(&mut world, elsewhere).await;
    check_gaps(&world);
    let mut streams: Vec<_> = world.collector.streams().into_iter().map(|(_, stored)| stored).collect();
    streams.sort_by_key(|stored| stored.meta.as_ref().unwrap().epoch);
    let missing: HashSet<usize> = world.missing().into_iter().collect();
    for (copy, stored) in copies.iter().zip(streams) {
        let mut at = 0;
        for nth in whole_in(copy, &world.records) {
            at += world.records[nth].len() as u64;
            assert!(at > stored.w || !missing.contains(&nth), "record {nth} was read and is missing");
        }
    }
}

#[tokio::test]
async fn b08_a_copytruncate_of_a_quiet_log_is_exact() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 20);
    world.start();
    world.stored().await;
    world.quiet().await;
    world.copytruncate("app.log", "app.log.1");
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
    world.quiet().await;
    let size = log.metadata().unwrap().len();
    log.set_len(0).unwrap();
    world.write(&log, 10);
    assert_eq!(log.metadata().unwrap().len(), size);
    world.exact().await;
    assert_eq!(world.epochs(), [0, 1], "one file, two streams");
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
    world.quiet().await;
    log.set_len(0).unwrap();
    log.write_all(banner.as_bytes()).unwrap();
    world.write(&log, 20);
    world.exact().await;
    assert_eq!(world.epochs(), [0, 1]);
}

#[tokio::test]
async fn b11_a_hole_after_a_truncate_is_noise() {
    let mut world = World::new(&["app.log"]);
    let log = File::create(world.log("app.log")).unwrap();
    world.write(&log, 50);
    world.start();
    world.stored().await;
    world.quiet().await;
    truncate(&world.log("app.log"));
    // The writer has no O_APPEND: it goes on at its old offset.
    world.write(&log, 20);
    world.exact().await;
    let streams = world.collector.streams();
    let hole = streams.iter().filter_map(|(_, stored)| stored.spans.first()).find(|span| span.kind == SpanKind::Noise);
    assert!(hole.is_some_and(|hole| hole.bytes.is_empty() && hole.len > 0), "the hole is noise without bytes");
}

#[tokio::test]
async fn a_zeroed_start_of_a_file_is_noise() {
    let mut world = World::new(&["app.log"]);
    let mut record = vec![0; 5000];
    record.extend(world.record());
    open(&world.log("app.log")).write_all_at(&record, 0).unwrap();
    world.start();
    world.exact().await;
}
