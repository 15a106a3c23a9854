//! Single sentences of the language, each on one small call.

use std::sync::Arc;

use message::flow::flow;
use message::kind::Kind;
use message::logged::{Message, Place};
use rule::evidence::{Evidence, Read};
use rule::holds::AllHolds;
use rule::judge;

use super::flows::plain::{self, connects, hangs_up, invite};
use super::flows::script::Script;
use super::flows::{Fixture, holds, learn, read_all, requests};
use super::load::rule;
use super::naive;
use super::world::{class, read, shipped_rules, told, verdicts};

const WAY: [&str; 3] = ["alice", "core", "bob1"];
const CALL: &str = "call=call-a cseq=1 ftag=f";

/// Rings at 0.2 s, is answered at 4 s, and the callee hangs up at 30 s.
fn answered() -> Vec<Message> {
    let mut script = Script::default();
    let sent = invite(&mut script, 0, &WAY, CALL);
    script.answer(200, 180, &sent, "tag=b");
    connects(&mut script, 4_000, &sent, &WAY, CALL);
    hangs_up(&mut script, 30_000, &WAY);
    script.messages()
}

/// Rings at 0.2 s, is refused at 3 s.
fn refused(status: u16) -> Vec<Message> {
    let mut script = Script::default();
    let sent = invite(&mut script, 0, &WAY, CALL);
    script.answer(200, 180, &sent, "tag=b");
    script.answer(3_000, status, &sent, "tag=b");
    script.by_hop(3_020, "ACK", &sent, "tag=b");
    script.messages()
}

/// What both judges say of a rule.
fn said(text: &str, messages: &[Message], read: &Read) -> String {
    let (_, defaults) = shipped_rules();
    let rules = [rule(&format!("id = \"r\"\n{text}"), defaults)];
    let flow = flow(messages);
    let evidence = Evidence { flow: &flow, messages, class: class(messages), bindings: &[], holds: holds(), read };
    let verdicts = judge(&rules, defaults, &evidence);
    let plain = naive::judge(&rules, defaults, &evidence, None);
    let outcomes =
        |verdict: &rule::verdict::Verdict| (verdict.start, verdict.outcome, verdict.class.clone(), verdict.step);
    let mut one: Vec<_> = verdicts.iter().map(outcomes).collect();
    let mut other: Vec<_> =
        plain.iter().map(|told| (told.start, told.outcome, told.class.clone(), told.step)).collect();
    one.sort();
    other.sort();
    assert_eq!(one, other, "{text}\n{}", told(&flow, &verdicts));
    told(&flow, &verdicts).trim_end().to_owned()
}

#[track_caller]
fn check(text: &str, messages: &[Message], expect: &str) {
    assert_eq!(said(text, messages, &read_all(messages)), expect, "{text}");
}

const ATTEMPT: &str = "per = \"attempt\"\nstart = \"INVITE from caller with initial=yes\"\n";

#[track_caller]
fn check_attempt(steps: &str, messages: &[Message], expect: &str) {
    check(&format!("{ATTEMPT}{steps}"), messages, expect);
}

/// A machine may write its look-ups into a log of their own: what it logs is known of both together.
#[test]
fn a_log_that_never_holds_sip_makes_a_machine_blind_for_nothing() {
    let split = |messages: &[Message]| -> Vec<Message> {
        let mut messages = messages.to_vec();
        for message in messages.iter_mut().filter(|message| message.kind != Kind::Sip) {
            // Its name comes first.
            message.place = Arc::new(Place { source: "app".to_owned(), ..(*message.place).clone() });
        }
        messages
    };
    let never_acknowledged = Fixture::new("a look-up, and no ACK", |script| {
        let id = "X-Request-ID: look-up";
        script.line(10, "core", &format!("core>api GET | Call-ID: call-a | {id}"));
        script.line(110, "core", &format!("api>core HTTP body=HTTP/1.1_200_Said | {id}"));
        let sent = invite(script, 120, &WAY, CALL);
        script.answer(200, 180, &sent, "tag=b");
        script.answer(4_000, 200, &sent, "tag=b contact=<sip:bob@192.0.2.21:5060>");
        hangs_up(script, 60_000, &WAY);
    });
    let mut known = AllHolds::new();
    for fixture in plain::well().iter().chain(&requests::well()).chain(&requests::others()) {
        learn(&mut known, &split(&fixture.messages));
    }
    let came = |messages: &[Message], holds: &AllHolds| -> Vec<String> {
        let (_, verdicts) = verdicts(messages, &[], holds, &read(messages));
        let line =
            |verdict: &rule::verdict::Verdict| format!("{} {:?} {:?}", verdict.rule, verdict.outcome, verdict.class);
        verdicts.iter().map(line).collect()
    };
    for fixture in requests::others().iter().chain([&never_acknowledged]) {
        let messages = &fixture.messages;
        assert_eq!(came(&split(messages), &known), came(messages, holds()), "{}", fixture.name);
    }
    let failed = came(&split(&never_acknowledged.messages), &known);
    assert!(failed.iter().any(|line| line.starts_with("answered-no-ack Failed")), "{failed:?}");
}

