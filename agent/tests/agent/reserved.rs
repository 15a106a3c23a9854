//! Files with room that is reserved before it is written, and with NULs that a crash left (B11).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use record::span::SpanKind;

use crate::world::{World, eventually, open};

const ROOM: u64 = 1 << 20;

/// A writer that reserves room and writes in place, as through mapped memory.
struct InPlace {
    log: File,
    at: u64,
}

impl InPlace {
    /// With a hole for room, or with NULs that are on the disk.
    fn new(world: &World, name: &str, hole: bool) -> Self {
        let log = File::options().read(true).write(true).create(true).truncate(true).open(world.log(name)).unwrap();
        if hole {
            log.set_len(ROOM).unwrap();
        } else {
            log.write_all_at(&vec![0; ROOM as usize], 0).unwrap();
        }
        Self { log, at: 0 }
    }

    /// The file's times stay as they are, as they do while a mapped page is written.
    fn write(&mut self, world: &mut World, records: usize) {
        let modified = self.log.metadata().unwrap().modified().unwrap();
        for _ in 0..records {
            let record = world.record();
            self.log.write_all_at(&record, self.at).unwrap();
            self.at += record.len() as u64;
        }
        self.log.set_modified(modified).unwrap();
    }

    fn end(self) {
        self.log.set_len(self.at).unwrap();
    }
}

#[tokio::test]
async fn b11_a_log_that_is_written_in_place_is_read_record_by_record() {
    for hole in [true, false] {
        let mut world = World::new(&["app.log"]);
        let mut log = InPlace::new(&world, "app.log", hole);
        world.start();
        eventually("it is followed", || world.progress().reach.files == 1).await;
        for round in 0..6 {
            log.write(&mut world, 2);
            eventually("all that is written is read", || world.collector.covered() == log.at).await;
            if round == 2 {
                world.kill().await;
                world.start();
            } else if round == 3 {
                world.stop().await;
                world.start();
            }
        }
        log.end();
        world.append("app.log", 3);
        world.exact().await;
        assert_eq!(world.collector.streams().len(), 1);
        let spans = world.collector.streams().remove(0).1.spans;
        assert!(spans.iter().all(|span| span.kind == SpanKind::Record), "no NUL is part of anything");
    }
}

#[tokio::test]
async fn room_that_is_given_back_is_no_gap_and_reserved_logs_are_no_copies_of_each_other() {
    let mut world = World::new(&["*.log"]);
    let mut logs = ["a.log", "b.log", "c.log"].map(|name| InPlace::new(&world, name, true));
    world.start();
    eventually("all are followed", || world.progress().reach.files == 3).await;
    for _ in 0..3 {
        for log in &mut logs {
            log.write(&mut world, 1);
        }
        let written: u64 = logs.iter().map(|log| log.at).sum();
        eventually("all that is written is read", || world.collector.covered() == written).await;
    }
    let written: u64 = logs.iter().map(|log| log.at).sum();
    eventually("reserved room is not waited for", || world.progress().reach.known == written).await;
    logs.into_iter().for_each(InPlace::end);
    world.append("a.log", 1);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 3);
}

/// After a power cut a file system may give NULs where the last bytes were; then the log goes on.
#[tokio::test]
async fn nuls_amid_a_log_are_read_over_however_many_there_are() {
    for nuls in [4096, 20_000, 40 << 20] {
        let mut world = World::new(&["app.log"]);
        let log = world.append("app.log", 5);
        world.start();
        world.stored().await;
        let end = log.metadata().unwrap().len();
        log.write_all_at(&vec![0; nuls], end).unwrap();
        world.append("app.log", 5);
        world.stored().await;
        assert_eq!((world.collector.streams().len(), world.collector.gaps()), (1, Vec::new()));
        world.check();
    }
}

#[tokio::test]
async fn a_rotated_log_with_room_at_its_end_is_closed_and_late_records_in_it_are_read() {
    let mut world = World::new(&["app.log"]);
    let mut old = InPlace::new(&world, "app.log", true);
    world.start();
    old.write(&mut world, 3);
    world.stored().await;
    fs::rename(world.log("app.log"), world.log("app.log.1")).unwrap();
    open(&world.log("app.log"));
    world.append("app.log", 2);
    world.stored().await;
    eventually("the old file is closed", || world.open_files() == 1).await;
    let record = world.record();
    old.log.write_all_at(&record, old.at).unwrap();
    world.stored().await;
    assert_eq!((world.collector.streams().len(), world.collector.gaps()), (2, Vec::new()));
}
