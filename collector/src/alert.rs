//! When a group of failures is reported, and what of it: a function of what is known and of the clock.

use std::collections::{BTreeMap, BTreeSet};

use record::id::ScenarioId;
use record::time::{HOUR, MINUTE, Timestamp};
use rule::logs::LogFault;
use rule::routes::{Resolved, Route};
use rule::syntax::{Amount, Much, Rule, Severity};
use serde::{Deserialize, Serialize};
use store::alert::{Glance, Group, Item, ItemState, OF_A_LOG};

/// While a group keeps changing its mails come less and less often, but never more rarely than this.
const LONGEST: i64 = HOUR;
/// So many times as often as before, and at least so many: it is mailed at once.
const RISE: i64 = 4;

/// What is kept in mind of a group between its mails.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mind {
    /// Microseconds until the next mail may follow the last.
    pub interval: i64,
    /// As the last mail said it: 0 info, 1 warning, 2 critical.
    pub severity: i16,
    /// Failures in an hour, as often as they came before the last mail.
    pub rate: i64,
}

/// Instances of a rule by the minute in which they began: those that failed, and those in which a step was judged.
pub type Shares = BTreeMap<i64, (i64, i64)>;

/// How many of those that began in a span that ends then failed, and how many were judged.
pub fn share(shares: &Shares, ends: Timestamp, span: i64) -> (i64, i64) {
    let [from, to] = minutes(ends, span);
    shares.range(from..=to).fold((0, 0), |(failed, judged), (_, of)| (failed + of.0, judged + of.1))
}

/// The first and the last of a span.
fn minutes(ends: Timestamp, span: i64) -> [i64; 2] {
    [ends.0.saturating_sub(span), ends.0].map(|at| at.div_euclid(MINUTE))
}

/// A group with all that decides about it.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub group: &'a Group,
    /// The newest first.
    pub items: &'a [Item],
    pub mind: &'a Mind,
    pub rule: Option<&'a Rule>,
    pub route: &'a Route,
    pub shares: &'a Shares,
    /// Scenarios with a rule whose failure in them is reported: what it explains is not.
    pub causes: &'a BTreeSet<(ScenarioId, String)>,
    pub now: Timestamp,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    pub mail: Option<Draft>,
    pub mind: Mind,
    pub due: Option<Timestamp>,
    pub closed: bool,
}

/// A mail, by places in the list of items.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    pub first: bool,
    /// Nothing of the group is failed any more.
    pub resolved_all: bool,
    pub severity: Severity,
    pub new: Vec<usize>,
    pub continuing: Vec<usize>,
    pub resolved: Vec<usize>,
}

impl Draft {
    /// Items that it reports for the first time, or whose new state it reports.
    pub fn reported(&self) -> impl Iterator<Item = usize> + '_ {
        self.new.iter().chain(&self.resolved).copied()
    }
}

