//! Pages: what each shows, what holds for all of them, and what a stranger's text cannot do.

use axum::http::{Request, StatusCode};
use record::time::SECOND;

use crate::fixture::{ALICE, SBC, Sip, call, forked, registration, sip};
use crate::site::{Site, assert_nothing_inline, attributes, texts};

pub const BEGUN: i64 = 1_789_387_200 * SECOND;

async fn filled() -> Site {
    let mut site = Site::new().await;
    site.ingest.add(&call(BEGUN, 1, "alice", "bob", 200, 30)).await;
    site.ingest.add(&call(BEGUN + 60 * SECOND, 2, "carol", "dave", 486, 0)).await;
    site.ingest.add(&registration(BEGUN + 61 * SECOND, 3, "alice")).await;
    site
}

#[tokio::test]
async fn an_empty_home_says_what_to_do() {
    let site = Site::new().await;
    let page = site.page("/").await;
    assert_eq!(texts(&page, "#eh"), ["No message has been read yet"]);
    assert!(texts(&page, ".none pre").iter().any(|text| text.starts_with("siptrail watch")));
}

#[tokio::test]
async fn home_counts_what_is_there_and_lists_the_newest_calls_and_sources() {
    let site = filled().await;
    let page = site.page("/").await;
    assert_eq!(texts(&page, ".numbers b")[..2], ["3", "27"]);
    assert_eq!(texts(&page, ".scenarios .who"), ["carol to dave", "alice to bob"]);
    assert_eq!(texts(&page, ".scenarios .res"), ["busy 486 rang after 140 ms", "answered 200 after 3.20 s"]);
    assert_eq!(texts(&page, ".sources tbody b"), ["sbc-1", "proxy-1"]);
    assert_eq!(texts(&page, ".sources .out"), ["complete", "complete"]);
}

#[tokio::test]
async fn a_scenario_of_several_kinds_says_how_many_of_each() {
    let mut site = Site::new().await;
    site.ingest.add(&forked(BEGUN)).await;
    let page = site.page("/search").await;
    assert_eq!(texts(&page, ".sc .kinds > span"), ["SIP 21", "REST 1", "PUSH 1"]);
    assert_eq!(texts(&page, ".sc .who"), ["alice to bob"]);
}

#[tokio::test]
async fn every_time_has_its_date_and_zone_and_the_zone_stays_in_every_link() {
    let site = filled().await;
    let page = site.page("/?zone=europe/berlin").await;
    assert_eq!(texts(&page, ".day h3"), ["2026-09-14 Europe/Berlin"]);
    assert_eq!(texts(&page, ".sc time")[1], "14:00:00.000");
    assert_eq!(attributes(&page, ".sc time", "title")[1], "2026-09-14 14:00:00.000000 +02:00 Europe/Berlin");
    for href in attributes(&page, "main a, nav a", "href") {
        assert!(href.starts_with("/api/") || href.contains("zone=Europe/Berlin"), "{href}");
    }
    let wrong = site.get("/?zone=Mars").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("unknown zone"));
}

#[tokio::test]
async fn a_link_to_another_zone_keeps_the_rest_of_the_address_as_it_is() {
    let site = filled().await;
    let page = site.page("/search?zone=Europe/Berlin&class=call,other&person=a%2Cb+c&from=").await;
    let utc = site.get(&attributes(&page, "#zones a", "href")[0]).await;
    assert_eq!(utc.header("location"), "/search?class=call,other&person=a%2Cb+c&from=");
    let chosen = attributes(&page, ".foot a[href*=theme]", "href").remove(0);
    let back = site.get(&chosen).await;
    let asked = "/search?zone=Europe/Berlin&class=call,other&person=a%2Cb+c&from=";
    assert_eq!(back.header("location"), asked);
    assert_eq!(texts(&page, ".printed"), [format!("localhost:8080{asked}, times in Europe/Berlin")]);
}

