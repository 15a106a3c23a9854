//! Keys as rows: to which scenario each leads, and which calls it has joined.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use record::id::CallKey;
use record::time::{HOUR, Timestamp};
use sqlx::QueryBuilder;

use super::HUB;
use super::components::KeyUse;
use crate::backend::{Transaction, with_transaction};
use crate::statement::push_list;
use crate::stored::call_key;
use crate::{Error, statement};

/// Bytes of a call's key that tell it from the others of a few dozen.
const MEMBER: usize = 8;

/// Which calls a key has joined. As a set, since each collector that reads of a call in another log brings it again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Members {
    /// The call whose own key it is; it takes no place among the others.
    pub own: bool,
    others: BTreeSet<[u8; MEMBER]>,
}

impl Members {
    /// False: the key has joined as many as it may.
    pub fn admit(&mut self, call: CallKey) -> bool {
        let member = member(call);
        let admitted = self.others.contains(&member) || self.others.len() < HUB;
        if admitted {
            self.others.insert(member);
        }
        admitted
    }

    pub fn hold_several(&self) -> bool {
        self.others.len() + usize::from(self.own) > 1
    }

    fn pack(&self) -> Vec<u8> {
        self.others.iter().flatten().copied().collect()
    }

    fn unpack(own: i16, others: &[u8]) -> Self {
        let (others, _) = others.as_chunks::<MEMBER>();
        Self { own: own != 0, others: others.iter().copied().collect() }
    }
}

fn member(call: CallKey) -> [u8; MEMBER] {
    let [a, b, c, d, e, f, g, h, ..] = call.0;
    [a, b, c, d, e, f, g, h]
}

/// A key as it is stored, or is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyRow {
    pub scenario: i64,
    pub members: Members,
    /// For retention, which counts in days.
    pub last: Timestamp,
}

impl KeyRow {
    /// Most messages bring nothing new of their keys.
    pub fn brings_nothing_to(&self, stored: &Self) -> bool {
        self.members == stored.members && self.last.micros_since(stored.last) <= HOUR
    }
}

type Row = (Vec<u8>, i64, i64, i16, Vec<u8>);

fn row((hash, scenario, last, own, others): Row) -> Result<([u8; 16], KeyRow), Error> {
    let (members, last) = (Members::unpack(own, &others), Timestamp(last));
    Ok((call_key(&hash)?.0, KeyRow { scenario, members, last }))
}

pub(super) async fn read(tx: &mut Transaction, hashes: &[[u8; 16]]) -> Result<HashMap<[u8; 16], KeyRow>, Error> {
    let mut known = HashMap::with_capacity(hashes.len());
    for list in statement::lists(hashes) {
        let rows: Vec<Row> = with_transaction!(tx, db => {
            let mut q =
                QueryBuilder::<Db>::new("select hash, scenario_id, last, own, members from scenario_key where hash in ");
            push_list!(q, list.iter().map(|hash| hash.to_vec()));
            q.build_query_as().fetch_all(db).await?
        });
        for found in rows {
            let (hash, found) = row(found)?;
            known.insert(hash, found);
        }
    }
    Ok(known)
}

/// Inserts those that nobody has brought yet and locks the others, in the order in which every correlator takes them: by
/// hash. Gives all of them as they are stored.
pub(super) async fn take(
    tx: &mut Transaction,
    keys: &BTreeMap<[u8; 16], KeyRow>,
) -> Result<Vec<([u8; 16], KeyRow)>, Error> {
    let keys: Vec<_> = keys.iter().collect();
    let mut taken = Vec::with_capacity(keys.len());
    for some in statement::chunks(&keys) {
        let rows: Vec<Row> = with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into scenario_key (hash, scenario_id, last, own, members) ");
            push_rows!(q, some);
            q.push(
                " on conflict (hash) do update set last = scenario_key.last
                 returning hash, scenario_id, last, own, members",
            );
            q.build_query_as().fetch_all(db).await?
        });
        for found in rows {
            taken.push(row(found)?);
        }
    }
    Ok(taken)
}

