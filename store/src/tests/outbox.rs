//! The outbox: whose turn it is, and that each row is applied once.

use record::id::StreamId;
use record::time::{SECOND, Timestamp};

use super::correlate::only;
use super::fixture::{self, File, NOON, OWNER, correlate, says, scenarios};
use super::store_test;
use crate::Store;
use crate::backend::{with_pool, with_transaction};
use crate::search::{Filter, MessageFilter};

/// Puts bytes into rows that only another build, or a fault, could have written.
async fn spoil(store: &Store, sql: &'static str, bytes: &[u8]) {
    let mut tx = store.backend.begin().await.unwrap();
    with_transaction!(&mut tx, db => {
        sqlx::query(sql).bind(bytes.to_vec()).execute(db).await.unwrap();
    });
    tx.commit().await.unwrap();
}

/// Whoever waits for the first of them holds none of the others, and so nobody waits in a circle.
#[tokio::test]
async fn streams_are_taken_in_one_order_however_their_rows_lie() {
    let (store, schema) = fixture::postgres().await;
    // The second lies before the first.
    for number in [2, 1] {
        File::new(number).log(&store, [says("a", 0, "INVITE")]).await;
    }
    let rows = store.outbox(OWNER, NOON, SECOND, 100).await.unwrap();
    for turn in 0..3 {
        let mut other = store.backend.begin().await.unwrap();
        let pid: i32 = with_transaction!(&mut other, db => {
            sqlx::query("select 1 from correlation_offset where stream_id = 1 for update").execute(&mut *db).await.unwrap();
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(db).await.unwrap()
        });
        let waits = tokio::spawn({
            let (store, rows) = (store.clone(), rows.clone());
            async move {
                match turn {
                    0 => store.outbox(OWNER, Timestamp(NOON.0 + SECOND), SECOND, 100).await.map(|_| ()),
                    1 => store.correlate(OWNER, NOON, rows).await.map(|_| ()),
                    _ => store.leave_outbox(OWNER).await,
                }
            }
        });
        let is_waiting = async || -> bool {
            with_pool!(store.backend, pool => {
                let sql = "select exists (select 1 from pg_stat_activity where $1 = any (pg_blocking_pids(pid)))";
                sqlx::query_scalar(sql).bind(pid).fetch_one(pool).await.unwrap()
            })
        };
        let soon = std::time::Duration::from_secs(20);
        tokio::time::timeout(soon, async { while !is_waiting().await {} }).await.expect("it waits for the first");
        let free: Option<i64> = with_pool!(store.backend, pool => {
            let sql = "select stream_id from correlation_offset where stream_id = 2 for update skip locked";
            sqlx::query_scalar(sql).fetch_optional(pool).await.unwrap()
        });
        assert_eq!(free, Some(2), "turn {turn}");
        other.rollback().await.unwrap();
        waits.await.unwrap().unwrap();
    }
    store.close().await;
    schema.drop().await;
}

