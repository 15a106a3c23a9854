//! The collector over HTTP: MessagePack, zstd with a checksum, and answers told apart from a proxy's pages.

use std::path::PathBuf;
use std::time::Duration;

use message::id::StreamId;
use message::wire::{self, Answer, Append, CONTENT_TYPE, Positions};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE as TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};
use serde::Serialize;

use crate::transport::Reply;
use crate::{Config, Error};

/// A slow line gets time for its bytes: this many a second at least.
const SLOWEST: usize = 64 << 10;
/// An answer names each stream with a few numbers; a page is cut.
const ANSWER_MAX: usize = 4 << 20;
/// Positions asked for at once.
const PAGE: usize = 1000;

#[derive(Clone, Debug)]
pub struct Client {
    base: Url,
    token_file: Option<PathBuf>,
    timeout: Duration,
    http: reqwest::Client,
}

impl Client {
    /// A client for the collector of this config. For `https` the process must have a rustls provider installed.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let fault = |error: String| Error::Connection(error);
        let mut base = Url::parse(&config.collector).map_err(|error| fault(error.to_string()))?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(config.timeout.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("siptrail-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| fault(cause(&error)))?;
        Ok(Self { base, token_file: config.token_file.clone(), timeout: config.timeout, http })
    }

    pub(crate) async fn append(&self, append: &Append) -> Reply {
        let batch = append.batch;
        let body = match compressed(append) {
            Ok(body) => body,
            Err(error) => return Reply::Lost { text: format!("cannot encode a batch: {error}") },
        };
        let timeout = self.timeout + Duration::from_secs((body.len() / SLOWEST) as u64);
        let Ok(url) = self.base.join("api/v1/append") else { return Reply::Lost { text: "no such address".into() } };
        let request = self.http.post(url).header(TYPE, CONTENT_TYPE).header(CONTENT_ENCODING, "zstd");
        match self.authorized(request).await.timeout(timeout).body(body).send().await {
            Ok(response) => reply(response, batch).await,
            Err(error) => Reply::Lost { text: cause(&error) },
        }
    }

    pub(crate) async fn positions(&self, agent: &str, after: Option<StreamId>) -> Result<Positions, String> {
        let mut url = self.base.join("api/v1/positions").map_err(|error| error.to_string())?;
        url.query_pairs_mut().append_pair("agent", agent).append_pair("limit", &PAGE.to_string());
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", &after.to_string());
        }
        let request = self.http.get(url).header(ACCEPT, CONTENT_TYPE).timeout(self.timeout);
        let response = self.authorized(request).await.send().await.map_err(|error| cause(&error))?;
        let status = response.status();
        if status != 200 {
            return Err(format!("the collector answered {status} when asked for positions"));
        }
        let body = body(response, 64 << 20).await?;
        wire::decode(&body).map_err(|error| format!("the positions cannot be read: {error}"))
    }

    /// The token is read for each request, so a new one needs no restart.
    async fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let Some(file) = &self.token_file else { return request };
        match tokio::fs::read_to_string(file).await {
            Ok(token) => request.header(AUTHORIZATION, format!("Bearer {}", token.trim())),
            // Without it the collector refuses, which is told and waited out like any refusal.
            Err(_) => request,
        }
    }
}

/// About 5 ms a megabyte, on a thread of the agent's own runtime; at most four are at it at once.
fn compressed(append: &Append) -> std::io::Result<Vec<u8>> {
    let bytes: usize = append
        .streams
        .iter()
        .flat_map(|part| part.spans.iter().chain(&part.tail))
        .map(|span| span.bytes.len() + 256)
        .sum();
    let mut plain = Vec::with_capacity(bytes + 4096);
    append.serialize(&mut rmp_serde::Serializer::new(&mut plain).with_struct_map()).map_err(std::io::Error::other)?;
    // In one piece: as a stream, zstd copies and searches two windows.
    let mut zstd = zstd::bulk::Compressor::new(1)?;
    zstd.include_checksum(true)?;
    zstd.compress(&plain)
}

/// What an answer means. Only one that echoes the batch is the collector's own.
async fn reply(response: Response, batch: u64) -> Reply {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if status == 429 || status == 503 {
        return Reply::Busy { status, retry_after: retry_after.map(Duration::from_secs) };
    }
    let body = match body(response, ANSWER_MAX).await {
        Ok(body) => body,
        Err(text) => return Reply::Lost { text },
    };
    let answer = wire::decode::<Answer>(&body).ok().filter(|answer| answer.batch == batch);
    match (status, answer) {
        (200, Some(answer)) => Reply::Answer(answer),
        (200, None) => Reply::Lost { text: "200 without this batch's number: not the collector's answer".into() },
        (400..=499, answer) => Reply::Refused { status, text: format!("the collector answered {status}"), answer },
        _ => Reply::Lost { text: format!("the collector answered {status}") },
    }
}

async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > most {
            return Err("the answer is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause says most: "connection refused" rather than "error sending request".
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    if error.is_timeout() { format!("no answer in time: {inner}") } else { inner.to_string() }
}
