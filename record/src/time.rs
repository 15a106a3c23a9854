//! Event time: microseconds since 1970 in UTC, cut, never rounded, never a float.

use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Days since 1970, the unit of partitions and retention.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

impl Timestamp {
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(DAY) as i32)
    }

    /// The time a row is filed under: within [received − 2 days, received + 1 hour], so a broken clock needs no partition of 1970.
    pub fn clamped(self, received: Self) -> Self {
        Self(self.0.clamp(received.0.saturating_sub(2 * DAY), received.0.saturating_add(HOUR)))
    }

    pub fn to_utc(self) -> DateTime<Utc> {
        let far = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp_micros(self.0).unwrap_or(far)
    }

    pub fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Day {
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0) * DAY)
    }

    pub fn end(self) -> Timestamp {
        Timestamp((i64::from(self.0) + 1) * DAY)
    }
}

/// RFC 3339 in UTC with microseconds, as in the API.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.to_utc();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.nanosecond() / 1000 % 1_000_000
        )
    }
}

/// Reads RFC 3339 (`2026-11-23T19:53:58.132Z`, any offset). None where it is not that.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|t| Timestamp(t.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_is_shown() {
        let at = Timestamp(1_795_463_450_798_149);
        assert_eq!(at.to_string(), "2026-11-23T19:50:50.798149Z");
        assert_eq!(parse_rfc3339(&at.to_string()), Some(at));
    }

    #[test]
    fn a_broken_clock_is_filed_near_its_arrival() {
        let received = Timestamp(100 * DAY);
        assert_eq!(Timestamp(0).clamped(received).day(), Day(98));
        assert_eq!(Timestamp(i64::MAX).clamped(received).day(), Day(100));
        assert_eq!(Timestamp(-1).day(), Day(-1));
    }

    #[test]
    fn an_impossible_time_is_shown_without_a_panic() {
        assert!(Timestamp(i64::MAX).to_string().ends_with('Z'));
        assert!(Timestamp(i64::MIN).to_string().ends_with('Z'));
    }
}
