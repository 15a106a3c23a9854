//! What happened in a scenario, for programs: the same value that the page is drawn from.

use message::flow::{By, Caller, Course, End, Flow, Problem, Row, Transfer, Trouble, Try};
use message::kind::Kind;
use message::logged::Message;
use record::time::Timestamp;
use serde::Serialize;

use super::row::text;
use crate::ladder::entry::{is_answer, status};
use crate::ladder::words::shortened;

/// Letters of a reason phrase, which may be a million.
const LONGEST: usize = 200;
/// Of each list; a scenario of more says so by `more`.
const MOST: usize = 1_000;

/// What happened. Numbers in `leg`, `node` and `row` count the lists of the scenario from 0.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Course)]
pub(super) struct CourseJson {
    /// Calls of a caller, each with a result of its own: A, C, D, … Empty where nobody was invited.
    callers: Vec<CallerJson>,
    /// Dialogs in the order in which they were made.
    dialogs: Vec<DialogJson>,
    /// Who was given somebody else to talk to, as it happened.
    transfers: Vec<TransferJson>,
    /// Requests of REST and push with their answers, in the order of their rows.
    exchanges: Vec<ExchangeJson>,
    /// What went wrong, as far as the logs are read.
    problems: Vec<ProblemJson>,
    /// A registration that takes itself back.
    deregisters: bool,
    /// A list is longer than is given here.
    more: bool,
}

/// The call of one caller.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Caller)]
struct CallerJson {
    /// The leg of the caller's side.
    leg: usize,
    /// Attempts: INVITEs one after another under one Call-ID, of which the last counts.
    tries: Vec<TryJson>,
    /// Who answered; null where the caller got no 2xx in the last attempt.
    winner: Option<WinnerJson>,
    /// From the caller's 2xx on.
    #[schema(format = DateTime)]
    connected: Option<String>,
    /// Microseconds from the caller's 2xx to the end of the last dialog that served the caller.
    lasted: Option<i64>,
    /// Null where the caller was never connected.
    end: Option<EndName>,
    /// The node that sent the BYE; none where no hop of it shows that, as of one that a proxy passed on.
    ended_by: Option<usize>,
    /// Who hung up where no node is known, as From names them.
    ended_by_user: Option<String>,
}

/// How the connection of a caller ended.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = End)]
enum EndName {
    /// A BYE ended the last dialog that served the caller.
    Bye,
    /// The caller handed the other side over and left.
    Transferred,
    /// No BYE is logged, and the session has not expired.
    GoingOn,
    /// Its time is over, and no BYE is logged.
    NotLogged,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Try)]
struct TryJson {
    /// When the caller sent the INVITE; null where that is not logged.
    #[schema(format = DateTime)]
    begun: Option<String>,
    /// The first 180 at the caller.
    #[schema(format = DateTime)]
    rang: Option<String>,
    /// The first 18x with a session description.
    #[schema(format = DateTime)]
    early_media: Option<String>,
    /// 181.
    #[schema(format = DateTime)]
    forwarded: Option<String>,
    /// 182.
    #[schema(format = DateTime)]
    queued: Option<String>,
    /// Users that the call went on to, or was to: as Diversion, History-Info or the Contacts of a redirection name them, in
    /// order. Not the callee.
    forwarded_to: Vec<String>,
    /// The caller's CANCEL.
    #[schema(format = DateTime)]
    cancelled: Option<String>,
    /// What the caller got; null where no final answer is logged, and none can be inferred.
    result: Option<ResultJson>,
}

/// The final answer to the caller's INVITE, on the nearest hop to the caller that shows one.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Result)]
struct ResultJson {
    status: u16,
    /// The reason phrase, as logged.
    reason: String,
    #[schema(format = DateTime)]
    time: String,
    /// The row that shows it; of an inferred one, that of the leg it would be chosen from.
    row: usize,
    /// No log shows it on the caller's hops: a proxy would have chosen it from its legs (RFC 3261, 16.7).
    inferred: bool,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Winner)]
