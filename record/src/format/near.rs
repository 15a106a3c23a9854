//! What is nearly a header line, and why it is none. It is only said on strong evidence: the logs of programs are full of
//! brackets.

use std::sync::LazyLock;

use chrono_tz::Tz;
use memchr::{memchr, memchr_iter, memchr2_iter};

use super::{Fields, Format, LONGEST_HEADER, Layout, Line, address, brackets, is_method, trim_blanks};
use crate::miss::Reason;
use crate::name::{is_http_method, is_sip_method};

/// The reason, and as much of the line as shows it.
pub type NearMiss<'l> = (Reason, &'l [u8]);

/// Runs of groups that are tried in one line.
const RUNS: usize = 4;
/// What is nearly a header has at least so many.
const LEAST_GROUPS: usize = 3;
/// So many groups are looked at from the end of a line.
const MOST_GROUPS: usize = 8;
/// Bytes of other signs between two groups.
const SIGNS: usize = 4;
/// What is shown of a message that begins in the header's own line.
const AFTER: usize = 16;

impl Format {
    /// Why a line without its line end is nearly a header line. None: it is one, or has nothing of one.
    pub fn near_miss<'l>(&self, line: &'l [u8]) -> Option<NearMiss<'l>> {
        if line.len() > LONGEST_HEADER + 1 {
            return self.in_long(line);
        }
        if self.candidate(line) {
            match self.read(line, Tz::UTC) {
                Line::Header(_) => return None,
                Line::NearMiss(reason) => return Some((reason, line)),
                Line::Other => {}
            }
        }
        if let Layout::Template(template) = &self.layout {
            let fields = template.split(line, looks_like_time);
            let time = fields.filter(|fields| looks_like_time(fields.time)).and_then(|f| time_not_understood(&f));
            let default = || (DEFAULT.candidate(line) && DEFAULT.is_header(line)).then_some(Reason::Layout);
            return time.or_else(default).map(|reason| (reason, line));
        }
        if is_wide(line) {
            return self.is_wide_header(line).then_some((Reason::Utf16, line));
        }
        if memchr_iter(b']', line).count() < LEAST_GROUPS || !may_have_groups(line) {
            return None;
        }
        let fields = brackets::split(line).filter(|fields| !self.is_time(fields.time));
        let time = fields.and_then(|fields| time_not_understood(&fields));
        let whole = time.or_else(|| self.coloured(line)).map(|reason| (reason, line));
        whole.or_else(|| self.in_a_run(line)).or_else(|| self.by_groups(line).map(|reason| (reason, line)))
    }

    /// Of a line that is longer than a header line can be.
    fn in_long<'l>(&self, line: &'l [u8]) -> Option<NearMiss<'l>> {
        if !matches!(self.layout, Layout::Brackets) || !may_have_groups(line) {
            return None;
        }
        if let Some((reason, shown)) = self.in_a_run(line) {
            return Some((if reason == Reason::Wrapper { reason } else { Reason::TooLong }, shown));
        }
        let run = runs(line).next()?;
        let begins = run.groups.windows(2).any(|pair| self.is_time(pair[0]) && is_known_method(pair[1]));
        begins.then_some((Reason::TooLong, line))
    }

    fn is_time(&self, text: &[u8]) -> bool {
        self.times.read(trim_blanks(text), Tz::UTC).is_some()
    }

    fn is_header(&self, line: &[u8]) -> bool {
        matches!(self.read(line, Tz::UTC), Line::Header(_))
    }

    /// Letters with a NUL each, which make a header without them.
    fn is_wide_header(&self, line: &[u8]) -> bool {
        let narrow: Vec<u8> = line.iter().copied().filter(|byte| *byte != 0 && *byte < 0xfe).collect();
        self.candidate(&narrow) && self.is_header(&narrow)
    }

    /// A header without its colours.
    fn coloured(&self, line: &[u8]) -> Option<Reason> {
        memchr(0x1b, line)?;
        let plain = brackets::without_codes(line);
        (plain.len() < line.len() && self.candidate(&plain) && self.is_header(&plain)).then_some(Reason::Colour)
    }

    /// A header that ends inside the line.
    fn in_a_run<'l>(&self, line: &'l [u8]) -> Option<NearMiss<'l>> {
        let ends = runs(line).filter(|run| run.groups.len() > 3 && run.end < line.len()).map(|run| run.end);
        let end = ends.take(RUNS).find(|end| *end <= LONGEST_HEADER && self.is_header(&line[..*end]))?;
        let reason = if is_escaped(&line[end..]) { Reason::Wrapper } else { Reason::TextAfter };
        Some((reason, &line[..line.len().min(end + AFTER)]))
    }

    /// Groups at the end of the line that are those of a header, and something more, less or between.
    fn by_groups(&self, line: &[u8]) -> Option<Reason> {
        let (groups, widest) = groups_from_end(line);
        let addressed = |groups: &[&[u8]]| groups.iter().any(|text| address::is_known_address(text.trim_ascii()));
        let is_method = |group: &[u8]| is_known_method(group) && group != b"INFO";
        let timed = groups.windows(2).position(|pair| self.is_time(pair[1]) && is_method(pair[0]));
        match timed {
            Some(2) if widest == Gap::Signs => addressed(&groups[..2]).then_some(Reason::Between),
            Some(2) => (widest == Gap::Blanks).then_some(Reason::Blanks),
            Some(at) => addressed(&groups[..at]).then_some(Reason::Groups),
            None if groups.len() == 3 => (is_method(groups[2]) && addressed(&groups[..2])).then_some(Reason::Groups),
            None if groups.len() >= 4 => {
                let four = &groups[..4];
                let all = four.iter().any(|g| self.is_time(g)) && four.iter().any(|g| is_method(g)) && addressed(four);
                all.then_some(Reason::Order)
            }
            None => None,
        }
    }
}

