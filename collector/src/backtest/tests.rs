use record::id::MessageId;
use record::time::SECOND;
use rule::routes::Routes;
use rule::set::RuleSet;
use rule::syntax::Severity;
use store::alert::{self, Alarm, GroupKey, ItemTold};

use super::known::What;
use super::*;

/// 2026-11-23 12:00:00 UTC.
const NOON: i64 = 1_795_435_200 * SECOND;

fn at(second: i64) -> Timestamp {
    Timestamp(NOON + second * SECOND)
}

/// The built-in rules, and routes with these limits.
fn book(budget: &str) -> Book {
    let set = RuleSet::built_in();
    let text = format!(
        "[budget]\n{budget}\n[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n\
         [[route]]\nmatch = {{}}\nto = [\"voice\"]\n"
    );
    let routes = Routes::load("routes.toml", &text, &set.ids()).expect("routes");
    Book::new(set, Some(routes), Vec::new())
}

fn told(rule: &str, class: &str) -> Told {
    Told {
        rule: rule.into(),
        version: 1,
        severity: Severity::Warning,
        outcome: Outcome::Failed,
        failure: Some(class.into()),
        step: None,
        due: None,
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
fn mark() -> i32 {
    book("").routes.routes[0].mark()
}

fn group(rule: &str, class: &str) -> GroupKey {
    let mut hash = [0; 8];
    format!("{class}........").bytes().zip(&mut hash).for_each(|(from, to)| *to = from);
    GroupKey { hash, route: mark(), env: "prod".into(), rule: rule.into(), failure: class.into() }
}

fn learned(second: i64, scenario: i64, (rule, class): (&str, &str), what: What) -> News {
    let group = group(rule, class).hash;
    News { at: at(second), scenario: ScenarioId(scenario), leg: "B1".into(), nth: 0, group, what }
}

const NO_ACK: (&str, &str) = ("answered-no-ack", "no-ack");
const SLOW: (&str, &str) = ("rest-answers", "api-timeout");

fn failed(second: i64, scenario: i64, of: (&str, &str), facts: &[(&str, &str)]) -> News {
    let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let alarm = Alarm {
        group: group(of.0, of.1),
        news: alert::News::Fresh,
        severity: Severity::Warning,
        at: at(second - 20),
        item: ItemTold { caller: None, callee: None, told: told(of.0, of.1), also: Vec::new(), facts },
        wait: 30 * SECOND,
    };
    learned(second, scenario, of, What::Failed(Box::new(alarm)))
}

/// Each mail: second, rule, how many are new and resolved.
fn sent(book: &Book, news: Vec<News>) -> Vec<String> {
    let show = |mail: &Sent| {
        let second = (mail.at.0 - NOON) / SECOND;
        match &mail.about {
            About::Group { class, new, resolved, .. } => {
                format!("{second} {class}: {} new, {} resolved", new.len(), resolved.len())
            }
            About::Storm { groups, new } => format!("{second} storm: {} new in {groups}", new.len()),
        }
    };
    mails::sent(book, news, &Counts::default()).iter().map(show).collect()
}

#[test]
fn the_first_mail_waits_for_others_and_the_next_comes_an_interval_later() {
    let failures = (0..11).map(|n| failed(n, n, NO_ACK, &[])).chain((20..23).map(|n| failed(100, n, NO_ACK, &[])));
    assert_eq!(sent(&book(""), failures.collect()), ["30 no-ack: 11 new, 0 resolved", "330 no-ack: 3 new, 0 resolved"]);
    // After four quiet hours another group is opened.
    let failures = vec![failed(0, 1, NO_ACK, &[]), failed(20_000, 2, NO_ACK, &[])];
    assert_eq!(sent(&book(""), failures), ["30 no-ack: 1 new, 0 resolved", "20030 no-ack: 1 new, 0 resolved"]);
    assert_eq!(sent(&book(""), Vec::new()), Vec::<String>::new());
}

#[test]
fn what_comes_late_before_the_first_mail_is_not_mailed_and_after_it_is_resolved() {
    let late = |second, scenario| learned(second, scenario, NO_ACK, What::Late);
    let news = vec![failed(0, 1, NO_ACK, &[]), failed(0, 2, NO_ACK, &[]), late(29, 1)];
    assert_eq!(sent(&book(""), news), ["30 no-ack: 1 new, 0 resolved"]);
    let news = vec![failed(0, 1, NO_ACK, &[]), late(31, 1)];
    assert_eq!(sent(&book(""), news), ["30 no-ack: 1 new, 0 resolved", "330 no-ack: 0 new, 1 resolved"]);
}

#[test]
fn a_symptom_is_mailed_only_if_its_cause_is_not_known_by_then() {
    let explained = |second| learned(second, 1, NO_ACK, What::Explained);
    assert_eq!(sent(&book(""), vec![failed(0, 1, NO_ACK, &[]), explained(20)]), Vec::<String>::new());
    assert_eq!(sent(&book(""), vec![failed(0, 1, NO_ACK, &[]), explained(40)]), ["30 no-ack: 1 new, 0 resolved"]);
    // Of a cause that waits for more of its kind, only if there are as many.
    let with_causes = |many: i64| {
        let symptom = |n| failed(0, n, ("call-completes", "server"), &[("because", "rest-answers")]);
        (0..many).flat_map(|n| [symptom(n), failed(0, n, SLOW, &[])]).collect::<Vec<_>>()
    };
    assert_eq!(sent(&book(""), with_causes(2)), ["30 server: 2 new, 0 resolved"]);
    assert_eq!(sent(&book(""), with_causes(20)), ["30 api-timeout: 20 new, 0 resolved"]);
}

#[test]
fn beyond_the_mails_of_an_hour_one_tells_of_all_groups_that_wait() {
    let classes = ["a", "b", "c", "d"].map(|class| ("call-completes", class));
    let news = || classes.iter().enumerate().map(|(n, of)| failed(n as i64, n as i64, *of, &[])).collect::<Vec<_>>();
    let two = ["30 a: 1 new, 0 resolved", "31 b: 1 new, 0 resolved", "62 storm: 2 new in 2"];
    assert_eq!(sent(&book("per_hour = 2"), news()), two);
    // Nobody is mailed, and it ends.
    assert_eq!(sent(&book("per_day = 0\nreserve_critical = 0"), news()), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_known_when_logs_are_read_beyond_it_and_what_came_at_once() {
    let book = book("");
    let rule = report::rule(&book, NO_ACK.0).expect("it is built in");
    let step = |seen| rule::told::Step {
        name: "ack".into(),
        text: String::new(),
        failure: None,
        seen,
        due: None,
        from: None,
        to: None,
        message: None,
        time: Some(at(80)),
        late_by: None,
        why: None,
    };
    let alarm = |step: Option<rule::told::Step>, late_by: Option<i64>| {
        let told = Told { step: step.as_ref().map(|_| 0), steps: step.into_iter().collect(), late_by, ..told("", "") };
        let item = ItemTold { caller: None, callee: None, told, also: Vec::new(), facts: Vec::new() };
        let (group, news) = (group("", ""), alert::News::Fresh);
        Alarm { group, news, severity: Severity::Warning, at: at(32), item, wait: 0 }
    };
    // 15 s are `lateness`, 5 s until it is heard.
    assert_eq!(known::known(rule, &alarm(Some(step(Seen::Missed)), None)), at(52));
    assert_eq!(known::known(rule, &alarm(None, None)), at(37));
    assert_eq!(known::known(rule, &alarm(Some(step(Seen::Forbidden)), None)), at(85));
    let retried = rule::syntax::Rule { retry_within: Some(10 * SECOND), ..rule.clone() };
    assert_eq!(known::known(&retried, &alarm(None, None)), at(62));
    // It came 48 s too late; what comes later than `late_for` stays failed.
    assert_eq!(known::late(rule, &alarm(Some(step(Seen::Late)), Some(48 * SECOND))), Some(at(85)));
    assert_eq!(known::late(rule, &alarm(Some(step(Seen::Late)), Some(i64::MAX))), None);
}
