//! A notice as both parts of the mail show it: in words, masked and cleaned. Pure.

use std::collections::BTreeSet;
use std::fmt::Write;

use chrono::{DateTime, Offset, TimeZone, Utc};
use record::time::{SECOND, Timestamp};

use super::clean::{clean, label, masked, masked_within};
use super::notice::{About, Group, Held, Item, Notice, Severity, Share, State, Storm};

/// So many ids are named for machines; more would make the line longer than mail servers take.
const MOST_IDS: usize = 100;
const MOST_COMMON: usize = 8;

pub(super) struct View {
    /// `CRITICAL`, and what it is about: `push-no-wake: device did not wake after PUSH`.
    pub badge: &'static str,
    pub tone: Tone,
    pub head: String,
    pub first: String,
    pub facts: Vec<(&'static str, String)>,
    pub lists: Vec<List>,
    /// How many are not listed, and where they are.
    pub more: Option<(usize, String)>,
    pub links: Vec<(&'static str, String)>,
    pub foot: String,
    pub ids: String,
    pub key: String,
    pub status: &'static str,
}

pub(super) struct List {
    pub title: &'static str,
    /// What each of its rows is, or nothing.
    pub badge: &'static str,
    pub rows: Vec<Row>,
}

pub(super) struct Row {
    pub number: usize,
    pub tone: Tone,
    pub id: String,
    pub at: String,
    pub from: String,
    pub to: String,
    /// Leg and device, or nothing.
    pub leg: String,
    pub what: String,
    pub link: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Red,
    Amber,
    Blue,
    Green,
}

/// With at most so many rows.
pub(super) fn view(notice: &Notice, most: usize) -> View {
    let Notice { reader, base_url, about, .. } = notice;
    let mut view = match about {
        About::Group(group) => of_group(notice, group, most),
        About::Storm(storm) => of_storm(notice, storm, most),
    };
    let team = clean(&reader.team);
    let _ = write!(view.foot, "You get this by {} of routes.toml (team {team}).", routes(&reader.routes));
    view.links.iter_mut().for_each(|(_, path)| path.insert_str(0, base_url));
    view
}

fn of_group(notice: &Notice, group: &Group, most: usize) -> View {
    let group_page = format!("/a/{:016x}", group.key);
    let day = group.begins.to_utc().date_naive();
    let mut rows = Rows { left: most.min(group.max_listed), number: 0 };
    let mut list = |title, badge, tone, items: &[Item]| {
        let row = |(number, item)| Row { tone, ..row(notice, number, item, day) };
        List { title, badge, rows: rows.take(items).map(row).collect() }
    };
    let lists = [
        list("NEW", "FAILED", Tone::Red, &group.new),
        list("CONTINUING", "FAILED", Tone::Red, &group.continuing),
        if group.is_of_logs() {
            list("WELL AGAIN", "OK", Tone::Green, &group.resolved)
        } else {
            list("RESOLVED LATE", "LATE", Tone::Amber, &group.resolved)
        },
        list("RESOLVED", "RESOLVED", Tone::Green, &group.gone),
    ];
    let lists: Vec<List> = lists.into_iter().filter(|list| !list.rows.is_empty()).collect();
    let listed: usize = lists.iter().map(|list| list.rows.len()).sum();
    let left = group.len() - listed + group.hidden.older as usize;
    let more = (left > 0).then(|| (left, format!("{}{group_page}", notice.base_url)));
    let foot = match (group.hidden.silences, group.hidden.scenarios) {
        (_, 0) => String::new(),
        (silences, scenarios) => {
            let hide = if silences == 1 { "hides" } else { "hide" };
            format!("{} {hide} {} of this rule. ", counted(silences, "silence"), counted(scenarios, "scenario"))
        }
    };
    let is_over = group.state == State::Resolved;
    View {
        badge: if is_over { "OK" } else { severity(group.severity) },
        tone: if is_over { Tone::Green } else { tone(group.severity) },
        head: format!("{}: {}", clean(&group.failure), clean(&group.says)),
        first: first(group),
        facts: facts(notice, group),
        lists,
        more,
        // `Acknowledge` and `Silence` come here, once there are such pages.
        links: vec![("Group", group_page)],
        foot,
        ids: ids(group),
        key: format!("{:016x}", group.key),
        status: match group.state {
            State::Firing => "firing",
            State::Update => "update",
            State::Resolved => "resolved",
        },
    }
}

fn of_storm(notice: &Notice, storm: &Storm, most: usize) -> View {
    let mut rows = Rows { left: most, number: 0 };
    let row = |(number, held): (usize, &Held)| Row {
        number,
        tone: tone(held.severity),
        id: format!("{:016x}", held.key),
        at: String::new(),
        from: format!("{} {}", severity(held.severity), clean(&held.failure)),
        to: String::new(),
        leg: String::new(),
        what: format!("{}: {}", of_held(held), clean(&held.says)),
        link: format!("{}/a/{:016x}", notice.base_url, held.key),
    };
    let rows: Vec<Row> = rows.take(&storm.groups).map(row).collect();
    let listed = rows.len();
    let (failing, over): (Vec<&Held>, Vec<&Held>) = storm.groups.iter().partition(|held| held.scenarios > 0);
    let scenarios: u64 = failing.iter().map(|held| held.scenarios).sum();
    let groups = |of: &[&Held]| counted(of.len() as u64, "group");
    let failed = format!("{} in {} did not end as expected", counted(scenarios, "scenario"), groups(&failing));
    let resolved = format!("{} {} resolved", groups(&over), if over.len() == 1 { "is" } else { "are" });
    let says = match (failing.is_empty(), over.is_empty()) {
        (true, _) => resolved,
        (false, true) => failed,
        (false, false) => format!("{failed}, and {resolved}"),
    };
    let more =
        (listed < storm.groups.len()).then(|| (storm.groups.len() - listed, format!("{}/alerts", notice.base_url)));
    View {
        badge: "STORM",
        tone: Tone::Red,
        head: capital(STORM),
        first: format!(
            "{says}. You have got {} within an hour; until there are fewer, one mail stands for all of them.",
            counted(storm.mails, "mail"),
        ),
        facts: vec![("When", window(storm.begins, storm.ends, notice.reader.zone))],
        lists: vec![List { title: "HELD BACK", badge: "", rows }],
        more,
        links: vec![("Groups", "/alerts".to_owned())],
        foot: String::new(),
        ids: String::new(),
        key: format!("storm-{}", label(&notice.reader.team)),
        status: "storm",
    }
}

/// `9,120 scenarios`, `9,120 scenarios, and 2 resolved`, `2 scenarios resolved`
fn of_held(held: &Held) -> String {
    match (held.scenarios, held.over) {
        (many, 0) => counted(many, "scenario"),
        (0, over) => format!("{} resolved", counted(over, "scenario")),
        (many, over) => format!("{}, and {} resolved", counted(many, "scenario"), thousands(over)),
    }
}

/// What a storm is called, the same in each of its mails.
pub(super) const STORM: &str = "too many alerts to mail one by one";

/// Numbers rows over all lists, up to a bound.
struct Rows {
    left: usize,
    number: usize,
}

impl Rows {
    fn take<'a, T>(&mut self, items: &'a [T]) -> impl Iterator<Item = (usize, &'a T)> + use<'a, T> {
        let taken = items.len().min(self.left);
        let from = self.number + 1;
        self.left -= taken;
        self.number += taken;
        items[..taken].iter().enumerate().map(move |(at, item)| (from + at, item))
    }
}

fn row(notice: &Notice, number: usize, item: &Item, day: chrono::NaiveDate) -> Row {
    let mask = notice.reader.mask;
    let at = item.at.to_utc();
    let form = if at.date_naive() == day { "%H:%M:%SZ" } else { "%m-%d %H:%M:%SZ" };
    if item.is_of_a_log() {
        return Row {
            number,
            tone: Tone::Red,
            id: String::new(),
            at: at.format(form).to_string(),
            from: clean_long(&item.leg),
            to: String::new(),
            leg: String::new(),
            what: clean_long(&item.unseen),
            link: format!("{}/", notice.base_url),
        };
    }
    let seen = [&item.seen, &item.unseen].into_iter().filter(|part| !part.is_empty());
    let mut what = seen.map(|part| masked_within(part, mask)).collect::<Vec<_>>().join(", ");
    if let Some(late) = item.late_by {
        let _ = write!(what, " ({} late)", seconds(late));
    }
    if item.times > 1 {
        let _ = write!(what, " ×{}", item.times);
    }
    if !item.also.is_empty() {
        let also = item.also.iter().take(5).map(|rule| clean(rule)).collect::<Vec<_>>().join(", ");
        let _ = write!(what, "; also: {also}");
    }
    let party = |name: &str| if name.is_empty() { "unknown".to_owned() } else { masked(name, mask) };
    let leg = [clean(&item.leg), masked_within(&item.device, mask)];
    let leg = leg.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let anchor = anchor(&item.fragment);
    let id = hex(item.scenario);
    Row {
        number,
        tone: Tone::Red,
        link: format!("{}/s/{id}#{anchor}", notice.base_url),
        id,
        at: at.format(form).to_string(),
        from: party(&item.caller),
        to: party(&item.callee),
        leg,
        what,
    }
}

fn first(group: &Group) -> String {
    let of_logs = group.is_of_logs();
    let over = if of_logs { "well again" } else { "resolved late" };
    let older = group.hidden.older;
    let parts = [(&group.new, older, "new"), (&group.continuing, 0, "continuing"), (&group.resolved, 0, over)];
    let parts =
        parts.map(|(items, more, what)| (items.len() as u64 + more, what)).into_iter().filter(|(many, _)| *many > 0);
    let parts = parts.map(|(many, what)| format!("{} {what}", thousands(many))).collect::<Vec<_>>();
    let gone = match group.gone.len() {
        0 => String::new(),
        many => format!(" {} of those mailed before did not fail after all.", thousands(many as u64)),
    };
    let what = match (of_logs, group.len() - group.gone.len()) {
        (false, many) => format!("{} did not end as expected", counted(many as u64 + older, "scenario")),
        (true, 1) => "1 agent or log needs attention".to_owned(),
        (true, many) => format!("{} agents or logs need attention", thousands(many as u64)),
    };
    let said = match (group.state, parts.is_empty()) {
        _ if of_logs && group.state == State::Resolved => format!("Over: {}.", parts.join(", ")),
        (State::Resolved, true) => format!("Over: nothing has failed like this since {}.", utc(group.ends)),
        (State::Resolved, false) => {
            format!("Over: nothing has failed like this since {}. {}.", utc(group.ends), parts.join(", "))
        }
        (_, true) => format!("{what}."),
        (_, false) => format!("{what}: {}.", parts.join(", ")),
    };
    said + &gone
}

fn facts(notice: &Notice, group: &Group) -> Vec<(&'static str, String)> {
    let about = format!("{}, version {}", severity(group.severity).to_lowercase(), clean(&group.version));
    if group.is_of_logs() {
        let expected = format!("{} ({})", clean_long(&group.title), severity(group.severity).to_lowercase());
        let since = if group.begins == group.ends {
            utc(group.begins)
        } else {
            window(group.begins, group.ends, notice.reader.zone)
        };
        return vec![("Expect", expected), ("Since", since)];
    }
    let mut facts = vec![
        ("Rule", format!("{} ({about}): {}", clean(&group.rule), clean_long(&group.title))),
        ("Failed", format!("step {}: {}", clean(&group.step), clean_long(&group.missed))),
        ("When", window(group.begins, group.ends, notice.reader.zone)),
    ];
    facts.extend(group.share.map(|of| ("Share", share(of))));
    let common = group.common.iter().take(MOST_COMMON);
    let common = common.map(|fact| {
        let value = masked_within(&fact.value, notice.reader.mask);
        format!("{}={value} {}/{}", clean(&fact.name), fact.has, fact.of)
    });
    let common = common.collect::<Vec<_>>().join(", ");
    facts.extend((!common.is_empty()).then_some(("Common", common)));
    facts
}

/// A sentence of a rule: its author's, and as long as he likes within reason.
fn clean_long(text: &str) -> String {
    let words = text.split_whitespace().map(clean).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

fn share(share: Share) -> String {
    let part = |of: f64| format!("{:.1} %", of * 100.0);
    let mut out = format!("{} of {}", thousands(share.failed), thousands(share.judged));
    if share.judged > 0 {
        let _ = write!(out, " ({})", part(share.failed as f64 / share.judged as f64));
    }
    if let Some(persons) = share.persons {
        let _ = write!(
            out,
            ", {}",
            if persons == 1 { "1 person".into() } else { format!("{} people", thousands(persons)) }
        );
    }
    if let Some(before) = share.week_ago {
        let _ = write!(out, "; the same hour a week ago {}", part(before));
    }
    out
}

/// In UTC and as the team's clock says it.
fn window(begins: Timestamp, ends: Timestamp, zone: chrono_tz::Tz) -> String {
    let (begins, ends) = (begins.to_utc(), ends.to_utc());
    let utc = span(begins, ends, "%H:%M:%S");
    if zone == chrono_tz::UTC {
        return format!("{utc} UTC");
    }
    let local = (begins.with_timezone(&zone), ends.with_timezone(&zone));
    let same_day = local.0.date_naive() == begins.date_naive() && local.1.date_naive() == ends.date_naive();
    // Between them clocks are set: without offsets the one could look like the other.
    let local = if local.0.offset().fix() != local.1.offset().fix() {
        format!("{} - {}", local.0.format("%H:%M %:z"), local.1.format("%H:%M %:z"))
    } else if same_day && begins.date_naive() == ends.date_naive() {
        format!("{}-{}", local.0.format("%H:%M"), local.1.format("%H:%M"))
    } else {
        span(local.0, local.1, "%H:%M")
    };
    format!("{utc} UTC ({local} {zone})")
}

fn span<Z: TimeZone>(begins: DateTime<Z>, ends: DateTime<Z>, form: &str) -> String
where
    Z::Offset: std::fmt::Display,
{
    let whole = format!("%Y-%m-%d {form}");
    if begins.date_naive() == ends.date_naive() {
        format!("{}-{}", begins.format(&whole), ends.format(form))
    } else {
        format!("{} - {}", begins.format(&whole), ends.format(&whole))
    }
}

fn utc(at: Timestamp) -> String {
    let at: DateTime<Utc> = at.to_utc();
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `4.2 s`, `3 min 5 s`, `2 h 1 min`.
fn seconds(micros: i64) -> String {
    let whole = micros / SECOND;
    match whole {
        ..60 => format!("{}.{} s", whole, micros % SECOND / (SECOND / 10)),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

fn ids(group: &Group) -> String {
    let items = || group.new.iter().chain(&group.continuing).chain(&group.resolved).chain(&group.gone);
    if group.is_of_logs() {
        return String::new();
    }
    let mut ids = items().take(MOST_IDS).map(|item| hex(item.scenario)).collect::<Vec<_>>().join(" ");
    if group.len() > MOST_IDS {
        let _ = write!(ids, " +{}", group.len() - MOST_IDS);
    }
    ids
}

fn hex(scenario: i64) -> String {
    format!("{scenario:08x}")
}

/// What may stand in the fragment of a link.
fn anchor(fragment: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    fragment.chars().filter(is_plain).take(240).collect()
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "INFO",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Blue,
        Severity::Warning => Tone::Amber,
        Severity::Critical => Tone::Red,
    }
}

impl Tone {
    /// Legible with white on it, on light and on dark ground.
    pub fn colour(self) -> &'static str {
        match self {
            Self::Red => "#c62828",
            Self::Amber => "#a65b00",
            Self::Blue => "#1565c0",
            Self::Green => "#2e7d32",
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `route 1`, `routes 1, 2 and 4`.
fn routes(numbers: &BTreeSet<usize>) -> String {
    let mut names: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match names.pop() {
        Some(last) if names.is_empty() => format!("route {last}"),
        Some(last) => format!("routes {} and {last}", names.join(", ")),
        None => "a route".to_owned(),
    }
}

fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
