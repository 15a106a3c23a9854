//! Records that the collector cannot accept, kept on disk.

use std::io::{self, Read};
use std::sync::Arc;

use tracing::warn;

use crate::checkpoint::StateDirectory;
use crate::content::{Content, Handle};
use crate::ship::Tries;

/// Of a larger record so many bytes are kept: it shows what it is, and the rest stands in its log.
const MOST: u64 = 64 << 20;

/// A record that goes to quarantine.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Bytes(Vec<u8>),
    /// It stands in this file.
    Range {
        file: Handle,
        start: u64,
        len: u64,
    },
}

/// Keeps a record that the collector cannot accept: until it is on disk, nothing of its stream is sent.
pub(super) async fn quarantine(state: Arc<StateDirectory>, name: String, record: Record, why: String) {
    let (record, mut tries) = (Arc::new(record), Tries::default());
    loop {
        let (state, file, record) = (Arc::clone(&state), name.clone(), Arc::clone(&record));
        let error = match tokio::task::spawn_blocking(move || record.keep(&state, &file)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(ended) => ended.to_string(),
        };
        if tries.is_first() {
            warn!(
                name,
                why, error, "a rejected record cannot be kept in quarantine; its log waits, and it is tried again"
            );
        }
        tokio::time::sleep(tries.backoff()).await;
    }
}

impl Record {
    fn keep(&self, state: &StateDirectory, name: &str) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => state.quarantine(name, bytes.as_slice()),
            Self::Range { file, start, len } => {
                state.quarantine(name, FileFrom { file, at: *start }.take((*len).min(MOST)))
            }
        }
    }
}

/// The bytes of a file from an offset on.
struct FileFrom<'a> {
    file: &'a Handle,
    at: u64,
}

impl Read for FileFrom<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = Content::read_at(self.file, buf, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
