//! How far each source is read, and who reads it: what its agent says of it, and what the collector has of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use record::time::{SECOND, Timestamp};
use record::wire::{Heartbeat, SourceReport, Unread};
use store::agent::Agent;
use store::health::{Fault, Part};
use store::source::SourceRow;

use crate::words::{count, counted, size};
use crate::zone::Zone;
use crate::{Error, Site};

/// Without a word for so long, an agent is not heard.
const UNHEARD: i64 = 30 * SECOND;
/// For so long what was read of agents is good enough.
const FRESH: Duration = Duration::from_millis(500);
/// Without a word for so long, it is taken away: its sources are still shown, and nobody is to be called for them.
const TAKEN_AWAY: i64 = 7 * 86_400 * SECOND;
/// Clocks that differ by less are not worth a word.
const CLOCK: i64 = 2 * SECOND;

/// All agents at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    agents: Vec<Agent>,
    by_id: HashMap<String, usize>,
    /// Since when what agents send or say is not stored: nothing is known of what came later.
    stalled: Option<Timestamp>,
    /// This process could not hear anybody before.
    began: Timestamp,
    now: Timestamp,
}

/// Whether an agent is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    /// It never said anything of itself.
    Unknown,
    Here,
    /// It was heard last then.
    Unheard(Timestamp),
    /// It was asked to stop then.
    Stopped(Timestamp),
    /// It was heard last then, so long ago that it is taken away.
    TakenAway(Timestamp),
}

/// How far a source is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub text: String,
    /// A class of `app.css`: `good`, `bad`, or nothing.
    pub tone: &'static str,
    /// All that was in its files at this time of its agent's clock is stored or shown.
    pub read_to: Option<Timestamp>,
}

/// What the last append of a source says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stored {
    /// The agent's clock when it looked.
    pub at: Timestamp,
    /// Bytes that were not read or not shown.
    pub lag: u64,
}

impl State {
    fn new(text: impl Into<String>, tone: &'static str) -> Self {
        Self { text: text.into(), tone, read_to: None }
    }

    pub fn is_sound(&self) -> bool {
        self.tone == "good"
    }
}

/// Something that nobody reads though somebody should, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trouble {
    /// Stands out: whose trouble it is.
    pub who: String,
    pub what: String,
}

