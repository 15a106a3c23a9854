//! From failures that are stored to mails that wait to be sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use collector::alert::{Draft, Mind, Shares};
use collector::book::{Book, Shelf};
use collector::mail::Settings;
use collector::mail::notice::Item;
use collector::report::{self, Desk, Looking};
use collector::{Config, correlate};
use record::id::{MessageId, ScenarioId};
use record::time::{MINUTE, SECOND, Timestamp};
use rule::routes::{Route, Routes};
use rule::set::RuleSet;
use rule::syntax::Severity;
use rule::told::Told;
use rule::verdict::Outcome;
use store::alert::{Alarm, GroupKey, ItemState, ItemTold, News};
use store::outgoing::{Mail, MailKind, MailState};
use store::settle::Settled;
use store::verdict::Judged;
use tokio::sync::watch;

use crate::door::{Door, stream};

/// A second after noon of the day after.
pub fn at(second: i64) -> Timestamp {
    Timestamp((1_795_435_200 + 86_400 + second) * SECOND)
}

/// A collector's database, and what reports of it.
pub struct Office {
    door: Door,
    logged: String,
    calls: usize,
    book: watch::Receiver<std::sync::Arc<Book>>,
    desk: Desk,
}

/// The built-in rules with these routes.
fn book(routes: &str) -> watch::Receiver<std::sync::Arc<Book>> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), routes).expect("written");
    let config = Config { routes: Some(file.path().into()), ..Config::default() };
    Shelf::open(&config).expect("right").book()
}

impl Office {
    async fn open(budget: &str) -> Self {
        Self::by(&format!("[budget]\n{budget}\n{}", routes("voice"))).await
    }

    /// With these routes.
    pub async fn by(routes: &str) -> Self {
        let book = book(routes);
        let desk = Desk { settings: Settings::nowhere("http://localhost:8480"), can_send: true };
        Self { door: Door::open().await, logged: String::new(), calls: 0, book, desk }
    }

    /// So many calls more that failed at this second, as they are judged then.
    pub async fn fail(&mut self, second: i64, many: usize, judged: impl Fn(usize) -> Judged) {
        let store = self.door.store.clone();
        for chunk in 0..many.div_ceil(1000) {
            let mut log = String::new();
            for _ in 0..(many - chunk * 1000).min(1000) {
                self.calls += 1;
                log += &format!(
                    "[2026-11-23 12:00:00.000][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\nINVITE sip:bob@example.com \
                     SIP/2.0\r\nCall-ID: call-{}@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n",
                    self.calls
                );
            }
            let (status, answer) = self.door.append(vec![stream(1, self.logged.len() as u64, &log)]).await;
            assert!(status.is_success(), "{answer:?}");
            self.logged += &log;
        }
        while correlate::step(&store, "one").await.expect("correlated") > 0 {}
        let mut nth = 0;
        loop {
            let due = store.due("one", at(1_000_000_000), 60 * SECOND, 200).await.expect("due");
            if due.is_empty() {
                break;
            }
            let settled: Vec<Settled> = due
                .into_iter()
                .map(|due| {
                    nth += 1;
                    let judged = Some(judged(nth - 1));
                    Settled { due, gist: None, left: None, problems: 0, next: None, rest_until: Timestamp(0), judged }
                })
                .collect();
            store.settle("one", &settled, at(second)).await.expect("settled");
        }
        assert_eq!(nth, many);
    }

    pub async fn look(&self, second: i64) {
        while report::step(&self.door.store, &self.book, &self.desk, at(second)).await.expect("a look") > 0 {}
    }

    /// What was mailed, the first first.
    pub async fn mails(&self) -> Vec<Mail> {
        let mut mails = self.door.store.mails(None, 10_000).await.expect("mails");
        mails.reverse();
        mails
    }

    /// Subjects of the mails of single groups.
    async fn subjects(&self) -> Vec<String> {
        self.mails().await.into_iter().map(|mail| mail.subject).collect()
    }
}

