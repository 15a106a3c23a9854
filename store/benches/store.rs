//! Messages a second of `append` and of correlation, bytes a message, and the times of reads, on both databases:
//! `cargo bench -p store -- [MESSAGES] [LOG…]`. The messages of the logs are written again and again under new Call-IDs;
//! without a log they are made. PostgreSQL is `SIPTRAIL_TEST_POSTGRES_URL`, in a schema of its own.

use std::time::{Duration, Instant};

use message::event::{CallClass, CallEvent};
use message::id::{CallKey, Offset, StreamId};
use message::keys::Key;
use message::kind::Kind;
use message::span::Flags;
use message::time::{SECOND, Timestamp};
use message::wire::{FileIdentity, Guard, StreamMeta};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use store::append::{Incoming, Item, MessageRow, Packed};
use store::scenario::Found;
use store::search::Filter;
use store::{Location, Store};

const NOON: Timestamp = Timestamp(1_795_435_200 * SECOND);
const BATCH: usize = 1000;
const STREAMS: usize = 4;
const IN_CALL: usize = 7;

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let messages: usize = arguments.next().map_or(Ok(200_000), |number| number.parse())?;
    let samples = samples(&arguments.collect::<Vec<_>>())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(messages, &samples))
}

async fn run(messages: usize, samples: &[String]) -> Result<(), Fault> {
    let directory = tempfile::tempdir()?;
    let lite = Store::open(&Location::Directory(directory.path().into())).await?;
    measure("sqlite", &lite, messages, samples).await?;
    lite.close().await;
    let bytes = std::fs::metadata(directory.path().join("siptrail.db"))?.len();
    eprintln!("sqlite    {:>9} bytes a message on disk, with all that belongs to it", bytes / messages as u64);

    let url = url();
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await?;
    sqlx::raw_sql("drop schema if exists bench cascade; create schema bench").execute(&pool).await?;
    let post = Store::open(&Location::postgres(&format!("{url}?options[search_path]=bench"))?).await?;
    measure("postgres", &post, messages, samples).await?;
    post.close().await;
    let bytes = tables(&pool, messages).await?;
    eprintln!("postgres  {bytes:>9} bytes a message on disk, with all that belongs to it");
    sqlx::raw_sql("drop schema bench cascade").execute(&pool).await?;
    Ok(())
}

