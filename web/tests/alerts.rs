//! Alerts, rules and mails: each page with something on it and with nothing, and who may ask for what.

use axum::http::{Request, StatusCode};
use record::time::{HOUR, MINUTE, Timestamp};
use scraper::Html;
use store::outgoing::{MailState, Reported, Sender, Tried};

use crate::fixture::call;
use crate::judged::{KEY, judge, mail, rulebook, silent};
use crate::pages::BEGUN;
use crate::site::{Site, assert_nothing_inline, attributes, texts};

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(since.as_micros() as i64)
}

/// Two calls that failed, one that went well, and a mail of the two.
async fn failing(server: Option<&str>, state: MailState) -> (Site, i64) {
    let mut site = Site::new().await;
    for number in 1..4 {
        site.ingest.add(&call(BEGUN + i64::from(number) * 60_000_000, number, "alice", "bob", 200, 30)).await;
    }
    site.store.keep_rulebook(&rulebook(server), now()).await.unwrap();
    judge(&site.store, 2, now()).await;
    let id = mail(&site.store, 0, state, now()).await;
    (site, id)
}

#[tokio::test]
async fn an_alert_says_what_fails_and_leads_to_each_row_where_it_did() {
    let (site, _) = failing(Some("smtp.example.com"), MailState::Sent).await;
    let list = site.page("/alerts").await;
    assert_eq!(texts(&list, ".groups th b"), ["200 OK was never acknowledged"]);
    assert_eq!(texts(&list, ".groups td[data-th='How many']"), ["2 scenarios"]);
    assert_eq!(attributes(&list, ".groups th a", "href"), [format!("/a/{KEY}")]);
    assert_eq!(texts(&list, ".top nav .n"), ["1 open"]);
    assert!(texts(&list, ".nomail").is_empty());
    let one = site.page(&format!("/a/{KEY}")).await;
    assert_nothing_inline(&one, "/a/KEY");
    assert_eq!(texts(&one, "h1"), ["200 OK was never acknowledged"]);
    let links = attributes(&one, "section[aria-labelledby='ih'] th a", "href");
    assert_eq!(links.len(), 2);
    for link in links {
        let (path, fragment) = link.split_once('#').unwrap();
        assert_eq!(fragment, "answered-no-ack.ack.B1");
        let page = site.page(path).await;
        assert_eq!(texts(&page, &format!("li[id='{fragment}'] .what b")), ["ACK"]);
        assert_eq!(texts(&page, ".crumb .chip"), ["failed"]);
    }
    assert_eq!(
        texts(&one, "section[aria-labelledby='ih'] td[data-th='What'] bdi")[0],
        "no ACK from 192.0.2.20 to bob within 32 s"
    );
    assert_eq!(texts(&one, "section[aria-labelledby='mh'] td[data-th='State'] .out"), ["sent"]);
    assert_eq!(site.get("/a/0000000000000000").await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.get("/a/nothing").await.status, StatusCode::NOT_FOUND);
}

/// An agent that fell silent is no scenario: its alert says so, and leads to what was read.
#[tokio::test]
async fn an_alert_about_a_log_names_the_agent_and_what_is_not_read() {
    let site = Site::new().await;
    site.store.keep_rulebook(&rulebook(None), now()).await.unwrap();
    site.store.report_logs(&[silent("sbc-1 example", now())], &[], now()).await.unwrap();
    let list = site.page("/alerts").await;
    assert_eq!(texts(&list, ".groups th b"), ["an agent does not report, so its logs cannot be judged"]);
    assert_eq!(texts(&list, ".groups td[data-th='How many']"), ["1 report"]);
    let key = attributes(&list, ".groups th a", "href").remove(0);
    let one = site.page(&key).await;
    assert_nothing_inline(&one, "/a/KEY");
    assert_eq!(texts(&one, "#ih"), ["Agents and logs"]);
    assert_eq!(texts(&one, "section[aria-labelledby='ih'] th a b"), ["sbc-1 example"]);
    assert_eq!(attributes(&one, "section[aria-labelledby='ih'] th a", "href"), ["/"]);
    assert_eq!(texts(&one, "section[aria-labelledby='ih'] td[data-th='What'] bdi"), ["no report: core is not read"]);
    assert!(!texts(&one, "main").concat().contains("scenario"), "it is about no scenario");
    let api = site.json(&format!("/api/v1/alerts/{}", key.trim_start_matches("/a/"))).await;
    let said = &api["scenarios"][0];
    assert_eq!((said["scenario"].is_null(), said["log"].as_str()), (true, Some("sbc-1 example")));
}

