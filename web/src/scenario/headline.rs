//! What came of a scenario, as its course says it: in words for the page's head, never a verdict.

use message::event::CallClass;
use message::flow::{
    By, Caller, End, Flow, Got, Half, NodeKind, Outcome as Ended, Row, Transfer, Trouble, Try, Winner,
};
use message::kind::Kind;
use message::logged::Message;
use record::time::Timestamp;
use rule::verdict::Outcome as Verdict;
use store::scenario::{Scenario, ScenarioRow};

use super::evidence::Evidence;
use super::judgement::Judgement;
use super::problems::{refused_at, request};
use super::said::Said;
use crate::ladder::entry::is_answer;
use crate::ladder::words::{duration, shortened};
use crate::words::{Came, Outcome, count};

/// Letters of a reason phrase, which may be a million.
const LONGEST: usize = 200;
/// Attempts that are listed.
const MOST_TRIES: usize = 12;

/// The words of the page's head.
#[derive(Clone, PartialEq, Debug)]
pub struct Headline {
    pub state: Outcome,
    /// `call`, `registration`, …
    pub class: &'static str,
    pub caller: Option<String>,
    pub callee: Option<String>,
    /// Whom the call went on to, one after another.
    pub forwarded: Vec<String>,
    /// `answered by bob-web, ended by alice`
    pub says: String,
    /// The row that the first line is about: where a call was refused first, or answered.
    pub row: Option<usize>,
    /// What rules say, where nothing is wrong.
    pub judged: Option<Fact>,
    pub facts: Vec<Fact>,
    /// Where the caller tried more than once: each attempt, in order.
    pub tries: Vec<Tried>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    pub at: Option<Timestamp>,
    /// `refused 486 Busy Here after 3.20 s`
    pub says: String,
    /// The row of its answer.
    pub row: Option<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub name: &'static str,
    pub text: String,
    /// Marked as sound.
    pub good: bool,
    pub title: String,
}

pub fn headline(
    scenario: &Scenario,
    flow: &Flow,
    messages: &[Message],
    evidence: &Evidence,
    judgement: &Judgement,
    now: Timestamp,
) -> Headline {
    let row = &scenario.row;
    let came = came(row, flow, now);
    let said = Said::new(&judgement.told, flow, messages);
    let head = Head { row, flow, messages, said, read_to: evidence.read_to(), goes_on: came.goes_on() };
    let class = crate::words::class_of(row);
    let caller = flow.course.first().filter(|_| class == CallClass::Call);
    Headline {
        state: crate::words::outcome(&came),
        says: caller.map_or_else(|| head.says(), |caller| head.says_of(caller)),
        class: class.name(),
        caller: flow.caller.clone().or_else(|| row.caller.clone()),
        callee: flow.callee.clone().filter(|_| !row.class.is_daily()).or_else(|| crate::words::callee(row).cloned()),
        forwarded: caller.and_then(Caller::last).map_or(Vec::new(), |last| last.forwarded_to.clone()),
        tries: caller.map_or(Vec::new(), tries),
        facts: head.facts(caller, evidence),
        judged: judged(judgement),
        row: caller.and_then(|caller| head.row_of(caller)),
    }
}

/// What rules say, where nothing is wrong.
fn judged(judgement: &Judgement) -> Option<Fact> {
    let (outcome, class, _) = judgement.worst.as_ref()?;
    let text = match (outcome, class) {
        (Verdict::Ok, _) => "as expected".to_owned(),
        (Verdict::Business, _) => "an ordinary end".to_owned(),
        (Verdict::Open, _) => "open".to_owned(),
        _ => return None,
    };
    let good = *outcome == Verdict::Ok;
    let title = match (outcome, class) {
        (Verdict::Ok, _) => "Each step that rules wait for came in time".to_owned(),
        (Verdict::Open, _) => "Nothing that rules wait for was missed so far".to_owned(),
        (_, class) => {
            class.as_ref().map_or(String::new(), |class| format!("By the rules this is {class}, which is no failure"))
        }
    };
    Some(Fact { name: "Rules", text, good, title })
}

