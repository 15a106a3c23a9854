//! What the devices of a person do: they are pushed to, ring, answer or refuse.

use super::*;

impl World<'_> {
    pub(super) fn pushes(&mut self, now: i64, device: usize, push: Push) {
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

    pub(super) fn invited(&mut self, now: i64, device: usize) {
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

    pub(super) fn respond(&mut self, now: i64, device: usize, status: u16) {
        let hop = self.branches[device].hops[0].clone();
        let contact = format!(" contact=<sip:bob@192.0.2.2{}:5060>", device + 1);
        let tag = if status == 100 { String::new() } else { self.tag(device) };
        let more = if status == 183 { " body=v=0 | Content-Type: application/sdp" } else { "" };
        self.answer(now, (status, "INVITE"), &hop, self.cseq, &tag, &format!("{contact}{more}"));
    }

    pub(super) fn says(&mut self, now: i64, device: usize, status: u16) {
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
    pub(super) fn rings_on(&mut self, now: i64) {
        for device in 0..self.branches.len() {
            let Branch { hops, ended, .. } = &self.branches[device];
            let rings = matches!(self.devices[device].says, Says::Rings { then: None, .. });
            if rings && !hops.is_empty() && ended.is_none() {
                self.at(now + 4_000, Event::RingsOn(device));
            }
        }
    }

    pub(super) fn acks_refusal(&mut self, now: i64, device: usize) {
        let hop = Hop { tag: self.tag(device), ..self.branches[device].hops[0].clone() };
        self.ask(now, "ACK", "sip:bob@example.com", &hop, self.cseq, "");
    }
}