static DEFAULT: LazyLock<Format> = LazyLock::new(Format::siptrail);

impl Fields<'_> {
    /// Why these fields of a line, after a good time, are no header.
    pub(super) fn fault(&self, line: &[u8]) -> Option<Reason> {
        match () {
            () if line.len() > LONGEST_HEADER => Some(Reason::TooLong),
            () if !is_method(self.method) => Some(Reason::Method),
            () if !self.are_filled() => Some(Reason::Address),
            () => None,
        }
    }

    fn are_filled(&self) -> bool {
        !self.source.trim_ascii().is_empty() && !self.destination.trim_ascii().is_empty()
    }
}

/// The fields are those of a header but for the time.
fn time_not_understood(fields: &Fields<'_>) -> Option<Reason> {
    let addresses = [fields.source, fields.destination].map(<[u8]>::trim_ascii);
    let known = addresses.iter().filter(|text| address::is_known_address(text)).count();
    // INFO is a level of loggers, too.
    let named = is_known_method(fields.method) && (fields.method != b"INFO" || known == 2);
    let shown = match (named, known) {
        (true, 0) => looks_like_time(fields.time),
        (true, _) => true,
        (false, 2) => looks_like_time(fields.time) && is_method(fields.method) && !fields.apart,
        (false, _) => false,
    };
    (shown && fields.are_filled()).then_some(Reason::Time)
}

/// A method of SIP or HTTP, a status, or a push.
fn is_known_method(text: &[u8]) -> bool {
    is_sip_method(text) || is_http_method(text) || matches!(text, b"PUSH" | b"APNS" | b"FCM" | b"HMS" | b"WEBPUSH")
}

/// Digits with the signs of dates and times between them.
fn looks_like_time(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let signs = text.iter().any(|byte| b":/-.".contains(byte));
    let other = |byte: &u8| !byte.is_ascii_alphanumeric() && !b" \t:/-.,+".contains(byte);
    (5..=64).contains(&text.len()) && digits >= 4 && signs && !text.iter().any(other)
}

/// Cheap: most lines have no two groups.
fn may_have_groups(line: &[u8]) -> bool {
    memchr_iter(b']', line).any(|at| match &line[at + 1..] {
        [b'[' | b' ' | b'\t' | 0x1b, ..] => true,
        [sign, b'[' | b' ' | b'>', ..] => sign.is_ascii_punctuation(),
        _ => false,
    })
}

/// Every second byte is a NUL.
fn is_wide(line: &[u8]) -> bool {
    let Some(first) = line.first_chunk::<16>().filter(|first| first.contains(&0)) else { return false };
    let nuls = |odd: usize| first.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    (nuls(0) >= 7) != (nuls(1) >= 7)
}

/// What stands after a header: the escape of a line end, or the end of a string.
fn is_escaped(after: &[u8]) -> bool {
    let marks: [&[u8]; 6] = [b"#012", b"#015", b"\\n", b"\\r", b"\\u000", b"\""];
    marks.iter().any(|mark| after.starts_with(mark))
}

