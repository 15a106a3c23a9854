//! Times as people type them: `14:05`, `-1h`, `yesterday 20:30`, `28.11. 20:33`, seconds since 1970.

mod date;
mod place;
mod words;

use date::day_of;
pub use date::is_like_a_date;
use place::{Place, placed};
use record::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use words::Words;

use crate::params::quoted;
use crate::zone::{Bound, Zone};

/// A time that was typed, as it is understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    pub at: Timestamp,
    /// As an address has it, so that it says the same tomorrow; no more exact than it was typed.
    pub written: String,
}

/// No time is longer.
const LONGEST: usize = 100;

/// What somebody typed as a time, or what is wrong with it.
///
/// A time of day is the last one that has been, and the end of a range may be later today. A date without a year is the
/// last one that has been.
pub fn read(text: &str, zone: Zone, now: Timestamp, bound: Bound) -> Result<Moment, String> {
    let text = text.trim();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if text.len() > LONGEST {
        return Err(no_time(&format!("{}…", &text[..text.floor_char_boundary(LONGEST)])));
    }
    if let Some(at) = zone.read(text, bound) {
        return Ok(Moment { at, written: text.to_owned() });
    }
    let exact = |at: Timestamp| Moment { at, written: zone.field(at) };
    if let Some(at) = since_1970(text).or_else(|| ago(text, now)) {
        return Ok(exact(at));
    }
    match placed(text) {
        Some((rest, Place::Zone(there))) if there == zone => return read(rest, zone, now, bound),
        Some((rest, Place::Zone(there))) => return read(rest, there, now, bound).map(|moment| exact(moment.at)),
        // It has a zone of its own.
        Some((rest, Place::Offset(_))) if since_1970(rest).is_some() => return read(rest, zone, now, bound),
        Some((rest, Place::Offset(ahead))) => {
            let there = read(rest, Zone::UTC, Timestamp(now.0.saturating_add(ahead)), bound)?;
            return Ok(exact(Timestamp(there.at.0.saturating_sub(ahead))));
        }
        None => {}
    }
    let words = Words::read(text, zone, now)?;
    words.moment(zone, now, bound).ok_or_else(|| no_time(text))
}

/// A text that says a time and nothing else that somebody may look for: it has a clock in it, names a day, says how long ago,
/// or counts since 1970.
pub fn is_one(text: &str, zone: Zone, now: Timestamp) -> bool {
    let named = |word: &str| day_of(&word.to_lowercase(), zone.local(now).date_naive()).is_some();
    let clear = text.contains(':') || text.split_whitespace().any(named) || ago(text, now).is_some();
    let clear = clear || is_epoch(text, now);
    let date = text.len() == 10 && text.as_bytes()[4] == b'-' && zone.read(text, Bound::From).is_some();
    (clear || date) && read(text, zone, now, Bound::From).is_ok()
}

/// Seconds, milliseconds or microseconds since 1970 of the last ten years, or of the next: what is further ahead is a number
/// that somebody dials.
pub fn is_epoch(text: &str, now: Timestamp) -> bool {
    since_1970(text).is_some_and(|at| (-3_660 * DAY..366 * DAY).contains(&at.micros_since(now)))
}

/// `today 14:05 UTC`, `2026-11-28 20:33:01 UTC`: as exact as it is.
pub fn said(at: Timestamp, zone: Zone, now: Timestamp) -> String {
    let (local, day) = (zone.local(at), said_day(at, zone, now));
    let clock = match at.0.rem_euclid(MINUTE) {
        0 => local.format("%H:%M").to_string(),
        rest if rest % SECOND == 0 => zone.second(at),
        rest if rest % 1_000 == 0 => zone.milli(at),
        _ => zone.micro(at),
    };
    format!("{day} {clock} {}", zone.label(at))
}

/// `today`, `yesterday`, `2026-11-28`
pub fn said_day(at: Timestamp, zone: Zone, now: Timestamp) -> String {
    let today = zone.local(now).date_naive();
    match zone.local(at).date_naive() {
        day if day == today => "today".to_owned(),
        day if day.succ_opt() == Some(today) => "yesterday".to_owned(),
        _ => zone.date(at),
    }
}

