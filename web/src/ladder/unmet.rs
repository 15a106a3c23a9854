//! What rules waited for and did not get, got too late, or cannot tell of: a row at its deadline.

use std::collections::{HashMap, HashSet};

use message::flow::{Flow, Half};
use message::kind::Kind;
use message::logged::Message;
use record::id::MessageId;
use record::time::Timestamp;
use rule::told::{Seen, Step, Told};
use rule::verdict::Outcome;
use rule::wording;

use super::columns::{Columns, colour};
use super::entry::{Entry, folded};
use super::refusal::{Refusal, refusal, status_line};
use super::row::{Came, Said, glyph};
use super::view::View;
use super::words::{Clock, duration, shortened};

/// Letters of what is said of a step.
const LONGEST: usize = 160;

/// A row without a message.
#[derive(Clone, PartialEq, Debug)]
pub struct Unmet {
    /// `RULE.STEP.LEG`: links in mails end in it.
    pub id: String,
    pub state: State,
    pub at: Timestamp,
    pub clock: Clock,
    pub kind: Kind,
    pub tag: String,
    pub colour: usize,
    /// Lanes, where both ends have one.
    pub lanes: Option<(usize, usize)>,
    pub from_name: String,
    pub to_name: String,
    /// `ACK`, or `2xx to INVITE`.
    pub what: String,
    /// `within 32 s of answer, never seen`
    pub says: String,
    pub rule: String,
    pub failure: String,
    /// The row of what came too late.
    pub came: Option<MessageId>,
    /// Lanes of the ladder that it stands in.
    width: usize,
    /// What its `id` was while its leg had another name: links in mails that were sent then end in it.
    pub was: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Missing,
    Late,
    CannotTell,
}

/// All that rules say, by time and by message.
#[derive(Debug, Default)]
pub struct Expected {
    pub unmet: Vec<Unmet>,
    /// By message: the first row that shows it is marked.
    pub said: HashMap<MessageId, Said>,
}

pub fn expected(told: &[Told], (flow, messages): (&Flow, &[Message]), columns: &Columns, view: &View) -> Expected {
    let mut all = Expected::default();
    let mut used = HashSet::new();
    for told in told {
        let mut refused = false;
        for (at, step) in told.steps.iter().enumerate() {
            let id = told.fragment_of(Some(step));
            let names_it = told.step == Some(at);
            // What was refused brings nothing of what would have followed.
            if refused && !names_it && matches!(step.seen, Seen::Missed | Seen::CannotTell) {
                continue;
            }
            if let Some(Refusal { row, .. }) = refusal(told, step, flow, messages) {
                let short = status_line(row, flow, messages);
                let says = format!("{}: {}", told.rule, wording::beside(&step.text));
                let message = Some(messages[flow.rows[row].message].id);
                all.say(message, unique(&mut used, id), Came::Refused, short, says);
                refused = true;
                continue;
            }
            let state = match step.seen {
                Seen::Missed => State::Missing,
                Seen::Late => State::Late,
                // A step that no log shows is worth a row only where nobody can tell for that.
                Seen::CannotTell if names_it && told.outcome == Outcome::Unknown => State::CannotTell,
                Seen::Forbidden => {
                    let says = format!("{}: {}", told.rule, wording::beside(&step.text));
                    all.say(step.message, unique(&mut used, id), Came::Forbidden, "not allowed".into(), says);
                    continue;
                }
                _ => continue,
            };
            let unmet = unmet(told, step, state, flow, columns, view);
            if let (State::Late, Some(by)) = (state, step.late_by) {
                let says = format!("due {}{}", unmet.clock.hours, unmet.clock.seconds);
                let anchor = format!("{id}.came");
                all.say(step.message, unique(&mut used, anchor), Came::Late, format!("{} late", duration(by)), says);
            }
            all.unmet.push(Unmet { id: unique(&mut used, id), ..unmet });
        }
        if told.step.is_none() && told.outcome == Outcome::Failed {
            let class = told.failure.as_deref().unwrap_or("failed");
            let says = format!("{}: this end is a failure ({class})", told.rule);
            all.say(told.ended, unique(&mut used, told.fragment()), Came::Refused, "failed".into(), says);
        }
    }
    all.unmet.sort_by_key(|unmet| unmet.at);
    all
}

