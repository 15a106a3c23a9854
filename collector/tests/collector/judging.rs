//! From logs to verdicts and their alerts: a log that is read long after it happened raises no alarm.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector::book::{Book, Shelf};
use collector::settle::{self, Known};
use collector::{Config, correlate};
use record::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use record::wire::{Heartbeat, SourceReport};
use rule::routes::Routes;
use rule::set::RuleSet;
use rule::verdict::Outcome;
use store::alert::Group;
use store::search::Filter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::door::{Door, meta, stream};
use crate::made::{self, End};

/// Calls that go well, by which it is learned what the logs hold; then one whose answer nobody acknowledges.
const CASES: [&str; 5] = ["01-basic", "05-fork-busy-answer", "06-answered-elsewhere", "08-late-fork-push", "40-no-ack"];

/// Long after all that was logged, by any clock.
const NOW: Timestamp = Timestamp(150_000 * DAY);

/// Three logs of one agent, judged by the shipped rules.
struct Judging {
    door: Door,
    book: watch::Receiver<Arc<Book>>,
    /// Where each log ends.
    base: [u64; LOGS.len()],
}

const LOGS: [&str; 3] = ["core", "edge", "push"];

impl Judging {
    async fn open(mail_age: i64) -> Self {
        Self::by(RuleSet::built_in(), mail_age).await
    }

    async fn by(mut set: RuleSet, mail_age: i64) -> Self {
        let door = Door::open().await;
        set.defaults.mail_age = mail_age;
        door.store.settle_classes(&set.classes());
        let routes =
            "[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n[[route]]\nmatch = {}\nto = [\"voice\"]\n";
        let routes = Routes::load("routes.toml", routes, &set.ids()).expect("right");
        let (_, book) = watch::channel(Arc::new(Book { set, routes, has_routes: true, env: Vec::new() }));
        let report = |name: &&str| SourceReport { name: (*name).into(), read_to: Some(NOW), ..SourceReport::default() };
        let heartbeat = Heartbeat {
            version: 1,
            agent: "agent-1".into(),
            program: "0.1.0".into(),
            host: "host-1".into(),
            clock: NOW,
            sources: LOGS.iter().map(report).collect(),
            unread: Vec::new(),
            more_unread: 0,
            places: None,
            stops: false,
        };
        door.store.hear(&heartbeat, NOW).await.expect("heard");
        Self { door, book, base: [0; LOGS.len()] }
    }

    /// The messages of a case come to the logs.
    async fn read(&mut self, case: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/calls").join(case);
        for (nth, source) in LOGS.iter().enumerate() {
            let Ok(log) = std::fs::read_to_string(folder.join(format!("{source}.log"))) else { continue };
            self.append(nth, &log).await;
        }
    }

    /// Calls of ten minutes ago that end in this way come to the first log.
    async fn read_made(&mut self, names: &[String], end: End) {
        let mut records = Vec::new();
        for name in names {
            made::call(&mut records, collector::ingest::now().0 - 10 * MINUTE, name, end);
        }
        self.append(0, &made::log(records)).await;
    }

    async fn append(&mut self, nth: usize, log: &str) {
        let mut append = stream(nth as i64 + 1, self.base[nth], log);
        append.meta = append.meta.map(|_| {
            let mut meta = meta();
            (meta.source, meta.host, meta.file.inode) = (LOGS[nth].into(), LOGS[nth].into(), nth as u64 + 10);
            meta
        });
        let (status, answer) = self.door.append(vec![append]).await;
        assert!(status.is_success(), "{answer:?}");
        self.base[nth] += log.len() as u64;
        while correlate::step(&self.door.store, "one").await.expect("correlated") > 0 {}
    }

    async fn settle(&self, known: &mut Known, now: Timestamp) {
        settle::step(&self.door.store, "one", &self.book, known, now).await.expect("settled");
    }

    /// All that is due within some minutes.
    async fn settle_all(&self, known: &mut Known) {
        for minutes in 1..6 {
            self.settle(known, Timestamp(collector::ingest::now().0 + minutes * MINUTE)).await;
        }
        let later = Timestamp(collector::ingest::now().0 + 6 * MINUTE);
        assert_eq!(self.door.store.due("another", later, SECOND, 10).await.expect("read"), []);
    }

    async fn failed(&self) -> Vec<String> {
        let failed = self.door.store.failed(Timestamp(0), NOW, 100).await.expect("read");
        let mut fragments = Vec::new();
        for failure in failed {
            let told = self.door.store.told(&failure).await.expect("read").expect("it is there");
            assert_eq!((told.outcome, told.failure.as_deref()), (Outcome::Failed, Some(&*failure.failure)));
            fragments.push(told.fragment());
        }
        fragments
    }
}

/// Failures and the groups of these logs, with this `mail_age`.
async fn judged(mail_age: i64) -> (Vec<String>, Vec<Group>) {
    let (mut judging, mut known) = (Judging::open(mail_age).await, Known::default());
    for case in CASES {
        judging.read(case).await;
        // What one call shows of its logs counts for those after it.
        for nth in 0..5 {
            judging.settle(&mut known, Timestamp(NOW.0 + nth * DAY)).await;
        }
    }
    (judging.failed().await, judging.door.store.alert_groups(100).await.expect("read"))
}

/// So many that nothing more is learned of which machine writes a log: that, too, would make them due again.
fn many(name: &str) -> Vec<String> {
    (0..60).map(|nth| format!("{name}-{nth}")).collect()
}

