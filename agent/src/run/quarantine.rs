//! Records that the collector cannot accept, kept on disk.

use std::io::{self, Read};
use std::sync::Arc;

use tracing::warn;

use crate::checkpoint::StateDirectory;
use crate::content::{Content, Handle};
use crate::ship::Tries;
use crate::unread::in_words;

/// Of a larger record so many bytes are kept: it shows what it is, and the rest stands in its log.
const MOST: u64 = 64 << 20;
/// Records that stand in their logs are copied as long as all that is kept stays below this.
const ALL: u64 = 1 << 30;

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
                let wanted = (*len).min(MOST);
                if state.quarantined() + wanted > ALL {
                    warn!(name, "the quarantine is full; a rejected record stays in its log only");
                    return Ok(());
                }
                let mut from = FileFrom { file, at: *start, fault: None };
                state.quarantine(name, (&mut from).take(wanted))?;
                let kept = from.at - start;
                if kept < wanted {
                    let why = from.fault.map_or("it is shorter now".to_owned(), |error| in_words(&error));
                    warn!(name, kept, why, "of a rejected record only its beginning could still be read");
                }
                Ok(())
            }
        }
    }
}

/// The bytes of a file from an offset on.
struct FileFrom<'a> {
    file: &'a Handle,
    at: u64,
    /// Why no more could be read: to try again would help nobody.
    fault: Option<io::Error>,
}

impl Read for FileFrom<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match Content::read_at(self.file, buf, self.at) {
            Ok(read) => {
                self.at += read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.fault = Some(error);
                Ok(0)
            }
        }
    }
}
