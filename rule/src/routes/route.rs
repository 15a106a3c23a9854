//! Routes: what they match, to whom they go, and how failures become mails by them.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::team::zone;
use super::{Digest, Escalation, GROUP_KEYS, GroupKey, Grouping, Hours, Match, Resolved, Route, Team};
use crate::document::{Quoted, Table};
use crate::fault::Wrong;
use crate::near::nearest;
use crate::syntax::Severity;

const RESOLVED: [(&str, Resolved); 2] = [("if-listed", Resolved::IfListed), ("never", Resolved::Never)];
const DAYS: [(&str, usize); 7] = [("mon", 0), ("tue", 1), ("wed", 2), ("thu", 3), ("fri", 4), ("sat", 5), ("sun", 6)];
pub(super) const GROUPING: [&str; 6] = ["group_by", "group_wait", "group_interval", "repeat", "max_listed", "resolved"];

pub(super) fn grouping(table: &Table<'_>, otherwise: &Grouping) -> Grouping {
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

pub(super) fn route(table: &Table<'_>, defaults: &Grouping, teams: &[Team], rules: &BTreeSet<String>) -> Route {
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
