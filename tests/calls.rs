//! Calls whose course an expert wrote down before anything was looked at (`tests/cases`): from log to list, page and API.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Api, Siptrail, eventually};

/// Call-ID without its host; what the caller got; who answered; whole seconds of talk; problems; words of the page's head.
type Expected = (&'static str, u16, Option<&'static str>, Option<i64>, usize, &'static str);

const EXPECTED: &[Expected] = &[
    ("f22d636d568c434c", 200, Some("bob"), Some(30), 0, "answered by bob, ended by alice"),
    ("563806073a7e28f9", 200, Some("bob"), Some(15), 0, "answered by bob JsSIP, ended by bob JsSIP"),
    ("c7c18520ba5aaf74", 200, Some("bob"), Some(54), 0, "answered by bob OneNumber, ended by bob OneNumber"),
    ("6eea42de1bcdb7af", 200, Some("bob"), Some(25), 0, "answered by bob Yealink, ended by alice"),
    ("5fadf80830148adf", 200, Some("bob"), Some(31), 0, "answered by bob OneNumber, ended by alice"),
    ("b791d4423b0ed07d", 480, None, None, 1, "refused 480 Temporarily Unavailable"),
    ("d902afb6ef566edf", 403, None, None, 2, "refused 403 Forbidden after POST /v1/authorize said 401"),
    ("e54e9c8dc9d9d03d", 500, None, None, 2, "refused 500 Server Internal Error after GET /v1/route got no answer"),
    ("47a9ae4068fd34da", 603, None, None, 1, "refused 603 Decline"),
    ("4e81bc598d673a0c", 200, Some("carol"), Some(16), 0, "answered by carol, ended by alice"),
    ("f83304af90a6a6f1", 200, Some("bob"), Some(26), 0, "answered by bob, ended by alice"),
    ("fb1a11eaf7644fd5", 200, Some("bob"), Some(27), 0, "answered by bob, ended by alice"),
    ("c9c9e88dc48808d9", 200, Some("bob"), Some(17), 1, "answered by bob, ended by alice"),
    ("e171060a6bed4684", 200, Some("bob"), Some(17), 0, "answered by bob, ended by alice"),
    ("43d5ffca789d5a33", 200, Some("bob"), Some(32), 1, "answered by bob, ended by bob"),
    ("cef028d2dceec25e", 200, Some("bob"), Some(25), 2, "answered by bob Yealink, ended by alice"),
    ("c17f8389d3d10951", 500, None, None, 2, "refused 500 Server Internal Error, though bob had answered"),
    ("c09ab7520ef17bd4", 200, Some("bob"), Some(34), 0, "answered by bob OneNumber, ended by alice"),
    ("a9326054c66ec0d6", 480, None, None, 2, "refused 480 Temporarily Unavailable"),
    ("0267fc23f7a7f82b", 480, None, None, 2, "refused 480 Temporarily Unavailable"),
    ("00b407c231f8323a", 487, None, None, 1, "not answered, cancelled by alice, though bob had answered"),
    ("1943b40a3b76a97e", 487, None, None, 0, "not answered, cancelled by alice"),
    (
        "b96c850224adbfda",
        200,
        Some("bob"),
        Some(87),
        0,
        "answered by bob, bob transferred alice to carol, ended by alice",
    ),
];

/// Call-ID without its host, and what its page says, without markup.
const STORIES: &[(&str, &[&str])] = &[
    (
        "7e8d7fddca66b632",
        &[
            "bob transferred alice to carol, ended by bob",
            "1 possibly related call",
            "after a REFER to this callee",
            "REFER to carol",
            "NOTIFY 100 Trying",
            "NOTIFY 200 OK",
        ],
    ),
    (
        "b96c850224adbfda",
        &["to carol, in place of another call", "NOTIFY 200 OK", "D belongs with C because its Replaces names"],
    ),
    (
        "c0a8152729eb5b04",
        &["bob puts the call on hold", "INVITE hold sdp", "bob resumes the call", "INVITE resume sdp"],
    ),
    ("c09ab7520ef17bd4", &["B1 B2 B3 belong with A because their X-CID names c09ab7520ef17bd4@"]),
    ("5fadf80830148adf", &["answered by bob OneNumber, ended by alice"]),
    ("4e81bc598d673a0c", &["forwarded to carol : answered by carol"]),
    ("95a21e9c2793300d", &["PUSH for apns …7e8f90 was refused with 410 Gone by api.push.apple.com"]),
    (
        "a9326054c66ec0d6",
        &["PUSH for urn:uuid:00000000-0000-4000-8000-000000000003 was refused with 410 by api.push.apple.com"],
    ),
];

/// What list and API say alike of a call.
const FIELDS: [&str; 12] = [
    "status",
    "begun",
    "rang",
    "answered",
    "ending",
    "ended",
    "talked",
    "answered_by",
    "transferred_to",
    "legs",
    "devices",
    "problems",
];

fn logs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/calls");
    let cases = std::fs::read_dir(&folder).expect("the cases").filter_map(|entry| Some(entry.ok()?.path()));
    let mut logs: Vec<PathBuf> = cases
        .filter(|case| case.is_dir())
        .flat_map(|case| std::fs::read_dir(case).expect("a case").filter_map(|entry| Some(entry.ok()?.path())))
        .collect();
    logs.sort();
    logs
}

