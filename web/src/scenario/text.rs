//! Bytes of a stranger as text that can be shown: what has no picture of its own, or would turn the line around, is named.
//! What that takes on the page is bounded: a control byte is drawn with thirty times its size.

use std::ops::Range;

use record::redact::Mask;

use crate::visible::name;

/// A run of text with one look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    pub text: String,
    pub look: Look,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    Plain,
    Strong,
    /// Lights up with its other places; the number of its colour, which is that of a leg.
    Mark(usize),
    /// It is what the reader looks for.
    Found,
    /// The name of a control character or of a byte that is no text.
    Control,
    /// It was masked before it left its host.
    Masked,
}

/// Bytes of markup that are left for a pane. Each thing drawn takes of it; once it is spent, nothing more is drawn.
#[derive(Debug)]
pub struct Room(usize);

impl Room {
    /// What a whole pane may take.
    pub const PANE: usize = 256 << 10;

    pub fn pane() -> Self {
        Self(Self::PANE)
    }

    /// False: there is no room for so many bytes, nor for anything after them.
    pub fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.0;
        self.0 = if fits { self.0 - bytes } else { 0 };
        fits
    }
}

/// Text as it stands, with what cannot be shown named, and how many of its bytes the room does not hold. Line ends stay;
/// `line_ends` names them too.
pub fn pieces(bytes: &[u8], line_ends: bool, room: &mut Room) -> (Vec<Piece>, usize) {
    let mut out = Vec::new();
    let mut drawn = 0;
    for chunk in bytes.utf8_chunks() {
        let mut letters = chunk.valid().chars().peekable();
        while let Some(letter) = letters.next() {
            let fits = match letter {
                '\r' if letters.peek() == Some(&'\n') && !line_ends => true,
                '\n' if line_ends => named(&mut out, "LF", room) && plain(&mut out, '\n', room),
                '\n' | '\t' => plain(&mut out, letter, room),
                _ => match name(letter) {
                    Some(name) => named(&mut out, &name, room),
                    None => plain(&mut out, letter, room),
                },
            };
            if !fits {
                return (out, bytes.len() - drawn);
            }
            drawn += letter.len_utf8();
        }
        for byte in chunk.invalid() {
            if !named(&mut out, &format!("x{byte:02X}"), room) {
                return (out, bytes.len() - drawn);
            }
            drawn += 1;
        }
    }
    (out, 0)
}

/// The same, with masked ranges told: `at` of each mask counts from the start of `bytes`.
pub fn masked(bytes: &[u8], masks: &[Mask], line_ends: bool, room: &mut Room) -> (Vec<Piece>, usize) {
    let mut out = Vec::new();
    let mut from = 0;
    for mask in masks {
        let start = (mask.at as usize).clamp(from, bytes.len());
        let end = start.saturating_add(mask.len as usize).min(bytes.len());
        let (before, left) = pieces(&bytes[from..start], line_ends, room);
        out.extend(before);
        let told = mask_of(mask);
        if left > 0 || !room.take(cost(&told)) {
            return (out, bytes.len() - start + left);
        }
        out.push(told);
        from = end;
    }
    let (rest, left) = pieces(&bytes[from..], line_ends, room);
    out.extend(rest);
    (out, left)
}

pub fn mask_of(mask: &Mask) -> Piece {
    Piece { text: format!("masked, {} bytes", mask.len_before), look: Look::Masked }
}

/// The same with what the reader looks for marked, letters of either case, in at most `left` places.
pub fn found(pieces: Vec<Piece>, text: &str, left: &mut usize) -> Vec<Piece> {
    let text = text.to_ascii_lowercase();
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if text.is_empty() || *left == 0 || matches!(piece.look, Look::Control | Look::Masked) {
            out.push(piece);
            continue;
        }
        // Of the same length, byte by byte.
        let (lower, mut from) = (piece.text.to_ascii_lowercase(), 0);
        let part = |range: Range<usize>, look| Piece { text: piece.text[range].to_owned(), look };
        while let Some(at) = lower[from..].find(&text).filter(|_| *left > 0).map(|at| from + at) {
            out.extend((at > from).then(|| part(from..at, piece.look)));
            from = at + text.len();
            out.push(part(at..from, Look::Found));
            *left -= 1;
        }
        out.extend((from < lower.len()).then(|| part(from..lower.len(), piece.look)));
    }
    out
}

/// Plain text alone, without markup: for attributes.
pub fn flat(bytes: &[u8]) -> String {
    pieces(bytes, false, &mut Room::pane()).0.into_iter().map(|piece| piece.text).collect()
}

/// What a piece takes on the page.
pub fn cost(piece: &Piece) -> usize {
    MARKUP + piece.text.bytes().map(escaped).sum::<usize>()
}

