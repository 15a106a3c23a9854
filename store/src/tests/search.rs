//! Search: each filter, and pages.

use message::event::CallClass;
use message::kind::Kind;
use record::time::{SECOND, Timestamp};

use super::fixture::{File, NOON, correlate, says};
use super::store_test;
use crate::Store;
use crate::backend::with_transaction;
use crate::search::Filter;

/// Call-IDs of the first calls of what is found, newest first.
async fn found(store: &Store, filter: Filter) -> Vec<String> {
    let page = store.search(&filter, None, 100).await.unwrap();
    let mut calls = Vec::new();
    for row in page.rows {
        let crate::scenario::Found::Here(scenario) = store.scenario(row.subject.scenario().unwrap()).await.unwrap()
        else {
            panic!("merged")
        };
        calls.push(scenario.calls[0].call_id.clone());
    }
    calls
}

async fn filled(store: &Store) {
    let mut file = File::new(1);
    file.log(
        store,
        [
            says("answered", 0, "INVITE").people("+12025550100", "+12025550199"),
            says("answered", 1, "INVITE").people("+12025550100", "+12025550199").status(200),
            says("answered", 600, "BYE").people("+12025550199", "+12025550100"),
            says("busy", 10, "INVITE").people("+12025550101", "bob").key("session", "both"),
            says("busy", 11, "INVITE").people("+12025550101", "bob").status(486),
            says("leg", 12, "INVITE").people("proxy", "carol").key("session", "both"),
            says("lookup", 20, "POST").people("alice", "Bob").kind(Kind::Rest).class(CallClass::Other).status(503),
            says("wake", 30, "PUSH").people("a%", "b_b").kind(Kind::Push),
            says("register", 40, "REGISTER").people("dave", "dave").class(CallClass::Registration),
            says("options", 50, "OPTIONS").people("dave", "dave").class(CallClass::Keepalive),
        ],
    )
    .await;
    correlate(store, 100).await;
}

