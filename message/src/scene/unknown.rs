//! Peers whose address is not in the log (`-`). What the messages say keeps them apart: the caller is not whoever was called,
//! and two targets are not one phone.
//!
//! ```text
//! [20:01:40.000][INVITE][-][sip:192.0.2.20]        the caller's side
//! [20:01:40.020][INVITE][sip:192.0.2.20][-]        the side that is called
//! ```

use std::collections::{HashMap, HashSet};

use super::{from_tag, to_tag};
use crate::address::Address;
use crate::kind::Kind;
use crate::logged::Message;
use crate::number::{ByNumber, Numbers};
use record::id::CallKey;

/// So many stand apart; more share a column on each side.
const MOST: usize = 32;

/// Where a peer without an address stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    Caller,
    Called,
    /// It takes part in REST or push.
    Beside,
}

/// Peers are one if these agree.
#[derive(PartialEq, Eq, Hash)]
struct Peer {
    side: Side,
    call: CallKey,
    /// Of those that are called: which target.
    target: Option<usize>,
}

/// Who talks to whom in each call.
struct Talk<'a> {
    messages: &'a [Message],
    transaction: &'a [usize],
    /// From-tags of requests that open something.
    openers: HashSet<(CallKey, &'a str)>,
    targets: Numbers<&'a str>,
    of_transaction: ByNumber<usize, usize>,
    of_tag: HashMap<(CallKey, &'a str), usize>,
}

/// Gives each peer without an address one of its own: no host, and a port that numbers it. Gives the sides, by address index.
pub fn tell_apart(
    messages: &[Message],
    transaction: &[usize],
    addresses: &mut Vec<Address>,
    (from, to): (&mut [usize], &mut [usize]),
) -> Vec<Option<Side>> {
    let named: Vec<bool> = addresses.iter().map(|address| !address.host.is_empty()).collect();
    if named.iter().all(|named| *named) {
        return vec![None; named.len()];
    }
    let mut talk = Talk::of(messages, transaction);
    talk.learn_tags(|message, sends| !named[if sends { from[message] } else { to[message] }]);
    addresses.retain(|address| !address.host.is_empty());
    let known = addresses.len();
    let mut sides = vec![None; known];
    // Those with a name move up to where the others were.
    let mut kept = 0..;
    let moved: Vec<usize> =
        named.iter().map(|named| if *named { kept.next().unwrap_or_default() } else { 0 }).collect();
    let mut peers: Numbers<Peer> = Numbers::default();
    let mut in_order: Vec<usize> = (0..messages.len()).collect();
    in_order.sort_by_key(|message| (messages[*message].time, messages[*message].id));
    for message in in_order {
        let sender = talk.sender(message);
        for (end, side) in [(&mut from[message], sender), (&mut to[message], opposite(sender))] {
            if named[*end] {
                *end = moved[*end];
                continue;
            }
            let target = if side == Side::Called { talk.target(message) } else { None };
            let count = peers.len();
            let own = Peer { side, call: messages[message].call, target };
            let shared = Peer { side, call: CallKey::default(), target: None };
            let peer = peers.of(if count < MOST || peers.find(&own).is_some() { own } else { shared });
            if peer == count {
                let port = u16::try_from(peer + 1).unwrap_or(u16::MAX);
                addresses.push(Address { host: String::new(), port });
                sides.push(Some(side));
            }
            *end = known + peer;
        }
    }
    sides
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Caller => Side::Called,
        Side::Called => Side::Caller,
        Side::Beside => Side::Beside,
    }
}

impl<'a> Talk<'a> {
    fn of(messages: &'a [Message], transaction: &'a [usize]) -> Self {
        let mut talk = Self {
            messages,
            transaction,
            openers: HashSet::new(),
            targets: Numbers::default(),
            of_transaction: ByNumber::default(),
            of_tag: HashMap::new(),
        };
        for (message, transaction) in messages.iter().zip(transaction) {
            let Some(sip) = message.facts.sip.as_deref() else { continue };
            if message.facts.response || to_tag(sip).is_some() {
                continue;
            }
            talk.openers.extend(from_tag(sip).map(|tag| (message.call, tag)));
            if let Some(uri) = &sip.request_uri {
                let target = talk.targets.of(&uri.text);
                talk.of_transaction.entry(*transaction).or_insert(target);
            }
        }
        talk
    }

    /// Which target a To-tag is of: `is_unnamed` says so of the sender of a message, or of its receiver.
    fn learn_tags(&mut self, is_unnamed: impl Fn(usize, bool) -> bool) {
        for (index, message) in self.messages.iter().enumerate() {
            let sends = self.sender(index) == Side::Called;
            let target = self.of_transaction.get(&self.transaction[index]).filter(|_| is_unnamed(index, sends));
            let tag = message.facts.sip.as_deref().and_then(to_tag);
            if let (Some(target), Some(tag)) = (target, tag) {
                self.of_tag.entry((message.call, tag)).or_insert(*target);
            }
        }
    }

    /// The side that sent a message.
    fn sender(&self, index: usize) -> Side {
        let message = &self.messages[index];
        let Some(sip) = message.facts.sip.as_deref().filter(|_| message.kind == Kind::Sip) else { return Side::Beside };
        let opens = |tag: Option<&'a str>| tag.is_some_and(|tag| self.openers.contains(&(message.call, tag)));
        // Where no opening request is logged, whoever stands in From is the caller.
        let back = !opens(from_tag(sip)) && opens(to_tag(sip));
        if back == message.facts.response { Side::Caller } else { Side::Called }
    }

    /// The target of the side that is called, where it is known.
    fn target(&self, index: usize) -> Option<usize> {
        if let Some(target) = self.of_transaction.get(&self.transaction[index]) {
            return Some(*target);
        }
        let message = &self.messages[index];
        let sip = message.facts.sip.as_deref()?;
        let tags = [to_tag(sip), from_tag(sip)];
        let mut targets = tags.into_iter().flatten().filter_map(|tag| self.of_tag.get(&(message.call, tag)));
        targets.next().copied()
    }
}
