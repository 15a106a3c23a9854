//! The page of a scenario over stored messages: rows, views of a message, addresses, and what is not there.

use axum::http::StatusCode;
use message::kind::Kind;
use record::id::MessageId;
use record::time::SECOND;
use scraper::Html;

use crate::fixture::{ALICE, PROXY, Record, SBC, Sip, call, forked, other, registration, sip};
use crate::pages::BEGUN;
use crate::site::{Site, assert_nothing_inline, attributes, texts};

/// A site with one scenario; its address and the ids of its messages.
async fn with(records: &[Record]) -> (Site, String, Vec<MessageId>) {
    let mut site = Site::new().await;
    let ids = site.ingest.add(records).await;
    let path = scenario_of(&site, ids[0]).await;
    (site, path, ids)
}

async fn scenario_of(site: &Site, id: MessageId) -> String {
    let (_, scenario) = site.store.message(id).await.unwrap().unwrap();
    format!("/s/{}", scenario.unwrap())
}

fn row_ids(page: &Html) -> Vec<String> {
    attributes(page, "#flow ol > li[id^=m]", "id")
}

#[tokio::test]
async fn a_forked_call_is_one_page_with_every_message() {
    let (site, path, ids) = with(&forked(BEGUN)).await;
    let page = site.page(&path).await;
    assert_eq!(texts(&page, "h1"), ["alice to bob: answered by 10.0.0.10, ended by 10.0.0.10"]);
    // Two logs of one INVITE and an INVITE sent again are folded, and counted.
    let folded = ids.len() - row_ids(&page).len();
    assert!(folded >= 2);
    assert_eq!(texts(&page, "[aria-label=Rows] a"), [format!("Fold repeats{folded}")]);
    assert!(texts(&page, ".by").iter().any(|remark| remark.starts_with("2 sightings, ")));
    assert!(texts(&page, ".by").iter().any(|remark| remark.starts_with("again at +0.5 s")));
    let unfolded = site.page(&format!("{path}?fold=0")).await;
    let mut all: Vec<String> = ids.iter().map(|id| format!("m{id}")).collect();
    let mut drawn = row_ids(&unfolded);
    all.sort();
    drawn.sort();
    assert_eq!(drawn, all);
    let table = site.page(&format!("{path}/table")).await;
    assert_eq!(attributes(&table, "tbody tr", "id"), row_ids(&page));
}

#[tokio::test]
async fn list_and_page_say_the_same_of_a_scenario() {
    let mut records = call(BEGUN, 1, "alice", "bob", 200, 30);
    // What is cut in one place and rounded in another would differ here.
    records[6..9].iter_mut().for_each(|answer| answer.at = BEGUN + 3_205_900);
    let (site, path, _) = with(&records).await;
    let facts = texts(&site.page(&path).await, ".facts dd");
    let row = texts(&site.page("/search").await, ".sc .res").remove(0);
    assert_eq!((row.as_str(), facts[1].as_str()), ("answered 200 after 3.21 s", "3.21 s"));

    let (site, path, _) = with(&registration(BEGUN, 3, "alice")).await;
    let page = site.page(&path).await;
    assert_eq!(texts(&page, "h1"), ["alice: registered"]);
    let list = site.page("/search?class=registration").await;
    assert_eq!(texts(&list, ".sc .who"), ["alice REGISTER"]);

    let (site, ..) = with(&registration(BEGUN, 3, "alice")[..1]).await;
    let list = site.page("/search?class=registration").await;
    assert_eq!(texts(&list, ".sc [data-th='talk time']"), [""], "one message lasts no time that anybody knows");
}