#[tokio::test]
async fn a_browser_remembers_its_zone_and_an_address_that_names_one_wins() {
    let site = filled().await;
    let chosen = site.get("/choose?zone=europe/berlin&back=/s/1%3Ffind%3Da,b%26zone%3DAsia/Tokyo").await;
    assert_eq!(chosen.header("location"), "/s/1?find=a,b&zone=Europe/Berlin");
    assert!(chosen.header("set-cookie").starts_with("zone=Europe/Berlin; Path=/;"), "{}", chosen.header("set-cookie"));
    let zone_of = async |path: &str| {
        let request = Request::get(path).header("host", "localhost").header("cookie", "zone=Europe/Berlin");
        let page = site.ask(request).await.html();
        (texts(&page, "#zones summary").remove(0), attributes(&page, "nav a", "href").remove(1))
    };
    let id = site.json("/api/v1/scenarios").await["scenarios"][0]["id"].as_str().unwrap().to_owned();
    for path in ["/", "/search", "/search?q=alice", &format!("/s/{id}?find=x"), "/nothing"] {
        let (zone, link) = zone_of(path).await;
        assert_eq!((&*zone, &*link), ("Europe/Berlin", "/search?zone=Europe/Berlin"), "{path}");
    }
    for path in ["/search?zone=UTC", "/search?from=2026-09-14T12:00:00", "/search?around=2026-09-14T12:00:00"] {
        let (zone, link) = zone_of(path).await;
        assert_eq!((&*zone, &*link), ("UTC", "/search?zone=UTC"), "links of {path} are in the zone of its times");
    }
    let forgotten = site.get("/choose?zone=UTC&back=/").await;
    assert!(forgotten.header("set-cookie").starts_with("zone=; Path=/; Max-Age=0"));
    assert_eq!(site.get("/choose?zone=Mars").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_not_there_is_a_page_with_the_id_in_the_search_box() {
    let site = Site::new().await;
    let answer = site.get("/nothing/018f3c7a").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let page = answer.html();
    assert_eq!(texts(&page, "h1"), ["Not found"]);
    assert_eq!(attributes(&page, "#again", "value"), ["018f3c7a"]);
    assert_nothing_inline(&page, "404");
}

#[tokio::test]
async fn a_fragment_gets_its_error_in_an_alert() {
    let site = Site::new().await;
    let request = Request::get("/search?after=x").header("host", "localhost").header("hx-request", "true");
    let answer = site.ask(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(attributes(&answer.html(), "[role=alert]", "class"), ["problem"]);
}

#[tokio::test]
async fn a_database_that_is_down_is_a_page_with_a_number_and_without_the_cause() {
    let site = filled().await;
    site.store.close().await;
    for path in ["/", "/search", "/api/v1/scenarios", "/readyz"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.text());
        assert!(answer.text().contains(answer.header("x-request-id")), "{path}");
        // A probe learns the cause; a reader is spared it.
        assert_eq!(answer.text().contains("pool"), path == "/readyz", "{path}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), "5", "{path}");
    }
    assert_eq!(site.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_turns_a_line_around_is_named_wherever_a_name_stands() {
    let mut site = Site::new().await;
    let evil = "a\u{202e}eli\u{2066}ce";
    let message = Sip::new("turned@192.0.2.10", evil, "bob");
    let id = site.ingest.add(&[sip(BEGUN, "sbc-1", ALICE, SBC, "INVITE", &message)]).await[0];
    let found = site.json(&format!("/api/v1/messages/{id}")).await;
    let scenario = found["scenario_id"].as_str().unwrap();
    for path in [
        "/".into(),
        "/search".into(),
        format!("/s/{scenario}"),
        format!("/s/{scenario}/table"),
        format!("/s/{scenario}?m={id}"),
    ] {
        let text = site.get(&path).await.text();
        assert!(!text.contains('\u{202e}') && !text.contains('\u{2066}'), "{path}");
        assert!(text.contains("a‹U+202E›eli"), "{path}");
    }
    let page = site.page(&format!("/s/{scenario}")).await;
    assert!(texts(&page, "title")[0].contains("‹U+202E›") && texts(&page, "h1")[0].contains("‹U+202E›"));
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_a_browser_safe() {
    let site = filled().await;
    for path in ["/", "/search", "/nothing", "/api/v1/scenarios", "/api/openapi.json", "/choose?theme=dark"] {
        let answer = site.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn another_host_name_is_refused_so_that_rebinding_reads_nothing() {
    let site = filled().await;
    for host in ["example.com", "localhost.example.com"] {
        let answer = site.ask(Request::get("/").header("host", host)).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
        assert!(!answer.text().contains("alice"));
    }
    assert_eq!(site.ask(Request::get("/")).await.status, StatusCode::MISDIRECTED_REQUEST);
    let twice = Request::get("/").header("host", "localhost").header("host", "example.com");
    assert_eq!(site.ask(twice).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn assets_stay_for_ever_under_names_that_change() {
    let site = Site::new().await;
    let page = site.page("/").await;
    let links = [attributes(&page, "link", "href"), attributes(&page, "script", "src")].concat();
    assert!(links.len() >= 5, "{links:?}");
    for link in links {
        let answer = site.get(&link).await;
        assert_eq!(answer.status, StatusCode::OK, "{link}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    }
    assert_eq!(site.get("/assets/app-000000000000.css").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_link_of_a_page_answers_and_nothing_is_inline() {
    let site = filled().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut open =
        vec!["/".to_owned(), "/search?class=call,registration&person=a".to_owned(), "/search?status=9".to_owned()];
    while let Some(path) = open.pop() {
        if seen.len() > 200 || !seen.insert(path.clone()) {
            continue;
        }
        let answer = site.get(&path).await;
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{path}: {}", answer.status);
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        let page = answer.html();
        assert_nothing_inline(&page, &path);
        assert_eq!(texts(&page, "h1").len(), usize::from(!path.starts_with("/search/new")), "{path}");
        let base = path.split(['?', '#']).next().unwrap_or("/");
        let links = [attributes(&page, "a, link", "href"), attributes(&page, "[hx-get]", "hx-get")].concat();
        for link in links.into_iter().filter(|link| !link.starts_with("/choose") && !link.starts_with('#')) {
            let link = link.split('#').next().unwrap_or("").to_owned();
            open.push(if link.starts_with('?') { format!("{base}{link}") } else { link });
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[tokio::test]
async fn a_choice_is_a_cookie_and_leads_back() {
    let site = Site::new().await;
    let answer = site.get("/choose?theme=dark&back=/search%3Fq%3Da").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/search?q=a"));
    assert!(answer.header("set-cookie").starts_with("theme=dark;"));
    assert_eq!(site.get("/choose?theme=dark&back=//example.com").await.header("location"), "/");
    let request = Request::get("/").header("host", "localhost").header("cookie", "a=b; theme=dark; keys=off");
    let page = site.ask(request).await.html();
    assert_eq!(attributes(&page, "html", "data-theme"), ["dark"]);
    assert_eq!(attributes(&page, "html", "data-keys"), ["off"]);
    let request = Request::get("/").header("host", "localhost").header("cookie", "theme=\"><script>");
    assert_eq!(attributes(&site.ask(request).await.html(), "html", "data-theme"), [""; 0]);
}

#[tokio::test]
async fn hostile_text_is_shown_and_never_interpreted() {
    let mut site = Site::new().await;
    let evil = "<script>alert(1)</script>\"'>&amp;\u{202e}";
    let caller = "<img/src=x/onerror=1>";
    let message = Sip::new("evil\"><b>@x", caller, "\u{202e}bob\u{7}");
    site.ingest.add(&[sip(BEGUN, "sbc-1", ALICE, SBC, "INVITE", &message)]).await;
    let quoted = web::params::encode(evil);
    for path in [
        "/".to_owned(),
        "/search".into(),
        format!("/search?person={quoted}"),
        format!("/search?q={quoted}"),
        format!("/search?from={quoted}"),
        format!("/{quoted}"),
    ] {
        let answer = site.get(&path).await;
        let page = answer.html();
        assert_nothing_inline(&page, &path);
        assert!(texts(&page, "img").is_empty() && attributes(&page, "img", "src").is_empty(), "{path}");
        assert!(!answer.text().contains("<script>alert"), "{path}");
    }
    let shown = attributes(&site.page(&format!("/search?person={quoted}")).await, "#f-person", "value");
    assert_eq!(shown, [evil]);
    let answer = site.get(&format!("/search?q={quoted}")).await;
    assert_eq!(attributes(&answer.html(), "#box", "value"), [evil]);
}

#[tokio::test]
async fn pages_are_compressed_where_the_browser_takes_it() {
    let site = filled().await;
    for coding in ["gzip", "zstd"] {
        let answer = site.ask(Request::get("/").header("host", "localhost").header("accept-encoding", coding)).await;
        assert_eq!(answer.header("content-encoding"), coding);
    }
}
