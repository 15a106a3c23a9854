//! Streams: how far each file is read, and what is missing of it.

use axum::Json;
use axum::extract::{RawQuery, State};
use record::miss::NearMiss;
use serde::Serialize;
use store::stream::{Gap, StreamRow};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::names::{CauseOf, ReasonOf};
use crate::problem::{Problem, Refused};
use crate::{Error, Site};

pub(super) fn routes() -> OpenApiRouter<Site> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One file's bytes, over renames. The four byte counts add up to the watermark.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Stream)]
pub(super) struct StreamJson {
    id: String,
    agent: String,
    host: String,
    source_name: String,
    source_path: String,
    /// Bytes committed: all before are accounted for.
    watermark: u64,
    /// Of the file when the agent last looked.
    size: u64,
    /// Bytes that were not read or are not shown yet. What stands after the watermark and is shown already counts as read:
    /// then it is `size - read_to`, else `size - watermark`.
    lag_bytes: u64,
    read_to: u64,
    #[schema(format = DateTime)]
    read_at: String,
    /// Time of its latest message.
    #[schema(format = DateTime)]
    last_event: Option<String>,
    records: u64,
    record_bytes: u64,
    noise_lines: u64,
    noise_bytes: u64,
    fragments: u64,
    fragment_bytes: u64,
    gap_bytes: u64,
    /// Lines that are nearly header lines and were not read as such.
    near_misses: u64,
    /// The same by reason.
    near_misses_by_reason: Vec<NearMissJson>,
    /// Messages that are shown though the rest of them is not read yet.
    provisional: i64,
    /// No more bytes will come.
    closed: bool,
    /// All of them; those that are not listed are in `gaps_unlisted`.
    gap_count: u64,
    /// The oldest ones: a page lists up to 10,000, shared by its streams, so `limit=1` lists the most of one.
    gaps: Vec<GapJson>,
    /// How many later ones are not listed; 0: all are.
    gaps_unlisted: u64,
}

/// Bytes that nobody could read.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Gap)]
pub(super) struct GapJson {
    offset: u64,
    length: u64,
    /// Bytes lost beyond those it covers; null where nobody knows.
    lost: Option<u64>,
    #[schema(value_type = CauseOf)]
    cause: &'static str,
    #[schema(format = DateTime)]
    noticed: String,
}

/// Lines that are nearly header lines, and why they were not read as such.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = NearMiss)]
pub(super) struct NearMissJson {
    #[schema(value_type = ReasonOf)]
    reason: &'static str,
    lines: u64,
    /// Where the first of them begins.
    offset: u64,
    /// Its first bytes, at most 256.
    example: String,
    /// What is wrong with such lines.
    what: &'static str,
    /// What to do about it.
    remedy: &'static str,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
pub(super) struct StreamPage {
    streams: Vec<StreamJson>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

impl StreamJson {
    fn new(row: &StreamRow) -> Self {
        let counters = row.counters;
        Self {
            id: row.stream.to_string(),
            agent: row.agent.clone(),
            host: row.host.clone(),
            source_name: row.source.clone(),
            source_path: row.path.clone(),
            watermark: row.w.0,
            size: row.size,
            lag_bytes: row.lag(),
            read_to: row.read_to.0,
            read_at: row.read_at.to_string(),
            last_event: row.last_event.map(|at| at.to_string()),
            records: counters.records,
            record_bytes: counters.record_bytes,
            noise_lines: counters.noise_lines,
            noise_bytes: counters.noise_bytes,
            fragments: counters.fragments,
            fragment_bytes: counters.fragment_bytes,
            gap_bytes: counters.gap_bytes,
            near_misses: row.near_misses.iter().map(|miss| miss.lines).fold(0, u64::saturating_add),
            near_misses_by_reason: row.near_misses.iter().map(NearMissJson::new).collect(),
            provisional: row.provisional,
            closed: row.closed,
            gap_count: counters.gaps,
            gaps: row.gaps.iter().map(GapJson::new).collect(),
            gaps_unlisted: counters.gaps.saturating_sub(row.gaps.len() as u64),
        }
    }
}

impl NearMissJson {
    fn new(miss: &NearMiss) -> Self {
        Self {
            reason: miss.reason.name(),
            lines: miss.lines,
            offset: miss.at.0,
            example: miss.shown(),
            what: miss.reason.what(),
            remedy: miss.reason.remedy(),
        }
    }
}

impl GapJson {
    fn new(gap: &Gap) -> Self {
        Self {
            offset: gap.start.0,
            length: gap.len,
            lost: gap.lost,
            cause: gap.cause.name(),
            noticed: gap.noticed.to_string(),
        }
    }
}

/// Every followed file: watermark, size, counts and gaps.
#[utoipa::path(
    get,
    path = "/api/v1/streams",
    operation_id = "list_streams",
    tag = "streams",
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "1 to 1000; 100 unless given"),
    ),
    responses(
        Refused,
        (status = 200, description = "streams by id", body = StreamPage),
        (status = 400, description = "a parameter cannot be read", body = Problem, content_type = "application/problem+json")
    )
)]
async fn list(State(site): State<Site>, RawQuery(query): RawQuery) -> Result<Json<StreamPage>, Error> {
    let params = super::params(query.as_deref(), &[&["after", "limit"]])?;
    let limit = super::limit(&params)?.unwrap_or(super::LIMIT);
    let after = super::after(&params, |text| text.parse().ok())?;
    let mut rows = site.store.streams(after, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|last| last.stream.to_string());
    Ok(Json(StreamPage { streams: rows.iter().map(StreamJson::new).collect(), next }))
}
