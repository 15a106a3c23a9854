//! What every step reads of the messages, looked up once: sources, addresses, transactions.

pub mod base;
pub mod logger;
pub mod related;
pub mod same;
pub mod unknown;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::unknown::Side;
use crate::address::Address;
use crate::exchange::{Half, Sighting};
use crate::facts::SipFacts;
use crate::kind::Kind;
use crate::logged::{Message, Place};
use crate::number::{ByNumber, Numbers};
use crate::sip::Via;
use record::id::CallKey;

/// The messages of a scenario with small numbers in place of the texts that are compared again and again.
pub struct Scene<'a> {
    pub messages: &'a [Message],
    /// By message: which log of which host it stands in, numbered in the order of their names.
    pub source: Vec<usize>,
    pub sources: usize,
    pub addresses: Vec<Address>,
    /// By address index: where a peer stands whose address is not logged.
    pub unknown: Vec<Option<Side>>,
    pub verb: Vec<Verb>,
    /// By message: address indices of the header line.
    pub from: Vec<usize>,
    pub to: Vec<usize>,
    /// By message: its transaction on its hop; ACK to a refusal and CANCEL have that of their INVITE.
    pub transaction: Vec<usize>,
    /// By message: the transaction that the Via below the top one names.
    pub below: Vec<Option<usize>>,
}

/// The methods that mean something to a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Invite,
    Ack,
    Cancel,
    Bye,
    Register,
    /// Any other, and all of REST and push.
    Other,
}

/// RFC 3261, 8.1.1.7.
const COOKIE: &str = "z9hG4bK";

/// RFC 3261, 17.1.3 and 17.2.3: branch and method; sent-by, Call-ID and CSeq for those whose branch is not unique.
#[derive(PartialEq, Eq, Hash)]
enum Transaction<'a> {
    Sip {
        call: CallKey,
        branch: &'a str,
        host: &'a str,
        port: Option<u16>,
        cseq: Option<u32>,
        method: &'a str,
    },
    /// ACK to a 2xx: of the dialog, over all its hops.
    Ack {
        call: CallKey,
        cseq: Option<u32>,
        tag: &'a str,
    },
    Single(usize),
}

impl<'a> Scene<'a> {
    pub fn of(messages: &'a [Message]) -> Self {
        let (source, sources) = sources(messages);
        let mut hosts = Numbers::default();
        let mut addresses = Vec::new();
        let mut address = |text: &'a str| {
            let known = hosts.len();
            let index = hosts.of(text);
            if index == known {
                addresses.push(Address::read(text));
            }
            index
        };
        let from = messages.iter().map(|m| address(&m.source)).collect::<Vec<_>>();
        let to = messages.iter().map(|m| address(&m.destination)).collect::<Vec<_>>();
        let (mut addresses, same) = merge(addresses);
        let (transaction, below) = transactions(messages);
        let mut from: Vec<usize> = from.into_iter().map(|index| same[index]).collect();
        let mut to: Vec<usize> = to.into_iter().map(|index| same[index]).collect();
        let unknown = unknown::tell_apart(messages, &transaction, &mut addresses, (&mut from, &mut to));
        Self {
            messages,
            source,
            sources,
            verb: messages.iter().map(verb).collect(),
            addresses,
            unknown,
            from,
            to,
            transaction,
            below,
        }
    }

    /// Sender and receiver of a sighting: the response half of an exchange goes back.
    pub fn ends(&self, sighting: Sighting) -> (usize, usize) {
        let (from, to) = (self.from[sighting.message], self.to[sighting.message]);
        if sighting.half == Half::Response { (to, from) } else { (from, to) }
    }

    pub fn sip(&self, message: usize) -> Option<&'a SipFacts> {
        self.messages[message].facts.sip.as_deref()
    }

    pub fn method(&self, message: usize) -> &'a str {
        &self.messages[message].facts.method
    }

    /// What tells messages of one transaction apart besides their status: 0 its own method, 1 CANCEL, 2 ACK.
    pub fn part(&self, message: usize) -> u8 {
        match self.verb[message] {
            Verb::Cancel => 1,
            Verb::Ack => 2,
            _ => 0,
        }
    }

    /// A SIP request that opens something: it has no To-tag.
    pub fn opens(&self, sighting: Sighting) -> bool {
        !sighting.is_response(self.messages) && self.sip(sighting.message).is_some_and(|sip| to_tag(sip).is_none())
    }

    /// The status of a response to INVITE.
    pub fn invite_status(&self, sighting: Sighting) -> Option<u16> {
        sighting.status(self.messages).filter(|_| self.verb[sighting.message] == Verb::Invite)
    }
}

