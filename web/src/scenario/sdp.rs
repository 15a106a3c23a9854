//! SDP line by line (RFC 8866), each with what its letter stands for.

use super::text::{Piece, pieces};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SdpLine {
    pub means: &'static str,
    pub text: Vec<Piece>,
}

/// None where the body does not begin as SDP does.
pub fn lines(body: &[u8]) -> Option<Vec<SdpLine>> {
    if !body.starts_with(b"v=") {
        return None;
    }
    let lines = body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines.filter(|line| !line.is_empty());
    Some(lines.map(|line| SdpLine { means: means(line), text: pieces(line, true) }).collect())
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