/// Writes keys that were taken.
pub(super) async fn write(tx: &mut Transaction, keys: &[(&[u8; 16], &KeyRow)]) -> Result<(), Error> {
    for some in statement::chunks(keys) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into scenario_key (hash, scenario_id, last, own, members) ");
            push_rows!(q, some);
            q.push(
                " on conflict (hash) do update set scenario_id = excluded.scenario_id, last = excluded.last,
                    own = excluded.own, members = excluded.members",
            );
            q.build().execute(db).await?;
        });
    }
    Ok(())
}

macro_rules! push_rows {
    ($q:expr, $rows:expr) => {
        $q.push_values($rows, |mut to, (hash, row)| {
            to.push_bind(hash.as_slice())
                .push_bind(row.scenario)
                .push_bind(row.last.0)
                .push_bind(i16::from(row.members.own))
                .push_bind(row.members.pack());
        })
    };
}
use push_rows;

/// A key of some components: what is stored of it, and what they bring.
#[derive(Debug)]
pub(super) struct Use<'a> {
    pub key: &'a KeyUse,
    pub known: Option<KeyRow>,
    pub members: Members,
    /// Calls that came when it had joined as many as it may.
    pub refused: BTreeSet<CallKey>,
}

impl<'a> Use<'a> {
    pub fn of(key: &'a KeyUse, known: Option<KeyRow>) -> Self {
        let mut members = known.as_ref().map(|row| row.members.clone()).unwrap_or_default();
        members.own |= !key.own.is_empty();
        let mut carriers: Vec<_> = key.carriers.iter().map(|(call, first)| (*first, *call)).collect();
        // The earliest first: whatever else came in this batch does not decide.
        carriers.sort_unstable();
        let refused = carriers.into_iter().map(|(_, call)| call).filter(|call| !members.admit(*call)).collect();
        Self { key, known, members, refused }
    }

    /// As it is to be stored. A clock that is ahead must not keep a key for ever.
    pub fn row(&self, scenario: i64, now: Timestamp) -> KeyRow {
        let before = self.known.as_ref().map_or(Timestamp(i64::MIN), |row| row.last);
        KeyRow { scenario, members: self.members.clone(), last: self.key.last.min(now).max(before) }
    }

    /// Another call than this one carries it, too.
    pub fn joins(&self, call: CallKey) -> bool {
        !self.refused.contains(&call) && self.members.hold_several()
    }

    /// Others named it before the call came whose own key it is.
    pub fn waited_for_its_own(&self) -> bool {
        self.members.own && self.known.as_ref().is_some_and(|row| !row.members.own)
    }
}

#[cfg(test)]
mod tests {
    use message::keys::Key;

    use super::*;

    fn use_of(carriers: impl IntoIterator<Item = (usize, i64)>, own: bool) -> KeyUse {
        let key = Key::new("session", "s");
        let call = |number: usize| CallKey::of(format!("call-{number}").as_bytes());
        let carriers: BTreeMap<_, _> = carriers.into_iter().map(|(number, at)| (call(number), Timestamp(at))).collect();
        let own = own.then(|| call(1_000)).into_iter().collect();
        KeyUse { hash: key.hash(), key, last: Timestamp(0), own, carriers }
    }

    #[test]
    fn the_earliest_calls_join_and_the_own_one_always_does() {
        let many = use_of((0..HUB + 3).map(|at| (at, -(at as i64))), true);
        let of = Use::of(&many, None);
        let late: BTreeSet<_> = (0..3).map(|at| CallKey::of(format!("call-{at}").as_bytes())).collect();
        assert_eq!((of.refused.clone(), of.members.own), (late, true));
        assert_eq!(of.members.others.len(), HUB);
    }

    #[test]
    fn what_comes_again_changes_nothing() {
        let (first, again) = (use_of((0..HUB).map(|at| (at, 0)), false), use_of([(7, 5), (99, 6)], false));
        let row = Use::of(&first, None).row(3, Timestamp(10));
        let of = Use::of(&again, Some(row.clone()));
        assert_eq!(of.refused.len(), 1, "the one that is new, and not the one that is known");
        assert!(of.row(3, Timestamp(10)).brings_nothing_to(&row));
        let others = row.members.pack();
        assert_eq!((others.len(), Members::unpack(0, &others)), (HUB * MEMBER, row.members));
    }
}
