//! Laws of the flow: it does not depend on arrival, nothing is lost or drawn twice, and strangers cannot stall it.

use std::collections::HashMap;

use message::flow::{Flow, Half, flow};
use message::logged::Message;
use proptest::prelude::*;
use record::id::Offset;

use super::draw::draw;
use super::story::story;

/// How often each message stands in the flow, by its half.
fn places(flow: &Flow, count: usize) -> Vec<HashMap<Half, usize>> {
    let mut places = vec![HashMap::new(); count];
    for row in &flow.rows {
        for message in
            std::iter::once(&row.message).chain(&row.sightings).chain(&row.repeats).chain(&row.repeat_sightings)
        {
            *places[*message].entry(row.half).or_default() += 1;
        }
    }
    places
}

fn each_stands_once(messages: &[Message]) -> Flow {
    let flow = flow(messages);
    for (message, place) in messages.iter().zip(places(&flow, messages.len())) {
        let expect = match &message.facts.result {
            None => HashMap::from([(Half::Whole, 1)]),
            Some(result) if result.status.is_none() => HashMap::from([(Half::Request, 1)]),
            Some(_) => HashMap::from([(Half::Request, 1), (Half::Response, 1)]),
        };
        assert_eq!(place, expect, "{}", message.id);
    }
    holds_together(&flow);
    flow
}

/// Every index points at something.
fn holds_together(flow: &Flow) {
    for row in &flow.rows {
        assert!(row.from < flow.nodes.len() && row.to < flow.nodes.len() && row.leg < flow.legs.len());
        assert!(row.pair.is_none_or(|pair| pair < flow.rows.len()));
        assert!(row.cancels.is_none_or(|invite| invite < flow.rows.len()));
    }
    for fork in &flow.forks {
        assert!(fork.before < flow.rows.len() && fork.node < flow.nodes.len() && fork.branches.len() > 1);
        assert!(fork.branches.iter().all(|b| b.leg < flow.legs.len() && b.node < flow.nodes.len()));
    }
    assert_eq!(flow.legs.iter().map(|leg| leg.rows).sum::<usize>(), flow.rows.len());
    assert!(flow.rows.is_sorted_by_key(|row| row.time));
    for leg in &flow.legs {
        assert!(leg.parent.is_none_or(|parent| parent < flow.legs.len()));
    }
    let mut names: Vec<_> = flow.nodes.iter().map(|node| &node.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), flow.nodes.len());
}

/// Records that may or may not belong together: few machines, branches, tags and times, so that they collide.
fn record() -> impl Strategy<Value = String> {
    let log = prop::sample::select(vec!["edge", "core", "agent"]);
    let node = || prop::sample::select(vec!["alice", "edge", "core", "agent", "bob1", "bob2", "bob3"]);
    let what = prop::sample::select(vec![
        "INVITE sip:bob@example.com",
        "INVITE sip:bob@192.0.2.21:5060",
        "INVITE sip:bob@192.0.2.22:5060",
        "INVITE sip:bob@192.0.2.21;pn-prid=tok-1",
        "100 INVITE",
        "180 INVITE",
        "200 INVITE",
        "486 INVITE",
        "487 INVITE",
        "CANCEL sip:bob@example.com",
        "200 CANCEL",
        "ACK sip:bob@example.com",
        "BYE sip:bob@example.com",
        "200 BYE",
        "REGISTER sip:example.com contact=<sip:bob@192.0.2.21;pn-prid=tok-1>",
        "POST body={\"callId\":\"call-a\",\"status\":200}",
        "PUSH body={\"callId\":\"call-a\",\"token\":\"tok-1\",\"status\":410}",
        "PUSH body={\"callId\":\"call-a\",\"to\":\"bob\"}",
    ]);
    let via = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 1..4);
    let call = prop::sample::select(vec!["call-a", "call-b"]);
    let tag = prop::option::of(prop::sample::select(vec!["t1", "t2"]));
    let cseq = 1..3u32;
    (0..40u32, log, node(), node(), what, via, call, tag, cseq).prop_map(
        |(at, log, from, to, what, via, call, tag, cseq)| {
            let tag = tag.map_or(String::new(), |tag| format!(" tag={tag}"));
            format!("{} {log} {from}>{to} {what} via={} call={call} cseq={cseq}{tag}", at * 150, via.join(","))
        },
    )
}

