//! Messages of a call, hop by hop, as servers log them.

use super::*;

/// One hop of a request.
#[derive(Clone)]
pub(super) struct Hop {
    pub from: String,
    pub to: String,
    pub via: String,
    pub call: String,
    /// What From and To say.
    pub parties: String,
    pub tag: String,
}

impl World<'_> {
    /// In the log of the sender, and a millisecond later in that of the receiver.
    pub(super) fn record(&mut self, at: i64, from: &str, to: &str, what: &str) {
        for (machine, at) in [(from, at), (to, at + 1)] {
            if self.plan.silent && machine == from && what.starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            if ["edge", "core", "agent"].contains(&machine) {
                self.lines.push((at, format!("{at} {machine} {from}>{to} {what}")));
            }
        }
    }

    pub(super) fn branch(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    pub(super) fn ask(&mut self, at: i64, method: &str, uri: &str, hop: &Hop, cseq: u32, more: &str) {
        let tag = if hop.tag.is_empty() { String::new() } else { format!(" tag={}", hop.tag) };
        let Hop { from, to, via, call, parties, .. } = hop;
        self.record(at, from, to, &format!("{method} {uri} via={via} call={call} cseq={cseq} {parties}{tag}{more}"));
    }

    pub(super) fn answer(
        &mut self,
        at: i64,
        (status, method): (u16, &str),
        hop: &Hop,
        cseq: u32,
        tag: &str,
        more: &str,
    ) {
        let tag = if tag.is_empty() { String::new() } else { format!(" tag={tag}") };
        let Hop { from, to, via, call, parties, .. } = hop;
        self.record(at, to, from, &format!("{status} {method} via={via} call={call} cseq={cseq} {parties}{tag}{more}"));
    }

    /// The next hop of a request that came by another.
    pub(super) fn next(&mut self, before: Option<&Hop>, from: &str, to: &str, of: (&str, &str)) -> Hop {
        let own = self.branch();
        let via = match before.filter(|_| from != "agent") {
            Some(before) => format!("{own},{}", before.via),
            None => own,
        };
        let (call, parties) = (of.0.to_owned(), of.1.to_owned());
        Hop { from: from.into(), to: to.into(), via, call, parties, tag: String::new() }
    }

    /// Call-ID and parties between a server and the device.
    pub(super) fn inner(&self, device: usize) -> (String, &'static str) {
        let again = if self.is_again { "-again" } else { "" };
        match (self.by_agent(), self.servers.len()) {
            (false, _) => ("call-a".to_owned(), self.caller()),
            (true, 1) => (format!("call-b{device}{again}"), "ftag=g"),
            (true, _) => (format!("call-b{again}"), "ftag=g"),
        }
    }

    /// The caller's From-tag.
    pub(super) fn caller(&self) -> &'static str {
        let renamed = self.plan.again.as_ref().is_some_and(|again| again.renamed && self.is_again);
        if renamed { "ftag=again" } else { "ftag=f" }
    }

    /// The To-tag that an agent gives the caller.
    pub(super) fn agents(&self) -> &'static str {
        if self.is_again { "ag2" } else { "ag" }
    }

    /// The To-tag of a device.
    pub(super) fn tag(&self, device: usize) -> String {
        format!("{}{device}", if self.is_again { "again" } else { "b" })
    }

    /// A request of a dialog, over all its hops, and its answer.
    pub(super) fn through(&mut self, now: i64, method: &str, side: Side, device: usize, answered: bool) {
        let cseq = if method == "ACK" { self.cseq } else { self.cseq + 1 };
        self.passes(now, (method, cseq, ""), (side, device), answered.then_some(200));
    }

    pub(super) fn passes(
        &mut self,
        now: i64,
        (method, cseq, more): (&str, u32, &str),
        (side, device): (Side, usize),
        status: Option<u16>,
    ) {
        let mut way: Vec<&str> = std::iter::once("alice").chain(self.servers.iter().copied()).collect();
        way.push(DEVICES[device]);
        let own_dialog = self.by_agent() && self.connected != Some(device);
        let mut hops: Vec<Hop> = Vec::new();
        let count = way.len() - 1;
        let inner = self.inner(device);
        for step in 0..count {
            let at = if side == Side::Caller { step } else { count - 1 - step };
            let (from, to) = if side == Side::Caller { (way[at], way[at + 1]) } else { (way[at + 1], way[at]) };
            // A further dialog of an agent's is none of the caller's, and a queue has acknowledged its own.
            if at == 0 && (own_dialog || self.plan.chain == Chain::Queue && method == "ACK") {
                continue;
            }
            let outer = at == 0 && self.by_agent();
            let (call, ftag) =
                if outer { ("call-a".to_owned(), &self.caller()[5..]) } else { (inner.0.clone(), &inner.1[5..]) };
            let tag = if outer { self.agents().to_owned() } else { self.tag(device) };
            let (parties, tag) = match side {
                Side::Caller => (format!("ftag={ftag}"), tag),
                Side::Callee => (format!("from=bob to=alice ftag={tag}"), ftag.to_owned()),
            };
            let before = hops.last().cloned();
            let hop = Hop { tag, ..self.next(before.as_ref(), from, to, (&call, &parties)) };
            self.ask(now + 2 * step as i64, method, "sip:bob@example.com", &hop, cseq, more);
            hops.push(hop);
        }
        let mut at = now + 2 * count as i64 + 5;
        for hop in hops.iter().rev() {
            let Some(status) = status else { break };
            self.answer(at, (status, method), hop, cseq, &hop.tag.clone(), "");
            at += 2;
        }
    }
}

pub(super) fn first(vias: &str) -> String {
    vias.split(',').next().unwrap_or_default().to_owned()
}
