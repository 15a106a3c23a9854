//! Clocks by what the calls of one hour measured together.

use message::clock::{Clocks, Measured, hour};
use message::flow::{Flow, flow, flow_by};
use message::learned::Learned;
use message::logged::{Message, Place};
use message::machine::Machine;

use super::story::story as unlearned;

/// Messages of logs whose machines are known.
fn story(lines: &str) -> Vec<Message> {
    let mut messages = unlearned(lines);
    for message in &mut messages {
        // No two calls hold the same record.
        message.id.offset.0 += u64::from(message.call.0[0]) << 32;
        let host = match message.place.source.as_str() {
            "edge" => "10.0.0.1",
            "core" => "10.0.0.2",
            "agent" => "10.0.0.3",
            other => other,
        };
        let machines = vec![Machine { host: host.to_owned(), port: None }];
        let learned = Learned { machines, ..Learned::default() }.into();
        message.place = Place { learned, ..(*message.place).clone() }.into();
    }
    messages
}

/// By log: how its clock was repaired.
fn shifts(flow: &Flow) -> Vec<(&str, i64)> {
    let logs = flow.nodes.iter().filter_map(|node| Some((node.log.as_ref()?.source.as_str(), node.clock_shift)));
    let mut shifts: Vec<_> = logs.filter(|(_, shift)| *shift != 0).collect();
    shifts.sort_unstable();
    shifts
}

/// What these calls measure together.
fn table<'a>(calls: impl IntoIterator<Item = &'a Vec<Message>>) -> Clocks {
    let mut measured = Measured::default();
    for call in calls {
        measured.merge(&flow(call).measured);
    }
    measured.clocks()
}

/// A request from one machine to the next and its answer, as both log it; the clocks of these are off by so many milliseconds,
/// and each way takes one.
fn asked(call: &str, at: i64, from: (&str, i64), to: (&str, i64)) -> String {
    let ((from, off), (to, other)) = (from, to);
    format!(
        "{} {from} {from}>{to} INVITE sip:bob@example.com via={call}1 call={call}
         {} {to} {from}>{to} INVITE sip:bob@example.com via={call}1 call={call}
         {} {to} {to}>{from} 486 INVITE via={call}1 tag=b call={call}
         {} {from} {to}>{from} 486 INVITE via={call}1 tag=b call={call}
         ",
        at + off,
        at + 1 + other,
        at + 2 + other,
        at + 3 + off
    )
}

/// The clock of `core` alone is off.
fn three_machines() -> Vec<Message> {
    let (edge, core, agent) = (("edge", 0), ("core", 400), ("agent", 0));
    story(&format!("{}{}{}", asked("a", 0, edge, core), asked("b", 10, core, agent), asked("c", 20, edge, agent)))
}

fn two_of_them() -> Vec<Message> {
    story(&asked("d", 5000, ("edge", 0), ("core", 400)))
}

#[test]
fn two_calls_over_the_same_machines_blame_the_same_clock() {
    let (three, two) = (three_machines(), two_of_them());
    let table = table([&three, &two]);
    assert_eq!(shifts(&flow_by(&three, &table)), [("core", -400_000)]);
    assert_eq!(shifts(&flow_by(&two, &table)), [("core", -400_000)]);
    assert_eq!(shifts(&flow(&two)), [("edge", 400_000)], "two alone know only that they differ");
}

#[test]
fn a_call_whose_messages_go_one_way_uses_what_others_measured() {
    let one_way = story(
        "0 edge edge>core INVITE sip:bob@example.com via=e1,a1
         420 core edge>core INVITE sip:bob@example.com via=e1,a1",
    );
    let flow = flow_by(&one_way, &table([&three_machines()]));
    assert_eq!(shifts(&flow), [("core", -400_000)]);
    let row = &flow.rows[0];
    assert_eq!(flow.times[row.sightings[0]].micros_since(flow.times[row.message]), 20_000);
}

#[test]
fn a_log_that_only_others_measured_is_repaired_though_it_stands_alone() {
    let alone = story("0 core alice>core INVITE sip:bob@example.com via=a1");
    assert_eq!(shifts(&flow_by(&alone, &table([&three_machines()]))), [("core", -400_000)]);
}

#[test]
fn a_second_copy_of_a_log_has_its_clock() {
    for agent in ["a-copy", "z-copy"] {
        let mut messages = story("0 core alice>core INVITE sip:bob@example.com via=a1");
        let mut copy = messages[0].clone();
        copy.id.stream.0 += 1;
        copy.place = Place { agent: agent.to_owned(), ..(*copy.place).clone() }.into();
        messages.push(copy);
        let flow = flow_by(&messages, &table([&three_machines()]));
        assert_eq!((flow.times[0], flow.rows[0].sightings.len()), (flow.times[1], 1));
        assert_eq!(flow.times[0].micros_since(messages[0].time), -400_000);
    }
}

