//! Stored calls are read beside whoever writes to the database, and nothing is kept of that.

use message::event::CallClass;
use message::kind::Kind;
use message::logged::Message;
use record::id::{MessageId, ScenarioId};
use record::time::{DAY, HOUR, SECOND, Timestamp};

use super::fixture::{File, NOON, correlate, postgres, says, sqlite};
use crate::rulebook::Rulebook;
use crate::settle::Due;
use crate::{Error, Location, Store};

fn at(second: i64) -> Timestamp {
    Timestamp(NOON.0 + second * SECOND)
}

/// Three calls, and a registration; the first call goes on until the second hour.
async fn log(store: &Store) -> File {
    let mut file = File::new(1);
    let registration = says("r", 1, "REGISTER").class(CallClass::Registration);
    for one in [says("a", 0, "INVITE"), registration, says("b", 2, "INVITE"), says("c", 2, "INVITE")] {
        file.log(store, [one]).await;
    }
    file.log(store, [says("a", 3_600, "BYE")]).await;
    correlate(store, 100).await;
    file
}

/// Those of a day before, too.
async fn calls(store: &Store, from: Timestamp) -> Vec<(Timestamp, ScenarioId)> {
    let (mut calls, mut after) = (Vec::new(), Some((Timestamp(from.0 - DAY), ScenarioId(0))));
    while let Some(place) = after {
        let page = store.calls_since(CallClass::Call, from, place, 2).await.unwrap();
        calls.extend(page.calls.iter().map(|(began, due)| (*began, due.id)));
        after = page.next;
    }
    calls
}

async fn are_read_beside_their_writer(store: &Store, location: &Location) {
    let empty = Store::open_to_read(location).await.unwrap();
    assert_eq!((calls(&empty, at(0)).await, empty.newest_call().await.unwrap()), (vec![], None));
    let mut file = log(store).await;
    let reader = Store::open_to_read(location).await.unwrap();
    let all = calls(&reader, at(-60)).await;
    assert_eq!(all.iter().map(|(began, _)| *began).collect::<Vec<_>>(), [at(0), at(2), at(2)]);
    assert!(all.is_sorted(), "those of one moment, too");
    // By their last message, not by their first.
    assert_eq!(calls(&reader, at(60)).await, all[..1]);
    assert_eq!(calls(&reader, Timestamp(NOON.0 + 2 * HOUR)).await, []);
    assert_eq!(reader.newest_call().await.unwrap(), Some(at(2)));
    // What is written meanwhile is read.
    file.log(store, [says("d", 9, "INVITE")]).await;
    correlate(store, 100).await;
    assert_eq!(calls(&reader, at(0)).await.len(), 4);
    reader.close().await;
    empty.close().await;
}

async fn wanted(store: &Store) -> i64 {
    crate::backend::with_pool!(store.backend, pool => {
        sqlx::query_scalar("select count(*) from wanted").fetch_one(pool).await.unwrap()
    })
}

async fn nothing_is_written(store: &Store, location: &Location) {
    let mut file = log(store).await;
    file.log(store, [says("b", 3, "PUSH").kind(Kind::Push)]).await;
    correlate(store, 100).await;
    let reader = Store::open_to_read(location).await.unwrap();
    let calls: Vec<_> = reader
        .calls_since(CallClass::Call, at(0), (at(0), ScenarioId(0)), 10)
        .await
        .unwrap()
        .calls
        .into_iter()
        .map(|(_, due)| due)
        .collect();
    let messages = reader.past_messages(&calls).await.unwrap();
    assert_eq!(messages.iter().map(|(_, messages)| messages.len()).sum::<usize>(), 5);
    let refused = reader.keep_rulebook(&Rulebook::default(), NOON).await.unwrap_err().to_string();
    assert!(refused.contains("read"), "{refused}");
    assert_eq!(wanted(store).await, 0);
    let ids = |read: Vec<(Due, Vec<Message>)>| -> Vec<Vec<MessageId>> {
        read.iter().map(|(_, messages)| messages.iter().map(|message| message.id).collect()).collect()
    };
    let settled = store.due_messages(&calls).await.unwrap();
    assert_eq!(ids(messages), ids(settled), "they are those that are settled");
    assert_eq!(wanted(store).await, 1, "who settles them keeps what they wait for");
    reader.close().await;
}

#[tokio::test]
async fn calls_are_read_beside_their_writer_on_sqlite() {
    let (store, directory) = sqlite().await;
    are_read_beside_their_writer(&store, &Location::Directory(directory.path().into())).await;
    store.close().await;
}

#[tokio::test]
async fn calls_are_read_beside_their_writer_on_postgresql() {
    let (store, schema) = postgres().await;
    are_read_beside_their_writer(&store, &schema.location).await;
    store.close().await;
    schema.drop().await;
}

#[tokio::test]
async fn who_opened_it_to_read_writes_nothing_on_sqlite() {
    let (store, directory) = sqlite().await;
    nothing_is_written(&store, &Location::Directory(directory.path().into())).await;
    store.close().await;
}

#[tokio::test]
async fn who_opened_it_to_read_writes_nothing_on_postgresql() {
    let (store, schema) = postgres().await;
    nothing_is_written(&store, &schema.location).await;
    store.close().await;
    schema.drop().await;
}

#[tokio::test]
async fn what_was_closed_is_read_as_it_lies() {
    let (store, directory) = sqlite().await;
    log(&store).await;
    store.close().await;
    let file = directory.path().join("siptrail.db");
    let before = std::fs::read(&file).unwrap();
    let reader = Store::open_to_read(&Location::Directory(directory.path().into())).await.unwrap();
    assert_eq!(calls(&reader, at(0)).await.len(), 3);
    reader.close().await;
    assert!(std::fs::read(&file).unwrap() == before, "not a byte of it is another");
    assert_eq!(Store::open(&Location::Directory(directory.path().into())).await.map(drop).map_err(drop), Ok(()));
}

#[tokio::test]
async fn where_nothing_was_stored_or_by_another_build_is_said() {
    let nowhere = tempfile::tempdir().unwrap();
    let location = Location::Directory(nowhere.path().into());
    let said = Store::open_to_read(&location).await.unwrap_err().to_string();
    assert!(said.ends_with("holds no siptrail.db: nothing was stored here yet"), "{said}");
    assert_eq!(std::fs::read_dir(nowhere.path()).unwrap().count(), 0, "nothing is put there");

    let (store, directory) = sqlite().await;
    let location = Location::Directory(directory.path().into());
    for (statement, said) in [
        (
            "insert into _sqlx_migrations select 9999, description, installed_on, success, checksum, execution_time
          from _sqlx_migrations",
            "newer build",
        ),
        ("delete from _sqlx_migrations where version = 9999", ""),
        ("update _sqlx_migrations set checksum = x'00'", "another build"),
        ("delete from _sqlx_migrations", "older build"),
    ] {
        let mut tx = store.backend.begin().await.unwrap();
        crate::backend::with_transaction!(&mut tx, db => {
            sqlx::query(statement).execute(db).await.unwrap();
        });
        tx.commit().await.unwrap();
        match Store::open_to_read(&location).await {
            Ok(reader) => {
                assert!(said.is_empty(), "{statement}");
                reader.close().await;
            }
            Err(error @ (Error::OtherBuild | Error::NewerBuild | Error::OlderBuild)) => {
                assert!(error.to_string().contains(said) && !said.is_empty(), "{error}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    store.close().await;
}
