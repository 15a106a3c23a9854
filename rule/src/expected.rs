//! Who would show that a message came: only then can it be missed.

use std::collections::BTreeSet;

use message::flow::Log;
use message::kind::Kind;
use record::time::SECOND;

use crate::fact::{binding, registers};
use crate::ground::{Ground, Place};
use crate::holds::{self, Sort, What};
use crate::instance::{Instance, Of, Party, Way};
use crate::syntax::{Code, Pattern, Term};
use crate::verdict::Why;

/// A request, or a 2xx, that is logged so often over so long has no answer, or no ACK, whatever its log is known to hold.
const REPEATS: usize = 2;
const OVER: i64 = 2 * SECOND;

/// Where a message would have been seen.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Expected {
    /// From which node to which.
    pub hop: Option<(usize, usize)>,
    /// Logs that would show it.
    pub logs: BTreeSet<Log>,
    /// None would, and why.
    pub blind: Option<Why>,
}

/// Where a pattern would be seen. One of its terms, and one sort of message that meets it, is enough. `base` is the row from
/// which it counts.
pub fn expected(ground: &Ground, instance: &Instance, pattern: &Pattern, base: usize) -> Expected {
    let mut found = Expected::default();
    let mut blind = None;
    for term in &pattern.0 {
        let shown = Shown { ground, instance, term, base }.shown();
        found.hop = found.hop.or(shown.hop);
        found.logs.extend(shown.logs);
        match shown.blind {
            None => {
                blind = None;
                found.hop = shown.hop.or(found.hop);
                break;
            }
            Some(why) => blind = blind.or(Some(why)),
        }
    }
    found.blind = blind;
    found
}

struct Shown<'g, 'a> {
    ground: &'g Ground<'a>,
    instance: &'g Instance,
    term: &'g Term,
    base: usize,
}

impl Shown<'_, '_> {
    fn shown(&self) -> Expected {
        let Some((parties, way)) = self.instance.about(self.ground, self.term) else { return self.own() };
        if self.is_of_tags_alone() {
            return Expected { blind: Some(Why::NoLog), ..Expected::default() };
        }
        let mut best = Expected { blind: Some(Why::NoLog), ..Expected::default() };
        for party in &parties {
            let shown = self.of_party(party, way);
            let sees = shown.blind.is_none();
            if sees || best.hop.is_none() {
                best = shown;
            }
            if sees {
                break;
            }
        }
        best
    }

    /// Refusals of a device that only its To-tag tells from others are no one's.
    fn is_of_tags_alone(&self) -> bool {
        let Of::Leg(leg) = self.instance.of else { return false };
        let refusals = self.term.codes.as_ref().is_some_and(|codes| {
            codes
                .0
                .iter()
                .all(|code| matches!(code, Code::Range { from, .. } if *from >= 300) || matches!(code, Code::Named(_)))
        });
        self.ground.flow.legs[leg].by_tag && refusals
    }

    fn of_party(&self, party: &Party, way: Way) -> Expected {
        let ground = self.ground;
        if self.method() == "PUSH" {
            return self.anywhere(holds::Way::Own);
        }
        if self.method() == "REGISTER" {
            return self.of_registration(party, way);
        }
        let Some((place, ours)) = self.place(party) else {
            let asks = self.method() == "ACK" || self.ground.rows[self.base].method == self.method();
            let proven = asks && self.is_proven(self.base);
            return Expected { blind: (!proven).then_some(Why::NoLog), ..Expected::default() };
        };
        let hop = if way == Way::To { (place.far, place.near) } else { (place.near, place.far) };
        let own = ground.writes_log(place.near);
        // The way of a REGISTER does not say whether who got it makes the INVITE or passes it on.
        let invited = party.ears(ground).iter().any(|ears| !ears.hops.is_empty());
        let (node, by): (_, &[holds::Way]) = match (own, way) {
            (true, Way::To) | (false, Way::From) => (if own { place.near } else { place.far }, &[holds::Way::In]),
            // A machine that is named may be an end, and may pass on.
            (true, Way::From) if matches!(party, Party::Node(..)) => {
                (place.near, &[holds::Way::Own, holds::Way::PassedOn])
            }
            // Of the end itself.
            (true, Way::From) => (place.near, &[holds::Way::Own]),
            (false, Way::To) if !invited => (place.far, &[holds::Way::Own, holds::Way::PassedOn]),
            (false, Way::To) if ours => (place.far, &[holds::Way::Own]),
            (false, Way::To) => (place.far, &[holds::Way::PassedOn]),
        };
        self.in_logs(ground.logs_at(node), by, hop, self.request_at(place, party))
    }

