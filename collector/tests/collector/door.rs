//! A collector that listens on loopback, and what an agent sends to it.

use std::sync::Arc;

use axum::http::StatusCode;
use collector::{Config, Ingest, http};
use record::format::Format;
use record::frame::{Framer, Limits, Resume};
use record::id::{Offset, StreamId};
use record::span::SpanKind;
use record::time::Timestamp;
use record::wire::{
    self, Answer, Append, CONTENT_TYPE, FileIdentity, Guard, Refused, StreamAppend, StreamMeta, WireSpan,
};
use serde_bytes::ByteBuf;
use store::search::MessageFilter;
use store::{Location, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const RECORD: &str = "[2026-11-23 12:00:00.000][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\nINVITE sip:bob@example.com SIP/2.0\r\n\
Call-ID: call-1@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n\n";

pub struct Door {
    dir: tempfile::TempDir,
    pub store: Store,
    /// The same without a network, for requests that need a hand on each of their steps.
    pub app: axum::Router,
    address: std::net::SocketAddr,
    server: Server,
}

/// Ends when it is dropped.
struct Server(tokio::task::JoinHandle<()>);

impl Door {
    pub async fn open() -> Self {
        Self::open_with(&Config::default()).await
    }

    pub async fn open_with(config: &Config) -> Self {
        Self::open_in(tempfile::tempdir().expect("a directory"), config).await
    }

    async fn open_in(dir: tempfile::TempDir, config: &Config) -> Self {
        let store = Store::open(&Location::Directory(dir.path().to_owned())).await.expect("a store");
        let (app, _) = http::router(Ingest::new(store.clone(), config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a port");
        let service = app.clone();
        let server = Server(tokio::spawn(async move { axum::serve(listener, service).await.expect("served") }));
        Self { dir, store, app, address, server }
    }

    /// A new process on the same data: nothing is in memory.
    pub async fn reopen(self) -> Self {
        drop(self.server);
        self.store.close().await;
        Self::open_in(self.dir, &Config::default()).await
    }

    /// One request over a connection of its own: status, head and body of its answer.
    pub async fn ask(&self, head: &str, body: &[u8]) -> (StatusCode, String, Vec<u8>) {
        let mut connection = TcpStream::connect(self.address).await.expect("connected");
        let head = format!("{head}\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        connection.write_all(&[head.as_bytes(), body].concat()).await.expect("sent");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.expect("an answer");
        let ends = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let body = answer.split_off(ends + 4);
        let head = String::from_utf8(answer).expect("a head");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a status");
        (status, head, body)
    }

    pub async fn post(&self, kind: &str, encoding: Option<&str>, body: &[u8]) -> (StatusCode, Vec<u8>) {
        let encoding = encoding.map(|name| format!("\r\ncontent-encoding: {name}")).unwrap_or_default();
        let len = body.len();
        let head = format!("POST /api/v1/append HTTP/1.1\r\ncontent-type: {kind}\r\ncontent-length: {len}{encoding}");
        let (status, _, body) = self.ask(&head, body).await;
        (status, body)
    }

    pub async fn append(&self, streams: Vec<StreamAppend>) -> (StatusCode, Answer) {
        self.append_as(&batch(streams)).await
    }

    pub async fn append_as(&self, append: &Append) -> (StatusCode, Answer) {
        let packed = zstd::encode_all(&wire::encode(append).expect("encoded")[..], 1).expect("packed");
        let (status, body) = self.post(CONTENT_TYPE, Some("zstd"), &packed).await;
        let answer: Answer =
            wire::decode(&body).unwrap_or_else(|_| panic!("{status}: {}", String::from_utf8_lossy(&body)));
        assert_eq!((answer.batch, answer.lease), (append.batch, append.lease), "batch number and lease are echoed");
        (status, answer)
    }

    /// Offsets, and which are provisional.
    pub async fn stored(&self) -> Vec<(u64, bool)> {
        let page = self.store.messages(&MessageFilter::default(), None, 100).await.expect("messages");
        page.rows.iter().map(|m| (m.id.offset.0, m.provisional)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub fn batch(streams: Vec<StreamAppend>) -> Append {
    Append { version: wire::VERSION, agent: "agent-1".into(), lease: 0, batch: 7, streams }
}

pub fn meta() -> StreamMeta {
    StreamMeta {
        source: "sip".into(),
        format: Format::siptrail().definition().clone(),
        zone: "UTC".into(),
        path: b"/var/log/sip.log".to_vec(),
        host: "host-1".into(),
        file: FileIdentity { device: 1, inode: 2, generation: 3, birth: 4 },
        epoch: 0,
        predecessor: None,
    }
}

/// A piece of a log as an agent sends it, framed by the framer itself.
pub fn stream(id: i64, base: u64, log: &str) -> StreamAppend {
    let mut framer = Framer::new(Arc::new(Format::siptrail()), Offset(0), &Resume::default(), Limits::default());
    let mut found = Vec::new();
    framer.feed(log.as_bytes(), &mut found);
    framer.close(&mut found);
    let spans: Vec<WireSpan> = found
        .iter()
        .map(|span| {
            let bytes = &log.as_bytes()[span.start.0 as usize..span.end().0 as usize];
            let mut sent = WireSpan::new(span.start.plus(base), span.len, span.kind);
            (sent.head, sent.line_end, sent.lines, sent.flags) = (span.head, span.line_end, span.lines, span.flags);
            if matches!(span.kind, SpanKind::Record | SpanKind::Fragment) {
                sent.hash = WireSpan::hash_of(bytes);
                sent.bytes = ByteBuf::from(bytes.to_vec());
            }
            sent
        })
        .collect();
    let end = Offset(base + log.len() as u64);
    StreamAppend {
        stream: StreamId(id),
        meta: Some(meta()),
        base: Offset(base),
        end,
        spans,
        tail: Vec::new(),
        guard: Guard::default(),
        size: end.0,
        read_to: end,
        read_at: Timestamp(1_795_435_200_000_000),
        closed: None,
        settled: false,
    }
}

pub fn refused(answer: &Answer, id: i64) -> Option<&Refused> {
    answer.streams.iter().find(|s| s.stream == StreamId(id)).expect("each stream is answered").refused.as_ref()
}

pub fn watermark(answer: &Answer, id: i64) -> Offset {
    answer.streams.iter().find(|s| s.stream == StreamId(id)).expect("each stream is answered").w
}
