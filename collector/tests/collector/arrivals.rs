//! Logs that are read late, piece by piece and by turns, on a clock of our own: what is judged, and what is mailed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use collector::book::Book;
use collector::mail::Settings;
use collector::report::{self, Desk};
use collector::settle::{self, Known};
use collector::sources::Lookout;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use record::wire::{Append, Heartbeat, SourceReport};
use rule::routes::Routes;
use rule::set::RuleSet;
use rule::verdict::Outcome;
use store::alert::ItemState;
use store::outgoing::MailKind;
use store::search::Filter;
use tokio::sync::watch;

use crate::door::{Door, batch, meta, stream};
use crate::made::{self, End};

pub const ROUTES: &str =
    "[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n[[route]]\nmatch = {}\nto = [\"voice\"]\n";

/// Two collectors share a database; each log has an agent of its own, of the same name.
pub struct Played {
    pub door: Door,
    pub book: watch::Receiver<Arc<Book>>,
    /// What collectors have learned. They share it every few seconds by a clock on the wall; here at once.
    known: Known,
    lookout: Option<Lookout>,
    logs: BTreeMap<String, u64>,
    /// Of times without an offset.
    pub zone: &'static str,
}

/// What came of all scenarios, whatever their ids are.
#[derive(PartialEq, Eq, Debug)]
pub struct Said {
    /// Instances by rule and outcome.
    counts: BTreeMap<(String, &'static str), i64>,
    /// What failed, by where the ladder shows it.
    pub failed: Vec<String>,
    /// Failures that alerts hold, and that did fail.
    alerts: Vec<(String, String)>,
}

impl Played {
    pub async fn open() -> Self {
        let set = RuleSet::built_in();
        let door = Door::open().await;
        door.store.settle_classes(&set.classes());
        let routes = Routes::load("routes.toml", ROUTES, &set.ids()).expect("right");
        let (_, book) = watch::channel(Arc::new(Book { set, routes, has_routes: true, env: Vec::new() }));
        Self { door, book, known: Known::default(), lookout: None, logs: BTreeMap::new(), zone: "UTC" }
    }

    /// More of a log is read at a time.
    pub async fn read(&mut self, log: &str, text: &str, now: Timestamp) {
        let base = self.logs.entry(log.to_owned()).or_insert(0);
        // By its name, so that it is the same in whatever order logs are read.
        let id = log.bytes().fold(1, |id, byte| id * 31 + i64::from(byte));
        let mut append = stream(id, *base, text);
        append.meta = append.meta.map(|_| {
            let mut meta = meta();
            (meta.source, meta.host, meta.file.inode) = (log.into(), log.into(), id as u64);
            meta.zone = self.zone.into();
            meta
        });
        append.read_at = now;
        *base += text.len() as u64;
        let append = Append { agent: log.into(), ..batch(vec![append]) };
        let (status, answer) = self.door.append_as(&append).await;
        assert!(status.is_success(), "{answer:?}");
        loop {
            let rows = self.door.store.outbox("one", now, SECOND, 32).await.expect("read");
            if rows.is_empty() {
                break;
            }
            self.door.store.correlate("one", now, rows).await.expect("correlated");
        }
    }

    /// The agent of a log says how far it has read.
    pub async fn hear(&self, log: &str, read_to: Timestamp, now: Timestamp) {
        self.hear_of(log, log, read_to, now).await;
    }

    /// The same of a log of another name, which is all that its configuration has.
    async fn hear_of(&self, agent: &str, log: &str, read_to: Timestamp, now: Timestamp) {
        let source = SourceReport { name: log.into(), files: 1, read_to: Some(read_to), ..SourceReport::default() };
        self.hear_from(agent, Some(vec![log.into()]), vec![source], now).await;
    }

