//! The search form: what was typed, as a filter, as a link, and as fields again.

use message::event::CallClass;
use record::time::{HOUR, MINUTE, Timestamp};
use store::search::Filter;

use super::read::number;
use super::value::{Fault, class_words, classes, flag, given, kind, outcome_words, outcomes, statuses};
use crate::moment;
use crate::names::{Class, KindOf, OutcomeOf};
use crate::params::{Params, quoted};
use crate::zone::{Bound, Zone};

/// Minutes before and after a time around which is looked, where nothing else is said.
pub const WITHIN: i64 = 5;

/// The fields as typed. All that is given must hold. The API takes the same.
#[derive(Clone, PartialEq, Eq, Debug, Default, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Form {
    /// Anything pasted: number, name, SIP URI, Call-ID, scenario or message id, address, branch, log line. Pages only.
    #[param(ignore)]
    pub q: String,
    /// How the list is ordered: newest first, or `talk` or `result`. Pages only.
    #[param(ignore)]
    pub sort: String,
    /// Beginning of the user that calls.
    #[param(required = false)]
    pub caller: String,
    /// Beginning of the user that is called.
    #[param(required = false)]
    pub callee: String,
    /// Beginning of a user on either side of any call of the scenario, or of whom P-Asserted-Identity, Remote-Party-ID or
    /// P-Preferred-Identity of a request names; of a number also its end, from five digits on.
    #[param(required = false)]
    pub person: String,
    /// The exact Call-ID of any call of the scenario.
    #[param(required = false)]
    pub call_id: String,
    /// Going on at or after: RFC 3339, a local time in `zone`, or as people write it (`14:05`, `-1h`, `yesterday 20:30`,
    /// `28.11. 20:33`, seconds or milliseconds since 1970).
    #[param(required = false)]
    pub from: String,
    /// Going on before; a minute or a day given alone is included.
    #[param(required = false)]
    pub to: String,
    /// Going on around this time.
    #[param(required = false)]
    pub around: String,
    /// Minutes before and after it: 1 to 1440, 5 unless given.
    #[param(required = false)]
    pub within: String,
    /// Holds a message of this kind.
    #[param(required = false, inline, value_type = KindOf)]
    pub kind: String,
    /// Holds a message with this method, as logged.
    #[param(required = false)]
    pub method: String,
    /// Holds a message with this status: `486`, `4xx` or `400-499`.
    #[param(required = false)]
    pub status: String,
    /// What the caller got, in any attempt: `486`, `4xx` or `400-499`. Of a caller who tried again under one Call-ID `status`
    /// is that of the last attempt.
    #[param(required = false, rename = "final")]
    pub outcome: String,
    /// Its worst verdict has one of these outcomes: several times, or with commas. `unknown`: nobody can tell.
    #[param(required = false, rename = "outcome", inline, value_type = Vec<OutcomeOf>)]
    pub judged: String,
    /// The failure of its worst verdict, such as no-ack.
    #[param(required = false)]
    pub failure: String,
    /// The rule of its worst verdict. Without `outcome`: one that failed, was late, or of which nobody can tell.
    #[param(required = false)]
    pub rule: String,
    /// `true`: something went wrong in it, whatever rules say.
    #[param(required = false, value_type = bool)]
    pub problems: String,
    /// `true`: nobody refused or ended it, as far as is logged.
    #[param(required = false, value_type = bool)]
    pub ongoing: String,
    /// Holds a message with this text, in whatever case: a branch, a User-Agent, an address, a push token. No index has it:
    /// newest first, messages are read until a page is full or 10,000 were read; `searched_to` says how far.
    #[param(required = false)]
    pub text: String,
    /// Of one of these classes: several times, or with commas. None: call and message, and all with `call_id`, `rule` or `failure`.
    #[param(required = false, inline, value_type = Vec<Class>)]
    pub class: String,
}

impl Form {
    pub const NAMES: [&str; 21] = [
        "q", "sort", "caller", "callee", "person", "call_id", "from", "to", "around", "within", "kind", "method",
        "status", "final", "outcome", "failure", "rule", "problems", "ongoing", "text", "class",
    ];
    /// Those of them that the API takes.
    pub const ASKED: usize = 2;

