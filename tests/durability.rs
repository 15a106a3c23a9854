//! Kill -9 of agent, of collector, and of both in mid-load, and each request doubled: every record is stored once and whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response};
use record::wire::{self, Answer};

use crate::support::{Api, Database, Entry, Siptrail, Truth, client, differences, entry, eventually, free_port};

/// Calls written in all, in bursts; programs are killed right behind a burst, while it is still on its way.
const CALLS: usize = 2400;
const BURST: usize = 100;
/// Each second burst is followed by a kill.
const KILLS: usize = CALLS / BURST / 2;

#[tokio::test]
async fn killed_in_mid_load_on_sqlite_nothing_is_lost_or_repeated() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = Place::new(dir.path(), None);
    place.survives().await;
}

#[tokio::test]
async fn killed_in_mid_load_on_postgresql_nothing_is_lost_or_repeated() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = Database::make("killed").await;
    let place = Place::new(dir.path(), Some(&database.url()));
    place.survives().await;
    database.drop().await;
}

#[tokio::test]
async fn d08_the_same_batch_twice_at_once_is_stored_once_on_sqlite() {
    let dir = tempfile::tempdir().expect("a directory");
    Place::new(dir.path(), None).is_sent_everything_twice().await;
}

#[tokio::test]
async fn d08_the_same_batch_twice_at_once_is_stored_once_on_postgresql() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = Database::make("twice").await;
    Place::new(dir.path(), Some(&database.url())).is_sent_everything_twice().await;
    database.drop().await;
}

/// Where a collector and an agent of their own live.
struct Place {
    log: PathBuf,
    collector: PathBuf,
    agent: PathBuf,
    url: String,
}

impl Place {
    fn new(dir: &Path, postgres: Option<&str>) -> Self {
        let port = free_port();
        let (log, collector, agent) = (dir.join("sip.log"), dir.join("collector.toml"), dir.join("agent.toml"));
        let mut config = format!("listen = \"127.0.0.1:{port}\"\ndata = \"{}\"\n", dir.join("data").display());
        if let Some(url) = postgres {
            std::fs::write(dir.join("url"), url).expect("written");
            config += &format!("postgres_url_file = \"{}\"\n", dir.join("url").display());
        }
        std::fs::write(&collector, config).expect("written");
        let url = format!("http://127.0.0.1:{port}");
        let config = format!(
            "collector = \"{url}\"\nstate = \"{}\"\n[[source]]\nname = \"sip\"\npaths = [\"{}\"]\n",
            dir.join("state").display(),
            log.display()
        );
        std::fs::write(&agent, config).expect("written");
        Self { log, collector, agent, url }
    }

    fn start(&self, role: &str) -> Siptrail {
        let config = if role == "agent" { &self.agent } else { &self.collector };
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_siptrail"));
        // Nothing listens there: what is meant for this host must not go through a proxy.
        command.env("http_proxy", "http://127.0.0.1:1").args([role, "--config"]).arg(config);
        Siptrail::spawn(&mut command)
    }

    async fn survives(&self) {
        let mut log = std::fs::File::create(&self.log).expect("created");
        let mut truth = Vec::new();
        let (mut collector, mut agent) = (self.start("collector"), self.start("agent"));
        let api = Api::at(&self.url);
        let mut in_flight = 0;
        for burst in 0..CALLS / BURST {
            // Only some of it may be stored by now.
            self.stored(&api, burst * BURST / 2).await;
            for call in burst * BURST..(burst + 1) * BURST {
                let (text, body) = record(call);
                log.write_all(text.as_bytes()).expect("written");
                truth.push(entry("SIP", "INVITE", &format!("call-{call}@killed.example.com"), body.as_bytes()));
            }
            if burst % 2 == 1 {
                in_flight += usize::from(Self::records(&api).await.is_ok_and(|stored| stored < truth.len()));
            }
            match burst % 6 {
                1 => {
                    agent.kill_9();
                    agent = self.start("agent");
                }
                3 => {
                    collector.kill_9();
                    collector = self.start("collector");
                }
                5 => {
                    // Both are gone before either comes back.
                    agent.kill_9();
                    collector.kill_9();
                    (collector, agent) = (self.start("collector"), self.start("agent"));
                }
                _ => {}
            }
        }
        assert!(in_flight >= KILLS / 2, "records were on their way at {in_flight} of {KILLS} kills");
        let (text, body) = record(CALLS);
        log.write_all(text.as_bytes()).expect("written");
        truth.push(entry("SIP", "INVITE", &format!("call-{CALLS}@killed.example.com"), body.as_bytes()));
        self.holds(&api, truth).await;
        assert_eq!(agent.stop().await, Some(0));
        assert_eq!(collector.stop().await, Some(0));
    }

