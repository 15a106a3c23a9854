//! The order of a list: newest first, or the newest thousand by something else.

use std::cmp::Reverse;

use rule::verdict::Outcome;
use store::scenario::ScenarioRow;

/// Scenarios that are put into another order than that of time: there is no index for it, so these are the newest.
pub const SORTED: usize = 1_000;
/// Of these so many are shown.
pub const SHOWN: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    #[default]
    Start,
    /// The longest talk first.
    Talk,
    /// What went wrong first.
    Result,
}

impl Order {
    pub const ALL: [Order; 3] = [Order::Start, Order::Talk, Order::Result];

    /// By its name in an address; by start where there is none of this name.
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|order| order.name() == name).unwrap_or_default()
    }

    pub fn name(self) -> &'static str {
        match self {
            Order::Start => "",
            Order::Talk => "talk",
            Order::Result => "result",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Order::Start => "start",
            Order::Talk => "talk time",
            Order::Result => "result",
        }
    }

    /// Newest first among those that are alike.
    pub fn sort(self, rows: &mut [ScenarioRow]) {
        match self {
            Order::Start => {}
            Order::Talk => rows.sort_by_key(|row| (Reverse(row.talked), Reverse(row.place()))),
            Order::Result => rows.sort_by_key(|row| (badness(row), Reverse(row.place()))),
        }
    }
}

/// What rules say, then problems, then the status: 6xx to 3xx, none, 2xx.
fn badness(row: &ScenarioRow) -> (Outcome, bool, Reverse<u16>) {
    let worst = row.outcome.filter(|outcome| *outcome <= Outcome::Unknown).unwrap_or(Outcome::Ok);
    let status = match row.status {
        Some(status @ 300..) => status,
        Some(200..=299) => 0,
        _ => 1,
    };
    (worst, row.problems.unwrap_or(0) == 0, Reverse(status))
}
