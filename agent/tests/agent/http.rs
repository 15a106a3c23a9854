//! Delivery (D) over HTTP: what is sent, and what each answer means.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agent::{Config, Transport, http};
use record::id::StreamId;
use record::span::Cause;
use record::wire::{self, Append, Asked, CONTENT_TYPE, MAX_COMPRESSED};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::collector::{Collector, Fault};
use crate::world::World;

/// The collector behind HTTP. The first answers are given by `first`.
struct Behind {
    collector: Collector,
    first: Mutex<Vec<ResponseTemplate>>,
    asked: AtomicUsize,
}

impl Respond for Behind {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(first) = self.first.lock().unwrap().pop() {
            return first;
        }
        // As the collector's own door, and as a proxy with that limit.
        if request.body.len() > MAX_COMPRESSED {
            return ResponseTemplate::new(413);
        }
        let plain = zstd::decode_all(request.body.as_slice()).unwrap();
        let append: Append = wire::decode(&plain).unwrap();
        match self.collector.answer(&append, Fault::None) {
            Some(agent::Reply::Answer(answer)) => {
                ResponseTemplate::new(200).set_body_bytes(wire::encode(&answer).unwrap())
            }
            Some(agent::Reply::Refused { status, answer, .. }) => {
                let body = answer.map(|answer| wire::encode(&answer).unwrap()).unwrap_or_default();
                ResponseTemplate::new(status).set_body_bytes(body)
            }
            other => panic!("{other:?}"),
        }
    }
}

struct Positions(Collector);

impl Respond for Positions {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let query: std::collections::HashMap<_, _> = request.url.query_pairs().collect();
        assert_eq!(query["agent"], "agent-1");
        let id = |name: &str| query.get(name).map(|id| id.parse::<StreamId>().unwrap());
        let asked = id("stream").map_or(Asked::After(id("after")), Asked::One);
        ResponseTemplate::new(200).set_body_bytes(wire::encode(&self.0.positions(asked, 2)).unwrap())
    }
}

/// A world whose agent speaks HTTP; `first` are the first answers, the last of them first.
async fn world(first: Vec<ResponseTemplate>) -> (World, MockServer) {
    let mut world = World::new(&["app.log"]);
    let server = MockServer::start().await;
    let append = Behind { collector: world.collector.clone(), first: Mutex::new(first), asked: AtomicUsize::new(0) };
    Mock::given(method("POST"))
        .and(path("/api/v1/append"))
        .and(header("content-type", CONTENT_TYPE))
        .and(header("content-encoding", "zstd"))
        .respond_with(append)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/api/v1/positions"))
        .respond_with(Positions(world.collector.clone()))
        .mount(&server)
        .await;
    world.config = Config { collector: server.uri(), ..world.config.clone() };
    world.transport = Some(Transport::Http(client(&world.config)));
    (world, server)
}

fn client(config: &Config) -> http::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    http::Client::new(config).unwrap()
}

#[tokio::test]
async fn records_arrive_over_http_and_restarts_go_on() {
    let (mut world, _server) = world(vec![]).await;
    world.append("app.log", 100);
    world.start();
    world.exact().await;
    world.stop().await;
    for number in 1..5 {
        std::fs::rename(world.log("app.log"), world.log(&format!("app.log.{}", 9 - number))).unwrap();
        world.append("app.log", 20);
    }
    world.start();
    world.exact().await;
    assert_eq!(world.collector.streams().len(), 5, "positions are asked for in pages");
}

#[tokio::test]
async fn d12_a_page_of_a_proxy_is_no_acknowledgement() {
    let pages = vec![
        ResponseTemplate::new(200).set_body_string("<html>sign in</html>"),
        ResponseTemplate::new(302).insert_header("location", "/login"),
        ResponseTemplate::new(200),
    ];
    let (mut world, _server) = world(pages).await;
    world.append("app.log", 10);
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn d15_a_batch_damaged_on_its_way_is_sent_again() {
    let (mut world, _server) = world(vec![ResponseTemplate::new(422), ResponseTemplate::new(422)]).await;
    world.append("app.log", 10);
    world.start();
    world.exact().await;
}

#[tokio::test]
async fn d04_busy_and_failing_answers_are_waited_out() {
    let answers = vec![
        ResponseTemplate::new(500),
        ResponseTemplate::new(503).insert_header("retry-after", "0"),
        ResponseTemplate::new(429).insert_header("retry-after", "1"),
        ResponseTemplate::new(502).set_body_string("bad gateway"),
    ];
    let (mut world, _server) = world(answers).await;
    world.append("app.log", 10);
    let begun = Instant::now();
    world.start();
    world.exact().await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After is honoured");
}

#[tokio::test]
async fn d06_and_d07_poison_and_size_are_found_over_http() {
    let (mut world, _server) = world(vec![ResponseTemplate::new(413)]).await;
    world.append("app.log", 200);
    world.collector.set_poison(b"bob-000017@");
    world.start();
    let poison = world.records.remove(17);
    world.stored().await;
    world.check();
    assert_eq!(world.collector.gaps().len(), 1);
    assert_eq!(world.collector.gaps()[0].2, poison.len() as u64);
}

#[tokio::test]
async fn d07_a_record_that_no_collector_takes_is_put_aside_alone() {
    let (mut world, _server) = world(vec![]).await;
    let log = world.append("app.log", 20);
    let random = (0..10 << 20).scan(1_u32, |state, _| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    });
    let body: Vec<u8> = random.collect();
    let head = format!(
        "[2026-11-23 19:53:58.132][MESSAGE][sip:192.0.2.1][sip:192.0.2.2]\n\
         MESSAGE sip:bob@example.com SIP/2.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let large = [head.as_bytes(), &body, b"\n"].concat();
    (&log).write_all(&large).unwrap();
    world.write(&log, 20);
    world.start();
    world.stored().await;
    assert_eq!(world.check(), Vec::<usize>::new());
    let start: u64 = world.records[..20].iter().map(|record| record.len() as u64).sum();
    assert_eq!(world.collector.gaps(), [(Cause::Rejected, start, large.len() as u64, Some(0))]);
    let aside = std::fs::read_dir(world.state().join("quarantine")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read(aside.path()).unwrap() == large, "all of it is kept");
}

#[tokio::test]
async fn a_token_is_read_for_each_request() {
    let (mut world, server) = world(vec![]).await;
    let token = world.state().with_file_name("token");
    std::fs::write(&token, "first\n").unwrap();
    world.config.token_file = Some(token.clone());
    world.transport = Some(Transport::Http(client(&world.config)));
    world.append("app.log", 1);
    world.start();
    world.stored().await;
    std::fs::write(&token, "second").unwrap();
    world.append("app.log", 1);
    world.exact().await;
    let sent = server.received_requests().await.unwrap();
    let tokens: Vec<&str> = sent.iter().map(|request| request.headers["authorization"].to_str().unwrap()).collect();
    assert_eq!((tokens[0], *tokens.last().unwrap()), ("Bearer first", "Bearer second"));
}
