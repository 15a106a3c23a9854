//! Field 1 of a header: the time forms that are built in, and a source's own strptime pattern.

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::calendar::{self, Written, number};
use crate::time::{SECOND, Timestamp};

/// How a format reads its time field.
#[derive(Clone, Debug)]
pub(super) enum Times {
    BuiltIn,
    Pattern(Vec<Item<'static>>),
}

/// What a time field says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reading {
    pub time: Timestamp,
    /// The local time occurs twice; this is the earlier one.
    pub ambiguous: bool,
}

/// No time is written longer than this; also bounds the search for a time behind a prefix.
pub(super) const LONGEST: usize = 80;

impl Times {
    /// Compiles a strptime pattern. The error says what is wrong with it and how to mend it.
    pub fn pattern(pattern: &str) -> Result<Self, String> {
        let items = StrftimeItems::new(pattern).parse_to_owned().map_err(|_| {
            format!("time {pattern:?} has an unknown % letter; see the strptime letters, such as %Y %m %d")
        })?;
        let sample = DateTime::from_timestamp(1_795_463_638, 0).unwrap_or_default();
        let mut shown = String::new();
        let written = std::fmt::write(&mut shown, format_args!("{}", sample.format_with_items(items.iter())));
        if written.is_err() || shown.len() > LONGEST {
            return Err(format!("time {pattern:?} cannot be written in {LONGEST} bytes; give a shorter pattern"));
        }
        let times = Self::Pattern(items);
        match times.read(shown.as_bytes(), Tz::UTC) {
            Some(_) => Ok(times),
            None => Err(format!(
                "time {pattern:?} does not tell a whole date and time; it needs year, month, day, hour and minute (or %s)"
            )),
        }
    }

    /// `zone` is for times without an offset. None: this is no timestamp.
    pub fn read(&self, text: &[u8], zone: Tz) -> Option<Reading> {
        if text.len() > LONGEST {
            return None;
        }
        match self {
            Self::BuiltIn => match calendar::plain(text) {
                Some(written) => instant(written, zone),
                None => epoch(text).or_else(|| instant(calendar::other(text)?, zone)),
            },
            Self::Pattern(items) => by_pattern(text, items, zone),
        }
    }
}

/// `zone` is for a time without an offset.
fn instant(written: Written, zone: Tz) -> Option<Reading> {
    let mut reading = match written.offset {
        Some(seconds) => Reading { time: Timestamp(micros(written.local) - seconds * SECOND), ambiguous: false },
        None => in_zone(written.local, zone)?,
    };
    reading.time.0 += written.nanos / 1000;
    Some(reading)
}

/// The digits of an epoch time tell its unit: 9–10 seconds, 12–13 ms, 15–16 µs, 18–19 ns.
fn epoch(text: &[u8]) -> Option<Reading> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits);
    let fraction = match rest {
        [] => 0,
        rest => match calendar::fraction(rest) {
            Ok(([], nanos)) => nanos,
            _ => return None,
        },
    };
    let micros = match digits {
        9 | 10 => number(whole)? * SECOND + fraction / 1000,
        12 | 13 => number(whole)? * 1000 + fraction / 1_000_000,
        15 | 16 => number(whole)?,
        18 => number(whole)? / 1000,
        // 19 digits may be more than an i64 holds; the last three are cut anyway.
        19 => number(&whole[..16])?,
        _ => return None,
    };
    Some(Reading { time: Timestamp(micros), ambiguous: false })
}

fn by_pattern(text: &[u8], items: &[Item<'static>], zone: Tz) -> Option<Reading> {
    let text = std::str::from_utf8(text).ok()?;
    // strptime skips blanks before a number; a field does not begin or end with them.
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return None;
    }
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    let offset = parsed.offset();
    let local = parsed.to_naive_datetime_with_offset(offset.unwrap_or(0)).ok()?;
    if !(0..=9999).contains(&local.year()) {
        return None;
    }
    match offset {
        Some(seconds) => {
            Some(Reading { time: Timestamp(micros(local) - i64::from(seconds) * SECOND), ambiguous: false })
        }
        None if parsed.timestamp().is_some() => Some(Reading { time: Timestamp(micros(local)), ambiguous: false }),
        None => in_zone(local, zone),
    }
}