    /// What an agent says of its sources, and which its configuration has.
    async fn hear_from(&self, agent: &str, places: Option<Vec<String>>, sources: Vec<SourceReport>, now: Timestamp) {
        let heartbeat = Heartbeat {
            version: 1,
            agent: agent.into(),
            program: "0.1.0".into(),
            host: agent.into(),
            clock: now,
            sources,
            unread: Vec::new(),
            more_unread: 0,
            places,
            stops: false,
        };
        self.door.store.hear(&heartbeat, now).await.expect("heard");
    }

    /// One of the collectors judges all that is due.
    pub async fn judge(&mut self, nth: usize, now: Timestamp) {
        let (store, owner) = (&self.door.store, ["one", "two"][nth]);
        while settle::step(store, owner, &self.book, &mut self.known, now).await.expect("settled") > 0 {}
    }

    /// Both judge, every minute of some.
    pub async fn judge_on(&mut self, logs: &[&str], from: Timestamp, minutes: i64) {
        for minute in 0..minutes {
            let now = Timestamp(from.0 + minute * MINUTE);
            for log in logs {
                self.hear(log, now, now).await;
            }
            for nth in 0..2 {
                self.judge(nth, now).await;
            }
        }
    }

    /// Looks after agents and alerts; gives the kinds and subjects of all mails so far.
    pub async fn mails(&mut self, now: Timestamp) -> Vec<(MailKind, String)> {
        let (store, book) = (&self.door.store, self.book.borrow().clone());
        if let Some(lookout) = &mut self.lookout {
            lookout.look(store, &book, now).await.expect("a look");
        }
        let desk = Desk { settings: Settings::nowhere("http://localhost:8480"), can_send: true };
        while report::step(store, &self.book, &desk, now).await.expect("reported") > 0 {}
        let mails = store.mails(None, 1_000).await.expect("mails");
        mails.into_iter().rev().map(|mail| (mail.kind, mail.subject)).collect()
    }

