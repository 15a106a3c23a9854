//! Which addresses are devices of a person: who opens a dialog with one Via, and where INVITEs to a contact end.

use std::collections::{BTreeSet, HashMap};

use crate::address::Address;
use crate::facts::SipFacts;
use crate::fold::Fold;
use crate::number::{ByNumber, Numbers, Sets};
use crate::scene::Scene;
use crate::scene::base::Bases;
use crate::scene::logger::Loggers;
use crate::sip::{NameAddr, Uri, is_number};
use crate::tree::Tree;

/// Devices and the addresses they speak from.
#[derive(Default)]
pub struct Devices {
    /// By address index.
    pub of: Vec<Option<usize>>,
    pub persons: Vec<String>,
}

/// What the messages say of an address.
#[derive(Default)]
struct Claim<'a> {
    persons: BTreeSet<&'a str>,
    /// Contacts that INVITEs to it name, and contacts registered from it: more than one, and it is a hop.
    contacts: BTreeSet<(&'a str, &'a str, Option<u16>)>,
    sure: bool,
    /// It answered as one that passes on.
    hop: bool,
}

type Claims<'a> = ByNumber<usize, Claim<'a>>;

impl Devices {
    pub fn of(scene: &Scene, folds: &[Fold], bases: &Bases, loggers: &Loggers, tree: &Tree) -> Self {
        // Behind an address that the log does not name may be anybody.
        let named = |address: usize| !scene.addresses[address].host.is_empty();
        let outside = |address: usize| named(address) && !loggers.is_server(bases.of[address]);
        let mut claims = Claims::default();
        openers(scene, folds, &outside, &mut claims);
        far_ends(scene, folds, tree, &outside, &mut claims);
        let mut found: Vec<_> = claims
            .iter()
            .filter(|(_, claim)| claim.sure && !claim.hop && claim.persons.len() == 1 && claim.contacts.len() <= 1)
            .map(|(address, _)| *address)
            .collect();
        found.sort_unstable_by_key(|address| &scene.addresses[*address]);
        let mut sets = Sets::default();
        let mut known = HashMap::new();
        for &address in &found {
            if let Some(contact) = claims[&address].contacts.first() {
                sets.join(address, *known.entry(contact).or_insert(address));
            }
        }
        let mut numbers = Numbers::default();
        let mut devices = Self { of: vec![None; scene.addresses.len()], persons: Vec::new() };
        for &address in &found {
            let device = numbers.of(sets.find(address));
            devices.of[address] = Some(device);
            if device == devices.persons.len() {
                devices.persons.push(claims[&address].persons.iter().map(|person| shown(person)).collect());
            }
        }
        devices.take_hosts(scene, bases, &outside);
        devices
    }

    /// A host with one device is that device, whatever port it next speaks from.
    fn take_hosts(&mut self, scene: &Scene, bases: &Bases, outside: &dyn Fn(usize) -> bool) {
        let mut only: HashMap<&str, Option<usize>> = HashMap::new();
        for (address, device) in self.of.iter().enumerate() {
            if let Some(device) = device {
                let on_host = only.entry(&scene.addresses[address].host).or_insert(Some(*device));
                *on_host = on_host.filter(|other| other == device);
            }
        }
        for (index, address) in scene.addresses.iter().enumerate() {
            if self.of[index].is_none() && outside(index) && !bases.split[bases.of[index]] {
                self.of[index] = only.get(address.host.as_str()).copied().flatten();
            }
        }
    }
}

