//! What the messages of a scenario said, as bits: a search passes over scenarios that cannot have what it looks for.

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// Kinds, methods and statuses of messages, a bit each; those that are rare share one. Never the sign: databases have no
/// unsigned numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Said(i64);

const METHODS: [&str; 20] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "MESSAGE",
    "REFER",
    "INFO",
    "PRACK",
    "UPDATE",
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "PUSH",
];
/// Those that have a bit of their own, and after them the classes for the others.
const STATUSES: [u16; 29] = [
    100, 180, 183, 200, 202, 302, 400, 401, 403, 404, 407, 408, 410, 415, 480, 481, 483, 484, 486, 487, 488, 491, 500,
    501, 502, 503, 504, 600, 603,
];
const KINDS: usize = 0;
const METHOD: usize = KINDS + 4;
const OTHER_METHOD: usize = METHOD + METHODS.len();
const STATUS: usize = OTHER_METHOD + 1;
/// 0 to 7: hundreds of a status, the last for all above.
const CLASS: usize = STATUS + STATUSES.len();
const CLASSES: usize = 8;

const _: () = assert!(CLASS + CLASSES <= 63, "more bits than a number has");

impl Said {
    /// What one message says; `method` as logged.
    pub fn of(kind: Kind, method: &str, status: Option<u16>) -> Self {
        let status = status.map_or(Self::default(), |status| Self::statuses(status, status));
        Self::kind(kind).and(Self::method(method)).and(status)
    }

    pub fn kind(kind: Kind) -> Self {
        Self::bit(KINDS + kind.code().unsigned_abs() as usize - 1)
    }

    /// Whichever bits messages with this method have, and perhaps others.
    pub fn method(method: &str) -> Self {
        // The status of a response may stand in its place.
        match method.parse::<u16>() {
            Ok(status) => Self::statuses(status, status),
            Err(_) => {
                Self::bit(METHODS.iter().position(|known| *known == method).map_or(OTHER_METHOD, |at| METHOD + at))
            }
        }
    }

    /// Whichever bits messages with a status in this closed range have, and perhaps others.
    pub fn statuses(least: u16, most: u16) -> Self {
        let last = CLASSES as u16 * 100;
        let bits = (least.min(last)..=most.min(last)).map(|status| match STATUSES.binary_search(&status) {
            Ok(at) => Self::bit(STATUS + at),
            Err(_) => Self::bit(CLASS + CLASSES.min(usize::from(status / 100) + 1) - 1),
        });
        bits.fold(Self::default(), Self::and)
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As it stands in the database.
    pub fn bits(self) -> i64 {
        self.0
    }

    fn bit(at: usize) -> Self {
        Self(1 << at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_common_has_a_bit_of_its_own() {
        let all = METHODS.map(Said::method).into_iter().chain(STATUSES.map(|status| Said::statuses(status, status)));
        let all: Vec<Said> = all.chain(Kind::ALL.map(Said::kind)).collect();
        let bits = all.iter().fold(Said::default(), |bits, one| bits.and(*one));
        assert_eq!(bits.bits().count_ones() as usize, all.len());
        assert_eq!(Said::method("486"), Said::statuses(486, 486));
        assert_eq!(Said::method("FOO"), Said::method("bar"));
        assert_eq!(Said::statuses(0, u16::MAX).bits().count_ones() as usize, STATUSES.len() + CLASSES);
    }

    proptest! {
        #[test]
        fn nothing_that_is_looked_for_is_passed_over(status: u16, below in 0..2000_u16, above in 0..2000_u16, kind in 0..4_usize) {
            let said = Said::of(Kind::ALL[kind], "INVITE", Some(status));
            let range = Said::statuses(status.saturating_sub(below), status.saturating_add(above));
            prop_assert!(said.bits() > 0);
            prop_assert_ne!(said.bits() & range.bits(), 0);
            prop_assert_ne!(said.bits() & Said::kind(Kind::ALL[kind]).bits(), 0);
        }
    }
}
