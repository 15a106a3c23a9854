//! The collector over HTTP: MessagePack, zstd with a checksum, and answers that are not mistaken for a proxy's pages.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use record::wire::{self, Answer, Append, Asked, CONTENT_TYPE, Heard, Heartbeat, Positions};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE as TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};
use serde::Serialize;

use crate::config::is_local;
use crate::reply::Reply;
use crate::{Config, Error};

/// A slow line gets time for its bytes: this many a second at least.
const SLOWEST: usize = 64 << 10;
/// An answer names each stream with a few numbers; a page is cut.
const ANSWER_MAX: usize = 4 << 20;
/// Bytes of a refusal that are reported.
const TEXT_MAX: usize = 300;
/// Memory for packing that is kept between two batches.
const PLAIN_KEPT: usize = 5 << 20;
/// Of several heartbeats one may be lost before the agent counts as gone.
const HEARTBEAT: Duration = Duration::from_secs(8);
/// Positions asked for at once.
const PAGE: usize = 1000;

#[derive(Clone, Debug)]
pub struct Client {
    base: Url,
    token_file: Option<PathBuf>,
    timeout: Duration,
    http: reqwest::Client,
    packers: Arc<Mutex<Vec<Packer>>>,
}

/// A batch as it is sent.
pub(crate) type Load = Vec<u8>;

impl Client {
    /// A client for the collector of this config. For `https` the process must have a rustls provider installed.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let fault = |error: String| Error::Connection(error);
        let mut base = Url::parse(&config.collector).map_err(|error| fault(error.to_string()))?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // Plain HTTP goes to this host only, whatever the environment says of proxies.
        let builder = reqwest::Client::builder();
        let builder = if base.scheme() == "http" || is_local(&base) { builder.no_proxy() } else { builder };
        let http = builder
            .connect_timeout(config.timeout.min(Duration::from_secs(10)))
            // Before the collector, which waits 15 s, gives up a connection on which nothing comes.
            .pool_idle_timeout(Duration::from_secs(12))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("siptrail-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| fault(cause(&error)))?;
        let packers = Arc::default();
        Ok(Self { base, token_file: config.token_file.clone(), timeout: config.timeout, http, packers })
    }

    pub(crate) async fn append(&self, append: &Arc<Append>, load: &mut Option<Load>) -> Reply {
        let body = match load {
            Some(load) => load.clone(),
            None => match self.packed(append).await {
                Ok(packed) => load.insert(packed).clone(),
                Err(error) => return Reply::Lost { text: format!("cannot encode a batch: {error}") },
            },
        };
        let timeout = self.timeout + Duration::from_secs((body.len() / SLOWEST) as u64);
        let Ok(url) = self.base.join("api/v1/append") else { return Reply::Lost { text: "no such address".into() } };
        let request = self.http.post(url).header(TYPE, CONTENT_TYPE).header(CONTENT_ENCODING, "zstd");
        let request = match self.authorized(request).await {
            Ok(request) => request,
            Err(text) => return Reply::Lost { text },
        };
        match request.timeout(timeout).body(body).send().await {
            Ok(response) => reply(response, append).await,
            Err(error) => Reply::Lost { text: cause(&error) },
        }
    }

