//! Agents: whether each is there, how far it has read its sources, and what it does not read.

use axum::Json;
use axum::extract::{RawQuery, State};
use record::wire::{SourceReport, Unread};
use serde::Serialize;
use store::agent::Agent;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{Problem, Refused};
use crate::reading::{Presence, Reading};
use crate::words::count;
use crate::zone::Zone;
use crate::{Error, Site};

pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The program that follows the logs of one host, as it last reported. It reports every 10 s.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Agent)]
pub(super) struct AgentJson {
    id: String,
    /// Null, as all else is then, if it has never reported.
    host: Option<String>,
    /// Version of its program.
    program: Option<String>,
    presence: PresenceName,
    /// The collector's clock when it last reported.
    #[schema(format = DateTime)]
    heard: Option<String>,
    /// By how many microseconds its clock was ahead of the collector's.
    clock_offset: Option<i64>,
    /// Logs of which it follows files.
    sources: Vec<SourceJson>,
    /// Places and files that it does not read.
    unread: Vec<UnreadJson>,
    /// Beyond those in `unread`.
    more_unread: u64,
}

/// Whether an agent is there.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Presence)]
enum PresenceName {
    /// It never said anything of itself.
    Unknown,
    Here,
    /// For more than 30 s.
    Unheard,
    /// As it was asked to.
    Stopped,
    /// It was not heard for more than a week.
    Removed,
}

/// One log over its rotations, as its agent sees it.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Source)]
pub(super) struct SourceJson {
    name: String,
    /// Of its newest file.
    path: String,
    files: u64,
    /// Bytes in these files.
    size: u64,
    /// Bytes that are not stored or shown yet.
    lag_bytes: u64,
    /// Bytes at the ends of files whose last record is not written to its end.
    unfinished_bytes: u64,
    /// All that was in its files at this time of the agent's clock is stored or shown; null where that never was so.
    #[schema(format = DateTime)]
    read_to: Option<String>,
    /// Why the collector refuses bytes of it; null where it does not.
    held: Option<String>,
    /// What of it cannot be read, and why; null where all can.
    unread: Option<String>,
}

/// A place or file that is not read.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Unread)]
pub(super) struct UnreadJson {
    path: String,
    /// So many others of its directory are not read for the same reason; these are not listed.
    others: u64,
    reason: UnreadReason,
    /// What is wrong with it: the second half of a sentence that begins with the path.
    what: String,
}

/// Why a place or file is not read.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
enum UnreadReason {
    /// It does not exist yet.
    Missing,
    /// A pattern or directory without a file.
    NoFile,
    Unreadable,
    /// It is compressed, or no plain file.
    Unfit,
    /// Of an agent that knows more reasons: `what` says it.
    Other,
}

impl UnreadReason {
    fn of(reason: &str) -> Self {
        match reason {
            "missing" => Self::Missing,
            "no_file" => Self::NoFile,
            "unreadable" => Self::Unreadable,
            "unfit" => Self::Unfit,
            _ => Self::Other,
        }
    }
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
pub(super) struct AgentPage {
    agents: Vec<AgentJson>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

impl AgentJson {
    fn new(agent: &Agent, reading: &Reading) -> Self {
        let said = agent.heartbeat.as_ref();
        Self {
            id: agent.id.clone(),
            host: said.map(|said| said.host.clone()),
            program: said.map(|said| said.program.clone()),
            presence: match reading.presence(agent) {
                Presence::Unknown => PresenceName::Unknown,
                Presence::Here => PresenceName::Here,
                Presence::Unheard(_) => PresenceName::Unheard,
                Presence::Stopped(_) => PresenceName::Stopped,
                Presence::TakenAway(_) => PresenceName::Removed,
            },
            heard: agent.heard.map(|at| at.to_string()),
            clock_offset: agent.heard.map(|_| agent.clock_offset),
            sources: said.map(|said| said.sources.iter().map(SourceJson::new).collect()).unwrap_or_default(),
            unread: said.map(|said| said.unread.iter().map(UnreadJson::new).collect()).unwrap_or_default(),
            more_unread: said.map_or(0, |said| said.more_unread),
        }
    }
}

impl SourceJson {
    fn new(report: &SourceReport) -> Self {
        Self {
            name: report.name.clone(),
            path: report.path.clone(),
            files: report.files,
            size: report.size,
            lag_bytes: report.lag(),
            unfinished_bytes: report.unfinished,
            read_to: report.read_to.map(|at| at.to_string()),
            held: report.held.clone(),
            unread: report.unread.clone(),
        }
    }
}

impl UnreadJson {
    fn new(unread: &Unread) -> Self {
        Self {
            path: unread.path.clone(),
            others: unread.others,
            reason: UnreadReason::of(&unread.reason),
            what: unread.what.clone(),
        }
    }
}

/// Every agent: whether it is there, how far each of its sources is read, and what it does not read.
#[utoipa::path(
    get,
    path = "/api/v1/agents",
    operation_id = "list_agents",
    tag = "streams",
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "1 to 1000; 100 unless given. A page of large reports holds fewer: `next` says where it goes on"),
    ),
    responses(
        Refused,
        (status = 200, description = "agents by id", body = AgentPage),
        (status = 400, description = "a parameter cannot be read", body = Problem, content_type = "application/problem+json")
    )
)]
async fn list(State(site): State<Site>, RawQuery(query): RawQuery) -> Result<Json<AgentPage>, Error> {
    let params = super::params(query.as_deref(), &[&["after", "limit"]])?;
    let limit = super::limit(&params)?.unwrap_or(super::LIMIT);
    let after = super::after(&params, super::unpacked)?;
    let (agents, more) = site.store.agents_after(after.as_deref(), limit).await?;
    let reading = Reading::of(&site).await?;
    let next = agents.last().filter(|_| more).map(|last| super::packed(&last.id));
    Ok(Json(AgentPage { agents: agents.iter().map(|agent| AgentJson::new(agent, &reading)).collect(), next }))
}

/// Troubles that `/readyz` names; more are counted.
const NAMED: usize = 20;

/// What `/readyz` says of agents.
pub(super) fn troubles(reading: &Reading) -> Vec<String> {
    let all = reading.troubles(Zone::UTC);
    let more = all.len().saturating_sub(NAMED);
    let named = all.iter().take(NAMED).map(|trouble| format!("{} {}", trouble.who, trouble.what));
    named.chain((more > 0).then(|| format!("and {} more", count(more)))).collect()
}
