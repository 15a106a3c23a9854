//! Asks the collector how far the streams of this agent are.

use record::id::StreamId;
use record::wire::Position;

use crate::ship::Tries;
use crate::transport::Transport;

/// The positions of all streams of the agent, page by page.
pub(super) async fn all_positions(transport: &Transport, agent: &str) -> Result<Vec<Position>, String> {
    let mut all: Vec<Position> = Vec::new();
    loop {
        let after = all.last().map(|last| last.stream);
        let page = transport.positions(agent, after).await?;
        let onward = page.positions.first().is_some_and(|first| after.is_none_or(|after| first.stream > after));
        let more = page.more;
        all.extend(page.positions);
        if !more {
            return Ok(all);
        }
        if !onward {
            return Err("the collector's positions do not go on".into());
        }
    }
}

/// One stream's position, asked until there is an answer.
pub(super) async fn position_of(transport: &Transport, agent: &str, stream: StreamId) -> Option<Position> {
    let mut tries = Tries::default();
    loop {
        let after = (stream.0 > 0).then(|| StreamId(stream.0 - 1));
        match transport.positions(agent, after).await {
            Ok(page) => return page.positions.into_iter().find(|position| position.stream == stream),
            Err(_) => tokio::time::sleep(tries.backoff()).await,
        }
    }
}
