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
    let mut in_flight = 0;
    for round in 0..40 {
        let before = world.collector.repeated();
        world.start();
        world.append("app.log", 40);
        if round % 3 == 0 {
            world.rename("app.log", &format!("app.log.{}", 100 - round));
        }
        world.append("app.log", 40);
        tokio::time::sleep(Duration::from_millis(round * 2)).await;
        let again = world.collector.repeated() - before;
        assert!(again <= in_flight, "{again} bytes are read again, and {in_flight} were in flight at the kill");
        let acknowledged: u64 = world.collector.streams().iter().map(|(_, stored)| stored.w).sum();
        in_flight = world.records.iter().map(|record| record.len() as u64).sum::<u64>() - acknowledged;
        world.kill().await;
    }
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn c02_a_stream_id_that_was_made_and_not_yet_durable_is_made_again() {
    let mut world = World::new(&["app.log"]);
    let log = world.append("app.log", 5);
    for epoch in 0..2 {
        // No checkpoint is written, and nothing that is sent arrives: all that is left of the id is the file.
        world.block_checkpoints();
        world.collector.next(vec![Fault::LoseRequest; 1000]);
        world.start();
        eventually("the id is made", || world.collector.asked().len() == epoch + 1).await;
        let made = world.collector.asked();
        world.kill().await;
        assert_eq!((world.collector.streams().len(), world.checkpoint().len()), (epoch, epoch), "nobody knows the id");
        world.unblock_checkpoints();
        world.collector.next([]);
        world.start();
        world.stored().await;
        assert_eq!(world.check(), Vec::<usize>::new());
        assert_eq!(world.collector.asked(), made, "the same id");
        assert_eq!(world.epochs(), (0..=epoch as u64).collect::<Vec<_>>());
        eventually("the checkpoint has it", || world.checkpoint().len() == epoch + 1).await;
        world.quiet().await;
        world.stop().await;
        // Written anew while nobody looks: the next epoch, under a new id.
        if epoch == 0 {
            log.set_len(0).unwrap();
            world.write(&log, 5);
        }
    }
}

#[tokio::test]
async fn c04_a_lost_acknowledgement_is_answered_with_the_watermark() {
    let mut world = World::new(&["app.log"]);
    world.collector.next([Fault::LoseAnswer, Fault::LoseAnswer]);
    world.append("app.log", 30);
    world.start();
    world.append("app.log", 30);
    world.exact().await;
    // The first appends may have held no more than the stream's name: now it is one with records.
    world.collector.next([Fault::LoseAnswer, Fault::LoseAnswer]);
    world.append("app.log", 30);
    world.exact().await;
    eventually("it is sent again, and acknowledged", || world.collector.repeated() > 0).await;
    assert_eq!(world.collector.refused(), []);
    let size = world.log("app.log").metadata().unwrap().len();
    eventually("the agent knows", || world.progress().reach.committed == size).await;
}

#[tokio::test]
async fn c04_killed_between_commit_and_acknowledgement() {
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
async fn c05_killed_between_acknowledgement_and_checkpoint() {
    let mut world = World::new(&["app.log"]);
    for _ in 0..5 {
        world.append("app.log", 10);
        world.start();
        world.exact().await;
        let w = world.collector.streams()[0].1.w;
        eventually("the checkpoint is as the collector", || world.checkpoint().values().eq(&[w])).await;
        world.block_checkpoints();
        let log = world.append("app.log", 10);
        let size = log.metadata().unwrap().len();
        eventually("it is acknowledged", || world.progress().reach.committed == size).await;
        world.kill().await;
        assert!(world.checkpoint().values().eq(&[w]), "and not in the checkpoint");
        world.unblock_checkpoints();
    }
    world.start();
    world.exact().await;
    assert_eq!(world.collector.repeated(), 0, "the collector's watermark counts");
}

#[tokio::test]
async fn c06_a_checkpoint_that_was_being_written_does_not_matter() {
    let mut world = World::new(&["app.log"]);
    let state = |world: &World, name: &str| world.state().join(name);
    for step in 0..5 {
        world.append("app.log", 10);
        world.start();
        world.exact().await;
        world.stop().await;
        // As if it died with the next checkpoint half written, whole, behind each of the two renames, or before those
        // are on the disk.
        let whole = fs::read(state(&world, "checkpoint")).unwrap();
        let next = if step == 0 { &whole[..whole.len() / 2] } else { &whole };
        fs::write(state(&world, "checkpoint.next"), next).unwrap();
        if step >= 2 {
            fs::rename(state(&world, "checkpoint"), state(&world, "checkpoint.former")).unwrap();
        }
        if step >= 3 {
            fs::rename(state(&world, "checkpoint.next"), state(&world, "checkpoint")).unwrap();
        }
        if step >= 4 {
            fs::rename(state(&world, "checkpoint.former"), state(&world, "checkpoint")).unwrap();
        }
    }
    world.append("app.log", 10);
    world.start();
    world.exact().await;
    assert_eq!(world.collector.repeated(), 0);
}

#[tokio::test]
async fn c09_without_state_the_streams_are_found_again() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 20);
    world.start();
    world.stored().await;
    world.rotate("app.log", 5);
    world.append("app.log", 20);
    world.stored().await;
    world.kill().await;
    fs::remove_dir_all(world.state()).unwrap();
    let log = world.append("app.log", 20);
    world.start();
    world.exact().await;
    assert_eq!((world.collector.streams().len(), world.collector.repeated()), (2, 0));

    // Proved by its bytes, not by its name and inode: other bytes are another stream.
    world.kill().await;
    fs::remove_dir_all(world.state()).unwrap();
    log.set_len(0).unwrap();
    world.write(&log, 60);
    world.start();
    world.stored().await;
    assert_eq!(world.check(), Vec::<usize>::new());
    assert_eq!(world.collector.streams().len(), 3);
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
            0 => world.rename("app.log", &format!("app.log.{}", 100 - round)),
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