/// Seconds, milliseconds or microseconds since 1970, of the years 2001 to 2286.
fn since_1970(text: &str) -> Option<Timestamp> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unit = match whole.len() {
        10 => SECOND,
        13 => 1_000,
        16 => 1,
        _ => return None,
    };
    if !digits(whole) || !digits(part) || part.len() > 9 || (unit != SECOND && !part.is_empty()) {
        return None;
    }
    let micros: i64 = format!("{part:0<6}")[..6].parse().ok()?;
    let at = whole.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(micros)?;
    (at >= 1_000_000_000 * SECOND).then_some(Timestamp(at))
}

/// `-1h`, `-1h30m`, `5 min ago`.
fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.to_lowercase();
    let spans = match text.strip_prefix(['-', '\u{2212}']) {
        Some(spans) => spans,
        None => text.strip_suffix("ago")?,
    };
    let (mut left, mut all) = (spans.trim(), 0_i64);
    if left.is_empty() {
        return None;
    }
    while !left.is_empty() {
        let digits = left.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = left[..digits].parse().ok()?;
        let rest = left[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
            "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
            "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
            "d" | "day" | "days" => DAY,
            "w" | "week" | "weeks" => 7 * DAY,
            _ => return None,
        };
        all = all.checked_add(number.checked_mul(unit)?)?;
        left = rest[letters..].trim_start();
    }
    // Nobody means a part of a second.
    now.0.checked_sub(all).map(|at| Timestamp(at - at.rem_euclid(SECOND)))
}

