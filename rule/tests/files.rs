//! The files of rules: what is read, and what is said of one that is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use rule::set::{BUILT_IN, RuleSet};
use rule::syntax::{OnSilence, Per, Severity};

fn own(name: &str, text: &str) -> Result<RuleSet, String> {
    RuleSet::load(&[(name.to_owned(), text.to_owned())])
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// All that is wrong with this file.
fn faults(name: &str, text: &str) -> String {
    own(name, text).expect_err("a fault")
}

/// A rule that is right, with one line in place of another.
fn changed(line: &str, into: &str) -> String {
    assert!(RIGHT.contains(line), "{line}");
    RIGHT.replace(line, into)
}

const RIGHT: &str = r#"
[[rule]]
id       = "x-ack"
title    = "An answer is acknowledged"
severity = "critical"
per      = "leg"
start    = "2xx INVITE from device"
steps    = ["ack: ACK to device within 32s else no-ack"]
end      = ["BYE as ok"]
[rule.says]
no-ack = "200 OK was never acknowledged"
"#;

#[test]
fn rules_that_would_hide_each_other_are_refused() {
    let rule = |id: &str, explains: &str| {
        RIGHT.replace("x-ack", id).replace("[rule.says]", &format!("explains = [\"{explains}\"]\n[rule.says]"))
    };
    let circle = faults("own.toml", &(rule("x-one", "x-two") + &rule("x-two", "x-one")));
    assert!(circle.contains("`x-two` explains `x-one`, too: each would hide the other"), "{circle}");
    assert!(faults("own.toml", &rule("x-one", "x-one")).contains("a rule does not explain its own failure"));
    own("own.toml", &(rule("x-one", "x-two") + RIGHT.replace("x-ack", "x-two").as_str()))
        .expect("one explains the other");
}

#[test]
fn every_shipped_rule_is_read() {
    let set = RuleSet::load(&[]).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let ids: Vec<_> = set.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "call-completes",
            "answered-no-ack",
            "answer-reaches-caller",
            "push-wakes-device",
            "invite-without-push",
            "loser-released",
            "second-answer-released",
            "bye-propagates",
            "rest-answers",
            "registration"
        ]
    );
    assert_eq!(set.watches.len(), 4);
    assert_eq!(set.defaults.codes.of(486).map(|name| name.name.as_str()), Some("busy"));
    assert_eq!(set.defaults.codes.of(499).map(|name| name.name.as_str()), Some("client"));
    let versions: BTreeSet<u64> = set.rules.iter().map(|rule| rule.version).collect();
    assert_eq!(versions.len(), 10);
    let push = &set.rules[3];
    assert_eq!((push.per, push.severity, push.times.late_for), (Per::Leg, Severity::Critical, 120_000_000));
    let call = &set.rules[0];
    assert_eq!(
        call.says.keys().collect::<Vec<_>>(),
        ["client", "forbidden", "no-final", "no-response", "server", "timeout"]
    );
    assert_eq!((set.defaults.times.on_silence, set.defaults.source.gap), (OnSilence::Unknown, true));
    assert_eq!(RuleSet::built_in(), set);
}

#[test]
fn built_in_files_are_those_of_the_directory() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/rules");
    let files = std::fs::read_dir(&dir).expect("etc/rules").map(|entry| entry.expect("an entry").path());
    let files: BTreeSet<_> =
        files.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(files, BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (name, text) in BUILT_IN {
        assert_eq!(std::fs::read_to_string(dir.join(name)).expect("a file"), text, "{name}");
    }
}

#[test]
fn a_file_of_the_same_name_replaces_a_built_in_one_and_an_empty_one_switches_it_off() {
    let set = own("20-ack.toml", RIGHT).expect("right");
    assert!(set.rules.iter().any(|rule| rule.id == "x-ack"));
    assert!(set.rules.iter().all(|rule| rule.id != "answered-no-ack"));
    // Others may go on to explain its failures.
    let set = own("10-call.toml", "").expect("right");
    assert_eq!(set.rules.len(), 9);
    assert!(set.ids().contains("call-completes"));
    assert_eq!(own("90-own.toml", RIGHT).expect("right").rules.len(), 11);
}

