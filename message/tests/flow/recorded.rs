//! Recorded calls (`tests/logs`), drawn as text.

use std::sync::Arc;

use insta::assert_snapshot;
use message::facts::{Settings, read};
use message::flow::{Flow, NodeKind, Outcome, flow};
use message::kind::{Kind, is_sip_method, status_code};
use message::logged::{Message, Place};
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::span::Flags;
use record::time::Timestamp;
use regex::bytes::Regex;

use super::draw::draw;

/// Records of a log of Kamailio: what stands between its header and the next line of the logger.
fn log(name: &str, stream: i64) -> Vec<Message> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/logs/").to_owned() + name;
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let header = Regex::new(r"(?m)\[(\d+)\.(\d{6})\]\[([^\]\n]+)\]\[([^\]\n]+)\]\[([^\]\n]+)\]\n").unwrap();
    let next = Regex::new(r"(?m)^ *\d+\(\d+\) ").unwrap();
    let place = Arc::new(Place {
        agent: name.into(),
        host: "lab".into(),
        source: name.into(),
        path: name.into(),
        ..Place::default()
    });
    header
        .captures_iter(&text)
        .map(|found| {
            let all = found.get(0).unwrap();
            let field = |n| String::from_utf8(found.get(n).unwrap().as_bytes().to_vec()).unwrap();
            let rest = &text[all.end()..];
            let end = next.find(rest).map_or(rest.len(), |next| next.start());
            let body = rest[..end].strip_suffix(b"\n").unwrap_or(&rest[..end]);
            let (method, source, destination) = (field(3), field(4), field(5));
            let kind = match method.as_str() {
                "PUSH" => Kind::Push,
                method if is_sip_method(method) || status_code(method).is_some() => Kind::Sip,
                _ => Kind::Rest,
            };
            let facts = read(kind, &method, &source, &destination, body, &Settings::default());
            let seconds: i64 = field(1).parse().unwrap();
            Message {
                id: MessageId::new(StreamId(stream), Offset(all.start() as u64)),
                time: Timestamp(seconds * 1_000_000 + field(2).parse::<i64>().unwrap()),
                kind,
                method,
                status: facts.status,
                source,
                destination,
                call: CallKey::of(facts.call_id.as_deref().unwrap_or_default().as_bytes()),
                flags: Flags::default(),
                provisional: false,
                place: place.clone(),
                len: body.len() as u64,
                raw: body.to_vec(),
                head: 0,
                line_end: 0,
                masked: Vec::new(),
                facts,
            }
        })
        .collect()
}

fn call(messages: &[Message], call_id: &str) -> Vec<Message> {
    messages.iter().filter(|message| message.facts.call_id.as_deref() == Some(call_id)).cloned().collect()
}

fn drawn(messages: &[Message]) -> String {
    draw(&flow(messages), messages)
}

fn outcomes(flow: &Flow) -> Vec<(&str, Outcome)> {
    flow.legs.iter().map(|leg| (leg.tag.as_str(), leg.outcome)).collect()
}

