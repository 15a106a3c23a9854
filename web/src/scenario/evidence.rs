//! How far the logs of a scenario can be trusted: sources, gaps between its messages, and how far each source is read.

use std::collections::{BTreeMap, BTreeSet};

use message::flow::Log;
use record::id::{Offset, StreamId};
use record::time::Timestamp;
use store::Store;

use crate::Error;
use crate::picture::Picture;
use crate::reading::{Reading, State, Stored};
use crate::words::{count, counted};
use crate::zone::Zone;

/// Streams looked at; a scenario over more files than that says so.
const MOST: usize = 64;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// Each with how far it is read.
    sources: BTreeMap<Log, Source>,
    /// Gaps between the first and the last message in one stream, with bytes and cause, in words.
    gaps: Vec<String>,
    unchecked: usize,
    /// Since when nothing is stored, in words.
    stalled: Option<String>,
    /// Once all sources are read to this event time, more has gone wrong.
    pending: Option<Timestamp>,
    zone: Zone,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Source {
    host: String,
    stored: Stored,
    state: State,
    /// `log read to 14:05:10`, or `log not read`.
    short: String,
}

pub(crate) async fn of(store: &Store, reading: &Reading, picture: &Picture, zone: Zone) -> Result<Evidence, Error> {
    let messages = &picture.messages;
    let mut spans: BTreeMap<StreamId, (Offset, Offset)> = BTreeMap::new();
    for message in messages {
        let at = message.id.offset;
        let span = spans.entry(message.id.stream).or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }
    let mut evidence = Evidence {
        unchecked: spans.len().saturating_sub(MOST),
        stalled: reading.stalled().map(|since| zone.full(since)),
        zone,
        ..Evidence::default()
    };
    let mut stored: BTreeMap<Log, Stored> = BTreeMap::new();
    for (stream, (first, last)) in spans.into_iter().take(MOST) {
        let before = stream.0.checked_sub(1).map(StreamId);
        let rows = store.streams(before, 1).await?;
        let Some(row) = rows.into_iter().find(|row| row.stream == stream) else { continue };
        for gap in row.gaps.iter().filter(|gap| gap.start >= first && gap.start <= last) {
            evidence.gaps.push(format!("{} bytes of {}, {}", count(gap.len), row.source, gap.cause));
        }
        let of = stored.entry(Log { agent: row.agent.clone(), source: row.source.clone() }).or_default();
        of.at = of.at.max(row.read_at);
        of.lag += row.size.saturating_sub(row.read_to.0);
    }
    let places: BTreeSet<(&str, &str, &str)> =
        messages.iter().map(|message| &message.place).map(|at| (&*at.agent, &*at.source, &*at.host)).collect();
    for (agent, source, host) in places {
        let log = Log { agent: agent.to_owned(), source: source.to_owned() };
        let stored = stored.get(&log).copied().unwrap_or_default();
        let state = reading.state(agent, source, stored, zone);
        let short = state.read_to.map_or("log not read".to_owned(), |at| format!("log read to {}", zone.second(at)));
        evidence.sources.insert(log, Source { host: host.to_owned(), stored, state, short });
    }
    let read_to = evidence.read_to();
    evidence.pending = picture.flow.course.next_due(read_to);
    Ok(evidence)
}

#[cfg(test)]
impl Evidence {
    /// So many sources, all of them read.
    pub fn made(sources: usize, gaps: Vec<String>) -> Self {
        let log = |nth: usize| Log { agent: format!("agent-{nth}"), source: "sip".into() };
        let state = || State { text: "complete".into(), tone: "good", read_to: None };
        let read = || Source { host: "sbc-1".into(), stored: Stored::default(), state: state(), short: String::new() };
        let sources = (0..sources).map(|nth| (log(nth), read())).collect();
        Self { sources, gaps, ..Self::default() }
    }
}

impl Evidence {
    /// `4 sources, no gap`, `2 sources, 1 gap, 1 not read to its end`
    pub fn says(&self) -> String {
        let gaps = if self.gaps.is_empty() { "no gap".to_owned() } else { counted(self.gaps.len(), "gap") };
        let mut says = format!("{}, {gaps}", counted(self.sources.len(), "source"));
        match self.behind().count() {
            0 => {}
            1 => says.push_str(", 1 not read to its end"),
            more => says.push_str(&format!(", {more} not read to their ends")),
        }
        if self.unchecked > 0 {
            says.push_str(&format!(", {} not checked", counted(self.unchecked, "file")));
        }
        says
    }

    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty() && self.behind().next().is_none() && self.unchecked == 0
    }

    /// The event time to which all of its sources are read.
    pub fn read_to(&self) -> Timestamp {
        let read = self.sources.values().map(|source| source.state.read_to.unwrap_or(source.stored.at));
        read.min().unwrap_or(Timestamp(i64::MIN))
    }

    /// What is wrong, one thing a line.
    pub fn details(&self) -> String {
        let behind =
            self.behind().map(|(log, source)| format!("{} on {}: {}", log.source, source.host, source.state.text));
        self.gaps.iter().cloned().chain(behind).collect::<Vec<_>>().join("\n")
    }

    /// Its sources are read as far as they were.
    pub(crate) fn is_as(&self, reading: &Reading) -> bool {
        let as_before = |(log, source): (&Log, &Source)| {
            let state = reading.state(&log.agent, &log.source, source.stored, self.zone);
            // How many bytes are still to come changes all the time.
            state.tone == source.state.tone && (state.tone.is_empty() || state.text == source.state.text)
        };
        let read_to = |(log, source): (&Log, &Source)| {
            let state = reading.state(&log.agent, &log.source, source.stored, self.zone);
            state.read_to.unwrap_or(source.stored.at)
        };
        let due = self.pending.is_some_and(|due| self.sources.iter().map(read_to).min() >= Some(due));
        !due && self.sources.iter().all(as_before)
    }

    /// A sentence for the top of the page, where something is wrong beyond what is being read just now.
    pub fn warns(&self) -> Option<String> {
        if let Some(since) = &self.stalled {
            return Some(format!(
                "Nothing has been stored since {since}: what was logged later is not in this picture."
            ));
        }
        let bad: Vec<String> = self
            .behind()
            .filter(|(_, source)| source.state.tone == "bad")
            .map(|(log, source)| {
                format!("{} on {} may be missing here: {}", log.source, source.host, source.state.text)
            })
            .collect();
        let (first, rest) = bad.split_first()?;
        let more = if rest.is_empty() { String::new() } else { format!("; and those of {} more", count(rest.len())) };
        Some(format!("Messages of {first}{more}."))
    }

    /// How far the log is read, in few words and in all, where it is not read to its end.
    pub fn read(&self, log: &Log) -> Option<(String, String)> {
        let source = self.sources.get(log).filter(|source| !source.state.is_sound())?;
        Some((source.short.clone(), source.state.text.clone()))
    }

    fn behind(&self) -> impl Iterator<Item = (&Log, &Source)> {
        self.sources.iter().filter(|(_, source)| !source.state.is_sound())
    }
}
