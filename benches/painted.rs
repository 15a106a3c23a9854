//! When the ladder of a call of 200 and of 10,000 messages is painted: `cargo bench --bench painted`, with Chromium.
//!
//! Of a page of 10,000 messages the first 2,000 rows are drawn, and a link leads to the next. Times are the browser's own,
//! in milliseconds since it asked: first byte, first contentful paint, and the first frame after the page was loaded.

#![allow(clippy::print_stdout, reason = "its figures are what a bench is for")]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use the rest of it")]
mod support;

use serde_json::json;
use support::{Browser, Siptrail, eventually, one_long_call};

const RUNS: usize = 9;
const MARK: &str = "addEventListener('load', () => requestAnimationFrame(() => requestAnimationFrame(() => {
    const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now();
    const byte = performance.getEntriesByType('navigation')[0].responseStart;
    window.painted = [byte, paint, performance.now()];
})))";

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let browser = Browser::start().await;
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": MARK })).await;
    for messages in [200, 10_000] {
        let log = dir.path().join(format!("{messages}.log"));
        std::fs::write(&log, one_long_call(messages)).expect("written");
        let siptrail = Siptrail::watch(&dir.path().join(messages.to_string()), &[&log]);
        let api = siptrail.api().await;
        eventually("the call is joined", || async {
            let scenario = api.get("/api/v1/scenarios/00000001").await?;
            let joined = &scenario["scenario"]["messages"];
            if *joined == messages { Ok(()) } else { Err(joined.to_string()) }
        })
        .await;
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            browser.open(&api, "/").await;
            browser.open(&api, "/s/00000001").await;
            let times = eventually("the page is painted", || async {
                let times = browser.run("return window.painted ?? null").await;
                serde_json::from_value::<[f64; 3]>(times).map_err(|e| e.to_string())
            })
            .await;
            runs.push(times);
        }
        let rows = browser.count("#flow ol > li[id^=m]").await.expect("counted");
        let mut said = Vec::new();
        for (at, name) in ["first byte", "first paint", "painted"].into_iter().enumerate() {
            let mut times: Vec<f64> = runs.iter().map(|run| run[at]).collect();
            times.sort_by(f64::total_cmp);
            said.push(format!("{name} {:.0} ms (worst {:.0})", times[RUNS / 2], times[RUNS - 1]));
        }
        println!("{messages} messages, {rows} rows: {}", said.join(", "));
    }
    browser.quit().await;
}
