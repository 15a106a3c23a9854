//! Rows that come while a page is open, in a real Chromium.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::browser::{READY, ROWS};
use super::support::{Api, Browser, Siptrail, eventually, free_port, log, two_servers};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_arrives_live() {
    let chunks = records();
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("kamailio.log");
    // Three registrations, then the first call; its BYE comes amid the next one.
    append(&file, &chunks[..3 + 10]);
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    let id = eventually("the call is there", || async {
        let calls = api.scenarios("&class=call").await?;
        let call = calls.first().ok_or("no call")?;
        if call["messages"] == 10 { Ok(Api::id(call)) } else { Err(call.to_string()) }
    })
    .await;
    let path = format!("/s/{id}");

    let browser = Browser::start().await;
    browser.size(1400, 2000).await;
    browser.open(&api, &path).await;
    browser.has(ROWS, api.rows(&path).await.len()).await;
    browser.run("window.sinceOpened = true").await;
    assert!(says(&browser, ".live", "live since ").await.len() > "live since ".len());
    let title = browser.driver.title().await.expect("a title");
    assert!(!title.contains("answered"), "{title}");

    append(&file, &chunks[13..20]);
    let more = grown(&api, &path, 17).await;
    browser.has(ROWS, more).await;
    assert_eq!(browser.run("return window.sinceOpened").await, true, "the page was loaded anew");
    eventually("the title follows", || async {
        let title = browser.driver.title().await.map_err(|e| e.to_string())?;
        if title == "alice to bob, answered · Siptrail" { Ok(()) } else { Err(title) }
    })
    .await;

    // What is read is not moved: with a detail open, rows wait until they are asked for.
    browser.find(ROWS).await.click().await.expect("clicked");
    browser.find(".detail .pane").await;
    append(&file, &chunks[20..]);
    let all = grown(&api, &path, 23).await;
    let waiting = all - more;
    let bar = browser.find(".livebar:not([hidden]) button").await;
    let says = format!("Paused, {waiting} new: resume (L)");
    eventually("the page says how many wait", || async {
        let text = bar.text().await.map_err(|e| e.to_string())?;
        if text == says { Ok(()) } else { Err(text) }
    })
    .await;
    browser.has(ROWS, more).await;
    browser.press("L").await;
    browser.has(ROWS, all).await;
    browser.find(".tools [role=status]").await;
    eventually("the count of rows follows", || async {
        let text = browser.texts(".tools [role=status]").await.join("");
        if text.starts_with(&format!("{all} of {all}")) { Ok(()) } else { Err(text) }
    })
    .await;
    let order = browser.run("return [...document.querySelectorAll('#flow ol > li[id^=m]')].map((row) => row.id)").await;
    let wanted: Vec<String> = api.rows(&path).await.iter().map(|row| format!("m{row}")).collect();
    assert_eq!(order, json!(wanted), "live rows stand where a fresh page has them");
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_goes_on_when_the_server_comes_back() {
    let dir = TempDir::new().expect("a directory");
    let listen = format!("127.0.0.1:{}", free_port());
    let (siptrail, api) = two_servers(dir.path(), &listen).await;
    let path = api.forked_call().await;
    let picture = api.get(&path.replace("/s/", "/api/v1/scenarios/")).await.expect("a scenario");
    let rows = picture["rows"].as_array().expect("rows");
    let seen_twice = rows.iter().find(|row| row["sightings"][0].is_string()).expect("two sightings of a message");
    let (first, folded) = (Api::id(seen_twice), seen_twice["sightings"][0].as_str().expect("an id"));

    // The other log of a message is open: it has no row of its own, so its detail bears its id.
    let browser = Browser::start().await;
    browser.open(&api, &format!("{path}?m={folded}")).await;
    browser.find(&format!("[id='m{first}'] + li.detail[id='m{folded}'] .pane")).await;
    browser.find(&format!("#flow {READY}")).await;
    let before = browser.count(ROWS).await.expect("counted");
    browser.run("window.sinceOpened = true").await;

    says(&browser, ".live", "live since ").await;
    assert_eq!(siptrail.stop().await, Some(0));
    says(&browser, ".live.bad", "no answer of the server since ").await;
    let last = picture["scenario"]["last"].as_str().expect("a time");
    let call_id = picture["calls"][0]["call_id"].as_str().expect("a Call-ID");
    let record = format!(
        "[{last}][INFO][sip:127.0.0.1:5071][sip:127.0.0.1:5070]\nINFO sip:bob@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bK-back\r\nFrom: <sip:alice@127.0.0.1>;tag=1\r\n\
         To: <sip:bob@127.0.0.1>;tag=2\r\nCall-ID: {call_id}\r\nCSeq: 9 INFO\r\nContent-Length: 0\r\n\r\n\n"
    );
    append(&dir.path().join("core.log"), &[record.into_bytes()]);
    let (_watched, api) = two_servers(dir.path(), &listen).await;
    let messages = picture["scenario"]["messages"].as_u64().expect("a number");
    grown(&api, &path, messages + 1).await;

    browser.find(".livebar:not([hidden]) button").await;
    browser.press("L").await;
    browser.has(ROWS, before + 1).await;
    says(&browser, ".live:not(.bad)", "live since ").await;
    browser.has(".detail .pane", 1).await;
    assert_eq!(browser.run("return window.sinceOpened").await, true, "the page was loaded anew");
    let order = browser
        .run("return [...document.querySelectorAll('#flow ol > li[id^=m]:not(.detail)')].map((row) => row.id)")
        .await;
    let fresh = browser.run("return fetch(location.href).then((answer) => answer.text()).then((text) => [...new DOMParser().parseFromString(text, 'text/html').querySelectorAll('#flow ol > li[id^=m]:not(.detail)')].map((row) => row.id))").await;
    assert_eq!(order, fresh, "live rows stand where a fresh page has them");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_unfolded_stays_open_when_a_row_comes() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("proxy.log");
    let records = forked(9);
    let (first, bye) = records.split_at(records.len() - 2);
    append(&file, first);
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    let path = format!("/s/{}", Api::id(&api.settled(1).await[0]));

    let browser = Browser::start().await;
    browser.size(1400, 3000).await;
    browser.open(&api, &path).await;
    says(&browser, ".live", "live since ").await;
    assert_eq!(browser.texts(".devices summary").await, ["7 more released"]);
    browser.find(".devices summary").await.click().await.expect("unfolded");
    append(&file, bye);
    eventually("the head follows", || async {
        let head = browser.texts("h1").await.join("");
        if head.ends_with("ended by alice") { Ok(()) } else { Err(head) }
    })
    .await;
    browser.has(".devices details[open] summary:focus", 1).await;
    // A server that hangs closes nothing: as if nothing had been heard of it for a minute, and then something.
    browser.run("const now = Date.now; Date.now = () => now() + 60000").await;
    says(&browser, ".live.bad", "no answer of the server since ").await;
    says(&browser, ".live:not(.bad)", "live since ").await;
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}

/// A call to that many phones, of which the first answers. Its last records are the BYE and its answer.
fn forked(phones: usize) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    let proxy = "192.0.2.2";
    let mut say = |start: &str, (from, to): (&str, &str), branch: &str, tag: &str, cseq: &str| {
        let field = start.strip_prefix("SIP/2.0 ").unwrap_or(start).split(' ').next().unwrap_or_default();
        let at = 1_795_463_450_000 + out.len() * 10;
        let text = format!(
            "[{}.{:03}][{field}][sip:{from}:5060][sip:{to}:5060]\n{start}\r\n\
             Via: SIP/2.0/UDP {proxy}:5060;branch=z9hG4bK{branch}\r\nFrom: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>{tag}\r\nCall-ID: forked@example.com\r\n\
             CSeq: {cseq}\r\nContent-Length: 0\r\n\r\n\n",
            at / 1000,
            at % 1000,
        );
        out.push(text.into_bytes());
    };
    let alice = "192.0.2.1";
    let phone = |n: usize| format!("192.0.2.{}", 10 + n);
    let (invite, tag) = ("INVITE sip:bob@example.com SIP/2.0", |n: usize| format!(";tag=b{n}"));
    say(invite, (alice, proxy), "a", "", "1 INVITE");
    for n in 0..phones {
        say(invite, (proxy, &phone(n)), &format!("b{n}"), "", "1 INVITE");
    }
    for n in 0..phones {
        say("SIP/2.0 180 Ringing", (&phone(n), proxy), &format!("b{n}"), &tag(n), "1 INVITE");
    }
    say("SIP/2.0 200 OK", (&phone(0), proxy), "b0", &tag(0), "1 INVITE");
    say("SIP/2.0 200 OK", (proxy, alice), "a", &tag(0), "1 INVITE");
    for n in 1..phones {
        say("CANCEL sip:bob@example.com SIP/2.0", (proxy, &phone(n)), &format!("b{n}"), "", "1 CANCEL");
        say("SIP/2.0 200 OK", (&phone(n), proxy), &format!("b{n}"), &tag(n), "1 CANCEL");
        say("SIP/2.0 487 Request Terminated", (&phone(n), proxy), &format!("b{n}"), &tag(n), "1 INVITE");
        say("ACK sip:bob@example.com SIP/2.0", (proxy, &phone(n)), &format!("b{n}"), &tag(n), "1 ACK");
    }
    say("ACK sip:bob@example.com SIP/2.0", (alice, proxy), "ack", &tag(0), "1 ACK");
    say("BYE sip:bob@example.com SIP/2.0", (alice, proxy), "bye", &tag(0), "2 BYE");
    say("SIP/2.0 200 OK", (proxy, alice), "bye", &tag(0), "2 BYE");
    out
}