#[test]
fn a_call_forked_to_three_devices_is_answered_by_one_and_released_at_two() {
    let messages = call(&log("kamailio.log", 1), "1-16821@127.0.0.1");
    assert_snapshot!(drawn(&messages), @r"
    | alice (device A) Lab Caller
    | 127.0.0.1:5070 (server) lab
    | 127.0.0.1:9070 (outside) REST
    | bob 5081 (device B1) 127.0.0.1:5081
    | bob 5082 (device B2) 127.0.0.1:5082
    | bob 5083 (device B3) 127.0.0.1:5083
    A: sip:bob@127.0.0.1:5070 Answered, rang 4.757 ms, 200 67.965 ms, 10 rows
    B1: bob 5081 Answered, rang 0.897 ms, 200 64.011 ms, 6 rows
    B2: bob 5082 Released, rang 0.917 ms, 487 65.441 ms, 4 rows
    B3: bob 5083 Released, rang 1.095 ms, 487 65.408 ms, 4 rows
         0 ms  A  #0 alice -> 127.0.0.1:5070: INVITE sdp
     3.409 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:9070: GET
     3.409 ms  A  #1 127.0.0.1:9070 -> 127.0.0.1:5070: 200 GET
      -- fork at 127.0.0.1:5070: B1 bob 5081, B2 bob 5082, B3 bob 5083
     3.823 ms  B1 #2 127.0.0.1:5070 -> bob 5081: INVITE sdp
     3.862 ms  B2 #3 127.0.0.1:5070 -> bob 5082: INVITE sdp
     3.894 ms  B3 #4 127.0.0.1:5070 -> bob 5083: INVITE sdp
     4.720 ms  B1 #2 bob 5081 -> 127.0.0.1:5070: 180 INVITE
     4.757 ms  A  #0 127.0.0.1:5070 -> alice: 180 INVITE
     4.779 ms  B2 #3 bob 5082 -> 127.0.0.1:5070: 180 INVITE
     4.785 ms  A  #0 127.0.0.1:5070 -> alice: 180 INVITE
     4.989 ms  B3 #4 bob 5083 -> 127.0.0.1:5070: 180 INVITE
     4.997 ms  A  #0 127.0.0.1:5070 -> alice: 180 INVITE
    67.834 ms  B1 #2 bob 5081 -> 127.0.0.1:5070: 200 INVITE sdp
    67.965 ms  A  #0 127.0.0.1:5070 -> alice: 200 INVITE sdp
    68.148 ms  B2 #3 bob 5082 -> 127.0.0.1:5070: 200 CANCEL
    68.188 ms  A  #5 alice -> 127.0.0.1:5070: ACK
    68.243 ms  B3 #4 bob 5083 -> 127.0.0.1:5070: 200 CANCEL
    68.278 ms  B1 #5 127.0.0.1:5070 -> bob 5081: ACK
    69.302 ms  B3 #4 bob 5083 -> 127.0.0.1:5070: 487 INVITE
    69.303 ms  B2 #3 bob 5082 -> 127.0.0.1:5070: 487 INVITE
    271.841 ms  A  #6 alice -> 127.0.0.1:5070: BYE
    271.988 ms  B1 #7 127.0.0.1:5070 -> bob 5081: BYE
    272.125 ms  B1 #7 bob 5081 -> 127.0.0.1:5070: 200 BYE
    272.158 ms  A  #6 127.0.0.1:5070 -> alice: 200 BYE
    ");
}

#[test]
fn each_of_the_twelve_calls_has_one_winner() {
    let messages = log("kamailio.log", 1);
    let expect =
        [("A", Outcome::Answered), ("B1", Outcome::Answered), ("B2", Outcome::Released), ("B3", Outcome::Released)];
    for number in 1..=12 {
        let flow = flow(&call(&messages, &format!("{number}-16821@127.0.0.1")));
        let mut outcomes = outcomes(&flow);
        outcomes[1..].sort_by_key(|(_, outcome)| *outcome != Outcome::Answered);
        let won: Vec<_> = outcomes.iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(won, expect.map(|(_, outcome)| outcome), "call {number}");
        assert_eq!(flow.forks.len(), 1);
        assert_eq!(flow.nodes.iter().filter(|node| node.kind == NodeKind::Device).count(), 4);
    }
}

#[test]
fn a_call_to_somebody_without_a_device_shows_what_was_logged_and_no_more() {
    let messages = call(&log("kamailio.log", 1), "1-16934@127.0.0.1");
    assert_snapshot!(drawn(&messages), @"
    | alice (device A) 127.0.0.1:5064
    | 127.0.0.1:5070 (server) lab
    | 127.0.0.1:9070 (outside) REST
    | fcm.example.net (outside) push
    A: sip:dave@127.0.0.1:5070 Unknown, 127.0.0.1:5070 logs none of its answers, 3 rows
    B1: dave (fcm) NotInvited, push sent, 1 rows
         0 ms  A  #0 alice -> 127.0.0.1:5070: INVITE
     1.139 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:9070: GET
     1.139 ms  A  #1 127.0.0.1:9070 -> 127.0.0.1:5070: 200 GET
     2.480 ms  B1 #2 127.0.0.1:5070 -> fcm.example.net: PUSH
    ");
}

#[test]
fn what_edge_and_core_both_log_is_one_arrow() {
    let messages: Vec<_> = [log("two-servers/edge.log", 1), log("two-servers/core.log", 2)].concat();
    assert_snapshot!(drawn(&call(&messages, "1-8305@127.0.0.1")), @"
    | alice (device A) Lab Caller
    | 127.0.0.1:5071 (server) lab
    | 127.0.0.1:5070 (server) lab
    | 127.0.0.1:9070 (outside) REST
    | bob 5081 (device B1) 127.0.0.1:5081
    | bob 5082 (device B2) 127.0.0.1:5082
    | bob 5083 (device B3) 127.0.0.1:5083
    A: sip:bob@127.0.0.1:5070 Answered, rang 4.139 ms, 200 68.676 ms, 19 rows
    B1: bob 5081 Answered, rang 1.575 ms, 200 65.943 ms, 6 rows
    B2: bob 5082 Released, rang 1.485 ms, 487 67.247 ms, 4 rows
    B3: bob 5083 Released, rang 1.389 ms, 487 67.359 ms, 4 rows
         0 ms  A  #0 alice -> 127.0.0.1:5071: INVITE sdp
     0.466 ms  A  #1 127.0.0.1:5071 -> 127.0.0.1:5070: INVITE sdp, 2 sightings 0.182 ms apart
     2.152 ms  A  #2 127.0.0.1:5070 -> 127.0.0.1:9070: GET
     2.152 ms  A  #2 127.0.0.1:9070 -> 127.0.0.1:5070: 200 GET
      -- fork at 127.0.0.1:5070: B1 bob 5081, B2 bob 5082, B3 bob 5083
     2.470 ms  B1 #3 127.0.0.1:5070 -> bob 5081: INVITE sdp
     2.519 ms  B2 #4 127.0.0.1:5070 -> bob 5082: INVITE sdp
     2.528 ms  B3 #5 127.0.0.1:5070 -> bob 5083: INVITE sdp
     3.333 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:5071: 100 INVITE
     3.917 ms  B3 #5 bob 5083 -> 127.0.0.1:5070: 180 INVITE
     3.971 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:5071: 180 INVITE, 2 sightings 0.144 ms apart
     4.004 ms  B2 #4 bob 5082 -> 127.0.0.1:5070: 180 INVITE
     4.030 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:5071: 180 INVITE, 2 sightings 0.224 ms apart
     4.045 ms  B1 #3 bob 5081 -> 127.0.0.1:5070: 180 INVITE
     4.059 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:5071: 180 INVITE, 2 sightings 0.295 ms apart
     4.139 ms  A  #0 127.0.0.1:5071 -> alice: 180 INVITE
     4.396 ms  A  #0 127.0.0.1:5071 -> alice: 180 INVITE
     4.436 ms  A  #0 127.0.0.1:5071 -> alice: 180 INVITE
    68.413 ms  B1 #3 bob 5081 -> 127.0.0.1:5070: 200 INVITE sdp
    68.501 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:5071: 200 INVITE sdp, 2 sightings 0.119 ms apart
    68.676 ms  A  #0 127.0.0.1:5071 -> alice: 200 INVITE sdp
    68.696 ms  B2 #4 bob 5082 -> 127.0.0.1:5070: 200 CANCEL
    68.796 ms  B3 #5 bob 5083 -> 127.0.0.1:5070: 200 CANCEL
    68.878 ms  A  #6 alice -> 127.0.0.1:5071: ACK
    69.009 ms  A  #6 127.0.0.1:5071 -> 127.0.0.1:5070: ACK, 2 sightings 0.035 ms apart
    69.099 ms  B1 #6 127.0.0.1:5070 -> bob 5081: ACK
    69.766 ms  B2 #4 bob 5082 -> 127.0.0.1:5070: 487 INVITE
    69.887 ms  B3 #5 bob 5083 -> 127.0.0.1:5070: 487 INVITE
    272.872 ms  A  #7 alice -> 127.0.0.1:5071: BYE
    273.080 ms  A  #8 127.0.0.1:5071 -> 127.0.0.1:5070: BYE, 2 sightings 0.149 ms apart
    273.355 ms  B1 #9 127.0.0.1:5070 -> bob 5081: BYE
    273.503 ms  B1 #9 bob 5081 -> 127.0.0.1:5070: 200 BYE
    273.531 ms  A  #8 127.0.0.1:5070 -> 127.0.0.1:5071: 200 BYE, 2 sightings 0.095 ms apart
    273.672 ms  A  #7 127.0.0.1:5071 -> alice: 200 BYE
    ");
    assert_snapshot!(drawn(&call(&messages, "1-8399@127.0.0.1")), @"
    | alice (device A) 127.0.0.1:5064
    | 127.0.0.1:5071 (server) lab
    | 127.0.0.1:5070 (server) lab
    | 127.0.0.1:9070 (outside) REST
    | fcm.example.net (outside) push
    A: sip:dave@127.0.0.1:5070 Refused(480), 480 3.128 ms, 7 rows
    B1: dave (fcm) NotInvited, push sent, 1 rows
         0 ms  A  #0 alice -> 127.0.0.1:5071: INVITE
     0.459 ms  A  #1 127.0.0.1:5071 -> 127.0.0.1:5070: INVITE, 2 sightings 0.136 ms apart
     1.911 ms  A  #2 127.0.0.1:5070 -> 127.0.0.1:9070: GET
     1.911 ms  A  #2 127.0.0.1:9070 -> 127.0.0.1:5070: 200 GET
     2.765 ms  B1 #3 127.0.0.1:5070 -> fcm.example.net: PUSH
     2.975 ms  A  #1 127.0.0.1:5070 -> 127.0.0.1:5071: 480 INVITE
     3.128 ms  A  #0 127.0.0.1:5071 -> alice: 480 INVITE
     3.322 ms  A  #0 alice -> 127.0.0.1:5071: ACK
    ");
}

#[test]
fn registrations_are_no_calls() {
    let messages = call(&log("kamailio.log", 1), "1-16783@127.0.0.1");
    assert_snapshot!(drawn(&messages), @r"
    | bob (device A) Lab Device 5081
    | 127.0.0.1:5070 (server) lab
    A: sip:bob@127.0.0.1 Unknown, 127.0.0.1:5070 logs none of its answers, 1 rows
         0 ms  A  #0 bob -> 127.0.0.1:5070: REGISTER
    ");
}

/// Everything of a log at once: more than a scenario holds, and still one picture.
#[test]
fn a_whole_log_is_drawn_without_loss() {
    let messages: Vec<_> = [log("two-servers/edge.log", 1), log("two-servers/core.log", 2)].concat();
    let flow = flow(&messages);
    let halves: usize = flow.rows.iter().map(|row| 1 + row.sightings.len() + row.repeats.len()).sum();
    let exchanges = messages.iter().filter(|m| m.facts.result.as_ref().is_some_and(|r| r.status.is_some())).count();
    assert_eq!(halves, messages.len() + exchanges);
    let between = |message: &Message| {
        let ends = [message.source.as_str(), message.destination.as_str()];
        ends.contains(&"sip:127.0.0.1:5070") && ends.contains(&"sip:127.0.0.1:5071")
    };
    for row in flow.rows.iter().filter(|row| between(&messages[row.message])) {
        let own = matches!(messages[row.message].status, Some(100 | 480)) || messages[row.message].method == "ACK";
        assert!(row.sightings.len() == 1 || own, "{}", messages[row.message].id);
    }
}
