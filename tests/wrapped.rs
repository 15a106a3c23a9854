//! Wrapped logs and UTF-16, from the file to the API: each message is there as the program wrote it, at its place in the file.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Api, Message, Siptrail, eventually, log};

const CALL: [&str; 4] = ["INVITE", "180", "486", "ACK"];

/// A running `siptrail watch` on `app.log`.
struct Watched {
    dir: TempDir,
    siptrail: Siptrail,
    api: Api,
}

impl Watched {
    async fn on(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("app.log"), bytes).expect("written");
        let siptrail = Siptrail::watch(&dir.path().join("data"), &[&dir.path().join("app.log")]);
        let api = siptrail.api().await;
        Self { dir, siptrail, api }
    }

    fn append(&self, bytes: &[u8]) {
        append(&self.dir.path().join("app.log"), bytes);
    }

    /// The messages of the log in its order, once there are so many.
    async fn messages(&self, number: usize) -> Vec<Message> {
        eventually("all messages are there", || async {
            let mut found = self.api.messages("").await?;
            found.sort_by_key(|message| message.json["offset"].as_u64());
            if found.len() == number { Ok(found) } else { Err(format!("{} of {number}: {found:#?}", found.len())) }
        })
        .await
    }

    async fn ends(self) {
        assert_eq!(self.siptrail.stop().await, Some(0));
    }
}

fn append(path: &Path, bytes: &[u8]) -> File {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("opened");
    file.write_all(bytes).expect("written");
    file
}

/// A message of a call with what is hard to wrap in it.
fn record(nth: usize) -> String {
    format!(
        "[2026-11-20 10:00:00.{nth:03}][OPTIONS][sip:192.0.2.10:5060][sip:192.0.2.20:5060]\n\
         OPTIONS sip:bob@example.com SIP/2.0\r\nSubject: caf\u{e9} \u{1F600} \"quoted\" \\ {}\r\n\tfolded\r\nCall-ID: w{nth}@a\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 5\r\n\r\na\tb\r\n\n",
        "x".repeat(nth % 3 * 20_000)
    )
}

fn body(nth: usize) -> Vec<u8> {
    let record = record(nth);
    record.as_bytes()[record.find('\n').expect("a header") + 1..record.len() - 1].to_vec()
}

fn docker(text: &str, stream: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        // Entries hold 16 KiB at most: the others have no line end.
        let chars: Vec<char> = line.chars().collect();
        for piece in chars.chunks(16 << 10) {
            let text: String = piece.iter().collect();
            let value =
                Value::from(text).to_string().replace('\u{e9}', "\\u00e9").replace('\u{1F600}', "\\ud83d\\ude00");
            writeln!(out, "{{\"log\":{value},\"stream\":\"{stream}\",\"time\":\"2026-11-20T10:00:00.1Z\"}}")
                .expect("text");
        }
    }
    out
}

fn cri(text: &str, stream: &str) -> String {
    let mut out = String::new();
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        let chars: Vec<char> = line.chars().collect();
        let pieces: Vec<String> = chars.chunks(16 << 10).map(|piece| piece.iter().collect()).collect();
        for (nth, piece) in pieces.iter().enumerate() {
            let tag = if nth + 1 == pieces.len() { "F" } else { "P" };
            writeln!(out, "2026-11-20T10:00:00.123456789+09:00 {stream} {tag} {piece}").expect("text");
        }
        if pieces.is_empty() {
            writeln!(out, "2026-11-20T10:00:00.123456789+09:00 {stream} F ").expect("text");
        }
    }
    out
}

