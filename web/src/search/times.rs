//! The times of a search: as they were typed, as they are understood, and as an address keeps them.

use record::time::{HOUR, MINUTE, Timestamp};

use super::form::{Form, WITHIN};
use super::read::number;
use super::value::Fault;
use crate::moment;
use crate::params::quoted;
use crate::zone::{Bound, Zone};

impl Form {
    /// With each time as it is understood, so that its address shows the same tomorrow; none where it is so already. A time in
    /// the box, alone or after what is looked for, is one around which is looked; a day is that day, and `-1h` since then.
    pub fn settled(&self, zone: Zone, now: Timestamp) -> Option<Self> {
        let written = |text: &str, bound| match moment::read(text, zone, now, bound) {
            Ok(moment) => moment.written,
            Err(_) => text.to_owned(),
        };
        // A field of a browser takes nothing else than this.
        let field = |text: &str| match moment::read(text, zone, now, Bound::From) {
            Ok(moment) if !is_local(text) => zone.field(Timestamp(moment.at.0 - moment.at.0.rem_euclid(1_000))),
            _ => text.to_owned(),
        };
        let mut form = Self {
            from: written(&self.from, Bound::From),
            to: written(&self.to, Bound::To),
            around: field(&self.around),
            ..self.clone()
        };
        if let Ok(Some((rest, time))) = self.timed(zone, now) {
            let day = written(time, Bound::From);
            rest.clone_into(&mut form.q);
            let until = written(time, Bound::To);
            match time {
                _ if time.starts_with('-') => form.from = day,
                // A day of another zone has other ends.
                _ if is_day(&day) || lasts_a_day(time, zone, now) => (form.from, form.to) = (day, until),
                _ => form.around = field(time),
            }
        }
        (form != *self).then_some(form)
    }

    /// What of the box is looked for, and a time after it, unless a field says one. What looks like a date there and is none, or
    /// may be two, is no text that anybody looks for.
    pub(super) fn timed(&self, zone: Zone, now: Timestamp) -> Result<Option<(&str, &str)>, String> {
        if !(self.from.is_empty() && self.to.is_empty() && self.around.is_empty()) {
            return Ok(None);
        }
        let Some((rest, time)) = timed(&self.q, zone, now) else { return Ok(None) };
        let Some(date) = like_a_date(rest) else { return Ok(Some((rest, time))) };
        moment::read(&format!("{date} {time}"), zone, now, Bound::From).map(|_| Some((rest, time)))
    }

    /// What all that is said of times leaves.
    pub(super) fn range(
        &self,
        zone: Zone,
        now: Timestamp,
        faults: &mut Vec<Fault>,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        let mut time = |field, text: &str, bound| {
            let read = (!text.is_empty()).then(|| moment::read(text, zone, now, bound))?;
            read.map_err(|text| faults.push(Fault { field, text })).ok().map(|moment| moment.at)
        };
        let from = time("from", &self.from, Bound::From);
        let to = time("to", &self.to, Bound::To);
        let around = time("around", &self.around, Bound::From);
        let within = self.minutes();
        if within.is_none() {
            let text = format!("{} is no number of minutes from 1 to 1440", quoted(&self.within));
            faults.push(Fault { field: "within", text });
        }
        if let (Some(start), Some(end)) = (from, to)
            && start >= end
        {
            faults.push(Fault { field: "to", text: "the end lies before the beginning".into() });
        }
        let beside = |sign: i64| around.zip(within).map(|(at, by)| Timestamp(at.0.saturating_add(sign * by * MINUTE)));
        (from.max(beside(-1)), to.into_iter().chain(beside(1)).min())
    }

    /// None: it is no such number.
    pub(super) fn minutes(&self) -> Option<i64> {
        let within = if self.within.is_empty() { Some(WITHIN) } else { self.within.parse().ok() };
        within.filter(|within| (1..=1440).contains(within))
    }

    /// How a field with a time is understood; none where it is empty or cannot be read.
    pub fn understood(&self, field: &str, zone: Zone, now: Timestamp) -> Option<String> {
        let text = self.text(field);
        let read = moment::read(text, zone, now, Bound::From).ok()?;
        Some(match field {
            "to" if is_day(text) => format!("the end of {}", day(read.at, zone, now)),
            _ => moment::said(read.at, zone, now),
        })
    }

