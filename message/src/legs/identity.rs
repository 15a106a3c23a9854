//! Which messages speak of one device: instance, push token, GRUU, contact.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use crate::facts::PushFacts;
use crate::fold::Fold;
use crate::number::{Numbers, Sets};
use crate::scene::{Scene, Verb};
use crate::sip::{NameAddr, Uri};
use crate::tree::Tree;
use record::time::Timestamp;

/// What a device can be known by; those that stand in one message are one device.
#[derive(PartialEq, Eq, Hash)]
enum Mark<'a> {
    /// RFC 5626.
    Instance(&'a str),
    /// RFC 8599, without the escapes of its URI; or the token of a push.
    Token(Cow<'a, str>),
    /// RFC 5627.
    Gruu(&'a str),
    Device(&'a str),
    /// A push that names no device: the person it names, else who carries it.
    Pushed(&'a str),
    Contact(&'a str, &'a str, Option<u16>),
    /// An attempt whose request is not logged, and whose responses show no Contact: where these came from, else the attempt
    /// itself.
    Place(usize),
    Attempt(usize),
}

/// A REGISTER of a contact, in display order.
pub struct Registration<'a> {
    pub fold: usize,
    pub time: Timestamp,
    pub user: &'a str,
    pub device: usize,
    pub token: bool,
    pub contact: &'a NameAddr,
}

/// Devices by number; a number stands for all marks of one device.
#[derive(Default)]
pub struct Identities<'a> {
    marks: Numbers<Mark<'a>>,
    sets: Sets,
    /// By attempt.
    pub attempts: Vec<usize>,
    /// By attempt: the Contact of what answered it.
    pub told: Vec<Option<&'a Uri>>,
    /// By fold of a push.
    pub pushes: HashMap<usize, usize>,
    pub registrations: Vec<Registration<'a>>,
}

impl<'a> Identities<'a> {
    pub fn of(scene: &Scene<'a>, folds: &[Fold], tree: &Tree<'a>) -> Self {
        let mut known = Self::default();
        let mut registered = Vec::new();
        // What responses call the target of an INVITE that is not logged.
        let mut told: Vec<Option<&Uri>> = vec![None; tree.attempts.len()];
        for (index, fold) in folds.iter().enumerate() {
            let message = fold.first.message;
            let attempt = tree.of.get(&scene.transaction[message]).copied();
            let answered = attempt.map(|attempt| &tree.attempts[attempt]);
            match (scene.sip(message), &scene.messages[message].facts.push) {
                (Some(sip), _) if scene.verb[message] == Verb::Register && !fold.first.is_response(scene.messages) => {
                    let user = sip.to.as_ref().map_or("", |to| to.uri.user.as_str());
                    for contact in sip.contacts.iter().filter(|contact| contact.uri.text != "*") {
                        let device = known.contact(contact);
                        let token = contact.uri.param("pn-prid").is_some_and(|token| !token.is_empty());
                        let time = fold.first.time;
                        registered.push(Registration { fold: index, time, user, device, token, contact });
                    }
                }
                (Some(sip), _) if scene.invite_status(fold.first).is_some() => {
                    let far_end = answered.filter(|attempt| attempt.children.is_empty());
                    let (Some(far_end), Some(contact)) = (far_end, sip.contacts.first()) else { continue };
                    let own = matches!(scene.invite_status(fold.first), Some(101..=299));
                    if let Some(attempt) = attempt.filter(|_| own) {
                        told[attempt].get_or_insert(&contact.uri);
                    }
                    let Some(uri) = far_end.uri.or(attempt.and_then(|attempt| told[attempt])) else { continue };
                    if let Some(instance) = instance(contact) {
                        let device = known.uri(uri);
                        known.join(device, instance);
                    }
                }
                (None, Some(push)) => {
                    let device = known.push(push);
                    known.pushes.insert(index, device);
                }
                _ => {}
            }
        }
        known.attempts = (0..tree.attempts.len())
            .map(|attempt| match (tree.attempts[attempt].uri.or(told[attempt]), tree.attempts[attempt].ends) {
                (Some(uri), _) => known.uri(uri),
                (None, Some((_, to))) => known.marks.of(Mark::Place(to)),
                (None, None) => known.marks.of(Mark::Attempt(attempt)),
            })
            .collect();
        // Now that all marks are joined, each device has its last number.
        known.attempts = known.attempts.clone().into_iter().map(|device| known.sets.find(device)).collect();
        known.pushes = known.pushes.clone().into_iter().map(|(fold, device)| (fold, known.sets.find(device))).collect();
        for registration in &mut registered {
            registration.device = known.sets.find(registration.device);
        }
        known.registrations = registered;
        known.told = told;
        known
    }

    fn uri(&mut self, uri: &'a Uri) -> usize {
        let device = self.marks.of(Mark::Contact(&uri.user, &uri.host, uri.port));
        for (name, value) in uri.params.iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "pn-prid" => self.join(device, Mark::Token(percent_decode_str(value).decode_utf8_lossy())),
                "gr" => self.join(device, Mark::Gruu(value)),
                _ => {}
            }
        }
        device
    }

    fn contact(&mut self, contact: &'a NameAddr) -> usize {
        let device = self.uri(&contact.uri);
        if let Some(instance) = instance(contact) {
            self.join(device, instance);
        }
        device
    }

    fn push(&mut self, push: &'a PushFacts) -> usize {
        let token = push.token.as_deref().map(|token| self.marks.of(Mark::Token(token.into())));
        let Some(named) = push.device.as_deref() else {
            let other = || push.user.as_deref().filter(|user| !user.is_empty()).or(push.provider.as_deref());
            return token.unwrap_or_else(|| self.marks.of(Mark::Pushed(other().unwrap_or_default())));
        };
        let device = token.unwrap_or_else(|| self.marks.of(Mark::Device(named)));
        self.join(device, Mark::Device(named));
        // Many an application names its device as SIP does (RFC 5626).
        self.join(device, Mark::Instance(named.trim_matches(['"', '<', '>'])));
        device
    }

    fn join(&mut self, device: usize, mark: Mark<'a>) {
        let mark = self.marks.of(mark);
        self.sets.join(device, mark);
    }
}

fn instance(contact: &NameAddr) -> Option<Mark<'_>> {
    contact
        .param("+sip.instance")
        .map(|text| text.trim_matches(['"', '<', '>']))
        .filter(|t| !t.is_empty())
        .map(Mark::Instance)
}