/// How it came out: as its course says, and without an INVITE as its row does.
fn came(row: &ScenarioRow, flow: &Flow, now: Timestamp) -> Came {
    let stored = Came::at(row, now);
    match flow.course.first().filter(|_| row.class == CallClass::Call) {
        Some(caller) => Came {
            status: caller.result().map(|got| got.status),
            rang: caller.last().is_some_and(|last| last.rang.is_some()),
            ..stored
        },
        None => Came { leaves: flow.course.deregisters, ..stored },
    }
}

/// When the INVITE that counts was sent: what branch times count from.
pub fn begun(flow: &Flow, messages: &[Message]) -> Option<Timestamp> {
    let told = flow.course.first().and_then(|caller| caller.last()?.begun);
    told.or_else(|| {
        invites(flow, messages).find(|(row, message)| !is_answer(message, row.half)).map(|(row, _)| row.time)
    })
}

struct Head<'a> {
    row: &'a ScenarioRow,
    flow: &'a Flow,
    messages: &'a [Message],
    said: Said<'a>,
    read_to: Timestamp,
    /// What it does now, where its end may just not be there yet.
    goes_on: Option<&'static str>,
}

impl Head<'_> {
    /// Where it was refused first, by whoever did; of all else, what the caller got.
    fn row_of(&self, caller: &Caller) -> Option<usize> {
        let got = caller.result()?;
        Some(if got.status >= 300 { refused_at(got.row, self.flow, self.messages) } else { got.row })
    }

    fn node(&self, node: usize) -> &str {
        self.flow.nodes.get(node).map_or("", |node| node.name.as_str())
    }

    /// Of a call: what the caller got.
    fn says_of(&self, caller: &Caller) -> String {
        let Some(got) = caller.result() else { return self.says_unanswered(caller) };
        match got.status {
            200..300 => self.says_answered(caller),
            487 if caller.last().is_some_and(|last| last.cancelled.is_some()) => {
                let who = self.flow.caller.as_deref().unwrap_or("the caller");
                format!("not answered, cancelled by {who}{}", self.though_answered())
            }
            status => {
                let after = self.though_answered();
                let after = if after.is_empty() {
                    self.after(got, caller.last().is_some_and(|last| last.rang.is_some()))
                } else {
                    after
                };
                format!("{}{after}", refused(status, &got.reason))
            }
        }
    }

    /// What had failed last before the caller was refused: a look-up, or, where nothing rang, a push.
    fn after(&self, got: &Got, rang: bool) -> String {
        let failed = self.flow.course.problems_at(self.read_to).filter(|problem| {
            let row = &self.flow.rows[problem.row];
            row.kind != Kind::Sip
                && !(rang && row.kind == Kind::Push)
                && problem.time <= got.time
                && problem.row != got.row
        });
        let said = failed.last().map(|problem| {
            let row = &self.flow.rows[problem.row];
            let asked = match row.pair.filter(|_| is_answer(&self.messages[row.message], row.half)) {
                Some(pair) if row.half != Half::Response => self.flow.rows[pair].message,
                _ => row.message,
            };
            let what = request(&self.messages[asked], row.kind);
            match problem.what {
                Trouble::Refused(status) if row.kind == Kind::Push => format!("{what} was refused with {status}"),
                Trouble::Refused(status) => format!("{what} said {status}"),
                _ => format!("{what} got no answer"),
            }
        });
        said.map_or(String::new(), |said| format!(" after {said}"))
    }

    /// A device answered, and the caller never got that.
    fn though_answered(&self) -> String {
        let lost = self.flow.legs.iter().find(|leg| leg.outcome == Ended::AnswerLost);
        lost.map_or(String::new(), |leg| format!(", though {} had answered", leg.target))
    }

    fn says_unanswered(&self, caller: &Caller) -> String {
        let problems = self.flow.course.problems_at(self.read_to);
        let sent = problems.filter(|problem| problem.leg == caller.leg).find_map(|problem| match problem.what {
            Trouble::Unanswered { sent } if self.is_invite(problem.row) => Some(sent),
            _ => None,
        });
        match (sent, self.goes_on, caller.last().and_then(|last| last.rang)) {
            (Some(1), ..) => "not answered by anybody".into(),
            (Some(sent), ..) => format!("not answered by anybody, INVITE sent {sent} times"),
            (None, Some(does), _) => does.into(),
            (None, None, Some(_)) => "rang, no final answer logged".into(),
            (None, None, None) => "no final answer logged".into(),
        }
    }

    fn is_invite(&self, row: usize) -> bool {
        let row = &self.flow.rows[row];
        self.messages[row.message].facts.method == "INVITE"
    }

    fn says_answered(&self, caller: &Caller) -> String {
        let mut says = "answered".to_owned();
        if let Some(winner) = &caller.winner {
            match (self.winner(winner), winner.picked_up) {
                (Some(by), Some(_)) => says = format!("picked up by {by}"),
                (Some(by), None) => says = format!("answered by {by}"),
                (None, _) => {}
            }
            if let Some(talked_to) = winner.talked_to {
                says += &format!(", then connected to {}", self.flow.legs[talked_to].target);
            }
        }
        for Transfer { by, whom, to, taken, .. } in self.flow.transfers() {
            let says_it = if *taken {
                format!("{to} took the place of {by}")
            } else {
                format!("{by} transferred {whom} to {to}")
            };
            says += &format!(", {says_it}");
        }
        says += &match caller.connected {
            // It goes on without the caller.
            Some((_, End::Transferred { .. })) if self.flow.transfers().next().is_some() => String::new(),
            Some((_, End::Bye { by, .. })) => match self.hung_up(by) {
                Some(who) => format!(", ended by {who}"),
                None => ", who hung up is not logged".into(),
            },
            Some((_, End::Transferred { .. })) => {
                let who = self.flow.caller.as_deref().unwrap_or("the caller");
                format!(", handed over by {who}")
            }
            Some((_, End::Open { until })) if self.read_to < until => ", no BYE logged yet".into(),
            Some((_, End::Open { .. })) | None => ", no BYE logged".into(),
        };
        says
    }

    /// The device or machine, else the user; none where nobody can tell.
    fn hung_up(&self, by: By) -> Option<String> {
        match by {
            By::Node(node) => Some(self.node(node).to_owned()),
            By::Side { .. } => self.flow.course.user(by).map(|user| shortened(&user, LONGEST)),
        }
    }

    /// The device or machine that answered; behind a peer of which no more is known, the person.
    fn winner(&self, winner: &Winner) -> Option<String> {
        let is_peer = |node: &usize| self.flow.nodes[*node].kind == NodeKind::External;
        let person = winner.node.filter(is_peer).and_then(|_| self.flow.reached(winner.leg?));
        let by = person.or_else(|| winner.node.map(|node| self.node(node).to_owned()));
        by.or_else(|| winner.leg.map(|leg| self.flow.legs[leg].target.clone()))
    }

    /// Of all that is no call.
    fn says(&self) -> String {
        let row = self.row;
        match (crate::words::class_of(row), row.status) {
            (CallClass::Call, None) if row.rang.is_some() => "rang, no final answer logged".into(),
            (CallClass::Other, None) => "no call, no status".into(),
            (_, None) => "no final answer logged".into(),
            (CallClass::Registration, Some(200..300)) if self.flow.course.deregisters => "deregistered".into(),
            (CallClass::Registration, Some(200..300)) => "registered".into(),
            (_, Some(status @ 300..)) => refused(status, &self.reason(status)),
            (_, Some(status)) => format!("answered {status}"),
        }
    }

    /// The reason phrase of the last message with this status.
    fn reason(&self, status: u16) -> String {
        let all = self.flow.rows.iter().rev().map(|row| &self.messages[row.message]);
        let last = all.filter(|message| message.facts.status == Some(status)).map(|message| &message.facts.reason);
        last.into_iter().next().cloned().unwrap_or_default()
    }

    fn facts(&self, caller: Option<&Caller>, evidence: &Evidence) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut add = |name, text: Option<String>, title: &str| {
            facts.extend(text.map(|text| Fact { name, text, good: false, title: title.to_owned() }));
        };
        if let Some(caller) = caller {
            let last = caller.last();
            let begun = last.and_then(|last| last.begun);
            let since = |at: Option<Timestamp>| Some(duration(at?.micros_since(begun?)));
            add("Rang after", since(last.and_then(|last| last.rang)), "");
            let media = last.filter(|last| last.rang.is_none()).and_then(|last| last.early_media);
            add("Media before the answer", since(media).map(|after| format!("after {after}")), "");
            let got = caller.result();
            let answered = got.filter(|got| got.status < 300);
            let inferred = got.filter(|got| got.inferred);
            let says = "This is the answer that a proxy would have passed on to the caller, of those that it got from the phones";
            add("Answered after", since(answered.map(|got| got.time)), "");
            add(
                "Result",
                inferred.map(|got: &Got| format!("probably {}, no log shows what the caller got", got.status)),
                says,
            );
            if let Some((answered, End::Bye { time, .. } | End::Transferred { time, .. })) = caller.connected {
                add("Lasted", Some(duration(time.micros_since(answered))), "From the caller's answer to the BYE");
            }
            let left = matches!(caller.connected, Some((_, End::Transferred { .. })));
            let went_on = self.flow.transfers().last().filter(|_| left);
            add(
                "Went on as",
                went_on.map(|of| format!("{} and {}", of.whom, of.to)),
                "Who was connected once the caller had left",
            );
            let refused = self.said.refusal().map(|row| {
                let by = &self.flow.rows[refused_at(row, self.flow, self.messages)];
                format!(
                    "{}{}",
                    self.node(by.from),
                    since(Some(self.flow.rows[row].time)).map_or(String::new(), |after| format!(", after {after}"))
                )
            });
            add("Refused by", refused, "");
            let cancelled = last.and_then(|last| last.cancelled).filter(|_| answered.is_none());
            add("Cancelled after", since(cancelled), "");
        }
        let text = evidence.says();
        facts.push(Fact { name: "Evidence", text, good: evidence.is_whole(), title: evidence.details() });
        facts
    }
}

