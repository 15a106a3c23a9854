//! Keys become scenarios, once, in whatever order.

use std::collections::BTreeSet;

use message::event::CallClass;
use message::kind::Kind;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use record::id::{MessageId, Offset, ScenarioId};
use record::time::{SECOND, Timestamp};

use super::fixture::{File, NOON, OWNER, Says, correlate, says, scenarios};
use super::store_test;
use crate::Store;
use crate::backend::{with_pool, with_transaction};
use crate::correlate::HUB;
use crate::scenario::{Found, Join, Scenario, Subject};
use crate::search::{Filter, MessageFilter};

pub(super) async fn only(store: &Store) -> Scenario {
    let page = store.search(&Filter::default(), None, 10).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    here(store, page.rows[0].subject.scenario().unwrap()).await
}

async fn here(store: &Store, id: ScenarioId) -> Scenario {
    match store.scenario(id).await.unwrap() {
        Found::Here(scenario) => scenario,
        other => panic!("{other:?}"),
    }
}

/// Each logged by its own batch, correlated each by itself.
async fn one_by_one(store: &Store, all: Vec<Says>) -> Vec<u64> {
    let mut file = File::new(1);
    let mut merged = Vec::new();
    for one in all {
        file.log(store, [one]).await;
        merged.extend(correlate(store, 100).await.iter().map(|done| done.merged));
    }
    merged
}

