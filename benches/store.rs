//! The store alone, on both databases: messages a second of `append` and of correlation, bytes a message, the times of
//! reads, and the first byte of the pages that are drawn from them.
//!
//! `cargo bench --bench store -- [MESSAGES] [LOG…]`, after `scripts/postgres start`. The messages of the logs are written
//! again and again under new Call-IDs; without a log they are made. PostgreSQL is `SIPTRAIL_TEST_POSTGRES_URL`, in a schema
//! of its own. A million messages take half a GB on the disk of each database, one after the other; memory does not grow.
//! Lists are asked for twice: while nothing else happens, and while messages come in at 5 MB/s and are joined.
//! `SIPTRAIL_BENCH_ONLY=sqlite` (or `postgres`) leaves the other one out.
//! `SIPTRAIL_BENCH_KEEP=DIRECTORY` keeps what was made, SQLite's there and PostgreSQL's in the schema `bench`: the next run with
//! it only asks. Then nothing comes in meanwhile, so that each run asks the same data. The program must have the same tables.
//! `SIPTRAIL_BENCH_ASK=TEXT` asks only questions whose name holds the text.

mod ask;
mod judge;
mod pages;
mod questions;
mod rows;
#[allow(dead_code, reason = "shared with the other benches")]
mod siptrail;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use record::id::ScenarioId;
use record::time::SECOND;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use store::append::Incoming;
use store::scenario::Found;
use store::{Location, Store};

use questions::{clocked, lists, timed};
use rows::{Log, NOON, STREAMS};

/// Batches of each stream that are made before the clock runs: what is made is never more than this.
const ROUND: usize = 25;
const RUNS: usize = 100;
/// Bytes a second that come in while lists are asked for, and how often some are sent.
const COMING: f64 = 5e6;
const SENT: Duration = Duration::from_millis(50);
const MARKED: Duration = Duration::from_secs(2);

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let messages: usize = arguments.next().map_or(Ok(200_000), |number| number.parse())?;
    // For as long as the process runs: tasks share them.
    let samples: &'static [String] = Vec::leak(rows::samples(&arguments.collect::<Vec<_>>())?);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(messages, samples))
}

async fn run(messages: usize, samples: &'static [String]) -> Result<(), Fault> {
    let only = std::env::var("SIPTRAIL_BENCH_ONLY").unwrap_or_default();
    if only != "postgres" {
        sqlite(messages, samples).await?;
    }
    if only != "sqlite" {
        postgres(messages, samples).await?;
    }
    Ok(())
}

/// Where what is made stays, if it does.
fn kept() -> Option<PathBuf> {
    std::env::var_os("SIPTRAIL_BENCH_KEEP").map(PathBuf::from)
}

async fn sqlite(messages: usize, samples: &'static [String]) -> Result<(), Fault> {
    let temporary = tempfile::tempdir()?;
    let directory = kept().unwrap_or_else(|| temporary.path().into());
    let open = async || Store::open(&Location::Directory(directory.clone())).await;
    let is_there = directory.join("siptrail.db").exists();
    let lite = open().await?;
    let logs = if is_there { Vec::new() } else { fill("sqlite", &lite, messages, samples).await? };
    if !is_there {
        lite.close().await;
        let bytes = std::fs::metadata(directory.join("siptrail.db"))?.len();
        eprintln!("sqlite    {:>9} bytes a message on disk, with all that belongs to it", bytes / messages as u64);
        let lite = open().await?;
        judge::all(&lite).await?;
        lite.close().await;
    }
    let lite = if is_there { lite } else { open().await? };
    reads("sqlite", &lite).await?;
    if kept().is_none() {
        busy("sqlite", &lite, logs, samples).await?;
    }
    lite.close().await;
    Ok(())
}

