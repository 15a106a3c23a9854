//! Several collectors join what one would.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use message::event::CallClass;
use message::kind::Kind;
use record::time::SECOND;

use super::fixture::{self, File, NOON, OWNER, Says, correlate, says, scenarios};
use super::store_test;
use crate::correlate::HUB;
use crate::search::Filter;
use crate::{Location, Store};

const STREAMS: usize = 24;
const COLLECTORS: usize = 4;

/// How the calls of a group find each other.
#[derive(Clone, Copy)]
enum Joins {
    /// All carry one id that no call has.
    Session,
    /// All name the first one.
    Names,
    /// Each names the one before it.
    Chain,
}

impl Joins {
    fn says(self, group: usize, at: usize) -> Says {
        let name = |at: usize| format!("group-{group}-call-{at}");
        let call = says(name(at).leak(), at as i64, "INVITE");
        match self {
            Self::Session => call.key("session", &format!("group-{group}")),
            Self::Names if at > 0 => call.key("call", &name(0)),
            Self::Chain if at > 0 => call.key("call", &name(at - 1)),
            Self::Names | Self::Chain => call,
        }
    }

    /// How many of so many calls are together; the others are alone.
    fn together(self, calls: usize) -> usize {
        match self {
            Self::Session => calls.min(HUB),
            Self::Names => calls.min(HUB + 1),
            Self::Chain => calls,
        }
    }
}

/// Each call in three of the logs, one batch a message.
async fn log(store: &Store, groups: &[(Joins, usize)]) {
    let mut files: Vec<File> = (1..=STREAMS as i64).map(File::new).collect();
    for (group, (joins, calls)) in groups.iter().enumerate() {
        for at in 0..*calls {
            for log in 0..3 {
                let file = &mut files[(group + at * 5 + log * 7) % STREAMS];
                file.log(store, [joins.says(group, at)]).await;
            }
        }
    }
}

/// A deadlock would be an error.
async fn collect(store: Store, owner: String) -> usize {
    let mut applied = 0;
    while store.totals().await.unwrap().waiting > 0 {
        let rows = store.outbox(&owner, NOON, SECOND, 11).await.unwrap();
        if !rows.is_empty() {
            applied += usize::from(store.correlate(&owner, NOON, rows).await.unwrap().applied);
        }
        store.leave_outbox(&owner).await.unwrap();
        tokio::task::yield_now().await;
    }
    applied
}

/// The request is joined by one process, and its answer, which carries no id, by the next one.
async fn asks(file: &mut File, store: &Store) {
    file.log(store, [says("call-a", 1, "GET").kind(Kind::Rest)]).await;
    correlate(store, 10).await;
    store.leave_outbox(OWNER).await.unwrap();
}

async fn is_answered(file: &mut File, store: &Store) {
    file.log(store, [says("answer", 2, "").status(200).nameless()]).await;
    correlate(store, 10).await;
    assert_eq!(scenarios(store).await, [vec!["answer", "call-a"]]);
}

#[tokio::test]
async fn an_answer_without_an_id_finds_its_request_though_another_collector_joined_that() {
    let (store, schema) = fixture::postgres().await;
    let other = Store::open(&schema.location).await.unwrap();
    let mut file = File::new(1);
    asks(&mut file, &store).await;
    is_answered(&mut file, &other).await;
    store.close().await;
    other.close().await;
    schema.drop().await;
}

#[tokio::test]
async fn an_answer_without_an_id_finds_its_request_after_a_restart() {
    let (store, directory) = fixture::sqlite().await;
    let mut file = File::new(1);
    asks(&mut file, &store).await;
    store.close().await;
    drop(store);
    let store = Store::open(&Location::Directory(directory.path().into())).await.unwrap();
    is_answered(&mut file, &store).await;
}

/// SQLite belongs to one process. Requests and answers without ids between two hosts: whoever has many at once is always too late
/// for one who has few.
#[tokio::test]
async fn a_collector_that_is_slow_is_not_kept_from_joining_by_one_that_is_quick() {
    let (store, schema) = fixture::postgres().await;
    const MANY: usize = 1_000;
    const QUICK: usize = 300;
    let asks = |call: String, at| [says(call.leak(), at, "GET").kind(Kind::Rest)];
    let answers = |call: String, at| [says(call.leak(), at, "").status(200).nameless()];
    let mut slow = File::new(1);
    let many = (0..MANY).flat_map(|nth| {
        let at = 100 * nth as i64;
        [asks(format!("slow-{nth}"), at), answers(format!("slow-{nth}-answer"), at + 1)].concat()
    });
    slow.log(&store, many).await;
    let rows = async |owner: &'static str| store.outbox(owner, NOON, 10 * SECOND, 1).await.unwrap();
    // Taken before the other one begins.
    rows("slow").await;
    let is_done = AtomicBool::new(false);
    let left = async {
        let other = Store::open(&schema.location).await.unwrap();
        let mut file = File::new(2);
        for nth in 0..QUICK {
            if is_done.load(Ordering::Relaxed) {
                other.close().await;
                return QUICK - nth;
            }
            file.log(&other, asks(format!("quick-{nth}"), 40)).await;
            let mut again = true;
            while again {
                let rows = other.outbox("quick", NOON, 10 * SECOND, 1).await.unwrap();
                again = !rows.is_empty() && !other.correlate("quick", NOON, rows).await.unwrap().applied;
            }
        }
        0
    };
    let tries = async {
        let mut tries = 1;
        while !store.correlate("slow", NOON, rows("slow").await).await.unwrap().applied {
            tries += 1;
        }
        is_done.store(true, Ordering::Relaxed);
        tries
    };
    let (tries, left) = tokio::join!(tries, left);
    // Once too late, and once more for what the other one was about to store.
    assert!(tries <= 3 && left > 0, "{tries} tries; {left} of the other one left");
    store.close().await;
    schema.drop().await;
}