/// What came late, is not allowed, or was refused: problems, whatever else is said of them. With whether it is an answer.
pub fn wrong(told: &[Told], flow: &Flow, messages: &[Message]) -> HashMap<MessageId, bool> {
    let mut wrong = HashMap::new();
    for told in told {
        wrong
            .extend(told.ended.filter(|_| told.step.is_none() && told.outcome == Outcome::Failed).map(|id| (id, true)));
        for step in &told.steps {
            if let Some(Refusal { row, .. }) = refusal(told, step, flow, messages) {
                wrong.insert(messages[flow.rows[row].message].id, true);
                continue;
            }
            let came = step.message.filter(|_| matches!(step.seen, Seen::Late | Seen::Forbidden));
            wrong.extend(came.map(|id| (id, false)));
        }
    }
    wrong
}

/// One of these is drawn by this entry, itself or folded.
pub fn is_wrong(
    entry: &Entry,
    wrong: &HashMap<MessageId, bool>,
    flow: &Flow,
    messages: &[Message],
    fold: bool,
) -> bool {
    let row = &flow.rows[entry.row];
    let is = |message: usize| {
        wrong.get(&messages[message].id).is_some_and(|answers| !(*answers && row.half == Half::Request))
    };
    !wrong.is_empty() && (is(entry.message) || fold && folded(row).any(is))
}

impl Expected {
    fn say(&mut self, of: Option<MessageId>, anchor: String, state: Came, short: String, says: String) {
        let Some(of) = of else { return };
        let says = shortened(&says, LONGEST);
        match self.said.get_mut(&of) {
            None => drop(self.said.insert(of, Said { anchors: vec![anchor], state, short, says })),
            Some(said) => {
                said.anchors.push(anchor);
                if state > said.state {
                    (said.state, said.short, said.says) = (state, short, says);
                }
            }
        }
    }

    /// What is said of a message that this entry shows, itself or folded, and was not said before.
    pub fn take(&mut self, entry: &Entry, flow: &Flow, messages: &[Message], fold: bool) -> Option<Said> {
        if self.said.is_empty() {
            return None;
        }
        let row = &flow.rows[entry.row];
        let id = messages[entry.message].id;
        // Of a record that holds both it is the answer that refuses.
        let asks = |said: &Said| row.half == Half::Request && said.state == Came::Refused;
        let own = if self.said.get(&id).is_some_and(asks) { None } else { self.said.remove(&id) };
        own.or_else(|| folded(row).filter(|_| fold).find_map(|at| self.said.remove(&messages[at].id)))
    }
}

fn unmet(told: &Told, step: &Step, state: State, flow: &Flow, columns: &Columns, view: &View) -> Unmet {
    let at = step.due.or(told.due).or_else(|| flow.rows.last().map(|row| row.time)).unwrap_or_default();
    let leg = flow.legs.iter().position(|leg| leg.tag == told.leg);
    let lane = |name: &Option<String>| {
        let node = flow.nodes.iter().position(|node| Some(&node.name) == name.as_ref())?;
        columns.lanes.get(node).copied().flatten()
    };
    let (what, within) = (wording::what(&step.text), wording::within(&step.text));
    let says = match state {
        State::Missing if within.is_empty() => "never seen".to_owned(),
        State::Missing => format!("{within}, never seen"),
        State::Late => format!("due, came {} late", duration(step.late_by.unwrap_or_default())),
        State::CannotTell => {
            step.why.clone().or_else(|| told.why.clone()).unwrap_or_else(|| "a log that would show it is silent".into())
        }
    };
    Unmet {
        id: String::new(),
        state,
        at,
        clock: Clock::of(at, view.zone),
        kind: kind(&step.text),
        tag: told.leg.clone(),
        colour: leg.map_or(1, colour),
        lanes: lane(&step.from).zip(lane(&step.to)).filter(|(from, to)| from != to),
        from_name: step.from.clone().unwrap_or_default(),
        to_name: step.to.clone().unwrap_or_default(),
        what,
        says: shortened(&says, LONGEST),
        rule: told.rule.clone(),
        failure: step.failure.clone().unwrap_or_default(),
        came: step.message.filter(|_| state == State::Late),
        width: columns.columns.len().max(1),
        was: Vec::new(),
    }
}