async fn postgres(messages: usize, samples: &'static [String]) -> Result<(), Fault> {
    let url = std::env::var("SIPTRAIL_TEST_POSTGRES_URL").unwrap_or_else(|_| siptrail::Server::Quick.url());
    let place = format!("{url}?options[search_path]=bench");
    let pool = PgPoolOptions::new().max_connections(1).connect(&place).await?;
    let is_there: bool = sqlx::query_scalar("select to_regclass('bench.message') is not null").fetch_one(&pool).await?;
    let is_there = is_there && kept().is_some();
    if !is_there {
        pool.execute("drop schema if exists bench cascade; create schema bench").await?;
    }
    let post = Store::open(&Location::postgres(&place)?).await?;
    let mut logs = Vec::new();
    if !is_there {
        logs = fill("postgres", &post, messages, samples).await?;
        // As autovacuum does once a minute.
        pool.execute(
            "vacuum (analyze) message, call_part, outbox, scenario, scenario_key, scenario_call, stream_offset",
        )
        .await?;
        let bytes = tables(&pool, messages).await?;
        eprintln!("postgres  {bytes:>9} bytes a message on disk, with all that belongs to it");
        judge::all(&post).await?;
        pool.execute("vacuum (analyze) scenario, verdict, rule_count, alert_group, alert_item").await?;
    }
    reads("postgres", &post).await?;
    if kept().is_none() {
        busy("postgres", &post, logs, samples).await?;
    }
    post.close().await;
    if kept().is_none() {
        pool.execute("drop schema bench cascade").await?;
    }
    Ok(())
}

/// In rounds, each appended and then correlated, as it comes in life: neither waits for the other for long.
async fn fill(
    name: &str,
    store: &Store,
    messages: usize,
    samples: &'static [String],
) -> Result<Vec<Log<'static>>, Fault> {
    let (cpu_before, written_before) = spent();
    let mut logs: Vec<Log<'static>> =
        (1..=STREAMS).map(|stream| Log::new(stream, messages / STREAMS, samples)).collect();
    let (mut appending, mut correlating, mut scenarios) = (Duration::ZERO, Duration::ZERO, 0);
    loop {
        let round: Vec<Vec<Incoming>> = logs.iter_mut().map(|log| log.take(ROUND).collect()).collect();
        if round.iter().all(Vec::is_empty) {
            break;
        }
        let begun = Instant::now();
        append(store, round, samples).await?;
        appending += begun.elapsed();
        let begun = Instant::now();
        scenarios += correlate(store).await?;
        correlating += begun.elapsed();
    }
    let (cpu, written) = spent();
    eprintln!(
        "{name:<9} {:>9.1} µs of CPU and {} bytes written a message, in this process",
        cpu.saturating_sub(cpu_before).as_micros() as f64 / messages as f64,
        (written - written_before) / messages as u64
    );
    say(name, "messages a second: append", rate(messages, appending));
    say(name, "scenarios a second, with each batch of theirs: correlate", rate(scenarios, correlating));
    say(name, "messages a second: correlate", rate(messages, correlating));
    Ok(logs)
}

/// CPU time of this process, and bytes that it gave to the system to write, so far.
fn spent() -> (Duration, u64) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let stat = read("stat");
    let ticks = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    let io = read("io");
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")?.trim().parse().ok());
    (Duration::from_millis(10 * ticks), written.unwrap_or(0))
}

