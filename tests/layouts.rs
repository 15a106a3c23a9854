//! Header lines as real software writes them, from the file to the API: what is common and clear is read by default.

use crate::support::{Watched, log};

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
