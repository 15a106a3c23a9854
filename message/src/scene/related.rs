//! Which calls have one cause: a key that both carry, other than one that says that one goes on in the other.

use std::collections::HashMap;

use super::Scene;
use crate::keys::Key;
use crate::number::{ByNumber, NumberSet, Numbers, Sets};

/// Calls that a back-to-back agent made of one another.
pub struct Related {
    /// By call.
    set: Vec<usize>,
    /// By message: nothing of it says that it takes the place of another call.
    own_cause: NumberSet<usize>,
}

impl Related {
    /// `call` is by message: the number of its call.
    pub fn of(scene: &Scene, call: &[usize]) -> Self {
        let mut sets = Sets::default();
        let mut holder: HashMap<[u8; 16], usize> = HashMap::new();
        let mut own: ByNumber<usize, [u8; 16]> = ByNumber::default();
        let count = call.iter().max().map_or(0, |most| most + 1);
        let mut related = Self { set: Vec::with_capacity(count), own_cause: NumberSet::default() };
        let mut known: Numbers<(usize, [u8; 16])> = Numbers::default();
        for (index, message) in scene.messages.iter().enumerate() {
            let facts = &message.facts;
            let named = facts.sip.as_ref().map_or(&[][..], |sip| &sip.named);
            if named.is_empty() {
                related.own_cause.insert(index);
            }
            if count < 2 {
                continue;
            }
            if !own.contains_key(&call[index])
                && let Some(key) = facts.call_id.as_deref().and_then(Key::own)
            {
                own.insert(call[index], key.hash());
                join(&mut sets, &mut holder, key.hash(), call[index]);
            }
            for key in facts.keys.iter().filter(|key| !named.contains(&key.value)) {
                let hash = key.hash();
                let before = known.len();
                if known.of((call[index], hash)) == before {
                    join(&mut sets, &mut holder, hash, call[index]);
                }
            }
        }
        related.set.extend((0..count).map(|call| sets.find(call)));
        related
    }

    /// Whether this message's call and the other one have one cause, and it does not say to take a call's place.
    pub fn by_cause(&self, (message, call): (usize, usize), other: usize) -> bool {
        self.own_cause.contains(&message) && self.set[call] == self.set[other]
    }
}

fn join(sets: &mut Sets, holder: &mut HashMap<[u8; 16], usize>, key: [u8; 16], call: usize) {
    let first = *holder.entry(key).or_insert(call);
    sets.join(first, call);
}
