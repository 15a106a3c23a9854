//! `siptrail watch` on one log, and what it says of it.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Api, Message, Siptrail, eventually};

/// A running `siptrail watch` on one log, which is quiet from its start.
pub struct Watched {
    _dir: TempDir,
    pub siptrail: Siptrail,
    pub api: Api,
}

impl Watched {
    /// Follows a copy of this log.
    pub async fn start(file: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let own = dir.path().join(file.file_name().expect("a name"));
        std::fs::copy(file, &own).expect("copied");
        let siptrail = Siptrail::watch(&dir.path().join("data"), &[&own]);
        let api = siptrail.api().await;
        Self { _dir: dir, siptrail, api }
    }

    /// Method, Call-ID (or path) and marks of each message, in the order of the log, once there are as many.
    pub async fn holds(&self, expect: &[&str]) -> Vec<Message> {
        eventually("all records are there, and as they should be", || async {
            let mut messages = self.api.messages("").await?;
            messages.sort_by_key(|message| message.json["offset"].as_u64());
            let found: Vec<String> = messages.iter().map(marks).collect();
            if found == expect { Ok(messages) } else { Err(format!("{found:#?}")) }
        })
        .await
    }

    /// The entry of a call in the list: of its scenario, or, before it has one, of the call itself.
    pub async fn listed(&self, call: &str) -> Value {
        eventually("the call is in the list", || async {
            let messages = self.api.messages(&format!("&call_id={}", call.replace('@', "%40"))).await?;
            let scenario = messages.iter().find_map(|m| m.json["scenario_id"].as_str());
            let calls = self.api.scenarios("").await?;
            let found = calls.iter().find(|entry| match scenario {
                Some(id) => entry["id"] == id,
                None => entry["call_id"] == call,
            });
            found.cloned().ok_or_else(|| format!("{calls:#?}"))
        })
        .await
    }

    /// The only stream, once nothing of it is left to be read or shown.
    pub async fn read_to_its_end(&self) -> Value {
        eventually("the log is read to its end", || async {
            let stream = self.api.all("streams", "").await?.into_iter().next().ok_or("no stream yet")?;
            if stream["lag_bytes"] == 0 { Ok(stream) } else { Err(stream.to_string()) }
        })
        .await
    }

    /// Its near misses by reason, once there are any.
    pub async fn misread(&self) -> Vec<Value> {
        eventually("near misses are counted", || async {
            let stream = self.api.all("streams", "").await?.into_iter().next().ok_or("no stream yet")?;
            let found = stream["near_misses_by_reason"].as_array().cloned().unwrap_or_default();
            if found.is_empty() { Err(stream.to_string()) } else { Ok(found) }
        })
        .await
    }

    pub async fn ends(self) {
        assert_eq!(self.siptrail.stop().await, Some(0));
    }
}

/// `INVITE c1@a`, with what is odd about it.
pub fn marks(message: &Message) -> String {
    let flags = message.json["flags"].as_array().cloned().unwrap_or_default();
    let flags = flags.iter().filter_map(Value::as_str).map(str::to_owned);
    let open = (message.json["provisional"] == true).then(|| "provisional".to_owned());
    let call = if message.kind.eq_ignore_ascii_case("sip") { format!(" {}", message.call_id) } else { String::new() };
    let all: Vec<String> = [format!("{}{call}", message.method)].into_iter().chain(open).chain(flags).collect();
    all.join(", ")
}
