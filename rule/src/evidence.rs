//! All that a judgement rests on.

use std::collections::{BTreeMap, BTreeSet};

use message::event::CallClass;
use message::flow::{Flow, Log};
use message::logged::Message;
use message::user;
use percent_encoding::percent_decode_str;
use record::time::Timestamp;

use crate::holds::AllHolds;

/// What is known of one scenario and of its logs. The same evidence gives the same verdicts.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub flow: &'a Flow,
    /// Those that the flow was made of.
    pub messages: &'a [Message],
    pub class: CallClass,
    /// The last registration of each device of its people that is older than the scenario.
    pub bindings: &'a [Binding],
    pub holds: &'a AllHolds,
    pub read: &'a Read,
}

impl Evidence<'_> {
    /// Users whose registrations before the scenario rules want to know: those of calls with a push, and of devices that can be
    /// pushed to. Empty: rules ask for none.
    pub fn wants(messages: &[Message]) -> BTreeSet<String> {
        let pushed = messages.iter().any(|message| message.facts.push.is_some() && !message.facts.response);
        let requests = || messages.iter().filter(|message| !message.facts.response);
        let invites =
            || requests().filter(|message| message.facts.method == "INVITE").filter_map(|m| m.facts.sip.as_ref());
        let pushable = invites().any(|sip| sip.request_uri.as_ref().is_some_and(|uri| uri.param("pn-prid").is_some()));
        if !pushed && !pushable {
            return BTreeSet::new();
        }
        let asked = invites().flat_map(|sip| sip.to.as_ref().map(|to| &to.uri).into_iter().chain(&sip.request_uri));
        let named = requests().filter_map(|message| message.facts.push.as_ref()?.user.as_deref());
        let all = asked.map(|uri| uri.user.as_str()).chain(named).filter(|user| !user.is_empty());
        all.map(user::normal).collect()
    }
}

impl Binding {
    /// The last registration of each device among these messages.
    pub fn last(messages: &[Message]) -> Vec<Self> {
        let mut last: BTreeMap<(String, String, Option<u16>), Self> = BTreeMap::new();
        for message in messages.iter().filter(|message| !message.facts.response && message.facts.method == "REGISTER") {
            let Some(sip) = message.facts.sip.as_deref() else { continue };
            let named = sip.to.as_ref().map(|to| user::normal(&to.uri.user));
            for contact in sip.contacts.iter().filter(|contact| contact.uri.text != "*") {
                let uri = &contact.uri;
                let place = (uri.user.clone(), uri.host.clone(), uri.port);
                let bare = |text: &str| text.trim_matches(['"', '<', '>']).to_owned();
                let token = uri.param("pn-prid").filter(|token| !token.is_empty());
                let binding = Self {
                    user: named.clone().unwrap_or_default(),
                    contact: place.clone(),
                    instance: contact.param("+sip.instance").map(bare),
                    token: token.map(|token| percent_decode_str(token).decode_utf8_lossy().into_owned()),
                    user_agent: sip.user_agent.clone(),
                    time: message.time,
                    log: Log { agent: message.place.agent.clone(), source: message.place.source.clone() },
                };
                match last.get_mut(&place) {
                    Some(known) if known.time > binding.time => {}
                    Some(known) => *known = binding,
                    None => drop(last.insert(place, binding)),
                }
            }
        }
        last.into_values().collect()
    }
}

/// How far logs are read, in event time of each log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Read {
    pub to: BTreeMap<Log, Timestamp>,
    /// Logs of which nothing was reported for a while.
    pub silent: BTreeSet<Log>,
    /// By the clock of who reads. What has no deadline is not waited for in silent logs for ever.
    pub clock: Timestamp,
}

/// A registration of a device before the scenario began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// In normal form.
    pub user: String,
    /// The user, host and port of its Contact.
    pub contact: (String, String, Option<u16>),
    /// RFC 5626, and the token of RFC 8599.
    pub instance: Option<String>,
    pub token: Option<String>,
    pub user_agent: Option<String>,
    pub time: Timestamp,
    /// A log that held the REGISTER as it came in.
    pub log: Log,
}
