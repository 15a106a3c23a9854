//! The two nights of a year in which clocks are set: logs in local time, what mails say of them, and what an hour and a day are.

use chrono_tz::Europe::Berlin;
use collector::mail::notice::{Group, Notice};
use collector::mail::render;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use rule::syntax::Severity;
use store::outgoing::MailKind;

use crate::arrivals::Played;
use crate::made::{self, End};
use crate::mails::{group, notice};
use crate::reports::{Office, alarm, judged};

/// 2026-03-29 01:00 UTC: in Berlin 02:00 is 03:00.
const SPRING: i64 = 1_774_746_000 * SECOND;
/// 2026-10-25 01:00 UTC: 03:00 is 02:00.
const AUTUMN: i64 = 1_792_890_000 * SECOND;

/// A record as a logger without an offset writes its time.
fn local((at, record): &(i64, String)) -> String {
    let (_, rest) = record.split_once(']').expect("a header");
    let time = Timestamp(*at).to_utc().with_timezone(&Berlin);
    format!("[{}]{rest}", time.format("%Y-%m-%d %H:%M:%S%.6f"))
}

/// A call that rings so many seconds before it is answered.
fn rings(records: &mut Vec<(i64, String)>, begins: i64, seconds: i64, name: &str, end: End) {
    let from = records.len();
    made::call(records, begins, name, end);
    for (at, _) in records[from..].iter_mut().filter(|(at, _)| *at > begins + SECOND / 10) {
        *at += seconds * SECOND;
    }
}

/// Plays a night around the change as it is logged: each record is read and judged when it is written.
async fn night(change: i64) -> (Vec<(MailKind, String)>, Vec<String>, i64) {
    let mut played = Played::open().await;
    played.zone = "Europe/Berlin";
    let mut records = Vec::new();
    // By which it is learned what the log holds.
    for nth in 0..20 {
        made::call(&mut records, change - 3 * HOUR + nth * 5 * SECOND, &format!("well-{nth}"), End::Well);
    }
    // In the hour before, over the change itself, in the hour after, and later.
    for (nth, minute) in [-50, -20, 10, 40, 70].into_iter().enumerate() {
        rings(&mut records, change + minute * MINUTE, 40, &format!("long-{nth}"), End::Well);
    }
    for (name, hour) in [("over", 0), ("over-again", 1)] {
        rings(&mut records, change + hour * HOUR - 20 * SECOND, 40, name, End::Well);
    }
    rings(&mut records, change - 35 * MINUTE, 1, "broken-before", End::NoAck);
    rings(&mut records, change + 25 * MINUTE, 1, "broken-after", End::NoAck);
    records.sort_by_key(|(at, _)| *at);
    let mut left = &records[..];
    let (mut first, mut mails) = (i64::MAX, Vec::new());
    for now in (change - 55 * MINUTE..change + 80 * MINUTE).step_by(5_000_000) {
        let count = left.partition_point(|(at, _)| *at <= now);
        if count > 0 {
            let text: String = left[..count].iter().map(local).collect();
            played.read("proxy", &text, Timestamp(now)).await;
            left = &left[count..];
        }
        played.hear("proxy", Timestamp(now), Timestamp(now)).await;
        played.judge(0, Timestamp(now)).await;
        mails = played.mails(Timestamp(now)).await;
        if !mails.is_empty() {
            first = first.min(now);
        }
    }
    (mails, played.said().await.failed, first)
}

#[tokio::test]
async fn a_log_in_local_time_raises_no_false_alarm_when_clocks_are_set_and_hides_no_failure() {
    for change in [SPRING, AUTUMN] {
        let (mails, failed, first) = night(change).await;
        assert_eq!(failed, ["answered-no-ack.ack.B1"; 2]);
        let subjects: Vec<&str> = mails.iter().map(|(_, subject)| subject.as_str()).collect();
        assert!(subjects.iter().all(|subject| subject.contains("CRITICAL no-ack")), "{subjects:?}");
        assert_eq!(mails.len(), 2, "{subjects:?}");
        let failed = change - 35 * MINUTE + 34 * SECOND;
        assert!((failed..failed + 2 * MINUTE).contains(&first), "{}", Timestamp(first));
    }
}