struct WinnerJson {
    /// None: a back-to-back agent answered by itself.
    leg: Option<usize>,
    /// The node that answered: a device, or the agent.
    node: Option<usize>,
    /// The leg the caller was connected to after an agent had answered.
    talked_to: Option<usize>,
    /// The leg that had rung for a call that was picked up.
    picked_up: Option<usize>,
}

/// A Call-ID with two tags.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Dialog)]
struct DialogJson {
    /// The leg that its To-tag is of.
    leg: Option<usize>,
    call_id: String,
    /// The tag of who called.
    from_tag: String,
    /// The tag of who was called.
    to_tag: String,
    /// The first 2xx to INVITE that is logged of it.
    #[schema(format = DateTime)]
    answered: Option<String>,
    /// Its first BYE.
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// As of a caller: the node that sent the BYE.
    ended_by: Option<usize>,
    /// As of a caller: who hung up where no node is known.
    ended_by_user: Option<String>,
}

/// One party of a call left, and another took its place. All three are users, as From, To and Refer-To name them.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Transfer)]
struct TransferJson {
    /// Who left.
    by: String,
    /// Who stayed.
    whom: String,
    /// Who came.
    to: String,
    /// No REFER asked for it: who came took the place by an INVITE that replaces a dialog.
    taken: bool,
    /// The leg and the row of the REFER or INVITE.
    leg: usize,
    row: usize,
}

/// A request of REST or push, and its answer.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = Exchange)]
struct ExchangeJson {
    /// The row of the request; null where only its answer is logged.
    request: Option<usize>,
    /// The row of the answer; null where none is logged.
    answer: Option<usize>,
    /// The status of the answer; null where none came.
    status: Option<u16>,
    pairing: PairingName,
}

