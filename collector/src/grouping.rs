//! Which group a failure belongs to: that of the first route that matches, with what this one groups by. Pure.

use std::collections::BTreeSet;

use rule::routes::{GroupKey as By, Route, Routes};
use rule::syntax::Severity;
use sha2::{Digest, Sha256};
use store::alert::GroupKey;

/// What routes ask of a failure.
#[derive(Clone, Copy, Debug)]
pub struct Failing<'a> {
    pub rule: &'a str,
    pub failure: &'a str,
    pub severity: Severity,
    pub env: &'a str,
    /// Where it began.
    pub host: &'a str,
}

/// Its group, and how long a new one waits for others, in microseconds; none if no route matches. `hosts`: all that have
/// logged it.
pub fn grouped(routes: &Routes, failing: &Failing, hosts: &BTreeSet<&str>) -> Option<(GroupKey, i64)> {
    let route = route(routes, failing, hosts)?;
    Some((key(route, failing), route.grouping.group_wait))
}

/// The first that matches.
fn route<'r>(routes: &'r Routes, failing: &Failing, hosts: &BTreeSet<&str>) -> Option<&'r Route> {
    let any =
        |values: &[String], test: &dyn Fn(&str) -> bool| values.is_empty() || values.iter().any(|value| test(value));
    routes.routes.iter().find(|route| {
        let matches = &route.matches;
        (matches.severity.is_empty() || matches.severity.contains(&failing.severity))
            && any(&matches.env, &|value| value == failing.env)
            && any(&matches.rule, &|value| value == failing.rule)
            && any(&matches.failure, &|value| value == failing.failure)
            && any(&matches.host, &|value| hosts.contains(value))
    })
}

fn key(route: &Route, failing: &Failing) -> GroupKey {
    let Failing { rule, failure, env, .. } = *failing;
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(&route.mark().to_string());
    for by in &route.grouping.group_by {
        match by {
            By::Env => add(env),
            By::Rule => add(rule),
            By::Failure => add(failure),
            By::Severity => add(severity(failing.severity)),
            By::Host => add(failing.host),
        }
    }
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let text = str::to_owned;
    GroupKey { hash: first, route: route.mark(), env: text(env), rule: text(rule), failure: text(failure) }
}

fn severity(of: Severity) -> &'static str {
    match of {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}
