//! Search: one box that reads what was pasted, a form below it, and scenarios as rows.

pub mod cursor;
pub mod form;
pub mod look;
mod misread;
pub mod nearest;
pub mod order;
pub mod read;
pub mod row;
mod times;
pub mod value;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use message::event::CallClass;
use message::kind::Kind;
use record::id::ScenarioId;
use record::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use rule::verdict::Outcome;
use store::scenario::ScenarioRow;
use store::search::Filter;

use self::form::Form;
use self::look::{Found, Look};
use self::nearest::Near;
use self::order::Order;
use self::row::Row;
use self::value::Fault;
use crate::page::{Fragment, Frame, Page};
use crate::params::{Params, quoted};
use crate::{Error, Site, moment, words};

/// Scenarios a page.
pub(crate) const PAGE: usize = 50;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/search", get(search)).route("/search/new", get(newer))
}

async fn search(State(site): State<Site>, mut frame: Frame, Fragment(fragment): Fragment) -> Result<Response, Error> {
    let (form, now) = (Form::read(&frame.params), site.now());
    let mut misread = misread::misread(&frame.params, frame.zone, now);
    if let Some(settled) = form.settled(frame.zone, now).filter(|_| misread.is_empty()) {
        return Ok(Redirect::to(&frame.to_with("/search", &settled.params())).into_response());
    }
    frame.find.clone_from(&form.q);
    let before = match frame.params.get("after") {
        Some(text) => Some(cursor::read::<ScenarioId>(text).ok_or_else(|| bad_cursor(text))?),
        None => None,
    };
    let order = Order::of(&form.sort);
    let (found, faults) = match form.filter(frame.zone, now) {
        Ok(_) if !misread.is_empty() => (Found::default(), misread),
        Ok(filter) => {
            let only = frame.params.get("as");
            match look::look(&site, &form.q, frame.zone, filter.clone(), before, only, order).await? {
                Look::Go(path, query) => {
                    let (path, anchor) = path.split_once('#').unwrap_or((&path, ""));
                    let hash = if anchor.is_empty() { "" } else { "#" };
                    let to = format!("{}{hash}{anchor}", frame.to_with(path, &query));
                    return Ok(go(&to, fragment));
                }
                Look::Only(path, query) => {
                    let times = form.times().params();
                    let query = query.pairs().iter().chain(times.pairs()).cloned().collect();
                    return Ok(go(&frame.to_with(&path, &query), fragment));
                }
                // A filter of the form can say it.
                Look::Found(Found { rows, read_as: Some(name @ (read::RULE | read::FAILURE)), .. })
                    if !rows.is_empty() =>
                {
                    let field = if name == read::RULE { "rule" } else { "failure" };
                    let params = form.params().without("q").with(field, form.q.trim());
                    return Ok(Redirect::to(&frame.to_with("/search", &params)).into_response());
                }
                Look::Found(mut found) => {
                    if found.rows.is_empty() {
                        // Whatever comes later is new, and nothing is looked through again for it.
                        found.top = newest(&site).await?;
                    }
                    if found.rows.is_empty() && found.next.is_none() && before.is_none() {
                        let classes = look::classes(&form.q, filter.classes.clone());
                        if let Some(narrowed) = look::narrowed(&form.q, Filter { classes, ..filter.clone() }, now) {
                            found.near = nearest::nearest(&site, &form, &filter, &narrowed).await?;
                        }
                    }
                    (found, Vec::new())
                }
            }
        }
        Err(faults) => {
            misread.extend(faults);
            (Found::default(), misread)
        }
    };
    let said = faults.iter().map(|fault| fault.text.clone()).collect();
    let list = List { first_page: before.is_none() && faults.is_empty(), faults: said, order };
    let results = Results::new(&frame, &form, now, found, list);
    let page = SearchPage {
        presets: presets(&form, &frame, now),
        only: only(&form, &frame),
        understood: ["from", "to"].map(|field| form.understood(field, frame.zone, now)),
        within: withins(&form.within),
        classes: CallClass::ALL.map(|class| (class.name(), words::class(class), form.has_class(class))).to_vec(),
        kinds: Kind::ALL.map(Kind::name).to_vec(),
        outcomes: outcomes(&form.judged),
        open: !faults.is_empty(),
        set: form.chips(frame.zone, now).len(),
        faults,
        form,
        results,
        frame,
    };
    Ok(Page(page).into_response())
}