#[tokio::test]
async fn every_view_of_every_message_is_sound_and_every_link_leads_somewhere() {
    let (site, path, ids) = with(&forked(BEGUN)).await;
    let mut links = std::collections::BTreeSet::new();
    for id in ids {
        for tab in ["parsed", "raw", "crlf", "body", "log"] {
            let at = format!("{path}?m={id}&tab={tab}");
            let page = site.page(&at).await;
            assert_nothing_inline(&page, &at);
            assert_eq!(texts(&page, ".pane h3").len(), 1, "{at}");
            assert_eq!(attributes(&page, "#flow a.pick", "href").len(), 1, "{at}");
            if tab == "parsed" {
                links.extend(attributes(&page, "main a", "href"));
            }
        }
    }
    for link in links {
        let at = link.split('#').next().unwrap();
        let at = if at.starts_with('/') { at.to_owned() } else { format!("{path}{at}") };
        // A search for what one scenario has leads to that scenario.
        let leads = if at.starts_with("/search?q=") { StatusCode::SEE_OTHER } else { StatusCode::OK };
        assert!([StatusCode::OK, leads].contains(&site.get(&at).await.status), "{at}");
    }
}

#[tokio::test]
async fn the_bytes_of_a_message_are_those_that_were_logged() {
    let records = forked(BEGUN);
    let (site, _, ids) = with(&records).await;
    let answer = site.get(&format!("/m/{}.txt", ids[0])).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, records[0].body);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{}.txt\"", ids[0]));
    for none in ["/m/05e1c2a97f3b4d10-70120.txt", "/m/x.txt", "/m/..%2f.txt"] {
        assert_eq!(site.get(none).await.status, StatusCode::NOT_FOUND, "{none}");
    }
}

#[tokio::test]
async fn a_scenario_that_is_not_there_is_a_page_with_the_id_in_the_search_box() {
    let site = Site::new().await;
    for (path, id) in [("/s/018f3c7a", "018f3c7a"), ("/s/018f3c7a/table", "018f3c7a"), ("/s/bob", "bob")] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(attributes(&answer.html(), "#again", "value"), [id]);
    }
}

#[tokio::test]
async fn a_link_to_a_merged_scenario_follows_it_with_its_query() {
    let mut site = Site::new().await;
    let first = site.ingest.add(&call(BEGUN, 1, "alice", "bob", 200, 30)).await;
    let second = site.ingest.add(&call(BEGUN + 1000, 2, "alice", "carol", 200, 30)).await;
    let (one, two) = (scenario_of(&site, first[0]).await, scenario_of(&site, second[0]).await);
    assert_ne!(one, two);
    let bridge = Sip {
        more: "Session-ID: 47755a9de7794ba387653f2099600ef2\r\n".into(),
        ..Sip::new("00000001@192.0.2.10", "alice", "bob")
    };
    let bridge_two = Sip { call_id: "00000002@192.0.2.10".into(), branch: "z9hG4bKx".into(), ..bridge.clone() };
    let joining = [
        sip(BEGUN + 2_000_000, "proxy-1", SBC, PROXY, "INFO", &Sip { cseq: (7, "INFO"), ..bridge }),
        sip(BEGUN + 2_001_000, "proxy-1", SBC, PROXY, "INFO", &Sip { cseq: (7, "INFO"), ..bridge_two }),
    ];
    site.ingest.add(&joining).await;
    let answer = site.get(&format!("{two}?leg=A&m={}", second[0])).await;
    assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.header("location"), format!("{one}?leg=A&m={}", second[0]));
    assert_eq!(row_ids(&site.page(&format!("{one}?fold=0")).await).len(), 15 + 15 + 2);
}

#[tokio::test]
async fn what_is_found_is_in_headers_and_bodies_not_only_in_labels() {
    let (site, path, _) = with(&forked(BEGUN)).await;
    let in_header = site.page(&format!("{path}?only=found&find=Z9HG4BK-desk")).await;
    assert_eq!(row_ids(&in_header).len(), 5);
    let in_body = site.page(&format!("{path}?only=found&find=m%3Daudio+4000")).await;
    assert_eq!(row_ids(&in_body).len(), 7);
    assert_eq!(attributes(&in_body, ".find input", "value"), ["m=audio 4000"]);
    let nothing = site.page(&format!("{path}?only=found&find=zzz&kind=PUSH")).await;
    assert_eq!(row_ids(&nothing).len(), 0);
    assert!(texts(&nothing, ".empty")[0].starts_with("No row is in view. Hidden: "));
}