/// The text of an element, once it begins so.
async fn says(browser: &Browser, css: &str, begins: &str) -> String {
    eventually(&format!("{css} says {begins}"), || async {
        let text = browser.texts(css).await.join(" ");
        if text.starts_with(begins) { Ok(text) } else { Err(text) }
    })
    .await
}

/// The recorded log, cut where a record begins; what stands before the first is part of it.
fn records() -> Vec<Vec<u8>> {
    let text = std::fs::read(log("kamailio.log")).expect("read");
    let mut chunks = vec![Vec::new()];
    let mut begun = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.windows(11).any(|part| part == b"<script>: [") {
            if begun {
                chunks.push(Vec::new());
            }
            begun = true;
        }
        chunks.last_mut().expect("one at least").extend_from_slice(line);
    }
    chunks
}

pub fn append(file: &Path, chunks: &[Vec<u8>]) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("opened");
    file.write_all(&chunks.concat()).expect("appended");
}

/// How many rows there are once the scenario holds this many messages.
pub async fn grown(api: &Api, path: &str, messages: u64) -> usize {
    eventually("the scenario grows", || async {
        let scenario = api.get(&path.replace("/s/", "/api/v1/scenarios/")).await?;
        let has = &scenario["scenario"]["messages"];
        if *has != messages {
            return Err(format!("{has} of {messages} messages"));
        }
        Ok(scenario["rows"].as_array().map_or(0, Vec::len))
    })
    .await
}