/// How many scenarios are newer than the first row of a list: a quiet hint, polled.
async fn newer(State(site): State<Site>, frame: Frame) -> Result<Response, Error> {
    let form = Form::read(&frame.params);
    let misread = misread::misread(&frame.params, frame.zone, site.now());
    if !misread.is_empty() {
        return Err(refused(&misread));
    }
    let since = frame.params.get("since").unwrap_or("");
    let top = match since {
        "" => (Timestamp(i64::MIN), ScenarioId(0)),
        text => cursor::read::<ScenarioId>(text).ok_or_else(|| bad_cursor(text))?,
    };
    let filter = form.filter(frame.zone, site.now()).map_err(|faults| refused(&faults))?;
    let filter = Filter { classes: look::classes(&form.q, filter.classes), since: Some(top), ..filter };
    let number = match look::narrowed(&form.q, filter, site.now()).filter(is_hinted) {
        Some(filter) => site.store.search(&filter, None, PAGE).await?.rows.len(),
        None => 0,
    };
    let path = if frame.params.get("at") == Some("home") { "/" } else { "/search" };
    let href = frame.to_with(path, &form.params());
    let hint = Hint { number, more: number == PAGE, href, poll: poll(&frame, since) };
    Ok(Page(hint).into_response())
}

/// What is new is looked for every two seconds: not among the texts of messages, which no index has.
fn is_hinted(filter: &Filter) -> bool {
    filter.text.is_none()
}

/// The newest scenario of all.
async fn newest(site: &Site) -> Result<Option<(Timestamp, ScenarioId)>, Error> {
    let any = Filter { classes: CallClass::ALL.to_vec(), ..Filter::default() };
    Ok(site.store.search(&any, None, 1).await?.rows.first().map(ScenarioRow::place))
}

/// The address of the hint for a list whose first row is `since`.
fn poll(frame: &Frame, since: &str) -> String {
    let at = if frame.path == "/" || frame.params.get("at") == Some("home") { "home" } else { "search" };
    let params = Form::read(&frame.params).params().with("since", since).with("at", at);
    frame.to_with("/search/new", &params)
}

fn refused(faults: &[Fault]) -> Error {
    Error::BadRequest(faults.iter().map(|fault| fault.text.as_str()).collect::<Vec<_>>().join("; "))
}

fn bad_cursor(text: &str) -> Error {
    Error::BadRequest(format!("{} is no place in this list; start at its first page", quoted(text)))
}