    pub fn read(params: &Params) -> Self {
        let text = |name| params.get(name).unwrap_or("").to_owned();
        Self {
            q: text("q"),
            sort: text("sort"),
            caller: text("caller"),
            callee: text("callee"),
            person: text("person"),
            call_id: text("call_id"),
            from: text("from"),
            to: text("to"),
            around: text("around"),
            within: text("within"),
            kind: text("kind"),
            method: text("method"),
            status: text("status"),
            outcome: text("final"),
            judged: params.all("outcome").collect::<Vec<_>>().join(","),
            failure: text("failure"),
            rule: text("rule"),
            problems: text("problems"),
            ongoing: text("ongoing"),
            text: text("text"),
            class: params.all("class").collect::<Vec<_>>().join(","),
        }
    }

    /// What a field holds, by its name in the address.
    pub fn text(&self, name: &str) -> &str {
        Self::NAMES.into_iter().zip(self.values()).find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The fields that are filled, for links and hidden fields.
    pub fn params(&self) -> Params {
        let filled = Self::NAMES.into_iter().zip(self.values()).filter(|(_, value)| !value.is_empty());
        filled.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// In the order of [`Form::NAMES`].
    fn values(&self) -> [&str; 21] {
        [
            &self.q,
            &self.sort,
            &self.caller,
            &self.callee,
            &self.person,
            &self.call_id,
            &self.from,
            &self.to,
            &self.around,
            &self.within,
            &self.kind,
            &self.method,
            &self.status,
            &self.outcome,
            &self.judged,
            &self.failure,
            &self.rule,
            &self.problems,
            &self.ongoing,
            &self.text,
            &self.class,
        ]
    }

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
    fn timed(&self, zone: Zone, now: Timestamp) -> Result<Option<(&str, &str)>, String> {
        if !(self.from.is_empty() && self.to.is_empty() && self.around.is_empty()) {
            return Ok(None);
        }
        let Some((rest, time)) = timed(&self.q, zone, now) else { return Ok(None) };
        let Some(date) = like_a_date(rest) else { return Ok(Some((rest, time))) };
        moment::read(&format!("{date} {time}"), zone, now, Bound::From).map(|_| Some((rest, time)))
    }

    pub fn filter(&self, zone: Zone, now: Timestamp) -> Result<Filter, Vec<Fault>> {
        let mut faults = Vec::new();
        let (from, to) = self.range(zone, now, &mut faults);
        faults.extend(self.timed(zone, now).err().map(|text| Fault { field: "q", text }));
        let filter = Filter {
            classes: classes(&self.class, &mut faults),
            caller: given(&self.caller),
            callee: given(&self.callee),
            person: given(&self.person),
            call_id: given(&self.call_id),
            from,
            to,
            kind: kind(&self.kind, &mut faults),
            method: given(&self.method),
            status: statuses("status", &self.status, &mut faults),
            final_status: statuses("final", &self.outcome, &mut faults),
            outcomes: outcomes(&self.judged, &mut faults),
            failure: given(&self.failure),
            rule: given(&self.rule),
            problems: flag("problems", &self.problems, &mut faults),
            ongoing: flag("ongoing", &self.ongoing, &mut faults),
            text: given(&self.text),
            since: None,
        };
        if faults.is_empty() { Ok(filter) } else { Err(faults) }
    }

    /// What all that is said of times leaves.
    fn range(&self, zone: Zone, now: Timestamp, faults: &mut Vec<Fault>) -> (Option<Timestamp>, Option<Timestamp>) {
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
    fn minutes(&self) -> Option<i64> {
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

    pub fn has_class(&self, class: CallClass) -> bool {
        self.class.split(',').any(|name| name.trim() == class.name())
    }

    /// What is asked for beside the box, in words, each with the link that drops it.
    pub fn chips(&self, zone: Zone, now: Timestamp) -> Vec<(String, Params)> {
        let params = self.params();
        let one_day = self.from == self.to && is_day(&self.from);
        let chip = |(field, value): &(String, String)| {
            let value = match field.as_str() {
                "class" => class_words(value),
                "outcome" => outcome_words(value),
                "from" | "to" | "around" => self.understood(field, zone, now).unwrap_or_else(|| value.clone()),
                _ => value.clone(),
            };
            match field.as_str() {
                "from" if one_day => {
                    let at = zone.read(&self.from, Bound::From).unwrap_or(now);
                    (format!("all of {}", day(at, zone, now)), params.without("from").without("to"))
                }
                "around" => {
                    let minutes = self.minutes().unwrap_or(WITHIN);
                    (format!("around {value} \u{b1} {minutes} min"), params.without("around").without("within"))
                }
                "problems" => ("with problems".to_owned(), params.without(field)),
                "ongoing" => ("not ended".to_owned(), params.without(field)),
                field => (format!("{} {value}", named(field)), params.without(field)),
            }
        };
        let beside = |field: &str| !(matches!(field, "q" | "sort" | "within") || one_day && field == "to");
        params.pairs().iter().filter(|(field, _)| beside(field)).map(chip).collect()
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
fn is_day(text: &str) -> bool {
    text.len() == "2026-09-14".len() && Zone::UTC.read(text, Bound::From).is_some()
}

/// `yesterday (UTC)`
fn day(at: Timestamp, zone: Zone, now: Timestamp) -> String {
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

/// What a filter is called on pages.
pub(crate) fn named(field: &str) -> &str {
    match field {
        "call_id" => "Call-ID",
        "final" => "final status",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rule::verdict::Outcome;

    use super::*;

    /// 2026-11-23 12:00:00 UTC.
    const NOW: Timestamp = Timestamp(1_795_435_200_000_000);

    #[test]
    fn what_cannot_be_read_is_said_at_its_field() {
        let form = Form { from: "soon".into(), status: "teapot".into(), class: "call,fax".into(), ..Form::default() };
        let faults = form.filter(Zone::UTC, NOW).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), ["from", "class", "status"]);
    }

    #[test]
    fn outcomes_are_read_by_name_and_said_in_words() {
        let form = Form { judged: "failed, unknown,failed".into(), ..Form::default() };
        assert_eq!(form.filter(Zone::UTC, NOW).unwrap().outcomes, [Outcome::Failed, Outcome::Unknown]);
        assert_eq!(form.chips(Zone::UTC, NOW)[0].0, "outcome failed, cannot tell, failed");
        let faults = Form { judged: "broken".into(), ..Form::default() }.filter(Zone::UTC, NOW).unwrap_err();
        assert_eq!(faults[0].text, "there is no outcome \"broken\": failed, late, unknown, open, business, ok");
    }

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

    #[test]
    fn ticked_classes_are_a_filter_and_none_is_none() {
        let form = Form::read(&Params::parse("class=call&class=other"));
        assert_eq!(form.class, "call,other");
        assert!(form.has_class(CallClass::Call) && !form.has_class(CallClass::Registration));
        assert!(!Form::default().has_class(CallClass::Call));
    }

    #[test]
    fn each_chip_drops_what_it_says() {
        let form = Form { q: "x".into(), person: "bob".into(), class: "call,keepalive".into(), ..Form::default() };
        let chips = form.chips(Zone::UTC, NOW);
        assert_eq!(chips[0], ("person bob".into(), Form { person: String::new(), ..form.clone() }.params()));
        assert_eq!(chips[1].0, "class calls, keep-alives");
    }

    proptest! {
        #[test]
        fn every_filter_survives_address_form_address(values in prop::collection::vec("[a-zA-Z0-9+@%&=;#äöü<>\"']{0,12}", 21)) {
            let params: Params = Form::NAMES.iter().map(|n| (*n).to_owned()).zip(values).collect();
            let form = Form::read(&params);
            let shown = form.params().to_string();
            let again = Form::read(&Params::parse(shown.strip_prefix('?').unwrap_or("")));
            prop_assert_eq!(&again, &form);
            prop_assert_eq!(again.params(), form.params());
        }
    }
}
