//! The cases, judged with what their logs hold.

use std::path::Path;

use message::logged::Message;
use rule::evidence::Binding;
use rule::holds::AllHolds;

use super::case::case;
use super::flows::{bound, learn};
use super::world::{holds, read, told, verdicts};

pub fn names(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(folder);
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let cases = entries.filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "log"));
    let mut names: Vec<_> = cases.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What was there before a case.
pub fn known(name: &str, messages: &[Message]) -> (Vec<Binding>, AllHolds) {
    match name {
        // The phone had registered an hour before.
        "09-push-never-wakes" => {
            let token = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
            (vec![bound(messages, "bob", token, "App/7.4.1 (iOS)")], holds())
        }
        // Its edge logs requests only.
        "71-edge-requests-only" => {
            let mut own = AllHolds::new();
            learn(&mut own, messages);
            (Vec::new(), own)
        }
        _ => (Vec::new(), holds()),
    }
}

fn judged(folder: &str) -> String {
    let mut all = String::new();
    for name in names(folder) {
        let messages = case(&name);
        let (bindings, holds) = known(&name, &messages);
        let (flow, verdicts) = verdicts(&messages, &bindings, &holds, &read(&messages));
        all.push_str(&format!("{name}\n"));
        for line in told(&flow, &verdicts).lines() {
            all.push_str(&format!("  {line}\n"));
        }
    }
    all
}

