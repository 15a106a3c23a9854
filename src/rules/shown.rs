//! What rules would have said of stored calls, in words. Pure.

use std::collections::{BTreeMap, BTreeSet};

use collector::backtest::{About, Backtest, Failure, Sent, Tally};
use collector::book::Book;
use collector::mail::notice::Mask;
use collector::mail::{masked, masked_within};
use record::id::ScenarioId;
use record::time::Timestamp;
use rule::print;
use rule::syntax::Rule;
use rule::verdict::Outcome;

use crate::words::{counted, thousands};

/// Failures that are listed, and mails of one line.
const LISTED: usize = 20;
const MAILS: usize = 10;
/// In the order in which the outcomes of a rule are listed.
const ORDER: [Outcome; 6] =
    [Outcome::Ok, Outcome::Business, Outcome::Failed, Outcome::Late, Outcome::Unknown, Outcome::Open];

pub fn tried(tried: &Backtest, book: &Book, (since, until): (Timestamp, Timestamp), all: bool) -> String {
    let mut parts = vec![head(tried, book, since), tallies(tried).join("\n")];
    let mails = mails(tried, book, until);
    if !mails.is_empty() {
        let nobody = "Nobody would have been mailed, as there are no routes (--routes FILE; docs/alerts.md has an \
                      example).\nWith one route for all failures:";
        let first = (!book.has_routes).then(|| nobody.to_owned());
        parts.push(first.into_iter().chain(mails).collect::<Vec<_>>().join("\n"));
    }
    let listed = if all { tried.failures.len() } else { LISTED };
    let mut failures: Vec<String> = tried.failures.iter().take(listed).map(failure).collect();
    if tried.failures.len() > listed {
        failures.push(format!("and {} more; --all lists them", thousands(many(tried.failures.len() - listed))));
    }
    if !failures.is_empty() {
        parts.push(failures.join("\n"));
    }
    parts.join("\n\n")
}

/// There is no call in that time.
pub fn nothing(place: &str, since: Timestamp, newest: Option<Timestamp>) -> String {
    match newest {
        Some(newest) => format!(
            "There is no call since {} in {place}; the newest began at {}. Give a longer time: --since 7d",
            minute(since),
            minute(newest)
        ),
        None => format!("There is no call in {place} yet. `siptrail watch LOG` stores what a log holds."),
    }
}

fn head(tried: &Backtest, book: &Book, since: Timestamp) -> String {
    let calls = counted(many(tried.calls), "scenario");
    let rules = counted(many(book.set.rules.len()), "rule");
    let head = format!("{calls} since {}, judged by {rules}; nothing was changed. Times are UTC.", minute(since));
    match tried.ends_at {
        Some(at) => format!(
            "{head}\nThere are more: it ended with what began at {}, after as many as are judged at once. A shorter --since \
             judges the newest.",
            minute(at)
        ),
        None => head,
    }
}

/// A line for each rule that judged anything.
fn tallies(tried: &Backtest) -> Vec<String> {
    let (used, unused): (Vec<&Tally>, Vec<&Tally>) = tried.tallies.iter().partition(|tally| !tally.outcomes.is_empty());
    let name = used.iter().map(|tally| tally.rule.len()).max().unwrap_or_default();
    let judged = |tally: &Tally| thousands(many(tally.outcomes.values().sum()));
    let number = used.iter().map(|tally| judged(tally).len()).max().unwrap_or_default();
    let line = |tally: &&Tally| {
        let parts = ORDER.into_iter().filter_map(|outcome| part(tally, outcome)).collect::<Vec<_>>();
        format!("{:name$}  {:>number$} judged  {}", tally.rule, judged(tally), parts.join("  "))
    };
    let mut lines: Vec<String> = used.iter().map(line).collect();
    if !unused.is_empty() {
        let names: Vec<&str> = unused.iter().map(|tally| tally.rule.as_str()).collect();
        lines.push(format!("Nothing was judged by {}.", names.join(", ")));
    }
    lines
}

fn part(tally: &Tally, outcome: Outcome) -> Option<String> {
    let number = *tally.outcomes.get(&outcome)?;
    let name = if outcome == Outcome::Unknown { "cannot tell" } else { outcome.name() };
    let mut reasons: Vec<(&String, &usize)> = tally.why.iter().collect();
    reasons.sort_by_key(|(reason, times)| (std::cmp::Reverse(**times), *reason));
    let more = match outcome {
        Outcome::Failed => tally.failed.iter().map(|(class, times)| format!("{class} {times}")).collect(),
        Outcome::Unknown => reasons.first().map(|(reason, _)| masked_within(reason, Mask::Last3)).into_iter().collect(),
        _ => Vec::new(),
    };
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    Some(format!("{} {name}{more}", thousands(many(number))))
}

