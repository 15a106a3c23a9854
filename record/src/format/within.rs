//! The near misses within a span, found line by line in its bytes.

use super::{Format, LONGEST_HEADER};
use crate::id::Offset;
use crate::miss::NearMiss;

/// More of a line says nothing: it is longer than a header line can be.
const LINE: usize = LONGEST_HEADER + 2;

/// Takes the bytes of a span in pieces of any size. Holds one line at most, and of a long one its beginning.
#[derive(Debug)]
pub struct NearMisses<'f> {
    format: &'f Format,
    /// Where the line begins.
    line_at: Offset,
    /// What was taken of the line, if it began in an earlier piece.
    begun: Vec<u8>,
    at: Offset,
    found: Vec<NearMiss>,
}

impl<'f> NearMisses<'f> {
    /// Of a span, or the rest of one, that begins there.
    pub fn new(format: &'f Format, at: Offset) -> Self {
        Self { format, line_at: at, begun: Vec::new(), at, found: Vec::new() }
    }

    pub fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.begun.is_empty() {
                self.judge(line);
            } else {
                self.begin(line);
                let begun = std::mem::take(&mut self.begun);
                self.judge(&begun);
            }
            self.at = self.at.plus(end as u64 + 1);
            (self.line_at, rest) = (self.at, after);
        }
        self.begin(rest);
        self.at = self.at.plus(rest.len() as u64);
    }

    /// What was found, a reason each, with the first line of each as its example. A last line without an end counts.
    pub fn end(mut self) -> Vec<NearMiss> {
        let last = std::mem::take(&mut self.begun);
        self.judge(&last);
        self.found
    }

    fn begin(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn judge(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some((reason, shown)) = self.format.near_miss(line) {
            NearMiss::new(reason, 1, self.line_at, shown).add_to(&mut self.found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miss::Reason;

    const SPAN: &str = "2026-11-23 19:53:58 INFO tick\n\
        [23.11.2026 19:53][INVITE][sip:a][sip:b]\r\n\
        INVITE sip:b SIP/2.0\r\n\
        [23.11.2026 19:54][BYE][sip:a][sip:b]\n\
        [2026-11-23 19:53:58][INVITE][][sip:b]";

    fn found(text: &str, pieces: usize) -> Vec<NearMiss> {
        let format = Format::siptrail();
        let mut search = NearMisses::new(&format, Offset(100));
        text.as_bytes().chunks(pieces).for_each(|piece| search.take(piece));
        search.end()
    }

    #[test]
    fn lines_are_counted_by_reason_with_the_first_as_the_example_however_the_bytes_come() {
        let first = b"[23.11.2026 19:53][INVITE][sip:a][sip:b]";
        let expect = [
            NearMiss::new(Reason::Time, 2, Offset(130), first),
            NearMiss::new(Reason::Address, 1, Offset(232), b"[2026-11-23 19:53:58][INVITE][][sip:b]"),
        ];
        for pieces in [1, 2, 7, 64, 1000] {
            assert_eq!(found(SPAN, pieces), expect, "{pieces}");
        }
    }

    #[test]
    fn of_a_line_without_an_end_only_the_beginning_is_held() {
        let format = Format::siptrail();
        let mut search = NearMisses::new(&format, Offset(0));
        search.take(b"[2026-11-23 19:53:58][INVITE][sip:a][sip:b] ");
        for _ in 0..100 {
            search.take(&[b'x'; 4096]);
        }
        assert!(search.begun.len() <= LINE);
        let found = search.end();
        assert_eq!((found[0].reason, found[0].at, found.len()), (Reason::TooLong, Offset(0), 1));
    }
}
