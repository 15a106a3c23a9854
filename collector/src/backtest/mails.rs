//! The mails that would have been sent: groups as the reporter keeps them, on a clock of event time. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use record::id::ScenarioId;
use record::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use rule::syntax::{Rule, Severity};
use store::alert::{Alarm, Group, Item, ItemState};

use super::Counts;
use super::known::{News, What};
use crate::alert::{Decision, Draft, Mind, Shares, because, within};
use crate::book::Book;
use crate::report::{self, FULL, Looking, a_day, counted};

/// Items of a group that is looked at whenever it changes.
const AT_ONCE: usize = 500;

/// A mail to one team.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    pub at: Timestamp,
    pub team: String,
    pub about: About,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    Group {
        rule: String,
        class: String,
        new: BTreeSet<ScenarioId>,
        /// They did not fail after all.
        resolved: BTreeSet<ScenarioId>,
    },
    /// Groups for whom no mail was left in this hour, and their scenarios.
    Storm { groups: usize, new: BTreeSet<ScenarioId> },
}

/// All that would have been sent after these news.
pub fn sent(book: &Book, mut news: Vec<News>, counts: &Counts) -> Vec<Sent> {
    news.sort_by_key(|news| (news.at, news.scenario));
    let Some(last) = news.last().map(|news| news.at) else { return Vec::new() };
    let mut reporter = Reporter { book, counts, groups: Vec::new(), mails: Vec::new() };
    let mut news = news.into_iter().peekable();
    // Without any mails left for a day, groups would wait for ever.
    let end = Timestamp(last.0.saturating_add(2 * DAY));
    loop {
        let due = reporter.groups.iter().filter_map(|open| open.due).min();
        let Some(now) = news.peek().map(|news| news.at).into_iter().chain(due).min().filter(|now| *now <= end) else {
            return reporter.mails;
        };
        while let Some(one) = news.next_if(|news| news.at <= now) {
            reporter.learn(one);
        }
        reporter.look(now);
    }
}

/// Groups that are open, and what was sent.
struct Reporter<'b> {
    book: &'b Book,
    counts: &'b Counts,
    groups: Vec<Open>,
    mails: Vec<Sent>,
}

struct Open {
    look: Looking,
    /// Scenarios and legs of its items, and which of a day they are.
    known: HashSet<(ScenarioId, String, i32)>,
    due: Option<Timestamp>,
    /// Since when no mail is left for it.
    held: Option<Timestamp>,
}

