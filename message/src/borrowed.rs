//! Registrations that a call borrows: those of the devices that were pushed to, from a minute before the first push or INVITE
//! until the call is answered after the last push, or over. They say whether a push woke its device. Those of a contact which
//! may be that device, though nothing says so, are borrowed too: then nobody can tell. The call does not own them.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;

use crate::facts::PushFacts;
use crate::kind::Kind;
use crate::logged::Message;
use crate::sip::{NameAddr, Uri};
use crate::user;
use record::id::CallKey;
use record::time::{MINUTE, Timestamp};

/// So long before.
const BEFORE: i64 = MINUTE;
/// Pushes of one call that are looked at for contacts which nothing tells apart.
const MOST: usize = 64;

/// What a call borrows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Whose registrations may be meant, in normal form.
    pub users: BTreeSet<String>,
    /// Event times; `to` belongs to it.
    pub from: Timestamp,
    pub to: Timestamp,
    marks: BTreeSet<Mark>,
    /// When each push was sent.
    pushes: Vec<(Timestamp, PushFacts)>,
}

/// What a device is known by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Mark {
    Instance(String),
    Token(String),
    Contact(String, String, Option<u16>),
}

impl Wanted {
    /// None: the call sent no push.
    pub fn of(messages: &[Message]) -> Option<Self> {
        let asked = || messages.iter().filter(|message| !message.facts.response);
        asked().find(|message| message.kind == Kind::Push)?;
        let invites = || asked().filter(|message| message.facts.method == "INVITE" && message.facts.sip.is_some());
        let pushes = || asked().filter(|message| message.kind == Kind::Push);
        let begun = invites().chain(pushes()).map(|message| message.time).min()?;
        let answers = messages.iter().filter(|message| message.facts.response && message.facts.method == "INVITE");
        let answered = answers.filter(|message| message.status.is_some_and(|status| status / 100 == 2));
        // A queue may answer first, and push then.
        let pushed = pushes().map(|message| message.time).max()?;
        let answered = answered.map(|message| message.time).filter(|time| *time > pushed).min();
        let to = answered.or_else(|| messages.iter().map(|message| message.time).max())?;
        let mut wanted = Self {
            users: BTreeSet::new(),
            from: Timestamp(begun.0.saturating_sub(BEFORE)),
            to,
            marks: BTreeSet::new(),
            pushes: pushes().filter_map(|push| Some((push.time, push.facts.push.clone()?))).take(MOST).collect(),
        };
        for sip in invites().filter_map(|message| message.facts.sip.as_deref()) {
            let to = sip.to.as_ref().map(|to| &to.uri);
            wanted.users.extend(to.into_iter().chain(&sip.request_uri).filter_map(person));
            wanted.marks.extend(sip.request_uri.iter().flat_map(marks));
        }
        for push in pushes().filter_map(|message| message.facts.push.as_ref()) {
            wanted.users.extend(push.user.as_deref().filter(|user| !user.is_empty()).map(user::normal));
            wanted.marks.extend(push.token.clone().map(Mark::Token));
            wanted.marks.extend(push.device.as_deref().map(|device| Mark::Instance(bare(device))));
        }
        Some(wanted)
    }

    /// Of registrations of these users those of its devices: all messages of a Call-ID under which one of them registered.
    pub fn taken(&self, mut registrations: Vec<Message>) -> Vec<Message> {
        let is_of_device = |message: &&Message| {
            // An answer lists all bindings of the person.
            let asks = message.facts.sip.as_deref().filter(|_| !message.facts.response);
            let contacts = asks.into_iter().flat_map(|sip| &sip.contacts);
            contacts.flat_map(contact_marks).any(|mark| self.marks.contains(&mark))
        };
        let asks = |message: &Message| !message.facts.response && message.facts.method == "REGISTER";
        let mut bound: BTreeMap<Mark, Timestamp> = BTreeMap::new();
        for message in registrations.iter().filter(|message| asks(message)) {
            for contact in message.facts.sip.iter().flat_map(|sip| &sip.contacts) {
                let first = bound.entry(place(&contact.uri)).or_insert(message.time);
                *first = message.time.min(*first);
            }
        }
        let may_be_device = |message: &&Message| {
            let contacts = message.facts.sip.iter().filter(|_| asks(message)).flat_map(|sip| &sip.contacts);
            contacts.filter(|contact| contact.uri.text != "*").any(|contact| {
                let first = bound.get(&place(&contact.uri));
                self.pushes.iter().any(|(sent, push)| first >= Some(sent) && !push.tells_apart(contact))
            })
        };
        let own = registrations.iter().filter(|message| is_of_device(message) || may_be_device(message));
        let calls: BTreeSet<CallKey> = own.map(|message| message.call).collect();
        registrations.retain(|message| {
            let within = (self.from..=self.to).contains(&message.time);
            within && calls.contains(&message.call) && message.is_registration()
        });
        registrations
    }
}

fn person(uri: &Uri) -> Option<String> {
    Some(user::normal(&percent_decode_str(&uri.user).decode_utf8_lossy())).filter(|user| !user.is_empty())
}

fn marks(uri: &Uri) -> Vec<Mark> {
    let param = |name: &str| uri.param(name).filter(|value| !value.is_empty());
    let token = param("pn-prid").map(|token| Mark::Token(percent_decode_str(token).decode_utf8_lossy().into_owned()));
    let gruu = param("gr").map(|instance| Mark::Instance(bare(instance)));
    token.into_iter().chain(gruu).chain(uri.is_contact().then(|| place(uri))).collect()
}

fn place(uri: &Uri) -> Mark {
    Mark::Contact(uri.user.clone(), uri.host.clone(), uri.port)
}

fn contact_marks(contact: &NameAddr) -> Vec<Mark> {
    let instance = contact.param("+sip.instance").map(|instance| Mark::Instance(bare(instance)));
    marks(&contact.uri).into_iter().chain(instance).collect()
}

/// `"<urn:uuid:…>"` as a push writes it.
fn bare(instance: &str) -> String {
    instance.trim_matches(['"', '<', '>']).to_owned()
}
