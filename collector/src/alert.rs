//! When a group of failures is reported, and what of it: a function of what is known and of the clock.

use std::collections::BTreeMap;

use record::time::{HOUR, Timestamp};
use rule::routes::{Resolved, Route};
use rule::syntax::{Amount, Much, Rule, Severity};
use serde::{Deserialize, Serialize};
use store::alert::{Group, Item, ItemState};

/// While a group keeps changing its mails come less and less often, but never more rarely than this.
const LONGEST: i64 = HOUR;

/// What is kept in mind of a group between its mails.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mind {
    /// Microseconds until the next mail may follow the last.
    pub interval: i64,
    /// As the last mail said it: 0 info, 1 warning, 2 critical.
    pub severity: i16,
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
    /// By span that ends with the newest failure: instances of the rule that failed, and those in which a step was judged.
    pub shares: &'a BTreeMap<i64, (i64, i64)>,
    /// Rules that are reported now: what they explain is not.
    pub causes: &'a [String],
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
    /// Items that it tells of for the first time, or whose new state it tells.
    pub fn told(&self) -> impl Iterator<Item = usize> + '_ {
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
                let told = item.reported.is_some_and(|at| item.changed > at);
                item.state != ItemState::Failed && told
            };
            (0..items.len()).filter(|at| over(&items[*at])).collect()
        }
    };
    let told = |item: &Item| item.state == ItemState::Failed && item.reported.is_some();
    let continuing: Vec<usize> = (0..items.len()).filter(|at| told(&items[*at])).collect();
    let severity = severity(look);
    let quiet = Timestamp(group.changed.0.saturating_add(grouping.repeat));
    let wait = |until: Timestamp| Decision { mail: None, mind: mind.clone(), due: Some(until), closed: false };
    // The first mail waits for others.
    let opens = Timestamp(group.opened.0.saturating_add(grouping.group_wait));
    if group.mails == 0 && now < opens {
        return wait(opens);
    }
    if fresh.is_empty() && resolved.is_empty() {
        // Nothing new for so long: what comes then is another story.
        let over = now >= quiet || (group.mails == 0 && items.iter().all(|item| item.state != ItemState::Failed));
        return Decision { closed: over, due: (!over).then_some(quiet), ..wait(quiet) };
    }
    let interval = mind.interval.max(grouping.group_interval);
    let next = group.reported.map_or(opens, |at| Timestamp(at.0.saturating_add(interval)));
    let raised = group.mails > 0 && severity as i16 > mind.severity;
    if now < next && !raised {
        return wait(next);
    }
    let resolved_all = fresh.is_empty() && continuing.is_empty();
    // Twice as long after each, unless it was quiet meanwhile.
    let grown = match group.reported {
        None => grouping.group_interval,
        Some(at) if now.micros_since(at) > interval.saturating_mul(2) => grouping.group_interval,
        Some(_) => interval.saturating_mul(2).min(LONGEST.max(grouping.group_interval)),
    };
    Decision {
        mail: Some(Draft { first: group.mails == 0, resolved_all, severity, new: fresh, continuing, resolved }),
        mind: Mind { interval: grown, severity: severity as i16 },
        due: Some(quiet),
        closed: resolved_all,
    }
}

/// Failures that nobody was told of, as far as there are enough of them.
fn reportable(look: &Look) -> Vec<usize> {
    let Look { items, rule, .. } = *look;
    let open = |at: &usize| items[*at].state == ItemState::Failed;
    let enough = match rule {
        Some(rule) if !rule.mail_when.is_empty() => within(look, &rule.mail_when, rule.min),
        _ => vec![true; items.len()],
    };
    let fresh = (0..items.len()).filter(open).filter(|at| items[*at].reported.is_none() && enough[*at]);
    fresh.filter(|at| !because(&items[*at]).any(|cause| look.causes.iter().any(|known| known == cause))).collect()
}

/// Rules whose failures in the same scenario explain this one.
pub fn because(item: &Item) -> impl Iterator<Item = &str> {
    item.told.facts.iter().filter(|(name, _)| name == "because").map(|(_, rule)| rule.as_str())
}

fn severity(look: &Look) -> Severity {
    let Look { group, rule, .. } = *look;
    let base = rule.map_or(group.severity, |rule| rule.severity.max(group.severity));
    let raised = rule.is_some_and(|rule| {
        !rule.critical_when.is_empty() && within(look, &rule.critical_when, rule.min).iter().any(|is| *is)
    });
    if raised { Severity::Critical } else { base }
}

/// By item: whether it lies in a span in which there were enough.
pub fn within(look: &Look, amounts: &[Amount], min: u32) -> Vec<bool> {
    let items = look.items;
    let mut is = vec![false; items.len()];
    let failed: Vec<usize> = (0..items.len()).filter(|at| items[*at].state == ItemState::Failed).collect();
    for amount in amounts {
        let value = |at: usize| match &amount.per {
            None => Some(String::new()),
            Some(fact) => {
                let name = fact.show();
                let own = items[at].told.facts.iter().find(|(known, _)| *known == name);
                own.map(|(_, value)| value.clone())
            }
        };
        match amount.much {
            Much::Count(many) => {
                let mut by: BTreeMap<String, Vec<usize>> = BTreeMap::new();
                for &at in &failed {
                    if let Some(value) = value(at) {
                        by.entry(value).or_default().push(at);
                    }
                }
                for mut alike in by.into_values() {
                    alike.sort_by_key(|at| items[*at].at);
                    let mut begin = 0;
                    for end in 0..alike.len() {
                        while items[alike[end]].at.micros_since(items[alike[begin]].at) > amount.span {
                            begin += 1;
                        }
                        if end + 1 - begin >= many as usize {
                            alike[begin..=end].iter().for_each(|at| is[*at] = true);
                        }
                    }
                }
            }
            Much::Share(share) => {
                let newest = failed.iter().map(|at| items[*at].at).max();
                let (bad, all) = look.shares.get(&amount.span).copied().unwrap_or_default();
                // Hundredths of a percent.
                let enough =
                    all >= i64::from(min) && bad.saturating_mul(10_000) >= all.saturating_mul(i64::from(share));
                if let Some(newest) = newest.filter(|_| enough) {
                    let of_span = failed.iter().filter(|at| newest.micros_since(items[**at].at) <= amount.span);
                    of_span.for_each(|at| is[*at] = true);
                }
            }
            // Without a week of counts nothing is said.
            Much::BelowLastWeek(_) | Much::AboveLastWeek(_) => {}
        }
    }
    is
}