store_test! {
    async fn rows_are_applied_once_and_a_lost_fence_changes_nothing(store) {
        let mut file = File::new(1);
        file.log(&store, [says("a", 0, "INVITE")]).await;
        file.log(&store, [says("a", 1, "BYE")]).await;
        let rows = store.outbox(OWNER, NOON, SECOND, 100).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert!(!store.correlate("another", NOON, rows.clone()).await.unwrap().applied);
        assert!(!store.correlate(OWNER, NOON, rows[1..].to_vec()).await.unwrap().applied);
        assert_eq!(store.totals().await.unwrap().scenarios, 0);
        assert!(store.correlate(OWNER, NOON, rows[..1].to_vec()).await.unwrap().applied);
        assert!(!store.correlate(OWNER, NOON, rows.clone()).await.unwrap().applied);
        assert!(store.correlate(OWNER, NOON, rows[1..].to_vec()).await.unwrap().applied);
        assert_eq!(only(&store).await.row.messages, 2);
        assert!(store.outbox(OWNER, NOON, SECOND, 100).await.unwrap().is_empty());
    }

    async fn rows_applied_by_two_at_once_are_applied_once(store) {
        let mut files = [File::new(1), File::new(2)];
        for at in 0..10 {
            for file in &mut files {
                file.log(&store, [says("call-a", at, "INFO"), says("call-b", at, "INFO").key("call", "call-a")]).await;
            }
            // Each has read the same rows, as one whose lease ended while it was at work and the next one.
            let rows = store.outbox(OWNER, NOON, SECOND, 100).await.unwrap();
            let apply = || {
                let (store, rows) = (store.clone(), rows.clone());
                tokio::spawn(async move { store.correlate(OWNER, NOON, rows).await.unwrap().applied })
            };
            let applied = futures::future::join_all((0..4).map(|_| apply())).await;
            assert_eq!(applied.into_iter().filter(|applied| *applied.as_ref().unwrap()).count(), 1);
        }
        let row = only(&store).await.row;
        assert_eq!((row.messages, row.calls), (40, 2));
        assert_eq!(store.totals().await.unwrap().waiting, 0);
    }

    async fn a_stream_has_one_correlator_until_its_lease_ends(store) {
        File::new(1).log(&store, [says("a", 0, "INVITE")]).await;
        let later = |seconds: i64| Timestamp(NOON.0 + seconds * SECOND);
        assert_eq!(store.outbox("one", NOON, 10 * SECOND, 100).await.unwrap().len(), 1);
        File::new(2).log(&store, [says("b", 0, "INVITE")]).await;
        let others = store.outbox("two", later(1), 10 * SECOND, 100).await.unwrap();
        assert_eq!(others.iter().map(|row| row.stream.0).collect::<Vec<_>>(), [2]);
        // Asking again renews it.
        assert_eq!(store.outbox("one", later(8), 10 * SECOND, 100).await.unwrap().len(), 1);
        assert_eq!(store.outbox("two", later(11), 10 * SECOND, 100).await.unwrap().len(), 1);
        assert_eq!(store.outbox("two", later(19), 10 * SECOND, 100).await.unwrap().len(), 2);
    }

    async fn a_lease_that_was_given_back_is_free_at_once(store) {
        File::new(1).log(&store, [says("a", 0, "INVITE")]).await;
        assert_eq!(store.outbox("one", NOON, 10 * SECOND, 100).await.unwrap().len(), 1);
        store.leave_outbox("two").await.unwrap();
        assert!(store.outbox("two", NOON, 10 * SECOND, 100).await.unwrap().is_empty());
        store.leave_outbox("one").await.unwrap();
        assert_eq!(store.outbox("two", NOON, 10 * SECOND, 100).await.unwrap().len(), 1);
    }

    async fn the_outbox_is_read_in_order_and_in_parts(store) {
        let (mut one, mut two) = (File::new(1), File::new(2));
        for at in 0..5 {
            one.log(&store, [says("a", at, "INFO")]).await;
            two.log(&store, [says("b", at, "INFO")]).await;
        }
        let done = correlate(&store, 3).await;
        assert_eq!(done.len(), 4);
        let page = store.search(&Filter::default(), None, 10).await.unwrap();
        assert_eq!(page.rows.iter().map(|row| row.messages).collect::<Vec<_>>(), [5, 5]);
    }

    async fn what_is_read_of_the_outbox_at_once_is_bounded_by_what_it_unpacks_to(store) {
        let mut file = File::new(1);
        // They pack to next to nothing.
        let long: &'static str = "session".repeat(100_000).leak();
        for at in 0..8 {
            file.log(&store, [says("a", at, "INFO").key(long, "s").key(long, "t")]).await;
        }
        let done = correlate(&store, 100).await;
        assert_eq!(done.len(), 4);
        assert_eq!(only(&store).await.row.messages, 8);
    }

    async fn a_row_that_cannot_be_read_stops_nothing_and_is_made_anew_from_its_messages(store) {
        let (mut one, mut two) = (File::new(1), File::new(2));
        one.log(&store, [says("a", 0, "INVITE"), says("b", 1, "INVITE")]).await;
        two.log(&store, [says("c", 2, "INVITE")]).await;
        for events in [&b"nonsense"[..], &[], &[0, 0, 0, 0, 1]] {
            spoil(&store, "update outbox set events = $1 where stream_id = 1", events).await;
            one.log(&store, [says("b", 3, "BYE")]).await;
            correlate(&store, 100).await;
            assert_eq!(store.totals().await.unwrap().waiting, 0);
        }
        assert_eq!(scenarios(&store).await, [["a"], ["b"], ["c"]]);
        let page = store.search(&Filter::default(), None, 10).await.unwrap();
        assert_eq!(page.rows.iter().map(|row| row.messages).sum::<i64>(), 6);
    }

    async fn a_row_whose_messages_cannot_be_read_either_is_put_aside(store) {
        let (mut one, mut two) = (File::new(1), File::new(2));
        one.log(&store, [says("a", 0, "INVITE")]).await;
        two.log(&store, [says("c", 2, "INVITE")]).await;
        spoil(&store, "update outbox set events = $1 where stream_id = 1", b"nonsense").await;
        spoil(&store, "update message set raw = $1, dictionary = 77 where stream_id = 1", b"nonsense").await;
        correlate(&store, 100).await;
        assert_eq!(store.totals().await.unwrap().waiting, 0);
        assert_eq!(scenarios(&store).await, [["c"]]);
        let aside: Vec<(i64, Vec<u8>)> = with_pool!(store.backend, pool => {
            sqlx::query_as("select stream_id, events from outbox_aside").fetch_all(pool).await.unwrap()
        });
        assert_eq!(aside, [(1, b"nonsense".to_vec())]);
        one.log(&store, [says("d", 3, "INVITE")]).await;
        correlate(&store, 100).await;
        assert_eq!(scenarios(&store).await, [["c"], ["d"]], "its stream goes on");
    }

    async fn a_message_that_cannot_be_read_hides_no_other(store) {
        let mut one = File::new(1);
        one.log(&store, [says("a", 0, "INVITE"), says("a", 1, "INFO"), says("a", 2, "BYE")]).await;
        correlate(&store, 100).await;
        let scenario = only(&store).await;
        spoil(&store, "update message set raw = $1, dictionary = 77 where method = 'INFO'", b"nonsense").await;
        let page = store.scenario_messages(&scenario, None, 10).await.unwrap();
        let methods: Vec<&str> = page.rows.iter().map(|message| message.method.as_str()).collect();
        assert_eq!((methods.as_slice(), page.unreadable), (&["INVITE", "BYE"][..], 1));
        let page = store.messages(&MessageFilter::default(), None, 10).await.unwrap();
        assert_eq!((page.rows.len(), page.unreadable), (2, 1));
        assert_eq!(only(&store).await.row.messages, 3);
    }

    async fn how_a_stream_is_read_is_asked_again_where_that_cannot_be_read(store) {
        let mut one = File::new(1);
        one.log(&store, [says("a", 0, "INVITE")]).await;
        assert!(matches!(store.stream_meta(StreamId(1)).await.unwrap(), Some((agent, Some(_))) if agent == one.agent));
        spoil(&store, "update stream set format = $1", b"nonsense").await;
        assert!(matches!(store.stream_meta(StreamId(1)).await.unwrap(), Some((agent, None)) if agent == one.agent));
    }

    async fn a_summary_that_cannot_be_read_is_made_anew_from_what_was_joined(store) {
        let (mut one, mut two) = (File::new(1), File::new(2));
        one.log(&store, [says("a", 0, "INVITE"), says("a", 1, "INFO")]).await;
        two.log(&store, [says("a", 2, "INFO")]).await;
        correlate(&store, 100).await;
        let whole = only(&store).await.row;
        for bytes in [&b"nonsense"[..], &[]] {
            spoil(&store, "update scenario set summary = $1", bytes).await;
            assert_eq!(only(&store).await.row.messages, whole.messages, "its page needs no summary");
        }
        // Not joined yet: it is added once, by what makes the summary anew or by what joins it.
        one.log(&store, [says("a", 9, "BYE")]).await;
        correlate(&store, 100).await;
        let row = only(&store).await.row;
        assert_eq!((row.messages, row.kinds), (4, [4, 0, 0, 0]));
        assert_eq!((row.first, row.calls), (whole.first, whole.calls));
        assert!(row.ending.is_some() && row.last > whole.last);
    }
}
