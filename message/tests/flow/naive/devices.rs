//! 2: what each device did, and what became of pushes.

use super::*;

impl<'a> Model<'a, '_> {
    pub(super) fn devices(&mut self) {
        for (name, leg) in &self.legs {
            self.told.legs.insert(name.clone(), (self.outcome(name, leg), self.push(name, leg)));
        }
    }

    pub(super) fn outcome(&self, name: &String, leg: &Leg<'a>) -> String {
        let all: Vec<&Said> = leg.hops.iter().flat_map(|hop| self.of(*hop)).collect();
        let answered_at = self.told.answered;
        if self.picked_up.as_ref() == Some(name) {
            return format!("picked up by {}", self.told.winner.as_deref().unwrap());
        }
        if leg.hops.is_empty() {
            return "not invited".into();
        }
        if self.told.winner.as_ref() == Some(name) {
            return "answered".into();
        }
        if let Some(own) = self.answer(leg) {
            return match answered_at {
                Some(at)
                    if own.at() > at
                        && !self.hung_up_at_once(own)
                        && self.is_below_agent(name)
                        && self.on(Rule::ConnectedAfter) =>
                {
                    format!("connected after {}", own.at() - at)
                }
                Some(_) if self.on(Rule::AnsweredTooHungUp) => "answered too".into(),
                Some(_) => "answered".into(),
                None => {
                    let late = self.told.cancelled.is_some_and(|cancelled| cancelled <= own.at());
                    let heeded = late && self.hung_up_at_once(own) && self.on(Rule::CancelledBeforeAnswer);
                    let lost = if self.on(Rule::NeverGotIt) { "never got it" } else { "answered" };
                    if heeded { "answered too".into() } else { lost.into() }
                }
            };
        }
        let cancel = all.iter().find(|said| said.is("CANCEL"));
        let elsewhere =
            cancel.is_some_and(|cancel| cancel.sip.reasons.iter().any(|reason| reason.contains("cause=200")));
        let end = all.iter().filter(|said| said.answers(300..700)).min_by_key(|said| said.at());
        if let Some(end) = end {
            let status = end.status.unwrap();
            return match status {
                487 => self.released(name, end.at(), elsewhere),
                408 if self.on(Rule::TimeoutIsUnreachable) => "unreachable".into(),
                300..400 if self.on(Rule::Redirected) => format!("redirected {status}"),
                _ => format!("refused {status}"),
            };
        }
        let ringing = || all.iter().filter(|said| said.answers(180..190));
        let rang = ringing().flat_map(|said| said.times.iter().copied()).max();
        let asked = all.iter().filter(|said| said.method == "INVITE").map(|said| said.at()).min();
        let mut others: Vec<i64> = Vec::new();
        for (_, other) in self.legs.iter().filter(|(other, _)| *other != name && self.on(Rule::RingsOnAfterAnyAnswer)) {
            others.extend(self.answer(other).map(Said::at));
        }
        let before = |at: &i64| asked.is_some_and(|asked| asked <= *at) || !self.on(Rule::AskedAfterAnswer);
        let answered_at = answered_at.into_iter().chain(others).filter(before);
        let stop = cancel.map(|cancel| cancel.at()).into_iter().chain(answered_at).min();
        let still = stop.zip(rang).is_some_and(|(stop, rang)| rang - stop > 500);
        if still && self.on(Rule::StillRinging) {
            return "still ringing".into();
        }
        // Whoever calls again has ended what was before.
        let over = self.told.result.is_some() || !self.is_last;
        if cancel.is_some() {
            let answered = all.iter().any(|said| said.method == "CANCEL" && said.is_final());
            return match answered {
                true if self.on(Rule::CancelAnsweredOnly) => "CANCEL 200, no 487".into(),
                false if self.on(Rule::CancelUnanswered) => "no answer to CANCEL".into(),
                _ => "cancelled".into(),
            };
        }
        match (over, rang) {
            (false, _) => "open".into(),
            (true, Some(_)) if self.on(Rule::RangEndNotLogged) => "rang, end not logged".into(),
            (true, _) if all.iter().any(|said| said.answers(100..200)) && self.on(Rule::TryingOnly) => {
                "no response".into()
            }
            (true, _) => "unreachable".into(),
        }
    }

    /// 487, and why.
    pub(super) fn released(&self, name: &String, at: i64, elsewhere: bool) -> String {
        let others = || self.legs.iter().filter(|(other, _)| *other != name);
        let earlier = |test: &dyn Fn(&Said) -> bool| {
            let all = others().flat_map(|(_, leg)| leg.hops.iter().flat_map(|hop| self.of(*hop)));
            all.filter(|said| test(said)).any(|said| said.at() <= at)
        };
        let answered =
            earlier(&|said| said.answers(200..300)) || self.told.answered.is_some_and(|answered| answered <= at);
        if elsewhere && self.on(Rule::ElsewhereByReason) {
            return "answered elsewhere".into();
        }
        if answered && self.on(Rule::ReleasedByAnswer) {
            return "released".into();
        }
        if self.told.cancelled.is_some_and(|cancelled| cancelled <= at) && self.on(Rule::CancelledByCaller) {
            return "cancelled".into();
        }
        if earlier(&|said| said.answers(600..700)) && self.on(Rule::RefusedForAll) {
            return "released, refused for all".into();
        }
        if self.on(Rule::RangOut) { "rang out".into() } else { "cancelled".into() }
    }

    pub(super) fn push(&self, name: &str, leg: &Leg<'a>) -> String {
        let hops = self.whole.hops.get(name).map_or(&[][..], Vec::as_slice);
        let all = if self.on(Rule::WokeInAnyAttempt) { &self.whole.said } else { &self.said };
        let registers = |said: &&Said| {
            let named = || {
                let token = said.sip.contacts[0].uri.param("pn-prid");
                leg.pushes.iter().any(|(.., pushed)| token == Some(*pushed))
            };
            said.is("REGISTER") && (self.whole.shown.contains(name) && said.from == name || named())
        };
        let Some(&(sent, status, _)) = leg.pushes.last() else {
            let bare = |said: &Said| said.sip.contacts[0].uri.param("pn-prid").is_none();
            let needless = self.whole.said.iter().filter(registers).any(bare) && self.on(Rule::NotNeeded);
            return if needless { "not needed".into() } else { "not logged".into() };
        };
        if let Some(status) = status.filter(|status| *status >= 300 && self.on(Rule::RefusedPush)) {
            return format!("refused {status}");
        }
        let mut awake: Vec<i64> = Vec::new();
        for said in all {
            // That it was silent, or was cancelled, says nothing of when it woke.
            let answers = hops.contains(&(said.call, said.branch)) && said.answers(101..700);
            let answers = answers && !matches!(said.status, Some(408 | 487));
            if (registers(&said) || answers) && said.at() >= sent {
                awake.push(said.at());
            }
        }
        if let Some(woke) = awake.first().filter(|_| self.on(Rule::Woke)) {
            return format!("woke after {}", woke - sent);
        }
        // No telephone wakes within a second.
        if self.decided().is_some_and(|decided| decided - sent > 1_000) && self.on(Rule::NeverWoke) {
            let mut invites = all.iter().filter(|said| said.is("INVITE") && hops.contains(&(said.call, said.branch)));
            let invited = invites.any(|invite| invite.at() - sent > 1_000);
            let unseen = invited && self.on(Rule::MaySleepUnseen) || leg.unnamed && self.on(Rule::UnnamedMayBeIt);
            return if unseen { "cannot tell".into() } else { "never woke".into() };
        }
        if status.is_some() { "accepted".into() } else { "sent".into() }
    }
}
