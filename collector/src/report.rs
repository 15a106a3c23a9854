//! The loop that reports: groups that are due become mails, and their state with them, in one transaction.

mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use record::id::ScenarioId;
use record::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use rule::routes::{Mask as RouteMask, Route, Team};
use rule::syntax::{Rule, Severity};
use rule::verdict::Outcome;
use sha2::{Digest, Sha256};
use store::Store;
use store::alert::{Group, Item, ItemState};
use store::health::Part;
use store::outgoing::{MailKind, MailState, NewMail, Reported};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::alert::{Decision, Draft, Look, Mind, Shares, because, decide, within};
use crate::book::Book;
use crate::ingest::now;
use crate::mail::notice::{About, Held, Mask, Notice, Reader, Storm};
use crate::mail::{self, Mailbox, Settings};
use crate::sources::Lookout;

/// How long a group is ours to report.
const LEASE: i64 = 60 * SECOND;
const LOOK: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// Groups of one round, and scenarios of a group that are looked at.
const TOGETHER: usize = 100;
const ITEMS: usize = 10_000;
/// How long groups wait for whom all mails of an hour are made.
const FULL: i64 = 5 * MINUTE;
/// Mails that are not sent by then are not sent any more.
const CRITICAL: i64 = DAY;
const OTHERS: i64 = 6 * HOUR;

/// By what account mails go; without one they are made, and not sent.
#[derive(Clone, Debug)]
pub struct Desk {
    pub settings: Settings,
    pub can_send: bool,
}

