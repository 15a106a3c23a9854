//! The search form: what was typed, as a filter, as a link, and as fields again.

use message::event::CallClass;
use record::time::Timestamp;
use store::search::Filter;

use super::times::{day, is_day};
use super::value::{Fault, class_words, classes, flag, given, kind, outcome_words, outcomes, statuses};
use crate::names::{Class, KindOf, OutcomeOf};
use crate::params::Params;
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
    /// `true`: one party left it and another took its place (`transferred_to`).
    #[param(required = false, value_type = bool)]
    pub transferred: String,
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
    pub const NAMES: [&str; 22] = [
        "q",
        "sort",
        "caller",
        "callee",
        "person",
        "call_id",
        "from",
        "to",
        "around",
        "within",
        "kind",
        "method",
        "status",
        "final",
        "outcome",
        "failure",
        "rule",
        "problems",
        "transferred",
        "ongoing",
        "text",
        "class",
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
            transferred: text("transferred"),
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
    fn values(&self) -> [&str; 22] {
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
            &self.transferred,
            &self.ongoing,
            &self.text,
            &self.class,
        ]
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
            transferred: flag("transferred", &self.transferred, &mut faults),
            ongoing: flag("ongoing", &self.ongoing, &mut faults),
            text: given(&self.text),
            since: None,
        };
        if faults.is_empty() { Ok(filter) } else { Err(faults) }
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
                "transferred" => ("transferred".to_owned(), params.without(field)),
                "ongoing" => ("not ended".to_owned(), params.without(field)),
                field => (format!("{} {value}", named(field)), params.without(field)),
            }
        };
        let beside = |field: &str| !(matches!(field, "q" | "sort" | "within") || one_day && field == "to");
        params.pairs().iter().filter(|(field, _)| beside(field)).map(chip).collect()
    }
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
        fn every_filter_survives_address_form_address(values in prop::collection::vec("[a-zA-Z0-9+@%&=;#äöü<>\"']{0,12}", 22)) {
            let params: Params = Form::NAMES.iter().map(|n| (*n).to_owned()).zip(values).collect();
            let form = Form::read(&params);
            let shown = form.params().to_string();
            let again = Form::read(&Params::parse(shown.strip_prefix('?').unwrap_or("")));
            prop_assert_eq!(&again, &form);
            prop_assert_eq!(again.params(), form.params());
        }
    }
}