/// A writer a stream. Bytes are compressed while the clock runs, each by itself, so that equal texts do no harm.
async fn append(store: &Store, round: Vec<Vec<Incoming>>, samples: &'static [String]) -> Result<(), Fault> {
    let writers = round.into_iter().map(|batches| {
        let store = store.clone();
        tokio::spawn(async move {
            for mut batch in batches {
                rows::pack(&mut batch, samples);
                store.append(vec![batch]).await?;
            }
            Ok::<_, store::Error>(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    Ok(())
}

/// The number of scenarios that were new or changed.
async fn correlate(store: &Store) -> Result<usize, store::Error> {
    let mut scenarios = 0;
    loop {
        let rows = store.outbox("bench", NOON, 3600 * SECOND, 20).await?;
        if rows.is_empty() {
            return Ok(scenarios);
        }
        let done = store.correlate("bench", NOON, rows).await?;
        assert!(done.applied, "the fence was lost");
        scenarios += done.scenarios.len();
    }
}

async fn reads(name: &str, store: &Store) -> Result<(), Fault> {
    // Ids count up: these lie all over the database.
    let last = store.totals().await?.scenarios;
    let ids: Vec<i64> = (0..RUNS as i64).map(|at| 1 + at * last / RUNS as i64).collect();

    let ladder = async |at: usize| clocked(ladder(store, ScenarioId(ids[at]))).await;
    timed(name, "a ladder: the scenario and its messages", RUNS, ladder).await?;
    lists(name, store, RUNS, "").await?;

    let pages = pages::Pages::serve(store.clone()).await?;
    for (what, path) in [
        ("home page", (|_| "/".to_owned()) as fn(usize) -> String),
        ("search page, all", |_| "/search".to_owned()),
        ("search page, by talk time", |_| "/search?sort=talk".to_owned()),
        ("search page, by result", |_| "/search?sort=result".to_owned()),
        ("page of all alerts", |_| "/alerts".to_owned()),
        ("page of a group of many", |_| format!("/a/{}", judge::STORM)),
        ("page of all rules", |_| "/rules".to_owned()),
        ("search page, a number's prefix", |at| format!("/search?person={}", rows::prefix(at).replace('+', "%2B"))),
    ] {
        timed(name, &format!("first byte, {what}"), RUNS, async |at| pages.first_byte(path(at)).await).await?;
    }
    timed(name, "first byte, ladder page", RUNS, async |at| pages.first_byte(format!("/s/{:08x}", ids[at])).await)
        .await?;
    Ok(())
}

/// Lists while messages come in at a steady rate, beside each other as in life, and are joined.
async fn busy(name: &str, store: &Store, logs: Vec<Log<'static>>, samples: &'static [String]) -> Result<(), Fault> {
    let over = Arc::new(AtomicBool::new(false));
    let joining = tokio::spawn(join(store.clone(), Arc::clone(&over)));
    let coming = tokio::spawn(come(store.clone(), logs, samples, Arc::clone(&over)));
    let began = Instant::now();
    lists(name, &store.for_readers(), 0, ", while 5 MB/s come in").await?;
    over.store(true, Ordering::Relaxed);
    let Came { bytes, messages, longest } = coming.await??;
    let behind = joining.await??;
    let seconds = began.elapsed().as_secs_f64();
    eprintln!(
        "{name:<9} {:>9.1} MB/s came in meanwhile, {:.0} messages a second for {seconds:.0} s; an append took {longest:.2?} at most, joining them all {behind:.2?} more",
        bytes as f64 / seconds / 1e6,
        messages as f64 / seconds,
    );
    Ok(())
}

#[derive(Default)]
struct Came {
    bytes: u64,
    messages: usize,
    longest: Duration,
}

/// Batches of all logs in turn, as many bytes as are due.
async fn come(
    store: Store,
    mut logs: Vec<Log<'static>>,
    samples: &'static [String],
    over: Arc<AtomicBool>,
) -> Result<Came, store::Error> {
    let (began, mut came, mut turn) = (Instant::now(), Came::default(), 0);
    let mut due = tokio::time::interval(SENT);
    while !over.load(Ordering::Relaxed) {
        due.tick().await;
        while (came.bytes as f64) < began.elapsed().as_secs_f64() * COMING && !over.load(Ordering::Relaxed) {
            let count = logs.len();
            let log = &mut logs[turn % count];
            turn += 1;
            log.goes_on();
            let Some(mut batch) = log.next() else { continue };
            rows::pack(&mut batch, samples);
            came.bytes += batch.end.0 - batch.base.0;
            came.messages += batch.items.len();
            let sent = Instant::now();
            store.append(vec![batch]).await?;
            came.longest = came.longest.max(sent.elapsed());
        }
    }
    Ok(came)
}

/// Until it is over, and then what is left of it: how long that took.
async fn join(store: Store, over: Arc<AtomicBool>) -> Result<Duration, store::Error> {
    let (mut due, mut marked) = (tokio::time::interval(SENT), Instant::now());
    while !over.load(Ordering::Relaxed) {
        due.tick().await;
        correlate(&store).await?;
        // As a collector does.
        if marked.elapsed() > MARKED {
            store.mark_times().await?;
            marked = Instant::now();
        }
    }
    let began = Instant::now();
    correlate(&store).await?;
    Ok(began.elapsed())
}

async fn ladder(store: &Store, mut id: ScenarioId) -> Result<usize, store::Error> {
    loop {
        match store.scenario(id).await? {
            Found::Here(scenario) => return Ok(store.scenario_messages(&scenario, None, 1000).await?.rows.len()),
            Found::Merged(into) => id = into,
            Found::Nowhere => return Ok(0),
        }
    }
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
