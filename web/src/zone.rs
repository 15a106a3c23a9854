//! The zone of every time on a page, for what is shown and for what is typed.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeZone};
use chrono_tz::Tz;
use record::time::{Timestamp, parse_rfc3339};

/// UTC unless the address says `?zone=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Zone(Tz);

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

/// Which reading a typed time takes where it leaves a choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// The earliest.
    From,
    /// The latest, exclusive: `12:00` is 12:01:00, a day is its end.
    To,
}

impl Zone {
    pub const UTC: Zone = Zone(Tz::UTC);

    /// An IANA name such as `Europe/Berlin`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        if name.len() > 64 {
            return None;
        }
        let any_case = || chrono_tz::TZ_VARIANTS.into_iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
        name.parse().ok().or_else(any_case).map(Self)
    }

    pub fn name(self) -> &'static str {
        self.0.name()
    }

    pub fn tz(self) -> Tz {
        self.0
    }

    pub fn is_utc(self) -> bool {
        self == Self::UTC
    }

    /// `2026-09-14`
    pub fn date(self, at: Timestamp) -> String {
        self.local(at).format("%Y-%m-%d").to_string()
    }

    /// `12:00:01`
    pub fn second(self, at: Timestamp) -> String {
        self.local(at).format("%H:%M:%S").to_string()
    }

    /// `12:00:01.102`
    pub fn milli(self, at: Timestamp) -> String {
        self.local(at).format("%H:%M:%S%.3f").to_string()
    }

    /// `12:00:01.102345`
    pub fn micro(self, at: Timestamp) -> String {
        self.local(at).format("%H:%M:%S%.6f").to_string()
    }

    /// `2026-09-14 12:00:01 UTC`, elsewhere `2026-09-14 14:00:01 +02:00 Europe/Berlin`.
    pub fn full(self, at: Timestamp) -> String {
        format!("{} {} {}", self.date(at), self.second(at), self.label(at))
    }

    /// `UTC`, elsewhere `+02:00 Europe/Berlin`: the offset too, since an hour occurs twice a year.
    pub fn label(self, at: Timestamp) -> String {
        if self.is_utc() { "UTC".into() } else { format!("{} {}", self.local(at).offset().fix(), self.name()) }
    }

    /// `2026-09-14T12:00:01.102`: what a field of type `datetime-local` takes.
    pub fn field(self, at: Timestamp) -> String {
        self.local(at).format("%Y-%m-%dT%H:%M:%S%.f").to_string()
    }

    /// Reads `2026-09-14T12:00[:01[.5]]`, the same with a blank for T, a day alone, or RFC 3339 with its own offset.
    pub fn read(self, text: &str, bound: Bound) -> Option<Timestamp> {
        if let Some(at) = parse_rfc3339(text) {
            return Some(at);
        }
        let text = text.replace('T', " ");
        let day = || {
            let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN);
            if bound == Bound::To { day.checked_add_days(chrono::Days::new(1)) } else { Some(day) }
        };
        let minute = || {
            let minute = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M").ok()?;
            if bound == Bound::To { minute.checked_add_signed(chrono::TimeDelta::minutes(1)) } else { Some(minute) }
        };
        let second = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok();
        self.resolve(second().or_else(minute).or_else(day)?, bound)
    }

    /// Start of the day that holds a time.
    pub fn midnight(self, at: Timestamp) -> Timestamp {
        let day = self.local(at).date_naive().and_time(NaiveTime::MIN);
        self.resolve(day, Bound::From).unwrap_or(at)
    }

    /// A local hour that occurs twice takes the outer reading; one that does not occur is moved on by an hour.
    fn resolve(self, local: NaiveDateTime, bound: Bound) -> Option<Timestamp> {
        let at = match self.0.from_local_datetime(&local) {
            LocalResult::Single(at) => at,
            LocalResult::Ambiguous(first, second) => {
                if bound == Bound::From {
                    first
                } else {
                    second
                }
            }
            LocalResult::None => {
                let later = local.checked_add_signed(chrono::TimeDelta::hours(1))?;
                self.0.from_local_datetime(&later).earliest()?
            }
        };
        Some(Timestamp(at.timestamp_micros()))
    }

    /// Kept within the years 1 to 9999, where every zone has a local time.
    pub fn local(self, at: Timestamp) -> DateTime<Tz> {
        const FIRST: i64 = -62_135_510_400_000_000;
        const LAST: i64 = 253_402_214_400_000_000;
        Timestamp(at.0.clamp(FIRST, LAST)).to_utc().with_timezone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        Zone::parse("europe/berlin").unwrap()
    }

    fn check(zone: Zone, text: &str, bound: Bound, expect: Option<&str>) {
        assert_eq!(zone.read(text, bound).map(|at| at.to_string()).as_deref(), expect, "{text}");
    }

    #[test]
    fn a_typed_time_is_read_in_the_zone_of_the_page() {
        check(Zone::UTC, "2026-09-14T12:00:01.5", Bound::From, Some("2026-09-14T12:00:01.500000Z"));
        check(berlin(), "2026-09-14 12:00:01", Bound::From, Some("2026-09-14T10:00:01.000000Z"));
        check(berlin(), "2026-09-14T12:00:01Z", Bound::From, Some("2026-09-14T12:00:01.000000Z"));
        check(Zone::UTC, "yesterday", Bound::From, None);
        check(Zone::UTC, "2026-13-01", Bound::From, None);
    }

    #[test]
    fn an_end_includes_the_minute_or_the_day_that_was_typed() {
        check(Zone::UTC, "2026-09-14T12:00", Bound::From, Some("2026-09-14T12:00:00.000000Z"));
        check(Zone::UTC, "2026-09-14T12:00", Bound::To, Some("2026-09-14T12:01:00.000000Z"));
        check(Zone::UTC, "2026-09-14", Bound::To, Some("2026-09-15T00:00:00.000000Z"));
    }

    #[test]
    fn an_hour_that_occurs_twice_is_taken_whole_and_one_that_never_occurs_is_moved() {
        check(berlin(), "2026-10-25T02:30:00", Bound::From, Some("2026-10-25T00:30:00.000000Z"));
        check(berlin(), "2026-10-25T02:30:00", Bound::To, Some("2026-10-25T01:30:00.000000Z"));
        check(berlin(), "2026-03-29T02:30:00", Bound::From, Some("2026-03-29T01:30:00.000000Z"));
    }

    #[test]
    fn a_time_is_shown_with_date_and_zone() {
        let at = parse_rfc3339("2026-09-14T12:00:01.102345Z").unwrap();
        assert_eq!(Zone::UTC.full(at), "2026-09-14 12:00:01 UTC");
        assert_eq!(berlin().full(at), "2026-09-14 14:00:01 +02:00 Europe/Berlin");
        assert_eq!(berlin().milli(at), "14:00:01.102");
        assert_eq!(Zone::UTC.read(&Zone::UTC.field(at), Bound::From), Some(at));
    }

    #[test]
    fn an_impossible_time_is_shown_without_a_panic() {
        for zone in [Zone::UTC, berlin(), Zone::parse("Pacific/Kiritimati").unwrap()] {
            for at in [i64::MIN, -1, i64::MAX] {
                assert!(!zone.full(Timestamp(at)).is_empty());
                assert!(zone.midnight(Timestamp(at)) <= Timestamp(253_402_214_400_000_000));
            }
        }
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        assert_eq!(Zone::parse("Mars/Olympus"), None);
        assert_eq!(Zone::parse(&"x".repeat(1000)), None);
        assert_eq!(Zone::parse("utc"), Some(Zone::UTC));
    }
}
