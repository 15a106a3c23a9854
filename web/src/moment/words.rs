//! A day and a time of day in words: `yesterday 20:30`, `28 nov 2:05 pm`.

use chrono::{Datelike, NaiveDate, NaiveTime};
use record::time::{MINUTE, Timestamp};

use super::date::{date_of, day_of, is_ambiguous, is_like_a_date};
use super::{Moment, no_time};
use crate::params::quoted;
use crate::zone::{Bound, Zone};

/// The day and the time of day that words name.
#[derive(Default)]
pub(super) struct Words {
    day: Option<NaiveDate>,
    clock: Option<Clock>,
}

#[derive(Clone, Copy)]
struct Clock {
    time: NaiveTime,
    /// Down to the minute only.
    minute: bool,
}

impl Words {
    pub(super) fn read(text: &str, zone: Zone, now: Timestamp) -> Result<Self, String> {
        let today = zone.local(now).date_naive();
        let (mut words, mut date, mut weekday) = (Self::default(), Vec::new(), false);
        let lower = text.to_lowercase();
        for word in lower.split([' ', ',', '\t']).filter(|word| !matches!(*word, "" | "at" | "around" | "on")) {
            let said = if let Some(day) = day_of(word, today) {
                weekday = !matches!(word, "today" | "yesterday");
                words.day.replace(day).is_some()
            } else if word.contains(':') || matches!(word, "am" | "pm") || is_hour(word) {
                let before = words.clock;
                words.clock = Some(clock(word, before).ok_or_else(|| no_clock(word))?);
                before.is_some() && !matches!(word, "am" | "pm")
            } else {
                date.push(word);
                false
            };
            if said {
                return Err(no_time(text));
            }
        }
        if !date.is_empty() {
            let named = date_of(&date, today).ok_or_else(|| match date.as_slice() {
                [one] if is_ambiguous(one) => {
                    format!(
                        "\"{one}\" may have its day or its month first: write 28.11. or {}",
                        today.format("%Y-%m-%d")
                    )
                }
                [one] if is_like_a_date(one) => format!("there is no {one}"),
                _ => no_time(text),
            })?;
            match words.day.replace(named) {
                Some(day) if weekday && day.weekday() == named.weekday() => {}
                Some(_) if weekday => return Err(named.format("%Y-%m-%d is a %A").to_string()),
                Some(_) => return Err(no_time(text)),
                None => {}
            }
        }
        Ok(words)
    }

    pub(super) fn moment(self, zone: Zone, now: Timestamp, bound: Bound) -> Option<Moment> {
        let Some(clock) = self.clock else {
            let written = self.day?.format("%Y-%m-%d").to_string();
            return Some(Moment { at: zone.read(&written, bound)?, written });
        };
        let on = |day: NaiveDate| {
            let form = if clock.minute { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S%.f" };
            let written = day.and_time(clock.time).format(form).to_string();
            Some(Moment { at: zone.read(&written, bound)?, written })
        };
        let Some(day) = self.day else {
            let today = zone.local(now).date_naive();
            let moment = on(today)?;
            let yet_to_come = bound == Bound::From && moment.at.0 > now.0 + 5 * MINUTE;
            return if yet_to_come { on(today.pred_opt()?) } else { Some(moment) };
        };
        on(day)
    }
}

/// `2pm`
fn is_hour(word: &str) -> bool {
    let hour = word.strip_suffix("am").or_else(|| word.strip_suffix("pm"));
    hour.is_some_and(|hour| !hour.is_empty() && hour.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `14:05`, `14:05:01.102`, `2:05pm`, `2pm`; `pm` after another one.
fn clock(word: &str, before: Option<Clock>) -> Option<Clock> {
    let word = word.strip_suffix('h').unwrap_or(word);
    let half = [("am", 0), ("pm", 12)].into_iter().find_map(|(half, hours)| Some((word.strip_suffix(half)?, hours)));
    let (word, later) = half.map_or((word, None), |(word, hours)| (word, Some(hours)));
    let clock = if word.is_empty() {
        before?
    } else {
        let written = if word.contains(':') { word.to_owned() } else { format!("{word}:00") };
        let minute = NaiveTime::parse_from_str(&written, "%H:%M").ok();
        let second = || NaiveTime::parse_from_str(&written, "%H:%M:%S%.f").ok();
        Clock { time: minute.or_else(second)?, minute: minute.is_some() }
    };
    let Some(later) = later else { return Some(clock) };
    let hour = chrono::Timelike::hour(&clock.time);
    let time = chrono::Timelike::with_hour(&clock.time, hour % 12 + later).filter(|_| (1..=12).contains(&hour))?;
    Some(Clock { time, ..clock })
}

fn no_clock(word: &str) -> String {
    format!("{} is no time of day: write 14:05 or 14:05:01", quoted(word))
}