proptest! {
    #[test]
    fn any_order_of_arrival_gives_the_same_picture(
        (lines, order) in prop::collection::vec(record(), 1..40).prop_flat_map(|lines| {
            let order = Just((0..lines.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(lines), order)
        })
    ) {
        let messages = story(&lines.join("\n"));
        let shuffled: Vec<_> = order.iter().map(|index| messages[*index].clone()).collect();
        let (one, other) = (flow(&messages), flow(&shuffled));
        prop_assert_eq!(draw(&one, &messages), draw(&other, &shuffled));
        let ids = |flow: &Flow, messages: &[Message]| {
            flow.rows.iter().map(|row| messages[row.message].id).collect::<Vec<_>>()
        };
        prop_assert_eq!(ids(&one, &messages), ids(&other, &shuffled));
    }

    #[test]
    fn every_message_stands_in_the_picture_once(lines in prop::collection::vec(record(), 0..60)) {
        each_stands_once(&story(&lines.join("\n")));
    }

    #[test]
    fn a_foreign_message_takes_nothing_away(lines in prop::collection::vec(record(), 1..30), foreign in record()) {
        let mut messages = story(&lines.join("\n"));
        let mut foreign = story(&foreign);
        foreign[0].id.offset = Offset(999_999_999);
        messages.extend(foreign);
        each_stands_once(&messages);
    }
}

#[test]
fn vias_that_name_each_other_in_a_circle_do_no_harm() {
    let messages = story(
        "0 core alice>core INVITE sip:bob@example.com via=x,y
         1 core core>bob1 INVITE sip:bob@example.com via=y,x
         2 core core>core INVITE sip:bob@example.com via=z,z",
    );
    each_stands_once(&messages);
}

/// Eight times the messages may take no more than four times as long each: a quadratic step takes eight times.
fn takes_linear_time(line: impl Fn(usize) -> String) {
    let many = |count: usize| story(&(0..count).map(&line).collect::<Vec<_>>().join("\n"));
    let time = |messages: &[Message]| {
        // Of this thread: what else the machine does is no fault of a step.
        let spent = || {
            let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            std::time::Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
        };
        let run = || {
            let at = spent();
            each_stands_once(messages);
            spent().saturating_sub(at)
        };
        run().min(run())
    };
    let (few, all) = (time(&many(500)), time(&many(4_000)));
    // Less than some milliseconds says nothing.
    assert!(all < few.max(std::time::Duration::from_millis(4)) * 32, "{}: {few:?}, {all:?}", line(0));
}

#[test]
fn hostile_messages_take_linear_time() {
    takes_linear_time(|n| format!("{n} core core>bob1 INVITE sip:bob@example.com via=c,a"));
    takes_linear_time(|n| format!("0 core core>bob1 INVITE sip:bob{n}@192.0.2.21 via=c{n},a"));
    takes_linear_time(|n| format!("0 l{n} core>bob1 INVITE sip:bob@192.0.2.21 via=c,a"));
    takes_linear_time(|n| format!("0 core core>bob1 INVITE sip:bob@192.0.2.21 via=c{},c{n}", n + 1));
    takes_linear_time(|n| format!("{n} core sip:h{n}>sip:h{} INVITE sip:bob@192.0.2.{n} via=c{n},a", n + 1));
    takes_linear_time(|n| format!("{n} core core>alice 180 INVITE via=a tag=t{n} call=c{n}"));
    takes_linear_time(|n| format!("{n} core core>fcm PUSH body={{\"callId\":\"call-a\",\"to\":\"bob{n}\"}}"));
    takes_linear_time(|n| format!("{n} core bob1>core REGISTER sip:example.com via=r{n} call=r{n}"));
    takes_linear_time(|n| match n % 3 {
        0 => format!("{n} core core>bob1 INVITE sip:bob@192.0.2.21 via=c{n},a"),
        1 => format!("{n} core core>fcm PUSH body={{\"callId\":\"call-a\",\"to\":\"bob\"}}"),
        _ => {
            format!("{n} core bob1>core REGISTER sip:example.com via=r{n} call=r from=bob contact=<sip:bob@192.0.2.21>")
        }
    });
    takes_linear_time(|n| format!("0 core core>api GET body={{\"callId\":\"call-a\",\"status\":200}} k={n}"));
}
