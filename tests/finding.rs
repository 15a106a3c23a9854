//! From what somebody has to the right call, in a real Chromium, on a wide screen and on a phone.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::Key;

use super::access::findings;
use super::browser::{LIST, READY};
use super::support::{Api, Browser, Siptrail, eventually};

const WIDTHS: [u64; 2] = [1400, 390];

/// A call as a proxy logs it: from whom, from where, when it began, and what came of it.
struct Call {
    id: &'static str,
    from: &'static str,
    host: &'static str,
    begun: f64,
    status: u16,
    /// Seconds until somebody hangs up.
    talks: Option<f64>,
}

impl Call {
    fn log(&self, out: &mut String) {
        let Self { id, from, host, begun, status, talks } = self;
        let proxy = "192.0.2.2";
        let mut say = |after: f64, field: &str, start: &str, cseq: &str, back: bool| {
            let (source, destination) = if back { (proxy, *host) } else { (*host, proxy) };
            let tag = if start.starts_with("INVITE") { "" } else { ";tag=b" };
            let _ = write!(
                out,
                "[{:.6}][{field}][sip:{source}:5060][sip:{destination}:5060]\n{start}\r\n\
                 Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{id}{}\r\nFrom: <sip:{from}@example.com>;tag=a\r\n\
                 To: <sip:+12025550199@example.com>{tag}\r\nCall-ID: {id}@example.com\r\nCSeq: {cseq}\r\n\
                 User-Agent: Phone-{id}/1.2\r\nContent-Length: 0\r\n\r\n\n",
                begun + after,
                cseq.replace(' ', ""),
            );
        };
        say(0.0, "INVITE", "INVITE sip:+12025550199@example.com SIP/2.0", "1 INVITE", false);
        say(0.5, "180", "SIP/2.0 180 Ringing", "1 INVITE", true);
        say(2.0, &status.to_string(), &format!("SIP/2.0 {status} x"), "1 INVITE", true);
        say(2.1, "ACK", "ACK sip:+12025550199@example.com SIP/2.0", "1 ACK", false);
        if let Some(talks) = talks {
            say(2.0 + talks, "BYE", "BYE sip:+12025550199@example.com SIP/2.0", "2 BYE", false);
            say(2.1 + talks, "200", "SIP/2.0 200 OK", "2 BYE", true);
        }
    }
}

/// Calls of the last hour: one that was answered, one that was refused, a longer one, and one that goes on.
async fn watched() -> (Siptrail, TempDir, Api) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64();
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("proxy.log");
    let call = |id, from, host, ago: f64, status, talks| Call { id, from, host, begun: now - ago, status, talks };
    let mut text = String::new();
    for call in [
        call("first", "+12025550142", "192.0.2.77", 1_800.0, 200, Some(9.0)),
        call("refused", "carol", "192.0.2.78", 1_500.0, 403, None),
        call("long", "dave", "192.0.2.79", 1_200.0, 200, Some(300.0)),
        call("now", "erin", "192.0.2.80", 60.0, 200, None),
    ] {
        call.log(&mut text);
    }
    std::fs::write(&file, text).expect("written");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    api.settled(4).await;
    (siptrail, dir, api)
}

/// The page of the call with this Call-ID.
async fn page_of(api: &Api, id: &str) -> String {
    let found = api.get(&format!("/api/v1/scenarios?call_id={id}@example.com")).await.expect("a list");
    format!("/s/{}", found["scenarios"][0]["id"].as_str().expect("an id"))
}

