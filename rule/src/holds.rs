//! What each log is known to hold. A log cannot prove the absence of what it never holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use message::flow::{Flow, Half, Log, Row};
use message::kind::Kind;
use message::logged::Message;
use record::time::Timestamp;
use serde::{Deserialize, Serialize};

/// On one of so many days.
const DAYS: i32 = 7;
/// Of so many it is known for the day what a log holds: an outage that begins then unlearns nothing.
const ENOUGH: u32 = 20;
/// So many in a row without one, and none for a whole day with as many: it is logged no more. An outage ends sooner, and is
/// to be reported.
const RUN: u32 = 20;
/// Methods that are counted of one log; what nobody knows may be anything.
const MOST: usize = 512;
/// Letters of a method that anybody knows.
const LONGEST: usize = 32;

/// How a message goes by the machine that writes the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Way {
    In,
    /// It came in before, as by a proxy.
    PassedOn,
    /// The machine made it itself.
    Own,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum What {
    Request,
    Provisional,
    Final,
    /// The ACK to a 2xx, which goes from end to end.
    AckOfAnswer,
}

/// Messages that a log holds or does not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Sort {
    pub way: Way,
    pub kind: Kind,
    /// Of SIP; empty for REST and push.
    pub method: String,
    pub what: What,
}

impl Sort {
    pub fn new(way: Way, kind: Kind, method: &str, what: What) -> Self {
        let method = if kind == Kind::Sip { method } else { "" };
        Self { way, kind, method: method.to_owned(), what }
    }
}

/// How many requests could have had such a message, and how many had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    pub could: u32,
    pub had: u32,
}

impl Count {
    fn is_half(self) -> bool {
        self.had > 0 && self.had.saturating_mul(2) >= self.could
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct OfDay {
    count: Count,
    /// Half of enough of them had one once that day.
    held: bool,
}

/// What was seen of one sort.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Tally {
    /// By day since 1970, the last ones.
    days: BTreeMap<i32, OfDay>,
    /// Without one, in a row.
    run: u32,
}

/// What one log holds, as far as it was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Holds(BTreeMap<Sort, Tally>);

impl Holds {
    /// Adds what one call shows.
    pub fn see(&mut self, day: i32, sort: &Sort, count: Count) {
        if sort.method.len() > LONGEST || (self.0.len() >= MOST && !self.0.contains_key(sort)) {
            return;
        }
        let tally = self.0.entry(sort.clone()).or_default();
        let of_day = tally.days.entry(day).or_default();
        of_day.count.could = of_day.count.could.saturating_add(count.could);
        of_day.count.had = of_day.count.had.saturating_add(count.had);
        of_day.held |= of_day.count.could >= ENOUGH && of_day.count.is_half();
        tally.run = if count.had > 0 { 0 } else { tally.run.saturating_add(count.could) };
        if let Some(newest) = tally.days.keys().next_back().copied() {
            tally.days.retain(|day, _| *day > newest - DAYS);
        }
    }

    /// Adds what another collector has seen.
    pub fn merge(&mut self, other: &Self) {
        for (sort, tally) in &other.0 {
            for (day, count) in &tally.days {
                self.see(*day, sort, count.count);
            }
        }
    }

    /// At least half of the requests of a day had one, and it was not missing for a whole day since.
    pub fn knows(&self, sort: &Sort) -> bool {
        self.0.get(sort).is_some_and(|tally| {
            let some_day = tally.days.values().any(|day| day.held || day.count.is_half());
            let last = tally.days.iter().rev().find(|(_, day)| day.count.had > 0).map(|(day, _)| *day);
            let newest = tally.days.keys().next_back().copied();
            // Days without traffic, such as a weekend, say nothing.
            let empty = |(day, of): (&i32, &OfDay)| last < Some(*day) && Some(*day) < newest && of.count.could >= RUN;
            some_day && !(tally.run >= RUN && tally.days.iter().any(empty))
        })
    }

    /// Something is known that is not known by these, as of the same log.
    pub fn knows_more_than(&self, other: Option<&Self>) -> bool {
        self.0.keys().any(|sort| self.knows(sort) && !other.is_some_and(|other| other.knows(sort)))
    }