#[tokio::test]
async fn list_page_and_api_tell_what_an_expert_expects() {
    let dir = tempfile::tempdir().expect("a directory");
    let logs = logs();
    let siptrail = Siptrail::watch(&dir.path().join("data"), &logs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let api = siptrail.api().await;
    // What is learned of their logs settles them once more.
    let calls = eventually("list and API agree", || async {
        let mut calls = Vec::new();
        for listed in api.settled(30).await {
            let picture = api.get(&format!("/api/v1/scenarios/{}", Api::id(&listed))).await?;
            let differs = |field: &&&str| listed[**field] != picture["scenario"][**field];
            if let Some(field) = FIELDS.iter().find(differs) {
                return Err(format!("{field} of {listed}: {picture}"));
            }
            calls.push((listed, picture));
        }
        Ok(calls)
    })
    .await;
    let woke = |call: &str| {
        let of = |(_, picture): &&(Value, Value)| {
            picture["legs"][0]["call_id"].as_str().is_some_and(|call_id| call_id.starts_with(call))
        };
        let (_, picture) = calls.iter().find(of).expect("the call");
        let legs = picture["legs"].as_array().into_iter().flatten();
        legs.filter_map(|leg| Some((leg["tag"].as_str()?.to_owned(), leg["woke_after"].as_i64()? / 1000)))
            .collect::<Vec<_>>()
    };
    assert_eq!(woke("0267fc23f7a7f82b"), [("B2".to_owned(), 3642)], "it registered, and never responded");
    assert_eq!(woke("5fadf80830148adf"), [("B2".to_owned(), 4082)]);
    let mut found = 0;
    for (listed, picture) in &calls {
        let id = Api::id(listed);
        let call_id = picture["legs"][0]["call_id"].as_str().unwrap_or_default();
        let Some(expected) = EXPECTED.iter().find(|expected| call_id.starts_with(expected.0)) else { continue };
        found += 1;
        let seconds = listed["talked"].as_i64().map(|talked| (talked + 500_000) / 1_000_000);
        let told = (listed["status"].as_u64(), listed["answered_by"].as_str(), seconds, listed["problems"].as_u64());
        let (_, status, by, talked, problems, says) = *expected;
        assert_eq!(
            told,
            (Some(u64::from(status)), by, talked, Some(problems as u64)),
            "{call_id}: {}",
            picture["course"]
        );
        let page = api.page(&format!("/s/{id}")).await.expect("the page");
        let head = page.split("<h1").nth(1).and_then(|rest| rest.split("</h1>").next()).unwrap_or_default();
        // What the caller got leads to its row.
        assert!(head.trim_end_matches("</a>").ends_with(says), "{call_id}: {head}");
    }
    assert_eq!(found, EXPECTED.len());
    for (call, says) in STORIES {
        let of = |(_, picture): &&(Value, Value)| {
            let legs = picture["legs"].as_array().into_iter().flatten();
            legs.filter_map(|leg| leg["call_id"].as_str()).any(|call_id| call_id.starts_with(call))
        };
        let (listed, _) = calls.iter().find(of).expect("the call");
        let page = text(&api.page(&format!("/s/{}", Api::id(listed))).await.expect("the page"));
        for part in *says {
            assert!(page.contains(part), "{call} does not say {part}: {page}");
        }
    }
    assert_eq!(siptrail.stop().await, Some(0));
}

/// A page without its markup.
fn text(page: &str) -> String {
    let parts = page.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A log without its registrations, and these.
fn without_registrations(log: &str) -> (String, String) {
    let mut records: Vec<String> = Vec::new();
    for line in log.split_inclusive('\n') {
        match records.last_mut().filter(|_| !line.starts_with("[2026-")) {
            Some(record) => record.push_str(line),
            None => records.push(line.to_owned()),
        }
    }
    let registers = |record: &String| {
        record.lines().any(|line| line.starts_with("CSeq:") && line.trim_end().ends_with(" REGISTER"))
    };
    let (registrations, rest): (Vec<_>, Vec<_>) = records.into_iter().partition(registers);
    (rest.concat(), registrations.concat())
}

#[tokio::test]
async fn a_registration_that_is_read_long_after_its_call_says_that_the_phone_woke() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut logs, mut late) = (Vec::new(), String::new());
    for name in ["core.log", "edge.log", "push.log"] {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/calls/64-woke-no-response");
        let (rest, registrations) =
            without_registrations(&std::fs::read_to_string(case.join(name)).expect("a log of the case"));
        let log = dir.path().join(name);
        std::fs::write(&log, rest).expect("a log");
        logs.push(log);
        late += &registrations;
    }
    assert_eq!(late.matches("\nREGISTER ").count(), 6);
    let registrar = dir.path().join("registrar.log");
    std::fs::write(&registrar, "").expect("a log");
    logs.push(registrar.clone());
    let siptrail = Siptrail::watch(&dir.path().join("data"), &logs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let api = siptrail.api().await;
    let pushes = |picture: &Value| -> Vec<String> {
        let legs = picture["legs"].as_array().into_iter().flatten();
        legs.filter_map(|leg| leg["push"].as_str()).filter(|push| *push != "not_logged").map(str::to_owned).collect()
    };
    let call = eventually("nobody saw it wake", || async {
        let all = api.settled(1).await;
        let picture = api.get(&format!("/api/v1/scenarios/{}", Api::id(&all[0]))).await?;
        let told = pushes(&picture);
        if told == ["never_woke"] || told == ["cannot_tell"] { Ok(picture) } else { Err(picture.to_string()) }
    })
    .await;
    std::fs::write(&registrar, late).expect("the log of the registrar");
    let id = call["scenario"]["id"].as_str().unwrap_or_default().to_owned();
    eventually("it woke, and list and page are of that version", || async {
        let picture = api.get(&format!("/api/v1/scenarios/{id}")).await?;
        let listed = api.settled(1).await;
        let differs = FIELDS.iter().find(|field| listed[0][**field] != picture["scenario"][**field]);
        let page = api.page(&format!("/s/{id}")).await?;
        let is_later = picture["scenario"]["version"].as_i64() > call["scenario"]["version"].as_i64();
        match (differs, pushes(&picture) == ["woke"] && page.contains(">woke <small>after 3.64") && is_later) {
            (None, true) => Ok(()),
            (differs, _) => Err(format!("{differs:?} {picture}")),
        }
    })
    .await;
    assert_eq!(siptrail.stop().await, Some(0));
}

/// One log of the cases that stand alone.
fn one_log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/calls-one-log").join(format!("{name}.log"))
}

