//! What rules say of a call is written as it is settled, and its failures are in the group of their key with it.

use std::collections::{BTreeMap, BTreeSet};

use record::id::{MessageId, Offset, ScenarioId};
use record::time::{MINUTE, SECOND, Timestamp};
use rule::syntax::Severity;
use rule::told::Told;
use rule::verdict::Outcome;
use sqlx::AssertSqlSafe;

use super::fixture::{File, NOON, correlate, says};
use super::store_test;
use crate::Store;
use crate::alert::{Alarm, Glance, Group, GroupKey, Instance, Item, ItemState, ItemTold, News};
use crate::backend::{with_pool, with_transaction};
use crate::outgoing::{Kept, MailKind, MailState, NewMail, Reported, Room};
use crate::settle::{Due, Settled};
use crate::verdict::Judged;

pub(super) const LEASE: i64 = 60 * SECOND;

/// Long after all that was logged.
pub(super) fn later(seconds: i64) -> Timestamp {
    Timestamp(NOON.0 + 86_400 * SECOND + seconds * SECOND)
}

fn told(outcome: Outcome, failure: &str) -> Told {
    Told {
        rule: "answered".into(),
        version: 1,
        severity: Severity::Warning,
        outcome,
        failure: Some(failure.into()),
        step: Some(0),
        due: Some(NOON),
        late_by: None,
        leg: "B1".into(),
        target: "bob".into(),
        nth: None,
        start: MessageId::default(),
        began: NOON,
        ended: None,
        ending: None,
        steps: Vec::new(),
        why: None,
    }
}

pub(super) fn alarm(failure: &str, news: News) -> Alarm {
    let mut hash = [0; 8];
    failure.bytes().take(8).enumerate().for_each(|(at, byte)| hash[at] = byte);
    Alarm {
        group: GroupKey { hash, route: 0, env: "prod".into(), rule: "answered".into(), failure: failure.into() },
        news,
        severity: Severity::Warning,
        at: NOON,
        item: ItemTold {
            caller: Some("alice".into()),
            callee: Some("bob".into()),
            told: told(Outcome::Failed, failure),
            also: Vec::new(),
            facts: Vec::new(),
        },
        wait: 30 * SECOND,
    }
}

fn counted(outcome: Outcome) -> BTreeMap<(String, i64, Outcome), i64> {
    BTreeMap::from([(("answered".to_owned(), NOON.0.div_euclid(MINUTE), outcome), 1)])
}

/// One instance of one rule.
pub(super) fn judged(outcome: Outcome, failure: &str) -> Judged {
    let is_told = outcome <= Outcome::Unknown;
    Judged {
        worst: Some((outcome, is_told.then(|| failure.to_owned()), "answered".to_owned())),
        told: is_told.then(|| told(outcome, failure)).into_iter().collect(),
        counts: counted(outcome),
        alarms: (outcome == Outcome::Failed).then(|| alarm(failure, News::Fresh)).into_iter().collect(),
        open: (outcome == Outcome::Open).then(|| Instance::of(&told(outcome, failure))).into_iter().collect(),
        others: Vec::new(),
        window: None,
    }
}

/// Failures of legs, each with the offset of the message that began it.
fn begun(of: &[(&str, u64)]) -> Judged {
    let named = |(leg, offset): &(&str, u64)| {
        let mut alarm = alarm("no-ack", News::Fresh);
        let told = &mut alarm.item.told;
        (told.leg, told.start.offset, told.step) = ((*leg).to_owned(), Offset(*offset), None);
        alarm
    };
    let alarms: Vec<Alarm> = of.iter().map(named).collect();
    let told = alarms.iter().map(|alarm| alarm.item.told.clone()).collect();
    Judged { told, alarms, ..judged(Outcome::Failed, "no-ack") }
}

fn failed(news: News) -> Judged {
    Judged { alarms: vec![alarm("no-ack", news)], ..judged(Outcome::Failed, "no-ack") }
}

fn settled(due: Due, judged: Judged, next: Timestamp) -> Settled {
    let rest_until = Timestamp(0);
    Settled { due, gist: None, left: None, problems: 0, next: Some(next), rest_until, judged: Some(judged) }
}

