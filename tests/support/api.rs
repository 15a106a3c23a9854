//! The read API as a client sees it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::truth::{Entry, Truth, entry};

/// A client of one collector.
#[derive(Clone)]
pub struct Api {
    pub url: String,
    client: reqwest::Client,
}

/// A client that goes to this host, whatever proxy the environment names.
pub fn client() -> reqwest::Client {
    // The tests speak plain HTTP; the provider is needed to build a client at all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// A message of the API, with its body as bytes.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub kind: String,
    pub method: String,
    pub call_id: String,
    pub body: Vec<u8>,
    pub json: Value,
}

impl Api {
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), client: client() }
    }

    pub async fn get(&self, path: &str) -> Result<Value, String> {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.map_err(|e| e.to_string())?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| e.to_string())?;
        if !status.is_success() {
            return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&bytes)));
        }
        serde_json::from_slice(&bytes).map_err(|e| format!("{path}: {e}"))
    }

    pub async fn page(&self, path: &str) -> Result<String, String> {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.map_err(|e| e.to_string())?;
        let status = response.status();
        let text = response.text().await.map_err(|e| e.to_string())?;
        if status.is_success() { Ok(text) } else { Err(format!("{path}: {status}")) }
    }

    /// All items of a paged list.
    pub async fn all(&self, list: &str, query: &str) -> Result<Vec<Value>, String> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/v1/{list}?limit=1000{query}{after}")).await?;
            items.extend(page[list].as_array().ok_or_else(|| format!("no {list} in {page}"))?.iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    pub async fn messages(&self, query: &str) -> Result<Vec<Message>, String> {
        self.all("messages", query).await?.into_iter().map(message).collect()
    }

    pub async fn scenarios(&self, query: &str) -> Result<Vec<Value>, String> {
        self.all("scenarios", query).await
    }

    /// Calls as the list has them, at least so many, once it has been worked out what happened in each.
    pub async fn settled(&self, number: usize) -> Vec<Value> {
        super::eventually("all calls are settled", || async {
            // What stands last in a log is not joined yet.
            let calls = self.scenarios("&class=call").await?;
            let calls: Vec<Value> = calls.into_iter().filter(|call| !call["id"].is_null()).collect();
            let waiting = calls.iter().filter(|call| call["problems"].is_null()).count();
            let enough = calls.len() >= number && waiting == 0;
            if enough { Ok(calls) } else { Err(format!("{waiting} of {} wait", calls.len())) }
        })
        .await
    }

    pub fn id(of: &Value) -> String {
        of["id"].as_str().expect("an id").to_owned()
    }

    /// The page of a call that was forked to three devices.
    pub async fn forked_call(&self) -> String {
        let calls = self.scenarios("").await.expect("scenarios");
        let forked = calls.iter().find(|call| call["callee"] == "bob").expect("a forked call");
        format!("/s/{}", Self::id(forked))
    }

    /// Ids of the rows a scenario's page has, as the API draws them.
    pub async fn rows(&self, page: &str) -> Vec<String> {
        let scenario = self.get(&page.replace("/s/", "/api/v1/scenarios/")).await.expect("a scenario");
        scenario["rows"].as_array().expect("rows").iter().map(Self::id).collect()
    }

    /// What the collector holds, as the truth counts it.
    pub async fn truth(&self) -> Result<Truth, String> {
        Ok(self.messages("").await?.iter().map(Message::entry).collect())
    }
}

impl Message {
    pub fn entry(&self) -> Entry {
        entry(&self.kind, &self.method, &self.call_id, &self.body)
    }
}

fn message(json: Value) -> Result<Message, String> {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let body = match (text("body"), text("body_base64")) {
        (Some(body), _) => body.into_bytes(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).map_err(|e| e.to_string())?,
        (None, None) => return Err(format!("no body in {json}")),
    };
    Ok(Message {
        id: text("id").ok_or("no id")?,
        kind: text("kind").ok_or("no kind")?,
        method: text("method").ok_or("no method")?,
        call_id: text("call_id").unwrap_or_default(),
        body,
        json,
    })
}