#[tokio::test]
async fn the_api_gives_alerts_and_verdicts_as_the_pages_do() {
    let (site, _) = failing(None, MailState::NotSent).await;
    let alerts = site.json("/api/v1/alerts").await;
    assert_eq!((&alerts["alerts"][0]["key"], &alerts["alerts"][0]["scenarios"]), (&KEY.into(), &2.into()));
    assert!(alerts["alerts"][0]["closed"].is_null());
    let one = site.json(&format!("/api/v1/alerts/{KEY}")).await;
    let scenario = one["scenarios"][0]["scenario"].as_str().unwrap();
    assert_eq!(one["scenarios"][0]["verdict"]["fragment"], "answered-no-ack.ack.B1");
    let picture = site.json(&format!("/api/v1/scenarios/{scenario}")).await;
    assert_eq!(
        (&picture["scenario"]["outcome"], &picture["scenario"]["failure"]),
        (&"failed".into(), &"no-ack".into())
    );
    assert_eq!(picture["verdicts"][0]["steps"][0]["seen"], "missed");
    let found = |query: &'static str| async { site.json(query).await["scenarios"].as_array().unwrap().len() };
    assert_eq!(found("/api/v1/scenarios?outcome=failed").await, 2);
    assert_eq!(found("/api/v1/scenarios?outcome=ok,late").await, 1);
    assert_eq!(found("/api/v1/scenarios?failure=no-ack&rule=answered-no-ack").await, 2);
    assert_eq!(found("/api/v1/scenarios?rule=bye-propagates").await, 0);
    assert_eq!(site.get("/api/v1/scenarios?outcome=broken").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.get("/api/v1/alerts/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_list_names_what_failed_and_the_form_finds_it() {
    let (site, _) = failing(None, MailState::NotSent).await;
    let page = site.page("/search?outcome=failed").await;
    assert_eq!(texts(&page, ".judge"), ["failed no-ack", "failed no-ack"]);
    assert_eq!(texts(&page, ".how .chip.on bdi"), ["outcome failed"]);
    assert_eq!(attributes(&page, "#f-outcome option[selected]", "value"), ["failed"]);
    let wrong = site.page("/search?outcome=broken").await;
    assert_eq!(
        texts(&wrong, ".field.wrong small"),
        ["there is no outcome \"broken\": failed, late, unknown, open, business, ok"]
    );
}

#[tokio::test]
async fn home_says_what_failed_in_the_last_hour_before_it_counts_bytes() {
    let (site, _) = failing(Some("smtp.example.com"), MailState::Sent).await;
    let home = site.page("/").await;
    assert_eq!(texts(&home, ".fails b"), ["2"]);
    assert!(attributes(&home, ".fails .last", "href")[0].ends_with("#answered-no-ack.ack.B1"));
    let listed = site.page(&attributes(&home, ".fails .much", "href")[0]).await;
    assert!(texts(&listed, "h1").contains(&"Search".to_owned()));
    let order: Vec<String> = attributes(&home, "main section", "class");
    assert_eq!(order[..2], ["failing", "numbers"]);
    assert_eq!(texts(&home, ".groups th b"), ["200 OK was never acknowledged"]);
}

#[tokio::test]
async fn of_logs_of_last_week_home_says_what_failed_in_their_own_last_hour() {
    let mut site = Site::new().await;
    site.store.keep_rulebook(&rulebook(None), now()).await.unwrap();
    for number in 1..4 {
        site.ingest.add(&call(BEGUN + i64::from(number) * 60_000_000, number, "alice", "bob", 200, 30)).await;
    }
    judge(&site.store, 2, Timestamp(BEGUN)).await;
    let home = site.page("/").await;
    assert_eq!(texts(&home, "#jh"), ["What failed in the last hour of these logs"]);
    assert_eq!(texts(&home, ".fails b"), ["2"]);
    let until = texts(&home, ".failing .how .soft");
    assert!(
        until[0].starts_with("up to 2026-09-14 ") && until[0].ends_with("when the last record was logged"),
        "{until:?}"
    );
}

#[tokio::test]
async fn rules_that_judged_nothing_yet_say_what_they_wait_for() {
    let mut site = Site::new().await;
    site.ingest.add(&call(BEGUN, 1, "alice", "bob", 200, 30)).await;
    assert!(texts(&site.page("/rules").await, ".none b")[0].starts_with("No rule is loaded"));
    site.store.keep_rulebook(&rulebook(None), now()).await.unwrap();
    let waits = texts(&site.page("/").await, ".failing .none b");
    assert_eq!(waits, ["Rules judge once they have seen what this server logs:"]);
    assert!(texts(&site.page("/rules").await, "p.card")[0].contains("0 of 2 rules"));
    judge(&site.store, 0, now()).await;
    // One of two is half of them; the other may never have anything to judge.
    assert_eq!(texts(&site.page("/").await, ".failing .out"), ["Nothing that rules watch for."]);
}

#[tokio::test]
async fn rules_are_prose_with_counts_that_lead_to_the_list_and_faults_are_loud() {
    let (site, _) = failing(None, MailState::NotSent).await;
    let page = site.page("/rules").await;
    assert_eq!(texts(&page, "#answered-no-ack .chip"), ["failed 2", "ok 1"]);
    assert!(texts(&page, "#answered-no-ack .prose")[0].starts_with("When a device answers"));
    assert!(attributes(&page, "#answered-no-ack .chip", "href")[0].contains("outcome=failed&rule=answered-no-ack"));
    let mut book = rulebook(None);
    book.faults = vec!["20-ack.toml:3: <b>no such word</b>".into()];
    site.store.keep_rulebook(&book, Timestamp(now().0 + 1)).await.unwrap();
    let page = site.page("/rules").await;
    assert_eq!(texts(&page, "[role='alert'] .fault"), ["20-ack.toml:3: <b>no such word</b>"]);
}

#[tokio::test]
async fn without_a_mail_server_pages_say_that_nothing_is_sent_and_how_to_set_it_up() {
    let (site, id) = failing(None, MailState::NotSent).await;
    for path in ["/alerts", "/outbox", &format!("/outbox/{id}"), &format!("/a/{KEY}")] {
        let page = site.page(path).await;
        assert_nothing_inline(&page, path);
        assert!(texts(&page, ".nomail")[0].starts_with("Nothing is sent."), "{path}");
        assert!(texts(&page, ".nomail pre")[0].contains("[mail]"), "{path}");
    }
    let mail = site.page(&format!("/outbox/{id}")).await;
    assert_eq!(texts(&mail, "#ph"), ["As it would be sent"]);
    assert!(texts(&mail, "pre.letter")[0].starts_with("2 scenarios did not end as expected"));
    let mut book = rulebook(Some("smtp.example.com"));
    book.teams.clear();
    site.store.keep_rulebook(&book, Timestamp(now().0 + 1)).await.unwrap();
    assert!(texts(&site.page("/outbox").await, ".nomail")[0].starts_with("Nobody is named."));
}

#[tokio::test]
async fn a_mail_that_was_sent_says_who_did_not_get_it() {
    let (site, id) = failing(Some("smtp.example.com"), MailState::Queued).await;
    let (mail, _) = site.store.next_mail("one", "account", now(), MINUTE).await.unwrap().unwrap();
    let refused = vec!["gone@example.com: 550 5.1.1 no such user".to_owned()];
    let said = "250 2.0.0 OK".to_owned();
    let (state, code, recipients, hold) = (MailState::Sent, Some(250), None, None);
    let tried = Tried { state, code, said, not_before: now(), recipients, refused, hold };
    let by = Sender { owner: "one", account: "account", settings: 1 };
    assert!(site.store.tried(&mail, by, &tried, now()).await.unwrap());
    let list = site.page("/outbox").await;
    assert_eq!(texts(&list, "td[data-th='State'] small.bad"), ["1 recipient refused"]);
    let one = site.page(&format!("/outbox/{id}")).await;
    assert!(texts(&one, ".facts dd").contains(&"gone@example.com: 550 5.1.1 no such user".to_owned()));
    assert_eq!(texts(&one, "td[data-th='Said'] small"), ["1 refused for good"]);
}

#[tokio::test]
async fn home_alerts_and_readyz_say_that_mails_do_not_go_since_when_and_why() {
    let (site, _) = failing(Some("smtp.example.com"), MailState::Queued).await;
    for path in ["/", "/alerts"] {
        assert!(texts(&site.page(path).await, ".fault").is_empty(), "{path}");
    }
    let by = Sender { owner: "one", account: "account", settings: 1 };
    let tried = async |state, refused, hold| {
        let (mail, _) = site.store.next_mail("one", "another", now(), MINUTE).await.unwrap().unwrap();
        let said = "smtp.example.com refuses user and password (535 <b>5.7.8</b>)".to_owned();
        let tried = Tried { state, code: Some(535), said, not_before: now(), recipients: None, refused, hold };
        assert!(site.store.tried(&mail, by, &tried, now()).await.unwrap());
    };
    tried(MailState::Queued, Vec::new(), Some((Timestamp(now().0 + HOUR), HOUR))).await;
    let said = |page: &Html| texts(page, "section[role='alert'] .fault");
    for path in ["/", "/alerts"] {
        let page = site.page(path).await;
        assert_nothing_inline(&page, path);
        let all = said(&page);
        let [held] = &all[..] else { panic!("{path}: {all:?}") };
        assert!(held.starts_with("No mail is sent since 20"), "{held}");
        assert!(
            held.contains(": smtp.example.com refuses user and password (535 <b>5.7.8</b>); it is tried again at 20")
        );
        assert_eq!(attributes(&page, ".fault a", "href"), ["/outbox"]);
    }
    let ready = site.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK, "what arrives is stored and shown");
    assert!(ready.text().starts_with("ready; No mail is sent since 20"), "{}", ready.text());

    tried(MailState::Failed, Vec::new(), None).await;
    mail(&site.store, 1, MailState::Queued, now()).await;
    tried(MailState::Sent, vec!["gone@example.com: 550 5.1.1 no such user".into()], None).await;
    mail(&site.store, 2, MailState::Queued, Timestamp(now().0 - 6 * HOUR)).await;
    assert_eq!(site.store.expire_mails(now(), true).await.unwrap(), 1);
    let expected = [
        "1 mail was refused by the mail server in the last 24 hours Outbox",
        "1 mail was not sent in time in the last 24 hours, and given up Outbox",
        "1 mail was sent in the last 24 hours, and not to everybody Outbox",
    ];
    for path in ["/", "/alerts"] {
        assert_eq!(said(&site.page(path).await), expected, "{path}: the hold is over, as a mail was sent");
    }
}

#[tokio::test]
async fn a_mail_is_sent_again_by_a_form_of_ours_only() {
    let (site, id) = failing(Some("smtp.example.com"), MailState::Failed).await;
    let page = site.page(&format!("/outbox/{id}")).await;
    assert_eq!(attributes(&page, "main form", "action"), [format!("/outbox/{id}/resend")]);
    let post = |headers: &'static [(&'static str, &'static str)]| {
        let request = Request::post(format!("/outbox/{id}/resend")).header("host", "localhost:8080");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        site.ask(request)
    };
    let unasked = post(&[]).await;
    assert_eq!(unasked.status, StatusCode::FORBIDDEN);
    assert!(unasked.text().contains("does not say where it comes from"), "{}", unasked.text());
    assert_eq!(post(&[("origin", "http://example.com")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await.status, StatusCode::FORBIDDEN);
    let state = || async { site.store.mail(id).await.unwrap().unwrap().0.state };
    assert_eq!(state().await, MailState::Failed);
    assert_eq!(
        post(&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8080")]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(state().await, MailState::Queued);
    assert_eq!(site.get(&format!("/outbox/{id}/resend")).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// They have no filters: whoever mistyped one sees a notice, and all there is.
#[tokio::test]
async fn a_page_without_filters_says_which_parameter_it_does_not_know() {
    let (site, id) = failing(None, MailState::NotSent).await;
    for path in ["/", "/alerts", "/rules", "/outbox", &format!("/outbox/{id}"), &format!("/a/{KEY}")] {
        assert!(texts(&site.page(&format!("{path}?zone=Europe/Berlin")).await, ".notice").is_empty(), "{path}");
        let page = site.page(&format!("{path}?rule=no-ack&rule=x&%3Cb%3E=1")).await;
        let said = ["This page has no parameter \"<b>\".", "This page has no parameter \"rule\"."];
        assert_eq!(texts(&page, ".notice"), said, "{path}");
    }
    let zoned = site.page("/alerts?zone=Europe/Berlin").await;
    for href in attributes(&zoned, "main a", "href") {
        assert!(href.matches('?').count() < 2, "{href}");
    }
}

async fn all(site: &Site, path: &str, list: &str) -> Vec<serde_json::Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = site.json(&format!("{path}?limit=2{after}")).await;
        all.extend(page[list].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

async fn close(site: &Site, nth: usize) {
    let group = site.store.alert_groups_after(None, 10).await.unwrap().remove(nth);
    let reported = Reported {
        group: group.id,
        changed: group.changed,
        lease_until: group.lease_until,
        mails: Vec::new(),
        items: Vec::new(),
        older: None,
        state: Vec::new(),
        due: None,
        closed: true,
    };
    assert!(site.store.report(&reported, MailState::NotSent, now()).await.unwrap());
}

#[tokio::test]
async fn lists_of_alerts_and_of_their_scenarios_go_on_to_their_end() {
    let site = Site::new().await;
    for number in 1..=6 {
        let mut alarm = silent("agent", now());
        alarm.group.hash = [number; 8];
        site.store.report_logs(&[alarm], &[], now()).await.unwrap();
    }
    close(&site, 1).await;
    let keys: Vec<_> = all(&site, "/api/v1/alerts", "alerts").await.iter().map(|one| one["key"].clone()).collect();
    let key = |number: u8| format!("{number:02x}").repeat(8);
    assert_eq!(keys, [6, 4, 3, 2, 1, 5].map(key), "open ones first, the newest of each first");
    // One that closes while its reader is on the way comes later, and is not left out.
    let first = site.json("/api/v1/alerts?limit=2").await;
    close(&site, 2).await;
    let rest = site.json(&format!("/api/v1/alerts?after={}", first["next"].as_str().unwrap())).await;
    let rest: Vec<_> = rest["alerts"].as_array().unwrap().iter().map(|one| one["key"].clone()).collect();
    assert_eq!(rest, [2, 1, 5, 3].map(key));

    let logs: Vec<_> = (0..7).map(|nth| format!("sbc {nth} &=\u{fc}.%")).collect();
    let alarms: Vec<_> = logs.iter().map(|log| silent(log, now())).collect();
    site.store.report_logs(&alarms, &[], now()).await.unwrap();
    let path = format!("/api/v1/alerts/{}", key(9));
    let mut listed: Vec<_> = all(&site, &path, "scenarios").await.iter().map(|one| one["log"].clone()).collect();
    listed.sort_by_key(ToString::to_string);
    assert_eq!(listed, logs);
    // A list that was begun is that of its alert, though another one of the same key is open by now.
    let next = site.json(&format!("{path}?limit=5")).await["next"].as_str().unwrap().to_owned();
    close(&site, 0).await;
    site.store.report_logs(&[silent("another", now())], &[], now()).await.unwrap();
    let rest = site.json(&format!("{path}?after={next}")).await;
    assert_eq!((rest["scenarios"].as_array().unwrap().len(), rest["alert"]["closed"].is_null()), (2, false));
    assert_eq!(site.json(&path).await["scenarios"].as_array().unwrap().len(), 1);
    assert_eq!(site.get(&format!("/api/v1/alerts/{}?after={next}", key(1))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.get(&format!("{path}?after=x")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_outbox_goes_on_to_the_oldest_mail() {
    let site = Site::new().await;
    site.store.report_logs(&[silent("agent", now())], &[], now()).await.unwrap();
    for nth in 0..450 {
        mail(&site.store, nth, MailState::NotSent, now()).await;
    }
    let (mut path, mut listed) = ("/outbox".to_owned(), Vec::new());
    loop {
        let page = site.page(&path).await;
        listed.extend(attributes(&page, ".sources th a", "href"));
        let older = attributes(&page, "main .acts a", "href").into_iter().find(|link| link.contains("before="));
        match older {
            Some(older) => path = older,
            None => break,
        }
    }
    let numbers: Vec<String> = (1..=450).rev().map(|id| format!("/outbox/{id}")).collect();
    assert_eq!(listed, numbers);
    let none = texts(&site.page("/outbox?before=1").await, ".none b");
    assert!(none.iter().any(|text| text.starts_with("There are no older")), "{none:?}");
    assert_eq!(
        texts(&site.page("/outbox?before=x").await, ".notice"),
        ["No mail has the number \"x\": the newest are shown."]
    );
}

#[tokio::test]
async fn an_empty_page_of_each_says_why_and_shows_a_way_out() {
    let site = Site::new().await;
    for path in ["/alerts", "/rules", "/outbox"] {
        let page = site.page(path).await;
        assert_nothing_inline(&page, path);
        assert!(!texts(&page, ".none b").is_empty() && !attributes(&page, ".none a", "href").is_empty(), "{path}");
    }
    assert_eq!(site.get("/outbox/7").await.status, StatusCode::NOT_FOUND);
}
