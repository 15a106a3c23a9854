//! What the guide promises of its examples: each rule of `docs/rules.md` is judged on small calls.

use message::logged::Message;
use rule::evidence::{Binding, Evidence};
use rule::judge;
use rule::set::RuleSet;
use rule::syntax::{Defaults, Rule};

use message::flow::flow;

use super::flows::plain::{connects, hangs_up, invite};
use super::flows::{Fixture, forks, holds, plain, pushes, read_all, requests, transfers};
use super::world::{class, told};

const GUIDE: &str = include_str!("../../../docs/rules.md");
const WAY: [&str; 3] = ["alice", "core", "bob1"];
const CALL: &str = "call=call-a cseq=1 ftag=f";

/// The text of the example that holds this rule.
fn example(id: &str) -> &'static str {
    let mut examples = GUIDE.split("```toml rule\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    examples.find(|text| text.contains(&format!("= \"{id}\""))).unwrap()
}

fn read(id: &str, text: &str) -> (Rule, Defaults) {
    let set =
        RuleSet::load(&[("90-own.toml".to_owned(), text.to_owned())]).unwrap_or_else(|faults| panic!("{faults:?}"));
    (set.rules.into_iter().find(|rule| rule.id == id).unwrap(), set.defaults)
}

fn said(rule: &(Rule, Defaults), messages: &[Message], bindings: &[Binding]) -> String {
    let (flow, read) = (flow(messages), read_all(messages));
    let evidence = Evidence { flow: &flow, messages, class: class(messages), bindings, holds: holds(), read: &read };
    told(&flow, &judge(std::slice::from_ref(&rule.0), &rule.1, &evidence))
}

/// What an example says of each of these, as a table.
fn table(id: &str, fixtures: &[Fixture]) -> String {
    let rule = read(id, example(id));
    let line = |fixture: &Fixture| {
        let said = said(&rule, &fixture.messages, &fixture.bindings()).replace(&format!("{id} "), "");
        let said: Vec<&str> = said.lines().collect();
        format!("{}: {}\n", fixture.name, if said.is_empty() { "nothing".to_owned() } else { said.join(", ") })
    };
    fixtures.iter().map(line).collect()
}

/// Rings, is answered at 4 s and hung up at 30 s; with or without an ACK.
fn answered(name: &'static str, acked: bool) -> Fixture {
    Fixture::new(name, |script| {
        let sent = invite(script, 0, &WAY, CALL);
        script.answer(200, 180, &sent, "tag=b");
        if acked {
            connects(script, 4_000, &sent, &WAY, CALL);
            hangs_up(script, 30_000, &WAY);
        } else {
            script.answer(4_000, 200, &sent, "tag=b contact=<sip:bob@192.0.2.21:5060>");
        }
    })
}

/// Rings or not, and ends with this status 3 s later.
fn refused(name: &'static str, status: u16, rings: bool) -> Fixture {
    Fixture::new(name, |script| {
        let sent = invite(script, 0, &WAY, CALL);
        if rings {
            script.answer(200, 180, &sent, "tag=b");
        }
        script.answer(3_000, status, &sent, "tag=b");
        script.by_hop(3_020, "ACK", &sent, "tag=b");
    })
}

/// The caller gives up after 5 s.
fn given_up(name: &'static str) -> Fixture {
    Fixture::new(name, |script| {
        let sent = invite(script, 0, &WAY, CALL);
        script.by_hop(5_000, "CANCEL", &sent, "");
        script.answer(5_050, 487, &sent, "tag=b");
        script.by_hop(5_080, "ACK", &sent, "tag=b");
    })
}

