//! Clocks of several logs, and which machine writes them.

use super::story::story;
use super::{Flow, flow};

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
    assert!(matches!(core[..], [("10.0.0.2", 38_000..70_000)]), "{core:?}");
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
    assert_eq!(shifts(&flow), [("10.0.0.2", 37_500)]);
}
