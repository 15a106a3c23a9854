//! A scenario as lists show it.

use record::time::Timestamp;
use serde::Serialize;
use store::scenario::{ScenarioRow, Subject};

use crate::names::{Class, OutcomeOf};
use crate::settling;

/// What a list shows of a scenario.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Scenario)]
pub(super) struct ScenarioJson {
    /// Null of a call that has no scenario yet; `call_id` names it then, and it is at `/api/v1/calls/{call_id}`.
    #[schema(example = "018f3c7a")]
    id: Option<String>,
    /// Of a call that has no scenario yet; null of a scenario, which may have several. Cut to 512 bytes.
    call_id: Option<String>,
    #[schema(value_type = Class)]
    class: &'static str,
    /// Of its first message, as logged: its place in the list.
    #[schema(format = DateTime)]
    first: String,
    /// Of its last message, as logged.
    #[schema(format = DateTime)]
    last: String,
    /// Who called: the user of From, else its host.
    caller: Option<String>,
    /// Whom the caller asked for: the user of To, else its host.
    callee: Option<String>,
    /// The person who answered the caller, else the machine.
    answered_by: Option<String>,
    /// Whom a transfer connected last to the caller, or to who had answered, as From, To or Refer-To name them. Null until that
    /// is worked out, and of a call that nobody transferred.
    transferred_to: Option<String>,
    /// The first 180 at the caller, in the attempt that counts.
    #[schema(format = DateTime)]
    rang: Option<String>,
    /// The caller's 2xx.
    #[schema(format = DateTime)]
    answered: Option<String>,
    /// The BYE that ended the last dialog that served the caller. Until that is worked out: the first BYE. Of a registration: when
    /// it was taken back.
    #[schema(format = DateTime)]
    ending: Option<String>,
    /// When that BYE was answered.
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// What the caller got: the final answer in the last attempt. Earlier attempts are in `course` of the scenario, and
    /// `final` finds them, too. Of a scenario that is no call: the final status of what opened it.
    status: Option<u16>,
    /// When the caller sent the INVITE that counts, by repaired clocks; null until that is worked out.
    #[schema(format = DateTime)]
    begun: Option<String>,
    /// Microseconds from the caller's answer to the end of the last dialog that served the caller.
    talked: Option<i64>,
    /// How many things went wrong; null until that is worked out, some seconds after the last message.
    problems: Option<i64>,
    /// Why nothing of it is worked out, as a sentence: it holds too many messages. Null of all others.
    unsettled: Option<String>,
    /// Outcome of the worst verdict; null until it is judged, and if no rule is about it.
    #[schema(value_type = Option<OutcomeOf>)]
    outcome: Option<&'static str>,
    /// The failure of the worst verdict.
    failure: Option<String>,
    /// The rule of the worst verdict.
    rule: Option<String>,
    /// Call-IDs.
    calls: i64,
    /// The caller's side, and every device or target that was invited or pushed to.
    legs: i64,
    messages: i64,
    /// Addresses that its messages went between.
    nodes: i64,
    /// Devices and targets that were invited or pushed to.
    devices: i64,
    kinds: KindsJson,
    /// The rest of one of its messages is not read yet.
    provisional: bool,
    /// Rises with every change.
    version: i64,
}

/// Messages by kind.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = Kinds)]
pub(super) struct KindsJson {
    sip: i64,
    rest: i64,
    push: i64,
    media: i64,
}

impl ScenarioJson {
    pub(super) fn new(row: &ScenarioRow) -> Self {
        let [sip, rest, push, media] = row.kinds;
        Self {
            id: row.subject.scenario().map(|id| id.to_string()),
            call_id: match &row.subject {
                Subject::Scenario(_) => None,
                Subject::Call(_, name) => Some(name.clone()),
            },
            class: row.class.name(),
            first: row.first.to_string(),
            last: row.last.to_string(),
            caller: row.caller.clone(),
            callee: row.callee.clone(),
            answered_by: row.answered_by.clone(),
            transferred_to: row.transferred_to.clone(),
            rang: text(row.rang),
            answered: text(row.answered),
            ending: text(row.ending),
            ended: text(row.ended),
            status: row.status,
            begun: text(row.begun),
            talked: row.talked,
            problems: row.problems,
            unsettled: settling::never(row),
            outcome: row.outcome.map(rule::verdict::Outcome::name),
            failure: row.failure.clone(),
            rule: row.rule.clone(),
            calls: row.calls,
            legs: row.legs,
            messages: row.messages,
            nodes: row.nodes,
            devices: row.devices,
            kinds: KindsJson { sip, rest, push, media },
            provisional: row.provisional,
            version: row.version,
        }
    }
}

pub(super) fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|at| at.to_string())
}
