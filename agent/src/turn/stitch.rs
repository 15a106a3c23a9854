//! A record that a rotation has cut: the framer goes on over the seam between two files of one log.

use std::io;

use record::frame::{Beyond, Resume};
use record::id::Offset;
use record::parts::{self, Protocol};
use record::span::{Continues, Flags, SpanKind};
use record::wire::{Unwrapped, WireSpan};

use super::spans::RECORD_MAX;
use super::{CHUNK, Close, Order, Turn, TurnEnd, Work};
use crate::content::{Content, Stat};
use crate::cursor::{After, Cursor, FramedEnd, Head, head_of};
use crate::parcel::{PARCEL, Parcel, weight_of};

/// Bytes of the younger file that are looked at, more and more: most records are short.
const WINDOWS: [u64; 3] = [64 << 10, 1 << 20, RECORD_MAX];
/// A first line of the younger file that is longer is no header, and is judged by its beginning.
const LINE: usize = 16 << 10;

/// What became of the end of a file and the head of the next.
#[derive(Debug)]
pub enum Stitch {
    /// The last record goes on in the next file: all that is final now up to the seam, in `Resume::beyond` how far it goes.
    Joined(Parcel),
    /// The one has nothing to do with the other.
    Apart,
    /// What is written so far does not tell.
    Open,
    /// The older file is not as the cursor has left it.
    Changed,
    Failed(io::Error),
}

/// The older file and after it, as if it were one, the younger.
struct Joined<'a, O, N> {
    old: &'a O,
    seam: u64,
    new: &'a N,
}

/// Frames over the seam from the older file, which was read to its end, into the younger one. The cursor is that of the older
/// file; where they are joined it stands at the seam after that. `last`: no more is waited for, so what the younger file holds
/// now is all of it.
pub fn stitch(
    cursor: &mut Cursor,
    old: &impl Content,
    new: &impl Content,
    last: bool,
    scratch: &mut Vec<u8>,
) -> Stitch {
    match over_the_seam(cursor, old, new, last, scratch) {
        Ok(Stitch::Open) if last => Stitch::Apart,
        Ok(found) => found,
        Err(error) => Stitch::Failed(error),
    }
}

fn over_the_seam(
    cursor: &mut Cursor,
    old: &impl Content,
    new: &impl Content,
    last: bool,
    scratch: &mut Vec<u8>,
) -> io::Result<Stitch> {
    let (from, seam) = (cursor.framed.at, cursor.seen);
    if old.stat()?.size != seam || !ends_as_read(cursor, old)? {
        return Ok(Stitch::Changed);
    }
    if cursor.unwrapped.is_some() || cursor.leading || from == seam || seam - from > RECORD_MAX {
        return Ok(Stitch::Apart);
    }
    let size = new.stat()?.size;
    let Some(line) = first_line(new)? else { return Ok(Stitch::Open) };
    let close = if last && ends_in_line_end(new, size)? { Close::AtEnd } else { Close::No };
    if cursor.framer.knows(line.trim_ascii_end()) {
        return Ok(Stitch::Apart);
    }
    for window in WINDOWS {
        let joined = Joined { old, seam, new };
        let again = Cursor::at(&cursor.framing, cursor.framed.clone(), cursor.head.clone(), false);
        let limit = usize::try_from(seam - from + window.min(size)).unwrap_or(usize::MAX);
        let order = Order { limit, parcel: PARCEL, close, tail: false };
        let turn = Turn::take(again, &joined, order, scratch);
        match turn.ended {
            TurnEnd::Failed(error) => return Err(error),
            TurnEnd::Changed => return Ok(Stitch::Changed),
            TurnEnd::More | TurnEnd::End | TurnEnd::Closed => {}
        }
        let spans: Vec<WireSpan> = turn.parcels.into_iter().flat_map(|parcel| parcel.spans).collect();
        if let Some(nth) = spans.iter().position(|span| span.end().0 > seam) {
            return Seam { cursor, old, new, at: seam, line }.join(spans, nth);
        }
        if size <= window {
            break;
        }
    }
    Ok(if size > RECORD_MAX { Stitch::Apart } else { Stitch::Open })
}

