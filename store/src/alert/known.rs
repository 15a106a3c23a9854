//! What is known of the failures of a scenario when it is judged again.

use std::collections::BTreeMap;

use record::id::{MessageId, ScenarioId};
use rule::told::Told;
use rule::verdict::Outcome;
use sqlx::QueryBuilder;

use super::{Alarm, Instance, ItemState, ItemTold};
use crate::backend::{Transaction, with_transaction};
use crate::statement::{self, push_list};
use crate::{Error, blob};

/// An item of a scenario, with the key of its group.
#[derive(sqlx::FromRow)]
pub(super) struct Known {
    pub group_id: i64,
    pub scenario_id: i64,
    pub leg: String,
    pub nth: i32,
    pub state: i16,
    pub reported: Option<i64>,
    told: Vec<u8>,
    pub hash: Vec<u8>,
    pub places: Option<String>,
    closed: Option<i64>,
    /// What `told` says; none: nobody can read it any more.
    #[sqlx(skip)]
    pub item: Option<ItemTold>,
}

impl Known {
    pub fn is_of(&self, alarm: &Alarm) -> bool {
        let told = &alarm.item.told;
        self.hash == alarm.group.hash && self.leg == told.leg && self.nth == told.nth.unwrap_or_default()
    }

    pub fn place(&self) -> Place<'_> {
        (self.group_id, self.scenario_id, &self.leg, self.nth)
    }

    pub fn is_failed(&self) -> bool {
        ItemState::from_code(self.state) == ItemState::Failed
    }

    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// As it is now that nobody says that it failed: what was missing may have come too late. None: it is not decided any
    /// more, as while a log is read again, and what was reported of it stands until it is.
    pub fn instead(&self, of: &Failures) -> Option<ItemState> {
        let Some(own) = self.item.as_ref().map(|item| Instance::of(&item.told)) else { return Some(ItemState::Gone) };
        let is = |outcome: Outcome| of.told.iter().any(|told| told.outcome == outcome && Instance::of(told) == own);
        match () {
            () if is(Outcome::Late) => Some(ItemState::Late),
            () if self.reported.is_some() && (is(Outcome::Unknown) || of.open.contains(&own)) => None,
            () => Some(ItemState::Gone),
        }
    }
}

/// Which item: its group, scenario, leg and which of the day.
pub(super) type Place<'a> = (i64, i64, &'a str, i32);

/// What is said of one scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failures<'a> {
    pub of: ScenarioId,
    pub alarms: &'a [Alarm],
    pub told: &'a [Told],
    pub open: &'a [Instance],
    /// What did not fail: by the version of its rule and the message that opened it.
    pub others: &'a [(u64, MessageId)],
    /// Of one that is all of one day: the first `nth` that was judged.
    pub begins: Option<i32>,
}

/// By scenario: its items.
pub(super) async fn known(tx: &mut Transaction, of: &[i64]) -> Result<BTreeMap<i64, Vec<Known>>, Error> {
    let mut known: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
    for list in statement::lists(of) {
        let rows: Vec<Known> = with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "select i.group_id, i.scenario_id, i.leg, i.nth, i.state, i.reported, i.told, i.places, g.hash, g.closed
                 from alert_item i
                 join alert_group g on g.id = i.group_id where i.scenario_id in ",
            );
            push_list!(q, list);
            q.build_query_as().fetch_all(&mut *db).await?
        });
        for mut row in rows {
            row.item = blob::read(&row.told, "what an alert says of a scenario").ok();
            known.entry(row.scenario_id).or_default().push(row);
        }
    }
    Ok(known)
}
