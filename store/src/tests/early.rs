//! Provisional rows are read beside final ones, also where no scenario exists yet.

use message::event::CallClass;
use message::kind::Kind;
use record::id::{CallKey, ScenarioId};
use record::span::Flags;
use record::time::{SECOND, Timestamp};

use super::fixture::{File, NOON, Says, correlate, says};
use super::store_test;
use crate::Store;
use crate::append::{MessageRow, Packed};
use crate::scenario::{Found, ScenarioRow, Subject};
use crate::search::{Filter, MessageFilter};

/// Rows whose bytes say what the test says, one behind the other from the watermark on.
fn rows(file: &File, messages: impl IntoIterator<Item = Says>) -> Vec<MessageRow> {
    let mut at = file.w;
    let next = |says: Says| {
        let row = file.message(at, &says);
        let (from, to) = (says.from.unwrap_or_default(), says.to.unwrap_or_default());
        let first = match says.status {
            Some(status) => format!("SIP/2.0 {status} x"),
            None => format!("{} sip:{to}@example.com SIP/2.0", says.method),
        };
        let header = format!("[{}][{}][{}][{}]\n", row.time, row.method, row.source, row.destination);
        let raw = format!(
            "{header}{first}\r\nFrom: <sip:{from}@example.com>;tag=1\r\nTo: <sip:{to}@example.com>\r\n\
             Call-ID: {}\r\nCSeq: 1 {}\r\n\r\n\n",
            says.call, says.method
        );
        at += raw.len() as u64;
        let (len, head) = (raw.len() as u64, header.len() as u32);
        MessageRow { len, head, raw: Packed::of(raw.as_bytes()), flags: Flags::empty(), ..row }
    };
    messages.into_iter().map(next).collect()
}

fn name(row: &ScenarioRow) -> String {
    match &row.subject {
        Subject::Scenario(id) => id.to_string(),
        Subject::Call(_, name) => name.clone(),
    }
}

async fn found(store: &Store, filter: Filter) -> Vec<String> {
    store.search(&filter, None, 100).await.unwrap().rows.iter().map(name).collect()
}

fn key(call: &str) -> CallKey {
    CallKey::of(call.as_bytes())
}

fn any() -> Filter {
    Filter::default()
}

fn at(second: i64) -> Timestamp {
    Timestamp(NOON.0 + second * SECOND)
}

