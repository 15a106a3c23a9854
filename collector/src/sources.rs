//! Alerts about the logs themselves: agents that fell silent, logs that are read too late, clocks that are off, lost bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use record::id::{MessageId, Offset, StreamId};
use record::time::{DAY, HOUR, Timestamp};
use record::wire::Heartbeat;
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

/// What is wrong now, and of what else nobody can tell whether it is well again: of these nothing is said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    pub troubles: Vec<Trouble>,
    /// Agents and logs, by name.
    pub unclear: BTreeSet<(LogFault, String)>,
    /// Agents that have not reported for so long that nobody waits for them any more.
    pub removed: BTreeSet<String>,
}

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
    /// `no report since 12:00:02Z: core, edge are not read`
    pub says: String,
}

/// What is looked at, and since when.
#[derive(Debug)]
pub struct Lookout {
    /// Agents that were silent before are given time to report to a collector that has just begun.
    began: Timestamp,
    looked: Option<Instant>,
    /// By agent whose clock is off: when that was heard first. One late heartbeat is no wrong clock.
    off: BTreeMap<String, Timestamp>,
}

impl Lookout {
    pub fn new(now: Timestamp) -> Self {
        Self { began: now, looked: None, off: BTreeMap::new() }
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
    pub async fn look(&mut self, store: &Store, book: &Book, now: Timestamp) -> Result<(), Error> {
        let limits = &book.set.defaults.source;
        let lost = if limits.gap { store.lost_since(Timestamp(now.0 - RECENT)).await? } else { Vec::new() };
        let mut seen = seen(&store.agents().await?, &lost, limits, self.began, now);
        self.confirm(&mut seen);
        let alarms: Vec<Alarm> = seen.troubles.iter().filter_map(|trouble| alarm(book, trouble)).collect();
        let known = store.log_items(Timestamp(now.0 - GONE)).await?;
        let (fresh, over) = changes(&alarms, &seen.unclear, &known);
        if !fresh.is_empty() || !over.is_empty() {
            store.report_logs(&fresh, &over, now).await?;
        }
        let removed: Vec<LogItem> = known.into_iter().filter(|item| seen.has_removed(item)).collect();
        if !removed.is_empty() {
            store.drop_log_items(&removed, now).await?;
        }
        Ok(())
    }
}

impl Lookout {
    /// A clock is off when two heartbeats in a row say so.
    fn confirm(&mut self, seen: &mut Seen) {
        let mut off = BTreeMap::new();
        seen.troubles.retain(|trouble| {
            if trouble.fault != LogFault::ClockOff {
                return true;
            }
            let first = self.off.get(&trouble.agent).copied().unwrap_or(trouble.at);
            off.insert(trouble.agent.clone(), first);
            let is_sure = trouble.at > first;
            if !is_sure {
                seen.unclear.insert((LogFault::ClockOff, trouble.name()));
            }
            is_sure
        });
        self.off = off;
    }
}

impl Seen {
    fn has_removed(&self, item: &LogItem) -> bool {
        let is_of = |agent: &String| {
            let rest = item.name.strip_prefix(agent.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        LogFault::of(&item.rule).is_some_and(LogFault::lasts) && self.removed.iter().any(is_of)
    }
}

impl Trouble {
    /// The agent, and of one log its source after it.
    fn name(&self) -> String {
        if self.source.is_empty() { self.agent.clone() } else { format!("{} {}", self.agent, self.source) }
    }
}

/// What is wrong now. `began`: since when the collector hears agents.
pub fn seen(agents: &[Agent], lost: &[Lost], limits: &SourceAlerts, began: Timestamp, now: Timestamp) -> Seen {
    let mut seen = Seen::default();
    for agent in agents {
        of_agent(agent, limits, began, now, &mut seen);
    }
    seen.troubles.extend(lost.iter().map(|lost| {
        let bytes = lost.bytes.map_or_else(|| "an unknown number of".to_owned(), |bytes| bytes.to_string());
        Trouble {
            fault: LogFault::BytesLost,
            agent: lost.agent.clone(),
            host: lost.host.clone(),
            source: lost.source.clone(),
            at: lost.noticed,
            says: format!("{bytes} bytes at offset {} ({})", lost.offset, lost.cause.replace('_', " ")),
        }
    }));
    seen
}

fn of_agent(agent: &Agent, limits: &SourceAlerts, began: Timestamp, now: Timestamp, seen: &mut Seen) {
    let (Some(heard), Some(heartbeat)) = (agent.heard, &agent.heartbeat) else { return };
    let trouble = |fault, source: &str, at, says| Trouble {
        fault,
        agent: agent.id.clone(),
        host: heartbeat.host.clone(),
        source: source.to_owned(),
        at,
        says,
    };
    let name = |source: &str| trouble(LogFault::Silent, source, heard, String::new()).name();
    let silent = now.micros_since(heard);
    if silent > limits.silent_after {
        // What it said of its logs and its clock is old.
        seen.unclear.insert((LogFault::ClockOff, name("")));
        seen.unclear.extend(heartbeat.sources.iter().map(|source| (LogFault::Behind, name(&source.name))));
        if silent > GONE {
            seen.removed.insert(agent.id.clone());
        }
        if silent > GONE || now.micros_since(began) <= limits.silent_after {
            seen.unclear.insert((LogFault::Silent, name("")));
        } else if !heartbeat.sources.is_empty() {
            seen.troubles.push(trouble(LogFault::Silent, "", heard, silence(heartbeat, heard)));
        }
        return;
    }
    for source in heartbeat.sources.iter().filter(|source| source.lag() > 0) {
        let Some(read_to) = source.read_to else {
            seen.unclear.insert((LogFault::Behind, name(&source.name)));
            continue;
        };
        if heartbeat.clock.micros_since(read_to) > limits.lag_over {
            let says = format!("{} bytes behind, read to {}", source.lag(), clock(read_to));
            seen.troubles.push(trouble(LogFault::Behind, &source.name, read_to, says));
        }
    }
    let off = agent.clock_offset.saturating_abs();
    if off > limits.clock_off {
        let side = if agent.clock_offset > 0 { "ahead of" } else { "behind" };
        let says = format!("{:.1} s {side} the collector's", off as f64 / 1_000_000.0);
        seen.troubles.push(trouble(LogFault::ClockOff, "", heard, says));
    } else if off > limits.clock_off / 2 {
        seen.unclear.insert((LogFault::ClockOff, name("")));
    }
}

/// `no report since 12:00:02Z: core, edge are not read`
fn silence(heartbeat: &Heartbeat, heard: Timestamp) -> String {
    let names: Vec<&str> = heartbeat.sources.iter().map(|source| source.name.as_str()).collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let what = if heartbeat.stops { "it was stopped at" } else { "no report since" };
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{what} {}: {}{more} {verb} not read", clock(heard), names[..names.len().min(NAMED)].join(", "))
}

/// What is reported for the first time, and what is over.
fn changes(alarms: &[Alarm], unclear: &BTreeSet<(LogFault, String)>, known: &[LogItem]) -> (Vec<Alarm>, Vec<LogItem>) {
    let lasts = |rule: &str| LogFault::of(rule).filter(|fault| fault.lasts());
    let is = |item: &LogItem, alarm: &Alarm| {
        let told = &alarm.item.told;
        let same = item.hash == alarm.group.hash && item.rule == told.rule && item.name == told.leg;
        same && (lasts(&item.rule).is_some() || Some(item.nth) == told.nth)
    };
    let mut named = BTreeSet::new();
    let fresh = alarms.iter().filter(|alarm| !known.iter().any(|item| is(item, alarm)));
    let name = |alarm: &Alarm| {
        let told = &alarm.item.told;
        (alarm.group.hash, told.rule.clone(), told.leg.clone(), told.nth)
    };
    let fresh = fresh.filter(|alarm| named.insert(name(alarm)));
    let over = known.iter().filter(|item| {
        let Some(fault) = lasts(&item.rule) else { return false };
        !unclear.contains(&(fault, item.name.clone())) && !alarms.iter().any(|alarm| is(item, alarm))
    });
    (fresh.cloned().collect(), over.cloned().collect())
}

/// None: no route wants it.
fn alarm(book: &Book, trouble: &Trouble) -> Option<Alarm> {
    let Trouble { fault, agent, host, source, at, says } = trouble;
    let name = trouble.name();
    let env = EnvRule::of(&book.env, agent, source);
    let failing = Failing { rule: fault.id(), failure: fault.failure(), severity: fault.severity(), env, host };
    let (group, wait) = grouped(&book.routes, &failing, &BTreeSet::from([host.as_str()]))?;
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
    use record::wire::SourceReport;
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
            places: None,
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
        let seen = seen(&[agent], &[], limits, at(began), NOW);
        seen.troubles.into_iter().map(|trouble| format!("{}: {}", trouble.fault.id(), trouble.says)).collect()
    }

    #[test]
    fn what_is_wrong_with_a_log_is_said_and_what_is_well_is_not() {
        let well = || source(100, Some(-1));
        assert_eq!(says(agent(-3, 0, well()), -3600), Vec::<String>::new());
        let silent = ["source-silent: no report since 11:57:59Z: core is not read"];
        assert_eq!(says(agent(-121, 0, well()), -3600), silent);
        assert_eq!(says(agent(-120, 0, well()), -3600), Vec::<String>::new(), "two minutes are as long as it may");
        assert_eq!(says(agent(-121, 0, well()), -60), Vec::<String>::new(), "the collector has only just begun");
        assert_eq!(says(agent(-8 * 86_400, 0, well()), -9 * 86_400), Vec::<String>::new(), "it is gone for good");
        let behind = ["source-behind: 50 bytes behind, read to 11:58:00Z"];
        assert_eq!(says(agent(-3, 0, source(150, Some(-120))), -3600), behind);
        assert_eq!(says(agent(-3, 0, source(100, Some(-120))), -3600), Vec::<String>::new(), "it has nothing to read");
        assert_eq!(says(agent(-3, 0, source(150, None)), -3600), Vec::<String>::new(), "it is read for the first time");
        assert_eq!(says(agent(-3, -3 * SECOND, well()), -3600), ["clock-off: 3.0 s behind the collector's"]);
        let mut stopped = agent(-200, 0, well());
        stopped.heartbeat.as_mut().unwrap().stops = true;
        assert_eq!(says(stopped, -3600), ["source-silent: it was stopped at 11:56:40Z: core is not read"]);
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
            let (fresh, over) = changes(alarms, &BTreeSet::new(), known);
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
            let unclear = BTreeSet::from([(fault, "agent-1 core".to_owned())]);
            assert_eq!(changes(&[], &unclear, &[item(&one)]), (vec![], vec![]), "nobody can tell whether it is over");
        }
    }