    /// Something between agent and collector sends each request twice at once, and gives back either answer.
    async fn is_sent_everything_twice(&self) {
        let collector = self.start("collector");
        let api = Api::at(&self.url);
        let doubler = Doubler { to: self.url.clone(), client: client(), answers: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let between = format!("http://{}", listener.local_addr().expect("an address"));
        let app = axum::Router::new().fallback(twice).with_state(doubler.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        let config = std::fs::read_to_string(&self.agent).expect("a config");
        std::fs::write(&self.agent, config.replace(&self.url, &between)).expect("written");
        let agent = self.start("agent");
        let mut log = std::fs::File::create(&self.log).expect("created");
        let mut truth = Vec::new();
        for call in 0..=CALLS {
            let (text, body) = record(call);
            log.write_all(text.as_bytes()).expect("written");
            truth.push(entry("SIP", "INVITE", &format!("call-{call}@killed.example.com"), body.as_bytes()));
            if call % BURST == 0 {
                self.stored(&api, call / 2).await;
            }
        }
        self.holds(&api, truth).await;
        let answers = doubler.answers.lock().expect("answers").clone();
        assert!(answers.len() >= 5, "{} batches", answers.len());
        for (first, second) in answers {
            let w =
                |answer: &Answer| answer.streams.iter().map(|said| (said.w, said.refused.clone())).collect::<Vec<_>>();
            assert_eq!(w(&first), w(&second), "who comes second is told the watermark");
        }
        assert_eq!(agent.stop().await, Some(0));
        assert_eq!(collector.stop().await, Some(0));
        serving.abort();
    }

    /// Each record is stored once and whole, each call is a scenario, and nothing is told as lost.
    async fn holds(&self, api: &Api, truth: Vec<Entry>) {
        let truth: Truth = truth.into_iter().collect();
        eventually("every record is stored once", || async {
            let wrong = differences(&truth, &api.truth().await?);
            if wrong.is_empty() {
                Ok(())
            } else {
                Err(format!("{} differences, such as {:?}", wrong.len(), wrong.first()))
            }
        })
        .await;
        eventually("every call is a scenario", || async {
            let found = api.scenarios("&class=call").await?.len();
            if found == CALLS + 1 { Ok(()) } else { Err(format!("{found} scenarios")) }
        })
        .await;
        let streams = api.get("/api/v1/streams").await.expect("streams");
        for stream in streams["streams"].as_array().expect("streams") {
            assert_eq!(stream["gaps"].as_array().map(Vec::len), Some(0), "nothing is told as lost: {stream}");
        }
    }

    async fn stored(&self, api: &Api, least: usize) {
        eventually("a burst is on its way", || async {
            let records = Self::records(api).await?;
            if records >= least { Ok(()) } else { Err(format!("{records} of {least}")) }
        })
        .await;
    }

    async fn records(api: &Api) -> Result<usize, String> {
        let streams = api.get("/api/v1/streams").await?;
        Ok(streams["streams"][0]["records"].as_u64().unwrap_or(0) as usize)
    }
}

#[derive(Clone)]
struct Doubler {
    to: String,
    client: reqwest::Client,
    /// Of each pair of batches.
    answers: Arc<Mutex<Vec<(Answer, Answer)>>>,
}

async fn twice(State(doubler): State<Doubler>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let send = || async {
        let mut headers = parts.headers.clone();
        headers.remove("host");
        let request = doubler.client.request(parts.method.clone(), format!("{}{path}", doubler.to));
        let answer = request.headers(headers).body(body.clone()).send().await.expect("an answer");
        (answer.status(), answer.bytes().await.expect("a body"))
    };
    if parts.method != Method::POST {
        let (status, body) = send().await;
        return answer(status, body);
    }
    let ((_, first), (status, second)) = tokio::join!(send(), send());
    if path.ends_with("/heartbeat") {
        return answer(status, second);
    }
    let both = wire::decode::<Answer>(&first).and_then(|first| Ok((first, wire::decode::<Answer>(&second)?)));
    doubler.answers.lock().expect("answers").push(both.expect("both are answered"));
    answer(status, second)
}

fn answer(status: axum::http::StatusCode, body: Bytes) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body)).expect("an answer")
}

fn record(call: usize) -> (String, String) {
    let body = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{call}\r\n\
         From: <sip:alice@example.com>;tag={call}\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: call-{call}@killed.example.com\r\nCSeq: 1 INVITE\r\nSubject: {}\r\nContent-Length: 0\r\n\r\n",
        "x".repeat(call % 700)
    );
    let (second, micros) = (1_795_463_450 + call / 50, call % 50 * 20_000);
    (format!("[{second}.{micros:06}][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n{body}\n"), body)
}
