//! What lists, pages and alerts are asked for, and how long each takes.

use std::time::{Duration, Instant};

use message::kind::Kind;
use record::time::{DAY, HOUR, MINUTE, Timestamp};
use rule::verdict::Outcome;
use store::Store;
use store::search::{Filter, MessageFilter};

use super::rows::{self, NOON};
use super::{Fault, RUNS, judge};

pub async fn lists(name: &str, store: &Store, before: usize, when: &str) -> Result<(), Fault> {
    let person = async |at: usize| {
        let person = Filter { person: Some(rows::prefix(at)), ..Filter::default() };
        clocked(store.search(&person, None, 50)).await
    };
    timed(name, &format!("50 scenarios by a person's first ten digits{when}"), before, person).await?;
    let any = Filter::default;
    let digits = |count: usize| Some(rows::prefix(7)[..count].to_owned());
    let questions = [
        ("newest", any()),
        ("with a 5xx", Filter { status: Some((500, 599)), ..any() }),
        ("with a final 404, which none has", Filter { final_status: Some((404, 404)), ..any() }),
        ("with a final 503", Filter { final_status: Some((503, 503)), ..any() }),
        ("with a message of MEDIA, which none has", Filter { kind: Some(Kind::Media), ..any() }),
        ("with a REFER, which none has", Filter { method: Some("REFER".into()), ..any() }),
        ("by a caller's first three digits", Filter { caller: digits(4), ..any() }),
        ("by a person's first three digits", Filter { person: digits(4), ..any() }),
        ("by a person's first eight digits", Filter { person: digits(9), ..any() }),
        ("by a person's first nine digits", Filter { person: digits(10), ..any() }),
        ("by a person's last seven digits", Filter { person: Some("5550123".into()), ..any() }),
        (
            "by a person's first nine digits, with a REFER",
            Filter { person: digits(10), method: Some("REFER".into()), ..any() },
        ),
        (
            "by a person's first nine digits, with a 5xx",
            Filter { person: digits(10), status: Some((500, 599)), ..any() },
        ),
        ("that failed", Filter { outcomes: vec![Outcome::Failed], ..any() }),
        ("with a failure that many have", Filter { failure: Some("no-ack".into()), ..any() }),
        ("with a failure that few have", Filter { failure: Some("rare".into()), ..any() }),
        ("with a failure that none has", Filter { failure: Some("none".into()), ..any() }),
        ("of which a rule says the worst", Filter { rule: Some("rule-07".into()), ..any() }),
        ("with problems, which none has", Filter { problems: true, ..any() }),
        ("with a text that none holds", Filter { text: Some("z9hG4bK-none-holds-it".into()), ..any() }),
        ("with a text that all hold", Filter { text: Some("SIP/2.0".into()), ..any() }),
        (
            "of the first ten minutes, with a 5xx",
            Filter { status: Some((500, 599)), to: Some(Timestamp(NOON.0 + 10 * MINUTE)), ..any() },
        ),
    ];
    for (what, filter) in questions {
        let what = format!("50 scenarios {what}{when}");
        timed(name, &what, before, async |_| clocked(store.search(&filter, None, 50)).await).await?;
    }
    let nine = Filter { person: digits(10), ..any() };
    for (nth, page) in [(9, "tenth"), (39, "fortieth")] {
        let mut place = None;
        for _ in 0..nth {
            place = store.search(&nine, place, 50).await?.next;
        }
        let what = format!("50 scenarios by a person's first nine digits, the {page} page{when}");
        timed(name, &what, before, async |_| clocked(store.search(&nine, place, 50)).await).await?;
    }
    near_and_judged(name, store, before, when).await?;
    let any = MessageFilter::default;
    let questions = [
        ("of PUSH, which none is", MessageFilter { kind: Some(Kind::Push), ..any() }),
        ("with method BYE", MessageFilter { method: Some("BYE".into()), ..any() }),
        ("with a 404, which none has", MessageFilter { status: Some((404, 404)), ..any() }),
        (
            "of a minute",
            MessageFilter {
                from: Some(Timestamp(NOON.0 + 5 * MINUTE)),
                to: Some(Timestamp(NOON.0 + 6 * MINUTE)),
                ..any()
            },
        ),
    ];
    for (what, filter) in questions {
        let what = format!("100 messages {what}{when}");
        timed(name, &what, before, async |_| clocked(store.messages(&filter, None, 100)).await).await?;
    }
    Ok(())
}

/// What stands beside a ladder, and what rules say.
async fn near_and_judged(name: &str, store: &Store, before: usize, when: &str) -> Result<(), Fault> {
    let near = async |at: usize| {
        let (one, other) = (format!("{}0", rows::prefix(at)), format!("{}5", rows::prefix(at)));
        let people = [one.as_str(), other.as_str()];
        clocked(store.nearby(&people, NOON, Timestamp(NOON.0 + 10 * MINUTE))).await
    };
    timed(name, &format!("calls near one{when}"), before, near).await?;
    let newest = async |_| clocked(store.search(&Filter::default(), None, 1_000)).await;
    timed(name, &format!("1,000 scenarios, newest{when}"), before, newest).await?;
    let groups = async |_| clocked(store.alert_groups(201)).await;
    timed(name, &format!("200 groups of failures{when}"), before, groups).await?;
    let storm = judge::storm(store).await?;
    let items = async |_| clocked(store.alert_items(storm, 501)).await;
    timed(name, &format!("500 scenarios of a group of many{when}"), before, items).await?;
    let counts = async |_| clocked(store.rule_counts(Timestamp(NOON.0 - DAY), NOON)).await;
    timed(name, &format!("counts of rules, of a day{when}"), before, counts).await?;
    let seen = async |_| clocked(store.rules_seen()).await;
    timed(name, &format!("rules that judged{when}"), before, seen).await?;
    let failed = async |_| clocked(store.failed(Timestamp(NOON.0 - HOUR), Timestamp(NOON.0 + HOUR), 1_000)).await;
    timed(name, &format!("the newest 1,000 failures of an hour{when}"), before, failed).await
}

/// How long it took, if it worked.
pub async fn clocked<T>(run: impl Future<Output = Result<T, store::Error>>) -> Result<Duration, Fault> {
    let begun = Instant::now();
    run.await?;
    Ok(begun.elapsed())
}

/// Median and p95 of a hundred runs; some of the same have run before, so that caches are warm.
pub async fn timed(
    name: &str,
    what: &str,
    before: usize,
    mut run: impl AsyncFnMut(usize) -> Result<Duration, Fault>,
) -> Result<(), Fault> {
    if std::env::var("SIPTRAIL_BENCH_ASK").is_ok_and(|some| !what.contains(&some)) {
        return Ok(());
    }
    let mut times = Vec::new();
    for at in (0..before).chain(0..RUNS) {
        times.push(run(at).await?);
    }
    let mut times = times.split_off(before);
    times.sort();
    eprintln!("{name:<9} {:>9.2?} p50, {:.2?} p95: {what}", times[RUNS / 2], times[RUNS * 95 / 100]);
    Ok(())
}
