//! Given cases: rows of the torture list, and what the random walk has found early. `found` holds what it found later.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::setup::Job;
use super::world::World;
use super::{ACTIVE, Op, run};
use crate::content::Content;
use crate::discover::{Listing, Scope};
use crate::follow::{Action, Event};
use crate::stream::Durable;
use record::span::Flags;

/// Runs given operations and checks: for what the random walk has found once.
pub(super) fn check(ops: &[Op]) {
    for all_named in [false, true] {
        for watched in [false, true] {
            run(ops, all_named, watched);
        }
    }
}

pub(super) const ALL: Op = Op::Work { steps: 200, pick: 0 };
pub(super) const WRITE: Op = Op::Write { records: 2, tear: false };

#[test]
fn a_rename_loses_nothing() {
    check(&[WRITE, ALL, Op::Rotate, WRITE, ALL, Op::Reopen { torn: false }, WRITE, ALL]);
}

#[test]
fn a_copytruncate_loses_nothing_when_nothing_is_written_between() {
    check(&[WRITE, ALL, WRITE, Op::CopyTruncate { between: false, torn: false }, WRITE, ALL]);
}

#[test]
fn a_crash_between_rotations_loses_nothing() {
    check(&[
        WRITE,
        ALL,
        Op::Crash { lost: false },
        WRITE,
        Op::Rotate,
        Op::Reopen { torn: false },
        WRITE,
        Op::Rotate,
        Op::Reopen { torn: false },
        WRITE,
        ALL,
    ]);
}

#[test]
fn a_copy_that_brings_nothing_is_known_after_a_crash() {
    check(&[
        WRITE,
        ALL,
        Op::Copy,
        WRITE,
        ALL,
        Op::Wait { millis: 2000 },
        ALL,
        Op::Truncate,
        WRITE,
        ALL,
        Op::Wait { millis: 2000 },
        ALL,
        Op::Crash { lost: false },
        ALL,
        Op::Wait { millis: 2000 },
        ALL,
        Op::Crash { lost: false },
        WRITE,
        ALL,
    ]);
}

#[test]
fn a_file_whose_handle_is_missing_is_opened_again_and_nothing_of_it_is_lost() {
    for pick in 0..3 {
        let lose = Op::LoseHandle { pick };
        let mut ops = vec![WRITE, ALL, lose.clone(), WRITE, ALL, Op::Rotate, WRITE, lose.clone()];
        ops.extend([
            Op::Reopen { torn: false },
            WRITE,
            lose.clone(),
            ALL,
            Op::Copy,
            lose.clone(),
            WRITE,
            ALL,
            lose,
            ALL,
        ]);
        check(&ops);
    }
}

#[test]
fn rotations_that_were_seen_to_be_written_to_stay_in_order_though_the_clock_is_set_back() {
    let tear = Op::Write { records: 2, tear: true };
    let reopen = Op::Reopen { torn: true };
    for (all_named, crash) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::new(all_named);
        for op in [&WRITE, &ALL, &Op::Rotate, &Op::Reopen { torn: false }, &WRITE, &ALL] {
            world.take(op);
        }
        world.take(&Op::SetClock { minutes: -90 });
        world.set_back = false;
        for op in [&tear, &ALL, &Op::Rotate, &reopen, &ALL] {
            world.take(op);
        }
        if crash {
            rest(&mut world, Duration::from_secs(3));
            world.take(&Op::Crash { lost: false });
        }
        for op in [&tear, &ALL, &Op::Rotate, &reopen, &ALL] {
            world.take(op);
        }
        world.settle();
        world.check();
    }
}

/// Does what there is to do, without a crash or a rotation, for so long.
pub(super) fn rest(world: &mut World, time: Duration) {
    let end = world.mono + time;
    let mut pick = 0;
    while world.mono < end {
        pick += 7;
        world.work(pick);
    }
}

#[test]
fn a_listing_of_another_directory_says_nothing_of_the_log() {
    let mut world = World::new(false);
    for op in [WRITE, ALL, Op::Rotate, Op::Reopen { torn: false }, WRITE, ALL] {
        world.take(&op);
    }
    rest(&mut world, Duration::from_secs(2));
    let before = world.outline();
    let listed =
        |world: &World| world.follow.files.values().map(|file| (file.listed, file.rotated)).collect::<Vec<_>>();
    let (files, number) = (listed(&world), world.follow.rounds.number());
    let scope = Scope::Directories(BTreeSet::from([PathBuf::from("/elsewhere")]));
    world.step(Event::Listed { listing: Listing { scope, ..Listing::default() }, held: Vec::new() });
    assert_eq!((listed(&world), world.follow.rounds.number()), (files.clone(), number));
    assert_eq!(world.outline(), before);
    let scope = Scope::Directories(BTreeSet::from([PathBuf::from("/log")]));
    let listing = world.disk.listing(scope);
    world.step(Event::Listed { listing, held: Vec::new() });
    assert_eq!((listed(&world), world.follow.rounds.number()), (files, number), "all it names is there");
    world.settle();
    world.check();
}

