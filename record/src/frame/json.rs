//! Finds the closing bracket of a JSON value, a byte at a time: depth and strings, no values.

/// Beyond this depth a value is text.
const DEPTH: u16 = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Json {
    depth: u16,
    in_string: bool,
    escaped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scan {
    /// The value goes on.
    More,
    /// It ends with the byte before this index.
    End(usize),
    /// Too deep.
    Broken,
}

impl Json {
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                at = self.string(bytes, at);
                continue;
            }
            match bytes[at] {
                b'"' => self.in_string = true,
                b'{' | b'[' if self.depth == DEPTH => return Scan::Broken,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Scan::End(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Scan::More
    }

    /// From inside a string to after its closing quote, or to the end.
    fn string(&mut self, bytes: &[u8], mut at: usize) -> usize {
        if std::mem::take(&mut self.escaped) {
            return at + 1;
        }
        match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
            None => bytes.len(),
            Some(found) => {
                at += found;
                if bytes[at] == b'"' {
                    self.in_string = false;
                } else {
                    self.escaped = true;
                }
                at + 1
            }
        }
    }
}

/// Does a line begin as a JSON object or array does? `[main] text` does not.
pub fn begins(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let Some(rest) = line.get(1..).map(<[u8]>::trim_ascii_start) else { return false };
    match line[0] {
        b'{' => matches!(rest.first(), None | Some(b'"' | b'}')),
        b'[' => {
            matches!(rest.first(), None | Some(b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9'))
                || [&b"true"[..], b"false", b"null"].iter().any(|word| rest.starts_with(word))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_at_its_own_bracket_however_it_is_cut() {
        let text = br#"{"a":"}]\"{\\","b":[1,{"c":null}]} rest"#;
        let end = text.len() - 5;
        for cut in 0..text.len() {
            let mut json = Json::default();
            let found = match json.scan(&text[..cut]) {
                Scan::End(at) => at,
                Scan::More => match json.scan(&text[cut..]) {
                    Scan::End(at) => cut + at,
                    other => panic!("{other:?}"),
                },
                Scan::Broken => panic!("not deep"),
            };
            assert_eq!(found, end, "cut at {cut}");
        }
    }

    #[test]
    fn depth_is_capped() {
        assert_eq!(Json::default().scan(&[b'['; 1025]), Scan::Broken);
        assert_eq!(Json::default().scan(&[b'['; 1024]), Scan::More);
    }

    #[test]
    fn text_in_brackets_is_not_json() {
        for (line, expect) in [
            ("{", true),
            ("  {\"a\":1}", true),
            ("[1]", true),
            ("[", true),
            ("[true]", true),
            ("[main] x", false),
            ("{x}", false),
            ("", false),
        ] {
            assert_eq!(begins(line.as_bytes()), expect, "{line}");
        }
    }
}