    /// What is never there although it could have been: for whoever asks what a log lacks.
    pub fn lacks(&self) -> impl Iterator<Item = &Sort> {
        self.0.keys().filter(|sort| !self.knows(sort))
    }
}

/// What all logs of a call are known to hold.
pub type AllHolds = BTreeMap<Log, Holds>;

/// What a scenario shows of its logs: by log and sort, how many requests could have had such a message, and had it.
pub fn seen(flow: &Flow, messages: &[Message]) -> BTreeMap<(Log, Sort), Count> {
    seen_within(flow, messages, Timestamp(i64::MIN)..Timestamp(i64::MAX))
}

/// The same of what was sent within these times alone.
pub fn seen_within(flow: &Flow, messages: &[Message], times: Range<Timestamp>) -> BTreeMap<(Log, Sort), Count> {
    let mut seeing = Seeing { flow, messages, kinds: BTreeSet::new(), counts: BTreeMap::new() };
    for some in messages.chunk_by(|one, other| one.kind == other.kind && Arc::ptr_eq(&one.place, &other.place)) {
        let place = &some[0].place;
        let log = Log { agent: place.agent.clone(), source: place.source.clone() };
        seeing.kinds.insert((log, some[0].kind));
    }
    let mut answers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut acks: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, row) in flow.rows.iter().enumerate() {
        let facts = &messages[row.message].facts;
        if seeing.is_response(row) {
            let asked = row.pair.map_or(row.transaction, |request| flow.rows[request].transaction);
            answers.entry(asked).or_default().push(at);
        } else if facts.method == "ACK" && row.hop.is_none() {
            acks.entry(row.dialog.unwrap_or(usize::MAX)).or_default().push(at);
        }
    }
    for at in 0..flow.rows.len() {
        let row = &flow.rows[at];
        if !times.contains(&row.time) {
            continue;
        }
        if seeing.is_response(row) {
            seeing.acks(at, &acks);
        } else if messages[row.message].facts.method != "ACK" {
            seeing.request(at, answers.get(&row.transaction).map_or(&[], Vec::as_slice));
        }
    }
    seeing.counts
}

struct Seeing<'a> {
    flow: &'a Flow,
    messages: &'a [Message],
    /// What each log holds anything of.
    kinds: BTreeSet<(Log, Kind)>,
    counts: BTreeMap<(Log, Sort), Count>,
}

impl<'a> Seeing<'a> {
    fn is_response(&self, row: &Row) -> bool {
        match row.half {
            Half::Request => false,
            Half::Response => true,
            Half::Whole => self.messages[row.message].facts.response,
        }
    }

    /// Whether a log holds this row.
    fn in_log(&self, row: usize, log: &Log) -> bool {
        let row = &self.flow.rows[row];
        std::iter::once(&row.message).chain(&row.sightings).any(|message| {
            let place = &self.messages[*message].place;
            place.agent == log.agent && place.source == log.source
        })
    }

