//! How far the logs of a scenario can be trusted: sources, gaps between its messages, bytes not read yet.

use std::collections::{BTreeMap, BTreeSet};

use message::logged::Message;
use record::id::{Offset, StreamId};
use store::Store;

use crate::Error;
use crate::words::{count, counted};

/// Streams looked at; a scenario over more files than that says so.
const MOST: usize = 64;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    pub sources: usize,
    /// Gaps between the first and the last message in one stream, with bytes and cause, in words.
    pub gaps: Vec<String>,
    /// Sources that have bytes nobody has read yet, in words.
    pub behind: Vec<String>,
    pub unchecked: usize,
}

pub async fn of(store: &Store, messages: &[Message]) -> Result<Evidence, Error> {
    let mut spans: BTreeMap<StreamId, (Offset, Offset)> = BTreeMap::new();
    for message in messages {
        let at = message.id.offset;
        let span = spans.entry(message.id.stream).or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }
    let sources: BTreeSet<_> = messages.iter().map(|message| (&message.place.host, &message.place.source)).collect();
    let mut evidence =
        Evidence { sources: sources.len(), unchecked: spans.len().saturating_sub(MOST), ..Evidence::default() };
    for (stream, (first, last)) in spans.into_iter().take(MOST) {
        let before = stream.0.checked_sub(1).map(StreamId);
        let rows = store.streams(before, 1).await?;
        let Some(row) = rows.into_iter().find(|row| row.stream == stream) else { continue };
        for gap in row.gaps.iter().filter(|gap| gap.start >= first && gap.start <= last) {
            evidence.gaps.push(format!("{} bytes of {}, {}", count(gap.len), row.source, gap.cause));
        }
        let unread = row.lag();
        if unread > 0 && !row.closed {
            evidence.behind.push(format!("{} is {} bytes behind", row.source, count(unread)));
        }
    }
    Ok(evidence)
}

impl Evidence {
    /// `4 sources, no gap`, `2 sources, 1 gap`
    pub fn says(&self) -> String {
        let gaps = if self.gaps.is_empty() { "no gap".to_owned() } else { counted(self.gaps.len(), "gap") };
        let mut says = format!("{}, {gaps}", counted(self.sources, "source"));
        if !self.behind.is_empty() {
            says.push_str(&format!(", {} still being read", self.behind.len()));
        }
        if self.unchecked > 0 {
            says.push_str(&format!(", {} not checked", counted(self.unchecked, "file")));
        }
        says
    }

    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty() && self.behind.is_empty() && self.unchecked == 0
    }

    /// What is wrong, one thing a line.
    pub fn details(&self) -> String {
        self.gaps.iter().chain(&self.behind).cloned().collect::<Vec<_>>().join("\n")
    }
}