#[test]
fn a_mail_says_both_offsets_where_clocks_are_set_between_them() {
    let when = |begins: i64, ends: i64| {
        let mail = render(&notice(Group { begins: Timestamp(begins), ends: Timestamp(ends), ..group() }));
        mail.text.lines().find(|line| line.starts_with("When")).expect("when").to_owned()
    };
    let lines = [SPRING, AUTUMN].map(|change| when(change - 5 * MINUTE, change + 5 * MINUTE));
    let before = [SPRING, AUTUMN].map(|change| when(change - 10 * MINUTE, change - 5 * MINUTE));
    insta::assert_snapshot!([lines, before].concat().join("\n"), @"
    When    2026-03-29 00:55:00-01:05:00 UTC (01:55 +01:00 - 03:05 +02:00
    When    2026-10-25 00:55:00-01:05:00 UTC (02:55 +02:00 - 02:05 +01:00
    When    2026-03-29 00:50:00-00:55:00 UTC (01:50-01:55 Europe/Berlin)
    When    2026-10-25 00:50:00-00:55:00 UTC (02:50-02:55 Europe/Berlin)
    ");
}

#[test]
fn a_thread_lasts_a_local_day_of_23_and_of_25_hours() {
    let root = |made: i64| {
        let mail = render(&Notice { made: Timestamp(made), ..notice(group()) });
        mail.headers.iter().find(|(name, _)| *name == "References").expect("a thread").1.clone()
    };
    for (change, begins, hours, day) in [(SPRING, -2, 23, "20260329"), (AUTUMN, -3, 25, "20261025")] {
        let midnight = change + begins * HOUR;
        let next = midnight + hours * HOUR;
        assert!(root(midnight).contains(day) && root(next - 1).contains(day));
        assert!(!root(midnight - 1).contains(day) && !root(next).contains(day));
    }
}

/// What an account may send in a day it may send in 24 hours, as servers count it, though the day of its teams has 23 or 25.
#[tokio::test]
async fn a_day_of_mails_is_24_hours_when_clocks_are_set() {
    for change in [SPRING, AUTUMN] {
        let zone = "\n[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\ntz = \"Europe/Berlin\"\n";
        let routes = format!(
            "[budget]\nper_hour = 50\nper_day = 2\nreserve_critical = 0\n{zone}[[route]]\nmatch = {{}}\nto = [\"voice\"]\n"
        );
        let mut office = Office::by(&routes).await;
        let second = |minutes: i64| (change - crate::reports::at(0).0) / SECOND + minutes * 60;
        let fails = |failure: &'static str, second: i64| {
            move |_: usize| judged(vec![alarm("bye-propagates", failure, Severity::Warning, second, None)])
        };
        // Twelve hours before the change all that there may be, and one more.
        for (failure, minutes) in [("a", -720), ("b", -715), ("c", -710)] {
            let at = second(minutes);
            office.fail(at, 1, fails(failure, at)).await;
            office.look(at + 31).await;
        }
        // A day of 23 hours is over after 660 minutes, one of 25 after 780.
        for minutes in (-700..719).step_by(7) {
            office.look(second(minutes)).await;
            assert_eq!(office.mails().await.len(), 2, "{minutes} minutes after the change");
        }
        for minutes in 719..727 {
            office.look(second(minutes)).await;
        }
        assert_eq!(office.mails().await.len(), 3, "24 hours have passed since the first");
    }
}

/// What a team may have in an hour it may have in an hour, whatever its clocks say.
#[tokio::test]
async fn an_hour_of_mails_is_an_hour_when_clocks_are_set() {
    for change in [SPRING, AUTUMN] {
        let zone = "\n[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\ntz = \"Europe/Berlin\"\n";
        let routes =
            format!("[budget]\nper_hour = 2\nper_day = 100\n{zone}[[route]]\nmatch = {{}}\nto = [\"voice\"]\n");
        let mut office = Office::by(&routes).await;
        let second = |minutes: i64| (change - crate::reports::at(0).0) / SECOND + minutes * 60;
        let fails = |failure: &'static str, second: i64| {
            move |_: usize| judged(vec![alarm("bye-propagates", failure, Severity::Warning, second, None)])
        };
        let count = async |office: &Office, kind: MailKind| {
            office.mails().await.iter().filter(|mail| mail.kind == kind).count()
        };
        // Half an hour before the change two mails, and one of all others.
        for (failure, minutes) in [("a", -30), ("b", -30), ("c", -25)] {
            let at = second(minutes);
            office.fail(at, 1, fails(failure, at)).await;
            office.look(at + 31).await;
        }
        // It waits for others a few minutes.
        office.look(second(-19)).await;
        assert_eq!((count(&office, MailKind::Firing).await, count(&office, MailKind::Storm).await), (2, 1));
        // 35 minutes later it is 03:05 or 02:05.
        office.fail(second(5), 1, fails("d", second(5))).await;
        for minutes in (6..30).step_by(2) {
            office.look(second(minutes)).await;
        }
        assert_eq!(office.mails().await.len(), 3, "no hour has passed");
        for minutes in (30..45).step_by(2) {
            office.look(second(minutes)).await;
        }
        assert_eq!(count(&office, MailKind::Firing).await, 3, "an hour has passed");
    }
}
