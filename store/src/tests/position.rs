//! Whose a stream is, and how far its agent is told that it is.

use record::id::{Offset, StreamId};
use record::wire::{Asked, EndMarker};

use super::fixture::{File, noise};
use super::store_test;
use crate::append::{Incoming, Outcome};

store_test! {
    async fn positions_are_those_of_the_agents_own_streams(store) {
        let others = File { agent: "agent-2".into(), ..File::new(2) };
        store.append(vec![others.batch(0, vec![noise(0, 5)])]).await.unwrap();
        for number in [4, 1, 3] {
            let file = File::new(number);
            let mut batch = file.batch(0, vec![noise(0, number as u64)]);
            batch.guard.crc = number as u32;
            batch.closed = (number == 3).then(|| EndMarker { size: 3, ..EndMarker::default() });
            store.append(vec![batch]).await.unwrap();
        }
        let page = store.positions("agent-1", Asked::After(None), 2).await.unwrap();
        assert!(page.more);
        assert_eq!(page.sources, [File::new(1).meta().source]);
        let first = &page.positions[0];
        assert_eq!((first.stream, first.w, first.guard.crc, first.closed), (StreamId(1), Offset(1), 1, false));
        assert_eq!((first.file, first.path.as_slice()), (File::new(1).meta().file, b"/var/log/proxy-1.log".as_slice()));
        assert!(page.positions[1].closed);
        let rest = store.positions("agent-1", Asked::After(Some(StreamId(3))), 2).await.unwrap();
        assert_eq!((rest.positions.len(), rest.positions[0].stream, rest.more), (1, StreamId(4), false));
    }

    async fn a_settled_stream_is_asked_for_by_its_id_alone_until_more_of_it_comes(store) {
        let positions = async |asked| {
            let found = store.positions("agent-1", asked, 10).await.unwrap().positions;
            found.iter().map(|position| (position.stream.0, position.w.0)).collect::<Vec<_>>()
        };
        let file = File::new(1);
        store.append(vec![file.batch(0, vec![noise(0, 5)]), File::new(2).batch(0, vec![noise(0, 7)])]).await.unwrap();
        store.append(vec![Incoming { settled: true, ..file.batch(5, Vec::new()) }]).await.unwrap();
        assert_eq!(positions(Asked::After(None)).await, [(2, 7)]);
        assert_eq!(positions(Asked::One(StreamId(1))).await, [(1, 5)]);
        // Sent again: it was stored, and stays settled.
        store.append(vec![file.batch(0, vec![noise(0, 5)])]).await.unwrap();
        assert_eq!(positions(Asked::After(None)).await, [(2, 7)]);
        store.append(vec![file.batch(5, vec![noise(5, 1)])]).await.unwrap();
        assert_eq!(positions(Asked::After(None)).await, [(1, 6), (2, 7)]);
        let stranger = store.positions("agent-2", Asked::One(StreamId(1)), 10).await.unwrap();
        assert!(stranger.positions.is_empty() && stranger.sources.is_empty());
    }

    async fn a_stream_belongs_to_its_agent(store) {
        let file = File::new(1);
        store.append(vec![file.batch(0, vec![noise(0, 5)])]).await.unwrap();
        let said = store.stream_meta(StreamId(1)).await.unwrap();
        let stranger = File { agent: "agent-2".into(), ..File::new(1) };
        let mut forged = stranger.batch(5, vec![noise(5, 5000)]);
        forged.meta.as_mut().unwrap().path = b"/elsewhere".to_vec();
        for batch in [forged, stranger.batch(0, vec![noise(0, 9)]), stranger.batch(5, Vec::new())] {
            assert_eq!(store.append(vec![batch]).await.unwrap(), [Outcome::Owner]);
        }
        assert_eq!(store.watermark(StreamId(1)).await.unwrap(), Offset(5));
        assert_eq!(store.stream_meta(StreamId(1)).await.unwrap(), said);
        assert_eq!(store.append(vec![file.batch(5, vec![noise(5, 1)])]).await.unwrap(), [Outcome::Stored { w: Offset(6) }]);
    }
}
