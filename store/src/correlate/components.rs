//! Which calls share keys: union-find in memory, before any row is touched. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::event::CallEvent;
use message::keys::Key;
use message::summary::Summary;
use record::id::{CallKey, MessageId, StreamId};
use record::time::{Day, Timestamp};

use super::groups::Groups;

/// Calls of one batch that share keys.
#[derive(Clone, Debug)]
pub(super) struct Component {
    /// Sorted by hash, each once, the calls' own keys too.
    pub keys: Vec<KeyUse>,
    pub calls: Vec<CallUse>,
    pub summary: Summary,
}

#[derive(Clone, Debug)]
pub(super) struct KeyUse {
    pub key: Key,
    pub hash: [u8; 16],
    pub last: Timestamp,
    /// Calls whose own key it is: they are never refused.
    pub own: BTreeSet<CallKey>,
    /// Calls that carry it beside their own, and when each did first.
    pub carriers: BTreeMap<CallKey, Timestamp>,
}

/// A call part of a scenario.
#[derive(Clone, Debug)]
pub(super) struct CallUse {
    pub call: CallKey,
    pub call_id: String,
    pub stream: StreamId,
    pub day: Day,
    pub class: message::event::CallClass,
    pub first: Timestamp,
    /// The hash of its own key, and its first message.
    pub own: ([u8; 16], MessageId),
    /// Hashes of keys that it carries beside its own, each with the first message that carried it.
    pub carried: Vec<([u8; 16], MessageId)>,
}

/// Joins events to components: calls that share a key, directly or over others. The order of events does not matter
/// to which calls are together. `again`: events that are counted already, and carry more keys than they did.
pub(super) fn components<'a>(
    events: impl IntoIterator<Item = &'a CallEvent>,
    again: impl IntoIterator<Item = &'a CallEvent>,
) -> Vec<Component> {
    let mut union = Groups::new(0);
    let mut by_key: HashMap<[u8; 16], usize> = HashMap::new();
    let mut seen: Vec<(&CallEvent, bool, usize, Hashed)> = Vec::new();
    let new = events.into_iter().map(|event| (event, true));
    for (event, counts) in new.chain(again.into_iter().map(|event| (event, false))) {
        let keys = hashed(event);
        let mut places = keys.iter().map(|(_, hash)| *by_key.entry(*hash).or_insert_with(|| union.add()));
        // The call's own key is always there.
        let first = places.next();
        let others: Vec<usize> = places.collect();
        let first = first.unwrap_or_else(|| union.add());
        for other in others {
            union.join(first, other);
        }
        seen.push((event, counts, first, keys));
    }
    let mut gathered: BTreeMap<usize, Gathered> = BTreeMap::new();
    for (event, counts, place, keys) in seen {
        let of = gathered.entry(union.root(place)).or_default();
        of.add(event, keys);
        if counts {
            of.summary.add(event);
        }
    }
    gathered.into_values().map(Gathered::component).collect()
}

/// Keys with their hashes, which are made once.
type Hashed = Vec<(Key, [u8; 16])>;

/// The key of a call whose name joins no others.
pub(super) fn own_of(call: CallKey) -> Key {
    Key::new("own", call.to_string())
}

/// The call's own key first, then what it carries. A daily class is its Call-ID and day, and carries nothing.
fn hashed(event: &CallEvent) -> Hashed {
    let with_hash = |key: Key| {
        let hash = key.hash();
        (key, hash)
    };
    if event.class.is_daily() {
        let day = Key::new(event.class.name(), format!("{} {}", event.call_id, event.time.day().0));
        return vec![with_hash(day)];
    }
    let own = Key::own(&event.call_id).filter(|own| event.keys.first() == Some(own));
    // A Call-ID that says too little to join others still names its own call.
    let own = own.unwrap_or_else(|| own_of(event.call));
    let carried: Vec<Key> = event.keys.iter().filter(|key| **key != own).cloned().collect();
    std::iter::once(own).chain(carried).map(with_hash).collect()
}

#[derive(Default)]
struct Gathered {
    keys: BTreeMap<[u8; 16], KeyUse>,
    calls: BTreeMap<(CallKey, StreamId, Day), CallUse>,
    summary: Summary,
}

impl KeyUse {
    pub fn calls(&self) -> impl Iterator<Item = CallKey> {
        self.own.iter().chain(self.carriers.keys()).copied()
    }
}

impl Gathered {
    fn add(&mut self, event: &CallEvent, keys: Hashed) {
        let message = event.message();
        let own = keys.first().map_or([0; 16], |(_, hash)| *hash);
        let call = self.calls.entry((event.call, event.stream, event.day)).or_insert_with(|| CallUse {
            call: event.call,
            call_id: event.call_id.clone(),
            stream: event.stream,
            day: event.day,
            class: event.class,
            first: event.time,
            own: (own, message),
            carried: Vec::new(),
        });
        call.first = call.first.min(event.time);
        call.class = call.class.min(event.class);
        for (at, (key, hash)) in keys.into_iter().enumerate() {
            let used = self.keys.entry(hash).or_insert_with(|| KeyUse {
                key,
                hash,
                last: event.time,
                own: BTreeSet::new(),
                carriers: BTreeMap::new(),
            });
            used.last = used.last.max(event.time);
            if at == 0 {
                used.own.insert(event.call);
                continue;
            }
            let first = used.carriers.entry(event.call).or_insert_with(|| {
                // Once a call, whichever of its parts carried it first.
                call.carried.push((hash, message));
                event.time
            });
            *first = event.time.min(*first);
        }
    }

