//! A real Chromium, driven.

use std::future::Future;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{Request, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::error::{WebDriverErrorInner, WebDriverResult};
use thirtyfour::session::http::{Body, HttpClient};
use thirtyfour::{
    BrowserLogEntry, By, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, TypingData, WebDriver,
    WebElement,
};

use super::{Api, client, eventually, free_port, program};

/// A Chromium with its driver; both end with it.
pub struct Browser {
    // Dropped first: ends the session, and with it the browser.
    pub driver: WebDriver,
    _chromedriver: Chromedriver,
    profile: TempDir,
    url: String,
}

impl Browser {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more arguments for Chromium.
    pub async fn start_with(more: &[&str]) -> Self {
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
        ]
        .iter()
        .chain(more)
        {
            wanted.add_arg(arg).expect("set");
        }
        let driver = WebDriver::builder(&url, wanted).client(Http::new()).await.expect("Chromium starts");
        let url = format!("{url}/session/{}", driver.session_id());
        let browser = Self { driver, _chromedriver: chromedriver, profile, url };
        browser.size(1400, 1400).await;
        browser
    }

    pub async fn quit(self) {
        self.driver.quit().await.expect("Chromium ends");
    }

    pub async fn open(&self, api: &Api, path: &str) {
        self.driver.goto(format!("{}{path}", api.url)).await.expect("opened");
    }

    pub async fn size(&self, width: u64, height: u64) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// A command of the DevTools protocol.
    pub async fn cdp(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        let answer = client().post(format!("{}/goog/cdp/execute", self.url)).json(&body).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status).expect("the browser does as it is told");
        let mut answer: Value = answer.json().await.expect("an answer in JSON");
        answer["value"].take()
    }

    /// The text of each page of paper that this page becomes.
    pub async fn printed(&self) -> Vec<String> {
        let printed = self.cdp("Page.printToPDF", json!({ "preferCSSPageSize": true })).await;
        let file = self.profile.path().join("printed.pdf");
        let pdf = BASE64_STANDARD.decode(printed["data"].as_str().expect("a document")).expect("base64");
        std::fs::write(&file, pdf).expect("written");
        let text = Command::new(program("pdftotext", "poppler-utils"))
            .args(["-layout", &file.display().to_string(), "-"])
            .output()
            .expect("pdftotext runs");
        assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
        let text = String::from_utf8(text.stdout).expect("text");
        text.split('\u{c}').map(str::to_owned).filter(|page| !page.trim().is_empty()).collect()
    }

    pub async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.expect("the script runs").json().clone()
    }

    pub async fn press(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.expect("pressed");
    }

    /// A key that leads to another page. The driver repeats its own key actions when a page goes away under them, and a
    /// filter that is set twice is taken back.
    pub async fn press_once(&self, key: char) {
        self.press_with(&key.to_string(), "", 0).await;
    }

    /// The same by the place of the key, whatever it writes there, with modifiers as the protocol counts them (8 is Shift).
    pub async fn press_with(&self, key: &str, code: &str, modifiers: u8) {
        let event = |kind: &str| json!({ "type": kind, "key": key, "code": code, "text": key, "modifiers": modifiers });
        self.cdp("Input.dispatchKeyEvent", event("keyDown")).await;
        self.cdp("Input.dispatchKeyEvent", event("keyUp")).await;
    }

    pub async fn find(&self, css: &str) -> WebElement {
        eventually(&format!("{css} is there"), || async {
            self.driver.find(By::Css(css)).await.map_err(|e| e.to_string())
        })
        .await
    }

    pub async fn count(&self, css: &str) -> Result<usize, String> {
        self.driver.find_all(By::Css(css)).await.map(|found| found.len()).map_err(|e| e.to_string())
    }

    pub async fn has(&self, css: &str, wanted: usize) {
        eventually(&format!("{wanted} of {css}"), || async {
            let found = self.count(css).await?;
            let url = self.driver.current_url().await.map_err(|e| e.to_string())?;
            if found == wanted { Ok(()) } else { Err(format!("{found} are there, at {url}")) }
        })
        .await;
    }

    pub async fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((node) => node.innerText.trim())";
        let found = self.driver.execute(script, vec![json!(css)]).await.expect("the script runs");
        found.convert().expect("texts")
    }

    pub async fn focused(&self, css: &str) {
        self.find(&format!("{css}:focus")).await;
    }

    /// Path and query of the page, as far as is known before.
    pub async fn begins_at(&self, wanted: &str) {
        eventually(&format!("the page begins with {wanted}"), || async {
            let url = self.driver.current_url().await.map_err(|e| e.to_string())?.to_string();
            let path = url.splitn(4, '/').nth(3);
            if path.zip(wanted.get(1..)).is_some_and(|(path, wanted)| path.starts_with(wanted)) {
                Ok(())
            } else {
                Err(url)
            }
        })
        .await;
    }

    /// Path, query and fragment of the page.
    pub async fn is_at(&self, wanted: &str) {
        eventually(&format!("the page is {wanted}"), || async {
            let url = self.driver.current_url().await.map_err(|e| e.to_string())?.to_string();
            if url.splitn(4, '/').nth(3) == wanted.get(1..) { Ok(()) } else { Err(url) }
        })
        .await;
    }

    /// What the browser logged since the last time.
    pub async fn log(&self) -> Vec<BrowserLogEntry> {
        self.driver.browser_log().await.expect("a log")
    }

    /// No error and no breach of the policy since the last time; a page that is missing is logged as such.
    pub async fn says_nothing_bad(&self, missing: Option<&str>) {
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
