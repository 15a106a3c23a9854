//! Times as they are written: `500ms`, `2s`, `5m`, `4h`, `7d`. As values they are microseconds.

use nom::character::complete::{alpha1, digit1};
use nom::combinator::{all_consuming, map_opt};
use nom::{IResult, Parser};

/// From the longest on.
const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];

/// A year: longer ones are a mistake.
const LONGEST: i64 = 366 * 86_400_000_000;

/// What a time looks like, for who wrote another one.
pub const LIKE: &str = "a time such as 500ms, 2s, 5m or 4h";

/// None: it is none, is nothing, or is over a year.
pub fn read(text: &str) -> Option<i64> {
    all_consuming(one).parse(text).ok().map(|(_, micros)| micros)
}

fn one(input: &str) -> IResult<&str, i64> {
    let micros = |(number, unit): (&str, &str)| {
        let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<i64>().ok()?.checked_mul(*micros).filter(|micros| (1..=LONGEST).contains(micros))
    };
    map_opt((digit1, alpha1), micros).parse(input)
}

/// In the longest unit that says it whole. A time that was read is one of milliseconds.
pub fn show(micros: i64) -> String {
    let whole = UNITS.iter().find(|(_, unit)| micros != 0 && micros % unit == 0);
    whole.map_or_else(|| format!("{}ms", micros / 1_000), |(name, unit)| format!("{}{name}", micros / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_as_they_are_shown() {
        for (text, micros) in [("500ms", 500_000), ("2s", 2_000_000), ("90s", 90_000_000), ("1d", 86_400_000_000)] {
            assert_eq!(read(text), Some(micros));
            assert_eq!(show(micros), text);
        }
        assert_eq!(show(read("24h").expect("a time")), "1d");
        for text in ["", "2", "s", "0s", "-1s", "1.5s", "2 s", "2S", "2w", "400d", "99999999999999999999s"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
