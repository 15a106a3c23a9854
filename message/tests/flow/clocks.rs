//! Clocks of several logs, and which machine writes them.

use insta::assert_snapshot;
use message::flow::{Flow, flow};
use message::logged::Place;

use super::draw::drawn;
use super::story::story;

fn shifts(flow: &Flow) -> Vec<(&str, i64)> {
    flow.nodes.iter().map(|node| (node.name.as_str(), node.clock_shift)).filter(|(_, shift)| *shift != 0).collect()
}

#[test]
fn a_coarser_logger_is_no_wrong_clock() {
    let flow = flow(&story(
        "0.7 edge edge>core INVITE sip:bob@example.com via=e1,a1
         0 core edge>core INVITE sip:bob@example.com via=e1,a1
         1 core core>edge 100 INVITE via=e1,a1
         1.3 edge core>edge 100 INVITE via=e1,a1",
    ));
    assert_eq!(shifts(&flow), []);
    assert!(flow.rows.iter().all(|row| !row.repaired && row.sightings.len() == 1));
}

#[test]
fn a_logger_of_whole_seconds_is_no_wrong_clock() {
    let flow = flow(&story(
        "1500.7 edge edge>core INVITE sip:bob@example.com via=e1,a1
         1000 core edge>core INVITE sip:bob@example.com via=e1,a1
         1000 core core>edge 100 INVITE via=e1,a1
         1503 edge core>edge 100 INVITE via=e1,a1",
    ));
    assert_eq!(shifts(&flow), []);
}

#[test]
fn the_time_that_an_answer_takes_says_nothing_of_clocks() {
    let flow = flow(&story(
        "0 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -38 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
         4900 core bob1>core 200 INVITE via=c1,e1,a1 tag=b1
         5000 edge core>edge 200 INVITE via=e1,a1 tag=b1
         5001 edge edge>alice 200 INVITE via=a1 tag=b1",
    ));
    let core = shifts(&flow);
    assert!(matches!(core[..], [("10.0.0.1", -70_000..-38_000)]), "{core:?}");
}

#[test]
fn two_logs_of_one_agent_that_hold_the_same_messages_are_of_two_machines() {
    let mut messages = story(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -36 core edge>core INVITE sip:bob@example.com via=e1,a1
         -30 core core>edge 486 INVITE via=e1,a1 tag=c
         8 edge core>edge 486 INVITE via=e1,a1 tag=c
         9 edge edge>alice 486 INVITE via=a1 tag=c",
    );
    for message in &mut messages {
        let mut place = (*message.place).clone();
        place.agent = "lab".to_owned();
        message.place = place.into();
    }
    let places: Vec<_> =
        ["edge", "core"].map(|name| messages.iter().find(|m| m.place.source == name).unwrap().place.clone()).into();
    for message in &mut messages {
        message.place = places.iter().find(|place| place.source == message.place.source).unwrap().clone();
    }
    let flow = flow(&messages);
    let kinds: Vec<_> = flow.nodes.iter().map(|node| (node.name.as_str(), format!("{:?}", node.kind))).collect();
    assert!(kinds.contains(&("10.0.0.2", "Server".to_owned())), "{kinds:?}");
    assert_eq!(shifts(&flow), [("10.0.0.1", -37_500)]);
}

