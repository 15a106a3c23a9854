//! Laws of the header grammar: what holds for any bytes.

use chrono_tz::Tz;
use proptest::prelude::*;
use regex::bytes::Regex;

use super::timestamp::Times;
use super::{Definition, Error, Format, Layout, Line, SIPTRAIL};
use crate::time::Timestamp;

fn definition(header: &str, time: Option<&str>, noise: &[&str]) -> Definition {
    let (time, noise) = (time.map(String::from), noise.iter().copied().map(String::from).collect());
    Definition { name: "pbx".into(), header: header.into(), time, noise }
}

fn utc(text: &str) -> Option<i64> {
    Times::BuiltIn.read(text.as_bytes(), Tz::UTC).map(|r| r.time.0)
}

/// Headers with blanks and colours between their groups.
fn apart() -> impl Strategy<Value = Vec<u8>> {
    let mark = "( |\\t|\\x1b\\[[0-9;]{0,4}[mK]){0,3}";
    let line =
        format!("[a-z ]{{0,5}}\\[1795463450\\]{mark}\\[BYE\\]{mark}\\[sip:a\\]{mark}\\[(sip:\\[::1\\]|-)\\]{mark}");
    proptest::string::bytes_regex(&line).expect("a pattern")
}

/// Bytes that stand between two fields.
fn between(format: &Format, rest: &[u8]) -> usize {
    let pattern = match format.layout {
        Layout::Brackets => r"^(?:[ \t]|\x1b\[[0-9;:]*[mK])*",
        Layout::Template(_) => "^(?: -> | )?",
    };
    Regex::new(pattern).expect("a pattern").find(rest).map_or(0, |found| found.len())
}

proptest! {
    #[test]
    fn headers_with_blanks_and_colours_between_their_groups_are_read(line in apart()) {
        prop_assert!(matches!(Format::siptrail().read(&line, Tz::UTC), Line::Header(h) if h.source == b"sip:a"));
    }

    #[test]
    fn whatever_a_line_holds_its_fields_are_where_they_say(
        line in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            prop::collection::vec(prop::sample::select(b"[]][1795463450.2026-11-23 19:53:58ABa:/>\r\xff".to_vec()), 0..80),
            "[a-z ]{0,9}(\\[1795463450\\])?\\[[A-Z\\[]{0,3}\\]\\[[a-z\\[\\]]{0,5}\\]\\[[a-z ]{0,3}\\]".prop_map(String::into_bytes),
            apart(),
            "[a-z ]{0,9}1795463450 [A-Z]{0,3} [a-z>-]{0,5} -> [a-z ]{0,3}".prop_map(String::into_bytes),
        ],
    ) {
        let arrow = Format::compile(definition("{prefix}{time} {method} {source} -> {destination}", None, &["^# "])).unwrap();
        for format in [Format::siptrail(), arrow] {
            format.is_noise(&line);
            let read = format.read(&line, Tz::UTC);
            prop_assert!(read == Line::Other || format.candidate(&line));
            let Line::Header(h) = read else { continue };
            let whole = line.strip_suffix(b"\r").unwrap_or(&line);
            let (first, open, close) = match format.layout {
                Layout::Brackets => ([h.prefix, b"[", h.time_text].concat(), &b"["[..], &b"]"[..]),
                Layout::Template(_) => ([h.prefix, h.time_text].concat(), &b""[..], &b""[..]),
            };
            let mut rest = whole;
            for (open, field) in [(&b""[..], &first[..]), (open, h.method), (open, h.source), (open, h.destination)] {
                let group = [open, field, close].concat();
                prop_assert!(rest.starts_with(&group), "{:?} begins with {:?}", rest, group);
                rest = &rest[group.len()..];
                rest = &rest[between(&format, rest)..];
            }
            prop_assert!(rest.is_empty(), "{:?}", rest);
        }
    }

    #[test]
    fn whatever_a_definition_says_nothing_panics(header in "[{}a-z -]{0,60}", time in "(%?[a-zA-Z.:3]){0,12}", noise in "\\PC{0,20}") {
        for time in [None, Some(&*time)] {
            if let Err(Error::Pattern { what, .. }) = Format::compile(definition(&header, time, &[&noise])) {
                prop_assert!(!what.is_empty());
            }
        }
        if let Ok(format) = Format::compile(definition(SIPTRAIL, Some(&time), &[])) {
            format.read(b"[23/11/2026][BYE][a][b]", Tz::UTC);
        }
    }

    #[test]
    fn whatever_stands_there_nothing_panics(text in "[-+0-9:.,/TZ ]{0,40}|\\PC{0,30}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for zone in [Tz::UTC, Tz::Europe__Berlin, Tz::Pacific__Apia] {
            for times in [Times::BuiltIn, Times::pattern("%Y-%m-%d %H:%M:%S%.f").unwrap(), Times::pattern("%s").unwrap()] {
                times.read(text.as_bytes(), zone);
                times.read(&bytes, zone);
            }
        }
    }

    #[test]
    fn each_instant_is_read_as_it_is_written(micros in -62_000_000_000_000_000_i64..253_000_000_000_000_000) {
        let text = Timestamp(micros).to_string();
        prop_assert_eq!(utc(&text), Some(micros));
        prop_assert_eq!(utc(&text.replace('T', " ").replace('-', "/").replace('.', ",")), Some(micros));
    }

    #[test]
    fn a_local_time_of_any_year_has_a_reading(year in 0..10000, hour in 0..24, day in 1..29, month in 1..13) {
        let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:30:00");
        for zone in [Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::Pacific__Apia] {
            prop_assert!(Times::BuiltIn.read(text.as_bytes(), zone).is_some());
        }
    }
}
