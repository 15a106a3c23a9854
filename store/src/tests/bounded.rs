//! What a question of a list looks at does not grow with what is stored: counted in steps of SQLite, and in rows that the plans
//! of PostgreSQL touch.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use message::event::CallClass;
use message::kind::Kind;
use message::said::Said;
use message::summary::Summary;
use record::id::ScenarioId;
use record::time::{MINUTE, SECOND, Timestamp};
use rule::verdict::Outcome;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::fixture::{self, NOON};
use crate::Store;
use crate::backend::{count_steps, is_sqlite, with_pool};
use crate::outgoing::MailState;
use crate::search::{Filter, MessageFilter};
use crate::summaries;

/// Scenarios of a call each, every other one a lookup; a millisecond apart.
const SCENARIOS: i64 = 100_000;
/// Steps of SQLite's machine: looking at 5,000 rows of each class takes less.
const STEPS: u64 = 1_500_000;
/// Rows that one part of a plan touches.
const ROWS: f64 = 25_000.0;

/// Calls since then, from the first one that there is: all of them, or none of those that are looked at.
const PAST: [i64; 2] = [0, SCENARIOS * 900];

/// Text of both databases, but for how numbers become bytes and where they come from.
async fn fill(store: &Store) {
    let lite = is_sqlite(&store.backend);
    let (numbers, key) = if lite {
        (
            "(with recursive n(i) as (select 1 union all select i + 1 from n where i < $1) select i from n)",
            "cast(printf('%016d', i) as blob)",
        )
    } else {
        ("(select generate_series(1, $1) as i)", "convert_to(lpad(i::text, 16, '0'), 'UTF8')")
    };
    let (day, first) = (NOON.day().0, format!("{} + i * 1000", NOON.0));
    let said = |status| Said::of(Kind::Sip, "INVITE", None).and(Said::of(Kind::Sip, "200", Some(status))).bits();
    let (well, failed) = (said(200), said(503));
    let statements = [
        format!(
            "insert into scenario (id, first, last, version, calls, legs, messages, nodes, devices, sip, rest, push, media, said,
                 class, outcome, failure, rule, status, caller, callee, caller_key, callee_key, summary)
             select i, {first}, {first} + 500, 1, 1, 1, 2, 2, 1, 2, 0, 0, 0, case when i % 50 = 0 then {failed} else {well} end,
                 case when i % 2 = 0 then 1 else 5 end,
                 case when i = 9 then 1 when i % 10 = 0 then 0 when i % 3 = 0 then 4 else 5 end,
                 case when i % 10 = 0 then 'no-ack' end, case when i = 30 then 'rare' else 'common' end, case when i = 7 then 404 when i % 50 = 0 then 503 else 200 end,
                 '+4930' || i, 'bob' || i, '4930' || i, 'bob' || i, $2 from {numbers} n"
        ),
        format!(
            "insert into scenario_call (scenario_id, stream_id, first, day, class, call, call_id)
             select i, 1, {first}, {day}, 1, {key}, 'call-' || i from {numbers} n where $2 is not null"
        ),
        format!(
            "insert into call_part (first, stream_id, day, call, from_user, to_user)
             select {first}, 1, {day}, {key}, '4930' || i, 'bob' || i from {numbers} n where $2 is not null"
        ),
        // Each caller tried before.
        format!(
            "insert into scenario_try (scenario_id, first, status) select i, {first}, 480 + i % 8 from {numbers} n where $2 is not null"
        ),
        // Not of the same call, but of one that is there.
        format!("insert into number (seen, back) select {day}, i || '0394' from {numbers} n where $2 is not null"),
        format!(
            "insert into message (id, ts, stream_id, off, len, src, dst, day, head, line_end, kind, class, status, flags, dictionary, call,
                 method, masked, raw)
             select i, {first}, 1, i, 1, 0, 0, {day}, 0, 0, 1, 1, case when i % 50 = 0 then 503 else 200 end, 0, 0, {key}, 'INVITE', $2, $2
             from {numbers} n"
        ),
        format!(
            "insert into message_mark (min_id, max_id, min_ts, max_ts)
             select i, i + 999, {first}, {first} + 999000 from {numbers} n where i % 1000 = 1 and $2 is not null"
        ),
        format!(
            "insert into rule_count (minute, count, outcome, rule)
             select i / 50, 1, 5, 'rule-' || (i % 50) from {numbers} n where $2 is not null"
        ),
        // Of this one nobody could ever tell.
        format!("insert into rule_count (minute, count, outcome, rule) select i, 1, 2, 'blind' from {numbers} n where $2 is not null"),
        // All but a few are sent.
        format!(
            "insert into mail_outbox (group_id, created, not_before, expires, attempts, kind, state, priority, team, recipients,
                 message_id, subject, plain, mime)
             select i, i, i, i, 1, 0, case when i % 10000 = 0 then 0 else 1 end, 1, 'voice', 'voice@example.com', 'id-' || i, 'no-ack',
                 $2, $2 from {numbers} n"
        ),
        // All but a few are closed.
        format!(
            "insert into alert_group (opened, changed, closed, items, mails, severity, route, hash, env, rule, failure, state)
             select i, i, case when i % 10000 > 0 then i end, 1, 1, 1, 0, {key}, 'prod', 'answered', 'no-ack', $2 from {numbers} n"
        ),
    ];
    store.keep_partitions(NOON).await.unwrap();
    let mut tx = store.backend.begin().await.unwrap();
    for statement in statements {
        if !lite && statement.contains("message_mark") {
            continue;
        }
        // It numbers its messages, for want of partitions.
        let statement = match statement.strip_prefix("insert into message (id, ") {
            Some(rest) if !lite => format!("insert into message ({}", rest.replacen("select i, ", "select ", 1)),
            _ => statement,
        };
        let bytes = match &statement {
            statement if statement.contains("into scenario (") => summaries::pack(&Summary::default()),
            _ => vec![b'x'],
        };
        crate::backend::with_transaction!(&mut tx, db => {
            sqlx::query(sqlx::AssertSqlSafe(statement)).bind(SCENARIOS).bind(bytes).execute(db).await.unwrap();
        });
    }
    tx.commit().await.unwrap();
    if !lite {
        with_pool!(store.backend, pool => {
            // As autovacuum does once a minute.
            for table in ["scenario", "scenario_call", "scenario_try", "call_part", "number", "message", "rule_count", "alert_group", "mail_outbox"] {
                let vacuum = sqlx::AssertSqlSafe(format!("vacuum (analyze) {table}"));
                sqlx::raw_sql(vacuum).execute(pool).await.unwrap();
            }
        });
    }
}