/// Team, and the rule and class of a group; none of a mail about all that waits.
type Subject<'a> = (&'a str, Option<(&'a str, &'a str)>);

/// A line for each team and what it would have been mailed about; then what would have been mailed to nobody.
fn mails(tried: &Backtest, book: &Book, until: Timestamp) -> Vec<String> {
    let mut by: BTreeMap<Subject, Vec<&Sent>> = BTreeMap::new();
    for mail in &tried.mails {
        let about = match &mail.about {
            About::Group { rule, class, .. } => Some((rule.as_str(), class.as_str())),
            About::Storm { .. } => None,
        };
        by.entry((&mail.team, about)).or_default().push(mail);
    }
    let mut by: Vec<_> = by.into_iter().collect();
    by.sort_by_key(|(_, mails)| mails[0].at);
    let line = |((team, about), mails): &(Subject, Vec<&Sent>)| {
        let to = if book.has_routes { format!(" to {team}") } else { String::new() };
        let number = counted(many(mails.len()), "mail");
        let what = match about {
            Some((rule, class)) => format!("{number}{to} about {rule} ({class})"),
            None => format!("{number}{to} about what the mails of an hour had no room for"),
        };
        let mut times: Vec<String> =
            mails.iter().enumerate().take(MAILS).map(|(nth, mail)| sent(mail, nth == 0, until)).collect();
        if mails.len() > MAILS {
            times.push(format!("and {} more", mails.len() - MAILS));
        }
        format!("would have sent {what}: {}", times.join(", "))
    };
    by.iter().map(line).chain(unsent(tried, book)).collect()
}

/// `12:05 (11 scenarios)`; of the next ones the number alone.
fn sent(mail: &Sent, is_first: bool, until: Timestamp) -> String {
    let at = mail.at.to_utc();
    let form = if mail.at.day() == until.day() { "%H:%M" } else { "%m-%d %H:%M" };
    let scenarios = |number: usize| {
        if is_first { counted(many(number), "scenario") } else { thousands(many(number)) }
    };
    let what = match &mail.about {
        About::Storm { new, groups } => format!("{} in {}", scenarios(new.len()), counted(many(*groups), "group")),
        About::Group { new, resolved, .. } => match (new.len(), resolved.len()) {
            (new, 0) => scenarios(new),
            (0, late) => format!("{} resolved", scenarios(late)),
            (new, late) => format!("{}, {late} resolved", scenarios(new)),
        },
    };
    format!("{} ({what})", at.format(form))
}

/// What failed and is in no mail, with why.
fn unsent(tried: &Backtest, book: &Book) -> Vec<String> {
    let mut mailed: BTreeSet<(Option<&str>, ScenarioId)> = BTreeSet::new();
    for mail in &tried.mails {
        let (rule, new) = match &mail.about {
            About::Group { rule, new, .. } => (Some(rule.as_str()), new),
            About::Storm { new, .. } => (None, new),
        };
        mailed.extend(new.iter().map(|scenario| (rule, *scenario)));
    }
    let mut left: BTreeMap<(&str, &str), BTreeSet<ScenarioId>> = BTreeMap::new();
    for Failure { scenario, rule, class, .. } in &tried.failures {
        if !mailed.contains(&(Some(rule), *scenario)) && !mailed.contains(&(None, *scenario)) {
            left.entry((rule, class)).or_default().insert(*scenario);
        }
    }
    let line = |((id, class), scenarios): ((&str, &str), BTreeSet<ScenarioId>)| {
        let number = counted(many(scenarios.len()), "scenario");
        let failed =
            |rule: &str| tried.failures.iter().any(|other| other.rule == rule && scenarios.contains(&other.scenario));
        let why = book.set.rules.iter().find(|rule| rule.id == id).and_then(|rule| why_unsent(rule, book, failed));
        let why = why.map_or(String::new(), |why| format!("; {why}"));
        format!("would have mailed nobody about {id} ({class}): {number}{why}")
    };
    left.into_iter().map(line).collect()
}

fn why_unsent(rule: &Rule, book: &Book, failed: impl Fn(&str) -> bool) -> Option<String> {
    if !rule.mail_when.is_empty() {
        return Some(format!("it mails from {} on", print::amounts(&rule.mail_when)));
    }
    let causes = book.set.rules.iter().filter(|cause| cause.explains.contains(&rule.id) && failed(&cause.id));
    let causes: Vec<&str> = causes.map(|cause| cause.id.as_str()).collect();
    (!causes.is_empty()).then(|| format!("explained by {}", causes.join(", ")))
}

