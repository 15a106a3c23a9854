//! What is logged twice: by two ends, or since it was sent twice; and what is logged as one though it was two.

use insta::assert_snapshot;
use message::flow::flow;

use super::draw::drawn;
use super::story::story;

#[test]
fn what_one_source_logs_twice_was_sent_twice() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         501 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         1501 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         1600 core bob1>core 200 INVITE via=c1,a1 tag=b1
         2100 core bob1>core 200 INVITE via=c1,a1 tag=b1"
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob (device B1) 192.0.2.21:5060
    A: sip:bob@example.com Answered, 200 1600 ms, 1 rows
    B1: bob Answered, 200 1599 ms, 2 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         1 ms  B1 #1 10.0.0.2 -> bob: INVITE, x3 over 1500 ms
      1600 ms  B1 #1 bob -> 10.0.0.2: 200 INVITE, x2 over 500 ms
    ");
}

#[test]
fn a_repeat_that_both_ends_log_is_one_repeat() {
    assert_snapshot!(drawn(
        "0 edge edge>core INVITE sip:bob@example.com via=e1,a1
         1 core edge>core INVITE sip:bob@example.com via=e1,a1
         500 edge edge>core INVITE sip:bob@example.com via=e1,a1
         501 core edge>core INVITE sip:bob@example.com via=e1,a1"
    ), @r"
    | 10.0.0.1 (server) 
    | 10.0.0.2 (server) 
    A: sip:bob@example.com Unknown, 10.0.0.2 logs none of its answers, 1 rows
         0 ms  A  #0 10.0.0.1 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart, x2 over 500 ms (1 seen twice)
    ");
}

#[test]
fn a_second_183_with_other_sdp_is_no_repeat() {
    let messages = story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         10 core core>alice 183 INVITE via=a1 tag=b | RSeq: 1
         20 core core>alice 183 INVITE via=a1 tag=b | RSeq: 2
         30 core core>alice 183 INVITE via=a1 tag=b | RSeq: 2",
    );
    let repeats: Vec<_> = flow(&messages).rows.iter().map(|row| row.repeats.len()).collect();
    assert_eq!(repeats, [0, 0, 1]);
}

#[test]
fn an_exchange_in_one_record_is_two_rows_of_one_time() {
    assert_snapshot!(drawn(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         5 core core>api POST body={\"callId\":\"call-a\",\"status\":404}
         6 core core>api GET body={\"callId\":\"call-a\",\"status\":0}
         7 core core>api GET body={\"callId\":\"call-a\"}"
    ), @r"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | api.example.com (outside) REST
    A: sip:bob@example.com Unknown, 10.0.0.2 logs none of its answers, 5 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         5 ms  A  #1 10.0.0.2 -> api.example.com: POST
         5 ms  A  #1 api.example.com -> 10.0.0.2: 404 POST
         6 ms  A  #2 10.0.0.2 -> api.example.com: GET
         7 ms  A  #3 10.0.0.2 -> api.example.com: GET
    ");
}

/// By row: how many other logs of it there are.
#[track_caller]
fn check_sightings(lines: &str, expect: &[usize]) {
    let sightings: Vec<_> = flow(&story(lines)).rows.iter().map(|row| row.sightings.len()).collect();
    assert_eq!(sightings, expect, "{lines}");
}

#[test]
fn a_rest_request_that_both_ends_log_is_known_by_its_id() {
    check_sightings(
        "0 edge edge>core POST body={\"a\":1} | X-Request-ID: r-1 | Host: core
         1 core edge>core POST body={\"a\":~masked~} | x-request-id: r-1 | Host: core | X-Forwarded-For: 10.0.0.1",
        &[1],
    );
    check_sightings(
        "0 edge edge>core POST body={\"a\":1} | X-Request-ID: r-1
         1 core edge>core POST body={\"a\":1} | X-Request-ID: r-2",
        &[0, 0],
    );
    check_sightings(
        "0 edge edge>core PUSH body={\"a\":1} | apns-id: p-1
         1 core edge>core PUSH body={\"a\":1} | apns-id: p-1 | Via: 2 edge",
        &[1],
    );
}

#[test]
fn a_rest_request_without_an_id_is_known_by_its_body() {
    check_sightings(
        "0 edge edge>core POST body={\"a\":1} | Host: core
         1 core edge>core POST body={\"a\":1} | Host: core | X-Forwarded-For: 10.0.0.1",
        &[1],
    );
    check_sightings(
        "0 edge edge>core POST body={\"a\":1} | Host: core
         1 core edge>core POST body={\"a\":2} | Host: core",
        &[0, 0],
    );
}

#[test]
fn logs_more_than_5_s_apart_are_no_sightings() {
    let logged = |later: &str| {
        format!(
            "0 edge edge>core INVITE sip:bob@example.com via=e1,a1
             {later} core edge>core INVITE sip:bob@example.com via=e1,a1"
        )
    };
    check_sightings(&logged("5000"), &[1]);
    check_sightings(&logged("5001"), &[0]);
}

#[test]
fn another_status_or_tag_is_another_message() {
    check_sightings(
        "0 edge core>edge 180 INVITE via=e1,a1 tag=b1
         1 core core>edge 180 INVITE via=e1,a1 tag=b2
         2 core core>edge 183 INVITE via=e1,a1 tag=b1
         3 core core>edge 180 INVITE via=e2,a1 tag=b1",
        &[0, 0, 0, 0],
    );
}
