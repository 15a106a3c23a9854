//! The file as a whole, and its budget.

use std::collections::BTreeSet;

use super::route::{GROUPING, grouping, route};
use super::team::{name_of_team, team};
use super::{Budget, Grouping, Route, Routes, Team};
use crate::document::{Source, Table};
use crate::fault::{Fault, Wrong};

/// More teams and routes are a mistake.
const MOST: usize = 500;

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
        root.complain(Wrong::new(0..0, "there is no route, so nobody is mailed").expecting(["[[route]]"]));
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
