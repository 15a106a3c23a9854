//! The page as a browser gets it: drawn from values, read back as HTML.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use message::event::CallClass;
use record::id::{CallKey, ScenarioId};
use record::redact::Mask;
use record::time::{SECOND, Timestamp};
use scraper::{Html, Selector};
use store::scenario::{Join, Scenario, ScenarioCall, ScenarioRow, Subject};

use super::draw::{self, Asked};
use super::evidence::Evidence;
use super::judgement::Judgement;
use crate::ladder::sample::{NOON, Sample, forked_call};
use crate::ladder::view::{RowId, View};
use crate::page::Frame;
use crate::params::Params;
use crate::picture::Picture;
use crate::zone::Zone;

fn scenario(sample: &Sample) -> Scenario {
    let row = ScenarioRow {
        subject: Subject::Scenario(ScenarioId(0x018f_3c7a)),
        class: CallClass::Call,
        first: Timestamp(NOON + SECOND),
        last: Timestamp(NOON + 46 * SECOND),
        caller: Some("alice".into()),
        callee: Some("bob".into()),
        answered_by: Some("bob".into()),
        transferred_to: None,
        rang: Some(Timestamp(NOON + SECOND)),
        answered: Some(Timestamp(NOON + 14 * SECOND)),
        ending: Some(Timestamp(NOON + 46 * SECOND)),
        ended: None,
        status: Some(200),
        begun: None,
        talked: None,
        problems: None,
        outcome: None,
        failure: None,
        rule: None,
        calls: 1,
        legs: 4,
        messages: sample.messages.len() as i64,
        nodes: 8,
        devices: 3,
        kinds: [25, 2, 1, 0],
        provisional: false,
        version: 7,
    };
    let call = ScenarioCall {
        call: CallKey::of(b"6f2a90c1d8@alice-ios"),
        call_id: "6f2a90c1d8@alice-ios".into(),
        streams: Vec::new(),
        class: CallClass::Call,
        joined_by: None,
    };
    Scenario { row, calls: vec![call] }
}

fn frame() -> Frame {
    Frame {
        zone: Zone::UTC,
        choices: crate::choice::Choices::default(),
        host: "localhost:8480".into(),
        path: "/s/018f3c7a".into(),
        params: Params::default(),
        query: String::new(),
        find: String::new(),
        version: "0".into(),
        misread: Vec::new(),
        open_alerts: 0,
        new_browser: None,
    }
}

fn html(sample: &Sample, query: &str) -> String {
    draw::page(&asked(sample, query)).unwrap()
}

fn picture(sample: &Sample) -> Picture {
    let (messages, flow) = (sample.messages.clone(), sample.flow.clone());
    Picture {
        version: 7,
        shown: 7,
        scenario: scenario(sample),
        messages,
        flow,
        whole: true,
        unreadable: 0,
        _room: None,
        asked: AtomicU64::new(0),
        weight: 0,
    }
}

fn asked(sample: &Sample, query: &str) -> Asked {
    let picture = Arc::new(picture(sample));
    Asked {
        now: picture.scenario.row.last,
        related: Vec::new(),
        picture,
        evidence: Evidence::made(4, Vec::new()),
        judgement: Judgement::default(),
        view: View::read(query).0,
        misread: View::read(query).1,
        frame: frame(),
    }
}

fn page(sample: &Sample, query: &str) -> Html {
    let html = html(sample, query);
    let page = Html::parse_document(&html);
    sound(&page);
    page
}

