//! Which file is which, over deletes, links, copies and equal heads (B).

use std::fs;
use std::io::Write;
use std::time::Duration;

use record::span::Cause;

use crate::world::{World, eventually, open};

#[tokio::test]
async fn b12_a_saved_copy_goes_on_where_the_file_was() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // What an editor does: a new file with the same content and a line more takes the name.
    fs::copy(world.log("app.log"), world.log("app.tmp")).unwrap();
    world.append("app.tmp", 1);
    world.rename("app.tmp", "app.log");
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 1, "only the new line is sent");
}

#[tokio::test]
async fn b20_delete_and_recreate_gives_a_stream_each_time() {
    let mut world = World::new(&["app.log"]);
    world.start();
    for _ in 0..100 {
        world.append("app.log", 1);
        let last = world.records.last().unwrap().clone();
        eventually("it is read", || world.collector.records().contains(&last)).await;
        fs::remove_file(world.log("app.log")).unwrap();
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 100);
}

#[tokio::test]
async fn b21_no_resume_in_foreign_data_after_delete_and_recreate_while_down() {
    let mut world = World::new(&["app.log"]);
    for _ in 0..10 {
        world.append("app.log", 3);
        world.start();
        world.stored().await;
        eventually("it is followed", || world.progress().reach.files == 1).await;
        fs::remove_file(world.log("app.log")).unwrap();
        eventually("the delete is seen", || world.progress().reach.files == 0).await;
        world.stop().await;
    }
    world.append("app.log", 5);
    world.start();
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 11);
}

#[tokio::test]
async fn b22_a_hard_link_and_a_symlink_are_read_once() {
    let mut world = World::new(&["*.log"]);
    world.append("app.log", 10);
    fs::hard_link(world.log("app.log"), world.log("hard.log")).unwrap();
    std::os::unix::fs::symlink(world.log("app.log"), world.log("soft.log")).unwrap();
    world.start();
    world.append("hard.log", 10);
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 1);
}

#[tokio::test]
async fn b23_two_files_with_the_same_head_are_two_streams() {
    let mut world = World::new(&["*.log"]);
    let same = "# a line that both of them have\n".repeat(2048);
    let (mut one, mut two) = (open(&world.log("one.log")), open(&world.log("two.log")));
    one.write_all(same.as_bytes()).unwrap();
    two.write_all(same.as_bytes()).unwrap();
    world.start();
    for _ in 0..10 {
        world.write(&one, 3);
        world.write(&two, 3);
    }
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 2);
    assert!(world.collector.streams().iter().all(|(_, stored)| stored.w > same.len() as u64));
}

#[tokio::test]
async fn b24_a_symlink_that_moves_on_leaves_its_old_target_read() {
    let mut world = World::new(&["current"]);
    let old = world.append("app-a.log", 5);
    std::os::unix::fs::symlink(world.log("app-a.log"), world.log("current")).unwrap();
    world.start();
    world.stored().await;
    let new = world.append("app-b.log", 5);
    fs::remove_file(world.log("current")).unwrap();
    std::os::unix::fs::symlink(world.log("app-b.log"), world.log("current")).unwrap();
    world.write(&old, 5);
    world.write(&new, 5);
    world.exact().await;
}

#[tokio::test]
async fn b28_a_deleted_file_is_read_to_its_end() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", 5);
    world.start();
    world.stored().await;
    world.collector.set_down(true);
    world.append("app.log", 3000);
    fs::remove_file(world.log("app.log")).unwrap();
    world.append("app.log", 5);
    world.collector.set_down(false);
    world.exact().await;
}

#[tokio::test]
async fn b30_what_was_deleted_unread_is_a_gap_with_its_size() {
    let mut world = World::new(&["app.log"]);
    // Far more is unread than may be in memory.
    world.config.memory = 64 << 10;
    world.append("app.log", 10);
    world.start();
    world.stored().await;
    let w = bytes(&world.records);
    world.collector.set_down(true);
    // The checkpoint that the last acknowledgement asked for is written: only the growth asks for another one.
    eventually("the checkpoint is as the collector", || world.checkpoint().values().eq(&[w])).await;
    world.append("app.log", 3000);
    let size = bytes(&world.records);
    eventually("the last size is on disk", || world.checkpoint_size() == size).await;
    fs::remove_file(world.log("app.log")).unwrap();
    world.kill().await;
    world.collector.set_down(false);
    world.append("app.log", 5);
    world.start();
    let lost: Vec<usize> = (10..3010).collect();
    world.stored_but(&lost).await;
    eventually("the gap is stored", || !world.collector.gaps().is_empty()).await;
    assert_eq!(world.collector.gaps(), [(Cause::DeletedWhileDown, w, size - w, None)]);
    assert_eq!(world.check(), lost);
}

fn bytes(records: &[Vec<u8>]) -> u64 {
    records.iter().map(|record| record.len() as u64).sum()
}
