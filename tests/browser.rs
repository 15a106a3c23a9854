//! The pages in a real Chromium: the content security policy, both themes, deep links, paper, and no script at all.

use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::Key;

use super::live::{append, grown};
use super::support::{Browser, Siptrail, eventually, one_long_call, recorded};

pub const LIST: &str = "ol.scenarios a.sc";
pub const ROWS: &str = "#flow ol > li[id^=m] > a.m";
pub const READY: &str = "a[tabindex='0']";
/// 12 calls to bob, and the registrations of his three devices.
pub const BOBS: usize = 15;

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
        let pages =
            [("home", "/"), ("search", "/search?q=bob"), ("ladder", &path), ("detail", &detail), ("rules", "/rules")];
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

    browser.find("[aria-label='Legs'] a[title^='bob 5081']").await.click().await.expect("clicked");
    browser.is_at(&format!("{path}?leg=B1")).await;
    browser.has(ROWS, 6).await;
    browser.has(&format!("{ROWS}.leg2"), 6).await;
    let counted = browser.texts(".tools [role=status]").await.join("");
    assert!(counted.starts_with(&format!("6 of {}", rows.len())), "{counted}");
    browser.find("[aria-label='Legs'] a[title='add B2']").await.click().await.expect("clicked");
    browser.is_at(&format!("{path}?leg=B1&leg=B2")).await;
    browser.find("[popovertarget=help]").await.click().await.expect("clicked");
    browser.has("#help:popover-open", 1).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paper_has_the_columns_on_every_page_and_says_where_it_is_from() {
    let (_watched, api) = recorded().await;
    let browser = Browser::start().await;
    let path = api.forked_call().await;
    let row = api.rows(&path).await.swap_remove(3);
    let address = api.url.trim_start_matches("http://");
    for page in [format!("{path}?zone=Europe/Berlin&hide="), format!("{path}?m={row}")] {
        browser.open(&api, &page).await;
        browser.find("#flow ol").await;
        let paper = browser.printed().await;
        assert!(paper.len() > 1, "{page} is one page");
        for (number, text) in paper.iter().enumerate() {
            for column in ["127.0.0.1:9070", "bob 5081", "bob 5082", "bob 5083", "since last"] {
                assert!(text.contains(column), "page {number} of {page} has no {column}:\n{text}");
            }
        }
        assert!(paper[0].contains(&format!("{address}{page}")), "{}", paper[0]);
        assert!(paper[0].contains("Devices of bob") && !paper[0].contains("find in messages"), "{}", paper[0]);
    }
    browser.open(&api, "/search?q=bob").await;
    browser.find(LIST).await;
    let paper = browser.printed().await.join("");
    assert!(paper.contains("times in UTC") && paper.contains("nodes"), "{paper}");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_row_far_below_shows_it_clear_of_the_host_line() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("long.log");
    append(&file, &[one_long_call(2_300)]);
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    let path = "/s/00000001";
    eventually("the call is there", || async { api.get("/api/v1/scenarios/00000001").await }).await;
    let rows = grown(&api, path, 2_300).await;
    let ids = api.rows(path).await;
    assert_eq!(rows, ids.len());

    let browser = Browser::start().await;
    for (width, height) in [(1400, 900), (390, 844)] {
        browser.size(width, height).await;
        // A row of the first page, and one of the next.
        for (at, page) in [(1_950, 2_000), (2_200, 300)] {
            for open in ["", "m"] {
                let link = match open {
                    "" => format!("{path}?page={}#m{}", at / 2_000 + 1, ids[at]),
                    _ => format!("{path}?m={0}#m{0}", ids[at]),
                };
                browser.open(&api, "/").await;
                browser.open(&api, &link).await;
                browser.has(ROWS, page).await;
                let place = format!(
                    "const row = document.getElementById('m{}').getBoundingClientRect();
                     const head = document.querySelector('#flow .head').getBoundingClientRect();
                     return [row.top, row.bottom, Math.max(head.bottom, 0), innerHeight]",
                    ids[at]
                );
                eventually(&format!("{link} is in sight at {width} px"), || async {
                    let place = browser.run(&place).await;
                    let [top, bottom, head, height] = [0, 1, 2, 3].map(|n| place[n].as_f64().unwrap_or(-1.0));
                    if top >= head - 1.0 && bottom <= height { Ok(()) } else { Err(place.to_string()) }
                })
                .await;
            }
        }
        let next = browser.texts(".flow .pages a").await;
        assert!(next.iter().all(|text| text == "rows before"), "{next:?}");
    }
    browser.open(&api, path).await;
    browser.find(".flow .pages a[href='?page=2']").await.click().await.expect("clicked");
    browser.is_at(&format!("{path}?page=2")).await;
    browser.has(ROWS, 300).await;
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}

pub fn row(id: &str) -> String {
    format!("[id='m{id}'] > a.m")
}