    /// About 5 ms a megabyte, on a thread for such work; at most four are at it at once.
    async fn packed<T: Serialize + Send + Sync + 'static>(&self, value: &Arc<T>) -> Result<Load, String> {
        let (packers, value) = (Arc::clone(&self.packers), Arc::clone(value));
        let packed = tokio::task::spawn_blocking(move || {
            let kept = packers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut packer = kept.map_or_else(Packer::new, Ok)?;
            let load = packer.pack(&*value)?;
            packers.lock().unwrap_or_else(PoisonError::into_inner).push(packer);
            Ok::<_, std::io::Error>(load)
        });
        packed.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    pub(crate) async fn positions(&self, agent: &str, asked: Asked) -> Result<Positions, String> {
        let mut url = self.base.join("api/v1/positions").map_err(|error| error.to_string())?;
        url.query_pairs_mut().append_pair("agent", agent).append_pair("limit", &PAGE.to_string());
        match asked {
            Asked::After(None) => {}
            Asked::After(Some(after)) => _ = url.query_pairs_mut().append_pair("after", &after.to_string()),
            Asked::One(stream) => _ = url.query_pairs_mut().append_pair("stream", &stream.to_string()),
        }
        let request = self.http.get(url).header(ACCEPT, CONTENT_TYPE).timeout(self.timeout);
        let response = self.authorized(request).await?.send().await.map_err(|error| cause(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = body_of(response, ANSWER_MAX).await.unwrap_or_default();
            return Err(format!("{} (asked for positions)", refusal(status, &body)));
        }
        let body = body_of(response, 64 << 20).await?;
        wire::decode(&body).map_err(|error| format!("the positions cannot be read: {error}"))
    }

    pub(crate) async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<(), String> {
        let url = self.base.join("api/v1/heartbeat").map_err(|error| error.to_string())?;
        let clock = heartbeat.clock;
        let body = self.packed(&Arc::new(heartbeat)).await?;
        let request = self.http.post(url).header(TYPE, CONTENT_TYPE).header(CONTENT_ENCODING, "zstd");
        let request = self.authorized(request).await?.timeout(self.timeout.min(HEARTBEAT)).body(body);
        let response = request.send().await.map_err(|error| cause(&error))?;
        let status = response.status().as_u16();
        let body = body_of(response, ANSWER_MAX).await?;
        match wire::decode::<Heard>(&body) {
            Ok(heard) if status == 200 && heard.clock == clock => Ok(()),
            _ if status == 200 => Err("200 to a heartbeat, and not the collector's answer".to_owned()),
            _ => Err(refusal(status, &body)),
        }
    }

    /// The token is read for each request, so a new one needs no restart.
    async fn authorized(&self, request: RequestBuilder) -> Result<RequestBuilder, String> {
        let Some(file) = &self.token_file else { return Ok(request) };
        match tokio::fs::read_to_string(file).await {
            Ok(token) => Ok(request.header(AUTHORIZATION, format!("Bearer {}", token.trim()))),
            Err(error) => Err(format!("cannot read the token file {}: {error}", file.display())),
        }
    }
}

/// Packs batches; kept from one to the next for its memory.
struct Packer {
    plain: Vec<u8>,
    zstd: zstd::bulk::Compressor<'static>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    fn new() -> std::io::Result<Self> {
        // In one piece: as a stream, zstd copies and searches two windows.
        let mut zstd = zstd::bulk::Compressor::new(1)?;
        zstd.include_checksum(true)?;
        Ok(Self { plain: Vec::new(), zstd })
    }

    fn pack(&mut self, value: &impl Serialize) -> std::io::Result<Load> {
        self.plain.clear();
        let mut out = rmp_serde::Serializer::new(&mut self.plain).with_struct_map();
        value.serialize(&mut out).map_err(std::io::Error::other)?;
        let mut load = self.zstd.compress(&self.plain)?;
        load.shrink_to_fit();
        self.plain.shrink_to(PLAIN_KEPT);
        Ok(load)
    }
}

/// What an answer means. Only one that echoes batch and lease is the collector's own.
async fn reply(response: Response, asked: &Append) -> Reply {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if status == 429 || status == 503 {
        return Reply::Busy { status, retry_after: retry_after.map(Duration::from_secs) };
    }
    let body = match body_of(response, ANSWER_MAX).await {
        Ok(body) => body,
        Err(text) => return Reply::Lost { text },
    };
    let own = |answer: &Answer| answer.batch == asked.batch && answer.lease == asked.lease;
    let answer = wire::decode::<Answer>(&body).ok().filter(own);
    match (status, answer) {
        (200, Some(answer)) => Reply::Answer(answer),
        (200, None) => Reply::Lost { text: "200 without this batch's number: not the collector's answer".into() },
        (400..=499, Some(answer)) => {
            Reply::Refused { status, text: format!("the collector answered {status}"), answer: Some(answer) }
        }
        (400..=499, None) => Reply::Refused { status, text: refusal(status, &body), answer: None },
        _ => Reply::Lost { text: refusal(status, &body) },
    }
}

/// What a collector says in problem details (RFC 9457): the sentence in them.
#[derive(serde::Deserialize)]
struct Problem {
    detail: String,
}

/// The status with what the answer says, as far as it is a short text; whoever wrote it may be a stranger.
fn refusal(status: u16, body: &[u8]) -> String {
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let body = problem.as_ref().map_or(body, |problem| problem.detail.as_bytes());
    let text = String::from_utf8_lossy(&body[..body.len().min(TEXT_MAX)]);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return format!("the collector answered {status}");
    }
    let more = if body.len() > TEXT_MAX { " …" } else { "" };
    format!("the collector answered {status}: {text}{more}")
}

async fn body_of(mut response: Response, most: usize) -> Result<Vec<u8>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_in_one_short_line() {
        assert_eq!(
            refusal(400, b"version 9 is\nnot understood\x1b[31m\n"),
            "the collector answered 400: version 9 is not understood [31m"
        );
        let problem =
            br#"{"type":"about:blank","status":421,"code":"unknown_host","detail":"not to \u0022that\u0022 name"}"#;
        assert_eq!(refusal(421, problem), "the collector answered 421: not to \"that\" name");
        assert_eq!(refusal(404, b""), "the collector answered 404");
        let long = refusal(500, "x".repeat(9000).as_bytes());
        assert!(long.len() < 350 && long.ends_with('…'), "{long}");
    }
}
