//! The keyboard, in a real Chromium.

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::Key;

use super::browser::{BOBS, LIST, READY, ROWS, row};
use super::support::{Api, Browser, eventually, recorded, two_servers};

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
    // Reading goes on where one was.
    browser.press("j").await;
    browser.focused(&row(&rows[2])).await;
    browser.press("t").await;
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
async fn each_key_does_what_the_manual_says() {
    let dir = TempDir::new().expect("a directory");
    let (_watched, api) = two_servers(dir.path(), "127.0.0.1:0").await;
    let path = api.forked_call().await;
    let picture = api.get(&path.replace("/s/", "/api/v1/scenarios/")).await.expect("a scenario");
    let drawn: Vec<&Value> =
        picture["rows"].as_array().expect("rows").iter().filter(|row| row["status"] != 100).collect();
    let at = |wanted: &dyn Fn(&Value) -> bool| drawn.iter().position(|row| wanted(row)).expect("a row");
    let focus = |at: usize| row(drawn[at]["id"].as_str().expect("an id"));
    let browser = Browser::start().await;
    browser.open(&api, &path).await;
    browser.find(&format!("#flow {READY}")).await;

    // Same leg, request and answer of one transaction.
    browser.press("jj").await;
    browser.focused(&focus(1)).await;
    browser.press("k").await;
    browser.focused(&focus(0)).await;
    let branch = at(&|row| row["method"] == "INVITE" && row["leg"] == 1);
    let next = branch + 1 + drawn[branch + 1..].iter().position(|row| row["leg"] == 1).expect("another of the leg");
    browser.run(&format!("document.querySelector({}).focus()", json!(focus(branch)))).await;
    browser.press("J").await;
    browser.focused(&focus(next)).await;
    browser.press("K").await;
    browser.focused(&focus(branch)).await;
    let rings = at(&|row| row["transaction"] == drawn[branch]["transaction"] && row["status"] == 180);
    browser.press("i").await;
    browser.focused(&focus(rings)).await;
    browser.press("u").await;
    browser.focused(&focus(branch)).await;

    // What does not lead to another page: find, copy, pause.
    browser.press("y").await;
    eventually("the link is copied, or shown", || async {
        let said = browser.texts("#said").await.join("");
        if said == "Link copied" || said.contains(&path) { Ok(()) } else { Err(said) }
    })
    .await;
    // Live rows are not held where the end of the list is in sight.
    browser.size(1400, 3000).await;
    eventually("the end of the list is in sight", || async {
        let bottom = "return document.querySelector('#flow').getBoundingClientRect().bottom <= innerHeight";
        if browser.run(bottom).await == true { Ok(()) } else { Err("the window is not that high yet".to_owned()) }
    })
    .await;
    browser.press("L").await;
    browser.find(".livebar:not([hidden]) button").await;
    browser.run("dispatchEvent(new Event('scroll'))").await;
    assert_eq!(browser.texts(".livebar").await, ["Paused: resume (L)"], "it is still paused, and says so");
    browser.press("L").await;
    browser.has(".livebar[hidden]", 1).await;
    browser.press("/").await;
    browser.focused(".find input").await;
    browser.press("j").await;
    browser.focused(".find input").await;
    browser.press(Key::Escape).await;
    browser.has(".find input:focus", 0).await;

    // What does: fold, density, the next problem of a refused call.
    let folded = browser.count(ROWS).await.expect("counted");
    browser.press_once('f').await;
    browser.is_at(&format!("{path}?fold=0")).await;
    browser.find(&format!("#flow {READY}")).await;
    assert!(browser.count(ROWS).await.expect("counted") > folded, "what was folded has rows of its own");
    browser.press_once('c').await;
    browser.find("html[data-density=compact]").await;
    browser.is_at(&format!("{path}?fold=0")).await;
    let refused = api.scenarios("&final=480").await.expect("scenarios").remove(0);
    browser.open(&api, &format!("/s/{}", Api::id(&refused))).await;
    browser.find(&format!("#flow {READY}")).await;
    browser.press("!").await;
    browser.focused(&format!("{ROWS}.wrong.final")).await;
    browser.press("jP").await;
    browser.focused(&format!("{ROWS}.wrong.final")).await;

    // Switched off, single keys do nothing; Escape still closes.
    browser.open(&api, "/choose?keys=off").await;
    let open = drawn[2]["id"].as_str().expect("an id");
    browser.open(&api, &format!("{path}?m={open}")).await;
    browser.find(&format!("#flow {READY}")).await;
    browser.press("j").await;
    browser.press(Key::Escape).await;
    browser.is_at(&format!("{path}?#m{open}")).await;
    browser.has(".detail", 0).await;
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}
