//! A group with what is read beside it: what was decided of it, by which route, and what explains its failures.

use std::collections::{BTreeMap, BTreeSet};

use record::id::ScenarioId;
use record::time::{DAY, HOUR, MINUTE, Timestamp};
use rule::routes::{Route, Team};
use rule::syntax::{Much, Rule};
use rule::verdict::Outcome;
use store::Store;
use store::alert::{Glance, Group, Item, ItemState};
use store::outgoing::{NewMail, Reported};

use crate::Error;
use crate::alert::{Decision, Draft, Look, Mind, Shares, because, decide, rests, within};
use crate::book::Book;

/// Scenarios of a group that are looked at.
const ITEMS: usize = 10_000;
/// How long groups wait for whom all mails of an hour are made.
pub const FULL: i64 = 5 * MINUTE;

/// A group with what is read beside it.
#[derive(Debug)]
pub struct Looking {
    pub group: Group,
    pub items: Vec<Item>,
    pub mind: Mind,
    pub shares: Shares,
    /// Failures that are reported, by scenario and rule: what they explain is not.
    pub causes: BTreeSet<(ScenarioId, String)>,
    /// Failures that are not reported, and that are not among these items: there are too many.
    pub unread: u64,
}

/// Of rules that explain others: the scenarios whose failure is to be reported, as they were found in this round.
pub(super) type Causes = BTreeMap<String, BTreeSet<ScenarioId>>;

impl Looking {
    /// Without anything beside it.
    pub(super) fn new(group: Group) -> Self {
        let mind = group.state.as_deref().map(Mind::read).unwrap_or_default();
        Self { group, items: Vec::new(), mind, shares: Shares::new(), causes: BTreeSet::new(), unread: 0 }
    }

    /// Until when it rests, if that is known without its items.
    pub(super) async fn rests(&self, store: &Store, book: &Book, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let Some((_, route)) = self.route(book) else { return Ok(None) };
        let glance = if self.group.mails > 0 { store.glance(self.group.id).await? } else { Glance::default() };
        Ok(rests(&self.group, &self.mind, rule(book, &self.group.key.rule), route, &glance, now))
    }

    /// Reads what is beside it.
    pub(super) async fn read(
        mut self,
        store: &Store,
        book: &Book,
        known: &mut Causes,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let id = &self.group.key.rule;
        self.items = store.alert_items(self.group.id, ITEMS).await?;
        if self.items.len() >= ITEMS {
            let is_new = |item: &&Item| item.state == ItemState::Failed && item.reported.is_none();
            let known = self.items.iter().filter(is_new).count() as i64;
            self.unread = (store.glance(self.group.id).await?.unreported - known).max(0).unsigned_abs();
        }
        self.shares = shares(store, id, rule(book, id), &self.items, now).await?;
        let mut named: BTreeMap<&str, Vec<ScenarioId>> = BTreeMap::new();
        for item in self.items.iter().filter(|item| item.reported.is_none()) {
            for cause in because(item) {
                named.entry(cause).or_default().push(item.scenario);
            }
        }
        for (cause, of) in named {
            let mut scenarios = store.reported_of(cause, &of).await?;
            match rule(book, cause) {
                Some(rule) if rule.mail_when.is_empty() => scenarios.extend(store.failing_of(cause, &of).await?),
                Some(rule) => {
                    if !known.contains_key(cause) {
                        known.insert(cause.to_owned(), to_be_reported(store, rule, now).await?);
                    }
                    scenarios.extend(of.into_iter().filter(|of| known[cause].contains(of)));
                }
                None => {}
            }
            self.causes.extend(scenarios.into_iter().map(|of| (of, cause.to_owned())));
        }
        Ok(self)
    }

    pub fn decide(&self, book: &Book, now: Timestamp) -> Decision {
        let Some((_, route)) = self.route(book) else {
            // What fails from now on is in the group of another route.
            return Decision { mail: None, mind: self.mind.clone(), due: None, closed: true };
        };
        decide(&Look {
            group: &self.group,
            items: &self.items,
            mind: &self.mind,
            rule: rule(book, &self.group.key.rule),
            route,
            shares: &self.shares,
            causes: &self.causes,
            now,
        })
    }

