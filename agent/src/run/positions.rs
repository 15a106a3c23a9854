//! Asks the collector how far the streams of this agent are.

use std::collections::HashSet;

use record::id::StreamId;
use record::wire::{Asked, Position};

use crate::follow::Saved;
use crate::ship::Tries;
use crate::transport::Transport;

/// What the collector knows of an agent.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub positions: Vec<Position>,
    /// The names of all its sources.
    pub sources: Vec<String>,
}

/// What the collector knows when the agent starts: the positions of all streams that are not settled, page by page, and of
/// those in the agent's checkpoint, settled or not.
pub(super) async fn known(transport: &Transport, agent: &str, saved: &Saved) -> Result<Known, String> {
    let mut known = live(transport, agent).await?;
    // A stream may have been settled, and its file have come back, shortly before the agent ended.
    let listed: HashSet<StreamId> = known.positions.iter().map(|position| position.stream).collect();
    for stream in saved.streams.iter().map(|saved| saved.stream).filter(|stream| !listed.contains(stream)) {
        known.positions.extend(transport.positions(agent, Asked::One(stream)).await?.positions);
    }
    Ok(known)
}

async fn live(transport: &Transport, agent: &str) -> Result<Known, String> {
    let mut known = Known::default();
    loop {
        let all = &mut known.positions;
        let after = all.last().map(|last| last.stream);
        let page = transport.positions(agent, Asked::After(after)).await?;
        let onward = page.positions.first().is_some_and(|first| after.is_none_or(|after| first.stream > after));
        let more = page.more;
        all.extend(page.positions);
        known.sources.extend(page.sources);
        if !more {
            return Ok(known);
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
        match transport.positions(agent, Asked::One(stream)).await {
            Ok(page) => return page.positions.into_iter().find(|position| position.stream == stream),
            Err(_) => tokio::time::sleep(tries.backoff()).await,
        }
    }
}
