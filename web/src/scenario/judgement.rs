//! What rules say of a scenario, in words: read for each page, since a verdict may change while no message comes.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use message::flow::Flow;
use message::kind::Kind;
use message::logged::Message;
use rule::told::{Seen, Told};
use rule::verdict::Outcome;
use rule::wording::{beside, what, within};
use store::Store;
use store::scenario::Subject;

use super::problems::{asked, refused_at};
use super::said::Said;
use super::tools::link;
use crate::Error;
use crate::ladder::refusal::status_line;
use crate::ladder::view::{RowId, View};
use crate::ladder::words::{Clock, duration, shortened};
use crate::ladder::{Ladder, Line};
use crate::words::{count, judged};

/// Instances in the head; the rest is a click away.
const MOST: usize = 5;
const LONGEST: usize = 240;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Judgement {
    /// The worst that any rule says, with its failure and rule.
    pub worst: Option<(Outcome, Option<String>, String)>,
    /// Instances that failed, were late, or of which nobody can tell.
    pub told: Vec<Told>,
    /// By rule and failure: its sentence.
    says: BTreeMap<(String, String), String>,
    /// By where the ladder shows a failure: where it showed it when that was mailed.
    pub places: BTreeMap<String, Vec<String>>,
}

/// The lines of the page's head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// `failed`, and a class of `app.css`.
    pub word: &'static str,
    pub tone: &'static str,
    /// `a device answered, and the caller never got it`; nothing where no sentence is made for it.
    pub says: String,
    pub failure: String,
    /// The first problem row.
    pub href: String,
    pub lines: Vec<Wrong>,
    pub more: Option<(String, String)>,
}

/// One instance of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    pub tone: &'static str,
    /// `ACK`, and what became of it: ` never came from alice-ios to sbc-1 within 32 s of answer`.
    pub what: String,
    pub says: String,
    pub rule: String,
    /// Where it is not that of the first line.
    pub failure: String,
    pub when: String,
    pub href: String,
}

impl Judgement {
    pub(crate) async fn of(store: &Store, subject: &Subject) -> Result<Self, Error> {
        let Subject::Scenario(id) = subject else { return Ok(Self::default()) };
        let Some(worst) = store.worst(*id).await? else { return Ok(Self::default()) };
        let told = store.verdicts(*id).await?;
        let book = if told.is_empty() { None } else { store.rulebook().await? };
        let mut says = BTreeMap::new();
        for rule in book.into_iter().flat_map(|(book, _)| book.rules) {
            if told.iter().any(|told| told.rule == rule.id) {
                says.extend(rule.says.into_iter().map(|(class, sentence)| ((rule.id.clone(), class), sentence)));
            }
        }
        let places = if told.is_empty() { BTreeMap::new() } else { store.former_places(*id).await? };
        Ok(Self { worst: Some(worst), told, says, places })
    }

    /// Of a picture with its verdicts: another one when rules say something else.
    pub(crate) fn mark(&self, shown: i64) -> i64 {
        if self.told.is_empty() {
            return shown;
        }
        let mut hasher = DefaultHasher::new();
        for told in &self.told {
            (told.fragment(), told.outcome, told.late_by, &told.why).hash(&mut hasher);
            told.steps
                .iter()
                .for_each(|step| (step.seen as u8, step.message, step.late_by, step.due).hash(&mut hasher));
        }
        shown.wrapping_add((hasher.finish() >> 2) as i64)
    }

    /// The instance that the worst is read from.
    fn first(&self) -> Option<&Told> {
        let (outcome, failure, rule) = self.worst.as_ref()?;
        let same = |told: &&Told| told.outcome == *outcome && told.rule == *rule && told.failure == *failure;
        self.told.iter().find(same).or_else(|| self.told.iter().min_by_key(|told| told.outcome))
    }
}

#[cfg(test)]
impl Judgement {
    pub fn made((outcome, failure, rule): (Outcome, &str, &str), told: Vec<Told>) -> Self {
        let says = [((rule.to_owned(), failure.to_owned()), "200 OK was never acknowledged".to_owned())];
        Self {
            worst: Some((outcome, Some(failure.into()), rule.into())),
            told,
            says: says.into(),
            places: BTreeMap::new(),
        }
    }
}

