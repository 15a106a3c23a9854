//! Small logs as real software writes them, from the file to the API and the pages: every record is there, and only one
//! that nobody can decide is marked.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Api, Browser, Siptrail, Watched, eventually, log, marks, program};

async fn case(name: &str) -> Watched {
    Watched::start(&log(&format!("framing/{name}.log"))).await
}

#[tokio::test]
async fn a_length_that_is_too_large_takes_nothing_from_the_next_record() {
    let watched = case("24-cl-too-large").await;
    let messages = watched.holds(&["INVITE t24@a, provisional, length_mismatch", "486 t24@a"]).await;
    assert!(messages[0].body.ends_with(b"m=audio 4000 RTP/AVP 0\r\n"), "its body is whole");
    watched.listed("t24@a").await;
    watched.ends().await;
}

#[tokio::test]
async fn two_writers_who_mix_their_lines_are_suspect_on_both_sides_and_nothing_is_lost() {
    let watched = case("37-two-threads-same-method").await;
    let messages = eventually("all records are there", || async {
        let found = watched.api.messages("").await?;
        if found.len() == 4 { Ok(found) } else { Err(format!("{:#?}", found.iter().map(marks).collect::<Vec<_>>())) }
    })
    .await;
    let of = |call: &str| messages.iter().filter(|m| m.call_id == call).map(marks).collect::<Vec<_>>();
    assert_eq!(of("c37a@a"), ["INVITE c37a@a, interleave_suspect"]);
    let [lost] = &of("c37b@a")[..] else { panic!("the second message is not found by its Call-ID") };
    assert!(lost.contains("interleave_suspect") && lost.contains("orphan_fragment"), "{lost}");
    let unknown = messages.iter().find(|m| m.call_id == "c37b@a").expect("found");
    assert_eq!((&unknown.json["source"], &unknown.json["destination"]), (&"-".into(), &"-".into()));
    assert_eq!(of("c37c@a"), ["OPTIONS c37c@a"]);
    let empty = messages.iter().find(|m| m.body.is_empty()).expect("the empty record");
    assert!(marks(empty).contains("interleave_suspect"));
    watched.listed("c37b@a").await;
    watched.ends().await;
}

#[tokio::test]
async fn a_chunked_body_is_whole_and_joins_its_call() {
    let watched = case("39-chunked-json").await;
    let messages = eventually("the request joins the call", || async {
        let found = watched.api.messages("&call_id=c39@a").await?;
        let scenario = found.iter().find_map(|m| m.json["scenario_id"].as_str()).unwrap_or("none").to_owned();
        let joined = watched.api.messages(&format!("&scenario={scenario}")).await?;
        if joined.iter().any(|m| m.method == "POST") { Ok(joined) } else { Err(format!("{joined:#?}")) }
    })
    .await;
    let post = messages.iter().find(|m| m.method == "POST").expect("found");
    assert!(post.body.ends_with(b"\r\n0\r\n\r\n"), "kept whole");
    watched.ends().await;
}

#[tokio::test]
async fn a_body_without_a_line_end_before_the_next_header_is_kept() {
    let watched = case("86b-json-no-newline").await;
    let messages = watched.holds(&["POST", "200"]).await;
    assert!(messages[0].body.ends_with(b"{\"callId\":\"q1\"}"), "{:?}", messages[0]);
    watched.ends().await;
}

#[tokio::test]
async fn answers_to_head_and_304_have_no_body_and_no_mark() {
    let watched = case("89-head-304-length").await;
    let sip = ["INVITE c89@a", "180 c89@a", "486 c89@a", "ACK c89@a"];
    let messages = watched.holds(&[&["HEAD", "200", "GET", "304"][..], &sip].concat()).await;
    assert!(messages[1].body.ends_with(b"\r\n\r\n") && messages[3].body.ends_with(b"\r\n\r\n"));
    watched.ends().await;
}

#[tokio::test]
async fn a_quiet_rest_log_reads_as_finished() {
    let watched = case("89b-get-204").await;
    watched.holds(&["GET", "204", "DELETE"]).await;
    assert_eq!(watched.read_to_its_end().await["provisional"], 0);
    watched.siptrail.says("3 messages").await;
    let home = watched.api.page("/").await.expect("home");
    assert!(!home.contains("still open"), "{home}");
    watched.ends().await;
}

#[tokio::test]
async fn a_call_after_a_length_that_lies_is_seen_at_once() {
    let watched = case("90-truncated-http-body").await;
    let call = ["INVITE c90@a", "180 c90@a", "486 c90@a", "ACK c90@a"];
    watched.holds(&[&["POST, provisional, length_mismatch"][..], &call].concat()).await;
    let entry = watched.listed("c90@a").await;
    assert!(entry["id"].is_null(), "it has no scenario before its records are final: {entry}");
    let page = watched.api.page("/calls/c90%40a").await.expect("the page of the call");
    assert!(page.contains("486") && page.contains("Busy"), "its ladder");
    assert_eq!(watched.read_to_its_end().await["provisional"], 1);
    let home = watched.api.page("/").await.expect("home");
    assert!(home.contains("last record still open"), "{home}");
    watched.ends().await;
}