/// Calls with these Call-IDs, by their scenarios.
async fn calls(store: &Store, ids: &[&'static str]) {
    let mut file = File::new(1);
    file.log(store, ids.iter().map(|id| says(id, 0, "INVITE"))).await;
    correlate(store, 100).await;
}

/// Judges what is due at this second; it is due again at the next.
pub(super) async fn judge(store: &Store, at: i64, judged: &Judged) -> Vec<ScenarioId> {
    let due = store.due("one", later(at), LEASE, 100).await.unwrap();
    let all: Vec<Settled> = due.iter().map(|due| settled(*due, judged.clone(), later(at + 1))).collect();
    assert_eq!(store.settle("one", &all, later(at)).await.unwrap(), due.len() as u64);
    due.into_iter().map(|due| due.id).collect()
}

/// How often the rule came to what.
async fn counts(store: &Store) -> Vec<(Outcome, i64)> {
    let counts = store.rule_counts(NOON, NOON).await.unwrap().remove("answered").unwrap_or_default();
    counts.0.into_iter().collect()
}

async fn verdicts(store: &Store, id: ScenarioId) -> Vec<(Outcome, Option<String>)> {
    let told = store.verdicts(id).await.unwrap().into_iter();
    told.map(|told| (told.outcome, told.failure)).collect()
}

/// All groups, the oldest first, with how it stands with the scenarios of each.
async fn groups(store: &Store) -> Vec<(Group, Vec<Item>)> {
    let mut groups = store.alert_groups(100).await.unwrap();
    groups.sort_by_key(|group| group.id);
    let mut all = Vec::new();
    for group in groups {
        let items = store.alert_items(group.id, 1000).await.unwrap();
        all.push((group, items));
    }
    all
}

async fn states(store: &Store) -> Vec<Vec<ItemState>> {
    groups(store).await.into_iter().map(|(_, items)| items.into_iter().map(|item| item.state).collect()).collect()
}

async fn failure(store: &Store, id: ScenarioId) -> Option<String> {
    with_pool!(store.backend, pool => {
        sqlx::query_scalar("select failure from scenario where id = $1").bind(id.0).fetch_one(pool).await.unwrap()
    })
}

pub(super) fn mail(message_id: &str, kind: MailKind) -> NewMail {
    NewMail {
        kind,
        team: "on-call".into(),
        recipients: "on-call@example.com".into(),
        message_id: message_id.into(),
        subject: "no-ack".into(),
        plain: "1 scenario did not end as expected".into(),
        mime: b"From: siptrail\r\n\r\n1 scenario".to_vec(),
        priority: 1,
        expires: later(6 * 3600),
    }
}

/// A look at a group that makes these mails, and tells of all its scenarios.
pub(super) async fn look(store: &Store, group: &Group, mails: Vec<NewMail>) -> Reported {
    let items = store.alert_items(group.id, 1000).await.unwrap();
    Reported {
        group: group.id,
        changed: group.changed,
        lease_until: group.lease_until,
        mails,
        items: items.into_iter().map(|item| (item.scenario, item.leg, item.nth)).collect(),
        older: None,
        state: b"told".to_vec(),
        due: None,
        closed: false,
    }
}

/// What was looked at in the 60th second is kept, with mails that tell of all of it.
async fn together(store: &Store, looks: &[Reported], mails: &[NewMail]) -> Kept {
    let room = Room { of_team: 0, of_all: 2 };
    store.report_together(looks, mails, room, MailState::Queued, later(60)).await.unwrap()
}

/// The group that is due at this second.
pub(super) async fn taken(store: &Store, at: i64) -> Group {
    let mut due = store.due_alerts(later(at), LEASE, 10).await.unwrap();
    assert_eq!(due.len(), 1, "one group is due");
    due.remove(0)
}

store_test! {
    async fn what_cannot_be_read_of_a_failure_keeps_no_other_from_being_reported_or_shown(store) {
        calls(&store, &["call-a", "call-b"]).await;
        let ids = judge(&store, 0, &failed(News::Fresh)).await;
        let mut tx = store.backend.begin().await.unwrap();
        with_transaction!(&mut tx, db => {
            for table in ["alert_item", "verdict"] {
                let text = format!("update {table} set told = $1 where scenario_id = $2");
                sqlx::query(AssertSqlSafe(text)).bind(&[2_u8][..]).bind(ids[0].0).execute(&mut *db).await.unwrap();
            }
        });
        tx.commit().await.unwrap();
        let group = store.alert_groups(10).await.unwrap().remove(0);
        let items = store.alert_items(group.id, 10).await.unwrap();
        let of = |id: ScenarioId| items.iter().find(|item| item.scenario == id).unwrap();
        assert_eq!(of(ids[0]).told.told.why.as_deref(), Some("what was seen is kept in a form that cannot be read"));
        assert_eq!(of(ids[1]).told.told.failure.as_deref(), Some("no-ack"));
        assert_eq!(store.alert_items_after(group.id, None, 10).await.unwrap().len(), 2);
        assert_eq!((store.verdicts(ids[0]).await.unwrap().len(), store.verdicts(ids[1]).await.unwrap().len()), (0, 1));
        for failure in store.failed(Timestamp(0), Timestamp(i64::MAX), 10).await.unwrap() {
            assert_eq!(store.told(&failure).await.unwrap().is_some(), failure.scenario == ids[1]);
        }
    }

    async fn a_verdict_and_its_alert_are_written_as_the_call_is_settled_and_not_without_it(store) {
        calls(&store, &["a"]).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let again = store.due("two", later(61), LEASE, 10).await.unwrap();
        let all = [settled(due[0], failed(News::Fresh), later(500))];
        assert_eq!(store.settle("one", &all, later(62)).await.unwrap(), 0, "another has taken it");
        assert_eq!((verdicts(&store, due[0].id).await, counts(&store).await), (vec![], vec![]));
        assert_eq!(groups(&store).await, []);
        let all = [settled(again[0], failed(News::Fresh), later(500))];
        assert_eq!(store.settle("two", &all, later(63)).await.unwrap(), 1);
        assert_eq!(verdicts(&store, due[0].id).await, [(Outcome::Failed, Some("no-ack".to_owned()))]);
        assert_eq!(counts(&store).await, [(Outcome::Failed, 1)]);
        let groups = groups(&store).await;
        let (group, items) = &groups[0];
        assert_eq!((group.key.failure.as_str(), group.items, group.mails, items.len()), ("no-ack", 1, 0, 1));
        assert_eq!((items[0].scenario, items[0].state, items[0].reported), (due[0].id, ItemState::Failed, None));
        assert_eq!(store.due_alerts(later(92), LEASE, 10).await.unwrap(), [], "a new group waits for others");
        assert_eq!(taken(&store, 93).await.id, group.id);
    }

    async fn groups_of_which_one_mail_tells_show_it_each_and_what_came_meanwhile_is_looked_at_again(store) {
        calls(&store, &["a", "b"]).await;
        let two = Judged { alarms: vec![alarm("no-ack", News::Fresh), alarm("no-bye", News::Fresh)], ..failed(News::Fresh) };
        judge(&store, 0, &two).await;
        let taken = store.due_alerts(later(30), LEASE, 10).await.unwrap();
        for group in &taken {
            store.hold(group, later(90), later(30)).await.unwrap();
        }
        assert_eq!(store.due_alerts(later(89), LEASE, 10).await.unwrap(), []);
        assert_eq!(store.held_since(&[7]).await.unwrap(), None, "of another route");
        assert_eq!(store.held_since(&[7, 0]).await.unwrap(), Some(later(30)));
        let held = store.held_alerts(&[0], later(60), LEASE, 10).await.unwrap();
        assert_eq!(held.iter().map(|group| group.id).collect::<Vec<_>>(), [taken[0].id, taken[1].id]);
        assert_eq!(store.held_alerts(&[0], later(60), LEASE, 10).await.unwrap(), [], "they are taken");
        let mut looks = Vec::new();
        for group in &held {
            looks.push(look(&store, group, Vec::new()).await);
        }
        // One of a call is not missing after all.
        let one = Judged { alarms: vec![alarm("no-ack", News::Fresh)], ..failed(News::Fresh) };
        judge(&store, 61, &one).await;
        let mails = ["1", "2"].map(|id| mail(id, MailKind::Storm));
        let stale = [looks[0].clone(), Reported { lease_until: later(1), ..looks[1].clone() }];
        assert_eq!(together(&store, &stale, &mails).await, Kept::Changed);
        assert_eq!(store.mails(None, 10).await.unwrap(), [], "another has one of them");
        // Who cannot keep what it found lets go of the group.
        let again = store.held_alerts(&[0], later(62), LEASE, 10).await.unwrap();
        assert_eq!(again.iter().map(|group| group.id).collect::<Vec<_>>(), [held[0].id]);
        looks[0].lease_until = again[0].lease_until;
        assert_eq!(together(&store, &looks, &mails).await, Kept::Yes);
        for (group, items) in groups(&store).await {
            assert_eq!((group.mails, group.reported), (2, Some(later(60))));
            let mails = store.mails(Some(group.id), 10).await.unwrap();
            assert_eq!(mails.iter().map(|mail| mail.message_id.as_str()).collect::<Vec<_>>(), ["2", "1"]);
            let is_news = |item: &Item| item.reported.is_none_or(|at| item.changed > at);
            let news = items.iter().filter(|item| is_news(item)).count();
            assert_eq!(news, if group.key.failure == "no-bye" { 2 } else { 0 });
        }
        assert_eq!(store.held_since(&[0]).await.unwrap(), None);
        let due = store.due_alerts(later(65), LEASE, 10).await.unwrap();
        assert_eq!(due.iter().map(|group| group.key.failure.as_str()).collect::<Vec<_>>(), ["no-bye"], "it has changed");
    }

    async fn how_many_of_a_group_are_new_and_whether_on_another_host_is_known_without_them(store) {
        calls(&store, &["a", "b"]).await;
        let on = |leg: &str, host: &str| {
            let mut alarm = alarm("no-ack", News::Fresh);
            alarm.item.told.leg = leg.into();
            alarm.item.facts.push(("host".into(), host.into()));
            alarm
        };
        let mut alarms = vec![on("B1", "sbc-1"), on("B2", "sbc-1")];
        judge(&store, 0, &Judged { alarms: alarms.clone(), ..failed(News::Fresh) }).await;
        let group = taken(&store, 30).await;
        let glance = async || store.glance(group.id).await.unwrap();
        assert_eq!(glance().await, Glance { unreported: 4, new_host: true });
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        assert_eq!(glance().await, Glance::default());
        alarms.push(on("B3", "sbc-1"));
        judge(&store, 40, &Judged { alarms: alarms.clone(), ..failed(News::Fresh) }).await;
        assert_eq!(glance().await, Glance { unreported: 2, new_host: false });
        alarms.push(on("B4", "sbc-2"));
        judge(&store, 41, &Judged { alarms: alarms.clone(), ..failed(News::Fresh) }).await;
        assert_eq!(glance().await, Glance { unreported: 4, new_host: true });
        // Where it began is known better by now.
        alarms[3] = on("B4", "sbc-1");
        judge(&store, 42, &Judged { alarms, ..failed(News::Fresh) }).await;
        assert_eq!(glance().await, Glance { unreported: 4, new_host: false });
        let ids: Vec<ScenarioId> = store.alert_items(group.id, 10).await.unwrap().iter().map(|item| item.scenario).collect();
        let all: BTreeSet<ScenarioId> = ids.iter().copied().collect();
        assert_eq!(store.failing_of("answered", &ids).await.unwrap(), all);
        assert_eq!(store.failing_of("another", &ids).await.unwrap(), BTreeSet::new());
        assert_eq!(store.failing_of("answered", &ids[..1]).await.unwrap(), BTreeSet::from([ids[0]]));
        judge(&store, 43, &judged(Outcome::Ok, "")).await;
        assert_eq!((glance().await, store.failing_of("answered", &ids).await.unwrap().len()), (Glance::default(), 0));
    }

    async fn what_is_judged_otherwise_is_written_counted_and_reported_otherwise(store) {
        calls(&store, &["a"]).await;
        let id = judge(&store, 0, &judged(Outcome::Failed, "no-ack")).await[0];
        assert_eq!(states(&store).await, [[ItemState::Failed]]);
        judge(&store, 1, &judged(Outcome::Late, "no-ack")).await;
        assert_eq!(verdicts(&store, id).await, [(Outcome::Late, Some("no-ack".to_owned()))]);
        assert_eq!((counts(&store).await, states(&store).await), (vec![(Outcome::Late, 1)], vec![vec![ItemState::Late]]));
        judge(&store, 2, &judged(Outcome::Ok, "")).await;
        assert_eq!(verdicts(&store, id).await, []);
        assert_eq!((counts(&store).await, states(&store).await), (vec![(Outcome::Ok, 1)], vec![vec![ItemState::Gone]]));
        judge(&store, 3, &judged(Outcome::Failed, "no-ack")).await;
        assert_eq!((counts(&store).await, states(&store).await), (vec![(Outcome::Failed, 1)], vec![vec![ItemState::Failed]]));
    }

    async fn what_was_reported_stands_while_nobody_can_tell_any_more(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &judged(Outcome::Failed, "no-ack")).await;
        let group = taken(&store, 30).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        let item = async || groups(&store).await[0].1[0].clone();
        // A log is read again, or its agent is silent.
        for (at, outcome) in [(31, Outcome::Open), (32, Outcome::Unknown), (33, Outcome::Failed)] {
            judge(&store, at, &judged(outcome, "no-ack")).await;
            assert_eq!((item().await.state, item().await.reported), (ItemState::Failed, Some(later(30))), "{outcome:?}");
        }
        judge(&store, 34, &judged(Outcome::Unknown, "no-ack")).await;
        judge(&store, 35, &judged(Outcome::Ok, "")).await;
        assert_eq!(item().await.state, ItemState::Gone);
        // It failed after all, and no mail has said meanwhile that it did not.
        judge(&store, 36, &judged(Outcome::Failed, "no-ack")).await;
        assert_eq!((item().await.state, item().await.reported), (ItemState::Failed, Some(later(30))));
    }

    async fn what_fails_again_after_it_was_told_that_it_is_over_is_new(store) {
        calls(&store, &["a"]).await;
        for (at, outcome) in [(0, Outcome::Failed), (100, Outcome::Ok)] {
            judge(&store, at, &judged(outcome, "no-ack")).await;
            let group = taken(&store, at + 30).await;
            let reported = look(&store, &group, vec![mail(&at.to_string(), MailKind::Firing)]).await;
            assert!(store.report(&reported, MailState::Queued, later(at + 30)).await.unwrap());
        }
        judge(&store, 200, &judged(Outcome::Failed, "no-ack")).await;
        let (_, items) = groups(&store).await.remove(0);
        assert_eq!((items[0].state, items[0].reported), (ItemState::Failed, None));
    }

    async fn a_failure_whose_leg_gets_another_name_is_the_same_failure(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &judged(Outcome::Failed, "no-ack")).await;
        let group = taken(&store, 30).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        let named = |leg: &str| {
            let mut named = judged(Outcome::Failed, "no-ack");
            named.told[0].leg = leg.to_owned();
            named.alarms[0].item.told.leg = leg.to_owned();
            named
        };
        // While somebody looks at the group: what was seen of it by the old name is not kept.
        judge(&store, 30, &named("C1")).await;
        assert!(!store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        let group = taken(&store, 95).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&reported, MailState::Queued, later(95)).await.unwrap());
        judge(&store, 100, &named("D1")).await;
        let (_, items) = groups(&store).await.remove(0);
        assert_eq!(items.len(), 1, "{items:?}");
        let Item { leg, told, state, reported, .. } = &items[0];
        assert_eq!((leg.as_str(), told.told.leg.as_str()), ("D1", "D1"));
        assert_eq!((*state, *reported), (ItemState::Failed, Some(later(95))));
        // Another that fails beside it is another.
        let mut both = named("D1");
        both.alarms.extend(named("D2").alarms);
        judge(&store, 101, &both).await;
        let (_, items) = groups(&store).await.remove(0);
        assert_eq!(items.iter().filter(|item| item.reported.is_none()).map(|item| item.leg.as_str()).collect::<Vec<_>>(), ["D2"]);
    }

    async fn of_failures_that_swap_names_each_stays_what_it_was(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &begun(&[("B1", 1)])).await;
        let group = taken(&store, 30).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        let is = async |expect: [(&str, u64, bool); 2]| {
            let (_, items) = groups(&store).await.remove(0);
            let mut found: Vec<_> = items
                .iter()
                .map(|item| (item.leg.as_str(), item.told.told.start.offset.0, item.reported.is_some()))
                .collect();
            found.sort_unstable();
            assert_eq!(found, expect);
            assert!(items.iter().all(|item| item.state == ItemState::Failed), "{items:?}");
        };
        judge(&store, 31, &begun(&[("B1", 1), ("B2", 2)])).await;
        is([("B1", 1, true), ("B2", 2, false)]).await;
        judge(&store, 32, &begun(&[("B1", 2), ("B2", 1)])).await;
        is([("B1", 2, false), ("B2", 1, true)]).await;
        judge(&store, 33, &begun(&[("B2", 2), ("B3", 1)])).await;
        is([("B2", 2, false), ("B3", 1, true)]).await;
        let id = store.alert_items(group.id, 10).await.unwrap()[0].scenario;
        let places = store.former_places(id).await.unwrap();
        let were = ["answered.end.B1", "answered.end.B2"].map(str::to_owned).to_vec();
        assert_eq!(places, BTreeMap::from([("answered.end.B3".to_owned(), were)]));
    }

    async fn a_failure_that_is_gone_is_not_taken_for_another_that_is_new(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &begun(&[("B1", 1)])).await;
        let group = taken(&store, 30).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        // What was missing came after all, and at another device it did not.
        let mut other = begun(&[("B2", 2)]);
        other.others.push((1, MessageId { offset: Offset(1), ..MessageId::default() }));
        judge(&store, 31, &other).await;
        let (_, items) = groups(&store).await.remove(0);
        let found: Vec<_> = items.iter().map(|item| (item.leg.as_str(), item.state, item.reported.is_some())).collect();
        assert_eq!(found, [("B1", ItemState::Gone, true), ("B2", ItemState::Failed, false)]);
        // It came too late: it is still there.
        judge(&store, 32, &begun(&[("B2", 2)])).await;
        let mut late = begun(&[("B3", 3)]);
        late.told.push(Told { leg: "B2".into(), ..told(Outcome::Late, "no-ack") });
        judge(&store, 33, &late).await;
        let (_, items) = groups(&store).await.remove(0);
        let found: Vec<_> = items.iter().map(|item| (item.leg.as_str(), item.state)).collect();
        assert_eq!(found, [("B1", ItemState::Gone), ("B2", ItemState::Late), ("B3", ItemState::Failed)]);
    }

    async fn two_collectors_that_rename_failures_of_the_same_groups_do_not_wait_for_each_other(store) {
        calls(&store, &["a", "b"]).await;
        let of = |round: i64, failures: [&str; 2]| {
            let mut judged = judged(Outcome::Failed, failures[0]);
            judged.alarms = failures.map(|failure| alarm(failure, News::Fresh)).to_vec();
            for told in judged.told.iter_mut().chain(judged.alarms.iter_mut().map(|alarm| &mut alarm.item.told)) {
                told.leg = format!("B{round}");
            }
            judged
        };
        for round in 0..20 {
            let at = later(round);
            let mut work = Vec::new();
            for (owner, failures) in [("one", ["no-ack", "no-bye"]), ("two", ["no-bye", "no-ack"])] {
                let due = store.due(owner, at, LEASE, 1).await.unwrap();
                let all = [settled(due[0], of(round, failures), later(round + 1))];
                let store = store.clone();
                work.push(tokio::spawn(async move { store.settle(owner, &all, at).await.unwrap() }));
            }
            for one in work {
                assert_eq!(one.await.unwrap(), 1);
            }
        }
        let legs: Vec<Vec<String>> =
            groups(&store).await.into_iter().map(|(_, items)| items.into_iter().map(|item| item.leg).collect()).collect();
        assert_eq!(legs, [["B19", "B19"], ["B19", "B19"]]);
    }

    async fn of_scenarios_that_turn_out_to_be_one_failures_of_one_name_are_both_kept(store) {
        let mut file = File::new(1);
        file.log(&store, [says("call-a", 0, "INVITE"), says("call-b", 1, "INVITE")]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let all = [(due[0], 1), (due[1], 2)].map(|(due, start)| settled(due, begun(&[("A", start)]), later(1)));
        store.settle("one", &all, later(0)).await.unwrap();
        let group = taken(&store, 30).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        file.log(&store, [says("call-c", 2, "INVITE").key("call", "call-a").key("call", "call-b")]).await;
        correlate(&store, 100).await;
        judge(&store, 40, &begun(&[("A", 1), ("C", 2)])).await;
        let (_, items) = groups(&store).await.remove(0);
        let found: Vec<_> = items.iter().map(|item| (item.leg.as_str(), item.state, item.reported)).collect();
        assert_eq!(found, [("A", ItemState::Failed, Some(later(30))), ("C", ItemState::Failed, Some(later(30)))]);
    }

    async fn another_failure_of_the_same_rule_takes_the_place_of_the_first(store) {
        calls(&store, &["a"]).await;
        let id = judge(&store, 0, &judged(Outcome::Failed, "no-ack")).await[0];
        judge(&store, 1, &judged(Outcome::Failed, "no-bye")).await;
        assert_eq!(failure(&store, id).await.as_deref(), Some("no-bye"));
        assert_eq!(verdicts(&store, id).await, [(Outcome::Failed, Some("no-bye".to_owned()))]);
        assert_eq!((counts(&store).await, states(&store).await), (vec![(Outcome::Failed, 1)], vec![vec![ItemState::Gone], vec![ItemState::Failed]]));
    }

    async fn a_call_that_is_judged_ten_times_counts_once(store) {
        calls(&store, &["a", "b"]).await;
        for at in 0..10 {
            let outcome = [Outcome::Failed, Outcome::Failed, Outcome::Late, Outcome::Ok][at as usize % 4];
            assert_eq!(judge(&store, at, &judged(outcome, "no-ack")).await.len(), 2);
            assert_eq!(counts(&store).await, [(outcome, 2)]);
        }
        let groups = groups(&store).await;
        assert_eq!((groups.len(), groups[0].0.items, groups[0].1.len()), (1, 2, 2));
    }

    async fn of_one_key_one_group_is_open_though_two_collectors_find_its_first_failures(store) {
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
        calls(&store, &ids).await;
        let mut work = Vec::new();
        for at in 0..4 {
            let owner = ["one", "two"][at % 2];
            let due = store.due(owner, later(0), LEASE, 2).await.unwrap();
            let all: Vec<Settled> = due.into_iter().map(|due| settled(due, failed(News::Fresh), later(500))).collect();
            let store = store.clone();
            work.push(tokio::spawn(async move { store.settle(owner, &all, later(0)).await.unwrap() }));
        }
        for one in work {
            assert_eq!(one.await.unwrap(), 2);
        }
        let groups = groups(&store).await;
        assert_eq!((groups.len(), groups[0].0.items, groups[0].1.len()), (1, 8, 8));
        assert_eq!(counts(&store).await, [(Outcome::Failed, 8)]);
    }

    async fn a_group_that_changes_while_it_is_looked_at_is_looked_at_again(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &failed(News::Fresh)).await;
        let group = taken(&store, 30).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        // At the same time, as clocks show it.
        let due = store.due("one", later(30), LEASE, 10).await.unwrap();
        store.settle("one", &[settled(due[0], judged(Outcome::Late, "no-ack"), later(500))], group.changed).await.unwrap();
        assert!(!store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        assert_eq!(store.mails(None, 10).await.unwrap(), []);
        let again = taken(&store, 31).await;
        assert_eq!((again.id, again.mails, again.state), (group.id, 0, None));
        assert_eq!(groups(&store).await[0].1[0].reported, None);
    }

    async fn a_group_that_another_looks_at_by_now_is_reported_by_that_one_alone(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &failed(News::Fresh)).await;
        let slow = taken(&store, 30).await;
        let of_slow = look(&store, &slow, vec![mail("1", MailKind::Firing)]).await;
        assert_eq!(store.due_alerts(later(60), LEASE, 10).await.unwrap(), []);
        let other = taken(&store, 91).await;
        let of_other = look(&store, &other, vec![mail("2", MailKind::Firing)]).await;
        assert!(!store.report(&of_slow, MailState::Queued, later(92)).await.unwrap());
        assert!(store.report(&of_other, MailState::Queued, later(93)).await.unwrap());
        assert!(!store.report(&of_slow, MailState::Queued, later(94)).await.unwrap());
        let mails: Vec<String> = store.mails(None, 10).await.unwrap().into_iter().map(|mail| mail.message_id).collect();
        assert_eq!(mails, ["2"]);
    }

    async fn a_mail_is_never_without_the_state_of_its_group_nor_that_without_the_mail(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &failed(News::Fresh)).await;
        let group = taken(&store, 30).await;
        // The second cannot be written.
        let broken = look(&store, &group, vec![mail("1", MailKind::Firing), mail("1", MailKind::Firing)]).await;
        assert!(store.report(&broken, MailState::Queued, later(30)).await.is_err());
        assert_eq!(store.mails(None, 10).await.unwrap(), []);
        let (kept, items) = groups(&store).await.remove(0);
        assert_eq!((kept.mails, kept.reported, kept.state, items[0].reported), (0, None, None, None));
        let right = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&right, MailState::Queued, later(31)).await.unwrap());
        let (kept, items) = groups(&store).await.remove(0);
        assert_eq!((kept.mails, kept.reported, items[0].reported), (1, Some(later(31)), Some(later(31))));
        assert_eq!(kept.state.as_deref(), Some(&b"told"[..]));
        let mails = store.mails(Some(group.id), 10).await.unwrap();
        assert_eq!(mails.iter().map(|mail| (mail.message_id.as_str(), mail.state)).collect::<Vec<_>>(), [("1", MailState::Queued)]);
    }

    async fn of_hundreds_those_that_a_mail_tells_of_are_marked_and_the_others_are_said_anew(store) {
        calls(&store, &["a"]).await;
        let many = |target: &str| {
            let of = |nth| {
                let mut alarm = alarm("no-ack", News::Fresh);
                (alarm.item.told.nth, alarm.item.told.target) = (Some(nth), target.to_owned());
                alarm
            };
            Judged { alarms: (0..450).map(of).collect(), ..failed(News::Fresh) }
        };
        judge(&store, 0, &many("bob")).await;
        let group = taken(&store, 30).await;
        let mut mails = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        mails.items.retain(|(_, _, nth)| nth % 3 > 0);
        assert!(store.report(&mails, MailState::Queued, later(30)).await.unwrap());
        judge(&store, 31, &many("carol")).await;
        let items = store.alert_items(group.id, 1000).await.unwrap();
        assert_eq!(items.len(), 450);
        for item in &items {
            let (reported, target) = if item.nth % 3 > 0 { (Some(later(30)), "bob") } else { (None, "carol") };
            assert_eq!((item.reported, item.told.told.target.as_str()), (reported, target), "{}", item.nth);
        }
        judge(&store, 32, &judged(Outcome::Ok, "")).await;
        let items = store.alert_items(group.id, 1000).await.unwrap();
        assert!(items.iter().all(|item| (item.state, item.changed) == (ItemState::Gone, later(32))));
        let changed = store.alert_group(group.key.hash).await.unwrap().unwrap().changed;
        assert_eq!(changed, later(32));
    }

    async fn what_fails_after_a_look_is_not_counted_among_those_that_its_mail_gives_the_number_of(store) {
        calls(&store, &["a", "b"]).await;
        let first = store.due("one", later(0), LEASE, 1).await.unwrap();
        let judged = settled(first[0], failed(News::Fresh), later(1));
        assert_eq!(store.settle("one", &[judged], later(0)).await.unwrap(), 1);
        let group = taken(&store, 30).await;
        let by_number = Reported { items: Vec::new(), older: Some(NOON), ..look(&store, &group, Vec::new()).await };
        judge(&store, 31, &failed(News::Fresh)).await;
        assert_eq!(together(&store, &[by_number], &[mail("1", MailKind::Storm)]).await, Kept::Yes);
        let items = groups(&store).await.remove(0).1;
        let reported: Vec<bool> = items.iter().map(|item| item.scenario == first[0].id).collect();
        assert_eq!(items.iter().map(|item| item.reported.is_some()).collect::<Vec<_>>(), reported);
        assert_eq!(items.len(), 2);
    }

    async fn a_closed_group_is_looked_at_no_more_and_what_fails_after_it_opens_another(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &failed(News::Fresh)).await;
        judge(&store, 1, &judged(Outcome::Late, "no-ack")).await;
        let group = taken(&store, 30).await;
        let closing = Reported { closed: true, due: Some(later(40)), ..look(&store, &group, Vec::new()).await };
        assert!(store.report(&closing, MailState::Queued, later(30)).await.unwrap());
        assert_eq!(store.due_alerts(later(1000), LEASE, 10).await.unwrap(), []);
        judge(&store, 50, &failed(News::Fresh)).await;
        let groups = groups(&store).await;
        let open: Vec<bool> = groups.iter().map(|(group, _)| group.closed.is_none()).collect();
        assert_eq!(open, [false, true]);
        assert_eq!(groups[1].1[0].state, ItemState::Failed);
        assert_eq!(store.alert_group(group.key.hash).await.unwrap().unwrap().id, groups[1].0.id);
        judge(&store, 51, &failed(News::Fresh)).await;
        assert_eq!(states(&store).await, [[ItemState::Late], [ItemState::Failed]]);
    }

    async fn an_old_failure_opens_no_alert_and_takes_none_back(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &failed(News::Old)).await;
        assert_eq!(groups(&store).await, []);
        judge(&store, 1, &failed(News::Fresh)).await;
        judge(&store, 2, &failed(News::Old)).await;
        assert_eq!(states(&store).await, [[ItemState::Failed]]);
    }

    async fn what_another_failure_explains_is_not_reported_any_more_and_stands_where_it_was(store) {
        calls(&store, &["a"]).await;
        judge(&store, 0, &failed(News::Fresh)).await;
        judge(&store, 1, &failed(News::Explained)).await;
        assert_eq!(states(&store).await, [[ItemState::Gone]], "it was not reported");
        judge(&store, 2, &failed(News::Fresh)).await;
        let group = taken(&store, 30).await;
        let reported = look(&store, &group, vec![mail("1", MailKind::Firing)]).await;
        assert!(store.report(&reported, MailState::Queued, later(30)).await.unwrap());
        judge(&store, 31, &failed(News::Explained)).await;
        assert_eq!(states(&store).await, [[ItemState::Failed]]);
    }

    async fn scenarios_that_turn_out_to_be_one_are_counted_and_reported_as_one(store) {
        let mut file = File::new(1);
        file.log(&store, [says("call-a", 0, "INVITE"), says("call-b", 1, "INVITE")]).await;
        correlate(&store, 100).await;
        let ids = judge(&store, 0, &judged(Outcome::Failed, "no-ack")).await;
        assert_eq!(counts(&store).await, [(Outcome::Failed, 2)]);
        file.log(&store, [says("call-c", 2, "INVITE").key("call", "call-a").key("call", "call-b")]).await;
        correlate(&store, 100).await;
        assert_eq!((verdicts(&store, ids[1]).await, counts(&store).await), (vec![], vec![(Outcome::Failed, 1)]));
        let (group, items) = groups(&store).await.remove(0);
        assert_eq!(items.iter().map(|item| item.scenario).collect::<Vec<_>>(), [ids[0]]);
        assert_eq!(group.closed, None);
        // Together they went well.
        judge(&store, 10, &judged(Outcome::Ok, "")).await;
        assert_eq!((counts(&store).await, states(&store).await), (vec![(Outcome::Ok, 1)], vec![vec![ItemState::Gone]]));
    }

    async fn a_failure_of_a_part_is_taken_back_with_the_whole_that_had_none(store) {
        let mut file = File::new(1);
        file.log(&store, [says("call-a", 0, "INVITE"), says("call-b", 1, "INVITE")]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let all = [settled(due[0], judged(Outcome::Ok, ""), later(500)), settled(due[1], failed(News::Fresh), later(500))];
        store.settle("one", &all, later(0)).await.unwrap();
        file.log(&store, [says("call-c", 2, "INVITE").key("call", "call-a").key("call", "call-b")]).await;
        correlate(&store, 100).await;
        assert_eq!(failure(&store, due[0].id).await.as_deref(), Some("no-ack"));
        judge(&store, 10, &judged(Outcome::Ok, "")).await;
        assert_eq!((counts(&store).await, states(&store).await), (vec![(Outcome::Ok, 1)], vec![vec![ItemState::Gone]]));
        assert_eq!(failure(&store, due[0].id).await, None);
    }
}
