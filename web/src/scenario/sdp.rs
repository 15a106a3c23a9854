//! SDP line by line (RFC 8866), each with what its letter stands for.

use super::text::{Piece, Room, pieces};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SdpLine {
    pub means: &'static str,
    pub text: Vec<Piece>,
}

/// `<div><dt></dt><dd></dd></div>` with the longest word.
const MARKUP: usize = 48;

pub fn is_sdp(body: &[u8]) -> bool {
    body.starts_with(b"v=")
}

/// The lines that there is room for, and how many bytes there is none for.
pub fn lines(body: &[u8], room: &mut Room) -> (Vec<SdpLine>, usize) {
    let mut out = Vec::new();
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.is_empty() {
            if !room.take(MARKUP) {
                return (out, body.len() - at);
            }
            let (pieces, left) = pieces(text, true, room);
            out.push(SdpLine { means: means(text), text: pieces });
            if left > 0 {
                return (out, body.len() - at - text.len() + left);
            }
        }
        at += line.len();
    }
    (out, 0)
}

fn means(line: &[u8]) -> &'static str {
    match line {
        [b'v', b'=', ..] => "version",
        [b'o', b'=', ..] => "origin",
        [b's', b'=', ..] => "session",
        [b'i', b'=', ..] => "title",
        [b'u', b'=', ..] => "URI",
        [b'e', b'=', ..] => "e-mail",
        [b'p', b'=', ..] => "phone",
        [b'c', b'=', ..] => "connection",
        [b'b', b'=', ..] => "bandwidth",
        [b't', b'=', ..] => "time",
        [b'r', b'=', ..] => "repeat",
        [b'z', b'=', ..] => "zones",
        [b'k', b'=', ..] => "key",
        [b'm', b'=', ..] => "media",
        [b'a', b'=', ..] => "attribute",
        _ => "no SDP",
    }
}
