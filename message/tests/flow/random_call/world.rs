//! A call as it goes: each server and device does what its plan says, and logs it.

use std::collections::BTreeMap;

use super::*;

#[path = "transfer.rs"]
mod transfer;

const DEVICES: [&str; 4] = ["bob1", "bob2", "bob3", "sip:192.0.2.24:5060"];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Begins,
    Invited(usize),
    Says(usize, u16),
    RingsOn(usize),
    Cancels,
    GivesUp,
    HangsUp(usize),
    Missed,
    Again,
    Transfers(usize),
    PicksUp,
}

/// An INVITE to one device.
#[derive(Clone, Default)]
struct Branch {
    hops: Vec<Hop>,
    is_cancelled: bool,
    ended: Option<u16>,
}

/// One hop of a request.
#[derive(Clone)]
struct Hop {
    from: String,
    to: String,
    via: String,
    call: String,
    /// What From and To say.
    parties: String,
    tag: String,
}

/// A call under way: who does what next, and what was logged.
pub struct World<'p> {
    plan: &'p Plan,
    /// What the callee's devices do in this attempt.
    devices: &'p [Device],
    /// In the caller's second attempt.
    is_again: bool,
    servers: &'static [&'static str],
    pub lines: Vec<(i64, String)>,
    due: BTreeMap<(i64, usize), Event>,
    branches: Vec<Branch>,
    count: usize,
    cseq: u32,
    /// The hops of the INVITE up to the server that forks.
    invite: Vec<Hop>,
    decided: Option<u16>,
    /// The first device that was connected.
    connected: Option<usize>,
    is_over: bool,
    /// Devices that rang.
    rung: Vec<bool>,
}

impl<'p> World<'p> {
    pub fn of(plan: &'p Plan) -> Self {
        Self {
            plan,
            devices: &plan.devices,
            is_again: false,
            servers: match plan.chain {
                Chain::Core => &["core"],
                Chain::EdgeCore => &["edge", "core"],
                Chain::AgentCore => &["agent", "core"],
                Chain::Agent | Chain::Queue => &["agent"],
            },
            lines: Vec::new(),
            due: BTreeMap::new(),
            branches: plan.devices.iter().map(|_| Branch::default()).collect(),
            count: 0,
            cseq: 1,
            invite: Vec::new(),
            decided: None,
            connected: None,
            is_over: false,
            rung: vec![false; DEVICES.len()],
        }
    }
}

