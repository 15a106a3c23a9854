//! Dates and times of day as loggers write them by default: what ISO 8601, C, Java, Apache and mail have.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while_m_n};
use nom::character::complete::{alpha1, char, one_of, space0, space1};
use nom::combinator::{map_opt, opt, value, verify};
use nom::sequence::{preceded, separated_pair, terminated};
use nom::{IResult, Parser};

use super::offset::offset;

/// A date and a time of day, and their offset from UTC if one is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Written {
    pub local: NaiveDateTime,
    /// The fraction of its second.
    pub nanos: i64,
    /// Seconds east of UTC.
    pub offset: Option<i64>,
}

#[derive(Clone, Copy)]
struct Clock {
    hour: u32,
    minute: u32,
    /// Java leaves seconds out that are 0.
    second: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Am,
    Pm,
}

/// What follows a time of day.
#[derive(Clone, Copy, Default)]
struct After {
    nanos: i64,
    half: Option<Half>,
    offset: Option<i64>,
}

/// The rest, and what was read.
pub(super) type Taken<'a, T> = IResult<&'a [u8], T, ()>;

const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];
const WEEKDAYS: [&[u8]; 7] = [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];

/// `2026-11-23T19:53:58`, with a blank for the `T` and slashes for the dashes, and what may follow. Most logs write their
/// times so, and it is read by hand.
pub(super) fn plain(text: &[u8]) -> Option<Written> {
    let (stem, rest) = text.split_at_checked(19)?;
    let dash = stem[4];
    if !matches!(dash, b'-' | b'/') || stem[7] != dash || !matches!(stem[10], b'T' | b' ') {
        return None;
    }
    if stem[13] != b':' || stem[16] != b':' {
        return None;
    }
    let date = date(number(&stem[..4])?, number(&stem[5..7])?, number(&stem[8..10])?)?;
    let clock = clock_of((number(&stem[11..13])?, number(&stem[14..16])?, number(&stem[17..])?));
    match after_time(rest) {
        Ok(([], after)) => written(date, clock, after),
        _ => None,
    }
}

/// All other forms.
pub(super) fn other(text: &[u8]) -> Option<Written> {
    let weekday = (name_in(&WEEKDAYS), opt(char(',')), space1);
    let with_names = preceded(opt(weekday), alt((day_first, month_first, year_last)));
    match alt((numbers, with_names)).parse(text) {
        Ok(([], written)) => Some(written),
        _ => None,
    }
}

/// `2026-11-23 19:53:58`, `2026.11.23 …`, `23.11.2026 …`, `20261123T195358`. Seconds may be left out after a `T` if an
/// offset follows.
fn numbers(text: &[u8]) -> Taken<'_, Written> {
    let year_first = |mark| (digits(4), char(mark), digits(2), char(mark), digits(2)).map(|(y, _, m, _, d)| (y, m, d));
    let day_first = (digits(2), char('.'), digits(2), char('.'), digits(4)).map(|(d, _, m, _, y)| (y, m, d));
    let compact = (digits(4), digits(2), digits(2));
    let ymd = alt((year_first('-'), year_first('/'), year_first('.'), day_first, compact));
    let (text, date) = map_opt(ymd, |(year, month, day)| date(year, month, day)).parse(text)?;
    let blanks = (opt(char(',')), space1);
    let mut t = alt((value(true, one_of("Tt")), value(false, blanks), value(false, char('_'))));
    let (text, after_t) = t.parse(text)?;
    let short = separated_pair(digits(2), char(':'), digits(2)).map(|(hour, minute)| Clock {
        hour: hour as u32,
        minute: minute as u32,
        second: None,
    });
    let clock =
        alt((clock(':'), clock('.'), (digits(2), digits(2), digits(2)).map(clock_of), verify(short, move |_| after_t)));
    map_opt((clock, after_time), |(clock, after)| written(date, clock, after)).parse(text)
}

/// `23/Nov/2026:19:53:58 +0100`, `23-Nov-2026 19:53:58`, `23 Nov 2026 19:53:58 GMT`.
fn day_first(text: &[u8]) -> Taken<'_, Written> {
    let date_with =
        |mark| (day, char(mark), month, char(mark), digits(4)).map(|(day, _, month, _, year)| (year, month, day));
    let ymd = alt((date_with('/'), date_with('-'), date_with(' '), date_with('.')));
    let between = alt((value((), one_of(":T")), value((), (opt(char(',')), space1))));
    let parser = (terminated(ymd, between), clock(':'), after_time);
    map_opt(parser, |((year, month, day), clock, after)| written(date(year, month, day)?, clock, after)).parse(text)
}