fn no_time(text: &str) -> String {
    format!("{} is no time: write 14:05, -1h, yesterday 20:30, 28.11. 20:33 or 2026-09-14 12:00:01", quoted(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use record::time::parse_rfc3339;

    use super::*;

    /// A Monday.
    const NOW: &str = "2026-11-30T11:02:40Z";

    fn now() -> Timestamp {
        parse_rfc3339(NOW).unwrap()
    }

    fn check(text: &str, bound: Bound, expect: &str) {
        let read = read(text, Zone::UTC, now(), bound).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(read.at.to_string(), expect, "{text}");
        let again = Zone::UTC.read(&read.written, bound);
        assert_eq!(again, Some(read.at), "{text} is written {}", read.written);
    }

    #[test]
    fn a_time_is_read_as_people_type_it() {
        for (text, expect) in [
            ("10:05", "2026-11-30T10:05:00.000000Z"),
            ("11:05", "2026-11-30T11:05:00.000000Z"),
            ("14:05", "2026-11-29T14:05:00.000000Z"),
            ("2:05 pm", "2026-11-29T14:05:00.000000Z"),
            ("9am", "2026-11-30T09:00:00.000000Z"),
            ("10:05:01.25", "2026-11-30T10:05:01.250000Z"),
            ("-1h", "2026-11-30T10:02:40.000000Z"),
            ("-1h30m", "2026-11-30T09:32:40.000000Z"),
            ("5 min ago", "2026-11-30T10:57:40.000000Z"),
            ("-2d", "2026-11-28T11:02:40.000000Z"),
            ("today", "2026-11-30T00:00:00.000000Z"),
            ("yesterday 20:30", "2026-11-29T20:30:00.000000Z"),
            ("20:30 Yesterday", "2026-11-29T20:30:00.000000Z"),
            ("28.11. 20:33", "2026-11-28T20:33:00.000000Z"),
            ("28.11.2025, 20:33:01", "2025-11-28T20:33:01.000000Z"),
            ("24.12.", "2025-12-24T00:00:00.000000Z"),
            ("29.2. 1:00", "2024-02-29T01:00:00.000000Z"),
            ("28 Nov at 20:33", "2026-11-28T20:33:00.000000Z"),
            ("Nov 28 2025", "2025-11-28T00:00:00.000000Z"),
            ("friday 8:00", "2026-11-27T08:00:00.000000Z"),
            ("23/11/2026 09:56", "2026-11-23T09:56:00.000000Z"),
            ("11/23/2026 9:56 am", "2026-11-23T09:56:00.000000Z"),
            ("23-11-2026", "2026-11-23T00:00:00.000000Z"),
            ("2026/11/23 09:56", "2026-11-23T09:56:00.000000Z"),
            ("28/11", "2026-11-28T00:00:00.000000Z"),
            ("5/5/26", "2026-05-05T00:00:00.000000Z"),
            ("Mon Nov 23 09:56:40 2026", "2026-11-23T09:56:40.000000Z"),
            ("Mon, 23 Nov 2026 09:56:40", "2026-11-23T09:56:40.000000Z"),
            ("1795435201", "2026-11-23T12:00:01.000000Z"),
            ("1795435201.5", "2026-11-23T12:00:01.500000Z"),
            ("1795435201250", "2026-11-23T12:00:01.250000Z"),
            ("2026-09-14 12:00", "2026-09-14T12:00:00.000000Z"),
            ("2026-09-14T12:00:01+02:00", "2026-09-14T10:00:01.000000Z"),
            ("2026-11-23 09:56:40 UTC", "2026-11-23T09:56:40.000000Z"),
            ("[2026-11-23 09:56:40.123Z]", "2026-11-23T09:56:40.123000Z"),
            ("2026-11-23 09:56:40.123Z", "2026-11-23T09:56:40.123000Z"),
            ("2026-11-23 10:56:40+01:00", "2026-11-23T09:56:40.000000Z"),
            ("2026-11-23 10:56:40 +01:00 Europe/Berlin", "2026-11-23T09:56:40.000000Z"),
            ("yesterday 20:30 Europe/Berlin", "2026-11-29T19:30:00.000000Z"),
            ("today 10:05 CET", "2026-11-30T09:05:00.000000Z"),
            ("12:05 +0100", "2026-11-30T11:05:00.000000Z"),
            ("Mon, 23 Nov 2026 09:56:40 GMT", "2026-11-23T09:56:40.000000Z"),
            ("1795463759.183319", "2026-11-23T19:55:59.183319Z"),
            ("1795463759183319", "2026-11-23T19:55:59.183319Z"),
        ] {
            check(text, Bound::From, expect);
        }
    }

    #[test]
    fn an_offset_is_hours_and_minutes_behind_a_clock_and_nothing_else() {
        for (text, expect) in [
            ("10:05Z", "2026-11-30T10:05:00.000000Z"),
            ("10:05 z", "2026-11-30T10:05:00.000000Z"),
            ("2026-11-23 06:26:40-0330", "2026-11-23T09:56:40.000000Z"),
            ("2026-11-23 23:56:40 +14:00", "2026-11-23T09:56:40.000000Z"),
            // Nine hours ahead it is this time of today already.
            ("20:05 +09:00", "2026-11-30T11:05:00.000000Z"),
            // What counts since 1970 has no zone.
            ("1795435201 +09:00", "2026-11-23T12:00:01.000000Z"),
        ] {
            check(text, Bound::From, expect);
        }
        for text in ["10:05 +15:00", "10:05 +01:60", "10:05 +1", "10:05 +1:000", "2026-11-23 +0100x", "10:05 +-100"] {
            assert!(read(text, Zone::UTC, now(), Bound::From).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_with_its_year_first_may_have_dots() {
        for (text, expect) in [
            ("2026.11.23", "2026-11-23T00:00:00.000000Z"),
            ("2026.11.23 09:56", "2026-11-23T09:56:00.000000Z"),
            ("2026.1.2.", "2026-01-02T00:00:00.000000Z"),
        ] {
            check(text, Bound::From, expect);
        }
        assert_eq!(read("2026.13.1", Zone::UTC, now(), Bound::From).unwrap_err(), "there is no 2026.13.1");
    }

    #[test]
    fn the_end_of_a_range_may_be_later_today_and_holds_its_minute() {
        check("14:05", Bound::To, "2026-11-30T14:06:00.000000Z");
        check("14:05:00", Bound::To, "2026-11-30T14:05:00.000000Z");
        check("yesterday", Bound::To, "2026-11-30T00:00:00.000000Z");
        check("-1h", Bound::To, "2026-11-30T10:02:40.000000Z");
    }

    #[test]
    fn what_is_no_time_is_said_in_words() {
        let fault = |text: &str| read(text, Zone::UTC, now(), Bound::From).unwrap_err();
        assert_eq!(fault("25:00"), "\"25:00\" is no time of day: write 14:05 or 14:05:01");
        assert_eq!(fault("31.2. 12:00"), "there is no 31.2.");
        for date in ["11/10", "11/10/2026", "11-10-2026"] {
            let says = format!("\"{date}\" may have its day or its month first: write 28.11. or 2026-11-30");
            assert_eq!(fault(date), says);
        }
        assert_eq!(fault("31/2/2026 12:00"), "there is no 31/2/2026");
        assert_eq!(fault("Tue Nov 23 09:56:40 2026"), "2026-11-23 is a Monday");
        for text in
            ["", "soon", "-", "-1", "-1y", "5", "14:05 15:05", "today yesterday", "13:05pm", "170000000", "a b c d"]
        {
            assert!(!fault(text).is_empty(), "{text}");
        }
        assert!(fault("soon").starts_with("\"soon\" is no time: write 14:05, -1h"));
    }

    #[test]
    fn what_looks_like_a_date_is_no_number_and_no_version() {
        for word in ["5/6", "11/10/2026", "11/10/26", "31.2.", "31.2.2026", "2026-31-02", "1-2-2026", "2026/1/2"] {
            assert!(is_like_a_date(word), "{word}");
        }
        for word in
            ["bob", "1.2", "7.4.1", "192.0.2.1", "1-2", "030/12345", "0202/555/0142", "1-2-3", "/", "//", "5", ""]
        {
            assert!(!is_like_a_date(word), "{word}");
        }
    }

    #[test]
    fn a_time_is_said_as_it_is_understood() {
        let said = |text: &str, zone: Zone| said(read(text, zone, now(), Bound::From).unwrap().at, zone, now());
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(said("10:05", Zone::UTC), "today 10:05 UTC");
        assert_eq!(said("yesterday 20:30:05", Zone::UTC), "yesterday 20:30:05 UTC");
        assert_eq!(said("28.11. 20:33", berlin), "2026-11-28 20:33 +01:00 Europe/Berlin");
    }

    #[test]
    fn a_time_in_the_box_is_told_from_what_somebody_looks_for() {
        for text in ["14:05", "yesterday", "-1h", "28.11. 20:33", "2026-11-28", "2026-11-28T20:33:00Z", "5 min ago"]
            .into_iter()
            .chain(["1795435201", "1795435201.5", "14:05 UTC", "yesterday UTC", "28 Nov 20:33 -05:00"])
        {
            assert!(is_one(text, Zone::UTC, now()), "{text}");
        }
        for text in [
            "28.11.",
            "2025550142",
            "1234567890",
            "UTC",
            "bob UTC",
            "Cuba",
            "+49 30 12345",
            "2001:db8::1",
            "192.0.2.1:5060",
            "sip:bob",
            "bob",
            "-5",
            "1-2",
        ] {
            assert!(!is_one(text, Zone::UTC, now()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,20}|[-+0-9.:/ amphdswzZUTC]{0,20}|(today|nov|mon|-)[ 0-9:.]{0,12}") {
            for zone in [Zone::UTC, Zone::parse("Pacific/Kiritimati").unwrap()] {
                for bound in [Bound::From, Bound::To] {
                    if let Ok(moment) = read(&text, zone, now(), bound) {
                        said(moment.at, zone, now());
                    }
                }
                is_one(&text, zone, now());
            }
        }
    }
}