/// Without a repeated answer, only what is known of the log says that an ACK is missing.
#[tokio::test]
async fn what_a_killed_collector_has_learned_of_logs_is_known_to_the_next() {
    let mut judging = Judging::open(HOUR).await;
    let mut known = Known::default();
    judging.read_made(&many("well"), End::Well).await;
    judging.settle_all(&mut known).await;
    // It has no time for a last word.
    drop(known);
    judging.read_made(&["broken".to_owned()], End::NoAck).await;
    judging.settle_all(&mut Known::default()).await;
    assert_eq!(judging.failed().await, ["answered-no-ack.ack.B1"]);
}

#[tokio::test]
async fn what_nobody_could_tell_is_judged_again_once_it_is_known_what_the_log_holds() {
    let mut judging = Judging::open(HOUR).await;
    let mut known = Known::default();
    judging.read_made(&many("broken"), End::NoAck).await;
    judging.settle_all(&mut known).await;
    assert_eq!(judging.failed().await, [""; 0]);
    judging.read_made(&["well".to_owned()], End::Well).await;
    judging.settle_all(&mut known).await;
    assert_eq!(judging.failed().await, ["answered-no-ack.ack.B1"; 60]);
}

/// A proxy asks its trunk every 30 s whether it is there, and in the end it is not.
#[tokio::test]
async fn keepalives_are_judged_once_a_rule_is_about_them() {
    let rule = "[[rule]]\nid = \"trunk-answers\"\ntitle = \"The trunk answers OPTIONS\"\nseverity = \"critical\"\n\
        per = \"transaction\"\nstart = \"OPTIONS with scenario=keepalive\"\n\
        steps = [\"answered: 2xx-6xx OPTIONS within 32s of start else trunk-silent\"]\n\
        [rule.says]\ntrunk-silent = \"the trunk does not answer\"\n";
    let set = RuleSet::load(&[("90-trunk.toml".to_owned(), rule.to_owned())]).expect("right");
    let (mut judging, mut plain) = (Judging::by(set, HOUR).await, Judging::open(HOUR).await);
    let begins = collector::ingest::now().0 - 20 * MINUTE;
    let mut log = String::new();
    for nth in 0..20 {
        let said = |first: &str, name: &str, from: &str, to: &str, after: i64| {
            let at = begins + nth * 30 * SECOND + after;
            format!(
                "[{}.{:06}][{name}][sip:{from}][sip:{to}]\n{first}\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-{nth}\r\n\
                 From: <sip:core@192.0.2.7>;tag=core\r\nTo: <sip:198.51.100.40>\r\nCall-ID: trunk@192.0.2.7\r\n\
                 CSeq: {nth} OPTIONS\r\nContent-Length: 0\r\n\r\n\n",
                at / SECOND,
                at % SECOND
            )
        };
        let asks = "OPTIONS sip:198.51.100.40 SIP/2.0";
        log += &said(asks, "OPTIONS", "192.0.2.7:5060", "198.51.100.40:5060", 0);
        if nth < 19 {
            log += &said("SIP/2.0 200 OK", "200", "198.51.100.40:5060", "192.0.2.7:5060", 20_000);
        }
    }
    for judging in [&mut judging, &mut plain] {
        judging.append(0, &log).await;
        judging.settle_all(&mut Known::default()).await;
    }
    let failed = judging.failed().await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].starts_with("trunk-answers.answered.A."), "{failed:?}");
    assert_eq!(plain.failed().await, [""; 0]);
    let groups = judging.door.store.alert_groups(10).await.expect("read");
    assert_eq!(groups.iter().map(|group| group.key.failure.as_str()).collect::<Vec<_>>(), ["trunk-silent"]);
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

/// A file that replaces a rule while the collector runs.
#[tokio::test]
async fn what_was_judged_an_hour_ago_at_most_is_judged_by_new_rules_within_seconds() {
    let door = Door::open().await;
    let rules = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::open(&Config { rules_dir: Some(rules.path().into()), ..Config::default() }).expect("right");
    let now = collector::ingest::now();
    let log = format!(
        "[{now}][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\nINVITE sip:bob@example.com SIP/2.0\r\n\
         Call-ID: call-1@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n"
    );
    let (status, answer) = door.append(vec![stream(1, 0, &log)]).await;
    assert!(status.is_success(), "{answer:?}");
    while correlate::step(&door.store, "one").await.expect("correlated") > 0 {}
    let second = |second: i64| Timestamp(now.0 + second * SECOND);
    let (book, mut known) = (shelf.book(), Known::default());
    assert_eq!(settle::step(&door.store, "one", &book, &mut known, second(8)).await.expect("settled"), 1);
    assert!(door.store.due("two", second(12), HOUR, 10).await.expect("read").is_empty());
    let cancel = CancellationToken::new();
    let running = tokio::spawn(shelf.run(door.store.clone(), cancel.clone()));
    std::fs::write(rules.path().join("20-ack.toml"), "").expect("written");
    let again = async {
        loop {
            let rows = door.store.search(&Filter::default(), None, 10).await.expect("read").rows;
            if rows[0].version > 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("within seconds");
    // A minute later at the latest.
    assert_eq!(door.store.due("two", second(90), HOUR, 10).await.expect("read").len(), 1);
    cancel.cancel();
    running.await.expect("it ends");
}