/// Of each class there is.
fn any() -> Filter {
    Filter { classes: vec![CallClass::Call, CallClass::Other], ..Filter::default() }
}

/// What lists are asked for: rare and common, with and without a time.
fn lists() -> Vec<Filter> {
    let some = |text: &str| Some(text.to_owned());
    let early = Some(Timestamp(NOON.0 + 10 * SECOND));
    vec![
        any(),
        Filter::default(),
        Filter { classes: CallClass::ALL.to_vec(), ..any() },
        Filter { final_status: Some((404, 404)), ..any() },
        Filter { final_status: Some((503, 503)), ..any() },
        Filter { final_status: Some((599, 599)), ..any() },
        Filter { final_status: Some((400, 499)), ..any() },
        Filter { final_status: Some((300, 699)), method: some("REFER"), ..any() },
        Filter { outcomes: vec![Outcome::Failed], ..any() },
        Filter { outcomes: vec![Outcome::Ok], ..any() },
        Filter { outcomes: vec![Outcome::Late], ..any() },
        Filter { outcomes: vec![Outcome::Unknown], ..any() },
        Filter { failure: some("no-ack"), ..any() },
        Filter { failure: some("nothing"), ..any() },
        Filter { rule: some("rare"), outcomes: vec![Outcome::Failed], ..any() },
        Filter { rule: some("common"), from: early, ..any() },
        Filter { kind: Some(Kind::Media), ..any() },
        Filter { kind: Some(Kind::Push), from: early, ..any() },
        Filter { method: some("REFER"), ..any() },
        Filter { method: some("INVITE"), ..any() },
        Filter { status: Some((500, 599)), ..any() },
        Filter { status: Some((486, 486)), ..any() },
        Filter { caller: some("+493099999"), ..any() },
        Filter { caller: some("+4930"), ..any() },
        Filter { caller: some("nobody"), ..any() },
        Filter { caller: some("+4930"), kind: Some(Kind::Push), ..any() },
        Filter { person: some("+49"), to: Some(Timestamp(NOON.0 + SECOND)), ..any() },
        Filter { person: some("+49"), from: early, to: Some(Timestamp(NOON.0 + 11 * SECOND)), ..any() },
        Filter { person: some("+493077777"), ..any() },
        Filter { person: some("+49309"), ..any() },
        Filter { person: some("+4930555"), ..any() },
        Filter { person: some("+493055"), method: some("REFER"), ..any() },
        Filter { person: some("98765"), ..any() },
        Filter { person: some("00011"), ..any() },
        Filter { person: some("+49"), ..any() },
        Filter { person: some("bob"), method: some("REFER"), ..any() },
        Filter { call_id: some("call-5"), ..any() },
        Filter { text: some("z9hG4bK-nothing"), ..any() },
        Filter { text: some("z9hG4bK-nothing"), from: early, to: Some(Timestamp(NOON.0 + 11 * SECOND)), ..any() },
        Filter { text: some("x"), person: some("+4930555"), ..any() },
        Filter { problems: true, ..any() },
        Filter { ongoing: true, classes: vec![CallClass::Call], ..any() },
        Filter { ongoing: true, from: Some(Timestamp(NOON.0 + 90 * SECOND)), ..any() },
        Filter { from: Some(Timestamp(NOON.0 + MINUTE)), to: Some(Timestamp(NOON.0 + MINUTE + SECOND)), ..any() },
    ]
}