store_test! {
    async fn a_key_of_a_scenario_that_was_deleted_begins_a_new_one(store) {
        let mut file = File::new(1);
        file.log(&store, [says("a", 0, "INVITE").key("session", "s")]).await;
        correlate(&store, 100).await;
        let before = only(&store).await.row.subject.scenario().unwrap();
        let mut tx = store.backend.begin().await.unwrap();
        with_transaction!(&mut tx, db => {
            sqlx::query("delete from scenario_call").execute(&mut *db).await.unwrap();
            sqlx::query("delete from scenario").execute(db).await.unwrap();
        });
        tx.commit().await.unwrap();
        file.log(&store, [says("b", 1, "INVITE").key("session", "s"), says("a", 2, "BYE").key("session", "s")]).await;
        correlate(&store, 100).await;
        let row = only(&store).await.row;
        assert_eq!((row.messages, row.calls), (2, 2));
        assert!(row.subject.scenario().unwrap() > before, "a link to what was deleted does not lead to something else");
    }

    async fn a_call_is_a_scenario_with_what_the_list_shows(store) {
        let mut file = File::new(1);
        file.log(&store, [
            says("a", 0, "INVITE"),
            says("a", 1, "INVITE").status(180),
            says("a", 2, "INVITE").status(200),
            says("a", 2, "POST").kind(Kind::Rest),
            says("a", 60, "BYE"),
            says("a", 61, "BYE").status(200),
        ]).await;
        let done = correlate(&store, 100).await;
        assert_eq!((done.len(), done[0].scenarios.len(), done[0].merged, done[0].refused), (1, 1, 0, 0));
        let scenario = only(&store).await;
        let row = &scenario.row;
        let at = |second: i64| Some(Timestamp(NOON.0 + second * SECOND));
        assert_eq!((row.caller.as_deref(), row.callee.as_deref(), row.answered_by.as_deref()), (Some("alice"), Some("bob"), Some("bob")));
        assert_eq!((Some(row.first), Some(row.last)), (at(0), at(61)));
        assert_eq!((row.rang, row.answered, row.ending, row.ended), (at(1), at(2), at(60), at(61)));
        assert_eq!((row.status, row.calls, row.messages, row.nodes, row.kinds), (Some(200), 1, 6, 2, [5, 1, 0, 0]));
        assert_eq!((row.class, row.version), (CallClass::Call, 1));
        assert_eq!(scenario.calls[0].streams, [(file.stream, NOON.day())]);
        assert_eq!(scenario.calls[0].joined_by, None);
        assert_eq!(store.totals().await.unwrap().waiting, 0);
    }

    async fn an_answer_that_names_no_call_comes_to_the_call_of_its_request_in_any_order(store) {
        let all = [
            says("call-a", 0, "INVITE"),
            says("call-a", 1, "GET").exchange(1),
            says("answer-1", 2, "").status(401).exchange(1),
            // A second log of it.
            says("answer-2", 2, "").status(401).exchange(1),
        ];
        one_by_one(&store, all.to_vec()).await;
        let whole = vec!["answer-1", "answer-2", "call-a"];
        assert_eq!(scenarios(&store).await, std::slice::from_ref(&whole), "the request first");
        let renamed = |says: Says| match says.call {
            "call-a" => Says { call: "call-b", ..says },
            "answer-1" => Says { call: "answer-3", ..says },
            _ => Says { call: "answer-4", ..says },
        };
        let mut file = File::new(2);
        for one in all.into_iter().rev().map(renamed) {
            file.log(&store, [Says { exchange: one.exchange.map(|_| 2), ..one }]).await;
            correlate(&store, 100).await;
        }
        assert_eq!(scenarios(&store).await, [whole, vec!["answer-3", "answer-4", "call-b"]], "the answers first");
    }

    async fn the_answer_to_a_push_is_one_in_lists_too_in_any_order(store) {
        for (nth, order) in [[0, 1, 2], [2, 0, 1], [2, 1, 0], [1, 2, 0]].into_iter().enumerate() {
            let call: &'static str = format!("pushed-{nth}").leak();
            let mut files = [0, 1, 2].map(|at| File::new(10 * nth as i64 + at + 1));
            // What names no call is named by its place.
            let name: &'static str = MessageId::new(files[2].stream, Offset(0)).to_string().leak();
            let id = nth as u8 + 1;
            let push = |at| says(call, at, "PUSH").exchange(id).kind(Kind::Push);
            let batches = [
                vec![says(call, 0, "INVITE"), push(1)],
                // The gateway writes a log, too.
                vec![push(1)],
                vec![says(name, 2, "").status(410).exchange(id)],
            ];
            for at in order {
                files[at].log(&store, batches[at].clone()).await;
                correlate(&store, 100).await;
            }
        }
        for row in store.search(&Filter::default(), None, 10).await.unwrap().rows {
            assert_eq!((row.kinds, row.messages), ([1, 0, 3, 0], 4));
            let id = row.subject.scenario();
            let of = async |kind| {
                let filter = MessageFilter { scenario: id, kind: Some(kind), ..MessageFilter::default() };
                store.messages(&filter, None, 10).await.unwrap().rows.len()
            };
            assert_eq!((of(Kind::Rest).await, of(Kind::Push).await), (0, 3));
        }
        let refused = |kind| Filter { kind: Some(kind), status: Some((410, 410)), ..Filter::default() };
        assert_eq!(store.search(&refused(Kind::Push), None, 10).await.unwrap().rows.len(), 4);
        assert_eq!(store.search(&refused(Kind::Rest), None, 10).await.unwrap().rows.len(), 0);
    }

    async fn an_answer_without_an_id_is_paired_again_if_nothing_was_applied(store) {
        let mut file = File::new(1);
        file.log(&store, [says("call-a", 1, "GET").kind(Kind::Rest), says("answer", 2, "").status(200).nameless()]).await;
        let rows = store.outbox(OWNER, NOON, SECOND, 10).await.unwrap();
        assert!(!store.correlate("somebody else", NOON, rows.clone()).await.unwrap().applied);
        assert!(store.correlate(OWNER, NOON, rows).await.unwrap().applied);
        assert_eq!(scenarios(&store).await, [vec!["answer", "call-a"]]);
    }

    async fn an_answer_whose_id_two_calls_carry_does_not_unite_them(store) {
        one_by_one(&store, vec![
            says("call-a", 0, "GET").exchange(1),
            says("call-b", 1, "GET").exchange(1),
            says("answer-1", 2, "").status(200).exchange(1),
        ]).await;
        assert_eq!(scenarios(&store).await, [vec!["answer-1", "call-a"], vec!["call-b"]]);
    }

    async fn an_id_that_is_used_again_is_of_the_request_that_is_open_then(store) {
        let all = [
            says("call-a", 0, "GET").exchange(1),
            says("answer-1", 1, "").status(200).exchange(1),
            says("call-b", 10, "GET").exchange(1),
            says("answer-2", 11, "").status(200).exchange(1),
            says("call-c", 9000, "GET").exchange(1),
            says("answer-3", 9001, "").status(200).exchange(1),
        ];
        one_by_one(&store, all.to_vec()).await;
        let whole = [vec!["answer-1", "call-a"], vec!["answer-2", "call-b"], vec!["answer-3", "call-c"]];
        assert_eq!(scenarios(&store).await, whole, "one by one");
        let renamed = |says: Says| -> Says { Says { call: format!("x-{}", says.call).leak(), ..says.exchange(2) } };
        File::new(2).log(&store, all.into_iter().map(renamed)).await;
        correlate(&store, 100).await;
        let calls = scenarios(&store).await;
        let at_once: Vec<Vec<String>> = whole.iter().map(|calls| calls.iter().map(|call| format!("x-{call}")).collect()).collect();
        assert_eq!(calls[3..], at_once, "all at once");
    }

    async fn an_answer_without_an_id_is_of_the_only_call_that_asks_between_its_hosts(store) {
        let asks = |call, at| says(call, at, "GET").kind(Kind::Rest);
        one_by_one(&store, vec![
            asks("call-a", 0),
            says("answer-1", 1, "").status(200).nameless(),
            asks("call-b", 2),
            asks("call-c", 3),
            // Of two nobody can tell.
            says("answer-2", 4, "").status(200).nameless(),
            // That names its call, and so one is left that is open.
            says("call-c", 5, "").kind(Kind::Rest).status(200),
            says("answer-3", 6, "").status(200).nameless(),
        ]).await;
        let expected = [vec!["answer-1", "call-a"], vec!["answer-2"], vec!["answer-3", "call-b"], vec!["call-c"]];
        assert_eq!(scenarios(&store).await, expected);
    }

    // A client may send one id for all that it asks.
    async fn of_one_id_the_newest_requests_are_remembered(store) {
        let mut file = File::new(1);
        for batch in 0..6 {
            let asks = |at: i64| says(format!("call-{at}").leak(), at, "GET").exchange(1);
            file.log(&store, (100 * batch..100 * batch + 100).map(asks)).await;
            correlate(&store, 100).await;
        }
        file.log(&store, [says("answer-1", 599, "").status(200).exchange(1)]).await;
        correlate(&store, 100).await;
        let kept: Vec<(i64, i64)> = with_pool!(store.backend, pool => {
            sqlx::query_as("select count(*), min(ts) from exchange where response = 0").fetch_all(pool).await.unwrap()
        });
        assert_eq!(kept, [(256, NOON.0 + 344 * SECOND)]);
        assert!(scenarios(&store).await.contains(&vec!["answer-1".into(), "call-569".into()]), "the first that is open");
    }

    async fn an_answer_that_came_before_its_request_unites_no_calls(store) {
        one_by_one(&store, vec![
            says("answer-1", 2, "").status(200).exchange(1),
            says("call-a", 1, "GET").exchange(1),
            says("call-b", 60, "GET").exchange(1),
        ]).await;
        assert_eq!(scenarios(&store).await, [vec!["answer-1", "call-a"], vec!["call-b"]]);
    }

    async fn calls_that_share_a_key_are_one_scenario_in_one_batch_or_in_several(store) {
        let mut file = File::new(1);
        file.log(&store, [says("call-a", 0, "INVITE"), says("call-b", 1, "INVITE").key("call", "call-a"), says("call-c", 2, "INVITE")]).await;
        correlate(&store, 100).await;
        assert_eq!(scenarios(&store).await, [vec!["call-a", "call-b"], vec!["call-c"]]);
        let start = file.w;
        file.log(&store, [says("call-d", 3, "INVITE").key("session", "s"), says("call-c", 4, "INFO").key("session", "s")]).await;
        let done = correlate(&store, 100).await;
        assert_eq!(done[0].merged, 0);
        assert_eq!(scenarios(&store).await, [vec!["call-a", "call-b"], vec!["call-c", "call-d"]]);
        let page = store.search(&Filter::default(), None, 10).await.unwrap();
        let scenario = here(&store, page.rows[0].subject.scenario().unwrap()).await;
        let message = MessageId::new(file.stream, Offset(start));
        let by = Join { space: "session".into(), value: "s".into(), sure: true, message };
        assert_eq!(scenario.calls.iter().find(|call| call.call_id == "call-d").unwrap().joined_by, Some(by));
        assert_eq!((scenario.row.messages, scenario.row.version), (3, 2));
    }

    async fn what_referred_by_names_joins_only_a_call_that_is_known_now_or_later(store) {
        let referred = |call, cid| Says { cid: Some(cid), ..says(call, 5, "INVITE") };
        let mut file = File::new(1);
        file.log(&store, [says("first-call", 0, "INVITE"), referred("one", "part-1@a"), referred("two", "part-1@a")]).await;
        correlate(&store, 100).await;
        file.log(&store, [referred("three", "first-call")]).await;
        correlate(&store, 100).await;
        file.log(&store, [says("another-call", 0, "INVITE"), referred("four", "another-call")]).await;
        correlate(&store, 100).await;
        let expected = [vec!["another-call", "four"], vec!["first-call", "three"], vec!["one"], vec!["two"]];
        assert_eq!(scenarios(&store).await, expected);
        // The logs of one call may be read in any order.
        file.log(&store, [says("part-1@a", 1, "INVITE")]).await;
        correlate(&store, 100).await;
        let expected = [vec!["another-call", "four"], vec!["first-call", "three"], vec!["one", "part-1@a", "two"]];
        assert_eq!(scenarios(&store).await, expected);
        let rows = store.search(&Filter::default(), None, 10).await.unwrap().rows;
        assert!(rows.iter().all(|row| row.messages == row.calls), "none is counted twice");
    }

    async fn a_name_that_thousands_carry_keeps_no_other_call_from_what_names_it(store) {
        let referred = |call: String, cid| Says { cid: Some(cid), ..says(call.leak(), 5, "INVITE") };
        let mut file = File::new(1);
        file.log(&store, (0..1_100).map(|nth| referred(format!("one-of-many-{nth}"), "named-by-many"))).await;
        let names = ["named-once-a", "named-once-b", "named-once-c", "named-once-d", "named-once-e", "named-once-f"];
        file.log(&store, names.map(|name| referred(format!("refers-to-{name}"), name))).await;
        correlate(&store, 100).await;
        file.log(&store, ["named-by-many"].into_iter().chain(names).map(|name| says(name, 0, "INVITE"))).await;
        correlate(&store, 100).await;
        for name in names {
            let of = Filter { call_id: Some(format!("refers-to-{name}")), ..Filter::default() };
            let rows = store.search(&of, None, 10).await.unwrap().rows;
            assert_eq!(rows.iter().map(|row| row.calls).collect::<Vec<_>>(), [2], "{name}");
        }
    }

    async fn however_many_names_wait_each_finds_all_that_carry_it(store) {
        let name = |nth: usize| -> &'static str { format!("named-{nth}").leak() };
        let referred = |nth: usize| (0..3).map(move |of| Says { cid: Some(name(nth)), ..says(format!("of-{nth}-{of}").leak(), 5, "INVITE") });
        let mut file = File::new(1);
        file.log(&store, (0..340).flat_map(referred)).await;
        correlate(&store, 100).await;
        file.log(&store, (0..340).map(|nth| says(name(nth), 0, "INVITE"))).await;
        correlate(&store, 100).await;
        let rows = store.search(&Filter::default(), None, 1000).await.unwrap().rows;
        assert_eq!((rows.len(), rows.iter().filter(|row| row.calls == 4).count()), (340, 340));
    }

    async fn a_damaged_message_that_names_a_call_keeps_that_from_nothing(store) {
        let mut file = File::new(1);
        file.log(&store, [Says { cid: Some("named-later"), ..says("damaged", 0, "INVITE") }]).await;
        correlate(&store, 100).await;
        let mut tx = store.backend.begin().await.unwrap();
        with_transaction!(&mut tx, db => {
            sqlx::query("update message set raw = $1").bind(vec![0_u8; 9]).execute(db).await.unwrap();
        });
        tx.commit().await.unwrap();
        file.log(&store, [says("named-later", 1, "INVITE")]).await;
        correlate(&store, 100).await;
        assert_eq!(scenarios(&store).await, [vec!["damaged"], vec!["named-later"]]);
    }

    async fn of_two_scenarios_that_turn_out_to_be_one_the_older_stays(store) {
        let merged = one_by_one(&store, vec![
            says("call-a", 0, "INVITE"),
            says("call-b", 1, "INVITE").people("carol", "dave"),
            says("call-c", 2, "INVITE"),
            says("call-c", 3, "INFO").key("call", "call-b"),
            says("call-c", 4, "INFO").key("call", "call-a"),
        ]).await;
        assert_eq!(merged, [0, 0, 0, 1, 1]);
        let scenario = only(&store).await;
        assert_eq!(scenario.row.subject, Subject::Scenario(ScenarioId(1)));
        assert_eq!((scenario.row.messages, scenario.row.calls, scenario.calls.len()), (5, 3, 3));
        assert_eq!(scenario.row.caller.as_deref(), Some("alice"));
        for id in [2, 3] {
            assert_eq!(store.scenario(ScenarioId(id)).await.unwrap(), Found::Merged(ScenarioId(1)));
        }
        let versions = store.versions(&[ScenarioId(2), ScenarioId(1)]).await.unwrap();
        assert_eq!(versions.iter().map(|(id, _, into)| (id.0, *into)).collect::<Vec<_>>(), [(1, None), (2, Some(ScenarioId(1)))]);
        assert_eq!(store.scenario_messages(&scenario, None, 100).await.unwrap().rows.len(), 5);
        assert_eq!(store.totals().await.unwrap().scenarios, 1);
    }

    async fn a_key_of_too_many_calls_stops_joining(store) {
        let calls: Vec<&'static str> = (0..HUB + 10).map(|at| &*format!("call-{at}").leak()).collect();
        let mut file = File::new(1);
        let mut refused = 0;
        for (at, call) in calls.iter().enumerate() {
            file.log(&store, [says(call, at as i64, "INVITE").key("call", "0000000")]).await;
            refused += correlate(&store, 100).await[0].refused;
        }
        assert_eq!(refused, 10);
        let all = scenarios(&store).await;
        assert_eq!((all.len(), all.iter().map(Vec::len).max()), (11, Some(HUB)));
        // Calls of one batch are told apart, too, and those that share another key stay together.
        file.log(&store, [
            says("x", 0, "INVITE").key("call", "0000000"),
            says("y", 1, "INVITE").key("call", "0000000").key("session", "s"),
            says("z", 2, "INVITE").key("call", "0000000").key("session", "s"),
        ]).await;
        correlate(&store, 100).await;
        let after = scenarios(&store).await;
        assert_eq!(after.len(), 13);
        assert!(after.contains(&vec!["x".to_string()]) && after.contains(&vec!["y".to_string(), "z".to_string()]));
        let page = store.search(&Filter { call_id: Some("z".into()), ..Filter::default() }, None, 10).await.unwrap();
        let scenario = here(&store, page.rows[0].subject.scenario().unwrap()).await;
        assert_eq!((scenario.row.messages, scenario.row.first.0), (2, NOON.0 + SECOND));
        assert_eq!(scenario.calls.iter().map(|call| call.joined_by.as_ref().map(|by| by.value.as_str())).collect::<Vec<_>>(), [Some("s"); 2]);
    }

    async fn a_hub_in_one_batch_joins_the_earliest(store) {
        let calls: Vec<&'static str> = (0..HUB + 3).map(|at| &*format!("call-{at}").leak()).collect();
        let all = calls.iter().enumerate();
        File::new(1).log(&store, all.map(|(at, call)| says(call, -(at as i64), "INVITE").key("call", "anyone"))).await;
        let done = correlate(&store, 100).await;
        assert_eq!((done[0].refused, done[0].scenarios.len()), (1, 4));
        let alone: Vec<_> = scenarios(&store).await.into_iter().filter(|calls| calls.len() == 1).flatten().collect();
        assert_eq!(alone, ["call-0", "call-1", "call-2"]);
    }

    async fn the_call_whose_own_key_it_is_joins_however_many_have(store) {
        let calls: Vec<&'static str> = (0..=HUB).map(|at| &*format!("member-{at}").leak()).collect();
        let mut file = File::new(1);
        let joins = |call| says(call, 0, "INVITE").key("call", "conference-77@pbx");
        file.log(&store, calls.iter().map(|call| joins(call)).chain([says("zoe-registers", 0, "REGISTER").class(CallClass::Registration)])).await;
        assert_eq!(correlate(&store, 100).await[0].refused, 1);
        file.log(&store, [says("conference-77@pbx", 1, "INVITE").people("host", "bob")]).await;
        correlate(&store, 100).await;
        file.log(&store, [joins("late")]).await;
        assert_eq!(correlate(&store, 100).await[0].refused, 1);
        let all = scenarios(&store).await;
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [HUB + 1, 1, 1, 1]);
        let registered = Filter { classes: vec![CallClass::Registration], ..Filter::default() };
        let rows = store.search(&registered, None, 10).await.unwrap().rows;
        assert_eq!(rows.iter().map(|row| (row.calls, row.messages)).collect::<Vec<_>>(), [(1, 1)]);
    }

    async fn a_call_says_by_which_key_it_joined_not_which_it_carries(store) {
        let joined = async || {
            let calls = only(&store).await.calls;
            calls.into_iter().map(|call| (call.call_id, call.joined_by.map(|by| (by.value, by.message.offset.0)))).collect::<Vec<_>>()
        };
        let mut file = File::new(1);
        file.log(&store, [says("a-leg@pbx", 0, "INVITE")]).await;
        let b_leg = file.w;
        let says_b = |at| says("b-leg@pbx", at, "INVITE").key("session", "only-its-own").key("call", "a-leg@pbx");
        file.log(&store, [says_b(1), says_b(2)]).await;
        correlate(&store, 1).await;
        let expected = vec![("a-leg@pbx".into(), None), ("b-leg@pbx".into(), Some(("a-leg@pbx".into(), b_leg)))];
        assert_eq!(joined().await, expected);
        file.log(&store, [says_b(3), says("a-leg@pbx", 4, "BYE")]).await;
        correlate(&store, 1).await;
        assert_eq!(joined().await, expected);
    }

    async fn in_one_batch_a_call_says_by_which_key_it_joined(store) {
        let says_b = says("b-leg@pbx", 1, "INVITE").key("session", "only-its-own").key("call", "a-leg@pbx");
        File::new(1).log(&store, [says("a-leg@pbx", 0, "INVITE"), says_b]).await;
        correlate(&store, 1).await;
        let calls = only(&store).await.calls;
        let by: Vec<_> = calls.iter().map(|call| call.joined_by.as_ref().map(|by| by.value.as_str())).collect();
        assert_eq!(by, [None, Some("a-leg@pbx")]);
    }

    async fn a_call_that_joined_by_a_likely_key_says_so(store) {
        let likely = |call, at| {
            let mut says = says(call, at, "INVITE").key("trace", "0af7651916cd43dd");
            says.keys[0].sure = false;
            says
        };
        File::new(1).log(&store, [likely("a-leg@pbx", 0), likely("b-leg@pbx", 1)]).await;
        correlate(&store, 1).await;
        let by: Vec<_> = only(&store).await.calls.into_iter().map(|call| call.joined_by.map(|by| (by.space, by.sure))).collect();
        assert!(by.contains(&Some(("trace".into(), false))), "{by:?}");
    }

    async fn a_call_that_was_named_before_it_came_joined_by_its_own_id(store) {
        let mut file = File::new(1);
        file.log(&store, [says("b-leg@pbx", 1, "INVITE").key("session", "only-its-own").key("call", "a-leg@pbx")]).await;
        correlate(&store, 1).await;
        assert_eq!(only(&store).await.calls[0].joined_by, None);
        let a_leg = file.w;
        file.log(&store, [says("a-leg@pbx", 0, "INVITE")]).await;
        correlate(&store, 1).await;
        let message = MessageId::new(file.stream, Offset(a_leg));
        let by = Join { space: "call".into(), value: "a-leg@pbx".into(), sure: true, message };
        assert_eq!(only(&store).await.calls[0].joined_by, Some(by));
    }

    async fn a_calls_own_id_is_never_refused(store) {
        let calls: Vec<&'static str> = (0..HUB).map(|at| &*format!("call-{at}").leak()).collect();
        let mut file = File::new(1);
        file.log(&store, [says("call-a", 0, "INVITE")]).await;
        file.log(&store, calls.iter().map(|call| says(call, 0, "INVITE").key("call", "call-a"))).await;
        correlate(&store, 1).await;
        file.log(&store, [says("call-a", 1, "BYE")]).await;
        file.log(&store, [says("late", 2, "INVITE").key("call", "call-a")]).await;
        file.log(&store, [says("call-a", 3, "BYE")]).await;
        let refused: Vec<u64> = correlate(&store, 1).await.iter().map(|done| done.refused).collect();
        assert_eq!(refused, [0, 1, 0]);
        assert_eq!(scenarios(&store).await.iter().map(Vec::len).collect::<Vec<_>>(), [HUB + 1, 1]);
    }

    async fn registrations_are_a_scenario_a_day_and_show_their_day_only(store) {
        let mut file = File::new(1);
        let register = |at| says("r", at, "REGISTER").class(CallClass::Registration);
        // 12:00, 00:30 before it, and 23:50 of the day before.
        file.log(&store, [register(0), register(-41_400), register(-43_800)]).await;
        correlate(&store, 100).await;
        assert_eq!(store.search(&Filter::default(), None, 10).await.unwrap().rows.len(), 0);
        let filter = Filter { classes: vec![CallClass::Registration], ..Filter::default() };
        let rows = store.search(&filter, None, 10).await.unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.messages).collect::<Vec<_>>(), [2, 1]);
        for row in rows {
            let id = row.subject.scenario().unwrap();
            let scenario = here(&store, id).await;
            let messages = store.scenario_messages(&scenario, None, 10).await.unwrap().rows;
            assert_eq!(messages.len() as i64, row.messages);
            for message in messages {
                assert_eq!(message.time.day(), row.first.day());
                assert_eq!(store.message(message.id).await.unwrap().unwrap().1, Some(id));
                assert_eq!(store.scenarios_of(std::slice::from_ref(&message)).await.unwrap(), [(message.id, id)]);
            }
        }
    }

    async fn an_answer_goes_where_its_request_went_though_that_was_joined_before(store) {
        let mut file = File::new(1);
        let keepalive = |call, at| says(call, at, "OPTIONS").class(CallClass::Keepalive);
        let answers = |call, at| keepalive(call, at).status(200).tagged();
        // Within the call of one Call-ID, and beside that of the other.
        let asks = [says("in", 0, "INVITE"), says("in", 1, "OPTIONS"), says("by", 2, "INVITE"), keepalive("by", 3)];
        file.log(&store, asks).await;
        correlate(&store, 100).await;
        file.log(&store, [answers("in", 4), answers("by", 5)]).await;
        correlate(&store, 100).await;
        let all = Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
        let mut told = Vec::new();
        for row in store.search(&all, None, 10).await.unwrap().rows {
            let Found::Here(scenario) = store.scenario(row.subject.scenario().unwrap()).await.unwrap() else { panic!() };
            let messages = store.scenario_messages(&scenario, None, 100).await.unwrap().rows;
            assert_eq!(messages.len() as i64, row.messages, "list and page count alike");
            told.push((scenario.calls[0].call_id.clone(), row.class, messages.len()));
        }
        told.sort();
        let (call, keepalive) = (CallClass::Call, CallClass::Keepalive);
        assert_eq!(told, [("by".into(), call, 1), ("by".into(), keepalive, 2), ("in".into(), call, 3)]);
    }

    // In a log of their own, whose request is in another one, or in none.
    async fn an_answer_that_comes_before_its_call_goes_there_when_that_is_known(store) {
        let keepalive = |call, at| says(call, at, "OPTIONS").class(CallClass::Keepalive);
        let answers = |call, at| keepalive(call, at).status(200).tagged();
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for (nth, order) in orders.into_iter().enumerate() {
            let name = |what: &str| -> &'static str { format!("{what}-{nth}").leak() };
            let (call, ping) = (name("call-with-options"), name("call-with-pings"));
            let mut files = [0, 1, 2].map(|at| File::new(10 * nth as i64 + at));
            let batches = [
                // One of these is asked for beside its call, in the same log.
                vec![answers(call, 2), answers(call, 30), keepalive(ping, 3), answers(ping, 4)],
                vec![says(call, 0, "INVITE"), says(ping, 0, "INVITE")],
                vec![says(call, 1, "OPTIONS").tagged()],
            ];
            for at in order {
                files[at].log(&store, batches[at].clone()).await;
                correlate(&store, 100).await;
            }
        }
        let all = Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
        let mut told = Vec::new();
        let rows = store.search(&all, None, 100).await.unwrap().rows;
        assert_eq!(store.totals().await.unwrap().scenarios, rows.len() as i64);
        for row in rows {
            let id = row.subject.scenario().unwrap();
            let scenario = here(&store, id).await;
            let messages = store.scenario_messages(&scenario, None, 100).await.unwrap().rows;
            assert_eq!(messages.len() as i64, row.messages, "list and page count alike");
            for message in &messages {
                assert_eq!(store.message(message.id).await.unwrap().unwrap().1, Some(id), "{}", message.method);
            }
            let of: Vec<_> = store.scenarios_of(&messages).await.unwrap().into_iter().map(|(_, of)| of).collect();
            assert_eq!(of, vec![id; messages.len()]);
            let name = scenario.calls[0].call_id.rsplit_once('-').unwrap().0.to_owned();
            told.push((name, row.class, messages.len()));
        }
        told.sort();
        let expected = [("call-with-options", CallClass::Call, 4), ("call-with-pings", CallClass::Call, 1), ("call-with-pings", CallClass::Keepalive, 2)];
        let expected: Vec<_> = expected.into_iter().flat_map(|(name, class, count)| vec![(name.to_owned(), class, count); 6]).collect();
        assert_eq!(told, expected);
    }

    async fn a_response_to_options_inside_a_call_is_of_the_call(store) {
        let mut file = File::new(1);
        let answers = |call, at| says(call, at, "OPTIONS").class(CallClass::Keepalive).status(200).tagged();
        file.log(&store, [says("call-a", 0, "INVITE"), says("call-a", 1, "OPTIONS"), answers("call-a", 2)]).await;
        correlate(&store, 1).await;
        file.log(&store, [answers("call-a", 3), answers("ping-1", 3)]).await;
        correlate(&store, 1).await;
        assert_eq!(only(&store).await.row.messages, 4);
        assert_eq!(only(&store).await.row.status, None);
        assert_eq!(scenarios(&store).await, [vec!["call-a"], vec!["ping-1"]]);
        // Not seen again as a call of its own, however it is asked for.
        let pings = Filter { classes: vec![CallClass::Keepalive], ..Filter::default() };
        assert_eq!(store.search(&pings, None, 10).await.unwrap().rows.iter().map(|row| row.messages).collect::<Vec<_>>(), [1]);
    }

    // Keys that are pressed during a call; and a phone that subscribes under the Call-ID of its next call.
    async fn what_is_subscribed_inside_a_call_is_of_the_call_in_any_order(store) {
        let subscription = |call, at, method| says(call, at, method).class(CallClass::Subscription);
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for (nth, order) in orders.into_iter().enumerate() {
            let name = |what: &str| -> &'static str { format!("{what}-{nth}").leak() };
            let (keys, presence) = (name("call-with-keys"), name("call-with-presence"));
            let inside = |at, method| subscription(keys, at, method).by_tag("f").tagged();
            let outside = |at, method| subscription(presence, at, method).by_tag("p").tagged();
            let subscribes = Says { to_tag: false, ..outside(0, "SUBSCRIBE") };
            let mut file = File::new(100 + nth as i64);
            let batches = [
                vec![says(keys, 0, "INVITE").by_tag("f"), says(presence, 5, "INVITE").by_tag("c")],
                vec![inside(1, "SUBSCRIBE"), inside(3, "NOTIFY"), subscribes, outside(2, "NOTIFY")],
                vec![inside(2, "SUBSCRIBE").status(200), inside(4, "NOTIFY").status(200), outside(3, "NOTIFY").status(200)],
            ];
            for at in order {
                file.log(&store, batches[at].clone()).await;
                correlate(&store, 100).await;
            }
        }
        let all = Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
        let rows = store.search(&all, None, 100).await.unwrap().rows;
        assert_eq!(store.totals().await.unwrap().scenarios, rows.len() as i64);
        let mut told = Vec::new();
        for row in rows {
            let scenario = here(&store, row.subject.scenario().unwrap()).await;
            let messages = store.scenario_messages(&scenario, None, 100).await.unwrap().rows;
            assert_eq!(messages.len() as i64, row.messages, "list and page count alike");
            told.push((scenario.calls[0].call_id.clone(), row.class.name(), messages.len()));
        }
        told.sort();
        let expected: Vec<_> = (0..orders.len())
            .map(|nth| (format!("call-with-keys-{nth}"), "call", 5))
            .chain((0..orders.len()).flat_map(|nth| [("call", 1), ("subscription", 3)].map(|(class, count)| (format!("call-with-presence-{nth}"), class, count))))
            .collect();
        assert_eq!(told, expected);
    }

    async fn a_version_changes_with_each_batch_and_with_provisional_rows_of_its_own_calls(store) {
        let mut file = File::new(1);
        let version = async || {
            let versions = store.versions(&[ScenarioId(1), ScenarioId(99)]).await.unwrap();
            assert_eq!(versions.len(), 1);
            versions[0].1
        };
        file.log(&store, [says("a", 0, "INVITE")]).await;
        correlate(&store, 10).await;
        let mut last = version().await;
        let mut changes = async |what: &str, expect: bool| {
            let now = version().await;
            assert_eq!(now != last, expect, "{what}: {last} then {now}");
            last = now;
        };
        let tail = |at| vec![file.unfinished(file.w, &says("a", at, "INFO"))];
        for at in 1..3 {
            store.append(vec![crate::append::Incoming { tail: tail(at), ..file.batch(file.w, Vec::new()) }]).await.unwrap();
            changes("provisional", true).await;
        }
        // A stream that has logged nothing final of it yet.
        let other = File::new(2);
        let tail = vec![other.unfinished(0, &says("a", 3, "INFO"))];
        store.append(vec![crate::append::Incoming { tail, ..other.batch(0, Vec::new()) }]).await.unwrap();
        changes("provisional elsewhere", true).await;
        // A stuck phone's call in a log of its own, and behind what is shown of this one.
        let stuck = File::new(3);
        for at in 0..3 {
            let tail = vec![stuck.unfinished(at, &says("stuck", at as i64, "INVITE"))];
            store.append(vec![crate::append::Incoming { tail, ..stuck.batch(0, Vec::new()) }]).await.unwrap();
            changes("provisional rows of another call", false).await;
        }
        let scenario = here(&store, ScenarioId(1)).await;
        let messages = store.scenario_messages(&scenario, None, 10).await.unwrap().rows;
        assert_eq!(messages.iter().map(|m| m.provisional).collect::<Vec<_>>(), [false, true, true]);
        let (_, owner) = store.message(messages[2].id).await.unwrap().unwrap();
        assert_eq!(owner, Some(ScenarioId(1)));
        file.log(&store, [says("a", 2, "INFO")]).await;
        correlate(&store, 10).await;
        changes("final", true).await;
        assert_eq!(store.scenario_messages(&scenario, None, 10).await.unwrap().rows.len(), 3);
    }
}