    /// Those of the logs of a node that hold a row; none where none does.
    fn holding(&self, row: usize, node: usize) -> Vec<&'a Log> {
        self.flow.nodes[node].logs.iter().filter(|log| self.in_log(row, log)).collect()
    }

    /// Where a node would have logged a row: in what holds such messages of this scenario, else in any of its logs.
    fn could_hold(&self, kind: Kind, node: usize) -> Vec<&'a Log> {
        let logs = &self.flow.nodes[node].logs;
        let such: Vec<&Log> = logs.iter().filter(|log| self.kinds.contains(&((*log).clone(), kind))).collect();
        if such.is_empty() { logs.iter().collect() } else { such }
    }

    fn note(&mut self, logs: &[&Log], sort: &Sort, had: bool) {
        for log in logs {
            let count = self.counts.entry(((*log).clone(), sort.clone())).or_default();
            count.could += 1;
            count.had += u32::from(had);
        }
    }

    fn request(&mut self, at: usize, answers: &[usize]) {
        let (flow, messages) = (self.flow, self.messages);
        let row = &flow.rows[at];
        let facts = &messages[row.message].facts;
        let (kind, method) = (row.kind, facts.method.as_str());
        let status = |answer: &usize| messages[flow.rows[*answer].message].facts.status.unwrap_or_default();
        let provisional: Vec<usize> = answers.iter().copied().filter(|answer| status(answer) < 200).collect();
        let last: Vec<usize> = answers.iter().copied().filter(|answer| status(answer) >= 200).collect();
        // Hop by hop, never passed on.
        let by_hop = method == "CANCEL";
        let came = facts.sip.as_ref().is_some_and(|sip| sip.vias.len() > 1) && !by_hop;
        if !flow.nodes[row.from].logs.is_empty() {
            let way = if came { Way::PassedOn } else { Way::Own };
            let held = self.holding(at, row.from);
            self.note_at(at, row.from, &held, &Sort::new(way, kind, method, What::Request));
            if !held.is_empty() && row.from != row.to {
                self.answers(&held, row.from, Way::In, (kind, method), [&provisional, &last]);
            }
        }
        if !flow.nodes[row.to].logs.is_empty() && row.from != row.to {
            let passed_on = !row.on_last_hop && !by_hop;
            let said = answers.iter().any(|answer| !self.holding(*answer, row.to).is_empty());
            let held = self.holding(at, row.to);
            if !held.is_empty() || said || passed_on || !flow.nodes[row.from].logs.is_empty() {
                self.note_at(at, row.to, &held, &Sort::new(Way::In, kind, method, What::Request));
            }
            if !held.is_empty() {
                let way = if passed_on { Way::PassedOn } else { Way::Own };
                self.answers(&held, row.to, way, (kind, method), [&provisional, &last]);
            }
        }
    }

    /// A row that these logs of a node hold, or none of them.
    fn note_at(&mut self, at: usize, node: usize, held: &[&Log], sort: &Sort) {
        if held.is_empty() {
            let could = self.could_hold(self.flow.rows[at].kind, node);
            self.note(&could, sort, false);
        } else {
            self.note(held, sort, true);
        }
    }

    /// Of a request that these logs of a node hold: whether provisional and final answers stand in any of its logs.
    fn answers(&mut self, held: &[&Log], node: usize, way: Way, (kind, method): (Kind, &str), of: [&[usize]; 2]) {
        let [rang, ended] = of.map(|answers| answers.iter().any(|answer| !self.holding(*answer, node).is_empty()));
        if method == "INVITE" {
            self.note(held, &Sort::new(way, kind, method, What::Provisional), rang);
        }
        self.note(held, &Sort::new(way, kind, method, What::Final), ended);
    }

    /// Of a 2xx to INVITE: whether its ACK stands beside it.
    fn acks(&mut self, at: usize, acks: &BTreeMap<usize, Vec<usize>>) {
        let (flow, messages) = (self.flow, self.messages);
        let row = &flow.rows[at];
        let facts = &messages[row.message].facts;
        if facts.method != "INVITE" || !matches!(facts.status, Some(200..=299)) || row.dialog.is_none() {
            return;
        }
        let all = row.dialog.and_then(|dialog| acks.get(&dialog)).map_or(&[][..], Vec::as_slice);
        let ack = |node: usize, comes: bool| {
            all.iter().any(|ack| {
                let sent = &flow.rows[*ack];
                (if comes { sent.to } else { sent.from }) == node && !self.holding(*ack, node).is_empty()
            })
        };
        let sort = |way| Sort::new(way, Kind::Sip, "ACK", What::AckOfAnswer);
        let passes_on = facts.sip.as_ref().is_some_and(|sip| sip.vias.len() > 1);
        let way = if passes_on { Way::PassedOn } else { Way::Own };
        let notes = [(row.from, Way::In, true), (row.to, way, false)]
            .map(|(node, way, comes)| (self.holding(at, node), sort(way), ack(node, comes)));
        for (logs, sort, had) in notes {
            self.note(&logs, &sort, had);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERED: (u32, u32) = (1, 1);
    const NOT: (u32, u32) = (1, 0);

    /// After so many of each on these days, is it known that the log holds answers?
    fn knows(seen: &[(i32, (u32, u32), usize)]) -> bool {
        let sort = Sort::new(Way::In, Kind::Rest, "", What::Final);
        let mut holds = Holds::default();
        for (day, (could, had), times) in seen {
            (0..*times).for_each(|_| holds.see(*day, &sort, Count { could: *could, had: *had }));
        }
        holds.knows(&sort)
    }

    #[test]
    fn more_is_known_where_something_new_is() {
        let sort = |what| Sort::new(Way::In, Kind::Sip, "INVITE", what);
        let holds = |whats: &[(What, u32)]| {
            let mut holds = Holds::default();
            for (what, had) in whats {
                holds.see(1, &sort(*what), Count { could: 1, had: *had });
            }
            holds
        };
        let request = holds(&[(What::Request, 1)]);
        assert!(request.knows_more_than(None));
        assert!(!request.knows_more_than(Some(&request)));
        assert!(holds(&[(What::Request, 1), (What::Final, 1)]).knows_more_than(Some(&request)));
        assert!(!holds(&[(What::Request, 1), (What::Final, 0)]).knows_more_than(Some(&request)));
    }

    #[test]
    fn half_of_a_day_is_enough_and_less_is_not() {
        assert!(!knows(&[]));
        assert!(knows(&[(1, ANSWERED, 1)]));
        assert!(knows(&[(1, ANSWERED, 3), (1, NOT, 3)]));
        assert!(!knows(&[(1, ANSWERED, 3), (1, NOT, 4)]));
        assert!(!knows(&[(1, NOT, 100)]));
    }

    #[test]
    fn an_outage_unlearns_nothing_on_the_day_on_which_it_begins() {
        // An established log, and one of which so many were seen that morning.
        assert!(knows(&[(1, ANSWERED, 600), (2, ANSWERED, 1), (2, NOT, 5_000)]));
        assert!(knows(&[(1, ANSWERED, 30), (1, NOT, 5_000)]));
        // It began before midnight.
        assert!(knows(&[(1, ANSWERED, 600), (1, NOT, 5_000), (2, NOT, 5_000)]));
        // Nobody called at the weekend.
        assert!(knows(&[(5, ANSWERED, 600), (8, NOT, 5_000)]));
    }

    #[test]
    fn what_has_not_come_for_a_whole_day_is_logged_no_more() {
        assert!(!knows(&[(1, ANSWERED, 600), (2, NOT, 5_000), (3, NOT, 1)]));
        assert!(knows(&[(1, ANSWERED, 600), (2, NOT, 10), (3, NOT, 9)]), "too few to tell");
        assert!(knows(&[(1, ANSWERED, 600), (2, NOT, 5_000), (3, NOT, 1), (3, ANSWERED, 1)]), "it is back");
    }

    #[test]
    fn what_was_long_ago_counts_no_more() {
        assert!(!knows(&[(1, ANSWERED, 600), (8, NOT, 1)]));
    }
}
