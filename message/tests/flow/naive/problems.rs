//! 4: what went wrong.

use super::*;

impl Model<'_, '_> {
    pub(super) fn problem(&mut self, what: &str, of: &Said) {
        self.told.problems.push(format!("{what} {} {}>{}", of.method, of.from, of.to));
    }

    pub(super) fn problems(&mut self) {
        self.unanswered();
        self.without_ack();
        for message in self.messages.iter().filter(|message| message.kind != Kind::Sip) {
            let what = match message.facts.result.as_ref().and_then(|result| result.status) {
                None => "unanswered",
                Some(400..) if self.on(Rule::RefusedRest) => "refused",
                Some(_) => continue,
            };
            let ends = (machine(&message.source), machine(&message.destination));
            let (from, to) = if what == "refused" { (ends.1, ends.0) } else { ends };
            self.told.problems.push(format!("{what} {} {from}>{to}", message.facts.method));
        }
        if let Some((level, status, _)) = self.result()
            && status >= 400
            && (status != 487 || !self.on(Rule::CancelledIsNoRefusal))
            && (self.is_last || !self.on(Rule::TriedAgainIsNoRefusal))
            && self.on(Rule::RefusedCaller)
        {
            let mut ends: Vec<Said> = level.iter().filter_map(|hop| self.final_of(*hop)).cloned().collect();
            ends.sort_by_key(Said::at);
            let own = ends.iter().find(|end| end.status == Some(status));
            let own = own.or_else(|| ends.iter().find(|end| end.status == Some(503) && status == 500));
            if let Some(end) = own {
                self.problem("refused", end);
            }
        }
        let refused = self.said.iter().filter(|said| {
            let alone = !matches!(said.method, "INVITE" | "CANCEL");
            let last = !self.said.iter().any(|other| (other.call, other.above) == (said.call, Some(said.branch)));
            said.status.is_some_and(|status| status >= 400) && alone && last && self.on(Rule::RefusedWithin)
        });
        for said in refused.cloned().collect::<Vec<_>>() {
            self.problem("refused", &said);
        }
        for (name, (outcome, _)) in self.told.legs.clone() {
            let all = self.legs[&name].hops.clone();
            let all: Vec<Said> = all.iter().flat_map(|hop| self.of(*hop)).cloned().collect();
            if outcome == "still ringing" {
                self.problem("still ringing", all.iter().find(|said| said.answers(180..190)).unwrap());
            }
            if outcome == "never got it" && self.on(Rule::AnswerLost) {
                self.problem("answer lost", all.iter().find(|said| said.answers(200..300)).unwrap());
            }
        }
    }

    pub(super) fn unanswered(&mut self) {
        let level = self.result().map(|(level, ..)| level).unwrap_or_default();
        let finals = level.iter().filter_map(|hop| self.final_of(*hop)).map(Said::at).max();
        let hung_up = self.told.ended.as_ref().map(|(at, _)| *at);
        let ended = finals.into_iter().chain(self.told.answered).chain(hung_up).max();
        // Whoever calls again has ended what was before.
        let ended = if self.is_last { ended } else { Some(i64::MAX) };
        let mut found: Vec<Said> = Vec::new();
        for said in self.said.iter().filter(|said| said.status.is_none() && said.method != "ACK") {
            let own = |other: &&Said| (other.call, other.branch, other.method) == (said.call, said.branch, said.method);
            let responses: Vec<&Said> = self.said.iter().filter(own).filter(|other| other.status.is_some()).collect();
            if responses.iter().any(|response| response.is_final()) {
                continue;
            }
            let passed_on = self.said.iter().any(|other| {
                other.method == said.method
                    && other.call == said.call
                    && other.status.is_none()
                    && other.above == Some(said.branch)
            });
            if passed_on && said.method != "CANCEL" && self.on(Rule::FarthestHop) {
                continue;
            }
            if said.method == "INVITE" {
                let rings_on = self.told.legs.get(&said.to).is_some_and(|(outcome, _)| outcome == "still ringing");
                let excused = if ended.is_some_and(|ended| ended > said.at()) {
                    rings_on || !self.on(Rule::InviteOfEndedCall)
                } else {
                    !responses.is_empty() && self.on(Rule::RingingIsNoSilence)
                };
                if excused {
                    continue;
                }
            }
            // What a machine never logs an answer of says nothing.
            let speaks =
                !is_server(&said.to) || self.all.iter().any(|other| other.status.is_some() && other.from == said.to);
            let forked = said.method == "INVITE"
                && self.above((said.call, said.branch)).is_some_and(|above| self.below(&[above]).len() > 1);
            let elsewhere = said.method != "CANCEL"
                && !forked
                && self.on(Rule::AnsweredOnOtherHop)
                && self.said.iter().any(|other| {
                    let same = (other.call, other.method, other.tags.0, other.cseq)
                        == (said.call, said.method, said.tags.0, said.cseq);
                    same && other.is_final() && !matches!(other.status, Some(408 | 480 | 487 | 500 | 503 | 504))
                });
            if speaks && !elsewhere && self.on(Rule::Unanswered) {
                found.push(said.clone());
            }
        }
        for said in found {
            self.problem("unanswered", &said);
        }
    }

    /// This ACK is no part of the transaction of an INVITE, and its dialog was answered.
    fn to_answer(&self, ack: &Said) -> bool {
        let mut own = self.all.iter().filter(|said| said.method == "INVITE" && said.call == ack.call);
        !own.clone().any(|said| said.branch == ack.branch)
            && own.any(|said| said.answers(200..300) && said.tags == ack.tags)
    }

    /// A 2xx to INVITE without an ACK, where ACKs to others are logged.
    pub(super) fn without_ack(&mut self) {
        let mut met: Vec<(&str, (&str, &str))> = Vec::new();
        for said in self.said.clone().iter().filter(|said| said.answers(200..300)) {
            let dialog = (said.call, said.tags);
            let lost = self.told.legs.iter().any(|(name, (outcome, _))| {
                let own = self.answer(&self.legs[name]).map(|answer| (answer.call, answer.tags));
                outcome == "never got it" && own == Some(dialog)
            });
            let logged = self.all.iter().any(|other| {
                let here = other.is("ACK") && other.call == said.call && !other.logs.is_disjoint(&said.logs);
                here && (self.to_answer(other) || !self.on(Rule::AckToRefusalIsAnother))
            });
            let acked = self.said.iter().any(|other| other.is("ACK") && (other.call, other.tags) == dialog);
            if met.contains(&dialog) || lost || acked || !logged && self.on(Rule::AcksAreLogged) {
                continue;
            }
            met.push(dialog);
            if self.on(Rule::NoAck) {
                self.problem("no ACK", said);
            }
        }
    }
}
