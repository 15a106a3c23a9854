//! Alerts about the logs themselves: agents that fell silent, logs that are read too late, clocks that are off, lost bytes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use record::id::{MessageId, Offset, StreamId};
use record::time::{DAY, HOUR, Timestamp};
use rule::logs::LogFault;
use rule::syntax::SourceAlerts;
use rule::told::Told;
use rule::verdict::Outcome;
use store::Store;
use store::agent::Agent;
use store::alert::{Alarm, ItemTold, LogItem, Lost, News};

use crate::Error;
use crate::book::Book;
use crate::config::EnvRule;
use crate::grouping::{Failing, grouped};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);
/// Bytes that were lost earlier are not reported any more.
const RECENT: i64 = HOUR;
/// An agent that was not heard for so long is gone for good.
const GONE: i64 = 7 * DAY;
/// Names of logs in one sentence.
const NAMED: usize = 5;

/// Something that is wrong with an agent, or with one log of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    pub fault: LogFault,
    pub agent: String,
    pub host: String,
    /// Empty: it is about the agent.
    pub source: String,
    /// Since when, or when it happened.
    pub at: Timestamp,
    /// `nothing is heard of it since 12:00:02Z: core, edge are not read`
    pub says: String,
}

/// What is looked at, and since when.
#[derive(Debug)]
pub struct Lookout {
    /// Agents that were silent before are given time to report to a collector that has just begun.
    began: Timestamp,
    looked: Option<Instant>,
}

impl Lookout {
    pub fn new(now: Timestamp) -> Self {
        Self { began: now, looked: None }
    }

    /// Looks every few seconds.
    pub async fn step(&mut self, store: &Store, book: &Book, now: Timestamp) -> Result<(), Error> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        self.look(store, book, now).await
    }

    /// Reports what is wrong now and was not before, and what is well again.
    pub async fn look(&self, store: &Store, book: &Book, now: Timestamp) -> Result<(), Error> {
        let limits = &book.set.defaults.source;
        let lost = if limits.gap { store.lost_since(Timestamp(now.0 - RECENT)).await? } else { Vec::new() };
        let troubles = troubles(&store.agents().await?, &lost, limits, self.began, now);
        let alarms: Vec<Alarm> = troubles.iter().filter_map(|trouble| alarm(book, trouble)).collect();
        let known = store.log_items(Timestamp(now.0 - GONE)).await?;
        let (fresh, over) = changes(&alarms, &known);
        if !fresh.is_empty() || !over.is_empty() {
            store.report_logs(&fresh, &over, now).await?;
        }
        Ok(())
    }
}

/// What is wrong now. `began`: since when the collector hears agents.
pub fn troubles(
    agents: &[Agent],
    lost: &[Lost],
    limits: &SourceAlerts,
    began: Timestamp,
    now: Timestamp,
) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = agents.iter().flat_map(|agent| of_agent(agent, limits, began, now)).collect();
    troubles.extend(lost.iter().map(|lost| Trouble {
        fault: LogFault::BytesLost,
        agent: lost.agent.clone(),
        host: lost.host.clone(),
        source: lost.source.clone(),
        at: lost.noticed,
        says: match lost.bytes {
            Some(bytes) => format!("{bytes} bytes at offset {} ({})", lost.offset, lost.cause.replace('_', " ")),
            None => format!("nobody knows how much at offset {} ({})", lost.offset, lost.cause.replace('_', " ")),
        },
    }));
    troubles
}

