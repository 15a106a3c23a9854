//! Which calls of a batch share keys: union-find in memory, before any row is touched. Pure.

use std::collections::{BTreeMap, HashMap};

use message::event::CallEvent;
use message::id::{CallKey, MessageId, StreamId};
use message::keys::Key;
use message::summary::Summary;
use message::time::{Day, Timestamp};
use store::correlate::{CallUse, Component, KeyUse};

/// Keys with their hashes, which are made once.
type Hashed = Vec<(Key, [u8; 16])>;

/// Joins events to components: calls that share a key, directly or over others. The order of events does not matter
/// to which calls are together.
pub fn components(events: &[CallEvent]) -> Vec<Component> {
    let mut forest = Forest::default();
    let mut by_key: HashMap<[u8; 16], usize> = HashMap::new();
    let mut seen: Vec<(usize, Hashed)> = Vec::with_capacity(events.len());
    for event in events {
        let keys: Vec<_> = keys_of(event)
            .into_iter()
            .map(|key| {
                let hash = key.hash();
                (key, hash)
            })
            .collect();
        let mut root: Option<usize> = None;
        for (_, hash) in &keys {
            let of_key = *by_key.entry(*hash).or_insert_with(|| forest.add());
            root = Some(root.map_or(of_key, |root| forest.join(root, of_key)));
        }
        // keys_of always gives the call's own key first.
        seen.push((root.unwrap_or_else(|| forest.add()), keys));
    }
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (event, (node, keys)) in events.iter().zip(seen) {
        groups.entry(forest.root(node)).or_default().add(event, keys);
    }
    groups.into_values().map(Group::component).collect()
}

/// The call's own key first, then what it carries. A daily class is its Call-ID and day, and carries nothing.
fn keys_of(event: &CallEvent) -> Vec<Key> {
    if event.class.is_daily() {
        return vec![Key::new(event.class.name(), format!("{} {}", event.call_id, event.time.day().0))];
    }
    let own = Key::own(&event.call_id).filter(|own| event.keys.first() == Some(own));
    // A Call-ID that says too little to join others still names its own call.
    let own = own.unwrap_or_else(|| Key::new("own", event.call.to_string()));
    let carried = event.keys.iter().filter(|key| **key != own).cloned();
    std::iter::once(own.clone()).chain(carried).collect()
}

#[derive(Default)]
struct Group {
    keys: BTreeMap<[u8; 16], KeyUse>,
    calls: BTreeMap<(CallKey, StreamId, Day), CallUse>,
    summary: Summary,
}

impl Group {
    fn add(&mut self, event: &CallEvent, keys: Hashed) {
        let message = event.message();
        let carried = keys.get(1).map(|(key, _)| (key.clone(), message));
        for (at, (key, hash)) in keys.into_iter().enumerate() {
            self.add_key(key, hash, at == 0, event.call, event.time);
        }
        self.add_call(event, carried);
        self.summary.add(event);
    }

    fn add_key(&mut self, key: Key, hash: [u8; 16], own: bool, call: CallKey, time: Timestamp) {
        let entry =
            self.keys.entry(hash).or_insert_with(|| KeyUse { key, hash, last: time, own: false, calls: Vec::new() });
        entry.last = entry.last.max(time);
        entry.own |= own;
        if !entry.calls.contains(&call) {
            entry.calls.push(call);
        }
    }

    fn add_call(&mut self, event: &CallEvent, carried: Option<(Key, MessageId)>) {
        let call = self.calls.entry((event.call, event.stream, event.day)).or_insert_with(|| CallUse {
            call: event.call,
            call_id: event.call_id.clone(),
            stream: event.stream,
            day: event.day,
            class: event.class,
            first: event.time,
            joined_by: None,
        });
        call.first = call.first.min(event.time);
        call.class = call.class.min(event.class);
        if call.joined_by.is_none() {
            call.joined_by = carried;
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

/// Disjoint sets with path halving.
#[derive(Default)]
struct Forest {
    parent: Vec<usize>,
}

impl Forest {
    fn add(&mut self) -> usize {
        self.parent.push(self.parent.len());
        self.parent.len() - 1
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    fn join(&mut self, a: usize, b: usize) -> usize {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low;
        low
    }
}

#[cfg(test)]
mod tests {
    use message::event::CallClass;
    use message::id::Offset;
    use message::kind::Kind;
    use message::time::DAY;
    use proptest::prelude::*;

    use super::*;

    fn event(at: u64, call_id: &str, class: CallClass, keys: &[&str]) -> CallEvent {
        CallEvent {
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
            from: None,
            to: None,
            target: None,
            branch: String::new(),
            to_tag: false,
            source: String::new(),
            destination: String::new(),
            keys: if class.is_daily() {
                Vec::new()
            } else {
                Key::own(call_id).into_iter().chain(keys.iter().map(|value| Key::new("call", *value))).collect()
            },
        }
    }

    /// The Call-IDs of each component, sorted.
    fn calls(events: &[CallEvent]) -> Vec<Vec<String>> {
        let mut all: Vec<Vec<String>> = components(events)
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
        assert_eq!(components(&events).len(), 3);
    }

    #[test]
    fn how_a_call_was_joined_is_kept_with_the_message_that_carried_the_key() {
        let events = [event(1, "leg-aaa", CallClass::Call, &[]), event(2, "leg-bbb", CallClass::Call, &["leg-aaa"])];
        let component = components(&events).remove(0);
        let joined: Vec<_> = component
            .calls
            .iter()
            .map(|c| (c.call_id.as_str(), c.joined_by.as_ref().map(|(k, m)| (k.value.as_str(), m.offset.0))))
            .collect();
        assert!(
            joined.contains(&("leg-aaa", None)) && joined.contains(&("leg-bbb", Some(("leg-aaa", 2)))),
            "{joined:?}"
        );
        assert!(
            component.keys.windows(2).all(|pair| pair[0].hash < pair[1].hash),
            "sorted, so that locks are taken in one order"
        );
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