#[test]
fn a_clock_that_is_right_is_not_wrong_because_its_neighbour_is() {
    // Messages between agent and edge, whose clock is ahead, take so long that nothing impossible is logged.
    let slow = "100 edge edge>agent INVITE sip:bob@example.com via=s1 call=s
         110 agent edge>agent INVITE sip:bob@example.com via=s1 call=s
         120 agent agent>edge 486 INVITE via=s1 tag=b call=s
         210 edge agent>edge 486 INVITE via=s1 tag=b call=s
         ";
    let calls = story(&format!("{}{slow}", asked("a", 0, ("core", 0), ("edge", 40))));
    assert_eq!(shifts(&flow(&calls)), [("edge", -40_000)]);
    assert_eq!(shifts(&flow_by(&calls, &table([&calls]))), [("edge", -40_000)]);
    // Nor where they go one way only.
    let one_way = "100 edge edge>agent INVITE sip:bob@example.com via=s1 call=s
         170 agent edge>agent INVITE sip:bob@example.com via=s1 call=s";
    let wrong = [asked("a", 0, ("core", 0), ("edge", 40)), asked("b", 9, ("edge", 40), ("third", 0))].concat();
    let calls = story(&format!("{wrong}{one_way}"));
    assert_eq!(shifts(&flow(&calls)), [("edge", -40_000)]);
}

#[test]
fn what_a_call_shows_itself_counts_more_than_what_others_measured() {
    // The clock of core was set in this hour: it is another second ahead.
    let later = story(&asked("e", 9000, ("edge", 0), ("core", 1400)));
    let flow = flow_by(&later, &table([&three_machines()]));
    assert_eq!(shifts(&flow), [("core", -1_400_000)]);
    // And one that nobody measured before is measured against those that are known.
    let new = story(&asked("f", 9000, ("core", 400), ("third", 70)));
    assert_eq!(shifts(&flow_by(&new, &table([&three_machines()]))), [("core", -400_000), ("third", -70_000)]);
}

#[test]
fn messages_one_way_move_a_clock_by_the_least_that_all_of_them_allow() {
    let one_way = |call: &str, gap: i64| {
        story(&format!(
            "0 edge edge>core INVITE sip:bob@example.com via={call}1 call={call}
             {gap} core edge>core INVITE sip:bob@example.com via={call}1 call={call}"
        ))
    };
    let calls = [one_way("a", -30), one_way("b", -40), one_way("c", 5)];
    let table = table(&calls);
    for call in &calls {
        assert_eq!(shifts(&flow_by(call, &table)), [("edge", -40_000)]);
    }
}

#[test]
fn one_record_that_was_written_late_moves_no_clock_of_an_hour() {
    let call = |call: &str, late: i64| {
        story(&format!(
            "{late} edge edge>core INVITE sip:bob@example.com via={call}1 call={call}
             1 core edge>core INVITE sip:bob@example.com via={call}1 call={call}
             2 core core>edge 486 INVITE via={call}1 tag=b call={call}
             3 edge core>edge 486 INVITE via={call}1 tag=b call={call}"
        ))
    };
    let mut calls: Vec<_> = (0..20).map(|n| call(&format!("c{n}"), 0)).collect();
    calls.push(call("late", 2));
    let table = table(&calls);
    assert_eq!(shifts(&flow_by(&calls[0], &table)), []);
}

#[test]
fn who_is_only_guessed_to_write_a_log_tells_others_nothing() {
    let lines = "0 edge edge>core INVITE sip:bob@example.com via=a1
         5 core edge>core INVITE sip:bob@example.com via=a1";
    assert!(flow(&unlearned(lines)).measured.is_empty());
    assert!(!flow(&story(lines)).measured.is_empty());
}

#[test]
fn what_was_measured_knows_no_order_and_no_second_time() {
    let calls: Vec<_> = (0..50)
        .map(|n| flow(&story(&asked(&format!("c{n}"), n, ("edge", 0), ("core", 100 + n % 7)))).measured)
        .collect();
    let mut one = Measured::default();
    for call in &calls {
        one.merge(call);
    }
    assert!(!one.is_empty());
    let mut other = one.clone();
    assert!(!calls.iter().any(|call| other.merge(call)), "nothing of that is new");
    assert_eq!(one, other);
    let (mut first, mut second) = (Measured::default(), Measured::default());
    for call in &calls[..20] {
        first.merge(call);
    }
    for call in calls[10..].iter().rev() {
        second.merge(call);
    }
    second.merge(&first);
    assert_eq!(second, one);
}

#[test]
fn a_shift_that_changes_by_noise_stays_as_it_was_told() {
    let measured = |off: i64| table([&story(&asked("a", 0, ("core", 0), ("edge", off)))]);
    let mut told = Clocks::default();
    let again = |told: &mut Clocks, off: i64| {
        told.take(&measured(off)).map(|again| again.into_iter().map(|(_, source)| source).collect::<Vec<_>>())
    };
    assert_eq!(again(&mut told, 0), Some(Vec::new()), "nothing looks different");
    assert_eq!(again(&mut told, 0), None);
    assert_eq!(again(&mut told, 400), Some(vec!["edge".to_owned()]));
    assert_eq!(again(&mut told, 419), None);
    assert_eq!(told.shift("edge-host", "edge"), Some(-400_000));
    assert_eq!(again(&mut told, 421), Some(vec!["edge".to_owned()]));
    assert_eq!(told.shift("edge-host", "edge"), Some(-421_000));
    assert_eq!((told.shift("core-host", "core"), told.shift("edge-host", "another")), (Some(0), None));
}

#[test]
fn the_hour_of_a_call_is_that_in_which_it_began() {
    let hour = |lines: &str| hour(&story(lines));
    let began = hour("0 edge alice>edge INVITE sip:bob@example.com via=a1");
    let lines = "-60000 edge bob1>edge REGISTER sip:example.com via=r1 call=r
         0 edge alice>edge INVITE sip:bob@example.com via=a1
         7200000 edge alice>edge BYE sip:bob@example.com via=a2 tag=b cseq=2";
    assert_eq!((began, hour(lines), hour("")), (472_222, 472_222, 0));
}