/// The bytes before the seam are still those that were read.
fn ends_as_read(cursor: &Cursor, old: &impl Content) -> io::Result<bool> {
    let last = cursor.last();
    let mut now = vec![0; last.len()];
    let have = old.fill(&mut now, cursor.seen - last.len() as u64)?;
    Ok(now[..have] == *last)
}

/// The last line of a file is there as a whole.
fn ends_in_line_end(content: &impl Content, size: u64) -> io::Result<bool> {
    let mut last = [0];
    Ok(size > 0 && content.fill(&mut last, size - 1)? == 1 && last == *b"\n")
}

/// The first line of a file with its line end, or the beginning of a long one. None: it is not there as a whole yet.
fn first_line(content: &impl Content) -> io::Result<Option<Vec<u8>>> {
    let mut head = vec![0; LINE];
    let have = content.fill(&mut head, 0)?;
    let end = memchr::memchr(b'\n', &head[..have]).map(|end| end + 1);
    Ok(end.or((have == LINE).then_some(LINE)).map(|end| {
        head.truncate(end);
        head
    }))
}

/// Two files at their seam.
struct Seam<'a, O, N> {
    cursor: &'a mut Cursor,
    old: &'a O,
    new: &'a N,
    /// The size of the older file.
    at: u64,
    /// The first of the younger file.
    line: Vec<u8>,
}

impl<O: Content, N: Content> Seam<'_, O, N> {
    /// Of these spans, framed over the seam, that one is the first which ends after it.
    fn join(self, mut spans: Vec<WireSpan>, nth: usize) -> io::Result<Stitch> {
        spans.truncate(nth + 1);
        let Some(mut last) = spans.pop().filter(|span| span.start.0 < self.at) else { return Ok(Stitch::Apart) };
        let (start, here) = (last.start, self.at - last.start.0);
        let in_line = self.cursor.window.last() != Some(&b'\n');
        let mut beyond = last.len - here;
        let note = &self.cursor.framed.note;
        let mut note = match last.kind {
            SpanKind::Record if is_whole(&last, in_line) => {
                let mut framer = self.cursor.framing.framer(start.0, note);
                framer.feed(&last.bytes[..last.head as usize], &mut Vec::new());
                last.unwrapped = Some(Box::new(Unwrapped { len: last.len, places: vec![(here, here)] }));
                Resume { before: Some(SpanKind::Record), shape: framer.resume().shape, ..Resume::default() }
            }
            SpanKind::Noise if in_line && self.line.ends_with(b"\n") => {
                beyond = self.line.len() as u64;
                Resume { before: Some(SpanKind::Noise), shape: note.shape.clone(), ..Resume::default() }
            }
            _ => return Ok(Stitch::Apart),
        };
        let crc = self.crc_beyond(beyond)?;
        let record = (last.kind == SpanKind::Record).then_some(start);
        note.beyond = Some(Beyond { len: beyond, crc, record });
        let (mut framed, mut lines) = (self.cursor.framed.clone(), 1);
        while framed.at < self.at {
            let mut bytes = vec![0; usize::try_from(self.at - framed.at).unwrap_or(CHUNK).min(CHUNK)];
            if self.old.fill(&mut bytes, framed.at)? < bytes.len() {
                return Ok(Stitch::Changed);
            }
            let noise = (start.0.max(framed.at) - framed.at) as usize;
            lines += memchr::memchr_iter(b'\n', bytes.get(noise..).unwrap_or_default()).count() as u64;
            framed.step(&bytes);
        }
        if last.kind == SpanKind::Noise {
            // What follows in the younger file is counted there.
            (last.lines, last.near_misses) = (lines, Vec::new());
        }
        for miss in &mut last.near_misses {
            // One that begins after the seam has its place at the end of what stands here.
            (miss.at, miss.lines) = (miss.at.min(Offset(self.at - 1)), miss.lines.min(here));
        }
        last.len = here;
        spans.push(last);
        framed.note = note;
        *self.cursor = Cursor::at(&self.cursor.framing, framed, self.cursor.head.clone(), false);
        let (guard, bytes) = (self.cursor.guard(), weight_of(&spans));
        Ok(Stitch::Joined(Parcel { spans, end: self.at, guard, bytes }))
    }

    fn crc_beyond(&self, len: u64) -> io::Result<u32> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let have = self.new.fill(&mut bytes, 0)?;
        Ok(crc32c::crc32c(&bytes[..have]))
    }
}