impl World<'_> {
    pub fn run(&mut self) {
        self.at(0, Event::Begins);
        while let Some(((now, _), event)) = self.due.pop_first() {
            match event {
                Event::Begins => self.begins(now),
                Event::Invited(device) => self.invited(now, device),
                Event::Says(device, status) => self.says(now, device, status),
                Event::RingsOn(device) => self.respond(now, device, 180),
                Event::Cancels => self.cancels(now),
                Event::GivesUp => self.gives_up(now),
                Event::Again => self.tries_again(now),
                Event::HangsUp(device) => self.hangs_up(now, device),
                Event::Transfers(device) => self.transfers(now, device),
                Event::PicksUp => self.picks_up(now),
                Event::Missed => {
                    self.record(
                        now,
                        "core",
                        "fcm",
                        "PUSH body={\"callId\":\"call-a\",\"token\":\"token-missed\",\"status\":200}",
                    );
                }
            }
        }
    }

    fn at(&mut self, time: i64, event: Event) {
        self.count += 1;
        self.due.insert((time, self.count), event);
    }

    fn forks(&self) -> &'static str {
        self.servers[self.servers.len() - 1]
    }

    pub fn by_agent(&self) -> bool {
        self.servers[0] == "agent"
    }

    /// In the log of the sender, and a millisecond later in that of the receiver.
    fn record(&mut self, at: i64, from: &str, to: &str, what: &str) {
        for (machine, at) in [(from, at), (to, at + 1)] {
            if self.plan.silent && machine == from && what.starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            if ["edge", "core", "agent"].contains(&machine) {
                self.lines.push((at, format!("{at} {machine} {from}>{to} {what}")));
            }
        }
    }

    fn branch(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    fn ask(&mut self, at: i64, method: &str, uri: &str, hop: &Hop, cseq: u32, more: &str) {
        let tag = if hop.tag.is_empty() { String::new() } else { format!(" tag={}", hop.tag) };
        let Hop { from, to, via, call, parties, .. } = hop;
        self.record(at, from, to, &format!("{method} {uri} via={via} call={call} cseq={cseq} {parties}{tag}{more}"));
    }

    fn answer(&mut self, at: i64, (status, method): (u16, &str), hop: &Hop, cseq: u32, tag: &str, more: &str) {
        let tag = if tag.is_empty() { String::new() } else { format!(" tag={tag}") };
        let Hop { from, to, via, call, parties, .. } = hop;
        self.record(at, to, from, &format!("{status} {method} via={via} call={call} cseq={cseq} {parties}{tag}{more}"));
    }

    /// The next hop of a request that came by another.
    fn next(&mut self, before: Option<&Hop>, from: &str, to: &str, of: (&str, &str)) -> Hop {
        let own = self.branch();
        let via = match before.filter(|_| from != "agent") {
            Some(before) => format!("{own},{}", before.via),
            None => own,
        };
        let (call, parties) = (of.0.to_owned(), of.1.to_owned());
        Hop { from: from.into(), to: to.into(), via, call, parties, tag: String::new() }
    }

    /// Call-ID and parties between a server and the device.
    fn inner(&self, device: usize) -> (String, &'static str) {
        let again = if self.is_again { "-again" } else { "" };
        match (self.by_agent(), self.servers.len()) {
            (false, _) => ("call-a".to_owned(), self.caller()),
            (true, 1) => (format!("call-b{device}{again}"), "ftag=g"),
            (true, _) => (format!("call-b{again}"), "ftag=g"),
        }
    }

    /// The caller's From-tag.
    fn caller(&self) -> &'static str {
        let renamed = self.plan.again.as_ref().is_some_and(|again| again.renamed && self.is_again);
        if renamed { "ftag=again" } else { "ftag=f" }
    }

    /// The To-tag that an agent gives the caller.
    fn agents(&self) -> &'static str {
        if self.is_again { "ag2" } else { "ag" }
    }

    /// The To-tag of a device.
    fn tag(&self, device: usize) -> String {
        format!("{}{device}", if self.is_again { "again" } else { "b" })
    }

    fn begins(&mut self, now: i64) {
        let first = self.servers[0];
        let uri = "sip:bob@example.com";
        if self.plan.challenged && self.cseq == 1 {
            let hop = self.next(None, "alice", first, ("call-a", self.caller()));
            self.ask(now, "INVITE", uri, &hop, 1, "");
            self.answer(now + 3, (407, "INVITE"), &hop, 1, "p", "");
            self.ask(now + 6, "ACK", uri, &Hop { tag: "p".into(), ..hop }, 1, "");
            self.cseq = 2;
            self.at(now + 9, Event::Begins);
            return;
        }
        let hop = self.next(None, "alice", first, ("call-a", self.caller()));
        self.ask(now, "INVITE", uri, &hop, self.cseq, "");
        self.answer(now + 2, (100, "INVITE"), &hop, self.cseq, "", "");
        self.invite.push(hop);
        let mut now = now + 3;
        if let Some(status) = self.plan.look_up {
            self.record(now, first, "api", &format!("POST body={{\"callId\":\"call-a\",\"status\":{status}}}"));
        }
        if let [_, second] = self.servers {
            let of = self.inner(0);
            let before = self.invite[0].clone();
            let hop = self.next(Some(&before), first, second, (&of.0, of.1));
            let key = if self.by_agent() { " | X-CID: call-a" } else { "" };
            self.ask(now, "INVITE", uri, &hop, self.cseq, key);
            self.answer(now + 2, (100, "INVITE"), &hop, self.cseq, "", "");
            self.invite.push(hop);
            now += 3;
        }
        if self.plan.chain == Chain::Queue {
            self.decided = Some(200);
            let hop = self.invite[0].clone();
            self.answer(now, (200, "INVITE"), &hop, self.cseq, self.agents(), "");
            if self.plan.acked {
                let ack = Hop { via: self.branch(), tag: self.agents().into(), ..hop };
                self.ask(now + 5, "ACK", uri, &ack, self.cseq, "");
            }
            now += 100;
        }
        for device in 0..self.devices.len() {
            match self.devices[device].push {
                None => self.at(now + device as i64, Event::Invited(device)),
                Some(push) => self.pushes(now + device as i64, device, push),
            }
        }
        if let Some(pickup) = self.plan.transfer.as_ref().filter(|transfer| transfer.is_pickup) {
            self.at(now + pickup.after, Event::PicksUp);
        }
        if let Some(after) = self.plan.cancels {
            self.at(now + after, Event::Cancels);
        }
        self.at(now + self.plan.patience.0, Event::GivesUp);
    }

    fn pushes(&mut self, now: i64, device: usize, push: Push) {
        let status = match push {
            Push::Wakes(_) | Push::NeverWakes => 200,
            Push::Refused => 410,
            Push::Unanswered => 0,
        };
        let what = format!("PUSH body={{\"callId\":\"call-a\",\"token\":\"token-{device}\",\"status\":{status}}}");
        self.record(now, self.forks(), "fcm", &what);
        if let Push::Wakes(after) = push {
            self.at(now + after, Event::Invited(device));
        } else {
            self.branches[device].ended = Some(0);
        }
    }

    fn invited(&mut self, now: i64, device: usize) {
        if self.decided.is_some() && self.plan.chain != Chain::Queue || self.is_over {
            return;
        }
        let (forks, name) = (self.forks(), DEVICES[device]);
        let mut uri = format!("sip:bob@192.0.2.2{}:5060", device + 1);
        if self.devices[device].push.is_some() {
            if !self.plan.hidden_tokens {
                uri += &format!(";pn-provider=fcm;pn-prid=token-{device}");
            }
            let via = self.branch();
            let register = format!("via={via} call=reg-{device} from=bob to=bob ftag=r contact=<{uri}>");
            self.record(now - 10, name, forks, &format!("REGISTER sip:example.com {register}"));
            self.record(now - 8, forks, name, &format!("200 REGISTER {register} tag=reg"));
        }
        let of = self.inner(device);
        let before = self.invite[self.invite.len() - 1].clone();
        let hop = self.next(Some(&before), forks, name, (&of.0, of.1));
        let key = if forks == "agent" { " | X-CID: call-a" } else { "" };
        self.ask(now, "INVITE", &uri, &hop, self.cseq, key);
        self.branches[device].hops.push(hop);
        let says_of = self.devices[device].says;
        let mut says = |after: i64, status: u16| self.at(now + after, Event::Says(device, status));
        match says_of {
            Says::Nothing => {}
            Says::Trying => says(5, 100),
            Says::Refuses(after, status) => says(after, status),
            Says::Rings { at, media, then } => {
                says(5, 100);
                if media {
                    says(at, 183);
                }
                says(at + 20, 180);
                if let Some((after, status)) = then {
                    says(after, status);
                }
            }
        }
    }

    fn respond(&mut self, now: i64, device: usize, status: u16) {
        let hop = self.branches[device].hops[0].clone();
        let contact = format!(" contact=<sip:bob@192.0.2.2{}:5060>", device + 1);
        let tag = if status == 100 { String::new() } else { self.tag(device) };
        let more = if status == 183 { " body=v=0 | Content-Type: application/sdp" } else { "" };
        self.answer(now, (status, "INVITE"), &hop, self.cseq, &tag, &format!("{contact}{more}"));
    }

    fn says(&mut self, now: i64, device: usize, status: u16) {
        if self.branches[device].ended.is_some() {
            return;
        }
        self.respond(now, device, status);
        self.rung[device] |= status == 180;
        let up = now + 2;
        match status {
            100 => {}
            101..=199 => self.tells(up, status, &self.tag(device)),
            200..=299 => {
                self.branches[device].ended = Some(status);
                if self.plan.loses_answers && self.decided.is_none() {
                    self.decides(up, 500, "p");
                    self.rings_on(up);
                    return;
                }
                if self.plan.chain != Chain::Queue {
                    self.tells(up, status, &self.tag(device));
                }
                if self.decided.is_some_and(|decided| decided >= 300) {
                    self.clears(up, device);
                    return;
                }
                self.decided = Some(status);
                self.stops(up, self.plan.reason);
                self.connects(up + 10, device);
            }
            _ => {
                self.branches[device].ended = Some(status);
                self.acks_refusal(up, device);
                if status >= 600 {
                    self.stops(up + 1, false);
                }
                self.all_over(up + 2);
            }
        }
    }

    /// Nobody tells the others to stop.
    fn rings_on(&mut self, now: i64) {
        for device in 0..self.branches.len() {
            let Branch { hops, ended, .. } = &self.branches[device];
            let rings = matches!(self.devices[device].says, Says::Rings { then: None, .. });
            if rings && !hops.is_empty() && ended.is_none() {
                self.at(now + 4_000, Event::RingsOn(device));
            }
        }
    }

    fn acks_refusal(&mut self, now: i64, device: usize) {
        let hop = Hop { tag: self.tag(device), ..self.branches[device].hops[0].clone() };
        self.ask(now, "ACK", "sip:bob@example.com", &hop, self.cseq, "");
    }

    /// When all branches are over, the caller gets the best of what they said.
    fn all_over(&mut self, now: i64) {
        let waking = self.due.values().any(|event| matches!(event, Event::Invited(_)));
        if waking || self.decided.is_some() || self.branches.iter().any(|branch| branch.ended.is_none()) {
            return;
        }
        let ended = self.branches.iter().enumerate().filter_map(|(at, branch)| Some((branch.ended?, at)));
        let ended = ended.filter(|(status, _)| *status > 0);
        let best = ended.min_by_key(|(status, _)| if *status >= 600 { 0 } else { status / 100 });
        match best {
            Some((503, _)) | None => self.decides(now, if best.is_some() { 500 } else { 480 }, "p"),
            Some((status, device)) => self.decides(now, status, &self.tag(device)),
        }
    }

    fn calls_again(&mut self, now: i64) {
        if let Some(again) = self.plan.again.as_ref().filter(|_| !self.is_again) {
            self.at(now + again.after, Event::Again);
        }
    }

    /// The caller's next INVITE under the same Call-ID: what the devices still meant to say before nobody hears.
    fn tries_again(&mut self, now: i64) {
        let Some(again) = self.plan.again.as_ref().filter(|_| !self.is_again) else { return };
        (self.is_again, self.devices) = (true, &again.devices);
        self.due.clear();
        self.branches = again.devices.iter().map(|_| Branch::default()).collect();
        self.invite.clear();
        (self.decided, self.connected, self.is_over) = (None, None, false);
        // A BYE had a number, too.
        self.cseq = if again.renamed { 1 } else { self.cseq + 2 };
        self.begins(now);
    }

    /// A response on its way to the caller.
    fn tells(&mut self, now: i64, status: u16, tag: &str) {
        if self.decided.is_some_and(|decided| decided >= 300 || status < 200) {
            return;
        }
        let mut at = now;
        for (nth, hop) in self.invite.clone().iter().enumerate().rev() {
            if nth == 0 && self.by_agent() && self.decided.is_some() {
                continue;
            }
            let tag = if nth == 0 && self.by_agent() { self.agents() } else { tag };
            let more = if status == 183 { " body=v=0 | Content-Type: application/sdp" } else { "" };
            self.answer(at, (status, "INVITE"), hop, self.cseq, tag, more);
            at += 2;
        }
    }

    fn decides(&mut self, now: i64, status: u16, tag: &str) {
        if self.decided.is_some() {
            return;
        }
        self.tells(now, status, tag);
        self.decided = Some(status);
        let by_agent = self.by_agent();
        for (nth, hop) in self.invite.clone().into_iter().enumerate() {
            let tag = if nth == 0 && by_agent { self.agents() } else { tag };
            self.ask(now + 10, "ACK", "sip:bob@example.com", &Hop { tag: tag.into(), ..hop }, self.cseq, "");
        }
        if status >= 400 {
            self.calls_again(now);
        }
        if self.plan.missed && self.forks() == "core" {
            self.at(now + 2_000, Event::Missed);
        }
    }

    /// CANCEL to all branches that are open.
    fn stops(&mut self, now: i64, reason: bool) {
        for device in 0..self.branches.len() {
            let branch = &mut self.branches[device];
            if branch.hops.is_empty() || branch.ended.is_some() || branch.is_cancelled {
                continue;
            }
            branch.is_cancelled = true;
            let hop = Hop { via: first(&branch.hops[0].via), ..branch.hops[0].clone() };
            let more = if reason { " | Reason: SIP;cause=200;text=\"Call completed elsewhere\"" } else { "" };
            self.ask(now, "CANCEL", "sip:bob@example.com", &hop, self.cseq, more);
            let stops = self.devices[device].stops;
            if stops != Stops::RingsOn && stops != Stops::Deaf {
                self.answer(now + 20, (200, "CANCEL"), &hop, self.cseq, "c", "");
            }
            match stops {
                Stops::Yes => self.at(now + 22, Event::Says(device, 487)),
                Stops::With408 => self.at(now + 22, Event::Says(device, 408)),
                Stops::Answers => self.at(now + 1, Event::Says(device, 200)),
                Stops::RingsOn => self.at(now + 4_000, Event::RingsOn(device)),
                Stops::Without487 | Stops::Deaf => {}
            }
            if stops == Stops::RingsOn || stops == Stops::Deaf || stops == Stops::Without487 {
                self.branches[device].ended = Some(0);
            }
        }
    }

    fn cancels(&mut self, now: i64) {
        if self.decided.is_some() {
            return;
        }
        let mut at = now;
        for hop in self.invite.clone() {
            let hop = Hop { via: first(&hop.via), ..hop };
            self.ask(at, "CANCEL", "sip:bob@example.com", &hop, self.cseq, "");
            self.answer(at + 2, (200, "CANCEL"), &hop, self.cseq, "p", "");
            at += 2;
        }
        self.stops(at, false);
        self.decides(at + 60, 487, "p");
    }

    fn gives_up(&mut self, now: i64) {
        if self.decided.is_some() {
            return;
        }
        self.stops(now, false);
        self.decides(now + 1, self.plan.patience.1, "p");
    }

    /// Who answers a caller that has gone is hung up by the server that forks, if that heeds it.
    fn clears(&mut self, now: i64, device: usize) {
        if !self.plan.reason {
            return;
        }
        let of = self.inner(device);
        for (method, at, cseq) in [("ACK", now, self.cseq), ("BYE", now + 30, self.cseq + 1)] {
            let hop = self.next(None, self.forks(), DEVICES[device], (&of.0, of.1));
            let hop = Hop { tag: self.tag(device), ..hop };
            self.ask(at, method, "sip:bob@example.com", &hop, cseq, "");
            if method == "BYE" {
                self.answer(at + 5, (200, method), &hop, cseq, &hop.tag.clone(), "");
            }
        }
    }

    /// ACK of the caller, and the end of the dialog: at once if another had answered.
    fn connects(&mut self, now: i64, device: usize) {
        let first = *self.connected.get_or_insert(device) == device;
        if self.plan.acked || !first {
            self.through(now, "ACK", Side::Caller, device, false);
        }
        if !first {
            let before = self.connected.filter(|_| self.plan.keeps_second && !self.by_agent());
            self.at(now + 30, Event::HangsUp(before.unwrap_or(device)));
            if before.is_some() {
                self.connected = Some(device);
            }
        } else if let Some(transfer) = self.plan.transfer.as_ref().filter(|transfer| !transfer.is_pickup) {
            // Later than any who answered too is hung up.
            self.at(now + 5_000 + transfer.after, Event::Transfers(device));
        } else if let Some((_, after)) = self.plan.hangs_up {
            self.at(now + after, Event::HangsUp(device));
        }
    }

    fn hangs_up(&mut self, now: i64, device: usize) {
        let own = self.plan.hangs_up.filter(|_| self.connected == Some(device));
        let side = own.map_or(Side::Caller, |(side, _)| side);
        self.is_over |= own.is_some();
        if own.is_some() {
            self.calls_again(now);
        }
        self.through(now, "BYE", side, device, self.plan.bye_answered);
    }

    /// A request of a dialog, over all its hops, and its answer.
    fn through(&mut self, now: i64, method: &str, side: Side, device: usize, answered: bool) {
        let cseq = if method == "ACK" { self.cseq } else { self.cseq + 1 };
        self.passes(now, (method, cseq, ""), (side, device), answered.then_some(200));
    }

    fn passes(
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

fn first(vias: &str) -> String {
    vias.split(',').next().unwrap_or_default().to_owned()
}
