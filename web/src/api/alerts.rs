//! Alerts: failures that are reported together, and what was reported of them.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use record::id::ScenarioId;
use serde::Serialize;
use store::alert::{Group, Item, ItemState, OF_A_LOG};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::row::text;
use super::verdicts::{SeverityName, VerdictJson};
use crate::alerts::{key_of, read_key};
use crate::params::quoted;
use crate::problem::{Problem, Refused};
use crate::{Error, Site};

pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// Failures that are alike and are reported together.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Alert)]
struct AlertJson {
    /// 16 hex digits. An alert that was closed and the next one about the same failures have the same key.
    #[schema(example = "7f3a91c20b44e1d2")]
    key: String,
    rule: String,
    /// Which failure it is, such as `no-ack`.
    failure: String,
    env: String,
    severity: SeverityName,
    #[schema(format = DateTime)]
    opened: String,
    #[schema(format = DateTime)]
    changed: String,
    /// Null while it is open.
    #[schema(format = DateTime)]
    closed: Option<String>,
    /// Scenarios that were ever in it, each leg by itself.
    scenarios: i64,
    /// Mails that were made for it.
    mails: i64,
    /// When the last of them was made.
    #[schema(format = DateTime)]
    reported: Option<String>,
}

/// Alerts, open ones first, and of each part those that were opened last.
#[derive(Serialize, utoipa::ToSchema, Debug)]
struct AlertPage {
    alerts: Vec<AlertJson>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

/// An alert with its scenarios, the newest first.
#[derive(Serialize, utoipa::ToSchema, Debug)]
struct AlertWithScenarios {
    alert: AlertJson,
    scenarios: Vec<AlertScenario>,
    /// Pass it as `after` for more scenarios of the same alert; null at the end.
    next: Option<String>,
}

/// One scenario, and one leg of it, in an alert; or an agent or log.
#[derive(Serialize, utoipa::ToSchema, Debug)]
struct AlertScenario {
    /// Null where the alert is about logs.
    scenario: Option<String>,
    /// The agent, and of one log its source after it; null where the alert is about scenarios.
    log: Option<String>,
    /// When it failed, by the time in the logs.
    #[schema(format = DateTime)]
    at: String,
    state: AlertState,
    caller: Option<String>,
    callee: Option<String>,
    verdict: VerdictJson,
    /// Other rules whose failures this one explains.
    explains: Vec<String>,
    /// When a mail first said so.
    #[schema(format = DateTime)]
    reported: Option<String>,
}

/// What is known now of one scenario of an alert.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
enum AlertState {
    Failed,
    /// What was missing came after all, too late.
    Late,
    /// It did not fail, as is known now.
    Gone,
}

/// Alerts, open ones first.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    operation_id = "list_alerts",
    tag = "alerts",
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "1 to 1000; 100 unless given"),
    ),
    responses(
        Refused,
        (status = 200, description = "alerts", body = AlertPage),
        (status = 400, description = "a parameter cannot be read", body = Problem, content_type = "application/problem+json")
    )
)]
async fn list(State(site): State<Site>, RawQuery(query): RawQuery) -> Result<Json<AlertPage>, Error> {
    let params = super::params(query.as_deref(), &[&["after", "limit"]])?;
    let limit = super::limit(&params)?.unwrap_or(super::LIMIT);
    let after = super::after(&params, read_place)?;
    let mut groups = site.store.alert_groups_after(after, limit + 1).await?;
    let more = groups.len() > limit;
    groups.truncate(limit);
    let next = groups.last().filter(|_| more).map(place);
    Ok(Json(AlertPage { alerts: groups.iter().map(AlertJson::new).collect(), next }))
}

/// `open.2a`
fn place(group: &Group) -> String {
    format!("{}.{:x}", if group.closed.is_none() { "open" } else { "closed" }, group.id)
}

fn read_place(text: &str) -> Option<(bool, i64)> {
    let (open, id) = text.split_once('.')?;
    let is_open = match open {
        "open" => true,
        "closed" => false,
        _ => return None,
    };
    Some((is_open, i64::from_str_radix(id, 16).ok()?))
}

/// The last item of a page, with its group: while it is read, that may be closed, and another one of its key be opened.
struct ItemPlace {
    group: i64,
    scenario: ScenarioId,
    leg: String,
    nth: i32,
}

impl ItemPlace {
    fn of(group: &Group, item: &Item) -> String {
        format!("{:x}.{}.{}.{}", group.id, item.scenario, item.nth, super::packed(&item.leg))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let group = i64::from_str_radix(parts.next()?, 16).ok()?;
        let (scenario, nth) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { group, scenario, nth, leg: super::unpacked(parts.next()?)? })
    }
}

/// One alert with its scenarios: the open one of this key, else the last.
#[utoipa::path(
    get,
    path = "/api/v1/alerts/{key}",
    operation_id = "get_alert",
    tag = "alerts",
    params(
        ("key" = String, Path, description = "16 hex digits"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "Scenarios: 1 to 1000; 100 unless given"),
    ),
    responses(
        Refused,
        (status = 200, description = "the alert", body = AlertWithScenarios),
        (status = 400, description = "a parameter is not known, or the address is not UTF-8", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json")
    )
)]
async fn one(
    State(site): State<Site>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<AlertWithScenarios>, Error> {
    let params = super::params(query.as_deref(), &[&["after", "limit"]])?;
    let limit = super::limit(&params)?.unwrap_or(super::LIMIT);
    let after = super::after(&params, ItemPlace::read)?;
    let none = || Error::not_found(format!("there is no alert {}", quoted(&key)), key.clone());
    let hash = read_key(&key).ok_or_else(none)?;
    let group = match &after {
        None => site.store.alert_group(hash).await?,
        Some(after) => site.store.alert_group_of(after.group).await?.filter(|group| group.key.hash == hash),
    };
    let group = group.ok_or_else(none)?;
    let after = after.as_ref().map(|after| (after.scenario, after.leg.as_str(), after.nth));
    let mut items = site.store.alert_items_after(group.id, after, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| ItemPlace::of(&group, last));
    let scenarios = items.iter().map(AlertScenario::new).collect();
    Ok(Json(AlertWithScenarios { alert: AlertJson::new(&group), scenarios, next }))
}

impl AlertJson {
    fn new(group: &Group) -> Self {
        Self {
            key: key_of(&group.key.hash),
            rule: group.key.rule.clone(),
            failure: group.key.failure.clone(),
            env: group.key.env.clone(),
            severity: group.severity.into(),
            opened: group.opened.to_string(),
            changed: group.changed.to_string(),
            closed: text(group.closed),
            scenarios: group.items,
            mails: group.mails,
            reported: text(group.reported),
        }
    }
}

impl AlertScenario {
    fn new(item: &Item) -> Self {
        Self {
            scenario: Some(item.scenario).filter(|of| *of != OF_A_LOG).map(|of| of.to_string()),
            log: Some(&item.leg).filter(|_| item.scenario == OF_A_LOG).cloned(),
            at: item.at.to_string(),
            state: match item.state {
                ItemState::Failed => AlertState::Failed,
                ItemState::Late => AlertState::Late,
                ItemState::Gone => AlertState::Gone,
            },
            caller: item.told.caller.clone(),
            callee: item.told.callee.clone(),
            verdict: VerdictJson::new(&item.told.told),
            explains: item.told.also.clone(),
            reported: text(item.reported),
        }
    }
}
