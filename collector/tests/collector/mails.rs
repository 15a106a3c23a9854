//! Mails as their readers see them, and as a stranger would like them to look.

use std::collections::BTreeSet;
use std::time::SystemTime;

use chrono_tz::Tz;
use collector::mail::notice::{
    About, Common, Group, Held, Hidden, Item, Mask, Notice, Reader, Severity, Share, State, Storm,
};
use collector::mail::{Mail, Mailbox, Settings, message_id, mime, render};
use record::time::{MINUTE, SECOND, Timestamp};

/// 2026-09-14 12:05:00 UTC.
const NOON: i64 = 1_789_387_500 * SECOND;

fn item(scenario: i64, second: i64) -> Item {
    Item {
        scenario,
        at: Timestamp(NOON + second * SECOND),
        caller: "+4930123482".into(),
        callee: "+4930555119".into(),
        leg: "B1".into(),
        device: "iPhone15 7.4.1".into(),
        seen: "PUSH 200 after 0.19 s".into(),
        unseen: "nothing until 12:05:11Z".into(),
        fragment: "push-wakes-device.wake.B1".into(),
        late_by: None,
        times: 1,
        also: Vec::new(),
    }
}

pub fn group() -> Group {
    let late = Item {
        caller: "+4930777207".into(),
        device: String::new(),
        seen: "REGISTER 14.2 s after PUSH".into(),
        unseen: String::new(),
        late_by: Some(4_210_000),
        ..item(0x018f_3c61, -20)
    };
    let again = Item { times: 40, also: vec!["call-completes".into()], ..item(0x018f_3c7b, 3) };
    Group {
        state: State::Firing,
        key: 0x7f3a_91c2_0b44_e1d2,
        severity: Severity::Critical,
        rule: "push-wakes-device".into(),
        version: "3f9c2a".into(),
        title: "A push wakes the mobile: it registers, gets the INVITE and rings".into(),
        failure: "push-no-wake".into(),
        says: "device did not wake after PUSH".into(),
        step: "wake".into(),
        missed: "no REGISTER from device within 10 s of PUSH".into(),
        begins: Timestamp(NOON),
        ends: Timestamp(NOON + 5 * MINUTE),
        share: Some(Share { failed: 7, judged: 412, persons: Some(6), week_ago: Some(0.002) }),
        common: [("push_provider", "apns", 7), ("app_version", "7.4.1", 6), ("from_host", "proxy-1", 7)]
            .map(|(name, value, has)| Common { name: name.into(), value: value.into(), has, of: 7 })
            .to_vec(),
        new: vec![item(0x018f_3c7a, 1), again],
        continuing: vec![item(0x018f_3c22, -400)],
        resolved: vec![late],
        gone: vec![],
        max_listed: 20,
        hidden: Hidden { silences: 2, scenarios: 5, older: 0 },
    }
}

pub fn notice(group: Group) -> Notice {
    Notice {
        reader: Reader {
            team: "oncall-voice".into(),
            routes: BTreeSet::from([1]),
            zone: Tz::Europe__Berlin,
            mask: Mask::Last3,
        },
        base_url: "https://siptrail.example.com".into(),
        domain: "siptrail.example.com".into(),
        env: "prod".into(),
        made: Timestamp(NOON + 5 * MINUTE),
        about: About::Group(Box::new(group)),
    }
}

fn storm() -> Notice {
    let held = |key, severity, failure: &str, says: &str, scenarios| Held {
        key,
        severity,
        failure: failure.into(),
        says: says.into(),
        scenarios,
        over: 0,
    };
    let groups = vec![
        held(0x7f3a_91c2_0b44_e1d2, Severity::Critical, "no-ack", "200 OK was never acknowledged", 9_120),
        held(0x11aa_0000_0b44_0001, Severity::Warning, "no-response", "nobody answered the INVITE", 880),
    ];
    let begins = Timestamp(NOON);
    let storm = Storm { mails: 12, begins, ends: Timestamp(NOON + MINUTE), groups };
    let mut notice = Notice { about: About::Storm(storm), ..notice(group()) };
    notice.reader.routes = BTreeSet::from([1, 2, 4]);
    notice
}

