//! The header grammar and named formats: what a header line is (`docs/log-format.md`).

mod address;
mod brackets;
mod calendar;
#[cfg(test)]
mod laws;
mod near;
mod offset;
mod template;
mod timestamp;
mod within;

use chrono_tz::Tz;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::miss::Reason;
use crate::name::is_token;
use crate::time::Timestamp;
use template::Template;
use timestamp::Times;
pub use within::NearMisses;

/// A format as it stands in a config and travels to the collector: its definition, not only its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub name: String,
    /// Placeholders `{prefix}{time}{method}{source}{destination}` and the text between them.
    pub header: String,
    /// A strptime pattern; none = the built-in time forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Linear-time regular expressions on bytes: lines that are noise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise: Vec<String>,
}

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Format {
    definition: Definition,
    layout: Layout,
    times: Times,
    noise: Vec<Regex>,
}

#[derive(Clone, Debug)]
enum Layout {
    /// The default, by hand: it is asked for each line that ends in a group.
    Brackets,
    Template(Template),
}

/// Where a layout found its five fields; whether they are good is asked later.
struct Fields<'a> {
    prefix: &'a [u8],
    time: &'a [u8],
    method: &'a [u8],
    source: &'a [u8],
    destination: &'a [u8],
    /// Groups with blanks between them: ordinary log lines have such groups, too.
    apart: bool,
}

/// The fields of a header line, borrowed from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// What the logger wrote before the header.
    pub prefix: &'a [u8],
    pub time: Timestamp,
    pub time_text: &'a [u8],
    /// The local time occurs twice; the earlier reading was taken.
    pub ambiguous_time: bool,
    pub method: &'a [u8],
    pub source: &'a [u8],
    pub destination: &'a [u8],
}

/// What a line is to the header grammar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    Header(Header<'a>),
    /// Four groups with a good time that fail another test; [`Format::near_miss`] knows more.
    NearMiss(Reason),
    Other,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    #[error("format {name}: {what}")]
    Pattern { name: String, what: String },
}

/// A header line is at most this long, prefix included, line end not.
pub const LONGEST_HEADER: usize = 16 << 10;

const SIPTRAIL: &str = "{prefix}[{time}][{method}][{source}][{destination}]";
const LONGEST_METHOD: usize = 32;
/// What some editors and Windows write at the head of a file in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";
const MOST_NOISE: usize = 64;
const LONGEST_NOISE: usize = 4096;
/// Bytes of one compiled noise pattern, and again of its lazy automaton.
const NOISE_SIZE: usize = 1 << 20;

impl Format {
    /// `[timestamp][method][source url][destination url]`, the default.
    pub fn siptrail() -> Self {
        Self {
            definition: Definition { name: "siptrail".into(), header: SIPTRAIL.into(), time: None, noise: Vec::new() },
            layout: Layout::Brackets,
            times: Times::BuiltIn,
            noise: Vec::new(),
        }
    }

    /// Bounded whatever the definition says: it may come from a stranger.
    /// The error is a sentence that says what is wrong and how to mend it.
    pub fn compile(definition: Definition) -> Result<Self, Error> {
        let wrong = |what| Error::Pattern { name: definition.name.clone(), what };
        let layout = match &*definition.header {
            SIPTRAIL => Layout::Brackets,
            pattern => Layout::Template(Template::compile(pattern).map_err(wrong)?),
        };
        let times = match &definition.time {
            None => Times::BuiltIn,
            Some(pattern) => Times::pattern(pattern).map_err(wrong)?,
        };
        if definition.noise.len() > MOST_NOISE {
            return Err(wrong(format!("noise has more than {MOST_NOISE} patterns; join some with |")));
        }
        let noise = definition.noise.iter().map(|p| noise_pattern(p)).collect::<Result<_, _>>().map_err(wrong)?;
        Ok(Self { definition, layout, times, noise })
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// A cheap test before [`Format::read`]: false = it is not a header and no near miss.
    #[inline]
    pub fn candidate(&self, line: &[u8]) -> bool {
        let line = without_cr(line);
        match &self.layout {
            Layout::Brackets => brackets::ends_in_group(line),
            Layout::Template(template) => template.candidate(line),
        }
    }

    /// Does one of the definition's own noise patterns match? Built-in shapes and prefixes are the framer's.
    #[inline]
    pub fn is_noise(&self, line: &[u8]) -> bool {
        !self.noise.is_empty() && self.is_own_noise(without_bom(without_cr(line)))
    }

    fn is_own_noise(&self, line: &[u8]) -> bool {
        self.noise.iter().any(|pattern| pattern.is_match(line))
    }

    /// Reads a line without its LF; a CR at its end belongs to the line end. `zone` is for times without an offset.
    pub fn read<'a>(&self, line: &'a [u8], zone: Tz) -> Line<'a> {
        let whole = without_cr(line);
        let line = without_bom(whole);
        let fields = match &self.layout {
            Layout::Brackets => brackets::split(line),
            Layout::Template(template) => template.split(line, |text| self.times.read(text, zone).is_some()),
        };
        let Some(fields) = fields.filter(|fields| !fields.apart || fields.name_addresses()) else { return Line::Other };
        let time = if matches!(self.layout, Layout::Brackets) { trim_blanks(fields.time) } else { fields.time };
        let Some(reading) = self.times.read(time, zone) else { return Line::Other };
        if let Some(reason) = fields.fault(whole) {
            return Line::NearMiss(reason);
        }
        Line::Header(Header {
            prefix: &whole[..whole.len() - line.len() + fields.prefix.len()],
            time: reading.time,
            time_text: fields.time,
            ambiguous_time: reading.ambiguous,
            method: fields.method,
            source: fields.source,
            destination: fields.destination,
        })
    }
}