/// What list, page and API say of the calls of all logs that stand alone.
const ALONE: &str = "66-reason-two-headers@a: -, -, 0 problems: alice to bob : not answered, cancelled by alice\n\
C49Ring@192.0.2.10: carol, -, 0 problems: alice to bob : picked up by carol, no BYE logged\n\
badline: -, -, 0 problems: alice to bob : no final answer logged\n\
c39@a: -, -, 1 problems: alice to bob : refused 486 Busy Here\n\
c45@a: 192.0.2.1, 9.0 s, 0 problems: alice to bob : answered by 192.0.2.1, ended by alice\n\
c46@a: 192.0.2.1, 30.0 s, 0 problems: alice to bob : answered by 192.0.2.1, ended by alice\n\
c50@a: -, -, 0 problems: alice to bob : not answered, cancelled by alice\n\
c60@a: -, -, 1 problems: alice to bob : refused 486 Busy Here\n\
c61@a: 192.0.2.1, 4.0 s, 0 problems: alice to bob : answered by 192.0.2.1, ended by 192.0.2.10\n\
c71a@x: agent1, 592.1 s, 0 problems: alice to bob : answered by agent1, ended by alice\n\
chn05@x: callee5, 6.0 s, 0 problems: five to callee5 : answered by callee5, ended by five\n\
cseqbig: -, -, 0 problems: alice to bob : no final answer logged\n\
cseqnomethod: -, -, 0 problems: alice to bob : no final answer logged\n\
cseqother: -, -, 0 problems: alice to bob : no final answer logged\n\
from-at: -, -, 0 problems: alice to bob : no final answer logged\n\
from-brackets: -, -, 0 problems: alice to bob : no final answer logged\n\
from-colon: -, -, 0 problems: alice to bob : no final answer logged\n\
from-comma: -, -, 0 problems: alice to bob : no final answer logged\n\
from-email: -, -, 0 problems: alice to bob : no final answer logged\n\
from-escaped: -, -, 0 problems: alice to bob : no final answer logged\n\
from-lt2: -, -, 0 problems: alice to bob : no final answer logged\n\
from-paren: -, -, 0 problems: alice to bob : no final answer logged\n\
from-pct: -, -, 0 problems: alice to bob : no final answer logged\n\
from-semi: -, -, 0 problems: alice;x=1 to bob : no final answer logged\n\
from-slash: -, -, 0 problems: alice to bob : no final answer logged\n\
from-tel: -, -, 0 problems: +49-30-1234 to bob : no final answer logged\n\
from-unterminated: -, -, 0 problems: alice to bob : no final answer logged\n\
from-utf8: -, -, 0 problems: alice to bob : no final answer logged\n\
legA-1@10.0.0.2: 10.0.0.1, 7.0 s, 0 problems: alice to bob : answered by 10.0.0.1, ended by alice\n\
legB-1@10.0.0.1: bob, 7.0 s, 0 problems: alice to bob : answered by bob, ended by 10.0.0.1\n\
noanswer: -, -, 1 problems: alice to bob : not answered by anybody, INVITE sent 7 times\n\
nocl: 10.0.0.1, 2.0 s, 0 problems: alice to bob : answered by 10.0.0.1, ended by alice\n\
responly: -, -, 1 problems: alice to bob : refused 486 Busy Here\n\
same-options: 10.0.0.1, 2.0 s, 0 problems: alice to bob : answered by 10.0.0.1, ended by alice\n\
same-register: 10.0.0.1, 2.0 s, 0 problems: alice to bob : answered by 10.0.0.1, ended by alice\n\
same-subscribe: 10.0.0.1, 2.0 s, 0 problems: alice to bob : answered by 10.0.0.1, ended by alice\n\
step@x: 192.0.2.20, -, 0 problems: stepper to clock : answered by 192.0.2.20, no BYE logged\n\
unk@x: -, -, 0 problems: unk to dunno : rang, no final answer logged";

