//! Rules as prose: every shipped one, and every construct of the language.

use rule::prose::{explain, explain_watch};
use rule::set::RuleSet;

fn shipped(id: &str) -> String {
    let set = RuleSet::built_in();
    explain(set.rules.iter().find(|rule| rule.id == id).expect("a rule"))
}

#[test]
fn each_shipped_rule_reads_as_prose() {
    insta::assert_snapshot!(shipped("call-completes"), @r#"
    When the caller sends an INVITE outside a dialog, then for that attempt:
    - trying: the caller must get an answer to the INVITE (1xx-6xx) within 2 s, else no-response, "INVITE got no answer at all".
    - ring: the caller may get an answer to the INVITE (180 or 183) within 20 s after the start.
    - final: the caller must get an answer to the INVITE (2xx-6xx) within 200 s after the start, else no-final, "INVITE got no final answer".
    It is over when:
    - the caller gets an answer to the INVITE (408) outside a dialog where it rang, which is normal life (no-answer).
    - the caller gets an answer to the INVITE (2xx-6xx) outside a dialog, and the status says how it ended.
    - a BYE is sent, which is a good end.
    Warning; critical from 20 failures in 10 min on.
    "#);
    insta::assert_snapshot!(shipped("answered-no-ack"), @r#"When a device answers an INVITE (2xx), then on that device's leg: an ACK must reach it within 32 s, else no-ack, "200 OK was never acknowledged". Critical."#);
    insta::assert_snapshot!(shipped("answer-reaches-caller"), @r#"
    When a device answers an INVITE (2xx) outside a dialog, then on that device's leg: the caller must get an answer to the INVITE (2xx) within 2 s, else answer-lost, "a device answered, and the caller never got it".
    It is not judged if:
    - another device answers the INVITE (2xx) before the start.
    - the caller gets an answer to the INVITE (2xx) before the start.
    - the caller gets an answer to the INVITE (3xx-6xx) outside a dialog before the start.
    - the caller sends a CANCEL.
    Critical. A failure explains one of answered-no-ack in the same scenario.
    "#);
    insta::assert_snapshot!(shipped("push-wakes-device"), @r#"
    When a PUSH reaches a mobile (platform ios or android) in a call, then on that device's leg:
    - accepted: the PUSH must be answered (2xx) within 3 s, else push-rejected, "push gateway did not accept the push".
    - wake: the device must send a REGISTER within 10 s after the start, else push-no-wake, "device did not wake after PUSH".
    - bound: the device must get an answer to the REGISTER (2xx) within 2 s after wake, else register-failed, "device woke but could not register".
    - invite: an INVITE must reach the device within 2 s after bound, else invite-not-sent, "device registered but got no INVITE".
    - ringing: the device must answer the INVITE (180, 183, 200-486 or 488-699) within 5 s after invite, else no-ring, "device got the INVITE but did not ring".
    It is not judged if:
    - another device answers the INVITE (2xx).
    - the caller sends a CANCEL, or the caller gets an answer to the INVITE (3xx-6xx).
    - the device answers the INVITE (180, 183 or 2xx-6xx) before wake.
    Critical. A failure explains one of call-completes in the same scenario. A step that comes up to 2 min too late is late, not failed.
    "#);
    insta::assert_snapshot!(shipped("invite-without-push"), @r#"
    When an INVITE reaches a mobile (platform ios or android) where the device has a push token and the device registered more than 1 min ago, then on that device's leg: within 5 s, a PUSH must reach it, or it must answer the INVITE (1xx-6xx), else push-missing, "INVITE went to a sleeping mobile without a PUSH".
    It is not judged if:
    - a PUSH reaches the device before the start.
    - another device answers the INVITE (2xx).
    - the caller sends a CANCEL.
    Warning.
    "#);
    insta::assert_snapshot!(shipped("loser-released"), @r#"
    When an INVITE reaches a device where it rang, then on that device's leg:
    - answer: another device may answer the INVITE (2xx).
    - released: the device must answer the INVITE (3xx-6xx) within 8 s after answer, else still-ringing, "a device kept ringing after the call was answered elsewhere".
    It is not judged if:
    - the device answers the INVITE (2xx).
    - the device answers the INVITE (3xx-6xx) before answer.
    Warning.
    "#);
    insta::assert_snapshot!(shipped("second-answer-released"), @r#"When a device answers an INVITE (2xx) without winning the call, then on that device's leg: a BYE must reach it within 5 s, else second-answer-kept, "two devices stayed connected to one call". Warning."#);
    insta::assert_snapshot!(shipped("bye-propagates"), @r#"
    When the caller sends a BYE, or the callee sends a BYE, then in that dialog:
    - answered: the BYE must be answered (2xx-6xx) within 32 s after the start, else bye-unanswered, "BYE was never answered".
    - told: a BYE must reach the other party within 5 s after the start, else bye-not-passed-on, "one side hung up, the other was not told".
    - closed: the other party must answer the BYE (2xx-6xx) within 32 s after told, else bye-unanswered, "BYE was never answered".
    It is not judged if:
    - a REFER is sent before the start.
    - an INVITE is sent outside a dialog after the start.
    Warning.
    "#);
    insta::assert_snapshot!(shipped("rest-answers"), @r#"
    When a GET or POST is sent, then in that transaction: the GET or POST must be answered (2xx-5xx) within 2 s, else api-timeout, "REST request was not answered".
    It is over when:
    - the GET or POST is answered (404), which is a good end.
    - the GET or POST is answered (2xx-5xx), and the status says how it ended.
    Critical. It is mailed from 10 failures in 5 min or 3 % in 10 min on (a percentage needs at least 50). The same request, sent again within 5 s and answered well, clears a failure. A failure explains one of call-completes in the same scenario.
    "#);
    insta::assert_snapshot!(shipped("registration"), @r#"
    When a device sends a REGISTER with an expiry of more than 0 s, then for that device:
    - final: the device must get an answer to the REGISTER (2xx-6xx) within 32 s, else register-timeout, "REGISTER got no answer".
    - the device must not get a 3rd answer to the REGISTER (401 or 407) within 32 s after the start, else auth-loop, "device is challenged again and again".
    It is over when the device gets an answer to the REGISTER (2xx-6xx), and the status says how it ended.
    Warning. It is mailed from 3 failures in 10 min for one device or 20 failures in 5 min for one sending host on.
    "#);
}

#[test]
fn each_shipped_watch_reads_as_prose() {
    let all: Vec<String> = RuleSet::built_in().watches.iter().map(explain_watch).collect();
    insta::assert_snapshot!(all.join("\n"), @"
    It is counted how often a REGISTER is sent, for one receiving host. An alert is opened at less than 20 % of a week ago in 10 min (a percentage needs at least 30). Critical.
    It is counted how often the caller gets an answer to an INVITE (timeout or server) where it did not ring, as a share of how often the caller sends an INVITE outside a dialog. An alert is opened at 5 % in 5 min (a percentage needs at least 50). Critical.
    It is counted how often the caller gets an answer to an INVITE (no-answer), or the caller gets an answer to an INVITE (408) where it rang. An alert is opened at more than 200 % of a week ago in 30 min (a percentage needs at least 30). Warning.
    It is counted how often an INVITE, BYE or REGISTER is sent as a retransmission, as a share of how often an INVITE, BYE or REGISTER is sent, for one receiving host. An alert is opened at 20 % in 5 min (a percentage needs at least 100). Info.
    ");
}

/// A rule of these lines.
fn told(lines: &str) -> String {
    let text = format!("[[rule]]\nid = \"x\"\ntitle = \"x\"\nseverity = \"info\"\n{lines}\n");
    let own = [("90.toml".to_owned(), format!("{text}[rule.says]\nlost = \"it is lost\""))];
    let set = RuleSet::load(&own).unwrap_or_else(|faults| panic!("{faults:#?}"));
    explain(set.rules.iter().find(|rule| rule.id == "x").expect("the rule"))
}

#[test]
fn every_construct_has_words() {
    let all = [
        r#"per = "scenario"
start = "GET|POST /v1/* from 'app-1' to 'app-2' with header.X-Kind=a|b and json./n>=3"
steps = ["no 2nd 5xx GET /v1/x with transport!=udp within 1d else lost"]
on_silence = "failed"
late_for = "1h""#,
        r#"per = "dialog"
start = "2nd INVITE|UPDATE with initial=no and repeated=no"
steps = ["2xx INVITE before start optional", "a: ACK within 500ms before start else lost", "b: 3rd 2xx INVITE from callee to caller within 2m else lost"]
unless = ["BYE after a"]
end = ["CANCEL as business", "BYE as failed lost"]"#,
        r#"per = "device"
start = "REGISTER from mobile with registered_ago<=5m or PUSH to device with pushable=no and winner=yes and scenario!=call"
steps = ["no BYE or CANCEL from mobile else lost"]
mail_when = "1 in 5m per device or 0.5% in 1h or above 200% of last week in 1h"
min = 30
give_up = "2d"
lateness = "1m""#,
        r#"per = "leg"
start = "busy|5xx INVITE from other-party with app_version<7.4 and repeated=yes and rang=no"
end = ["BYE as failed lost"]"#,
    ];
    let all: Vec<String> = all.iter().map(|lines| told(lines)).collect();
    insta::assert_snapshot!(all.join("\n\n"), @r#"
    When node app-1 sends a GET or POST on paths that begin with /v1/ to node app-2 where the header X-Kind is a or b and the JSON value at /n is at least 3, then in that scenario: the GET on /v1/x must not be answered a 2nd time (5xx) where the transport is not udp within 24 h, else lost, "it is lost". Info. A step that comes up to 1 h too late is late, not failed. What a silent source would have shown counts as missing.

    When a 2nd INVITE or UPDATE is sent within a dialog for the first time, then in that dialog:
    - the INVITE may be answered (2xx) before the start.
    - a: an ACK must be sent in the 500 ms before the start, else lost, "it is lost".
    - b: the caller must get a 3rd answer of the callee to the INVITE (2xx) within 2 min after a, else lost, "it is lost".
    It is not judged if a BYE is sent after a.
    It is over when:
    - a CANCEL is sent, which is normal life.
    - a BYE is sent, which fails as lost, "it is lost".
    Info.

    When a mobile (platform ios or android) sends a REGISTER where the device registered at most 5 min ago, or a PUSH reaches a device and wins the call outside a call where the device has no push token, then for that device: a BYE must not be sent, and it must not send a CANCEL, else lost, "it is lost". Info. It is mailed from 1 failure in 5 min for one device, 0.5 % in 1 h or more than 200 % of a week ago in 1 h on (a percentage needs at least 30). Lines may reach their log 1 min late. After 2 days without an end it is unknown.

    When the other party answers an INVITE (busy or 5xx) as a retransmission where the app version is less than 7.4 and it did not ring, then on that leg it is waited for the end. It is over when a BYE is sent, which fails as lost, "it is lost". Info.
    "#);
}