fn told(rule: &str, failure: &str) -> Told {
    Told {
        rule: rule.into(),
        version: 1,
        severity: Severity::Warning,
        outcome: Outcome::Failed,
        failure: Some(failure.into()),
        step: None,
        due: Some(at(0)),
        late_by: None,
        leg: "B1".into(),
        target: String::new(),
        nth: None,
        start: MessageId::default(),
        began: at(0),
        ended: None,
        ending: None,
        steps: Vec::new(),
        why: None,
    }
}

/// Of the route that matches everything.
static MARK: LazyLock<i32> = LazyLock::new(|| {
    Routes::load("routes.toml", &routes("voice"), &RuleSet::built_in().ids()).expect("right").routes[0].mark()
});

fn routes(team: &str) -> String {
    format!("[[team]]\nname = \"{team}\"\nto = [\"{team}@example.com\"]\n[[route]]\nmatch = {{}}\nto = [\"{team}\"]\n")
}

pub fn alarm(rule: &str, failure: &str, severity: Severity, second: i64, because: Option<&str>) -> Alarm {
    let mut hash = [0; 8];
    format!("{failure:>8}").bytes().rev().take(8).enumerate().for_each(|(at, byte)| hash[at] = byte);
    let facts = because.map(|cause| ("because".to_owned(), cause.to_owned())).into_iter().collect();
    Alarm {
        group: GroupKey { hash, route: *MARK, env: "prod".into(), rule: rule.into(), failure: failure.into() },
        news: News::Fresh,
        severity,
        at: at(second),
        item: ItemTold { caller: None, callee: None, told: told(rule, failure), also: Vec::new(), facts },
        wait: 30 * SECOND,
    }
}

pub fn judged(alarms: Vec<Alarm>) -> Judged {
    let told: Vec<Told> = alarms.iter().map(|alarm| alarm.item.told.clone()).collect();
    let count = |told: &Told| ((told.rule.clone(), at(0).0.div_euclid(MINUTE), Outcome::Failed), 1);
    let counts: BTreeMap<_, _> = told.iter().map(count).collect();
    let worst = told.first().map(|told| (Outcome::Failed, told.failure.clone(), told.rule.clone()));
    Judged { worst, told, counts, alarms, ..Judged::default() }
}

#[tokio::test]
async fn ten_thousand_failures_in_a_minute_are_a_few_mails_and_one_that_tells_of_the_rest() {
    let mut office = Office::open("per_hour = 12\nper_day = 20\nreserve_critical = 5").await;
    let warning = |second| {
        move |nth: usize| {
            judged(vec![alarm("bye-propagates", &format!("f{}", nth % 50), Severity::Warning, second, None)])
        }
    };
    office.fail(0, 10_000, warning(0)).await;
    for second in (0..3600).step_by(120) {
        office.look(30 + second).await;
    }
    let mails = office.mails().await;
    let kinds = |kind: MailKind| mails.iter().filter(|mail| mail.kind == kind).count();
    assert_eq!((kinds(MailKind::Firing), kinds(MailKind::Storm), mails.len()), (12, 1, 13));
    let (_, text, _) = office.door.store.mail(mails[12].id).await.expect("read").expect("it is there");
    assert!(text.contains("7600") || text.contains("7,600"), "38 groups of 200: {text}");
    let mut scenarios: Vec<ScenarioId> = Vec::new();
    for group in office.door.store.alert_groups(1000).await.expect("groups") {
        let items = office.door.store.alert_items(group.id, 10_000).await.expect("items");
        assert!(items.iter().all(|item| item.reported.is_some()));
        scenarios.extend(items.iter().map(|item| item.scenario));
    }
    scenarios.sort();
    scenarios.dedup();
    assert_eq!(scenarios.len(), 10_000, "all of them are in the groups");

    // An hour later the team may have mails again, and the account but two of them.
    office.fail(3700, 500, warning(3700)).await;
    for second in (3730..7000).step_by(120) {
        office.look(second).await;
    }
    assert_eq!(office.mails().await.len(), 15, "what is kept for critical ones is untouched");
    let critical = |_| judged(vec![alarm("answered-no-ack", "no-ack", Severity::Critical, 7000, None)]);
    office.fail(7000, 1, critical).await;
    office.look(7030).await;
    let mails = office.mails().await;
    assert_eq!((mails.len(), mails[15].kind, mails[15].subject.contains("CRITICAL")), (16, MailKind::Firing, true));
    // The day after, what waited is mailed.
    for second in (86_400..100_000).step_by(300) {
        office.look(second).await;
    }
    for group in office.door.store.alert_groups(1000).await.expect("groups") {
        let items = office.door.store.alert_items(group.id, 10_000).await.expect("items");
        assert!(items.iter().all(|item| item.reported.is_some()), "none is forgotten");
    }
}

