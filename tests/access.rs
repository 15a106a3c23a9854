//! Pages that everybody can use: axe-core finds nothing, in both themes, on wide, narrow and very narrow screens.

use serde_json::{Value, json};

use super::support::{Browser, recorded, sha256};

const AXE: &str = include_str!("vendor/axe-4.14.1.min.js");

#[test]
fn axe_is_the_one_listed() {
    let hash = sha256(AXE.as_bytes());
    assert!(include_str!("vendor/README.md").contains(&hash), "{hash} is not in tests/vendor/README.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_any_page_in_light_and_dark() {
    let (_watched, api) = recorded().await;
    let ladder = api.forked_call().await;
    let row = api.rows(&ladder).await.swap_remove(3);
    let pages = [
        "/".to_owned(),
        "/search?q=bob".to_owned(),
        "/search?q=nobody".to_owned(),
        "/search?callee=nobody".to_owned(),
        "/search?sort=talk".to_owned(),
        "/search?callee=bob&final=404&around=2026-09-14T12:00".to_owned(),
        "/search?from=noon&status=teapot".to_owned(),
        "/nothing-here".to_owned(),
        ladder.clone(),
        format!("{ladder}?leg=B1"),
        format!("{ladder}?find=nowhere"),
        format!("{ladder}/table"),
        format!("{ladder}?m={row}#m{row}"),
        format!("{ladder}?m={row}&tab=raw#m{row}"),
        format!("{ladder}?m={row}&tab=log#m{row}"),
        format!("{ladder}?leg=B1&find=bob&m={row}"),
        format!("{ladder}?m={row}&tab=raw#legend"),
    ];
    let browser = Browser::start().await;
    let mut found = Vec::new();
    for theme in ["light", "dark"] {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        browser.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        for width in [1400, 390, 320] {
            browser.size(width, 1200).await;
            for page in &pages {
                browser.open(&api, page).await;
                browser.find("main").await;
                if page.ends_with("tab=raw#legend") {
                    browser.run("document.getElementById('help').showPopover()").await;
                }
                let wide = browser.run("return document.documentElement.scrollWidth").await;
                if wide.as_u64() > Some(width) {
                    found.push(format!("{page}, {width} px: {wide} px wide"));
                }
                for finding in findings(&browser).await {
                    found.push(format!("{page}, {theme}, {width} px: {finding}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
    browser.quit().await;
}

/// Rule and place of each violation.
pub async fn findings(browser: &Browser) -> Vec<String> {
    let script = format!(
        "{AXE}; return axe.run(document, {{ resultTypes: ['violations'] }}).then((done) => done.violations.flatMap(
             (rule) => rule.nodes.map((node) => `${{rule.id}} at ${{node.target}}: ${{node.failureSummary}}`)))"
    );
    let found: Value = browser.run(&script).await;
    found.as_array().expect("a list").iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}