    /// The place nearest to a party, and whether what stands there makes what it sends itself.
    fn place(&self, party: &Party) -> Option<(Place, bool)> {
        let ground = self.ground;
        if let Party::Node(node, _) = party {
            let rows = ground.flow.rows.iter().filter(|row| row.from == *node || row.to == *node);
            let mut others = rows.map(|row| if row.from == *node { row.to } else { row.from }).peekable();
            let first = others.peek().copied()?;
            // Where it does not log itself, the first that does.
            let far = others.find(|far| ground.writes_log(*node) || ground.writes_log(*far)).unwrap_or(first);
            return Some((Place { near: *node, far }, false));
        }
        let ears = party.ears(ground);
        if self.is_in_dialog() {
            return self.place_in_dialog(party);
        }
        let hop = ears.iter().flat_map(|ears| &ears.hops).copied().next();
        let place = ears.iter().flat_map(|ears| &ears.places).copied().next()?;
        let hops = &ground.flow.hops;
        let makes = hop.is_none_or(|hop| match party {
            // What a server answers that did not pass the request on.
            Party::Caller(..) => !hops[hop].children.iter().any(|child| hops[*child].call == hops[hop].call),
            // What an agent, or a caller, sends of its own.
            _ => hops[hop].parent.is_none_or(|parent| hops[parent].call != hops[hop].call),
        });
        Some((place, makes))
    }

    /// The logging node nearest to a party among ends, agents and proxies in Record-Route.
    fn place_in_dialog(&self, party: &Party) -> Option<(Place, bool)> {
        let (ground, hops) = (self.ground, &self.ground.flow.hops);
        // From the party's end inwards: hops, with the side that is nearer to it first.
        let mut way: Vec<(usize, usize, bool)> = Vec::new();
        match party {
            Party::Caller(..) => {
                let roots =
                    party.ears(ground).into_iter().flat_map(|ears| ears.hops.clone()).map(|hop| ground.root(hop));
                let mut next = roots.into_iter().next_back();
                while let Some(hop) = next {
                    if let Some((from, to)) = hops[hop].ends {
                        let agent = hops[hop].children.iter().any(|child| hops[*child].call != hops[hop].call);
                        way.push((from, to, agent || hops[hop].children.is_empty()));
                        if agent {
                            break;
                        }
                    }
                    next = hops[hop].children.first().copied();
                }
            }
            Party::Leg(leg) => {
                let own = &ground.flow.legs[*leg].hops;
                let leaf =
                    own.iter().copied().rfind(|hop| !hops[*hop].children.iter().any(|child| own.contains(child)));
                let mut next = leaf;
                while let Some(hop) = next {
                    let agent = ground.is_made_by_agent(hop);
                    if let Some((from, to)) = hops[hop].ends {
                        way.push((to, from, agent || hops[hop].parent.is_none()));
                        if agent {
                            break;
                        }
                    }
                    next = hops[hop].parent;
                }
            }
            Party::Node(..) => {}
        }
        let (end, first, makes) = way.first().copied()?;
        if ground.writes_log(end) {
            return Some((Place { near: end, far: first }, makes));
        }
        let stays = |(_, far, is_end): &&(usize, usize, bool)| {
            ground.writes_log(*far) && (*is_end || ground.stays.contains(far))
        };
        let (_, far, is_end) = way.iter().find(stays).copied()?;
        Some((Place { near: end, far }, is_end))
    }

    /// Messages within a dialog go from end to end.
    fn is_in_dialog(&self) -> bool {
        let inside = |fact: &crate::syntax::Fact| {
            fact.name == crate::syntax::FactName::Initial && fact.values.iter().any(|value| value == "no")
        };
        !matches!(self.method(), "INVITE" | "CANCEL" | "REGISTER" | "PUSH") || self.term.with.iter().any(inside)
    }

    fn method(&self) -> &str {
        self.term.methods.first().map_or("", String::as_str)
    }

