//! What the system tests share: the binary as a process, its API, the truth of a log, and waiting.

mod api;
mod postgres;
mod process;
mod truth;

pub use api::{Api, client};
pub use postgres::Database;
pub use process::{Siptrail, free_port, signal};
pub use truth::{Entry, Truth, differences, entry};

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