pub(super) fn verdict(
    judgement: &Judgement,
    (flow, messages): (&Flow, &[Message]),
    ladder: &Ladder,
    view: &View,
) -> Option<Verdict> {
    let said = Said::new(&judgement.told, flow, messages);
    let first = judgement.first()?;
    let (outcome, failure, _) = judgement.worst.as_ref()?;
    let (word, tone) = judged(*outcome);
    let failure = failure.clone().or_else(|| first.failure.clone()).unwrap_or_default();
    // Without a sentence of its own the line below says it all.
    let sentence = judgement.says.get(&(first.rule.clone(), failure.clone())).filter(|_| *outcome == Outcome::Failed);
    let says = sentence.cloned().unwrap_or_default();
    let mut told: Vec<&Told> = judgement.told.iter().collect();
    told.sort_by_key(|told| (told.outcome, !std::ptr::eq(*told, first)));
    let lines = told.iter().take(MOST).map(|told| {
        let named = told.failure.as_ref().filter(|named| sentence.is_none() || **named != failure);
        let (what, says) = match said.refused(told) {
            Some(row) => refused(row, flow, messages),
            None => {
                let (what, says) = line(told);
                (what, says + &said.again(told, view.read_to))
            }
        };
        let when = told.due.map_or(String::new(), |due| Clock::of(due, view.zone).to_the_second());
        let tone = judged(told.outcome).1;
        Wrong {
            tone,
            what,
            says: shortened(&says, LONGEST),
            rule: told.rule.clone(),
            failure: named.cloned().unwrap_or_default(),
            when,
            href: href(told, &said, ladder, view),
        }
    });
    let left = told.len().saturating_sub(MOST);
    Some(Verdict {
        word,
        tone,
        says: shortened(&says, LONGEST),
        failure: failure.clone(),
        href: href(first, &said, ladder, view),
        lines: lines.collect(),
        more: (left > 0).then(|| {
            let all = View { problems: true, page: None, open: None, ..view.show_all() };
            (format!("{} more", count(left)), link(&all))
        }),
    })
}

/// To its row: on this page, else on the page that shows all rows.
fn href(told: &Told, said: &Said, ladder: &Ladder, view: &View) -> String {
    let fragment = told.fragment();
    let here = ladder.lines.iter().any(|line| match line {
        Line::Unmet(unmet) => unmet.id == fragment,
        Line::Row(row) => row.anchors().contains(&fragment),
        Line::Note(_) => false,
    });
    if here {
        return format!("#{fragment}");
    }
    let message = told.step.and_then(|step| told.steps.get(step)).and_then(|step| step.message).or(told.ended);
    let message = message.unwrap_or(told.start);
    let refused = said.refused(told).map(|row| &said.flow.rows[row]);
    let refused = refused.map(|row| RowId::new(said.messages[row.message].id, row.half));
    let open = refused.or(Some(RowId { message, answer: false }));
    // A message that is named hides from no filter, and brings the page it is on.
    format!("{}#{fragment}", link(&View { open, page: None, ..view.show_all() }))
}

/// `PUSH for bob-ios`, ` was refused with 410 Unregistered by api.example.com`
fn refused(row: usize, flow: &Flow, messages: &[Message]) -> (String, String) {
    let by = &flow.nodes[flow.rows[refused_at(row, flow, messages)].from].name;
    let status = status_line(row, flow, messages);
    let word = if status.as_str() < "4" { "answered" } else { "refused" };
    (asked(row, flow, messages) + &pushed(row, flow), format!(" was {word} with {status} by {by}"))
}

/// ` for bob-ios`: the device that a push was to wake.
fn pushed(row: usize, flow: &Flow) -> String {
    let asked = flow.rows[row].pair.map_or(&flow.rows[row], |request| &flow.rows[request]);
    let leg = flow.legs.get(asked.leg).filter(|_| asked.kind == Kind::Push);
    leg.map_or(String::new(), |leg| format!(" for {}", leg.node.map_or(&leg.target, |node| &flow.nodes[node].name)))
}

/// `ACK`, ` never came from alice-ios to sbc-1 within 32 s of answer`
fn line(told: &Told) -> (String, String) {
    let Some(step) = told.step.and_then(|step| told.steps.get(step)) else {
        let class = told.failure.as_deref().unwrap_or("failed");
        return match told.outcome {
            Outcome::Unknown => ("Its end".into(), format!(": {}", told.why.as_deref().unwrap_or("nobody can tell"))),
            _ => match &told.ending {
                Some(ending) => (format!("It ended with {ending}"), format!(", which is a failure ({class})")),
                None => ("Its end".into(), format!(" is a failure ({class})")),
            },
        };
    };
    let between = match (&step.from, &step.to) {
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
        (Some(from), None) => format!(" from {from}"),
        (None, Some(to)) => format!(" to {to}"),
        (None, None) => String::new(),
    };
    let within = within(&step.text);
    let within = if within.is_empty() { within } else { format!(" {within}") };
    match step.seen {
        Seen::Forbidden => (what(&step.text), format!(" is not allowed: {}", beside(&step.text))),
        Seen::Late => {
            let late = duration(step.late_by.or(told.late_by).unwrap_or_default());
            (what(&step.text), format!("{between} came {late} late"))
        }
        Seen::CannotTell | Seen::Open => {
            let why = step.why.as_deref().or(told.why.as_deref()).unwrap_or("a log that would show it is silent");
            (what(&step.text), format!("{between}: {why}"))
        }
        _ => (what(&step.text), format!(" never came{between}{within}")),
    }
}
