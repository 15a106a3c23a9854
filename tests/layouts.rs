//! Header lines as real software writes them, from the file to the API: what is common and clear is read by default.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Siptrail, Watched, eventually, log};

async fn case(name: &str) -> Watched {
    Watched::start(&log(&format!("layouts/{name}.log"))).await
}

#[tokio::test]
async fn every_common_form_of_time_is_read_and_the_messages_under_others_are_kept() {
    let watched = case("87-time-forms").await;
    let messages = watched
        .holds(&[
            "OPTIONS c87.0@a",
            "OPTIONS c87.1@a",
            "OPTIONS c87.2@a",
            "OPTIONS c87.3@a",
            "OPTIONS c87.4@a",
            "OPTIONS c87.5@a",
            "OPTIONS c87.6@a",
            "OPTIONS c87.7@a, interleave_suspect, orphan_fragment",
            "OPTIONS c87.8@a, interleave_suspect, orphan_fragment",
            "OPTIONS c87.9@a",
            "OPTIONS c87.10@a",
            "OPTIONS c87.11@a",
            "OPTIONS c87.12@a",
            "OPTIONS c87.13@a, interleave_suspect, orphan_fragment",
            "OPTIONS c87.14@a",
            "OPTIONS c87.15@a",
        ])
        .await;
    let time = |nth: usize| messages[nth].json["time"].as_str().unwrap_or_default().to_owned();
    for (nth, expect) in [
        (1, "2026-11-20T09:00:02.004000Z"),
        (2, "2026-11-20T09:00:03.000000Z"),
        (3, "2026-11-20T10:00:04.004000Z"),
        (4, "2026-11-20T09:00:05.123000Z"),
        (5, "2026-11-20T10:00:06.000000Z"),
        (10, "2026-11-20T09:00:11.500000Z"),
        (11, "2026-11-20T10:00:12.123000Z"),
        (14, "2026-11-23T19:50:50.798100Z"),
    ] {
        assert_eq!(time(nth), expect, "{}", messages[nth].json);
    }
    watched.ends().await;
}

#[tokio::test]
async fn a_blank_before_the_offset_is_read() {
    let watched = case("87b-only-blank-offset").await;
    let messages = watched.holds(&["INVITE c87x0@a", "486 c87x0@a"]).await;
    assert_eq!(messages[0].json["time"], "2026-11-20T09:00:02.004000Z");
    watched.ends().await;
}

#[tokio::test]
async fn colour_codes_and_blanks_behind_the_groups_are_of_the_header_line() {
    for (name, call, head_end) in [("92b-ansi-behind", "c92b@a", "]\x1b[0m\n"), ("92c-blank-behind", "c92c@a", "] \n")]
    {
        let watched = case(name).await;
        let expect = ["INVITE", "180", "486", "ACK"].map(|method| format!("{method} {call}"));
        let messages = watched.holds(&expect.each_ref().map(String::as_str)).await;
        for message in &messages {
            let header = message.json["header"].as_str().unwrap_or_default();
            assert!(header.ends_with(head_end.trim_end_matches('\n')) || header.ends_with(head_end), "{header:?}");
            assert_eq!(message.json["destination"].as_str().map(|to| to.ends_with(":5060")), Some(true));
            assert!(
                message.body.starts_with(b"INVITE")
                    || message.body.starts_with(b"SIP/2.0")
                    || message.body.starts_with(b"ACK")
            );
        }
        watched.ends().await;
    }
}

#[tokio::test]
async fn lines_that_are_nearly_header_lines_are_named_with_a_reason_in_the_terminal_on_home_and_in_the_api() {
    let watched = case("87-time-forms").await;
    let by_reason = watched.misread().await;
    assert_eq!(by_reason.len(), 1, "{by_reason:#?}");
    assert_eq!((&by_reason[0]["reason"], &by_reason[0]["lines"]), (&"time".into(), &3.into()), "{by_reason:#?}");
    let example = by_reason[0]["example"].as_str().unwrap_or_default().to_owned();
    let log = std::fs::read(log("layouts/87-time-forms.log")).unwrap();
    let offset = by_reason[0]["offset"].as_u64().unwrap() as usize;
    assert!(!example.is_empty() && log[offset..].starts_with(format!("{example}\n").as_bytes()), "{example}");

    watched.siptrail.says("87-time-forms.log: some lines are not read: their time is in a form").await;
    let home = watched.api.page("/").await.unwrap();
    assert!(home.contains("Lines that are not understood") && home.contains("<b>3 lines</b>: their time"), "{home}");
    assert!(home.contains(&example), "{home}");
    watched.ends().await;
}

/// The whole of a log that is not understood is one fragment, which is not final before a megabyte or its end: it is named
/// all the same. What is counted is what is stored, so that a restart neither forgets nor counts twice.
#[tokio::test]
async fn the_count_of_near_misses_survives_kills_and_becomes_final_with_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("app.log"));
    let line = |nth: u64| format!("[11/20/2026 09:00:{:02}][OPTIONS][sip:192.0.2.1][sip:192.0.2.2]\n", nth % 60);
    let mut written = 0;
    for (round, lines) in [3, 40_000, 5].into_iter().enumerate() {
        let more: String = (0..lines).map(line).collect();
        OpenOptions::new().create(true).append(true).open(&file).unwrap().write_all(more.as_bytes()).unwrap();
        written += lines;
        let siptrail = Siptrail::watch(&data, &[&file]);
        let api = siptrail.api().await;
        eventually("all lines are counted", || async {
            let stream = api.all("streams", "").await?.into_iter().next().ok_or("no stream yet")?;
            let expect = json!([["time", written, 0]]);
            let reasons = stream["near_misses_by_reason"].as_array().cloned().unwrap_or_default();
            let found: Value =
                reasons.iter().map(|miss| json!([miss["reason"], miss["lines"], miss["offset"]])).collect();
            if found == expect && stream["near_misses"] == written { Ok(()) } else { Err(stream.to_string()) }
        })
        .await;
        if round == 0 {
            let home = api.page("/").await.unwrap();
            assert!(home.contains("some are nearly one, see below"), "{home}");
        }
        siptrail.kill_9();
    }
}
