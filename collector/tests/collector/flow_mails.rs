//! The mail of each failure, as it follows from a flow: flow, verdict, alarm, group, text.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use collector::alert::{Draft, Mind, Shares};
use collector::book::Book;
use collector::judging::{Case, judged};
use collector::mail::notice::{About, Mask, Notice, Reader};
use collector::mail::render;
use collector::report::Looking;
use message::event::class_of;
use message::flow::flow;
use message::logged::Message;
use record::id::ScenarioId;
use record::time::{MINUTE, Timestamp};
use rule::routes::Routes;
use rule::set::RuleSet;
use store::alert::{Alarm, Group, Item, ItemState, News};

use crate::arrivals::ROUTES;
use crate::flows::{Fixture, forks, holds, plain, pushes, read_all, requests, script, transfers};

fn book() -> Book {
    let set = RuleSet::built_in();
    let routes = Routes::load("routes.toml", ROUTES, &set.ids()).expect("right");
    Book { set, routes, has_routes: true, env: Vec::new() }
}

fn all() -> Vec<Fixture> {
    let plain = plain::well().into_iter().chain(plain::unsuccessful());
    let forks = forks::well().into_iter().chain(forks::broken());
    let pushes = pushes::well().into_iter().chain(pushes::others()).chain([pushes::twice()]);
    let requests = requests::well().into_iter().chain(requests::others()).chain(requests::registrations());
    plain.chain(forks).chain(pushes).chain(requests).chain(transfers::all()).chain(own()).collect()
}

/// What fails in ways in which none of the others does.
fn own() -> Vec<Fixture> {
    let (way, call) = (["alice", "core", "bob1"], "call=call-a cseq=1 ftag=f");
    let refused = |name: &'static str, status: u16| {
        Fixture::new(name, |script| {
            let sent = plain::invite(script, 0, &way, call);
            script.answer(300, status, &sent, "tag=b");
            script.by_hop(320, "ACK", &sent, "tag=b");
        })
    };
    vec![
        Fixture::new("an INVITE without any answer", |script| drop(script.ask(0, "INVITE", &way, call))),
        refused("refused by 403", 403),
        refused("refused by 488", 488),
        refused("refused by 503", 503),
        Fixture::new("a phone that sleeps is called without a push", |script| {
            let sent = script.ask(0, "INVITE", &way, call);
            script.answer(4, 100, &sent.hop(0), "");
            script.answer(20_000, 480, &sent.hop(0), "tag=p");
            script.by_hop(20_020, "ACK", &sent.hop(0), "tag=p");
        })
        .with_phone("192.0.2.21", "token-1"),
    ]
}

/// Ten minutes after the last message of a flow.
fn later(fixture: &Fixture) -> Timestamp {
    let last = fixture.messages.iter().map(|message| message.time).max().expect("messages");
    Timestamp(last.0 + 10 * MINUTE)
}

/// What failed in it, as it goes to its groups.
fn alarms(book: &Book, fixture: &Fixture, messages: &[Message]) -> Vec<Alarm> {
    let (flow, bindings, read) = (flow(messages), fixture.bindings(), read_all(&fixture.messages));
    let class = messages.iter().map(|message| class_of(&message.facts)).min().expect("messages");
    let now = later(fixture);
    let case = Case {
        class,
        from: None,
        read_to: now,
        flow: &flow,
        messages,
        bindings: &bindings,
        holds: holds(),
        read: &read,
        now,
    };
    judged(book, &case).0.alarms
}

