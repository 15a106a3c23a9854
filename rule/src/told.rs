//! A verdict as it is kept: it stands by itself, whatever is read later.

use message::flow::{Flow, Log};
use message::logged::Message;
use record::id::MessageId;
use record::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::print;
use crate::syntax::{Rule, Severity};
use crate::verdict::{Outcome, State, Verdict, Why};

/// Letters that are kept of what a message says.
const LONGEST: usize = 200;

/// What was seen and what was not, of one instance of a rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    pub rule: String,
    /// First bytes of the hash of the rule that was judged by.
    pub version: u64,
    pub severity: Severity,
    pub outcome: Outcome,
    /// Which failure it is; of business its name.
    pub failure: Option<String>,
    /// The step that names it; none: the ending did.
    pub step: Option<usize>,
    pub due: Option<Timestamp>,
    /// Microseconds.
    pub late_by: Option<i64>,
    /// Tag of its leg, and the device or target at its end.
    pub leg: String,
    pub target: String,
    /// Where a scenario is all of one day: when it was opened, in milliseconds since midnight as logged. It tells failures of
    /// one device apart.
    pub nth: Option<i32>,
    /// The message that opened it, its displayed time, and the one that ended it.
    pub start: MessageId,
    pub began: Timestamp,
    pub ended: Option<MessageId>,
    /// How it ended, as a row says it: `500 Server Internal Error`, `BYE`.
    pub ending: Option<String>,
    pub steps: Vec<Step>,
    /// Why nobody can tell, in words.
    pub why: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its label, else its number.
    pub name: String,
    /// As the rule writes it.
    pub text: String,
    pub failure: Option<String>,
    pub seen: Seen,
    pub due: Option<Timestamp>,
    /// Names of the columns between which it would have gone.
    pub from: Option<String>,
    pub to: Option<String>,
    /// The message that met it, or that is forbidden.
    pub message: Option<MessageId>,
    /// Its displayed time.
    pub time: Option<Timestamp>,
    /// Microseconds that it came too late.
    pub late_by: Option<i64>,
    pub why: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    Met,
    Late,
    Missed,
    Forbidden,
    Open,
    CannotTell,
    NotAsked,
}

impl Told {
    pub fn of(verdict: &Verdict, rule: &Rule, flow: &Flow, messages: &[Message]) -> Self {
        let message = |row: usize| messages[flow.rows[row].message].id;
        let labels = print::labels(&rule.steps);
        let name = |node: usize| flow.nodes[node].name.clone();
        let step = |(at, progress): (usize, &crate::verdict::Progress)| {
            let of = &rule.steps[at];
            let (seen, row, late_by, why) = match &progress.state {
                State::Met(row) => (Seen::Met, *row, None, None),
                State::Late(row, by) => (Seen::Late, Some(*row), Some(*by), None),
                State::Missed(None) => (Seen::Missed, None, None, None),
                State::Missed(row) => (Seen::Forbidden, *row, None, None),
                State::Open => (Seen::Open, None, None, None),
                State::Silent => (Seen::CannotTell, None, None, None),
                State::Blind(why) => (Seen::CannotTell, None, None, Some(why.to_string())),
                State::NotAsked => (Seen::NotAsked, None, None, None),
            };
            Step {
                name: of.label.clone().unwrap_or_else(|| (at + 1).to_string()),
                text: print::step(of, &labels),
                failure: of.failure.clone(),
                seen,
                due: progress.due,
                from: progress.hop.map(|(from, _)| name(from)),
                to: progress.hop.map(|(_, to)| name(to)),
                message: row.map(message),
                time: row.map(|row| flow.rows[row].time),
                late_by,
                why,
            }
        };
        let leg = &flow.legs[verdict.leg];
        Self {
            rule: verdict.rule.clone(),
            version: verdict.version,
            severity: verdict.severity,
            outcome: verdict.outcome,
            failure: verdict.class.clone(),
            step: verdict.step,
            due: verdict.due,
            late_by: verdict.late_by,
            leg: leg.tag.clone(),
            target: leg.target.clone(),
            nth: None,
            start: message(verdict.start),
            began: flow.rows[verdict.start].time,
            ended: verdict.ended.map(message),
            ending: verdict.ended.map(|row| {
                let facts = &messages[flow.rows[row].message].facts;
                match facts.status.filter(|_| facts.response) {
                    Some(status) => shortened(format!("{status} {}", facts.reason).trim()),
                    None => shortened(&facts.method),
                }
            }),
            steps: verdict.steps.iter().enumerate().map(step).collect(),
            why: verdict.why.as_ref().map(Why::to_string),
        }
    }

    /// In place of one that was kept and cannot be read: something failed, and nobody can say what.
    pub fn unreadable(leg: &str, nth: i32, at: Timestamp) -> Self {
        Self {
            rule: String::new(),
            version: 0,
            severity: Severity::Warning,
            outcome: Outcome::Failed,
            failure: None,
            step: None,
            due: Some(at),
            late_by: None,
            leg: leg.to_owned(),
            target: String::new(),
            nth: (nth != 0).then_some(nth),
            start: MessageId::default(),
            began: at,
            ended: None,
            ending: None,
            steps: Vec::new(),
            why: Some("what was seen is kept in a form that cannot be read".to_owned()),
        }
    }

    /// Where the ladder shows it: `RULE.STEP.LEG`, and of one of many of a day its `nth` after that.
    pub fn fragment(&self) -> String {
        self.fragment_of(self.step.and_then(|step| self.steps.get(step)))
    }

    /// Where the ladder shows a step; without one, the ending.
    pub fn fragment_of(&self, step: Option<&Step>) -> String {
        let step = step.map_or("end", |step| step.name.as_str());
        let nth = self.nth.map_or_else(String::new, |nth| format!(".{nth}"));
        format!("{}.{step}.{}{nth}", self.rule, self.leg)
    }
}

/// A stranger's words, as long as anybody reads.
fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |logs: &[Log]| logs.iter().map(|log| log.source.as_str()).collect::<Vec<_>>().join(", ");
        match self {
            Self::NeverLogged { log, what } => write!(f, "{} is not known to log {what}", log.source),
            Self::NoLog => f.write_str("no machine on this way has a log that would show it"),
            Self::UnclearAnswer => f.write_str(
                "several requests were open when an answer came that says not whose it is: an id such as X-Request-ID would",
            ),
            Self::NeverRegistered => f.write_str("no REGISTER has shown this device"),
            Self::Silent(logs) => write!(f, "nothing is reported of {}", names(logs)),
            Self::GivenUp => f.write_str("neither an ending nor a missed step came"),
        }
    }
}