/// What holds for every page: nothing inline, no script address, ids once, every fragment of a link is there.
fn sound(page: &Html) {
    let mut ids = std::collections::BTreeSet::new();
    for element in page.root_element().descendent_elements() {
        for (name, value) in element.value().attrs() {
            assert!(name != "style" && !name.starts_with("on"), "{name}={value}");
            if matches!(name, "href" | "src" | "action" | "data-live") {
                let plain = value.starts_with(['/', '?', '#']);
                assert!(plain, "an address of our own: {value}");
            }
            if name == "id" {
                assert!(ids.insert(value.to_owned()), "{value} twice");
            }
        }
        assert!(element.value().name() != "style", "inline style");
        assert!(element.value().name() != "script" || element.text().next().is_none(), "inline script");
    }
    for link in page.select(&selector("a[href^='#']")) {
        let fragment = &link.value().attr("href").unwrap()[1..];
        assert!(ids.contains(fragment), "{fragment}");
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

fn texts(page: &Html, select: &str) -> Vec<String> {
    let text = |element: scraper::ElementRef| {
        element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    page.select(&selector(select)).map(text).collect()
}

fn attrs(page: &Html, select: &str, name: &str) -> Vec<String> {
    page.select(&selector(select)).filter_map(|element| element.value().attr(name)).map(String::from).collect()
}

fn id_of(sample: &Sample, row: usize) -> RowId {
    RowId::new(sample.messages[sample.flow.rows[row].message].id, sample.flow.rows[row].half)
}

#[test]
fn the_head_says_what_the_logs_show() {
    let page = page(&forked_call(), "");
    assert_eq!(texts(&page, "h1"), ["alice to bob: answered by bob-web, ended by bob-web"]);
    // What the first line says is said once.
    assert_eq!(texts(&page, ".crumb .chip"), [""; 0]);
    assert_eq!(
        texts(&page, ".facts div"),
        ["Rang after162 ms", "Answered after12.9 s", "Lasted32.0 s", "Evidence4 sources, no gap"]
    );
    let sample = forked_call();
    let got = id_of(&sample, sample.flow.course.callers[0].result().unwrap().row);
    assert_eq!(attrs(&page, "h1 a", "href"), [format!("?m={got}#m{got}")]);
    assert_eq!(texts(&page, "title"), ["alice to bob, answered · Siptrail"]);
}

#[test]
fn a_call_joined_by_a_key_says_which_and_links_to_the_message_that_bore_it() {
    let s = forked_call();
    let mut picture = picture(&s);
    let by = |sure| {
        Some(Join { space: "X-CID".into(), value: "6f2a90c1d8@alice-ios".into(), sure, message: s.messages[4].id })
    };
    let calls = &mut picture.scenario.calls;
    for (call_id, sure) in [("other@proxy-1", true), ("more@proxy-1", false)] {
        calls.push(ScenarioCall { call_id: call_id.into(), joined_by: by(sure), ..calls[0].clone() });
    }
    let gaps = vec!["9 bytes of sip, copytruncate".into()];
    let asked = Asked { evidence: Evidence::made(1, gaps), picture: Arc::new(picture), ..asked(&s, "") };
    let page = Html::parse_document(&draw::page(&asked).unwrap());
    assert_eq!(
        texts(&page, ".joined li"),
        [
            "other@proxy-1 belongs to this call because its X-CID is the same: 6f2a90c1d8@alice-ios",
            "more@proxy-1 probably belongs to this call because its X-CID is the same: 6f2a90c1d8@alice-ios"
        ]
    );
    assert_eq!(attrs(&page, ".joined a", "href"), vec![format!("?m={0}#m{0}", s.messages[4].id); 2]);
    assert_eq!(texts(&page, ".facts div:last-child dd"), ["1 source, 1 gap"]);
}

#[test]
fn a_call_that_rings_is_ringing_and_an_hour_later_has_no_final_answer() {
    let mut s = forked_call();
    s.flow.course.callers[0].tries[0].result = None;
    let leg = s.flow.legs.iter_mut().find(|leg| leg.parent.is_some()).unwrap();
    (leg.outcome, leg.rang) = (message::flow::Outcome::Open, Some(Timestamp(NOON)));
    let mut asked = asked(&s, "");
    let says = |asked: &Asked| {
        let page = Html::parse_document(&draw::page(asked).unwrap());
        let device = texts(&page, ".branches .out")[0].clone();
        [texts(&page, "h1")[0].clone(), device]
    };
    assert_eq!(says(&asked), ["alice to bob: ringing", "ringing"]);
    asked.now = Timestamp(asked.now.0 + 3_600_000_000);
    let text = "rang, no final answer logged";
    assert_eq!(says(&asked), [format!("alice to bob: {text}"), "end not logged".to_owned()]);
}

#[test]
fn a_diverted_call_is_a_chain_and_attempts_stand_one_below_the_other() {
    use message::flow::{Got, Try};
    let mut s = forked_call();
    let caller = &mut s.flow.course.callers[0];
    caller.tries[0].forwarded_to = vec!["carol".into(), "dave".into()];
    let busy = |ms: i64, status| {
        let (begun, time) = (Timestamp(NOON), Timestamp(NOON + ms * 1000));
        let result = Some(Got { status, reason: "Busy Here".into(), time, row: 3, inferred: false });
        Try { begun: Some(begun), result, ..Try::default() }
    };
    caller.tries.insert(0, busy(900, 486));
    let page = page(&s, "");
    assert_eq!(
        texts(&page, "h1"),
        ["alice to bob forwarded to carol forwarded to dave: answered by bob-web, ended by bob-web"]
    );
    assert_eq!(
        texts(&page, ".tries li"),
        [
            "12:00:00.000000 UTC refused 486 Busy Here after 900 ms",
            "12:00:01.102000 UTC answered after 12.9 s this one counts"
        ]
    );
    let id = id_of(&s, 3);
    assert_eq!(attrs(&page, ".tries a", "href")[0], format!("?m={id}#m{id}"));
}

#[test]
fn a_bye_of_which_nobody_knows_the_sender_is_nobodys() {
    use message::flow::{By, End};
    let mut s = forked_call();
    let caller = &mut s.flow.course.callers[0];
    let Some((_, End::Bye { by, .. })) = &mut caller.connected else { panic!("no BYE") };
    *by = By::Side { dialog: 0, caller: true };
    let page = page(&s, "");
    assert_eq!(texts(&page, "h1"), ["alice to bob: answered by bob-web, who hung up is not logged"]);
}

#[test]
fn a_transfer_names_who_left_and_who_talks_to_whom() {
    use message::flow::{End, Transfer};
    let mut s = forked_call();
    s.flow.caller = Some("alice".into());
    let transfer = |by: &str, whom: &str, to: &str, taken| {
        let (by, whom, to) = (by.into(), whom.into(), to.into());
        Transfer { by, whom, to, taken, leg: 0, row: 5 }
    };
    let says = |s: &Sample| {
        let page = page(s, "");
        (texts(&page, "h1").remove(0), texts(&page, ".facts div").into_iter().find(|text| text.starts_with("Went")))
    };
    s.flow.course.transfers = vec![transfer("bob", "alice", "carol", false)];
    let (head, went_on) = says(&s);
    assert_eq!(head, "alice to bob: answered by bob-web, bob transferred alice to carol, ended by bob-web");
    assert_eq!(went_on, None, "the caller is still there");
    let Some((_, end)) = &mut s.flow.course.callers[0].connected else { panic!("no BYE") };
    let End::Bye { time, by, row } = *end else { panic!("no BYE") };
    *end = End::Transferred { time, by, row };
    s.flow.course.transfers = vec![transfer("alice", "bob", "carol", false)];
    let (head, went_on) = says(&s);
    assert_eq!(head, "alice to bob: answered by bob-web, alice transferred bob to carol");
    assert_eq!(went_on.as_deref(), Some("Went on asbob and carol"));
    s.flow.course.transfers = vec![transfer("alice", "bob", "carol", true)];
    assert_eq!(says(&s).0, "alice to bob: answered by bob-web, carol took the place of alice");
}

#[test]
fn a_problem_that_a_rule_tells_of_is_told_once_and_in_its_words() {
    use crate::ladder::sample::told;
    use message::flow::{Problem, Trouble};
    use rule::told::Seen;
    use rule::verdict::Outcome;
    let mut s = forked_call();
    // The push is refused, and the caller in the end.
    let push = s.flow.rows.iter().position(|row| row.kind == message::kind::Kind::Push).unwrap();
    let answer = s.row(1_900, "B1 push-gw > proxy-1 410 PUSH Unregistered");
    (s.flow.rows[answer].transaction, s.flow.rows[answer].pair) = (s.flow.rows[push].transaction, Some(push));
    let caller = &mut s.flow.course.callers[0];
    (caller.winner, caller.connected) = (None, None);
    let got = caller.tries[0].result.as_mut().unwrap();
    (got.status, got.reason) = (480, "Temporarily Unavailable".into());
    let (refused, time) = (got.row, got.time);
    let problem = |row, leg, status| Problem { row, time, due: time, leg, what: Trouble::Refused(status) };
    s.flow.course.problems = vec![problem(answer, 1, 410), problem(refused, 0, 480)];
    let plain = page(&s, "");
    assert_eq!(texts(&plain, "h1"), ["alice to bob: refused 480 Temporarily Unavailable"]);
    assert_eq!(texts(&plain, ".told a"), ["push-gw refused PUSH with 410"], "the first line says what the caller got");
    let wrong: Vec<_> = plain.select(&selector("a.wrong")).collect();
    assert!(!wrong.is_empty());
    for row in wrong {
        let said = row.text().collect::<String>().contains("problem, ");
        assert!(said && row.select(&selector(".what .bad")).count() == 1, "not by colour alone: {}", row.html());
    }
    assert!(texts(&plain, ".facts div").contains(&"Refused bybob-web, after 12.9 s".to_owned()));
    let mut of = told("accepted: 2xx PUSH within 3s else push-rejected", "push-rejected", Seen::Missed, None, 4_190);
    (of.leg, of.rule, of.start) = ("B1".into(), "push-wakes-device".into(), s.messages[s.flow.rows[push].message].id);
    (of.steps[0].name, of.steps[0].from, of.steps[0].to) =
        ("accepted".into(), Some("push-gw".into()), Some("proxy-1".into()));
    let judgement = Judgement::made((Outcome::Failed, "push-rejected", "push-wakes-device"), vec![of]);
    let page = Html::parse_document(&draw::page(&Asked { judgement, ..asked(&s, "") }).unwrap());
    sound(&page);
    assert_eq!(texts(&page, ".crumb .chip"), ["failed"]);
    assert_eq!(
        texts(&page, ".told li"),
        ["PUSH for bob-ios was refused with 410 Unregistered by push-gw push-wakes-device"],
        "in the words of the rule"
    );
    // It leads to the answer, which is a problem, and nothing is said to be missing.
    let (href, id) = (attrs(&page, ".told a", "href").remove(0), id_of(&s, answer));
    assert_eq!(href, "#push-wakes-device.accepted.B1");
    let row = page.select(&selector(&format!("li[id='m{id}'] a.wrong.unexp"))).next().expect("its row");
    let text = row.text().collect::<String>();
    assert!(text.contains("410 Unregistered") && text.contains("expected 2xx to PUSH within 3 s"), "{text}");
    assert_eq!(page.select(&selector("a.miss")).count(), 0);
}

#[test]
fn what_had_failed_last_stands_behind_the_refusal() {
    use message::flow::{Problem, Trouble};
    let mut s = forked_call();
    let caller = &mut s.flow.course.callers[0];
    (caller.winner, caller.connected) = (None, None);
    let got = caller.tries[0].result.as_mut().unwrap();
    (got.status, got.reason) = (403, "Forbidden".into());
    let (row, time) = (3, s.flow.rows[3].time);
    let problem = |what| Problem { row, time, due: time, leg: 0, what };
    let says = |s: &Sample| texts(&page(s, ""), "h1").remove(0);
    assert_eq!(says(&s), "alice to bob: refused 403 Forbidden");
    s.flow.course.problems = vec![problem(Trouble::Refused(401))];
    assert_eq!(says(&s), "alice to bob: refused 403 Forbidden after POST /v1/route said 401");
    s.flow.course.problems = vec![problem(Trouble::Unanswered { sent: 1 })];
    assert_eq!(says(&s), "alice to bob: refused 403 Forbidden after POST /v1/route got no answer");
}

#[test]
fn what_is_wrong_with_a_header_stands_beside_it() {
    use message::sip::Fault;
    let mut s = forked_call();
    let head = s.messages[0].head as usize;
    let via = s.messages[0].body().windows(4).position(|part| part == b"Via:").unwrap();
    s.messages[0].facts.faults = [("branch", via), ("cseq_mismatch", 900), ("missing_from", 900)]
        .map(|(what, at)| Fault { what: what.into(), at: at as u32 })
        .to_vec();
    assert!(head > 0);
    let id = id_of(&s, 0);
    let parsed = page(&s, &format!("m={id}"));
    assert_eq!(texts(&parsed, ".pane .fault"), ["it names another method than the first line", "the branch is empty"]);
    assert_eq!(texts(&parsed, ".pane .flag"), ["It has no From."]);
    let raw = page(&s, &format!("m={id}&tab=raw"));
    assert_eq!(
        texts(&raw, ".pane .flag"),
        ["Via: the branch is empty.", "CSeq: it names another method than the first line.", "It has no From."]
    );
}

#[test]
fn every_branch_has_a_line_with_its_device() {
    let page = page(&forked_call(), "");
    assert_eq!(texts(&page, ".branches caption"), ["Devices of bob"]);
    assert_eq!(texts(&page, ".branches tbody th"), ["B1", "B2", "B3"]);
    assert_eq!(texts(&page, ".branches td[data-th=Device] b"), ["bob-ios", "bob-web", "bob-desk"]);
}

#[test]
fn a_row_reads_aloud_in_the_order_of_its_markup() {
    let rows = texts(&page(&forked_call(), ""), "ol > li[id^=m] > a");
    assert_eq!(rows.len(), 24);
    assert_eq!(rows[6], "12:00:01.193 +1 msproxy-1 to bob-deskSIP, leg B3INVITE sdpagain at +0.5, +1.5 s");
}

#[test]
fn rows_are_anchored_by_their_message_and_open_it() {
    let s = forked_call();
    let id = id_of(&s, 1);
    let page = page(&s, &format!("m={id}&leg=A"));
    assert_eq!(attrs(&page, "a.pick", "href"), [format!("?m={id}&leg=A#m{id}")]);
    assert_eq!(texts(&page, ".detail h3"), ["A INVITE"]);
    // The detail is the element behind its row.
    assert_eq!(page.select(&selector(&format!("#m{id} + li.detail"))).count(), 1);
    assert_eq!(attrs(&page, ".pane .nav [data-key=Escape]", "href"), [format!("?leg=A#m{id}")]);
    assert_eq!(attrs(&page, ".acts a[href^='/m/']", "href"), [format!("/m/{id}.txt")]);
}

#[test]
fn chips_are_links_that_keep_the_rest() {
    let page = page(&forked_call(), "kind=SIP&find=alice&zone=Europe/Berlin");
    let legs = attrs(&page, "[aria-label=Legs] a", "href");
    assert_eq!(legs[1], "?leg=B1&kind=SIP&find=alice&zone=Europe/Berlin");
    assert_eq!(texts(&page, "[aria-label=Kinds] a.on"), ["SIP21"]);
    // The form keeps what is not its own.
    let fields: Vec<String> = attrs(&page, ".tools input[type=hidden]", "name");
    assert_eq!(fields, ["kind", "zone"]);
    assert_eq!(
        texts(&page, ".tools p[role=status]"),
        ["21 of 25 rows; hidden: 3 of other kinds, 1 × 100 Trying, 2 nodes without a row show all"]
    );
}

#[test]
fn a_chip_shows_it_alone_and_the_sign_beside_it_adds_it() {
    let of = |query: &str| {
        let page = page(&forked_call(), query);
        let links = |select: &str| attrs(&page, select, "href");
        (links("[aria-label=Legs] .chip"), links("[aria-label=Legs] .add"), texts(&page, "[aria-label=Legs] .on"))
    };
    let (all, none, shown) = of("");
    assert_eq!((all.as_slice(), none.len()), (&["?leg=A", "?leg=B1", "?leg=B2", "?leg=B3"].map(String::from)[..], 0));
    assert_eq!(shown.len(), 4);
    let (one, more, shown) = of("leg=B1");
    assert_eq!(one, ["?leg=A", "?", "?leg=B2", "?leg=B3"], "alone, a click shows all again");
    assert_eq!(more, ["?leg=B1&leg=A", "?leg=B1&leg=B2", "?leg=B1&leg=B3"]);
    assert_eq!(shown, ["B11"]);
    let (two, more, _) = of("leg=B1&leg=A");
    assert_eq!(two, ["?leg=A", "?leg=B1", "?leg=B2", "?leg=B3"]);
    assert_eq!(more, ["?leg=B1", "?leg=A", "?leg=B1&leg=A&leg=B2", "?leg=B1&leg=A&leg=B3"]);
    let legs = page(&forked_call(), "leg=B1");
    assert_eq!(attrs(&legs, "[aria-label=Legs] .add", "data-key"), ["+1", "+3", "+4"]);
    let kinds = page(&forked_call(), "kind=PUSH");
    assert_eq!(attrs(&kinds, "[aria-label=Kinds] .add", "title"), ["add SIP", "add REST"]);
}

#[test]
fn what_is_found_is_marked_and_hides_nothing_until_it_is_asked_to() {
    let s = forked_call();
    let found = page(&s, "find=bob-desk&kind=SIP");
    let (rows, hits) = (found.select(&selector("#flow a.m")).count(), found.select(&selector("#flow a.hit")).count());
    assert!(rows == 21 && 0 < hits && hits < rows, "{hits} of {rows}");
    assert_eq!(texts(&found, ".hits"), [format!("{hits} rows hold it n")]);
    assert_eq!(attrs(&found, "[aria-label=Rows] .chip:first-child", "href"), ["?kind=SIP&only=found&find=bob-desk"]);
    let id = id_of(&s, 0);
    for (tab, places) in [("parsed", 1), ("raw", 2), ("log", 1)] {
        let open = page(&s, &format!("m={id}&tab={tab}&find=INVITE"));
        assert_eq!(texts(&open, ".pane mark.found"), vec!["INVITE"; places], "{tab}");
    }
    let table = Html::parse_document(&draw::table(&asked(&s, "find=bob-desk&kind=SIP")).unwrap());
    assert_eq!(texts(&table, "tr.hit td:last-child b"), vec!["found"; hits], "in the table, too");
    let only = page(&s, "find=bob-desk&kind=SIP&only=found");
    assert_eq!(only.select(&selector("#flow a.hit")).count(), hits);
    assert_eq!(only.select(&selector("#flow a.m")).count(), hits);
    let says = texts(&only, ".tools p[role=status]").remove(0);
    assert!(says.contains(&format!("{} not matching \"bob-desk\"", rows - hits)), "{says}");
}

#[test]
fn an_empty_view_says_why_and_leads_out() {
    let page = page(&forked_call(), "find=nowhere&only=found");
    assert_eq!(texts(&page, ".empty p")[0], "No row is in view. Hidden: 24 not matching \"nowhere\", 1 × 100 Trying.");
    assert_eq!(
        attrs(&page, ".empty a", "href"),
        ["?only=found&hide=&find=nowhere", "?find=nowhere", "?kind=SIP&kind=REST&kind=PUSH&kind=MEDIA&hide="]
    );
}

#[test]
fn parsed_fields_stand_in_groups_and_tags_light_up() {
    let s = forked_call();
    let page = page(&s, &format!("m={}", id_of(&s, 0)));
    assert_eq!(texts(&page, ".pane h4"), ["Dialog", "Identity", "Routing", "Rest"]);
    assert_eq!(texts(&page, ".pane dt").join(" "), "Call-ID CSeq From tag From To Via Content-Length");
    assert_eq!(texts(&page, ".pane mark.leg1"), ["7c1e55", "7c1e55"]);
    assert_eq!(texts(&page, ".pane dd b"), ["314 INVITE", "alice", "bob"]);
}

#[test]
fn the_result_of_an_exchange_is_said_once() {
    let mut s = Sample::of(&["proxy-1", "api-1"]);
    s.leg("A");
    s.exchange(0, "A proxy-1 > api-1 POST /v1/route", Some(200), "OK");
    let page = page(&s, &format!("m={}", id_of(&s, 0)));
    let names = texts(&page, ".pane dt");
    assert!(names.contains(&"Result".to_owned()) && !names.contains(&"Status".to_owned()), "{names:?}");
}

#[test]
fn raw_body_and_log_line_are_views_of_their_own() {
    let s = forked_call();
    let id = id_of(&s, 0);
    let raw = page(&s, &format!("m={id}&tab=raw"));
    let text: String = raw.select(&selector(".pane pre")).flat_map(|pre| pre.text()).collect();
    assert_eq!(text.as_bytes(), String::from_utf8_lossy(s.messages[0].body()).replace('\r', "").as_bytes());
    let ends = page(&s, &format!("m={id}&tab=crlf"));
    assert_eq!(texts(&ends, ".pane .ctl").iter().filter(|name| *name == "CR").count(), 11);
    let body = page(&s, &format!("m={id}&tab=body"));
    assert_eq!(texts(&body, ".sdp dt"), ["version", "connection", "media"]);
    let log = page(&s, &format!("m={id}&tab=log"));
    assert!(texts(&log, ".pane pre")[0].starts_with("[2026-09-14T12:00:01.102000Z][INVITE]"));
}

#[test]
fn a_repeat_that_is_linked_opens_in_the_row_it_is_folded_into() {
    let s = forked_call();
    let row = s.flow.rows.iter().position(|row| row.repeats.len() == 10).unwrap();
    let repeat = s.messages[s.flow.rows[row].repeats[3]].id;
    let page = page(&s, &format!("m={repeat}"));
    assert_eq!(attrs(&page, "li.detail", "id"), [format!("m{repeat}")]);
    assert!(texts(&page, ".pane .flag")[0].ends_with("27.5 and 31.5 s. As RFC 3261 prescribes when no ACK comes."));
}

#[test]
fn hostile_text_is_shown_and_never_interpreted() {
    let mut s = forked_call();
    let evil = "<script>alert(1)</script>\" onmouseover=\"x' javascript:alert(1)\u{202e}\u{1b}[2J";
    s.flow.nodes[1].name = evil.into();
    s.flow.legs[2].target = evil.into();
    s.flow.legs[2].user_agent = Some(evil.into());
    s.flow.caller = Some(evil.into());
    let message = &mut s.messages[0];
    message.facts.reason = evil.into();
    message.facts.method = evil.into();
    let head = message.head as usize;
    message.raw.splice(head..head, format!("Contact: <javascript:alert(1)> {evil}\r\nX: ").into_bytes());
    message.masked = vec![Mask { at: message.head + 3, len: 2, len_before: 9 }];
    for tab in ["", "raw", "crlf", "body", "log"] {
        let id = id_of(&s, 0);
        let page = page(&s, &format!("m={id}&tab={tab}&find=&node={}", "%3Cscript%3E"));
        assert_eq!(page.select(&selector("main script")).count(), 0);
    }
    for row in draw::live(&asked(&s, "")).unwrap().rows {
        assert!(!row.html.contains("<script"));
        sound(&Html::parse_fragment(&row.html));
    }
}

#[test]
fn a_header_of_a_megabyte_is_cut_in_the_pane() {
    let mut s = forked_call();
    let head = s.messages[0].head as usize;
    let long = format!("INVITE sip:bob@example.com SIP/2.0\r\nX-Long: {}\r\n", "é".repeat(1 << 19));
    s.messages[0].raw.splice(head..head, long.into_bytes());
    let id = id_of(&s, 0);
    assert!(html(&s, &format!("m={id}")).len() < 200_000);
    assert!(html(&s, &format!("m={id}&tab=raw")).len() < 500_000);
}

/// The live view draws the rows of the very page that its reader has: filters, page, open message and view of it.
#[test]
fn live_rows_are_those_of_the_page() {
    let s = forked_call();
    let mut many = Sample::of(&["sbc-1", "proxy-1"]);
    many.leg("A");
    for at in 0..4_500 {
        many.row(at, "A sbc-1 > proxy-1 INFO");
    }
    let hidden = s.flow.rows.iter().position(|row| s.messages[row.message].status == Some(100)).unwrap();
    let check = |sample: &Sample, query: &str, rows: usize| {
        let html = html(sample, query);
        let page = Html::parse_document(&html);
        let live = attrs(&page, "#flow", "data-live").remove(0);
        let live = draw::live(&asked(sample, live.strip_prefix("/s/018f3c7a/live?").unwrap())).unwrap();
        let (drawn, around) = (live.rows, Html::parse_document(&live.around.html));
        for part in [".verdict", ".tools", "#flow .head", "#flow .lines", "#flow .pages"] {
            let of = |page: &Html| page.select(&selector(part)).map(|part| part.html()).collect::<Vec<_>>();
            assert_eq!(of(&around), of(&page), "{query}: {part}");
        }
        let ids: Vec<&str> = drawn.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, attrs(&page, "#flow ol > li[id]", "id"), "{query}");
        assert_eq!(ids.iter().filter(|id| id.starts_with('m')).count(), rows, "{query}");
        for row in drawn {
            assert!(html.contains(&row.html), "{query}: {}", row.id);
            assert!(row.html.starts_with("<li") && row.html.contains(&format!("id=\"{}\"", row.id)));
        }
    };
    check(&s, "", 24);
    check(&s, "leg=B1&zone=Europe/Berlin", 1);
    check(&s, &format!("m={}&tab=raw", id_of(&s, 6)), 24);
    check(&s, &format!("m={}", id_of(&s, hidden)), 25);
    check(&many, "page=3", 500);
    check(&many, &format!("m={}", id_of(&many, 2_100)), 2_000);
}

#[test]
fn a_table_has_every_word_of_the_picture_and_keeps_the_view() {
    let s = forked_call();
    let table = |query: &str| {
        let page = Html::parse_document(&draw::table(&asked(&s, query)).unwrap());
        sound(&page);
        page
    };
    let whole = table("");
    assert_eq!(attrs(&whole, "tbody tr", "id"), attrs(&page(&s, ""), "#flow ol > li[id^=m]", "id"));
    let notes = texts(&whole, "tbody .between");
    assert_eq!(notes[0], "Fork B1 bob-ios by push, B2 bob-web, B3 bob-desk");
    assert!(notes.contains(&"10.8 s without messages".to_owned()), "{notes:?}");
    let some = table("leg=B1&zone=Europe/Berlin");
    let id = id_of(&s, 4);
    assert!(
        attrs(&some, "tbody a", "href").contains(&format!("/s/018f3c7a?m={id}&leg=B1&zone=Europe/Berlin#m{id}")),
        "{:?}",
        attrs(&some, "tbody a", "href")
    );
    assert_eq!(
        texts(&table("find=zzz&only=found"), ".empty p")[0],
        texts(&page(&s, "find=zzz&only=found"), ".empty p")[0]
    );
    let cut = Picture { whole: false, ..picture(&s) };
    let cut = Asked { picture: Arc::new(cut), ..asked(&s, "") };
    let cut = Html::parse_document(&draw::table(&cut).unwrap());
    assert!(texts(&cut, ".notice:not([hidden])")[0].starts_with("This picture holds the first "));
}

#[test]
fn a_call_that_is_too_large_to_be_worked_out_says_so() {
    let s = forked_call();
    let told = |messages: i64| {
        let mut large = picture(&s);
        large.scenario.row.messages = messages;
        let asked = Asked { picture: Arc::new(large), ..asked(&s, "") };
        texts(&Html::parse_document(&draw::table(&asked).unwrap()), ".notice:not([hidden])")
    };
    assert_eq!(told(50_000), [""; 0]);
    assert_eq!(
        told(50_001),
        ["It holds more than 50,000 messages: what happened in it is no longer worked out, and no rule judges it."]
    );
}

#[test]
fn every_page_of_many_rows_leads_to_the_next() {
    let mut s = Sample::of(&["sbc-1", "proxy-1"]);
    s.leg("A");
    for at in 0..2_003 {
        s.row(at, "A sbc-1 > proxy-1 INVITE");
    }
    let first = page(&s, "");
    assert_eq!(texts(&first, ".pages span")[0], "rows 1 to 2,000 of 2,003");
    assert_eq!(attrs(&first, ".flow .pages a", "href")[0], "?page=2");
    assert_eq!(
        texts(&first, ".tools p[role=status]"),
        ["2,000 rows on this page, 2,003 in view, of 2,003 rows"],
        "it counts what is on this page"
    );
    assert_eq!(first.select(&selector(".ladder.long")).count(), 1);
    assert_eq!(page(&s, "page=2").select(&selector("ol > li[id^=m]")).count(), 3);
}

#[test]
fn an_address_that_is_not_understood_says_so() {
    let s = forked_call();
    let said = |query: &str| texts(&page(&s, query), ".notice:not([hidden])");
    assert_eq!(said("tab=raw&find=bob"), [""; 0]);
    let id = "0000000000000001-9999999";
    assert_eq!(
        said(&format!("m={id}&tab=hex&page=7&who=me")),
        [
            "There is no tab \"hex\". Choose from parsed, raw, crlf, body, log.".to_owned(),
            "This page has no parameter \"who\".".into(),
            format!("The message {id} is not one of this scenario."),
            "There is no page 7 of this ladder: it has 1 page.".into(),
        ]
    );
}

#[test]
fn the_head_says_what_failed_and_leads_to_its_row() {
    use crate::ladder::sample::told;
    use rule::told::Seen;
    use rule::verdict::Outcome;
    let sample = forked_call();
    let told = |seen, due| told("ack: ACK to device within 32s of answer else no-ack", "no-ack", seen, None, due);
    let judgement = Judgement::made((Outcome::Failed, "no-ack", "answered-no-ack"), vec![told(Seen::Missed, 46_006)]);
    let page = |judgement: Judgement, query: &str| {
        let html = draw::page(&Asked { judgement, ..asked(&sample, query) }).unwrap();
        let page = Html::parse_document(&html);
        sound(&page);
        page
    };
    let failed = page(judgement.clone(), "");
    assert_eq!(texts(&failed, ".judged"), ["200 OK was never acknowledged no-ack"]);
    let lines = texts(&failed, ".told li");
    assert_eq!(lines, ["ACK never came from alice-ios to sbc-1 within 32 s of answer answered-no-ack"]);
    let mut again = forked_call();
    let answer = again.flow.course.callers[0].result().unwrap().row;
    let (time, what) = (again.flow.rows[answer].time, message::flow::Trouble::NoAck { sent: 11 });
    again.flow.course.problems = vec![message::flow::Problem { row: answer, time, due: time, leg: 0, what }];
    let html = draw::page(&Asked { judgement: judgement.clone(), ..asked(&again, "") }).unwrap();
    assert_eq!(
        texts(&Html::parse_document(&html), ".told li"),
        ["ACK never came from alice-ios to sbc-1 within 32 s of answer; the answer was sent 11 times answered-no-ack"]
    );
    let row = failed.select(&selector("#flow li[id='answered-no-ack.ack.A'] a.miss.wrong")).next().expect("its row");
    let read = row.text().collect::<String>();
    assert_eq!(
        read,
        "12:00:46.006 missingalice-ios  to sbc-1SIP, leg Aexpected ACKwithin 32 s of answer, never seenanswered-no-ack, no-ack"
    );
    // Rows around it, by time.
    let ids: Vec<&str> = failed.select(&selector("#flow li[id]")).filter_map(|li| li.value().id()).collect();
    let at = ids.iter().position(|id| *id == "answered-no-ack.ack.A").expect("in the list");
    assert!(ids[at - 1].starts_with("gap-") && ids[at + 1].starts_with('m'), "{ids:?}");
    // A filter that hides it: the way to it shows all.
    let hidden = page(judgement.clone(), "kind=PUSH");
    let jump = hidden.select(&selector(".judged a")).next().expect("a way").value().attr("href").unwrap();
    assert!(jump.starts_with("?m=") && jump.ends_with("#answered-no-ack.ack.A"), "{jump}");
    let blind = Judgement::made((Outcome::Unknown, "no-ack", "answered-no-ack"), vec![told(Seen::CannotTell, 46_006)]);
    let blind = page(blind, "");
    assert_eq!(texts(&blind, ".crumb .chip"), ["cannot tell"]);
    assert_eq!(
        texts(&blind, ".told li"),
        ["ACK from alice-ios to sbc-1: sbc-1 is not known to log ACK answered-no-ack, no-ack"]
    );
    assert_eq!(texts(&blind, "a.cannot .by > span"), ["sbc-1 is not known to log ACKanswered-no-ack, no-ack"]);
    // Without script, in the table, too.
    let table = draw::table(&Asked { judgement, ..asked(&sample, "") }).unwrap();
    let table = Html::parse_document(&table);
    assert_eq!(texts(&table, "tr.miss td:nth-child(7)"), ["expected ACK"]);
}

#[test]
fn a_page_is_another_one_once_rules_say_something_else() {
    use crate::ladder::sample::told;
    use rule::told::Seen;
    use rule::verdict::Outcome;
    let of = |seen, due| vec![told("ack: ACK to device else no-ack", "no-ack", seen, None, due)];
    let mark = |told| Judgement::made((Outcome::Failed, "no-ack", "answered-no-ack"), told).mark(7);
    assert_eq!(Judgement::default().mark(7), 7);
    assert_ne!(mark(of(Seen::Missed, 1)), 7);
    assert_ne!(mark(of(Seen::Missed, 1)), mark(of(Seen::Late, 1)));
    assert_eq!(mark(of(Seen::Missed, 1)), mark(of(Seen::Missed, 1)));
}