/// Groups that touch, but for blanks and colour codes.
struct Run<'l> {
    groups: Vec<&'l [u8]>,
    /// After the last bracket.
    end: usize,
}

/// The runs of groups in a line, from left to right.
fn runs(line: &[u8]) -> impl Iterator<Item = Run<'_>> {
    let is_code = |at: usize| line[at] == b'[' && at > 0 && line[at - 1] == 0x1b;
    let mut marks = memchr2_iter(b'[', b']', line).filter(move |at| !is_code(*at)).peekable();
    std::iter::from_fn(move || {
        let mut run = Run { groups: Vec::new(), end: 0 };
        let (mut depth, mut start) = (0_usize, 0);
        while let Some(&at) = marks.peek() {
            let begins = depth == 0 && line[at] == b'[' && !run.groups.is_empty();
            if begins && !brackets::may_stand_between(&line[run.end..at]) {
                return Some(run);
            }
            marks.next();
            match (line[at], depth) {
                (b'[', 0) => (start, depth) = (at + 1, 1),
                (b'[', _) => depth += 1,
                (_, 0) => {}
                (_, 1) => {
                    (depth, run.end) = (0, at + 1);
                    if run.groups.len() < MOST_GROUPS {
                        run.groups.push(&line[start..at]);
                    }
                }
                _ => depth -= 1,
            }
        }
        (!run.groups.is_empty()).then_some(run)
    })
}

/// The most that stands between groups.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Nothing,
    Blanks,
    Signs,
}

