//! Final statuses by the method they answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::CallEvent;
use crate::kind::Kind;
use record::time::Timestamp;

/// Methods that are kept: a scenario that opens with none of them tells no status.
const METHODS: usize = 16;
const INVITE: &str = "INVITE";

/// By method, REST and push under one empty name: each status with the time it was last seen.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Finals(BTreeMap<String, BTreeMap<u16, Timestamp>>);

/// The name that the finals of an event stand under.
pub fn method_of(event: &CallEvent) -> &str {
    if event.kind == Kind::Sip { &event.method } else { "" }
}

impl Finals {
    pub fn add(&mut self, method: &str, status: u16, time: Timestamp) {
        if !(200..700).contains(&status) {
            return;
        }
        let at = self.0.entry(method.to_owned()).or_default().entry(status).or_insert(time);
        *at = (*at).max(time);
        if self.0.len() > METHODS {
            // INVITE stays; of the others the least, so that the order of arrival does not matter.
            let last = self.0.keys().rev().find(|method| *method != INVITE).cloned();
            last.map(|method| self.0.remove(&method));
        }
    }

    pub fn join(&mut self, other: &Self) {
        for (method, statuses) in &other.0 {
            for (status, time) in statuses {
                self.add(method, *status, *time);
            }
        }
    }

    /// A 2xx if there was one, else the latest refusal that is not a challenge or a release.
    pub fn status(&self, method: Option<&str>) -> Option<u16> {
        let responses_alone = || self.0.get(INVITE).or_else(|| self.0.values().next());
        let finals = method.map_or_else(responses_alone, |method| self.0.get(method))?;
        if let Some((status, _)) = finals.iter().find(|(status, _)| **status < 300) {
            return Some(*status);
        }
        let decided = |status: u16| !matches!(status, 401 | 407 | 422 | 423 | 491);
        let latest = |counts: &dyn Fn(u16) -> bool| {
            let counted = finals.iter().filter(|(status, _)| counts(**status));
            counted.max_by_key(|(status, at)| (**at, **status)).map(|(status, _)| *status)
        };
        latest(&|status| decided(status) && status != 487).or_else(|| latest(&decided)).or_else(|| latest(&|_| true))
    }
}
