//! `routes.toml`: who is mailed about which failures, and when.

use std::collections::BTreeSet;

use chrono_tz::{TZ_VARIANTS, Tz};
use sha2::{Digest as _, Sha256};

use crate::document::{Quoted, Source, Table};
use crate::fault::{Fault, Wrong};
use crate::near::nearest;
use crate::syntax::Severity;
use crate::words::is_name;

/// All times are microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routes {
    pub budget: Budget,
    pub teams: Vec<Team>,
    /// The first that matches counts; the last matches everything.
    pub routes: Vec<Route>,
}

/// Of one sending account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    pub per_day: u32,
    /// Of these, kept for critical ones.
    pub reserve_critical: u32,
    /// A team, escalations apart.
    pub per_hour: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Team {
    pub name: String,
    pub to: Vec<String>,
    pub tz: Tz,
    pub mask: Mask,
    pub webhook: Option<Webhook>,
}

/// What of a number is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mask {
    /// All of it.
    None,
    /// The last three digits.
    Last3,
    /// Nothing.
    All,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    pub url: String,
    pub secret_file: String,
}

/// With what it takes from `[defaults]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub matches: Match,
    /// Names of teams.
    pub to: Vec<String>,
    pub grouping: Grouping,
    pub escalate: Vec<Escalation>,
    pub digest: Option<Digest>,
    pub hours: Option<Hours>,
}

/// Any of the values of each; without values, all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Match {
    pub severity: Vec<Severity>,
    pub env: Vec<String>,
    pub rule: Vec<String>,
    pub failure: Vec<String>,
    pub host: Vec<String>,
}

/// How failures become mails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grouping {
    pub group_by: Vec<GroupKey>,
    pub group_wait: i64,
    pub group_interval: i64,
    /// A multiple of `group_interval`.
    pub repeat: i64,
    pub max_listed: u32,
    pub resolved: Resolved,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum GroupKey {
    Env,
    Rule,
    Failure,
    Severity,
    Host,
}

/// Which resolved scenarios are mailed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolved {
    /// Those that were mailed before.
    IfListed,
    Never,
}

/// Without acknowledgement after this long, this team is mailed, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Escalation {
    pub after: i64,
    pub to: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Digest {
    /// Minutes after midnight.
    At {
        minute: u16,
        tz: Tz,
    },
    Every(i64),
}

/// When mails are sent; outside, they go to the digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hours {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes after midnight. An end that is not after the begin is on the next day.
    pub from: u16,
    pub to: u16,
    pub tz: Tz,
    /// Critical ones wait, too.
    pub critical: bool,
}