#[tokio::test]
async fn an_answer_that_is_being_written_is_on_the_ladder_and_marked() {
    let watched = case("99-unfinished-answer").await;
    watched.holds(&["INVITE c99@a", "180 c99@a", "200 c99@a, provisional"]).await;
    let entry = eventually("the call has its scenario", || async {
        let entry = watched.listed("c99@a").await;
        if entry["id"].is_string() && entry["provisional"] == true { Ok(entry) } else { Err(entry.to_string()) }
    })
    .await;
    let scenario = watched.api.get(&format!("/api/v1/scenarios/{}", Api::id(&entry))).await.expect("a scenario");
    let rows = scenario["rows"].as_array().expect("rows");
    assert_eq!(rows.iter().map(|row| row["provisional"] == true).collect::<Vec<_>>(), [false, false, true]);
    watched.ends().await;
}

#[tokio::test]
async fn a_call_of_one_message_is_listed_before_that_is_final() {
    for (name, marked) in [("99b-unfinished-first", ", provisional"), ("99d-no-content-length-invite", "")] {
        let watched = case(name).await;
        let call = if name.starts_with("99b") { "c99b@a" } else { "c99d@a" };
        watched.holds(&[&format!("INVITE {call}{marked}")]).await;
        let entry = watched.listed(call).await;
        assert!(entry["id"].is_null() && entry["provisional"] == !marked.is_empty(), "{entry}");
        let list = watched.api.page("/search?q=alice").await.expect("the list");
        assert!(list.contains(call), "found by its caller");
        let home = watched.api.page("/").await.expect("home");
        assert_eq!(home.contains("The rest of a message is not read yet"), !marked.is_empty(), "{name}: {home}");
        assert!(
            !watched.siptrail.said().iter().any(|line| line.contains("no record")),
            "{:?}",
            watched.siptrail.said()
        );
        watched.ends().await;
    }
}

/// Logs of thousands of records whose bodies were not logged, while their lengths say otherwise.
#[tokio::test]
async fn bodies_that_were_never_logged_leave_every_record() {
    let generated = |dir: &Path, name: &str, args: &[&str]| -> PathBuf {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/generators").join(name);
        let file = dir.join("app.log");
        let ran = Command::new(program("python3", "python3")).arg(script).arg(&file).args(args).output();
        assert!(ran.expect("python3 runs").status.success(), "{name}");
        file
    };
    for (name, args, records) in [
        ("strip.py", &["9000"][..], 9000),
        ("head.py", &["3000", "crlf"], 6000),
        ("head.py", &["3000", "lf"], 6000),
        ("barelf.py", &["8000", "1000000"], 8000),
        ("barelf.py", &["8000", "1000000", "crlf"], 8000),
        ("barelf.py", &["8000", "60000"], 8000),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let file = generated(dir.path(), name, args);
        let watched = Watched::start(&file).await;
        let stream = watched.read_to_its_end().await;
        let found = watched.api.messages("").await.expect("messages");
        assert_eq!(found.len(), records, "{name} {args:?}: {stream}");
        // The body of the last one may still come.
        assert_eq!((&stream["fragments"], &stream["provisional"]), (&0.into(), &1.into()), "{name} {args:?}");
        watched.ends().await;
    }
}

/// One log of each kind that came to rest: in the browser all of it is there, and one record alone is marked.
#[tokio::test(flavor = "multi_thread")]
async fn quiet_logs_of_each_kind_are_on_the_pages_and_only_what_cannot_be_decided_is_marked() {
    let dir = tempfile::tempdir().expect("a directory");
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).expect("made");
    let header =
        |method: &str| format!("[2026-11-20 10:00:00.010][{method}][sip:192.0.2.1:5060][http://192.0.2.50:8080]\n");
    let invite = |call: &str| {
        format!(
            "{}INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}\r\nFrom: <sip:alice@example.com>;tag=1\r\n\
             To: <sip:bob@example.com>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n",
            header("INVITE")
        )
    };
    for (name, text) in [
        ("sip", invite("quiet-sip@a")),
        ("rest", format!("{}GET /v1/users/bob HTTP/1.1\r\nHost: a.example.com\r\n\r\n\n", header("GET"))),
        ("push", format!("{}{{\"to\":\"bob\",\"callId\":\"quiet-push@a\"}}\n", header("PUSH"))),
        ("head", format!("{}HEAD /v1/users/bob HTTP/1.1\r\nHost: a.example.com\r\n\r\n\n", header("HEAD"))),
        ("304", format!("{}HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\n\r\n\n", header("304"))),
        (
            "wrong",
            format!(
                "{}POST /v1/send HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 900000\r\n\r\nAAAA...(truncated)\n\n{}",
                header("POST"),
                invite("quiet-wrong@a")
            ),
        ),
    ] {
        std::fs::write(logs.join(format!("{name}.log")), text).expect("written");
    }
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&logs]);
    let api = siptrail.api().await;
    let browser = Browser::start().await;
    browser.open(&api, "/search?only=all").await;
    eventually("each record is there", || async {
        let messages = api.messages("").await?;
        if messages.len() == 7 { Ok(()) } else { Err(format!("{:#?}", messages.iter().map(marks).collect::<Vec<_>>())) }
    })
    .await;
    let marked: Vec<String> = api.messages("&provisional=true").await.expect("messages").iter().map(marks).collect();
    assert_eq!(marked, ["POST, provisional, length_mismatch"]);
    for call in ["quiet-sip@a", "quiet-wrong@a"] {
        browser.open(&api, &format!("/search?q={}", call.replace('@', "%40"))).await;
        browser.find("ol.scenarios a.sc, #flow ol > li").await;
    }
    browser.open(&api, "/calls/quiet-wrong%40a").await;
    browser.has("#flow ol > li[id^=m] > a.m", 1).await;
    browser.has("#flow a.m.open", 0).await;
    browser.says_nothing_bad(None).await;
    browser.quit().await;
    assert_eq!(siptrail.stop().await, Some(0));
}
