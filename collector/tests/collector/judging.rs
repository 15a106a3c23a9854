//! From logs to verdicts and their alerts: a log that is read long after it happened raises no alarm.

use std::path::Path;
use std::sync::Arc;

use collector::book::Book;
use collector::correlate;
use collector::settle::{self, Known};
use record::time::{DAY, HOUR, Timestamp};
use record::wire::{Heartbeat, SourceReport};
use rule::routes::Routes;
use rule::set::RuleSet;
use rule::verdict::Outcome;
use store::alert::Group;
use tokio::sync::watch;

use crate::door::{Door, meta, stream};

/// Calls that go well, by which it is learned what the logs hold; then one whose answer nobody acknowledges.
const CASES: [&str; 5] = ["01-basic", "05-fork-busy-answer", "06-answered-elsewhere", "08-late-fork-push", "40-no-ack"];

/// Long after all that was logged, by any clock.
const NOW: Timestamp = Timestamp(150_000 * DAY);

/// Failures and the groups of these logs, with the shipped rules and this `mail_age`.
async fn judged(mail_age: i64) -> (Vec<String>, Vec<Group>) {
    let door = Door::open().await;
    let mut set = RuleSet::built_in();
    set.defaults.mail_age = mail_age;
    let routes = "[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n[[route]]\nmatch = {}\nto = [\"voice\"]\n";
    let routes = Routes::load("routes.toml", routes, &set.ids()).expect("right");
    let (_, book) = watch::channel(Arc::new(Book { set, routes, has_routes: true, env: Vec::new() }));
    let sources = ["core", "edge", "push"];
    let report = |name: &&str| SourceReport { name: (*name).into(), read_to: Some(NOW), ..SourceReport::default() };
    let heartbeat = Heartbeat {
        version: 1,
        agent: "agent-1".into(),
        program: "0.1.0".into(),
        host: "host-1".into(),
        clock: NOW,
        sources: sources.iter().map(report).collect(),
        unread: Vec::new(),
        more_unread: 0,
        stops: false,
    };
    door.store.hear(&heartbeat, NOW).await.expect("heard");
    let (mut base, mut known) = ([0; 3], Known::default());
    for case in CASES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/calls").join(case);
        for (nth, source) in sources.iter().enumerate() {
            let Ok(log) = std::fs::read_to_string(folder.join(format!("{source}.log"))) else { continue };
            let mut append = stream(nth as i64 + 1, base[nth], &log);
            append.meta = append.meta.map(|_| {
                let mut meta = meta();
                (meta.source, meta.host, meta.file.inode) = ((*source).into(), (*source).into(), nth as u64 + 10);
                meta
            });
            let (status, answer) = door.append(vec![append]).await;
            assert!(status.is_success(), "{answer:?}");
            base[nth] += log.len() as u64;
        }
        while correlate::step(&door.store, "one").await.expect("correlated") > 0 {}
        // What one call shows of its logs counts for those after it.
        for nth in 0..5 {
            let now = Timestamp(NOW.0 + nth * DAY);
            settle::step(&door.store, "one", &book, &mut known, now).await.expect("settled");
        }
    }
    let failed = door.store.failed(Timestamp(0), NOW, 100).await.expect("read");
    assert!(failed.iter().all(|(_, told)| told.outcome == Outcome::Failed));
    let failed = failed.into_iter().map(|(_, told)| told.fragment()).collect();
    (failed, door.store.alert_groups(100).await.expect("read"))
}

#[tokio::test]
async fn what_failed_long_ago_is_judged_and_is_no_alarm() {
    let (failed, groups) = judged(HOUR).await;
    assert_eq!((failed, groups), (vec!["answered-no-ack.ack.B1".to_owned()], vec![]));
}

#[tokio::test]
async fn what_failed_is_an_alarm_in_the_group_of_its_rule_and_failure() {
    let (failed, groups) = judged(NOW.0).await;
    assert_eq!(failed, ["answered-no-ack.ack.B1"]);
    let keys: Vec<_> = groups.iter().map(|group| (group.key.rule.as_str(), group.key.failure.as_str())).collect();
    assert_eq!(keys, [("answered-no-ack", "no-ack")]);
    assert_eq!((groups[0].items, groups[0].mails), (1, 0));
}