impl Route {
    /// The same while it matches the same and groups by the same, wherever it stands: groups outlast other changes.
    pub fn mark(&self) -> i32 {
        let Match { severity, env, rule, failure, host } = &self.matches;
        let severity: Vec<String> = severity.iter().map(|severity| severity.name().to_owned()).collect();
        let by = |key: &GroupKey| GROUP_KEYS.iter().find(|(_, known)| known == key).map(|(name, _)| (*name).to_owned());
        let group_by: Vec<String> = self.grouping.group_by.iter().filter_map(by).collect();
        let mut hash = Sha256::new();
        for values in [&severity, env, rule, failure, host, &group_by] {
            hash.update((values.len() as u64).to_le_bytes());
            for text in values {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        let digest = hash.finalize();
        i32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
    }
}

impl Match {
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

const MASKS: [(&str, Mask); 3] = [("none", Mask::None), ("last3", Mask::Last3), ("all", Mask::All)];
const RESOLVED: [(&str, Resolved); 2] = [("if-listed", Resolved::IfListed), ("never", Resolved::Never)];
const GROUP_KEYS: [(&str, GroupKey); 5] = [
    ("env", GroupKey::Env),
    ("rule", GroupKey::Rule),
    ("failure", GroupKey::Failure),
    ("severity", GroupKey::Severity),
    ("host", GroupKey::Host),
];
const DAYS: [(&str, usize); 7] = [("mon", 0), ("tue", 1), ("wed", 2), ("thu", 3), ("fri", 4), ("sat", 5), ("sun", 6)];
const GROUPING: [&str; 6] = ["group_by", "group_wait", "group_interval", "repeat", "max_listed", "resolved"];

/// More teams and routes are a mistake.
const MOST: usize = 500;

const SECOND: i64 = 1_000_000;

impl Default for Grouping {
    fn default() -> Self {
        Self {
            group_by: vec![GroupKey::Env, GroupKey::Rule, GroupKey::Failure],
            group_wait: 30 * SECOND,
            group_interval: 300 * SECOND,
            repeat: 4 * 3_600 * SECOND,
            max_listed: 20,
            resolved: Resolved::IfListed,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { per_day: 300, reserve_critical: 60, per_hour: 12 }
    }
}

impl Routes {
    /// `rules` are the ids of the rules and watches that there are.
    pub fn load(file: &str, text: &str, rules: &BTreeSet<String>) -> Result<Self, Vec<Fault>> {
        let source = Source::new(file, text);
        let parsed = source.parse();
        let routes = parsed.as_ref().map(|table| read(&Table::root(&source, table), rules));
        drop(parsed);
        let faults = source.into_faults();
        match routes {
            Some(routes) if faults.is_empty() => Ok(routes),
            _ => Err(faults),
        }
    }
}

fn read(root: &Table<'_>, rules: &BTreeSet<String>) -> Routes {
    root.only(&["defaults", "budget", "team", "route"]);
    let shipped = Grouping::default();
    let defaults = root.table("defaults").map_or(shipped.clone(), |table| {
        table.only(&GROUPING);
        grouping(&table, &shipped)
    });
    let budget = root.table("budget").map_or(Budget::default(), |table| budget(&table));
    let mut teams: Vec<Team> = Vec::new();
    for table in few(root.tables("team")) {
        let name = name_of_team(&table);
        if let Some(name) = name.as_ref().filter(|name| teams.iter().any(|team| team.name == name.text)) {
            name.complain(format!("there is a team `{}` already", name.text), []);
        }
        // A team with a fault is a team, so that routes to it are right.
        teams.push(team(&table, name.map_or("", |name| name.text)));
    }
    let tables = few(root.tables("route"));
    if tables.is_empty() {
        root.complain(Wrong::new(0..0, "there is no route, so nobody is told").expecting(["[[route]]"]));
    }
    let routes: Vec<Route> = tables.iter().map(|table| route(table, &defaults, &teams, rules)).collect();
    for (at, (route, table)) in routes.iter().zip(&tables).enumerate() {
        let last = at + 1 == routes.len();
        if last && !route.matches.is_everything() {
            let wrong =
                Wrong::new(table.place("match"), "the last route must match everything, so that no failure is lost");
            table.complain(wrong.expecting(["match = {}"]));
        } else if !last && route.matches.is_everything() && table.table("match").is_some_and(|table| table.is_empty()) {
            let what = "this route matches everything, so those after it are never reached";
            table.complain(Wrong::new(table.place("match"), what));
        }
    }
    Routes { budget, teams, routes }
}

fn few(mut tables: Vec<Table<'_>>) -> Vec<Table<'_>> {
    if let Some(table) = tables.get(MOST) {
        table.complain(Wrong::new(table.at.clone(), format!("at most {MOST} of them are read")));
        tables.truncate(MOST);
    }
    tables
}

fn grouping(table: &Table<'_>, otherwise: &Grouping) -> Grouping {
    let group_by: Vec<_> =
        table.texts("group_by").iter().filter_map(|text| text.word("key of a group", &GROUP_KEYS)).collect();
    let grouping = Grouping {
        group_by: if table.has("group_by") { group_by } else { otherwise.group_by.clone() },
        group_wait: table.time("group_wait").unwrap_or(otherwise.group_wait),
        group_interval: table.time("group_interval").unwrap_or(otherwise.group_interval),
        repeat: table.time("repeat").unwrap_or(otherwise.repeat),
        max_listed: table.number("max_listed").unwrap_or(otherwise.max_listed),
        resolved: table.word("resolved", &RESOLVED).unwrap_or(otherwise.resolved),
    };
    let is_read = table.has("group_by") && table.texts("group_by").len() == grouping.group_by.len();
    let own = |(_, key): &&(&str, GroupKey)| is_read && !grouping.group_by.contains(key);
    if let Some((name, _)) = [("rule", GroupKey::Rule), ("failure", GroupKey::Failure)].iter().find(own) {
        let what = format!("`group_by` needs \"{name}\": a mail is about one failure of one rule");
        table.complain(Wrong::new(table.place("group_by"), what));
    }
    if grouping.repeat % grouping.group_interval != 0 {
        let key = if table.has("repeat") { "repeat" } else { "group_interval" };
        let show = crate::duration::show;
        let what = format!(
            "`repeat` ({}) must be a multiple of `group_interval` ({})",
            show(grouping.repeat),
            show(grouping.group_interval)
        );
        table.complain(Wrong::new(table.place(key), what));
    }
    grouping
}

fn budget(table: &Table<'_>) -> Budget {
    table.only(&["per_day", "reserve_critical", "per_hour", "over"]);
    let shipped = Budget::default();
    let budget = Budget {
        per_day: table.number("per_day").unwrap_or(shipped.per_day),
        reserve_critical: table.number("reserve_critical").unwrap_or(shipped.reserve_critical),
        per_hour: table.number("per_hour").unwrap_or(shipped.per_hour),
    };
    table.word("over", &[("digest", ())]);
    if budget.reserve_critical > budget.per_day {
        let key = if table.has("reserve_critical") { "reserve_critical" } else { "per_day" };
        table.complain(Wrong::new(table.place(key), "`reserve_critical` is a part of `per_day`, and cannot be more"));
    }
    budget
}

fn name_of_team<'d>(table: &Table<'d>) -> Option<Quoted<'d>> {
    table.needed("name", "\"oncall-voice\"");
    let name = table.text("name")?;
    if !is_name(name.text) {
        name.complain(format!("`{}` is no name: a lower-case word with dashes", name.text), []);
    }
    Some(name)
}

fn team(table: &Table<'_>, name: &str) -> Team {
    table.only(&["name", "to", "tz", "mask", "webhook"]);
    let to = table.texts("to");
    for address in to.iter().filter(|address| !is_address(address.text)) {
        address.complain(format!("`{}` is no address of a mailbox", address.text), ["oncall@example.com"]);
    }
    let webhook = table.table("webhook").and_then(|table| webhook(&table));
    if table.needed("to", "[\"oncall@example.com\"]") && table.texts("to").is_empty() && webhook.is_none() {
        table.complain(Wrong::new(table.place("to"), "nobody is in this team").expecting(["[\"oncall@example.com\"]"]));
    }
    Team {
        name: name.to_owned(),
        to: to.iter().map(|address| address.text.to_owned()).collect(),
        tz: zone(table).unwrap_or(Tz::UTC),
        mask: table.word("mask", &MASKS).unwrap_or(Mask::Last3),
        webhook,
    }
}

fn webhook(table: &Table<'_>) -> Option<Webhook> {
    table.only(&["url", "secret_file"]);
    table.needed("url", "\"https://pager.example.com/in\"");
    table.needed("secret_file", "\"pager.key\"");
    let (url, secret_file) = (table.text("url")?, table.text("secret_file")?);
    let rest = url.text.strip_prefix("https://").or_else(|| url.text.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || !rest.bytes().all(|b| b.is_ascii_graphic())) {
        url.complain(format!("`{}` is no web address", url.text), ["https://pager.example.com/in"]);
    }
    Some(Webhook { url: url.text.to_owned(), secret_file: secret_file.text.to_owned() })
}

fn route(table: &Table<'_>, defaults: &Grouping, teams: &[Team], rules: &BTreeSet<String>) -> Route {
    let own: Vec<&str> = ["match", "to", "escalate", "digest", "hours"].into_iter().chain(GROUPING).collect();
    table.only(&own);
    table.needed("match", "{ severity = \"critical\" }");
    let matches = table.table("match").map_or_else(Match::default, |table| matching(&table, rules));
    if table.needed("to", "[\"oncall-voice\"]") && table.one_or_more("to").is_empty() {
        table.complain(Wrong::new(table.place("to"), "this route goes to nobody").expecting(["[\"oncall-voice\"]"]));
    }
    let to = table.one_or_more("to").iter().filter_map(|name| team_named(name, teams)).collect();
    let escalation = |table: &Table<'_>| {
        table.only(&["after", "to"]);
        table.needed("after", "\"15m\"");
        table.needed("to", "\"voice-lead\"");
        let (after, to) = (table.time("after"), table.text("to").and_then(|name| team_named(&name, teams)));
        Some(Escalation { after: after?, to: to? })
    };
    Route {
        matches,
        to,
        grouping: grouping(table, defaults),
        escalate: table.tables("escalate").iter().filter_map(escalation).collect(),
        digest: table.table("digest").and_then(|table| digest(&table)),
        hours: table.table("hours").and_then(|table| hours(&table)),
    }
}

fn matching(table: &Table<'_>, rules: &BTreeSet<String>) -> Match {
    table.only(&["severity", "env", "rule", "failure", "host"]);
    let texts = |key: &str| table.one_or_more(key).iter().map(|text| text.text.to_owned()).collect::<Vec<_>>();
    // Alerts that are of no rule have names, too, so only a slip is known to be wrong.
    for name in table.one_or_more("rule").iter().filter(|name| !rules.contains(name.text)) {
        if let Some(near) = nearest(name.text, rules.iter().map(String::as_str)) {
            let wrong = Wrong::new(name.part(0..name.text.len()), format!("there is no rule `{}`", name.text));
            name.complain_of(wrong.meaning(name.text, [near]));
        }
    }
    for key in ["severity", "env", "rule", "failure", "host"] {
        if table.has(key) && table.one_or_more(key).is_empty() {
            let wrong = Wrong::new(table.place(key), format!("`{key}` has no value, so this would match nothing"));
            table.complain(wrong.expecting(["a text", "a list of texts"]));
        }
    }
    Match {
        severity: table
            .one_or_more("severity")
            .iter()
            .filter_map(|text| text.word("severity", &Severity::ALL))
            .collect(),
        env: texts("env"),
        rule: texts("rule"),
        failure: texts("failure"),
        host: texts("host"),
    }
}

fn team_named(name: &Quoted<'_>, teams: &[Team]) -> Option<String> {
    if teams.iter().any(|team| team.name == name.text) {
        return Some(name.text.to_owned());
    }
    let known = || teams.iter().map(|team| team.name.as_str()).filter(|name| !name.is_empty());
    let wrong = Wrong::new(name.part(0..name.text.len()), format!("there is no team `{}`", name.text));
    name.complain_of(wrong.expecting(known().take(20)).meaning(name.text, known()));
    None
}

fn digest(table: &Table<'_>) -> Option<Digest> {
    table.only(&["at", "every", "tz"]);
    match (table.has("at"), table.has("every")) {
        (true, false) => {
            let (minute, tz) = (minute(table, "at"), zone(table));
            Some(Digest::At { minute: minute?, tz: tz.unwrap_or(Tz::UTC) })
        }
        (false, true) => table.time("every").map(Digest::Every),
        _ => {
            let wrong = Wrong::new(table.at.clone(), "a digest has either `at` or `every`");
            table.complain(wrong.expecting(["{ at = \"08:30\", tz = \"Europe/Berlin\" }", "{ every = \"1h\" }"]));
            None
        }
    }
}

fn hours(table: &Table<'_>) -> Option<Hours> {
    table.only(&["days", "from", "to", "tz", "else", "critical"]);
    for (key, like) in [("from", "\"08:00\""), ("to", "\"18:00\""), ("tz", "\"Europe/Berlin\"")] {
        table.needed(key, like);
    }
    table.word("else", &[("digest", ())]);
    let critical = table.flag("critical").unwrap_or(false);
    let days = table.text("days").map_or(Some([true; 7]), |text| days(&text));
    let (from, to, tz) = (minute(table, "from"), minute(table, "to"), zone(table));
    Some(Hours { days: days?, from: from?, to: to?, tz: tz?, critical })
}

/// `mon-fri`, `mon,wed,sat-sun`.
fn days(text: &Quoted<'_>) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let day = |name: &str| DAYS.iter().find(|(known, _)| *known == name).map(|(_, day)| *day);
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            text.complain(format!("`{part}` is no day of the week"), ["mon-fri", "sat,sun"]);
            return None;
        };
        // A span over the end of the week goes on at its begin.
        (0..7).map(|ahead| (first + ahead) % 7).take((last + 7 - first) % 7 + 1).for_each(|day| days[day] = true);
    }
    Some(days)
}