async fn ask(browser: &Browser, api: &Api, text: &str) {
    browser.open(api, "/").await;
    browser.find("#box").await.send_keys(text.to_owned() + Key::Enter).await.expect("typed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_somebody_has_leads_to_the_call() {
    let (_siptrail, _dir, api) = watched().await;
    let page = page_of(&api, "first").await;
    let browser = Browser::start().await;
    for width in WIDTHS {
        browser.size(width, 1200).await;
        for person in
            ["+1 (202) 555-0142", "0012025550142", "2025550142", "50142", "sip:%2B12025550142@a", "tel:+1.202.555.0142"]
        {
            ask(&browser, &api, person).await;
            browser.is_at(&page).await;
        }
        for (text, find) in [
            ("z9hG4bKfirst1INVITE", "z9hG4bKfirst1INVITE"),
            ("phone-first/1.2", "phone-first/1.2"),
            ("192.0.2.77", "192.0.2.77"),
            ("192.0.2.77:5060", "192.0.2.77%3A5060"),
        ] {
            ask(&browser, &api, text).await;
            browser.find("#flow ol").await;
            let at = browser.driver.current_url().await.expect("an address").to_string();
            let find = find.replace("%3A", ":");
            assert!(at.ends_with(&format!("{page}?find={find}")), "{text} leads to {at}");
        }
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_typed_or_picked_and_said_as_it_is_understood() {
    let (_siptrail, _dir, api) = watched().await;
    let refused = page_of(&api, "refused").await;
    let browser = Browser::start().await;
    for width in WIDTHS {
        browser.size(width, 1200).await;
        ask(&browser, &api, "carol 25 min ago").await;
        // The only call of that time: its address says which time was looked at.
        browser.begins_at(&format!("{refused}?around=")).await;
        ask(&browser, &api, "1 min ago").await;
        browser.has(LIST, 1).await;
        let said = browser.texts(".how .chip.on bdi").await.join("");
        let day = ["around today ", "around yesterday "].iter().any(|day| said.starts_with(day));
        assert!(day && said.ends_with(" UTC \u{b1} 5 min"), "{said}");

        ask(&browser, &api, "2 days ago").await;
        browser.find(".none").await;
        assert!(
            browser.texts(".near li").await[0].starts_with("4 scenarios at any other time"),
            "the nearest is offered"
        );
        browser.find(".near a").await.click().await.expect("clicked");
        browser.has(LIST, 4).await;
        browser.is_at("/search").await;

        browser.open(&api, "/search").await;
        browser.find(".search summary").await.click().await.expect("unfolded");
        assert_eq!(browser.run("return document.querySelector('#f-around').type").await, "datetime-local");
        browser.run("document.querySelector('#f-around').value = '2026-09-14T14:05'").await;
        browser.find(".search details .btn.main").await.click().await.expect("sent");
        browser.is_at("/search?around=2026-09-14T14%3A05").await;
        assert_eq!(browser.texts(".how .chip.on bdi").await, ["around 2026-09-14 14:05 UTC \u{b1} 5 min"]);
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_sorted_and_narrowed_by_a_touch_and_home_begins_with_what_matters() {
    let (_siptrail, _dir, api) = watched().await;
    let browser = Browser::start().await;
    let shots = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&shots).expect("a directory for pictures");
    for width in WIDTHS {
        browser.size(width, 1200).await;
        browser.open(&api, "/search").await;
        browser.find(".cols a[href$='sort=talk']").await.click().await.expect("clicked");
        browser.is_at("/search?sort=talk").await;
        browser.find(".cols a[aria-current]").await;
        let who = browser.texts(".sc .who").await;
        assert!(who[0].starts_with("dave") && who[1].starts_with("+12025550142"), "the longest talk is first: {who:?}");
        browser.find(".cols a[href$='sort=result']").await.click().await.expect("clicked");
        browser.is_at("/search?sort=result").await;
        browser.find(".presets + .presets a[href$='ongoing=true']").await.click().await.expect("clicked");
        browser.is_at("/search?sort=result&ongoing=true").await;
        browser.has(LIST, 1).await;
        let small = browser.run(
            "return [...document.querySelectorAll('.presets a, .cols a, .how a.chip')].filter((link) => link.offsetHeight < 24)
                 .map((link) => link.innerText)",
        );
        assert_eq!(small.await, json!([]), "each is large enough for a finger");

        browser.open(&api, "/search").await;
        browser.find(".search summary").await.click().await.expect("unfolded");
        for class in ["call", "other"] {
            browser.find(&format!("[name=class][value={class}]")).await.click().await.expect("ticked");
        }
        browser.find(".search details .btn.main").await.click().await.expect("sent");
        browser.is_at("/search?class=call&class=other").await;

        browser.open(&api, "/").await;
        let heads = browser.texts("main h2").await;
        let place = |head: &str| heads.iter().position(|text| text == head);
        assert!(place("Going on now").is_some() && place("Going on now") < place("Newest scenarios"), "{heads:?}");
        assert!(place("What failed in the last hour") < place("Going on now"), "{heads:?}");
        let going = browser.texts("[aria-labelledby=gh] .sc").await.join("");
        assert!(going.starts_with("erin") || going.contains("\nerin"), "{going}");
        assert!(going.contains("min") && going.contains("so far"), "{going}");
        let twice = "return [...document.querySelectorAll('[id]')].map((node) => node.id)
            .filter((id, at, all) => all.indexOf(id) !== at)";
        assert_eq!(browser.run(twice).await, json!([]), "what goes on stands among the newest, too");

        for theme in ["light", "dark"] {
            let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
            browser.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await;
            for (name, path) in [
                ("home", "/"),
                ("list", "/search?sort=result"),
                ("empty", "/search?person=50143&final=404"),
                ("form", "/search?from=-1h&text=x"),
            ] {
                browser.open(&api, path).await;
                browser.find("main").await;
                assert_eq!(findings(&browser).await, [""; 0], "{path}, {theme}, {width} px");
                let picture = browser.driver.screenshot_as_png().await.expect("a picture");
                std::fs::write(shots.join(format!("finding-{name}-{theme}-{width}.png")), picture).expect("written");
            }
        }
    }
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_remembers_the_zone_that_was_chosen() {
    let (_siptrail, _dir, api) = watched().await;
    let browser = Browser::start().await;
    browser.open(&api, "/search").await;
    browser.find("#zones summary").await.click().await.expect("unfolded");
    browser.run("document.querySelector('#zone').value = 'Europe/Berlin'").await;
    browser.find("#zones button").await.click().await.expect("sent");
    browser.is_at("/search?zone=Europe/Berlin").await;
    browser.open(&api, "/").await;
    browser.find("#box").await;
    assert_eq!(browser.texts("#zones summary").await, ["Europe/Berlin"]);
    browser.open(&api, "/search?zone=UTC").await;
    browser.find("#box").await;
    assert_eq!(browser.texts("#zones summary").await, ["UTC"]);
    browser.quit().await;
}

/// Calls as people report them.
async fn reported() -> (Siptrail, TempDir, Api) {
    let dir = TempDir::new().expect("a directory");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/calls");
    let mut logs = Vec::new();
    // Only of a log that holds many calls it is known what it never holds.
    for case in std::fs::read_dir(cases).expect("the cases") {
        let case = case.expect("a case").path();
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        for log in std::fs::read_dir(&case).into_iter().flatten() {
            let log = log.expect("a log").path();
            let text = std::fs::read_to_string(&log).expect("text");

            let file = log.file_name().expect("a name").to_string_lossy();
            logs.push(dir.path().join(format!("{name}-{file}")));
            std::fs::write(logs.last().expect("a log"), text).expect("written");
        }
    }
    let paths: Vec<_> = logs.iter().map(PathBuf::as_path).collect();
    let siptrail = Siptrail::watch(&dir.path().join("data"), &paths);
    let api = siptrail.api().await;
    eventually("rules have judged them", || async {
        let failed = api.get("/api/v1/scenarios?failure=push-no-wake").await?;
        let refused = api.get("/api/v1/scenarios?failure=client").await?;
        let there = [&failed, &refused].iter().all(|of| of["scenarios"].as_array().is_some_and(|all| !all.is_empty()));
        if there { Ok(()) } else { Err(format!("{failed} {refused}")) }
    })
    .await;
    (siptrail, dir, api)
}

/// The table of tasks of docs/web.md, key by key.
#[tokio::test(flavor = "multi_thread")]
async fn each_task_of_the_manual_ends_where_it_says() {
    let (_siptrail, _dir, api) = reported().await;
    let browser = Browser::start().await;
    for width in WIDTHS {
        browser.size(width, 1200).await;
        // "Bob says his phone did not ring at 10:03."
        ask(&browser, &api, "bob 23.11.2026 10:03").await;
        browser.find(&format!("#flow {READY}")).await;
        let says = browser.texts(".judged").await.join("");
        assert!(says.to_lowercase().contains("device did not wake after push"), "{says}");
        browser.press("p").await;
        browser.focused("[id='push-wakes-device.wake.B1'] a").await;
        let row = browser.texts("[id='push-wakes-device.wake.B1']").await.join("");
        assert!(row.contains("REGISTER") && row.contains("never seen"), "{row}");
        // A ticket's Call-ID.
        ask(&browser, &api, "d902afb6ef566edf@198.51.100.10").await;
        browser.find(&format!("#flow {READY}")).await;
        browser.press("p").await;
        browser.focused("#flow a.wrong").await;
        browser.press(Key::Enter).await;
        browser.find("#flow a.pick").await;
        let open = browser.texts("#flow a.pick .what").await.join("");
        assert!(open.contains("401"), "{open}");
        // A branch of a vendor's trace.
        ask(&browser, &api, "z9hG4bK-15-blind-transfer-15-4-1 23.11.2026 10:45").await;
        browser.find(&format!("#flow {READY}")).await;
        browser.press("n").await;
        browser.focused("#flow a.hit").await;
        let hop = browser.texts("#flow a.hit .what").await.swap_remove(0);
        assert!(hop.contains("REFER"), "{hop}");
    }
    browser.quit().await;
}