#[test]
fn the_nth_is_counted_from_what_the_step_counts_from() {
    check_attempt(r#"steps = ["2nd INVITE to callee within 40s else x"]"#, &answered(), "r A: failed x [!]");
    check_attempt(r#"steps = ["no 3rd 1xx INVITE to caller within 40s else x"]"#, &answered(), "r A: ok [+]");
    check_attempt(r#"steps = ["no 2nd 1xx INVITE to caller within 40s else x"]"#, &answered(), "r A: failed x [!]");
}

#[test]
fn of_names_for_codes_the_more_exact_entry_wins() {
    let ends = "steps = []\nend = [\"2xx-6xx INVITE to caller\"]";
    for (status, expect) in [
        (486, "r A: business busy []"),
        (488, "r A: failed client []"),
        (480, "r A: business no-answer []"),
        (503, "r A: failed server []"),
        (513, "r A: failed client []"),
        (600, "r A: business busy []"),
        (606, "r A: failed client []"),
        (302, "r A: business redirected []"),
    ] {
        check_attempt(ends, &refused(status), expect);
    }
    check_attempt(r#"steps = ["no busy INVITE to caller within 9s else x"]"#, &refused(486), "r A: failed x [!]");
    check_attempt(r#"steps = ["no client INVITE to caller within 9s else x"]"#, &refused(486), "r A: ok [+]");
}

#[test]
fn an_ending_is_what_it_is_said_to_be_and_the_first_that_fits_counts() {
    check_attempt(
        "steps = []\nend = [\"486 INVITE to caller as ok\", \"2xx-6xx INVITE to caller\"]",
        &refused(486),
        "r A: ok []",
    );
    let named = "steps = []\nend = [\"486 INVITE to caller as business quiet\"]";
    check_attempt(named, &refused(486), "r A: business quiet []");
    check_attempt("steps = []\nend = [\"BYE as failed hung-up\"]", &answered(), "r A: failed hung-up []");
}

#[test]
fn what_was_due_after_the_ending_does_not_count() {
    let due = |time: &str| {
        format!("steps = [\"2xx INVITE to caller within {time} else x\"]\nend = [\"486 INVITE to caller\"]")
    };
    check_attempt(&due("2s"), &refused(486), "r A: failed x [!]");
    check_attempt(&due("4s"), &refused(486), "r A: business busy [-]");
}

#[test]
fn unless_counts_where_it_is_said_to() {
    let unless = |what: &str| {
        format!(
            "steps = [\"answer: 486 INVITE to caller within 2s else x\"]\nlate_for = \"1ms\"\nunless = [\"{what}\"]"
        )
    };
    // The step was due at 2 s.
    check_attempt(&unless("180 INVITE to caller"), &answered(), "");
    check_attempt(&unless("200 INVITE to caller"), &answered(), "r A: failed x [!]");
    check_attempt(&unless("180 INVITE to caller after start"), &answered(), "");
    check_attempt(&unless("180 INVITE to caller before start"), &answered(), "r A: failed x [!]");
    check_attempt(&unless("180 INVITE to caller before answer"), &answered(), "");
    check_attempt(&unless("180 INVITE to caller after answer"), &answered(), "r A: failed x [!]");
}

#[test]
fn before_a_label_looks_back_from_it() {
    let steps = |first: &str| format!("steps = [{first}, \"answer: 2xx INVITE to caller within 9s of start else y\"]");
    check_attempt(&steps("\"180 INVITE to caller before answer else x\""), &answered(), "r A: ok [++]");
    check_attempt(&steps("\"180 INVITE to caller within 3s before answer else x\""), &answered(), "r A: failed x [!+]");
    check_attempt(&steps("\"BYE to caller before answer else x\""), &answered(), "r A: failed x [!+]");
    check_attempt(&steps("\"no BYE to caller before answer else x\""), &answered(), "r A: ok [++]");
    check_attempt(&steps("\"no 180 INVITE to caller before answer else x\""), &answered(), "r A: failed x [!+]");
}

#[test]
fn what_is_forbidden_must_not_be_seen_in_its_time() {
    check_attempt(r#"steps = ["no 2xx INVITE to caller within 3s else x"]"#, &answered(), "r A: ok [+]");
    check_attempt(r#"steps = ["no 2xx INVITE to caller within 5s else x"]"#, &answered(), "r A: failed x [!]");
    let until_end = "steps = [\"no 180 INVITE to caller else x\"]\nend = [\"2xx-6xx INVITE to caller\"]";
    check_attempt(until_end, &answered(), "r A: failed x [!]");
    let never = "steps = [\"no BYE to caller else x\"]\nend = [\"2xx-6xx INVITE to caller\"]";
    check_attempt(never, &answered(), "r A: ok [+]");
}

#[test]
fn what_counts_from_an_optional_step_is_asked_only_if_that_was_seen() {
    let steps = |code: &str| {
        let first = format!("ring: {code} INVITE to caller within 2s optional");
        format!("steps = [\"{first}\", \"x: 486 INVITE to caller within 1s of ring else x\"]\nlate_for = \"1ms\"")
    };
    check_attempt(&steps("180"), &answered(), "r A: failed x [+!]");
    check_attempt(&steps("183"), &answered(), "r A: ok [--]");
}

#[test]
fn what_is_overdue_is_late_and_beyond_its_time_failed() {
    let steps =
        |late_for: &str| format!("steps = [\"2xx INVITE to caller within 1s else x\"]\nlate_for = \"{late_for}\"");
    check_attempt(&steps("5s"), &answered(), "r A: late x +3001 ms [~]");
    check_attempt(&steps("3s"), &answered(), "r A: failed x +3001 ms [~]");
}

#[test]
fn who_waits_for_an_ending_gives_up() {
    let mut script = Script::default();
    let sent = invite(&mut script, 0, &WAY, CALL);
    script.answer(200, 180, &sent, "tag=b");
    connects(&mut script, 4_000, &sent, &WAY, CALL);
    let messages = script.messages();
    let text = format!("{ATTEMPT}steps = []\nend = [\"BYE\"]\n");
    assert_eq!(said(&format!("{text}give_up = \"24h\""), &messages, &read(&messages)), "r A: unknown (GivenUp) []");
    assert_eq!(said(&format!("{text}give_up = \"96h\""), &messages, &read_all(&messages)), "r A: open []");
}

#[test]
fn a_2xx_that_is_repeated_proves_the_missing_ack() {
    let call = |repeats: &[i64]| {
        let mut script = Script::default();
        // No proxy asked to see what follows, so no log on the way would show the ACK.
        let hop = script.ask(0, "INVITE", &["alice", "core"], CALL);
        for at in [4_000].iter().chain(repeats) {
            script.answer(*at, 200, &hop, "tag=b");
        }
        script.messages()
    };
    let text = "per = \"attempt\"\nstart = \"2xx INVITE to caller\"\nsteps = [\"ACK from caller within 32s else x\"]";
    let none = rule_holds_nothing();
    let outcome = |messages: &[Message]| {
        let (_, defaults) = shipped_rules();
        let flow = flow(messages);
        let read = read_all(messages);
        let evidence =
            Evidence { flow: &flow, messages, class: class(messages), bindings: &[], holds: &none, read: &read };
        told(&flow, &judge(&[rule(&format!("id = \"r\"\n{text}"), defaults)], defaults, &evidence))
            .trim_end()
            .to_owned()
    };
    assert!(outcome(&call(&[])).starts_with("r A: unknown"), "{}", outcome(&call(&[])));
    assert_eq!(outcome(&call(&[4_500, 5_500, 7_500])), "r A: failed x [!]");
    // Too soon to prove it.
    assert!(outcome(&call(&[4_100, 4_200])).starts_with("r A: unknown"));
}

fn rule_holds_nothing() -> AllHolds {
    AllHolds::new()
}

#[test]
fn what_one_log_holds_whole_is_not_provisional_whichever_log_that_is() {
    let way = ["alice", "edge", "core", "bob1"];
    let mut script = Script::default();
    let sent = invite(&mut script, 0, &way, CALL);
    connects(&mut script, 4_000, &sent, &way, CALL);
    hangs_up(&mut script, 30_000, &way);
    let messages = script.messages();
    let opened = |logs: &[&str]| {
        let mut messages = messages.clone();
        let of = |message: &Message| logs.contains(&message.place.source.as_str());
        messages.iter_mut().filter(|message| of(message)).for_each(|message| message.provisional = true);
        let rule = "per = \"dialog\"\nstart = \"BYE from '10.0.0.2' to '10.0.0.1'\"\nsteps = []";
        said(rule, &messages, &read_all(&messages))
    };
    let whole = opened(&[]);
    assert!(whole.contains(": ok"), "{whole}");
    assert_eq!(
        [opened(&["edge"]), opened(&["core"]), opened(&["edge", "core"])],
        [whole.clone(), whole, String::new()]
    );
}

#[test]
fn what_is_provisional_meets_a_step_and_neither_ends_nor_forbids() {
    let mut messages = answered();
    for message in messages.iter_mut().filter(|message| message.status == Some(200)) {
        message.provisional = true;
    }
    check_attempt(r#"steps = ["2xx INVITE to caller within 9s else x"]"#, &messages, "r A: ok [+]");
    check_attempt(r#"steps = ["no 2xx INVITE to caller within 9s else x"]"#, &messages, "r A: ok [+]");
    let ends =
        "steps = [\"x: BYE to caller within 40s of start else x\"]\nend = [\"2xx INVITE to caller as failed y\"]";
    assert!(!said(&format!("{ATTEMPT}{ends}"), &messages, &read_all(&messages)).contains("failed y"));
}

#[test]
fn a_challenge_that_was_met_counts_only_where_it_is_written_out() {
    let mut script = Script::default();
    let first = script.ask(0, "INVITE", &WAY[..2], CALL);
    script.answer(5, 407, &first, "tag=p");
    script.by_hop(10, "ACK", &first, "tag=p");
    let more = "call=call-a cseq=2 ftag=f";
    let sent = invite(&mut script, 20, &WAY, more);
    script.answer(3_000, 486, &sent, "tag=b");
    script.by_hop(3_020, "ACK", &sent, "tag=b");
    let messages = script.messages();
    let ends = "steps = []\nend = [\"3xx-6xx INVITE to caller\"]";
    check_attempt(ends, &messages, "r A: business busy []");
    check_attempt(r#"steps = ["no 4xx INVITE to caller within 1s else x"]"#, &messages, "r A: ok [+]");
    check_attempt(r#"steps = ["no challenge INVITE to caller within 1s else x"]"#, &messages, "r A: ok [+]");
    check_attempt(r#"steps = ["no 401|407 INVITE to caller within 1s else x"]"#, &messages, "r A: failed x [!]");
}

/// Nothing came in time of what a log that is read on may yet show, though another log shows the end.
#[test]
fn what_was_due_before_the_ending_is_waited_for() {
    let way = ["alice", "edge", "core", "bob1"];
    let mut script = Script::default();
    let sent = invite(&mut script, 0, &way, CALL);
    script.answer(200, 180, &sent, "tag=b");
    connects(&mut script, 4_000, &sent, &way, CALL);
    hangs_up(&mut script, 30_000, &way);
    let mut messages = script.messages();
    let first = messages.iter().map(|message| message.time).min().unwrap();
    // The edge's log is read to its first line.
    messages.retain(|message| message.place.source != "edge" || message.time == first);
    let mut read = read_all(&messages);
    let text = format!("{ATTEMPT}steps = [\"1xx INVITE to caller within 2s else x\"]\nend = [\"BYE\"]");
    assert_eq!(said(&text, &messages, &read), "r A: failed x [!]");
    for (log, to) in &mut read.to {
        *to = if log.source == "edge" { first } else { *to };
    }
    assert_eq!(said(&text, &messages, &read), "r A: open [?]");
}

#[test]
fn what_the_log_of_a_server_does_not_hold_has_not_come_to_it() {
    let way = ["alice", "edge", "core", "bob1"];
    let mut script = Script::default();
    let sent = invite(&mut script, 0, &way, CALL);
    script.answer(200, 180, &sent, "tag=b");
    let mut messages = script.messages();
    let (_, defaults) = shipped_rules();
    let step = format!("id = \"r\"\n{ATTEMPT}steps = [\"INVITE to '10.0.0.2' within 2s else lost\"]");
    let rules = [rule(&step, defaults)];
    let said = |messages: &[Message]| {
        let (flow, read) = (flow(messages), read_all(messages));
        let class = class(messages);
        let evidence = Evidence { flow: &flow, messages, class, bindings: &[], holds: holds(), read: &read };
        told(&flow, &judge(&rules, defaults, &evidence))
    };
    assert_eq!(said(&messages), "r A: ok [+]\n");
    let arrived = |message: &Message| message.place.source == "core" && message.source == "sip:10.0.0.1:5060";
    messages.retain(|message| !arrived(message));
    assert_eq!(said(&messages), "r A: failed lost [!]\n");
}