#[test]
fn the_shipped_rules_say_of_each_case_what_an_expert_expects() {
    insta::assert_snapshot!(judged("calls"), @r#"
    01-basic
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      bye-propagates B1: ok [+++]
    05-fork-busy-answer
      call-completes A: ok [+++]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B2: ok [+]
      bye-propagates B2: ok [+++]
    06-answered-elsewhere
      call-completes A: ok [+++]
      answered-no-ack B3: ok [+]
      answer-reaches-caller B3: ok [+]
      loser-released B1: ok [++]
      loser-released B2: ok [++]
      bye-propagates B3: ok [+++]
    07-two-2xx
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B1: ok [+]
      answer-reaches-caller B2: ok [+]
      second-answer-released B2: ok [+]
      bye-propagates B1: ok [+++]
      bye-propagates B2: ok [+++]
    08-late-fork-push
      call-completes A: ok [+++]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B2: ok [+]
      push-wakes-device B2: ok [+++++]
      loser-released B1: ok [++]
      bye-propagates B2: ok [+++]
      rest-answers A: ok [+] ×2
      registration B2: ok [++]
    09-push-never-wakes
      call-completes A: business no-answer [+-+]
      push-wakes-device B1: failed push-no-wake [+!---]
      rest-answers A: ok [+]
    10-push-410
      call-completes A: business no-answer [+++]
      push-wakes-device B2: failed push-rejected [!bbbb]
      loser-released B1: ok [b+]
      rest-answers A: ok [+]
    11-rest-403
      call-completes A: failed forbidden [+-+]
      rest-answers A: failed client [+]
    12-rest-timeout
      call-completes A: failed server [+-+]
      rest-answers A: failed api-timeout [!]
    13-dnd
      call-completes A: business declined [+++]
    14-call-waiting
      call-completes A: ok [+++]
      call-completes C: ok [+++]
      answered-no-ack B1: ok [+]
      answered-no-ack C1: ok [+]
      answer-reaches-caller B1: ok [+]
      answer-reaches-caller C1: ok [+]
      bye-propagates B1: ok [+++]
      bye-propagates C1: ok [+++]
    15-blind-transfer
      call-completes A: ok [+++]
      call-completes C: ok [+++]
      answered-no-ack B1: ok [+]
      answered-no-ack C1: ok [+]
      answer-reaches-caller B1: ok [+]
      answer-reaches-caller C1: ok [+]
      bye-propagates B1: ok [+++]
      bye-propagates C1: ok [+++]
    16-attended-transfer
      call-completes A: ok [+++]
      call-completes C: ok [+++]
      call-completes D: ok [+-+]
      answered-no-ack B1: ok [+]
      answered-no-ack C1: ok [+]
      answered-no-ack D1: ok [+]
      answer-reaches-caller B1: ok [+]
      answer-reaches-caller C1: ok [+]
      answer-reaches-caller D1: ok [+]
      bye-propagates B1: ok [+++]
      bye-propagates C1: ok [+++]
      bye-propagates D1: ok [+++]
    17-cf-181
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      bye-propagates B1: ok [+++]
    19-b2bua-xcid
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      bye-propagates A: ok [+++]
    25-deregister
    27-message
    30-glare-491
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      bye-propagates B1: ok [+++]
    32-bye-noanswer
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      bye-propagates B1: failed bye-unanswered [!+!]
    34-failover
      call-completes A: ok [+++]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B2: ok [+]
      bye-propagates B2: ok [+++]
    39-inter-region
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      push-wakes-device B1: ok [+++++]
      bye-propagates B1: ok [+++]
      rest-answers A: ok [+] ×2
      registration B1: ok [++]
    40-no-ack
      call-completes A: ok [+++]
      answered-no-ack B1: failed no-ack [!]
      answer-reaches-caller B1: ok [+]
      bye-propagates B1: ok [+++]
    41-still-ringing
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      loser-released B2: failed still-ringing [+!]
      bye-propagates B1: ok [+++]
    43-answer-lost
      call-completes A: failed server [+++]
      answered-no-ack B1: failed no-ack [!]
      answer-reaches-caller B1: failed answer-lost [!]
    61-b2bua-fork
      call-completes A: ok [+++]
      answered-no-ack B3: ok [+]
      answer-reaches-caller B3: ok [+]
      loser-released B1: ok [++]
      loser-released B2: ok [++]
      bye-propagates A: ok [+++]
    63-push-410-other
      call-completes A: business no-answer [+++]
      push-wakes-device B2: failed push-rejected [!bbbb]
      loser-released B1: ok [b+]
    64-woke-no-response
      call-completes A: business no-answer [+++]
      push-wakes-device B2: failed no-ring [++++!]
      registration B2: ok [++]
    70-answer-not-passed-on
      call-completes A: business cancelled [+++]
      answered-no-ack B1: failed no-ack [!]
      answer-reaches-caller B1: failed answer-lost [!]
    71-edge-requests-only
      call-completes A: ok [bb-]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: unknown (NeverLogged { log: Log { agent: "edge", source: "edge" }, what: "answers to INVITE" }) [b]
      bye-propagates B1: ok [+++]
    75-fork-caller-cancels
      call-completes A: business cancelled [+++]
    82-push-parallel
      call-completes A: ok [+++]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B2: ok [+]
      push-wakes-device B1: failed push-rejected [!bb+!]
      push-wakes-device B2: ok [+bb++]
      bye-propagates B2: ok [+++]
    83-push-exchange
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      push-wakes-device B1: ok [+bb++]
      push-wakes-device B2: failed push-rejected [!bb+!]
      bye-propagates B1: ok [+++]
    84-push-twice-wakes
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      push-wakes-device B1: ok [+++++]
      bye-propagates B1: ok [+++]
      registration B1: ok [++]
    "#);
}

#[test]
fn of_one_log_the_rules_say_what_it_shows() {
    insta::assert_snapshot!(judged("calls-one-log"), @r#"
    39-chunked-json
      call-completes A: business busy [+++]
      rest-answers A: ok [+]
    45-forked-prack
      call-completes A: ok [+++]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B2: ok [+]
      loser-released B1: unknown (NoLog) [+b]
      bye-propagates B2: ok [+++]
    46-two-200
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B1: ok [+]
      answer-reaches-caller B2: ok [+]
      second-answer-released B2: ok [+]
      bye-propagates B1: ok [+++]
      bye-propagates B2: ok [+++]
    49-pickup-replaces
      call-completes A: business cancelled [+++]
      call-completes C: ok [+-+]
      loser-released B1: ok [b+]
    50-nat-cancel
      call-completes A: business cancelled [+++]
    60-callid-reuse
      call-completes A: ok [+-+]
      call-completes A: business busy [+++]
      bye-propagates A: unknown (NoLog) [+bb]
    61-invite-missing
      bye-propagates A: ok [+++]
    66-reason-two-headers
      call-completes A: business cancelled [+++]
    71-b2bua-second-agent
      call-completes A: ok [+-+]
      answered-no-ack B1: ok [+]
      answered-no-ack B2: ok [+]
      answer-reaches-caller B1: ok [+]
      bye-propagates A: ok [+++]
    96-pidf-and-chat
    b2bua
      call-completes A: ok [+++]
      call-completes C: ok [+++]
      answered-no-ack C1: ok [+]
      answer-reaches-caller C1: ok [+]
      bye-propagates A: ok [+++]
      bye-propagates C1: ok [+++]
    chain5
      call-completes A: ok [+++]
      answered-no-ack B1: ok [+]
      answer-reaches-caller B1: ok [+]
      bye-propagates B1: ok [+++]
    from-variants
      call-completes A: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes C: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes D: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes E: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes F: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes G: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes H: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes I: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes J: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes K: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes L: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes M: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes N: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
      call-completes O: unknown (NeverLogged { log: Log { agent: "from-variants", source: "from-variants" }, what: "answers to INVITE" }) [bbb]
    malformed-headers
      call-completes A: unknown (NeverLogged { log: Log { agent: "malformed-headers", source: "malformed-headers" }, what: "answers to INVITE" }) [bbb]
      call-completes C: unknown (NeverLogged { log: Log { agent: "malformed-headers", source: "malformed-headers" }, what: "answers to INVITE" }) [bbb]
      call-completes D: unknown (NeverLogged { log: Log { agent: "malformed-headers", source: "malformed-headers" }, what: "answers to INVITE" }) [bbb]
      call-completes E: unknown (NeverLogged { log: Log { agent: "malformed-headers", source: "malformed-headers" }, what: "answers to INVITE" }) [bbb]
    message-publish
    no-content-length
      call-completes A: ok [+++]
      bye-propagates A: ok [+++]
    response-only
    robust
      call-completes A: unknown (NeverLogged { log: Log { agent: "robust", source: "robust" }, what: "answers to INVITE" }) [bbb]
      call-completes C: unknown (NeverLogged { log: Log { agent: "robust", source: "robust" }, what: "answers to INVITE" }) [bbb]
      call-completes D: unknown (NeverLogged { log: Log { agent: "robust", source: "robust" }, what: "answers to INVITE" }) [bbb]
      call-completes E: unknown (NeverLogged { log: Log { agent: "robust", source: "robust" }, what: "answers to INVITE" }) [bbb]
      call-completes F: unknown (NeverLogged { log: Log { agent: "robust", source: "robust" }, what: "answers to INVITE" }) [bbb]
    same-callid
      call-completes A: ok [+++]
      call-completes C: ok [+++]
      call-completes D: ok [+++]
      bye-propagates A: ok [+++]
      bye-propagates C: ok [+++]
      bye-propagates D: ok [+++]
    step
      call-completes A: ok [+++]
    unanswered-invite
      call-completes A: failed no-response [!-!]
    unknown
      call-completes A: unknown (NeverLogged { log: Log { agent: "unknown", source: "unknown" }, what: "answers to INVITE" }) [++b]
      loser-released B1: unknown (NoLog) [bb]
    unregister
      registration A: ok [++]
    "#);
}
