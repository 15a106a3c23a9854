//! All scenarios are settled and judged, as a collector would, without reading their messages.

use std::collections::BTreeMap;

use message::gist::Gist;
use record::id::MessageId;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use rule::syntax::Severity;
use rule::told::{Seen, Step, Told};
use rule::verdict::Outcome;
use store::Store;
use store::alert::{Alarm, Group, GroupKey, ItemTold, News};
use store::outgoing::{MailState, Reported};
use store::settle::{Due, Settled};
use store::verdict::Judged;

use super::Fault;
use super::rows::NOON;

/// A group of many, as a page is asked for it.
pub const STORM: &str = "0000000000000000";
/// Of so many scenarios one fails; of so many failures one is not of the group of many.
const FAILS: i64 = 10;
const APART: i64 = 4;
/// Groups, most of which are closed.
const GROUPS: i64 = 3_000;
const OPEN: i64 = 100;
const RULES: i64 = 20;
/// Minutes in which instances began.
const MINUTES: i64 = 1_440;
const AT_ONCE: usize = 1_000;

pub async fn all(store: &Store) -> Result<(), Fault> {
    let now = Timestamp(NOON.0 + HOUR);
    loop {
        let due = store.due("bench", now, HOUR, AT_ONCE).await?;
        if due.is_empty() {
            break;
        }
        store.settle("bench", &due.into_iter().map(settled).collect::<Vec<_>>(), now).await?;
    }
    let later = Timestamp(now.0 + HOUR);
    loop {
        let due = store.due_alerts(later, HOUR, AT_ONCE).await?;
        if due.is_empty() {
            return Ok(());
        }
        for group in due {
            report(store, group, later).await?;
        }
    }
}

/// The number of the group of many.
pub async fn storm(store: &Store) -> Result<i64, store::Error> {
    Ok(store.alert_group([0; 8]).await?.map_or(0, |group| group.id))
}

async fn report(store: &Store, group: Group, now: Timestamp) -> Result<(), Fault> {
    let reported = Reported {
        group: group.id,
        changed: group.changed,
        lease_until: group.lease_until,
        mails: Vec::new(),
        items: Vec::new(),
        older: None,
        // About as long as what a reporter keeps in mind.
        state: vec![7; 400],
        due: None,
        closed: i64::from_be_bytes(group.key.hash) > OPEN,
    };
    store.report(&reported, MailState::Sent, now).await?;
    Ok(())
}

fn settled(due: Due) -> Settled {
    let nth = due.id.0;
    let gist = Gist {
        // As their messages say.
        status: Some(if nth % 250 == 0 { 503 } else { 200 }),
        begun: Some(NOON),
        answered: Some(NOON),
        ended: Some(Timestamp(NOON.0 + SECOND)),
        talked: Some(nth * 7_919 % 3_600 * SECOND),
        legs: 2,
        devices: 1,
        ..Gist::default()
    };
    Settled {
        due,
        gist: Some(gist),
        left: None,
        problems: 0,
        next: None,
        rest_until: Timestamp(0),
        judged: Some(judged(nth)),
    }
}

fn judged(nth: i64) -> Judged {
    let outcome = match nth {
        _ if nth % FAILS == 0 => Outcome::Failed,
        _ if nth % 50 == 1 => Outcome::Late,
        _ if nth % 25 == 2 => Outcome::Unknown,
        _ => Outcome::Ok,
    };
    let rule = |of: i64| format!("rule-{:02}", of % RULES);
    let minute = NOON.0.div_euclid(MINUTE) - nth / 100 % MINUTES;
    let failure = if nth % 20_000 == 0 { "rare" } else { "no-ack" };
    let mut counts = BTreeMap::new();
    for of in 0..RULES {
        let outcome = if of == nth % RULES { outcome } else { Outcome::Ok };
        counts.insert((rule(of), minute, outcome), 1);
    }
    let told = (outcome != Outcome::Ok).then(|| told(&rule(nth), outcome, failure));
    let alarm = |told: &Told| Alarm {
        group: GroupKey {
            hash: (if nth / FAILS % APART == 0 { 1 + nth / FAILS / APART % GROUPS } else { 0 }).to_be_bytes(),
            route: 0,
            env: "prod".into(),
            rule: told.rule.clone(),
            failure: failure.into(),
        },
        news: News::Fresh,
        severity: Severity::Warning,
        at: Timestamp(NOON.0 + nth * 1_000),
        item: ItemTold {
            caller: Some("+12025550100".into()),
            callee: Some("+12025550199".into()),
            told: told.clone(),
            also: Vec::new(),
            facts: Vec::new(),
        },
        wait: SECOND,
    };
    Judged {
        worst: Some((outcome, told.as_ref().map(|_| failure.to_owned()), rule(nth))),
        counts,
        alarms: told.iter().filter(|told| told.outcome == Outcome::Failed).map(alarm).collect(),
        told: told.into_iter().collect(),
        open: Vec::new(),
        others: Vec::new(),
        window: None,
    }
}

fn told(rule: &str, outcome: Outcome, failure: &str) -> Told {
    let step = |name: &str| Step {
        name: name.into(),
        text: format!("{name} within 4 s from the caller"),
        failure: Some(failure.into()),
        seen: Seen::Met,
        due: Some(NOON),
        from: Some("proxy-1".into()),
        to: Some("192.0.2.9".into()),
        message: None,
        time: Some(NOON),
        late_by: None,
        why: None,
    };
    Told {
        rule: rule.into(),
        version: 1,
        severity: Severity::Warning,
        outcome,
        failure: Some(failure.into()),
        step: Some(2),
        due: Some(NOON),
        late_by: None,
        leg: "B1".into(),
        target: "+12025550199".into(),
        nth: None,
        start: MessageId::default(),
        began: NOON,
        ended: None,
        ending: None,
        steps: ["ringing", "answer", "ack"].map(step).into(),
        why: None,
    }
}
