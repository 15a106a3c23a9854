//! Files that were gone and come back: a directory that was away, whole or with other bytes, soon or after they were forgotten.

use super::Op;
use super::cases::{ALL, WRITE, check};
use super::world::World;
use super::writer::record;
use crate::follow::streams::SETTLED;

#[test]
fn a_directory_that_was_away_comes_back_whole_and_nothing_of_it_twice() {
    let wait = Op::Wait { millis: 20_000 };
    for crash in [None, Some(Op::Crash { lost: false })] {
        let mut ops = vec![WRITE, ALL, Op::Rotate, Op::Reopen { torn: false }, WRITE, ALL, WRITE, Op::Copy, ALL];
        ops.extend([wait.clone(), ALL, wait.clone(), ALL, Op::Truncate, WRITE, ALL, wait.clone(), ALL, Op::Away, ALL]);
        ops.extend([WRITE, ALL, wait.clone(), ALL, wait.clone(), ALL]);
        ops.extend(crash);
        ops.extend([ALL, Op::Back, WRITE, ALL, wait.clone(), ALL, wait.clone(), ALL]);
        check(&ops);
    }
}

#[test]
fn a_file_that_comes_back_with_other_bytes_is_read_from_its_head() {
    let wait = Op::Wait { millis: 20_000 };
    // Longer and shorter than what was read of it.
    for records in [1, 9] {
        let mut world = World::new(false);
        let before = [&WRITE, &WRITE, &ALL, &Op::Rotate, &Op::Reopen { torn: false }, &WRITE, &ALL];
        for op in before.into_iter().chain([&wait, &ALL, &wait, &ALL, &Op::Away, &ALL, &wait, &ALL]) {
            world.take(op);
        }
        assert!(!world.follow.streams.settled().is_empty(), "nothing of it is followed any more");
        let file = world.disk.names["app.log.1"].clone();
        file.0.borrow_mut().data.clear();
        for _ in 0..records {
            let record = record(world.records.len());
            file.0.borrow_mut().data.extend_from_slice(&record);
            world.records.push(record);
        }
        file.0.borrow_mut().mtime = world.wall * 1000;
        world.settle();
        world.check();
    }
}

#[test]
fn files_that_were_forgotten_long_ago_come_back_and_nothing_of_them_is_stored_twice() {
    let wait = Op::Wait { millis: 20_000 };
    for crash in [None, Some(Op::Crash { lost: false }), Some(Op::Crash { lost: true })] {
        let mut world = World::new(false);
        let mut ops = Vec::new();
        for _ in 0..2 * SETTLED {
            ops.extend([WRITE, ALL, Op::Rotate, Op::Reopen { torn: false }, WRITE, ALL, wait.clone(), ALL]);
        }
        ops.extend([Op::Away, ALL, wait.clone(), ALL, wait.clone(), ALL]);
        for op in &ops {
            world.take(op);
        }
        assert_eq!(world.follow.streams.settled().len(), SETTLED, "as many as are remembered");
        let settled = world.collector.values().filter(|stored| stored.settled).count();
        assert!(settled > SETTLED, "the collector knows of {settled} streams that they are settled");
        let back = [Op::Back, ALL, wait.clone(), ALL, WRITE, ALL, wait.clone(), ALL];
        for op in crash.into_iter().chain(back) {
            world.take(&op);
        }
        world.settle();
        world.check();
    }
}

#[test]
fn of_several_streams_that_were_in_a_file_the_youngest_goes_on_when_it_comes_back() {
    let wait = Op::Wait { millis: 20_000 };
    for truncates in 1..5 {
        let mut ops = vec![WRITE, ALL];
        (0..truncates).for_each(|_| ops.extend([wait.clone(), ALL, Op::Truncate, WRITE, ALL]));
        ops.extend([Op::Rotate, Op::Reopen { torn: false }, WRITE, ALL, wait.clone(), ALL, wait.clone(), ALL]);
        ops.extend([Op::Away, ALL, wait.clone(), ALL, wait.clone(), ALL, Op::Back, ALL, WRITE, wait.clone(), ALL]);
        check(&ops);
    }
}