fn message_lists() -> Vec<MessageFilter> {
    let any = MessageFilter::default;
    let late = Some(Timestamp(NOON.0 + MINUTE));
    vec![
        any(),
        MessageFilter { kind: Some(Kind::Push), ..any() },
        MessageFilter { kind: Some(Kind::Media), from: late, ..any() },
        MessageFilter { method: Some("BYE".into()), ..any() },
        MessageFilter { method: Some("INVITE".into()), from: late, ..any() },
        MessageFilter { status: Some((404, 404)), ..any() },
        MessageFilter { call_id: Some("call-5".into()), ..any() },
    ]
}

/// What their pages read.
async fn alerts_and_rules(store: &Store) {
    let groups = store.alert_groups(100).await.unwrap();
    let open: Vec<i64> = groups.iter().filter(|group| group.closed.is_none()).map(|group| group.changed.0).collect();
    assert_eq!(open, (1..=10).rev().map(|nth| nth * 10_000).collect::<Vec<_>>());
    assert!(groups[10..].iter().map(|group| group.changed.0).eq((99_910..100_000).rev()));
    assert_eq!(store.rules_seen().await.unwrap().len(), 50);
    let mails = store.mail_counts().await.unwrap();
    assert_eq!(mails, (vec![(MailState::Queued, 10), (MailState::Sent, 1_000)], Some(Timestamp(10_000))));
    let counts = store.rule_counts(Timestamp(1_990 * MINUTE), Timestamp(1_999 * MINUTE)).await.unwrap();
    assert_eq!(counts["rule-7"].0, [(Outcome::Ok, 10)].into());
}