    #[test]
    fn what_an_agent_said_before_it_fell_silent_is_not_taken_for_well() {
        let limits = &RuleSet::built_in().defaults.source;
        let unclear = |agent: Agent, began: i64| seen(&[agent], &[], limits, at(began), NOW).unclear;
        let both = [(LogFault::Behind, "agent-1 core".to_owned()), (LogFault::ClockOff, "agent-1".to_owned())];
        assert_eq!(unclear(agent(-200, 0, source(150, Some(-300))), -3600), BTreeSet::from(both.clone()));
        // Nor is it well because the collector has only just begun, or because it is read for the first time.
        let all = [&both[..], &[(LogFault::Silent, "agent-1".to_owned())]].concat();
        assert_eq!(unclear(agent(-200, 0, source(100, None)), -60), all.into_iter().collect());
        assert_eq!(unclear(agent(-3, 0, source(150, None)), -3600), BTreeSet::from([both[0].clone()]));
        // A clock near the limit is neither off nor well again.
        assert_eq!(unclear(agent(-3, 3 * SECOND / 2, source(100, Some(-3))), -3600), BTreeSet::from([both[1].clone()]));
    }

    #[test]
    fn one_late_heartbeat_is_no_wrong_clock() {
        let limits = &RuleSet::built_in().defaults.source;
        let mut lookout = Lookout::new(at(-3600));
        let mut troubles = |heard: i64, offset: i64| {
            let mut seen = seen(&[agent(heard, offset * SECOND, source(100, Some(-3)))], &[], limits, at(-3600), NOW);
            lookout.confirm(&mut seen);
            seen.troubles.len()
        };
        assert_eq!(
            [(-60, -5), (-60, -5), (-50, 0), (-40, -5), (-30, -5)].map(|(heard, off)| troubles(heard, off)),
            [0, 0, 0, 0, 1]
        );
    }
}
