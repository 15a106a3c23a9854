//! The pages in a real Chromium: keys, live rows, the content security policy, both themes, and no script at all.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{Request, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::error::{WebDriverErrorInner, WebDriverResult};
use thirtyfour::session::http::{Body, HttpClient};
use thirtyfour::{
    BrowserLogEntry, By, ChromiumLikeCapabilities, DesiredCapabilities, Key, LoggingPrefsLogLevel, TypingData,
    WebDriver, WebElement,
};

use super::support::{Api, Siptrail, client, eventually, free_port, log, program};

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
    let rows = rows(&api, &first).await;
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
    browser.press("2").await;
    browser.has(ROWS, 6).await;
    browser.has(&format!("{ROWS}.leg2"), 6).await;
    browser.find(&format!("#flow {READY}")).await;
    browser.press("0").await;
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
        if call["messages"] == 10 { Ok(id(call)) } else { Err(call.to_string()) }
    })
    .await;
    let path = format!("/s/{id}");

    let browser = Browser::start().await;
    browser.size(1400, 2000).await;
    browser.open(&api, &path).await;
    browser.has(ROWS, rows(&api, &path).await.len()).await;
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
    let wanted: Vec<String> = rows(&api, &path).await.iter().map(|row| format!("m{row}")).collect();
    assert_eq!(order, json!(wanted), "live rows stand where a fresh page has them");
    browser.says_nothing_bad(None).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_breaks_its_content_security_policy() {
    let (_watched, api) = recorded().await;
    let browser = Browser::start().await;
    let path = call(&api).await;

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
    let path = call(&api).await;
    let rows = rows(&api, &path).await;
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
    let rows = rows(&api, &path).await;
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

/// A collector that has read and correlated all of the recorded log.
async fn recorded() -> ((Siptrail, TempDir), Api) {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("kamailio.log");
    std::fs::copy(log("kamailio.log"), &file).expect("copied");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    eventually("288 records are correlated", || async {
        let scenarios = api.scenarios("&class=call,registration").await?;
        let messages: u64 = scenarios.iter().filter_map(|scenario| scenario["messages"].as_u64()).sum();
        if messages == 288 { Ok(()) } else { Err(format!("{messages} in {} scenarios", scenarios.len())) }
    })
    .await;
    ((siptrail, dir), api)
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

fn id(scenario: &Value) -> String {
    scenario["id"].as_str().expect("an id").to_owned()
}

/// The page of a call that was forked to three devices.
async fn call(api: &Api) -> String {
    let calls = api.scenarios("").await.expect("scenarios");
    let forked = calls.iter().find(|call| call["legs"] == 4).expect("a forked call");
    format!("/s/{}", id(forked))
}

/// Ids of the rows a scenario's page has, as the API draws them.
async fn rows(api: &Api, path: &str) -> Vec<String> {
    let scenario = api.get(&path.replace("/s/", "/api/v1/scenarios/")).await.expect("a scenario");
    scenario["rows"].as_array().expect("rows").iter().map(id).collect()
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

/// A Chromium with its driver; both end with it.
struct Browser {
    // Dropped first: ends the session, and with it the browser.
    driver: WebDriver,
    _chromedriver: Chromedriver,
    _profile: TempDir,
    url: String,
}

impl Browser {
    async fn start() -> Self {
        let port = free_port();
        let profile = TempDir::new().expect("a profile");
        let temporary = profile.path().join("tmp");
        std::fs::create_dir(&temporary).expect("made");
        let chromedriver = Command::new(program("chromedriver", "chromium-driver"))
            .env("TMPDIR", &temporary)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Chromedriver)
            .expect("chromedriver starts");
        let url = format!("http://127.0.0.1:{port}");
        let status = Api::at(&url);
        eventually("chromedriver is ready", || async {
            let answer = status.get("/status").await?;
            if answer["value"]["ready"] == true { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;

        let mut wanted = DesiredCapabilities::chrome();
        let binary = program("chromium", "chromium");
        wanted.set_binary(binary.to_str().expect("a path in UTF-8")).expect("set");
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).expect("set");
        let user_data = format!("--user-data-dir={}", profile.path().join("profile").display());
        for arg in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1400,1400",
            &user_data,
        ] {
            wanted.add_arg(arg).expect("set");
        }
        let driver = WebDriver::builder(&url, wanted).client(Http::new()).await.expect("Chromium starts");
        let url = format!("{url}/session/{}", driver.session_id());
        let browser = Self { driver, _chromedriver: chromedriver, _profile: profile, url };
        browser.size(1400, 1400).await;
        browser
    }

    async fn quit(self) {
        self.driver.quit().await.expect("Chromium ends");
    }

    async fn open(&self, api: &Api, path: &str) {
        self.driver.goto(format!("{}{path}", api.url)).await.expect("opened");
    }

    async fn size(&self, width: u64, height: u64) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// A command of the DevTools protocol.
    async fn cdp(&self, command: &str, params: Value) {
        let body = json!({ "cmd": command, "params": params });
        let answer = client().post(format!("{}/goog/cdp/execute", self.url)).json(&body).send().await;
        answer.and_then(reqwest::Response::error_for_status).expect("the browser does as it is told");
    }

    async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.expect("the script runs").json().clone()
    }

    async fn press(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.expect("pressed");
    }

    async fn find(&self, css: &str) -> WebElement {
        eventually(&format!("{css} is there"), || async {
            self.driver.find(By::Css(css)).await.map_err(|e| e.to_string())
        })
        .await
    }

    async fn count(&self, css: &str) -> Result<usize, String> {
        self.driver.find_all(By::Css(css)).await.map(|found| found.len()).map_err(|e| e.to_string())
    }

    async fn has(&self, css: &str, wanted: usize) {
        eventually(&format!("{wanted} of {css}"), || async {
            let found = self.count(css).await?;
            let url = self.driver.current_url().await.map_err(|e| e.to_string())?;
            if found == wanted { Ok(()) } else { Err(format!("{found} are there, at {url}")) }
        })
        .await;
    }

    async fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((node) => node.innerText.trim())";
        let found = self.driver.execute(script, vec![json!(css)]).await.expect("the script runs");
        found.convert().expect("texts")
    }

    async fn focused(&self, css: &str) {
        self.find(&format!("{css}:focus")).await;
    }

    /// Path, query and fragment of the page.
    async fn is_at(&self, wanted: &str) {
        eventually(&format!("the page is {wanted}"), || async {
            let url = self.driver.current_url().await.map_err(|e| e.to_string())?.to_string();
            if url.splitn(4, '/').nth(3) == wanted.get(1..) { Ok(()) } else { Err(url) }
        })
        .await;
    }

    /// What the browser logged since the last time.
    async fn log(&self) -> Vec<BrowserLogEntry> {
        self.driver.browser_log().await.expect("a log")
    }

    /// No error and no breach of the policy since the last time; a page that is missing is logged as such.
    async fn says_nothing_bad(&self, missing: Option<&str>) {
        let expected = |entry: &BrowserLogEntry| {
            let address = entry.message.split(' ').next().unwrap_or_default();
            entry.source.as_deref() == Some("network")
                && missing.is_some_and(|page| address.ends_with(page) && entry.message.contains("404"))
        };
        let bad = |entry: &&BrowserLogEntry| {
            let breach = ["Content Security Policy", "TrustedHTML"].iter().any(|text| entry.message.contains(text));
            breach || (entry.level == "SEVERE" && !expected(entry))
        };
        let entries = self.log().await;
        let bad: Vec<&BrowserLogEntry> = entries.iter().filter(bad).collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

struct Chromedriver(Child);

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The tests' own HTTP client, for thirtyfour, which brings none along.
struct Http(reqwest::Client);

impl Http {
    fn new() -> Self {
        Self(client())
    }
}

// As `async_trait` writes it.
impl HttpClient for Http {
    fn send<'a, 'b, 'c>(
        &'a self,
        request: Request<Body<'b>>,
    ) -> Pin<Box<dyn Future<Output = WebDriverResult<Response<Bytes>>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let mut request = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers);
            if let Body::Json(json) = body {
                request = request.json(json);
            }
            let failed = |error: reqwest::Error| WebDriverErrorInner::RequestFailed(error.to_string());
            let answer = request.send().await.map_err(failed)?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.body_mut() = answer.bytes().await.map_err(failed)?;
            Ok(response)
        })
    }

    fn new<'a, 'c>(&'a self) -> Pin<Box<dyn Future<Output = Arc<dyn HttpClient>> + Send + 'c>>
    where
        'a: 'c,
        Self: 'c,
    {
        Box::pin(async { Arc::new(Http::new()) as Arc<dyn HttpClient> })
    }
}
