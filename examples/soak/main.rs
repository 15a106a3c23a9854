//! Ten minutes of everything at once, on both databases: `make soak`, or
//! `cargo run --release --example soak -- [SECONDS]` after `cargo build --release --bin siptrail` and `scripts/postgres start`.
//!
//! A log is written and rotated all the time, followed by an agent, stored by a collector, and looked at by viewers that come
//! and go. In the first quarter agent and collector are killed again and again, the disk of SQLite is full for a while, and
//! somebody holds a lock on the messages of PostgreSQL for 30 s. After that nothing is killed, and memory is compared: what each
//! program takes at the end may be 5 % more than at three tenths. At the end both are killed once more, started again, and what
//! is stored is compared with what was written, by number and by hash.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it is a program for whoever works on this one")]

mod kept;
mod load;
mod look;
mod place;

use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kept::{gaps, stored};
use load::write;
use look::{look, read_slowly};
use place::{Database, Place, Program};

/// Records a second, written a tenth at a time.
const RATE: usize = 200;
const ROTATE: Duration = Duration::from_secs(15);
/// Shares of the whole time: kills end, memory is compared from and to.
const KILLS: f64 = 0.25;
const FROM: (f64, f64) = (0.30, 0.40);
const TO: (f64, f64) = (0.90, 1.0);
const KILL: Duration = Duration::from_secs(12);
/// For how long the disk is full, and the lock is held.
const FULL: Duration = Duration::from_secs(15);
const LOCKED: u64 = 30;
const VIEWERS: usize = 12;
/// By how much memory may rise, and what is noise in a program of a few dozen MB.
const MAY_RISE: f64 = 0.05;

fn main() -> ExitCode {
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(600);
    let whole = Duration::from_secs(seconds);
    let dir = tempfile::tempdir().unwrap();
    let database = Database::make();
    let places =
        [Place::new(&dir.path().join("sqlite"), None), Place::new(&dir.path().join("postgres"), Some(&database))];
    println!("soaking for {seconds} s: {RATE} records a second on each database, {VIEWERS} viewers on each");
    let results: Vec<Outcome> = std::thread::scope(|scope| {
        let runs: Vec<_> = places.iter().map(|place| scope.spawn(|| soak(place, whole))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    println!("\n| database | written | stored | hashes | gaps | kills | trouble | collector, MB | agent, MB |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut sound = true;
    for (place, result) in places.iter().zip(&results) {
        let memory = |(from, to): (f64, f64)| format!("{from:.1} → {to:.1} ({:+.1} %)", (to / from - 1.0) * 100.0);
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            place.name(),
            result.written,
            result.stored,
            if result.equal { "equal" } else { "DIFFER" },
            result.gaps,
            result.kills,
            result.trouble,
            memory(result.collector),
            memory(result.agent),
        );
        let flat = |(from, to): (f64, f64)| to <= from * (1.0 + MAY_RISE);
        sound &= result.equal && result.written == result.stored && result.gaps == 0;
        sound &= flat(result.collector) && flat(result.agent);
    }
    println!("{}", if sound { "\nsound" } else { "\nNOT SOUND" });
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Outcome {
    written: u64,
    stored: u64,
    equal: bool,
    gaps: u64,
    kills: usize,
    trouble: String,
    /// MB, at three tenths and at the end.
    collector: (f64, f64),
    agent: (f64, f64),
}

fn soak(place: &Place, whole: Duration) -> Outcome {
    let began = Instant::now();
    let over = AtomicBool::new(false);
    let viewed = AtomicU64::new(0);
    let part = || began.elapsed().as_secs_f64() / whole.as_secs_f64();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&place.log, whole));
        let (mut collector, mut agent) = (place.start("collector"), place.start("agent"));
        for viewer in 0..VIEWERS {
            let (over, viewed) = (&over, &viewed);
            scope.spawn(move || look(place, viewer, over, viewed));
        }
        // The first quarter: whatever may happen.
        let (mut kills, mut trouble) = (0, Vec::new());
        let mut next = Duration::from_secs(5);
        while part() < KILLS {
            wait(next);
            next = KILL;
            match kills % 3 {
                0 => {
                    agent.kill_9();
                    agent = place.start("agent");
                }
                1 => {
                    collector.kill_9();
                    collector = place.start("collector");
                }
                _ => {
                    agent.kill_9();
                    collector.kill_9();
                    (collector, agent) = (place.start("collector"), place.start("agent"));
                }
            }
            kills += 1;
            if kills == 2 && place.url.is_none() {
                collector.limit_files("4096:");
                wait(FULL);
                collector.limit_files("unlimited:");
                trouble.push(format!("disk full for {} s", FULL.as_secs()));
            }
            if kills == 2
                && let Some(url) = &place.url
            {
                let hold = format!("begin; lock table message in access share mode; select pg_sleep({LOCKED}); commit");
                let reader = Command::new("psql").args(["-d", url, "-qc", &hold]).stdout(Stdio::null()).spawn();
                trouble.push(format!("a reader's lock for {LOCKED} s"));
                scope.spawn(move || reader.unwrap().wait());
            }
        }
        // Then nothing but load, viewers and one who reads slowly.
        let slow = scope.spawn(|| read_slowly(place, &over));
        let (mut from, mut to) = (Memory::default(), Memory::default());
        while part() < 1.0 {
            wait(Duration::from_secs(2));
            let into = if (FROM.0..FROM.1).contains(&part()) { &mut from } else { &mut to };
            if (FROM.0..FROM.1).contains(&part()) || (TO.0..TO.1).contains(&part()) {
                into.add(&collector, &agent);
            }
        }
        let truth = writer.join().unwrap();
        over.store(true, Ordering::Relaxed);
        slow.join().unwrap();
        trouble.push(format!("{} pages and live views", viewed.load(Ordering::Relaxed)));
        agent.kill_9();
        collector.kill_9();
        (collector, agent) = (place.start("collector"), place.start("agent"));
        kills += 1;
        let stored = stored(place, truth);
        let gaps = gaps(place);
        drop((collector, agent));
        Outcome {
            written: truth.0,
            stored: stored.0,
            equal: stored == truth,
            gaps,
            kills,
            trouble: trouble.join(", "),
            collector: (from.median(|both| both.0), to.median(|both| both.0)),
            agent: (from.median(|both| both.1), to.median(|both| both.1)),
        }
    })
}

/// Collector and agent, in MB, again and again.
#[derive(Default)]
struct Memory(Vec<(f64, f64)>);

impl Memory {
    fn add(&mut self, collector: &Program, agent: &Program) {
        self.0.push((collector.memory(), agent.memory()));
    }

    fn median(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        let mut all: Vec<f64> = self.0.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Load has its pace; nothing here waits for something to have happened by then.
fn wait(time: Duration) {
    std::thread::park_timeout(time);
}