#[test]
fn the_first_rule_judges_each_phone_that_answers() {
    let two = forks::broken().into_iter().find(|fixture| fixture.name.starts_with("two answer")).unwrap();
    let fixtures =
        [answered("acknowledged", true), answered("not acknowledged", false), refused("busy", 486, true), two];
    insta::assert_snapshot!(table("my-first-rule", &fixtures), @"
    acknowledged: B1: ok [+]
    not acknowledged: B1: failed no-ack [!]
    busy: nothing
    two answer, the second is hung up: B1: ok [+], B2: ok [+]
    ");
}

#[test]
fn the_push_of_the_guide_names_what_did_not_come() {
    let fixtures: Vec<Fixture> = pushes::well().into_iter().chain(pushes::others()).chain([pushes::twice()]).collect();
    insta::assert_snapshot!(table("my-push", &fixtures), @"
    wakes, rings and answers: B1: ok [++?++]
    wakes late: B1: late push-no-wake +3991 ms [+~?++]
    never wakes: B1: failed push-no-wake [+!--+]
    registered just before, and never wakes: B1: failed push-no-wake [+!--+]
    the gateway refuses: B1: failed push-rejected [!!--+]
    the gateway does not answer: B1: failed push-rejected [!!--+]
    wakes, and its REGISTER is not answered: B1: failed no-ring [++?!+]
    wakes, and gets no INVITE: B1: failed no-ring [++?!+]
    gets the INVITE, and does not ring: B1: failed no-ring [++?!+]
    answered elsewhere before it woke: B2: failed no-ring [++?!+]
    the caller gave up before it woke: B1: failed push-no-wake [+!--+]
    pushed twice: B1: failed pushed-twice [++?+!]
    ");
}

#[test]
fn the_call_of_the_guide_ends_as_it_says() {
    let fixtures = [
        answered("answered", true),
        refused("busy", 486, true),
        refused("408 after ringing", 408, true),
        refused("408 without ringing", 408, false),
        refused("503", 503, false),
        given_up("the caller gives up"),
        Fixture::new("rings for ever", |script| {
            let sent = invite(script, 0, &WAY, CALL);
            script.answer(200, 180, &sent, "tag=b");
        }),
        transfers::all().remove(0),
        transferred_in_vain(),
    ];
    insta::assert_snapshot!(table("my-call", &fixtures), @"
    answered: A: ok [+]
    busy: A: business busy [+]
    408 after ringing: A: business no-answer [+]
    408 without ringing: A: failed timeout [+]
    503: A: failed overload [+]
    the caller gives up: A: ok [-]
    rings for ever: A: failed no-final [!]
    blind transfer: A: ok [+], C: ok [+]
    transferred, and nobody answers: A: ok [+]
    ");
}

/// Bob had asked alice to call carol, and that call never ends: it is none of those that the rule is about.
fn transferred_in_vain() -> Fixture {
    let mut fixture = transfers::all().remove(0);
    fixture.name = "transferred, and nobody answers";
    let is_end = |message: &Message| message.status >= Some(200) || matches!(&*message.method, "ACK" | "BYE");
    fixture.messages.retain(|message| message.facts.call_id.as_deref() != Some("call-c") || !is_end(message));
    fixture
}

/// Each request: when, and what it gets after how long.
fn asked(name: &'static str, path: &str, asked: &[(i64, Option<(i64, u16)>)]) -> Fixture {
    Fixture::new(name, |script| {
        let url = format!("https://api.example.com{path}");
        for (at, answer) in asked {
            script.line(*at, "core", &format!("core>{url} GET"));
            if let Some((after, status)) = answer {
                script.line(at + after, "core", &format!("{url}>core HTTP body=HTTP/1.1_{status}_Said"));
            }
        }
    })
}

#[test]
fn the_routing_service_of_the_guide_is_asked_for_its_time() {
    let route = "/v1/route/bob?from=alice";
    let fixtures = [
        asked("in time", route, &[(0, Some((100, 200)))]),
        asked("slow", route, &[(0, Some((900, 200)))]),
        asked("no answer", route, &[(0, None)]),
        asked("not found", route, &[(0, Some((100, 404)))]),
        asked("a server failed", route, &[(0, Some((100, 500)))]),
        asked("asked again, and well", route, &[(0, Some((100, 500))), (2_000, Some((100, 200)))]),
        asked("asked again too late", route, &[(0, Some((100, 500))), (7_000, Some((100, 200)))]),
        asked("another service", "/v1/numbers", &[(0, None)]),
    ];
    insta::assert_snapshot!(table("my-routing", &fixtures), @"
    in time: A: ok [+]
    slow: A: late slow-routing +400 ms [~]
    no answer: A: failed slow-routing [!]
    not found: A: ok [+]
    a server failed: A: failed server [+]
    asked again, and well: A: ok [+] ×2
    asked again too late: A: failed server [+], A: ok [+]
    another service: nothing
    ");
    let (rule, _) = read("my-routing", example("my-routing"));
    let keys = (rule.mail_when.len(), rule.critical_when.len(), rule.min, rule.explains.join(" "));
    assert_eq!(keys, (2, 1, 50, "call-completes".to_owned()));
}

#[test]
fn the_watch_of_the_guide_judges_nothing() {
    let set = RuleSet::load(&[("90-own.toml".to_owned(), example("my-errors").to_owned())]).unwrap();
    assert!(set.watches.iter().any(|watch| watch.id == "my-errors"));
    assert!(set.rules.iter().all(|rule| rule.id != "my-errors"));
}

/// A sentence of the guide: the caller hangs up after 5 s, so that "rings within 10 s" is not asked for.
#[test]
fn what_is_due_after_an_ending_is_not_asked_for() {
    let text = example("my-first-rule")
        .replace("per      = \"leg\"", "per      = \"attempt\"\nend      = [\"CANCEL from caller as ok\"]")
        .replace("2xx INVITE from device", "INVITE from caller")
        .replace("ack: ACK to device within 32s", "ack: 180 INVITE to caller within 10s");
    let rule = read("my-first-rule", &text);
    let silent = Fixture::new("", |script| {
        invite(script, 0, &WAY, CALL);
    });
    let says = [given_up(""), silent].map(|fixture| said(&rule, &fixture.messages, &[]));
    assert_eq!(says, ["my-first-rule A: ok [-]\n", "my-first-rule A: failed no-ack [!]\n"]);
}

/// The messages that a pattern of the guide opens an instance with.
fn opens(pattern: &str, fixture: &Fixture) -> Vec<String> {
    let per = if pattern.contains("device") { "leg" } else { "transaction" };
    let text = example("my-first-rule")
        .replace("per      = \"leg\"", &format!("per      = \"{per}\""))
        .replace("2xx INVITE from device", pattern)
        .replace("ack: ACK to device within 32s", "ack: ACK within 32s");
    let (rule, defaults) = read("my-first-rule", &text);
    let (messages, bindings) = (&fixture.messages, fixture.bindings());
    let (flow, read) = (flow(messages), read_all(messages));
    let class = class(messages);
    let evidence = Evidence { flow: &flow, messages, class, bindings: &bindings, holds: holds(), read: &read };
    let verdicts = judge(&[rule], &defaults, &evidence);
    let what = |verdict: &rule::verdict::Verdict| {
        let message = &messages[flow.rows[verdict.start].message];
        let status = message.status.filter(|_| message.facts.response).map(|status| format!("{status} "));
        format!("{}{}", status.unwrap_or_default(), message.facts.method)
    };
    let mut opened: Vec<String> = verdicts.iter().map(what).collect();
    opened.dedup();
    opened
}

/// The patterns in the table of the guide, each with calls in which it matches something, and what.
#[test]
fn each_pattern_of_the_guide_matches_what_it_says() {
    let table = GUIDE.split("| pattern | matches |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let patterns: Vec<String> =
        table.lines().skip(2).filter_map(|line| Some(line.split('`').nth(1)?.replace("\\|", "|"))).collect();
    let call = answered("answered", true);
    let busy = refused("busy", 486, true);
    let given_up = given_up("given up");
    let push = pushes::well().remove(0);
    let route = asked("", "/v1/route/bob?x=y", &[(0, Some((100, 200)))]);
    let other = asked("", "/v1/numbers", &[(0, Some((100, 200)))]);
    let loop_ = requests::registrations().remove(1);
    let challenged = plain::well().remove(1);
    let all = [&call, &busy, &given_up, &push, &route, &other, &loop_, &challenged];
    let mut lines = String::new();
    for pattern in &patterns {
        let opened: Vec<String> = all.iter().map(|fixture| opens(pattern, fixture).join(" ")).collect();
        let named = ["call", "busy", "given up", "push", "route", "numbers", "loop", "challenged"].iter().zip(&opened);
        let named = named.filter(|(_, opened)| !opened.is_empty()).map(|(name, opened)| format!("{name}: {opened}"));
        lines += &format!("{pattern}  {}\n", named.collect::<Vec<_>>().join(", "));
    }
    insta::assert_snapshot!(lines, @"
    INVITE  call: INVITE, busy: INVITE, given up: INVITE, push: INVITE, challenged: INVITE
    2xx INVITE  call: 200 INVITE, push: 200 INVITE, challenged: 200 INVITE
    180|183 INVITE  call: 180 INVITE, busy: 180 INVITE, push: 180 INVITE, challenged: 180 INVITE
    3xx-6xx INVITE  busy: 486 INVITE, given up: 487 INVITE
    busy INVITE to caller  busy: 486 INVITE
    GET|POST /v1/route*  route: GET
    PUSH to device  push: PUSH
    3rd 401|407 REGISTER to device  
    CANCEL from caller or BYE  call: BYE, given up: CANCEL, push: BYE, challenged: BYE
    INVITE with initial=yes and transport=tcp
    ");
}