/// An hour that occurs twice takes the earlier reading. A local time that never was is read with the offset before the gap.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<Reading> {
    let offsets = zone.offset_from_local_datetime(&local);
    let seconds = match offsets {
        chrono::MappedLocalTime::Single(offset) => offset.fix().local_minus_utc(),
        // East of the other: the larger offset is the earlier instant.
        chrono::MappedLocalTime::Ambiguous(a, b) => a.fix().local_minus_utc().max(b.fix().local_minus_utc()),
        chrono::MappedLocalTime::None => before_gap(local, zone)?,
    };
    Some(Reading {
        time: Timestamp(micros(local) - i64::from(seconds) * SECOND),
        ambiguous: matches!(offsets, chrono::MappedLocalTime::Ambiguous(..)),
    })
}

/// The longest gap of any zone is a day (Samoa, 2011).
fn before_gap(local: NaiveDateTime, zone: Tz) -> Option<i32> {
    (1..=30).find_map(|hours| {
        let earlier = local.checked_sub_signed(TimeDelta::hours(hours))?;
        zone.offset_from_local_datetime(&earlier).latest().map(|offset| offset.fix().local_minus_utc())
    })
}

fn micros(local: NaiveDateTime) -> i64 {
    local.and_utc().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<i64> {
        Times::BuiltIn.read(text.as_bytes(), Tz::UTC).map(|r| r.time.0)
    }

    fn shown(text: &str, zone: Tz) -> String {
        Times::BuiltIn
            .read(text.as_bytes(), zone)
            .map_or("no timestamp".into(), |r| format!("{}{}", r.time, if r.ambiguous { " ambiguous" } else { "" }))
    }

    #[test]
    fn each_calendar_form_is_read() {
        for (text, expect) in [
            ("2026-11-23 19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("2026-11-23T19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("2026-11-23 19:53:58.132", "2026-11-23T19:53:58.132000Z"),
            ("2026-11-23 19:53:58,132", "2026-11-23T19:53:58.132000Z"),
            ("2026-11-23 19:53:58.1", "2026-11-23T19:53:58.100000Z"),
            ("2026-11-23T19:53:58.132+09:00", "2026-11-23T10:53:58.132000Z"),
            ("2026-11-23T19:53:58.132+0900", "2026-11-23T10:53:58.132000Z"),
            ("2026-11-23T19:53:58+09", "2026-11-23T10:53:58.000000Z"),
            ("2026-11-23T19:53:58.132-03:30", "2026-11-23T23:23:58.132000Z"),
            ("2026-11-23T19:53:58.132Z", "2026-11-23T19:53:58.132000Z"),
            ("2026-11-23T19:53:58Z", "2026-11-23T19:53:58.000000Z"),
            ("2026/11/23 19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("2026/11/23T19:53:58,5Z", "2026-11-23T19:53:58.500000Z"),
            ("2024-02-29 00:00:00", "2024-02-29T00:00:00.000000Z"),
            ("2016-12-31 23:59:60.5", "2017-01-01T00:00:00.500000Z"),
            ("2026-11-23  19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("2026-11-23, 19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("2026-11-23_19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("2026-11-23t19:53:58z", "2026-11-23T19:53:58.000000Z"),
            ("2026-11-23 19:53:58:132", "2026-11-23T19:53:58.132000Z"),
            ("2026-11-23 19.53.58,5", "2026-11-23T19:53:58.500000Z"),
            ("2026.11.23 19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("23.11.2026 19:53:58,132", "2026-11-23T19:53:58.132000Z"),
            ("20261123T195358.132Z", "2026-11-23T19:53:58.132000Z"),
            ("20261123T195358-0330", "2026-11-23T23:23:58.000000Z"),
            ("20261123 19:53:58.132", "2026-11-23T19:53:58.132000Z"),
        ] {
            assert_eq!(shown(text, Tz::UTC), expect, "{text}");
        }
    }

    #[test]
    fn an_offset_may_stand_apart_and_be_a_word() {
        for (offset, expect) in [
            (" +01:00", "18:53"),
            (" +0100", "18:53"),
            (" +01", "18:53"),
            ("  -03:30", "23:23"),
            (" Z", "19:53"),
            (" UTC", "19:53"),
            ("UTC", "19:53"),
            (" GMT", "19:53"),
            (" UT", "19:53"),
            (" UTC+1", "18:53"),
            (" GMT+01:00", "18:53"),
            (" CET", "18:53"),
            (" CEST", "17:53"),
            (" WEST", "18:53"),
            (" KST", "10:53"),
            ("+01:00[Europe/Berlin]", "18:53"),
            ("+09:00[America/Argentina/ComodRivadavia]", "10:53"),
            ("Z[UTC]", "19:53"),
            ("Z[Etc/GMT+0]", "19:53"),
            (" GMT+0100 (Central European Standard Time)", "18:53"),
        ] {
            for zone in [Tz::UTC, Tz::Asia__Seoul] {
                let text = format!("2026-11-23T19:53:58.004{offset}");
                assert_eq!(shown(&text, zone), format!("2026-11-23T{expect}:58.004000Z"), "{text}");
            }
        }
    }

    #[test]
    fn java_leaves_out_seconds_that_are_0() {
        assert_eq!(shown("2026-11-23T19:53+01:00[Europe/Berlin]", Tz::UTC), "2026-11-23T18:53:00.000000Z");
        assert_eq!(shown("2026-11-23T19:53Z", Tz::UTC), "2026-11-23T19:53:00.000000Z");
        for text in ["2026-11-23T19:53", "2026-11-23 19:53Z", "2026-11-23 19:53 +01:00"] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn months_and_weekdays_may_have_their_english_names() {
        for (text, expect) in [
            ("23/Nov/2026:19:53:58 +0100", "2026-11-23T18:53:58.000000Z"),
            ("23/Nov/2026:19:53:58.132 +0100", "2026-11-23T18:53:58.132000Z"),
            ("23/nov/2026:19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("23-NOV-2026 19:53:58.132", "2026-11-23T19:53:58.132000Z"),
            ("3 Nov 2026 19:53:58", "2026-11-03T19:53:58.000000Z"),
            ("Mon, 23 Nov 2026 19:53:58 +0100", "2026-11-23T18:53:58.000000Z"),
            ("Mon, 23 Nov 2026 19:53:58 GMT", "2026-11-23T19:53:58.000000Z"),
            ("Nov 23, 2026 19:53:58.132456789", "2026-11-23T19:53:58.132456Z"),
            ("Nov 23 2026 19:53:58", "2026-11-23T19:53:58.000000Z"),
            ("November 23, 2026 7:53:58 PM", "no timestamp"),
            ("November 23, 2026 07:53:58 PM", "2026-11-23T19:53:58.000000Z"),
            ("Mon Nov 23 19:53:58 2026", "2026-11-23T19:53:58.000000Z"),
            ("Tue Nov  3 19:53:58.123456 2026", "2026-11-03T19:53:58.123456Z"),
            ("Mon Nov 23 19:53:58 CET 2026", "2026-11-23T18:53:58.000000Z"),
            ("Mon Nov 23 2026 19:53:58 GMT+0100 (Central European Standard Time)", "2026-11-23T18:53:58.000000Z"),
        ] {
            assert_eq!(shown(text, Tz::UTC), expect, "{text}");
        }
    }

    #[test]
    fn a_clock_of_twelve_hours_has_no_thirteenth() {
        for (text, expect) in [
            ("2026-11-23 07:53:58 PM", "2026-11-23T19:53:58.000000Z"),
            ("2026-11-23 07:53:58.132 am", "2026-11-23T07:53:58.132000Z"),
            ("2026-11-23 12:00:00 a.m.", "2026-11-23T00:00:00.000000Z"),
            ("2026-11-23 12:00:00PM +01:00", "2026-11-23T11:00:00.000000Z"),
            ("2026-11-23 19:53:58 PM", "no timestamp"),
            ("2026-11-23 00:53:58 AM", "no timestamp"),
        ] {
            assert_eq!(shown(text, Tz::UTC), expect, "{text}");
        }
    }

    /// The reader would have to guess.
    #[test]
    fn what_can_be_read_in_two_ways_is_no_timestamp() {
        for text in [
            "11/05/2026 10:00:14",
            "11/20/2026 10:00:14",
            "05-11-2026 10:00:14",
            "26/11/20 10:00:14",
            "20-Nov-26 10:00:14",
            "Nov 20 10:00:09.123",
            "10:00:09.123",
            "2026-11-20 10:00:03 EST",
            "2026-11-20 10:00:03 CST",
            "2026-11-20 10:00:03 IST",
            "20261120100003",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn an_epoch_time_tells_its_unit_by_its_digits() {
        for (text, expect) in [
            ("1795463450", 1_795_463_450_000_000),
            ("1795463450.798149", 1_795_463_450_798_149),
            ("999999999", 999_999_999_000_000),
            ("999999999999", 999_999_999_999_000),
            ("1795463450798", 1_795_463_450_798_000),
            ("1795463450798.149", 1_795_463_450_798_149),
            ("999999999999999", 999_999_999_999_999),
            ("1795463450798149", 1_795_463_450_798_149),
            ("1795463450798149.9", 1_795_463_450_798_149),
            ("999999999999999999", 999_999_999_999_999),
            ("1795463450798149321", 1_795_463_450_798_149),
            ("9999999999999999999", 9_999_999_999_999_999),
        ] {
            assert_eq!(utc(text), Some(expect), "{text}");
        }
        for digits in [1, 4, 8, 11, 14, 17, 20, 40] {
            assert_eq!(utc(&"1".repeat(digits)), None, "{digits} digits");
        }
    }

    #[test]
    fn a_time_is_cut_to_the_microsecond_and_never_rounded() {
        assert_eq!(utc("1970-01-01 00:00:00.000001999"), Some(1));
        assert_eq!(utc("1969-12-31 23:59:59.999999999"), Some(-1));
        assert_eq!(utc("1795463450.798149999"), Some(1_795_463_450_798_149));
        assert_eq!(utc("1795463450798149999"), Some(1_795_463_450_798_149));
    }

    #[test]
    fn a_strange_time_is_data() {
        assert_eq!(utc("1970-01-01 00:00:00"), Some(0));
        assert_eq!(
            shown("9999-12-31T23:59:59.999999-23:59", Tz::UTC),
            "+10000-01-01T23:58:59.999999Z".trim_start_matches('+')
        );
        assert_eq!(utc("0000-01-01 00:00:00"), Some(-62_167_219_200_000_000));
    }

    #[test]
    fn an_impossible_or_unknown_form_is_no_timestamp() {
        for text in [
            "",
            "-",
            "main",
            "INVITE",
            "2026-11-23",
            "19:53:58",
            "2026-13-01 00:00:00",
            "2026-02-30 00:00:00",
            "2026-11-23 25:61:00",
            "2026-11-23 24:00:00",
            "2026-11-23 19:53:61",
            "2026-11-23 19:53",
            "2026-11/23 19:53:58",
            "2026-11-23 19:53:58.",
            "2026-11-23 19:53:58.1234567890",
            "2026-11-23 19:53:58+9",
            "2026-11-23 19:53:58+24:00",
            "2026-11-23 19:53:58+09:60",
            "2026-11-23 19:53:58+09:00x",
            "2026-11-23 19:53:58 +09:00 ",
            "2026-11-23 19:53:58[Europe/Berlin]",
            "2026-11-23 19:53:58+09:00[Europe/Berlin",
            "2026-11-23 19:53:58+09:00[]",
            "2026-11-23 19:53:58:13",
            "23/Nov/2026:19:53",
            "31/Nov/2026:19:53:58",
            "23/Foo/2026:19:53:58",
            "Foo, 23 Nov 2026 19:53:58",
            " 2026-11-23 19:53:58",
            "2026-11-23 19:53:58 ",
            "+795463450",
            "1795463450.",
            "1795463450x",
            "-1795463450",
            "1795463450.7.8",
            "\u{0661}795463450",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_offset_is_of_the_zone_of_its_source() {
        assert_eq!(shown("2026-11-23 19:53:58", Tz::Asia__Seoul), "2026-11-23T10:53:58.000000Z");
        assert_eq!(shown("2026-11-23T19:53:58Z", Tz::Asia__Seoul), "2026-11-23T19:53:58.000000Z");
        assert_eq!(shown("1795463450", Tz::Asia__Seoul), shown("1795463450", Tz::UTC));
    }

    #[test]
    fn an_hour_that_occurs_twice_takes_the_earlier_reading() {
        assert_eq!(shown("2026-10-25 02:30:00", Tz::Europe__Berlin), "2026-10-25T00:30:00.000000Z ambiguous");
        assert_eq!(shown("2026-10-25T02:30:00+01:00", Tz::Europe__Berlin), "2026-10-25T01:30:00.000000Z");
        assert_eq!(shown("2026-11-01 01:30:00.5", Tz::America__New_York), "2026-11-01T05:30:00.500000Z ambiguous");
    }

    #[test]
    fn a_local_time_that_never_was_is_read_with_the_offset_before_the_gap() {
        assert_eq!(shown("2026-03-29 02:30:00", Tz::Europe__Berlin), "2026-03-29T01:30:00.000000Z");
        assert_eq!(shown("2011-12-30 12:00:00", Tz::Pacific__Apia), "2011-12-30T22:00:00.000000Z");
    }

    fn by(pattern: &str, text: &str, zone: Tz) -> String {
        let times = Times::pattern(pattern).unwrap();
        times.read(text.as_bytes(), zone).map_or("no timestamp".into(), |r| r.time.to_string())
    }

    #[test]
    fn a_source_may_have_a_pattern_of_its_own() {
        assert_eq!(
            by("%d/%b/%Y:%H:%M:%S%.f %z", "23/Nov/2026:19:53:58.132 +0900", Tz::UTC),
            "2026-11-23T10:53:58.132000Z"
        );
        assert_eq!(
            by("%d/%m/%Y %H:%M:%S%.3f", "23/11/2026 19:53:58.132", Tz::Asia__Seoul),
            "2026-11-23T10:53:58.132000Z"
        );
        assert_eq!(by("%s%.6f", "1795463450.798149", Tz::Asia__Seoul), "2026-11-23T19:50:50.798149Z");
        assert_eq!(by("%d/%m/%Y %H:%M:%S", "23/13/2026 19:53:58", Tz::UTC), "no timestamp");
        assert_eq!(by("%d/%m/%Y %H:%M:%S", " 23/11/2026 19:53:58", Tz::UTC), "no timestamp");
        assert_eq!(
            by("%d/%m/%Y %H:%M:%S", "2026-11-23 19:53:58", Tz::UTC),
            "no timestamp",
            "the built-in forms are replaced"
        );
        assert_eq!(by("%s", "999999999999999999", Tz::UTC), "no timestamp");
    }

    #[test]
    fn a_pattern_that_tells_no_whole_time_is_refused() {
        for pattern in [
            "",
            "%H:%M:%S",
            "%b %d %H:%M:%S",
            "%Q",
            "%",
            "%Y-%m-%d",
            "%Y%m%d%H%M%S%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y",
        ] {
            assert!(Times::pattern(pattern).is_err(), "{pattern:?}");
        }
    }
}