fn of_agent(agent: &Agent, limits: &SourceAlerts, began: Timestamp, now: Timestamp) -> Vec<Trouble> {
    let (Some(heard), Some(heartbeat)) = (agent.heard, &agent.heartbeat) else { return Vec::new() };
    let silent = now.micros_since(heard);
    let trouble = |fault, source: &str, at, says| Trouble {
        fault,
        agent: agent.id.clone(),
        host: heartbeat.host.clone(),
        source: source.to_owned(),
        at,
        says,
    };
    if silent > limits.silent_after {
        if silent > GONE || now.micros_since(began) <= limits.silent_after || heartbeat.sources.is_empty() {
            return Vec::new();
        }
        let names: Vec<&str> = heartbeat.sources.iter().map(|source| source.name.as_str()).collect();
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let what = if heartbeat.stops { "it was stopped" } else { "nothing is heard of it" };
        let logs = names[..names.len().min(NAMED)].join(", ");
        let says = format!("{what} since {}: {logs}{more} not read", clock(heard));
        return vec![trouble(LogFault::Silent, "", heard, says)];
    }
    let mut troubles = Vec::new();
    for source in &heartbeat.sources {
        let Some(read_to) = source.read_to.filter(|_| source.lag() > 0) else { continue };
        let behind = heartbeat.clock.micros_since(read_to);
        if behind > limits.lag_over {
            let says = format!("{} bytes behind, read to {}", source.lag(), clock(read_to));
            troubles.push(trouble(LogFault::Behind, &source.name, read_to, says));
        }
    }
    let off = agent.clock_offset;
    if off.saturating_abs() > limits.clock_off {
        let side = if off > 0 { "ahead of" } else { "behind" };
        let says = format!("{} s {side} the collector's", off.saturating_abs() / 1_000_000);
        troubles.push(trouble(LogFault::ClockOff, "", heard, says));
    }
    troubles
}

/// What is reported for the first time, and what is over.
fn changes(alarms: &[Alarm], known: &[LogItem]) -> (Vec<Alarm>, Vec<LogItem>) {
    let lasts = |rule: &str| LogFault::of(rule).is_some_and(LogFault::lasts);
    let is = |item: &LogItem, alarm: &Alarm| {
        let told = &alarm.item.told;
        let same = item.hash == alarm.group.hash && item.name == told.leg;
        same && (lasts(&item.rule) || Some(item.nth) == told.nth)
    };
    let mut named = BTreeSet::new();
    let fresh = alarms.iter().filter(|alarm| !known.iter().any(|item| is(item, alarm)));
    let fresh = fresh.filter(|alarm| named.insert((alarm.group.hash, &alarm.item.told.leg, alarm.item.told.nth)));
    let over = known.iter().filter(|item| lasts(&item.rule) && !alarms.iter().any(|alarm| is(item, alarm)));
    (fresh.cloned().collect(), over.cloned().collect())
}

/// None: no route wants it.
fn alarm(book: &Book, trouble: &Trouble) -> Option<Alarm> {
    let Trouble { fault, agent, host, source, at, says } = trouble;
    let env = EnvRule::of(&book.env, agent, source);
    let failing = Failing { rule: fault.id(), failure: fault.failure(), severity: fault.severity(), env, host };
    let (group, wait) = grouped(&book.routes, &failing, &BTreeSet::from([host.as_str()]))?;
    let name = if source.is_empty() { agent.clone() } else { format!("{agent} {source}") };
    let told = Told {
        rule: fault.id().to_owned(),
        version: 0,
        severity: fault.severity(),
        outcome: Outcome::Failed,
        failure: Some(fault.failure().to_owned()),
        step: None,
        due: Some(*at),
        late_by: None,
        leg: name,
        target: host.clone(),
        nth: Some(store::verdict::nth(*at)),
        start: MessageId::new(StreamId(0), Offset(0)),
        began: *at,
        ended: None,
        ending: Some(says.clone()),
        steps: Vec::new(),
        why: None,
    };
    let facts = vec![("host".to_owned(), host.clone())];
    let item = ItemTold { caller: None, callee: None, told, also: Vec::new(), facts };
    Some(Alarm { group, news: News::Fresh, severity: fault.severity(), at: *at, item, wait })
}

