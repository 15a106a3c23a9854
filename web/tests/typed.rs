//! What people paste and type into the box, as they have it.

use std::collections::HashMap;
use std::path::Path;

use axum::http::StatusCode;
use message::kind::{Kind, is_sip_method, status_code};
use record::format::{Format, Line};
use record::time::SECOND;

use crate::fixture::{ALICE, BOB_DESK, PROXY, Record, SBC, Sip, call, forked, sip};
use crate::judged::{KEY, judge, rulebook};
use crate::pages::BEGUN;
use crate::site::{Answer, Site, attributes, texts};

async fn filled(calls: u32) -> Site {
    let mut site = Site::new().await;
    let mut records = Vec::new();
    for number in 0..calls {
        let (caller, callee) = [("alice", "bob"), ("carol", "dave"), ("+12025550142", "alice")][number as usize % 3];
        records.extend(call(BEGUN + i64::from(number) * SECOND, number, caller, callee, 200, 10));
    }
    site.ingest.add(&records).await;
    site
}

/// What the box answers, once the time in it is written as it is understood.
async fn typed(site: &Site, text: &str) -> Answer {
    let answer = site.get(&format!("/search?q={}", web::params::encode(text))).await;
    if answer.header("location").starts_with("/search?") { site.get(answer.header("location")).await } else { answer }
}

/// A log as it is framed: header lines, and what stands below each.
fn records_of(host: String, log: &str) -> Vec<Record> {
    let (format, host): (_, &'static str) = (Format::siptrail(), host.leak());
    let mut records: Vec<Record> = Vec::new();
    for line in log.split_inclusive('\n') {
        let bare = line.trim_end();
        match format.read(bare.as_bytes(), chrono_tz::Tz::UTC) {
            Line::Header(header) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let method = text(header.method);
                let kind = match method.as_str() {
                    "PUSH" => Kind::Push,
                    method if is_sip_method(method) || status_code(method).is_some() => Kind::Sip,
                    _ => Kind::Rest,
                };
                let (at, from, to) = (header.time.0, text(header.source), text(header.destination));
                let (line, body) = (Some(bare.to_owned()), Vec::new());
                records.push(Record { at, host, kind, method, from, to, line, body, provisional: false, waits: false });
            }
            _ => records.iter_mut().last().unwrap().body.extend_from_slice(line.as_bytes()),
        }
    }
    records
}

#[tokio::test]
async fn every_header_line_of_the_cases_leads_to_its_own_message() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/calls");
    let mut records = Vec::new();
    let mut directories: Vec<_> = std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    for directory in directories.iter().filter(|path| path.is_dir()) {
        let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|path| path.extension().is_some_and(|end| end == "log")) {
            let host = format!("{}/{}", directory.file_name().unwrap().display(), file.file_stem().unwrap().display());
            records.extend(records_of(host, &String::from_utf8_lossy(&std::fs::read(file).unwrap())));
        }
    }
    let mut site = Site::new().await;
    let ids = site.ingest.add(&records).await;
    let mut own: HashMap<&str, Vec<String>> = HashMap::new();
    for (record, id) in records.iter().zip(&ids) {
        own.entry(record.line.as_deref().unwrap()).or_default().push(format!("#m{id}"));
    }
    assert!(own.len() > 800, "{}", own.len());
    let mut astray = Vec::new();
    for (line, ids) in &own {
        let answer = typed(&site, line).await;
        let to = answer.header("location");
        // A line that stands in two calls leads to both.
        let is_own = ids.iter().any(|id| to.ends_with(id)) || ids.len() > 1 && answer.status == StatusCode::OK;
        astray.extend((!is_own).then(|| format!("{line} leads to {to:?}")));
    }
    assert!(astray.is_empty(), "{} of {} go astray: {:#?}", astray.len(), own.len(), &astray[..astray.len().min(5)]);
}

#[tokio::test]
async fn a_number_is_found_by_its_last_digits_beside_a_time() {
    let site = filled(6).await;
    for text in ["0142 14.9.2026 12:00", "…50142 14.9.2026 12:00", "...50142", "*50142", "… 501 42", "…0142"] {
        let page = typed(&site, text).await;
        assert_eq!(texts(&page.html(), ".sc .who"), ["+12025550142 to alice"; 2], "{text}");
    }
    assert_eq!(texts(&typed(&site, "0142").await.html(), ".sc").len(), 0, "four digits alone may be any extension");
    assert_eq!(texts(&typed(&site, "1202 14.9.2026 12:00").await.html(), ".sc").len(), 2, "or the beginning");
}

