//! RFC 3665, section 3: calls that are answered, and calls that are not.

use super::Fixture;
use super::script::{Script, Sent};

const CALL: &str = "call=call-a cseq=1 ftag=f";

/// The INVITE with its 100 of each server.
pub fn invite(script: &mut Script, at: i64, way: &[&str], more: &str) -> Sent {
    let sent = script.ask(at, "INVITE", way, more);
    for nth in 0..way.len() - 2 {
        script.answer(at + 2 * nth as i64 + 2, 100, &sent.hop(nth), "");
    }
    sent
}

pub fn connects(script: &mut Script, at: i64, sent: &Sent, way: &[&str], more: &str) {
    script.answer(at, 200, sent, "tag=b contact=<sip:bob@192.0.2.21:5060>");
    script.ask(at + 20, "ACK", way, &format!("{more} tag=b"));
}

pub fn hangs_up(script: &mut Script, at: i64, way: &[&str]) {
    let back: Vec<&str> = way.iter().rev().copied().collect();
    let bye = script.ask(at, "BYE", &back, "call=call-a cseq=7 from=bob to=alice ftag=b tag=f");
    script.answer(at + 40, 200, &bye, "");
}

pub fn well() -> Vec<Fixture> {
    let one = ["alice", "core", "bob1"];
    let two = ["alice", "edge", "core", "bob1"];
    vec![
        Fixture::new("3.1 answered, over one proxy", |script| {
            let sent = invite(script, 0, &one, CALL);
            script.answer(200, 180, &sent, "tag=b");
            connects(script, 4_000, &sent, &one, CALL);
            hangs_up(script, 30_000, &one);
        }),
        Fixture::new("3.2 challenged by each proxy, then answered", |script| {
            let first = script.ask(0, "INVITE", &two[..2], CALL);
            script.answer(5, 407, &first, "tag=p");
            script.by_hop(10, "ACK", &first, "tag=p");
            let more = "call=call-a cseq=2 ftag=f";
            let sent = invite(script, 20, &two, more);
            script.answer(200, 180, &sent, "tag=b");
            connects(script, 4_000, &sent, &two, more);
            hangs_up(script, 30_000, &two);
        }),
    ]
}

/// The others of RFC 3665, 3.
pub fn unsuccessful() -> Vec<Fixture> {
    let two = ["alice", "edge", "core", "bob1"];
    let refused = |name, status: u16, rings: bool| {
        Fixture::new(name, move |script| {
            let sent = invite(script, 0, &two, CALL);
            if rings {
                script.answer(200, 180, &sent, "tag=b");
            }
            script.answer(3_000, status, &sent, "tag=b");
            script.by_hop(3_020, "ACK", &sent, "tag=b");
        })
    };
    vec![
        Fixture::new("3.8 no answer, the caller gives up", |script| {
            let sent = invite(script, 0, &two, CALL);
            script.answer(200, 180, &sent, "tag=b");
            script.by_hop(20_000, "CANCEL", &sent, "");
            script.answer(20_050, 487, &sent, "tag=b");
            script.by_hop(20_080, "ACK", &sent, "tag=b");
        }),
        refused("3.9 busy", 486, false),
        Fixture::new("3.10 the device does not respond", |script| {
            let sent = invite(script, 0, &two, CALL);
            let first = sent.up_to(2);
            script.answer(32_000, 408, &first, "tag=p");
            script.by_hop(32_020, "ACK", &first, "tag=p");
        }),
        refused("3.11 temporarily unavailable", 480, true),
    ]
}