/// Of a call: its Call-ID, what its caller got, who answered, how long they talked, who ended it, and how many problems it has.
/// All three say the same.
async fn told(api: &Api, listed: &Value) -> Result<String, String> {
    let id = Api::id(listed);
    let picture = api.get(&format!("/api/v1/scenarios/{id}")).await?;
    if let Some(field) = FIELDS.iter().find(|field| listed[**field] != picture["scenario"][**field]) {
        return Err(format!("{field} of {listed}: {picture}"));
    }
    let course = &picture["course"];
    let caller = &course["callers"][0];
    let result = caller["tries"].as_array().and_then(|tries| tries.last()?["result"]["status"].as_u64());
    let lasted = caller["lasted"].as_i64();
    let problems = course["problems"].as_array().map(|problems| problems.len() as u64);
    let of_course = (result, lasted, problems);
    let of_list = (listed["status"].as_u64(), listed["talked"].as_i64(), listed["problems"].as_u64());
    if caller.is_object() && of_course != of_list {
        return Err(format!("{of_list:?} in the list, {of_course:?} in {course}"));
    }
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let node = |node: &Value| node.as_u64().map(|node| word(&picture["nodes"][node as usize]["name"]));
    let ended_by = node(&caller["ended_by"]).or_else(|| caller["ended_by_user"].as_str().map(str::to_owned));
    let peer = picture["nodes"][caller["winner"]["node"].as_u64().unwrap_or_default() as usize]["kind"] == "external";
    let answered_by =
        node(&caller["winner"]["node"]).map(|node| if peer { word(&listed["answered_by"]) } else { node });
    let page = api.page(&format!("/s/{id}")).await?;
    let head = text(page.split("<h1").nth(1).and_then(|rest| rest.split("</h1>").next()).unwrap_or_default());
    for (what, who) in [("answered by", &answered_by), ("ended by", &ended_by)] {
        let says = |who: &&String| [what, "picked up by"].iter().any(|by| head.contains(&format!("{by} {who}")));
        if let Some(who) = who.as_ref().filter(|who| !says(who)) {
            return Err(format!("{what} {who} in {course}, and not in {head}"));
        }
    }
    let says = head.split_once('>').map_or(&*head, |(_, says)| says).trim();
    let call = word(&picture["legs"][0]["call_id"]);
    let talked = lasted.map_or("-".to_owned(), |micros| format!("{:.1} s", micros as f64 / 1e6));
    Ok(format!("{call}: {}, {talked}, {} problems: {says}", word(&listed["answered_by"]), problems.unwrap_or_default()))
}

