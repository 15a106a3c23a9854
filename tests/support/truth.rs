//! The truth of a log: its records as a multiset of what was written.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Kind, method, Call-ID, length and SHA-256 of the message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Entry {
    pub kind: String,
    pub method: String,
    pub call_id: String,
    pub len: usize,
    pub sha256: String,
}

/// How often each record was written.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Truth(BTreeMap<Entry, usize>);

pub fn entry(kind: &str, method: &str, call_id: &str, body: &[u8]) -> Entry {
    let kind = kind.to_lowercase();
    Entry { kind, method: method.into(), call_id: call_id.into(), len: body.len(), sha256: sha256(body) }
}

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Truth {
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("the truth is readable");
        text.lines()
            .map(|line| {
                let fields: Vec<&str> = line.split('\t').collect();
                let [_, kind, method, call_id, len, sha256] = fields[..] else { panic!("not a line of truth: {line}") };
                Entry {
                    kind: kind.into(),
                    method: method.into(),
                    call_id: call_id.into(),
                    len: len.parse().expect("a length"),
                    sha256: sha256.into(),
                }
            })
            .collect()
    }

    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (entry, n) in other.0 {
            *self.0.entry(entry).or_default() += n;
        }
        self
    }

    pub fn len(&self) -> usize {
        self.0.values().sum()
    }

    pub fn count(&self, of: impl Fn(&Entry) -> bool) -> usize {
        self.0.iter().filter(|(entry, _)| of(entry)).map(|(_, n)| n).sum()
    }
}

impl FromIterator<Entry> for Truth {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut truth = Self::default();
        for entry in entries {
            *truth.0.entry(entry).or_default() += 1;
        }
        truth
    }
}

/// What is missing, too much, or twice; empty when both hold the same.
pub fn differences(wanted: &Truth, found: &Truth) -> Vec<String> {
    let mut out = Vec::new();
    for (entry, n) in &wanted.0 {
        let has = found.0.get(entry).copied().unwrap_or(0);
        if has != *n {
            out.push(format!("{has} of {n}: {entry:?}"));
        }
    }
    for (entry, n) in found.0.iter().filter(|(entry, _)| !wanted.0.contains_key(*entry)) {
        out.push(format!("{n} too many: {entry:?}"));
    }
    out
}
