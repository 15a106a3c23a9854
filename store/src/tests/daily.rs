//! A scenario of one day is judged from where it is not judged for good.

use std::collections::BTreeMap;

use message::event::CallClass;
use record::id::ScenarioId;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use rule::verdict::Outcome;

use super::alert::alarm;
use super::fixture::{File, NOON, Says, correlate, says};
use super::store_test;
use crate::Store;
use crate::alert::{Alarm, ItemState, ItemTold, News};
use crate::settle::{Due, Settled};
use crate::verdict::{Judged, Window, nth};

const LEASE: i64 = 60 * SECOND;

fn later(seconds: i64) -> Timestamp {
    Timestamp(i64::MAX / 2 + seconds * SECOND)
}

fn at(minute: i64) -> Timestamp {
    Timestamp(NOON.0 + minute * MINUTE)
}

fn register(minute: i64) -> Says {
    Says { class: CallClass::Registration, ..says("r", minute * 60, "REGISTER") }
}

async fn register_at(store: &Store, file: &mut File, minutes: &[i64]) {
    file.log(store, minutes.iter().map(|minute| register(*minute))).await;
    correlate(store, 100).await;
}

/// What is due, with the minutes of what is read of it.
async fn read(store: &Store, second: i64) -> (Due, Vec<i64>) {
    let due = store.due("one", later(second), LEASE, 10).await.unwrap();
    let read = store.due_messages(&due).await.unwrap();
    assert_eq!(read.len(), 1);
    let minutes = read[0].1.iter().map(|message| message.time.micros_since(NOON).div_euclid(MINUTE));
    (due[0], minutes.collect())
}

/// The minutes at which it failed, looked at from one minute on, and from another one the next time.
async fn judge(store: &Store, due: Due, failed: &[i64], all: &[i64], next: i64) -> ScenarioId {
    let outcome = |minute: &i64| if failed.contains(minute) { Outcome::Failed } else { Outcome::Ok };
    let alarm = |minute: &i64| {
        let alarm = alarm("register-timeout", News::Fresh);
        let failure = Some("register-timeout".to_owned());
        let told = rule::told::Told { nth: Some(nth(at(*minute))), failure, ..alarm.item.told };
        Alarm { at: at(*minute), item: ItemTold { told, ..alarm.item }, ..alarm }
    };
    let alarms: Vec<Alarm> = failed.iter().map(alarm).collect();
    let told: Vec<_> = alarms.iter().map(|alarm| alarm.item.told.clone()).collect();
    let worst = all.iter().map(outcome).min().map(|outcome| {
        let failure = (outcome == Outcome::Failed).then(|| "register-timeout".to_owned());
        (outcome, failure, "answered".to_owned())
    });
    let mut counts = BTreeMap::new();
    for minute in all {
        *counts.entry(("answered".to_owned(), at(*minute).0.div_euclid(MINUTE), outcome(minute))).or_default() += 1;
    }
    let window = Some(Window { from: due.from.unwrap(), next: at(next) });
    let judged = Some(Judged { worst, told, counts, alarms, window, ..Judged::default() });
    let settled = Settled { due, gist: None, left: None, problems: 0, next: None, rest_until: Timestamp(0), judged };
    assert_eq!(store.settle("one", &[settled], NOON).await.unwrap(), 1);
    due.id
}

async fn counts(store: &Store) -> Vec<(Outcome, i64)> {
    let all = store.rule_counts(NOON, Timestamp(NOON.0 + 12 * HOUR)).await.unwrap();
    all.get("answered").cloned().unwrap_or_default().0.into_iter().collect()
}

/// Minutes of what failed, as verdicts and as alerts say.
async fn failed(store: &Store, id: ScenarioId) -> (usize, Vec<i32>) {
    let group = store.alert_groups(10).await.unwrap().pop().unwrap();
    let items = store.alert_items(group.id, 100).await.unwrap();
    let failed = items.iter().filter(|item| item.state == ItemState::Failed);
    let mut minutes: Vec<i32> = failed.map(|item| (item.nth - nth(NOON)) / 60_000).collect();
    minutes.sort_unstable();
    (store.verdicts(id).await.unwrap().len(), minutes)
}

store_test! {
    async fn of_a_day_only_what_is_not_judged_for_good_is_read_and_judged_again(store) {
        let mut file = File::new(1);
        register_at(&store, &mut file, &[0, 1, 2]).await;
        let (due, minutes) = read(&store, 0).await;
        assert_eq!((due.class, minutes), (CallClass::Registration, vec![0, 1, 2]));
        let id = judge(&store, due, &[1], &[0, 1, 2], 2).await;
        assert_eq!((counts(&store).await, failed(&store, id).await), (vec![(Outcome::Failed, 1), (Outcome::Ok, 2)], (1, vec![1])));

        register_at(&store, &mut file, &[3]).await;
        let (due, minutes) = read(&store, 100).await;
        assert_eq!((due.from, minutes), (Some(at(2)), vec![2, 3]));
        // What went well before turns out to have failed, and so does what is new.
        judge(&store, due, &[2, 3], &[2, 3], 3).await;
        assert_eq!((counts(&store).await, failed(&store, id).await), (vec![(Outcome::Failed, 3), (Outcome::Ok, 1)], (3, vec![1, 2, 3])));

        register_at(&store, &mut file, &[4]).await;
        let (due, minutes) = read(&store, 200).await;
        assert_eq!(minutes, [3, 4]);
        judge(&store, due, &[], &[3, 4], 4).await;
        assert_eq!((counts(&store).await, failed(&store, id).await), (vec![(Outcome::Failed, 2), (Outcome::Ok, 3)], (2, vec![1, 2])));
        let worst = (Outcome::Failed, Some("register-timeout".to_owned()), "answered".to_owned());
        assert_eq!(store.worst(id).await.unwrap(), Some(worst), "what failed at first has the day fail");
    }

    async fn what_comes_from_before_what_is_judged_for_good_has_the_day_judged_anew(store) {
        let (mut file, mut other) = (File::new(1), File::new(2));
        register_at(&store, &mut file, &[0, 10]).await;
        let (due, _) = read(&store, 0).await;
        judge(&store, due, &[0], &[0, 10], 10).await;
        register_at(&store, &mut other, &[5]).await;
        let (due, minutes) = read(&store, 100).await;
        assert_eq!(minutes, [0, 5, 10]);
        let id = judge(&store, due, &[], &[0, 5, 10], 10).await;
        assert_eq!(counts(&store).await, [(Outcome::Ok, 3)]);
        assert_eq!(failed(&store, id).await, (0, vec![]));
        assert_eq!(store.worst(id).await.unwrap().unwrap().0, Outcome::Ok);
    }

    async fn a_day_is_read_on_for_a_minute_after_its_end(store) {
        let mut file = File::new(1);
        register_at(&store, &mut file, &[-721, -720, -718]).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let read = store.due_messages(&due).await.unwrap();
        let minutes = |messages: &[message::logged::Message]| {
            messages.iter().map(|message| message.time.micros_since(NOON) / MINUTE).collect::<Vec<_>>()
        };
        let mut read: Vec<_> = read.iter().map(|(_, messages)| minutes(messages)).collect();
        read.sort();
        assert_eq!(read, [vec![-721, -720], vec![-720, -718]]);
    }
}