    /// The times that a search looked at, in words; none where it names none.
    pub fn looked(&self, zone: Zone, now: Timestamp) -> Option<String> {
        let times = self.times();
        let mut faults = Vec::new();
        times.range(zone, now, &mut faults);
        let said: Vec<String> = times.chips(zone, now).into_iter().map(|(text, _)| text).collect();
        (faults.is_empty() && !said.is_empty()).then(|| said.join(", "))
    }

    /// What it says of times, and nothing else.
    pub fn times(&self) -> Self {
        let Self { from, to, around, within, .. } = self.clone();
        Self { from, to, around, within, ..Self::default() }
    }
}

/// `2026-09-14T12:00`, with or without seconds.
fn is_local(text: &str) -> bool {
    let known = |form| chrono::NaiveDateTime::parse_from_str(text, form).is_ok();
    known("%Y-%m-%dT%H:%M") || known("%Y-%m-%dT%H:%M:%S")
}

/// Its beginning and its end are more than an hour apart: it is a day, perhaps of another zone.
fn lasts_a_day(time: &str, zone: Zone, now: Timestamp) -> bool {
    let at = |bound| moment::read(time, zone, now, bound).map(|moment| moment.at);
    at(Bound::From).and_then(|from| Ok(at(Bound::To)?.micros_since(from) > HOUR)).unwrap_or(false)
}

/// `2026-09-14`: all of that day.
pub(super) fn is_day(text: &str) -> bool {
    text.len() == "2026-09-14".len() && Zone::UTC.read(text, Bound::From).is_some()
}

/// `yesterday (UTC)`
pub(super) fn day(at: Timestamp, zone: Zone, now: Timestamp) -> String {
    format!("{} ({})", moment::said_day(at, zone, now), zone.label(at))
}

/// What looks like a date at the end of a text: `31.2.`, `june 31`, or a weekday that belongs to the date behind it.
fn like_a_date(text: &str) -> Option<&str> {
    let last_of = |text: &str| text.rsplit(char::is_whitespace).next().map_or(0, str::len);
    let last = text.len() - last_of(text);
    let is_weekday = |word: &str| word.trim_end_matches(',').parse::<chrono::Weekday>().is_ok();
    if moment::is_like_a_date(&text[last..]) || is_weekday(&text[last..]) {
        return Some(&text[last..]);
    }
    let before = text[..last].trim_end();
    let two = before.len() - last_of(before);
    let is_number = |word: &str| matches!(word.len(), 1 | 2) && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = |word: &str| word.parse::<chrono::Month>().is_ok();
    let (one, other) = text[two..].split_once(char::is_whitespace)?;
    (is_number(one) && is_month(other.trim()) || is_month(one) && is_number(other.trim())).then(|| &text[two..])
}

