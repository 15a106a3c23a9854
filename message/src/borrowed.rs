//! Registrations that a call borrows: those of the devices that were pushed to, from a minute before the first push or INVITE
//! until the call is answered after the last push, or over. They say whether a push woke its device. The call does not own them.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use crate::kind::Kind;
use crate::logged::Message;
use crate::sip::{NameAddr, Uri};
use crate::user;
use record::id::CallKey;
use record::time::{MINUTE, Timestamp};

/// So long before.
const BEFORE: i64 = MINUTE;

/// What a call borrows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Whose registrations may be meant, in normal form.
    pub users: BTreeSet<String>,
    /// Event times; `to` belongs to it.
    pub from: Timestamp,
    pub to: Timestamp,
    marks: BTreeSet<Mark>,
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
        let calls: BTreeSet<CallKey> = registrations.iter().filter(is_of_device).map(|message| message.call).collect();
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
    let place = uri.is_contact().then(|| Mark::Contact(uri.user.clone(), uri.host.clone(), uri.port));
    token.into_iter().chain(gruu).chain(place).collect()
}

fn contact_marks(contact: &NameAddr) -> Vec<Mark> {
    let instance = contact.param("+sip.instance").map(|instance| Mark::Instance(bare(instance)));
    marks(&contact.uri).into_iter().chain(instance).collect()
}

/// `"<urn:uuid:…>"` as a push writes it.
fn bare(instance: &str) -> String {
    instance.trim_matches(['"', '<', '>']).to_owned()
}
