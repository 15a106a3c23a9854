//! What was heard of each INVITE on its hop: rings, final answers, CANCELs.

use super::branching::{Branched, Branching};
use crate::fold::Fold;
use crate::scene::{Scene, Verb, to_tag};
use crate::sip::answered_elsewhere;
use crate::tree::Tree;
use record::time::Timestamp;

/// By attempt.
pub struct Heard<'a>(pub Vec<Said<'a>>);

/// Of one attempt, in display order.
#[derive(Default)]
pub struct Said<'a> {
    /// 100 to 199, later sendings as well.
    pub provisional: Vec<Response<'a>>,
    pub finals: Vec<Response<'a>>,
    pub cancels: Vec<Cancel>,
}

#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    pub status: u16,
    pub time: Timestamp,
    /// Its To-tag.
    pub tag: Option<&'a str>,
    /// The URI of its Contact.
    pub contact: Option<&'a str>,
    pub fold: usize,
}

#[derive(Clone, Copy)]
pub struct Cancel {
    pub time: Timestamp,
    /// Its Reason says that the call was answered elsewhere.
    pub elsewhere: bool,
    /// It was answered.
    pub answered: bool,
}

impl Said<'_> {
    /// Something was said in a dialog of one of these To-tags.
    pub fn is_of(&self, tags: &[String]) -> bool {
        let mut all = self.provisional.iter().chain(&self.finals).filter_map(|response| response.tag);
        all.any(|tag| tags.iter().any(|own| own == tag))
    }
}

impl<'a> Heard<'a> {
    pub fn of(scene: &Scene<'a>, folds: &[Fold], tree: &Tree) -> Self {
        let mut heard = Self(std::iter::repeat_with(Said::default).take(tree.attempts.len()).collect());
        for (index, fold) in folds.iter().enumerate() {
            let (message, time) = (fold.first.message, fold.first.time);
            let Some(&attempt) = tree.of.get(&scene.transaction[message]) else { continue };
            let (Some(sip), said) = (scene.sip(message), &mut heard.0[attempt]) else { continue };
            let status = fold.first.status(scene.messages);
            match (scene.verb[message], status) {
                (Verb::Invite, Some(status)) => {
                    let contact = sip.contacts.first().map(|contact| contact.uri.text.as_str());
                    let response = Response { status, time, tag: to_tag(sip), contact, fold: index };
                    if status >= 200 {
                        said.finals.push(response);
                        continue;
                    }
                    said.provisional.push(response);
                    let later = later(scene, fold);
                    said.provisional.extend(later.map(|time| Response { time, ..response }));
                }
                (Verb::Cancel, None) => {
                    let elsewhere = sip.reasons.iter().any(|reason| answered_elsewhere(reason));
                    said.cancels.push(Cancel { time, elsewhere, answered: false });
                }
                (Verb::Cancel, Some(200..=299)) => said.cancels.iter_mut().for_each(|cancel| cancel.answered = true),
                _ => {}
            }
        }
        heard
    }

    /// When an attempt was begun; when it was first answered if its INVITE is not logged.
    pub fn since(&self, tree: &Tree, attempt: usize) -> Option<Timestamp> {
        let said = &self.0[attempt];
        let answered = || said.provisional.iter().chain(&said.finals).map(|response| response.time).min();
        tree.attempts[attempt].begun.or_else(answered)
    }

