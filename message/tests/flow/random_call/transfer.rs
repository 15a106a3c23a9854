//! Somebody takes another's place: a transfer, blind or after a word with the target, and a pickup.

use super::*;

/// One end of a call, by the names of its machine and of its user.
type End<'a> = (&'a str, &'a str);

const CAROL: End = ("carol", "carol");

/// A dialog: who called whom, by which Call-ID, and their tags.
#[derive(Clone)]
struct Talk<'a> {
    from: End<'a>,
    to: End<'a>,
    call: &'a str,
    tags: (String, String),
}

impl<'a> Talk<'a> {
    fn new(from: End<'a>, to: End<'a>, call: &'a str, tags: (&str, &str)) -> Self {
        Self { from, to, call, tags: (tags.0.to_owned(), tags.1.to_owned()) }
    }

    /// As its other side speaks in it.
    fn turned(&self) -> Self {
        Self { from: self.to, to: self.from, call: self.call, tags: (self.tags.1.clone(), self.tags.0.clone()) }
    }

    fn by(&self, side: Side) -> Self {
        if side == Side::Caller { self.clone() } else { self.turned() }
    }

    fn parties(&self) -> String {
        format!("from={} to={} ftag={}", self.from.1, self.to.1, self.tags.0)
    }
}

impl World<'_> {
    /// The servers between two ends: the caller's first one is on the way to the caller alone.
    fn way<'a>(&self, from: &'a str, to: &'a str) -> Vec<&'a str> {
        let mut between: Vec<&'static str> = match (from == "alice" || to == "alice", self.by_agent()) {
            // An agent is on the way of its own call alone.
            (_, true) => vec!["core"],
            (true, false) => self.servers.to_vec(),
            (false, false) => self.servers[self.servers.len() - 1..].to_vec(),
        };
        if from != "alice" {
            between.reverse();
        }
        std::iter::once(from).chain(between).chain([to]).collect()
    }

    /// A request on all its hops.
    fn says_to(&mut self, now: i64, method: &str, talk: &Talk, cseq: u32, more: &str) -> Vec<Hop> {
        let way = self.way(talk.from.0, talk.to.0);
        let opens = method == "INVITE";
        let uri = format!("sip:{}@example.com", talk.to.1);
        let mut hops: Vec<Hop> = Vec::new();
        for (step, ends) in way.windows(2).enumerate() {
            let of = (talk.call, talk.parties());
            let hop = self.next(hops.last().cloned().as_ref(), ends[0], ends[1], (of.0, &of.1));
            let hop = Hop { tag: if opens { String::new() } else { talk.tags.1.clone() }, ..hop };
            let uri = if opens && step + 2 == way.len() { contact(talk.to.0).to_owned() } else { uri.clone() };
            self.ask(now + 2 * step as i64, method, &uri, &hop, cseq, more);
            hops.push(hop);
        }
        hops
    }

    fn replies(&mut self, now: i64, answer: (u16, &str), hops: &[Hop], talk: &Talk, cseq: u32) {
        let contact = contact(talk.to.0);
        let more = if answer.1 == "INVITE" { format!(" contact=<{contact}>") } else { String::new() };
        for (step, hop) in hops.iter().rev().enumerate() {
            self.answer(now + 2 * step as i64, answer, hop, cseq, &talk.tags.1, &more);
        }
    }

    /// A request within a dialog, with its answer.
    fn within(&mut self, now: i64, method: &str, talk: &Talk, (cseq, status): (u32, u16), more: &str) {
        let hops = self.says_to(now, method, talk, cseq, more);
        self.replies(now + 10, (status, method), &hops, talk, cseq);
    }

    /// A call that rings, and is answered or refused.
    fn calls(&mut self, now: i64, talk: &Talk, status: u16, more: &str) {
        let hops = self.says_to(now, "INVITE", talk, 1, more);
        self.replies(now + 60, (180, "INVITE"), &hops, talk, 1);
        self.replies(now + 900, (status, "INVITE"), &hops, talk, 1);
        if status < 300 {
            self.says_to(now + 910, "ACK", talk, 1, "");
            return;
        }
        for hop in hops {
            self.ask(now + 910, "ACK", "sip:carol@example.com", &Hop { tag: talk.tags.1.clone(), ..hop }, 1, "");
        }
    }

    /// One who talks hands the other over to carol, or tries to; perhaps after trying dave.
    pub(super) fn transfers(&mut self, now: i64, device: usize) {
        let Some(transfer) = self.plan.transfer.clone() else { return };
        let Transfer { by, with_a_word, goes, talks, .. } = transfer;
        let device = self.connected.unwrap_or(device);
        let (mine, theirs) = match by {
            Side::Caller => (("alice", "alice"), (DEVICES[device], "bob")),
            Side::Callee => ((DEVICES[device], "bob"), ("alice", "alice")),
        };
        let other = if by == Side::Caller { Side::Callee } else { Side::Caller };
        let mut cseq = self.cseq + 5;
        let mut at = now;
        if let Some(dave) = transfer.dave {
            let (to_dave, status) =
                (" | Refer-To: <sip:dave@example.com>", if dave == Dave::Declined { 603 } else { 202 });
            self.passes(at, ("REFER", cseq, to_dave), (by, device), Some(status));
            let late = if dave == Dave::FailsLate { 2_500 + i64::from(with_a_word) * 2_000 } else { 100 };
            if matches!(dave, Dave::Fails | Dave::FailsLate) {
                self.notifies(at + late, (cseq + 7, 486), (other, device), transfer.all_named.then_some(cseq));
            }
            cseq += 1;
            at += 200;
        }
        let id = (transfer.dave.is_some() || transfer.all_named).then_some(cseq);
        let consult = Talk::new(mine, CAROL, "call-c", ("k", "c1"));
        let cited = format!(" | Referred-By: <sip:{}@example.com>;cid=call-a", mine.1);
        let mut more = if transfer.cited { cited.clone() } else { String::new() };
        if with_a_word {
            self.calls(at, &consult, 200, "");
            at += 2_000;
            more += " | Replaces: call-c;to-tag=c1;from-tag=k";
        }
        let place = if with_a_word { "?Replaces=call-c%3Bto-tag%3Dc1%3Bfrom-tag%3Dk" } else { "" };
        let refer = format!(" | Refer-To: <sip:carol@example.com{place}>");
        let status = if goes == Goes::Declined { 603 } else { 202 };
        self.passes(at, ("REFER", cseq, &refer), (by, device), Some(status));
        let status = if goes == Goes::Answered { 200 } else { 486 };
        if goes != Goes::Declined {
            self.notifies(at + 30, (cseq, 100), (other, device), id);
            let new = Talk::new(theirs, CAROL, "call-t", ("t", "c2"));
            self.calls(at + 100, &new, status, &more);
            self.notifies(at + 1_100, (cseq + 1, status), (other, device), id);
            if goes == Goes::Answered && self.plan.hangs_up.is_some() {
                self.within(at + 1_200 + talks, "BYE", &new.by(transfer.ends), (2, 200), "");
            }
        } else if transfer.anyway {
            // Who would not be asked calls carol all the same.
            let own = Talk::new(theirs, CAROL, "call-u", ("u", "c3"));
            self.calls(at + 500, &own, 200, &cited);
            self.within(at + 1_500 + talks, "BYE", &own, (2, 200), "");
        }
        at += 1_300;
        if with_a_word {
            // Whoever takes a dialog's place ends that; else it is ended by the one who had begun it.
            let side = if goes == Goes::Answered { Side::Callee } else { Side::Caller };
            self.within(at, "BYE", &consult.by(side), (2, 200), "");
        }
        if goes == Goes::Answered {
            self.passes(at + 200, ("BYE", cseq + 1, ""), (by, device), Some(200));
        } else if self.plan.hangs_up.is_some() {
            self.passes(at + talks, ("BYE", cseq + 9, ""), (transfer.ends, device), Some(200));
        }
        self.is_over = true;
    }

    /// How a REFER goes on; `id` is its CSeq number.
    fn notifies(&mut self, now: i64, (cseq, status): (u32, u16), of: (Side, usize), id: Option<u32>) {
        let id = id.map_or(String::new(), |id| format!(";id={id}"));
        let more = format!(" body=SIP/2.0_{status}_Said | Event: refer{id} | Content-Type: message/sipfrag");
        self.passes(now, ("NOTIFY", cseq, &more), of, Some(200));
    }

    /// Carol takes a call over that rings at a device.
    pub(super) fn picks_up(&mut self, now: i64) {
        let Some(transfer) = self.plan.transfer.clone() else { return };
        let ringing =
            (0..self.branches.len()).find(|device| self.rung[*device] && self.branches[*device].ended.is_none());
        let Some(device) = ringing.filter(|_| self.decided.is_none()) else { return };
        let talk = Talk::new(CAROL, ("alice", "alice"), "call-p", ("p", "a1"));
        let hops = self.says_to(
            now,
            "INVITE",
            &talk,
            1,
            &format!(" | Replaces: call-a;to-tag=f;from-tag={}", self.tag(device)),
        );
        self.replies(now + 20, (200, "INVITE"), &hops, &talk, 1);
        self.says_to(now + 40, "ACK", &talk, 1, "");
        self.cancels(now + 50);
        if self.plan.hangs_up.is_some() {
            self.within(now + transfer.talks, "BYE", &talk.by(transfer.ends), (2, 200), "");
        }
    }
}

fn contact(machine: &str) -> &'static str {
    if machine == "alice" { "sip:alice@192.0.2.10:5060" } else { "sip:carol@192.0.2.30:5060" }
}