    /// That by which it was grouped, and which of them it is by now. None: there is none like it any more.
    pub(super) fn route<'b>(&self, book: &'b Book) -> Option<(usize, &'b Route)> {
        book.routes.routes.iter().enumerate().find(|(_, route)| route.mark() == self.group.key.route)
    }

    /// Counted from 1, as in `routes.toml`.
    pub(super) fn route_number(&self, book: &Book) -> usize {
        self.route(book).map_or(0, |(nth, _)| nth) + 1
    }

    /// Nothing is mailed of it now.
    pub fn later(&self, now: Timestamp) -> Decision {
        self.until(Timestamp(now.0.saturating_add(FULL)))
    }

    /// Nor before then.
    pub(super) fn until(&self, until: Timestamp) -> Decision {
        Decision { mail: None, mind: self.mind.clone(), due: Some(until), closed: false }
    }

    pub fn teams<'b>(&self, book: &'b Book) -> Vec<&'b Team> {
        self.route(book).map(|(_, route)| teams(book, route)).unwrap_or_default()
    }

    /// How long a first mail waits for others, by its route.
    pub fn wait(&self, book: &Book) -> Option<i64> {
        self.route(book).map(|(_, route)| route.grouping.group_wait)
    }

    /// Failures that a mail of it tells of by their number alone.
    pub(super) fn older(&self, draft: &Draft) -> u64 {
        if draft.new.is_empty() { 0 } else { self.unread }
    }

    /// Where it did not read all of them: since when it did.
    fn oldest(&self) -> Option<Timestamp> {
        self.items.iter().map(|item| item.at).min().filter(|_| self.unread > 0)
    }

    /// What the look came to, as it is kept with the mails that tell of it.
    pub(super) fn reported(&self, decision: &Decision, mails: Vec<NewMail>) -> Reported {
        let items = decision.mail.iter().flat_map(Draft::reported).map(|at| &self.items[at]);
        let names_new = decision.mail.as_ref().is_some_and(|draft| !draft.new.is_empty());
        Reported {
            older: self.oldest().filter(|_| names_new),
            group: self.group.id,
            changed: self.group.changed,
            lease_until: self.group.lease_until,
            items: items.map(|item| (item.scenario, item.leg.clone(), item.nth)).collect(),
            mails,
            state: decision.mind.write(),
            due: decision.due,
            closed: decision.closed,
        }
    }
}

/// In the order of `routes.toml`.
pub fn teams<'b>(book: &'b Book, route: &Route) -> Vec<&'b Team> {
    book.routes.teams.iter().filter(|team| route.to.contains(&team.name)).collect()
}

impl Mind {
    fn read(bytes: &[u8]) -> Self {
        // What cannot be read is begun anew: at worst a mail comes earlier.
        let numbers =
            |from: usize| bytes.get(from..from + 8).and_then(|eight| eight.try_into().ok()).map(i64::from_le_bytes);
        Self {
            interval: numbers(0).unwrap_or_default(),
            severity: numbers(8).and_then(|severity| i16::try_from(severity).ok()).unwrap_or_default(),
            rate: numbers(16).unwrap_or_default(),
        }
    }

    fn write(&self) -> Vec<u8> {
        [self.interval, i64::from(self.severity), self.rate].map(i64::to_le_bytes).concat()
    }
}

pub fn rule<'b>(book: &'b Book, id: &str) -> Option<&'b Rule> {
    book.set.rules.iter().find(|rule| rule.id == id)
}

/// What was judged by a rule in the time in which these failed, and as long before as it looks back.
async fn shares(store: &Store, id: &str, rule: Option<&Rule>, items: &[Item], now: Timestamp) -> Result<Shares, Error> {
    let (from, to) = counted(rule, items, now);
    let share = |(minute, of): (i64, store::verdict::Counts)| {
        let n = |outcome: Outcome| of.0.get(&outcome).copied().unwrap_or_default();
        let failed = n(Outcome::Failed);
        (minute, (failed, failed + n(Outcome::Late) + n(Outcome::Business) + n(Outcome::Ok)))
    };
    Ok(store.counts_by_minute(id, from, to).await?.into_iter().map(share).collect())
}

/// From when to when it matters what was judged by the rule of a group.
pub fn counted(rule: Option<&Rule>, items: &[Item], now: Timestamp) -> (Timestamp, Timestamp) {
    let newest = items.iter().map(|item| item.at).max().unwrap_or(now);
    let amounts = rule.into_iter().flat_map(|rule| rule.mail_when.iter().chain(&rule.critical_when));
    let span = amounts.clone().map(|amount| amount.span).fold(HOUR, i64::max);
    let share = amounts.clone().any(|amount| matches!(amount.much, Much::Share(_)));
    let began = items.iter().map(|item| item.told.told.began).min().filter(|_| share).unwrap_or(newest);
    let oldest = began.0.max(newest.0.saturating_sub(DAY)).min(newest.0);
    (Timestamp(oldest.saturating_sub(span)), newest)
}

/// Scenarios of open groups whose failure of a rule is to be reported: there are enough of them.
async fn to_be_reported(store: &Store, rule: &Rule, now: Timestamp) -> Result<BTreeSet<ScenarioId>, Error> {
    let mut of = BTreeSet::new();
    for group in store.open_alerts(&rule.id).await? {
        let items = store.alert_items(group.id, ITEMS).await?;
        let shares = shares(store, &rule.id, Some(rule), &items, now).await?;
        let enough = within(&items, &shares, &rule.mail_when, rule.min);
        let is = |(item, enough): &(&Item, bool)| item.state == ItemState::Failed && *enough;
        of.extend(items.iter().zip(enough).filter(is).map(|(item, _)| item.scenario));
    }
    Ok(of)
}
