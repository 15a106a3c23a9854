//! What was measured of clocks: by any collector, for all calls of that hour.

use message::clock::{Clocks, Kept, Log, Measured};
use message::gist::Gist;
use record::time::{HOUR, SECOND, Timestamp};

use super::fixture::{File, NOON, correlate, says};
use super::store_test;
use crate::backend::with_transaction;
use crate::settle::{Due, Settled};

const LEASE: i64 = 60 * SECOND;
const NOON_HOUR: i64 = NOON.0 / HOUR;

fn later(seconds: i64) -> Timestamp {
    Timestamp(i64::MAX / 2 + seconds * SECOND)
}

fn log(source: &str) -> Log {
    ("agent-1".into(), source.into())
}

/// Each way between two logs takes 1 ms; the clock of the second is so many milliseconds ahead.
fn measured(one: &str, other: &str, ahead: i64) -> Measured {
    let mut measured = Measured::default();
    for (cause, effect, gap) in [(one, other, 1 + ahead), (other, one, 1 - ahead)] {
        let mut kept = Kept::default();
        kept.by_both.add(7, gap * 1000);
        measured.add(&log(cause), &log(effect), &kept);
    }
    measured
}

fn shifts(clocks: &Clocks, sources: &[&str]) -> Vec<Option<i64>> {
    sources.iter().map(|source| Some(clocks.shift("agent-1", source)? / 1000)).collect()
}

fn settled(due: Due) -> Settled {
    Settled { due, gist: None::<Gist>, left: None, problems: 0, next: None, rest_until: Timestamp(0), judged: None }
}

store_test! {
    async fn what_two_collectors_measured_counts_together(store) {
        let all = ["a", "b", "c"];
        assert_eq!(store.clocks(NOON_HOUR).await.unwrap(), Clocks::default());
        // Of two the first by name is right.
        let (_, clocks) = store.learn_clocks(NOON_HOUR, &measured("a", "b", -400), later(0)).await.unwrap();
        assert_eq!(shifts(&clocks, &all), [Some(0), Some(400), None]);
        // Another one has seen other calls: of three, two agree.
        let (together, clocks) = store.learn_clocks(NOON_HOUR, &measured("b", "c", 0), later(0)).await.unwrap();
        assert_eq!(shifts(&clocks, &all), [Some(-400), Some(0), Some(0)]);
        assert_eq!(store.clocks(NOON_HOUR).await.unwrap(), clocks);
        let again = store.learn_clocks(NOON_HOUR, &measured("a", "b", -400), later(0)).await.unwrap();
        assert_eq!(again, (together, clocks.clone()), "the same again changes nothing");
        assert_eq!(store.clocks_of(&[NOON_HOUR - 1, NOON_HOUR]).await.unwrap(), [(NOON_HOUR, clocks)].into());
    }

    async fn calls_of_an_hour_are_settled_again_when_a_clock_of_theirs_turns_out_to_be_off(store) {
        let mut file = File::new(1);
        let source = file.meta().source;
        file.log(&store, [says("a", 0, "INVITE"), says("a", 2, "INVITE").status(200)]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        store.settle("one", &[settled(due[0])], NOON).await.unwrap();
        let learn = |hour: i64, measured: Measured, now: Timestamp| {
            let store = store.clone();
            async move { store.learn_clocks(hour, &measured, now).await.unwrap() }
        };
        learn(NOON_HOUR, measured(&source, "z", 700), later(0)).await;
        learn(NOON_HOUR - 1, measured("a", &source, 90), later(0)).await;
        learn(NOON_HOUR + 1, measured("a", &source, 90), later(0)).await;
        assert_eq!(store.due("one", later(100), LEASE, 10).await.unwrap(), [], "its clock is right, in its hour");
        // Others say that z was right.
        let mut others = measured("x", "z", 0);
        others.merge(&measured("y", "z", 0));
        learn(NOON_HOUR, others.clone(), later(0)).await;
        assert_eq!(store.due("one", later(1), LEASE, 10).await.unwrap(), [], "what is new comes first");
        let due = store.due("one", later(100), LEASE, 10).await.unwrap();
        assert_eq!(due.iter().map(|due| (due.version, due.again)).collect::<Vec<_>>(), [(2, false)]);
        assert_eq!(store.settle("one", &[settled(due[0])], NOON).await.unwrap(), 1);
        learn(NOON_HOUR, others, later(200)).await;
        assert_eq!(store.due("one", later(300), LEASE, 10).await.unwrap(), [], "that was known");
    }

    async fn a_call_that_is_settled_meanwhile_is_settled_again_with_what_was_learned(store) {
        let mut file = File::new(1);
        file.log(&store, [says("a", 0, "INVITE"), says("a", 2, "INVITE").status(200)]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let mut three = measured("x", &file.meta().source, 90);
        three.merge(&measured("x", "y", 0));
        store.learn_clocks(NOON_HOUR, &three, later(0)).await.unwrap();
        assert_eq!(store.settle("one", &[settled(due[0])], NOON).await.unwrap(), 0, "it was read before");
        assert_eq!(store.due("one", later(100), LEASE, 10).await.unwrap().len(), 1);
    }

    async fn clocks_that_cannot_be_read_are_measured_again(store) {
        store.learn_clocks(NOON_HOUR, &measured("a", "b", 90), later(0)).await.unwrap();
        let mut tx = store.backend.begin().await.unwrap();
        with_transaction!(&mut tx, db => {
            let sql = "update clock set shifts = $1, measured = $1";
            sqlx::query(sql).bind(vec![0xc1_u8]).execute(&mut *db).await.unwrap();
        });
        tx.commit().await.unwrap();
        assert_eq!(store.clocks(NOON_HOUR).await.unwrap(), Clocks::default());
        let (_, clocks) = store.learn_clocks(NOON_HOUR, &measured("a", "b", 90), later(0)).await.unwrap();
        assert_eq!(shifts(&clocks, &["a", "b"]), [Some(0), Some(-90)]);
    }
}
