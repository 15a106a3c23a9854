//! What rules say of a scenario: instances that failed, were late, or of which nobody can tell.

use rule::syntax::Severity;
use rule::told::{Seen, Step, Told};
use serde::Serialize;

use super::row::text;
use crate::names::OutcomeOf;

/// One instance of a rule.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Verdict)]
pub(super) struct VerdictJson {
    /// Id of the rule.
    rule: String,
    /// Of the rule that was judged by: first 16 hex digits of a hash.
    version: String,
    severity: SeverityName,
    #[schema(value_type = OutcomeOf)]
    outcome: &'static str,
    /// Which failure it is, such as `no-ack`.
    failure: Option<String>,
    /// The step that decided it, counted from 0; null if the ending did.
    step: Option<usize>,
    /// By when that step had to come, or when the ending came.
    #[schema(format = DateTime)]
    due: Option<String>,
    /// Microseconds that the step came too late.
    late_by: Option<i64>,
    /// Tag of its leg.
    leg: String,
    /// The device or target at the end of that leg.
    target: String,
    /// The message that opened the instance.
    start: String,
    /// The message that ended it.
    ended: Option<String>,
    steps: Vec<StepJson>,
    /// Why nobody can tell, in words.
    why: Option<String>,
    /// After the address of the page, it leads to the row: `/s/ID#FRAGMENT`.
    #[schema(example = "answered-no-ack.ack.B1")]
    fragment: String,
}

/// What became of one step.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Step)]
struct StepJson {
    /// Its label, else its number.
    name: String,
    /// As the rule writes it.
    text: String,
    failure: Option<String>,
    seen: SeenName,
    #[schema(format = DateTime)]
    due: Option<String>,
    /// Names of the nodes between which it would have gone.
    from: Option<String>,
    to: Option<String>,
    /// The message that met it, or that is forbidden.
    message: Option<String>,
    /// Microseconds that it came too late.
    late_by: Option<i64>,
    why: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema, Clone, Copy, Debug)]
#[serde(rename_all = "lowercase")]
#[schema(as = Severity)]
pub(super) enum SeverityName {
    Info,
    Warning,
    Critical,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Seen)]
enum SeenName {
    Met,
    Late,
    /// It never came.
    Missed,
    /// It came, and is not allowed.
    Forbidden,
    /// It may still come.
    Open,
    CannotTell,
    /// What it counts from never came, or the instance was over before.
    NotAsked,
}

impl From<Severity> for SeverityName {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

impl VerdictJson {
    pub(super) fn new(told: &Told) -> Self {
        Self {
            rule: told.rule.clone(),
            version: format!("{:016x}", told.version),
            severity: told.severity.into(),
            outcome: told.outcome.name(),
            failure: told.failure.clone(),
            step: told.step,
            due: text(told.due),
            late_by: told.late_by,
            leg: told.leg.clone(),
            target: told.target.clone(),
            start: told.start.to_string(),
            ended: told.ended.map(|id| id.to_string()),
            steps: told.steps.iter().map(StepJson::new).collect(),
            why: told.why.clone(),
            fragment: told.fragment(),
        }
    }
}

impl StepJson {
    fn new(step: &Step) -> Self {
        Self {
            name: step.name.clone(),
            text: step.text.clone(),
            failure: step.failure.clone(),
            seen: match step.seen {
                Seen::Met => SeenName::Met,
                Seen::Late => SeenName::Late,
                Seen::Missed => SeenName::Missed,
                Seen::Forbidden => SeenName::Forbidden,
                Seen::Open => SeenName::Open,
                Seen::CannotTell => SeenName::CannotTell,
                Seen::NotAsked => SeenName::NotAsked,
            },
            due: text(step.due),
            from: step.from.clone(),
            to: step.to.clone(),
            message: step.message.map(|id| id.to_string()),
            late_by: step.late_by,
            why: step.why.clone(),
        }
    }
}