#[tokio::test]
async fn a_mail_says_how_many_it_does_not_list_and_they_are_not_told_of_again() {
    let mut office = Office::open("per_hour = 12").await;
    // One second after the other: more than are looked at.
    let of = |nth: usize| judged(vec![alarm("bye-propagates", "f1", Severity::Warning, nth as i64 / 1000, None)]);
    office.fail(20, 10_700, of).await;
    office.look(90).await;
    let text = async |nth: usize| {
        let mails = office.mails().await;
        assert_eq!(mails.len(), nth + 1);
        office.door.store.mail(mails[nth].id).await.expect("read").expect("it is there").1.replace('\n', " ")
    };
    let told = text(0).await;
    assert!(told.contains("10,700 scenarios did not end as expected"), "{told}");
    assert!(told.contains("and 10680 more:"), "{told}");
    let group = office.door.store.alert_groups(10).await.expect("groups").remove(0);
    assert_eq!(office.door.store.glance(group.id).await.expect("a glance").unreported, 0);
    office.look(4000).await;
    assert_eq!(office.mails().await.len(), 1);
}

#[tokio::test]
async fn each_team_has_a_budget_of_its_own_and_a_storm_of_several_is_one_mail_to_each() {
    let team = |name: &str| format!("[[team]]\nname = \"{name}\"\nto = [\"{name}@example.com\"]\n");
    let to = |matches: &str, to: &str| format!("[[route]]\nmatch = {matches}\nto = {to}\n");
    let routes = [
        "[budget]\nper_hour = 2\nper_day = 100\nreserve_critical = 10\n".to_owned(),
        team("voice") + &team("push"),
        to("{ severity = \"critical\" }", "[\"voice\", \"push\"]"),
        to("{ severity = \"info\" }", "[\"push\"]"),
        to("{}", "[\"voice\"]"),
    ];
    let mut office = Office::by(&routes.concat()).await;
    let marks: Vec<i32> = office.book.borrow().routes.routes.iter().map(Route::mark).collect();
    let by = |route: usize, name: &'static str, second: i64| {
        let mark = marks[route];
        move |nth: usize| {
            let mut alarm = alarm("bye-propagates", &format!("{name}{nth}"), Severity::Warning, second, None);
            alarm.group.route = mark;
            judged(vec![alarm])
        }
    };
    let mailed = async |office: &Office| {
        let mut counts: BTreeMap<(String, MailKind), usize> = BTreeMap::new();
        for mail in office.mails().await {
            *counts.entry((mail.team, mail.kind)).or_default() += 1;
        }
        counts
    };
    let of = |team: &str, kind, many: usize| ((team.to_owned(), kind), many);
    // One team has had its mails of the hour; the other has not.
    office.fail(0, 4, by(2, "v", 0)).await;
    office.look(30).await;
    assert_eq!(mailed(&office).await, [of("voice", MailKind::Firing, 2)].into());
    office.fail(31, 1, by(1, "p", 31)).await;
    office.look(61).await;
    let after = [of("push", MailKind::Firing, 1), of("voice", MailKind::Firing, 2), of("voice", MailKind::Storm, 1)];
    assert_eq!(mailed(&office).await, after.clone().into());
    // Of what goes to both, neither gets a mail of its own while one of them may not have any.
    office.fail(70, 3, by(0, "b", 70)).await;
    for second in (100..3600).step_by(100) {
        office.look(second).await;
    }
    assert_eq!(mailed(&office).await, after.into(), "there was a storm within the hour");
    for second in (3600..4200).step_by(20) {
        office.look(second).await;
    }
    let mails = office.mails().await;
    let of_both = mails.iter().filter(|mail| mail.created > at(3600));
    let told: Vec<(&str, MailKind)> = of_both.map(|mail| (mail.team.as_str(), mail.kind)).collect();
    for team in ["voice", "push"] {
        let kinds = told.iter().filter(|(of, _)| *of == team).map(|(_, kind)| *kind).collect::<Vec<_>>();
        let storms = kinds.iter().filter(|kind| **kind == MailKind::Storm).count();
        assert!(kinds.len() <= 3 && storms <= 1, "{team}: {kinds:?}");
    }
    for group in office.door.store.alert_groups(100).await.expect("groups") {
        let items = office.door.store.alert_items(group.id, 10).await.expect("items");
        assert!(items.iter().all(|item| item.reported.is_some()), "{group:?}");
    }
}

