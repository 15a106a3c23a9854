//! What the agent says of itself every few seconds.

use std::io::Write;
use std::os::unix::fs::symlink;

use record::time::Timestamp;
use record::wire::{Heartbeat, SourceReport, Unread};

use crate::world::{World, eventually, record};

fn report(world: &World) -> Option<SourceReport> {
    let heartbeat = world.collector.heartbeat()?;
    heartbeat.sources.into_iter().next()
}

#[tokio::test]
async fn a_quiet_log_is_read_until_now_and_a_busy_one_until_what_is_stored() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 20);
    let size = log.metadata().unwrap().len();
    world.start();
    world.stored().await;
    eventually("all is said to be read", || {
        report(&world).is_some_and(|said| said.lag() == 0 && said.read_to.is_some())
    })
    .await;
    let said = report(&world).unwrap();
    assert_eq!((said.name.as_str(), said.files, said.size), ("pbx", 1, size));
    assert!(said.path.ends_with("/logs/app.log"), "{said:?}");
    let first = said.read_to;
    eventually("nothing is written, and time goes on", || report(&world).unwrap().read_to > first).await;

    // While the collector is away, bytes are known and not stored; that is said as soon as it is back.
    world.collector.set_down(true);
    world.write(&log, 5);
    eventually("the agent knows", || world.progress().reach.left() > 0).await;
    let before = report(&world).unwrap();
    assert_eq!(before.size, size, "nobody hears it");
    world.collector.set_down(false);
    world.stored().await;
    eventually("it is read again", || {
        report(&world).is_some_and(|said| said.lag() == 0 && said.read_to > before.read_to)
    })
    .await;
}

/// The end of such a log is never all stored: what counts is the end that was seen before.
#[tokio::test]
async fn a_log_that_never_rests_is_read_until_shortly_before() {
    let mut world = World::new(&["app.log"]);
    let mut log = world.append("app.log", 1);
    world.start();
    world.stored().await;
    let now = || Timestamp(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64);
    let begun = now();
    let mut nth = 1;
    eventually("it is read to a time after it began to be written to", || {
        for _ in 0..3 {
            log.write_all(&record(nth, 300)).unwrap();
            nth += 1;
        }
        report(&world).is_some_and(|said| said.read_to > Some(begun))
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_and_what_is_refused_is_said_soon() {
    let mut world = World::new(&["*.log"]);
    world.append("app.log", 3);
    world.start();
    world.stored().await;
    symlink("/proc/self/mem", world.log("bad.log")).unwrap();
    let unread = |world: &World| world.collector.heartbeat().map(|said| said.unread).unwrap_or_default();
    eventually("it is said", || unread(&world).iter().any(Unread::is_fault)).await;
    let said = unread(&world).remove(0);
    assert!(said.path.ends_with("/bad.log") && said.what.starts_with("cannot be read: "), "{said:?}");

    world.collector.refuse_owner(true);
    world.append("app.log", 1);
    let held = |world: &World| report(world).and_then(|said| said.held);
    eventually("it is held back", || held(&world).is_some()).await;
    assert_eq!(held(&world).as_deref(), Some("the collector has it from another agent"));
}

#[tokio::test]
async fn an_agent_that_is_asked_to_stop_says_so_and_one_that_is_killed_does_not() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 3);
    world.start();
    world.stored().await;
    eventually("it is heard", || world.collector.heartbeat().is_some()).await;
    let stops = |said: Option<Heartbeat>| said.is_some_and(|said| said.stops);
    world.kill().await;
    assert!(!stops(world.collector.heartbeat()));
    world.start();
    world.append("app.log", 1);
    world.stored().await;
    world.stop().await;
    assert!(stops(world.collector.heartbeat()));
    world.start();
    eventually("it is back", || !stops(world.collector.heartbeat())).await;
}
