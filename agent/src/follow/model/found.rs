//! What new random walks have found (`SIPTRAIL_WALKS`), as given cases.

use std::time::Duration;

use super::Op;
use super::cases::{check, rest};
use super::world::World;
use super::writer::record;

#[test]
fn files_that_were_listed_in_the_wrong_order_do_not_wait_for_each_other_for_ever() {
    // The clock steps back between a copy and a rotation: the younger file looks like the older one until the next listing.
    // Its head waits for the end of the copy, and the copy waits for its turn after it.
    let work = |steps, pick| Op::Work { steps, pick };
    let write = Op::Write { records: 1, tear: false };
    check(&[
        write.clone(),
        work(15, 0),
        Op::RotateOther,
        Op::CopyTruncate { between: false, torn: false },
        work(18, 19),
        Op::SetClock { minutes: -1 },
        Op::LoseHandle { pick: 66 },
        Op::Rotate,
        write.clone(),
        work(3, 21),
        Op::Reopen { torn: false },
        Op::Wait { millis: 3 },
        write,
    ]);
}

#[test]
fn a_record_cut_within_its_header_by_a_rotation_is_whole_though_nothing_is_written_after_it() {
    let write = |records| Op::Write { records, tear: false };
    check(&[
        write(3),
        write(2),
        write(2),
        Op::WriteOther { records: 3 },
        Op::WriteOther { records: 2 },
        Op::Rotate,
        Op::Write { records: 1, tear: true },
        Op::Reopen { torn: true },
    ]);
}

#[test]
fn a_log_whose_streams_are_all_settled_counts_as_followed_before_though_the_checkpoint_is_lost() {
    check(&[
        Op::Delete,
        Op::Rotate,
        Op::Crash { lost: false },
        Op::Work { steps: 8, pick: 107 },
        Op::Wait { millis: 199 },
        Op::Work { steps: 3, pick: 13 },
        Op::Crash { lost: true },
        Op::Write { records: 1, tear: false },
    ]);
}

#[test]
fn empty_files_that_are_rotated_come_to_rest() {
    let mut world = World::new(false);
    world.add_other();
    for _ in 0..4 {
        for op in [Op::Rotate, Op::Reopen { torn: false }, Op::RotateOther, Op::Wait { millis: 500 }] {
            world.take(&op);
        }
        rest(&mut world, Duration::from_secs(1));
    }
    rest(&mut world, Duration::from_secs(20));
    let open = world.follow.files.values().filter(|file| file.open).count();
    assert_eq!(open, 2, "of each log the file that is written: {:#?}", world.outline());
    let before = world.reads.len();
    rest(&mut world, Duration::from_secs(10));
    assert!(world.reads.len() - before < 100, "{} looks in ten seconds", world.reads.len() - before);
    // What is written to one of them after all is read.
    let last = world.disk.names["app.log.1"].clone();
    let late = record(world.records.len());
    world.append_to(&last, &late);
    world.records.push(late);
    world.settle();
    world.check();
}