store_test! {
    async fn a_call_without_a_scenario_is_found_by_each_filter(store) {
        let file = File::new(1);
        file.tail(&store, rows(&file, [
            says("lone", 10, "INVITE").people("alice", "bob"),
            says("busy", 20, "INVITE").people("carol", "+12025550100"),
            says("busy", 21, "INVITE").people("carol", "+12025550100").status(486),
            says("register", 30, "REGISTER").people("dave", "dave"),
        ])).await;
        let some = |text: &str| Some(text.to_string());
        let check = async |filter: Filter, expect: &[&str]| assert_eq!(found(&store, filter.clone()).await, expect, "{filter:?}");
        check(any(), &["busy", "lone"]).await;
        check(Filter { classes: vec![CallClass::Registration], ..any() }, &["register"]).await;
        check(Filter { classes: CallClass::ALL.to_vec(), ..any() }, &["register", "busy", "lone"]).await;
        check(Filter { call_id: some("lone"), ..any() }, &["lone"]).await;
        check(Filter { call_id: some("register"), ..any() }, &["register"]).await;
        check(Filter { call_id: some("nobody"), ..any() }, &[]).await;
        check(Filter { caller: some("ali"), ..any() }, &["lone"]).await;
        check(Filter { callee: some("+1202"), ..any() }, &["busy"]).await;
        check(Filter { person: some("+1202"), ..any() }, &["busy"]).await;
        check(Filter { person: some("bob"), ..any() }, &["lone"]).await;
        check(Filter { person: some("dave"), ..any() }, &[]).await;
        check(Filter { method: some("INVITE"), ..any() }, &["busy", "lone"]).await;
        check(Filter { method: some("486"), ..any() }, &["busy"]).await;
        check(Filter { status: Some((400, 499)), ..any() }, &["busy"]).await;
        check(Filter { final_status: Some((486, 486)), ..any() }, &["busy"]).await;
        check(Filter { final_status: Some((200, 299)), ..any() }, &[]).await;
        check(Filter { kind: Some(Kind::Sip), ..any() }, &["busy", "lone"]).await;
        check(Filter { kind: Some(Kind::Push), ..any() }, &[]).await;
        check(Filter { from: Some(at(15)), ..any() }, &["busy"]).await;
        check(Filter { to: Some(at(20)), ..any() }, &["lone"]).await;
        let row = store.search(&Filter { call_id: some("busy"), ..any() }, None, 10).await.unwrap().rows.remove(0);
        assert_eq!((row.messages, row.status, row.caller.as_deref(), row.last), (2, Some(486), Some("carol"), at(21)));
    }

    async fn a_provisional_row_writes_nothing_but_itself(store) {
        let file = File::new(1);
        file.tail(&store, rows(&file, [says("lone", 0, "INVITE").key("session", "s")])).await;
        assert!(store.outbox("me", NOON, 1, 10).await.unwrap().is_empty());
        assert_eq!(store.scenario(ScenarioId(1)).await.unwrap(), Found::Nowhere);
        let counters = store.streams(None, 1).await.unwrap()[0].counters;
        assert_eq!(counters, record::wire::Counters::default());
        // No part of a call: neither a person nor a time finds one when the row is gone.
        file.tail(&store, Vec::new()).await;
        assert!(found(&store, Filter { person: Some("alice".into()), ..any() }).await.is_empty());
        assert!(store.messages(&MessageFilter::default(), None, 10).await.unwrap().rows.is_empty());
        assert_eq!(store.totals().await.unwrap().scenarios, 0);
    }

    async fn pages_of_calls_with_and_without_a_scenario_have_no_gaps_or_repeats(store) {
        let mut file = File::new(1);
        let names: Vec<&'static str> = (0..23).map(|at| &*format!("call-{at:02}").leak()).collect();
        let each = |odd: usize| names.iter().enumerate().filter(move |(at, _)| at % 2 == odd).map(|(at, call)| says(call, at as i64 / 4, "INVITE"));
        file.log(&store, each(0)).await;
        correlate(&store, 100).await;
        file.tail(&store, rows(&file, each(1))).await;
        for filter in [any(), Filter { method: Some("INVITE".into()), ..any() }] {
            let (mut seen, mut before) = (Vec::<ScenarioRow>::new(), None);
            loop {
                let page = store.search(&filter, before, 3).await.unwrap();
                seen.extend(page.rows);
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), 23, "{filter:?}");
            assert!(seen.iter().map(ScenarioRow::place).is_sorted_by(|a, b| a > b));
            assert_eq!(seen.iter().filter(|row| row.subject.scenario().is_none()).count(), 11);
        }
        assert_eq!(store.totals().await.unwrap().scenarios, 23);
    }

    async fn a_call_leads_to_its_scenario_once_it_has_one(store) {
        let mut file = File::new(1);
        assert_eq!(store.call(key("lone")).await.unwrap(), Found::Nowhere);
        file.tail(&store, rows(&file, [says("lone", 0, "INVITE")])).await;
        let Found::Here(call) = store.call(key("lone")).await.unwrap() else { panic!() };
        assert_eq!((name(&call.row).as_str(), call.row.messages, call.calls.len()), ("lone", 1, 1));
        assert_eq!(store.scenario_messages(&call, None, 10).await.unwrap().rows.len(), 1);
        let before = store.call_versions(&[key("lone")]).await.unwrap();
        assert_eq!(before[0].2, None);
        file.tail(&store, rows(&file, [says("lone", 0, "INVITE"), says("lone", 1, "CANCEL")])).await;
        assert_ne!(store.call_versions(&[key("lone")]).await.unwrap(), before);
        // Final, and not correlated yet.
        file.log(&store, [says("lone", 0, "INVITE")]).await;
        assert!(matches!(store.call(key("lone")).await.unwrap(), Found::Here(_)));
        correlate(&store, 10).await;
        assert_eq!(store.call(key("lone")).await.unwrap(), Found::Merged(ScenarioId(1)));
        assert_eq!(store.call_versions(&[key("lone")]).await.unwrap()[0].2, Some(ScenarioId(1)));
        assert_eq!(found(&store, any()).await, ["00000001"]);
    }

    async fn a_complete_row_that_waits_counts_as_if_it_were_final(store) {
        let mut file = File::new(1);
        file.log(&store, [says("a", 0, "INVITE"), says("old", -4000, "INVITE")]).await;
        correlate(&store, 10).await;
        file.tail(&store, rows(&file, [
            says("a", 3, "INVITE").status(200),
            says("a", 60, "BYE"),
            says("a", 61, "BYE").status(200),
        ])).await;
        let row = store.search(&any(), None, 1).await.unwrap().rows.remove(0);
        assert_eq!((row.status, row.answered, row.ending, row.ended), (Some(200), Some(at(3)), Some(at(60)), Some(at(61))));
        assert_eq!((row.first, row.last, row.messages), (at(0), at(61), 4));
        let Found::Here(scenario) = store.scenario(ScenarioId(1)).await.unwrap() else { panic!() };
        assert_eq!(scenario.row.ended, Some(at(61)));
        let one = ["00000001"];
        assert_eq!(found(&store, Filter { final_status: Some((200, 200)), ..any() }).await, one);
        assert_eq!(found(&store, Filter { method: Some("BYE".into()), ..any() }).await, one);
        assert_eq!(found(&store, Filter { status: Some((200, 200)), ..any() }).await, one);
        assert_eq!(found(&store, Filter { from: Some(at(59)), ..any() }).await, one);
        let messages = async |provisional| {
            let filter = MessageFilter { call_id: Some("a".into()), provisional, ..MessageFilter::default() };
            store.messages(&filter, None, 10).await.unwrap().rows.len()
        };
        assert_eq!((messages(None).await, messages(Some(true)).await, messages(Some(false)).await), (4, 0, 4));
    }

    async fn only_an_unfinished_row_is_provisional_and_the_flag_is_not_shown(store) {
        let file = File::new(1);
        let mut tail = rows(&file, [says("a", 0, "INVITE"), says("a", 1, "BYE")]);
        tail[1].flags = Flags::UNFINISHED.union(Flags::KIND_GUESSED);
        file.tail(&store, tail).await;
        let page = store.messages(&MessageFilter::default(), None, 10).await.unwrap().rows;
        let marks: Vec<_> = page.iter().map(|m| (m.provisional, m.flags)).collect();
        assert_eq!(marks, [(false, Flags::empty()), (true, Flags::KIND_GUESSED)]);
        let stream = &store.streams(None, 1).await.unwrap()[0];
        assert_eq!((stream.tail, stream.provisional, stream.lag(), stream.last_event), (2, 1, 0, Some(at(1))));
        assert_eq!(store.totals().await.unwrap().lag, 0);
        for (provisional, expect) in [(true, 1), (false, 1)] {
            let filter = MessageFilter { provisional: Some(provisional), ..MessageFilter::default() };
            assert_eq!(store.messages(&filter, None, 10).await.unwrap().rows.len(), expect);
        }
    }

    async fn a_registration_of_today_is_no_part_of_that_of_yesterday(store) {
        let mut file = File::new(1);
        file.log(&store, [says("reg", -86_400, "REGISTER").class(CallClass::Registration)]).await;
        correlate(&store, 10).await;
        file.tail(&store, rows(&file, [says("reg", 5, "REGISTER")])).await;
        let filter = Filter { classes: vec![CallClass::Registration], ..any() };
        assert_eq!(found(&store, filter).await, ["reg", "00000001"]);
        let Found::Here(call) = store.call(key("reg")).await.unwrap() else { panic!() };
        assert_eq!(store.scenario_messages(&call, None, 10).await.unwrap().rows.len(), 1);
        assert_eq!(store.call_versions(&[key("reg")]).await.unwrap()[0].2, None);
        let Found::Here(old) = store.scenario(ScenarioId(1)).await.unwrap() else { panic!() };
        assert_eq!((old.row.messages, store.scenario_messages(&old, None, 10).await.unwrap().rows.len()), (1, 1));
        file.tail(&store, Vec::new()).await;
        assert_eq!(store.call(key("reg")).await.unwrap(), Found::Merged(ScenarioId(1)));
    }

    async fn a_list_reads_a_bounded_number_of_provisional_rows_and_says_how_far_back(store) {
        let file = File::new(1);
        let calls = (0..10_050).map(|at| says(format!("call-{at}").leak(), at, "INVITE"));
        file.tail(&store, rows(&file, calls)).await;
        let page = store.search(&any(), None, 50).await.unwrap();
        assert_eq!((page.rows.len(), page.next.is_some(), name(&page.rows[0]).as_str()), (50, true, "call-10049"));
        let nobody = store.search(&Filter { person: Some("nobody".into()), ..any() }, None, 50).await.unwrap();
        assert!(nobody.rows.is_empty() && nobody.searched_to > Some(at(4_000)) && nobody.waiting_to > Some(at(0)), "{nobody:?}");
        assert_eq!(found(&store, Filter { call_id: Some("call-7".into()), ..any() }).await, ["call-7"]);
        assert_eq!(store.streams(None, 1).await.unwrap()[0].tail, 10_050);
    }

    async fn the_message_list_goes_on_to_a_provisional_row_years_later(store) {
        let mut file = File::new(1);
        file.log(&store, [says("a", 0, "INVITE")]).await;
        let (year, later) = (365 * 86_400, 3 * 365 * 86_400);
        file.tail(&store, rows(&file, [says("b", year, "INVITE")])).await;
        let mut other = File::new(2);
        other.log(&store, [says("c", later, "INVITE")]).await;
        let page = store.messages(&MessageFilter::default(), None, 10).await.unwrap();
        assert_eq!(page.rows.len(), 3);
    }
}