/// How sure it is which request an answer is of.
#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Pairing)]
enum PairingName {
    /// One record holds both, or an id says so; or there is nothing to pair it with.
    Sure,
    /// Nothing but the order says that the two belong together.
    Likely,
    /// An answer went by that may be its own, and may be another's.
    CannotTell,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[schema(as = CourseProblem)]
struct ProblemJson {
    what: TroubleName,
    /// The row where it shows.
    row: usize,
    leg: usize,
    /// The time of that row.
    #[schema(format = DateTime)]
    time: String,
    /// Of what was refused.
    status: Option<u16>,
    /// How often what has no answer was sent.
    sent: Option<usize>,
}

#[derive(Serialize, utoipa::ToSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schema(as = Trouble)]
enum TroubleName {
    /// A request has no final answer, or an INVITE none at all.
    Unanswered,
    /// A 2xx to INVITE has no ACK.
    NoAck,
    /// A final answer of 400 or more to REST, push, a request within a call, or the caller's own INVITE.
    Refused,
    /// A device rang on after it was cancelled, or after somebody answered.
    StillRinging,
    /// A leg was answered, and its caller never got that.
    AnswerLost,
    /// A record was cut, mixed or damaged.
    Damaged,
}

impl CourseJson {
    pub(super) fn new(flow: &Flow, messages: &[Message], read_to: Timestamp) -> Self {
        let course = &flow.course;
        let problems: Vec<_> = course.problems_at(read_to).map(problem).collect();
        let exchanges = exchanges(flow, messages);
        let counts = [course.callers.len(), course.dialogs.len(), exchanges.len(), problems.len()];
        let more = counts.iter().any(|count| *count > MOST);
        Self {
            callers: course.callers.iter().take(MOST).map(|of| caller(course, of, read_to)).collect(),
            dialogs: course.dialogs.iter().take(MOST).map(|of| dialog(course, of)).collect(),
            transfers: course.transfers.iter().take(MOST).map(transfer).collect(),
            exchanges: exchanges.into_iter().take(MOST).collect(),
            problems: problems.into_iter().take(MOST).collect(),
            deregisters: course.deregisters,
            more,
        }
    }
}

fn caller(course: &Course, of: &Caller, read_to: Timestamp) -> CallerJson {
    let (end, time, by) = match of.connected {
        Some((_, End::Bye { time, by, .. })) => (Some(EndName::Bye), Some(time), Some(by)),
        Some((_, End::Transferred { time, by, .. })) => (Some(EndName::Transferred), Some(time), Some(by)),
        Some((_, End::Open { until })) if read_to < until => (Some(EndName::GoingOn), None, None),
        Some((_, End::Open { .. })) => (Some(EndName::NotLogged), None, None),
        None => (None, None, None),
    };
    let connected = of.connected.map(|(answered, _)| answered);
    CallerJson {
        leg: of.leg,
        tries: of.tries.iter().take(MOST).map(tried).collect(),
        winner: of.winner.as_ref().map(|winner| WinnerJson {
            leg: winner.leg,
            node: winner.node,
            talked_to: winner.talked_to,
            picked_up: winner.picked_up,
        }),
        connected: text(connected),
        lasted: time.zip(connected).map(|(end, answered)| end.micros_since(answered)),
        end,
        ended_by: by.and_then(node),
        ended_by_user: by.and_then(|by| user(course, by)),
    }
}

fn node(by: By) -> Option<usize> {
    match by {
        By::Node(node) => Some(node),
        By::Side { .. } => None,
    }
}

fn user(course: &Course, by: By) -> Option<String> {
    course.user(by).map(|user| shortened(&user, LONGEST))
}

fn tried(of: &Try) -> TryJson {
    let result = of.result.as_ref().map(|got| ResultJson {
        status: got.status,
        reason: shortened(&got.reason, LONGEST),
        time: got.time.to_string(),
        row: got.row,
        inferred: got.inferred,
    });
    TryJson {
        begun: text(of.begun),
        rang: text(of.rang),
        early_media: text(of.early_media),
        forwarded: text(of.forwarded),
        queued: text(of.queued),
        forwarded_to: of.forwarded_to.iter().map(|user| shortened(user, LONGEST)).collect(),
        cancelled: text(of.cancelled),
        result,
    }
}

fn dialog(course: &Course, of: &message::flow::Dialog) -> DialogJson {
    DialogJson {
        leg: of.leg,
        call_id: shortened(&of.call_id, LONGEST),
        from_tag: shortened(&of.tags.0, LONGEST),
        to_tag: shortened(&of.tags.1, LONGEST),
        answered: text(of.answered),
        ended: text(of.ended.map(|bye| bye.time)),
        ended_by: of.ended.and_then(|bye| node(bye.by)),
        ended_by_user: of.ended.and_then(|bye| user(course, bye.by)),
    }
}

fn transfer(of: &Transfer) -> TransferJson {
    let Transfer { by, whom, to, taken, leg, row } = of.clone();
    TransferJson { by, whom, to, taken, leg, row }
}

fn exchanges(flow: &Flow, messages: &[Message]) -> Vec<ExchangeJson> {
    let told = |(at, row): (usize, &Row)| {
        let answers = is_answer(&messages[row.message], row.half);
        // An answer stands with its request.
        if !matches!(row.kind, Kind::Rest | Kind::Push) || answers && row.pair.is_some() {
            return None;
        }
        let answer = if answers { Some(at) } else { row.pair };
        let of = answer.map(|answer| &flow.rows[answer]);
        Some(ExchangeJson {
            request: (!answers).then_some(at),
            answer,
            status: of.and_then(|of| status(&messages[of.message], of.half)),
            pairing: match (row.likely, row.unclear) {
                (true, _) => PairingName::Likely,
                (_, true) => PairingName::CannotTell,
                _ => PairingName::Sure,
            },
        })
    };
    flow.rows.iter().enumerate().filter_map(told).collect()
}

fn problem(of: &Problem) -> ProblemJson {
    let (what, status, sent) = match of.what {
        Trouble::Unanswered { sent } => (TroubleName::Unanswered, None, Some(sent)),
        Trouble::NoAck { sent } => (TroubleName::NoAck, None, Some(sent)),
        Trouble::Refused(status) => (TroubleName::Refused, Some(status), None),
        Trouble::StillRinging => (TroubleName::StillRinging, None, None),
        Trouble::AnswerLost => (TroubleName::AnswerLost, None, None),
        Trouble::Damaged => (TroubleName::Damaged, None, None),
    };
    ProblemJson { what, row: of.row, leg: of.leg, time: of.time.to_string(), status, sent }
}
