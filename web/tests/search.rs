//! Search through the router: filters, readings, pages.

use axum::http::{Request, StatusCode};
use message::gist::Gist;
use message::kind::Kind;
use record::id::ScenarioId;
use record::time::{MINUTE, SECOND, Timestamp};
use store::settle::Settled;

use crate::fixture::{PUSH, call, other, registration};
use crate::judged::judge;
use crate::pages::BEGUN;
use crate::site::{Site, attributes, texts};

async fn filled(calls: u32) -> Site {
    let mut site = Site::new().await;
    let mut records = Vec::new();
    for number in 0..calls {
        let (caller, callee) = [("alice", "bob"), ("carol", "dave"), ("+12025550142", "alice")][number as usize % 3];
        let status = [486, 200][number as usize % 2];
        records.extend(call(BEGUN + i64::from(number) * SECOND, number, caller, callee, status, 10));
    }
    records.extend(registration(BEGUN, 1, "erin"));
    site.ingest.add(&records).await;
    site
}

#[tokio::test]
async fn a_list_is_paged_newest_first_and_no_scenario_is_missed_or_shown_twice() {
    let site = filled(120).await;
    let mut path = "/search".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = site.page(&path).await;
        seen.extend(attributes(&page, ".scenarios .sc", "href"));
        match attributes(&page, "a[rel=next]", "href").pop() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 120);
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 120);
}

#[tokio::test]
async fn filters_narrow_and_survive_in_form_chips_and_links() {
    let site = filled(6).await;
    let page = site.page("/search?callee=bob&final=486&from=2026-09-14T11:00&zone=UTC").await;
    assert_eq!(texts(&page, ".sc .who"), ["alice to bob"]);
    assert_eq!(attributes(&page, "#f-callee", "value"), ["bob"]);
    assert_eq!(attributes(&page, "#f-final", "value"), ["486"]);
    assert_eq!(attributes(&page, "#f-from", "value"), ["2026-09-14T11:00"]);
    assert_eq!(texts(&page, ".how .chip bdi"), ["callee bob", "from 2026-09-14 11:00 UTC", "final status 486"]);
    let dropped = attributes(&page, ".how .chip.on", "href");
    assert_eq!(dropped[0], "/search?from=2026-09-14T11:00&final=486");
    assert_eq!(texts(&site.page(&dropped[0]).await, ".sc .who").len(), 3);
}