impl Reporter<'_> {
    fn learn(&mut self, news: News) {
        let News { at, scenario, leg, nth, group, what } = news;
        let open = self.groups.iter_mut().find(|open| open.look.group.key.hash == group);
        match (what, open) {
            (What::Failed(alarm), Some(open)) => open.add(scenario, *alarm, at),
            (What::Failed(alarm), None) => self.groups.push(Open::new(scenario, *alarm, at)),
            (What::Late, Some(open)) => open.change((scenario, &leg, nth), ItemState::Late, at),
            (What::Explained, Some(open)) => open.change((scenario, &leg, nth), ItemState::Gone, at),
            (What::Late | What::Explained, None) => {}
        }
    }

    /// Looks at the groups that are due.
    fn look(&mut self, now: Timestamp) {
        let mut held = Vec::new();
        for at in 0..self.groups.len() {
            if self.groups[at].due.is_none_or(|due| due > now) {
                continue;
            }
            self.read(at, now);
            let look = &self.groups[at].look;
            let decision = look.decide(self.book, now);
            let teams: Vec<String> = look.teams(self.book).iter().map(|team| team.name.clone()).collect();
            let Some(draft) = &decision.mail else {
                self.groups[at].keep(decision, 0, now);
                continue;
            };
            if self.is_over(&teams, draft.severity, now) {
                held.push((at, teams, decision));
                continue;
            }
            let (about, mails) = (look.about(draft), teams.len());
            self.mails.extend(teams.into_iter().map(|team| Sent { at: now, team, about: about.clone() }));
            self.groups[at].keep(decision, mails, now);
        }
        self.storms(held, now);
        self.groups.retain(|open| open.due.is_some());
    }

    /// What is known beside a group.
    fn read(&mut self, at: usize, now: Timestamp) {
        let look = &self.groups[at].look;
        let shares = self.shares(look, now);
        let unreported = look.items.iter().filter(|item| item.reported.is_none());
        let named: BTreeSet<String> = unreported.flat_map(because).map(str::to_owned).collect();
        let causes = named.iter().flat_map(|cause| self.reported(cause, now).into_iter().map(|of| (of, cause.clone())));
        let causes = causes.collect();
        let look = &mut self.groups[at].look;
        (look.shares, look.causes) = (shares, causes);
    }

    fn shares(&self, look: &Looking, now: Timestamp) -> Shares {
        let id = &look.group.key.rule;
        let (from, to) = counted(self.rule(id), &look.items, now);
        let [from, to] = [from, to].map(|at| at.0.div_euclid(MINUTE));
        self.counts.get(id).into_iter().flat_map(|of| of.range(from..=to)).map(|(minute, of)| (*minute, *of)).collect()
    }

    /// Scenarios whose failure of a rule is reported, or is to be.
    fn reported(&self, id: &str, now: Timestamp) -> BTreeSet<ScenarioId> {
        let mut of = BTreeSet::new();
        for Open { look, .. } in self.groups.iter().filter(|open| open.look.group.key.rule == id) {
            let Some(rule) = self.rule(id) else { continue };
            let enough = within(&look.items, &self.shares(look, now), &rule.mail_when, rule.min);
            let items = look.items.iter().zip(enough);
            let is = |(item, enough): &(&Item, bool)| {
                item.state == ItemState::Failed && (*enough || item.reported.is_some())
            };
            of.extend(items.filter(is).map(|(item, _)| item.scenario));
        }
        of
    }

    fn rule(&self, id: &str) -> Option<&Rule> {
        report::rule(self.book, id)
    }

    fn since(&self, now: Timestamp, span: i64) -> impl Iterator<Item = &Sent> {
        let from = now.0.saturating_sub(span);
        self.mails.iter().rev().take_while(move |mail| mail.at.0 >= from)
    }

    /// One of the teams, or the account, has had all the mails that it may have.
    fn is_over(&self, teams: &[String], severity: Severity, now: Timestamp) -> bool {
        let of_team = |team: &String| self.since(now, HOUR).filter(|mail| mail.team == *team).count();
        let full = |team: &String| of_team(team) >= self.book.routes.budget.per_hour as usize;
        let of_all = (self.since(now, DAY).count() + teams.len()) as i64;
        teams.iter().any(full) || of_all > a_day(self.book, severity)
    }

    /// Once an hour one mail tells of all groups that wait.
    fn storms(&mut self, held: Vec<(usize, Vec<String>, Decision)>, now: Timestamp) {
        let mut by_teams: BTreeMap<Vec<String>, Vec<(usize, Decision)>> = BTreeMap::new();
        for (at, teams, decision) in held {
            by_teams.entry(teams).or_default().push((at, decision));
        }
        for (teams, mut held) in by_teams {
            let until = self.until(&teams, &held, now);
            if now < until {
                for (at, _) in held {
                    self.groups[at].hold(until, now);
                }
                continue;
            }
            for at in self.waiting(&teams) {
                if held.iter().any(|(known, _)| *known == at) {
                    continue;
                }
                self.read(at, now);
                let decision = self.groups[at].look.decide(self.book, now);
                if decision.mail.is_some() {
                    held.push((at, decision));
                } else {
                    self.groups[at].keep(decision, 0, now);
                }
            }
            let drafts = held.iter().filter_map(|(at, decision)| Some((*at, decision.mail.as_ref()?)));
            let new = drafts.flat_map(|(at, draft)| self.groups[at].look.scenarios(&draft.new)).collect();
            let about = About::Storm { groups: held.len(), new };
            let mails = teams.len();
            self.mails.extend(teams.into_iter().map(|team| Sent { at: now, team, about: about.clone() }));
            for (at, decision) in held {
                self.groups[at].keep(decision, mails, now);
            }
        }
    }

    /// When a mail may stand for groups of these teams: others follow, as after a first failure.
    fn until(&self, teams: &[String], held: &[(usize, Decision)], now: Timestamp) -> Timestamp {
        let drafts = held.iter().filter_map(|(_, decision)| decision.mail.as_ref());
        let severity = drafts.map(|draft| draft.severity).max().unwrap_or(Severity::Warning);
        let had_one = self.since(now, HOUR).any(|mail| mail.is_storm() && teams.contains(&mail.team));
        let of_all = self.since(now, DAY).count() as i64;
        if had_one || (severity != Severity::Critical && of_all >= a_day(self.book, severity)) {
            return Timestamp(now.0.saturating_add(FULL));
        }
        let since = self.waiting(teams).into_iter().filter_map(|at| self.groups[at].held).min().unwrap_or(now);
        let wait = held.iter().filter_map(|(at, _)| self.groups[*at].look.wait(self.book)).max().unwrap_or_default();
        Timestamp(since.0.saturating_add(wait))
    }

    /// Groups that wait for these teams.
    fn waiting(&self, teams: &[String]) -> Vec<usize> {
        let of = |at: &usize| {
            let Open { look, held, .. } = &self.groups[*at];
            held.is_some() && look.teams(self.book).iter().map(|team| &team.name).eq(teams)
        };
        (0..self.groups.len()).filter(of).collect()
    }
}