#[test]
fn c02_a_stream_id_that_was_made_and_not_yet_durable_is_made_again() {
    let mut world = World::new(false);
    for op in [WRITE, ALL, Op::Wait { millis: 2000 }, ALL, Op::Truncate, WRITE] {
        world.take(&op);
    }
    let fresh = |world: &World| {
        let streams = world.follow.streams.values();
        streams
            .filter(|stream| stream.identity.epoch == 1 && stream.queue.durable() != Durable::Yes)
            .map(|stream| stream.id)
            .next()
    };
    let made = std::iter::repeat_with(|| {
        // No checkpoint is written.
        world.writing = None;
        world.work(0);
        fresh(&world)
    });
    let made = made.take(1000).find_map(|id| id).expect("an id is made");
    assert!(!world.collector.contains_key(&made) && world.saved.streams.iter().all(|saved| saved.stream != made));
    world.take(&Op::Crash { lost: false });
    world.settle();
    world.check();
    let epochs: Vec<u64> = world.collector.values().filter_map(|stored| Some(stored.told()?.epoch)).collect();
    assert_eq!(epochs.len(), 2, "no other stream came of it");
    assert!(world.collector.contains_key(&made), "the same id is made again");
}

#[test]
fn b13_rotations_while_down_are_read_oldest_first() {
    for all_named in [false, true] {
        let mut world = World::new(all_named);
        world.take(&WRITE);
        rest(&mut world, Duration::from_secs(5));
        world.take(&Op::Crash { lost: false });
        (0..5).flat_map(|_| [WRITE, Op::Rotate, Op::Reopen { torn: false }, WRITE]).for_each(|op| world.take(&op));
        world.reads.clear();
        rest(&mut world, Duration::from_secs(5));
        let mut first = Vec::new();
        for inode in &world.reads {
            if !first.contains(inode) {
                first.push(*inode);
            }
        }
        assert!(first.is_sorted() && first.len() == 6, "inodes are counted up: {first:?}");
        world.settle();
        world.check();
        assert_eq!(world.collector.len(), 6);
    }
}

#[test]
fn what_is_rotated_before_the_collector_first_answers_is_read_whatever_its_time_says() {
    let mut world = World::begin(false);
    world.write(2, false);
    world.step(Event::Tick);
    let list = world.jobs.iter().position(|job| matches!(job, Job::Do(Action::List { .. }, ..))).unwrap();
    let job = world.jobs.remove(list);
    let listed = world.job(job);
    world.finished.extend(listed);
    world.deliver(0);
    for op in [Op::Rotate, Op::Reopen { torn: false }, WRITE] {
        world.take(&op);
    }
    world.disk.names[&format!("{ACTIVE}.1")].0.borrow_mut().mtime = 0;
    world.settle();
    world.check();
    assert_eq!(world.collector.len(), 2, "{:#?}", world.outline());
}

#[test]
fn a_copy_of_what_was_read_and_not_committed_is_read_after_a_crash() {
    check(&[
        Op::Write { records: 1, tear: false },
        Op::Copy,
        Op::Write { records: 1, tear: false },
        Op::Crash { lost: false },
        Op::Work { steps: 19, pick: 26 },
        Op::Truncate,
        Op::Work { steps: 8, pick: 151 },
        Op::Crash { lost: false },
    ]);
}

#[test]
fn a_growing_copy_is_compared_once() {
    let mut world = World::new(true);
    (0..60).for_each(|_| world.write(4, false));
    rest(&mut world, Duration::from_secs(20));
    let whole = world.disk.names[ACTIVE].0.borrow().data.clone();
    let copy = world.disk.make(Vec::new(), world.wall);
    world.disk.names.insert(format!("{ACTIVE}.1"), copy.clone());
    let steps = 50;
    for step in 1..=steps {
        copy.0.borrow_mut().data = whole[..whole.len() * step / steps].to_vec();
        rest(&mut world, Duration::from_millis(300));
    }
    let read = copy.0.borrow().read.get();
    assert!(read < whole.len() + steps * 4096, "{read} bytes were read of a copy of {}", whole.len());
    world.settle();
    world.check();
}

#[test]
fn a_file_that_cannot_be_read_holds_up_no_other_and_is_tried_ever_more_rarely() {
    for rotated in [false, true] {
        let mut world = World::new(true);
        world.take(&WRITE);
        if rotated {
            // Known, and read before.
            rest(&mut world, Duration::from_secs(5));
        }
        for op in [Op::Rotate, Op::Reopen { torn: false }, WRITE] {
            world.take(&op);
        }
        let old = world.disk.names[&format!("{ACTIVE}.1")].clone();
        old.0.borrow_mut().broken = true;
        old.0.borrow_mut().data.extend_from_slice(b"2026-11-23 19:53:58.132 INFO  [main] more\n");
        rest(&mut world, Duration::from_mins(1));
        assert!(world.stored().contains(&2), "the other file is read: {:#?}", world.outline());
        assert!(world.looks < 40, "{} looks within a minute", world.looks);
        old.0.borrow_mut().broken = false;
        rest(&mut world, Duration::from_secs(20));
        assert!(world.stored().contains(&1), "and so is this one, once it can be: {:#?}", world.outline());
        world.settle();
        world.check();
    }
}