#[test]
fn a_clock_38_ms_behind_is_repaired_on_display_only() {
    let lines = "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -36 core edge>core INVITE sip:bob@example.com via=e1,a1
         -35 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
         20 core bob1>core 180 INVITE via=c1,e1,a1 tag=b1
         21 core core>edge 180 INVITE via=e1,a1 tag=b1
         60 edge core>edge 180 INVITE via=e1,a1 tag=b1
         61 edge edge>alice 180 INVITE via=a1 tag=b1";
    assert_snapshot!(drawn(lines), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server clock -38 ms) 
    | 10.0.0.2 (server) 
    | bob (device B1) 192.0.2.21:5060
    A: sip:bob@example.com Open, rang 61 ms, 4 rows
    B1: bob Open, rang 55 ms, 2 rows
         0 ms* A  #0 alice -> 10.0.0.1: INVITE
         1 ms* A  #1 10.0.0.1 -> 10.0.0.2: INVITE, 2 sightings 1 ms apart
         3 ms  B1 #2 10.0.0.2 -> bob: INVITE
        58 ms  B1 #2 bob -> 10.0.0.2: 180 INVITE
        59 ms  A  #1 10.0.0.2 -> 10.0.0.1: 180 INVITE, 2 sightings 1 ms apart
        61 ms* A  #0 10.0.0.1 -> alice: 180 INVITE
    ");
    let messages = story(lines);
    let drawn = flow(&messages);
    assert!(drawn.rows.iter().any(|row| row.repaired));
    let apart = |message: usize| drawn.times[message].micros_since(messages[message].time);
    assert_eq!(apart(2) - apart(0), 38_000);
}

#[test]
fn clocks_that_show_nothing_impossible_are_left_alone() {
    let messages = story(
        "0 edge edge>core INVITE sip:bob@example.com via=e1,a1
         300 core edge>core INVITE sip:bob@example.com via=e1,a1
         301 core core>edge 100 INVITE via=e1,a1
         302 edge core>edge 100 INVITE via=e1,a1",
    );
    assert!(flow(&messages).rows.iter().all(|row| !row.repaired && row.sightings.len() == 1));
}