pub fn decide(look: &Look) -> Decision {
    let Look { group, items, mind, route, now, .. } = *look;
    let grouping = &route.grouping;
    let fresh: Vec<usize> = reportable(look);
    let resolved: Vec<usize> = match grouping.resolved {
        Resolved::Never => Vec::new(),
        Resolved::IfListed => {
            let over = |item: &Item| {
                let is_news = item.reported.is_some_and(|at| item.changed > at);
                item.state != ItemState::Failed && is_news
            };
            (0..items.len()).filter(|at| over(&items[*at])).collect()
        }
    };
    let goes_on = |item: &Item| item.state == ItemState::Failed && item.reported.is_some();
    let continuing: Vec<usize> = (0..items.len()).filter(|at| goes_on(&items[*at])).collect();
    let severity = severity(look);
    // What the rule counts together stays together.
    let spans = look.rule.iter().flat_map(|rule| &rule.mail_when).map(|amount| amount.span);
    let quiet = Timestamp(group.changed.0.saturating_add(spans.fold(grouping.repeat, i64::max)));
    let wait = |until: Timestamp| Decision { mail: None, mind: mind.clone(), due: Some(until), closed: false };
    let close = || Decision { mail: None, mind: mind.clone(), due: None, closed: true };
    let all_over = items.iter().all(|item| item.state != ItemState::Failed);
    // The first mail waits for others.
    let opens = opens(group, route);
    if group.mails == 0 && now < opens {
        return wait(opens);
    }
    if fresh.is_empty() && resolved.is_empty() {
        // Nothing new for so long: what comes then is another story. An agent that is silent is silent until it is back.
        if now >= quiet && items.iter().any(lasts) {
            return wait(Timestamp(now.0.saturating_add(grouping.repeat)));
        }
        let over = now >= quiet || (group.mails == 0 && all_over);
        return if over { close() } else { wait(quiet) };
    }
    let (since, rate) = rate(group, fresh.len() as i64, now);
    let next = next(group, mind, route);
    if now < next {
        let hosts: BTreeSet<&str> =
            items.iter().filter(|item| item.reported.is_some()).filter_map(|item| item.told.host()).collect();
        let new_host = fresh.iter().filter_map(|at| items[*at].told.host()).any(|host| !hosts.contains(host));
        let many = fresh.len() as i64 >= RISE;
        let rose = many && rate >= mind.rate.saturating_mul(RISE);
        let raised = severity as i16 > mind.severity;
        let soon = soon(group, next, route);
        match () {
            () if group.mails > 0 && raised => {}
            () if group.mails > 0 && (rose || new_host) && now >= soon => {}
            () if group.mails > 0 && (many || new_host) && now < soon => return wait(soon),
            () => return wait(next),
        }
    }
    let resolved_all = fresh.is_empty() && continuing.is_empty();
    // Twice as long after each, unless it was quiet meanwhile.
    let grown = match group.reported {
        None => grouping.group_interval,
        Some(_) if since > interval(mind, route).saturating_mul(2) => grouping.group_interval,
        Some(_) => interval(mind, route).saturating_mul(2).min(LONGEST.max(grouping.group_interval)),
    };
    let closed = resolved_all && all_over;
    Decision {
        mail: Some(Draft { first: group.mails == 0, resolved_all, severity, new: fresh, continuing, resolved }),
        mind: Mind { interval: grown, severity: severity as i16, rate },
        due: (!closed).then_some(quiet),
        closed,
    }
}

/// Until when a group rests, if that is known without its items: whatever they are, no mail of it is made before.
pub fn rests(
    group: &Group,
    mind: &Mind,
    rule: Option<&Rule>,
    route: &Route,
    glance: &Glance,
    now: Timestamp,
) -> Option<Timestamp> {
    if group.mails == 0 {
        return Some(opens(group, route)).filter(|opens| now < *opens);
    }
    let next = next(group, mind, route);
    let severity = rule.map_or(group.severity, |rule| rule.severity.max(group.severity)) as i16;
    let counts = rule.is_some_and(|rule| !rule.critical_when.is_empty()) && mind.severity < Severity::Critical as i16;
    if now >= next || severity > mind.severity || counts {
        return None;
    }
    let soon = soon(group, next, route);
    let (_, rate) = rate(group, glance.unreported, now);
    let rose = glance.unreported >= RISE && rate >= mind.rate.saturating_mul(RISE);
    match () {
        () if now < soon => Some(soon),
        () if rose || glance.new_host => None,
        () => Some(next),
    }
}

/// When the first mail may be made.
fn opens(group: &Group, route: &Route) -> Timestamp {
    Timestamp(group.opened.0.saturating_add(route.grouping.group_wait))
}

fn interval(mind: &Mind, route: &Route) -> i64 {
    mind.interval.max(route.grouping.group_interval)
}

/// When the next mail may be made, whatever it says.
fn next(group: &Group, mind: &Mind, route: &Route) -> Timestamp {
    group.reported.map_or(opens(group, route), |at| Timestamp(at.0.saturating_add(interval(mind, route))))
}

/// When one may be made that says that it got worse.
fn soon(group: &Group, next: Timestamp, route: &Route) -> Timestamp {
    group.reported.map_or(next, |at| Timestamp(at.0.saturating_add(route.grouping.group_wait))).min(next)
}

/// How long ago the last mail was made, and how often in an hour it failed since then.
fn rate(group: &Group, fresh: i64, now: Timestamp) -> (i64, i64) {
    let since = now.micros_since(group.reported.unwrap_or(group.opened)).max(1);
    (since, fresh.saturating_mul(HOUR) / since)
}

/// It is wrong until it is well again, however long that takes.
fn lasts(item: &Item) -> bool {
    let fault = LogFault::of(&item.told.told.rule).filter(|_| item.scenario == OF_A_LOG);
    item.state == ItemState::Failed && fault.is_some_and(LogFault::lasts)
}