/// SQLite belongs to one process.
#[tokio::test]
async fn what_is_of_a_call_and_that_call_that_come_to_two_collectors_at_once_find_each_other() {
    let (store, schema) = fixture::postgres().await;
    const CALLS: i64 = 200;
    let mut files: Vec<File> = (1..=STREAMS as i64).map(File::new).collect();
    for nth in 0..CALLS {
        let call = format!("call-{nth}").leak();
        let at = nth as usize % (STREAMS / 2) * 2;
        files[at].log(&store, [says(call, 0, "INVITE").by_tag("f")]).await;
        let inside = says(call, 1, "NOTIFY").class(CallClass::Subscription).by_tag("f").tagged();
        files[at + 1].log(&store, [inside]).await;
    }
    let collectors = (0..COLLECTORS).map(|at| tokio::spawn(collect(store.clone(), format!("collector-{at}"))));
    let applied = futures::future::join_all(collectors).await;
    assert!(applied.into_iter().filter(|applied| *applied.as_ref().unwrap() > 0).count() > 1, "they met");
    assert_eq!(store.totals().await.unwrap().scenarios, CALLS);
    let rows = store.search(&Filter::default(), None, 1000).await.unwrap().rows;
    assert!(rows.len() as i64 == CALLS && rows.iter().all(|row| row.messages == 2));
    store.close().await;
    schema.drop().await;
}

store_test! {
    async fn four_collectors_join_groups_of_2_to_60_calls_as_one_does(store) {
        let groups: Vec<(Joins, usize)> = [2, 4, 40, 60, 2, 4, 40]
            .into_iter()
            .flat_map(|calls| [Joins::Session, Joins::Names, Joins::Chain].map(|joins| (joins, calls)))
            .collect();
        log(&store, &groups).await;
        let collectors = (0..COLLECTORS).map(|at| tokio::spawn(collect(store.clone(), format!("collector-{at}"))));
        let applied = futures::future::join_all(collectors).await;
        assert!(applied.into_iter().filter(|applied| *applied.as_ref().unwrap() > 0).count() > 1, "they met");

        let mut found: BTreeMap<usize, usize> = BTreeMap::new();
        let mut wanted: BTreeMap<usize, usize> = BTreeMap::new();
        for (joins, calls) in &groups {
            *wanted.entry(joins.together(*calls)).or_default() += 1;
            *wanted.entry(1).or_default() += calls - joins.together(*calls);
        }
        for calls in scenarios(&store).await {
            let group = |call: &String| call.split("-call-").next().unwrap().to_owned();
            assert!(calls.iter().all(|call| group(call) == group(&calls[0])), "{calls:?}");
            *found.entry(calls.len()).or_default() += 1;
        }
        assert_eq!(found, wanted);
        let rows = store.search(&Filter::default(), None, 1000).await.unwrap().rows;
        assert!(rows.iter().all(|row| row.messages == 3 * row.calls), "no call is counted twice, and none is lost");
    }

    async fn a_request_and_its_answer_that_come_to_two_collectors_at_once_find_each_other(store) {
        const EXCHANGES: u8 = 200;
        let mut files: Vec<File> = (1..=STREAMS as i64).map(File::new).collect();
        for id in 0..EXCHANGES {
            let call = format!("call-{id}").leak();
            let (request, answer) = (says(call, 1, "GET").exchange(id), says(format!("answer-{id}").leak(), 1, ""));
            let at = usize::from(id) % (STREAMS / 2) * 2;
            files[at].log(&store, [request]).await;
            files[at + 1].log(&store, [answer.status(401).exchange(id)]).await;
        }
        let collectors = (0..COLLECTORS).map(|at| tokio::spawn(collect(store.clone(), format!("collector-{at}"))));
        let applied = futures::future::join_all(collectors).await;
        assert!(applied.into_iter().filter(|applied| *applied.as_ref().unwrap() > 0).count() > 1, "they met");
        let together = scenarios(&store).await.iter().filter(|calls| calls.len() == 2).count();
        assert_eq!(together, usize::from(EXCHANGES));
    }
}