#[tokio::test]
async fn of_every_log_that_stands_alone_list_page_and_api_say_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/calls-one-log");
    let files = std::fs::read_dir(folder).expect("the cases").filter_map(|entry| Some(entry.ok()?.path()));
    // That one has a Call-ID of another one.
    let alone = |path: &PathBuf| path.extension().is_some_and(|end| end == "log") && !path.ends_with("robust.log");
    let mut logs: Vec<PathBuf> = files.filter(alone).collect();
    logs.sort();
    let siptrail = Siptrail::watch(&dir.path().join("data"), &logs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let api = siptrail.api().await;
    let said = eventually("list, page and API agree", || async {
        let mut said = Vec::new();
        for listed in api.settled(ALONE.lines().count()).await {
            said.push(told(&api, &listed).await?);
        }
        said.sort();
        let said = said.join("\n");
        if said == ALONE { Ok(said) } else { Err(said) }
    })
    .await;
    assert_eq!(said, ALONE);
    // Both attempts are found by what they came to.
    for status in [200, 486] {
        let calls = api.scenarios(&format!("&final={status}&call_id=c60@a")).await.expect("calls");
        assert_eq!(calls.len(), 1, "{status}");
    }
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn which_machine_writes_a_log_is_learned_from_all_its_calls() {
    let dir = tempfile::tempdir().expect("a directory");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&one_log("b2bua")]);
    let api = siptrail.api().await;
    let calls = api.settled(2).await;
    eventually("the exchange is the server in both", || async {
        for call in &calls {
            let picture = api.get(&format!("/api/v1/scenarios/{}", Api::id(call))).await?;
            let outgoing = picture["legs"][0]["call_id"].as_str().unwrap_or_default().starts_with("legB");
            let expected: &[&str] =
                if outgoing { &["10.0.0.1 server", "bob device"] } else { &["alice device", "10.0.0.1 server"] };
            let word = |node: &Value, field: &str| node[field].as_str().unwrap_or_default().to_owned();
            let nodes = picture["nodes"].as_array().into_iter().flatten();
            let columns: Vec<String> =
                nodes.map(|node| format!("{} {}", word(node, "name"), word(node, "kind"))).collect();
            if columns != expected {
                return Err(format!("{columns:?}"));
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn one_call_id_with_a_registration_and_a_call_gives_each_its_own_messages() {
    let dir = tempfile::tempdir().expect("a directory");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&one_log("same-callid")]);
    let api = siptrail.api().await;
    api.settled(3).await;
    let mut told = Vec::new();
    let mut all = Vec::new();
    for class in ["call", "registration", "keepalive", "subscription"] {
        all.extend(api.scenarios(&format!("&class={class}")).await.expect("the list"));
    }
    for listed in all {
        let id = Api::id(&listed);
        let picture = api.get(&format!("/api/v1/scenarios/{id}")).await.expect("a scenario");
        let messages = api.messages(&format!("&scenario={id}")).await.expect("its messages");
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = word(&picture["legs"][0]["call_id"]);
        let rows = picture["rows"].as_array().map_or(0, Vec::len);
        assert_eq!(rows, messages.len(), "{picture}");
        told.push(format!("{name}: {} of {rows}, {}", word(&listed["class"]), word(&picture["scenario"]["class"])));
    }
    told.sort();
    let expected = [
        "same-options: call of 6, call",
        "same-options: keepalive of 2, keepalive",
        "same-register: call of 6, call",
        "same-register: registration of 2, registration",
        "same-subscribe: call of 6, call",
        "same-subscribe: subscription of 2, subscription",
    ];
    assert_eq!(told, expected);
    assert_eq!(siptrail.stop().await, Some(0));
}

/// Calls with a look-up of which nobody logs the answer.
fn look_ups(calls: usize) -> String {
    let call = |nth: usize| {
        let at = |seconds: usize| format!("2026-11-23 10:{nth:02}:{seconds:02}.000");
        let sip = |seconds: usize, what: &str, start: &str, ends: (&str, &str), cseq: &str| {
            format!(
                "[{}][{what}][sip:{}:5060][sip:{}:5060]\n{start}\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKlook{nth}{}\n\
                 From: <sip:alice@ex.com>;tag=a\nTo: <sip:bob@ex.com>{}\nCall-ID: look-{nth}@ex.com\nCSeq: {cseq}\n\
                 Content-Length: 0\n\n\n",
                at(seconds),
                ends.0,
                ends.1,
                cseq.replace(' ', "-"),
                if seconds == 1 { "" } else { ";tag=b" },
            )
        };
        let (there, back) = (("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "10.0.0.2"));
        let look_up = format!(
            "[{}][GET][10.0.0.1][http://10.0.0.9/user]\nGET /user?callId=look-{nth}@ex.com HTTP/1.1\nHost: 10.0.0.9\n\
             X-Request-ID: r-{nth}\nX-Call-ID: look-{nth}@ex.com\n\n\n",
            at(2)
        );
        [
            sip(1, "INVITE", "INVITE sip:bob@ex.com SIP/2.0", there, "1 INVITE"),
            look_up,
            sip(3, "200", "SIP/2.0 200 OK", back, "1 INVITE"),
            sip(4, "ACK", "ACK sip:bob@ex.com SIP/2.0", there, "1 ACK"),
            sip(5, "BYE", "BYE sip:bob@ex.com SIP/2.0", there, "2 BYE"),
            sip(6, "200", "SIP/2.0 200 OK", back, "2 BYE"),
        ]
        .concat()
    };
    (0..calls).map(call).collect()
}

#[tokio::test]
async fn answers_that_a_log_never_holds_are_not_missed() {
    for (calls, problems) in [(10, 10), (30, 0)] {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("proxy.log");
        std::fs::write(&log, look_ups(calls)).expect("a log");
        let siptrail = Siptrail::watch(&dir.path().join("data"), &[&log]);
        let api = siptrail.api().await;
        eventually("what is missed", || async {
            let missed: Vec<_> = api.settled(calls).await.iter().map(|call| call["problems"].as_i64()).collect();
            let sum = missed.iter().flatten().sum::<i64>();
            if sum == problems { Ok(()) } else { Err(format!("{missed:?}")) }
        })
        .await;
        assert_eq!(siptrail.stop().await, Some(0));
    }
}

/// The logs of three machines, each call between two of them; the clock of the first is 400 ms behind. Each way takes 1 ms.
fn three_logs(calls: usize) -> [String; 3] {
    const PHONE: &str = "192.0.2.9";
    let machines = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let mut logs = [const { String::new() }; 3];
    for nth in 0..calls {
        let (one, other) = [(0, 1), (1, 2), (2, 0)][nth % 3];
        let mut record = |log: usize, at: usize, ends: (&str, &str), what: &str| {
            let at = 1000 + at - if log == 0 { 400 } else { 0 };
            let passed_on = [ends.0, ends.1].into_iter().all(|end| end != PHONE);
            let hops = if passed_on { vec![machines[one], PHONE] } else { vec![PHONE] };
            let via = |hop: &str| format!("Via: SIP/2.0/UDP {hop}:5060;branch=z9hG4bK{nth}-{hop}\r\n");
            let vias: String = hops.into_iter().map(via).collect();
            let (start, tag) = match what {
                "INVITE" => ("INVITE sip:bob@example.com SIP/2.0", ""),
                _ => ("SIP/2.0 486 Busy Here", ";tag=b"),
            };
            logs[log] += &format!(
                "[2026-11-23 10:{nth:02}:{:02}.{:03}][{what}][sip:{}:5060][sip:{}:5060]\n{start}\r\n{vias}\
                 From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>{tag}\r\n\
                 Call-ID: three-{nth}@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n",
                at / 1000,
                at % 1000,
                ends.0,
                ends.1
            );
        };
        let (a, b) = (machines[one], machines[other]);
        record(one, 0, (PHONE, a), "INVITE");
        record(one, 1, (a, b), "INVITE");
        record(other, 2, (a, b), "INVITE");
        record(other, 52, (b, a), "486");
        record(one, 53, (b, a), "486");
        record(one, 54, (a, PHONE), "486");
    }
    logs
}

#[tokio::test]
async fn the_clock_that_is_wrong_is_the_same_in_every_call_in_list_page_and_api() {
    const CALLS: usize = 12;
    let dir = tempfile::tempdir().expect("a directory");
    let logs: Vec<PathBuf> = (1..=3).map(|nth| dir.path().join(format!("machine-{nth}.log"))).collect();
    for (log, text) in logs.iter().zip(three_logs(CALLS)) {
        std::fs::write(log, text).expect("a log");
    }
    let siptrail = Siptrail::watch(&dir.path().join("data"), &logs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let api = siptrail.api().await;
    eventually("one clock is wrong", || async {
        for listed in api.settled(CALLS).await {
            let id = Api::id(&listed);
            let picture = api.get(&format!("/api/v1/scenarios/{id}")).await?;
            if let Some(field) = FIELDS.iter().find(|field| listed[**field] != picture["scenario"][**field]) {
                return Err(format!("{field} of {listed}: {picture}"));
            }
            let nodes = picture["nodes"].as_array().into_iter().flatten();
            let shifts: Vec<_> = nodes
                .filter_map(|node| Some((node["name"].as_str()?, node["clock_shift"].as_i64()?)))
                .filter(|(_, shift)| *shift != 0)
                .collect();
            let first = listed["begun"].as_str().unwrap_or_default().ends_with(":01.000000Z");
            let page = api.page(&format!("/s/{id}")).await?;
            let expected = if page.contains("10.0.0.1") { &[("10.0.0.1", 400_000)][..] } else { &[] };
            if shifts != expected || !first || page.contains("clock −400 ms") == expected.is_empty() {
                return Err(format!("{shifts:?} in {picture}"));
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(siptrail.stop().await, Some(0));
}