/// Runs until cancelled.
pub async fn run(store: Store, book: watch::Receiver<Arc<Book>>, desk: Desk, cancel: CancellationToken) {
    let mut retry = LOOK;
    let mut lookout = Lookout::new(now());
    while !cancel.is_cancelled() {
        let shelf = book.borrow().clone();
        let reporting = Box::pin(async {
            lookout.step(&store, &shelf, now()).await?;
            step(&store, &book, &desk, now()).await
        });
        let wait = match store.health().step(Part::Reporting, reporting).await {
            Ok(0) => {
                retry = LOOK;
                LOOK
            }
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "alerts wait: the database does not answer as it should");
                retry = (retry * 2).min(LAST_RETRY);
                retry
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Looks at the groups that are due once; gives their number.
pub async fn step(
    store: &Store,
    book: &watch::Receiver<Arc<Book>>,
    desk: &Desk,
    now: Timestamp,
) -> Result<usize, Error> {
    let groups = store.due_alerts(now, LEASE, TOGETHER).await?;
    let count = groups.len();
    let book = book.borrow().clone();
    let mut held = Vec::new();
    for group in groups {
        // As it is by now: a look at a group that has changed since it was taken is not kept, and failures may keep coming.
        let Some(group) = store.taken_alert(&group).await? else { continue };
        let look = Looking::of(store, &book, group, now).await?;
        let decision = look.decide(&book, now);
        let Some(draft) = &decision.mail else {
            keep(store, desk, &look, decision, Vec::new(), now).await?;
            continue;
        };
        if is_over(store, &book, &look.teams(&book), draft.severity, now).await? {
            held.push((look, decision));
            continue;
        }
        let mails = look.mails(&book, desk, draft, now);
        // What no mail tells of is told later.
        let decision = if mails.is_empty() { look.later(now) } else { decision };
        keep(store, desk, &look, decision, mails, now).await?;
    }
    storms(store, &book, desk, held, now).await?;
    Ok(count)
}

/// A group with what is read beside it.
#[derive(Debug)]
pub struct Looking {
    pub group: Group,
    pub items: Vec<Item>,
    pub mind: Mind,
    pub shares: Shares,
    /// Failures that are reported, by scenario and rule: what they explain is not.
    pub causes: BTreeSet<(ScenarioId, String)>,
}

impl Looking {
    async fn of(store: &Store, book: &Book, group: Group, now: Timestamp) -> Result<Self, Error> {
        let items = store.alert_items(group.id, ITEMS).await?;
        let mind = group.state.as_deref().map(Mind::read).unwrap_or_default();
        let shares = shares(store, &group.key.rule, rule(book, &group.key.rule), &items, now).await?;
        let unreported = items.iter().filter(|item| item.reported.is_none());
        let mut named: BTreeMap<String, Vec<ScenarioId>> = BTreeMap::new();
        for item in unreported {
            for cause in because(item) {
                named.entry(cause.to_owned()).or_default().push(item.scenario);
            }
        }
        let mut causes = BTreeSet::new();
        for (cause, of) in named {
            let mut scenarios = store.reported_of(&cause, &of).await?;
            scenarios.extend(to_be_reported(store, book, &cause, now).await?);
            causes.extend(scenarios.into_iter().map(|of| (of, cause.clone())));
        }
        Ok(Self { group, items, mind, shares, causes })
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
    fn route<'b>(&self, book: &'b Book) -> Option<(usize, &'b Route)> {
        book.routes.routes.iter().enumerate().find(|(_, route)| route.mark() == self.group.key.route)
    }

    /// Counted from 1, as in `routes.toml`.
    fn route_number(&self, book: &Book) -> usize {
        self.route(book).map_or(0, |(nth, _)| nth) + 1
    }

    /// Nothing is told of it now.
    pub fn later(&self, now: Timestamp) -> Decision {
        let due = Some(Timestamp(now.0.saturating_add(FULL)));
        Decision { mail: None, mind: self.mind.clone(), due, closed: false }
    }

    pub fn teams<'b>(&self, book: &'b Book) -> Vec<&'b Team> {
        let names = self.route(book).map(|(_, route)| &route.to[..]).unwrap_or_default();
        book.routes.teams.iter().filter(|team| names.contains(&team.name)).collect()
    }

    /// One mail for each team.
    fn mails(&self, book: &Book, desk: &Desk, draft: &Draft, now: Timestamp) -> Vec<NewMail> {
        let about = About::Group(Box::new(self.told(book, draft)));
        let kind = match (draft.first, draft.resolved_all) {
            (_, true) => MailKind::Resolved,
            (true, _) => MailKind::Firing,
            _ => MailKind::Update,
        };
        let made = |team: &&Team| {
            let seed = format!("{}.{}.{}", self.group.id, self.group.mails, team.name);
            let reader = Reader {
                team: team.name.clone(),
                routes: BTreeSet::from([self.route_number(book)]),
                zone: team.tz,
                mask: mask(team),
            };
            new_mail(desk, team, reader, about.clone(), &self.group.key.env, kind, draft.severity, &seed, now)
        };
        self.teams(book).iter().filter_map(made).collect()
    }
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

async fn keep(
    store: &Store,
    desk: &Desk,
    look: &Looking,
    decision: Decision,
    mails: Vec<NewMail>,
    now: Timestamp,
) -> Result<bool, Error> {
    let told = decision.mail.iter().flat_map(Draft::told).map(|at| &look.items[at]);
    let reported = Reported {
        group: look.group.id,
        changed: look.group.changed,
        lease_until: look.group.lease_until,
        items: told.map(|item| (item.scenario, item.leg.clone(), item.nth)).collect(),
        mails,
        state: decision.mind.write(),
        due: decision.due,
        closed: decision.closed,
    };
    let state = if desk.can_send { MailState::Queued } else { MailState::NotSent };
    Ok(store.report(&reported, state, now).await?)
}

/// Groups whose teams have had all the mails that they may have: once an hour one mail tells of all of them.
async fn storms(
    store: &Store,
    book: &Book,
    desk: &Desk,
    held: Vec<(Looking, Decision)>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut by_teams: BTreeMap<Vec<String>, Vec<(Looking, Decision)>> = BTreeMap::new();
    for one in held {
        let names = one.0.teams(book).iter().map(|team| team.name.clone()).collect();
        by_teams.entry(names).or_default().push(one);
    }
    for (names, held) in by_teams {
        let drafts = held.iter().filter_map(|(_, decision)| decision.mail.as_ref());
        let severity = drafts.map(|draft| draft.severity).max().unwrap_or(Severity::Warning);
        let mut mails = Vec::new();
        if may_storm(store, book, &names, severity, now).await? {
            for team in &book.routes.teams {
                if !names.contains(&team.name) {
                    continue;
                }
                let (of_team, _) = store.mails_since(&team.name, Timestamp(now.0.saturating_sub(HOUR))).await?;
                let storm = storm(book, &held, of_team, now);
                let env = held.first().map(|(look, ..)| look.group.key.env.clone()).unwrap_or_default();
                let routes = held.iter().map(|(look, ..)| look.route_number(book)).collect();
                let reader = Reader { team: team.name.clone(), routes, zone: team.tz, mask: mask(team) };
                let seed = format!("storm.{}.{}", team.name, now.0.div_euclid(MINUTE));
                let about = About::Storm(storm);
                mails.extend(new_mail(desk, team, reader, about, &env, MailKind::Storm, severity, &seed, now));
            }
        }
        // What one mail has told of is told; the rest waits until there is room.
        let mut told = !mails.is_empty();
        for (look, decision) in held {
            let decision = if told { decision } else { look.later(now) };
            let carries = !mails.is_empty();
            let kept = keep(store, desk, &look, decision, std::mem::take(&mut mails), now).await?;
            // The mail went with a group that changed meanwhile: it is made anew.
            told &= kept || !carries;
        }
    }
    Ok(())
}

/// One an hour to each; and what is not critical leaves the reserve to what is.
async fn may_storm(
    store: &Store,
    book: &Book,
    names: &[String],
    severity: Severity,
    now: Timestamp,
) -> Result<bool, Error> {
    for name in names {
        if store.storms_since(name, Timestamp(now.0.saturating_sub(HOUR))).await? > 0 {
            return Ok(false);
        }
    }
    let (_, of_all) = store.mails_since("", Timestamp(now.0.saturating_sub(DAY))).await?;
    Ok(severity == Severity::Critical || of_all < a_day(book, severity))
}

fn storm(book: &Book, held: &[(Looking, Decision)], mails: i64, now: Timestamp) -> Storm {
    let mut groups: Vec<Held> = held.iter().map(|(look, decision)| of_storm(book, look, decision)).collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.severity), std::cmp::Reverse(group.scenarios)));
    let times = || held.iter().flat_map(|(look, ..)| look.items.iter().map(|item| item.at));
    Storm {
        mails: mails.unsigned_abs(),
        begins: times().min().unwrap_or(now),
        ends: times().max().unwrap_or(now),
        groups,
    }
}

