//! What one scenario shows of what its logs hold.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use message::flow::{Flow, Half, Log, Row};
use message::kind::Kind;
use message::logged::Message;
use record::time::Timestamp;

use super::{Shown, Sort, Way, What};

/// What a scenario shows of its logs: by log and sort, how many requests could have had such a message, and had it.
pub fn seen(flow: &Flow, messages: &[Message]) -> BTreeMap<(Log, Sort), Shown> {
    seen_within(flow, messages, Timestamp(i64::MIN)..Timestamp(i64::MAX))
}

/// The same of what was sent within these times alone.
pub fn seen_within(flow: &Flow, messages: &[Message], times: Range<Timestamp>) -> BTreeMap<(Log, Sort), Shown> {
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
    counts: BTreeMap<(Log, Sort), Shown>,
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
            let shown = self.counts.entry(((*log).clone(), sort.clone())).or_default();
            shown.count.could += 1;
            shown.count.had += u32::from(had);
        }
    }

    /// Of logs that hold a request, or an answer: in which logs of the machine that stood which belongs to it.
    fn note_beside(&mut self, logs: &[&Log], sort: &Sort, stood_in: &BTreeSet<&Log>) {
        self.note(logs, sort, !stood_in.is_empty());
        for log in logs.iter().filter(|log| !stood_in.contains(*log)) {
            let shown = self.counts.entry(((*log).clone(), sort.clone())).or_default();
            shown.beside.extend(stood_in.iter().copied().cloned());
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
        let [rang, ended] = of.map(|answers| answers.iter().flat_map(|answer| self.holding(*answer, node)).collect());
        if method == "INVITE" {
            self.note_beside(held, &Sort::new(way, kind, method, What::Provisional), &rang);
        }
        self.note_beside(held, &Sort::new(way, kind, method, What::Final), &ended);
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
        let ack = |node: usize, comes: bool| -> BTreeSet<&Log> {
            let own = all.iter().filter(|ack| {
                let sent = &flow.rows[**ack];
                (if comes { sent.to } else { sent.from }) == node
            });
            own.flat_map(|ack| self.holding(*ack, node)).collect()
        };
        let sort = |way| Sort::new(way, Kind::Sip, "ACK", What::AckOfAnswer);
        let passes_on = facts.sip.as_ref().is_some_and(|sip| sip.vias.len() > 1);
        let way = if passes_on { Way::PassedOn } else { Way::Own };
        let notes = [(row.from, Way::In, true), (row.to, way, false)]
            .map(|(node, way, comes)| (self.holding(at, node), sort(way), ack(node, comes)));
        for (logs, sort, stood_in) in notes {
            self.note_beside(&logs, &sort, &stood_in);
        }
    }
}
