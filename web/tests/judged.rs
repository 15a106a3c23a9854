//! Verdicts, alerts and mails made here: what tests and the example show of them.

use std::collections::BTreeMap;

use record::id::ScenarioId;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use rule::logs::LogFault;
use rule::syntax::Severity;
use rule::told::{Seen, Step, Told};
use rule::verdict::Outcome;
use store::Store;
use store::alert::{Alarm, GroupKey, ItemTold, News};
use store::outgoing::{MailKind, MailState, NewMail, Reported};
use store::rulebook::{Entry, Rulebook};
use store::settle::Settled;
use store::verdict::Judged;

pub const KEY: &str = "7f3a91c20b44e1d2";

/// An agent of which nothing is heard.
pub fn silent(agent: &str, at: Timestamp) -> Alarm {
    let fault = LogFault::Silent;
    let (rule, failure) = (fault.id().to_owned(), fault.failure().to_owned());
    let told = Told {
        rule: rule.clone(),
        failure: Some(failure.clone()),
        step: None,
        steps: Vec::new(),
        leg: agent.into(),
        target: "sbc-1.example.com".into(),
        ending: Some("no report: core is not read".into()),
        nth: Some(7),
        ..no_ack(at)
    };
    Alarm {
        group: GroupKey { hash: [9; 8], route: 0, env: "prod".into(), rule, failure },
        news: News::Fresh,
        severity: fault.severity(),
        at,
        item: ItemTold { caller: None, callee: None, told, also: Vec::new(), facts: Vec::new() },
        wait: 30 * SECOND,
    }
}

/// An ACK that never came at `due`, on leg B1.
pub fn no_ack(due: Timestamp) -> Told {
    let step = Step {
        name: "ack".into(),
        text: "ack: ACK to device within 32s else no-ack".into(),
        failure: Some("no-ack".into()),
        seen: Seen::Missed,
        due: Some(due),
        from: Some("192.0.2.20".into()),
        to: Some("bob".into()),
        message: None,
        time: None,
        late_by: None,
        why: None,
    };
    Told {
        rule: "answered-no-ack".into(),
        version: 0x3f9c_2a00,
        severity: Severity::Critical,
        outcome: Outcome::Failed,
        failure: Some("no-ack".into()),
        step: Some(0),
        due: Some(due),
        late_by: None,
        leg: "B1".into(),
        target: "bob".into(),
        nth: None,
        start: record::id::MessageId::default(),
        began: Timestamp(due.0 - 32 * SECOND),
        ended: None,
        ending: None,
        steps: vec![step],
        why: None,
    }
}

pub fn rulebook(server: Option<&str>) -> Rulebook {
    let rule = |id: &str, title: &str, class: &str, says: &str| Entry {
        id: id.into(),
        title: title.into(),
        severity: Severity::Critical,
        version: 1,
        prose: format!(
            "When a device answers an INVITE (2xx), then on its leg: an ACK must reach it within 32 s, else {class}."
        ),
        file: "20-ack.toml".into(),
        watch: false,
        explains: Vec::new(),
        says: BTreeMap::from([(class.into(), says.into())]),
    };
    Rulebook {
        rules: vec![
            rule("answered-no-ack", "An answered call is acknowledged", "no-ack", "200 OK was never acknowledged"),
            rule("bye-propagates", "A BYE reaches the other side", "bye-unanswered", "a BYE was not answered"),
        ],
        faults: Vec::new(),
        rules_dir: None,
        routes_file: None,
        teams: vec![("oncall-voice".into(), vec!["oncall-voice@example.com".into()])],
        server: server.map(Into::into),
        base_url: "http://localhost:8480".into(),
    }
}

/// All calls that are due: the first `failed` of them failed, the others went well. Gives those that failed.
pub async fn judge(store: &Store, failed: usize, now: Timestamp) -> Vec<ScenarioId> {
    let taken = store.due("judge", Timestamp(i64::MAX / 2), MINUTE, 1_000).await.expect("due");
    let mut settled = Vec::new();
    for (nth, due) in taken.iter().enumerate() {
        let at = Timestamp(now.0 - (10 + nth as i64) * MINUTE / 4);
        let minute = at.0.div_euclid(MINUTE);
        let outcome = if nth < failed { Outcome::Failed } else { Outcome::Ok };
        let class = (nth < failed).then(|| "no-ack".to_owned());
        let told = no_ack(at);
        let alarm = Alarm {
            group: GroupKey {
                hash: u64::from_str_radix(KEY, 16).expect("hex").to_be_bytes(),
                route: 0,
                env: "prod".into(),
                rule: told.rule.clone(),
                failure: "no-ack".into(),
            },
            news: News::Fresh,
            severity: Severity::Critical,
            at,
            item: ItemTold {
                caller: Some("alice".into()),
                callee: Some("bob".into()),
                told: told.clone(),
                also: vec!["call-completes".into()],
                facts: vec![("app_version".into(), "7.4.1".into())],
            },
            wait: 30 * SECOND,
        };
        let judged = Judged {
            worst: Some((outcome, class, told.rule.clone())),
            counts: BTreeMap::from([((told.rule.clone(), minute, outcome), 1)]),
            told: if nth < failed { vec![told] } else { Vec::new() },
            alarms: if nth < failed { vec![alarm] } else { Vec::new() },
            ..Judged::default()
        };
        let rest_until = Timestamp(0);
        let due = *due;
        settled.push(Settled {
            due,
            gist: None,
            left: None,
            problems: 0,
            next: None,
            rest_until,
            judged: Some(judged),
        });
    }
    store.settle("judge", &settled, now).await.expect("settled");
    taken.iter().take(failed).map(|due| due.id).collect()
}

/// A mail of the open group, in a state. Gives its id.
pub async fn mail(store: &Store, nth: usize, state: MailState, now: Timestamp) -> i64 {
    let group = store.alert_groups(1).await.expect("groups").remove(0);
    let mail = NewMail {
        kind: if nth == 0 { MailKind::Firing } else { MailKind::Update },
        team: "oncall-voice".into(),
        recipients: "oncall-voice@example.com".into(),
        message_id: format!("<n.{nth}@siptrail.example.com>"),
        subject: "[siptrail prod] CRITICAL answered-no-ack: 200 OK was never acknowledged".into(),
        plain: "2 scenarios did not end as expected: 2 new.\n\nRule    answered-no-ack (critical)\n".into(),
        mime: b"Subject: x\r\n\r\n".to_vec(),
        priority: 2,
        expires: Timestamp(now.0 + 6 * HOUR),
    };
    let reported = Reported {
        group: group.id,
        changed: group.changed,
        lease_until: group.lease_until,
        mails: vec![mail],
        items: Vec::new(),
        older: None,
        state: Vec::new(),
        due: None,
        closed: false,
    };
    let group = group.id;
    assert!(store.report(&reported, state, now).await.expect("reported"));
    store.mails(Some(group), 1).await.expect("mails")[0].id
}