#[test]
fn a_response_logged_before_its_request_elsewhere_moves_the_later_source() {
    assert_snapshot!(drawn(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -40 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,e1,a1
         -10 core bob1>core 180 INVITE via=c1,e1,a1 tag=b1"
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.1 (server clock -41 ms) 
    | 10.0.0.2 (server) 
    | bob (device B1) 192.0.2.21:5060
    A: sip:bob@example.com Open, rang 31 ms, 2 rows
    B1: bob Open, rang 30 ms, 2 rows
         0 ms* A  #0 alice -> 10.0.0.1: INVITE
         1 ms* A  #1 10.0.0.1 -> 10.0.0.2: INVITE
         1 ms  B1 #2 10.0.0.2 -> bob: INVITE
        31 ms  B1 #2 bob -> 10.0.0.2: 180 INVITE
    ");
}

#[test]
fn of_one_millisecond_the_cause_stands_first() {
    assert_snapshot!(drawn(
        "0 core core>alice 200 INVITE via=a1 tag=b
         0 core core>alice 180 INVITE via=a1 tag=b
         0 core core>alice 100 INVITE via=a1
         0 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         0 core alice>core INVITE sip:bob@example.com via=a1"
    ), @"
    | alice (device A) 192.0.2.10:5060
    | 10.0.0.2 (server) 
    | bob (device B1 silent) 192.0.2.21:5060
    A: sip:bob@example.com Answered, rang 0 ms, 200 0 ms, 4 rows
    B1: bob Answered, 1 rows
         0 ms  A  #0 alice -> 10.0.0.2: INVITE
         0 ms  A  #0 10.0.0.2 -> alice: 100 INVITE
         0 ms  A  #0 10.0.0.2 -> alice: 180 INVITE
         0 ms  A  #0 10.0.0.2 -> alice: 200 INVITE
         0 ms  B1 #1 10.0.0.2 -> bob: INVITE
    ");
}

/// The ways there and back may take no equal time.
#[test]
fn no_clock_is_moved_so_far_that_a_message_comes_before_it_was_sent() {
    // The clock of core is 370 ms ahead; an INVITE takes 35 ms, and so do its answers.
    let flow = flow(&story(
        "0 edge alice>edge INVITE sip:bob@example.com via=a1
         0 edge edge>core INVITE sip:bob@example.com via=e1,a1
         405 core edge>core INVITE sip:bob@example.com via=e1,a1
         3541 core core>edge 180 INVITE via=e1,a1 tag=b1
         3206 edge core>edge 180 INVITE via=e1,a1 tag=b1
         9365 core core>edge 200 INVITE via=e1,a1 tag=b1
         9030 edge core>edge 200 INVITE via=e1,a1 tag=b1
         9048 edge edge>core ACK sip:bob@192.0.2.21 via=e2,a2 tag=b1
         9420 core edge>core ACK sip:bob@192.0.2.21 via=e2,a2 tag=b1
         40000 edge edge>core BYE sip:bob@192.0.2.21 via=e3,a3 tag=b1 cseq=2
         40372 core edge>core BYE sip:bob@192.0.2.21 via=e3,a3 tag=b1 cseq=2
         40379 core core>edge 200 BYE via=e3,a3 tag=b1 cseq=2
         40011 edge core>edge 200 BYE via=e3,a3 tag=b1 cseq=2",
    ));
    assert_eq!(shifts(&flow), [("10.0.0.1", 370_000)]);
}

#[test]
fn messages_one_way_move_a_clock_by_the_least_that_is_possible() {
    let flow = flow(&story(
        "0.5 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -39 core edge>core INVITE sip:bob@example.com via=e1,a1
         1000 edge edge>core ACK sip:bob@example.com via=e2,a2 tag=b1
         980 core edge>core ACK sip:bob@example.com via=e2,a2 tag=b1
         2000 edge edge>core BYE sip:bob@192.0.2.21 via=e3,a3 tag=b1 cseq=2
         1985 core edge>core BYE sip:bob@192.0.2.21 via=e3,a3 tag=b1 cseq=2",
    ));
    assert_eq!(shifts(&flow), [("10.0.0.1", -40_000)]);
}

#[test]
fn a_whole_millisecond_before_its_cause_is_a_wrong_clock() {
    let flow = flow(&story(
        "0.5 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         0 core edge>core INVITE sip:bob@example.com via=e1,a1",
    ));
    assert_eq!(shifts(&flow), [("10.0.0.1", -1_000)]);
}

#[test]
fn a_second_copy_of_a_log_moves_no_other_clock() {
    let lines = "0 edge alice>edge INVITE sip:bob@example.com via=a1
         1 edge edge>core INVITE sip:bob@example.com via=e1,a1
         -36 core edge>core INVITE sip:bob@example.com via=e1,a1
         -30 core core>edge 486 INVITE via=e1,a1 tag=c
         8 edge core>edge 486 INVITE via=e1,a1 tag=c
         9 edge edge>alice 486 INVITE via=a1 tag=c";
    let mut messages = story(lines);
    let before = flow(&messages);
    let mut copy: Vec<_> = story(lines).into_iter().filter(|message| message.place.source == "edge").collect();
    for message in &mut copy {
        message.id.stream.0 += 1;
        message.place = Place { agent: "other".to_owned(), ..(*message.place).clone() }.into();
    }
    messages.extend(copy);
    assert_eq!(shifts(&flow(&messages)), shifts(&before));
}

#[test]
fn an_ack_is_received_before_it_is_passed_on() {
    let messages = story(
        "0 core alice>core INVITE sip:bob@example.com via=a1
         1 core core>bob1 INVITE sip:bob@192.0.2.21:5060 via=c1,a1
         2 core bob1>core 200 INVITE via=c1,a1 tag=b1
         3 core core>alice 200 INVITE via=a1 tag=b1
         4 core core>bob1 ACK sip:bob@192.0.2.21:5060 via=c2,a2 tag=b1
         4 core alice>core ACK sip:bob@192.0.2.21:5060 via=a2 tag=b1",
    );
    let rows = flow(&messages).rows;
    assert_eq!((rows[4].message, rows[5].message), (5, 4));
}

#[test]
fn after_a_rotation_messages_of_one_time_keep_their_order() {
    let order = |stream: i64| {
        let mut messages = story(
            "0 edge alice>edge INVITE sip:bob@example.com via=a1
             1 edge alice>edge BYE sip:bob@192.0.2.21 via=a3 tag=b1 cseq=2
             1 core bob1>core BYE sip:alice@192.0.2.10 via=b3 from=bob to=alice ftag=b1 tag=f cseq=2",
        );
        messages[1].id.stream.0 = stream;
        flow(&messages).rows.iter().map(|row| row.message).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1_000_000));
}