impl Reading {
    /// As it was less than half a second ago: pages, live views and probes share it.
    pub async fn of(site: &Site) -> Result<Arc<Self>, Error> {
        let mut kept = site.reading.lock().await;
        if let Some((at, reading)) = &*kept
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(reading));
        }
        let (agents, faults) = (site.store.agents().await?, site.store.health().faults());
        let reading = Arc::new(Self::new(agents, &faults, site.began, site.now()));
        *kept = Some((Instant::now(), Arc::clone(&reading)));
        Ok(reading)
    }

    pub fn new(agents: Vec<Agent>, faults: &[Fault], began: Timestamp, now: Timestamp) -> Self {
        let by_id = agents.iter().enumerate().map(|(at, agent)| (agent.id.clone(), at)).collect();
        let stalls = |fault: &&Fault| matches!(fault.part, Part::Storing | Part::Hearing);
        let stalled = faults.iter().filter(stalls).map(|fault| fault.since).min();
        Self { agents, by_id, stalled, began, now }
    }

    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// Since when nothing is known of what is logged.
    pub fn stalled(&self) -> Option<Timestamp> {
        self.stalled
    }

    pub fn presence(&self, agent: &Agent) -> Presence {
        let Some(heard) = agent.heard else { return Presence::Unknown };
        let silent = self.now.micros_since(heard);
        // What was not heard while nobody listened, or before the clock was set back, is nobody's silence yet.
        let listening = self.now.micros_since(self.began.max(heard));
        if silent > TAKEN_AWAY {
            Presence::TakenAway(heard)
        } else if silent > UNHEARD && listening <= UNHEARD {
            Presence::Unknown
        } else if agent.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.stops) {
            Presence::Stopped(heard)
        } else if silent.saturating_abs() > UNHEARD {
            Presence::Unheard(heard)
        } else {
            Presence::Here
        }
    }

    fn agent(&self, id: &str) -> Option<&Agent> {
        self.by_id.get(id).and_then(|at| self.agents.get(*at))
    }

    /// What the agent of a source says of it now; none where it does not follow it.
    pub fn report(&self, agent: &str, source: &str) -> Option<&SourceReport> {
        let heartbeat = self.agent(agent)?.heartbeat.as_ref()?;
        let at = heartbeat.sources.binary_search_by(|report| report.name.as_str().cmp(source)).ok();
        // Agents send them by name; whoever does not is searched through.
        at.and_then(|at| heartbeat.sources.get(at))
            .or_else(|| heartbeat.sources.iter().find(|report| report.name == source))
    }

    /// Where it is read only in part, by what its agent says; `complete` where nothing is wrong. What was `stored` later than
    /// the agent spoke says more.
    pub fn state(&self, agent: &str, source: &str, stored: Stored, zone: Zone) -> State {
        let report = self.report(agent, source);
        let read_to = report.and_then(|report| report.read_to);
        let state = match (self.stalled, self.agent(agent).map_or(Presence::Unknown, |agent| self.presence(agent))) {
            (Some(since), _) => State::new(format!("not known since {}", zone.full(since)), "bad"),
            (None, Presence::Unknown) => State::new("its agent has not reported yet", ""),
            (None, Presence::Unheard(at)) => State::new(format!("its agent last reported at {}", zone.full(at)), "bad"),
            (None, Presence::Stopped(at)) => State::new(format!("its agent was stopped at {}", zone.full(at)), "bad"),
            (None, Presence::TakenAway(at)) => State::new(format!("not read since {}", zone.full(at)), ""),
            (None, Presence::Here) => match (report.and_then(fault), self.lag(agent, report, stored)) {
                (Some(fault), _) => State::new(fault, "bad"),
                (None, None) => State::new("not followed now", ""),
                (None, Some(0)) => State::new("complete", "good"),
                (None, Some(lag)) => State::new(behind(lag), ""),
            },
        };
        State { read_to, ..state }
    }

    /// Bytes that are not there yet, as whoever spoke last says; none where the agent does not follow the source any more. Of a
    /// source with several files, an append says nothing of the others.
    fn lag(&self, agent: &str, report: Option<&SourceReport>, stored: Stored) -> Option<u64> {
        let spoke = self.agent(agent).and_then(|agent| agent.heartbeat.as_ref()).map(|heartbeat| heartbeat.clock);
        let newer = spoke.is_none_or(|spoke| (1..UNHEARD).contains(&stored.at.micros_since(spoke)));
        let alone = report.is_none_or(|report| report.files <= 1);
        if newer && alone { Some(stored.lag) } else { report.map(SourceReport::lag) }
    }

    /// The same, with what is stored of it.
    pub fn state_of(&self, row: &SourceRow, zone: Zone) -> State {
        let stored = Stored { at: row.read_at, lag: row.lag.saturating_sub(row.read) };
        let state = self.state(&row.agent, &row.name, stored, zone);
        if state.tone == "bad" || self.agent(&row.agent).is_none_or(|agent| self.presence(agent) != Presence::Here) {
            return state;
        }
        let Some(lag) = self.lag(&row.agent, self.report(&row.agent, &row.name), stored) else { return state };
        let (text, tone) = match () {
            () if row.gaps > 0 => (counted(row.gaps, "gap"), "bad"),
            () if lag > 0 => (behind(lag), ""),
            () if row.provisional > 0 => ("up to date, last record still open".to_owned(), "good"),
            () if row.read > 0 => (format!("read; the last {} are no message so far", size(row.read)), ""),
            () if row.skipped > 0 => ("complete from where reading began".to_owned(), "good"),
            () => ("complete".to_owned(), "good"),
        };
        State { text, tone, read_to: state.read_to }
    }

    /// Sources that agents follow, and of which nothing is stored.
    pub fn unstored<'a>(&'a self, stored: &[SourceRow]) -> impl Iterator<Item = SourceRow> + use<'a> {
        let known: HashSet<(String, String)> = stored.iter().map(|row| (row.agent.clone(), row.name.clone())).collect();
        let here = self.agents.iter().filter(|agent| self.presence(agent) == Presence::Here);
        let reported = here.filter_map(|agent| agent.heartbeat.as_ref()).flat_map(|heartbeat| {
            heartbeat.sources.iter().map(move |report| SourceRow {
                agent: heartbeat.agent.clone(),
                name: report.name.clone(),
                host: heartbeat.host.clone(),
                files: report.files,
                size: report.size,
                ..SourceRow::default()
            })
        });
        reported.filter(move |row| !known.contains(&(row.agent.clone(), row.name.clone())))
    }

    /// What nobody reads though somebody should: agents that are silent, places and files that cannot be read, sources that
    /// are held back.
    pub fn troubles(&self, zone: Zone) -> Vec<Trouble> {
        // As long as nothing is stored, that agents are silent says nothing of them.
        let all = self.agents.iter().filter(|_| self.stalled.is_none());
        all.flat_map(|agent| self.troubles_of(agent, zone)).collect()
    }

    fn troubles_of(&self, agent: &Agent, zone: Zone) -> Vec<Trouble> {
        let Some(heartbeat) = &agent.heartbeat else { return Vec::new() };
        let who = || format!("The agent on {}", heartbeat.host);
        let silent = |what: String| {
            let sources = counted(heartbeat.sources.len(), "source");
            vec![Trouble { who: who(), what: format!("{what}; nothing from its {sources} has been read since") }]
        };
        match self.presence(agent) {
            Presence::Unheard(at) => silent(format!("last reported at {}", zone.full(at))),
            Presence::Stopped(at) => silent(format!("was stopped at {}", zone.full(at))),
            Presence::Unknown | Presence::TakenAway(_) => Vec::new(),
            Presence::Here => {
                let unread = heartbeat.unread.iter().filter(|unread| unread.is_fault()).map(|unread| Trouble {
                    who: unread.path.clone(),
                    what: format!("on {} {}{}", heartbeat.host, others(unread), unread.what),
                });
                let held = heartbeat.sources.iter().filter_map(|source| {
                    let why = source.held.as_ref()?;
                    Some(Trouble {
                        who: source.path.clone(),
                        what: format!("on {} is held back: {why}", heartbeat.host),
                    })
                });
                unread.chain(held).collect()
            }
        }
    }

    /// What agents that are here do not read, and nobody need do anything about; and how many more there are.
    pub fn waited_for(&self) -> (Vec<(&Heartbeat, &Unread)>, u64) {
        let here = self.agents.iter().filter(|agent| self.presence(agent) == Presence::Here);
        let heartbeats: Vec<&Heartbeat> = here.filter_map(|agent| agent.heartbeat.as_ref()).collect();
        let more = heartbeats.iter().map(|heartbeat| heartbeat.more_unread).fold(0, u64::saturating_add);
        let mut unread: Vec<(&Heartbeat, &Unread)> = Vec::new();
        for heartbeat in heartbeats {
            unread
                .extend(heartbeat.unread.iter().filter(|unread| !unread.is_fault()).map(|unread| (heartbeat, unread)));
        }
        (unread, more)
    }

    /// `clock 38.0 s behind the collector's`, where that is worth a word.
    pub fn clock(agent: &Agent) -> Option<String> {
        let off = agent.clock_offset;
        let side = if off > 0 { "ahead of" } else { "behind" };
        (agent.heard.is_some() && off.saturating_abs() > CLOCK)
            .then(|| format!("clock {} {side} the collector's", crate::ladder::words::duration(off.saturating_abs())))
    }
}