    /// A step that waits for a REGISTER needs a device that a REGISTER has shown before.
    fn of_registration(&self, party: &Party, way: Way) -> Expected {
        let ground = self.ground;
        let base = ground.time(self.base);
        let never = Expected { blind: Some(Why::NeverRegistered), ..Expected::default() };
        let Party::Leg(leg) = party else { return self.own_registration(way) };
        let shown = registers(ground, *leg).filter(|row| ground.time(*row) <= base).last();
        let bound = binding(ground, *leg);
        let row = shown.or_else(|| registers(ground, *leg).last());
        let place = ground.legs[*leg].places.first();
        let (logs, hop) = match (row, bound, place) {
            (Some(row), ..) => {
                let (from, to) = (ground.flow.rows[row].from, ground.flow.rows[row].to);
                (ground.logs_at(to), Some((from, to)))
            }
            (None, Some(binding), place) => {
                (std::slice::from_ref(&binding.log), place.map(|place| (place.near, place.far)))
            }
            (None, None, _) => return never,
        };
        if shown.is_none() && bound.is_none() && self.term.codes.is_none() {
            return never;
        }
        if logs.is_empty() {
            return Expected { hop, blind: Some(Why::NoLog), ..Expected::default() };
        }
        let hop = hop.map(|(from, to)| if way == Way::To { (to, from) } else { (from, to) });
        let ways: &[holds::Way] = match way {
            Way::From => &[holds::Way::In],
            Way::To => &[holds::Way::Own, holds::Way::PassedOn],
        };
        let mut found = self.in_logs(logs, ways, (0, 0), row);
        found.hop = hop;
        // The log that showed this device's REGISTER holds them.
        if way == Way::From && self.term.codes.is_none() {
            found.blind = None;
        }
        found
    }

    /// Of a device that registers by itself: the way of the REGISTER that began it.
    fn own_registration(&self, way: Way) -> Expected {
        let row = &self.ground.flow.rows[self.instance.start];
        let (hop, ways): (_, &[holds::Way]) = match way {
            Way::From => ((row.from, row.to), &[holds::Way::In]),
            Way::To if row.on_last_hop => ((row.to, row.from), &[holds::Way::Own]),
            Way::To => ((row.to, row.from), &[holds::Way::PassedOn]),
        };
        self.in_logs(self.ground.logs_at(row.to), ways, hop, Some(self.instance.start))
    }

    /// Of the instance's own messages: what answers its start is shown by the logs that show the start.
    fn own(&self) -> Expected {
        let ground = self.ground;
        let start = &ground.rows[self.instance.start];
        let asks = self.term.methods.iter().any(|method| method == start.method);
        if !asks || self.term.codes.is_none() {
            return self.anywhere(holds::Way::Own);
        }
        // The sender's log shows it as it comes in, the receiver's as it goes out.
        let row = &ground.flow.rows[self.instance.start];
        let hop = (row.to, row.from);
        if row.unclear {
            return Expected { hop: Some(hop), blind: Some(Why::UnclearAnswer), ..Expected::default() };
        }
        let mut found = Expected { hop: Some(hop), blind: Some(Why::NoLog), ..Expected::default() };
        for (node, ways) in [(row.from, &[holds::Way::In][..]), (row.to, &[holds::Way::PassedOn, holds::Way::Own][..])]
        {
            let holds = ground.logs_at(node).iter().filter(|log| ground.is_in(self.instance.start, log));
            let logs: Vec<Log> = holds.cloned().collect();
            if logs.is_empty() {
                continue;
            }
            let shown = self.in_logs(&logs, ways, hop, Some(self.instance.start));
            let sees = shown.blind.is_none();
            if sees || found.logs.is_empty() {
                found = shown;
            }
            if sees {
                break;
            }
        }
        found
    }

    /// Of a message that may be anywhere in the scenario: any log of it that holds such messages.
    fn anywhere(&self, way: holds::Way) -> Expected {
        let ground = self.ground;
        let mut found = Expected { blind: Some(Why::NoLog), ..Expected::default() };
        for log in ground.logs() {
            let shown = self.in_logs(&[log], &[way, holds::Way::In], (0, 0), None);
            if shown.blind.is_none() {
                return Expected { hop: None, ..shown };
            }
            if found.logs.is_empty() {
                found = Expected { hop: None, ..shown };
            }
        }
        found
    }