/// Which calls and keys a message names; what shares one is together.
fn expected(all: &[(usize, Vec<usize>)]) -> Vec<Vec<String>> {
    let mut sets: Vec<BTreeSet<usize>> = Vec::new();
    for (call, keys) in all {
        let mut set = BTreeSet::from([*call]);
        set.extend(keys.iter().map(|key| if *key < CALLS.len() { *key } else { key + 100 }));
        let (meet, rest): (Vec<_>, Vec<_>) = sets.into_iter().partition(|other| !other.is_disjoint(&set));
        set.extend(meet.into_iter().flatten());
        sets = rest;
        sets.push(set);
    }
    let logged: BTreeSet<usize> = all.iter().map(|(call, _)| *call).collect();
    let mut out: Vec<Vec<String>> = sets
        .into_iter()
        .map(|set| set.into_iter().filter(|at| logged.contains(at)).map(|at| CALLS[at].to_string()).collect())
        .collect();
    out.sort();
    out
}

const CALLS: [&str; 6] = ["call-a", "call-b", "call-c", "call-d", "call-e", "call-f"];

async fn any_order_and_any_batches(store: Store) {
    // One database for all cases: each has call ids of its own.
    let mut runner = TestRunner::new(Config { cases: 1, ..Config::default() });
    let message = (0..CALLS.len(), prop::collection::vec(0..8_usize, 0..2));
    let strategy = (prop::collection::vec(message, 1..14), 1..5_usize, 1..4_usize);
    let mut before: BTreeSet<Vec<String>> = BTreeSet::new();
    let mut total = 0;
    for case in 0..25 {
        let (all, batch, most) = strategy.new_tree(&mut runner).unwrap().current();
        let name = |call: &str| format!("{call}-{case:03}");
        let mut files = [File::new(100 + case * 2), File::new(101 + case * 2)];
        let mut merged = 0;
        for (at, some) in all.chunks(batch).enumerate() {
            let messages = some.iter().map(|(call, keys)| {
                let says = says(&*name(CALLS[*call]).leak(), at as i64, "INFO");
                keys.iter().fold(says, |says, key| match CALLS.get(*key) {
                    Some(other) => says.key("call", &name(other)),
                    None => says.key("session", &name(&format!("session-{key}"))),
                })
            });
            files[at % 2].log(&store, messages.collect::<Vec<_>>()).await;
            if at % 3 == 0 {
                merged += correlate(&store, most).await.iter().map(|done| done.merged).sum::<u64>();
            }
        }
        correlate(&store, most).await;
        let after: BTreeSet<Vec<String>> = scenarios(&store).await.into_iter().collect();
        let new: Vec<Vec<String>> = after.difference(&before).cloned().collect();
        let wanted: Vec<Vec<String>> =
            expected(&all).into_iter().map(|calls| calls.iter().map(|call| name(call)).collect()).collect();
        assert_eq!(new, wanted, "{all:?} in batches of {batch}, {merged} mergers");
        before = after;
        total += all.len();
        let rows = store.search(&Filter::default(), None, 1000).await.unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.messages).sum::<i64>(), total as i64);
    }
}

store_test! {
    async fn any_order_of_arrival_gives_the_same_scenarios(store) {
        any_order_and_any_batches(store).await;
    }
}

#[test]
fn the_model_of_scenarios_joins_over_calls_that_were_never_logged() {
    let all = [(0, vec![5]), (1, vec![5]), (2, vec![7]), (3, vec![7]), (4, vec![])];
    assert_eq!(expected(&all), [vec!["call-a", "call-b"], vec!["call-c", "call-d"], vec!["call-e"]]);
}
