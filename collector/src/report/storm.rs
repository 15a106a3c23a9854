//! Groups for which no mail is left: one mail an hour stands for all of them.

use std::collections::BTreeMap;

use record::time::{HOUR, MINUTE, Timestamp};
use rule::routes::Route;
use rule::syntax::Severity;
use store::Store;
use store::alert::Group;
use store::outgoing::{Kept, MailKind, NewMail, Reported};

use super::budget::{may_storm, room_of_storm};
use super::look::Causes;
use super::mails::{mask, new_mail};
use super::{Desk, FULL, LEASE, Looking, TOGETHER, keep, rule, teams};
use crate::Error;
use crate::alert::Decision;
use crate::book::Book;
use crate::mail::notice::{About, Held, Reader, Storm};

/// Groups of one mail, and scenarios of all of them: of the others the next mail tells.
const GROUPS: usize = 1_000;
const ITEMS: usize = 200_000;

/// A group for which no mail is left, with what a mail that stands for many says of it.
#[derive(Debug)]
pub(super) struct Waiting {
    group: Group,
    reported: Reported,
    /// Of its route: the teams, the number, and how long a mail waits for others.
    teams: Vec<String>,
    route: usize,
    wait: i64,
    held: Held,
    begins: Option<Timestamp>,
    ends: Option<Timestamp>,
}

impl Waiting {
    pub fn new(book: &Book, look: Looking, decision: &Decision) -> Self {
        let times = || look.items.iter().map(|item| item.at);
        let route = look.route(book).map(|(_, route)| route);
        Self {
            reported: look.reported(decision, Vec::new()),
            teams: route.map(|route| names(book, route)).unwrap_or_default(),
            route: look.route_number(book),
            wait: look.wait(book).unwrap_or_default(),
            held: held(book, &look, decision),
            begins: times().min(),
            ends: times().max(),
            group: look.group,
        }
    }
}

/// Keeps groups waiting, or makes the mail that stands for them and for all that wait with them.
pub(super) async fn storms(
    store: &Store,
    book: &Book,
    desk: &Desk,
    waiting: Vec<Waiting>,
    causes: &mut Causes,
    now: Timestamp,
) -> Result<(), Error> {
    let mut by_teams: BTreeMap<Vec<String>, Vec<Waiting>> = BTreeMap::new();
    for one in waiting {
        by_teams.entry(one.teams.clone()).or_default().push(one);
    }
    for (names, mut waiting) in by_teams {
        let severity = waiting.iter().map(|one| one.held.severity).max().unwrap_or(Severity::Warning);
        let until = if may_storm(store, book, &names, severity, now).await? {
            // Others follow, as after a first failure.
            let since = store.held_since(&marks(book, &names)).await?.map_or(now, |since| since.min(now));
            let wait = waiting.iter().map(|one| one.wait).max().unwrap_or_default();
            Timestamp(since.0.saturating_add(wait))
        } else {
            Timestamp(now.0.saturating_add(FULL))
        };
        if now >= until {
            others(store, book, desk, &names, &mut waiting, causes, now).await?;
            let mails = mails(store, book, desk, &names, &waiting, now).await?;
            let of: Vec<Reported> = waiting.iter().map(|one| one.reported.clone()).collect();
            let room = room_of_storm(book, severity);
            let kept = if mails.is_empty() {
                Kept::Full
            } else {
                store.report_together(&of, &mails, room, desk.state(), now).await?
            };
            if kept != Kept::Full {
                continue;
            }
        }
        let until = if now < until { until } else { Timestamp(now.0.saturating_add(FULL)) };
        for one in waiting {
            store.hold(&one.group, until, now).await?;
        }
    }
    Ok(())
}

/// Groups that wait for the same teams since earlier rounds.
async fn others(
    store: &Store,
    book: &Book,
    desk: &Desk,
    names: &[String],
    waiting: &mut Vec<Waiting>,
    causes: &mut Causes,
    now: Timestamp,
) -> Result<(), Error> {
    let marks = marks(book, names);
    let mut items: usize = waiting.iter().map(|one| one.reported.items.len()).sum();
    while waiting.len() < GROUPS && items < ITEMS {
        let groups = store.held_alerts(&marks, now, LEASE, TOGETHER.min(GROUPS - waiting.len())).await?;
        if groups.is_empty() {
            break;
        }
        for group in groups {
            let Some(group) = store.taken_alert(&group).await? else { continue };
            let look = Looking::new(group).read(store, book, causes, now).await?;
            let decision = look.decide(book, now);
            if decision.mail.is_some() {
                let one = Waiting::new(book, look, &decision);
                items += one.reported.items.len();
                waiting.push(one);
            } else {
                keep(store, desk, &look, &decision, now).await?;
            }
        }
    }
    Ok(())
}

/// One for each team.
async fn mails(
    store: &Store,
    book: &Book,
    desk: &Desk,
    names: &[String],
    waiting: &[Waiting],
    now: Timestamp,
) -> Result<Vec<NewMail>, Error> {
    let mut groups: Vec<Held> = waiting.iter().map(|one| one.held.clone()).collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.severity), std::cmp::Reverse(group.scenarios)));
    let severity = groups.first().map_or(Severity::Warning, |group| group.severity);
    let env = waiting.first().map(|one| one.group.key.env.clone()).unwrap_or_default();
    let mut mails = Vec::new();
    for team in book.routes.teams.iter().filter(|team| names.contains(&team.name)) {
        let (of_team, _) = store.mails_since(&team.name, Timestamp(now.0.saturating_sub(HOUR))).await?;
        let storm = Storm {
            mails: of_team.unsigned_abs(),
            begins: waiting.iter().filter_map(|one| one.begins).min().unwrap_or(now),
            ends: waiting.iter().filter_map(|one| one.ends).max().unwrap_or(now),
            groups: groups.clone(),
        };
        let routes = waiting.iter().map(|one| one.route).collect();
        let reader = Reader { team: team.name.clone(), routes, zone: team.tz, mask: mask(team) };
        let seed = format!("storm.{}.{}", team.name, now.0.div_euclid(MINUTE));
        let about = About::Storm(storm);
        mails.extend(new_mail(desk, team, reader, about, &env, MailKind::Storm, severity, &seed, now));
    }
    Ok(mails)
}

fn held(book: &Book, look: &Looking, decision: &Decision) -> Held {
    let rule = rule(book, &look.group.key.rule);
    let failure = look.group.key.failure.clone();
    let says = rule.and_then(|rule| rule.says.get(&failure)).cloned().unwrap_or_else(|| failure.clone());
    Held {
        key: u64::from_be_bytes(look.group.key.hash),
        severity: decision.mail.as_ref().map_or(look.group.severity, |draft| draft.severity),
        failure,
        says,
        scenarios: decision.mail.as_ref().map_or(0, |draft| draft.new.len() as u64 + look.older(draft)),
        over: decision.mail.as_ref().map_or(0, |draft| draft.resolved.len() as u64),
    }
}

fn names(book: &Book, route: &Route) -> Vec<String> {
    teams(book, route).into_iter().map(|team| team.name.clone()).collect()
}

/// Routes to the same teams.
fn marks(book: &Book, of: &[String]) -> Vec<i32> {
    book.routes.routes.iter().filter(|route| names(book, route) == of).map(Route::mark).collect()
}
