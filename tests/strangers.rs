//! Who may ask: pages of other sites, other names for this machine, and the doors of agents.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use super::support::{Api, Browser, Siptrail, eventually, free_port};

/// The status of a request written by hand.
fn status(address: &str, request: &str, headers: &[&str]) -> u16 {
    let mut stream = TcpStream::connect(address).expect("connected");
    let head = headers.join("\r\n");
    write!(stream, "{request} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{request}: {answer}"))
}

const POSITIONS: &str = "GET /api/v1/positions?agent=a";
const APPEND: &str = "POST /api/v1/append";

async fn collector(dir: &Path, address: &str, more: &str) -> (Siptrail, Api) {
    let file = dir.join("collector.toml");
    let data = dir.join("data");
    let text = format!("listen = \"{address}\"\ndata = \"{}\"\n{more}", data.display());
    std::fs::write(&file, text).expect("written");
    let collector = Siptrail::start(&["collector", "--config", &file.display().to_string()]);
    let api = Api::at(&format!("http://{address}"));
    eventually("the collector answers", || async { api.page("/healthz").await }).await;
    (collector, api)
}

#[tokio::test]
async fn the_doors_of_agents_ask_who_is_there_as_pages_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let address = format!("127.0.0.1:{}", free_port());
    let (collector, _) = collector(dir.path(), &address, "hosts = [\"siptrail.example.com\"]\n").await;
    for request in ["GET /", "GET /api/v1/scenarios", POSITIONS, APPEND] {
        let asked = |headers: &[&str]| status(&address, request, headers);
        let known = if request == APPEND { 400 } else { 200 };
        assert_eq!(asked(&["Host: localhost"]), known, "{request}");
        assert_eq!(asked(&["Host: siptrail.example.com"]), known, "{request}");
        assert_eq!(asked(&["Host: evil.example"]), 421, "{request}");
        assert_eq!(asked(&["Host: localhost", "Origin: http://evil.example"]), 403, "{request}");
        assert_eq!(
            asked(&["Host: localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"]),
            403,
            "{request}"
        );
    }
    assert_eq!(collector.stop().await, Some(0));
}

#[tokio::test]
async fn many_open_connections_keep_nobody_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let address = format!("127.0.0.1:{}", free_port());
    let file = dir.path().join("collector.toml");
    let text = format!("listen = \"{address}\"\ndata = \"{}\"\n", dir.path().join("data").display());
    std::fs::write(&file, text).expect("written");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "ulimit -Sn 64; exec \"$0\" collector --config \"$1\""]);
    let collector = Siptrail::spawn(shell.arg(env!("CARGO_BIN_EXE_siptrail")).arg(&file));
    let api = Api::at(&format!("http://{address}"));
    eventually("the collector answers", || async { api.page("/healthz").await }).await;
    let held: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&address).expect("connected")).collect();
    for mut half in &held {
        half.write_all(b"GET / HTTP/1.1\r\nHost: ").expect("sent");
    }
    api.page("/healthz").await.expect("it answers beside 200 heads that never end");
    drop(held);
    assert_eq!(collector.stop().await, Some(0));
}

#[tokio::test]
async fn watch_has_no_doors_for_agents_and_answers_where_it_listens() {
    let dir = tempfile::tempdir().expect("a directory");
    let address = format!("127.0.0.2:{}", free_port());
    let data = dir.path().join("data").display().to_string();
    let watch = Siptrail::start(&["watch", "--listen", &address, "--data", &data, "/nowhere/a.log"]);
    let api = Api::at(&format!("http://{address}"));
    eventually("it answers under its own address", || async { api.page("/").await }).await;
    let host = format!("Host: {address}");
    assert_eq!(status(&address, POSITIONS, &[&host]), 404);
    assert_eq!(status(&address, APPEND, &[&host]), 404);
    assert_eq!(status(&address, "GET /", &["Host: 127.0.0.3"]), 421);
    assert_eq!(watch.stop().await, Some(0));
}

/// One page, for whoever asks.
fn other_site(html: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n", html.len());
            let _ = write!(stream, "{head}Connection: close\r\n\r\n{html}");
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_a_page_of_another_site_leads_here_and_reads_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let (collector, api) = collector(dir.path(), &format!("127.0.0.1:{port}"), "").await;
    let other = other_site(format!("<a href=\"{}/search\">calls</a>", api.url));
    let browser = Browser::start_with(&["--host-resolver-rules=MAP evil.example 127.0.0.1"]).await;

    // Its name is turned to this machine: it is of one origin with us, and reads that it gets no answer.
    browser.open(&Api::at(&format!("http://evil.example:{port}")), "/").await;
    let said = browser.texts("main").await.join(" ");
    assert!(said.contains("does not answer to that host name"), "{said}");
    for path in ["/api/v1/positions?agent=a", "/api/v1/scenarios", "/"] {
        let script = format!("return fetch('{path}').then((answer) => answer.status)");
        assert_eq!(browser.run(&script).await, 421, "{path}");
    }

    // From its own address it may ask for nothing, and lead a reader here.
    let evil = Api::at(&format!("http://evil.example:{other}"));
    browser.open(&evil, "/").await;
    let read = format!("return fetch('{}/api/v1/scenarios').then((answer) => answer.text(), () => 'nothing')", api.url);
    assert_eq!(browser.run(&read).await, "nothing");
    browser.run("document.querySelector('a').click()").await;
    browser.is_at("/search").await;
    browser.find("main").await;
    assert_eq!(browser.run("return location.origin").await, api.url);
    browser.quit().await;
    assert_eq!(collector.stop().await, Some(0));
}