/// Subject, headers and text, as one would look at them in a terminal.
fn shown(mail: &Mail) -> String {
    let headers = mail.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<Vec<_>>().concat();
    format!("Subject: {}\n{headers}\n{}", mail.subject, mail.text)
}

fn settings() -> Settings {
    let toml = "server = \"localhost\"\nfrom = \"Siptrail (prod) <siptrail@example.com>\"\nreply_to = \"lead@example.com\"\n\
                base_url = \"https://siptrail.example.com\"\nhostname = \"siptrail.example.com\"";
    toml::from_str(toml).expect("settings")
}

fn bytes(mail: &Mail) -> String {
    let to: Vec<Mailbox> = vec!["oncall-voice@example.com".parse().expect("an address")];
    let id = message_id(4711, settings().domain());
    let made = SystemTime::UNIX_EPOCH + std::time::Duration::from_micros((NOON + 5 * MINUTE) as u64);
    String::from_utf8(mime(mail, &settings(), &to, &id, made).expect("a mail")).expect("ASCII")
}

#[test]
fn the_first_mail_of_a_group_lists_what_failed_and_links_to_each_missing_row() {
    insta::assert_snapshot!(shown(&render(&notice(group()))), @r"
    Subject: [siptrail prod] CRITICAL push-no-wake: device did not wake after PUSH
    In-Reply-To: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    References: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    Auto-Submitted: auto-generated
    X-Auto-Response-Suppress: All
    List-Id: <oncall-voice.siptrail.example.com>
    X-Siptrail-Group: 7f3a91c20b44e1d2
    X-Siptrail-Status: firing
    Importance: high

    4 scenarios did not end as expected: 2 new, 1 continuing, 1 resolved late.

    Rule    push-wakes-device (critical, version 3f9c2a): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step wake: no REGISTER from device within 10 s of PUSH
    When    2026-09-14 12:05:00-12:10:00 UTC (14:05-14:10 Europe/Berlin)
    Share   7 of 412 (1.7 %), 6 people; the same hour a week ago 0.2 %
    Common  push_provider=apns 7/7, app_version=7.4.1 6/7, from_host=proxy-1 7/7

    NEW
      1  018f3c7a  12:05:01Z  ...482 -> ...119
         B1 iPhone15 7.4.1: PUSH 200 after 0.19 s, nothing until 12:05:11Z
         https://siptrail.example.com/s/018f3c7a#push-wakes-device.wake.B1
      2  018f3c7b  12:05:03Z  ...482 -> ...119
         B1 iPhone15 7.4.1: PUSH 200 after 0.19 s, nothing until 12:05:11Z ×40;
         also: call-completes
         https://siptrail.example.com/s/018f3c7b#push-wakes-device.wake.B1

    CONTINUING
      3  018f3c22  11:58:20Z  ...482 -> ...119
         B1 iPhone15 7.4.1: PUSH 200 after 0.19 s, nothing until 12:05:11Z
         https://siptrail.example.com/s/018f3c22#push-wakes-device.wake.B1

    RESOLVED LATE
      4  018f3c61  12:04:40Z  ...207 -> ...119
         B1: REGISTER 14.2 s after PUSH (4.2 s late)
         https://siptrail.example.com/s/018f3c61#push-wakes-device.wake.B1

    Group        https://siptrail.example.com/a/7f3a91c20b44e1d2
    2 silences hide 5 scenarios of this rule. You get this by route 1 of routes.toml
    (team oncall-voice).

    scenarios: 018f3c7a 018f3c7b 018f3c22 018f3c61
    dedup_key: siptrail-7f3a91c20b44e1d2  status: firing
    ");
}

#[test]
fn an_update_has_the_subject_of_the_first_and_no_alarm() {
    let (first, update) =
        (render(&notice(group())), render(&notice(Group { state: State::Update, new: vec![], ..group() })));
    assert_eq!(first.subject, update.subject);
    insta::assert_snapshot!(shown(&update), @r"
    Subject: [siptrail prod] CRITICAL push-no-wake: device did not wake after PUSH
    In-Reply-To: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    References: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    Auto-Submitted: auto-generated
    X-Auto-Response-Suppress: All
    List-Id: <oncall-voice.siptrail.example.com>
    X-Siptrail-Group: 7f3a91c20b44e1d2
    X-Siptrail-Status: update

    2 scenarios did not end as expected: 1 continuing, 1 resolved late.

    Rule    push-wakes-device (critical, version 3f9c2a): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step wake: no REGISTER from device within 10 s of PUSH
    When    2026-09-14 12:05:00-12:10:00 UTC (14:05-14:10 Europe/Berlin)
    Share   7 of 412 (1.7 %), 6 people; the same hour a week ago 0.2 %
    Common  push_provider=apns 7/7, app_version=7.4.1 6/7, from_host=proxy-1 7/7

    CONTINUING
      1  018f3c22  11:58:20Z  ...482 -> ...119
         B1 iPhone15 7.4.1: PUSH 200 after 0.19 s, nothing until 12:05:11Z
         https://siptrail.example.com/s/018f3c22#push-wakes-device.wake.B1

    RESOLVED LATE
      2  018f3c61  12:04:40Z  ...207 -> ...119
         B1: REGISTER 14.2 s after PUSH (4.2 s late)
         https://siptrail.example.com/s/018f3c61#push-wakes-device.wake.B1

    Group        https://siptrail.example.com/a/7f3a91c20b44e1d2
    2 silences hide 5 scenarios of this rule. You get this by route 1 of routes.toml
    (team oncall-voice).

    scenarios: 018f3c22 018f3c61
    dedup_key: siptrail-7f3a91c20b44e1d2  status: update
    ");
}

#[test]
fn a_resolved_group_says_since_when() {
    let group = Group { state: State::Resolved, new: vec![], continuing: vec![], hidden: Hidden::default(), ..group() };
    insta::assert_snapshot!(shown(&render(&notice(group))), @r"
    Subject: [siptrail prod] CRITICAL push-no-wake: device did not wake after PUSH
    In-Reply-To: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    References: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    Auto-Submitted: auto-generated
    X-Auto-Response-Suppress: All
    List-Id: <oncall-voice.siptrail.example.com>
    X-Siptrail-Group: 7f3a91c20b44e1d2
    X-Siptrail-Status: resolved

    Over: nothing has failed like this since 2026-09-14 12:10:00 UTC. 1 resolved
    late.

    Rule    push-wakes-device (critical, version 3f9c2a): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step wake: no REGISTER from device within 10 s of PUSH
    When    2026-09-14 12:05:00-12:10:00 UTC (14:05-14:10 Europe/Berlin)
    Share   7 of 412 (1.7 %), 6 people; the same hour a week ago 0.2 %
    Common  push_provider=apns 7/7, app_version=7.4.1 6/7, from_host=proxy-1 7/7

    RESOLVED LATE
      1  018f3c61  12:04:40Z  ...207 -> ...119
         B1: REGISTER 14.2 s after PUSH (4.2 s late)
         https://siptrail.example.com/s/018f3c61#push-wakes-device.wake.B1

    Group        https://siptrail.example.com/a/7f3a91c20b44e1d2
    You get this by route 1 of routes.toml (team oncall-voice).

    scenarios: 018f3c61
    dedup_key: siptrail-7f3a91c20b44e1d2  status: resolved
    ");
}

#[test]
fn what_did_not_fail_after_all_is_not_called_late() {
    let gone = Item { seen: String::new(), unseen: "did not fail, as is known now".into(), ..item(0x018f_3c7a, 1) };
    let group = Group { state: State::Update, new: vec![], resolved: vec![], gone: vec![gone], ..group() };
    let mail = render(&notice(group.clone()));
    assert!(!mail.text.contains("LATE") && !mail.html.contains("LATE"), "{}", mail.text);
    insta::assert_snapshot!(mail.text.lines().take(20).collect::<Vec<_>>().join("\n"), @"
    1 scenario did not end as expected: 1 continuing. 1 of those mailed before did
    not fail after all.

    Rule    push-wakes-device (critical, version 3f9c2a): A push wakes the mobile:
            it registers, gets the INVITE and rings
    Failed  step wake: no REGISTER from device within 10 s of PUSH
    When    2026-09-14 12:05:00-12:10:00 UTC (14:05-14:10 Europe/Berlin)
    Share   7 of 412 (1.7 %), 6 people; the same hour a week ago 0.2 %
    Common  push_provider=apns 7/7, app_version=7.4.1 6/7, from_host=proxy-1 7/7

    CONTINUING
      1  018f3c22  11:58:20Z  ...482 -> ...119
         B1 iPhone15 7.4.1: PUSH 200 after 0.19 s, nothing until 12:05:11Z
         https://siptrail.example.com/s/018f3c22#push-wakes-device.wake.B1

    RESOLVED
      2  018f3c7a  12:05:01Z  ...482 -> ...119
         B1 iPhone15 7.4.1: did not fail, as is known now
         https://siptrail.example.com/s/018f3c7a#push-wakes-device.wake.B1
    ");
    let over = render(&notice(Group { state: State::Resolved, continuing: vec![], ..group }));
    insta::assert_snapshot!(over.text.lines().take(3).collect::<Vec<_>>().join("\n"), @"
    Over: nothing has failed like this since 2026-09-14 12:10:00 UTC. 1 of those
    mailed before did not fail after all.
    ");
}

#[test]
fn a_storm_is_one_mail_with_all_groups() {
    insta::assert_snapshot!(shown(&render(&storm())), @r"
    Subject: [siptrail prod] STORM: too many alerts to mail one by one
    In-Reply-To: <g.storm-oncall-voice.20260914@siptrail.example.com>
    References: <g.storm-oncall-voice.20260914@siptrail.example.com>
    Auto-Submitted: auto-generated
    X-Auto-Response-Suppress: All
    List-Id: <oncall-voice.siptrail.example.com>
    X-Siptrail-Group: storm-oncall-voice
    X-Siptrail-Status: storm

    10,000 scenarios in 2 groups did not end as expected. You have got 12 mails
    within an hour; until there are fewer, one mail stands for all of them.

    When    2026-09-14 12:05:00-12:06:00 UTC (14:05-14:06 Europe/Berlin)

    HELD BACK
      1  7f3a91c20b44e1d2  CRITICAL no-ack
         9,120 scenarios: 200 OK was never acknowledged
         https://siptrail.example.com/a/7f3a91c20b44e1d2
      2  11aa00000b440001  WARNING no-response
         880 scenarios: nobody answered the INVITE
         https://siptrail.example.com/a/11aa00000b440001

    Groups       https://siptrail.example.com/alerts
    You get this by routes 1, 2 and 4 of routes.toml (team oncall-voice).

    dedup_key: siptrail-storm-oncall-voice  status: storm
    ");
}

#[test]
fn a_storm_says_what_failed_and_what_is_only_resolved() {
    let told = |of: &[(u64, u64)]| {
        let mut notice = storm();
        if let About::Storm(storm) = &mut notice.about {
            let held = storm.groups[0].clone();
            storm.groups = of
                .iter()
                .map(|(scenarios, over)| Held { scenarios: *scenarios, over: *over, ..held.clone() })
                .collect();
        }
        let text = render(&notice).text.replace('\n', " ");
        let lines = text.split("  ").filter(|line| line.ends_with("200 OK was never acknowledged")).map(str::trim);
        (text.split(". You have").next().unwrap().to_owned(), lines.map(str::to_owned).collect::<Vec<_>>())
    };
    let never = "200 OK was never acknowledged";
    let (first, lines) = told(&[(0, 1), (0, 2)]);
    assert_eq!(first, "2 groups are resolved");
    assert_eq!(lines, [format!("1 scenario resolved: {never}"), format!("2 scenarios resolved: {never}")]);
    assert_eq!(told(&[(0, 3)]).0, "1 group is resolved");
    let (first, lines) = told(&[(7, 2), (0, 1)]);
    assert_eq!(first, "7 scenarios in 1 group did not end as expected, and 1 group is resolved");
    assert_eq!(lines[0], format!("7 scenarios, and 2 resolved: {never}"));
}

#[test]
fn what_is_not_listed_is_counted() {
    let mail = render(&notice(Group { hidden: Hidden { older: 2_000, ..Hidden::default() }, ..group() }));
    let listed = group().len();
    assert!(
        mail.text.replace('\n', " ").contains(&format!("2,00{listed} scenarios did not end as expected")),
        "{}",
        mail.text
    );
    assert!(mail.text.contains("and 2000 more: https://siptrail.example.com/a/7f3a91c20b44e1d2\n"), "{}", mail.text);
}

#[test]
fn the_head_of_a_mail_is_made_for_threads_and_filters() {
    let bytes = bytes(&render(&notice(group())));
    let head = bytes.split("\r\n\r\n").next().expect("a head").replace("\r\n", "\n");
    let boundary = head.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a boundary");
    insta::assert_snapshot!(head.replace(boundary, "BOUNDARY"), @r#"
    From: =?utf-8?b?U2lwdHJhaWwgKHByb2Qp?= <siptrail@example.com>
    Subject: [siptrail prod] CRITICAL push-no-wake: device did not wake after
     PUSH
    Message-ID: <n.4711@siptrail.example.com>
    Date: Mon, 14 Sep 2026 12:10:00 +0000
    To: oncall-voice@example.com
    Reply-To: lead@example.com
    In-Reply-To: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    References: <g.7f3a91c20b44e1d2.20260914@siptrail.example.com>
    Auto-Submitted: auto-generated
    X-Auto-Response-Suppress: All
    List-Id: <oncall-voice.siptrail.example.com>
    X-Siptrail-Group: 7f3a91c20b44e1d2
    X-Siptrail-Status: firing
    Importance: high
    MIME-Version: 1.0
    Content-Type: multipart/alternative;
     boundary="BOUNDARY"
    "#);
    assert!(bytes.is_ascii());
    assert!(bytes.lines().all(|line| line.len() <= 998), "SMTP takes lines of 998 bytes");
}

#[test]
fn a_thread_lasts_a_local_day() {
    let root = |made: i64| {
        let mail = render(&Notice { made: Timestamp(made), ..notice(group()) });
        mail.headers.iter().find(|(name, _)| *name == "References").expect("a thread").1.clone()
    };
    // Midnight in Berlin is 22:00 UTC.
    let midnight = NOON - 5 * MINUTE + 10 * 60 * MINUTE;
    assert_eq!(root(midnight - 1), "<g.7f3a91c20b44e1d2.20260914@siptrail.example.com>");
    assert_eq!(root(midnight), "<g.7f3a91c20b44e1d2.20260915@siptrail.example.com>");
}

#[test]
fn names_of_strangers_do_nothing() {
    let hostile = [
        "=?utf-8?B?QmNjOiB4QGV4YW1wbGUuY29t?=",
        "x\r\nBcc: victim@example.com\r\n\r\n.\r\nMAIL FROM:<x@example.com>",
        "a\u{202e}gpj.exe\u{2066}\u{200b}",
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "\"><a href=\"https://evil.example\">",
        "{{ 7*7 }} {% raw %}",
    ];
    let long = "x".repeat(300);
    for name in hostile.into_iter().chain([long.as_str()]) {
        let text = || name.to_owned();
        let strange = Item {
            caller: text(),
            callee: text(),
            leg: text(),
            device: text(),
            seen: text(),
            unseen: text(),
            also: vec![text()],
            ..item(1, 1)
        };
        let common = vec![Common { name: "header.X".into(), value: text(), has: 1, of: 1 }];
        let mail = render(&notice(Group { new: vec![strange], common, ..group() }));
        let plain = render(&notice(group()));
        assert_eq!((mail.subject, &mail.headers), (plain.subject, &plain.headers), "no header holds text of a message");
        let shown = render(&notice(Group { new: vec![Item { seen: text(), ..item(1, 1) }], ..group() }));
        for part in [&mail.text, &mail.html, &shown.text] {
            assert!(!part.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\r']), "{name}");
            assert!(!part.lines().any(|line| line.starts_with("Bcc:") || line == "."), "{part}");
            assert!(!part.contains(&"x".repeat(81)), "{name} is cut");
        }
        let tags = ["<script", "<img", "https://evil.example\""];
        assert!(tags.iter().all(|tag| !mail.html.contains(tag)), "{}", mail.html);
        let sent = bytes(&shown);
        let head = sent.split("\r\n\r\n").next().expect("a head");
        assert!(!head.contains("Bcc") && !head.contains("?B?"), "{head}");
    }
}

#[test]
fn values_of_a_config_cannot_break_out_of_headers() {
    let strange = "x\r\nBcc: victim@example.com";
    let mut notice = notice(Group { failure: strange.into(), says: format!("Gerät {strange}"), ..group() });
    notice.env = strange.into();
    notice.reader.team = strange.into();
    let mail = render(&notice);
    assert!(mail.subject.is_ascii() && !mail.subject.contains(['\r', '\n']), "{}", mail.subject);
    let bytes = bytes(&mail);
    assert!(!bytes.lines().any(|line| line.starts_with("Bcc:")), "{bytes}");
}

#[test]
fn numbers_are_masked_for_the_team() {
    let parties = |mask| {
        let mut notice =
            notice(Group { new: vec![Item { seen: "486 from +4930555119".into(), ..item(1, 1) }], ..group() });
        notice.reader.mask = mask;
        let mail = render(&notice);
        for part in [&mail.text, &mail.html] {
            assert_eq!(part.contains("4930"), mask == Mask::None, "{part}");
            assert_eq!(part.contains("119"), mask != Mask::All, "{part}");
        }
        mail.text.lines().skip_while(|line| *line != "NEW").skip(1).take(2).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!([Mask::None, Mask::Last3, Mask::All].map(parties).join("\n"), @r"
    1  00000001  12:05:01Z  +4930123482 -> +4930555119
       B1 iPhone15 7.4.1: 486 from +4930555119, nothing until 12:05:11Z
    1  00000001  12:05:01Z  ...482 -> ...119
       B1 iPhone15 7.4.1: 486 from ...119, nothing until 12:05:11Z
    1  00000001  12:05:01Z  ... -> ...
       B1 iPhone15 7.4.1: 486 from ..., nothing until 12:05:11Z
    ");
}

#[test]
fn a_thousand_failures_are_twenty_lines_and_a_link() {
    let many: Vec<Item> = (0..1000).map(|number| item(0x0200_0000 + number, 1)).collect();
    let mail = render(&notice(Group { new: many.clone(), ..group() }));
    assert!(mail.html.len() < 25_000, "{}", mail.html.len());
    assert_eq!(mail.text.matches("/s/02").count(), 20);
    assert!(mail.text.contains("and 982 more: https://siptrail.example.com/a/7f3a91c20b44e1d2\n"), "{}", mail.text);
    assert!(mail.html.contains("and 982 more"));
    // Whatever is configured and whatever the values are, Gmail clips nothing.
    let fat = Item { caller: "'".repeat(300), callee: "&".repeat(300), seen: "<".repeat(300), ..item(1, 1) };
    for items in [many, vec![fat; 1000]] {
        let mail = render(&notice(Group { new: items, max_listed: 1000, ..group() }));
        assert!(mail.html.len() <= 60_000, "{}", mail.html.len());
        let listed = mail.text.matches("/s/").count();
        assert!(listed > 5 && mail.html.matches("/s/").count() == listed, "both parts list the same: {listed}");
        assert!(mail.text.lines().all(|line| line.len() <= 998));
    }
}

#[test]
fn plain_text_reads_on_80_columns() {
    for notice in [notice(group()), storm()] {
        let mail = render(&notice);
        let machines =
            |line: &str| line.contains("https://") || line.starts_with("scenarios:") || line.starts_with("dedup_key:");
        let long: Vec<&str> = mail.text.lines().filter(|line| line.chars().count() > 80 && !machines(line)).collect();
        assert!(long.is_empty(), "{long:#?}");
    }
}

#[test]
fn the_page_in_a_mail_says_the_same_and_loads_nothing() {
    for notice in [notice(group()), storm()] {
        let mail = render(&notice);
        for tag in ["<img", "<link", "<script", "@import", "url(", "<style", "src="] {
            assert!(!mail.html.contains(tag), "{tag}");
        }
        let links = |part: &str| -> Vec<String> {
            let ends = |c: char| c.is_whitespace() || c == '"';
            part.split("https://").skip(1).filter_map(|rest| rest.split(ends).next()).map(str::to_owned).collect()
        };
        assert_eq!(links(&mail.text), links(&mail.html));
    }
}