    /// Of some attempts of a leg, those that were passed on to nobody on it.
    fn far_ends<'t>(
        tree: &'t Tree,
        branching: &'t Branching,
        leg: usize,
        attempts: &'t [usize],
    ) -> impl Iterator<Item = usize> + 't {
        let on_leg = move |attempt: &usize| branching.of[*attempt] == Some(leg);
        let ends = move |attempt: &usize| !tree.attempts[*attempt].children.iter().any(&on_leg);
        attempts.iter().copied().filter(ends)
    }

    /// Of some attempts of a leg, the one that was sent last as near to the far end as it is logged, and what it was made of
    /// on the leg.
    pub fn last_way(&self, tree: &Tree, branching: &Branching, leg: usize, attempts: &[usize]) -> Vec<usize> {
        let own = |attempt: &usize| branching.legs[leg].tags.as_ref().is_none_or(|tags| self.0[*attempt].is_of(tags));
        let ends = Self::far_ends(tree, branching, leg, attempts).filter(own);
        let last = ends.max_by_key(|attempt| (tree.attempts[*attempt].begun, *attempt));
        let up = |attempt: &usize| tree.attempts[*attempt].parent.filter(|up| branching.of[*up] == Some(leg));
        std::iter::successors(last, up).collect()
    }

    /// What was responded to some INVITEs of a leg, as far as it is of its dialogs: provisional, then final.
    pub fn of_attempts<'r>(
        &'r self,
        branched: &'r Branched,
        attempts: &'r [usize],
    ) -> (impl Iterator<Item = &'r Response<'a>> + Clone, impl Iterator<Item = &'r Response<'a>> + Clone) {
        let own = |response: &&Response| {
            let tags = branched.tags.as_ref().zip(response.tag);
            tags.is_none_or(|(tags, tag)| tags.iter().any(|own| own == tag))
        };
        let all = attempts.iter().map(|attempt| &self.0[*attempt]);
        let provisional = all.clone().flat_map(|said| &said.provisional).filter(own);
        (provisional, all.flat_map(|said| &said.finals).filter(own))
    }

    /// The same of all INVITEs of the last try in which the leg was invited.
    pub fn of_leg<'r>(
        &'r self,
        branching: &'r Branching,
        leg: usize,
    ) -> (impl Iterator<Item = &'r Response<'a>> + Clone, impl Iterator<Item = &'r Response<'a>> + Clone) {
        self.of_attempts(&branching.legs[leg], &branching.legs[leg].last)
    }

    /// When the device of a leg first rang in its last try, as near to it as it is logged.
    pub fn rang(&self, branching: &Branching, leg: usize) -> Option<Timestamp> {
        let (all, _) = self.of_leg(branching, leg);
        let ringing = all.clone().filter(|response| response.status == 180);
        let media = all.filter(|response| response.status == 183);
        ringing.map(|r| r.time).min().or_else(|| media.map(|r| r.time).min())
    }

    /// What ended the last try of a leg.
    pub fn last(&self, tree: &Tree, branching: &Branching, leg: usize) -> Option<Response<'a>> {
        self.end(tree, branching, leg, &branching.legs[leg].last)
    }

    /// A 2xx if there is one; else the end of the last of these attempts, as near to the far end as it is logged.
    pub fn end(&self, tree: &Tree, branching: &Branching, leg: usize, attempts: &[usize]) -> Option<Response<'a>> {
        let (_, finals) = self.of_attempts(&branching.legs[leg], attempts);
        let answers = finals.clone().filter(|response| response.status < 300);
        if let Some(answer) = answers.min_by_key(|response| response.time) {
            return Some(*answer);
        }
        if branching.legs[leg].tags.is_some() {
            return finals.min_by_key(|response| response.time).copied();
        }
        let way = self.last_way(tree, branching, leg, attempts);
        way.into_iter().find_map(|attempt| self.0[attempt].finals.first().copied())
    }

    /// When the device of a leg responded to an INVITE of any try.
    pub fn responded(&self, branching: &Branching, leg: usize) -> Vec<Timestamp> {
        let (provisional, finals) = self.of_attempts(&branching.legs[leg], &branching.legs[leg].attempts);
        let told = provisional.chain(finals);
        // 100 is what a proxy says, and 408 what one says of a device that is silent.
        told.filter(|response| !matches!(response.status, 100 | 408 | 487)).map(|response| response.time).collect()
    }
}

/// When the same source logged it again.
fn later(scene: &Scene, fold: &Fold) -> impl Iterator<Item = Timestamp> {
    let message = fold.first.message;
    let logged = scene.messages[message].time;
    let own = fold.repeats.iter().filter(move |repeat| scene.source[**repeat] == scene.source[message]);
    own.map(move |repeat| {
        Timestamp(fold.first.time.0.saturating_add(scene.messages[*repeat].time.micros_since(logged)))
    })
}
