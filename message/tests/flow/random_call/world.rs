//! A call as it goes: the caller and each server do what the plan says.

use std::collections::BTreeMap;

use super::*;

#[path = "device.rs"]
mod device;
#[path = "transfer.rs"]
mod transfer;
#[path = "wire.rs"]
mod wire;

use wire::{Hop, first};

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
}
