//! REFERs: which one a refusal or a NOTIFY is about, and what that says of the call.

use message::flow::{End, Flow, flow};

use super::story::story;

/// Alice talks with bob from second 1.
const TALK: &str = "0 core alice>core INVITE sip:bob@example.com via=a1
    1 core core>bob1 INVITE sip:bob@192.0.2.21 via=c1,a1
    998 core bob1>core 200 INVITE via=c1,a1 tag=b1
    999 core core>alice 200 INVITE via=a1 tag=b1";

const TO_CAROL: &str = "| Refer-To: <sip:carol@example.com>";
const TO_DAVE: &str = "| Refer-To: <sip:dave@example.com>";

fn by_alice(at: u32, what: &str, cseq: u32, more: &str) -> String {
    format!("{at} core alice>core {what} sip:bob@192.0.2.21 via=a{at} tag=b1 cseq={cseq} {more}\n")
}

fn by_bob(at: u32, what: &str, cseq: u32, more: &str) -> String {
    let from = "from=bob to=alice ftag=b1 tag=f";
    format!("{at} core bob1>core {what} sip:alice@192.0.2.10 via=b{at} {from} cseq={cseq} {more}\n")
}

/// What a NOTIFY says; `id` is the CSeq number of a REFER.
fn came_to(status: &str, id: Option<u32>) -> String {
    let id = id.map_or(String::new(), |id| format!(";id={id}"));
    format!("body=SIP/2.0_{status}_Said | Event: refer{id} | Content-Type: message/sipfrag")
}

fn read(lines: &[String]) -> Flow {
    flow(&story(&format!("{TALK}\n{}", lines.concat())))
}

/// Who left whom to whom, and whether the caller's connection ended by that.
fn transfers(flow: &Flow) -> (Vec<String>, bool) {
    let told = flow.course.transfers.iter();
    let told = told.map(|transfer| format!("{}: {} to {}", transfer.by, transfer.whom, transfer.to)).collect();
    (told, matches!(flow.course.callers[0].connected, Some((_, End::Transferred { .. }))))
}

/// Whole seconds from the answer.
fn lasted(flow: &Flow) -> i64 {
    let Some((answered, End::Bye { time, .. })) = flow.course.callers[0].connected else { panic!("{:?}", flow.course) };
    time.micros_since(answered) / 1_000_000
}

/// Alice calls carol herself, long after bob asked her to, and talks with her until second 60.
const LATER: &str = "15000 core alice>core INVITE sip:carol@example.com via=d1 call=call-c to=carol ftag=d
    15900 core core>alice 200 INVITE via=d1 call=call-c to=carol ftag=d tag=x
    60000 core alice>core BYE sip:carol@192.0.2.30 via=d3 call=call-c to=carol ftag=d tag=x cseq=2\n";

#[test]
fn a_refer_that_is_refused_has_no_successor() {
    let asked = by_bob(5_000, "REFER", 1, TO_CAROL);
    let refused = "5010 core core>bob1 603 REFER via=b5000 from=bob to=alice ftag=b1 tag=f cseq=1\n".to_owned();
    let accepted = refused.replace("603", "202");
    let bye = by_bob(20_000, "BYE", 9, "");
    let read = |answer: &str| read(&[asked.clone(), answer.to_owned(), bye.clone(), LATER.to_owned()]);
    assert_eq!(lasted(&read(&accepted)), 59);
    assert_eq!(lasted(&read(&refused)), 19, "what alice does later is a call of her own");
}

#[test]
fn a_refer_that_came_to_nothing_has_no_successor() {
    let asked = [by_bob(5_000, "REFER", 1, TO_CAROL), by_bob(5_500, "REFER", 2, TO_DAVE)];
    let told = [
        by_alice(6_000, "NOTIFY", 2, &came_to("486", Some(1))),
        by_alice(6_500, "NOTIFY", 3, &came_to("603", Some(2))),
    ];
    let bye = by_bob(20_000, "BYE", 9, "");
    let lines = [&asked[..], &told[..], &[bye, LATER.to_owned()]].concat();
    assert_eq!(lasted(&read(&lines)), 19);
    let other = [&asked[..], &told[1..], &[by_bob(20_000, "BYE", 9, ""), LATER.to_owned()]].concat();
    assert_eq!(lasted(&read(&other)), 59, "what came of the other says nothing of the first");
}