/// Who sends a first request with no Via but its own.
fn openers<'a>(scene: &Scene<'a>, folds: &[Fold], outside: &dyn Fn(usize) -> bool, claims: &mut Claims<'a>) {
    for fold in folds {
        let message = fold.first.message;
        let Some(sip) = scene.sip(message).filter(|sip| scene.opens(fold.first) && sip.vias.len() == 1) else {
            continue;
        };
        let method = scene.method(message);
        let from = scene.from[message];
        if !matches!(method, "INVITE" | "REGISTER" | "SUBSCRIBE" | "PUBLISH" | "MESSAGE") || !outside(from) {
            continue;
        }
        let register = method == "REGISTER";
        let Some(person) = user(if register { sip.to.as_ref() } else { sip.from.as_ref() }) else { continue };
        let claim = claims.entry(from).or_default();
        claim.persons.insert(person);
        claim.sure = true;
        if register {
            claim.contacts.extend(sip.contacts.iter().filter(|c| c.uri.text != "*").map(|c| contact(&c.uri)));
        }
    }
}

/// Where an INVITE was not passed on.
fn far_ends<'a>(
    scene: &Scene<'a>,
    folds: &[Fold],
    tree: &Tree<'a>,
    outside: &dyn Fn(usize) -> bool,
    claims: &mut Claims<'a>,
) {
    for attempt in tree.attempts.iter().filter(|attempt| attempt.children.is_empty()) {
        let (Some(fold), Some((_, to)), Some(uri)) = (attempt.fold, attempt.ends, attempt.uri) else { continue };
        if !outside(to) {
            continue;
        }
        let before = attempt.parent.and_then(|parent| tree.attempts[parent].uri).map(|uri| uri.user.as_str());
        let sip = scene.sip(folds[fold].first.message);
        let before = sip.and_then(|sip| forwarded(sip, uri)).or(before);
        let person = before.filter(|user| !user.is_empty()).or_else(|| sip.and_then(|sip| user(sip.to.as_ref())));
        let Some(person) = person.or(Some(uri.user.as_str())).filter(|user| !user.is_empty()) else { continue };
        let claim = claims.entry(to).or_default();
        claim.persons.insert(person);
        claim.contacts.insert(contact(uri));
        claim.sure |= uri.is_contact();
    }
    for fold in folds {
        let message = fold.first.message;
        let attempt = tree.of.get(&scene.transaction[message]).map(|attempt| &tree.attempts[*attempt]);
        let (Some(attempt), Some(sip)) = (attempt, scene.sip(message)) else { continue };
        let (from, _) = scene.ends(fold.first);
        if scene.invite_status(fold.first).is_none() || !attempt.children.is_empty() {
            continue;
        }
        if let Some(claim) = claims.get_mut(&from) {
            claim.hop |= passes_on(sip, attempt.uri, &scene.addresses[from]);
        }
    }
}

/// Whom an INVITE was forwarded to, if it was.
pub fn forwarded<'a>(sip: &'a SipFacts, uri: &'a Uri) -> Option<&'a str> {
    let diverted = !sip.diverted.is_empty() && !sip.diverted.contains(&uri.user);
    sip.forwarded_to.as_deref().or_else(|| diverted.then_some(uri.user.as_str()))
}

/// A response that carries another's Contact, or a route through its sender, was passed on by it.
fn passes_on(sip: &SipFacts, uri: Option<&Uri>, sender: &Address) -> bool {
    let is_sender = |uri: &Uri| Address::new(&uri.host, uri.port) == *sender;
    let own = |contact: &NameAddr| {
        let asked = uri.is_some_and(|uri| (&uri.host, uri.port) == (&contact.uri.host, contact.uri.port));
        asked || is_sender(&contact.uri) || !is_number(&contact.uri.host)
    };
    sip.contacts.first().is_some_and(|contact| !own(contact)) || sip.record_routes.iter().any(|r| is_sender(&r.uri))
}

fn contact(uri: &Uri) -> (&str, &str, Option<u16>) {
    (&uri.user, &uri.host, uri.port)
}

/// A user as people read it: `%EA%B9%80` is 김.
pub fn shown(user: &str) -> String {
    percent_encoding::percent_decode_str(user).decode_utf8_lossy().replace('\0', "\u{fffd}")
}

/// The user part, where there is one.
pub fn user(name: Option<&NameAddr>) -> Option<&str> {
    name.map(|name| name.uri.user.as_str()).filter(|user| !user.is_empty())
}