    pub async fn said(&self) -> Said {
        let (store, ever) = (&self.door.store, (Timestamp(0), Timestamp(i64::MAX / 2)));
        let mut counts = BTreeMap::new();
        for (rule, of) in store.rule_counts(ever.0, ever.1).await.expect("read") {
            counts.extend(of.0.into_iter().map(|(outcome, count)| ((rule.clone(), outcome.name()), count)));
        }
        counts.retain(|_, count| *count != 0);
        let mut failed = Vec::new();
        for failure in store.failed(ever.0, ever.1, 1_000).await.expect("read") {
            failed.push(store.told(&failure).await.expect("read").expect("it is there").fragment());
        }
        failed.sort();
        let mut alerts = Vec::new();
        for group in store.alert_groups(100).await.expect("read") {
            for item in store.alert_items(group.id, 1_000).await.expect("read") {
                if item.state == ItemState::Failed {
                    alerts.push((group.key.failure.clone(), item.told.told.fragment()));
                }
            }
        }
        alerts.sort();
        Said { counts, failed, alerts }
    }
}

/// A log cut into its records, each with the noise before it.
fn records(log: &str) -> Vec<&str> {
    let mut cuts: Vec<usize> = Vec::new();
    let spans = stream(1, 0, log).spans;
    let records = spans.iter().filter(|span| span.kind == record::span::SpanKind::Record);
    cuts.extend(records.map(|span| (span.start.0 + span.len) as usize));
    let begins = std::iter::once(0).chain(cuts.iter().copied());
    begins.zip(&cuts).map(|(from, to)| &log[from..*to]).collect()
}

fn recorded(log: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/logs").join(log);
    String::from_utf8_lossy(&std::fs::read(path).expect("a log")).into_owned()
}

/// The last record of either log is of 2026-11-23 20:55:02 UTC.
const RECORDED: Timestamp = Timestamp(1_795_467_303 * SECOND);

/// Two servers, six calls that they both log; without the ACK of the fifth, which nobody sent, if that is asked for.
fn two_servers(acked: bool) -> [(&'static str, String); 2] {
    ["core", "edge"].map(|name| {
        let log = recorded(&format!("two-servers/{name}.log"));
        let is_lost = |record: &&str| record.contains("\nACK sip:") && record.contains("Call-ID: 5-8305@");
        (name, records(&log).into_iter().filter(|record| acked || !is_lost(record)).collect())
    })
}

/// What is said when each log is read as it is written.
async fn at_once(acked: bool) -> Said {
    let mut played = Played::open().await;
    for (log, text) in two_servers(acked) {
        played.read(log, &text, RECORDED).await;
    }
    played.judge_on(&["core", "edge"], Timestamp(RECORDED.0 + MINUTE), 6).await;
    played.said().await
}

#[tokio::test]
async fn a_log_that_comes_ten_minutes_late_raises_no_alarm_and_ends_in_the_same_verdicts() {
    for acked in [true, false] {
        let once = at_once(acked).await;
        assert_eq!(once.failed, if acked { vec![] } else { vec!["answered-no-ack.ack.B1"] });
        for late in 0..2 {
            let mut played = Played::open().await;
            let logs = two_servers(acked);
            let ((late, text), (soon, other)) = (&logs[late], &logs[1 - late]);
            played.read(soon, other, RECORDED).await;
            for half in 0..20 {
                let now = Timestamp(RECORDED.0 + half * 30 * SECOND);
                played.hear(soon, now, now).await;
                // It is there, and has not got so far.
                played.hear(late, Timestamp(RECORDED.0 - MINUTE), now).await;
                played.judge(half as usize % 2, now).await;
                let mails = played.mails(now).await;
                let said = played.said().await;
                // What one log alone shows to be missing is missing.
                // Which leg it is is known once the other log is read.
                let steps = |said: &Said| -> BTreeSet<String> {
                    said.failed.iter().filter_map(|one| Some(one.rsplit_once('.')?.0.to_owned())).collect()
                };
                assert!(steps(&said).is_subset(&steps(&once)), "{late}: {said:?}");
                assert!(mails.len() <= once.failed.len(), "{late}: {mails:?}");
            }
            let back = Timestamp(RECORDED.0 + 10 * MINUTE);
            played.read(late, text, back).await;
            played.judge_on(&[soon, late], back, 6).await;
            assert_eq!(played.said().await, once, "{late}");
            let mails = played.mails(Timestamp(RECORDED.0 + 20 * MINUTE)).await;
            // Also where its leg has another name once the other log is read.
            assert_eq!(mails.len(), once.failed.len(), "{late}: {mails:?}");
        }
    }
}

#[tokio::test]
async fn of_a_log_that_fell_silent_one_alert_tells_and_once_it_is_back_all_is_judged_as_if_it_never_had() {
    for acked in [true, false] {
        let once = at_once(acked).await;
        let mut played = Played::open().await;
        played.lookout = Some(Lookout::new(Timestamp(RECORDED.0 - HOUR)));
        let [(core, core_log), (edge, edge_log)] = two_servers(acked);
        // The edge's log ends where the fifth call is answered.
        let pieces = records(&edge_log);
        let is_answer = |record: &&str| record.contains("\nSIP/2.0 200 ") && record.contains("Call-ID: 5-8305@");
        let cut = pieces.iter().position(is_answer).expect("an answer");
        let (before, after) = (pieces[..cut].concat(), pieces[cut..].concat());
        played.read(core, &core_log, RECORDED).await;
        played.read(edge, &before, RECORDED).await;
        played.hear(edge, Timestamp(RECORDED.0 - 2 * SECOND), RECORDED).await;
        let mut mails = Vec::new();
        for half in 0..20 {
            let now = Timestamp(RECORDED.0 + half * 30 * SECOND);
            played.hear(core, now, now).await;
            played.judge(half as usize % 2, now).await;
            mails = played.mails(now).await;
        }
        let silent = played.said().await;
        assert_eq!(silent.failed, Vec::<String>::new());
        assert!(silent.counts.contains_key(&("answer-reaches-caller".to_owned(), "unknown")), "{silent:?}");
        let [(MailKind::Firing, subject)] = &mails[..] else { panic!("{mails:?}") };
        assert!(subject.contains("CRITICAL silent"), "{subject}");

        let back = Timestamp(RECORDED.0 + 10 * MINUTE);
        played.read(edge, &after, back).await;
        played.judge_on(&[core, edge], back, 6).await;
        let mut said = played.said().await;
        // Failures of calls alone: that of the agent is over.
        said.alerts.retain(|(failure, _)| failure != "silent");
        assert_eq!(said, once);
        let mut mails = Vec::new();
        for minute in 6..12 {
            let now = Timestamp(back.0 + minute * MINUTE);
            played.judge_on(&[core, edge], now, 1).await;
            mails = played.mails(now).await;
        }
        let mails: Vec<_> = mails.iter().map(|(kind, subject)| (*kind, subject.contains("CRITICAL silent"))).collect();
        let no_ack = (!acked).then_some((MailKind::Firing, false));
        let all: BTreeSet<_> =
            [(MailKind::Firing, true), (MailKind::Resolved, true)].into_iter().chain(no_ack).collect();
        assert_eq!((mails.len(), mails.iter().copied().collect::<BTreeSet<_>>()), (all.len(), all));
    }
}

#[tokio::test]
async fn of_a_log_that_left_the_configuration_nobody_can_tell_and_once_it_is_back_all_is_judged() {
    let once = at_once(false).await;
    let mut played = Played::open().await;
    played.lookout = Some(Lookout::new(Timestamp(RECORDED.0 - HOUR)));
    let [(core, core_log), (edge, edge_log)] = two_servers(false);
    // The edge's log ends where the fifth call is answered.
    let pieces = records(&edge_log);
    let is_answer = |record: &&str| record.contains("\nSIP/2.0 200 ") && record.contains("Call-ID: 5-8305@");
    let cut = pieces.iter().position(is_answer).expect("an answer");
    played.read(core, &core_log, RECORDED).await;
    played.read(edge, &pieces[..cut].concat(), RECORDED).await;
    for half in 0..20 {
        let now = Timestamp(RECORDED.0 + half * 30 * SECOND);
        played.hear(core, now, now).await;
        // The agent is there, and reads another log by now.
        played.hear_of(edge, "other", now, now).await;
        played.judge(half as usize % 2, now).await;
        let said = played.said().await;
        let unknown = said.counts.contains_key(&("answer-reaches-caller".to_owned(), "unknown"));
        // What has only just been read may not be reported yet.
        assert!(half < 8 || unknown, "{half}: {said:?}");
        assert!(half >= 3 || !unknown, "{half}: {said:?}");
        assert_eq!((said.failed, played.mails(now).await), (vec![], vec![]));
    }
    let back = Timestamp(RECORDED.0 + 10 * MINUTE);
    played.read(edge, &pieces[cut..].concat(), back).await;
    played.judge_on(&[core, edge], back, 6).await;
    assert_eq!(played.said().await, once);
}

#[tokio::test]
async fn a_log_whose_file_is_away_for_a_while_is_waited_for_and_has_not_left() {
    let once = at_once(true).await;
    let mut played = Played::open().await;
    let [(core, core_log), (edge, edge_log)] = two_servers(true);
    let pieces = records(&edge_log);
    let is_answer = |record: &&str| record.contains("\nSIP/2.0 200 ") && record.contains("Call-ID: 5-8305@");
    let cut = pieces.iter().position(is_answer).expect("an answer");
    played.read(core, &core_log, RECORDED).await;
    played.read(edge, &pieces[..cut].concat(), RECORDED).await;
    for half in 0..20 {
        let now = Timestamp(RECORDED.0 + half * 30 * SECOND);
        played.hear(core, now, now).await;
        // Its directory is not mounted; whether that is so an older agent does not say.
        let places = [Some(vec![edge.to_owned()]), Some(vec!["other".into(), "ed".into(), edge.into()]), None];
        played.hear_from(edge, places[half as usize % 3].clone(), Vec::new(), now).await;
        played.judge(half as usize % 2, now).await;
        let said = played.said().await;
        assert!(!said.counts.contains_key(&("answer-reaches-caller".to_owned(), "unknown")), "{half}: {said:?}");
        assert_eq!((said.failed, played.mails(now).await), (vec![], vec![]));
    }
    let back = Timestamp(RECORDED.0 + 10 * MINUTE);
    played.read(edge, &pieces[cut..].concat(), back).await;
    played.judge_on(&[core, edge], back, 6).await;
    assert_eq!(played.said().await, once);
}

/// The log of one machine, without its answers; and its answers, which it writes into another.
fn apart(log: &str) -> [String; 2] {
    let is_answer = |record: &&str| record.contains("\nSIP/2.0 ");
    let (answers, requests): (Vec<&str>, Vec<&str>) = records(log).into_iter().partition(is_answer);
    [requests.concat(), answers.concat()]
}

#[tokio::test]
async fn answers_in_another_log_of_the_machine_are_waited_for_however_late_they_come() {
    let (begins, then) = (RECORDED.0, RECORDED.0 + 30 * MINUTE);
    let mut well = Vec::new();
    for nth in 0..20 {
        made::call(&mut well, begins + nth * SECOND, &format!("before-{nth}"), End::Well);
    }
    let mut later = Vec::new();
    made::call(&mut later, then, "well", End::Well);
    made::call(&mut later, then + SECOND, "unanswered", End::Well);
    let is_of = |record: &str, name: &str| record.contains(&format!("Call-ID: {name}@made"));
    // Of one nobody ever got an answer, nor sent anything more.
    later.retain(|(_, record)| !is_of(record, "unanswered") || record.contains("\nINVITE sip:"));
    let [before, before_answers] = apart(&made::log(well));
    let [requests, answers] = apart(&made::log(later));

    let mut played = Played::open().await;
    played.read("sip", &before, Timestamp(begins)).await;
    played.read("answers", &before_answers, Timestamp(begins)).await;
    played.judge_on(&["sip", "answers"], Timestamp(begins + MINUTE), 6).await;
    assert_eq!(played.said().await.failed, Vec::<String>::new());

    played.hear("answers", Timestamp(then - MINUTE), Timestamp(then - MINUTE)).await;
    played.read("sip", &requests, Timestamp(then)).await;
    for half in 0..20 {
        let now = Timestamp(then + half * 30 * SECOND);
        played.hear("sip", now, now).await;
        played.hear("answers", Timestamp(then - MINUTE), now).await;
        // Also by a collector that has only just been started.
        if half == 10 {
            played.known = Known::default();
        }
        played.judge(half as usize % 2, now).await;
        assert_eq!((played.said().await.failed, played.mails(now).await), (vec![], vec![]), "{half}");
    }
    let back = Timestamp(then + 10 * MINUTE);
    played.read("answers", &answers, back).await;
    played.judge_on(&["sip", "answers"], back, 6).await;
    assert_eq!(played.said().await.failed, ["call-completes.trying.A"]);
    let mails = played.mails(Timestamp(back.0 + 10 * MINUTE)).await;
    assert!(matches!(&mails[..], [(MailKind::Firing, subject)] if subject.contains("no-response")), "{mails:?}");
}

/// A look-up that names both calls: they are one scenario from then on.
fn joins(at: i64, one: &str, other: &str) -> String {
    format!(
        "[{}.{:06}][POST][http://192.0.2.8:80][http://192.0.2.9:80/v1/join?callId={one}@made]\n\
         POST /v1/join?callId={one}@made HTTP/1.1\r\nX-Request-ID: {one}-{other}\r\n\
         Content-Type: application/json\r\n\r\n{{\"callId\":\"{other}@made\",\"status\":200}}\n",
        at / SECOND,
        at % SECOND
    )
}

/// Numbers that look random and are the same in every run.
fn below(seed: &mut u64, end: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % end
}

/// Calls of which some become one when a third log names them together, in any order of arrival, with a judgement by either
/// collector after each piece: the same verdicts, each failure in one alert and one mail.
#[tokio::test]
async fn calls_that_become_one_by_a_late_key_are_judged_and_mailed_as_if_they_always_had_been() {
    let begins = RECORDED.0;
    let end = |seconds: i64| Timestamp(begins + seconds * SECOND);
    // Ten calls, of which three break, and of these two have a companion.
    let ends = |nth: usize| match nth {
        4 | 8 => End::NoAck,
        6 => End::NoByeAnswer,
        _ => End::Well,
    };
    let mut calls = Vec::new();
    for nth in 0..10 {
        made::call(&mut calls, begins + nth as i64 * 2 * SECOND, &format!("call-{nth}"), ends(nth));
    }
    calls.sort_by_key(|(at, _)| *at);
    let joined = [(20, "call-3", "call-4"), (21, "call-5", "call-6"), (22, "call-1", "call-2")];
    let joined: Vec<(i64, String)> =
        joined.map(|(second, one, other)| (end(second).0, joins(end(second).0, one, other))).to_vec();

    let mut once = Played::open().await;
    once.read("proxy", &made::log(calls.clone()), end(30)).await;
    once.read("app", &made::log(joined.clone()), end(30)).await;
    once.judge_on(&["proxy", "app"], end(60), 6).await;
    let expect = once.said().await;
    assert_eq!(expect.failed.len(), 3, "{expect:?}");
    let expected = once.mails(end(400)).await.len();

    for seed in 1..=6_u64 {
        let mut dice = seed;
        let mut played = Played::open().await;
        let (mut proxy, mut app) = (&calls[..], &joined[..]);
        // In some runs what joins them comes minutes after they were judged and mailed.
        let late = seed % 2 == 0;
        let mut now = end(0);
        while !proxy.is_empty() || !app.is_empty() {
            let of_proxy = !proxy.is_empty() && (app.is_empty() || late || below(&mut dice, 4) > 0);
            let (log, rest) = if of_proxy { ("proxy", &mut proxy) } else { ("app", &mut app) };
            let (part, after) = rest.split_at((1 + below(&mut dice, 12)).min(rest.len()));
            now = Timestamp(now.0.max(part[part.len() - 1].0));
            played.read(log, &part.iter().map(|(_, text)| text.as_str()).collect::<String>(), now).await;
            *rest = after;
            if late && proxy.is_empty() && app.len() == joined.len() {
                // Well beyond all deadlines, and the first mails.
                played.hear("app", end(-1), now).await;
                played.judge_on(&["proxy"], end(60), 4).await;
                now = end(240);
                played.mails(now).await;
            }
            // Nothing older can still come.
            let read_to = |rest: &[(i64, String)]| rest.first().map_or(now, |(at, _)| Timestamp(*at - 1));
            played.hear("proxy", read_to(proxy), now).await;
            played.hear("app", read_to(app), now).await;
            played.judge(below(&mut dice, 2), now).await;
            if below(&mut dice, 3) == 0 {
                played.mails(now).await;
            }
        }
        let from = Timestamp(now.0.max(end(60).0));
        played.judge_on(&["proxy", "app"], from, 6).await;
        assert_eq!(played.said().await, expect, "{seed}");
        let mails = played.mails(Timestamp(from.0 + 10 * MINUTE)).await;
        assert_eq!(mails.len(), expected, "{seed}: {mails:?}");
        let scenarios = played.door.store.search(&Filter::default(), None, 100).await.expect("read").rows;
        assert_eq!(scenarios.len(), 7, "{seed}: ten calls, and three times two are one");
    }
}

/// Through groups and routes: nobody is mailed about what recorded servers logged.
#[tokio::test]
async fn recorded_logs_give_no_mail() {
    let logback = ["app.2026-11-23.0.log", "app.2026-11-23.1.log", "app.2026-11-23.2.log", "app.log"];
    let logback: String = logback.into_iter().map(|log| recorded(&format!("logback/{log}"))).collect();
    let two = two_servers(true);
    for logs in [vec![("kamailio", recorded("kamailio.log"))], two.to_vec(), vec![("app", logback)]] {
        let mut played = Played::open().await;
        for (log, text) in &logs {
            // Due long before it is judged, whenever it was recorded.
            played.read(log, text, Timestamp(SECOND)).await;
        }
        let newest = played.door.store.search(&Filter::default(), None, 1).await.expect("read").rows;
        let last = newest.first().map_or(RECORDED, |row| row.last);
        let names: Vec<&str> = logs.iter().map(|(log, _)| *log).collect();
        // As if it were read while it is written: nothing is too old for a mail.
        let begins = Timestamp(last.0 + MINUTE);
        played.judge_on(&names, begins, 6).await;
        let judged = played.door.store.search(&Filter::default(), None, 1).await.expect("read").rows;
        assert!(judged[0].outcome.is_some(), "{judged:?}");
        for minute in 0..10 {
            assert_eq!(played.mails(Timestamp(begins.0 + minute * MINUTE)).await, [], "{names:?}");
        }
        let said = played.said().await;
        assert_eq!((said.failed.len(), said.alerts.len()), (0, 0), "{said:?}");
        assert!(!said.counts.keys().any(|(_, outcome)| *outcome == Outcome::Failed.name()), "{said:?}");
    }
}

/// The example of the docs: what is critical is mailed after half a minute, and the rest after five.
#[tokio::test]
async fn the_routes_of_the_guide_are_hit() {
    let guide = include_str!("../../../docs/alerts.md");
    let text = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("an example");
    assert_eq!(guide.matches("```toml").count(), 1);
    let mut played = Played::open().await;
    let set = RuleSet::built_in();
    let routes = Routes::load("routes.toml", text, &set.ids()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let marks: Vec<i32> = routes.routes.iter().map(rule::routes::Route::mark).collect();
    (_, played.book) = watch::channel(Arc::new(Book { set, routes, has_routes: true, env: Vec::new() }));
    let mut calls = Vec::new();
    for nth in 0..20 {
        made::call(&mut calls, RECORDED.0 + nth * SECOND, &format!("well-{nth}"), End::Well);
    }
    made::call(&mut calls, RECORDED.0 + 21 * SECOND, "unacknowledged", End::NoAck);
    made::call(&mut calls, RECORDED.0 + 22 * SECOND, "deaf", End::NoByeAnswer);
    played.read("proxy", &made::log(calls), Timestamp(RECORDED.0 + 30 * SECOND)).await;
    let begins = Timestamp(RECORDED.0 + 2 * MINUTE);
    played.hear("proxy", begins, begins).await;
    played.judge(0, begins).await;
    let groups = played.door.store.alert_groups(10).await.expect("read");
    let hit: BTreeMap<i32, Vec<&str>> =
        groups.iter().map(|group| (group.key.route, vec![group.key.failure.as_str()])).collect();
    assert_eq!(
        (groups.len(), hit),
        (2, BTreeMap::from([(marks[0], vec!["no-ack"]), (marks[1], vec!["bye-unanswered"])]))
    );
    let mut subjects = Vec::new();
    for (second, mails) in [(29, 0), (30, 1), (299, 1), (300, 2)] {
        subjects = played.mails(Timestamp(begins.0 + second * SECOND)).await;
        assert_eq!(subjects.len(), mails, "after {second} s: {subjects:?}");
    }
    assert!(
        subjects[0].1.contains("CRITICAL no-ack") && subjects[1].1.contains("WARNING bye-unanswered"),
        "{subjects:?}"
    );
    for mail in played.door.store.mails(None, 10).await.expect("mails") {
        assert_eq!((mail.team.as_str(), mail.recipients.as_str()), ("oncall-voice", "oncall-voice@example.com"));
        let (_, text, _) = played.door.store.mail(mail.id).await.expect("read").expect("there");
        let route = if mail.subject.contains("no-ack") { "route 1" } else { "route 2" };
        assert!(text.contains(&format!("by {route} of routes.toml")), "{text}");
        // Masked, and in the team's zone.
        assert!(text.contains("Europe/Berlin)"), "{text}");
    }
}