#[tokio::test]
async fn no_list_takes_more_steps_than_it_may_on_sqlite() {
    let (store, _directory) = fixture::sqlite().await;
    fill(&store).await;
    let steps = Arc::new(AtomicU64::new(0));
    count_steps(&store.backend, Arc::clone(&steps)).await;
    for filter in lists() {
        // The first page, and those from the middle on.
        let mut before = None;
        for _ in 0..3 {
            steps.store(0, Ordering::Relaxed);
            let page = store.search(&filter, before, 50).await.unwrap();
            let took = steps.load(Ordering::Relaxed);
            assert!(took < STEPS, "{took} steps before {before:?}: {filter:?}");
            let middle = (Timestamp(NOON.0 + SCENARIOS * 500), ScenarioId(SCENARIOS / 2));
            let Some(next) = page.next else { break };
            before = Some(next.min(middle));
        }
    }
    for filter in message_lists() {
        steps.store(0, Ordering::Relaxed);
        store.messages(&filter, None, 50).await.unwrap();
        let took = steps.load(Ordering::Relaxed);
        assert!(took < STEPS, "{took} steps: {filter:?}");
    }
    // Somebody who calls without end, and those who are called once each.
    for people in [["+49301", "bob77777"], ["nobody", "+493099999"]] {
        steps.store(0, Ordering::Relaxed);
        store.nearby(&people, NOON, Timestamp(NOON.0 + MINUTE)).await.unwrap();
        let took = steps.load(Ordering::Relaxed);
        assert!(took < 20_000, "{took} steps: calls near {people:?}");
    }
    steps.store(0, Ordering::Relaxed);
    store.totals().await.unwrap();
    assert!(steps.load(Ordering::Relaxed) < 20_000, "home counts nothing that grows");
    steps.store(0, Ordering::Relaxed);
    alerts_and_rules(&store).await;
    let took = steps.load(Ordering::Relaxed);
    assert!(took < 150_000, "{took} steps: alerts and rules");
    for from in PAST {
        steps.store(0, Ordering::Relaxed);
        let past =
            store.calls_since(CallClass::Call, Timestamp(NOON.0 + from), (NOON, ScenarioId(0)), 200).await.unwrap();
        let took = steps.load(Ordering::Relaxed);
        assert!(took < STEPS && past.next.is_some(), "{took} steps: {past:?}");
    }
    store.close().await;
}

/// Phones that refresh their registration all day.
const PHONES: i64 = 500;
const REFRESHES: i64 = 200_000;