impl Unmet {
    /// It is known from whom or to whom it would have gone.
    pub fn is_between(&self) -> bool {
        !self.from_name.is_empty() || !self.to_name.is_empty()
    }

    /// It is in view under the filters of rows.
    pub fn is_in(&self, view: &View) -> bool {
        (!view.problems || self.state != State::CannotTell) && self.is_in_but_for_problems(view)
    }

    pub fn is_in_but_for_problems(&self, view: &View) -> bool {
        let says = |wanted: &String| self.what.to_lowercase().contains(&wanted.to_lowercase());
        let find =
            || [&self.what, &self.says, &self.rule, &self.failure].into_iter().any(|text| text.contains(&view.find));
        (view.legs.is_empty() || view.legs.contains(&self.tag))
            && (view.kinds.is_empty() || view.kinds.contains(&self.kind))
            && (view.nodes.is_empty() || view.nodes.contains(&self.from_name) || view.nodes.contains(&self.to_name))
            && (view.methods.is_empty() || view.methods.iter().any(says))
            && (view.statuses.is_empty() || view.statuses.iter().any(says))
            && (!view.found || view.find.is_empty() || find())
    }

    pub fn state(&self) -> &'static str {
        match self.state {
            State::Missing => "missing",
            State::Late => "late",
            State::CannotTell => "cannot tell",
        }
    }

    /// Classes of its link.
    pub fn classes(&self) -> String {
        let state = match self.state {
            State::Missing => "wrong miss",
            State::Late => "wrong late due",
            // Nobody can tell whether that is a problem, so the key for problems passes it over.
            State::CannotTell => "cannot",
        };
        let reversed = if self.lanes.is_some_and(|(from, to)| to < from) { " rev" } else { "" };
        format!("m {state}{reversed} leg{}", self.colour)
    }

    /// Where arrow and label lie; from edge to edge where it is not known who would have sent it.
    pub fn place(&self) -> String {
        match self.lanes {
            Some((from, to)) => format!("s{} e{}", from.min(to), from.max(to)),
            None => format!("edges s0 e{}", self.width - 1),
        }
    }

    /// Where the words beside it stand: beyond the end with more room.
    pub fn beside(&self) -> String {
        let (low, high) = self.lanes.map_or((0, 0), |(from, to)| (from.min(to), from.max(to)));
        if self.width - 1 - high >= low { format!("by right s{high}") } else { format!("by left e{low}") }
    }

    pub fn glyph(&self) -> &'static str {
        glyph(self.kind)
    }

    /// In one sentence: `ACK from alice-ios to sbc-1, within 32 s of answer, never seen`.
    pub fn sentence(&self) -> String {
        let mut text = self.what.clone();
        if !self.from_name.is_empty() {
            text.push_str(&format!(" from {}", self.from_name));
        }
        if !self.to_name.is_empty() {
            text.push_str(&format!(" to {}", self.to_name));
        }
        format!("{text}: {}", self.says)
    }
}

/// An id that no other element of the page has.
fn unique(used: &mut HashSet<String>, id: String) -> String {
    let mut free = id.clone();
    let mut nth = 2;
    while !used.insert(free.clone()) {
        free = format!("{id}.{nth}");
        nth += 1;
    }
    free
}

fn kind(text: &str) -> Kind {
    let is = |method: &str| wording::expected(text).split([' ', '|']).any(|word| word == method);
    if is("PUSH") {
        Kind::Push
    } else if ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().any(is) {
        Kind::Rest
    } else {
        Kind::Sip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_of_the_kind_of_its_messages() {
        assert_eq!(kind("answer: 2xx-5xx GET|POST within 2s else api-timeout"), Kind::Rest);
        assert_eq!(kind("pushed: PUSH to target within 1s else no-push"), Kind::Push);
        assert_eq!(kind("ack: ACK to device within 32s of answer else no-ack"), Kind::Sip);
    }
}