/// The plain text of the mail about one failure.
fn mail(book: &Book, alarm: Alarm, now: Timestamp) -> String {
    let group = Group {
        id: 1,
        key: alarm.group.clone(),
        severity: alarm.severity,
        opened: now,
        changed: now,
        closed: None,
        items: 1,
        mails: 0,
        reported: None,
        state: None,
        lease_until: Timestamp(0),
    };
    let severity = alarm.severity;
    let item = Item {
        scenario: ScenarioId(0x018f_3c7a),
        leg: alarm.item.told.leg.clone(),
        nth: 0,
        at: alarm.at,
        seen: now,
        changed: now,
        reported: None,
        state: ItemState::Failed,
        told: alarm.item,
    };
    let look = Looking {
        group,
        items: vec![item],
        mind: Mind::default(),
        shares: Shares::new(),
        causes: BTreeSet::new(),
        unread: 0,
    };
    let (new, continuing, resolved) = (vec![0], Vec::new(), Vec::new());
    let draft = Draft { first: true, resolved_all: false, severity, new, continuing, resolved };
    let reader = Reader { team: "voice".into(), routes: BTreeSet::from([1]), zone: Tz::UTC, mask: Mask::None };
    let notice = Notice {
        reader,
        base_url: "https://siptrail.example.com".into(),
        domain: "siptrail.example.com".into(),
        env: "prod".into(),
        made: now,
        about: About::Group(Box::new(look.notice(book, &draft))),
    };
    let mail = render(&notice);
    format!("Subject: {}\n\n{}", mail.subject, mail.text)
}

/// Without what is the same in all of them.
fn told(text: &str) -> String {
    let is_same = |line: &str| {
        ["When ", "Group ", "You get this", "scenarios: ", "dedup_key: "].iter().any(|word| line.starts_with(word))
    };
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_same(line)).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    lines.join("\n").trim_end().to_owned()
}

fn named(message: &Message) -> String {
    let what = match message.status.filter(|_| message.facts.response) {
        Some(status) => format!("{status} {}", message.facts.method),
        None => message.facts.method.clone(),
    };
    let name = |address: &str| script::name_of(address).to_owned();
    format!("without {what} {}>{}", name(&message.source), name(&message.destination))
}

/// The first flow that fails in each way, whole or without one message.
fn by_failure(book: &Book) -> BTreeMap<(String, String), (String, String)> {
    let mut first: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    let fixtures = all();
    for whole in [true, false] {
        for fixture in &fixtures {
            let left_out: Vec<Option<&Message>> =
                if whole { vec![None] } else { fixture.messages.iter().map(Some).collect() };
            for left_out in left_out {
                let mut messages = fixture.messages.clone();
                messages.retain(|message| left_out.is_none_or(|left_out| left_out.id != message.id));
                if messages.is_empty() {
                    continue;
                }
                // What another failure explains is named under that one.
                for alarm in alarms(book, fixture, &messages).into_iter().filter(|one| one.news == News::Fresh) {
                    let of = (alarm.group.rule.clone(), alarm.group.failure.clone());
                    let name = [fixture.name.to_owned()].into_iter().chain(left_out.map(named));
                    let name = name.collect::<Vec<_>>().join(", ");
                    first.entry(of).or_insert_with(|| (name, mail(book, alarm, later(fixture))));
                }
            }
        }
    }
    first
}

