//! What an agent is told of its streams after it has lost all it knew.

use axum::http::StatusCode;
use record::id::{Offset, StreamId};
use record::wire::{self, Append, CONTENT_TYPE, EndMarker, Guard, Positions, Refused, StreamAppend};
use store::search::MessageFilter;

use crate::door::{Door, RECORD, batch, meta, refused, stream};

async fn ask(door: &Door, query: &str) -> Positions {
    let (status, head, body) = door.ask(&format!("GET /api/v1/positions?{query} HTTP/1.1"), b"").await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    assert!(head.to_ascii_lowercase().contains(&format!("content-type: {CONTENT_TYPE}")), "{head}");
    wire::decode(&body).expect("positions")
}

#[tokio::test]
async fn positions_say_what_is_committed_of_each_stream_and_how_its_file_is_known_again() {
    let door = Door::open().await;
    let len = RECORD.len() as u64;
    let guard = Guard { head_len: 64, before_len: 32, crc: 7, crc_from: Offset(1), ..Guard::default() };
    let closed = Some(EndMarker { size: len, ..EndMarker::default() });
    door.append(vec![StreamAppend { guard: guard.clone(), size: 9000, closed, ..stream(1, 0, RECORD) }]).await;
    let told = ask(&door, "agent=agent-1").await;
    let [position] = &told.positions[..] else { panic!("one stream: {told:?}") };
    assert_eq!((position.stream, position.w, position.size, position.closed), (StreamId(1), Offset(len), 9000, true));
    assert_eq!((&position.guard, position.file, position.epoch), (&guard, meta().file, meta().epoch));
    assert_eq!((&position.source, &position.path), (&meta().source, &meta().path));
    assert!(!told.more);
}

#[tokio::test]
async fn positions_come_in_pages_and_only_those_of_the_agent_that_asks() {
    let door = Door::open().await;
    let another = Append { agent: "agent-2".into(), ..batch(vec![stream(2, 0, RECORD)]) };
    door.append_as(&another).await;
    door.append([3, 1, 5, 4].map(|id| stream(id, 0, RECORD)).into()).await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let told = ask(&door, &format!("agent=agent-1&limit=3{after}")).await;
        seen.push(told.positions.iter().map(|position| position.stream.0).collect::<Vec<_>>());
        let Some(last) = told.positions.last().filter(|_| told.more) else { break };
        after = format!("&after={}", last.stream);
    }
    assert_eq!(seen, [vec![1, 3, 4], vec![5]]);
    assert_eq!(ask(&door, "agent=nobody").await, Positions::default());
}

#[tokio::test]
async fn a_stream_of_another_agent_is_refused_whoever_asks_first() {
    let door = Door::open().await;
    let len = RECORD.len() as u64;
    door.append(vec![stream(1, 0, RECORD)]).await;
    let mut forged = stream(1, len, RECORD);
    forged.meta.as_mut().expect("meta").zone = "Asia/Seoul".into();
    for another in [forged, StreamAppend { meta: None, ..stream(1, len, RECORD) }] {
        let batch = Append { agent: "agent-2".into(), ..batch(vec![another]) };
        let (_, answer) = door.append_as(&batch).await;
        assert_eq!(refused(&answer, 1), Some(&Refused::Owner));
    }
    // Its own agent goes on, and is read as it said.
    door.append(vec![StreamAppend { meta: None, ..stream(1, len, RECORD) }]).await;
    let page = door.store.messages(&MessageFilter::default(), None, 10).await.expect("messages");
    assert_eq!(page.rows.len(), 2);
    assert_eq!(page.rows[0].time, page.rows[1].time, "in the zone of its own agent");
}

#[tokio::test]
async fn who_does_not_say_which_agent_it_is_is_told_so() {
    let door = Door::open().await;
    for query in ["", "?after=1", "?agent=agent-1&after=nonsense", "?agent=", "?agent=%00", "?agent=a%0Ab"] {
        let head = format!("GET /api/v1/positions{query} HTTP/1.1");
        assert_eq!(door.ask(&head, b"").await.0, StatusCode::BAD_REQUEST, "{query}");
    }
}