impl Sent {
    pub fn is_storm(&self) -> bool {
        matches!(self.about, About::Storm { .. })
    }
}

impl Looking {
    fn about(&self, draft: &Draft) -> About {
        About::Group {
            rule: self.group.key.rule.clone(),
            class: self.group.key.failure.clone(),
            new: self.scenarios(&draft.new),
            resolved: self.scenarios(&draft.resolved),
        }
    }

    fn scenarios(&self, of: &[usize]) -> BTreeSet<ScenarioId> {
        of.iter().map(|at| self.items[*at].scenario).collect()
    }
}

impl Open {
    fn new(scenario: ScenarioId, alarm: Alarm, now: Timestamp) -> Self {
        let group = Group {
            id: 0,
            key: alarm.group.clone(),
            severity: alarm.severity,
            opened: now,
            changed: now,
            closed: None,
            items: 1,
            mails: 0,
            reported: None,
            state: None,
            lease_until: Timestamp(0),
        };
        let due = Some(Timestamp(now.0.saturating_add(alarm.wait)));
        let known = HashSet::from([name(scenario, &alarm)]);
        let items = vec![item(scenario, alarm, now)];
        let look = Looking {
            group,
            items,
            mind: Mind::default(),
            shares: Shares::default(),
            causes: BTreeSet::default(),
            unread: 0,
        };
        Self { look, known, due, held: None }
    }

    fn add(&mut self, scenario: ScenarioId, alarm: Alarm, now: Timestamp) {
        if !self.known.insert(name(scenario, &alarm)) {
            return;
        }
        let group = &mut self.look.group;
        (group.changed, group.severity, group.items) = (now, group.severity.max(alarm.severity), group.items + 1);
        self.look.items.push(item(scenario, alarm, now));
        self.look_after(now);
    }

    /// At once, and at a group of thousands some seconds later: each look reads all of it.
    fn look_after(&mut self, now: Timestamp) {
        let wait = (self.look.items.len() / AT_ONCE) as i64 * SECOND;
        let at = Timestamp(now.0.saturating_add(wait));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn change(&mut self, of: (ScenarioId, &str, i32), state: ItemState, now: Timestamp) {
        let own = self.look.items.iter_mut().find(|item| (item.scenario, item.leg.as_str(), item.nth) == of);
        // What was mailed of a symptom stands.
        let Some(item) = own.filter(|item| state != ItemState::Gone || item.reported.is_none()) else { return };
        let changed = item.reported.filter(|at| *at >= now).map_or(now, |at| Timestamp(at.0 + 1));
        (item.state, item.changed) = (state, changed);
        self.look.group.changed = now;
        self.look_after(now);
    }

    /// `mails`: so many were made for it.
    fn keep(&mut self, decision: Decision, mails: usize, now: Timestamp) {
        let Looking { group, items, mind, .. } = &mut self.look;
        for at in decision.mail.iter().flat_map(Draft::reported) {
            items[at].reported = Some(now);
        }
        group.mails += mails as i64;
        if mails > 0 {
            group.reported = Some(now);
        }
        *mind = decision.mind;
        self.due = decision.due.filter(|_| !decision.closed);
        self.held = None;
    }

    /// No mail is left for it.
    fn hold(&mut self, until: Timestamp, now: Timestamp) {
        self.due = Some(until);
        self.held = self.held.or(Some(now));
    }
}

fn name(scenario: ScenarioId, alarm: &Alarm) -> (ScenarioId, String, i32) {
    let told = &alarm.item.told;
    (scenario, told.leg.clone(), told.nth.unwrap_or_default())
}

fn item(scenario: ScenarioId, alarm: Alarm, now: Timestamp) -> Item {
    Item {
        scenario,
        leg: alarm.item.told.leg.clone(),
        nth: alarm.item.told.nth.unwrap_or_default(),
        at: alarm.at,
        seen: now,
        changed: now,
        reported: None,
        state: ItemState::Failed,
        told: alarm.item,
    }
}