pub(crate) fn others(unread: &Unread) -> String {
    if unread.others == 0 { String::new() } else { format!("(like {} more in its directory) ", count(unread.others)) }
}

/// What an agent says is wrong with a source.
fn fault(report: &SourceReport) -> Option<String> {
    let held = report.held.as_ref().map(|why| format!("held back: {why}"));
    held.or_else(|| report.unread.as_ref().map(|what| format!("not read in full: {what}")))
}

fn behind(bytes: u64) -> String {
    format!("{} behind", size(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_435_200 * SECOND);
    const EARLIER: Timestamp = Timestamp(0);

    fn report() -> SourceReport {
        SourceReport {
            name: "app".into(),
            files: 1,
            size: 100,
            committed: 100,
            read_to: Some(NOW),
            ..SourceReport::default()
        }
    }

    fn agent(silent: i64, source: SourceReport) -> Agent {
        let heartbeat = Heartbeat {
            version: 1,
            agent: "a-1".into(),
            program: "0.1.0".into(),
            host: "sbc-1".into(),
            clock: NOW,
            sources: vec![source],
            unread: Vec::new(),
            more_unread: 0,
            places: None,
            stops: false,
        };
        let heard = Some(Timestamp(NOW.0 - silent * SECOND));
        Agent { id: "a-1".into(), heard, clock_offset: 0, heartbeat: Some(heartbeat) }
    }

    fn says(agent: Agent) -> (String, &'static str, Vec<String>) {
        let reading = Reading::new(vec![agent], &[], EARLIER, NOW);
        let state = reading.state("a-1", "app", Stored::default(), Zone::UTC);
        let troubles = reading.troubles(Zone::UTC);
        (
            state.text,
            state.tone,
            troubles.into_iter().map(|trouble| format!("{} {}", trouble.who, trouble.what)).collect(),
        )
    }

    #[test]
    fn a_source_is_complete_only_as_long_as_its_agent_says_so() {
        assert_eq!(says(agent(29, report())), ("complete".into(), "good", vec![]));
        let lags = SourceReport { size: 2100, ..report() };
        assert_eq!(says(agent(5, lags)), ("2.0 kB behind".into(), "", vec![]));
        let (text, tone, troubles) = says(agent(31, report()));
        assert_eq!((text.as_str(), tone), ("its agent last reported at 2026-11-23 11:59:29 UTC", "bad"));
        let silent = "The agent on sbc-1 last reported at 2026-11-23 11:59:29 UTC; nothing from its 1 source has been read since";
        assert_eq!(troubles, [silent]);
        let (text, tone, troubles) = says(agent(8 * 86_400, report()));
        assert_eq!((text.as_str(), tone, troubles.len()), ("not read since 2026-11-15 12:00:00 UTC", "", 0));
        let other = SourceReport { name: "other".into(), ..report() };
        assert_eq!(says(agent(5, other)), ("not followed now".into(), "", vec![]));
    }

    #[test]
    fn what_was_stored_after_the_agent_spoke_says_more() {
        let lags = SourceReport { size: 2100, ..report() };
        let reading = Reading::new(vec![agent(5, lags)], &[], EARLIER, NOW);
        let says = |stored| reading.state("a-1", "app", stored, Zone::UTC).text;
        assert_eq!(says(Stored { at: NOW, lag: 0 }), "2.0 kB behind");
        assert_eq!(says(Stored { at: Timestamp(NOW.0 + 1), lag: 0 }), "complete");
        assert_eq!(says(Stored { at: Timestamp(NOW.0 + 1), lag: 7 }), "7 bytes behind");
    }

    #[test]
    fn nobody_was_silent_while_this_process_did_not_listen() {
        let reading = |began| Reading::new(vec![agent(300, report())], &[], Timestamp(NOW.0 - began * SECOND), NOW);
        let says = |began| reading(began).state("a-1", "app", Stored::default(), Zone::UTC).text;
        assert_eq!(says(20), "its agent has not reported yet");
        assert!(reading(20).troubles(Zone::UTC).is_empty());
        assert!(says(40).starts_with("its agent last reported at "));
    }

    #[test]
    fn a_file_that_cannot_be_read_makes_its_source_red_though_all_else_of_it_is_read() {
        let unread = Some("/log/a.log cannot be read: Permission denied".to_owned());
        let (text, tone, _) = says(agent(1, SourceReport { unread, ..report() }));
        assert_eq!((text.as_str(), tone), ("not read in full: /log/a.log cannot be read: Permission denied", "bad"));
    }

    #[test]
    fn an_agent_that_stopped_or_holds_bytes_back_is_a_trouble() {
        let mut stopped = agent(1, report());
        stopped.heartbeat.as_mut().unwrap().stops = true;
        let (text, tone, troubles) = says(stopped);
        assert_eq!((text.as_str(), tone), ("its agent was stopped at 2026-11-23 11:59:59 UTC", "bad"));
        assert!(troubles[0].starts_with("The agent on sbc-1 was stopped at "), "{troubles:?}");
        let held =
            SourceReport { held: Some("another agent has this id".into()), path: "/log/a.log".into(), ..report() };
        let (text, tone, troubles) = says(agent(1, held));
        assert_eq!((text.as_str(), tone), ("held back: another agent has this id", "bad"));
        assert_eq!(troubles, ["/log/a.log on sbc-1 is held back: another agent has this id"]);
    }

    #[test]
    fn while_nothing_is_stored_nothing_is_said_to_be_complete_and_no_agent_is_blamed() {
        let fault = Fault { part: Part::Hearing, since: Timestamp(NOW.0 - 60 * SECOND), why: "disk full".into() };
        let reading = Reading::new(vec![agent(60, report())], &[fault], EARLIER, NOW);
        let state = reading.state("a-1", "app", Stored::default(), Zone::UTC);
        assert_eq!((state.text.as_str(), state.tone), ("not known since 2026-11-23 11:59:00 UTC", "bad"));
        assert!(reading.troubles(Zone::UTC).is_empty());
    }

    #[test]
    fn a_clock_is_named_only_where_it_is_off() {
        let clock = |offset| Reading::clock(&Agent { clock_offset: offset, ..agent(1, report()) });
        assert_eq!(clock(SECOND), None);
        assert_eq!(clock(-38 * SECOND).as_deref(), Some("clock 38.0 s behind the collector's"));
    }
}
