//! A disk that is full: nothing is lost, and storing goes on once there is room again, without a restart.
//!
//! What a full disk is to SQLite, a limit on the size of files is, too: a write that fails, after which it rolls back by
//! itself. A limit needs no mount, and can be set and taken away while the program runs. `store` has the same with a database
//! that may not grow.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::support::{Api, Siptrail, eventually};

const BATCH: usize = 400;
/// Bytes: less than the database has from the start.
const FULL: u64 = 4096;

/// Records with numbers from `first` on.
fn write(log: &Path, first: usize) {
    let mut file = std::fs::File::options().create(true).append(true).open(log).expect("opened");
    for nth in first..first + BATCH {
        let record = format!(
            "[2026-11-29 12:00:00.{:03}][OPTIONS][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n\
             OPTIONS sip:b@192.0.2.2 SIP/2.0\r\nCall-ID: {nth}@example.com\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n\n",
            nth % 1000
        );
        file.write_all(record.as_bytes()).expect("written");
    }
}

/// A program that lives on when a file of its cannot grow: the signal for that is ignored, and the write fails. `limit` is that
/// of the shell's `ulimit -f`.
fn watch(data: &Path, log: &Path, limit: &str) -> Siptrail {
    let mut shell = Command::new("/bin/sh");
    let start =
        format!("trap '' XFSZ; ulimit -S -f {limit}; exec \"$0\" watch --listen 127.0.0.1:0 --data \"$1\" \"$2\"");
    Siptrail::spawn(shell.args(["-c", &start]).arg(env!("CARGO_BIN_EXE_siptrail")).arg(data).arg(log))
}

async fn stored(api: &Api, number: usize) {
    eventually(&format!("{number} records are stored, each once"), || async {
        let mut calls: Vec<String> = api.messages("").await?.into_iter().map(|message| message.call_id).collect();
        calls.sort();
        let all = calls.len();
        calls.dedup();
        if (all, calls.len()) == (number, number) {
            Ok(())
        } else {
            Err(format!("{all}, {} of them once", calls.len()))
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_full_disk_storing_goes_on_within_seconds_of_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, log) = (dir.path().join("data"), dir.path().join("app.log"));
    write(&log, 0);
    let watch = watch(&data, &log, "unlimited");
    let api = watch.api().await;
    stored(&api, BATCH).await;
    for round in 1..4 {
        watch.limit_files(Some(FULL));
        write(&log, round * BATCH);
        let said = watch.said().len();
        eventually("it is said that nothing can be stored", || async {
            let lines = watch.said().split_off(said);
            if lines.iter().any(|line| line.contains("could not be stored")) {
                Ok(())
            } else {
                Err(format!("{lines:#?}"))
            }
        })
        .await;
        eventually("home and /readyz say so", || async {
            let page = api.page("/").await?;
            if !page.contains("Batches cannot be stored") || page.contains(">complete<") {
                return Err(page);
            }
            match api.get("/readyz").await {
                Err(said) if said.contains("503") && said.contains("Batches cannot be stored") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        watch.limit_files(None);
        let since = Instant::now();
        stored(&api, (round + 1) * BATCH).await;
        eventually("all is well again", || async {
            let page = api.page("/").await?;
            if page.contains("Batches cannot be stored") { Err(page) } else { api.page("/readyz").await }
        })
        .await;
        println!("stored {:.1} s after there was room", since.elapsed().as_secs_f64());
    }
    assert_eq!(watch.stop().await, Some(0));
}

#[tokio::test]
async fn a_start_on_a_full_disk_goes_on_once_there_is_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, log) = (dir.path().join("data"), dir.path().join("app.log"));
    write(&log, 0);
    let before = watch(&data, &log, "unlimited");
    stored(&before.api().await, BATCH).await;
    assert_eq!(before.stop().await, Some(0));
    write(&log, BATCH);
    // Blocks of 512 bytes: the database can be opened, and what is new has no room.
    let watch = watch(&data, &log, "80");
    let api = watch.api().await;
    watch.says("could not be stored").await;
    watch.limit_files(None);
    stored(&api, 2 * BATCH).await;
    assert_eq!(watch.stop().await, Some(0));
}
