//! Calls are settled: what was worked out of their messages stands in lists, for the version it was worked out of.

use std::collections::BTreeSet;

use message::event::CallClass;
use message::flow::Log;
use message::gist::Gist;
use message::kind::Kind;
use message::learned::Learned;
use message::machine::Machine;
use record::id::ScenarioId;
use record::time::{SECOND, Timestamp};
use rule::verdict::Outcome;

use super::alert::judged as judged_as;
use super::correlate::only;
use super::fixture::{File, NOON, Says, correlate, says};
use super::store_test;
use crate::Store;
use crate::scenario::ScenarioRow;
use crate::search::Filter;
use crate::settle::{Due, Settled};
use crate::verdict::Judged;

const LEASE: i64 = 60 * SECOND;

/// Long after all that was logged.
fn later(seconds: i64) -> Timestamp {
    Timestamp(i64::MAX / 2 + seconds * SECOND)
}

fn gist() -> Gist {
    Gist {
        status: Some(500),
        rang: Some(NOON),
        begun: Some(NOON),
        answered: None,
        ended: None,
        closed: None,
        talked: None,
        answered_by: Some("carol".into()),
        transferred_to: Some("dave".into()),
        legs: 3,
        devices: 2,
        problems: 2,
        tried: Vec::new(),
    }
}

/// A call that is due.
fn of(id: ScenarioId, version: i64, again: bool) -> Due {
    Due { id, version, class: CallClass::Call, from: None, again }
}

fn settled(due: Due) -> Settled {
    Settled { due, gist: Some(gist()), left: None, problems: 2, next: None, rest_until: Timestamp(0), judged: None }
}

async fn call(store: &Store, more: Vec<Says>) -> (File, ScenarioId) {
    let mut file = File::new(1);
    file.log(store, [says("a", 0, "INVITE"), says("a", 2, "INVITE").status(200)]).await;
    for one in more {
        file.log(store, [one]).await;
    }
    correlate(store, 100).await;
    (file, only(store).await.row.subject.scenario().unwrap())
}

async fn listed(store: &Store, status: u16) -> Vec<ScenarioRow> {
    let filter = Filter { final_status: Some((status, status)), ..Filter::default() };
    store.search(&filter, None, 10).await.unwrap().rows
}

