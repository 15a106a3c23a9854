//! What the system tests share: the binary as a process, its API, the truth of a log, and waiting.

mod again;
mod api;
mod application;
mod browser;
mod lab;
pub mod made;
mod mail;
mod oncall;
mod postgres;
mod process;
mod truth;
mod watched;

pub use again::{Step, interleaved, moved, read_again, records};
pub use api::{Api, Message, client};
pub use application::{Wishes, application};
pub use browser::Browser;
pub use lab::{Lab, finish};
pub use mail::{Exim, Faulty, settings as mail_settings, with_least};
pub use oncall::{Oncall, readable, said};
pub use postgres::Database;
pub use process::{Siptrail, free_port, signal};
pub use truth::{Entry, Truth, differences, entry, sha256};
pub use watched::{Watched, marks};

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take on two busy cores before it counts as never.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Asks until the answer is there; fails with the last refusal.
pub async fn eventually<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(refusal) => assert!(started.elapsed() < PATIENCE, "{what}: {refusal}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A recorded log of `tests/logs`.
pub fn log(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/logs").join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// The whole path of a program, or a failure that names it and its package.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let found = places.into_iter().map(|dir| dir.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("the test needs {name}: install the Debian package {package}, or run scripts/packages")
    })
}

/// A file of a package, or a failure that names both.
pub fn installed(path: &str, package: &str) -> PathBuf {
    let file = PathBuf::from(path);
    assert!(file.exists(), "the test needs {path}: install the Debian package {package}, or run scripts/packages");
    file
}

/// An INVITE, its answer, then INFO and 200 by turns: one call in one scenario.
pub fn one_long_call(messages: usize) -> Vec<u8> {
    let mut out = String::new();
    for at in 0..messages {
        let cseq = at / 2 + 1;
        let method = if at < 2 { "INVITE" } else { "INFO" };
        let (field, start, from, to) = match at % 2 {
            0 => (method, format!("{method} sip:bob@example.com SIP/2.0"), "192.0.2.1", "192.0.2.2"),
            _ => ("200", "SIP/2.0 200 OK".to_owned(), "192.0.2.2", "192.0.2.1"),
        };
        out.push_str(&format!(
            "[{}.{:06}][{field}][sip:{from}:5060][sip:{to}:5060]\n{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{cseq}\r\n\
             From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>;tag=2\r\nCall-ID: long-call@example.com\r\n\
             CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n\n",
            1_795_463_450 + at / 100,
            at % 100 * 10_000,
        ));
    }
    out.into_bytes()
}

/// A collector that has read and correlated the recorded logs of two servers, copied into this directory.
pub async fn two_servers(dir: &Path, listen: &str) -> (Siptrail, Api) {
    for name in ["edge.log", "core.log"] {
        let file = dir.join(name);
        if !file.exists() {
            std::fs::copy(log("two-servers").join(name), file).expect("copied");
        }
    }
    let path = |name: &str| dir.join(name).display().to_string();
    let siptrail =
        Siptrail::start(&["watch", "--listen", listen, "--data", &path("data"), &path("edge.log"), &path("core.log")]);
    let api = siptrail.api().await;
    correlated(&api, 259).await;
    (siptrail, api)
}

async fn correlated(api: &Api, records: u64) {
    eventually(&format!("{records} records are correlated"), || async {
        let scenarios = api.scenarios("&class=call,registration").await?;
        let messages: u64 = scenarios.iter().filter_map(|scenario| scenario["messages"].as_u64()).sum();
        if messages >= records { Ok(()) } else { Err(format!("{messages} in {} scenarios", scenarios.len())) }
    })
    .await;
}

/// A collector that has read and correlated all of the recorded log.
pub async fn recorded() -> ((Siptrail, TempDir), Api) {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("kamailio.log");
    std::fs::copy(log("kamailio.log"), &file).expect("copied");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    correlated(&api, 288).await;
    ((siptrail, dir), api)
}