/// What is looked for, and a time after it.
fn timed(text: &str, zone: Zone, now: Timestamp) -> Option<(&str, &str)> {
    let text = text.trim();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if text.len() > 200 || text.contains(['[', '<', '\n']) {
        return None;
    }
    let ends = text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at);
    let cuts = std::iter::once(0).chain(ends);
    // What counts since 1970 may be a number, or the last group of one: the box reads it as both.
    let may_be_dialled = |time: &str| moment::is_epoch(time, now) && number(text).is_some();
    let is_time = |time: &str| moment::is_one(time, zone, now) && !may_be_dialled(time);
    cuts.map(|at| (text[..at].trim_end(), text[at..].trim_start())).find(|(_, time)| is_time(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 12:00:00 UTC.
    const NOW: Timestamp = Timestamp(1_795_435_200_000_000);

    #[test]
    fn an_end_before_its_beginning_is_a_fault() {
        let form = Form { from: "2026-09-14".into(), to: "2026-09-13".into(), ..Form::default() };
        assert_eq!(form.filter(Zone::UTC, NOW).unwrap_err()[0].field, "to");
    }

    #[test]
    fn times_are_settled_so_that_an_address_shows_the_same_tomorrow() {
        let typed = Form { from: "-1h".into(), to: "11:30".into(), ..Form::default() };
        let settled = typed.settled(Zone::UTC, NOW).unwrap();
        assert_eq!((&*settled.from, &*settled.to), ("2026-11-23T11:00:00", "2026-11-23T11:30"));
        assert_eq!(settled.settled(Zone::UTC, NOW), None);
        assert_eq!(settled.filter(Zone::UTC, NOW), typed.filter(Zone::UTC, NOW));
        assert_eq!(settled.chips(Zone::UTC, NOW)[0].0, "from today 11:00 UTC");
        assert_eq!(settled.chips(Zone::UTC, NOW)[1].0, "to today 11:30 UTC");
    }

    #[test]
    fn a_time_in_the_box_is_one_around_which_is_looked() {
        let settled = |q: &str| {
            let form = Form { q: q.into(), ..Form::default() }.settled(Zone::UTC, NOW);
            form.map(|form| (form.q, form.around))
        };
        let at = |q: &str, around: &str| Some((q.to_owned(), around.to_owned()));
        assert_eq!(settled("11:05"), at("", "2026-11-23T11:05:00"));
        assert_eq!(settled("+1 202 555 0142 yesterday 20:30"), at("+1 202 555 0142", "2026-11-22T20:30:00"));
        assert_eq!(settled("bob  28.10. 20:33"), at("bob", "2026-10-28T20:33:00"));
        let typed = |q: &str| Form { q: q.into(), ..Form::default() }.settled(Zone::UTC, NOW).unwrap();
        let (day, since) = (typed("bob yesterday"), typed("-1h"));
        assert_eq!((&*day.q, &*day.from, &*day.to), ("bob", "2026-11-22", "2026-11-22"));
        let chips = |form: &Form| form.chips(Zone::UTC, NOW).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(chips(&day), ["all of yesterday (UTC)"]);
        assert_eq!(day.chips(Zone::UTC, NOW)[0].1, Form { q: "bob".into(), ..Form::default() }.params());
        assert_eq!(chips(&typed("today")), ["all of today (UTC)"]);
        let until = Form { to: "2026-11-22".into(), ..Form::default() };
        assert_eq!(chips(&until), ["to the end of yesterday (UTC)"]);
        assert_eq!((&*since.from, &*since.to, &*since.around), ("2026-11-23T11:00:00", "", ""));
        let both = Form { q: "bob 11:05".into(), from: "2026-11-22".into(), ..Form::default() };
        assert_eq!(both.settled(Zone::UTC, NOW), None, "a time was given already");
        assert_eq!(settled("bob 1795435201.5"), at("bob", "2026-11-23T12:00:01.500"));
        assert_eq!(settled("bob 2026-11-23 11:05:00 UTC"), at("bob", "2026-11-23T11:05:00"));
        assert_eq!(settled("[2026-11-23 11:05:00.250Z]"), at("", "2026-11-23T11:05:00.250"));
        let abroad = typed("bob yesterday Asia/Tokyo");
        assert_eq!((&*abroad.from, &*abroad.to), ("2026-11-21T15:00:00", "2026-11-22T15:00:00"));
        for q in ["bob", "192.0.2.1:5060", "Call-ID: x@y", "+1 202 555 0142", "+49 1795435201", "1795435201", ""] {
            assert_eq!(settled(q), None, "{q}");
        }
        let around = Form { around: "11:05".into(), within: "15".into(), from: "11:00".into(), ..Form::default() };
        let filter = around.filter(Zone::UTC, NOW).unwrap();
        assert_eq!(filter.from, Some(Timestamp(NOW.0 - 60 * MINUTE)));
        assert_eq!(filter.to, Some(Timestamp(NOW.0 - 40 * MINUTE)));
        assert_eq!(around.chips(Zone::UTC, NOW)[1].0, "around today 11:05 UTC \u{b1} 15 min");
        assert_eq!(Form { within: "0".into(), ..around }.filter(Zone::UTC, NOW).unwrap_err()[0].field, "within");
    }

    #[test]
    fn a_date_in_the_box_that_is_none_is_a_fault_and_no_text() {
        let fault = |q: &str| {
            let form = Form { q: q.into(), ..Form::default() };
            assert_eq!(form.settled(Zone::UTC, NOW), None, "{q}");
            form.filter(Zone::UTC, NOW).unwrap_err().remove(0)
        };
        assert_eq!(fault("bob 31.2. 12:00").text, "there is no 31.2.");
        assert!(fault("11/10/2026 09:56").text.starts_with("\"11/10/2026\" may have its day or its month first"));
        assert!(fault("bob june 31 12:00").text.starts_with("\"june 31 12:00\" is no time"));
        assert_eq!(fault("bob Tue, 23 Nov 2026 09:56").text, "2026-11-23 is a Monday");
        assert_eq!(fault("bob june 31 12:00").field, "q");
        for q in ["may 12:00", "Linphone 7.4.1 12:00", "192.0.2.1 12:00", "31.2.", "11/10/2026"] {
            assert!(Form { q: q.into(), ..Form::default() }.filter(Zone::UTC, NOW).is_ok(), "{q}");
        }
    }
}
