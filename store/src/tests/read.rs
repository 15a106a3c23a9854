//! Pages have no gaps and no repeats.

use record::id::{MessageId, Offset, StreamId};
use record::time::{SECOND, Timestamp};

use super::fixture::{File, NOON, correlate, gap, says};
use super::store_test;
use crate::Store;
use crate::append::Incoming;
use crate::scenario::Found;
use crate::search::MessageFilter;

/// Two streams, messages at equal times, a provisional one at the end.
async fn filled(store: &Store) -> usize {
    let (mut one, mut two) = (File::new(1), File::new(2));
    for batch in 0..4_i64 {
        one.log(store, (0..30).map(|at| says("a", batch * 5 + at / 10, "INFO").key("session", "both"))).await;
        two.log(store, (0..20).map(|at| says("b", batch * 5 + at / 7, "INFO").key("session", "both"))).await;
    }
    correlate(store, 100).await;
    let tail = vec![two.unfinished(two.w, &says("b", 7, "BYE"))];
    store.append(vec![Incoming { tail, ..two.batch(two.w, Vec::new()) }]).await.unwrap();
    201
}

store_test! {
    async fn paging_through_a_scenario_has_no_gaps_or_repeats(store) {
        let all = filled(&store).await;
        let Found::Here(scenario) = store.scenario(record::id::ScenarioId(1)).await.unwrap() else { panic!() };
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = store.scenario_messages(&scenario, after, 7).await.unwrap().rows;
            let Some(last) = page.last() else { break };
            after = Some((last.time, last.id));
            seen.extend(page.iter().map(|message| (message.time, message.id)));
        }
        assert_eq!(seen.len(), all);
        assert!(seen.is_sorted_by(|a, b| a < b));
        assert_eq!(store.scenario_messages(&scenario, None, 1000).await.unwrap().rows.len(), all);
    }

    async fn paging_through_all_messages_has_no_gaps_or_repeats(store) {
        let all = filled(&store).await;
        let mut far = File::new(3);
        far.log(&store, [says("c", -300 * 86_400, "INFO"), says("d", 300 * 86_400, "INFO")]).await;
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = store.messages(&MessageFilter::default(), after, 9).await.unwrap();
            seen.extend(page.rows.iter().map(|message| (message.time, message.id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), all + 2);
        assert!(seen.is_sorted_by(|a, b| a < b));
    }

    async fn a_page_goes_on_from_a_clock_decades_behind_to_calls_of_today(store) {
        let mut file = File::new(1);
        let decades = -50 * 365 * 86_400;
        file.log(&store, [says("old", decades, "INVITE"), says("a", 0, "INVITE"), says("old", 7200, "BYE"), says("a", 86_400, "BYE")]).await;
        let page = store.messages(&MessageFilter::default(), None, 10).await.unwrap();
        let times: Vec<i64> = page.rows.iter().map(|message| (message.time.0 - NOON.0) / SECOND).collect();
        assert_eq!(times, [decades, 0, 7200, 86_400]);
        let bye = MessageFilter { method: Some("BYE".into()), ..MessageFilter::default() };
        assert_eq!(store.messages(&bye, None, 10).await.unwrap().rows.len(), 2);
        let to = Some(Timestamp(NOON.0 + 1));
        assert_eq!(store.messages(&MessageFilter { to, ..MessageFilter::default() }, None, 10).await.unwrap().rows.len(), 2);
    }

    async fn messages_are_found_by_each_filter(store) {
        filled(&store).await;
        let mut rest = File::new(3);
        rest.log(&store, [
            says("r", 100, "POST").kind(message::kind::Kind::Rest).status(503),
            says("s", 100, "INVITE").status(486),
        ]).await;
        correlate(&store, 100).await;
        let count = async |filter: MessageFilter| store.messages(&filter, None, 1000).await.unwrap().rows.len();
        let any = MessageFilter::default;
        let at = |second: i64| Some(Timestamp(NOON.0 + second * SECOND));
        assert_eq!(count(any()).await, 203);
        assert_eq!(count(MessageFilter { call_id: Some("b".into()), ..any() }).await, 81);
        assert_eq!(count(MessageFilter { call_id: Some("nobody".into()), ..any() }).await, 0);
        let scenario = Some(record::id::ScenarioId(1));
        assert_eq!(count(MessageFilter { scenario, ..any() }).await, 201);
        assert_eq!(count(MessageFilter { scenario, call_id: Some("a".into()), ..any() }).await, 120);
        assert_eq!(count(MessageFilter { scenario, call_id: Some("r".into()), ..any() }).await, 0);
        assert_eq!(count(MessageFilter { scenario: Some(record::id::ScenarioId(77)), ..any() }).await, 0);
        assert_eq!(count(MessageFilter { from: at(15), ..any() }).await, 52);
        assert_eq!(count(MessageFilter { to: at(1), ..any() }).await, 17);
        assert_eq!(count(MessageFilter { from: at(15), to: at(100), call_id: Some("b".into()), ..any() }).await, 20);
        assert_eq!(count(MessageFilter { kind: Some(message::kind::Kind::Rest), ..any() }).await, 1);
        assert_eq!(count(MessageFilter { method: Some("BYE".into()), ..any() }).await, 1);
        assert_eq!(count(MessageFilter { method: Some("486".into()), ..any() }).await, 1);
        assert_eq!(count(MessageFilter { status: Some((400, 699)), ..any() }).await, 2);
        assert_eq!(count(MessageFilter { status: Some((500, 503)), ..any() }).await, 1);
        assert_eq!(count(MessageFilter { provisional: Some(true), ..any() }).await, 1);
        assert_eq!(count(MessageFilter { provisional: Some(false), ..any() }).await, 202);
    }

    async fn a_message_that_is_not_there_is_none(store) {
        let id = MessageId::new(StreamId(5), Offset(u64::MAX));
        assert!(store.message(id).await.unwrap().is_none());
        assert_eq!(store.scenario(record::id::ScenarioId(9)).await.unwrap(), Found::Nowhere);
        assert!(store.scenarios_of(&[]).await.unwrap().is_empty());
        assert!(store.versions(&[]).await.unwrap().is_empty());
    }

    async fn the_scenarios_of_a_page_of_messages_are_found_at_once(store) {
        filled(&store).await;
        File::new(3).log(&store, [says("late", 0, "INFO")]).await;
        let page = store.messages(&MessageFilter::default(), None, 1000).await.unwrap().rows;
        let owners = store.scenarios_of(&page).await.unwrap();
        assert_eq!((page.len(), owners.len()), (202, 201));
        assert!(owners.iter().all(|(_, scenario)| scenario.0 == 1));
    }

    async fn a_stream_with_thousands_of_gaps_hides_those_of_no_other(store) {
        for number in 1..=3 {
            let file = File::new(number);
            let gaps = if number == 1 { 6_000 } else { 2 };
            store.append(vec![file.batch(0, (0..gaps).map(|at| gap(at, 1)).collect())]).await.unwrap();
        }
        let rows = store.streams(None, 10).await.unwrap();
        let listed: Vec<_> = rows.iter().map(|row| (row.gaps.len(), row.counters.gaps)).collect();
        assert_eq!(listed, [(3_333, 6_000), (2, 2), (2, 2)]);
        assert!(rows.iter().all(|row| row.gaps[0].start.0 == 0 && row.gaps[1].start.0 == 1), "the oldest");
        assert_eq!(store.streams(None, 1).await.unwrap()[0].gaps.len(), 6_000);
    }

    async fn streams_are_paged_with_their_gaps(store) {
        for number in 1..=5 {
            let file = File::new(number);
            store.append(vec![file.batch(0, vec![gap(0, number as u64)])]).await.unwrap();
        }
        let page = store.streams(None, 2).await.unwrap();
        assert_eq!(page.iter().map(|row| (row.stream.0, row.gaps.len(), row.gaps[0].len)).collect::<Vec<_>>(), [(1, 1, 1), (2, 1, 2)]);
        let rest = store.streams(Some(StreamId(2)), 10).await.unwrap();
        assert_eq!(rest.iter().map(|row| row.stream.0).collect::<Vec<_>>(), [3, 4, 5]);
        let totals = store.totals().await.unwrap();
        assert_eq!((totals.streams, totals.gaps, totals.size, totals.committed), (5, 5, 15, 15));
    }
}
