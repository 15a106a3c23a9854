//! What there is near a search that found nothing: without the time, without a filter, with the beginning or the end of a name.

use message::event::CallClass;
use record::time::Timestamp;
use store::scenario::ScenarioRow;
use store::search::Filter;

use super::form::{Form, named};
use super::{PAGE, in_all_classes};
use crate::ladder::words::shortened;
use crate::params::Params;
use crate::{Error, Site, words};

/// Filters that are left out in turn, and shorter texts that are tried.
const FILTERS: usize = 5;
/// Letters of what is left out, as an offer says it.
const LONGEST: usize = 40;
const SHORTER: usize = 4;

/// A search that finds something, and what it finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Near {
    /// `without callee bob`
    pub what: String,
    /// `12 scenarios`; `search` where nobody counted them.
    pub number: String,
    /// When the newest of them began.
    pub newest: Option<Timestamp>,
    pub params: Params,
}

/// The narrowest first. `filter` is what found nothing, `form` says it, and `base` is it without what is in the box. No message
/// is read for a text here: that takes long enough.
pub async fn nearest(site: &Site, form: &Form, base: &Filter, filter: &Filter) -> Result<Vec<Near>, Error> {
    let mut near = Vec::new();
    let params = form.params();
    let is_timed = filter.from.is_some() || filter.to.is_some();
    let untimed =
        || ["from", "to", "around", "within"].iter().fold(params.clone(), |params, name| params.without(name));
    if filter.text.is_some() {
        for name in ["q", "text"] {
            let Some(wider) = without(filter, base, form, name).filter(|wider| wider.text.is_none()) else { continue };
            near.extend(found(site, left_out(form, name), &wider, params.without(name)).await?);
        }
        let what = "at any other time".to_owned();
        near.extend(is_timed.then(|| Near { what, number: "search".into(), newest: None, params: untimed() }));
        return Ok(near);
    }
    if filter.classes.is_empty() && filter.call_id.is_none() {
        let all = Filter { classes: CallClass::ALL.to_vec(), ..filter.clone() };
        near.extend(found(site, "among registrations and all others".into(), &all, in_all_classes(&params)).await?);
    }
    if is_timed {
        let any_time = Filter { from: None, to: None, ..filter.clone() };
        near.extend(found(site, "at any other time".into(), &any_time, untimed()).await?);
    }
    let mut tried = 0;
    for name in Form::NAMES.into_iter().filter(|name| !form.text(name).is_empty()) {
        let Some(wider) = without(filter, base, form, name).filter(|_| tried < FILTERS) else { continue };
        tried += 1;
        near.extend(found(site, left_out(form, name), &wider, params.without(name)).await?);
    }
    for (name, text) in [("person", &filter.person), ("caller", &filter.caller), ("callee", &filter.callee)] {
        let Some(text) = text.as_deref().filter(|_| near.is_empty()) else { continue };
        for shorter in shorter(text).into_iter().take(SHORTER) {
            let wider = match name {
                "person" => Filter { person: Some(shorter.clone()), ..filter.clone() },
                "caller" => Filter { caller: Some(shorter.clone()), ..filter.clone() },
                _ => Filter { callee: Some(shorter.clone()), ..filter.clone() },
            };
            let params = if form.text(name).is_empty() { params.without("q") } else { params.clone() };
            near.extend(found(site, format!("with {shorter}"), &wider, params.with(name, &shorter)).await?);
            if !near.is_empty() {
                break;
            }
        }
    }
    if near.is_empty() && *filter != Filter::default() {
        near.extend(found(site, "without any filter".into(), &Filter::default(), Params::default()).await?);
    }
    Ok(near)
}

async fn found(site: &Site, what: String, filter: &Filter, params: Params) -> Result<Option<Near>, Error> {
    let page = site.store.search(filter, None, PAGE).await?;
    let Some(newest) = page.rows.iter().map(ScenarioRow::place).max() else { return Ok(None) };
    let more = if page.next.is_some() { "more than " } else { "" };
    let number = format!("{more}{}", words::counted(page.rows.len(), "scenario"));
    Ok(Some(Near { what, number, newest: Some(newest.0), params }))
}

/// `without callee bob`
fn left_out(form: &Form, name: &str) -> String {
    let value = shortened(form.text(name), LONGEST);
    if name == "q" { format!("without {value}") } else { format!("without {} {value}", named(name)) }
}

/// None: it is no filter that could be left out alone.
fn without(filter: &Filter, base: &Filter, form: &Form, name: &str) -> Option<Filter> {
    let mut wider = filter.clone();
    match name {
        "q" if !form.q.is_empty() => wider = base.clone(),
        "text" if !form.text.is_empty() => wider.text = None,
        "caller" => wider.caller = None,
        "callee" => wider.callee = None,
        "person" => wider.person = None,
        "call_id" => wider.call_id = None,
        "kind" => wider.kind = None,
        "method" => wider.method = None,
        "status" => wider.status = None,
        "final" => wider.final_status = None,
        "outcome" => wider.outcomes.clear(),
        "failure" => wider.failure = None,
        "rule" => wider.rule = None,
        "problems" => wider.problems = false,
        "transferred" => wider.transferred = false,
        "ongoing" => wider.ongoing = false,
        "class" => wider.classes.clear(),
        _ => return None,
    }
    (wider != *filter && wider != Filter::default()).then_some(wider)
}

/// Shorter ends of a number, shorter beginnings of a name; the longest first.
fn shorter(text: &str) -> Vec<String> {
    let text = text.trim_start_matches(['…', '.', '*']);
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() > 5 && !text.contains(char::is_alphabetic) {
        let ends = [7, 6, 5].into_iter().filter(|end| *end < digits.len());
        return ends.map(|end| digits[digits.len() - end..].iter().collect()).collect();
    }
    let letters: Vec<char> = text.chars().collect();
    let most = letters.len().saturating_sub(1);
    (2..=most).rev().map(|len| letters[..len].iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_tried_by_its_end_and_a_name_by_its_beginning() {
        assert_eq!(shorter("+1 202 555 0142"), ["5550142", "550142", "50142"]);
        assert_eq!(shorter("alcie"), ["alci", "alc", "al"]);
        assert_eq!(shorter("a"), [""; 0]);
        assert_eq!(shorter("50142"), ["5014", "501", "50"]);
    }

    #[test]
    fn what_is_left_out_must_leave_something_to_look_for() {
        let filter = Filter { callee: Some("bob".into()), final_status: Some((486, 486)), ..Filter::default() };
        let base = Filter { final_status: Some((486, 486)), ..Filter::default() };
        let form = Form { q: "bob".into(), ..Form::default() };
        let without = |filter: &Filter, base: &Filter, name| without(filter, base, &form, name);
        assert_eq!(without(&filter, &base, "final").unwrap().final_status, None);
        assert_eq!(without(&filter, &base, "kind"), None, "it was not set");
        assert_eq!(without(&filter, &base, "q"), Some(base.clone()), "what is in the box is a filter");
        assert_eq!(without(&filter, &Filter::default(), "q"), None, "nothing else is asked for");
        assert_eq!(without(&Filter { final_status: None, ..filter }, &base, "callee"), None, "that is all there is");
    }
}
