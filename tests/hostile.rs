//! Bad input: strangers' bytes do not crash, stall or grow it, nothing else is lost, and they are shown as what they are.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Siptrail, eventually};

const MEGABYTE: usize = 1 << 20;

fn record(call: &str, display: &str) -> String {
    let message = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{call}\r\n\
         From: \"{display}\" <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: {call}\r\n\
         CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    format!("[2026-11-23 12:00:00.000][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n{message}\n")
}

async fn only_stream(siptrail: &Siptrail) -> Value {
    let mut streams = siptrail.api().await.get("/api/v1/streams").await.expect("streams");
    assert_eq!(streams["streams"].as_array().map(Vec::len), Some(1));
    streams["streams"][0].take()
}

async fn holds_calls(siptrail: &Siptrail, calls: &[&str]) {
    let api = siptrail.api().await;
    eventually("every record around the bad bytes is stored", || async {
        let found: Vec<String> = api.messages("").await?.into_iter().map(|m| m.call_id).collect();
        let missing: Vec<_> = calls.iter().filter(|call| !found.iter().any(|f| f == **call)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing {missing:?} of {found:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_line_of_100_mb_keeps_memory_flat_and_loses_nothing_beside_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.log");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).expect("created"));
    out.write_all(record("before@long", "a").as_bytes()).expect("written");
    for _ in 0..100 {
        out.write_all(&vec![b'x'; MEGABYTE]).expect("written");
    }
    out.write_all(b"\n").expect("written");
    out.write_all(record("behind@long", "a").as_bytes()).expect("written");
    out.write_all(record("last@long", "a").as_bytes()).expect("written");
    out.flush().expect("written");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    holds_calls(&siptrail, &["before@long", "behind@long", "last@long"]).await;
    let stream = only_stream(&siptrail).await;
    let long = 100 * MEGABYTE as u64 + 1;
    assert_eq!((&stream["noise_lines"], stream["noise_bytes"].as_u64()), (&json!(1), Some(long)), "a line of noise");
    let peak = siptrail.peak_memory();
    assert!(peak < 150 * MEGABYTE as u64, "peak memory {} MB", peak / MEGABYTE as u64);
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn many_large_records_that_are_unfinished_all_appear_and_memory_stays_flat() {
    const FILES: usize = 40;
    let dir = tempfile::tempdir().expect("a directory");
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).expect("made");
    for number in 0..FILES {
        // A JSON value that has not come to its end.
        let text = format!(
            "[2026-11-23 12:00:00.000][PUSH][http://192.0.2.1][https://push.example.com/send]\n{{\"callId\":\"{number}@many\",\"x\":\"{}",
            "y".repeat(900_000)
        );
        std::fs::write(logs.join(format!("app-{number}.log")), text).expect("written");
    }
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&logs]);
    let api = siptrail.api().await;
    eventually("each is shown as provisional", || async {
        let streams = api.all("streams", "").await?;
        let found = streams.iter().filter(|stream| stream["provisional"] == 1).count();
        if found == FILES { Ok(()) } else { Err(format!("{found} of {FILES}")) }
    })
    .await;
    let peak = siptrail.peak_memory();
    assert!(peak < 150 * MEGABYTE as u64, "peak memory {} MB", peak / MEGABYTE as u64);
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn readers_who_take_nothing_of_their_answers_share_a_bounded_memory() {
    const READERS: usize = 60;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.log");
    let body = "y".repeat(200_000);
    let one = |nth: usize| {
        format!(
            "[2026-11-23 12:00:00.000][POST][http://192.0.2.1][http://192.0.2.2/x]\nPOST /x HTTP/1.1\r\nX-Call-ID: {nth}@slow\r\n\
             Content-Length: {}\r\n\r\n{body}\n",
            body.len()
        )
    };
    std::fs::write(&file, (0..200).map(one).collect::<String>()).expect("written");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    eventually("all is stored", || async {
        let stored = api.messages("").await?.len();
        if stored == 200 { Ok(()) } else { Err(format!("{stored} of 200")) }
    })
    .await;
    let address = api.url.trim_start_matches("http://").to_owned();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = tokio::net::TcpStream::connect(&address).await.expect("connected");
        let head = format!("GET /api/v1/messages?format=ndjson HTTP/1.1\r\nHost: {address}\r\n\r\n");
        reader.write_all(head.as_bytes()).await.expect("asked");
        readers.push(reader);
    }
    for reader in &mut readers {
        // The first bytes of the head, and nothing more.
        reader.read_exact(&mut [0; 12]).await.expect("an answer");
    }
    api.page("/healthz").await.expect("it answers");
    let peak = siptrail.peak_memory();
    assert!(peak < 500 * MEGABYTE as u64, "peak memory {} MB", peak / MEGABYTE as u64);
    drop(readers);
    assert_eq!(api.messages("").await.expect("pages").len(), 200);
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn noise_of_any_bytes_and_impossible_times_are_kept_as_what_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.log");
    let mut log = Vec::new();
    log.extend(record("first@noise", "a").bytes());
    log.extend((0..=255u8).cycle().take(70_000));
    log.extend(b"\n[2026-13-45 99:99:99][INVITE][sip:a][sip:b]\n[9999-12-31 23:59:59][OPTIONS][sip:192.0.2.1][sip:192.0.2.2]\nOPTIONS sip:b SIP/2.0\r\nCall-ID: far@future\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n\n");
    log.extend(b"[0][INVITE][sip:a][sip:b]\n");
    let mut invalid = record("latin@noise", "caf").into_bytes();
    let at = invalid.windows(3).position(|w| w == b"caf").expect("there") + 3;
    invalid.insert(at, 0xE9);
    log.extend(&invalid);
    log.extend(record("last@noise", "a").bytes());
    std::fs::write(&file, &log).expect("written");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    holds_calls(&siptrail, &["first@noise", "far@future", "latin@noise", "last@noise"]).await;
    let api = siptrail.api().await;
    let latin =
        api.messages("").await.expect("messages").into_iter().find(|m| m.call_id == "latin@noise").expect("stored");
    let head = invalid.iter().position(|b| *b == b'\n').expect("a header line") + 1;
    assert_eq!(latin.body, invalid[head..invalid.len() - 1], "bytes that are not UTF-8 come back as they were");
    assert!(latin.json["body"].is_null() && latin.json["body_base64"].is_string());
    let stream = only_stream(&siptrail).await;
    let sum: u64 =
        ["record_bytes", "noise_bytes", "fragment_bytes", "gap_bytes"].iter().filter_map(|k| stream[*k].as_u64()).sum();
    assert_eq!(Some(sum), stream["watermark"].as_u64(), "every byte is accounted for: {stream}");
    let impossible = api.messages("").await.expect("messages").into_iter().filter(|m| m.json["source"] == "sip:a");
    let methods: Vec<String> = impossible.map(|m| m.method).collect();
    assert!(methods.is_empty(), "a line with an impossible time is no record: {methods:?}");
    let far = api.messages("&call_id=far@future").await.expect("messages").remove(0);
    assert_eq!(far.json["time"], "9999-12-31T23:59:59.000000Z", "a strange time is kept as it was logged");
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn markup_and_escapes_in_a_display_name_are_text() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.log");
    let name = "<script>alert(1)</script>\u{1b}[31m\u{202e}&amp;";
    std::fs::write(&file, [record("markup@x", name), record("last@x", "a")].concat()).expect("written");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    holds_calls(&siptrail, &["markup@x", "last@x"]).await;
    let api = siptrail.api().await;
    let message = api.messages("&call_id=markup@x").await.expect("messages").remove(0);
    let scenario = eventually("correlation", || async {
        let messages = api.messages("&call_id=markup@x").await?;
        messages[0].json["scenario_id"].as_str().map(str::to_owned).ok_or_else(|| "not correlated".to_owned())
    })
    .await;
    for page in [
        format!("/s/{scenario}?m={}", message.id),
        format!("/s/{scenario}?m={}&tab=raw", message.id),
        "/search".into(),
        "/".into(),
    ] {
        let html = api.page(&page).await.expect("a page");
        let shown = html.contains("&lt;script&gt;alert") || html.contains("&#60;script&#62;alert");
        assert!(shown || !page.starts_with("/s/"), "the name is shown, as text, on {page}");
        assert!(!html.contains("<script>alert"), "{page}");
        assert!(!html.contains('\u{1b}'), "a control byte on {page}");
    }
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn odd_files_are_told_or_waited_for_and_others_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let logs = dir.path().join("logs");
    std::fs::create_dir_all(logs.join("x.log")).expect("a directory named as a log");
    std::fs::write(logs.join("empty.log"), b"").expect("written");
    std::fs::write(logs.join("good.log"), [record("good@odd", "a"), record("last@odd", "a")].concat())
        .expect("written");
    let secret = logs.join("secret.log");
    std::fs::write(&secret, [record("secret@odd", "a"), record("end@odd", "a")].concat()).expect("written");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).expect("chmod");

    let siptrail = as_nobody(dir.path(), &logs.join("*.log"));
    holds_calls(&siptrail, &["good@odd", "last@odd"]).await;
    let denied = "cannot be read: Permission denied; it is tried again";
    let told = |siptrail: &Siptrail| siptrail.said().iter().any(|line| line.ends_with(&format!("secret.log {denied}")));
    assert!(told(&siptrail), "{:#?}", siptrail.said());
    assert!(siptrail.said().iter().all(|line| line != "following 4 files"), "what is not read is not followed");
    let api = siptrail.api().await;
    eventually("it is in the API, too", || async {
        let agents = api.get("/api/v1/agents").await?;
        let unread = agents["agents"][0]["unread"].as_array().map_or(0, Vec::len);
        if unread == 2 { Ok(()) } else { Err(agents.to_string()) }
    })
    .await;
    let agents = api.get("/api/v1/agents").await.expect("agents");
    let unread = |reason: &str| {
        let all = agents["agents"][0]["unread"].as_array().expect("what is not read");
        let of = all.iter().filter(|unread| unread["reason"] == reason);
        of.map(|unread| format!("{} {}", unread["path"], unread["what"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(unread("unreadable"), [format!("{} {denied}", secret.display())]);
    assert_eq!(unread("unfit"), [format!("{} is not followed: it is a directory", logs.join("x.log").display())]);
    let source = format!("not read in full: {} {denied}", secret.display());
    // The agent may say so of the source a moment after it said so of the file.
    let home = eventually("its source is red, too", || async {
        let home = api.page("/").await?;
        if home.contains(&source) { Ok(home) } else { Err(home) }
    })
    .await;
    assert!(home.contains("Not working") && home.contains("secret.log</b> on "), "{home}");
    let why = api.get("/readyz").await.expect_err("somebody must do something");
    assert!(why.contains("503") && why.contains("secret.log") && why.contains(denied), "{why}");
    assert!(api.get("/readyz?of=server").await.is_err_and(|why| !why.contains("503")), "it is no fault of the server");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).expect("chmod");
    holds_calls(&siptrail, &["secret@odd", "end@odd"]).await;
    assert!(siptrail.said().iter().any(|line| line.ends_with("secret.log can be read now")), "{:#?}", siptrail.said());
    eventually("it is off the page", || async {
        let home = api.page("/").await?;
        if home.contains("cannot be read") { Err(home) } else { Ok(()) }
    })
    .await;
    assert_eq!(siptrail.stop().await, Some(0));
}

/// Root may read everything, so the program runs as somebody else.
fn as_nobody(dir: &Path, log: &Path) -> Siptrail {
    use std::os::unix::process::CommandExt;
    let data = dir.join("data");
    std::fs::create_dir(&data).expect("made");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_siptrail"));
    command.args(["watch", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg(log);
    if rustix::process::geteuid().is_root() {
        for path in [dir, &data] {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("chown");
        }
        // A binary in a directory that others may not enter is run from a copy.
        let copy = dir.join("siptrail");
        std::fs::copy(env!("CARGO_BIN_EXE_siptrail"), &copy).expect("copied");
        command = std::process::Command::new(copy);
        command.args(["watch", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg(log).uid(65534).gid(65534);
    }
    Siptrail::spawn(&mut command)
}