store_test! {
    async fn a_call_is_due_after_it_changed_and_is_listed_as_it_was_settled(store) {
        let (_, id) = call(&store, Vec::new()).await;
        assert_eq!(store.due("one", NOON, LEASE, 10).await.unwrap(), []);
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        assert_eq!(due, [of(id, 1, false)]);
        let messages = store.due_messages(&due).await.unwrap();
        assert_eq!(messages.iter().map(|(due, all)| (due.id, all.len())).collect::<Vec<_>>(), [(id, 2)]);
        assert_eq!((listed(&store, 200).await.len(), listed(&store, 500).await.len()), (1, 0));
        assert_eq!(listed(&store, 200).await[0].problems, None);
        assert_eq!(store.settle("one", &[settled(due[0])], NOON).await.unwrap(), 1);
        assert_eq!(listed(&store, 200).await, []);
        let row = &listed(&store, 500).await[0];
        assert_eq!((row.status, row.answered_by.as_deref(), row.problems), (Some(500), Some("carol"), Some(2)));
        assert_eq!((row.legs, row.devices, row.version), (3, 2, 1));
        assert_eq!(row.transferred_to.as_deref(), Some("dave"));
        let transferred = async || {
            let filter = Filter { transferred: true, ..Filter::default() };
            store.search(&filter, None, 10).await.unwrap().rows.len()
        };
        assert_eq!(transferred().await, 1);
        assert_eq!(store.due("one", later(100), LEASE, 10).await.unwrap(), []);
    }

    // A second 2xx that was hung up at once is no end of the call.
    async fn a_call_goes_on_and_ends_as_it_was_settled(store) {
        let byes = vec![says("a", 3, "BYE"), says("a", 4, "BYE").status(200)];
        let (mut file, id) = call(&store, byes).await;
        let going = Filter { ongoing: true, ..Filter::default() };
        let found = async || store.search(&going, None, 10).await.unwrap().rows;
        assert_eq!(only(&store).await.row.ended, Some(Timestamp(NOON.0 + 4 * SECOND)));
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let open = Gist { status: Some(200), ..gist() };
        let rest_until = Timestamp(0);
        let settle = async |due: Due, gist: &Gist| {
            let settled = Settled { gist: Some(gist.clone()), rest_until, ..settled(due) };
            assert_eq!(store.settle("one", &[settled], NOON).await.unwrap(), 1);
        };
        settle(due[0], &open).await;
        let told = async || found().await.iter().map(|row| (row.ending, row.ended)).collect::<Vec<_>>();
        assert_eq!(told().await, [(None, None)]);
        // What is settled stands until it is settled again.
        file.log(&store, [says("a", 60, "BYE"), says("a", 61, "BYE").status(200)]).await;
        correlate(&store, 100).await;
        assert_eq!(told().await, [(None, None)]);
        let due = store.due("one", later(200), LEASE, 10).await.unwrap();
        assert_eq!(due, [of(id, 2, false)]);
        let at = |second: i64| Some(Timestamp(NOON.0 + second * SECOND));
        settle(due[0], &Gist { ended: at(60), closed: at(61), ..open }).await;
        let row = only(&store).await.row;
        assert_eq!((found().await.len(), row.ending, row.ended), (0, at(60), at(61)));
    }

    async fn a_registration_that_was_taken_back_ends_then_until_something_new_comes(store) {
        let mut file = File::new(1);
        file.log(&store, [says("r", 0, "REGISTER").class(CallClass::Registration)]).await;
        correlate(&store, 100).await;
        let left = Some(Timestamp(NOON.0 + SECOND));
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        store.settle("one", &[Settled { gist: None, left, ..settled(due[0]) }], NOON).await.unwrap();
        let ending = async || {
            let filter = Filter { classes: vec![CallClass::Registration], ..Filter::default() };
            store.search(&filter, None, 10).await.unwrap().rows[0].ending
        };
        assert_eq!(ending().await, left);
        file.log(&store, [says("r", 9, "REGISTER").class(CallClass::Registration)]).await;
        correlate(&store, 100).await;
        assert_eq!(ending().await, None);
    }

    async fn a_scenario_without_an_invite_is_listed_as_its_messages_say_also_once_it_is_settled(store) {
        let mut file = File::new(1);
        file.log(&store, [says("m", 0, "MESSAGE").class(CallClass::Message)]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        store.settle("one", &[Settled { gist: None, problems: 0, ..settled(due[0]) }], NOON).await.unwrap();
        file.log(&store, [says("m", 9, "MESSAGE").class(CallClass::Message).status(486)]).await;
        correlate(&store, 100).await;
        assert_eq!(only(&store).await.row.status, Some(486));
    }

    async fn a_call_is_found_by_what_its_caller_got_in_any_attempt(store) {
        call(&store, Vec::new()).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let tried = |tried: &[u16]| Settled { gist: Some(Gist { tried: tried.to_vec(), ..gist() }), ..settled(due[0]) };
        store.settle("one", &[tried(&[486, 404, 486])], NOON).await.unwrap();
        let found = async |least: u16, most: u16| {
            let rows = async |filter| store.search(&filter, None, 10).await.unwrap().rows.len();
            let filter = Filter { final_status: Some((least, most)), ..Filter::default() };
            let from = Filter { from: Some(NOON), ..filter.clone() };
            assert_eq!(rows(filter.clone()).await, rows(from).await);
            rows(filter).await
        };
        assert_eq!([found(500, 500).await, found(486, 486).await, found(400, 410).await, found(100, 699).await], [1; 4]);
        assert_eq!([found(487, 487).await, found(200, 299).await], [0; 2]);
    }

    async fn how_far_settling_is_behind_is_known(store) {
        let mut file = File::new(1);
        file.log(&store, [says("a", 0, "INVITE")]).await;
        correlate(&store, 100).await;
        assert_eq!(store.late(NOON).await.unwrap(), None);
        let late = store.late(later(0)).await.unwrap().unwrap();
        assert_eq!(late.scenarios, 1);
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        assert_eq!(store.late(later(0)).await.unwrap(), Some(late), "it is being settled");
        store.settle("one", &[settled(due[0])], NOON).await.unwrap();
        assert_eq!(store.late(later(0)).await.unwrap(), None);
    }

    async fn a_scenario_is_found_by_what_rules_say_of_it(store) {
        let (_, id) = call(&store, Vec::new()).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let found = async |outcomes: &[Outcome], failure: Option<&str>, rule: Option<&str>| {
            let (failure, rule) = (failure.map(String::from), rule.map(String::from));
            let filter = Filter { outcomes: outcomes.to_vec(), failure, rule, ..Filter::default() };
            store.search(&filter, None, 10).await.unwrap().rows.len()
        };
        assert_eq!(found(&[], None, None).await + found(&[Outcome::Ok, Outcome::Failed], None, None).await, 1);
        let worst = (Outcome::Failed, Some("no-ack".to_owned()), "answered-no-ack".to_owned());
        let judged = Some(Judged { worst: Some(worst.clone()), ..Judged::default() });
        store.settle("one", &[Settled { judged, ..settled(due[0]) }], NOON).await.unwrap();
        assert_eq!(store.worst(id).await.unwrap(), Some(worst));
        assert_eq!(found(&[Outcome::Failed], None, None).await, 1);
        assert_eq!(found(&[Outcome::Late, Outcome::Ok], None, None).await, 0);
        assert_eq!(found(&[], Some("no-ack"), None).await + found(&[], None, Some("answered-no-ack")).await, 2);
        assert_eq!(found(&[], Some("no-bye"), None).await + found(&[Outcome::Late], Some("no-ack"), None).await, 0);
        let row = &store.search(&Filter::default(), None, 10).await.unwrap().rows[0];
        assert_eq!((row.outcome, row.failure.as_deref(), row.rule.as_deref()), (Some(Outcome::Failed), Some("no-ack"), Some("answered-no-ack")));
    }

    async fn what_rules_may_say_otherwise_by_now_is_due_again_as_far_as_it_is_recent(store) {
        let mut file = File::new(1);
        let registration = Says { class: CallClass::Registration, ..says("r", 1_800, "REGISTER") };
        file.log(&store, [says("old", 0, "INVITE"), registration, says("new", 1_801, "INVITE")]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let all: Vec<Settled> = due.iter().map(|due| settled(*due)).collect();
        assert_eq!(store.settle("one", &all, NOON).await.unwrap(), 3);
        assert_eq!(store.due("one", later(100), LEASE, 10).await.unwrap(), []);
        let since = Timestamp(NOON.0 + 1_000 * SECOND);
        assert_eq!(store.judge_again(since, later(100)).await.unwrap(), 2);
        let again = store.due("one", later(160), LEASE, 10).await.unwrap();
        let versions: Vec<_> = again.iter().map(|due| (due.class, due.version)).collect();
        assert_eq!(versions, [(CallClass::Registration, 2), (CallClass::Call, 2)]);
        // Whoever is settling one by the rules before writes nothing.
        assert_eq!(store.judge_again(since, later(101)).await.unwrap(), 2);
        let late: Vec<Settled> = again.iter().map(|due| settled(*due)).collect();
        assert_eq!(store.settle("one", &late, NOON).await.unwrap(), 0);
    }

    async fn what_nobody_could_tell_of_is_due_again_once_more_is_known_of_its_log(store) {
        File::new(1).log(&store, [says("ok", 0, "INVITE"), says("unclear", 1, "INVITE")]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let judged = [Outcome::Ok, Outcome::Unknown].map(|outcome| Some(judged_as(outcome, "no-ack")));
        let all = due.iter().zip(judged).map(|(due, judged)| Settled { judged, ..settled(*due) });
        assert_eq!(store.settle("one", &all.collect::<Vec<_>>(), NOON).await.unwrap(), 2);
        let log = |source: &str| Log { agent: "agent-1".into(), source: source.into() };
        let since = Timestamp(NOON.0 - SECOND);
        let again = async |logs: BTreeSet<Log>| store.judge_unclear_again(&logs, since, later(100)).await.unwrap();
        assert_eq!(again(BTreeSet::from([log("another")])).await, 0);
        assert_eq!(store.judge_unclear_again(&BTreeSet::from([log("proxy")]), later(0), later(100)).await.unwrap(), 0);
        assert_eq!(again(BTreeSet::from([log("another"), log("proxy")])).await, 1);
        assert_eq!(store.due("one", later(160), LEASE, 10).await.unwrap(), [of(due[1].id, 2, false)]);
        // Of so many logs, whatever is unclear in any.
        assert_eq!(again((0..100).map(|nth| log(&nth.to_string())).collect()).await, 1);
    }

    async fn what_came_meanwhile_is_settled_again(store) {
        let (mut file, id) = call(&store, Vec::new()).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        file.log(&store, [says("a", 60, "BYE")]).await;
        correlate(&store, 100).await;
        assert_eq!(store.settle("one", &[settled(due[0])], NOON).await.unwrap(), 0);
        assert_eq!(only(&store).await.row.status, Some(200));
        assert_eq!(store.due("one", later(1), LEASE, 10).await.unwrap(), [of(id, 2, false)]);
    }

    async fn each_of_a_round_is_written_as_it_was_worked_out(store) {
        let mut file = File::new(1);
        for (call, from) in [("a", "ann"), ("b", "ben"), ("c", "cem"), ("d", "dan")] {
            file.log(&store, [says(call, 0, "INVITE").people(from, "bob")]).await;
        }
        file.log(&store, [Says { class: CallClass::Registration, ..says("r", 0, "REGISTER") }]).await;
        correlate(&store, 100).await;
        let all = store.due("one", later(0), LEASE, 10).await.unwrap();
        file.log(&store, [says("d", 1, "BYE")]).await;
        correlate(&store, 100).await;
        let worst = |rule: &str| (Outcome::Failed, Some("no-ack".to_owned()), rule.to_owned());
        let judged = |rule: &str| Some(Judged { worst: Some(worst(rule)), ..Judged::default() });
        let settle = |first: &str| {
            let mut round: Vec<Settled> = all.iter().map(|due| settled(*due)).collect();
            round[0].judged = judged(first);
            (round[1].gist, round[1].judged, round[1].problems) = (None, judged("rule-b"), 7);
            round[2].gist = Some(Gist { status: Some(486), answered_by: None, ..gist() });
            round[2].rest_until = later(50);
            round.reverse();
            round
        };
        assert_eq!(store.settle("one", &settle("rule-a"), NOON).await.unwrap(), 4, "one call changed meanwhile");
        let rows = store.search(&Filter::default(), None, 10).await.unwrap().rows;
        let of = |id: ScenarioId| {
            let row = rows.iter().find(|row| row.subject.scenario() == Some(id)).unwrap();
            (row.status, row.problems, row.rule.as_deref().unwrap_or("-").to_owned(), row.answered_by.clone())
        };
        let carol = Some("carol".to_owned());
        assert_eq!(of(all[0].id), (Some(500), Some(2), "rule-a".into(), carol));
        assert_eq!(of(all[1].id), (None, Some(7), "rule-b".into(), None));
        assert_eq!(of(all[2].id), (Some(486), Some(2), "-".into(), None));
        assert_eq!(of(all[3].id), (None, None, "-".into(), None));
        let again: Vec<_> = store.due("one", later(1), LEASE, 10).await.unwrap().iter().map(|due| due.id).collect();
        assert_eq!(again, [all[3].id], "and is taken at once");
        // What rules say of others stays as it is.
        let round: Vec<Settled> = all[..3].iter().map(|due| settled(*due)).collect();
        assert_eq!(store.settle("one", &round, NOON).await.unwrap(), 3);
        assert_eq!(store.worst(all[1].id).await.unwrap(), Some(worst("rule-b")));
    }

    async fn what_was_settled_stands_until_what_came_later_is(store) {
        let (mut file, _) = call(&store, Vec::new()).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        store.settle("one", &[settled(due[0])], NOON).await.unwrap();
        file.log(&store, [says("a", 60, "BYE")]).await;
        correlate(&store, 100).await;
        let row = only(&store).await.row;
        assert_eq!((row.status, row.problems, row.version), (Some(500), Some(2), 2));
    }

    async fn of_large_messages_few_scenarios_are_read_together(store) {
        let large: &'static str = "x".repeat(100 << 10).leak();
        let mut file = File::new(1);
        let calls = (0..12).map(|nth| Says { identity: Some(large), ..says(format!("call-{nth}").leak(), 0, "INVITE") });
        file.log(&store, calls).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 100).await.unwrap();
        assert_eq!(due.len(), 12);
        let refused = store.due_messages(&due).await.unwrap_err();
        assert!(refused.is_of_what_was_asked(), "{refused}");
        for one in &due {
            assert_eq!(store.due_messages(std::slice::from_ref(one)).await.unwrap()[0].1.len(), 1);
        }
    }

    async fn a_call_that_one_has_taken_is_due_for_another_when_the_lease_is_over(store) {
        let (_, id) = call(&store, Vec::new()).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        assert_eq!(store.due("two", later(59), LEASE, 10).await.unwrap(), []);
        let again = store.due("two", later(61), LEASE, 10).await.unwrap();
        assert_eq!(again, [of(id, 1, false)]);
        assert_eq!(store.settle("one", &[settled(due[0])], NOON).await.unwrap(), 0);
        assert_eq!(store.settle("two", &[settled(again[0])], NOON).await.unwrap(), 1);
    }

    async fn a_call_with_a_deadline_is_due_again_then_and_no_sooner(store) {
        let (_, id) = call(&store, Vec::new()).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let next = Settled { next: Some(later(30)), ..settled(due[0]) };
        store.settle("one", &[next], NOON).await.unwrap();
        assert_eq!(store.due("one", later(29), LEASE, 10).await.unwrap(), []);
        assert_eq!(store.due("one", later(31), LEASE, 10).await.unwrap(), [of(id, 1, true)]);
    }

    async fn a_call_that_was_joined_into_another_one_is_not_due(store) {
        let mut file = File::new(1);
        for call in ["a", "call-b"] {
            file.log(&store, [says(call, 0, "INVITE")]).await;
            correlate(&store, 100).await;
        }
        file.log(&store, [says("a", 1, "INVITE").status(180).key("call", "call-b")]).await;
        correlate(&store, 100).await;
        let id = only(&store).await.row.subject.scenario().unwrap();
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [id]);
    }

    async fn keepalives_and_subscriptions_are_never_due_and_all_else_is(store) {
        let mut file = File::new(1);
        for class in CallClass::ALL {
            file.log(&store, [Says { class, ..says(class.name(), 0, "REGISTER") }]).await;
        }
        correlate(&store, 100).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let classes: BTreeSet<_> = due.iter().map(|due| due.class.name()).collect();
        assert_eq!(classes.into_iter().collect::<Vec<_>>(), ["call", "message", "other", "registration"]);
        let daily: Vec<_> = due.iter().filter(|due| due.from.is_some()).map(|due| due.class.name()).collect();
        assert_eq!(daily, ["registration"]);
    }

    async fn keepalives_are_due_once_they_are_asked_for_with_those_that_are_there(store) {
        let mut file = File::new(1);
        let options = |call, at| Says { class: CallClass::Keepalive, ..says(call, at, "OPTIONS") };
        file.log(&store, [options("before", 0)]).await;
        correlate(&store, 100).await;
        store.settle_classes(&BTreeSet::from([CallClass::Call, CallClass::Keepalive]));
        assert_eq!(store.due("one", later(0), LEASE, 10).await.unwrap(), []);
        assert_eq!(store.judge_again(NOON, later(0)).await.unwrap(), 1);
        file.log(&store, [options("after", 1)]).await;
        correlate(&store, 100).await;
        let due = store.due("one", later(60), LEASE, 10).await.unwrap();
        assert_eq!(due.iter().map(|due| (due.class, due.version)).collect::<Vec<_>>(), [(CallClass::Keepalive, 2), (CallClass::Keepalive, 1)]);
        // Nobody asks for them any more.
        store.settle_classes(&BTreeSet::new());
        file.log(&store, [options("later", 2)]).await;
        correlate(&store, 100).await;
        assert_eq!(store.due("two", later(61), LEASE, 10).await.unwrap(), []);
    }

    // The log of the registrar is read an hour after that of the proxy.
    async fn a_registration_that_comes_late_settles_again_the_calls_that_borrow_it(store) {
        let push = || says("a", 1, "PUSH").kind(Kind::Push);
        let (mut file, id) = call(&store, vec![push()]).await;
        let (mut plain, mut registrar) = (File::new(2), File::new(3));
        plain.log(&store, [says("plain", 0, "INVITE"), says("plain", 2, "INVITE").status(486)]).await;
        correlate(&store, 100).await;
        let settle = |at: i64| {
            let store = store.clone();
            async move {
                let due = store.due("one", later(at), LEASE, 20).await.unwrap();
                store.due_messages(&due).await.unwrap();
                let all: Vec<Settled> = due.iter().map(|due| settled(*due)).collect();
                assert_eq!(store.settle("one", &all, NOON).await.unwrap(), due.len() as u64);
                due.into_iter().filter(|due| due.class == CallClass::Call).collect::<Vec<_>>()
            }
        };
        assert_eq!(settle(0).await.len(), 2);
        let register = |call, person, at| {
            says(call, at, "REGISTER").people(person, person).class(CallClass::Registration)
        };
        let others = [register("r-carol", "carol", 2), register("r-before", "bob", -61), register("r-after", "bob", 600)];
        registrar.log(&store, others).await;
        correlate(&store, 100).await;
        assert_eq!(settle(100).await, [], "of another person, or at another time");
        registrar.log(&store, [register("r-bob", "Bob", 2), register("r-bob", "Bob", 2).status(200)]).await;
        correlate(&store, 100).await;
        assert_eq!(settle(200).await, [of(id, 2, false)]);
        assert_eq!(settle(300).await, []);
        // The call went on, and so does what it borrows.
        file.log(&store, [says("a", 700, "PUSH").kind(Kind::Push)]).await;
        correlate(&store, 100).await;
        assert_eq!(settle(400).await.len(), 1);
        registrar.log(&store, [register("r-late", "bob", 650)]).await;
        correlate(&store, 100).await;
        assert_eq!(settle(500).await.len(), 1);
    }

    async fn what_is_learned_of_a_log_stands_with_its_messages_and_its_calls_are_settled_again(store) {
        let (file, _) = call(&store, Vec::new()).await;
        let due = store.due("one", later(0), LEASE, 10).await.unwrap();
        let messages = store.due_messages(&due).await.unwrap();
        assert_eq!(messages[0].1[0].place.learned.machines.len(), 0);
        store.settle("one", &[settled(due[0])], NOON).await.unwrap();
        assert_eq!(store.due("one", later(100), LEASE, 10).await.unwrap(), []);
        let source = file.meta().source;
        let learn = |host: &str, since: Timestamp, now: Timestamp| {
            let machines = vec![Machine { host: host.into(), port: None }];
            let learned = Learned { machines, ..Learned::default() };
            let (store, source) = (store.clone(), source.clone());
            async move { store.learn("agent-1", &source, &learned, since, now).await.unwrap() }
        };
        learn("10.0.0.1", later(0), later(0)).await;
        assert_eq!(store.due("one", later(100), LEASE, 10).await.unwrap(), [], "all its calls are older");
        learn("10.0.0.1", NOON, later(0)).await;
        assert_eq!(store.due("one", later(100), LEASE, 10).await.unwrap(), [], "that was known");
        learn("10.0.0.2", NOON, later(0)).await;
        assert_eq!(store.due("one", later(1), LEASE, 10).await.unwrap(), [], "what is new comes first");
        let due = store.due("one", later(100), LEASE, 10).await.unwrap();
        assert_eq!(due.len(), 1);
        learn("10.0.0.3", NOON, later(110)).await;
        assert_eq!(store.settle("one", &[settled(due[0])], NOON).await.unwrap(), 0, "it was worked out from what was known before");
        let due = store.due("one", later(200), LEASE, 10).await.unwrap();
        let messages = store.due_messages(&due).await.unwrap();
        let hosts: Vec<&str> = messages[0].1[0].place.learned.machines.iter().map(|machine| machine.host.as_str()).collect();
        assert_eq!(hosts, ["10.0.0.3"]);
        assert_eq!(store.learned("agent-1", &source).await.unwrap().machines.len(), 1);
        assert_eq!(store.learned("another", &source).await.unwrap().machines.len(), 0);
    }
}