/// `08:30`, in minutes.
fn minute(table: &Table<'_>, key: &str) -> Option<u16> {
    let text = table.text(key)?;
    let number = |part: &str, below: u16| -> Option<u16> {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|number| digits && *number < below)
    };
    let minute =
        text.text.split_once(':').and_then(|(hour, minute)| Some(number(hour, 24)? * 60 + number(minute, 60)?));
    if minute.is_none() {
        text.complain(format!("`{}` is no time of day", text.text), ["08:30"]);
    }
    minute
}

fn zone(table: &Table<'_>) -> Option<Tz> {
    let text = table.text("tz")?;
    let zone = text.text.parse().ok();
    if zone.is_none() {
        let wrong = Wrong::new(text.part(0..text.text.len()), format!("there is no time zone `{}`", text.text));
        text.complain_of(
            wrong.expecting(["Europe/Berlin", "UTC"]).meaning(text.text, TZ_VARIANTS.iter().map(|tz| tz.name())),
        );
    }
    zone
}

/// It looks like one; whether it is one only a mail can tell.
fn is_address(text: &str) -> bool {
    let local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let label = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inside && !label.is_empty() && label.len() < 64 && !label.starts_with('-') && !label.ends_with('-')
    };
    let dots = |name: &str| {
        !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && !name.ends_with('.') && !name.contains("..")
    };
    let good = |(name, domain): (&str, &str)| dots(name) && name.bytes().all(local) && domain.split('.').all(label);
    text.len() <= 254 && text.rsplit_once('@').is_some_and(good)
}
