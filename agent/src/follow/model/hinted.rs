//! What hints save, and that they decide nothing.

use std::time::Duration;

use super::cases::{WRITE, rest};
use super::setup::Job;
use super::world::World;
use super::{ACTIVE, Op};
use crate::follow::Action;
use crate::hints::Hints;

/// A world in which hints come, and all that was written is read.
fn watched() -> World {
    let mut world = World::new(false);
    world.disk.watch(true);
    world.take(&WRITE);
    rest(&mut world, Duration::from_secs(5));
    // Until the log is quiet, and nothing is under way.
    while !(world.jobs.is_empty() && world.finished.is_empty() && world.disk.hints == Hints::default()) {
        world.work(0);
    }
    world
}

fn reads(world: &World) -> usize {
    world.jobs.iter().filter(|job| matches!(job, Job::Do(Action::Read { .. }, ..))).count()
}

#[test]
fn a_hint_reads_a_log_at_once() {
    let mut world = watched();
    world.write(1, false);
    assert_eq!(reads(&world), 0);
    world.hint();
    assert_eq!(reads(&world), 1);
    // What is written after the turn has read, and before that is known, is read by the hint that comes meanwhile.
    let read = world.jobs.iter().position(|job| matches!(job, Job::Do(Action::Read { .. }, ..))).unwrap();
    let job = world.jobs.remove(read);
    let done = world.job(job);
    world.write(1, false);
    world.hint();
    assert_eq!(reads(&world), 0, "one turn at a time");
    world.finished.extend(done);
    world.deliver(world.finished.len() - 1);
    assert_eq!(reads(&world), 1);
    world.settle();
    world.check();
}

#[test]
fn a_log_that_is_read_by_hints_is_listed_rarely() {
    let listings = |watched: bool| {
        let mut world = World::new(false);
        world.disk.watch(watched);
        rest(&mut world, Duration::from_secs(5));
        let before = world.follow.rounds.number();
        rest(&mut world, Duration::from_secs(5));
        world.follow.rounds.number() - before
    };
    let (without, with) = (listings(false), listings(true));
    assert!((45..=50).contains(&without) && (9..=10).contains(&with), "{without} and {with} listings");
}

#[test]
fn hints_that_are_lost_cost_time_and_nothing_else() {
    for lost in [Op::LoseHints, Op::Overflow, Op::Watch { on: false }] {
        let mut world = watched();
        for op in [Op::Rotate, WRITE, Op::Reopen { torn: false }, WRITE, lost] {
            world.take(&op);
        }
        rest(&mut world, Duration::from_secs(2));
        let files = world.disk.names.values().map(|file| file.0.borrow().data.len() as u64);
        let read = world.follow.streams.values().map(|stream| stream.sight.read_to);
        assert_eq!(read.sum::<u64>(), files.sum::<u64>(), "all is read: {:#?}", world.outline());
        world.settle();
        world.check();
    }
}

#[test]
fn b03_a_log_that_is_moved_out_of_sight_is_looked_at_as_often_as_without_hints() {
    let mut world = watched();
    world.disk.names.remove(ACTIVE);
    world.disk.hint_names();
    rest(&mut world, Duration::from_secs(3));
    let before = world.follow.rounds.number();
    world.write(1, false);
    assert_eq!(world.disk.hints, Hints::default(), "nobody sees it there");
    rest(&mut world, Duration::from_millis(150));
    assert!(world.follow.rounds.number() <= before + 1 && !world.reads.is_empty());
    let stream = world.follow.streams.values().next().unwrap();
    assert_eq!(stream.sight.read_to, world.writer.0.borrow().data.len() as u64);
}
