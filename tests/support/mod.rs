//! What the system tests share: the binary as a process, its API, the truth of a log, and waiting.

mod api;
mod browser;
mod postgres;
mod process;
mod truth;

pub use api::{Api, client};
pub use browser::Browser;
pub use postgres::Database;
pub use process::{Siptrail, free_port, signal};
pub use truth::{Entry, Truth, differences, entry, sha256};

use std::future::Future;
use std::path::PathBuf;
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

/// A collector that has read and correlated all of the recorded log.
pub async fn recorded() -> ((Siptrail, TempDir), Api) {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("kamailio.log");
    std::fs::copy(log("kamailio.log"), &file).expect("copied");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    eventually("288 records are correlated", || async {
        let scenarios = api.scenarios("&class=call,registration").await?;
        let messages: u64 = scenarios.iter().filter_map(|scenario| scenario["messages"].as_u64()).sum();
        if messages == 288 { Ok(()) } else { Err(format!("{messages} in {} scenarios", scenarios.len())) }
    })
    .await;
    ((siptrail, dir), api)
}
