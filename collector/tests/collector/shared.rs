//! Two collectors of one PostgreSQL: what an agent says to one counts for the other.

use std::sync::Arc;

use collector::{Config, Ingest};
use record::id::Offset;
use record::wire::{StreamAppend, StreamMeta};
use store::Store;
use store::search::MessageFilter;

use crate::door::{RECORD, batch, meta, stream};
use crate::schema::Schema;

#[tokio::test]
async fn a_zone_that_one_collector_was_told_counts_for_the_other() {
    let schema = Schema::make("zone");
    let mut stores = Vec::new();
    let mut collectors = Vec::new();
    for _ in 0..2 {
        let store = Store::open(&schema.location()).await.expect("a store");
        collectors.push(Ingest::new(store.clone(), &Config::default()));
        stores.push(store);
    }
    let len = RECORD.len() as u64;
    let seoul = StreamMeta { zone: "Asia/Seoul".into(), ..meta() };
    // The agent says how it is to be read to the first alone, and then says something else.
    for (at, (collector, said)) in [(0, Some(meta())), (1, None), (0, Some(seoul)), (1, None)].into_iter().enumerate() {
        let next = StreamAppend { meta: said, ..stream(1, at as u64 * len, RECORD) };
        let answer = collectors[collector].append(Arc::new(batch(vec![next]))).await.expect("an answer");
        assert_eq!((answer.streams[0].w, &answer.streams[0].refused), (Offset((at as u64 + 1) * len), &None));
    }
    let page = stores[0].messages(&MessageFilter::default(), None, 10).await.expect("messages");
    let mut hours: Vec<_> = page.rows.iter().map(|m| (m.id.offset.0 / len, m.time.to_string())).collect();
    hours.sort();
    let hours: Vec<_> = hours.iter().map(|(_, time)| &time[11..13]).collect();
    assert_eq!(hours, ["12", "12", "03", "03"]);
    for store in stores {
        store.close().await;
    }
}