    /// Of the logs of one machine one that holds such messages is enough.
    fn in_logs(&self, logs: &[Log], ways: &[holds::Way], hop: (usize, usize), asked: Option<usize>) -> Expected {
        // Of several that is named which holds what the message would have followed.
        let Some(log) = logs.iter().find(|log| self.ground.is_in(self.base, log)).or(logs.first()) else {
            return Expected { hop: Some(hop), blind: Some(Why::NoLog), ..Expected::default() };
        };
        let sorts = self.sorts(ways);
        let sees = |log: &&Log| {
            let known = self.ground.evidence.holds.get(*log);
            known.is_some_and(|known| sorts.iter().any(|sort| known.knows(sort)))
        };
        let seeing: BTreeSet<Log> = logs.iter().filter(sees).cloned().collect();
        let proven = asked.is_some_and(|row| self.is_proven(row));
        let what = || {
            let [from, ..] = self.names();
            from
        };
        let blind = (seeing.is_empty() && !proven).then(|| Why::NeverLogged { log: log.clone(), what: what() });
        let logs = if seeing.is_empty() { BTreeSet::from([log.clone()]) } else { seeing };
        Expected { hop: Some(hop), logs, blind }
    }

    /// What is missed, in words.
    fn names(&self) -> [String; 1] {
        let method = self.term.methods.join(" or ");
        let what = match (&self.term.codes, self.method()) {
            (None, _) => method,
            (Some(_), "PUSH") => "answers to pushes".to_owned(),
            (Some(_), _) => format!("answers to {method}"),
        };
        [what]
    }

    /// Sorts of messages that would meet the term.
    fn sorts(&self, ways: &[holds::Way]) -> Vec<Sort> {
        let mut whats = Vec::new();
        match &self.term.codes {
            None if self.method() == "ACK" => whats.push(What::AckOfAnswer),
            None => whats.push(What::Request),
            Some(codes) => {
                let below = |code: &Code| matches!(code, Code::Range { from, .. } if *from < 200);
                let above = |code: &Code| !matches!(code, Code::Range { to, .. } if *to < 200);
                if codes.0.iter().any(below) {
                    whats.push(What::Provisional);
                }
                if codes.0.iter().any(above) {
                    whats.push(What::Final);
                }
            }
        }
        let mut sorts = Vec::new();
        for method in &self.term.methods {
            let kind = match method.as_str() {
                "PUSH" => Kind::Push,
                "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "HEAD" => Kind::Rest,
                _ => Kind::Sip,
            };
            for way in ways {
                sorts.extend(whats.iter().map(|what| Sort::new(*way, kind, method, *what)));
            }
        }
        sorts
    }

    /// The request that would be answered here, or the 2xx that would be acknowledged.
    fn request_at(&self, place: Place, party: &Party) -> Option<usize> {
        let ground = self.ground;
        if self.method() == "ACK" {
            return Some(self.base);
        }
        let ears = party.ears(ground);
        let of_hop = ears.iter().flat_map(|ears| &ears.hops).filter_map(|hop| ground.flow.hops[*hop].row).next_back();
        if self.method() == "INVITE" && of_hop.is_some() {
            return of_hop;
        }
        let between = |at: &usize| {
            let row = &ground.flow.rows[*at];
            let ends = (row.from, row.to);
            let said = &ground.rows[*at];
            !said.response
                && said.method == self.method()
                && (ends == (place.near, place.far) || ends == (place.far, place.near))
        };
        (0..ground.rows.len()).rfind(between)
    }

    /// Repetition is evidence.
    fn is_proven(&self, at: usize) -> bool {
        let (ground, row) = (self.ground, &self.ground.flow.rows[at]);
        let said = &ground.rows[at];
        let last = row.repeats.iter().map(|message| ground.flow.times[*message]).max();
        let again = row.repeats.len() >= REPEATS && last.is_some_and(|last| last.micros_since(row.time) >= OVER);
        if !again {
            return false;
        }
        if self.term.codes.is_none() {
            // A 2xx that is sent again and again has no ACK.
            return self.method() == "ACK" && matches!(said.status, Some(200..=299));
        }
        !said.response
            && !(0..ground.rows.len())
                .any(|other| ground.rows[other].response && ground.rows[other].request == Some(at))
    }
}
