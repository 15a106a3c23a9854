//! 2 and 3: who takes whose place, by Replaces and by REFER.

use message::sip::DialogId;

use super::*;

impl<'a> Model<'a> {
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

    /// A REFER in the dialog of this 2xx, by the caller or by the other side.
    fn refer(&self, dialog: &Said, by_caller: bool) -> Option<&Said<'a>> {
        let (caller, callee) = dialog.tags;
        let tags = if by_caller { (caller, callee) } else { (callee, caller) };
        self.all.iter().find(|said| said.is("REFER") && said.call == dialog.call && said.tags == tags)
    }

    /// Calls that a REFER asked for, as a key tells: it names the dialog that they replace, or they name the call of the REFER.
    fn asked_for(&self, refer: &Said<'a>) -> Vec<&Said<'a>> {
        let target = refer.sip.refer_to.as_ref().map_or("", |to| to.uri.text.as_str());
        let of = |invite: &&Said| {
            let names = invite.sip.referred_cid.as_deref() == Some(refer.call);
            let replaces = invite.sip.replaces.as_ref();
            let replaces = replaces.is_some_and(|id| target.contains(&format!("Replaces={}%3B", id.call_id)));
            let by_asked = user(invite.sip.from.as_ref()) == user(refer.sip.to.as_ref());
            invite.call != refer.call && invite.at() >= refer.at() && by_asked && (names || replaces)
        };
        self.opening().filter(of).collect()
    }

    /// The dialog that took the place of this one for its caller: its 2xx.
    pub(super) fn successor(&self, dialog: &Said<'a>) -> Option<Said<'a>> {
        let refer = self.refer(dialog, false).filter(|_| self.on(Rule::ReferredServesOn))?;
        self.asked_for(refer).into_iter().find_map(|invite| self.answer_to(invite))
    }

    /// The caller handed the other side over, by a REFER that was not in vain; or another took the caller's place.
    pub(super) fn left(&self, dialog: &Said<'a>) -> bool {
        let own = user(dialog.sip.from.as_ref());
        let taken = self.opening().any(|invite| {
            let replaced = invite.sip.replaces.as_ref().is_some_and(|id| named(id, dialog));
            replaced && user(invite.sip.from.as_ref()) != own && user(invite.sip.to.as_ref()) != own
        });
        let handed_over = self.refer(dialog, true).is_some_and(|refer| {
            let refused = |said: &&Said| said.status.is_some_and(|status| status >= 300);
            let answers = self.all.iter().filter(|said| {
                (said.call, said.method, said.tags.0, said.cseq) == (refer.call, "REFER", refer.tags.0, refer.cseq)
            });
            let told = self.all.iter().filter(|said| said.is("NOTIFY") && said.call == refer.call);
            let in_vain = answers.filter(refused).count() > 0
                || told.filter_map(|said| said.sip.fragment).any(|status| status >= 300);
            !(in_vain && self.on(Rule::TransferInVain))
        });
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