fn syslog(text: &str, prefix: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    format!("{prefix}{}\n", text.replace('\r', "#015").replace('\n', "#012").replace('\t', "#011"))
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

/// Each wrapping of a log.
fn wrappings(text: &dyn Fn() -> Vec<String>) -> Vec<(&'static str, Vec<u8>)> {
    let records = text();
    let each =
        |wrap: &dyn Fn(&str) -> String| records.iter().map(|record| wrap(record)).collect::<String>().into_bytes();
    let marked = |mark: u16, unit: fn(u16) -> [u8; 2]| [unit(mark).to_vec(), utf16(&records.concat(), unit)].concat();
    vec![
        ("Docker's json-file; read through wrapper = \"docker\"", each(&|text| docker(text, "stdout"))),
        ("container lines (CRI); read through wrapper = \"cri\"", each(&|text| cri(text, "stderr"))),
        ("syslog lines", each(&|text| syslog(text, "Nov 20 10:00:00 pbx kamailio[123]: "))),
        ("syslog lines", each(&|text| syslog(text, "<134>1 2026-11-20T10:00:00.1Z pbx kamailio 123 - [x@1 a=\"b\"] "))),
        ("UTF-16; it is converted", marked(0xfeff, u16::to_le_bytes)),
        ("UTF-16; it is converted", marked(0xfeff, u16::to_be_bytes)),
    ]
}

#[tokio::test]
async fn wrapped_logs_are_recognised_named_and_read_record_by_record() {
    for (name, says) in [
        ("81-utf16le", "app.log: UTF-16; it is converted"),
        ("83-docker-json", "app.log: Docker's json-file; read through wrapper = \"docker\""),
        ("85-syslog-012", "app.log: syslog lines with escaped line ends (#012); read through wrapper = \"syslog\""),
    ] {
        let bytes = fs::read(log(&format!("framing/{name}.log"))).expect("a case");
        let watched = Watched::on(&bytes).await;
        watched.siptrail.says(says).await;
        let messages = watched.messages(4).await;
        assert_eq!(messages.iter().map(|m| m.method.as_str()).collect::<Vec<_>>(), CALL, "{name}");
        for message in &messages {
            assert!(message.body.ends_with(b"Content-Length: 0\r\n\r\n"), "{name}: {message:?}");
            assert_eq!(message.json["flags"], Value::Array(Vec::new()), "{name}");
        }
        let mut at = 0;
        for message in &messages {
            assert_eq!(message.json["offset"], at, "{name}: they lie one after another in the file");
            at += message.json["length"].as_u64().expect("a length");
        }
        assert_eq!(at, bytes.len() as u64, "{name}");
        watched.ends().await;
    }
}

#[tokio::test]
async fn what_is_hard_to_wrap_comes_back_byte_for_byte_at_its_place_in_the_file() {
    for (says, bytes) in wrappings(&|| (0..6).map(record).collect()) {
        let watched = Watched::on(&bytes).await;
        watched.siptrail.says(says).await;
        for (nth, message) in watched.messages(6).await.into_iter().enumerate() {
            assert!(message.body == body(nth), "{says}: {nth}");
            let at = message.json["offset"].as_u64().expect("an offset") as usize;
            let text = String::from_utf8_lossy(&bytes[at..]).replace('\0', "");
            let line = text.lines().next().unwrap_or_default();
            assert!(line.contains(&format!("10:00:00.{nth:03}][OPTIONS]")), "{says}: {nth} at {at}: {line:.200}");
        }
        watched.ends().await;
    }
}

/// Both halves of a record lie on either side of a kill; then the log is rotated.
#[tokio::test]
async fn a_wrapped_log_is_whole_over_a_kill_in_mid_record_and_a_rotation() {
    let later = wrappings(&|| vec![record(6)]);
    for ((says, bytes), (_, new)) in wrappings(&|| (0..6).map(record).collect()).into_iter().zip(later) {
        let half = bytes.len() * 3 / 5;
        let Watched { dir, siptrail, api } = Watched::on(&bytes[..half]).await;
        eventually("some of it is stored", || async {
            let found = api.messages("").await?.len();
            if found > 1 { Ok(()) } else { Err(format!("{found} messages")) }
        })
        .await;
        siptrail.kill_9();
        let path = dir.path().join("app.log");
        append(&path, &bytes[half..]);
        fs::rename(&path, dir.path().join("app.log.1")).expect("rotated");
        append(&path, &new);
        let siptrail = Siptrail::watch(&dir.path().join("data"), &[&path]);
        let watched = Watched { api: siptrail.api().await, siptrail, dir };
        let mut messages = watched.messages(7).await;
        messages.sort_by_key(|message| message.json["time"].as_str().map(str::to_owned));
        assert!(messages.iter().enumerate().all(|(nth, message)| message.body == body(nth)), "{says}");
        watched.ends().await;
    }
}

/// Several messages in one record: each has the place of its own bytes.
#[tokio::test]
async fn messages_within_one_record_of_a_wrapped_log_have_their_own_places() {
    let second = String::from_utf8(body(1)).expect("text");
    let whole = record(0);
    let both = format!("{}{second}\n", whole.strip_suffix('\n').expect("a line end"));
    for (says, bytes) in wrappings(&|| vec![both.clone()]) {
        let watched = Watched::on(&bytes).await;
        let messages = watched.messages(2).await;
        assert!(messages[1].body == body(1), "{says}");
        let (at, len) = (messages[1].json["offset"].as_u64(), messages[1].json["length"].as_u64());
        let (at, len) = (at.expect("an offset"), len.expect("a length"));
        let text = String::from_utf8_lossy(&bytes[at as usize..]).replace('\0', "");
        assert!(text.lines().next().unwrap_or_default().contains("OPTIONS sip:bob"), "{says}: {text:.100}");
        assert_eq!(at + len, bytes.len() as u64, "{says}");
        assert_eq!(messages[0].json["length"], at, "{says}");
        watched.ends().await;
    }
}

#[tokio::test]
async fn lines_of_two_outputs_and_of_two_containers_are_kept_apart() {
    for wrap in [docker as fn(&str, &str) -> String, cri] {
        let mixed = |from: usize| {
            let mut out = wrap("OpenJDK 64-Bit Server VM warning\n", "stderr");
            for nth in from..from + 3 {
                for line in record(nth).split_inclusive('\n') {
                    out += &wrap(line, "stdout");
                    out += &wrap("java.lang.IllegalStateException: x\n\tat com.example.Main\n", "stderr");
                }
            }
            out
        };
        let dir = tempfile::tempdir().expect("a directory");
        let logs = dir.path().join("containers");
        for (container, from) in [("a", 0), ("b", 3)] {
            fs::create_dir_all(logs.join(container)).expect("made");
            fs::write(logs.join(container).join("app-json.log"), mixed(from)).expect("written");
        }
        let pattern = logs.join("*/*-json.log");
        let siptrail = Siptrail::watch(&dir.path().join("data"), &[&pattern]);
        let watched = Watched { api: siptrail.api().await, siptrail, dir };
        let mut messages = watched.messages(6).await;
        messages.sort_by_key(|message| message.json["time"].as_str().map(str::to_owned));
        assert!(messages.iter().enumerate().all(|(nth, message)| message.body == body(nth)), "{messages:#?}");
        let streams = watched.api.all("streams", "").await.expect("streams");
        assert!(streams.len() == 2 && streams.iter().all(|stream| stream["lag_bytes"] == 0), "{streams:#?}");
        watched.ends().await;
    }
}

#[tokio::test]
async fn torn_lines_between_entries_are_noise_and_take_nothing_with_them() {
    let mut bytes = docker(&record(0), "stdout");
    bytes += "{\"log\":\"torn by a full disk\n[  12.345678] kernel: out of memory\n{\"log\":7}\n\n";
    bytes += &docker(&record(1), "stdout");
    let watched = Watched::on(bytes.as_bytes()).await;
    watched.append(b"{\"log\":\"torn");
    let messages = watched.messages(2).await;
    assert!(messages[0].body == body(0) && messages[1].body == body(1));
    watched.ends().await;
}
