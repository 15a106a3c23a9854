//! Offsets from UTC, as numbers and as words.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::character::complete::{alpha1, char, one_of};
use nom::combinator::{map_opt, opt, value, verify};
use nom::sequence::{delimited, preceded, separated_pair};

use super::calendar::{Taken, digits};

const HOUR: i64 = 3600;

/// Names of offsets that mean one thing the world over: `EST` and `CST` do not.
const NAMES: [(&[u8], i64); 9] = [
    (b"Z", 0),
    (b"WET", 0),
    (b"WEST", HOUR),
    (b"CET", HOUR),
    (b"CEST", 2 * HOUR),
    (b"EET", 2 * HOUR),
    (b"EEST", 3 * HOUR),
    (b"JST", 9 * HOUR),
    (b"KST", 9 * HOUR),
];

/// Seconds east of UTC: `Z`, `+09:00`, `+0900`, `+09`, `UTC`, `GMT+0900`, `CET`. A remark may follow, as Java's
/// `+01:00[Europe/Berlin]` and JavaScript's `GMT+0100 (Central European Standard Time)`: the offset decides.
pub(super) fn offset(text: &[u8]) -> Taken<'_, i64> {
    let zone = |b: u8| b.is_ascii_alphanumeric() || b"_/+-:".contains(&b);
    let zone = value((), delimited(char('['), take_while1(zone), char(']')));
    let remark = |b: u8| !b"()[]".contains(&b);
    let remark = value((), (char(' '), delimited(char('('), take_while1(remark), char(')'))));
    (alt((signed, utc, named)), opt(alt((zone, remark)))).map(|(seconds, _)| seconds).parse(text)
}

fn signed(text: &[u8]) -> Taken<'_, i64> {
    let with_colon = separated_pair(digits(2), char(':'), digits(2));
    let hours_and_minutes = alt((with_colon, (digits(2), digits(2)), digits(2).map(|hours| (hours, 0))));
    seconds_of(hours_and_minutes).parse(text)
}

/// `UTC`, and `GMT+0900` or `UTC+9`.
fn utc(text: &[u8]) -> Taken<'_, i64> {
    let word = alt((tag_no_case("UTC"), tag_no_case("GMT"), tag_no_case("UT")));
    let one_digit = seconds_of(digits(1).map(|hours| (hours, 0)));
    preceded(word, opt(alt((signed, one_digit)))).map(|offset| offset.unwrap_or(0)).parse(text)
}

fn named(text: &[u8]) -> Taken<'_, i64> {
    map_opt(alpha1, |word: &[u8]| {
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, seconds)| *seconds)
    })
    .parse(text)
}

/// A sign, and hours and minutes.
fn seconds_of<'a>(
    hours_and_minutes: impl Parser<&'a [u8], Output = (i64, i64), Error = ()>,
) -> impl Parser<&'a [u8], Output = i64, Error = ()> {
    let less_than_a_day = verify(hours_and_minutes, |(hours, minutes)| *hours < 24 && *minutes < 60);
    (one_of("+-"), less_than_a_day).map(|(sign, (hours, minutes))| {
        let seconds = hours * HOUR + minutes * 60;
        if sign == '-' { -seconds } else { seconds }
    })
}