/// `12:05:11Z`.
fn clock(at: Timestamp) -> String {
    at.to_utc().format("%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use record::time::{MINUTE, SECOND};
    use record::wire::{Heartbeat, SourceReport};
    use rule::routes::Routes;
    use rule::set::RuleSet;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_435_200 * SECOND);

    fn at(seconds: i64) -> Timestamp {
        Timestamp(NOW.0 + seconds * SECOND)
    }

    fn agent(heard: i64, clock_offset: i64, source: SourceReport) -> Agent {
        let heartbeat = Heartbeat {
            version: 1,
            agent: "agent-1".into(),
            program: "0.1.0".into(),
            host: "sbc-1".into(),
            clock: at(heard),
            sources: vec![source],
            unread: Vec::new(),
            more_unread: 0,
            stops: false,
        };
        Agent { id: "agent-1".into(), heard: Some(at(heard)), clock_offset, heartbeat: Some(heartbeat) }
    }

    fn source(size: u64, read_to: Option<i64>) -> SourceReport {
        SourceReport {
            name: "core".into(),
            files: 1,
            size,
            committed: 100,
            read_to: read_to.map(at),
            ..SourceReport::default()
        }
    }

    fn says(agent: Agent, began: i64) -> Vec<String> {
        let limits = &RuleSet::built_in().defaults.source;
        let troubles = troubles(&[agent], &[], limits, at(began), NOW);
        troubles.into_iter().map(|trouble| format!("{}: {}", trouble.fault.id(), trouble.says)).collect()
    }

    #[test]
    fn what_is_wrong_with_a_log_is_said_and_what_is_well_is_not() {
        let well = || source(100, Some(-1));
        assert_eq!(says(agent(-3, 0, well()), -3600), Vec::<String>::new());
        let silent = ["source-silent: nothing is heard of it since 11:57:59Z: core not read"];
        assert_eq!(says(agent(-121, 0, well()), -3600), silent);
        assert_eq!(says(agent(-120, 0, well()), -3600), Vec::<String>::new(), "two minutes are as long as it may");
        assert_eq!(says(agent(-121, 0, well()), -60), Vec::<String>::new(), "the collector has only just begun");
        assert_eq!(says(agent(-8 * 86_400, 0, well()), -9 * 86_400), Vec::<String>::new(), "it is gone for good");
        let behind = ["source-behind: 50 bytes behind, read to 11:58:00Z"];
        assert_eq!(says(agent(-3, 0, source(150, Some(-120))), -3600), behind);
        assert_eq!(says(agent(-3, 0, source(100, Some(-120))), -3600), Vec::<String>::new(), "it has nothing to read");
        assert_eq!(says(agent(-3, 0, source(150, None)), -3600), Vec::<String>::new(), "it is read for the first time");
        assert_eq!(says(agent(-3, -3 * SECOND, well()), -3600), ["clock-off: 3 s behind the collector's"]);
        let mut stopped = agent(-200, 0, well());
        stopped.heartbeat.as_mut().unwrap().stops = true;
        assert_eq!(says(stopped, -3600), ["source-silent: it was stopped since 11:56:40Z: core not read"]);
    }

    #[test]
    fn what_lasts_is_reported_once_and_is_over_when_it_is_not_there_any_more() {
        let set = RuleSet::built_in();
        let routes = "[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n[[route]]\nmatch = { rule = [\"source-silent\", \"source-behind\", \"clock-off\", \"bytes-lost\"] }\nto = [\"voice\"]\n[[route]]\nmatch = {}\nto = [\"voice\"]\n";
        let routes = Routes::load("routes.toml", routes, &set.ids()).unwrap();
        let book = Book { set, routes, has_routes: true, env: Vec::new() };
        let trouble = |fault, minute: i64| Trouble {
            fault,
            agent: "agent-1".into(),
            host: "sbc-1".into(),
            source: "core".into(),
            at: Timestamp(NOW.0 + minute * MINUTE),
            says: String::new(),
        };
        let alarm = |fault, minute| alarm(&book, &trouble(fault, minute)).unwrap();
        let item = |of: &Alarm| LogItem {
            group: 1,
            hash: of.group.hash,
            rule: of.group.rule.clone(),
            name: of.item.told.leg.clone(),
            nth: of.item.told.nth.unwrap(),
        };
        let counts = |alarms: &[Alarm], known: &[LogItem]| {
            let (fresh, over) = changes(alarms, known);
            (fresh.len(), over.len())
        };
        for fault in LogFault::ALL {
            let (one, later) = (alarm(fault, 0), alarm(fault, 1));
            assert_eq!(counts(std::slice::from_ref(&one), &[]), (1, 0));
            assert_eq!(counts(&[one.clone(), one.clone()], &[]), (1, 0), "two collectors, or two of one time");
            assert_eq!(counts(std::slice::from_ref(&one), &[item(&one)]), (0, 0));
            let again = if fault.lasts() { (0, 0) } else { (1, 0) };
            assert_eq!(counts(std::slice::from_ref(&later), &[item(&one)]), again);
            assert_eq!(counts(&[], &[item(&one)]), (0, usize::from(fault.lasts())));
        }
    }
}
