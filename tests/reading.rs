//! Reading a ladder, in a real Chromium, on a wide screen and on a phone.

use serde_json::{Value, json};

use super::browser::{READY, ROWS};
use super::support::{Browser, eventually, recorded};

const WIDTHS: [(u64, u64); 2] = [(1400, 1400), (390, 844)];

/// The legs whose rows are in view, by their tags.
async fn legs(browser: &Browser) -> Vec<String> {
    let mut tags = browser.texts(&format!("{ROWS} .tag")).await;
    tags.sort();
    tags.dedup();
    tags
}

async fn shows(browser: &Browser, wanted: &[&str]) {
    eventually(&format!("rows of {wanted:?} are in view"), || async {
        let found = legs(browser).await;
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    browser.find(&format!("#flow {READY}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_chips_choose_legs_by_one_logic() {
    let (_watched, api) = recorded().await;
    let path = api.forked_call().await;
    let browser = Browser::start().await;
    for (width, height) in WIDTHS {
        browser.size(width, height).await;
        browser.open(&api, &path).await;
        browser.find(&format!("#flow {READY}")).await;
        browser.press_once('2').await;
        shows(&browser, &["B1"]).await;
        // Whatever the third key writes with Shift.
        browser.press_with("§", "Digit3", 8).await;
        shows(&browser, &["B1", "B2"]).await;
        browser.press_once('4').await;
        shows(&browser, &["B3"]).await;
        browser.press_once('4').await;
        shows(&browser, &["A", "B1", "B2", "B3"]).await;

        browser.find("[aria-label=Legs] .chip[data-key='2']").await.click().await.expect("clicked");
        shows(&browser, &["B1"]).await;
        let with_control = "document.querySelector(\"[aria-label=Legs] .chip[data-key='1']\").dispatchEvent(
            new MouseEvent('click', { ctrlKey: true, bubbles: true, cancelable: true }))";
        browser.run(with_control).await;
        shows(&browser, &["A", "B1"]).await;
        browser.find("[aria-label=Legs] .add[title='leave out A']").await.click().await.expect("clicked");
        shows(&browser, &["B1"]).await;
        browser.find("[aria-label=Kinds] .chip").await.click().await.expect("clicked");
        browser.is_at(&format!("{path}?leg=B1&kind=SIP")).await;
        browser.find("[data-key='0']").await.click().await.expect("clicked");
        shows(&browser, &["A", "B1", "B2", "B3"]).await;
    }
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_marked_where_it_stands() {
    let (_watched, api) = recorded().await;
    let path = api.forked_call().await;
    let browser = Browser::start().await;
    for (width, height) in WIDTHS {
        browser.size(width, height).await;
        browser.open(&api, &format!("{path}?kind=SIP")).await;
        browser.find(&format!("#flow {READY}")).await;
        let rows = browser.count(ROWS).await.expect("counted");
        browser.press("/").await;
        browser.focused(".find input").await;
        browser.press("CANCEL\n").await;
        browser.is_at(&format!("{path}?kind=SIP&find=CANCEL")).await;
        browser.find(&format!("#flow {READY}")).await;
        browser.has(ROWS, rows).await;
        let hits = browser.count(&format!("{ROWS}.hit")).await.expect("counted");
        assert!(0 < hits && hits < rows, "{hits} of {rows} hold it");
        assert!(browser.texts(".hits").await[0].starts_with(&format!("{hits} rows hold it")));
        browser.press("n").await;
        browser.focused(&format!("{ROWS}.hit")).await;
        browser.find("[title^='the rows that hold the text']").await.click().await.expect("clicked");
        browser.has(ROWS, hits).await;
        let says = browser.texts(".tools [role=status]").await.join("");
        assert!(says.contains(&format!("{} not matching \"CANCEL\"", rows - hits)), "{says}");
        assert!(says.contains("of other kinds"), "{says}");
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legend_opens_over_ladder_and_table_and_escape_closes_it_alone() {
    let (_watched, api) = recorded().await;
    let path = api.forked_call().await;
    let open = api.rows(&path).await.swap_remove(3);
    let browser = Browser::start().await;
    for (width, height) in WIDTHS {
        browser.size(width, height).await;
        for page in [format!("{path}?m={open}"), format!("{path}/table")] {
            browser.open(&api, &page).await;
            browser.find(if page.contains("table") { ".rows" } else { ".detail .pane" }).await;
            assert_eq!(browser.count("#help:popover-open").await, Ok(0), "it is not there until it is asked for");
            browser.press("?").await;
            browser.find("#help:popover-open").await;
            let text = browser.texts("#help").await.remove(0);
            // A table has no keys of rows.
            let keys = text.contains("only this leg");
            assert!(text.contains("Examples") && keys != page.ends_with("/table"), "{text}");
            browser.press("j").await;
            browser.press(thirtyfour::Key::Escape).await;
            browser.has("#help:popover-open", 0).await;
            browser.is_at(&page).await;
            browser.find("[popovertarget=help]").await.click().await.expect("clicked");
            browser.find("#help:popover-open").await;
            browser.press("?").await;
            browser.has("#help:popover-open", 0).await;
        }
    }
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_ticket_needs_is_copied_by_a_button() {
    let (_watched, api) = recorded().await;
    let path = api.forked_call().await;
    let rows = api.rows(&path).await;
    let browser = Browser::start().await;
    let granted = json!({ "origin": api.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    browser.cdp("Browser.grantPermissions", granted).await;
    let copied = async |button: &str, says: &str| -> String {
        browser.find(button).await;
        browser.run(&format!("document.querySelector({}).click()", json!(button))).await;
        eventually(&format!("{says} is copied"), || async {
            let said = browser.texts("#said").await.join("");
            if said == format!("{says} copied") { Ok(()) } else { Err(said) }
        })
        .await;
        let read = browser.run("return navigator.clipboard.readText()").await;
        read.as_str().expect("text").to_owned()
    };
    for (width, height) in WIDTHS {
        browser.size(width, height).await;
        let invite = &rows[0];
        let opened = format!("{path}?m={invite}");
        browser.open(&api, &opened).await;
        browser.find(".detail .pane").await;
        let message = api.get(&format!("/api/v1/messages/{invite}")).await.expect("a message");
        let text = |key: &str| message[key].as_str().expect("text").to_owned();
        assert_eq!(copied("[title='copy Call-ID'].btn", "Call-ID").await, text("call_id"));
        assert_eq!(copied("[title='copy Raw']", "Raw").await, text("body"));
        let via = copied("[title='copy Via']", "Via").await;
        assert!(text("body").contains(&via), "{via}");
        assert_eq!(copied("[title='copy Link']", "Link").await, format!("{}{path}?m={invite}#m{invite}", api.url));
        // A parsed value leads to its search.
        let from = browser.find(".pane dd a[href^='/search?q=']").await;
        assert!(from.attr("title").await.expect("read").is_some());

        browser.open(&api, &format!("{path}?m={}", rows[1])).await;
        browser.find(".detail .pane").await;
        let curl = copied("[title='copy curl']", "curl").await;
        assert!(curl.starts_with("curl -X ") && curl.contains("/v1/route"), "{curl}");
    }
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_row_that_is_not_there_says_so() {
    let (_watched, api) = recorded().await;
    let path = api.forked_call().await;
    let rows = api.rows(&path).await;
    let browser = Browser::start().await;
    for (width, height) in WIDTHS {
        browser.size(width, height).await;
        for page in [path.clone(), format!("{path}/table")] {
            browser.open(&api, "/").await;
            browser.open(&api, &format!("{page}?kind=PUSH&hide=#m{}", rows[0])).await;
            let notice = browser.find("main .notice:not([hidden])").await.text().await.expect("text");
            assert!(notice.contains(&format!("m{} is not on this page", rows[0])), "{notice}");
            // A link that was cut off names nothing, and breaks nothing.
            browser.open(&api, "/").await;
            browser.open(&api, &format!("{page}#m50%")).await;
            let notice = browser.find("main .notice:not([hidden])").await.text().await.expect("text");
            assert!(notice.contains("The row m50% is not on this page"), "{notice}");
            browser.open(&api, "/").await;
            browser.open(&api, &format!("{page}#m{}", rows[0])).await;
            browser.find("main").await;
            browser.has("main .notice:not([hidden])", 0).await;
        }
        browser.open(&api, &format!("{path}?leg=Z9&node=nobody")).await;
        let says = browser.texts(".notice").await.join(" ");
        assert!(says.contains("There is no leg \"Z9\"") && says.contains("There is no column \"nobody\""), "{says}");
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_message_is_printed() {
    let (_watched, api) = recorded().await;
    let path = api.forked_call().await;
    let open = api.rows(&path).await.swap_remove(0);
    let browser = Browser::start().await;
    for (tab, wanted) in [("", "From tag"), ("&tab=raw", "Max-Forwards"), ("&tab=log", "Header as logged")] {
        browser.open(&api, &format!("{path}?m={open}{tab}")).await;
        browser.find(".detail .pane").await;
        let paper = browser.printed().await.join("\n");
        assert!(paper.contains(wanted), "{tab}: {paper}");
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finger_hits_everything_on_a_phone_and_sees_no_keys() {
    let (_watched, api) = recorded().await;
    let path = api.forked_call().await;
    let open = api.rows(&path).await.swap_remove(3);
    let browser = Browser::start().await;
    let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true });
    browser.cdp("Emulation.setDeviceMetricsOverride", phone).await;
    browser.cdp("Emulation.setTouchEmulationEnabled", json!({ "enabled": true })).await;
    let call = [path.clone(), format!("{path}?leg=B1&find=bob&m={open}"), format!("{path}?m={open}&tab=raw")];
    let pages = ["/", "/search", "/search?q=nobody", "/alerts", "/rules", "/outbox"].map(str::to_owned);
    for page in call.into_iter().chain(pages) {
        browser.open(&api, &page).await;
        browser.find(if page.starts_with(&path) { "#flow ol" } else { ".foot a" }).await;
        let keys =
            browser.run("return [...document.querySelectorAll('kbd')].filter((key) => key.offsetParent).length").await;
        assert_eq!(keys, 0, "{page}");
        let small: Value = browser
            .run(
                // What only a screen reader or a keyboard gets to is no target, and a box is hit by its label.
                "return [...document.querySelectorAll('a, button, input, select, summary')]
                    .filter((node) => !node.matches('.vh, .skip, label input'))
                    .map((node) => [node.getBoundingClientRect(), node])
                    .filter(([box]) => box.width && (box.height < 24 || box.width < 24))
                    .map(([box, node]) => `${node.outerHTML.slice(0, 90)} is ${box.width} x ${box.height}`)",
            )
            .await;
        assert_eq!(small, json!([]), "{page}");
    }
    browser.quit().await;
}
