//! How a call ends: given up, hung up, or in no way that anybody would want.

use record::time::SECOND;

use super::call::{Branch, Call};
use super::network::{CORE, EDGE, Node};
use super::story::{Answer, MS, Request};

/// When what is not answered, or not acknowledged, is sent again (RFC 3261 17.1.2.2): for 32 s, in halves of a second.
const AGAIN: [i64; 10] = [1, 3, 7, 15, 23, 31, 39, 47, 55, 63];
const PATIENCE: i64 = 32 * SECOND;

impl Call {
    /// The core takes a call back from a phone that rings.
    pub fn release(&mut self, at: i64, branch: &Branch, reason: &str) {
        let Branch { phone, invite } = branch;
        let mut cancel = Request {
            method: "CANCEL",
            headers: Vec::new(),
            body: String::new(),
            way: vec![CORE, phone.node],
            vias: invite.vias[..1].to_vec(),
            ..invite.clone()
        };
        if !reason.is_empty() {
            cancel.headers.push(reason.to_owned());
        }
        let there = self.story.again(at, &cancel);
        let tag = self.tag(phone);
        self.story.answer(there, &cancel, &Answer { status: 200, tag, ..Answer::default() }, CORE);
        let terminated = self.said(branch, 487);
        self.story.refuse(there + 20 * MS, invite, &terminated, CORE);
    }

    /// Others stop ringing, since one has answered.
    pub fn release_others(&mut self, at: i64, others: &[Branch]) {
        for (nth, branch) in (0..).zip(others) {
            self.release(at + nth * MS, branch, "Reason: SIP;cause=200;text=\"Call completed elsewhere\"");
        }
    }

    /// The caller gives up: the edge takes the call back from the core, and that from whoever rings.
    pub fn give_up(&mut self, at: i64, ringing: &[Branch]) {
        let at = self.cancel(at, 0);
        let at = self.cancel(at, 1);
        for (nth, branch) in (1..).zip(ringing) {
            self.release(at + nth * MS, branch, "");
        }
        self.refuse(at + 60 * MS, 487);
    }

    /// The caller gives up, and the edge takes nothing back: for it, the call is over already.
    pub fn give_up_at_edge(&mut self, at: i64) {
        let at = self.cancel(at, 0);
        let mut invite = self.invite.clone();
        invite.way.pop();
        invite.vias.remove(0);
        let terminated = Answer { status: 487, tag: format!("e{}", self.story.id), ..Answer::default() };
        self.story.refuse(at + 8 * MS, &invite, &terminated, self.caller.node);
    }

    /// A CANCEL goes by one hop, as its INVITE did (RFC 3261 9.1).
    fn cancel(&mut self, at: i64, hop: usize) -> i64 {
        let way = self.invite.way[hop..hop + 2].to_vec();
        let cancel = Request {
            method: "CANCEL",
            headers: Vec::new(),
            body: String::new(),
            vias: vec![self.invite.vias[1 - hop].clone()],
            way,
            ..self.invite.clone()
        };
        let at = self.story.again(at, &cancel);
        let answer = Answer { status: 200, tag: format!("c{}", self.story.id), ..Answer::default() };
        self.story.answer(at, &cancel, &answer, cancel.way[0]);
        at
    }

    /// One side hangs up, and the other answers so.
    pub fn hang_up(&mut self, at: i64, branch: &Branch, by_caller: bool, status: u16) {
        let (mut bye, way) = self.bye(branch, by_caller);
        let at = self.story.pass_all(at, &mut bye, &way);
        let first = bye.way[0];
        self.story.answer(at, &bye, &Answer { status, ..Answer::default() }, first);
    }

    /// The caller hangs up, and the phone is gone: each hop sends it again and again.
    pub fn hang_up_in_vain(&mut self, at: i64, branch: &Branch) {
        let (mut bye, way) = self.bye(branch, true);
        let mut at = at;
        for to in way {
            let there = self.story.pass(at, &mut bye, to);
            for after in AGAIN {
                self.story.again(at + after * SECOND / 2, &bye);
            }
            at = there + MS;
        }
    }

    fn bye(&self, branch: &Branch, by_caller: bool) -> (Request, [Node; 3]) {
        let bye = self.within(branch, "BYE", 2, by_caller);
        let phone = branch.phone.node;
        (bye, if by_caller { [EDGE, CORE, phone] } else { [CORE, EDGE, self.caller.node] })
    }

    /// A phone answers, its answer goes as far as this, again and again, and nobody acknowledges it: at last it hangs up.
    pub fn answer_in_vain(&mut self, at: i64, branch: &Branch, edge_passes_on: bool) {
        let answer = self.said(branch, 200);
        let until = if edge_passes_on { self.caller.node } else { EDGE };
        for after in std::iter::once(0).chain(AGAIN) {
            self.story.answer(at + after * SECOND / 2, &branch.invite, &answer, until);
        }
        // Who never got an answer knows of no dialog.
        self.hang_up(at + PATIENCE, branch, false, if edge_passes_on { 200 } else { 481 });
    }
}
