//! What each row of a flow says.

use std::collections::BTreeSet;

use message::flow::{Half, Log, PushState};
use message::kind::Kind;
use message::logged::Message;
use record::time::SECOND;
use rule::evidence::Evidence;

pub struct Said<'a> {
    pub message: &'a Message,
    pub kind: Kind,
    pub request: bool,
    pub method: &'a str,
    pub status: u16,
    pub time: i64,
    pub provisional: bool,
    /// Those that hold it.
    pub logs: BTreeSet<Log>,
    pub from: usize,
    pub to: usize,
    pub leg: usize,
    pub cseq: u32,
    /// It asks for something that was sent along with the next try.
    pub is_retried: bool,
}

impl Said<'_> {
    pub fn is(&self, method: &str) -> bool {
        self.method == method
    }

    pub fn call_id(&self) -> Option<&str> {
        self.message.facts.call_id.as_deref()
    }
}

pub fn log(message: &Message) -> Log {
    Log { agent: message.place.agent.clone(), source: message.place.source.clone() }
}

pub fn said<'a>(evidence: &Evidence<'a>) -> Vec<Said<'a>> {
    let Evidence { flow, messages, .. } = *evidence;
    let mut rows: Vec<Said> = Vec::new();
    for row in &flow.rows {
        let message = &messages[row.message];
        let facts = &message.facts;
        let (request, status) = match row.half {
            Half::Request => (true, None),
            Half::Response => (false, facts.result.as_ref().and_then(|result| result.status)),
            Half::Whole => (!facts.response, facts.status.filter(|_| facts.response)),
        };
        // An answer in a record of its own has no method; it has that of its request.
        let asked = row.pair.filter(|_| !request && row.kind != Kind::Sip);
        let method = asked.map_or(&facts.method, |asked| &messages[flow.rows[asked].message].facts.method);
        let all = std::iter::once(&row.message).chain(&row.sightings).map(|at| &messages[*at]);
        rows.push(Said {
            message,
            kind: row.kind,
            request,
            method,
            status: status.unwrap_or_default(),
            time: row.time.0,
            provisional: all.clone().all(|message| message.provisional),
            logs: all.map(log).collect(),
            from: row.from,
            to: row.to,
            leg: row.leg,
            cseq: facts.sip.as_ref().and_then(|sip| sip.cseq).unwrap_or_default(),
            is_retried: false,
        });
    }
    // What woke a phone that got no INVITE is of the leg that was pushed.
    for (leg, own) in flow.legs.iter().enumerate() {
        let PushState::Woke(woke, _) = own.push else { continue };
        let woken = |said: &&Said| said.request && said.is("REGISTER") && said.time == woke.0;
        let Some(device) = rows.iter().find(woken).map(|said| said.from).filter(|_| own.hops.is_empty()) else {
            continue;
        };
        let registers = rows.iter_mut().filter(|said| said.is("REGISTER"));
        for said in registers.filter(|said| if said.request { said.from == device } else { said.to == device }) {
            said.leg = leg;
        }
    }
    for at in 0..rows.len() {
        let asks = rows[at].kind == Kind::Sip && matches!(rows[at].status, 401 | 407 | 422 | 423 | 491);
        rows[at].is_retried = asks && rows.iter().any(|next| retries(&rows[at], next));
    }
    rows
}

/// A challenge that is retried is no answer.
fn retries(asked: &Said, next: &Said) -> bool {
    let soon = next.time >= asked.time && next.time - asked.time <= 32 * SECOND;
    let same = next.request && next.is(asked.method) && next.call_id() == asked.call_id();
    // After a 491 either side may send it again, with a number of its own.
    let glare = asked.status == 491 && sender(asked) != sender(next);
    soon && same && (glare || next.cseq > asked.cseq)
}

fn sender<'a>(said: &'a Said) -> Option<&'a str> {
    said.message.facts.sip.as_ref()?.from.as_ref()?.tag()
}