async fn measure(name: &str, store: &Store, messages: usize, samples: &[String]) -> Result<(), Fault> {
    let share = messages / STREAMS;
    let made: Vec<Vec<Incoming>> = (1..=STREAMS).map(|stream| batches(stream as i64, share, samples)).collect();
    let begun = Instant::now();
    let writers = made.into_iter().map(|batches| {
        let (store, samples) = (store.clone(), samples.to_vec());
        tokio::spawn(async move {
            let mut texts = samples.iter().cycle();
            for mut batch in batches {
                for item in &mut batch.items {
                    let Item::Record(row) = item else { continue };
                    row.raw = Packed::of(texts.next().map(String::as_bytes).unwrap_or_default());
                }
                store.append(vec![batch]).await?;
            }
            Ok::<_, store::Error>(())
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer??;
    }
    say(name, "messages a second: append", rate(messages, begun.elapsed()));

    let (mut spent, mut count) = (Duration::ZERO, 0);
    loop {
        let begun = Instant::now();
        let rows = store.outbox("bench", NOON, 3600 * SECOND, 20).await?;
        spent += begun.elapsed();
        if rows.is_empty() {
            break;
        }
        let begun = Instant::now();
        let done = store.correlate("bench", NOON, rows).await?;
        spent += begun.elapsed();
        count += done.scenarios.len();
        assert!(done.applied, "the fence was lost");
    }
    say(name, "scenarios a second, with each batch of theirs: correlate", rate(count, spent));
    say(name, "messages a second: correlate", rate(messages, spent));
    if name == "postgres" {
        // As autovacuum does once a minute.
        PgPool::connect(&format!("{}?options[search_path]=bench", url())).await?.execute("analyze").await?;
    }
    reads(name, store).await
}

fn url() -> String {
    std::env::var("SIPTRAIL_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| "postgres://siptrail@127.0.0.1:54329/postgres".into())
}

async fn reads(name: &str, store: &Store) -> Result<(), Fault> {
    let newest = store.search(&Filter::default(), None, 200).await?;
    let any = Filter::default();
    timed(name, "newest 50 scenarios", || store.search(&any, None, 50)).await?;
    let person = Filter { person: Some("+1202555123".into()), ..Filter::default() };
    timed(name, "50 scenarios by a number's prefix", || store.search(&person, None, 50)).await?;
    let status = Filter { status: Some((500, 599)), ..Filter::default() };
    timed(name, "50 scenarios with a 5xx", || store.search(&status, None, 50)).await?;
    let mut rows = newest.rows.iter().cycle();
    timed(name, "a ladder: the scenario and its messages", || {
        let id = rows.next().map_or_else(Default::default, |row| row.id);
        async move {
            match store.scenario(id).await? {
                Found::Here(scenario) => store.scenario_messages(&scenario, None, 1000).await.map(|_| ()),
                _ => Ok(()),
            }
        }
    })
    .await
}

/// Median and p95 of 100 runs.
async fn timed<T, F>(name: &str, what: &str, mut run: impl FnMut() -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<T, store::Error>>,
{
    let mut times = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        run().await?;
        times.push(begun.elapsed());
    }
    times.sort();
    eprintln!("{name:<9} {:>9.2?} p50, {:.2?} p95: {what}", times[50], times[95]);
    Ok(())
}

fn say(name: &str, what: &str, number: f64) {
    eprintln!("{name:<9} {number:>9.0} {what}");
}

fn rate(count: usize, spent: Duration) -> f64 {
    count as f64 / spent.as_secs_f64()
}

async fn tables(pool: &PgPool, messages: usize) -> Result<i64, Fault> {
    let sql = "select cast(c.relname as text), pg_total_relation_size(c.oid), pg_indexes_size(c.oid) from pg_class c
               join pg_namespace n on n.oid = c.relnamespace
               where n.nspname = 'bench' and c.relkind = 'r' and pg_total_relation_size(c.oid) > 1000000 order by 2 desc";
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await?;
    let per = |bytes: i64| bytes / messages as i64;
    for (table, all, indexes) in &rows {
        eprintln!("postgres  {:>9} bytes a message: {table} ({} of it indexes)", per(*all), per(*indexes));
    }
    Ok(per(rows.iter().map(|(_, all, _)| all).sum()))
}

/// Records of logs without their prefixes, or some of our own.
fn samples(logs: &[String]) -> Result<Vec<String>, Fault> {
    let mut samples: Vec<String> = Vec::new();
    for log in logs {
        let mut open = false;
        for line in String::from_utf8_lossy(&std::fs::read(log)?).split_inclusive('\n') {
            let text = line.trim_end();
            if text.ends_with(']') && text.matches("][").count() >= 3 {
                let first = text.find("][").and_then(|at| text[..at].rfind('[')).unwrap_or(0);
                samples.push(line[first..].into());
                open = true;
            } else if let Some(last) = samples.last_mut().filter(|last| open && last.len() < 4000) {
                last.push_str(line);
            } else {
                open = false;
            }
        }
    }
    if samples.is_empty() {
        let line = "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK776asdhds\r\n";
        samples.push(format!("[2026-11-23 12:00:00.000][INVITE][sip:192.0.2.9:5060][sip:192.0.2.1:5060]\nINVITE sip:bob@example.com SIP/2.0\r\n{}\r\n\r\n\n", line.repeat(10)));
    }
    Ok(samples)
}

fn batches(stream: i64, messages: usize, samples: &[String]) -> Vec<Incoming> {
    let mut at = 0;
    let mut number = 0;
    let mut out = Vec::new();
    while number < messages {
        let base = at;
        let mut items = Vec::with_capacity(BATCH);
        for _ in 0..BATCH.min(messages - number) {
            let row = row(stream, at, number, &samples[number % samples.len()]);
            at += row.len;
            number += 1;
            items.push(Item::Record(Box::new(row)));
        }
        out.push(batch(stream, base, at, items));
    }
    out
}

fn batch(stream: i64, base: u64, end: u64, items: Vec<Item>) -> Incoming {
    Incoming {
        agent: "agent-1".into(),
        lease: 0,
        stream: StreamId(stream),
        meta: Some(StreamMeta {
            source: "proxy".into(),
            format: message::format::Format::siptrail().definition().clone(),
            zone: "UTC".into(),
            path: b"/var/log/proxy.log".to_vec(),
            host: "proxy-1".into(),
            file: FileIdentity::default(),
            epoch: 0,
            predecessor: None,
        }),
        base: Offset(base),
        end: Offset(end),
        items,
        tail: Vec::new(),
        guard: Guard::default(),
        size: end,
        read_to: Offset(end),
        read_at: NOON,
        near_misses: 0,
        closed: None,
        received: NOON,
    }
}

/// Seven messages a call, several calls at a time. Its bytes are compressed while the clock runs, each by itself, so that
/// equal texts do no harm.
fn row(stream: i64, start: u64, number: usize, sample: &str) -> MessageRow {
    let call = number / (IN_CALL * 10) * 10 + number % 10;
    let call_id = format!("{:016x}@192.0.2.{stream}", call.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let header = sample.find('\n').map_or(0, |at| at + 1);
    let place = number % 70 / 10;
    let method = ["INVITE", "INVITE", "INVITE", "INVITE", "ACK", "BYE", "BYE"][place];
    let status =
        [None, Some(100), Some(180), Some(200), None, None, Some(if call.is_multiple_of(500) { 503 } else { 200 })]
            [place];
    let time = Timestamp(NOON.0 + number as i64 * 1000);
    // Calls in pairs, as a B2BUA makes them.
    let keys =
        Key::own(&call_id).into_iter().chain([Key::new("call", format!("pair-{stream}-{}", call / 2))]).collect();
    let (source, destination) = (format!("sip:192.0.2.{}:5060", call % 200), "sip:198.51.100.1:5060".to_string());
    let user = |salt: usize| format!("+1202555{:04}", call.wrapping_mul(31).wrapping_add(salt) % 10_000);
    MessageRow {
        time,
        day: time.day(),
        start: Offset(start),
        len: sample.len() as u64,
        head: header as u32,
        line_end: 1,
        call: CallKey::of(call_id.as_bytes()),
        kind: Kind::Sip,
        method: status.map_or_else(|| method.into(), |status: u16| status.to_string()),
        status,
        source: source.clone(),
        destination: destination.clone(),
        flags: Flags::NONE,
        masked: Vec::new(),
        masked_hash: None,
        raw: Packed::of(b""),
        event: CallEvent {
            stream: StreamId(stream),
            offset: Offset(start),
            call: CallKey::of(call_id.as_bytes()),
            call_id,
            class: CallClass::Call,
            day: time.day(),
            time,
            kind: Kind::Sip,
            method: method.into(),
            status,
            response: status.is_some(),
            from: Some(user(0)),
            to: Some(user(5)),
            target: None,
            branch: format!("z9hG4bK{number:x}"),
            to_tag: false,
            source,
            destination,
            keys,
            hop: None,
            answered_by: None,
        },
    }
}
