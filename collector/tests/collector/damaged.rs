//! A row that nobody can read stops nothing but itself.

use std::path::Path;
use std::sync::Arc;

use collector::book::Shelf;
use collector::settle::{self, Known};
use collector::{Config, Ingest, correlate};
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use store::Store;
use store::search::Filter;

use crate::door::{RECORD, batch, stream};
use crate::schema::Schema;

#[tokio::test]
async fn a_call_that_cannot_be_settled_keeps_no_other_from_it_and_is_tried_again_in_an_hour() {
    let schema = Schema::make("damaged");
    let store = Store::open(&schema.location()).await.expect("a store");
    let book = Shelf::open(&Config::default()).expect("right").book();
    let ingest = Ingest::new(store.clone(), &Config::default());
    let log: String = (1..=5).map(|nth| RECORD.replace("call-1@", &format!("call-{nth}@"))).collect();
    ingest.append(Arc::new(batch(vec![stream(1, 0, &log)]))).await.expect("an answer");
    while correlate::step(&store, "one").await.expect("correlated") > 0 {}
    schema.execute(r"update scenario_call set call = '\x00' where call_id = 'call-2@example.com'");
    let later = |after: i64| Timestamp(collector::ingest::now().0 + after);
    let mut known = Known::default();
    let settled = settle::step(&store, "one", &book, &mut known, later(10 * MINUTE)).await.expect("settled");
    assert_eq!(settled, 5);
    let rows = store.search(&Filter::default(), None, 10).await.expect("read").rows;
    let left: Vec<_> = rows.iter().filter(|row| row.problems.is_none()).map(|row| row.subject.scenario()).collect();
    assert_eq!((rows.len(), left.len()), (5, 1), "all others are settled");
    let is_due = async |after| {
        let due = store.due("another", later(after), SECOND, 10).await.expect("read");
        due.iter().any(|due| left[0] == Some(due.id))
    };
    assert_eq!([is_due(20 * MINUTE).await, is_due(2 * HOUR).await], [false, true], "it waits, and is not forgotten");
    store.close().await;
}

#[tokio::test]
async fn a_person_with_a_zero_byte_in_its_name_is_settled_like_any_other() {
    let schema = Schema::make("zero");
    let store = Store::open(&schema.location()).await.expect("a store");
    let book = Shelf::open(&Config::default()).expect("right").book();
    let ingest = Ingest::new(store.clone(), &Config::default());
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/calls/09-push-never-wakes");
    for (nth, log) in ["core", "edge", "push"].into_iter().enumerate() {
        let log = std::fs::read_to_string(case.join(format!("{log}.log"))).expect("a log");
        let log =
            log.replace("INVITE sip:bob@", "INVITE sip:bob%00@").replace("\"user\": \"bob\"", "\"user\": \"\\u0000\"");
        ingest.append(Arc::new(batch(vec![stream(nth as i64 + 1, 0, &log)]))).await.expect("an answer");
    }
    while correlate::step(&store, "one").await.expect("correlated") > 0 {}
    let later = Timestamp(collector::ingest::now().0 + 10 * MINUTE);
    settle::step(&store, "one", &book, &mut Known::default(), later).await.expect("settled");
    let rows = store.search(&Filter::default(), None, 10).await.expect("read").rows;
    let settled: Vec<_> = rows.iter().map(|row| row.problems.is_some()).collect();
    assert_eq!(settled, [true]);
    store.close().await;
}
