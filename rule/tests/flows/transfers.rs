//! RFC 5359: calls that are transferred.

use super::Fixture;
use super::plain::{connects, invite};
use super::script::Script;

const CALL: &str = "call=call-a cseq=1 ftag=f";

fn talk(script: &mut Script) {
    let way = ["alice", "core", "bob1"];
    let sent = invite(script, 0, &way, CALL);
    script.answer(200, 180, &sent, "tag=b");
    connects(script, 4_000, &sent, &way, CALL);
}

/// Alice's new call to carol, as she was asked.
fn follows(script: &mut Script, at: i64, headers: &str) {
    let way = ["alice", "core", "carol"];
    let more = "call=call-c cseq=1 ftag=g to=carol";
    let sent = script.ask_with(at, "INVITE", &way, more, headers);
    script.answer(at + 4, 100, &sent.hop(0), "");
    script.answer(at + 200, 180, &sent, "tag=c");
    script.answer(at + 2_000, 200, &sent, "tag=c contact=<sip:carol@192.0.2.30:5060>");
    script.ask(at + 2_020, "ACK", &way, &format!("{more} tag=c"));
    let bye = script.ask(at + 20_000, "BYE", &way, "call=call-c cseq=2 ftag=g tag=c to=carol");
    script.answer(at + 20_040, 200, &bye, "");
}

fn bob_leaves(script: &mut Script, at: i64) {
    let back = ["bob1", "core", "alice"];
    let bye = script.ask(at, "BYE", &back, "call=call-a cseq=9 from=bob to=alice ftag=b tag=f");
    script.answer(at + 40, 200, &bye, "");
}

pub fn all() -> Vec<Fixture> {
    let back = ["bob1", "core", "alice"];
    let refer = |script: &mut Script, at: i64, to: &str| {
        let more = "call=call-a cseq=8 from=bob to=alice ftag=b tag=f";
        let sent = script.ask_with(at, "REFER", &back, more, &format!(" | Refer-To: {to}"));
        script.answer(at + 20, 202, &sent, "");
    };
    vec![
        Fixture::new("blind transfer", |script| {
            talk(script);
            refer(script, 10_000, "<sip:carol@example.com>");
            follows(script, 10_200, " | Referred-By: <sip:bob@example.com>");
            bob_leaves(script, 10_500);
        }),
        Fixture::new("attended transfer", |script| {
            talk(script);
            let way = ["bob1", "core", "carol"];
            let more = "call=call-d cseq=1 ftag=h from=bob to=carol";
            let sent = invite(script, 8_000, &way, more);
            script.answer(8_200, 180, &sent, "tag=d");
            script.answer(10_000, 200, &sent, "tag=d contact=<sip:carol@192.0.2.30:5060>");
            script.ask(10_020, "ACK", &way, &format!("{more} tag=d"));
            refer(script, 15_000, "<sip:carol@example.com?Replaces=call-d%3Bto-tag%3Dd%3Bfrom-tag%3Dh>");
            follows(script, 15_200, " | Replaces: call-d;to-tag=d;from-tag=h");
            let carol = ["carol", "core", "bob1"];
            let bye = script.ask(17_300, "BYE", &carol, "call=call-d cseq=3 from=carol to=bob ftag=d tag=h");
            script.answer(17_340, 200, &bye, "");
            bob_leaves(script, 17_600);
        }),
    ]
}
