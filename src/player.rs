//! Plays a recorded log: its records at their own pace, their header times moved to now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono_tz::Tz;
use record::format::{Format, Line};
use record::frame;
use record::span::SpanKind;
use record::time::Timestamp;
use tokio::io::AsyncWriteExt;

/// A log cut into pieces, each to be written when its record was.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    pieces: Vec<Piece>,
    /// What stands behind the last record.
    rest: Vec<u8>,
}

#[derive(Debug)]
struct Piece {
    time: Timestamp,
    before_time: Vec<u8>,
    after_time: Vec<u8>,
}

impl Recording {
    /// Cuts a log whose header times are epoch seconds with a fraction.
    pub fn cut(log: &[u8], path: &Path) -> Self {
        let format = Arc::new(Format::siptrail());
        let (mut pieces, mut written) = (Vec::new(), 0);
        for span in frame::spans(log, &format).into_iter().filter(|span| span.kind == SpanKind::Record) {
            let (start, end) = (span.start.0 as usize, span.end().0 as usize);
            let line = log[start..start + span.head as usize].trim_ascii_end();
            let Line::Header(header) = format.read(line, Tz::UTC) else { continue };
            let time_at = start + header.prefix.len() + 1;
            pieces.push(Piece {
                time: header.time,
                before_time: log[written..time_at].to_vec(),
                after_time: log[time_at + header.time_text.len()..end].to_vec(),
            });
            written = end;
        }
        Self { path: path.to_owned(), pieces, rest: log[written..].to_vec() }
    }

    /// When its first record was logged.
    pub fn begins(&self) -> Option<Timestamp> {
        self.pieces.iter().map(|piece| piece.time).min()
    }

    /// Writes it, each record when its time has come, so that a reader sees it grow. What was logged at `origin` is
    /// logged at `start`: logs of one recording take one origin, or the two ends of a message drift apart.
    pub async fn play(self, origin: Timestamp, start: Timestamp) -> anyhow::Result<()> {
        let told = || format!("cannot write {}", self.path.display());
        let mut file = tokio::fs::File::create(&self.path).await.with_context(told)?;
        let begin = tokio::time::Instant::now();
        for piece in &self.pieces {
            let after = piece.time.micros_since(origin).max(0);
            tokio::time::sleep_until(begin + Duration::from_micros(after.unsigned_abs())).await;
            let mut bytes = piece.before_time.clone();
            bytes.extend_from_slice(epoch(Timestamp(start.0 + after)).as_bytes());
            bytes.extend_from_slice(&piece.after_time);
            file.write_all(&bytes).await.with_context(told)?;
            file.flush().await.with_context(told)?;
        }
        file.write_all(&self.rest).await.with_context(told)?;
        file.flush().await.with_context(told)?;
        Ok(())
    }
}

fn epoch(time: Timestamp) -> String {
    format!("{}.{:06}", time.0.div_euclid(1_000_000), time.0.rem_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] = b"noise\n 1(2) INFO: [1795463759.100000][INVITE][sip:a][sip:b]\nINVITE sip:b SIP/2.0\r\nContent-Length: 0\r\n\r\n\n\
more noise\n 1(2) INFO: [1795463759.350000][ACK][sip:a][sip:b]\nACK sip:b SIP/2.0\r\nContent-Length: 0\r\n\r\n\n 1(2) INFO: last noise\n";

    #[tokio::test]
    async fn a_recording_is_played_at_its_own_pace_with_its_times_moved() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sip.log");
        let recording = Recording::cut(LOG, &path);
        let origin = recording.begins().expect("records");
        let began = tokio::time::Instant::now();
        recording.play(origin, Timestamp(2_000_000_000_000_000)).await.expect("played");
        assert!(began.elapsed() >= Duration::from_millis(250));
        let expected = String::from_utf8_lossy(LOG)
            .replace("1795463759.100000", "2000000000.000000")
            .replace("1795463759.350000", "2000000000.250000");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), expected);
    }
}
