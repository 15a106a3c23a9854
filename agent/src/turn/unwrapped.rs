//! A wrapped file: what was read is unwrapped, and that is what the framer is fed. Spans become ranges of the file again when
//! they are final.

use std::borrow::Cow;

use record::format::NearMisses;
use record::frame::Next;
use record::id::{Offset, first_16};
use record::miss::NearMiss;
use record::parts::{self, Protocol};
use record::span::{Cause, Flags, Span, SpanKind};
use record::wire::{self, WireSpan};
use record::wrapper::{Mark, Places, Text, Unwrapper, Wrapper};
use serde_bytes::ByteArray;
use sha2::{Digest, Sha256};

use super::close::is_cut;
use super::spans::{RECORD_MAX, fill, may_hide_headers};
use super::{CHUNK, KEPT, LOOK_BACK, TurnEnd, Work};
use crate::content::Content;
use crate::cursor::FramedEnd;
use crate::parcel::SPAN;
use crate::unwrapped::{Unwrapped, Wrapping};

/// A line of the file is unwrapped as a whole; longer ones go as they are.
const LONGEST: usize = 2 << 20;

impl<C: Content> Work<'_, C> {
    /// Finds out whether the file is wrapped: by its byte order mark, by the config, or by what was read of it.
    pub(super) fn wrap(&mut self) -> bool {
        let cursor = &self.turn.cursor;
        if cursor.unwrapped.is_some() {
            return true;
        }
        let (framed, seen) = (cursor.framed.at, cursor.seen);
        if cursor.leading || framed == seen {
            return false;
        }
        let noted = cursor.framed.note.unwrapper.map(|state| state.wrapper());
        let mark = Wrapper::of_mark(&cursor.head).filter(|_| noted.is_none_or(Wrapper::is_utf16));
        let known = match cursor.framing.wrapping {
            _ if mark.is_some() => mark.filter(|_| framed.is_multiple_of(2)),
            Wrapping::As(wrapper) => Some(wrapper),
            Wrapping::Recognised => noted,
            Wrapping::Nothing => None,
        };
        if let Some(wrapper) = known {
            if cursor.framing.wrapping == Wrapping::Recognised || wrapper.is_utf16() {
                self.turn.cursor.look.news = Some(wrapper);
            }
            self.begin_unwrapping(wrapper);
            return true;
        }
        if cursor.look.seen.is_over() || cursor.look.to >= seen {
            return false;
        }
        let from = framed.max(self.from()).max(seen.saturating_sub(2 * CHUNK as u64));
        let bytes = &self.buf[(from - self.from()) as usize..];
        let cursor = &mut self.turn.cursor;
        let found = cursor.look.take(bytes, seen, &cursor.framing.format);
        let found = found.filter(|_| cursor.framing.wrapping == Wrapping::Recognised);
        if let Some(wrapper) = found {
            self.begin_unwrapping(wrapper);
        }
        found.is_some()
    }

    /// From the end of the last final span on.
    fn begin_unwrapping(&mut self, wrapper: Wrapper) {
        let framed = &self.turn.cursor.framed;
        let state = framed.note.unwrapper.filter(|state| state.wrapper() == wrapper);
        let starts_line = framed.before.last().is_none_or(|byte| *byte == b'\n' || *byte == 0);
        let state = state.unwrap_or_else(|| match framed.at {
            0 => Unwrapper::new(wrapper),
            _ => Unwrapper::from_here(wrapper, starts_line),
        });
        self.turn.cursor.framed.note.unwrapper = Some(state);
        self.restart_unwrapped(state);
    }

    pub(super) fn restart_unwrapped(&mut self, state: Unwrapper) {
        let cursor = &mut self.turn.cursor;
        let at = cursor.framed.at;
        cursor.framer = cursor.framing.framer(at, &cursor.framed.note);
        cursor.unwrapped = Some(Box::new(Unwrapped::new(at, state)));
        cursor.at = cursor.seen;
    }

    /// Unwraps what was read, feeds the framer and takes the spans that are final; at the `end` of a closed file all of them.
    pub(super) fn feed_unwrapped(&mut self, end: bool) -> Result<(), TurnEnd> {
        let Some(mut unwrapped) = self.turn.cursor.unwrapped.take() else { return Ok(()) };
        let (at, state) = (self.turn.cursor.framed.at, self.turn.cursor.framed.note.unwrapper);
        if unwrapped.framed.raw != at {
            // A gap lies before it.
            let wrapper = unwrapped.framed.state.wrapper();
            let state = state.unwrap_or_else(|| Unwrapper::from_here(wrapper, true));
            self.restart_unwrapped(state);
            return self.feed_unwrapped(end);
        }
        let fed = self.unwrap(&mut unwrapped, end).and_then(|()| if end { self.end(&mut unwrapped) } else { Ok(()) });
        let state = unwrapped.framed.state;
        self.turn.cursor.at = self.turn.cursor.seen;
        self.turn.cursor.unwrapped = Some(unwrapped);
        // Framing goes back to before what could not be read again.
        fed.inspect_err(|_| self.restart_unwrapped(state))
    }

    fn unwrap(&mut self, unwrapped: &mut Unwrapped, end: bool) -> Result<(), TurnEnd> {
        let seen = self.turn.cursor.seen;
        unwrapped.closed = end;
        let mut want = CHUNK;
        while unwrapped.text.raw() < seen {
            let from = unwrapped.text.raw();
            let len = want.min(usize::try_from(seen - from).unwrap_or(want));
            let raw = self.bytes(from, len)?;
            let last = from + len as u64 == seen;
            unwrapped.text.take(&raw, end && last, &self.turn.cursor.framing.format);
            let taken = unwrapped.text.raw() > from;
            self.feed_text(unwrapped, end)?;
            unwrapped.trim(LOOK_BACK);
            match taken {
                true => want = CHUNK,
                // A line that is longer than the chunk, or has no end yet.
                false if last || want >= LONGEST => break,
                false => want = LONGEST,
            }
        }
        self.feed_text(unwrapped, end)
    }

    fn end(&mut self, unwrapped: &mut Unwrapped) -> Result<(), TurnEnd> {
        let mut spans = Vec::new();
        loop {
            let next = self.turn.cursor.framer.close(&mut spans);
            self.take_text(unwrapped, &mut spans, true)?;
            let Next::From(offset) = next else { return Ok(()) };
            unwrapped.at = offset.0;
            self.feed_text(unwrapped, true)?;
        }
    }

    fn feed_text(&mut self, unwrapped: &mut Unwrapped, end: bool) -> Result<(), TurnEnd> {
        let mut spans = Vec::new();
        while unwrapped.at < unwrapped.text.end() {
            let wanted = self.slice.max(self.turn.cursor.framer.wants());
            let bytes = self.text(unwrapped, unwrapped.at, wanted)?;
            let to = unwrapped.at + bytes.len() as u64;
            let next = self.turn.cursor.framer.feed(&bytes, &mut spans);
            unwrapped.at = match next {
                Next::More => to,
                Next::From(offset) => offset.0,
            };
            self.take_text(unwrapped, &mut spans, end)?;
        }
        self.take_text(unwrapped, &mut spans, end)
    }

    /// Takes spans that are final now, with the lines before, between and after them that say nothing.
    fn take_text(&mut self, unwrapped: &mut Unwrapped, spans: &mut Vec<Span>, end: bool) -> Result<(), TurnEnd> {
        if spans.is_empty() && !unwrapped.skips() {
            return Ok(());
        }
        let more = spans.iter().map(|span| SPAN + if span.kind == SpanKind::Noise { 0 } else { span.len as usize });
        if self.open.bytes + more.sum::<usize>() > self.parcel {
            self.cut();
        }
        let (mut framed, mut mark) = (self.turn.cursor.framed.clone(), unwrapped.framed);
        let taken = self.places(unwrapped, spans, &mut framed, &mut mark, end)?;
        spans.clear();
        if taken.is_empty() {
            return Ok(());
        }
        framed.note = self.turn.cursor.framer.resume();
        framed.note.unwrapper = Some(mark.state);
        self.turn.cursor.framed = framed;
        unwrapped.framed = mark;
        unwrapped.text.settle(mark);
        for span in taken {
            self.open.push(span);
        }
        if self.open.bytes >= self.parcel {
            self.cut();
        }
        Ok(())
    }

    /// Spans of the text as ranges of the file, with their bytes.
    fn places(
        &self,
        unwrapped: &Unwrapped,
        spans: &[Span],
        framed: &mut FramedEnd,
        mark: &mut Mark,
        end: bool,
    ) -> Result<Vec<WireSpan>, TurnEnd> {
        let mut taken = Vec::with_capacity(spans.len());
        for span in spans {
            taken.extend(self.between(unwrapped, framed, mark)?);
            let begin = std::mem::replace(mark, self.place(unwrapped, span.end().0)?);
            if mark.raw > begin.raw {
                taken.push(self.unwrapped_material(unwrapped, span, (begin, *mark), framed, end)?);
            }
        }
        taken.extend(self.between(unwrapped, framed, mark)?);
        Ok(taken)
    }

    /// Lines of the file between two spans that say nothing, such as those of the other output of a container.
    fn between(
        &self,
        unwrapped: &Unwrapped,
        framed: &mut FramedEnd,
        mark: &mut Mark,
    ) -> Result<Option<WireSpan>, TurnEnd> {
        let Some(Places::Between { first, last, lines }) = self.known(unwrapped, mark.text)? else { return Ok(None) };
        if last.raw <= mark.raw {
            return Ok(None);
        }
        let mut noise = WireSpan::new(Offset(mark.raw), last.raw - mark.raw, SpanKind::Noise);
        noise.lines = if first.raw >= mark.raw { lines } else { 1 };
        self.step(framed, last.raw)?;
        *mark = last;
        Ok(Some(noise))
    }

    /// A span with its bytes, as it is sent; it lies between two places.
    fn unwrapped_material(
        &self,
        unwrapped: &Unwrapped,
        span: &Span,
        (begin, end): (Mark, Mark),
        framed: &mut FramedEnd,
        closing: bool,
    ) -> Result<WireSpan, TurnEnd> {
        let mut out = WireSpan::new(Offset(begin.raw), end.raw - begin.raw, span.kind);
        (out.flags, out.lines) = (span.flags, span.lines);
        self.step(framed, end.raw)?;
        if may_hide_headers(span) {
            out.near_misses = self.near_misses(unwrapped, span)?;
        }
        if span.kind == SpanKind::Noise {
            return Ok(out);
        }
        if span.len > RECORD_MAX {
            let mut hash = Sha256::new();
            let mut at = span.start.0;
            while at < span.end().0 {
                let bytes = self.text(unwrapped, at, (span.end().0 - at).min(CHUNK as u64) as usize)?;
                hash.update(&bytes);
                at += bytes.len() as u64;
            }
            (out.kind, out.flags) = (SpanKind::Gap, Flags::empty());
            (out.cause, out.lost) = (Some(Cause::Rejected), Some(0));
            out.hash = ByteArray::new(first_16(&hash.finalize()));
            return Ok(out);
        }
        let bytes = self.text(unwrapped, span.start.0, span.len as usize)?;
        if bytes.len() as u64 != span.len {
            return Err(TurnEnd::Changed);
        }
        if closing && self.block_to.is_none() && end.raw == self.turn.cursor.seen && is_cut(span, &bytes) {
            out.flags = out.flags.union(Flags::CUT_BY_ROTATION);
        }
        let cut = span.kind == SpanKind::Fragment && begin.state.is_inside_line();
        fill(&mut out, span, &bytes, cut, &self.turn.cursor.framing.masks);
        let places = self.messages(unwrapped, span, begin, &bytes)?;
        out.unwrapped = Some(Box::new(wire::Unwrapped { len: span.len, places }));
        Ok(out)
    }

    /// Near misses in the text of a span, with their places in the file.
    fn near_misses(&self, unwrapped: &Unwrapped, span: &Span) -> Result<Vec<NearMiss>, TurnEnd> {
        let format = &self.turn.cursor.framing.format;
        let mut at = span.start.0 + u64::from(span.head);
        let mut search = NearMisses::new(format, Offset(at));
        while at < span.end().0 {
            let bytes = self.text(unwrapped, at, (span.end().0 - at).min(CHUNK as u64) as usize)?;
            search.take(&bytes);
            at += bytes.len() as u64;
        }
        let mut found = search.end();
        for miss in &mut found {
            miss.at = Offset(self.place(unwrapped, miss.at.0)?.raw);
        }
        Ok(found)
    }

    /// Where in the file the messages of a span begin and end, if it holds several or has none of its own.
    fn messages(
        &self,
        unwrapped: &Unwrapped,
        span: &Span,
        begin: Mark,
        bytes: &[u8],
    ) -> Result<Vec<(u64, u64)>, TurnEnd> {
        let head = span.head as usize;
        let mut ends: Vec<usize> = if span.kind == SpanKind::Record {
            let parts = parts::parts(&bytes[head..bytes.len() - usize::from(span.line_end)]);
            let several = parts.len() > 1 && parts.iter().all(|part| part.protocol == Some(Protocol::Sip));
            parts.iter().skip(1).filter(|_| several).map(|part| head + part.start).collect()
        } else {
            parts::messages_within(bytes).iter().flat_map(|part| [part.start, part.end]).collect()
        };
        ends.dedup();
        let mut places: Vec<(u64, u64)> = Vec::with_capacity(ends.len());
        for text in ends {
            let raw = self.place(unwrapped, span.start.0 + text as u64)?.raw.saturating_sub(begin.raw);
            if places.last().is_none_or(|last| last.1 < raw) {
                places.push((text as u64, raw));
            }
        }
        Ok(places)
    }

    /// Where in the file a place of the text is.
    fn place(&self, unwrapped: &Unwrapped, text: u64) -> Result<Mark, TurnEnd> {
        match self.known(unwrapped, text)? {
            Some(Places::Between { first, .. }) => Ok(first),
            Some(Places::Within { begin, end }) => {
                let raw = self.bytes(begin.raw, (end.raw - begin.raw) as usize)?;
                begin.find(text, &end, &raw, &self.turn.cursor.framing.format).ok_or(TurnEnd::Changed)
            }
            Some(Places::After(_)) | None => Err(TurnEnd::Changed),
        }
    }

    /// What is known of a place, if need be after unwrapping once more.
    fn known(&self, unwrapped: &Unwrapped, text: u64) -> Result<Option<Places>, TurnEnd> {
        match unwrapped.text.places(text) {
            Some(Places::After(mark)) => {
                let again = self.again_from(unwrapped, mark, text, text.saturating_add(1))?;
                Ok(again.places(text))
            }
            known => Ok(known),
        }
    }

    /// Bytes of the text, at most so many: from memory, or unwrapped once more.
    fn text<'u>(&self, unwrapped: &'u Unwrapped, at: u64, len: usize) -> Result<Cow<'u, [u8]>, TurnEnd> {
        if let Some(bytes) = unwrapped.text.bytes(at, len) {
            return Ok(Cow::Borrowed(bytes));
        }
        let mark = match unwrapped.text.places(at) {
            Some(Places::After(mark) | Places::Within { begin: mark, .. }) => mark,
            Some(Places::Between { first, .. }) => first,
            None => return Err(TurnEnd::Changed),
        };
        let again = self.again_from(unwrapped, mark, at, at.saturating_add(len as u64))?;
        again
            .bytes(at, len)
            .filter(|bytes| !bytes.is_empty())
            .map(|bytes| Cow::Owned(bytes.to_vec()))
            .ok_or(TurnEnd::Changed)
    }

    /// Unwraps once more from a place on, as far as a place of the text or to where unwrapping stands.
    fn again_from(&self, unwrapped: &Unwrapped, mark: Mark, from: u64, to: u64) -> Result<Text, TurnEnd> {
        let mut again = Text::new(mark);
        let (end, seen) = (unwrapped.text.raw(), self.turn.cursor.seen);
        let mut want = CHUNK;
        while again.end() < to && again.raw() < end {
            let at = again.raw();
            let len = want.min(usize::try_from(seen - at).unwrap_or(want));
            let raw = self.bytes(at, len)?;
            let closed = unwrapped.closed && at + len as u64 == seen;
            again.take(&raw, closed, &self.turn.cursor.framing.format);
            again.forget(from.min(again.end()));
            want = if again.raw() > at { CHUNK } else { LONGEST };
            if again.raw() == at && (len == LONGEST || at + len as u64 == seen) {
                return Err(TurnEnd::Changed);
            }
        }
        Ok(again)
    }

    /// Takes the bytes of the file up to here into what is known of it.
    fn step(&self, framed: &mut FramedEnd, to: u64) -> Result<(), TurnEnd> {
        while framed.at < to {
            let bytes = self.bytes(framed.at, (to - framed.at).min(CHUNK as u64) as usize)?;
            framed.step(&bytes);
        }
        Ok(())
    }

    /// What is not final yet, as if no more would come: its spans, as they are sent.
    pub(super) fn guess_unwrapped(&mut self, most: u64) -> Result<Option<Vec<WireSpan>>, TurnEnd> {
        let Some(unwrapped) = self.turn.cursor.unwrapped.take() else { return Ok(None) };
        let told = self.tail_of(&unwrapped, most);
        self.turn.cursor.unwrapped = Some(unwrapped);
        told.map(Some)
    }

    fn tail_of(&self, unwrapped: &Unwrapped, most: u64) -> Result<Vec<WireSpan>, TurnEnd> {
        let (end, mut spans) = (unwrapped.text.end(), Vec::new());
        if unwrapped.at < end || unwrapped.unfinished() > most {
            return Ok(Vec::new());
        }
        let mut framer = self.turn.cursor.framer.clone();
        while let Next::From(offset) = framer.presume(&mut spans) {
            let mut at = offset.0;
            while at < end {
                let bytes = self.text(unwrapped, at, self.slice.max(framer.wants()))?;
                at = match framer.feed(&bytes, &mut spans) {
                    Next::More => at + bytes.len() as u64,
                    Next::From(offset) => offset.0,
                };
            }
        }
        spans.extend(framer.tail());
        let (mut known, mut mark) = (self.turn.cursor.framed.clone(), unwrapped.framed);
        self.places(unwrapped, &spans, &mut known, &mut mark, false)
    }
}

/// What stays in memory between two turns.
pub(super) fn keep(unwrapped: &mut Unwrapped) {
    unwrapped.trim(KEPT);
}
