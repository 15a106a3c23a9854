//! Logs with lines that are nearly header lines: each log and reason is reported once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use record::miss::{NearMiss, Reason};
use record::wire::WireSpan;
use tracing::warn;

use crate::wording::shown;

/// So many are named: where all logs are misread, a few show why.
const NAMED: usize = 100;

/// What was read that is nearly a header line. Invariant: a log and a reason stand here once.
#[derive(Debug, Default)]
pub struct Misread {
    known: HashSet<(PathBuf, Reason)>,
    logs: Vec<(PathBuf, NearMiss)>,
}

impl Misread {
    /// Spans of a log were made, final or not.
    pub fn note(&mut self, log: &Path, spans: &[WireSpan]) {
        for miss in spans.iter().flat_map(|span| &span.near_misses) {
            if self.logs.len() >= NAMED || !self.known.insert((log.to_path_buf(), miss.reason)) {
                continue;
            }
            // The line itself may name people: it is shown where the log's messages are.
            let (log_name, reason, why) = (shown(log), miss.reason.name(), miss.reason.what());
            warn!(offset = %miss.at, reason, "lines of {log_name} are nearly header lines and are not read: {why}");
            self.logs.push((log.to_path_buf(), miss.clone()));
        }
    }

    /// The first line of each log and reason.
    pub fn logs(&self) -> &[(PathBuf, NearMiss)] {
        &self.logs
    }
}