#[tokio::test]
async fn an_empty_list_offers_a_text_at_any_other_time_and_what_else_there_was() {
    let site = filled(6).await;
    let near = |page: &scraper::Html| {
        texts(page, ".near li").into_iter().zip(attributes(page, ".near a", "href")).collect::<Vec<_>>()
    };
    let offered = near(&site.page("/search?q=z9hG4bK00000002@192.0.2.10&around=2026-09-14T10:00").await);
    assert_eq!(
        offered,
        [("search at any other time".to_owned(), "/search?q=z9hG4bK00000002@192.0.2.10".to_owned())],
        "nothing else was going on then"
    );
    let offered = near(&site.page("/search?q=z9hG4bKnothing&around=2026-09-14T12:00").await);
    assert_eq!(offered[0].0, "6 scenarios without z9hG4bKnothing, the newest 2026-09-14 12:00:05 UTC");
    assert_eq!(offered[0].1, "/search?around=2026-09-14T12:00");
    assert_eq!(offered[1].0, "search at any other time");
    let offered = near(&site.page("/search?text=nothing&callee=bob").await);
    assert_eq!(offered[0].0, "2 scenarios without text nothing, the newest 2026-09-14 12:00:03 UTC");
    let offered = near(&site.page("/search?q=erin&callee=bob").await);
    assert_eq!(offered[0].0, "2 scenarios without erin, the newest 2026-09-14 12:00:03 UTC");
    assert_eq!(offered[0].1, "/search?callee=bob");
}

#[tokio::test]
async fn a_call_that_is_opened_at_once_says_which_time_was_taken() {
    let site = filled(3).await;
    let answer = typed(&site, "bob 14.9.2026 12:00").await;
    let to = answer.header("location").to_owned();
    assert!(to.starts_with("/s/") && to.ends_with("?around=2026-09-14T12:00:00"), "{to}");
    let notice = async |to: &str| texts(&site.page(to).await, ".notice:not(#astray)");
    assert_eq!(
        notice(&to).await,
        ["This is the only one that was found. Time of the search: around 2026-09-14 12:00 UTC \u{b1} 5 min."]
    );
    let answer = site.get("/search?q=bob&from=2026-09-14&to=2026-09-14&zone=Europe/Berlin").await;
    assert_eq!(
        notice(answer.header("location")).await,
        ["This is the only one that was found. Time of the search: all of 2026-09-14 (+02:00 Europe/Berlin)."]
    );
    assert!(!typed(&site, "bob").await.header("location").contains('?'), "no time was taken");
}

#[tokio::test]
async fn a_date_that_says_two_things_is_a_fault_in_words_and_not_a_text() {
    let site = filled(3).await;
    let faults = async |text: &str| texts(&typed(&site, text).await.html(), ".none li");
    let says = faults("bob 11/10/2026 09:56").await.remove(0);
    assert!(says.starts_with("\"11/10/2026\" may have its day or its month first: write 28.11. or "), "{says}");
    assert_eq!(faults("31.2. 12:00").await, ["there is no 31.2."]);
    assert_eq!(faults("Tue Sep 14 12:00:00 2026").await, ["2026-09-14 is a Monday"]);
    for text in ["bob 14/9/2026 12:00", "bob 9/14/2026 12:00", "bob Mon Sep 14 12:00:00 2026"] {
        let to = site.get(&format!("/search?q={}", web::params::encode(text))).await;
        assert_eq!(to.header("location"), "/search?q=bob&around=2026-09-14T12:00:00", "{text}");
    }
}

