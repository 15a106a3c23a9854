//! Times and durations as the ladder says them.

use record::time::{HOUR, MINUTE, SECOND, Timestamp};

use crate::zone::Zone;

/// A wall clock time in a zone, in the parts a row shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clock {
    /// `2026-09-14`
    pub date: String,
    /// `12:00:`, the part that seldom changes.
    pub hours: String,
    /// `01.102`, cut to milliseconds.
    pub seconds: String,
    /// `482`: the microseconds behind them.
    pub micros: String,
    pub zone: String,
}

impl Clock {
    pub fn of(at: Timestamp, zone: Zone) -> Self {
        let micro = zone.micro(at);
        // `12:00:01.102482`: what `Zone` prints is ASCII and of one length.
        let part = |range: std::ops::Range<usize>| micro.get(range).unwrap_or_default().to_owned();
        Self {
            date: zone.date(at),
            hours: part(0..6),
            seconds: part(6..12),
            micros: part(12..15),
            zone: zone.label(at),
        }
    }

    /// To the microsecond: `12:00:01.102482 UTC`.
    pub fn exact(&self) -> String {
        format!("{}{}{} {}", self.hours, self.seconds, self.micros, self.zone)
    }

    /// `2026-09-14 12:00:01.102482 UTC`
    pub fn full(&self) -> String {
        format!("{} {}", self.date, self.exact())
    }

    /// `2026-09-14 12:00:01 UTC`
    pub fn to_the_second(&self) -> String {
        format!("{} {}{} {}", self.date, self.hours, self.seconds.get(..2).unwrap_or_default(), self.zone)
    }
}

/// How long, to three figures: `0.1 ms`, `59 ms`, `1.91 s`, `32.0 s`, `2 min 05 s`, `3 h 02 min`, `2 d 4 h`.
pub fn duration(micros: i64) -> String {
    let minus = if micros < 0 { "−" } else { "" };
    let us = micros.unsigned_abs();
    let (second, minute, hour, day) = (SECOND as u64, MINUTE as u64, HOUR as u64, 24 * HOUR as u64);
    // Each bound lies where rounding reaches the next unit, so nothing reads "1000 ms" or "60.0 s".
    if us == 0 {
        "0 ms".to_owned()
    } else if us < 950 {
        format!("{minus}{}.{} ms", 0, ((us + 50) / 100).max(1))
    } else if us < 999_500 {
        format!("{minus}{} ms", (us + 500) / 1000)
    } else if us < 9_995_000 {
        let hundredths = (us + 5_000) / 10_000;
        format!("{minus}{}.{:02} s", hundredths / 100, hundredths % 100)
    } else if us < 59_950_000 {
        let tenths = (us + 50_000) / 100_000;
        format!("{minus}{}.{} s", tenths / 10, tenths % 10)
    } else if us < hour - second / 2 {
        let seconds = (us + second / 2) / second;
        format!("{minus}{} min {:02} s", seconds / 60, seconds % 60)
    } else if us < day - minute / 2 {
        let minutes = (us + minute / 2) / minute;
        format!("{minus}{} h {:02} min", minutes / 60, minutes % 60)
    } else {
        let hours = us.saturating_add(hour / 2) / hour;
        format!("{minus}{} d {} h", hours / 24, hours % 24)
    }
}

/// Seconds since a first sending, as retransmissions are told: `0.5`, `31.5`.
pub fn seconds(micros: i64) -> String {
    let tenths = (micros.max(0) + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// At most this many characters, with an ellipsis where it was cut.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_figures() {
        for (micros, text) in [
            (0, "0 ms"),
            (30, "0.1 ms"),
            (949, "0.9 ms"),
            (950, "1 ms"),
            (59_400, "59 ms"),
            (999_499, "999 ms"),
            (999_500, "1.00 s"),
            (1_910_000, "1.91 s"),
            (9_994_999, "9.99 s"),
            (10_800_000, "10.8 s"),
            (59_949_999, "59.9 s"),
            (59_950_000, "1 min 00 s"),
            (125_000_000, "2 min 05 s"),
            (10_920_000_000, "3 h 02 min"),
            (86_399_999_999, "1 d 0 h"),
            (187_200_000_000, "2 d 4 h"),
            (-38_000, "−38 ms"),
        ] {
            assert_eq!(duration(micros), text);
        }
        duration(i64::MIN);
    }

    #[test]
    fn a_clock_is_cut_never_rounded() {
        let clock = Clock::of(Timestamp(1_789_387_214_006_999), Zone::UTC);
        assert_eq!((clock.hours.as_str(), clock.seconds.as_str()), ("12:00:", "14.006"));
        assert_eq!(clock.full(), "2026-09-14 12:00:14.006999 UTC");
        assert_eq!(clock.to_the_second(), "2026-09-14 12:00:14 UTC");
        let there = Clock::of(Timestamp(1_789_387_214_006_999), Zone::parse("Europe/Berlin").unwrap());
        assert_eq!(there.exact(), "14:00:14.006999 +02:00 Europe/Berlin");
    }

    #[test]
    fn text_that_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shortened("äöüß", 4), "äöüß");
        assert_eq!(shortened("äöüßx", 4), "äöü…");
    }
}