/// `Nov 23, 2026 19:53:58`.
fn month_first(text: &[u8]) -> Taken<'_, Written> {
    let between = || (opt(char(',')), space1);
    let parser = (month, space1, day, between(), digits(4), between(), clock(':'), after_time);
    map_opt(parser, |(month, _, day, _, year, _, clock, after)| written(date(year, month, day)?, clock, after))
        .parse(text)
}

/// `Nov 23 19:53:58 2026`, `Nov 23 19:53:58 UTC 2026`, as C and Java write.
fn year_last(text: &[u8]) -> Taken<'_, Written> {
    let parser = (month, space1, day, space1, clock(':'), after_time, space1, digits(4));
    map_opt(parser, |(month, _, day, _, clock, after, _, year)| written(date(year, month, day)?, clock, after))
        .parse(text)
}

fn written(date: NaiveDate, clock: Clock, after: After) -> Option<Written> {
    if clock.second.is_none() && after.offset.is_none() {
        return None;
    }
    let hour = match (after.half, clock.hour) {
        (None, hour) => hour,
        (Some(Half::Am), 12) => 0,
        (Some(Half::Pm), 12) => 12,
        (Some(Half::Am), hour @ 1..=11) => hour,
        (Some(Half::Pm), hour @ 1..=11) => hour + 12,
        (Some(_), _) => return None,
    };
    // A leap second is the first second of the next minute.
    let (second, leap) = match clock.second.unwrap_or(0) {
        60 => (59, 1),
        second => (second, 0),
    };
    let local = date.and_hms_opt(hour, clock.minute, second)?.checked_add_signed(TimeDelta::seconds(leap))?;
    Some(Written { local, nanos: after.nanos, offset: after.offset })
}

/// A fraction, the half of the day, an offset: each may be there.
fn after_time(text: &[u8]) -> Taken<'_, After> {
    if text.is_empty() {
        return Ok((text, After::default()));
    }
    let half = alt((
        value(Half::Am, tag_no_case("am")),
        value(Half::Pm, tag_no_case("pm")),
        value(Half::Am, tag_no_case("a.m.")),
        value(Half::Pm, tag_no_case("p.m.")),
    ));
    let fraction = opt(alt((fraction, thousandths))).map(|nanos| nanos.unwrap_or(0));
    (fraction, opt(preceded(space0, half)), opt(preceded(space0, offset)))
        .map(|(nanos, half, offset)| After { nanos, half, offset })
        .parse(text)
}

/// Nanoseconds of `.132` or `,132`, 1 to 9 digits.
pub(super) fn fraction(text: &[u8]) -> Taken<'_, i64> {
    preceded(one_of(".,"), nanos(1, 9)).parse(text)
}

/// Nanoseconds of `:132`; 3 or 6 digits, so that it is nothing else.
fn thousandths(text: &[u8]) -> Taken<'_, i64> {
    preceded(char(':'), alt((nanos(6, 6), nanos(3, 3)))).parse(text)
}

fn nanos<'a>(least: usize, most: usize) -> impl Parser<&'a [u8], Output = i64, Error = ()> {
    map_opt(take_while_m_n(least, most, |b: u8| b.is_ascii_digit()), |digits: &[u8]| {
        Some(number(digits)? * 10_i64.pow(9 - digits.len() as u32))
    })
}

fn clock<'a>(mark: char) -> impl Parser<&'a [u8], Output = Clock, Error = ()> {
    (digits(2), char(mark), digits(2), char(mark), digits(2)).map(|(h, _, m, _, s)| clock_of((h, m, s)))
}

fn clock_of((hour, minute, second): (i64, i64, i64)) -> Clock {
    Clock { hour: hour as u32, minute: minute as u32, second: Some(second as u32) }
}

fn date(year: i64, month: i64, day: i64) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)
}

/// So many digits.
pub(super) fn digits<'a>(many: usize) -> impl Parser<&'a [u8], Output = i64, Error = ()> {
    map_opt(take_while_m_n(many, many, |b: u8| b.is_ascii_digit()), number)
}

/// The day of a month, of one or two digits.
fn day(text: &[u8]) -> Taken<'_, i64> {
    map_opt(take_while_m_n(1, 2, |b: u8| b.is_ascii_digit()), number).parse(text)
}

/// By its English name, whole or its first three letters.
fn month(text: &[u8]) -> Taken<'_, i64> {
    name_in(&MONTHS).map(|at| at as i64 + 1).parse(text)
}

/// Where a name stands in a list of names; its first three letters will do.
fn name_in<'a>(names: &'static [&[u8]]) -> impl Parser<&'a [u8], Output = usize, Error = ()> {
    map_opt(alpha1, move |word: &[u8]| {
        names.iter().position(|name| name.eq_ignore_ascii_case(word) || name[..3].eq_ignore_ascii_case(word))
    })
}

/// At most 18 digits and nothing else.
pub(super) fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}
