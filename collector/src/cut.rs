//! A span cut into the bytes of its messages: each with its place in the file, and with its own masks. Pure.

use std::borrow::Cow;
use std::ops::Range;

use record::redact::Mask;
use record::wire::WireSpan;

/// A stretch of a span.
#[derive(Debug)]
pub struct Cut<'a> {
    /// Bytes of the span before it, and its own, as they lie in the file.
    pub at: u64,
    pub len: u64,
    /// As sent.
    pub bytes: &'a [u8],
    /// Of the bytes, before masking.
    pub text_len: u64,
    /// From the start of these bytes.
    pub masked: Vec<Mask>,
}

/// The bytes of a span, as many as they are in the log, so that declared lengths fit: of what was masked only the
/// number is known.
pub fn as_in_file(span: &WireSpan) -> Cow<'_, [u8]> {
    if span.masked.is_empty() {
        return Cow::Borrowed(&span.bytes);
    }
    let mut bytes =
        Vec::with_capacity(usize::try_from(span.text_len()).unwrap_or(span.bytes.len()).min(2 * span.bytes.len()));
    let mut from = 0;
    for mask in &span.masked {
        bytes.extend_from_slice(&span.bytes[from..mask.at as usize]);
        bytes.resize(bytes.len() + mask.len_before as usize, b'~');
        from = (mask.at + mask.len) as usize;
    }
    bytes.extend_from_slice(&span.bytes[from..]);
    Cow::Owned(bytes)
}

/// A stretch that begins and ends beside masks, told by places in the log.
pub fn cut(span: &WireSpan, text: Range<usize>) -> Cut<'_> {
    let sent = sent_at(span, text.start)..sent_at(span, text.end);
    let within = |mask: &&Mask| sent.start <= mask.at as usize && (mask.at + mask.len) as usize <= sent.end;
    let masked = span.masked.iter().filter(within).map(|mask| Mask { at: mask.at - sent.start as u32, ..*mask });
    Cut {
        at: span.in_file(text.start as u64),
        // Places that do not ascend are refused before.
        len: span.in_file(text.end as u64).saturating_sub(span.in_file(text.start as u64)),
        text_len: text.len() as u64,
        bytes: &span.bytes[sent.clone()],
        masked: masked.collect(),
    }
}

/// Where a byte of the file stands in what was sent.
fn sent_at(span: &WireSpan, in_file: usize) -> usize {
    // What was left out of the file, and put into what was sent, by the masks before it.
    let (mut out, mut put) = (0, 0);
    for mask in &span.masked {
        let at = mask.at as usize - put + out;
        if at + mask.len_before as usize > in_file || at == in_file {
            break;
        }
        (out, put) = (out + mask.len_before as usize, put + mask.len as usize);
    }
    (in_file - out + put).min(span.bytes.len())
}

#[cfg(test)]
mod tests {
    use record::id::Offset;
    use record::redact::{self, Rules};
    use record::span::SpanKind;
    use serde_bytes::ByteBuf;

    use super::*;

    fn masked(text: &str) -> WireSpan {
        let mut span = WireSpan::new(Offset(0), text.len() as u64, SpanKind::Fragment);
        let (bytes, masks) = redact::mask(text.as_bytes(), 0, false, &Rules::default()).expect("something to mask");
        (span.bytes, span.masked) = (ByteBuf::from(bytes), masks);
        span
    }

    #[test]
    fn what_was_masked_is_as_long_as_in_the_file() {
        for text in ["Cookie: a\nb", "x\nCookie: a long one, longer than a mask\ny\nCookie: b\n"] {
            let span = masked(text);
            let shown = as_in_file(&span);
            assert_eq!(shown.len(), text.len());
            assert_eq!(shown.iter().position(|b| *b == b'\n'), text.find('\n'));
        }
    }

    #[test]
    fn a_stretch_has_its_place_in_the_file_and_its_own_masks() {
        let (first, second) = ("x\nCookie: a long one, longer than a mask\n", "y\nCookie: b\nz\n");
        let span = masked(&format!("{first}{second}"));
        let one = cut(&span, 0..first.len());
        let other = cut(&span, first.len()..first.len() + second.len());
        assert_eq!((one.bytes, one.masked.len()), (&b"x\nCookie: ~masked~\n"[..], 1));
        assert_eq!((other.bytes, other.at, other.len), (&b"y\nCookie: ~masked~\nz\n"[..], 41, 14));
        assert_eq!(other.masked, [Mask { at: 10, len: 8, len_before: 1 }]);
    }
}