/// Requests and answers, of which those of one phone are ever refused.
async fn fill_day(store: &Store) {
    let numbers =
        "(with recursive n(i) as (select 0 union all select i + 1 from n where i < $1 - 1) select i from n) n";
    let (day, first) = (NOON.day().0, format!("{} + i * 100000", NOON.0));
    let (key, status) = ("cast(printf('%016d', i % 500) as blob)", "case when i % 2 = 0 then 0 else 200 end");
    let said = Said::of(Kind::Sip, "REGISTER", None).and(Said::of(Kind::Sip, "401", Some(401))).bits();
    let class = CallClass::Registration.code();
    let statements = [
        (REFRESHES, format!(
            "insert into message (id, ts, stream_id, off, len, src, dst, day, head, line_end, kind, class, status, flags, dictionary, call,
                 method, masked, raw)
             select i + 1, {first}, 1, i, 1, 0, 0, {day}, 0, 0, 1, {class}, {status}, 0, 0, {key}, 'REGISTER', $2, $2 from {numbers}"
        )),
        (REFRESHES, format!(
            "insert into message_mark (min_id, max_id, min_ts, max_ts)
             select i + 1, i + 512, {first}, {first} + 51100000 from {numbers} where i % 512 = 0 and $2 is not null"
        )),
        (PHONES, format!(
            "insert into call_part (first, stream_id, day, call, from_user, to_user)
             select {first}, 1, {day}, {key}, 'phone-' || i, 'phone-' || i from {numbers} where $2 is not null"
        )),
        (PHONES, format!(
            "insert into scenario_call (scenario_id, stream_id, first, day, class, call, call_id)
             select i + 1, 1, {first}, {day}, {class}, {key}, 'phone-' || i from {numbers} where $2 is not null"
        )),
        (PHONES, format!(
            "insert into scenario (id, first, last, version, calls, legs, messages, nodes, devices, sip, rest, push, media, said, class,
                 summary)
             select i + 1, {first}, {first}, 1, 1, 1, {each}, 2, 1, {each}, 0, 0, 0, {said}, {class}, $2 from {numbers}",
            each = REFRESHES / PHONES
        )),
    ];
    let mut tx = store.backend.begin().await.unwrap();
    for (count, statement) in statements {
        let bytes =
            if statement.contains("into scenario (") { summaries::pack(&Summary::default()) } else { vec![b'x'] };
        crate::backend::with_transaction!(&mut tx, db => {
            sqlx::query(sqlx::AssertSqlSafe(statement)).bind(count).bind(bytes).execute(db).await.unwrap();
        });
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn calls_with_many_messages_are_looked_at_a_part_at_a_time_on_sqlite() {
    let (store, _directory) = fixture::sqlite().await;
    fill_day(&store).await;
    let steps = Arc::new(AtomicU64::new(0));
    count_steps(&store.backend, Arc::clone(&steps)).await;
    let pushes = MessageFilter { kind: Some(Kind::Push), ..MessageFilter::default() };
    let (mut after, mut pages) = (None, 0);
    loop {
        steps.store(0, Ordering::Relaxed);
        let page = store.messages(&pushes, after, 50).await.unwrap();
        let took = steps.load(Ordering::Relaxed);
        assert!(took < STEPS && page.rows.is_empty(), "{took} steps after {after:?}");
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert!(pages > 3, "{pages}");
    // Their requests say REGISTER, and somebody's answers 401.
    let refused = Filter {
        status: Some((401, 401)),
        method: Some("REGISTER".into()),
        classes: vec![CallClass::Registration],
        ..any()
    };
    let (mut before, mut pages) = (None, 0);
    loop {
        steps.store(0, Ordering::Relaxed);
        let page = store.search(&refused, before, 50).await.unwrap();
        let took = steps.load(Ordering::Relaxed);
        assert!(took < STEPS && page.rows.is_empty(), "{took} steps before {before:?}");
        (before, pages) = (page.next, pages + 1);
        if before.is_none() {
            break;
        }
    }
    assert!(pages > 3, "{pages}");
    store.close().await;
}

/// Files of thirty logs, each with a gap and with a record that is not read to its end.
const FILES: i64 = 3_000;

async fn fill_files(store: &Store) {
    let files = "(with recursive n(i) as (select 1 union all select i + 1 from n where i < $1) select i from n) n";
    let statements = [
        format!(
            "insert into stream (stream_id, agent, host, source, path, format, zone, device, inode, generation, birth, epoch, created)
             select i, 'agent', 'host', 'log-' || (i % 30), $2, $2, 'UTC', 1, i, 1, 1, 0, 1 from {files}"
        ),
        format!(
            "insert into stream_offset (stream_id, agent, off, lease, size, read_to, read_at, records, record_bytes, noise,
                 noise_bytes, noise_lines, fragments, fragment_bytes, gaps, gap_bytes, tail)
             select i, 'agent', 9, 0, 10, 10, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1 from {files} where $2 is not null"
        ),
        format!(
            "insert into gap (stream_id, off, cause, len, noticed) select i, 0, 1, 1, i from {files} where $2 is not null"
        ),
        format!(
            "insert into provisional (ts, stream_id, off, len, src, dst, day, head, line_end, kind, class, status, flags, dictionary,
                 call, method, masked, raw)
             select i, i, 9, 1, 0, 0, 1, 0, 0, 1, 1, 0, {}, 0, $2, 'INVITE', $2, $2 from {files}",
            record::span::Flags::UNFINISHED.bits()
        ),
    ];
    let mut tx = store.backend.begin().await.unwrap();
    for statement in statements {
        crate::backend::with_transaction!(&mut tx, db => {
            sqlx::query(sqlx::AssertSqlSafe(statement)).bind(FILES).bind(vec![b'x'; 16]).execute(db).await.unwrap();
        });
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_home_says_of_logs_takes_a_few_steps_a_file_on_sqlite() {
    let (store, _directory) = fixture::sqlite().await;
    fill_files(&store).await;
    let steps = Arc::new(AtomicU64::new(0));
    count_steps(&store.backend, Arc::clone(&steps)).await;
    let sources = store.sources(20).await.unwrap();
    let took = steps.swap(0, Ordering::Relaxed);
    assert!(took < 200 * FILES as u64, "{took} steps: sources");
    assert_eq!((sources.len(), &*sources[0].name), (20, "log-0"), "the one that logged last");
    let of =
        |row: &crate::source::SourceRow| (row.files, row.gaps, row.skipped, row.provisional, row.newest_gaps.len());
    assert!(sources.iter().all(|row| of(row) == (100, 100, 0, 100, 3)), "{sources:?}");
    store.misread().await.unwrap();
    store.totals().await.unwrap();
    let took = steps.load(Ordering::Relaxed);
    assert!(took < 100 * FILES as u64, "{took} steps: lines that are nearly header lines, and totals");
    store.close().await;
}

/// Notices of the database.
#[derive(Clone, Default)]
struct Plans(Arc<Mutex<Vec<String>>>);

impl Visit for Plans {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}").replace("\\n", "\n"));
    }
}

