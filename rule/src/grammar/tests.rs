use std::fmt::Write;

use super::*;
use crate::print;
use crate::syntax::{Code, CodeName, Op, Term, Who};

const LABELS: [&str; 3] = ["push", "wake", "bound"];

fn with_names<T>(use_them: impl FnOnce(&Names<'_>) -> T) -> T {
    let name = |name: &str, from, to| CodeName { name: name.into(), business: true, ranges: vec![(from, to)] };
    let codes = CodeNames { entries: vec![name("busy", 486, 486), name("no-answer", 480, 480)] };
    let who = BTreeMap::from([("mobile".to_owned(), facts("platform=ios|android").expect("facts"))]);
    let labels = LABELS.map(|label| Some(label.to_owned()));
    use_them(&Names { codes: &codes, who: &who, labels: &labels, of_a_device: true })
}

/// As the third step of a rule.
fn read_step(text: &str) -> Result<Step, Wrong> {
    with_names(|names| step(text, names, 2))
}

/// What is wrong with a sentence, drawn below it.
fn drawn(text: &str, wrong: &Wrong) -> String {
    let before = text[..wrong.at.start].chars().count();
    let width = text[wrong.at.clone()].chars().count().max(1);
    let mut out = format!("{text}\n{}{} {}", " ".repeat(before), "^".repeat(width), wrong.what);
    if !wrong.expected.is_empty() {
        let _ = write!(out, "; expected {}", wrong.expected.join(", "));
    }
    if let Some(meant) = &wrong.meant {
        let _ = write!(out, "; meant {meant}");
    }
    out
}

fn faults(texts: &[&str], read: impl Fn(&str) -> Option<Wrong>) -> String {
    let drawn =
        texts.iter().map(|text| read(text).map_or_else(|| format!("{text}: no fault"), |wrong| drawn(text, &wrong)));
    drawn.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_sentence_reads_as_a_value() {
    let read = read_step("bound: no 2nd 200|3xx-6xx|busy GET|POST /v1/* from mobile to 'my node' with json./a>=3 and expires>0 within 2s of wake else late").expect("a step");
    let fact = |name, op, value: &str| Fact { name, op, values: vec![value.into()] };
    let term = Term {
        nth: 2,
        codes: Some(Codes(vec![
            Code::Range { from: 200, to: 200 },
            Code::Range { from: 300, to: 699 },
            Code::Named("busy".into()),
        ])),
        methods: vec!["GET".into(), "POST".into()],
        path: Some(crate::syntax::Path { text: "/v1/".into(), prefix: true }),
        from: Some(Who::Such { name: "mobile".into(), with: facts("platform=ios|android").expect("facts") }),
        to: Some(Who::Node("my node".into())),
        with: vec![fact(FactName::Json("/a".into()), Op::AtLeast, "3"), fact(FactName::Expires, Op::More, "0")],
    };
    assert_eq!(
        read,
        Step {
            label: Some("bound".into()),
            forbidden: true,
            pattern: Pattern(vec![term]),
            timing: Some(Timing::Within { micros: 2_000_000, of: Some(Anchor::Step(1)) }),
            failure: Some("late".into()),
        }
    );
}

#[test]
fn sentences_in_canonical_form_stay_as_they_are() {
    for text in [
        "INVITE optional",
        "wake: REGISTER from device within 10s of start else push-no-wake",
        "PUSH to device or 1xx-6xx INVITE from device within 500ms before push else push-missing",
        "2nd INVITE from 'proxy-1' with registered_ago>1m before bound else x",
        "no 3rd 401|407 REGISTER to device within 32s of start else auth-loop",
        "GET /v1/route* with header.X-App!=a|'b c'|'it\\'s \\\\' else x",
        "480-489 INVITE else x",
    ] {
        let read = with_names(|names| step(text, names, 3)).unwrap_or_else(|wrong| panic!("{}", drawn(text, &wrong)));
        assert_eq!(print::step(&read, &LABELS.map(Some)), text);
    }
    for text in ["BYE as ok", "408 INVITE as business no-answer", "BYE as business", "BYE as failed x", "2xx-6xx BYE"] {
        assert_eq!(print::end(&with_names(|names| end(text, names)).expect("an ending")), text);
    }
    for text in ["CANCEL from caller before wake", "BYE after start", "BYE"] {
        let read = with_names(|names| unless(text, names)).expect("a sentence");
        assert_eq!(print::unless(&read, &LABELS.map(Some)), text);
    }
    for text in [
        "10 in 5m or 3% in 10m",
        "0.25% in 1h or 3 in 1h per header.X",
        "below 20% of last week in 10m",
        "above 200% of last week in 30m",
    ] {
        assert_eq!(print::amounts(&amounts(text).expect("amounts")), text);
    }
}

#[test]
fn what_is_wrong_with_a_step_is_said_with_its_place() {
    let texts = [
        "ACK",
        "",
        "wake:",
        "ACK form device else x",
        "ACK to calller else x",
        "ACK to mobil else x",
        "ACK to else x",
        "ACK to device|caller else x",
        "ACK to 'device else x",
        "invite to device else x",
        "INVTE to device else x",
        "GET|get else x",
        "bussy INVITE else x",
        "2xxx INVITE else x",
        "6xx-2xx INVITE else x",
        "200 to device else x",
        "0th INVITE else x",
        "INVITE /v1 else x",
        "GET /v1?a=b else x",
        "INVITE with platfrom=ios else x",
        "INVITE with platform>ios else x",
        "INVITE with platform else x",
        "INVITE with initial=maybe else x",
        "INVITE with expires>1|2 else x",
        "INVITE with expires>soon else x",
        "INVITE with registered_ago>60 else x",
        "INVITE with scenario=cal else x",
        "INVITE with platform=ios adn initial=yes else x",
        "INVITE within soon else x",
        "INVITE within else x",
        "INVITE within 2s of wkae else x",
        "INVITE within 2s of bound else x",
        "INVITE before bound else x",
        "INVITE within 2s",
        "INVITE within 2s esle x",
        "INVITE else Late_one",
        "INVITE else",
        "INVITE else x y",
        "no INVITE optional",
        "Wake: INVITE else x",
        "INVITE or else x",
        "INVITE to caller from device else x",
    ];
    insta::assert_snapshot!(faults(&texts, |text| read_step(text).err()), @r#"
    ACK
       ^ say what it is when this step is missed: `else` and the name of a failure; expected a path, from, to, with, or, within, before, optional, else

    ^ a message is missing here; expected a method such as INVITE, a status such as 2xx and a method
    wake:
         ^ a message is missing here; expected a method such as INVITE, a status such as 2xx and a method
    ACK form device else x
        ^^^^ `form` is not understood here; expected a path, from, to, with, or, within, before, optional, else; meant from
    ACK to calller else x
           ^^^^^^^ `calller` is nearly `caller`; a node of this name is written 'calller'; expected caller, callee, device, other-leg, other-party, mobile, a node; meant caller
    ACK to mobil else x
           ^^^^^ `mobil` is nearly `mobile`; a node of this name is written 'mobil'; expected caller, callee, device, other-leg, other-party, mobile, a node; meant mobile
    ACK to else x
           ^^^^ say who, before `else`; expected caller, callee, device, other-leg, other-party, mobile, a node
    ACK to device|caller else x
           ^^^^^^^^^^^^^ `device|caller` is no name of a node; one with other signs stands in '…'; expected caller, callee, device, other-leg, other-party, mobile, a node
    ACK to 'device else x
           ^^^^^^^ the quote is not closed; expected '
    invite to device else x
    ^^^^^^ a method is written in capitals; meant INVITE
    INVTE to device else x
    ^^^^^ `INVTE` is no method; expected INVITE, ACK, BYE, CANCEL, REGISTER, OPTIONS, PRACK, UPDATE, INFO, REFER, SUBSCRIBE, NOTIFY, MESSAGE, PUBLISH, GET, POST, PUT, DELETE, PATCH, HEAD, TRACE, CONNECT, PUSH; meant INVITE
    GET|get else x
        ^^^ a method is written in capitals; meant GET
    bussy INVITE else x
    ^^^^^ `bussy` is no name of [codes]; expected busy, no-answer; meant busy
    2xxx INVITE else x
    ^^^^ `2xxx` is no status from 100 to 699; expected 486, 2xx, 3xx-6xx
    6xx-2xx INVITE else x
    ^^^^^^^ `6xx-2xx` is no status from 100 to 699; expected 486, 2xx, 3xx-6xx
    200 to device else x
        ^^ the method is missing after the status, before `to`; expected a method such as INVITE, a status such as 2xx and a method
    0th INVITE else x
    ^^^ `0th` does not count messages; expected 2nd, 3rd, 4th
    INVITE /v1 else x
           ^^^ INVITE has no path; only REST and push have one
    GET /v1?a=b else x
        ^^^^^^^ a path is compared without its query, and a * stands at its end only; expected /v1/route, /v1/*
    INVITE with platfrom=ios else x
                ^^^^^^^^ there is no fact `platfrom`; expected scenario, device, initial, repeated, winner, rang, pushable, expires, registered_ago, platform, app_version, push_provider, transport, reason, from_host, to_host, header.NAME, json./pointer; meant platform
    INVITE with platform>ios else x
                        ^ `platform` has no order; expected =, !=
    INVITE with platform else x
                         ^^^^ a comparison is missing after the fact; expected !=, <=, >=, =, <, >
    INVITE with initial=maybe else x
                        ^^^^^ `initial` is never maybe; expected yes, no
    INVITE with expires>1|2 else x
                       ^ `>` compares with one value; expected =, !=
    INVITE with expires>soon else x
                        ^^^^ `soon` is no number of seconds; expected 0, 3600
    INVITE with registered_ago>60 else x
                               ^^ `60` is no time; expected a time such as 500ms, 2s, 5m or 4h
    INVITE with scenario=cal else x
                         ^^^ `scenario` is never cal; expected call, registration, keepalive, subscription, publication, message, other; meant call
    INVITE with platform=ios adn initial=yes else x
                             ^^^ `adn` is not understood here; expected and, or, within, before, optional, else; meant and
    INVITE within soon else x
                  ^^^^ `soon` is no time; expected a time such as 500ms, 2s, 5m or 4h
    INVITE within else x
                  ^^^^ `else` is no time; expected a time such as 500ms, 2s, 5m or 4h
    INVITE within 2s of wkae else x
                        ^^^^ no step has the label `wkae`; expected push, wake, bound, start; meant wake
    INVITE within 2s of bound else x
                     ^^^^^^^^ a step counts from an earlier one, not from itself
    INVITE before bound else x
           ^^^^^^^^^^^^ a step cannot come before itself
    INVITE within 2s
                    ^ say what it is when this step is missed: `else` and the name of a failure; expected before, of, optional, else
    INVITE within 2s esle x
                     ^^^^ `esle` is not understood here; expected before, of, optional, else; meant else
    INVITE else Late_one
                ^^^^^^^^ `Late_one` is no name: a lower-case word with dashes
    INVITE else
               ^ the name is missing; expected a lower-case word with dashes
    INVITE else x y
                  ^ `y` is not understood here
    no INVITE optional
              ^^^^^^^^ `optional` cannot stand here; expected a path, from, to, with, or, within, before, else
    Wake: INVITE else x
    ^^^^ a label is a lower-case word with dashes that has no other meaning; "Wake" is none
    INVITE or else x
              ^^^^ a message is missing here, before `else`; expected a method such as INVITE, a status such as 2xx and a method
    INVITE to caller from device else x
                     ^^^^ `from` cannot stand here; expected with, or, within, before, optional, else
    "#);
}

#[test]
fn what_is_wrong_with_other_sentences_is_said_with_its_place() {
    let ends = ["BYE as", "BYE as okay", "BYE as failed", "BYE as busines", "BYE before start"];
    insta::assert_snapshot!(faults(&ends, |text| with_names(|names| end(text, names)).err()), @"
    BYE as
          ^ the sentence ends too early; expected ok, business, failed
    BYE as okay
           ^^^^ `okay` is not understood here; expected ok, business, failed
    BYE as failed
                 ^ the name is missing; expected a lower-case word with dashes
    BYE as busines
           ^^^^^^^ `busines` is not understood here; expected ok, business, failed; meant business
    BYE before start
        ^^^^^^ `before` cannot stand here; expected a path, from, to, with, or, as
    ");
    let unlesses = ["BYE before", "BYE befor start", "BYE after strat", "BYE within 2s"];
    insta::assert_snapshot!(faults(&unlesses, |text| with_names(|names| unless(text, names)).err()), @"
    BYE before
              ^ the label is missing; expected push, wake, bound, start
    BYE befor start
        ^^^^^ `befor` is not understood here; expected a path, from, to, with, or, before, after; meant before
    BYE after strat
              ^^^^^ no step has the label `strat`; expected push, wake, bound, start; meant start
    BYE within 2s
        ^^^^^^ `within` cannot stand here; expected a path, from, to, with, or, before, after
    ");
    let whens = [
        "ten in 5m",
        "",
        "10 on 5m",
        "10 in 5",
        "below 20 of last week in 5m",
        "below 20% of lst week in 5m",
        "3.123% in 5m",
        "10 in 5m per host",
        "blow 20% of last week in 5m",
        "0 in 5m",
        "10 in 5m or 3% in 10m per to_host",
        "above 200% of last week in 30m per device or 3 in 1m",
    ];
    insta::assert_snapshot!(faults(&whens, |text| amounts(text).err()), @"
    ten in 5m
    ^^^ `ten` is no number of failures; expected 10, 3%, below 20% of last week, above 200% of last week

    ^ a number is missing; expected a number such as 10, a share such as 3%
    10 on 5m
       ^^ `on` is not understood here; expected in; meant in
    10 in 5
          ^ `5` is no time; expected a time such as 500ms, 2s, 5m or 4h
    below 20 of last week in 5m
          ^^ `below` compares with last week, so a percentage is needed, not `20`; expected 20% of last week
    below 20% of lst week in 5m
                 ^^^ `lst` is not understood here; expected last; meant last
    3.123% in 5m
    ^^^^^^ `3.123%` is no number of failures; expected 10, 3%, below 20% of last week, above 200% of last week
    10 in 5m per host
                 ^^^^ there is no fact `host`; expected scenario, device, initial, repeated, winner, rang, pushable, expires, registered_ago, platform, app_version, push_provider, transport, reason, from_host, to_host, header.NAME, json./pointer
    blow 20% of last week in 5m
    ^^^^ `blow` is no number of failures; expected 10, 3%, below 20% of last week, above 200% of last week; meant below
    0 in 5m
    ^ `0` is no number of failures; expected 10, 3%, below 20% of last week, above 200% of last week
    10 in 5m or 3% in 10m per to_host
                          ^^^^^^^^^^^ a percentage is one of all instances of the rule: `per` counts numbers such as `10 in 5m`
    above 200% of last week in 30m per device or 3 in 1m
                                   ^^^^^^^^^^ a percentage is one of all instances of the rule: `per` counts numbers such as `10 in 5m`
    ");
    let ranges = ["4x", "", "busy", "401|", "401 407"];
    insta::assert_snapshot!(faults(&ranges, |text| super::ranges(text).err()), @"
    4x
    ^^ `4x` is no status from 100 to 699; expected 486, 2xx, 3xx-6xx

    ^ a status is missing here; expected 486, 4xx, 3xx-6xx
    busy
    ^^^^ `busy` is no status from 100 to 699; expected 486, 2xx, 3xx-6xx
    401|
        ^ a status is missing beside the |
    401 407
        ^^^ `407` is not understood here
    ");
}

#[test]
fn a_device_needs_a_rule_per_leg_or_device() {
    let text = "2xx INVITE from device";
    let wrong = with_names(|names| pattern(text, &Names { of_a_device: false, ..*names })).expect_err("no device");
    insta::assert_snapshot!(drawn(text, &wrong), @"
    2xx INVITE from device
                    ^^^^^^ `device` is a device of one leg, and this is not `per` leg or device; expected caller, callee, other-party, a node
    ");
}

#[test]
fn a_long_sentence_is_not_read() {
    let wrong = read_step(&"INVITE or ".repeat(1_001)).expect_err("too long");
    assert_eq!(wrong.what, "a sentence has at most 10000 bytes");
}

mod laws {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::syntax::Path;

    fn name() -> impl Strategy<Value = String> {
        "[a-z]{1,8}(-[a-z0-9]{1,4})?"
    }

    fn span() -> impl Strategy<Value = i64> {
        (1_i64..100_000).prop_map(|millis| millis * 1_000)
    }

    fn code() -> impl Strategy<Value = Code> {
        let range = (100_u16..=699, 100_u16..=699).prop_map(|(a, b)| Code::Range { from: a.min(b), to: a.max(b) });
        let hundreds =
            (1_u16..=6, 1_u16..=6).prop_map(|(a, b)| Code::Range { from: a.min(b) * 100, to: a.max(b) * 100 + 99 });
        prop_oneof![range, hundreds, select(vec!["busy", "no-answer"]).prop_map(|name| Code::Named(name.into()))]
    }

    fn who() -> impl Strategy<Value = Who> {
        let mobile = Who::Such { name: "mobile".into(), with: facts("platform=ios|android").expect("facts") };
        prop_oneof![
            Just(Who::Caller),
            Just(Who::Callee),
            Just(Who::Device),
            Just(Who::OtherLeg),
            Just(Who::OtherParty),
            Just(mobile),
            "[^\\x00]{1,12}".prop_map(Who::Node)
        ]
    }

    fn fact() -> impl Strategy<Value = Fact> {
        let plain = select(vec!["platform", "app_version", "from_host", "header.X-A", "json./a/0"]);
        let text = (plain, any::<bool>(), vec(any::<String>(), 1..3)).prop_map(|(name, is, values)| Fact {
            name: FactName::read(name).expect("a fact"),
            op: if is { Op::Is } else { Op::IsNot },
            values,
        });
        let yes = (select(vec!["initial", "rang"]), select(vec!["yes", "no"])).prop_map(|(name, value)| Fact {
            name: FactName::read(name).expect("a fact"),
            op: Op::Is,
            values: vec![value.into()],
        });
        let order = select(vec![Op::Is, Op::Less, Op::AtMost, Op::More, Op::AtLeast]);
        let ago = (order.clone(), span()).prop_map(|(op, micros)| Fact {
            name: FactName::RegisteredAgo,
            op,
            values: vec![micros.to_string()],
        });
        let expires = (order, 0_u32..4_000).prop_map(|(op, seconds)| Fact {
            name: FactName::Expires,
            op,
            values: vec![seconds.to_string()],
        });
        prop_oneof![text, yes, ago, expires]
    }

    fn term() -> impl Strategy<Value = Term> {
        let rest = (select(vec!["GET", "POST", "OPTIONS"]), proptest::option::of(("/[a-z/]{0,8}", any::<bool>())));
        let rest =
            rest.prop_map(|(method, path)| (vec![method.to_owned()], path.map(|(text, prefix)| Path { text, prefix })));
        let sip = proptest::sample::subsequence(vec!["INVITE", "BYE", "REGISTER"], 1..3)
            .prop_map(|methods| (methods.into_iter().map(str::to_owned).collect(), None));
        let ends = (proptest::option::of(who()), proptest::option::of(who()));
        let codes = proptest::option::of(vec(code(), 1..4).prop_map(Codes));
        (1_u32..=99, codes, prop_oneof![rest, sip], ends, vec(fact(), 0..3)).prop_map(
            |(nth, codes, (methods, path), (from, to), with)| Term { nth, codes, methods, path, from, to, with },
        )
    }

    fn some_pattern() -> impl Strategy<Value = Pattern> {
        vec(term(), 1..4).prop_map(Pattern)
    }

    fn anchor() -> impl Strategy<Value = Anchor> {
        prop_oneof![Just(Anchor::Start), (0_usize..2).prop_map(Anchor::Step)]
    }

    fn some_step() -> impl Strategy<Value = Step> {
        let within = (span(), proptest::option::of(anchor())).prop_map(|(micros, of)| Timing::Within { micros, of });
        let before =
            (proptest::option::of(span()), anchor()).prop_map(|(micros, label)| Timing::Before { micros, label });
        let timing = proptest::option::of(prop_oneof![within, before]);
        let label = proptest::option::of(Just("bound".to_owned()));
        let fate = prop_oneof![Just((false, None)), (any::<bool>(), name().prop_map(Some))];
        (label, fate, some_pattern(), timing).prop_map(|(label, (forbidden, failure), pattern, timing)| Step {
            label,
            forbidden,
            pattern,
            timing,
            failure,
        })
    }

    fn some_end() -> impl Strategy<Value = End> {
        let outcome = prop_oneof![
            Just(Ending::Ok),
            proptest::option::of(name()).prop_map(Ending::Business),
            name().prop_map(Ending::Failed)
        ];
        (some_pattern(), proptest::option::of(outcome)).prop_map(|(pattern, outcome)| End { pattern, outcome })
    }

    fn some_amount() -> impl Strategy<Value = Amount> {
        let much = prop_oneof![
            (1_u32..100_000).prop_map(Much::Count),
            (1_u32..100_000).prop_map(Much::Share),
            (1_u32..100_000).prop_map(Much::BelowLastWeek),
            (1_u32..100_000).prop_map(Much::AboveLastWeek)
        ];
        let per = proptest::option::of(select(vec![FactName::Device, FactName::Header("X".into())]));
        (much, span(), per).prop_map(|(much, span, per)| {
            let per = per.filter(|_| matches!(much, Much::Count(_)));
            Amount { much, span, per }
        })
    }

    /// Words of the language in any order, and what is none.
    fn nearly() -> impl Strategy<Value = String> {
        let words = "no or from to with and within of before after optional else as start 2xx 3rd busy| INVITE GET| \
            /v1* device mobile platform= ' \\ 10s wake: wake below 3% in per last week ok failed ä \u{2028} |";
        let words = select(words.split(' ').collect::<Vec<_>>());
        vec(prop_oneof![4 => words.prop_map(str::to_owned), 1 => any::<String>()], 0..16)
            .prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_value(
            written in some_step(),
            ending in some_end(),
            amount in vec(some_amount(), 1..3),
            side in proptest::option::of((select(vec![Side::Before, Side::After]), anchor())),
        ) {
            let labels = LABELS.map(Some);
            let text = print::step(&written, &labels);
            prop_assert_eq!(read_step(&text), Ok(written.clone()), "{}", text);
            let text = print::end(&ending);
            prop_assert_eq!(with_names(|names| end(&text, names)), Ok(ending), "{}", text);
            let text = print::amounts(&amount);
            prop_assert_eq!(amounts(&text), Ok(amount), "{}", text);
            let dropping = Unless { pattern: written.pattern, side };
            let text = print::unless(&dropping, &labels);
            prop_assert_eq!(with_names(|names| unless(&text, names)), Ok(dropping), "{}", text);
        }

        #[test]
        fn no_text_makes_the_parser_panic_and_a_fault_is_within_it(text in prop_oneof![any::<String>(), nearly()]) {
            let wrongs = with_names(|names| [
                step(&text, names, 1).err(),
                pattern(&text, names).err(),
                unless(&text, names).err(),
                end(&text, names).err(),
                facts(&text).err(),
                ranges(&text).err(),
                amounts(&text).err(),
                fact_name(&text).err(),
            ]);
            for wrong in wrongs.into_iter().flatten() {
                prop_assert!(text.get(wrong.at.clone()).is_some(), "{:?}", wrong);
                prop_assert!(!wrong.what.is_empty());
            }
        }
    }
}
