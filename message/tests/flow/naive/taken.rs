//! 2 and 3: who takes whose place, by Replaces and by REFER.

use message::sip::DialogId;

use super::*;

impl<'a> Model<'a, '_> {
    fn opening(&self) -> impl Iterator<Item = &Said<'a>> {
        self.all.iter().filter(|said| said.is("INVITE") && said.tags.1.is_empty())
    }

    /// The first 2xx to an INVITE of another call, on the hop nearest to who sent it.
    fn answer_to(&self, invite: &Said<'a>) -> Option<Said<'a>> {
        let answers = self.all.iter().filter(|said| {
            said.answers(200..300) && (said.call, said.tags.0, said.cseq) == (invite.call, invite.tags.0, invite.cseq)
        });
        answers.min_by_key(|said| said.sip.vias.len()).cloned()
    }

    /// An INVITE whose Replaces names an early dialog of the caller, and which gets a 2xx: its sender, the 2xx, and the device.
    pub(super) fn picked_up(&self) -> Option<(String, Said<'a>, Option<String>)> {
        let got = self.result().filter(|(_, status, _)| *status < 300);
        let got = got.and_then(|(level, ..)| level.iter().filter_map(|hop| self.final_of(*hop)).map(Said::at).min());
        let own = self.opening().filter(|invite| invite.call != self.call && self.on(Rule::PickupAnswers));
        let late = |invite: &Said| got.is_some_and(|got| invite.at() >= got) && self.on(Rule::EarlyDialogsOnly);
        let mut early = own.filter(|invite| !late(invite));
        let (invite, id, answer) = early.find_map(|invite| {
            let id = invite.sip.replaces.as_ref().filter(|id| id.call_id == self.call)?;
            let before = |said: &Said| said.answers(200..300) && said.at() < invite.at();
            let up = self.all.iter().any(|said| named(id, said) && before(said)) && self.on(Rule::EarlyDialogsOnly);
            Some((invite, id, self.answer_to(invite).filter(|_| !up)?))
        })?;
        let of_leg = |leg: &Leg<'a>| leg.hops.iter().flat_map(|hop| self.of(*hop)).any(|said| named(id, said));
        let device = self.legs.iter().find(|(_, leg)| of_leg(leg)).map(|(name, _)| name.clone());
        let first = self.opening().find(|other| other.call == invite.call && other.above.is_none());
        let sender = first.map_or(answer.to.clone(), |first| first.from.clone());
        Some((sender, answer, device.filter(|_| self.on(Rule::PickedUpLeg))))
    }

    /// REFERs in the dialog of this 2xx, by the caller or by the other side.
    fn refers(&self, dialog: &Said, by_caller: bool) -> Vec<&Said<'a>> {
        let (caller, callee) = dialog.tags;
        let tags = if by_caller { (caller, callee) } else { (callee, caller) };
        let mut refers: Vec<&Said> = Vec::new();
        for said in self.all.iter().filter(|said| said.is("REFER") && said.call == dialog.call && said.tags == tags) {
            if refers.iter().all(|refer| refer.cseq != said.cseq) {
                refers.push(said);
            }
        }
        refers
    }

    /// Whether what a REFER asked for was done, where something says it: the last NOTIFY about it, or its refusal.
    fn done(&self, refer: &Said, refers: &[&Said]) -> Option<bool> {
        let told = || {
            let other = (refer.tags.1, refer.tags.0);
            self.all.iter().filter(move |said| said.is("NOTIFY") && said.call == refer.call && said.tags == other)
        };
        let is_named = |refer: &&&Said| told().any(|said| said.sip.event_id == Some(refer.cseq));
        let is_refused = |refer: &Said| {
            self.all.iter().any(|said| {
                (said.call, said.method, said.tags.0, said.cseq) == (refer.call, "REFER", refer.tags.0, refer.cseq)
                    && said.status.is_some_and(|status| status >= 300)
            })
        };
        let about = |said: &&Said| match said.sip.event_id.filter(|_| self.on(Rule::NotifyNamesRefer)) {
            Some(id) => id == refer.cseq,
            None => {
                let may_be = |refer: &&&Said| refer.at() < said.at() && !is_named(refer) && !is_refused(refer);
                let before = refers.iter().rfind(may_be);
                before.is_some_and(|before| before.cseq == refer.cseq) || !self.on(Rule::UnnamedIsLastBefore)
            }
        };
        let last = told().filter(about).filter_map(|said| said.sip.fragment).rfind(|status| *status >= 200);
        last.map(|status| status < 300)
            .or(is_refused(refer).then_some(false))
            .filter(|done| *done || self.on(Rule::TransferInVain))
    }

    /// A call that a REFER meant: it replaces the dialog that this names, or is to whom it names.
    fn is_meant(&self, refer: &Said, invite: &Said) -> bool {
        let Some(target) = refer.sip.refer_to.as_ref().map(|to| &to.uri) else { return false };
        let replaces = invite.sip.replaces.as_ref();
        let replaces = replaces.is_some_and(|id| target.text.contains(&format!("Replaces={}%3B", id.call_id)));
        let whom = invite.sip.request_uri.as_ref().is_some_and(|whom| whom.user == target.user);
        replaces || whom && self.on(Rule::AskedByName)
    }

    /// Calls that a REFER asked for: those that it meant; and those that name its call, and were meant by no other.
    fn asked_for(&self, refer: &Said<'a>, refers: &[&Said<'a>]) -> Vec<&Said<'a>> {
        let of = |invite: &&Said| {
            let names = invite.sip.referred_cid.as_deref() == Some(refer.call);
            let before = |refer: &Said| {
                let by_asked = user(invite.sip.from.as_ref()) == user(refer.sip.to.as_ref());
                invite.call != refer.call && invite.at() >= refer.at() && by_asked
            };
            let others = refers.iter().any(|other| before(other) && self.is_meant(other, invite));
            before(refer) && (self.is_meant(refer, invite) || names && !(others && self.on(Rule::OfItsOwnRefer)))
        };
        self.opening().filter(of).collect()
    }

    /// The dialog that took the place of this one for its caller: its 2xx.
    pub(super) fn successor(&self, dialog: &Said<'a>) -> Option<Said<'a>> {
        let refers = self.refers(dialog, false);
        let in_vain = |refer: &Said| {
            self.done(refer, &refers) == Some(false) && self.on(Rule::InVainHasNoSuccessor)
                || !self.on(Rule::ReferredServesOn)
        };
        let asked = refers.iter().filter(|refer| !in_vain(refer)).flat_map(|refer| self.asked_for(refer, &refers));
        let mut asked: Vec<&Said> = asked.collect();
        asked.sort_by_key(|invite| invite.at());
        asked.into_iter().find_map(|invite| self.answer_to(invite))
    }

    /// The caller handed the other side over, by a REFER that was not in vain; or another took the caller's place.
    pub(super) fn left(&self, dialog: &Said<'a>) -> bool {
        let own = user(dialog.sip.from.as_ref());
        let taken = self.opening().any(|invite| {
            let replaced = invite.sip.replaces.as_ref().is_some_and(|id| named(id, dialog));
            replaced && user(invite.sip.from.as_ref()) != own && user(invite.sip.to.as_ref()) != own
        });
        let refers = self.refers(dialog, true);
        // Whoever asks for something else has not left.
        let done = |(nth, refer): (usize, &&Said)| {
            let is_last = nth + 1 == refers.len() || !self.on(Rule::LastReferCounts);
            self.done(refer, &refers).unwrap_or(is_last)
        };
        let handed_over = refers.iter().enumerate().any(done);
        taken && self.on(Rule::PlaceWasTaken) || handed_over && self.on(Rule::CallerHandedOver)
    }
}

/// A message of the dialog that a Replaces names.
fn named(id: &DialogId, said: &Said) -> bool {
    let tags = [id.to_tag.as_str(), id.from_tag.as_str()];
    id.call_id == said.call && (tags == [said.tags.0, said.tags.1] || tags == [said.tags.1, said.tags.0])
}

fn user(address: Option<&NameAddr>) -> &str {
    address.map_or("", |address| address.uri.user.as_str())
}
