//! What agents say of themselves, and what is stored of their sources.

use record::id::Offset;
use record::span::Cause;
use record::time::{SECOND, Timestamp};
use record::wire::{Heartbeat, SourceReport};

use super::fixture::{File, NOON, noise, says};
use super::store_test;
use crate::append::{GapRow, Incoming, Item};
use crate::health::Part;

fn heartbeat(agent: &str, sources: Vec<SourceReport>) -> Heartbeat {
    Heartbeat {
        version: 1,
        agent: agent.into(),
        program: "0.1.0".into(),
        host: "sbc-1".into(),
        clock: Timestamp(NOON.0 - 3 * SECOND),
        sources,
        unread: Vec::new(),
        more_unread: 0,
        places: None,
        stops: false,
    }
}

store_test! {
    async fn an_agent_is_as_it_was_heard_last(store) {
        let sources = (0..5000).map(|nth| SourceReport {
            name: format!("app/{nth}.log"),
            size: nth,
            read_to: Some(NOON),
            ..SourceReport::default()
        });
        let first = heartbeat("agent-1", sources.collect());
        store.hear(&first, NOON).await.unwrap();
        let later = Timestamp(NOON.0 + 10 * SECOND);
        let second = Heartbeat { stops: true, ..heartbeat("agent-1", Vec::new()) };
        store.hear(&heartbeat("agent-2", Vec::new()), Timestamp(NOON.0 - SECOND)).await.unwrap();
        let said = store.agents().await.unwrap();
        let heard: Vec<_> = said.iter().map(|agent| (agent.id.as_str(), agent.heard, agent.clock_offset)).collect();
        let before = Some(Timestamp(NOON.0 - SECOND));
        assert_eq!(heard, [("agent-1", Some(NOON), -3 * SECOND), ("agent-2", before, -2 * SECOND)]);
        assert_eq!(said[0].heartbeat.as_ref(), Some(&first));
        store.hear(&second, later).await.unwrap();
        let said = store.agents().await.unwrap();
        assert_eq!((said[0].heard, said[0].heartbeat.as_ref()), (Some(later), Some(&second)));
        assert!(store.health().faults().iter().all(|fault| fault.part != Part::Hearing));
    }

    async fn agents_are_paged_by_id_whenever_each_was_heard(store) {
        for (nth, id) in ["d", "a", "c", "b", "e"].into_iter().enumerate() {
            store.hear(&heartbeat(id, Vec::new()), Timestamp(NOON.0 + nth as i64 * SECOND)).await.unwrap();
        }
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let (page, more) = store.agents_after(after.as_deref(), 2).await.unwrap();
            ids.extend(page.into_iter().map(|agent| agent.id));
            // The last one is heard anew: it stays where it is.
            store.hear(&heartbeat("e", Vec::new()), Timestamp(NOON.0 + ids.len() as i64 * 60 * SECOND)).await.unwrap();
            after = ids.last().cloned();
            if !more {
                break;
            }
        }
        assert_eq!(ids, ["a", "b", "c", "d", "e"]);
    }

    async fn an_agent_that_sent_bytes_and_said_nothing_was_not_heard(store) {
        store.append(vec![File::new(1).batch(0, vec![noise(0, 5)])]).await.unwrap();
        let said = store.agents().await.unwrap();
        assert_eq!((said.len(), said[0].heard, said[0].heartbeat.as_ref()), (1, None, None));
    }

    async fn a_source_is_the_sum_of_its_files(store) {
        let (one, two) = (File::new(1), File::new(2));
        let gap = |cause, start| Item::Gap(GapRow { start: Offset(start), len: 0, cause, lost: None, hash: None });
        let message = one.message(7, &says("a", 1, "INVITE"));
        let end = 7 + message.len;
        let items = vec![gap(Cause::StartAtEnd, 0), noise(0, 7), Item::Record(Box::new(message), Vec::new())];
        let mut first = one.batch(0, items);
        (first.size, first.read_to) = (end + 100, Offset(end));
        let waits = two.unfinished(9, &says("b", 5, "INVITE"));
        let read_to = 9 + waits.len;
        let mut second = Incoming { tail: vec![waits], ..two.batch(0, vec![noise(0, 9), gap(Cause::Copytruncate, 9)]) };
        (second.size, second.read_to) = (read_to, Offset(read_to));
        store.append(vec![first, second]).await.unwrap();
        let sources = store.sources(10).await.unwrap();
        let [source] = &sources[..] else { panic!("{sources:?}") };
        assert_eq!((source.agent.as_str(), source.name.as_str(), source.files), ("agent-1", File::new(1).meta().source.as_str(), 2));
        assert_eq!((source.records, source.noise_lines, source.provisional), (2, 4, 1));
        assert_eq!((source.skipped, source.gaps, source.newest_gaps.len()), (1, 1, 1));
        assert_eq!(source.newest_gaps[0].cause, Cause::Copytruncate);
        assert_eq!((source.size, source.lag, source.read), (end + 100 + read_to, 100, 0));
        assert_eq!(source.last_event, Some(Timestamp(NOON.0 + 5 * SECOND)));
    }
}