#[tokio::test]
async fn a_storm_leads_to_all_alerts_and_names_the_routes_by_which_they_come() {
    let first = "[[route]]\nmatch = { severity = \"critical\" }\nto = [\"voice\"]";
    let mut office = Office::open(&format!("per_hour = 1\n{first}")).await;
    let marks: Vec<i32> = office.book.borrow().routes.routes.iter().map(Route::mark).collect();
    let by_turns = |nth: usize| {
        let mut alarm = alarm("bye-propagates", &format!("f{nth}"), Severity::Warning, 0, None);
        alarm.group.route = marks[nth % 2];
        judged(vec![alarm])
    };
    office.fail(0, 6, by_turns).await;
    office.look(30).await;
    office.look(60).await;
    let storm = office.mails().await.pop().expect("a mail");
    assert_eq!(storm.kind, MailKind::Storm);
    let (_, text, _) = office.door.store.mail(storm.id).await.expect("read").expect("it is there");
    assert!(text.contains("\nGroups       http://localhost:8480/alerts\n"), "{text}");
    assert!(text.contains("You get this by routes 1 and 2 of routes.toml (team voice)."), "{text}");
}

#[tokio::test]
async fn a_storm_tells_of_all_that_wait_however_many_rounds_that_took_and_each_of_them_shows_it() {
    let mut office = Office::open("per_hour = 2").await;
    let failing = |from: usize| {
        move |nth| judged(vec![alarm("bye-propagates", &format!("f{}", from + nth), Severity::Warning, 0, None)])
    };
    // More than one round looks at.
    office.fail(0, 130, failing(0)).await;
    office.fail(20, 7, failing(130)).await;
    for second in [30, 31, 50, 59] {
        office.look(second).await;
    }
    assert_eq!(office.mails().await.len(), 2, "others may follow");
    for second in [60, 61, 90, 400] {
        office.look(second).await;
    }
    let mails = office.mails().await;
    assert_eq!(mails.iter().filter(|mail| mail.kind == MailKind::Storm).count(), 1);
    assert_eq!(mails.len(), 3);
    let store = &office.door.store;
    let (_, text, _) = store.mail(mails[2].id).await.expect("read").expect("it is there");
    assert!(text.contains("135 scenarios in 135 groups"), "{text}");
    for group in store.alert_groups(1000).await.expect("groups") {
        assert_eq!((group.mails, group.reported.is_some()), (1, true), "{group:?}");
        let of_group = store.mails(Some(group.id), 10).await.expect("mails");
        assert_eq!(of_group.len(), 1);
        assert_eq!(of_group[0].kind == MailKind::Storm, of_group[0].id == mails[2].id);
        assert!(store.alert_items(group.id, 10).await.expect("items").iter().all(|item| item.reported.is_some()));
    }
    // What fails after it waits for the next one.
    office.fail(500, 9, failing(0)).await;
    for second in (800..3600).step_by(100) {
        office.look(second).await;
    }
    assert_eq!(office.mails().await.len(), 3);
    for second in (3600..4100).step_by(20) {
        office.look(second).await;
    }
    let mails = office.mails().await;
    let kinds: Vec<MailKind> = mails[3..].iter().map(|mail| mail.kind).collect();
    assert_eq!(kinds, [MailKind::Update, MailKind::Update, MailKind::Storm]);
    let (_, text, _) = office.door.store.mail(mails[5].id).await.expect("read").expect("it is there");
    assert!(text.contains("7 scenarios in 7 groups"), "{text}");
}