impl Fields<'_> {
    /// Both addresses are such beyond doubt, and one at least is known.
    fn name_addresses(&self) -> bool {
        let both = [self.source, self.destination].map(<[u8]>::trim_ascii);
        both.iter().all(|text| address::is_address(text)) && both.iter().any(|text| address::is_known_address(text))
    }
}

/// On bytes, without Unicode tables: `\d` is 0–9 and a pattern may name any byte.
fn noise_pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST_NOISE {
        return Err(format!("a noise pattern is longer than {LONGEST_NOISE} bytes; give shorter ones"));
    }
    RegexBuilder::new(pattern).unicode(false).size_limit(NOISE_SIZE).dfa_size_limit(NOISE_SIZE).build().map_err(|e| {
        let why = match e {
            regex::Error::CompiledTooBig(_) => "it is too big; use smaller repetitions".into(),
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        };
        format!("noise pattern {pattern:?} cannot be used: {why}")
    })
}

/// A token of RFC 3261 section 25.1, of 1 to 32 bytes.
fn is_method(text: &[u8]) -> bool {
    text.len() <= LONGEST_METHOD && is_token(text)
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// It stands at the head of a file, and at the seams of files that were joined.
pub(crate) fn without_bom(line: &[u8]) -> &[u8] {
    line.strip_prefix(BOM).unwrap_or(line)
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let blanks = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !blanks(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blanks(byte)).map_or(start, |at| at + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[2026-11-23 19:53:58.132][INVITE][sip:10.0.0.1:5060;transport=tcp][sip:[2001:db8::1]:5060]";

    fn read(line: &str) -> Line<'_> {
        let format = Format::siptrail();
        let read = format.read(line.as_bytes(), Tz::UTC);
        assert!(read == Line::Other || format.candidate(line.as_bytes()), "all but other lines are candidates: {line}");
        read
    }

    fn header(line: &str) -> Header<'_> {
        match read(line) {
            Line::Header(header) => header,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn definition(header: &str, time: Option<&str>, noise: &[&str]) -> Definition {
        let (time, noise) = (time.map(String::from), noise.iter().copied().map(String::from).collect());
        Definition { name: "pbx".into(), header: header.into(), time, noise }
    }

    #[test]
    fn a_header_line_is_read_into_its_fields() {
        let header = header(LINE);
        assert_eq!(header.time.to_string(), "2026-11-23T19:53:58.132000Z");
        assert_eq!(header.time_text, b"2026-11-23 19:53:58.132");
        assert!(!header.ambiguous_time);
        assert_eq!(
            [header.prefix, header.method, header.source, header.destination].map(String::from_utf8_lossy),
            ["", "INVITE", "sip:10.0.0.1:5060;transport=tcp", "sip:[2001:db8::1]:5060"]
        );
    }

    #[test]
    fn the_prefixes_of_kamailio_and_logback_are_read() {
        for (prefix, fields) in [
            (" 2(28536) INFO: {1}<script>: ", "[1795463450.798149][INVITE][sip:127.0.0.1:5063][sip:127.0.0.1:5070]"),
            (
                "2026-11-23 19:53:58.132 INFO  [Thread-0] c.e.Transport - ",
                "[2026-11-23 19:53:58.132][POST][http://10.0.0.1:8080][https://api.example.com/v1/calls/7]",
            ),
            ("[main]", LINE),
            ("\u{feff}", LINE),
        ] {
            assert_eq!(header(&format!("{prefix}{fields}")).prefix, prefix.as_bytes());
        }
    }

    #[test]
    fn the_cr_of_a_line_end_is_not_in_the_destination() {
        assert_eq!(header(&format!("{LINE}\r")), header(LINE));
    }

    #[test]
    fn a_field_with_a_space_is_exact_and_a_dash_is_not_known() {
        let header = header("[2026-11-23 19:53:58][200][-][ sip:a b ]");
        assert_eq!((header.source, header.destination), (&b"-"[..], &b" sip:a b "[..]));
    }

    #[test]
    fn a_good_time_with_another_field_that_is_wrong_is_a_near_miss() {
        let m33 = "M".repeat(33);
        let long = format!("{}{LINE}", "x".repeat(20 << 10));
        for line in [
            "[2026-11-23 19:53:58][INVITE][][sip:b]",
            "[2026-11-23 19:53:58][INVITE][sip:a][]",
            "[2026-11-23 19:53:58][INVITE][sip:a][ \t]",
            "[2026-11-23 19:53:58][][sip:a][sip:b]",
            "[2026-11-23 19:53:58][IN VITE][sip:a][sip:b]",
            "[2026-11-23 19:53:58][INV\u{ce}TE][sip:a][sip:b]",
            "[2026-11-23 19:53:58][sip:a][INVITE][sip:b]",
            &format!("[2026-11-23 19:53:58][{m33}][sip:a][sip:b]"),
            &long,
        ] {
            assert!(matches!(read(line), Line::NearMiss(_)), "{line}");
        }
        assert_eq!(header(&format!("[2026-11-23 19:53:58][{}][a][b]", &m33[1..])).method.len(), 32);
    }

    #[test]
    fn a_line_with_brackets_but_no_header_is_another_line() {
        for line in [
            "[2026-11-23 19:53:58][INVITE][sip:a][sip:b][call-7]",
            "[2026-13-23 19:53:58][INVITE][sip:a][sip:b]",
            "[main][INFO][a][b]",
            "[2026-11-23 19:53:58][INVITE][sip:a]",
            "[2026-11-23 19:53:58] [INFO] [main] [a:b]",
            "[2026-11-23 19:53:58] [INFO] [pool-1] [192.0.2.1]",
            "[2026-11-23 19:53:58] [INVITE] [-] [-]",
            "[2026-11-23 19:53:58]-[INVITE]-[sip:a]-[sip:b]",
            "[2026-11-23 19:53:58, [\"INVITE\"], [\"sip:a\"], [\"sip:b\"]]",
            "[[1795463450],[1],[2],[3]]",
            "- [x] [a](http://a) [b](http://b) [c]",
            "[2026-11-23 19:53:58][INVITE][sip:a][sip:b].",
            "[1,2,3]",
            "]",
            "",
            "\r",
        ] {
            assert_eq!(read(line), Line::Other, "{line}");
        }
    }

    #[test]
    fn blanks_between_the_groups_ask_for_addresses_that_are_such_beyond_doubt() {
        for line in [
            "[2026-11-23 19:53:58] [INVITE] [sip:a] [sip:b]",
            "[2026-11-23 19:53:58]\t[180]  [192.0.2.1:5060] [-]",
            "2026-11-23 INFO [main] - [2026-11-23 19:53:58] [POST] [http://a] [https://b] ",
        ] {
            assert!(!header(line).method.is_empty(), "{line}");
        }
        let header = header("[main] [2026-11-23 19:53:58 +01:00] [INVITE] [sip:a] [sip:b]\x1b[0m\r");
        assert_eq!((header.prefix, header.destination), (&b"[main] "[..], &b"sip:b"[..]));
        assert_eq!(header.time_text, b"2026-11-23 19:53:58 +01:00");
        assert_eq!(read("[2026-11-23 19:53:58] [IN VITE] [sip:a] [sip:b]"), Line::NearMiss(Reason::Method));
    }

    #[test]
    fn blanks_around_the_time_are_not_of_it() {
        let header = header("[ 2026-11-23 19:53:58.132 ][BYE][a][b]");
        assert_eq!(header.time.to_string(), "2026-11-23T19:53:58.132000Z");
        assert_eq!(header.time_text, b" 2026-11-23 19:53:58.132 ", "the text is as it was logged");
    }

    #[test]
    fn a_byte_order_mark_is_of_the_prefix_in_any_layout() {
        let marked = format!("\u{feff}{LINE}");
        let Header { prefix, .. } = header(&marked);
        assert_eq!(prefix, "\u{feff}".as_bytes());
        let format = Format::compile(definition("{time} {method} {source} -> {destination}", None, &["^# "])).unwrap();
        let line = "\u{feff}2026-11-23 19:53:58 BYE a -> b";
        let Line::Header(header) = format.read(line.as_bytes(), Tz::UTC) else { panic!() };
        assert_eq!((header.prefix, header.time_text), ("\u{feff}".as_bytes(), &b"2026-11-23 19:53:58"[..]));
        assert!(format.is_noise("\u{feff}# a remark".as_bytes()));
    }

    #[test]
    fn a_header_line_is_at_most_16_kib_long_with_its_prefix() {
        let fit = format!("{}{LINE}", "x".repeat(LONGEST_HEADER - LINE.len()));
        header(&format!("{fit}\r"));
        assert_eq!(read(&format!("x{fit}")), Line::NearMiss(Reason::TooLong));
    }

    #[test]
    fn an_hour_that_occurs_twice_is_told() {
        let Line::Header(header) = Format::siptrail().read(b"[2026-10-25 02:30:00][BYE][a][b]", Tz::Europe__Berlin)
        else {
            panic!()
        };
        assert!(header.ambiguous_time);
        assert_eq!(header.time.to_string(), "2026-10-25T00:30:00.000000Z");
    }

    #[test]
    fn bytes_that_are_no_text_stay_in_their_fields() {
        let line = b"\xff\0[1795463450][BYE][\xe9\xed\xa0\x80][\0]";
        let Line::Header(header) = Format::siptrail().read(line, Tz::UTC) else { panic!() };
        assert_eq!(
            (header.prefix, header.source, header.destination),
            (&b"\xff\0"[..], &b"\xe9\xed\xa0\x80"[..], &b"\0"[..])
        );
    }

    #[test]
    fn the_format_of_a_pbx_is_configured() {
        let format = Format::compile(definition(
            "{prefix}{time} {method} {source} -> {destination}",
            Some("%d/%m/%Y %H:%M:%S%.3f"),
            &["^# ", r"^\xff\d+$"],
        ))
        .unwrap();
        let line = b"pbx 7: 23/11/2026 19:53:58.132 INVITE sip:10.0.0.1 -> sip:10.0.0.2\r";
        assert!(format.candidate(line));
        let Line::Header(header) = format.read(line, Tz::Asia__Seoul) else { panic!() };
        assert_eq!(header.time.to_string(), "2026-11-23T10:53:58.132000Z");
        assert_eq!((header.prefix, header.time_text), (&b"pbx 7: "[..], &b"23/11/2026 19:53:58.132"[..]));
        assert_eq!((header.source, header.destination), (&b"sip:10.0.0.1"[..], &b"sip:10.0.0.2"[..]));
        assert_eq!(
            format.read(b"23/11/2026 19:53:58.132 INVITE  -> sip:10.0.0.2", Tz::UTC),
            Line::NearMiss(Reason::Address)
        );
        assert_eq!(
            format.read(b"23/11/2026 19:53:58.132 IN\xff sip:a -> sip:b", Tz::UTC),
            Line::NearMiss(Reason::Method)
        );
        assert!(!format.candidate(LINE.as_bytes()));
        assert!(format.is_noise(b"# a remark"));
        assert!(format.is_noise(b"\xff12\r"));
        assert!(!format.is_noise(b"x # "));
    }

    #[test]
    fn the_default_definition_compiles_to_the_default_and_may_take_another_time() {
        let default = Format::siptrail();
        let compiled = Format::compile(default.definition().clone()).unwrap();
        assert!(matches!(compiled.layout, Layout::Brackets));
        assert!(!compiled.is_noise(b"anything"));
        let apache = Format::compile(definition(SIPTRAIL, Some("%d/%b/%Y:%H:%M:%S%.f %z"), &[])).unwrap();
        let line = b"[23/Nov/2026:19:53:58.132 +0900][BYE][sip:[::1]][sip:b]";
        assert!(matches!(apache.read(line, Tz::UTC), Line::Header(header) if header.source == b"sip:[::1]"));
    }

    #[test]
    fn a_definition_that_cannot_work_is_refused_with_what_to_do() {
        let error = |header: &str, time, noise: &[&str]| Format::compile(definition(header, time, noise)).unwrap_err();
        insta::assert_snapshot!(error("{time}", None, &[]), @"format pbx: header has no {method}; each of time, method, source, destination is needed once");
        insta::assert_snapshot!(error(SIPTRAIL, Some("%H:%M"), &[]), @r#"format pbx: time "%H:%M" does not tell a whole date and time; it needs year, month, day, hour and minute (or %s)"#);
        insta::assert_snapshot!(error(SIPTRAIL, Some("%Y %Q"), &[]), @r#"format pbx: time "%Y %Q" has an unknown % letter; see the strptime letters, such as %Y %m %d"#);
        insta::assert_snapshot!(error(SIPTRAIL, None, &["^#", "(a"]), @r#"format pbx: noise pattern "(a" cannot be used: unclosed group"#);
        insta::assert_snapshot!(error(SIPTRAIL, None, &["((a{100}){100}){100}"]), @r#"format pbx: noise pattern "((a{100}){100}){100}" cannot be used: it is too big; use smaller repetitions"#);
        insta::assert_snapshot!(error(SIPTRAIL, None, &["a"; 65]), @r#"format pbx: noise has more than 64 patterns; join some with |"#);
    }
}