fn of_storm(book: &Book, look: &Looking, decision: &Decision) -> Held {
    let rule = rule(book, &look.group.key.rule);
    let failure = look.group.key.failure.clone();
    let says = rule.and_then(|rule| rule.says.get(&failure)).cloned().unwrap_or_else(|| failure.clone());
    Held {
        key: u64::from_be_bytes(look.group.key.hash),
        severity: decision.mail.as_ref().map_or(look.group.severity, |draft| draft.severity),
        failure,
        says,
        scenarios: decision.mail.as_ref().map_or(0, |draft| draft.new.len() as u64),
    }
}

/// One of the teams, or the account, has had all the mails that it may have.
async fn is_over(
    store: &Store,
    book: &Book,
    teams: &[&Team],
    severity: Severity,
    now: Timestamp,
) -> Result<bool, Error> {
    for team in teams {
        let (of_team, _) = store.mails_since(&team.name, Timestamp(now.0.saturating_sub(HOUR))).await?;
        if of_team >= i64::from(book.routes.budget.per_hour) {
            return Ok(true);
        }
    }
    let (_, of_all) = store.mails_since("", Timestamp(now.0.saturating_sub(DAY))).await?;
    Ok(of_all.saturating_add(teams.len() as i64) > a_day(book, severity))
}

/// Mails of a day, without what is kept for those that are worse.
pub fn a_day(book: &Book, severity: Severity) -> i64 {
    let budget = &book.routes.budget;
    let reserve = if severity == Severity::Critical { 0 } else { budget.reserve_critical };
    i64::from(budget.per_day.saturating_sub(reserve))
}