store_test! {
    async fn each_filter_finds_what_it_says(store) {
        filled(&store).await;
        let any = Filter::default;
        let some = |text: &str| Some(text.to_string());
        let at = |second: i64| Some(Timestamp(NOON.0 + second * SECOND));
        let check = async |filter: Filter, expect: &[&str]| assert_eq!(found(&store, filter.clone()).await, expect, "{filter:?}");
        check(any(), &["wake", "busy", "answered"]).await;
        let any = || Filter { classes: vec![CallClass::Call, CallClass::Message, CallClass::Other], ..Filter::default() };
        check(any(), &["wake", "lookup", "busy", "answered"]).await;
        check(Filter { classes: vec![CallClass::Registration, CallClass::Keepalive], ..any() }, &["options", "register"]).await;
        check(Filter { classes: CallClass::ALL.to_vec(), caller: some("dave"), ..any() }, &["options", "register"]).await;
        check(Filter { caller: some("+1202555010"), ..any() }, &["busy", "answered"]).await;
        check(Filter { caller: some("+12025550100"), ..any() }, &["answered"]).await;
        check(Filter { callee: some("+120255501"), ..any() }, &["answered"]).await;
        check(Filter { callee: some("b"), ..any() }, &["wake", "lookup", "busy"]).await;
        check(Filter { callee: some("b_"), ..any() }, &["wake"]).await;
        check(Filter { caller: some("a%"), ..any() }, &["wake"]).await;
        check(Filter { callee: some("BOB"), ..any() }, &["lookup", "busy"]).await;
        // However it is written, by its beginning or by its end.
        for number in ["+1 (202) 555-0100", "0012025550100", "12025550100", "2025550100", "50100", "tel"] {
            let expect: &[&str] = if number == "tel" { &[] } else { &["answered"] };
            check(Filter { person: some(number), ..any() }, expect).await;
        }
        check(Filter { caller: some("1 202 555 01"), ..any() }, &["busy", "answered"]).await;
        check(Filter { person: some("carol"), ..any() }, &["busy"]).await;
        check(Filter { person: some("+12025550"), ..any() }, &["busy", "answered"]).await;
        check(Filter { person: some("dave"), ..any() }, &[]).await;
        check(Filter { person: some("nobody"), ..any() }, &[]).await;
        check(Filter { person: some("carol"), call_id: some("answered"), ..any() }, &[]).await;
        check(Filter { call_id: some("leg"), ..any() }, &["busy"]).await;
        check(Filter { call_id: some("register"), ..Filter::default() }, &["register"]).await;
        check(Filter { call_id: some("BUSY"), ..any() }, &[]).await;
        // What was going on in that time.
        check(Filter { from: at(100), ..any() }, &["answered"]).await;
        check(Filter { from: at(11), to: at(21), ..any() }, &["lookup", "busy", "answered"]).await;
        check(Filter { to: at(10), ..any() }, &["answered"]).await;
        check(Filter { kind: Some(Kind::Push), ..any() }, &["wake"]).await;
        check(Filter { method: some("BYE"), ..any() }, &["answered"]).await;
        check(Filter { method: some("INVITE"), ..any() }, &["busy", "answered"]).await;
        check(Filter { method: some("486"), kind: Some(Kind::Sip), ..any() }, &["busy"]).await;
        check(Filter { method: some("486"), kind: Some(Kind::Rest), ..any() }, &[]).await;
        check(Filter { status: Some((400, 599)), ..any() }, &["lookup", "busy"]).await;
        check(Filter { status: Some((200, 200)), caller: some("+1"), ..any() }, &["answered"]).await;
        check(Filter { final_status: Some((400, 499)), ..any() }, &["busy"]).await;
        check(Filter { final_status: Some((200, 299)), ..any() }, &["answered"]).await;
        check(Filter { classes: vec![CallClass::Registration], method: some("REGISTER"), ..any() }, &["register"]).await;
    }

    async fn a_caller_who_hides_is_found_as_the_network_names_her(store) {
        let hidden = says("hidden", 0, "INVITE").people("anonymous", "bob").identity("+82105550123");
        let answer = says("hidden", 1, "INVITE").people("anonymous", "bob").status(180);
        File::new(1).log(&store, [hidden, answer, says("other", 2, "INVITE")]).await;
        let waiting = File::new(2);
        let later = says("waiting", 3, "INVITE").people("anonymous", "bob").identity("+82105550199");
        waiting.tail(&store, vec![waiting.message(0, &later)]).await;
        correlate(&store, 100).await;
        let person = |person: &str| Filter { person: Some(person.into()), ..Filter::default() };
        let seconds = async |filter: Filter| {
            let rows = store.search(&filter, None, 10).await.unwrap().rows;
            rows.iter().map(|row| row.first.micros_since(NOON) / SECOND).collect::<Vec<_>>()
        };
        for (number, expect) in [("+8210555", vec![3, 0]), ("50123", vec![0]), ("82105550199", vec![3])] {
            assert_eq!(seconds(person(number)).await, expect, "{number}");
        }
        // Beside others that leave few.
        assert_eq!(seconds(Filter { call_id: Some("hidden".into()), ..person("+82105550123") }).await, [0]);
    }

    async fn a_text_is_found_in_any_message_and_a_call_by_what_it_does(store) {
        filled(&store).await;
        let any = || Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
        let text = |text: &str| Filter { text: Some(text.into()), ..any() };
        let check = async |filter: Filter, expect: &[&str]| assert_eq!(found(&store, filter.clone()).await, expect, "{filter:?}");
        check(text("call-id: LEG"), &["busy"]).await;
        check(text("192.0.2.2:5060"), &["options", "register", "wake", "lookup", "busy", "answered"]).await;
        check(text("192.0.2.2:506"), &[]).await;
        check(text("REGISTER sip:"), &["register"]).await;
        check(Filter { to: Some(Timestamp(NOON.0 + 15 * SECOND)), method: Some("INVITE".into()), ..text("bob@") }, &["busy", "answered"]).await;
        let ongoing = Filter { ongoing: true, ..Filter::default() };
        File::new(2).log(&store, [says("talking", 50, "INVITE"), says("talking", 51, "INVITE").status(200)]).await;
        correlate(&store, 100).await;
        check(ongoing.clone(), &["talking", "wake"]).await;
        let row = store.search(&ongoing, None, 10).await.unwrap().rows.remove(0);
        assert_eq!(store.search(&Filter { problems: true, ..any() }, None, 10).await.unwrap().rows, []);
        assert_eq!((row.problems, row.status), (None, Some(200)));
        let waiting = File::new(3);
        waiting.tail(&store, vec![waiting.message(0, &says("waiting", 60, "NEWS"))]).await;
        assert_eq!(store.search(&text("NEWS sip:"), None, 10).await.unwrap().rows.len(), 1);
    }

    async fn a_scenario_is_found_by_what_joins_its_calls(store) {
        filled(&store).await;
        assert_eq!(store.scenarios_of_key("both").await.unwrap(), [], "too short to be a key");
        File::new(2).log(&store, [
            says("one", 0, "INVITE").key("session", "session-17"),
            says("two", 1, "INVITE").key("session", "session-17"),
            says("three", 2, "INVITE"),
        ]).await;
        correlate(&store, 100).await;
        let [id] = store.scenarios_of_key("session-17").await.unwrap()[..] else { panic!("not one") };
        let crate::scenario::Found::Here(scenario) = store.scenario(id).await.unwrap() else { panic!("not there") };
        assert_eq!(scenario.calls.len(), 2);
        assert_eq!(store.scenarios_of_key("session-18").await.unwrap(), []);
    }

    async fn paging_newest_first_has_no_gaps_or_repeats(store) {
        let calls: Vec<&'static str> = (0..53).map(|at| &*format!("call-{at}").leak()).collect();
        // Several of them begin at one time.
        File::new(1).log(&store, calls.iter().enumerate().map(|(at, call)| says(call, at as i64 / 4, "INVITE"))).await;
        correlate(&store, 100).await;
        let by_message = Filter { method: Some("INVITE".into()), ..Filter::default() };
        let by_person = Filter { person: Some("al".into()), ..Filter::default() };
        for filter in [Filter::default(), by_message, by_person] {
            let (mut seen, mut before) = (Vec::new(), None);
            loop {
                let page = store.search(&filter, before, 5).await.unwrap();
                seen.extend(page.rows.iter().map(crate::scenario::ScenarioRow::place));
                assert_eq!(page.searched_to, None);
                before = page.next;
                if before.is_none() {
                    break;
                }
                assert_eq!((page.rows.len(), before), (5, seen.last().copied()));
            }
            assert_eq!(seen.len(), 53, "{filter:?}");
            assert!(seen.is_sorted_by(|a, b| a > b));
        }
    }

    async fn a_person_is_found_however_late_their_call_came_to_the_scenario(store) {
        let mut file = File::new(1);
        file.log(&store, [
            says("conference", 0, "INVITE").people("host", "room").key("session", "s"),
            says("leg", 3 * 3600, "INVITE").people("zoe", "room").key("session", "s"),
        ]).await;
        correlate(&store, 10).await;
        let hour = Some(Timestamp(NOON.0 + 3600 * SECOND));
        let zoe = |filter: Filter| Filter { person: Some("zoe".into()), ..filter };
        assert_eq!(found(&store, zoe(Filter { to: hour, ..Filter::default() })).await, ["conference"]);
        let before = Some((Timestamp(NOON.0 + SECOND), record::id::ScenarioId(9)));
        assert_eq!(store.search(&zoe(Filter::default()), before, 10).await.unwrap().rows.len(), 1);
    }

    // Their newest calls are found by an index, and those before them by looking at each scenario.
    async fn a_person_of_very_many_calls_has_each_of_their_scenarios_once(store) {
        let mut file = File::new(1);
        let name = |at: usize| -> &'static str { format!("call-{at}").leak() };
        // Every third one is someone else's, and begins a conference that zoe comes to much later.
        let calls = (0..4_000).map(|at| {
            let says = says(name(at), at as i64, "INVITE");
            if at % 3 == 0 { says.people("host", "room").key("session", name(at)) } else { says.people("+1 202 555 0177", "+12025550178") }
        });
        file.log(&store, calls).await;
        let late = (0..4_000).step_by(3).map(|at| {
            says(format!("late-{at}").leak(), 4_000 + at as i64, "INVITE").people("+12025550177", "room").key("session", name(at))
        });
        file.log(&store, late).await;
        correlate(&store, 1_000).await;
        for (person, filter) in [
            ("+12025550177", Filter::default()),
            ("50177", Filter::default()),
            ("+1202555", Filter { to: Some(Timestamp(NOON.0 + 3_000 * SECOND)), ..Filter::default() }),
            ("+1202555", Filter { callee: Some("room".into()), ..Filter::default() }),
        ] {
            let filter = Filter { person: Some(person.into()), ..filter };
            let (mut seen, mut before) = (Vec::new(), None);
            loop {
                let page = store.search(&filter, before, 700).await.unwrap();
                seen.extend(page.rows.iter().map(crate::scenario::ScenarioRow::place));
                assert!(page.next.is_none_or(|next| before.is_none_or(|before| next < before)), "{filter:?}");
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            let expected = match (filter.to, filter.callee) {
                (Some(_), _) => 3_000,
                (_, Some(_)) => 1_334,
                _ => 4_000,
            };
            assert!(seen.is_sorted_by(|a, b| a > b), "{person}");
            assert_eq!(seen.len(), expected, "{person}");
        }
    }

    async fn a_name_longer_than_what_is_stored_is_found_by_all_of_it(store) {
        let name: &'static str = "n".repeat(400).leak();
        File::new(1).log(&store, [says("long", 0, "INVITE").people(name, "bob")]).await;
        correlate(&store, 10).await;
        for filter in [Filter { person: Some(name.into()), ..Filter::default() }, Filter { caller: Some(name.into()), ..Filter::default() }] {
            assert_eq!(found(&store, filter).await, ["long"]);
        }
    }

    async fn callers_who_tried_again_are_all_found_however_many_there_are(store) {
        let mut file = File::new(1);
        let name = |at: i64| -> &'static str { format!("call-{at}").leak() };
        let alone = |at: i64| if at % 600 == 0 { "alice" } else { "bob" };
        file.log(&store, (0..1_300).map(|at| says(name(at), at, "INVITE").people(alone(at), "carol"))).await;
        correlate(&store, 100).await;
        let mut tx = store.backend.begin().await.unwrap();
        with_transaction!(&mut tx, db => {
            let tried = "insert into scenario_try (scenario_id, first, status) select id, first, 486 from scenario";
            sqlx::query(tried).execute(db).await.unwrap();
        });
        tx.commit().await.unwrap();
        for caller in [None, Some("alice".to_owned())] {
            let filter = Filter { final_status: Some((486, 486)), caller, ..Filter::default() };
            let (mut found, mut before) = (0, None);
            loop {
                let page = store.search(&filter, before, 100).await.unwrap();
                found += page.rows.len();
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(found, if filter.caller.is_some() { 3 } else { 1_300 });
        }
    }

    async fn what_was_merged_is_never_listed(store) {
        let mut file = File::new(1);
        for says in [says("a", 0, "INVITE").key("session", "s"), says("b", 1, "INVITE"), says("b", 2, "INFO").key("session", "s")] {
            file.log(&store, [says]).await;
            correlate(&store, 10).await;
        }
        assert_eq!(found(&store, Filter { call_id: Some("b".into()), ..Filter::default() }).await, ["a"]);
        assert_eq!(found(&store, Filter::default()).await, ["a"]);
    }
}
