//! 2 and 3: what the caller got, who answered, who ended it.

use super::*;

impl<'a> Model<'a, '_> {
    pub(super) fn caller(&mut self) {
        if let Some((sender, answer, device)) = self.picked_up() {
            self.rings();
            self.told.result = Some((answer.status.unwrap(), false));
            (self.told.winner, self.picked_up) = (Some(sender), device);
            self.told.answered = Some(answer.at());
            self.goes_on(&answer);
            return;
        }
        let Some((level, status, inferred)) = self.result() else {
            self.rings();
            return;
        };
        self.told.result = Some((status, inferred));
        self.rings();
        if status < 300 {
            self.winner(&level);
        }
    }

    /// The final answer on the nearest hop to the caller that shows one; else what a proxy would choose of the branches.
    pub(super) fn result(&self) -> Option<(Vec<Hop<'a>>, u16, bool)> {
        let mut level = self.roots();
        if !self.on(Rule::NearestHopDecides) {
            let inside = self.said.iter().find(|said| said.answers(200..300))?;
            return Some((vec![(inside.call, inside.branch)], inside.status?, false));
        }
        while !level.is_empty() {
            let is_fork = level.iter().any(|hop| self.ends(*hop).is_some_and(|(_, to)| !is_server(&to)));
            let mut ends: Vec<Option<&Said>> = level.iter().map(|hop| self.final_of(*hop)).collect();
            if self.on(Rule::ChallengeIsNoEnd) && ends.len() > 1 && !is_fork {
                ends.retain(|end| end.is_none_or(|end| end.status != Some(407)));
            }
            let finals: Vec<&Said> = ends.iter().flatten().copied().collect();
            let answered = finals.iter().filter(|end| end.answers(200..300)).min_by_key(|end| end.at());
            if let Some(answered) = answered {
                return Some((level, answered.status?, is_fork))
                    .filter(|_| !is_fork || self.on(Rule::InferredFromBranches));
            }
            if is_fork && finals.len() == level.len() && self.on(Rule::InferredFromBranches) {
                let status = self.chosen(&finals)?;
                return Some((level, status, true));
            }
            if let Some(end) = finals.first().filter(|_| !is_fork) {
                let status = end.status?;
                return Some((level, status, false));
            }
            if self.on(Rule::KnownToLogFinals) && level.iter().any(|hop| self.logs_finals(*hop)) {
                return None;
            }
            level = self.below(&level);
        }
        None
    }

    /// A 2xx, else the first final answer.
    pub(super) fn final_of(&self, hop: Hop<'a>) -> Option<&Said<'a>> {
        self.of(hop).find(|said| said.answers(200..300)).or_else(|| self.of(hop).find(|said| said.answers(300..700)))
    }

    /// The machine that this INVITE went to is known to log its final answers to INVITE.
    pub(super) fn logs_finals(&self, hop: Hop<'a>) -> bool {
        let Some(to) = self.invite(hop).map(|invite| invite.to.clone()) else { return false };
        let own = |said: &&Said| said.answers(200..700) && said.from == to;
        self.all.iter().filter(own).any(|said| said.logs.iter().any(|log| server_of(log) == to))
    }

    /// RFC 3261, 16.7, step 6.
    pub(super) fn chosen(&self, finals: &[&Said]) -> Option<u16> {
        let mut finals = finals.to_vec();
        finals.sort_by_key(|end| end.at());
        let class = |end: &&&Said| end.status.unwrap_or_default() / 100;
        let for_all = finals.iter().find(|end| class(end) == 6).filter(|_| self.on(Rule::RefusalForAllFirst));
        let lowest = || {
            if self.on(Rule::LowestClassFirst) { finals.iter().min_by_key(class) } else { finals.first() }
        };
        let status = for_all.or_else(lowest)?.status?;
        Some(if status == 503 && self.on(Rule::UnavailableIsError) { 500 } else { status })
    }

    /// The first 180 at the caller, and the first 18x with a session description, each on the nearest hop that shows it.
    pub(super) fn rings(&mut self) {
        let first = |test: &dyn Fn(&Said) -> bool| {
            let mut level = self.roots();
            if !self.on(Rule::FirstRingAtCaller) {
                level = self.legs.values().flat_map(|leg| leg.hops.clone()).collect();
            }
            while !level.is_empty() {
                let times = level.iter().flat_map(|hop| self.of(*hop)).filter(|said| test(said)).map(Said::at);
                if let Some(at) = times.min() {
                    return Some(at);
                }
                level = self.below(&level);
            }
            None
        };
        let rang = first(&|said| said.answers(180..181));
        let media = first(&|said| said.answers(180..190) && said.sip.sdp.is_some());
        let roots = self.roots();
        let cancels = self.said.iter().filter(|said| said.is("CANCEL") && roots.contains(&(said.call, said.branch)));
        let cancelled = cancels.map(Said::at).min();
        self.told.rang = rang;
        self.told.early_media = media.filter(|_| self.on(Rule::EarlyMedia));
        self.told.cancelled = cancelled;
    }

    pub(super) fn is_below_agent(&self, leg: &str) -> bool {
        self.legs[leg].hops.iter().any(|hop| hop.0 != self.call)
    }

    pub(super) fn winner(&mut self, level: &[Hop<'a>]) {
        let mut answers: Vec<Said> =
            level.iter().flat_map(|hop| self.of(*hop)).filter(|said| said.answers(200..300)).cloned().collect();
        answers.sort_by_key(Said::at);
        let stays = |said: &&Said| !self.on(Rule::HungUpAtOnceIsNoWinner) || !self.hung_up_at_once(said);
        let Some(answer) = answers.iter().find(stays).or(answers.first()).cloned() else { return };
        let at = answer.at();
        let by_tag = self.legs.iter().find(|(_, leg)| {
            let all = leg.hops.iter().flat_map(|hop| self.of(*hop));
            all.filter(|said| said.method == "INVITE")
                .any(|said| (said.call, said.tags.1) == (answer.call, answer.tags.1))
        });
        let by_tag = by_tag.filter(|_| self.on(Rule::SameTagWins)).map(|(name, _)| name.clone());
        let mut legs: Vec<(i64, &String, bool)> = Vec::new();
        for (name, leg) in &self.legs {
            if let Some(own) = self.answer(leg) {
                legs.push((own.at(), name, self.hung_up_at_once(own)));
            }
        }
        // Of one millisecond the first leg.
        legs.sort_by_key(|(at, name, _)| (*at, std::cmp::Reverse(*name)));
        let before: Vec<_> = legs.iter().filter(|(own, ..)| *own <= at).collect();
        let stay = before.iter().rev().find(|(.., at_once)| !at_once).or(before.last());
        let stay = stay.filter(|_| self.on(Rule::LastBeforeCallersWins)).map(|(_, name, _)| (*name).clone());
        // No log shows the end of one device alone: nobody else can have answered.
        let mut open = self.legs.iter().filter(|(name, leg)| {
            let own = |said: &Said| said.answers(200..700);
            !leg.hops.is_empty()
                && !self.is_below_agent(name)
                && !leg.hops.iter().flat_map(|hop| self.of(*hop)).any(own)
        });
        let only = open.next().filter(|_| open.next().is_none()).map(|(name, _)| name.clone());
        self.told.winner = by_tag.or(stay).or(only);
        if self.told.winner.is_none() && self.on(Rule::AgentAnswered) {
            let after = legs.iter().filter(|(own, ..)| *own > at).min();
            self.told.talked_to = after.map(|(_, name, _)| (*name).clone());
        }
        self.told.answered = Some(at);
        self.goes_on(&answer);
    }

    /// Until the last dialog ended that served the caller, and by whom.
    fn goes_on(&mut self, answer: &Said<'a>) {
        let mut dialog = answer.clone();
        while let Some(next) = self.successor(&dialog) {
            dialog = next;
        }
        let bye = self.bye(&dialog).cloned();
        self.told.went_on = bye.is_some() && self.left(&dialog);
        self.told.ended = bye.map(|bye| (bye.at(), self.sender(&bye)));
    }

    pub(super) fn answer(&self, leg: &Leg<'a>) -> Option<&Said<'a>> {
        let all = leg.hops.iter().flat_map(|hop| self.of(*hop)).filter(|said| said.answers(200..300));
        all.min_by_key(|said| said.at())
    }

    /// The first BYE of the dialog that a 2xx made.
    pub(super) fn bye(&self, answer: &Said) -> Option<&Said<'a>> {
        let (one, other) = answer.tags;
        let own = |said: &&Said| {
            let of_dialog = said.tags == (one, other) || said.tags == (other, one);
            said.is("BYE") && (of_dialog || !self.on(Rule::ByeEndsItsDialog)) && said.call == answer.call
        };
        self.all.iter().find(own)
    }

    pub(super) fn hung_up_at_once(&self, answer: &Said) -> bool {
        let all = self.said.iter().filter(|said| said.answers(200..300));
        let first = all.filter(|said| (said.call, said.tags) == (answer.call, answer.tags)).map(Said::at).min();
        self.bye(answer).zip(first).is_some_and(|(bye, first)| bye.at() - first <= 5_000)
    }

    /// Who sent a BYE, or the one in another dialog that it passes on.
    pub(super) fn sender(&self, bye: &Said) -> String {
        let came = |said: &&Said| {
            let soon = (0..=2_000).contains(&(bye.at() - said.at()));
            said.is("BYE") && said.to == bye.from && said.call != bye.call && soon
        };
        // A proxy names who sent it.
        let agent = is_server(&bye.from) && bye.above.is_none() || !self.on(Rule::AgentAlonePassesOn);
        let came = self.all.iter().find(came).filter(|_| agent && self.on(Rule::ByeIsPassedOn));
        let first = came.and_then(|came| {
            self.all.iter().find(|said| said.is("BYE") && (said.call, said.tags) == (came.call, came.tags))
        });
        self.hung_up(first.unwrap_or(bye))
    }

    /// Who sends a BYE itself; of one that a proxy passed on, the device of that side, or its user.
    pub(super) fn hung_up(&self, bye: &Said) -> String {
        if bye.above.is_none() || !self.on(Rule::ByeNamesItsSide) {
            return bye.from.clone();
        }
        let tag = bye.tags.0;
        let of_call = self.all.iter().filter(|said| said.method == "INVITE" && said.call == bye.call);
        let mut called =
            of_call.clone().filter(|said| said.status.is_some() && said.tags.1 == tag && !is_server(&said.from));
        let called = called.next().map(|said| said.from.clone());
        let own = |said: &&Said| said.is("INVITE") && said.tags.0 == tag && said.above.is_none();
        let caller = || of_call.clone().find(own).map(|invite| invite.from.clone()).filter(|from| !is_server(from));
        let user = || bye.sip.from.as_ref().unwrap().uri.user.clone();
        called.or_else(caller).unwrap_or_else(user)
    }
}