#[tokio::test]
async fn seconds_since_1970_are_a_time_first_and_may_be_a_number() {
    let site = filled(3).await;
    for text in ["1789387200", "1789387200.183319", "1789387200183", "1789387200183319"] {
        let page = typed(&site, text).await.html();
        assert!(texts(&page, ".how p")[0].starts_with("Read as time; also try as user"), "{text}");
        assert!(texts(&page, ".how .chip bdi")[0].starts_with("around 2026-09-14 12:00"), "{text}");
        assert_eq!(attributes(&page, ".how .chip.on", "href"), ["/search"], "{text}");
        assert_eq!(texts(&page, ".sc").len(), 3, "{text}");
    }
    let one = typed(&site, "bob 1789387200.5").await;
    assert!(one.header("location").ends_with("?around=2026-09-14T12:00:00.500"), "{}", one.header("location"));
    // Ten digits of a time that is years ahead are dialled.
    let tried = texts(&typed(&site, "2035550142").await.html(), ".none p").remove(0);
    assert!(tried.starts_with("No scenario matches. It was looked for as user, as scenario id"), "{tried}");
}

#[tokio::test]
async fn a_time_is_read_as_pages_and_logs_print_it() {
    let site = filled(3).await;
    for text in [
        "2026-09-14 12:00:00 UTC",
        "2026-09-14 14:00:00 +02:00 Europe/Berlin",
        "[2026-09-14 12:00:00.000Z]",
        "2026-09-14 14:00:00+02:00",
    ] {
        let to = site.get(&format!("/search?q={}", web::params::encode(text))).await;
        assert_eq!(to.header("location"), "/search?around=2026-09-14T12:00:00", "{text}");
        let field = site.get(&format!("/search?from={}", web::params::encode(text))).await;
        assert!(!field.text().contains("is no time"), "{text}");
    }
}

#[tokio::test]
async fn a_device_a_rule_and_an_alert_are_found_as_people_have_them() {
    let mut site = filled(6).await;
    let with = |agent: &str, number: u32| {
        let message = Sip {
            more: format!("User-Agent: {agent}\r\n"),
            ..Sip::new(&format!("ua{number}@192.0.2.10"), "bob", "eve")
        };
        let at = BEGUN + i64::from(100 + number) * SECOND;
        [
            sip(at, "sbc-1", ALICE, SBC, "INVITE", &message),
            sip(at + 40, "proxy-1", BOB_DESK, PROXY, "486 Busy Here", &message),
        ]
    };
    site.ingest.add(&[with("Yealink SIP-T46S 66.85", 1), with("Linphone/4.2", 2)].concat()).await;
    let device = typed(&site, "bob Yealink").await;
    assert!(device.header("location").ends_with("?find=Yealink"), "{}", device.header("location"));
    let both = texts(&typed(&site, "alice bob").await.html(), ".how p");
    assert_eq!(both[0], "Read as user and text; also try as user, as Call-ID, as text in messages");

    site.store.keep_rulebook(&rulebook(None), record::time::Timestamp(BEGUN)).await.unwrap();
    judge(&site.store, 2, record::time::Timestamp(BEGUN)).await;
    for (text, to) in [("answered-no-ack", "/search?rule=answered-no-ack"), ("no-ack", "/search?failure=no-ack")] {
        let answer = site.get(&format!("/search?q={text}")).await;
        assert_eq!(answer.header("location"), to);
        assert_eq!(texts(&site.page(to).await, ".sc").len(), 2);
    }
    for text in [KEY.to_owned(), format!("/a/{KEY}"), format!("https://siptrail.example.com/a/{KEY}?zone=UTC")] {
        assert_eq!(typed(&site, &text).await.header("location"), format!("/a/{KEY}"));
    }
    assert_eq!(typed(&site, "/a/0000000000000000").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_only_a_folded_log_holds_is_found_in_its_row() {
    let mut site = Site::new().await;
    // The proxy logs the INVITE of the SBC 4 ms after it.
    site.ingest.add(&forked(BEGUN)).await;
    let id = site.json("/api/v1/scenarios").await["scenarios"][0]["id"].as_str().unwrap().to_owned();
    let page = site.page(&format!("/s/{id}?find=12:00:00.012")).await;
    assert_eq!(texts(&page, "#flow .hit").len(), 1);
    assert_eq!(texts(&page, ".hits"), ["1 row holds it n"]);
    let page = site.page(&format!("/s/{id}?find=12:00:00.012&only=found")).await;
    assert_eq!(texts(&page, "#flow a.m").len(), 1);
}