/// One line an attempt, where there are several.
fn tries(caller: &Caller) -> Vec<Tried> {
    let tried = |tried: &Try| {
        let got = tried.result.as_ref();
        let says = match got.map(|got| (got.status, &got.reason)) {
            Some((200..300, _)) => "answered".to_owned(),
            Some((487, _)) if tried.cancelled.is_some() => "cancelled by the caller".to_owned(),
            Some((status, reason)) => refused(status, reason),
            None => "no final answer logged".to_owned(),
        };
        let after = got.zip(tried.begun).map(|(got, begun)| duration(got.time.micros_since(begun)));
        let after = after.map_or(String::new(), |after| format!(" after {after}"));
        Tried { at: tried.begun, says: says + &after, row: got.map(|got| got.row) }
    };
    let several = caller.tries.len() > 1;
    // The last one is what came of the call.
    let left_out = caller.tries.len().saturating_sub(MOST_TRIES);
    let says = format!("{} earlier", count(left_out));
    let earlier = (left_out > 0).then_some(Tried { at: None, says, row: None });
    earlier.into_iter().chain(caller.tries.iter().skip(left_out).filter(|_| several).map(tried)).collect()
}

fn refused(status: u16, reason: &str) -> String {
    let word = if status < 400 { "redirected" } else { "refused" };
    format!("{word} {status} {}", shortened(reason, LONGEST)).trim_end().to_owned()
}

fn invites<'a>(flow: &'a Flow, messages: &'a [Message]) -> impl Iterator<Item = (&'a Row, &'a Message)> {
    flow.rows
        .iter()
        .map(|row| (row, &messages[row.message]))
        .filter(|(_, message)| message.kind == Kind::Sip && message.facts.method == "INVITE")
}
