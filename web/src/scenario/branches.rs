//! The branch table: who was tried, who rang, who answered and who was woken.

use message::flow::{Flow, Leg, Outcome, PushState};
use message::logged::Message;
use record::time::Timestamp;

use super::headline::begun;
use crate::ladder::columns::colour;
use crate::ladder::view::View;
use crate::ladder::words::duration;
use crate::words::count;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branch {
    pub tag: String,
    pub colour: usize,
    pub href: String,
    pub device: String,
    /// Platform and version, as far as known.
    pub platform: String,
    pub push: Cell,
    pub rang: Cell,
    pub last: Cell,
    pub outcome: String,
    /// `refused 486`
    pub status: Option<u16>,
    /// A class of the stylesheet.
    pub tone: &'static str,
    pub glyph: Option<&'static str>,
}

/// A word and, small behind it, when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    pub text: String,
    pub strong: bool,
    pub when: String,
}

/// Lines of a table that are read at a glance; beyond them those are folded that are alike.
const GLANCE: usize = 6;
/// Lines that are folded at least.
const ALIKE: usize = 3;

/// One line a branch, and those that are folded, under words that say how they are alike.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Branches {
    pub shown: Vec<Branch>,
    /// `12 more released`
    pub folded: Vec<(String, Vec<Branch>)>,
}

/// None where nothing forked and no device is known. `lately`: something was logged of it just now.
pub fn branches(flow: &Flow, messages: &[Message], lately: bool, view: &View) -> Branches {
    let begun = begun(flow, messages);
    let legs = flow.legs.iter().enumerate().filter(|(_, leg)| leg.parent.is_some());
    // Times count from the INVITE of the caller's that a branch was tried for.
    let branch = |(at, leg): (usize, &Leg)| {
        let said = words(leg, lately, flow);
        branch((at, leg), said, flow, leg.asked.or(begun).or(leg.begun), view)
    };
    folded(legs.map(branch).collect())
}

/// The first of its kind stays in sight, and so does whatever is good or bad.
fn folded(all: Vec<Branch>) -> Branches {
    let mut out = Branches::default();
    if all.len() <= GLANCE {
        return Branches { shown: all, ..out };
    }
    let alike = |one: &Branch, other: &Branch| {
        (&one.outcome, one.status, &one.push.text) == (&other.outcome, other.status, &other.push.text)
    };
    let first = |at: usize| all.iter().position(|other| alike(other, &all[at])).unwrap_or(at);
    let folds = |at: usize| {
        let rest = all.iter().filter(|other| alike(other, &all[at])).count() - 1;
        all[at].tone.is_empty() && rest >= ALIKE && first(at) != at
    };
    for (at, branch) in all.iter().enumerate() {
        let group = first(at);
        if !folds(at) {
            out.shown.push(branch.clone());
        } else if let Some((_, same)) = out.folded.iter_mut().find(|(_, same)| alike(&same[0], &all[group])) {
            same.push(branch.clone());
        } else {
            out.folded.push((String::new(), vec![branch.clone()]));
        }
    }
    for (says, same) in &mut out.folded {
        *says = format!("{} more {}", count(same.len()), same[0].ended());
    }
    out
}

fn branch((at, leg): (usize, &Leg), said: Ended, flow: &Flow, begun: Option<Timestamp>, view: &View) -> Branch {
    let node = leg.node.and_then(|node| flow.nodes.get(node));
    let since = |at: Timestamp| begun.map_or(String::new(), |begun| format!("+{}", duration(at.micros_since(begun))));
    let platform: Vec<&str> =
        [leg.platform.as_deref(), leg.user_agent.as_deref()].into_iter().flatten().filter(|t| !t.is_empty()).collect();
    let (outcome, tone, glyph) = said;
    Branch {
        tag: leg.tag.clone(),
        colour: colour(at),
        href: super::tools::link(&View { legs: vec![leg.tag.clone()], page: None, ..view.clone() }),
        device: node.map_or(&leg.target, |node| &node.name).clone(),
        platform: platform.join(", "),
        push: push(leg.push),
        rang: leg.rang.map_or(Cell::plain("no"), |at| Cell::plain(&since(at))),
        last: leg.final_status.map_or(Cell::plain("none"), |(status, at)| Cell {
            text: status.to_string(),
            strong: true,
            when: since(at),
        }),
        outcome,
        status: match leg.outcome {
            Outcome::Refused(status) | Outcome::Redirected(status) => Some(status),
            _ => None,
        },
        tone,
        glyph,
    }
}