/// The groups at the end of a line, the last one first, with a few signs between them.
fn groups_from_end(line: &[u8]) -> (Vec<&[u8]>, Gap) {
    let (mut groups, mut widest, mut rest) = (Vec::new(), Gap::Nothing, line);
    while groups.len() < MOST_GROUPS {
        let blank = brackets::trim(rest);
        let is_sign = |byte: &&u8| byte.is_ascii_punctuation() && !b"[]".contains(byte) || b" \t".contains(byte);
        let signs = blank.iter().rev().take(SIGNS + 1).take_while(is_sign).count();
        let (before, gap) = match signs {
            0 if blank.len() == rest.len() => (blank, Gap::Nothing),
            0 => (blank, Gap::Blanks),
            _ if signs <= SIGNS && !groups.is_empty() => (&blank[..blank.len() - signs], Gap::Signs),
            _ => break,
        };
        let Some((left, group)) = brackets::group(before) else { break };
        if !groups.is_empty() {
            widest = widest.max(gap);
        }
        groups.push(group);
        rest = left;
    }
    (groups, widest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Definition;

    fn reason(line: &str) -> Option<Reason> {
        Format::siptrail().near_miss(line.as_bytes()).map(|(reason, _)| reason)
    }

    #[test]
    fn each_kind_of_near_miss_has_its_reason() {
        let long = format!("[2026-11-23 19:53:58][INVITE][sip:a][sip:b]{}", "x".repeat(20 << 10));
        for (line, expect) in [
            ("[11/20/2026 09:00:00][INVITE][sip:a][sip:b]", Reason::Time),
            ("[Nov 20 09:00:00][INVITE][-][sip:b]", Reason::Time),
            ("[1795463450.7981491234][INVITE][a][b]", Reason::Time),
            ("[main][INVITE][sip:a][sip:b]", Reason::Time),
            ("[20.11.2026 09:00][LOGIN][http://a][http://b]", Reason::Time),
            ("[2026-11-23 19:53:58][IN VITE][sip:a][sip:b]", Reason::Method),
            ("[2026-11-23 19:53:58][][sip:a][sip:b]", Reason::Method),
            ("[2026-11-23 19:53:58][INVITE][][sip:b]", Reason::Address),
            ("[2026-11-23 19:53:58][INVITE][sip:a][sip:b][call-7]", Reason::Groups),
            ("[2026-11-23 19:53:58][INVITE][sip:a]", Reason::Groups),
            ("2026-11-23 19:53:58 [INVITE][sip:a][sip:b]", Reason::Groups),
            ("[2026-11-23 19:53:58] [INVITE] [proxy] [gateway]", Reason::Blanks),
            ("[2026-11-23 19:53:58]-[INVITE]-[sip:a]-[sip:b]", Reason::Between),
            ("[2026-11-23 19:53:58],[INVITE],[sip:a] -> [sip:b]", Reason::Between),
            ("[INVITE][2026-11-23 19:53:58][sip:a][sip:b]", Reason::Order),
            ("[2026-11-23 19:53:58][INVITE][sip:a][sip:b] INVITE sip:b SIP/2.0", Reason::TextAfter),
            ("[2026-11-23 19:53:58][INVITE][sip:a][sip:b].", Reason::TextAfter),
            ("[\x1b[32m2026-11-23 19:53:58\x1b[0m][\x1b[1mINVITE\x1b[0m][sip:a][sip:b]", Reason::Colour),
            (r#"{"log":"[2026-11-23 19:53:58][INVITE][sip:a][sip:b]\n","stream":"stdout"}"#, Reason::Wrapper),
            ("Nov 23 19:53:58 h app: [2026-11-23 19:53:58][INVITE][sip:a][sip:b]#012INVITE sip:b", Reason::Wrapper),
            (&long, Reason::TooLong),
            (
                "\0[\x002\x000\x002\x006\0-\x001\x001\0-\x002\x003\0 \x001\x009\0:\x005\x003\0:\x005\x008\0]\0[\0B\0Y\0E\0]\0[\0s\0i\0p\0:\0a\0]\0[\0b\0]\0",
                Reason::Utf16,
            ),
        ] {
            assert_eq!(reason(line), Some(expect), "{line:?}");
        }
    }

    #[test]
    fn ordinary_log_lines_are_no_near_misses() {
        for line in [
            "",
            "2026-11-23 19:53:58.132 INFO  [main] c.e.App - started",
            "[2026-11-23 19:53:58] [INFO] [main] [a:b]",
            "[2026-11-23 19:53:58] [INFO] [pool-1] [192.0.2.1]",
            "[main][INFO][a][b]",
            "[main][INFO][a][192.0.2.1]",
            "[2026-11-23 19:53:58] [GET]",
            "127.0.0.1 - - [23/Nov/2026:19:53:58 +0100] \"GET / HTTP/1.1\" 200 512 \"-\" \"[x] [y]\"",
            "- [x] [a](http://a) [b](http://b) [c]",
            "[[1795463450],[1],[2],[3]]",
            "Nov 23 19:53:58 host kernel: [12345.678901] [drm] [200] [x]",
            "Via: SIP/2.0/UDP [2001:db8::1]:5060;received=[2001:db8::2]",
            r#"{"a":[1,2],"b":[[3],[4]]}"#,
            "\u{1b}[32mINFO\u{1b}[0m [main] started",
            "[2026-11-23 19:53:58][INVITE][sip:a][sip:b]",
        ] {
            assert_eq!(reason(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_message_that_begins_in_the_headers_line_is_not_shown() {
        let line = b"[2026-11-23 19:53:58][GET][http://a][http://b] GET / HTTP/1.1 Authorization: Bearer 123";
        let (reason, shown) = Format::siptrail().near_miss(line).unwrap();
        assert_eq!(reason, Reason::TextAfter);
        assert_eq!(shown, b"[2026-11-23 19:53:58][GET][http://a][http://b] GET / HTTP/1.1 ");
    }

    #[test]
    fn a_log_in_a_format_of_its_own_says_what_its_pattern_does_not_read() {
        let header = "{prefix}{time} {method} {source} -> {destination}".to_owned();
        let time = Some("%d/%m/%Y %H:%M:%S%.3f".to_owned());
        let format = Format::compile(Definition { name: "pbx".into(), header, time, noise: Vec::new() }).unwrap();
        let reason = |line: &str| format.near_miss(line.as_bytes()).map(|(reason, _)| reason);
        assert_eq!(reason("23/11/2026 19:53:58.132 INVITE sip:a -> sip:b"), None);
        assert_eq!(reason("23/11/2026 19:53:58.132 INVITE  -> sip:b"), Some(Reason::Address));
        assert_eq!(reason("2026-11-23 19:53:58.132 INVITE sip:a -> sip:b"), Some(Reason::Time));
        assert_eq!(reason("[2026-11-23 19:53:58][INVITE][sip:a][sip:b]"), Some(Reason::Layout));
        assert_eq!(reason("23/11/2026 19:53:58.132 started a -> b"), None);
    }

    #[test]
    fn strange_lines_are_looked_at_without_a_fault() {
        for line in
            ["]]]]] ]]] [[[ ]x[", "[[[[[[", "] [", "\u{1b}[", "[a]\u{1b}", "[][][][]", "[] [] [] [].", "]-[-]-["]
        {
            assert_eq!(reason(line), None, "{line:?}");
            for cut in 0..line.len() {
                let _ = Format::siptrail().near_miss(&line.as_bytes()[..cut]);
            }
        }
    }
}