/// Beyond doubt the two halves are one record: by its own grammar it is as long as both together; or the older file ends
/// within a line, and what follows fits.
fn is_whole(record: &WireSpan, in_line: bool) -> bool {
    let doubt = Flags::AMBIGUOUS_BOUNDARY | Flags::LENGTH_MISMATCH;
    let fits = !record.flags.intersects(doubt) || (in_line && !record.flags.contains(Flags::LENGTH_MISMATCH));
    let message = record.bytes.get(record.head as usize..).unwrap_or_default();
    let parts = parts::parts(message);
    // Of several messages in one record, each has a place of its own in its file.
    let several = parts.len() > 1 && parts.iter().all(|part| part.protocol == Some(Protocol::Sip));
    fits && !several
}

impl<C: Content> Work<'_, C> {
    /// The head of the file belongs to the last record, or line, of the one before: it is a reference to that.
    pub(super) fn pass_over(&mut self) -> Result<(), TurnEnd> {
        let Some(After { stream, note }) = self.turn.cursor.after.take().map(|after| *after) else { return Ok(()) };
        let Some(beyond) = note.beyond.filter(|beyond| (1..=RECORD_MAX).contains(&beyond.len)) else { return Ok(()) };
        let cursor = &self.turn.cursor;
        if cursor.framed.at > 0 || cursor.seen > 0 {
            return Ok(());
        }
        let mut bytes = vec![0; usize::try_from(beyond.len).unwrap_or(usize::MAX)];
        let have = self.content.fill(&mut bytes, 0).map_err(TurnEnd::Failed)?;
        if (have as u64) < beyond.len || crc32c::crc32c(&bytes) != beyond.crc {
            return Ok(());
        }
        let kind = if beyond.record.is_some() { SpanKind::Fragment } else { SpanKind::Noise };
        let mut span = WireSpan::new(Offset(0), beyond.len, kind);
        span.of = beyond.record.map(|offset| Continues { stream, offset });
        let mut framed = FramedEnd::default();
        framed.step(&bytes);
        framed.note = Resume { beyond: None, ..note };
        let looked_at = cursor.head.len() > bytes.len();
        let head = if looked_at { Head::clone(&cursor.head) } else { head_of(&bytes) };
        self.turn.read += beyond.len;
        self.turn.cursor = Cursor::at(&cursor.framing, framed, head, false);
        self.buf.clear();
        self.buf.extend_from_slice(&self.turn.cursor.window);
        self.open.push(span);
        self.cut();
        Ok(())
    }
}