#[test]
fn a_notify_is_about_the_refer_that_its_id_names() {
    let asked = [by_alice(5_000, "REFER", 2, TO_CAROL), by_alice(5_500, "REFER", 3, TO_DAVE)];
    let bye = by_alice(20_000, "BYE", 4, "");
    for (carol, dave, expect) in [
        ("200", "486", &["alice: bob to carol"][..]),
        ("486", "200", &["alice: bob to dave"]),
        ("486", "603", &[]),
        ("200", "200", &["alice: bob to carol", "alice: bob to dave"]),
    ] {
        // RFC 3515, 2.4.6: only the first REFER of a dialog may be meant without an id.
        for first in [Some(2), None] {
            for (one, other) in [(6_000, 6_500), (6_500, 6_000)] {
                let told = [
                    by_bob(one, "NOTIFY", one, &came_to(carol, first)),
                    by_bob(other, "NOTIFY", other, &came_to(dave, Some(3))),
                ];
                let flow = read(&[&asked[..], &told[..], std::slice::from_ref(&bye)].concat());
                let expect = (expect.iter().map(ToString::to_string).collect(), !expect.is_empty());
                assert_eq!(transfers(&flow), expect, "carol {carol}, dave {dave}, {first:?}, {one}");
            }
        }
    }
}

#[test]
fn a_notify_without_an_id_is_not_about_a_refer_that_was_refused() {
    let flow = read(&[
        by_alice(5_000, "REFER", 2, TO_CAROL),
        by_alice(5_500, "REFER", 3, TO_DAVE),
        "5510 core core>alice 603 REFER via=a5500 tag=b1 cseq=3\n".to_owned(),
        by_bob(6_000, "NOTIFY", 6_000, &came_to("200", None)),
        by_alice(20_000, "BYE", 4, ""),
    ]);
    assert_eq!(transfers(&flow).0, ["alice: bob to carol"]);
}

/// Each side counts its own requests.
#[test]
fn a_notify_is_about_a_refer_of_the_side_that_gets_it() {
    let flow = read(&[
        by_alice(5_000, "REFER", 2, TO_DAVE),
        by_bob(5_500, "REFER", 2, TO_CAROL),
        by_alice(6_000, "NOTIFY", 3, &came_to("200", Some(2))),
        by_bob(6_500, "NOTIFY", 3, &came_to("486", Some(2))),
        by_bob(20_000, "BYE", 4, ""),
    ]);
    assert_eq!(transfers(&flow), (vec!["bob: alice to carol".to_owned()], false));
}

/// The first was challenged; a NOTIFY is not logged.
#[test]
fn a_refer_that_is_sent_again_is_another() {
    let challenge = "5010 core core>alice 407 REFER via=a5000 tag=b1 cseq=2\n".to_owned();
    let asked = |target: &str| by_alice(5_000, "REFER", 2, target) + &challenge + &by_alice(5_500, "REFER", 3, target);
    let accepted = "5510 core core>alice 202 REFER via=a5500 tag=b1 cseq=3\n".to_owned();
    let bye = by_alice(20_000, "BYE", 4, "");
    let flow = read(&[asked(TO_CAROL), accepted, bye.clone()]);
    assert_eq!(transfers(&flow), (vec!["alice: bob to carol".to_owned()], true));
    // What came of the first is not logged, and alice asked for another.
    let refused = "5510 core core>alice 603 REFER via=a5500 tag=b1 cseq=3\n".to_owned();
    let flow = read(&[by_alice(5_000, "REFER", 2, TO_CAROL), by_alice(5_500, "REFER", 3, TO_DAVE), refused, bye]);
    assert_eq!(transfers(&flow), (vec![], false), "whoever asks anew has not left");
}

/// What Referred-By names need not be to whom the REFER said.
#[test]
fn a_call_that_names_the_call_of_a_refer_is_of_the_one_that_meant_it() {
    let later = LATER.replacen(" ftag=d\n", " ftag=d | Referred-By: <sip:bob@example.com>;cid=call-a\n", 1);
    let bye = by_bob(20_000, "BYE", 9, "");
    let dave = by_bob(5_000, "REFER", 1, TO_DAVE);
    assert_eq!(lasted(&read(&[dave.clone(), bye.clone(), later.clone()])), 59, "it was asked for in the call with bob");
    let carol = by_bob(5_500, "REFER", 2, TO_CAROL)
        + "5510 core core>bob1 603 REFER via=b5500 from=bob to=alice ftag=b1 tag=f cseq=2\n";
    assert_eq!(lasted(&read(&[dave, carol, bye, later])), 19, "alice had declined to call carol");
}