    fn component(self) -> Component {
        Component {
            keys: self.keys.into_values().collect(),
            calls: self.calls.into_values().collect(),
            summary: self.summary,
        }
    }
}

#[cfg(test)]
mod tests {
    use message::event::CallClass;
    use message::kind::Kind;
    use message::said::Said;
    use proptest::prelude::*;
    use record::id::Offset;
    use record::time::DAY;

    use super::*;

    fn event(at: u64, call_id: &str, class: CallClass, keys: &[&str]) -> CallEvent {
        CallEvent {
            exchange: Vec::new(),
            nameless: false,
            stream: StreamId(1),
            offset: Offset(at),
            call: CallKey::of(call_id.as_bytes()),
            call_id: call_id.into(),
            class,
            day: Day(0),
            time: Timestamp(at as i64),
            kind: Kind::Sip,
            method: "INVITE".into(),
            status: None,
            response: false,
            said: Said::default(),
            from: None,
            to: None,
            identity: None,
            target: None,
            branch: String::new(),
            to_tag: false,
            tags: Vec::new(),
            source: String::new(),
            destination: String::new(),
            keys: if class.is_daily() {
                Vec::new()
            } else {
                Key::own(call_id).into_iter().chain(keys.iter().map(|value| Key::new("call", *value))).collect()
            },
            cid: None,
            hop: None,
            answered_by: None,
        }
    }

    /// The Call-IDs of each component, sorted.
    fn calls(events: &[CallEvent]) -> Vec<Vec<String>> {
        let mut all: Vec<Vec<String>> = components(events, [])
            .into_iter()
            .map(|c| {
                let mut ids: Vec<String> = c.calls.into_iter().map(|call| call.call_id).collect();
                ids.sort();
                ids.dedup();
                ids
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn legs_of_a_b2bua_join_by_x_cid_whichever_habit_it_has() {
        let holds_a_leg =
            [event(1, "leg-aaa", CallClass::Call, &[]), event(2, "leg-bbb", CallClass::Call, &["leg-aaa"])];
        assert_eq!(calls(&holds_a_leg), [["leg-aaa", "leg-bbb"]]);
        let both_hold_one = [
            event(1, "leg-aaa", CallClass::Call, &["scenario-1"]),
            event(2, "leg-bbb", CallClass::Call, &["scenario-1"]),
        ];
        assert_eq!(calls(&both_hold_one), [["leg-aaa", "leg-bbb"]]);
    }

    #[test]
    fn a_registration_is_its_call_id_and_day_and_joins_nothing() {
        let mut next_day = event(2, "reg-1", CallClass::Registration, &["scenario-1"]);
        next_day.time = Timestamp(DAY + 1);
        let events = [
            event(1, "reg-1", CallClass::Registration, &["scenario-1"]),
            next_day,
            event(3, "call-1", CallClass::Call, &["scenario-1"]),
        ];
        assert_eq!(components(&events, []).len(), 3);
    }

    #[test]
    fn each_key_a_call_carries_is_kept_with_the_message_that_carried_it_first() {
        let events = [
            event(1, "leg-aaa", CallClass::Call, &[]),
            event(2, "leg-bbb", CallClass::Call, &["session", "leg-aaa"]),
            event(3, "leg-bbb", CallClass::Call, &["leg-aaa", "ticket"]),
        ];
        let component = components(&events, []).remove(0);
        let hash = |value: &str| Key::new("call", value).hash();
        let of = |call_id: &str| component.calls.iter().find(|call| call.call_id == call_id).unwrap();
        let message = |at: u64| MessageId::new(StreamId(1), Offset(at));
        assert_eq!(of("leg-aaa").carried, []);
        let carried = [(hash("session"), message(2)), (hash("leg-aaa"), message(2)), (hash("ticket"), message(3))];
        assert_eq!((of("leg-bbb").own, &of("leg-bbb").carried[..]), ((hash("leg-bbb"), message(2)), &carried[..]));
        // Sorted, so that locks are taken in one order.
        assert!(component.keys.is_sorted_by_key(|key| key.hash));
    }

    proptest! {
        #[test]
        fn which_calls_are_together_does_not_depend_on_order(
            links in prop::collection::vec((0..12u8, 0..12u8), 1..20),
            shuffle in any::<prop::sample::Index>(),
        ) {
            let mut events: Vec<_> = links.iter().enumerate()
                .map(|(at, (call, key))| event(at as u64, &format!("call-{call}"), CallClass::Call, &[&format!("call-{key}")]))
                .collect();
            let before = calls(&events);
            let by = shuffle.index(events.len());
            events.rotate_left(by);
            events.reverse();
            prop_assert_eq!(calls(&events), before);
        }
    }
}
