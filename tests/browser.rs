//! The pages in a real Chromium: keys, live rows, the content security policy, both themes, and no script at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::Key;

use super::support::{Api, Browser, Siptrail, eventually, log, recorded};

const LIST: &str = "ol.scenarios a.sc";
const ROWS: &str = "#flow ol > li[id^=m] > a.m";
const READY: &str = "a[tabindex='0']";
/// 12 calls to bob, and the registrations of his three devices.
const BOBS: usize = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_searches_opens_a_ladder_and_reads_a_message_by_keyboard() {
    let (_watched, api) = recorded().await;
    let browser = Browser::start().await;

    browser.open(&api, "/").await;
    browser.find(&format!("ol.scenarios {READY}")).await;
    browser.press("/").await;
    browser.focused("#box").await;
    browser.press("bob").await;
    browser.press(Key::Enter).await;
    browser.is_at("/search?q=bob").await;
    browser.has(LIST, BOBS).await;

    let first = browser.find(LIST).await.attr("href").await.expect("read").expect("a link");
    let rows = api.rows(&first).await;
    browser.find(&format!("ol.scenarios {READY}")).await;
    browser.press("j").await;
    browser.focused(&format!("ol.scenarios a[href='{first}']")).await;
    browser.press(Key::Enter).await;
    browser.is_at(&first).await;
    browser.has(ROWS, rows.len()).await;
    assert_eq!(browser.texts("table.branches tbody .tag").await, ["B1", "B2", "B3"]);

    browser.find(&format!("#flow {READY}")).await;
    browser.press("jj").await;
    browser.focused(&row(&rows[1])).await;
    browser.press(Key::Enter).await;
    browser.is_at(&format!("{first}?m={0}#m{0}", rows[1])).await;
    let pane = browser.find(&format!("[id='m{}'] + li.detail .pane", rows[1])).await;
    let text = pane.text().await.expect("text");
    assert!(text.contains("/v1/route"), "the second message of this call asks for a route, the pane says:\n{text}");
    browser.has(".detail", 1).await;

    browser.find(&format!("#flow {READY}")).await;
    browser.press("j").await;
    browser.focused(&row(&rows[2])).await;
    browser.press(Key::Escape).await;
    browser.is_at(&format!("{first}?#m{}", rows[1])).await;
    browser.has(".detail", 0).await;

    browser.find(&format!("#flow {READY}")).await;
    browser.press("jt").await;
    browser.find(".ladder.faded").await;
    assert!(browser.count("a.m.tx").await.expect("counted") > 1, "an INVITE and its answers are marked");
    browser.press_once('2').await;
    browser.has(ROWS, 6).await;
    browser.has(&format!("{ROWS}.leg2"), 6).await;
    browser.find(&format!("#flow {READY}")).await;
    browser.press_once('0').await;
    browser.has(ROWS, rows.len()).await;
    browser.quit().await;
}

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

    append(&file, &chunks[13..20]);
    let more = grown(&api, &path, 17).await;
    browser.has(ROWS, more).await;
    assert_eq!(browser.run("return window.sinceOpened").await, true, "the page was loaded anew");

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
async fn no_page_breaks_its_content_security_policy() {
    let (_watched, api) = recorded().await;
    let browser = Browser::start().await;
    let path = api.forked_call().await;

    browser.open(&api, "/").await;
    browser.find(&format!("ol.scenarios {READY}")).await;
    // By htmx, which swaps fragments: the place where trusted types would be refused.
    browser.open(&api, "/search").await;
    browser.find(&format!("ol.scenarios {READY}")).await;
    browser.run("window.sinceOpened = true").await;
    browser.find("#box").await.send_keys("bob" + Key::Enter).await.expect("typed");
    browser.is_at("/search?q=bob").await;
    browser.has(LIST, BOBS).await;
    assert_eq!(browser.run("return window.sinceOpened").await, true, "htmx swapped the results in");

    browser.open(&api, &path).await;
    browser.find(&format!("#flow {READY}")).await;
    browser.find(ROWS).await.click().await.expect("clicked");
    browser.find(".detail .pane").await;
    browser.says_nothing_bad(None).await;

    browser.open(&api, "/nothing-here").await;
    browser.find(".problem").await;
    browser.says_nothing_bad(Some("/nothing-here")).await;

    // That a breach would be seen at all.
    browser.run("document.body.append(Object.assign(document.createElement('style'), { textContent: 'b{}' }))").await;
    eventually("the browser reports a breach", || async {
        let entries = browser.log().await;
        let seen = entries.iter().any(|entry| entry.message.contains("Content Security Policy"));
        if seen { Ok(()) } else { Err(format!("{entries:?}")) }
    })
    .await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_drawn_in_light_and_dark() {
    let (_watched, api) = recorded().await;
    let browser = Browser::start().await;
    let path = api.forked_call().await;
    let rows = api.rows(&path).await;
    let shots = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&shots).expect("a directory for pictures");

    let mut grounds = Vec::new();
    for theme in ["light", "dark"] {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        browser.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        let detail = format!("{path}?m={0}#m{0}", rows[3]);
        let pages = [("home", "/"), ("search", "/search?q=bob"), ("ladder", &path), ("detail", &detail)];
        for (width, height) in [(1400, 1400), (390, 1400)] {
            browser.size(width, height).await;
            for (name, page) in pages {
                browser.open(&api, page).await;
                browser.find("main h1").await;
                let wide = browser.run("return document.documentElement.scrollWidth").await;
                assert!(wide.as_u64() <= Some(width), "{page} is {wide} wide where {width} are there");
                let picture = browser.driver.screenshot_as_png().await.expect("a picture");
                let file = shots.join(format!("{name}-{theme}-{width}.png"));
                std::fs::write(&file, &picture).expect("written");
                assert!(picture.len() > 30_000, "{} holds {} bytes", file.display(), picture.len());
            }
        }
        grounds.push(browser.run("return getComputedStyle(document.body).backgroundColor").await);
    }
    assert_ne!(grounds[0], grounds[1], "dark has a ground of its own");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_live_and_keys_works_without_script() {
    let (_watched, api) = recorded().await;
    let browser = Browser::start().await;
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;

    browser.open(&api, "/").await;
    browser.find("#box").await.send_keys("bob" + Key::Enter).await.expect("typed");
    browser.is_at("/search?q=bob").await;
    browser.has(LIST, BOBS).await;
    let first = browser.find(LIST).await;
    let path = first.attr("href").await.expect("read").expect("a link");
    first.click().await.expect("clicked");
    browser.is_at(&path).await;
    let rows = api.rows(&path).await;
    browser.has(ROWS, rows.len()).await;
    browser.has(READY, 0).await;

    browser.find(&row(&rows[3])).await.click().await.expect("clicked");
    browser.is_at(&format!("{path}?m={0}#m{0}", rows[3])).await;
    let pane = browser.find(&format!("[id='m{}'] + li.detail .pane", rows[3])).await;
    let text = pane.text().await.expect("text");
    assert!(text.contains("INVITE"), "the first message to a device is an INVITE, the pane says:\n{text}");
    browser.find(".pane .nav a:last-child").await.click().await.expect("clicked");
    browser.has(".detail", 0).await;

    browser.find("[aria-label='Legs'] a[title='bob 5081']").await.click().await.expect("clicked");
    browser.is_at(&format!("{path}?leg=B1")).await;
    browser.has(ROWS, 6).await;
    browser.has(&format!("{ROWS}.leg2"), 6).await;
    let counted = browser.texts(".tools [role=status]").await.join("");
    assert!(counted.starts_with(&format!("6 of {}", rows.len())), "{counted}");
    browser.quit().await;
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

fn append(file: &Path, chunks: &[Vec<u8>]) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("opened");
    file.write_all(&chunks.concat()).expect("appended");
}

/// How many rows there are once the scenario holds this many messages.
async fn grown(api: &Api, path: &str, messages: u64) -> usize {
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

fn row(id: &str) -> String {
    format!("[id='m{id}'] > a.m")
}