impl Subscriber for Plans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::postgres::notice"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The most rows that a part of these plans touched, over all its loops.
fn touched(plans: &str) -> f64 {
    let number = |line: &str, before: &str| {
        let (_, rest) = line.split_once(before)?;
        rest.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?.parse::<f64>().ok()
    };
    let mut most = 0.0_f64;
    let mut loops = 1.0;
    for line in plans.lines() {
        if let (Some((_, actual)), Some(found)) = (line.split_once("(actual"), number(line, "loops=")) {
            loops = found;
            most = most.max(number(actual, "rows=").unwrap_or(0.0) * loops);
        }
        for removed in ["Rows Removed by Filter: ", "Rows Removed by Index Recheck: ", "Heap Fetches: "] {
            most = most.max(number(line, removed).unwrap_or(0.0) * loops);
        }
    }
    most
}

#[tokio::test]
async fn no_list_touches_more_rows_than_it_may_on_postgresql() {
    let (store, schema) = fixture::postgres().await;
    fill(&store).await;
    with_pool!(store.backend, pool => {
        let mut held = Vec::new();
        for _ in 0..pool.size() {
            held.push(pool.acquire().await.unwrap());
        }
        for connection in &mut held {
            let say = "load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;
                set auto_explain.log_timing = off; set auto_explain.log_level = 'notice'; set client_min_messages = 'notice'";
            sqlx::raw_sql(say).execute(&mut **connection).await.unwrap();
        }
    });
    let plans = Plans::default();
    let _listens = tracing::subscriber::set_default(plans.clone());
    let seen = AtomicUsize::new(0);
    let check = async |what: String| {
        // PostgreSQL reports a plan when its statement is closed, which happens when the next one begins.
        with_pool!(store.backend, pool => {
            sqlx::query("select 1").execute(pool).await.unwrap();
        });
        let said = std::mem::take(&mut *plans.0.lock().unwrap()).join("\n");
        seen.fetch_add(said.matches("Query Text:").count(), Ordering::Relaxed);
        let most = touched(&said);
        assert!(most <= ROWS, "{most} rows: {what}\n{said}");
    };
    for filter in lists() {
        store.search(&filter, None, 50).await.unwrap();
        check(format!("{filter:?}")).await;
    }
    for filter in message_lists() {
        store.messages(&filter, None, 50).await.unwrap();
        check(format!("{filter:?}")).await;
    }
    for people in [["+49301", "bob77777"], ["nobody", "+493099999"]] {
        store.nearby(&people, NOON, Timestamp(NOON.0 + MINUTE)).await.unwrap();
        check(format!("calls near {people:?}")).await;
    }
    store.totals().await.unwrap();
    check("home".into()).await;
    alerts_and_rules(&store).await;
    check("alerts and rules".into()).await;
    for from in PAST {
        let past =
            store.calls_since(CallClass::Call, Timestamp(NOON.0 + from), (NOON, ScenarioId(0)), 200).await.unwrap();
        assert!(past.next.is_some());
        check(format!("calls since {from}")).await;
    }
    let seen = seen.into_inner();
    assert!(seen > 50, "{seen} plans were seen");
    store.close().await;
    schema.drop().await;
}

