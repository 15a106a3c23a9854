//! `routes.toml`: what is read, and what is said of one that is wrong.

use std::collections::BTreeSet;

use rule::routes::{Digest, Escalation, GroupKey, Mask, Match, Routes};
use rule::set::RuleSet;
use rule::syntax::Severity;

const EXAMPLE: &str = include_str!("../../etc/routes.toml");

const MINUTE: i64 = 60_000_000;

fn load(text: &str) -> Result<Routes, String> {
    let faults = Routes::load("routes.toml", text, &RuleSet::built_in().ids());
    faults.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn faults(text: &str) -> String {
    load(text).expect_err("a fault")
}

const RIGHT: &str = r#"
[[team]]
name = "voice"
to   = ["voice@example.com"]

[[route]]
match = { severity = "critical" }
to    = "voice"

[[route]]
match = {}
to    = ["voice"]
"#;

#[test]
fn the_example_is_read() {
    let routes = load(EXAMPLE).unwrap_or_else(|faults| panic!("{faults}"));
    let voice = &routes.teams[0];
    assert_eq!((voice.tz.name(), voice.mask, voice.to.len()), ("Europe/Berlin", Mask::Last3, 1));
    assert_eq!((routes.teams.len(), routes.routes.len()), (3, 5));
    let first = &routes.routes[0];
    assert_eq!(
        first.matches,
        Match { severity: vec![Severity::Critical], env: vec!["prod".into()], ..Match::default() }
    );
    assert_eq!(first.escalate, [Escalation { after: 15 * MINUTE, to: "voice-lead".into() }]);
    assert_eq!(first.grouping.group_by, [GroupKey::Env, GroupKey::Rule, GroupKey::Failure]);
    assert_eq!(routes.routes[1].matches.failure, ["forbidden", "client"]);
    assert_eq!(routes.routes[2].digest, Some(Digest::Every(60 * MINUTE)));
    let quiet = &routes.routes[3];
    assert_eq!((quiet.grouping.group_interval, quiet.grouping.repeat), (30 * MINUTE, 240 * MINUTE));
    let hours = quiet.hours.as_ref().expect("hours");
    assert_eq!((hours.days, hours.from, hours.to), ([true, true, true, true, true, false, false], 480, 1_080));
    assert!(routes.routes[4].matches.is_everything());
    let shown = EXAMPLE.replace("# webhook", "webhook");
    let webhook = load(&shown).unwrap_or_else(|faults| panic!("{faults}")).teams[0].webhook.clone().expect("a webhook");
    assert_eq!(webhook.secret_file, "pager.key");
}

#[test]
fn what_the_example_says_are_the_defaults() {
    let (long, short) = (load(EXAMPLE).expect("right"), load(RIGHT).expect("right"));
    assert_eq!(long.budget, short.budget);
    assert_eq!(long.routes[0].grouping, short.routes[0].grouping);
}

#[test]
fn what_is_wrong_with_routes_is_said() {
    let all = [
        ("to    = \"voice\"", "to = \"voce\""),
        ("to    = \"voice\"", "to = []"),
        ("to    = \"voice\"", "to = \"voice\"\nescalate = [{ afte = \"15m\", to = \"lead\" }]"),
        ("to    = \"voice\"", "to = \"voice\"\ngroup_interval = \"7m\""),
        ("to    = \"voice\"", "to = \"voice\"\ngroup_by = [\"env\", \"rules\"]"),
        ("to    = \"voice\"", "to = \"voice\"\ngroup_by = [\"env\", \"rule\"]"),
        ("to    = \"voice\"", "to = \"voice\"\ndigest = { at = \"8:30\", every = \"1h\" }"),
        ("to    = \"voice\"", "to = \"voice\"\ndigest = { at = \"24:00\", tz = \"Europe/Berln\" }"),
        ("to    = \"voice\"", "to = \"voice\"\nhours = { days = \"mon-fry\", from = \"08:00\", else = \"drop\" }"),
        ("{ severity = \"critical\" }", "{ severity = \"high\" }"),
        ("{ severity = \"critical\" }", "{ rule = [\"answered-no-akc\"], class = \"x\", host = [] }"),
        ("{ severity = \"critical\" }", "{}"),
        ("match = {}", "match = { env = \"prod\" }"),
        ("voice@example.com", "voice@@example.com"),
        ("name = \"voice\"", "name = \"voice\"\nmask = \"last4\"\ntz = \"CEST\"\nwebhook = { url = \"ftp://x\" }"),
        (
            "[[route]]",
            "[[team]]\nname = \"voice\"\nto = [\"a@example.com\"]\n[budget]\nper_day = 10\nover = \"drop\"\n[[route]]",
        ),
    ];
    let said: Vec<String> = all
        .iter()
        .map(|(line, into)| {
            assert!(RIGHT.contains(line), "{line}");
            faults(&RIGHT.replacen(line, into, 1))
        })
        .collect();
    insta::assert_snapshot!(said.join("\n\n"), @r#"
    routes.toml:8:7: there is no team `voce`
      to = "voce"
            ^^^^
      expected: voice
      did you mean `voice`?

    routes.toml:8:1: this route goes to nobody
      to = []
      ^^
      expected: ["oncall-voice"]

    routes.toml:9:13: `after` is missing here
      escalate = [{ afte = "15m", to = "lead" }]
                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      expected: after = "15m"
    routes.toml:9:15: there is no key `afte` here
      escalate = [{ afte = "15m", to = "lead" }]
                    ^^^^
      expected: after, to
      did you mean `after`?
    routes.toml:9:35: there is no team `lead`
      escalate = [{ afte = "15m", to = "lead" }]
                                        ^^^^
      expected: voice

    routes.toml:9:1: `repeat` (4h) must be a multiple of `group_interval` (7m)
      group_interval = "7m"
      ^^^^^^^^^^^^^^

    routes.toml:9:21: `rules` is no key of a group
      group_by = ["env", "rules"]
                          ^^^^^
      expected: env, rule, failure, severity, host
      did you mean `rule`?

    routes.toml:9:1: `group_by` needs "failure": a mail is about one failure of one rule
      group_by = ["env", "rule"]
      ^^^^^^^^

    routes.toml:9:1: a digest has either `at` or `every`
      digest = { at = "8:30", every = "1h" }
      ^^^^^^
      expected: { at = "08:30", tz = "Europe/Berlin" }, { every = "1h" }

    routes.toml:9:18: `24:00` is no time of day
      digest = { at = "24:00", tz = "Europe/Berln" }
                       ^^^^^
      expected: 08:30
    routes.toml:9:32: there is no time zone `Europe/Berln`
      digest = { at = "24:00", tz = "Europe/Berln" }
                                     ^^^^^^^^^^^^
      expected: Europe/Berlin, UTC
      did you mean `Europe/Berlin`?

    routes.toml:9:1: `to` is missing here
      hours = { days = "mon-fry", from = "08:00", else = "drop" }
      ^^^^^
      expected: to = "18:00"
    routes.toml:9:1: `tz` is missing here
      hours = { days = "mon-fry", from = "08:00", else = "drop" }
      ^^^^^
      expected: tz = "Europe/Berlin"
    routes.toml:9:19: `mon-fry` is no day of the week
      hours = { days = "mon-fry", from = "08:00", else = "drop" }
                        ^^^^^^^
      expected: mon-fri, sat,sun
    routes.toml:9:53: `drop` is no else
      hours = { days = "mon-fry", from = "08:00", else = "drop" }
                                                          ^^^^
      expected: digest

    routes.toml:7:23: `high` is no severity
      match = { severity = "high" }
                            ^^^^
      expected: info, warning, critical

    routes.toml:7:20: there is no rule `answered-no-akc`
      match = { rule = ["answered-no-akc"], class = "x", host = [] }
                         ^^^^^^^^^^^^^^^
      did you mean `answered-no-ack`?
    routes.toml:7:39: there is no key `class` here
      match = { rule = ["answered-no-akc"], class = "x", host = [] }
                                            ^^^^^
      expected: severity, env, rule, failure, host
    routes.toml:7:52: `host` has no value, so this would match nothing
      match = { rule = ["answered-no-akc"], class = "x", host = [] }
                                                         ^^^^
      expected: a text, a list of texts

    routes.toml:7:1: this route matches everything, so those after it are never reached
      match = {}
      ^^^^^

    routes.toml:11:1: the last route must match everything, so that no failure is lost
      match = { env = "prod" }
      ^^^^^
      expected: match = {}

    routes.toml:4:10: `voice@@example.com` is no address of a mailbox
      to   = ["voice@@example.com"]
               ^^^^^^^^^^^^^^^^^^
      expected: oncall@example.com

    routes.toml:4:9: `last4` is no mask
      mask = "last4"
              ^^^^^
      expected: none, last3, all
      did you mean `last3`?
    routes.toml:5:7: there is no time zone `CEST`
      tz = "CEST"
            ^^^^
      expected: Europe/Berlin, UTC
      did you mean `CET`?
    routes.toml:6:1: `secret_file` is missing here
      webhook = { url = "ftp://x" }
      ^^^^^^^
      expected: secret_file = "pager.key"

    routes.toml:7:9: there is a team `voice` already
      name = "voice"
              ^^^^^
    routes.toml:10:1: `reserve_critical` is a part of `per_day`, and cannot be more
      per_day = 10
      ^^^^^^^
    routes.toml:11:9: `drop` is no over
      over = "drop"
              ^^^^
      expected: digest
    "#);
    insta::assert_snapshot!(faults(""), @"
    routes.toml:1:1: there is no route, so nobody is mailed
      expected: [[route]]
    ");
}

#[test]
fn addresses_look_like_addresses() {
    for (address, right) in [
        ("a@example.com", true),
        ("first.last+tag@mail.example.co.uk", true),
        ("root@localhost", true),
        ("", false),
        ("a", false),
        ("@example.com", false),
        ("a@", false),
        ("a b@example.com", false),
        ("a@example..com", false),
        ("a@-x.com", false),
        ("Name <a@example.com>", false),
        ("a@example.com, b@example.com", false),
        ("a@example.com\\r\\nBcc: b@example.com", false),
    ] {
        assert_eq!(load(&RIGHT.replace("voice@example.com", address)).is_ok(), right, "{address}");
    }
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_file_of_routes_makes_the_reader_panic(text in any::<String>(), at in 0_usize..200, cut in 0_usize..200) {
            let _ = Routes::load("routes.toml", &text, &BTreeSet::new());
            let (at, cut) = (RIGHT.floor_char_boundary(at), RIGHT.floor_char_boundary(cut));
            let _ = Routes::load("routes.toml", &format!("{}{text}{}", &RIGHT[..at], &RIGHT[cut..]), &BTreeSet::new());
        }
    }
}