/// What a browser sends when the form is sent as it came.
fn sent(page: &scraper::Html, form: &str) -> web::params::Params {
    let mut sent = Vec::new();
    for element in page.select(&scraper::Selector::parse(&format!("{form} input, {form} option[selected]")).unwrap()) {
        let field = element.value();
        let (name, value) = match (field.name(), field.attr("type")) {
            ("option", _) => {
                let select = element.parent().and_then(scraper::ElementRef::wrap).unwrap();
                let value = field.attr("value").map_or_else(|| element.text().collect(), str::to_owned);
                (select.value().attr("name").unwrap(), value)
            }
            (_, Some("checkbox")) if field.attr("checked").is_none() => continue,
            _ => (field.attr("name").unwrap(), field.attr("value").unwrap_or("").to_owned()),
        };
        sent.push((name.to_owned(), value));
    }
    sent.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[tokio::test]
async fn every_filter_survives_from_address_to_form_to_address() {
    let site = filled(3).await;
    let sorted = |params: &web::params::Params| {
        let mut pairs = params.pairs().to_vec();
        pairs.sort();
        pairs
    };
    let query = "q=%2B1%20202&person=a%22b&caller=al%26ice&callee=b%3Cob&call_id=x%40y&from=2026-09-14T11:00&to=2026-09-15\
                 &around=2026-09-14T12:05&within=15&problems=true&transferred=true&ongoing=true&text=a%20%22b&sort=talk&kind=REST&method=INVITE&status=4xx&final=400-499&class=call&class=other&zone=Europe/Berlin";
    let sent = sent(&site.page(&format!("/search?{query}")).await, "form.search");
    assert_eq!(sorted(&sent), sorted(&web::params::Params::parse(query)));
    let again = site.page(&format!("/search{sent}")).await;
    assert_eq!(sorted(&self::sent(&again, "form.search")), sorted(&sent));

    let id = site.json("/api/v1/scenarios").await["scenarios"][0]["id"].as_str().unwrap().to_owned();
    let query = "leg=A&leg=B%2C1&kind=SIP&method=INVITE&status=4xx&node=x%26y&only=problems&hide=options%2Ckeepalives&fold=0\
                 &find=%22a+b%3C&cols=z&zone=Europe/Berlin&tab=raw";
    let sent = self::sent(&site.page(&format!("/s/{id}?{query}")).await, "form.tools");
    assert_eq!(sorted(&sent), sorted(&web::params::Params::parse(query)));
}

#[tokio::test]
async fn a_list_says_how_many_it_shows_and_what_it_leaves_out() {
    let site = filled(60).await;
    let says = async |path: &str| texts(&site.page(path).await, ".how > p");
    assert_eq!(
        says("/search").await,
        [
            "The newest 50 scenarios; registrations, keep-alives, subscriptions, publications and what belongs to no call are \
             left out: show all"
        ]
    );
    let older = attributes(&site.page("/search").await, "a[rel=next]", "href").remove(0);
    assert!(says(&older).await[0].starts_with("The oldest 10 scenarios;"), "{:?}", says(&older).await);
    let empty = site.page("/search?callee=erin").await;
    assert_eq!(
        texts(&empty, ".near li"),
        ["1 scenario among registrations and all others, the newest 2026-09-14 12:00 UTC"]
    );
    let all = attributes(&empty, ".near a", "href");
    assert_eq!(all[0], "/search?callee=erin&class=call,registration,keepalive,subscription,publication,message,other");
    assert_eq!(says(&all[0]).await[0], "1 scenario");
}

#[tokio::test]
async fn a_time_is_read_in_the_zone_of_the_page() {
    let site = filled(3).await;
    let found = async |query: &str| texts(&site.page(&format!("/search?{query}")).await, ".sc").len();
    assert_eq!(found("to=2026-09-14T12:00:02").await, 2);
    assert_eq!(found("to=2026-09-14T14:00:02&zone=Europe/Berlin").await, 2);
    assert_eq!(found("from=2026-09-14T12:00:05").await, 2, "the first ended before");
    assert_eq!(found("from=2026-09-14T14:00:05&zone=Europe/Berlin").await, 2);
    assert_eq!(found("from=2026-09-14T14:00:05").await, 0);
}

#[tokio::test]
async fn a_time_is_typed_as_people_say_it_and_its_address_shows_the_same_tomorrow() {
    let site = filled(3).await;
    let answer = site.get("/search?q=bob%2014.9.2026%2014:00&zone=Europe/Berlin").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/search?q=bob&around=2026-09-14T14:00:00&zone=Europe/Berlin");
    let page = site.page("/search?around=2026-09-14T14:00&zone=Europe/Berlin").await;
    assert_eq!(texts(&page, ".sc").len(), 3);
    assert_eq!(texts(&page, ".how .chip bdi"), ["around 2026-09-14 14:00 +02:00 Europe/Berlin \u{b1} 5 min"]);
    assert_eq!(attributes(&page, "#f-around", "value"), ["2026-09-14T14:00"]);
    assert_eq!(attributes(&page, ".how .chip.on", "href"), ["/search?zone=Europe/Berlin"]);
    assert_eq!(texts(&site.page("/search?around=2026-09-14T12:10&within=1").await, ".sc").len(), 0);
    let relative = site.get("/search?from=-1h&to=1789387200").await;
    let absolute = relative.header("location");
    assert!(absolute.starts_with("/search?from=20") && absolute.ends_with("&to=2026-09-14T12:00:00"), "{absolute}");
    let said = site.page("/search?from=2026-09-14T11:00&person=alice").await;
    assert_eq!(texts(&said, "#f-from ~ small"), ["2026-09-14 11:00 UTC"]);
    assert_eq!(site.json("/api/v1/scenarios?around=14.9.2026%2012:00").await["scenarios"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_class_is_chosen_by_boxes_and_calls_are_the_default() {
    let site = filled(2).await;
    let checked = |page: &scraper::Html| attributes(page, ".classes input[checked]", "value");
    let page = site.page("/search").await;
    assert_eq!((checked(&page).len(), texts(&page, ".sc").len()), (0, 2), "calls and other, and no box says otherwise");
    let answer = site.get("/search?q=erin").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "a text is looked for in all classes: one registration");
    let page = site.page("/search?class=registration&class=keepalive").await;
    assert_eq!(checked(&page), ["registration", "keepalive"]);
    assert_eq!(texts(&page, ".sc .who"), ["erin REGISTER"]);
}

#[tokio::test]
async fn a_call_id_goes_straight_to_its_scenario() {
    let site = filled(4).await;
    let answer = site.get("/search?q=00000002@192.0.2.10&zone=Europe/Berlin").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.header("location").starts_with("/s/"), "{}", answer.header("location"));
    assert!(answer.header("location").ends_with("?zone=Europe/Berlin"));
    let fragment =
        Request::get("/search?q=00000002@192.0.2.10").header("host", "localhost").header("hx-request", "true");
    assert!(site.ask(fragment).await.header("hx-redirect").starts_with("/s/"));
}

#[tokio::test]
async fn a_user_is_read_as_such_and_the_other_reading_is_offered() {
    let site = filled(4).await;
    let page = site.page("/search?q=alice").await;
    assert_eq!(texts(&page, ".how p")[0], "Read as user; also try as Call-ID, as text in messages");
    assert_eq!(attributes(&page, ".how p a", "href"), ["/search?call_id=alice", "/search?text=alice"]);
    assert_eq!(texts(&page, ".sc").len(), 3);
    assert_eq!(site.get("/search?q=sip:carol@example.com%20").await.status, StatusCode::SEE_OTHER);
    let one = site.get("/search?q=%2B1%20(202)%20555-0142").await;
    assert_eq!(one.status, StatusCode::SEE_OTHER);
    let registered = site.get("/search?q=erin").await;
    assert_eq!(registered.status, StatusCode::SEE_OTHER, "a pasted text is looked for in every class");
}

#[tokio::test]
async fn a_message_id_leads_to_its_row() {
    let mut site = Site::new().await;
    let ids = site.ingest.add(&call(BEGUN, 1, "alice", "bob", 200, 5)).await;
    let answer = site.get(&format!("/search?q={}", ids[3])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(
        answer.header("location").ends_with(&format!("?m={}#m{}", ids[3], ids[3])),
        "{}",
        answer.header("location")
    );
}

#[tokio::test]
async fn a_log_line_leads_to_its_message_and_a_moment_without_one_is_said() {
    let mut site = Site::new().await;
    let ids = site.ingest.add(&call(BEGUN, 1, "alice", "bob", 200, 5)).await;
    let line =
        "[2026-09-14T12:00:00.140000Z][180][sip:203.0.113.77:5060;transport=udp][sip:10.0.0.20:5060;transport=tcp]";
    let ask = async |text: &str| site.get(&format!("/search?q={}", web::params::encode(text))).await;
    let answer = ask(line).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert!(answer.header("location").ends_with(&format!("#m{}", ids[3])), "{}", answer.header("location"));
    let with_call_id = format!("{line}\nSIP/2.0 180 Ringing\r\nCall-ID: 00000001@192.0.2.10\r\n");
    assert!(ask(&with_call_id).await.header("location").starts_with("/s/"));
    let later = ask(&line.replace("12:00:00", "12:30:00")).await.html();
    assert_eq!(texts(&later, ".how p")[0], "Read as log line");
}

#[tokio::test]
async fn nothing_found_is_said_with_a_way_out() {
    let site = filled(2).await;
    let page = site.page("/search?q=nobody").await;
    assert_eq!(
        texts(&page, ".none p")[0],
        "No scenario matches. It was looked for as user, as Call-ID, as id that joins calls and as text in messages."
    );
    assert!(attributes(&page, ".none a", "href").contains(&"/search".to_owned()));
}

#[tokio::test]
async fn an_empty_list_offers_what_is_nearest() {
    let site = filled(6).await;
    let near = async |path: &str| {
        let page = site.page(path).await;
        let links = attributes(&page, ".near a", "href");
        texts(&page, ".near li").into_iter().zip(links).collect::<Vec<_>>()
    };
    let offered = near("/search?callee=bob&final=404&from=2026-09-15").await;
    let all = "6 scenarios without any filter, the newest 2026-09-14 12:00:05 UTC";
    assert_eq!(offered, [(all.to_owned(), "/search".to_owned())], "each of them alone would find nothing");
    let offered = near("/search?callee=bob&final=486&from=2026-09-15").await;
    assert_eq!(offered[0].0, "1 scenario at any other time, the newest 2026-09-14 12:00 UTC");
    assert_eq!(offered[0].1, "/search?callee=bob&final=486");
    let offered = near("/search?callee=bob&final=404").await;
    assert_eq!(offered[0].0, "2 scenarios without final status 404, the newest 2026-09-14 12:00:03 UTC");
    assert_eq!(offered[0].1, "/search?callee=bob");
    let offered = near("/search?q=alcie").await;
    assert_eq!(offered[0].0, "4 scenarios with al, the newest 2026-09-14 12:00:05 UTC");
    assert_eq!(offered[0].1, "/search?person=al");
    let offered = near("/search?person=%2B49%20202%20555%200142").await;
    assert_eq!(offered[0].1, "/search?person=5550142");
    for (_, link) in offered {
        assert!(!texts(&site.page(&link).await, ".sc").is_empty(), "{link}");
    }
}

#[tokio::test]
async fn what_stands_in_a_message_leads_to_its_call() {
    let site = filled(4).await;
    let branch = site.page("/search?q=192.0.2.10").await;
    assert_eq!(texts(&branch, ".how p")[0], "Read as IP address; also try as user");
    assert_eq!(texts(&branch, ".sc").len(), 5, "calls and a registration");
    let text = "Call-ID: 00000002@192.0.2.10\r\n".trim_end().to_owned();
    let one = site.get(&format!("/search?text={}", web::params::encode(&text))).await;
    assert_eq!(texts(&one.html(), ".sc").len(), 1, "a filter of the form leads nowhere by itself");
    let words = web::params::encode("00000002@192.0.2.10 ").to_string();
    assert_eq!(site.get(&format!("/search?q={words}")).await.status, StatusCode::SEE_OTHER);
    let found = site.json(&format!("/api/v1/scenarios?text={}", web::params::encode(&text))).await;
    assert_eq!(found["scenarios"].as_array().unwrap().len(), 1);
    let bad = site.get("/api/v1/scenarios?problems=some").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_list_is_sorted_by_talk_time_or_result_within_the_newest() {
    let mut site = Site::new().await;
    let mut records = Vec::new();
    for (number, (status, talks)) in [(200, 5), (486, 0), (200, 60), (503, 0), (200, 20)].into_iter().enumerate() {
        records.extend(call(BEGUN + number as i64 * SECOND, number as u32, "alice", "bob", status, talks));
    }
    site.ingest.add(&records).await;
    let mut taken = site.store.due("judge", Timestamp(i64::MAX / 2), MINUTE, 1_000).await.unwrap();
    taken.sort_by_key(|due| due.id);
    let gists = [(200, Some(5)), (486, None), (200, Some(60)), (503, None), (200, Some(20))].map(|(status, talked)| {
        Gist { status: Some(status), talked: talked.map(|talked| talked * SECOND), ..Gist::default() }
    });
    let settled: Vec<Settled> = taken
        .into_iter()
        .zip(gists)
        .map(|(due, gist)| Settled {
            due,
            gist: Some(gist),
            left: None,
            problems: 0,
            next: None,
            rest_until: Timestamp(0),
            judged: None,
        })
        .collect();
    site.store.settle("judge", &settled, Timestamp(BEGUN + MINUTE)).await.unwrap();
    let page = site.page("/search?sort=talk").await;
    assert_eq!(texts(&page, ".sc [data-th='talk time']")[..4], ["1 min 00 s", "20.0 s", "5.00 s", ""]);
    assert!(
        texts(&page, ".how > p")[0].starts_with("5 scenarios, the longest talk first;"),
        "{:?}",
        texts(&page, ".how > p")
    );
    assert_eq!(texts(&page, ".day").len(), 0);
    assert_eq!(texts(&page, ".sc .at")[0], "2026-09-14 12:00:02.000");
    assert_eq!(texts(&page, ".cols a[aria-current]"), ["talk time"]);
    let page = site.page("/search?sort=result").await;
    assert_eq!(texts(&page, ".sc .res .mono")[..2], ["503", "486"]);
    assert_eq!(attributes(&page, ".cols a", "href")[..2], ["/search", "/search?sort=result"]);
}

#[tokio::test]
async fn what_is_asked_for_most_is_a_chip_that_is_taken_back() {
    let site = filled(4).await;
    let page = site.page("/search?callee=bob").await;
    let chips = |page: &scraper::Html| attributes(page, ".presets + .presets a", "href");
    assert_eq!(
        chips(&page),
        ["outcome=failed", "problems=true", "kind=PUSH", "transferred=true", "ongoing=true"]
            .map(|filter| format!("/search?callee=bob&{filter}"))
    );
    let page = site.page("/search?problems=true").await;
    assert_eq!(chips(&page)[1], "/search");
    assert_eq!(texts(&page, ".presets + .presets .on, .how .chip.on bdi"), ["with problems", "with problems"]);
}

#[tokio::test]
async fn a_field_that_cannot_be_read_is_said_beside_it() {
    let site = filled(2).await;
    let page = site.page("/search?from=noon&status=teapot").await;
    assert_eq!(
        texts(&page, "#w-from"),
        ["\"noon\" is no time: write 14:05, -1h, yesterday 20:30, 28.11. 20:33 or 2026-09-14 12:00:01"]
    );
    assert_eq!(attributes(&page, "#f-status", "aria-invalid"), ["true"]);
    assert_eq!(texts(&page, ".none p:first-child"), ["Nothing was searched:"]);
    let faults = texts(&page, ".none li");
    assert!(faults[0].starts_with("\"noon\" is no time") && faults[1].contains("\"teapot\""), "{faults:?}");
}

#[tokio::test]
async fn an_address_that_names_no_filter_is_not_answered_with_everything() {
    let site = filled(2).await;
    for (query, said) in [
        ("calller=alice", "there is no filter \"calller\"; \"caller\" may be meant"),
        ("caller=alice&caller=carol", "caller is given as \"alice\" and as \"carol\""),
        ("sort=length", "sort is talk or result, or left out, not \"length\""),
        // It is said before the address is written anew with the time as it is understood.
        ("from=-1h&stauts=486", "there is no filter \"stauts\"; \"status\" may be meant"),
        ("kind=FAX", "\"FAX\" is no kind: SIP, REST, PUSH or MEDIA"),
        (
            "q=%2B15550142&as=usr",
            "\"+15550142\" is read as user or as Call-ID or as id that joins calls or as text in messages, not as \"usr\"",
        ),
    ] {
        let page = site.page(&format!("/search?{query}")).await;
        assert_eq!(texts(&page, ".none li"), [said], "{query}");
        assert_eq!(texts(&page, ".sc").len(), 0, "{query}");
        assert_eq!(attributes(&page, ".none .acts a", "href"), ["/search"], "{query}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_search_is_told_at_once() {
    let site = filled(2).await;
    let page = site.page("/search?stauts=486&kind=FAX&from=noon").await;
    let faults = texts(&page, ".none li");
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains("stauts") && faults[1].contains("noon") && faults[2].contains("FAX"), "{faults:?}");
    assert_eq!(texts(&page, "#w-from").len(), 1);
    let hint = site.get("/search/new?calller=alice&since=1.00000001&kind=FAX").await;
    assert_eq!(hint.status, StatusCode::BAD_REQUEST);
    assert!(hint.text().contains("calller"), "{}", hint.text());
}

#[tokio::test]
async fn newer_scenarios_are_hinted_at_and_not_pushed() {
    let mut site = filled(2).await;
    let page = site.page("/search").await;
    let poll = attributes(&page, "#newer", "hx-get").remove(0);
    assert_eq!(texts(&site.page(&poll).await, "#newer"), [""]);
    site.ingest.add(&call(BEGUN + 100 * SECOND, 50, "alice", "bob", 200, 5)).await;
    let hint = site.page(&poll).await;
    assert_eq!(texts(&hint, "#newer"), ["1 new scenario: show"]);
    assert_eq!(attributes(&hint, "#newer a", "href"), ["/search"]);
}

#[tokio::test]
async fn a_call_of_the_very_time_of_the_newest_is_hinted_at_too() {
    let mut site = Site::new().await;
    site.ingest.add(&call(BEGUN, 1, "alice", "bob", 200, 5)).await;
    let poll = attributes(&site.page("/search").await, "#newer", "hx-get").remove(0);
    // The clock of the hosts stands still.
    site.ingest.add(&call(BEGUN, 2, "carol", "dave", 200, 5)).await;
    let hint = site.page(&poll).await;
    assert_eq!(texts(&hint, "#newer"), ["1 new scenario: show"]);
    let poll = attributes(&site.page(&attributes(&hint, "#newer a", "href")[0]).await, "#newer", "hx-get").remove(0);
    assert_eq!(texts(&site.page(&poll).await, "#newer"), [""], "and seen once");
}

#[tokio::test]
async fn what_is_not_worked_out_is_left_open_and_what_is_stands_in_the_list() {
    let mut site = Site::new().await;
    let mut records = call(BEGUN, 1, "alice", "bob", 200, 5);
    records.extend(registration(BEGUN + SECOND, 2, "erin"));
    let body = "{\"callId\":\"alone@192.0.2.10\"}";
    records.push(other(BEGUN + 2 * SECOND, "push-1", Kind::Push, "PUSH", ("http://10.0.0.20", PUSH), body));
    site.ingest.add(&records).await;
    let list = "/search?class=call,registration,other&sort=";
    let page = site.page(list).await;
    let said = |page: &scraper::Html, select: &str| texts(page, &format!(".sc {select}"));
    assert_eq!(said(&page, "[data-th=legs]"), ["1", "1", ""], "nobody knows yet who is a phone and who a server");
    let who = said(&page, ".who");
    assert!(who[0].starts_with("PUSH") && !who[0].contains("unknown"), "{who:?}");
    assert_eq!(said(&page, ".out")[..2], ["no status", "registered"]);
    let due = site.store.due("judge", Timestamp(i64::MAX / 2), MINUTE, 1_000).await.unwrap();
    let settled: Vec<Settled> = due
        .into_iter()
        .map(|due| {
            let is_call = due.id == ScenarioId(1);
            let gist = Gist { status: Some(200), legs: 3, transferred_to: Some("carol".into()), ..Gist::default() };
            let (gist, left) = (is_call.then_some(gist), (!is_call).then_some(Timestamp(BEGUN + SECOND)));
            Settled { due, gist, left, problems: 0, next: None, rest_until: Timestamp(0), judged: None }
        })
        .collect();
    site.store.settle("judge", &settled, Timestamp(BEGUN + MINUTE)).await.unwrap();
    let page = site.page(list).await;
    assert_eq!(said(&page, "[data-th=legs]").last().map(String::as_str), Some("3"));
    assert_eq!(said(&page, ".out")[1..], ["deregistered", "answered"]);
    assert!(said(&page, ".who")[2].contains("transferred to carol"), "{:?}", said(&page, ".who"));
    let all = site.json("/api/v1/scenarios?class=call").await;
    assert!(all["scenarios"].as_array().unwrap().iter().any(|one| one["transferred_to"] == "carol"), "{all}");
    let page = site.page("/search?transferred=true").await;
    assert_eq!(texts(&page, ".sc .who").len(), 1, "a REFER that is refused transfers nobody");
    assert_eq!(texts(&page, ".how .chip.on bdi"), ["transferred"]);
}

#[tokio::test]
async fn a_hint_counts_up_to_a_page_and_is_gone_once_it_is_followed() {
    let mut site = filled(2).await;
    let polled = async |site: &Site, path: &str| attributes(&site.page(path).await, "#newer", "hx-get").pop();
    let poll = polled(&site, "/search").await.unwrap();
    let new: Vec<_> =
        (0..60).flat_map(|n| call(BEGUN + (100 + n) * SECOND, 50 + n as u32, "alice", "bob", 200, 5)).collect();
    site.ingest.add(&new).await;
    let hint = site.page(&poll).await;
    assert_eq!(texts(&hint, "#newer"), ["50+ new scenarios: show"]);
    let poll = polled(&site, &attributes(&hint, "#newer a", "href")[0]).await.unwrap();
    assert_eq!(texts(&site.page(&poll).await, "#newer"), [""], "all of them are seen");
    // Where nothing was found, only what comes later is looked at; and no text is looked for every two seconds.
    let poll = polled(&site, "/search?caller=nobody").await.unwrap();
    assert!(poll.contains("since=") && !poll.contains("since=&"), "{poll}");
    let call = call(BEGUN + 1_000 * SECOND, 200, "nobody", "bob", 200, 5);
    site.ingest.add(&call).await;
    assert_eq!(texts(&site.page(&poll).await, "#newer"), ["1 new scenario: show"]);
    assert_eq!(polled(&site, "/search?text=z9hG4bK").await, None);
    // What is new is not counted where it would not stand in the list: a log line is one moment.
    let line = "/search?q=[2026-09-14+12:00:00.000][INVITE][udp:192.0.2.9:5060][udp:192.0.2.20:5060]";
    assert_eq!(polled(&site, line).await, None);
}

/// A phone that could not register is no call: what failed is listed whatever it is.
#[tokio::test]
async fn what_failed_is_found_in_every_class() {
    let site = filled(2).await;
    judge(&site.store, 3, Timestamp(BEGUN)).await;
    let found = async |query: &str| texts(&site.page(&format!("/search?{query}")).await, ".sc").len();
    assert_eq!((found("failure=no-ack").await, found("failure=no-ack&class=call,message").await), (3, 2));
}

#[tokio::test]
async fn presets_are_absolute_links_that_keep_the_other_filters() {
    let site = filled(1).await;
    let page = site.page("/search?person=alice").await;
    let links = attributes(&page, ".presets a", "href");
    assert!(links.iter().all(|link| link.contains("person=alice")), "{links:?}");
    assert!(links[4].contains("from=") && links[4].contains("to="), "{links:?}");
}