/// `00000007  2026-09-14 12:05:01Z  alice -> bob  B1 proxy-1 -> bob-desk  no-ack: no ACK to device within 32 s, by 12:05:33Z`.
fn failure(of: &Failure) -> String {
    let party = |name: &Option<String>| name.as_deref().map_or("unknown".to_owned(), |name| masked(name, Mask::Last3));
    let safe = |text: &str| masked_within(text, Mask::Last3);
    let hop = of.hop.as_ref().map(|(from, to)| format!("{} -> {}", safe(from), safe(to)));
    let leg = [Some(safe(&of.leg)), hop].into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let when = if of.came { "at" } else { "by" };
    let at = of.at.map_or(String::new(), |at| format!(", {when} {}", at.to_utc().format("%H:%M:%SZ")));
    format!(
        "{}  {}  {} -> {}  {}  {} {}: {}{at}",
        of.scenario,
        of.began.to_utc().format("%Y-%m-%d %H:%M:%SZ"),
        party(&of.caller),
        party(&of.callee),
        leg.join(" "),
        of.rule,
        of.class,
        safe(&of.what)
    )
}

fn minute(at: Timestamp) -> String {
    at.to_utc().format("%Y-%m-%d %H:%M").to_string()
}

fn many(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use record::time::{DAY, HOUR, MINUTE, SECOND};
    use rule::routes::Routes;
    use rule::set::RuleSet;

    use super::*;

    /// 2026-09-14 12:05:00 UTC.
    const THEN: i64 = 1_789_387_500 * SECOND;

    fn at(second: i64) -> Timestamp {
        Timestamp(THEN + second * SECOND)
    }

    fn book() -> Book {
        let set = RuleSet::built_in();
        let routes = include_str!("../../etc/routes.toml");
        let routes = Routes::load("routes.toml", routes, &set.ids()).expect("the example is right");
        Book::new(set, Some(routes), Vec::new())
    }

    fn window() -> (Timestamp, Timestamp) {
        (Timestamp(THEN - DAY), Timestamp(THEN + HOUR))
    }

    fn tally(rule: &str, outcomes: &[(Outcome, usize)], class: &str) -> Tally {
        let of = |outcome| outcomes.iter().find(|(known, _)| *known == outcome).map(|(_, times)| *times);
        Tally {
            rule: rule.into(),
            outcomes: outcomes.iter().copied().collect(),
            failed: of(Outcome::Failed).map(|times| (class.to_owned(), times)).into_iter().collect(),
            why: [
                ("edge is not known to log ACK".to_owned(), of(Outcome::Unknown).unwrap_or_default()),
                ("x".into(), 1),
            ]
            .into(),
        }
    }

    fn failure(nth: i64, rule: &str, class: &str) -> Failure {
        Failure {
            scenario: ScenarioId(0x18f3_c7a0 + nth),
            rule: rule.into(),
            class: class.into(),
            began: at(nth),
            at: Some(at(nth + 32)),
            caller: Some("+4930123482".into()),
            callee: Some("4930123119".into()),
            leg: "B1".into(),
            hop: Some(("proxy-1".into(), "bob 4930123119".into())),
            what: "no ACK to device within 32 s".into(),
            came: false,
        }
    }

    fn sent(second: i64, team: &str, new: std::ops::Range<i64>, resolved: std::ops::Range<i64>) -> Sent {
        let ids = |range: std::ops::Range<i64>| range.map(|nth| ScenarioId(0x18f3_c7a0 + nth)).collect();
        let (rule, class) = ("answered-no-ack".into(), "no-ack".into());
        let about = About::Group { rule, class, new: ids(new), resolved: ids(resolved) };
        Sent { at: at(second), team: team.into(), about }
    }

    #[test]
    fn what_would_have_been_is_said_by_rule_by_mail_and_by_scenario() {
        use Outcome::{Business, Failed, Late, Ok, Open, Unknown};
        let ending = Failure {
            leg: "A".into(),
            hop: None,
            what: "500 Error\u{1b}[2J".into(),
            came: true,
            ..failure(3, "rest-answers", "server")
        };
        let symptom = Failure { rule: "call-completes".into(), class: "server".into(), ..failure(1, "", "") };
        let told = Backtest {
            calls: 1_240,
            ends_at: None,
            tallies: vec![
                tally("call-completes", &[(Ok, 1_101), (Business, 126), (Unknown, 13)], ""),
                tally("answered-no-ack", &[(Ok, 1_188), (Failed, 25), (Late, 2), (Open, 1)], "no-ack"),
                tally("rest-answers", &[], ""),
            ],
            failures: vec![failure(0, "answered-no-ack", "no-ack"), ending, symptom],
            mails: vec![
                sent(50, "oncall-voice", 0..11, 0..0),
                sent(350, "oncall-voice", 11..14, 2..3),
                sent(650, "oncall-voice", 0..0, 3..5),
            ],
        };
        insta::assert_snapshot!(tried(&told, &book(), window(), false), @"
        1,240 scenarios since 2026-09-13 12:05, judged by 10 rules; nothing was changed. Times are UTC.

        call-completes   1,240 judged  1,101 ok  126 business  13 cannot tell (edge is not known to log ACK)
        answered-no-ack  1,216 judged  1,188 ok  25 failed (no-ack 25)  2 late  1 open
        Nothing was judged by rest-answers.

        would have sent 3 mails to oncall-voice about answered-no-ack (no-ack): 12:05 (11 scenarios), 12:10 (3, 1 resolved), 12:15 (2 resolved)
        would have mailed nobody about call-completes (server): 1 scenario
        would have mailed nobody about rest-answers (server): 1 scenario; it mails from 10 in 5m or 3% in 10m on

        18f3c7a0  2026-09-14 12:05:00Z  ...482 -> ...119  B1 proxy-1 -> bob ...119  answered-no-ack no-ack: no ACK to device within 32 s, by 12:05:32Z
        18f3c7a3  2026-09-14 12:05:03Z  ...482 -> ...119  A  rest-answers server: 500 Error[2J, at 12:05:35Z
        18f3c7a1  2026-09-14 12:05:01Z  ...482 -> ...119  B1 proxy-1 -> bob ...119  call-completes server: no ACK to device within 32 s, by 12:05:33Z
        ");
    }

    #[test]
    fn twenty_failures_are_listed_or_all() {
        let failures = (0..50).map(|nth| failure(nth, "answered-no-ack", "no-ack")).collect();
        let told = Backtest { calls: 50, failures, ..Backtest::default() };
        let lines = |all: bool| tried(&told, &book(), window(), all).lines().map(str::to_owned).collect::<Vec<_>>();
        let listed = |line: &&String| line.starts_with("18f3c7");
        assert_eq!(lines(false).iter().filter(listed).count(), 20);
        assert_eq!(lines(false).last().map(String::as_str), Some("and 30 more; --all lists them"));
        assert_eq!(lines(true).iter().filter(listed).count(), 50);
    }

    #[test]
    fn many_mails_are_cut_and_a_bound_and_missing_routes_are_said() {
        let mut mails: Vec<Sent> =
            (0..12).map(|nth| sent(nth * 600 - 20 * 3_600, "on-call", nth..nth + 1, 0..0)).collect();
        let new = (0..70).map(ScenarioId).collect();
        mails.push(Sent { at: at(0), team: "on-call".into(), about: About::Storm { groups: 7, new } });
        let tallies = vec![tally("answered-no-ack", &[(Outcome::Failed, 1)], "no-ack")];
        let told = Backtest { calls: 50_000, ends_at: Some(at(0)), tallies, failures: Vec::new(), mails };
        let book = Book::new(RuleSet::built_in(), None, Vec::new());
        insta::assert_snapshot!(tried(&told, &book, window(), false), @"
        50,000 scenarios since 2026-09-13 12:05, judged by 10 rules; nothing was changed. Times are UTC.
        There are more: it ended with what began at 2026-09-14 12:05, after as many as are judged at once. A shorter --since judges the newest.

        answered-no-ack  1 judged  1 failed (no-ack 1)

        Nobody would have been mailed, as there are no routes (--routes FILE; docs/alerts.md has an example).
        With one route for all failures:
        would have sent 12 mails about answered-no-ack (no-ack): 09-13 16:05 (1 scenario), 09-13 16:15 (1), 09-13 16:25 (1), 09-13 16:35 (1), 09-13 16:45 (1), 09-13 16:55 (1), 09-13 17:05 (1), 09-13 17:15 (1), 09-13 17:25 (1), 09-13 17:35 (1), and 2 more
        would have sent 1 mail about what the mails of an hour had no room for: 12:05 (70 scenarios in 7 groups)
        ");
    }

    #[test]
    fn where_there_is_no_call_a_way_out_is_said() {
        insta::assert_snapshot!(nothing("/data", at(0), Some(Timestamp(THEN - 90 * MINUTE))), @"There is no call since 2026-09-14 12:05 in /data; the newest began at 2026-09-14 10:35. Give a longer time: --since 7d");
        insta::assert_snapshot!(nothing("/data", at(0), None), @"There is no call in /data yet. `siptrail watch LOG` stores what a log holds.");
    }
}
