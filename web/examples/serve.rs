//! Serves the pages over a store filled with made calls: `cargo run -p web --example serve -- 8080 [DIRECTORY [empty|live|failing]]`.
//! `live` goes on adding calls, a record each second; of `failing` some fail by a rule.

#[path = "../tests/fixture.rs"]
mod fixture;
#[path = "../tests/judged.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod judged;

use std::net::SocketAddr;

use fixture::{Ingest, Record, call, forked, registration};
use record::time::{SECOND, Timestamp};
use store::outgoing::MailState;
use store::{Location, Store};
use web::Settings;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8080);
    let given = std::env::args().nth(2);
    let directory =
        given.map_or_else(|| std::env::temp_dir().join(format!("siptrail-{}", std::process::id())), Into::into);
    let store = Store::open(&Location::Directory(directory)).await.map_err(std::io::Error::other)?;
    let settings = Settings::loopback(env!("CARGO_PKG_VERSION"));
    let mode = std::env::args().nth(3).unwrap_or_default();
    let mut ingest = Ingest::new(&store);
    if mode != "empty" {
        let begun = 1_789_387_200 * SECOND;
        ingest.add(&forked(begun + 102_000)).await;
        for number in 0..130_u32 {
            let at = begun - i64::from(number) * 613 * SECOND;
            let people = ["alice", "bob", "carol", "dave", "+12025550142", "+12025550199"];
            let caller = people[number as usize % 6];
            let callee = people[(number as usize * 5 + 1) % 6];
            let status = [200, 200, 486, 200, 487, 200, 503, 404][number as usize % 8];
            ingest.add(&call(at, number, caller, callee, status, 20 + i64::from(number) * 7)).await;
            if number % 9 == 0 {
                ingest.add(&registration(at + SECOND, number, caller)).await;
            }
        }
    }
    if mode != "empty" {
        ingest.add(&waiting(1_789_387_200 * SECOND + 200 * SECOND)).await;
    }
    if mode == "failing" {
        let since =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(std::io::Error::other)?;
        let now = Timestamp(since.as_micros() as i64);
        store.keep_rulebook(&judged::rulebook(None), now).await.map_err(std::io::Error::other)?;
        judged::judge(&store, 7, now).await;
        for (nth, state) in [MailState::Sent, MailState::Failed, MailState::NotSent].into_iter().enumerate() {
            judged::mail(&store, nth, state, now).await;
        }
    }
    if mode == "live" {
        tokio::spawn(grow(ingest));
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("http://{}", listener.local_addr()?);
    let router = web::router(store, settings).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router).await
}

/// A call that waits behind a record that is not finished, as far as it is written, and one that has just begun.
fn waiting(begun: i64) -> Vec<Record> {
    let mut records = call(begun, 900, "alice", "carol", 200, 31);
    records.push(call(begun + 40 * SECOND, 901, "+12025550142", "dave", 200, 5).swap_remove(0));
    let last = records.len() - 1;
    for (at, record) in records.iter_mut().enumerate() {
        (record.host, record.waits, record.provisional) = ("edge-1", at < last, at == last);
    }
    records
}

/// The wait is the point here: records come as they would while people call.
async fn grow(mut ingest: Ingest) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
    for number in 1000.. {
        let begun = 1_789_387_200 * SECOND + i64::from(number) * 60 * SECOND;
        for record in call(begun, number, "dave", "erin", 200, 40) {
            ticks.tick().await;
            ingest.add(&[record]).await;
        }
    }
}