/// htmx follows a redirect within its request; `HX-Location` makes it go to the page.
fn go(to: &str, fragment: bool) -> Response {
    if fragment { [("hx-redirect", to.to_owned())].into_response() } else { Redirect::to(to).into_response() }
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    form: Form,
    faults: Vec<Fault>,
    /// The form is unfolded: what it says stands above the list, too, which would be far below on a phone.
    open: bool,
    /// Filters that are set.
    set: usize,
    /// Name, link, whether it is the one in use: only of "any time" that can be told, as links are absolute.
    presets: Vec<(&'static str, String, bool)>,
    /// Name, link, whether it is set, and the filter that it is.
    only: Vec<(&'static str, String, bool, String)>,
    /// How the beginning and the end of the range are understood.
    understood: [Option<String>; 2],
    /// Value, minutes, whether they are those asked for.
    within: Vec<(String, String, bool)>,
    /// Value, label, checked.
    classes: Vec<(&'static str, &'static str, bool)>,
    kinds: Vec<&'static str>,
    /// Value, label, whether it is asked for.
    outcomes: Vec<(String, String, bool)>,
    results: Results,
}

impl SearchPage {
    fn fault(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|fault| fault.field == field).map(|fault| fault.text.as_str())
    }
}

/// The list below the form.
#[derive(Template)]
#[template(path = "partials/results.html")]
struct Results {
    /// "as Call-ID", and links that read the text otherwise.
    read_as: Option<&'static str>,
    others: Vec<(&'static str, String)>,
    chips: Vec<(String, String)>,
    /// Orders of the list: name, link, whether it is the one in use.
    sorts: Vec<(&'static str, String, bool)>,
    /// `The newest 50 scenarios`
    says: String,
    rows: Vec<Row>,
    older: Option<String>,
    older_says: String,
    newest: Option<String>,
    searched_to: Option<String>,
    waiting_to: Option<String>,
    /// A search without any filter, where there is one.
    clear: Option<String>,
    /// As what the text was looked for in vain.
    tried: String,
    /// Searches that find something, or may: how many, what is different, when the newest began, and the link.
    near: Vec<(String, String, Option<String>, String)>,
    /// The same in every class, where some are left out unasked.
    all_classes: Option<String>,
    hint: Option<Hint>,
    zone: &'static str,
    /// What of the form or the address cannot be read: nothing was searched.
    faults: Vec<String>,
}

#[derive(Template, Clone, Debug)]
#[template(path = "partials/newer.html")]
pub(crate) struct Hint {
    pub number: usize,
    pub more: bool,
    pub href: String,
    pub poll: String,
}

impl Hint {
    /// Nothing newer yet than the newest row of a list.
    pub(crate) fn of(newest: Option<(Timestamp, ScenarioId)>, frame: &Frame) -> Self {
        let since = newest.map_or(String::new(), |(time, place)| cursor::write(time, place));
        Self { number: 0, more: false, href: String::new(), poll: poll(frame, &since) }
    }
}

/// How a list came to be.
struct List {
    first_page: bool,
    faults: Vec<String>,
    order: Order,
}

impl Results {
    fn new(frame: &Frame, form: &Form, now: Timestamp, found: Found, list: List) -> Self {
        let List { first_page, faults, order } = list;
        let asked = Filter { text: value::given(&form.text), ..Filter::default() };
        let hinted = look::narrowed(&form.q, asked, now).as_ref().is_some_and(is_hinted);
        let link = |params: Params| frame.to_with("/search", &params);
        let params = form.params();
        let older = found.next.map(|(first, place)| cursor::write(first, place));
        let others =
            found.others.iter().map(|(name, field, value)| (*name, link(params.without("q").with(field, value))));
        let finds_all = [&form.q, &form.call_id, &form.rule, &form.failure].iter().any(|text| !text.is_empty());
        let unasked = form.class.is_empty() && !finds_all;
        let mut chips = form.chips(frame.zone, now);
        if found.read_as == Some(read::TIME) {
            let around = Form { around: form.q.clone(), ..Form::default() }.chips(frame.zone, now);
            chips.splice(0..0, around.into_iter().map(|(text, _)| (text, params.without("q"))));
        }
        let near = |Near { what, number, newest, params }: &Near| {
            let newest = newest.map(|at| moment::said(Timestamp(at.0 - at.0.rem_euclid(SECOND)), frame.zone, now));
            (number.clone(), what.clone(), newest, link(params.clone()))
        };
        Self {
            read_as: found.read_as,
            others: others.collect(),
            chips: chips.into_iter().map(|(text, params)| (text, link(params))).collect(),
            sorts: Order::ALL
                .map(|to| {
                    let params =
                        if to == Order::Start { params.without("sort") } else { params.with("sort", to.name()) };
                    (to.label(), link(params), to == order)
                })
                .to_vec(),
            older: older.map(|after| {
                let params = params.with("after", after);
                link(found.read_as.map_or(params.clone(), |name| params.with("as", name)))
            }),
            older_says: match (found.searched_to, order) {
                (Some(_), _) => "search further back".into(),
                (None, Order::Start) => "older".into(),
                (None, _) => format!("the {} before these", words::count(order::SORTED)),
            },
            newest: (!first_page && faults.is_empty()).then(|| link(params.clone())),
            searched_to: found.searched_to.map(|at| frame.zone.full(at)),
            waiting_to: found.waiting_to.map(|at| frame.zone.full(at)),
            says: says(order, found.rows.len(), found.looked, found.next.is_some(), first_page),
            clear: (!params.is_empty() || !faults.is_empty()).then(|| frame.to("/search")),
            tried: tried(&found.tried),
            near: found.near.iter().map(near).collect(),
            all_classes: unasked.then(|| link(in_all_classes(&params))),
            hint: (first_page && hinted).then(|| Hint::of(found.top, frame)),
            zone: frame.zone.name(),
            rows: Row::list(&found.rows, order, frame, now),
            faults,
        }
    }
}

/// `as user, as Call-ID and as text in messages`
fn tried(names: &[&str]) -> String {
    let all: Vec<String> = names.iter().map(|name| format!("as {name}")).collect();
    match all.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

fn says(order: Order, shown: usize, looked: usize, more: bool, first_page: bool) -> String {
    let rows = if order == Order::Start { shown } else { looked };
    let of = match (rows, more, first_page) {
        (0, ..) => return String::new(),
        (_, true, true) => format!("The newest {}", words::counted(rows, "scenario")),
        (_, false, true) => words::counted(rows, "scenario"),
        (_, true, false) => format!("{} older scenarios", words::count(rows)),
        (_, false, false) => format!("The oldest {}", words::counted(rows, "scenario")),
    };
    let part = if shown < rows { format!(", {shown} of them shown") } else { String::new() };
    match order {
        Order::Start => of,
        Order::Talk => format!("{of}, the longest talk first{part}"),
        Order::Result => format!("{of}, what went wrong first{part}"),
    }
}

/// The same search over registrations, keep-alives, subscriptions, publications and what belongs to no call, too.
pub(crate) fn in_all_classes(params: &Params) -> Params {
    params.with("class", CallClass::ALL.map(CallClass::name).join(","))
}

/// Filters that are asked for most, each of which is taken back where it is set.
fn only(form: &Form, frame: &Frame) -> Vec<(&'static str, String, bool, String)> {
    let params = form.params();
    let all = [
        ("failed", "outcome", "failed"),
        ("with problems", "problems", "true"),
        ("pushed", "kind", "PUSH"),
        ("transferred", "transferred", "true"),
        ("not ended", "ongoing", "true"),
    ];
    all.into_iter()
        .map(|(name, field, value)| {
            let set = form.text(field) == value;
            let to = if set { params.without(field) } else { params.with(field, value) };
            (name, frame.to_with("/search", &to), set, format!("{field}={value}"))
        })
        .collect()
}

/// One of each, all that did not go well, and what the address asks for.
fn outcomes(asked: &str) -> Vec<(String, String, bool)> {
    let wrong = "failed,late,unknown";
    let mut values: Vec<(String, String)> = vec![(wrong.into(), "not as expected".into())];
    values.extend(Outcome::ALL.map(|outcome| (outcome.name().to_owned(), words::judged(outcome).0.to_owned())));
    if !asked.is_empty() && !values.iter().any(|(value, _)| value == asked) {
        values.push((asked.to_owned(), asked.replace(',', ", ")));
    }
    values.into_iter().map(|(value, label)| (value.clone(), label, value == asked)).collect()
}

/// Minutes around a time, and what the address asks for.
fn withins(asked: &str) -> Vec<(String, String, bool)> {
    let usual = form::WITHIN.to_string();
    let asked = if asked.is_empty() { &usual } else { asked };
    let mut all = ["1", &usual, "15", "60"].to_vec();
    if !all.contains(&asked) {
        all.push(asked);
    }
    let value = |minutes: &str| if minutes == usual { String::new() } else { minutes.to_owned() };
    all.into_iter().map(|minutes| (value(minutes), minutes.to_owned(), minutes == asked)).collect()
}

/// Links are absolute: a copied one shows the same tomorrow.
fn presets(form: &Form, frame: &Frame, now: Timestamp) -> Vec<(&'static str, String, bool)> {
    let zone = frame.zone;
    let second = |at: Timestamp| zone.field(Timestamp(at.0 - at.0.rem_euclid(1_000_000)));
    let today = zone.midnight(now);
    let yesterday = zone.midnight(Timestamp(today.0 - DAY / 2));
    let always = form.params().without("from").without("to").without("around").without("within");
    let since = |at: Timestamp| always.with("from", second(at));
    let ranges = [
        ("last 15 min", since(Timestamp(now.0 - 15 * MINUTE))),
        ("last hour", since(Timestamp(now.0 - HOUR))),
        ("last 4 h", since(Timestamp(now.0 - 4 * HOUR))),
        ("today", since(today)),
        ("yesterday", since(yesterday).with("to", second(today))),
        ("any time", always.clone()),
    ];
    let here = form.params();
    ranges.into_iter().map(|(name, params)| (name, frame.to_with("/search", &params), params == here)).collect()
}