fn verb(message: &Message) -> Verb {
    match message.facts.method.as_str() {
        _ if message.facts.kind != Kind::Sip => Verb::Other,
        "INVITE" => Verb::Invite,
        "ACK" => Verb::Ack,
        "CANCEL" => Verb::Cancel,
        "BYE" => Verb::Bye,
        "REGISTER" => Verb::Register,
        _ => Verb::Other,
    }
}

pub fn to_tag(sip: &SipFacts) -> Option<&str> {
    sip.to.as_ref().and_then(|to| to.tag()).filter(|tag| !tag.is_empty())
}

pub fn from_tag(sip: &SipFacts) -> Option<&str> {
    sip.from.as_ref().and_then(|from| from.tag()).filter(|tag| !tag.is_empty())
}

/// Messages of one stream share their place, so its names are compared once, not ten thousand times.
fn sources(messages: &[Message]) -> (Vec<usize>, usize) {
    let mut places: ByNumber<*const Place, usize> = ByNumber::default();
    let mut names = Vec::new();
    let mut place = |message: &Message| {
        *places.entry(Arc::as_ptr(&message.place)).or_insert_with(|| {
            names.push((message.place.agent.clone(), message.place.source.clone()));
            names.len() - 1
        })
    };
    let place: Vec<_> = messages.iter().map(&mut place).collect();
    let sorted: Vec<_> = names.iter().collect::<BTreeSet<_>>().into_iter().collect();
    let number: Vec<_> = names.iter().map(|name| sorted.partition_point(|other| *other < name)).collect();
    (place.into_iter().map(|place| number[place]).collect(), sorted.len())
}

/// Two spellings of one address (`sip:h`, `sip:h:5060;transport=udp`) are one.
fn merge(read: Vec<Address>) -> (Vec<Address>, Vec<usize>) {
    let mut numbers = Numbers::default();
    let mut addresses = Vec::new();
    let mut same = Vec::with_capacity(read.len());
    for address in read {
        let known = numbers.len();
        let index = numbers.of(address.clone());
        if index == known {
            addresses.push(address);
        }
        same.push(index);
    }
    (addresses, same)
}

fn transactions(messages: &[Message]) -> (Vec<usize>, Vec<Option<usize>>) {
    let mut numbers = Numbers::with_room(2 * messages.len());
    let mut found = vec![0; messages.len()];
    let mut below = vec![None; messages.len()];
    for (index, message) in messages.iter().enumerate() {
        let facts = &message.facts;
        match &facts.sip {
            _ if facts.kind != Kind::Sip => found[index] = numbers.of(Transaction::Single(index)),
            // Second pass: whether an ACK is of the INVITE transaction shows when all others are known.
            Some(_) if facts.method == "ACK" => {}
            Some(sip) => {
                let method = if facts.method == "CANCEL" { "INVITE" } else { &facts.method };
                let mut vias = sip.vias.iter();
                found[index] = numbers.of(key(message.call, vias.next(), sip.cseq, method));
                below[index] = vias.next().map(|via| numbers.of(key(message.call, Some(via), sip.cseq, method)));
            }
            None => found[index] = numbers.of(Transaction::Single(index)),
        }
    }
    for (index, message) in messages.iter().enumerate() {
        let Some(sip) = message.facts.sip.as_ref().filter(|_| message.facts.method == "ACK") else { continue };
        let of_invite =
            sip.vias.first().and_then(|via| numbers.find(&key(message.call, Some(via), sip.cseq, "INVITE")));
        found[index] = of_invite.unwrap_or_else(|| {
            let tag = to_tag(sip).unwrap_or_default();
            numbers.of(Transaction::Ack { call: message.call, cseq: sip.cseq, tag })
        });
    }
    (found, below)
}

fn key<'a>(call: CallKey, via: Option<&'a Via>, cseq: Option<u32>, method: &'a str) -> Transaction<'a> {
    let (branch, host, port) = via.map_or(("", "", None), |via| (via.branch.as_str(), via.host.as_str(), via.port));
    // A branch with the magic cookie is unique, and a NAT changes sent-by between INVITE and CANCEL.
    let (host, port) =
        if branch.len() > COOKIE.len() && branch.starts_with(COOKIE) { ("", None) } else { (host, port) };
    Transaction::Sip { call, branch, host, port, cseq, method }
}