#[allow(clippy::too_many_arguments)]
fn new_mail(
    desk: &Desk,
    team: &Team,
    reader: Reader,
    about: About,
    env: &str,
    kind: MailKind,
    severity: Severity,
    seed: &str,
    now: Timestamp,
) -> Option<NewMail> {
    let notice = Notice {
        reader,
        base_url: desk.settings.pages().to_owned(),
        domain: desk.settings.domain().to_owned(),
        env: env.to_owned(),
        made: now,
        about,
    };
    let drawn = mail::render(&notice);
    let to: Vec<Mailbox> = team.to.iter().filter_map(|address| address.parse().ok()).collect();
    let message_id = mail::message_id(number(seed, now), desk.settings.domain());
    let made = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now.0).unwrap_or_default());
    let mime = mail::mime(&drawn, &desk.settings, &to, &message_id, made);
    let mime = mime.inspect_err(|error| tracing::error!(%error, team = team.name, "a mail cannot be written")).ok()?;
    let lasts = if severity == Severity::Critical { CRITICAL } else { OTHERS };
    Some(NewMail {
        kind,
        team: team.name.clone(),
        recipients: team.to.join(","),
        message_id,
        subject: drawn.subject,
        plain: drawn.text,
        mime,
        priority: severity as i16,
        expires: Timestamp(now.0.saturating_add(lasts)),
    })
}

/// The same for the same mail, and for no other.
fn number(seed: &str, now: Timestamp) -> i64 {
    let digest = Sha256::digest(format!("{seed} {}", now.0));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first) & i64::MAX
}

fn mask(team: &Team) -> Mask {
    match team.mask {
        RouteMask::None => Mask::None,
        RouteMask::Last3 => Mask::Last3,
        RouteMask::All => Mask::All,
    }
}

pub fn rule<'b>(book: &'b Book, id: &str) -> Option<&'b Rule> {
    book.set.rules.iter().find(|rule| rule.id == id)
}

/// Instances of a rule in a span that ends with a minute: failed, and judged at all.
async fn share(store: &Store, rule: &str, newest: Timestamp, span: i64) -> Result<(i64, i64), Error> {
    let counts = store.rule_counts(Timestamp(newest.0.saturating_sub(span)), newest).await?;
    let of = counts.get(rule).cloned().unwrap_or_default().0;
    let n = |outcome: Outcome| of.get(&outcome).copied().unwrap_or_default();
    let failed = n(Outcome::Failed);
    Ok((failed, failed + n(Outcome::Late) + n(Outcome::Business) + n(Outcome::Ok)))
}

async fn shares(store: &Store, id: &str, rule: Option<&Rule>, items: &[Item], now: Timestamp) -> Result<Shares, Error> {
    let newest = items.iter().map(|item| item.at).max().unwrap_or(now);
    let mut spans = vec![HOUR];
    if let Some(rule) = rule {
        spans.extend(rule.mail_when.iter().chain(&rule.critical_when).map(|amount| amount.span));
    }
    let mut shares = Shares::new();
    for span in spans {
        shares.insert(span, share(store, id, newest, span).await?);
    }
    Ok(shares)
}

/// Scenarios of open groups whose failure of a rule is to be reported: there are enough of them.
async fn to_be_reported(store: &Store, book: &Book, id: &str, now: Timestamp) -> Result<BTreeSet<ScenarioId>, Error> {
    let Some(rule) = rule(book, id) else { return Ok(BTreeSet::new()) };
    let mut of = BTreeSet::new();
    for group in store.open_alerts(id).await? {
        let items = store.alert_items(group.id, ITEMS).await?;
        let shares = shares(store, id, Some(rule), &items, now).await?;
        let enough = within(&items, &shares, &rule.mail_when, rule.min);
        let is = |(item, enough): &(&Item, bool)| item.state == ItemState::Failed && *enough;
        of.extend(items.iter().zip(enough).filter(is).map(|(item, _)| item.scenario));
    }
    Ok(of)
}