#[tokio::test]
async fn a_provisional_record_says_so() {
    let mut records = call(BEGUN, 1, "alice", "bob", 486, 0);
    records.last_mut().unwrap().provisional = true;
    let (site, path, ids) = with(&records).await;
    let page = site.page(&path).await;
    let last = format!("m{}", ids[ids.len() - 1]);
    assert!(row_ids(&page).contains(&last));
    assert_eq!(attributes(&page, "a.open", "href").len(), 1);
    assert_eq!(texts(&page, "a.open .d"), ["provisional"]);
}

#[tokio::test]
async fn a_strangers_text_stays_text() {
    let evil = "</a><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\"'";
    let message = Sip {
        more: format!("User-Agent: {evil}\r\nContact: \"{evil}\" <javascript:alert(1)>\r\nSubject: ]]>{{{{7*7}}}}\r\n"),
        ..Sip::new("evil<b>@192.0.2.10", "al<i>ice", "b\"o'b")
    };
    let body = format!("{{\"callId\":\"evil<b>@192.0.2.10\",\"x\":\"{}\"}}", evil.replace('"', "\\\""));
    let records = [
        sip(BEGUN, "sbc-1", ALICE, SBC, "INVITE", &message),
        other(BEGUN + 5, "sbc-1", Kind::Rest, "POST", ("<u>", "https://x/<script>?a=\"b"), &body),
        sip(BEGUN + 9, "sbc-1", SBC, ALICE, &format!("500 {evil}"), &message),
    ];
    let (site, path, ids) = with(&records).await;
    for id in &ids {
        for tab in ["parsed", "raw", "crlf", "body", "log"] {
            let at = format!("{}?m={id}&tab={tab}&find=", scenario_of(&site, *id).await);
            let page = site.page(&at).await;
            assert_nothing_inline(&page, &at);
            assert_eq!(texts(&page, "main script").len() + texts(&page, "main img").len(), 0, "{at}");
        }
    }
    let typed = site.page(&format!("{path}?find=%22%3E%3Cscript%3E&leg=%3Cb%3E&node=%22x&cols=%3Ci%3E")).await;
    assert_nothing_inline(&typed, "typed");
    assert_eq!(texts(&typed, "main script").len(), 0);
}

#[tokio::test]
async fn calls_of_the_same_people_around_it_are_named_with_what_they_share() {
    let mut records = call(BEGUN, 1, "alice", "bob", 486, 0);
    for (number, after, caller, callee) in [
        (2, 10, "bob", "alice"),
        (3, 20, "alice", "bob"),
        (4, 30, "carol", "bob"),
        (5, 40, "carol", "dave"),
        (6, 900, "bob", "alice"),
    ] {
        records.extend(call(BEGUN + after * SECOND, number, caller, callee, 200, 5));
    }
    let (site, path, ids) = with(&records).await;
    let page = site.page(&format!("{path}?zone=Europe/Berlin")).await;
    assert_eq!(texts(&page, "details.joined summary"), ["3 possibly related calls"]);
    assert_eq!(
        texts(&page, "details.joined li"),
        [
            "alice to bob, answered: 20.0 s later, by and to the same people",
            "bob to alice, answered: 10.0 s later, the other way round",
            "carol to bob, answered: 30.0 s later, to the same callee"
        ]
    );
    let first = attributes(&page, "details.joined a", "href").remove(0);
    assert!(first.ends_with("?zone=Europe/Berlin"), "{first}");
    assert_eq!(site.get(&first).await.status, StatusCode::OK);
    let alone = site.page(&scenario_of(&site, *ids.last().unwrap()).await).await;
    assert!(texts(&alone, "details.joined").is_empty());
}