/// Whoever follows `next` comes to the end, whatever is passed over on the way.
async fn pages(store: &Store, filter: &Filter) -> (usize, usize) {
    let (mut rows, mut pages, mut before) = (0, 0, None);
    loop {
        let page = store.search(filter, before, 50).await.unwrap();
        rows += page.rows.len();
        pages += 1;
        assert!(page.next.is_none() || page.next != before, "no page goes on where it began: {filter:?}");
        assert_eq!(page.searched_to.is_some(), page.next.is_some() && page.rows.len() < 50, "{filter:?}");
        before = page.next;
        if before.is_none() {
            return (rows, pages);
        }
    }
}

#[tokio::test]
async fn a_list_that_looks_no_further_goes_on_to_its_end() {
    let (store, _directory) = fixture::sqlite().await;
    fill(&store).await;
    let rows = async |filter: Filter| pages(&store, &filter).await;
    assert_eq!(rows(Filter { final_status: Some((404, 404)), ..any() }).await, (1, 1));
    assert_eq!(rows(Filter { outcomes: vec![Outcome::Late], ..any() }).await, (1, 1));
    assert_eq!(rows(Filter { rule: Some("rare".into()), ..any() }).await.0, 1);
    // Of the ten thousand that failed some thousands at a time, however many went well.
    assert_eq!(rows(Filter { failure: Some("nothing".into()), ..any() }).await, (0, 9));
    assert_eq!(rows(Filter { failure: Some("no-ack".into()), ..any() }).await.0, 10_000);
    // Five thousand of each class at a time, as far down as of both; and the few that are left.
    assert_eq!(rows(Filter { kind: Some(Kind::Media), ..any() }).await, (0, 11));
    assert_eq!(rows(Filter { text: Some("z9hG4bK-nothing".into()), ..any() }).await, (0, 11));
    assert_eq!(rows(Filter { status: Some((503, 503)), ..any() }).await.0, 2_000);
    let (found, pages) = rows(Filter { person: Some("+49309999".into()), kind: Some(Kind::Sip), ..any() }).await;
    assert_eq!((found, pages), (11, 1));
    assert_eq!(rows(Filter { person: Some("+49309".into()), method: Some("REFER".into()), ..any() }).await.0, 0);
    let (found, _) =
        rows(Filter { person: Some("bob9".into()), to: Some(Timestamp(NOON.0 + 92 * SECOND)), ..any() }).await;
    assert_eq!(found, 1 + 10 + 100 + 1000 + 2000);
    let newer = Filter { since: Some((Timestamp(NOON.0 + 99_990_000), ScenarioId(99_990))), ..any() };
    assert_eq!(store.search(&newer, None, 50).await.unwrap().rows.len(), 10);

    let mut after = None;
    let (mut seen, mut asked) = (0, 0);
    loop {
        let filter = MessageFilter { status: Some((503, 503)), ..MessageFilter::default() };
        let page = store.messages(&filter, after, 1000).await.unwrap();
        seen += page.rows.len() + page.unreadable;
        asked += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 2_000);
    assert!(asked > 20, "each looks at some thousands: {asked}");
    store.close().await;
}
