//! Which of several requests of REST and push an answer is to that carries their id: joining calls and drawing them say the same.

use record::time::{HOUR, SECOND};

/// What was not answered for so long is answered by this only if nothing else is.
pub const OPEN: i64 = 30 * SECOND;
/// Clocks of two machines are apart by less, as a rule; so are two logs of one answer.
pub const APART: i64 = SECOND;
/// What lies farther apart has nothing to do with each other, whatever ids say.
pub const FAR: i64 = 3 * HOUR;

/// A request, as an answer looks for it.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How long before the answer it was sent, in microseconds.
    pub since: i64,
    pub answered: Option<Answered>,
}

/// An answer that a request has.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// How far that is from this one, in microseconds, earlier or later.
    pub apart: i64,
    /// The same log holds both: it is no second sighting.
    pub in_same_log: bool,
}

/// The earliest that is open, else one that the same answer was logged for, else the nearest before it.
pub fn request(all: impl Iterator<Item = Request> + Clone) -> Option<usize> {
    let is_open = |one: &Request| {
        let again = |answered: Answered| answered.apart <= APART && !answered.in_same_log;
        one.since <= OPEN && one.answered.is_none_or(again)
    };
    let earlier = || all.clone().enumerate().filter(|(_, one)| (-APART..=FAR).contains(&one.since));
    // Of those of one time the first.
    let open = earlier().filter(|(_, one)| is_open(one)).max_by_key(|(at, one)| (one.since, std::cmp::Reverse(*at)));
    let nearest = |test: &dyn Fn(&Request) -> bool| {
        earlier().filter(|(_, one)| test(one)).min_by_key(|(at, one)| (one.since, std::cmp::Reverse(*at)))
    };
    let again = || nearest(&|one| one.answered.is_some_and(|answered| answered.apart <= OPEN));
    let late = || nearest(&|one| one.answered.is_none());
    let found = open.or_else(again).or_else(late).map(|(at, _)| at);
    // Clocks may be far apart where there is nothing to mistake it for.
    let mut two = all.clone();
    let only = two.next().filter(|one| one.answered.is_none() && one.since.abs() <= FAR && two.next().is_none());
    found.or(only.map(|_| 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests by how many seconds before the answer they were sent, and how long before it they were answered in another log.
    #[track_caller]
    fn check(asked: &[(i64, Option<i64>)], expect: Option<usize>) {
        let one = |(since, apart): &(i64, Option<i64>)| Request {
            since: since * SECOND,
            answered: apart.map(|apart| Answered { apart: apart * SECOND, in_same_log: false }),
        };
        assert_eq!(request(asked.iter().map(one)), expect, "{asked:?}");
    }

    #[test]
    fn the_earliest_that_is_open_is_answered_first() {
        check(&[(2, None), (1, None)], Some(0));
        check(&[(3, Some(0)), (2, None)], Some(0));
        check(&[(9, Some(8)), (2, None)], Some(1));
        check(&[(2, None), (2, None)], Some(0));
    }

    #[test]
    fn what_none_that_is_open_was_asked_goes_to_the_nearest_before_it() {
        check(&[(90, None), (60, None)], Some(1));
        check(&[(90, Some(5)), (60, None)], Some(0));
        check(&[(90, Some(45)), (60, None)], Some(1));
    }

    #[test]
    fn what_lies_far_apart_is_not_paired() {
        check(&[(4 * 3600, None)], None);
        check(&[(-5, None)], Some(0));
        check(&[(-5, None), (-6, None)], None);
        check(&[], None);
    }
}