#[test]
fn a_copy_that_cannot_be_read_for_a_while_is_no_log_of_its_own() {
    let mut world = World::new(true);
    (0..10).for_each(|_| world.write(4, false));
    rest(&mut world, Duration::from_secs(5));
    world.take(&Op::Copy);
    let copy = world.disk.names[&format!("{ACTIVE}.1")].clone();
    // It breaks between the first look and the comparison.
    while copy.0.borrow().read.get() == 0 {
        world.work(0);
    }
    copy.0.borrow_mut().broken = true;
    rest(&mut world, Duration::from_secs(30));
    copy.0.borrow_mut().broken = false;
    rest(&mut world, Duration::from_secs(30));
    assert_eq!(world.collector.len(), 1, "{:#?}", world.outline());
    assert_eq!(copy.stat().unwrap().links, 1);
    world.settle();
    world.check();
}

#[test]
fn what_is_shown_after_a_gap_without_length_is_shown_again() {
    check(&[
        Op::Write { records: 3, tear: false },
        Op::CopyTruncate { between: false, torn: false },
        Op::Work { steps: 15, pick: 0 },
        Op::Write { records: 2, tear: false },
        Op::Write { records: 2, tear: false },
        Op::Write { records: 2, tear: false },
        Op::Wait { millis: 694 },
        Op::Copy,
        Op::Work { steps: 2, pick: 73 },
        Op::CopyTruncate { between: true, torn: false },
        Op::Write { records: 3, tear: false },
        Op::Work { steps: 1, pick: 158 },
        Op::Wait { millis: 1000 },
    ]);
}

#[test]
fn copies_of_what_was_never_read_may_be_logs_of_their_own() {
    check(&[
        Op::Write { records: 3, tear: false },
        Op::Write { records: 3, tear: false },
        Op::Write { records: 3, tear: false },
        Op::Work { steps: 18, pick: 0 },
        Op::CopyTruncate { between: false, torn: false },
        Op::Copy,
        Op::Write { records: 1, tear: false },
        Op::Copy,
        Op::Copy,
        Op::Write { records: 1, tear: false },
        Op::Work { steps: 13, pick: 2 },
        Op::CopyTruncate { between: false, torn: false },
    ]);
}

#[test]
fn of_two_copies_the_one_made_at_the_truncate_goes_on_though_it_is_seen_last() {
    check(&[
        Op::Work { steps: 4, pick: 0 },
        Op::Write { records: 1, tear: false },
        Op::Work { steps: 16, pick: 0 },
        Op::Copy,
        Op::Work { steps: 1, pick: 0 },
        Op::Work { steps: 26, pick: 0 },
        Op::Work { steps: 13, pick: 0 },
        Op::Write { records: 1, tear: false },
        Op::CopyTruncate { between: false, torn: false },
    ]);
}

#[test]
fn the_rest_of_a_cut_record_in_a_deleted_file_is_read_whatever_becomes_of_the_halves() {
    check(&[
        Op::Write { records: 1, tear: false },
        Op::Work { steps: 6, pick: 0 },
        Op::Copy,
        Op::Write { records: 1, tear: true },
        Op::CopyTruncate { between: false, torn: true },
        Op::Delete,
    ]);
}

/// Rotations amid a record, in each style: its halves are one record, however often the agent dies.
#[test]
fn b04_a_record_cut_by_a_rotation_is_one_record() {
    let torn = Op::Write { records: 2, tear: true };
    let styles: [&[Op]; 3] = [
        &[Op::Rotate, Op::Reopen { torn: true }],
        &[Op::RotateDated, Op::Reopen { torn: true }],
        &[Op::CopyTruncate { between: false, torn: true }],
    ];
    for style in styles {
        for crash in 0..60_u8 {
            for all_named in [false, true] {
                let mut world = World::new(all_named);
                // The torn one has a length.
                for op in [WRITE, ALL, torn.clone(), ALL] {
                    world.take(&op);
                }
                for op in style {
                    world.take(op);
                }
                if crash > 0 {
                    world.take(&Op::Work { steps: crash, pick: crash });
                    world.take(&Op::Crash { lost: crash % 2 == 0 });
                }
                world.take(&WRITE);
                world.settle();
                world.check();
                assert!(world.stored().contains(&3), "{style:?}, {crash}: {:#?}", world.outline());
                let halves = world.spans().filter(|span| span.flags.contains(Flags::ORPHAN_FRAGMENT)).count();
                assert_eq!(halves, 0, "{style:?}, {crash}: {:#?}", world.outline());
            }
        }
    }
}
