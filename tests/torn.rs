//! Records that a rotation cuts in two, from the file to the API: real logrotate in each style, and the agent killed between.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Siptrail, eventually, program};

/// Records before each rotation; the next one is cut.
const BETWEEN: usize = 7;

/// Who rotates the log, and how.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Style {
    /// `logrotate` with these lines in its config.
    Logrotate(&'static str),
    /// The application renames its log itself.
    Application,
}

const CREATE: Style = Style::Logrotate("create 0644");
const DATED: Style = Style::Logrotate("create 0644\n  dateext");
const COPYTRUNCATE: Style = Style::Logrotate("copytruncate");
const COMPRESSED: Style = Style::Logrotate("create 0644\n  compress\n  delaycompress");

/// When the agent is killed, relative to the rotation.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kill {
    Never,
    Before,
    Between,
    After,
}

struct Log {
    dir: TempDir,
    style: Style,
    file: File,
    written: Vec<Vec<u8>>,
}

impl Log {
    fn new(style: Style) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let file = open(&dir.path().join("app.log"));
        Self { dir, style, file, written: Vec::new() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("app.log")
    }

    fn watch(&self) -> Siptrail {
        Siptrail::watch(&self.dir.path().join("data"), &[&self.path()])
    }

    fn record(&mut self) -> Vec<u8> {
        let record = record(self.written.len());
        self.written.push(record.clone());
        record
    }

    fn write(&mut self, records: usize) {
        for _ in 0..records {
            let record = self.record();
            self.file.write_all(&record).expect("written");
        }
    }

    fn rotate(&mut self) {
        match self.style {
            Style::Application => {
                let old = (1..).map(|nth| self.dir.path().join(format!("app.log.{nth}")));
                let free = old.take_while(|path| path.exists()).count() + 1;
                for nth in (1..free).rev() {
                    let name = |nth: usize| self.dir.path().join(format!("app.log.{nth}"));
                    fs::rename(name(nth), name(nth + 1)).expect("renamed");
                }
                fs::rename(self.path(), self.dir.path().join("app.log.1")).expect("renamed");
            }
            Style::Logrotate(lines) => {
                let config = self.dir.path().join("logrotate.conf");
                let text = format!("{} {{\n  rotate 20\n  size 1\n  missingok\n  {lines}\n}}\n", self.path().display());
                fs::write(&config, text).expect("written");
                let out = Command::new(program("logrotate", "logrotate"))
                    .args(["--force", "--state"])
                    .arg(self.dir.path().join("logrotate.state"))
                    .arg(&config)
                    .output()
                    .expect("logrotate runs");
                assert!(out.status.success(), "logrotate: {}", String::from_utf8_lossy(&out.stderr));
            }
        }
        if self.style != COPYTRUNCATE {
            self.file = open(&self.path());
        }
    }

    /// Waits until each record is there once, as it was written, and nothing else is.
    async fn is_whole(&self, siptrail: &Siptrail) -> Vec<Value> {
        let api = siptrail.api().await;
        let mut expect: Vec<Vec<u8>> = self.written.clone();
        expect.sort();
        eventually("each record is there once, as it was written", || async {
            let messages = api.messages("").await?;
            let mut found: Vec<Vec<u8>> = messages
                .iter()
                .map(|message| {
                    let header = message.json["header"].as_str().unwrap_or_default().trim_end_matches('\n');
                    [header.as_bytes(), b"\n", &message.body, b"\n"].concat()
                })
                .collect();
            found.sort();
            let odd =
                messages.iter().find(|message| message.json["flags"].as_array().is_none_or(|all| !all.is_empty()));
            match odd {
                Some(odd) => Err(format!("{} of {} messages; this is odd: {}", found.len(), expect.len(), odd.json)),
                None if found == expect => Ok(()),
                None => Err(format!("{} of {} messages", found.len(), expect.len())),
            }
        })
        .await;
        eventually("all files are read to their ends", || async {
            let streams = api.all("streams", "").await?;
            if streams.iter().all(|stream| stream["lag_bytes"] == 0) {
                Ok(streams)
            } else {
                Err(format!("{streams:#?}"))
            }
        })
        .await
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("opened")
}

fn record(nth: usize) -> Vec<u8> {
    let body = format!("v=0\r\ns={nth}\r\n{}", "a=x\r\n".repeat(nth % 40));
    format!(
        "[2026-11-23 19:53:58.{:03}][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n\
         INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{nth}\r\nCall-ID: t{nth}@a\r\n\
         Content-Length: {}\r\n\r\n{body}\n",
        nth % 1000,
        body.len()
    )
    .into_bytes()
}

/// A rotation amid each of some records: in the header line, in the SIP headers, at the end of a line, in the body.
async fn check(style: Style, rotations: usize) {
    let mut log = Log::new(style);
    let mut siptrail = Some(log.watch());
    let kills = [Kill::Never, Kill::Before, Kill::Between, Kill::After];
    for nth in 0..rotations {
        log.write(BETWEEN);
        let record = log.record();
        let line = record.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        let cut = [30, line, line + 50, record.len() - 9, record.len() - 1][nth % 5];
        let kill = kills[nth % kills.len()];
        log.file.write_all(&record[..cut]).expect("written");
        // What is read of it before the rotation is left to chance, but for every third one: that is read to the cut.
        if nth % 3 == 0 {
            let api = siptrail.as_ref().expect("it runs").api().await;
            eventually("the half is read", || async {
                let streams = api.all("streams", "").await?;
                let all = streams.iter().all(|stream| stream["size"] == stream["read_to"]);
                let size: u64 = streams.iter().filter_map(|stream| stream["size"].as_u64()).sum();
                if all && size > 0 { Ok(()) } else { Err(format!("{streams:#?}")) }
            })
            .await;
        }
        let mut die = |now: Kill| {
            if kill == now {
                siptrail.take().expect("it runs").kill_9();
            }
        };
        die(Kill::Before);
        log.rotate();
        die(Kill::Between);
        log.file.write_all(&record[cut..]).expect("written");
        log.write(2);
        die(Kill::After);
        if siptrail.is_none() {
            siptrail = Some(log.watch());
        }
        let streams = log.is_whole(siptrail.as_ref().expect("it runs")).await;
        for gap in streams.iter().flat_map(|stream| stream["gaps"].as_array().cloned().unwrap_or_default()) {
            // The agent cannot know that nothing was written between the copy and the truncate.
            assert!(style == COPYTRUNCATE && gap["cause"] == "copytruncate" && gap["length"] == 0, "{gap}");
        }
    }
    assert_eq!(siptrail.expect("it runs").stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn logrotate_with_create_cuts_no_record() {
    check(CREATE, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logrotate_with_dates_cuts_no_record() {
    check(DATED, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logrotate_with_copytruncate_cuts_no_record() {
    check(COPYTRUNCATE, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logrotate_with_delayed_compression_cuts_no_record() {
    check(COMPRESSED, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_by_the_application_cuts_no_record() {
    check(Style::Application, 10).await;
}