impl<O: Content, N: Content> Content for Joined<'_, O, N> {
    fn stat(&self) -> io::Result<Stat> {
        Ok(Stat { size: self.seam + self.new.stat()?.size, ..Stat::default() })
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let Some(before) = self.seam.checked_sub(at).filter(|before| *before > 0) else {
            return self.new.read_at(buf, at - self.seam);
        };
        let most = buf.len().min(usize::try_from(before).unwrap_or(buf.len()));
        self.old.read_at(&mut buf[..most], at)
    }

    fn data_from(&self, at: u64) -> io::Result<u64> {
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::Arc;

    use record::format::Format;
    use record::frame::Limits;
    use record::redact;

    use super::*;
    use crate::cursor::Framing;
    use crate::unwrapped::Wrapping;

    const HEADER: &str = "[1795463450][PUSH][sip:192.0.2.1][sip:192.0.2.7]\n";

    /// The older file read to its end, and what is found when it is looked over the seam to the younger one.
    fn looked(old: &str, new: &str, last: bool) -> (Cursor, Stitch) {
        let dir = tempfile::tempdir().unwrap();
        let files = [("old", old), ("new", new)].map(|(name, text)| {
            fs::write(dir.path().join(name), text).unwrap();
            File::open(dir.path().join(name)).unwrap()
        });
        let (format, masks) = (Arc::new(Format::siptrail()), redact::Rules::default());
        let framing = Framing { format, limits: Limits::default(), masks, wrapping: Wrapping::Nothing };
        let order = Order { limit: 64 << 20, parcel: PARCEL, close: Close::No, tail: false };
        let cursor = Cursor::new(&Arc::new(framing), old.as_bytes());
        let mut cursor = Turn::take(cursor, &files[0], order, &mut Vec::new()).cursor;
        let stitch = stitch(&mut cursor, &files[0], &files[1], last, &mut Vec::new());
        (cursor, stitch)
    }

    fn found(old: &str, new: &str) -> (Cursor, Stitch) {
        looked(old, new, false)
    }

    fn joined(old: &str, new: &str) -> (Cursor, WireSpan) {
        match found(old, new) {
            (cursor, Stitch::Joined(mut parcel)) => (cursor, parcel.spans.pop().unwrap()),
            (_, other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn near_misses_of_a_cut_record_lie_within_what_the_older_file_has_of_it() {
        let odd = "[11/05/2026 09:00:00][BYE][sip:a][sip:b]\n".repeat(3);
        let (_, span) = joined(&format!("{HEADER}to"), &format!("ken\n{odd}{HEADER}"));
        assert_eq!(&**span.bytes, format!("{HEADER}token\n{odd}").as_bytes());
        let [miss] = &span.near_misses[..] else { panic!("{:?}", span.near_misses) };
        assert!(span.start <= miss.at && miss.at < span.end() && miss.lines == 3, "{miss:?}");
    }

    #[test]
    fn a_cut_line_of_the_logger_counts_nothing_of_what_follows_it() {
        let odd = "[11/05/2026 09:00:00][BYE][sip:a][sip:b]\n";
        let whole = "2026-11-23 19:54:02 INFO x\n";
        let (cursor, span) = joined(&format!("{whole}2026-11-23 19:54:03 IN"), &format!("FO y\n{odd}{odd}{HEADER}"));
        assert_eq!((span.kind, span.lines, span.near_misses), (SpanKind::Noise, 1, Vec::new()));
        assert_eq!(cursor.framed.note.beyond.map(|beyond| (beyond.len, beyond.record)), Some((5, None)));
    }

    #[test]
    fn the_rest_of_a_record_may_be_one_long_line() {
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(100 << 10));
        let record = format!("{HEADER}{body}\n");
        for cut in [HEADER.len() + 1, 20 << 10] {
            let (_, span) = joined(&record[..cut], &format!("{}{HEADER}", &record[cut..]));
            assert_eq!((span.len, span.bytes.len()), (cut as u64, record.len()));
        }
        assert!(matches!(found(&record[..80], &record[80..9000]).1, Stitch::Open), "more may come");
    }

    #[test]
    fn a_record_cut_within_its_header_is_joined_at_last_though_nothing_follows_it() {
        let (old, new) = (format!("{HEADER}first\n{}", &HEADER[..30]), format!("{}second\n", &HEADER[30..]));
        assert!(matches!(found(&old, &new).1, Stitch::Open), "more of the second may come");
        let (_, Stitch::Joined(parcel)) = looked(&old, &new, true) else { panic!("they are one") };
        let texts: Vec<_> = parcel.spans.iter().map(|span| String::from_utf8_lossy(&span.bytes)).collect();
        assert_eq!(texts, [format!("{HEADER}first\n"), format!("{HEADER}second\n")]);
        assert!(matches!(looked(&old, &new[..new.len() - 1], true).1, Stitch::Apart), "its line has no end");
        assert!(matches!(looked(&old, "", true).1, Stitch::Apart));
    }

    #[test]
    fn what_begins_with_a_line_of_the_log_has_nothing_of_the_file_before() {
        for new in [HEADER, "2026-11-23 19:54:03 INFO y\n"] {
            assert!(matches!(found(&format!("{HEADER}to"), new).1, Stitch::Apart), "{new}");
        }
        // A line that stands after a whole line, and that no length asks for, may be anything.
        assert!(matches!(found(&format!("{HEADER}token\n"), &format!("opened\n{HEADER}")).1, Stitch::Apart));
    }
}
