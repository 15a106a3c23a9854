//! Crashes and state (C). A killed agent drains nothing and writes nothing.

use std::fs;
use std::time::Duration;

use agent::Error;

use crate::collector::Fault;
use crate::world::{World, eventually};

#[tokio::test]
async fn c01_killed_at_any_moment_nothing_is_lost_or_stored_twice() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 50);
    for round in 0..40 {
        world.start();
        world.append("app.log", 40);
        if round % 3 == 0 {
            fs::rename(world.log("app.log"), world.log(&format!("app.log.{}", 100 - round))).unwrap();
        }
        world.append("app.log", 40);
        tokio::time::sleep(Duration::from_millis(round * 2)).await;
        world.kill().await;
    }
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn c02_a_stream_id_is_made_again() {
    let mut world = World::new(&["app.log"]);
    world.collector.set_down(true);
    world.append("app.log", 5);
    world.start();
    eventually("the file is known", || world.state().join("lock").exists()).await;
    world.kill().await;
    world.collector.set_down(false);
    world.start();
    world.exact().await;
    let first = world.collector.streams()[0].0;
    world.stop().await;
    fs::remove_dir_all(world.state()).unwrap();
    world.start();
    world.append("app.log", 5);
    world.exact().await;
    assert_eq!(world.collector.streams()[0].0, first);
    assert_eq!(world.collector.streams().len(), 1);
}

#[tokio::test]
async fn c04_a_lost_acknowledgement_is_answered_with_the_watermark() {
    let mut world = World::new(&["app.log"]);
    world.collector.next([Fault::LoseAnswer, Fault::LoseAnswer]);
    world.append("app.log", 30);
    world.start();
    world.append("app.log", 30);
    world.exact().await;
}

#[tokio::test]
async fn c05_killed_between_commit_and_acknowledgement() {
    let mut world = World::new(&["app.log"]);
    for _ in 0..5 {
        world.collector.next([Fault::LoseAnswer]);
        world.append("app.log", 10);
        let before = world.collector.streams().first().map_or(0, |(_, stored)| stored.w);
        world.start();
        eventually("it is committed", || {
            world.collector.streams().first().is_some_and(|(_, stored)| stored.w > before)
        })
        .await;
        world.kill().await;
    }
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn c06_a_checkpoint_that_was_being_written_does_not_matter() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.stop().await;
    // As if it died with the next one half written, and with the current one already moved away.
    fs::write(world.state().join("checkpoint.next"), "half").unwrap();
    fs::rename(world.state().join("checkpoint"), world.state().join("checkpoint.former")).unwrap();
    world.append("app.log", 10);
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn c09_without_state_the_streams_are_found_again() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 20);
    world.start();
    world.stored().await;
    fs::rename(world.log("app.log"), world.log("app.log.1")).unwrap();
    world.append("app.log", 20);
    world.stored().await;
    world.kill().await;
    fs::remove_dir_all(world.state()).unwrap();
    world.append("app.log", 20);
    world.start();
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
}

#[tokio::test]
async fn c10_an_old_checkpoint_gives_way_to_the_collector() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 20);
    world.start();
    world.stored().await;
    world.stop().await;
    let old = fs::read(world.state().join("checkpoint")).unwrap();
    world.start();
    world.append("app.log", 20);
    world.stored().await;
    world.stop().await;
    fs::write(world.state().join("checkpoint"), old).unwrap();
    world.append("app.log", 20);
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn c12_a_collector_that_was_set_back_gets_the_rest_again() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 20);
    world.start();
    world.stored().await;
    world.collector.rewind(7);
    world.append("app.log", 20);
    world.exact().await;
}

#[tokio::test]
async fn c13_garbage_in_the_state_is_thrown_away() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 20);
    for garbage in [vec![], vec![0; 4096], b"not a checkpoint".to_vec()] {
        world.start();
        world.stored().await;
        world.stop().await;
        fs::write(world.state().join("checkpoint"), &garbage).unwrap();
        fs::write(world.state().join("checkpoint.former"), &garbage).unwrap();
        world.append("app.log", 20);
    }
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn c14_a_stop_in_a_backlog_ends_in_time_and_loses_nothing() {
    let mut world = World::new(&["app.log"]);
    world.config.drain = Duration::from_millis(500);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    world.collector.set_down(true);
    world.append("app.log", 5000);
    let begun = std::time::Instant::now();
    world.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    world.collector.set_down(false);
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn c16_kills_and_rotations_of_every_kind() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 5);
    world.start();
    world.stored().await;
    for round in 0..30_u64 {
        let log = world.append("app.log", 10);
        match round % 4 {
            0 => fs::rename(world.log("app.log"), world.log(&format!("app.log.{}", 100 - round))).unwrap(),
            1 => {
                // Read to its end and acknowledged: even a truncate without a copy loses nothing.
                world.stored().await;
                log.set_len(0).unwrap();
            }
            _ => {}
        }
        if round % 5 == 4 {
            world.kill().await;
            world.append("app.log", 10);
            world.start();
        }
    }
    world.stored().await;
    assert_eq!(world.check(), Vec::<usize>::new());
}

#[tokio::test]
async fn e18_a_second_agent_on_one_state_is_refused() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 1);
    world.start();
    world.stored().await;
    let transport = agent::Transport::InProcess(world.collector.serve());
    let progress = tokio::sync::watch::Sender::new(agent::Progress::default());
    let second =
        agent::run(world.config.clone(), transport, progress, tokio_util::sync::CancellationToken::new()).await;
    assert!(matches!(second, Err(Error::State { .. })), "{second:?}");
}