fn push(state: PushState) -> Cell {
    match state {
        PushState::NotLogged => Cell::plain("not logged"),
        PushState::NotNeeded => Cell::plain("not needed"),
        PushState::Sent(_) => Cell::plain("sent"),
        PushState::Accepted(_, took) => Cell { when: format!("+{}", duration(took)), ..Cell::plain("accepted") },
        PushState::Refused(status, _) => Cell { strong: true, ..Cell::plain(&format!("refused {status}")) },
        PushState::Woke(_, took) => Cell { when: format!("after {}", duration(took)), ..Cell::plain("woke") },
        PushState::CannotTell(_) => Cell::plain("cannot tell"),
        PushState::NeverWoke(_) => Cell { strong: true, ..Cell::plain("never woke") },
    }
}

/// How a branch ended, in words, with a class of the stylesheet and a glyph.
type Ended = (String, &'static str, Option<&'static str>);

fn words(leg: &Leg, lately: bool, flow: &Flow) -> Ended {
    let bad = ("bad", Some("g-missing"));
    let (text, (tone, glyph)) = match leg.outcome {
        Outcome::Answered => ("answered", ("good", Some("g-ok"))),
        Outcome::AnsweredTooHungUp => ("answered too, hung up", ("", None)),
        Outcome::AnswerLost => ("answered, but the caller never got it", bad),
        Outcome::ConnectedAfter(after) => {
            return (format!("connected after {}", duration(after)), "good", Some("g-ok"));
        }
        Outcome::Released => ("released", ("", None)),
        Outcome::AnsweredElsewhere => ("answered elsewhere", ("", None)),
        Outcome::Cancelled => ("cancelled", ("", None)),
        Outcome::RangOut => ("rang out", ("", None)),
        Outcome::ReleasedByRefusal => ("released, the fork was refused", ("", None)),
        Outcome::PickedUp(by) => return (format!("picked up on {}", flow.legs[by].tag), "", None),
        Outcome::Refused(_) => ("refused", ("", None)),
        Outcome::Redirected(_) => ("redirected", ("", None)),
        Outcome::StillRinging => ("still ringing", bad),
        Outcome::RangEndNotLogged => ("rang, end not logged", ("", None)),
        Outcome::CancelledWithoutEnd => ("CANCEL 200, no 487", ("", None)),
        Outcome::CancelUnanswered => ("no answer to CANCEL", bad),
        Outcome::NoResponse => ("no response", bad),
        Outcome::Unreachable => ("unreachable", bad),
        Outcome::NotInvited => ("not invited", ("", None)),
        Outcome::Open if lately && leg.rang.is_some() => ("ringing", ("", None)),
        Outcome::Open if lately => ("no answer yet", ("", None)),
        Outcome::Open => ("end not logged", ("", None)),
        Outcome::Unknown => ("not logged", ("", None)),
    };
    (text.to_owned(), tone, glyph)
}

impl Branches {
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}

impl Branch {
    /// `refused 486`, and `never woke` where there is more to say of its push.
    fn ended(&self) -> String {
        let status = self.status.map_or(String::new(), |status| format!(" {status}"));
        match self.push.text.as_str() {
            "not logged" | "not needed" => format!("{}{status}", self.outcome),
            push => format!("{}{status}, push {push}", self.outcome),
        }
    }

    /// The cells between device and outcome, each with the head of its column.
    pub fn cells(&self) -> [(&'static str, &Cell); 3] {
        [("Push", &self.push), ("Rang", &self.rang), ("Final", &self.last)]
    }
}

impl Cell {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), strong: false, when: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(tag: usize, outcome: &str, tone: &'static str) -> Branch {
        Branch {
            tag: format!("B{tag}"),
            colour: 1,
            href: String::new(),
            device: String::new(),
            platform: String::new(),
            push: Cell::plain("not logged"),
            rang: Cell::plain("no"),
            last: Cell::plain("none"),
            outcome: outcome.into(),
            status: None,
            tone,
            glyph: None,
        }
    }

    fn drawn(outcomes: &[(&str, &'static str)]) -> (String, Vec<String>) {
        let all = outcomes.iter().enumerate().map(|(at, (outcome, tone))| branch(at + 1, outcome, tone)).collect();
        let Branches { shown, folded } = folded(all);
        (
            shown.into_iter().map(|branch| branch.tag).collect::<Vec<_>>().join(" "),
            folded.into_iter().map(|one| one.0).collect(),
        )
    }

    #[test]
    fn of_many_devices_those_are_folded_that_are_alike() {
        let released = ("released", "");
        let mut many = vec![released; 14];
        many[4] = ("answered", "good");
        many[9] = ("still ringing", "bad");
        many[11] = ("rang out", "");
        assert_eq!(drawn(&many), ("B1 B5 B10 B12".into(), vec!["10 more released".to_owned()]));
        assert_eq!(drawn(&[released; 6]), ("B1 B2 B3 B4 B5 B6".into(), Vec::new()), "all are seen at a glance");
        assert_eq!(drawn(&[("no response", "bad"); 8]).1, Vec::<String>::new(), "what is wrong is never folded");
    }
}