#[tokio::test]
async fn a_burst_of_a_share_is_mailed_though_it_went_well_again_before_anybody_looked() {
    let counted = |minute: i64, outcome, many| {
        let minute = at(0).0.div_euclid(MINUTE) + minute;
        BTreeMap::from([(("rest-answers".to_owned(), minute, outcome), many)])
    };
    let well = |minute, many| {
        move |_| Judged {
            counts: counted(minute, Outcome::Ok, many),
            worst: Some((Outcome::Ok, None, "rest-answers".to_owned())),
            ..Judged::default()
        }
    };
    let failing = |minute: i64| {
        move |_| {
            let mut alarm = alarm("rest-answers", "server", Severity::Warning, minute * 60, None);
            alarm.item.told.began = at(minute * 60);
            Judged { counts: counted(minute, Outcome::Failed, 1), ..judged(vec![alarm]) }
        }
    };
    let mut office = Office::open("").await;
    // 4 of 100, then one of 5,000.
    office.fail(0, 1, well(0, 96)).await;
    office.fail(0, 4, failing(0)).await;
    office.fail(180, 1, well(3, 5_000)).await;
    office.fail(240, 1, failing(4)).await;
    office.look(300).await;
    let mails = office.mails().await;
    assert_eq!(mails.len(), 1);
    let (_, text, _) = office.door.store.mail(mails[0].id).await.expect("read").expect("it is there");
    assert!(text.starts_with("4 scenarios did not end as expected: 4 new."), "{text}");
}

#[tokio::test]
async fn a_cause_below_its_threshold_hides_nothing_and_one_above_it_is_mailed_alone() {
    let both = |_| {
        judged(vec![
            alarm("rest-answers", "server", Severity::Warning, 0, None),
            alarm("call-completes", "no-final", Severity::Warning, 0, Some("rest-answers")),
        ])
    };
    // Of all instances that were judged, few failed.
    let well = |_| Judged {
        counts: BTreeMap::from([(("rest-answers".to_owned(), at(0).0.div_euclid(MINUTE), Outcome::Ok), 100)]),
        worst: Some((Outcome::Ok, None, "rest-answers".to_owned())),
        ..Judged::default()
    };
    let mut office = Office::open("").await;
    office.fail(0, 20, well).await;
    office.fail(0, 2, both).await;
    office.look(31).await;
    let subjects = office.subjects().await;
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains("no-final"), "{subjects:?}");
    let mut office = Office::open("").await;
    office.fail(0, 20, well).await;
    office.fail(0, 12, both).await;
    office.look(31).await;
    let subjects = office.subjects().await;
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains("server"), "{subjects:?}");
}

#[tokio::test]
async fn what_a_cause_hid_stays_hidden_when_the_group_of_the_cause_is_closed() {
    let both = |_| {
        judged(vec![
            alarm("rest-answers", "server", Severity::Warning, 0, None),
            alarm("call-completes", "no-final", Severity::Warning, 0, Some("rest-answers")),
        ])
    };
    let mut office = Office::open("").await;
    office.fail(0, 12, both).await;
    for second in [31, 14_399, 14_400, 14_401, 30_000] {
        office.look(second).await;
    }
    let groups = office.door.store.alert_groups(10).await.expect("groups");
    assert!(groups.iter().all(|group| group.closed.is_some()) && groups.len() == 2);
    let subjects = office.subjects().await;
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains("server"), "{subjects:?}");
}