/// `<span class="masked"></span>`
const MARKUP: usize = 32;

/// What a byte takes once it is escaped.
fn escaped(byte: u8) -> usize {
    if matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'') { 5 } else { 1 }
}

fn plain(out: &mut Vec<Piece>, letter: char, room: &mut Room) -> bool {
    let bytes = letter.len_utf8();
    let fits = room.take(if bytes == 1 { escaped(letter as u8) } else { bytes });
    match out.last_mut() {
        _ if !fits => {}
        Some(Piece { text, look: Look::Plain }) => text.push(letter),
        _ => out.push(Piece { text: letter.into(), look: Look::Plain }),
    }
    fits
}

fn named(out: &mut Vec<Piece>, name: &str, room: &mut Room) -> bool {
    let fits = room.take(MARKUP + name.len());
    if fits {
        out.push(Piece { text: name.to_owned(), look: Look::Control });
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], line_ends: bool) -> String {
        let text = |piece: Piece| match piece.look {
            Look::Control => format!("‹{}›", piece.text),
            Look::Masked => format!("[{}]", piece.text),
            _ => piece.text,
        };
        pieces(bytes, line_ends, &mut Room::pane()).0.into_iter().map(text).collect()
    }

    #[test]
    fn what_cannot_be_shown_is_named() {
        assert_eq!(shown(b"a\x1b[1m\0", false), "a‹ESC›[1m‹NUL›");
        assert_eq!(shown(b"\xff\xc3\xa9\xe2\x82", false), "‹xFF›é‹xE2›‹x82›");
        assert_eq!(shown("x\u{202e}gpj.exe\u{2066}".as_bytes(), false), "x‹U+202E›gpj.exe‹U+2066›");
    }

    #[test]
    fn line_ends_are_drawn_on_demand_and_a_bare_cr_always() {
        assert_eq!(shown(b"a\r\nb\nc\rd", false), "a\nb\nc‹CR›d");
        assert_eq!(shown(b"a\r\nb\nc\rd", true), "a‹CR›‹LF›\nb‹LF›\nc‹CR›d");
    }

    #[test]
    fn what_is_looked_for_is_marked_in_either_case() {
        let marked = |text: &str, wanted: &str, mut left: usize| {
            let (pieces, _) = pieces(text.as_bytes(), false, &mut Room::pane());
            let shown = |piece: Piece| match piece.look {
                Look::Found => format!("[{}]", piece.text),
                Look::Control => format!("‹{}›", piece.text),
                _ => piece.text,
            };
            found(pieces, wanted, &mut left).into_iter().map(shown).collect::<String>()
        };
        assert_eq!(marked("Über Bob, BOB\0bob", "bOb", 9), "Über [Bob], [BOB]‹NUL›[bob]");
        assert_eq!(marked("aaa", "aa", 9), "[aa]a");
        assert_eq!(marked("aaa", "a", 2), "[a][a]a");
        assert_eq!(marked("größe", "ÖSSE", 9), "größe");
        assert_eq!(marked("abc", "", 9), "abc");
        assert_eq!(marked("‹NUL›\0", "nul", 9), "‹[NUL]›‹NUL›", "the name of a control byte is ours");
    }

    #[test]
    fn a_mask_is_told_with_its_length() {
        let masks = [Mask { at: 2, len: 3, len_before: 40 }, Mask { at: 90, len: 3, len_before: 1 }];
        let (drawn, left) = masked(b"a ***, b", &masks, false, &mut Room::pane());
        let text: Vec<String> = drawn.into_iter().map(|piece| piece.text).collect();
        assert_eq!((text.join("|").as_str(), left), ("a |masked, 40 bytes|, b|masked, 1 bytes", 0));
    }

    #[test]
    fn what_has_no_room_is_counted_byte_by_byte() {
        let drawn = |bytes: &[u8], room: usize| {
            let (pieces, left) = pieces(bytes, true, &mut Room(room));
            (pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(), left)
        };
        assert_eq!(drawn(b"abc", 2), ("ab".into(), 1));
        assert_eq!(drawn("a<é".as_bytes(), 6), ("a<".into(), 2));
        assert_eq!(drawn(b"\0\0\xff", 2 * (MARKUP + 3)), ("NULNUL".into(), 1));
        assert_eq!(drawn(b"\0a", 10), (String::new(), 2), "once it is spent, nothing more is drawn");
        let mask = [Mask { at: 2, len: 3, len_before: 40 }];
        let (told, left) = masked(b"a ***, b", &mask, false, &mut Room(4));
        assert_eq!((told.len(), left), (1, 6));
    }
}
