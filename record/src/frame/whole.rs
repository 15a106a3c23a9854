//! A log from beginning to end: what a reader does with a framer, for logs that are whole.

use std::convert::Infallible;
use std::sync::Arc;

use super::{Framer, Limits, Next, Resume};
use crate::format::Format;
use crate::id::Offset;
use crate::span::Span;

/// What is read at once, unless the framer wants more.
const CHUNK: usize = 256 << 10;
/// Where framing goes on elsewhere little may be needed there: so much is read first.
const FIRST: usize = 4 << 10;

/// Frames a closed log that `read` fills buffers from: it gets an offset and a buffer and gives the number of bytes, fewer
/// than the buffer holds only at the end of the log. `spans` gets them as they become final. Memory is bounded by the
/// longest line that matters, not by the log.
pub fn frame<E>(
    format: &Arc<Format>,
    mut read: impl FnMut(Offset, &mut [u8]) -> Result<usize, E>,
    mut spans: impl FnMut(&[Span]),
) -> Result<(), E> {
    let mut framer = Framer::new(format.clone(), Offset(0), &Resume::default(), Limits::default());
    let (mut out, mut buf, mut at, mut size) = (Vec::new(), vec![0; CHUNK], Offset(0), CHUNK);
    loop {
        let have = read(at, &mut buf[..size])?;
        let next = if have > 0 { framer.feed(&buf[..have], &mut out) } else { framer.close(&mut out) };
        size = if next == Next::More { CHUNK } else { framer.wants().clamp(FIRST, CHUNK) };
        at = match next {
            Next::From(offset) => offset,
            Next::More if have == 0 => {
                spans(&out);
                return Ok(());
            }
            Next::More => at.plus(have as u64),
        };
        spans(&out);
        out.clear();
    }
}

/// All spans of a closed log that is in memory.
pub fn spans(log: &[u8], format: &Arc<Format>) -> Vec<Span> {
    let mut all = Vec::new();
    let read = |at: Offset, buf: &mut [u8]| {
        let rest = log.get(at.0 as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok::<_, Infallible>(len)
    };
    match frame(format, read, |spans| all.extend_from_slice(spans)) {
        Ok(()) => all,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_lengths_that_lie_little_is_read_again() {
        let record = "[1795463450][POST][http://a][http://b]\nPOST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\nab\n\n";
        let log = record.repeat(1000).into_bytes();
        let (mut read, mut records) = (0, 0);
        let fill = |at: Offset, buf: &mut [u8]| {
            let rest = log.get(at.0 as usize..).unwrap_or_default();
            let len = rest.len().min(buf.len());
            buf[..len].copy_from_slice(&rest[..len]);
            read += len;
            Ok::<_, Infallible>(len)
        };
        let framed = frame(&Arc::new(Format::siptrail()), fill, |spans| records += spans.len());
        assert_eq!((framed, records), (Ok(()), 1000));
        assert!(read < 1000 * 4 * FIRST, "{read} bytes read of {}", log.len());
    }
}