/// Failures that are not reported, as far as there are enough of them.
fn reportable(look: &Look) -> Vec<usize> {
    let Look { items, rule, .. } = *look;
    let open = |at: &usize| items[*at].state == ItemState::Failed;
    let enough = match rule {
        Some(rule) if !rule.mail_when.is_empty() => within(items, look.shares, &rule.mail_when, rule.min),
        _ => vec![true; items.len()],
    };
    let fresh = (0..items.len()).filter(open).filter(|at| items[*at].reported.is_none() && enough[*at]);
    let hidden = |item: &Item| because(item).any(|cause| look.causes.contains(&(item.scenario, cause.to_owned())));
    fresh.filter(|at| !hidden(&items[*at])).collect()
}

/// Rules whose failures in the same scenario explain this one.
pub fn because(item: &Item) -> impl Iterator<Item = &str> {
    item.told.facts.iter().filter(|(name, _)| name == "because").map(|(_, rule)| rule.as_str())
}

fn severity(look: &Look) -> Severity {
    let Look { group, rule, .. } = *look;
    let base = rule.map_or(group.severity, |rule| rule.severity.max(group.severity));
    let raised = rule.is_some_and(|rule| {
        !rule.critical_when.is_empty()
            && within(look.items, look.shares, &rule.critical_when, rule.min).iter().any(|is| *is)
    });
    if raised { Severity::Critical } else { base }
}

/// By item: whether it lies in a span in which there were enough. A span ends with one of the failures, and whatever is judged of
/// later times does not change what came of it.
pub fn within(items: &[Item], shares: &Shares, amounts: &[Amount], min: u32) -> Vec<bool> {
    let mut is = vec![false; items.len()];
    let failed = || (0..items.len()).filter(|at| items[*at].state == ItemState::Failed);
    for amount in amounts {
        match amount.much {
            Much::Count(many) => {
                for alike in alike(items, failed(), amount) {
                    let enough = |_: Timestamp, failed: usize| failed >= many as usize;
                    mark(&mut is, alike, |at| items[at].at, amount.span, enough);
                }
            }
            Much::Share(share) => {
                let sums = sums(shares);
                let enough = |ends: Timestamp, _: usize| {
                    let (bad, all) = between(&sums, minutes(ends, amount.span));
                    // Hundredths of a percent.
                    all >= i64::from(min) && bad.saturating_mul(10_000) >= all.saturating_mul(i64::from(share))
                };
                // What is judged is counted by when it began.
                mark(&mut is, failed().collect(), |at| items[at].told.told.began, amount.span, enough);
            }
            // Without a week of counts nothing is said.
            Much::BelowLastWeek(_) | Much::AboveLastWeek(_) => {}
        }
    }
    is
}

/// Failures that are counted together.
fn alike(items: &[Item], failed: impl Iterator<Item = usize>, amount: &Amount) -> Vec<Vec<usize>> {
    let Some(fact) = &amount.per else { return vec![failed.collect()] };
    let name = fact.show();
    let mut by: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for at in failed {
        if let Some((_, value)) = items[at].told.facts.iter().find(|(known, _)| *known == name) {
            by.entry(value).or_default().push(at);
        }
    }
    by.into_values().collect()
}

/// Marks those that lie in spans in which there were enough: `enough` is asked with the end of each and how many of them it holds.
fn mark(
    is: &mut [bool],
    mut of: Vec<usize>,
    time: impl Fn(usize) -> Timestamp,
    span: i64,
    enough: impl Fn(Timestamp, usize) -> bool,
) {
    of.sort_by_key(|at| time(*at));
    let (mut begin, mut marked) = (0, 0);
    for end in 0..of.len() {
        let ends = time(of[end]);
        while ends.micros_since(time(of[begin])) > span {
            begin += 1;
        }
        if enough(ends, end + 1 - begin) {
            of[begin.max(marked)..=end].iter().for_each(|at| is[*at] = true);
            marked = end + 1;
        }
    }
}

/// By minute, all up to its end.
fn sums(shares: &Shares) -> Vec<(i64, (i64, i64))> {
    let mut all = (0, 0);
    let sum = |(minute, of): (&i64, &(i64, i64))| {
        all = (all.0 + of.0, all.1 + of.1);
        (*minute, all)
    };
    shares.iter().map(sum).collect()
}

fn between(sums: &[(i64, (i64, i64))], [from, to]: [i64; 2]) -> (i64, i64) {
    let before = |minute: i64| match sums.partition_point(|(of, _)| *of < minute) {
        0 => (0, 0),
        nth => sums[nth - 1].1,
    };
    let (first, last) = (before(from), before(to + 1));
    (last.0 - first.0, last.1 - first.1)
}

#[cfg(test)]
mod tests;