#[test]
fn each_failure_of_the_shipped_rules_has_a_mail_that_says_what_was_expected_and_what_was_seen() {
    let book = book();
    let mails = by_failure(&book);
    let mut all = String::new();
    for (name, text) in mails.values() {
        all += &format!("--- {name}\n{}\n", told(text));
    }
    insta::assert_snapshot!(all, @"
    --- 3.1 answered, over one proxy, without 200 INVITE core>alice
    Subject: [siptrail prod] CRITICAL answer-lost: a device answered, and the caller never got it

    1 scenario did not end as expected: 1 new.

    Rule    answer-reaches-caller (critical, version 068654): What a device answers
            reaches the caller
    Failed  step told: no 2xx INVITE to caller within 2 s

    NEW
      1  018f3c7a  22:13:26Z  alice -> bob
         B1: nothing until 22:13:26Z
         https://siptrail.example.com/s/018f3c7a#answer-reaches-caller.told.B1
    --- 3.1 answered, over one proxy, without ACK core>bob1
    Subject: [siptrail prod] CRITICAL no-ack: 200 OK was never acknowledged

    1 scenario did not end as expected: 1 new.

    Rule    answered-no-ack (critical, version a8dacb): An answer is acknowledged
            within 64*T1 (RFC 3261 13.3.1.4)
    Failed  step ack: no ACK to device within 32 s

    NEW
      1  018f3c7a  22:13:56Z  alice -> bob
         B1: nothing until 22:13:56Z
         https://siptrail.example.com/s/018f3c7a#answered-no-ack.ack.B1
    --- 3.1 answered, over one proxy, without BYE core>alice
    Subject: [siptrail prod] WARNING bye-not-passed-on: one side hung up, the other was not told

    1 scenario did not end as expected: 1 new.

    Rule    bye-propagates (warning, version 22a91d): BYE is answered and reaches
            the other party
    Failed  step told: no BYE to other-party within 5 s of start

    NEW
      1  018f3c7a  22:13:55Z  alice -> bob
         B1: final answer to BYE after 0.04 s, nothing until 22:13:55Z
         https://siptrail.example.com/s/018f3c7a#bye-propagates.told.B1
    --- 3.1 answered, over one proxy, without 200 BYE alice>core
    Subject: [siptrail prod] WARNING bye-unanswered: BYE was never answered

    1 scenario did not end as expected: 1 new.

    Rule    bye-propagates (warning, version 22a91d): BYE is answered and reaches
            the other party
    Failed  step closed: no 2xx-6xx BYE from other-party within 32 s of told

    NEW
      1  018f3c7a  22:14:22Z  alice -> bob
         B1: final answer to BYE after 0.04 s, nothing until 22:14:22Z
         https://siptrail.example.com/s/018f3c7a#bye-propagates.closed.B1
    --- refused by 488
    Subject: [siptrail prod] WARNING client: request was not accepted

    1 scenario did not end as expected: 1 new.

    Rule    call-completes (warning, version c5b39a): A call is answered or refused
            in time
    Failed  step end: 488 Said

    NEW
      1  018f3c7a  22:13:20Z  alice -> bob
         A: final answer to INVITE after 0.30 s, 488 Said
         https://siptrail.example.com/s/018f3c7a#call-completes.end.A
    --- refused by 403
    Subject: [siptrail prod] WARNING forbidden: request was forbidden

    1 scenario did not end as expected: 1 new.

    Rule    call-completes (warning, version c5b39a): A call is answered or refused
            in time
    Failed  step end: 403 Said

    NEW
      1  018f3c7a  22:13:20Z  alice -> bob
         A: final answer to INVITE after 0.30 s, 403 Said
         https://siptrail.example.com/s/018f3c7a#call-completes.end.A
    --- 3.8 no answer, the caller gives up, without 487 INVITE edge>alice
    Subject: [siptrail prod] WARNING no-final: INVITE got no final answer

    1 scenario did not end as expected: 1 new.

    Rule    call-completes (warning, version c5b39a): A call is answered or refused
            in time
    Failed  step final: no 2xx-6xx INVITE to caller within 200 s of start

    NEW
      1  018f3c7a  22:16:40Z  alice -> bob
         A: ringing answer to INVITE after 0.20 s, nothing until 22:16:40Z
         https://siptrail.example.com/s/018f3c7a#call-completes.final.A
    --- an INVITE without any answer
    Subject: [siptrail prod] WARNING no-response: INVITE got no answer at all

    1 scenario did not end as expected: 1 new.

    Rule    call-completes (warning, version c5b39a): A call is answered or refused
            in time
    Failed  step trying: no 1xx-6xx INVITE to caller within 2 s

    NEW
      1  018f3c7a  22:13:22Z  alice -> bob
         A: nothing until 22:13:22Z
         https://siptrail.example.com/s/018f3c7a#call-completes.trying.A
    --- refused by 503
    Subject: [siptrail prod] WARNING server: a server failed

    1 scenario did not end as expected: 1 new.

    Rule    call-completes (warning, version c5b39a): A call is answered or refused
            in time
    Failed  step end: 503 Said

    NEW
      1  018f3c7a  22:13:20Z  alice -> bob
         A: final answer to INVITE after 0.30 s, 503 Said
         https://siptrail.example.com/s/018f3c7a#call-completes.end.A
    --- 3.10 the device does not respond
    Subject: [siptrail prod] WARNING timeout: request timed out

    1 scenario did not end as expected: 1 new.

    Rule    call-completes (warning, version c5b39a): A call is answered or refused
            in time
    Failed  step end: 408 Said

    NEW
      1  018f3c7a  22:13:52Z  alice -> bob
         A: final answer to INVITE after 32.00 s, 408 Said
         https://siptrail.example.com/s/018f3c7a#call-completes.end.A
    --- a phone that sleeps is called without a push
    Subject: [siptrail prod] WARNING push-missing: INVITE went to a sleeping mobile without a PUSH

    1 scenario did not end as expected: 1 new.

    Rule    invite-without-push (warning, version 84bd2b): A sleeping mobile is
            pushed when it is called
    Failed  step reached: no PUSH to device or 1xx-6xx INVITE from device within 5 s

    NEW
      1  018f3c7a  22:13:25Z  alice -> bob
         B1 ios 7.4.1: nothing until 22:13:25Z
         https://siptrail.example.com/s/018f3c7a#invite-without-push.reached.B1
    --- rings on after the answer
    Subject: [siptrail prod] WARNING still-ringing: a device kept ringing after the call was answered elsewhere

    1 scenario did not end as expected: 1 new.

    Rule    loser-released (warning, version fc24a5): After one answer every other
            device stops ringing
    Failed  step released: no 3xx-6xx INVITE from device within 8 s of answer

    NEW
      1  018f3c7a  22:13:33Z  alice -> bob
         B1: 2xx to INVITE after 5.00 s, nothing until 22:13:33Z
         https://siptrail.example.com/s/018f3c7a#loser-released.released.B1
    --- wakes, and gets no INVITE
    Subject: [siptrail prod] CRITICAL invite-not-sent: device registered but got no INVITE

    1 scenario did not end as expected: 1 new.

    Rule    push-wakes-device (critical, version 9d52cb): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step invite: no INVITE to device within 2 s of bound

    NEW
      1  018f3c7a  22:13:25Z  alice -> bob
         B1 ios 7.4.1: 2xx to REGISTER after 3.00 s, nothing until 22:13:25Z
         https://siptrail.example.com/s/018f3c7a#push-wakes-device.invite.B1
    --- gets the INVITE, and does not ring
    Subject: [siptrail prod] CRITICAL no-ring: device got the INVITE but did not ring

    1 scenario did not end as expected: 1 new.

    Rule    push-wakes-device (critical, version 9d52cb): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step ringing: no 180|183|200-486|488-699 INVITE from device within 5 s
            of invite

    NEW
      1  018f3c7a  22:13:28Z  alice -> bob
         B1 ios 7.4.1: INVITE after 3.02 s, nothing until 22:13:28Z
         https://siptrail.example.com/s/018f3c7a#push-wakes-device.ringing.B1
    --- never wakes
    Subject: [siptrail prod] CRITICAL push-no-wake: device did not wake after PUSH

    1 scenario did not end as expected: 1 new.

    Rule    push-wakes-device (critical, version 9d52cb): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step wake: no REGISTER from device within 10 s of start

    NEW
      1  018f3c7a  22:13:30Z  alice -> bob
         B1 ios 7.4.1: 2xx to PUSH at once, nothing until 22:13:30Z
         https://siptrail.example.com/s/018f3c7a#push-wakes-device.wake.B1
    --- the gateway refuses
    Subject: [siptrail prod] CRITICAL push-rejected: push gateway did not accept the push

    1 scenario did not end as expected: 1 new.

    Rule    push-wakes-device (critical, version 9d52cb): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step accepted: no 2xx PUSH within 3 s

    NEW
      1  018f3c7a  22:13:23Z  alice -> bob
         B1 ios 7.4.1: nothing until 22:13:23Z
         https://siptrail.example.com/s/018f3c7a#push-wakes-device.accepted.B1
    --- wakes, and its REGISTER is not answered
    Subject: [siptrail prod] CRITICAL register-failed: device woke but could not register

    1 scenario did not end as expected: 1 new.

    Rule    push-wakes-device (critical, version 9d52cb): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step bound: no 2xx REGISTER to device within 2 s of wake

    NEW
      1  018f3c7a  22:13:25Z  alice -> bob
         B1 ios 7.4.1: REGISTER after 2.99 s, nothing until 22:13:25Z
         https://siptrail.example.com/s/018f3c7a#push-wakes-device.bound.B1
    --- challenged again and again
    Subject: [siptrail prod] WARNING auth-loop: device is challenged again and again

    1 scenario did not end as expected: 1 new.

    Rule    registration (warning, version 97184c): A device registers within 32 s
            and without an authentication loop
    Failed  step 2: 3rd 401|407 REGISTER to device within 32 s of start

    NEW
      1  018f3c7a  22:13:22Z  bob -> bob
         A: final answer to REGISTER after 3.02 s, 3rd 401|407 REGISTER to device
         within 32 s of start came
         https://siptrail.example.com/s/018f3c7a#registration.2.A
    --- forbidden
    Subject: [siptrail prod] WARNING forbidden: request was forbidden

    1 scenario did not end as expected: 1 new.

    Rule    registration (warning, version 97184c): A device registers within 32 s
            and without an authentication loop
    Failed  step end: 403 Said

    NEW
      1  018f3c7a  22:13:20Z  bob -> bob
         A: final answer to REGISTER after 0.02 s, 403 Said
         https://siptrail.example.com/s/018f3c7a#registration.end.A
    --- no answer
    Subject: [siptrail prod] WARNING register-timeout: REGISTER got no answer

    1 scenario did not end as expected: 1 new.

    Rule    registration (warning, version 97184c): A device registers within 32 s
            and without an authentication loop
    Failed  step final: no 2xx-6xx REGISTER to device within 32 s

    NEW
      1  018f3c7a  22:13:52Z  bob -> bob
         A: nothing until 22:13:52Z
         https://siptrail.example.com/s/018f3c7a#registration.final.A
    --- no answer
    Subject: [siptrail prod] CRITICAL api-timeout: REST request was not answered

    1 scenario did not end as expected: 1 new.

    Rule    rest-answers (critical, version 288011): A REST request answers within 2
            s
    Failed  step answer: no 2xx-5xx GET|POST within 2 s

    NEW
      1  018f3c7a  22:13:22Z  alice -> bob
         A: nothing until 22:13:22Z
         https://siptrail.example.com/s/018f3c7a#rest-answers.answer.A
    --- a server failed
    Subject: [siptrail prod] CRITICAL server: a server failed

    1 scenario did not end as expected: 1 new.

    Rule    rest-answers (critical, version 288011): A REST request answers within 2
            s
    Failed  step end: 500 Said

    NEW
      1  018f3c7a  22:13:20Z  alice -> bob
         A: final answer to GET or POST after 0.10 s, 500 Said
         https://siptrail.example.com/s/018f3c7a#rest-answers.end.A
    --- two answer, the second is hung up, without BYE core>bob2
    Subject: [siptrail prod] WARNING second-answer-kept: two devices stayed connected to one call

    1 scenario did not end as expected: 1 new.

    Rule    second-answer-released (warning, version 82ed66): A second answer is
            hung up at once
    Failed  step bye: no BYE to device within 5 s

    NEW
      1  018f3c7a  22:13:30Z  alice -> bob
         B2: nothing until 22:13:30Z
         https://siptrail.example.com/s/018f3c7a#second-answer-released.bye.B2
    ");
    // Every class that a step of a shipped rule names is there.
    let steps =
        book.set.rules.iter().flat_map(|rule| rule.steps.iter().map(|step| (rule.id.clone(), step.failure.clone())));
    let classes = steps.filter_map(|(rule, class)| Some((rule, class?)));
    let missing: Vec<_> = classes.filter(|of| !mails.contains_key(of)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (_, text) in mails.values() {
        let machines = |line: &str| line.contains("https://") || line.starts_with("scenarios:");
        assert!(text.lines().skip(1).all(|line| machines(line) || line.chars().count() <= 80), "{text}");
        assert!(text.contains("\nscenarios: 018f3c7a\n"), "{text}");
    }
}