#[tokio::test]
async fn other_routes_beside_the_one_of_a_group_change_nothing_and_without_it_nobody_is_mailed() {
    let no_ack = |_| judged(vec![alarm("answered-no-ack", "no-ack", Severity::Critical, 0, None)]);
    let mut office = Office::open("").await;
    office.fail(0, 3, no_ack).await;
    // Another team stands first by now.
    let lab =
        "[[team]]\nname = \"lab\"\nto = [\"lab@example.com\"]\n[[route]]\nmatch = { env = \"lab\" }\nto = [\"lab\"]\n";
    office.book = book(&format!("{lab}{}", routes("voice")));
    office.look(30).await;
    let mails = office.mails().await;
    assert_eq!(mails.iter().map(|mail| mail.team.as_str()).collect::<Vec<_>>(), ["voice"]);
    let (_, text, _) = office.door.store.mail(mails[0].id).await.expect("read").expect("it is there");
    assert!(text.contains("by route 2 of routes.toml"), "{text}");
    // The group of a route that is gone ends without a word.
    office.fail(1000, 3, no_ack).await;
    let by_host = routes("voice").replace("match = {}", "match = {}\ngroup_by = [\"rule\", \"failure\", \"host\"]");
    office.book = book(&by_host);
    office.look(2000).await;
    assert_eq!(office.mails().await.len(), 1);
    assert!(office.door.store.alert_groups(10).await.expect("groups")[0].closed.is_some());
}

#[tokio::test]
async fn what_came_late_and_what_did_not_fail_after_all_are_told_apart() {
    let mut office = Office::open("").await;
    office.fail(0, 2, |_| judged(vec![alarm("answered-no-ack", "no-ack", Severity::Critical, 0, None)])).await;
    let store = &office.door.store;
    let group = store.alert_groups(1).await.expect("groups").remove(0);
    let mut items = store.alert_items(group.id, 10).await.expect("items");
    (items[0].state, items[1].state) = (ItemState::Gone, ItemState::Late);
    let (gone, late) = (items[0].scenario, items[1].scenario);
    let look =
        Looking { group, items, mind: Mind::default(), shares: Shares::new(), causes: BTreeSet::new(), unread: 0 };
    let resolved = vec![0, 1];
    let (new, continuing) = (Vec::new(), Vec::new());
    let draft = Draft { first: false, resolved_all: true, severity: Severity::Critical, new, continuing, resolved };
    let told = look.notice(&office.book.borrow().clone(), &draft);
    let of = |items: &[Item]| items.iter().map(|item| ScenarioId(item.scenario)).collect::<Vec<_>>();
    assert_eq!((of(&told.gone), of(&told.resolved)), (vec![gone], vec![late]));
    assert_eq!(told.gone[0].unseen, "did not fail, as is known now");
}

#[tokio::test]
async fn without_routes_mails_are_made_to_nobody_and_are_never_sent() {
    let mut office = Office::open("").await;
    office.book = Shelf::open(&Config::default()).expect("right").book();
    office.fail(0, 1, |_| judged(vec![alarm("answered-no-ack", "no-ack", Severity::Critical, 0, None)])).await;
    office.look(30).await;
    let store = &office.door.store;
    store.expire_mails(at(31), true).await.expect("looked through");
    let mails = office.mails().await;
    assert_eq!(mails.len(), 1, "it can be looked at");
    assert_eq!((mails[0].state, mails[0].recipients.as_str()), (MailState::NotSent, ""));
    assert!(!store.resend(mails[0].id, at(32), at(3600)).await.expect("asked"));
    assert_eq!(store.next_mail("one", "account", at(33), SECOND).await.expect("looked"), None);
}

#[tokio::test]
async fn without_a_server_mails_are_made_and_stand_as_not_sent() {
    let mut office = Office::open("").await;
    office.desk.can_send = false;
    office.fail(0, 3, |_| judged(vec![alarm("answered-no-ack", "no-ack", Severity::Critical, 0, None)])).await;
    office.look(10).await;
    assert_eq!(office.mails().await, []);
    office.look(30).await;
    office.look(31).await;
    let mails = office.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].state, mails[0].kind, mails[0].recipients.as_str()),
        (MailState::NotSent, MailKind::Firing, "voice@example.com")
    );
}