#[test]
fn a_version_is_that_of_what_a_rule_says_and_uses() {
    let version = |text: &str| own("90-own.toml", text).expect("right").rules[10].version;
    let first = version(RIGHT);
    assert_eq!(version(&changed("ACK to device within 32s", "ACK  to device   within 32s")), first);
    assert_eq!(version(&format!("# a comment\n{RIGHT}")), first);
    for (line, into) in [("32s", "31s"), ("never", "not"), ("critical", "warning"), ("BYE as ok", "BYE as business")] {
        assert_ne!(version(&changed(line, into)), first, "{into}");
    }
    let defaults = BUILT_IN[0].1.replace("ios|android", "ios");
    let set = own("00-defaults.toml", &defaults).expect("right");
    let old = RuleSet::built_in();
    let changed = set.rules.iter().zip(&old.rules).filter(|(new, old)| new.version != old.version);
    assert_eq!(
        changed.map(|(new, _)| new.id.as_str()).collect::<Vec<_>>(),
        ["push-wakes-device", "invite-without-push"]
    );
}

#[test]
fn a_slip_in_a_sentence_is_shown_where_it_stands() {
    insta::assert_snapshot!(faults("90.toml", &changed("ACK to device", "ACK form device")), @r#"
    90.toml:8:23: `form` is not understood here
      steps    = ["ack: ACK form device within 32s else no-ack"]
                            ^^^^
      understood: ack: ACK
      expected: a path, from, to, with, or, within, before, optional, else
      did you mean `from`?
    "#);
    insta::assert_snapshot!(faults("90.toml", &changed("from device", "from divice")), @r#"
    90.toml:7:29: `divice` is nearly `device`; a node of this name is written 'divice'
      start    = "2xx INVITE from divice"
                                  ^^^^^^
      understood: 2xx INVITE from
      expected: caller, callee, device, other-leg, other-party, mobile, a node
      did you mean `device`?
    "#);
    insta::assert_snapshot!(faults("90.toml", &changed("\"ack: ACK", "\"\\u0061ck: ACKK")), @r#"
    90.toml:8:13: `ACKK` is no method
      steps    = ["\u0061ck: ACKK to device within 32s else no-ack"]
                  ^
      understood: ack:
      expected: INVITE, ACK, BYE, CANCEL, REGISTER, OPTIONS, PRACK, UPDATE, INFO, REFER, SUBSCRIBE, NOTIFY, MESSAGE, PUBLISH, GET, POST, PUT, DELETE, PATCH, HEAD, TRACE, CONNECT, PUSH
      did you mean `ACK`?
    "#);
    insta::assert_snapshot!(faults("90.toml", &changed("[\"ack: ACK to device within 32s else no-ack\"]", "['''\n  ack: ACK to device\n  within 32 else no-ack''']")), @"
    90.toml:10:10: `32` is no time
        within 32 else no-ack''']
               ^^
      understood: ack: ACK to device within
      expected: a time such as 500ms, 2s, 5m or 4h
    ");
}

#[test]
fn what_is_wrong_with_a_key_is_said() {
    let all = [
        ("severity = ", "sevrity = "),
        ("\"critical\"", "\"crtical\""),
        ("\"leg\"", "\"legs\""),
        ("\"leg\"", "\"dialog\""),
        ("\"x-ack\"", "\"X ack\""),
        ("\"x-ack\"", "7"),
        ("title    = \"An answer is acknowledged\"", "title = \"\""),
        ("end      = ", "end = \"BYE\" #"),
        ("end      = ", "explains = [\"call-complete\"]\nend = "),
        ("end      = ", "mail_when = \"3% in 10m\"\nend = "),
        ("end      = ", "retry_within = \"5 s\"\nend = "),
        ("end      = ", "on_silence = \"fail\"\nend = "),
        ("end      = ", "min = -1\nend = "),
        ("[\"ack: ACK to device within 32s else no-ack\"]", "[\"a: ACK else no-ack\", \"a: BYE else no-ack\"]"),
        ("[\"ack: ACK to device within 32s else no-ack\"]", "[\"ack: ACK to device within 32s else no-akc\"]"),
        ("BYE as ok", "BYE as failed bye"),
        ("no-ack = ", "no-ack = \"200\\n\" #"),
    ];
    let all = all.into_iter().chain([("no-ack = ", "no-ack = \"größer\" #")]);
    let said: Vec<_> = all.map(|(line, into)| faults("90.toml", &changed(line, into))).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    90.toml:2:1: `severity` is missing here
      [[rule]]
      ^^^^^^^^
      expected: severity = "warning"
    90.toml:5:1: there is no key `sevrity` here
      sevrity = "critical"
      ^^^^^^^
      expected: id, title, severity, per, start, steps, unless, end, mail_when, critical_when, min, retry_within, explains, says, late_for, give_up, lateness, on_silence
      did you mean `severity`?
    90.toml:5:13: `crtical` is no severity
      severity = "crtical"
                  ^^^^^^^
      expected: info, warning, critical
      did you mean `critical`?
    90.toml:6:13: `legs` is no per
      per      = "legs"
                  ^^^^
      expected: scenario, attempt, leg, device, dialog, transaction
      did you mean `leg`?
    90.toml:7:29: `device` is a device of one leg, and this is not `per` leg or device
      start    = "2xx INVITE from device"
                                  ^^^^^^
      understood: 2xx INVITE from
      expected: caller, callee, other-party, a node
    90.toml:8:26: `device` is a device of one leg, and this is not `per` leg or device
      steps    = ["ack: ACK to device within 32s else no-ack"]
                               ^^^^^^
      understood: ack: ACK to
      expected: caller, callee, other-party, a node
    90.toml:3:13: `X ack` is no id: a lower-case word with dashes
      id       = "X ack"
                  ^^^^^
    90.toml:3:12: a text in quotes is expected here, not the number 7
      id       = 7
                 ^
    90.toml:4:10: a title is missing here
      title = ""
               ^
    90.toml:9:7: a list of texts such as ["…"] is expected here, not a text
      end = "BYE" #["BYE as ok"]
            ^^^^^
    90.toml:9:14: there is no rule `call-complete`
      explains = ["call-complete"]
                   ^^^^^^^^^^^^^
      did you mean `call-completes`?
    90.toml:9:1: a percentage needs `min`: of how many at least
      mail_when = "3% in 10m"
      ^^^^^^^^^
      expected: min = 50
    90.toml:9:17: `5 s` is no time
      retry_within = "5 s"
                      ^^^
      expected: a time such as 500ms, 2s, 5m or 4h
    90.toml:9:15: `fail` is no on_silence
      on_silence = "fail"
                    ^^^^
      expected: unknown, failed
    90.toml:9:7: a whole number of 0 or more is expected here, not the number -1
      min = -1
            ^^
    90.toml:8:36: the label `a` stands here twice
      steps    = ["a: ACK else no-ack", "a: BYE else no-ack"]
                                         ^
    90.toml:8:49: `no-akc` has no sentence in [rule.says] or the defaults
      steps    = ["ack: ACK to device within 32s else no-akc"]
                                                      ^^^^^^
      expected: no-akc = "what is wrong"
      did you mean `no-ack`?
    90.toml:11:1: no failure in this rule is called `no-ack`
      no-ack = "200 OK was never acknowledged"
      ^^^^^^
      did you mean `no-akc`?
    90.toml:9:28: `bye` has no sentence in [rule.says] or the defaults
      end      = ["BYE as failed bye"]
                                 ^^^
      expected: bye = "what is wrong"
    90.toml:8:49: `no-ack` has no sentence in [rule.says] or the defaults
      steps    = ["ack: ACK to device within 32s else no-ack"]
                                                      ^^^^^^
      expected: no-ack = "what is wrong"
    90.toml:11:10: it stands in the subject of a mail, so it is one line of ASCII letters
      no-ack = "200\n" #"200 OK was never acknowledged"
               ^
    90.toml:8:49: `no-ack` has no sentence in [rule.says] or the defaults
      steps    = ["ack: ACK to device within 32s else no-ack"]
                                                      ^^^^^^
      expected: no-ack = "what is wrong"
    90.toml:11:11: it stands in the subject of a mail, so it is one line of ASCII letters
      no-ack = "größer" #"200 OK was never acknowledged"
                ^^^^^^
    "#);
    insta::assert_snapshot!(faults("90.toml", "[[rule]]\n\n[[watch]]\nid = \"answered-no-ack\"\nwhat = 1\n"), @r#"
    90.toml:1:1: `id` is missing here
      [[rule]]
      ^^^^^^^^
      expected: id = "answered-no-ack"
    90.toml:1:1: `title` is missing here
      [[rule]]
      ^^^^^^^^
      expected: title = "An answer is acknowledged"
    90.toml:1:1: `severity` is missing here
      [[rule]]
      ^^^^^^^^
      expected: severity = "warning"
    90.toml:1:1: `per` is missing here
      [[rule]]
      ^^^^^^^^
      expected: per = "leg"
    90.toml:1:1: `start` is missing here
      [[rule]]
      ^^^^^^^^
      expected: start = "INVITE from caller"
    90.toml:1:1: `steps` is missing here
      [[rule]]
      ^^^^^^^^
      expected: steps = ["ACK to device within 32s else no-ack"]
    90.toml:3:1: `title` is missing here
      [[watch]]
      ^^^^^^^^^
      expected: title = "An answer is acknowledged"
    90.toml:3:1: `severity` is missing here
      [[watch]]
      ^^^^^^^^^
      expected: severity = "warning"
    90.toml:3:1: `count` is missing here
      [[watch]]
      ^^^^^^^^^
      expected: count = "REGISTER"
    90.toml:3:1: `mail_when` is missing here
      [[watch]]
      ^^^^^^^^^
      expected: mail_when = "20 in 10m"
    90.toml:4:7: the id `answered-no-ack` is taken already, at 20-ack.toml:2
      id = "answered-no-ack"
            ^^^^^^^^^^^^^^^
    90.toml:5:1: there is no key `what` here
      what = 1
      ^^^^
      expected: id, title, severity, count, of, per, mail_when, min
    "#);
    insta::assert_snapshot!(faults("90.toml", &RIGHT.replace("[[rule]]", "[[rules]]").replace("[rule.", "[rules.")), @"
    90.toml:2:3: there is no key `rules` here
      [[rules]]
        ^^^^^
      expected: rule, watch
      did you mean `rule`?
    ");
    insta::assert_snapshot!(faults("90.toml", "rule = 1\nwatch = [2]\nlateness = \"2s\"\n"), @r#"
    90.toml:1:8: a list of tables: [[rule]] is expected here, not the number 1
      rule = 1
             ^
    90.toml:2:10: a table is expected here, not the number 2
      watch = [2]
               ^
    90.toml:3:1: there is no key `lateness` here
      lateness = "2s"
      ^^^^^^^^
      expected: rule, watch
    "#);
}

#[test]
fn what_is_wrong_with_a_watch_is_said() {
    let watch = "[[watch]]\nid = \"w\"\ntitle = \"t\"\nseverity = \"info\"\n";
    insta::assert_snapshot!(faults("90.toml", &format!("{watch}count = \"INVITE to device\"\nper = \"host\"\nmail_when = \"5% in 5m\"\n")), @r#"
    90.toml:5:20: `device` is a device of one leg, and this is not `per` leg or device
      count = "INVITE to device"
                         ^^^^^^
      understood: INVITE to
      expected: caller, callee, other-party, a node
    90.toml:6:8: there is no fact `host`
      per = "host"
             ^^^^
      expected: scenario, device, initial, repeated, winner, rang, pushable, expires, registered_ago, platform, app_version, push_provider, transport, reason, from_host, to_host, header.NAME, json./pointer
    90.toml:7:1: a percentage needs `of`: what it is a share of
      mail_when = "5% in 5m"
      ^^^^^^^^^
      expected: of = "INVITE from caller"
    90.toml:7:1: a percentage needs `min`: of how many at least
      mail_when = "5% in 5m"
      ^^^^^^^^^
      expected: min = 50
    "#);
}

#[test]
fn what_is_wrong_with_the_defaults_is_said() {
    let text = r#"
lateness = "soon"
[source]
gap = "yes"
silent = "2m"
[who]
device = "platform=ios"
Mobile = "platform=ios"
desk = "platfrom=desk"
[codes.business]
busy = "486|busy"
gone = "480"
[codes.failed]
gone = "5xx"
lost = "480"
[codes.other]
[says]
lost = ""
"#;
    let said = faults("00-defaults.toml", text);
    let own: Vec<&str> =
        said.split("00-defaults.toml").skip(1).map(|fault| fault.split("\n1").next().unwrap_or("")).collect();
    insta::assert_snapshot!(own.join("---"), @r#"
    :2:13: `soon` is no time
      lateness = "soon"
                  ^^^^
      expected: a time such as 500ms, 2s, 5m or 4h
    ---:4:7: true or false is expected here, not a text
      gap = "yes"
            ^^^^^
    ---:5:1: there is no key `silent` here
      silent = "2m"
      ^^^^^^
      expected: silent_after, lag_over, clock_off, gap
    ---:7:1: `device` means something already
      device = "platform=ios"
      ^^^^^^
    ---:8:1: `Mobile` is no name: a lower-case word with dashes that has no other meaning
      Mobile = "platform=ios"
      ^^^^^^
    ---:9:9: there is no fact `platfrom`
      desk = "platfrom=desk"
              ^^^^^^^^
      expected: scenario, device, initial, repeated, winner, rang, pushable, expires, registered_ago, platform, app_version, push_provider, transport, reason, from_host, to_host, header.NAME, json./pointer
      did you mean `platform`?
    ---:11:13: `busy` is no status from 100 to 699
      busy = "486|busy"
                  ^^^^
      understood: 486|
      expected: 486, 2xx, 3xx-6xx
    ---:14:1: `gone` is a name already
      gone = "5xx"
      ^^^^
    ---:15:9: 480 has the name `gone` already
      lost = "480"
              ^^^
    ---:16:8: there is no key `other` here
      [codes.other]
             ^^^^^
      expected: business, failed
    ---:18:9: a sentence is missing here
      lost = ""
              ^
    "#);
}

#[test]
fn a_file_that_is_no_toml_is_shown_with_all_that_is_wrong_in_it() {
    insta::assert_snapshot!(faults("90.toml", "[[rule]]\nid = \nper = leg\ntitle = \"a\n"), @r#"
    90.toml:2:6: string values must be quoted, expected literal string
      id =
           ^
    90.toml:3:7: string values must be quoted, expected literal string
      per = leg
            ^^^
    90.toml:4:11: invalid basic string, expected `"`
      title = "a
                ^
    "#);
    assert_eq!(faults("00-defaults.toml", "lateness = ").matches("00-defaults.toml").count(), 1);
    insta::assert_snapshot!(faults("90.toml", "[[rule]]\nid = \"a\"\nid = \"b\"\n"), @r#"
    90.toml:3:1: duplicate key
      id = "b"
      ^^
    "#);
}

#[test]
fn faults_of_all_files_are_found_at_once() {
    let files = [("91.toml", "x = 1\n"), ("90.toml", "[[rule]]\nid = \"answered-no-ack\"\n"), ("92.toml", "]")];
    let faults = RuleSet::load(&files.map(|(name, text)| (name.to_owned(), text.to_owned()))).expect_err("faults");
    let files: Vec<&str> = faults.iter().map(|fault| fault.file.as_str()).collect();
    assert!(
        files.is_sorted() && files.contains(&"90.toml") && files.contains(&"91.toml") && files.contains(&"92.toml"),
        "{files:?}"
    );
    assert!(faults.iter().any(|fault| fault.what == "the id `answered-no-ack` is taken already, at 20-ack.toml:2"));
}

#[test]
fn sizes_are_bounded() {
    let said = faults("90.toml", &format!("#{}", "x".repeat(1 << 20)));
    assert!(said.contains("at most 1048576 are read"), "{said}");
    let said = faults("90.toml", &"[[rule]]\n".repeat(2_000));
    assert!(said.len() < 100_000 && said.contains("`id` is missing"));
    let rule = |at: usize| changed("x-ack", &format!("x-ack-{at}")).replace("An answer is acknowledged", "t");
    let said = faults("90.toml", &(0..1_000).map(rule).collect::<String>());
    assert!(said.contains("at most 1000 rules are read"), "{said}");
    let steps = vec!["\"ACK else no-ack\""; 101].join(",");
    let said = faults("90.toml", &changed("\"ack: ACK to device within 32s else no-ack\"", &steps));
    assert!(said.contains("a rule has at most 100 sentences of a kind"), "{said}");
    let said = faults("90.toml", &format!("x = {}1{}", "[".repeat(10_000), "]".repeat(10_000)));
    assert!(said.len() < 10_000, "{said}");
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(text in any::<String>(), at in 0_usize..400, cut in 0_usize..400) {
            let _ = own("90.toml", &text);
            let (at, cut) = (RIGHT.floor_char_boundary(at), RIGHT.floor_char_boundary(cut));
            for name in ["90.toml", "00-defaults.toml"] {
                let _ = own(name, &format!("{}{text}{}", &RIGHT[..at], &RIGHT[cut..]));
            }
        }
    }
}
