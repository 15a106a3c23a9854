//! A second model of what happened in a call: the sentences of the design one by one, each as plainly as can be. It knows one
//! caller's call, right clocks, and which machines are servers; it shares nothing with the other model but the parser.

mod attempts;
mod devices;
mod legs;
mod problems;
mod result;
mod taken;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use message::facts::SipFacts;
use message::kind::Kind;
use message::logged::Message;
use message::sip::NameAddr;

use attempts::{further, number};

macro_rules! rules {
    ($($rule:ident,)*) => {
        /// A sentence of the model, so that it can be left out.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Rule {
            $($rule,)*
        }

        impl Rule {
            pub const ALL: &[Self] = &[$(Self::$rule,)*];
        }
    };
}

rules! {
    // 1. The caller's side, the devices, the dialogs.
    PushOpensLeg,
    MissedCallOpensNone,
    TokenJoinsInvite,
    LikelyJoin,
    FurtherAttempt,
    OtherTagBeginsAnew,
    AgentsEndIsOne,
    JoinedOverAllAttempts,
    // 2. What the caller got.
    NearestHopDecides,
    ChallengeIsNoEnd,
    KnownToLogFinals,
    InferredFromBranches,
    RefusalForAllFirst,
    LowestClassFirst,
    UnavailableIsError,
    // 2. Who answered.
    HungUpAtOnceIsNoWinner,
    SameTagWins,
    LastBeforeCallersWins,
    AgentAnswered,
    PickupAnswers,
    PickedUpLeg,
    EarlyDialogsOnly,
    // 2. What each device did.
    AnsweredTooHungUp,
    NeverGotIt,
    CancelledBeforeAnswer,
    ConnectedAfter,
    ReleasedByAnswer,
    ElsewhereByReason,
    CancelledByCaller,
    RefusedForAll,
    RangOut,
    TimeoutIsUnreachable,
    Redirected,
    StillRinging,
    RingsOnAfterAnyAnswer,
    AskedAfterAnswer,
    RangEndNotLogged,
    CancelAnsweredOnly,
    CancelUnanswered,
    TryingOnly,
    // 2. Rang, push words.
    FirstRingAtCaller,
    EarlyMedia,
    NotNeeded,
    RefusedPush,
    Woke,
    NeverWoke,
    MaySleepUnseen,
    UnnamedMayBeIt,
    PushOfLastAttempt,
    WokeInAnyAttempt,
    // 3. How long, and who ended it.
    ByeEndsItsDialog,
    ByeIsPassedOn,
    ByeNamesItsSide,
    AgentAlonePassesOn,
    ReferredServesOn,
    CallerHandedOver,
    PlaceWasTaken,
    TransferInVain,
    NotifyNamesRefer,
    UnnamedIsLastBefore,
    InVainHasNoSuccessor,
    AskedByName,
    OfItsOwnRefer,
    LastReferCounts,
    // 4. Problems.
    Unanswered,
    FarthestHop,
    AnsweredOnOtherHop,
    InviteOfEndedCall,
    RingingIsNoSilence,
    NoAck,
    AcksAreLogged,
    AckToRefusalIsAnother,
    RefusedRest,
    RefusedCaller,
    RefusedWithin,
    CancelledIsNoRefusal,
    TriedAgainIsNoRefusal,
    AnswerLost,
}

/// What both models tell of a call. Times are milliseconds of event time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Status, and whether it is inferred.
    pub result: Option<(u16, bool)>,
    pub winner: Option<String>,
    pub talked_to: Option<String>,
    pub rang: Option<i64>,
    pub early_media: Option<i64>,
    pub cancelled: Option<i64>,
    pub answered: Option<i64>,
    /// When, and by whom.
    pub ended: Option<(i64, String)>,
    /// The caller left by handing the other side over.
    pub went_on: bool,
    /// By the address of the device, or the name of its push: outcome and push.
    pub legs: BTreeMap<String, (String, String)>,
    pub problems: Vec<String>,
    /// By Call-ID: further calls that are not below the caller's.
    pub others: BTreeMap<String, Told>,
}

const SERVERS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

/// An address as both models name it: without a port.
pub fn machine(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).trim_start_matches("sip:");
    host.split([':', '/', ';']).next().unwrap_or_default().to_owned()
}

fn is_server(name: &str) -> bool {
    SERVERS.contains(&name)
}

/// One message on its hop, however many logs hold it.
#[derive(Clone)]
struct Said<'a> {
    times: Vec<i64>,
    logs: BTreeSet<&'a str>,
    from: String,
    to: String,
    call: &'a str,
    method: &'a str,
    /// Of a response.
    status: Option<u16>,
    branch: &'a str,
    above: Option<&'a str>,
    tags: (&'a str, &'a str),
    cseq: u32,
    sip: &'a SipFacts,
}

impl Said<'_> {
    fn at(&self) -> i64 {
        self.times[0]
    }

    fn is(&self, method: &str) -> bool {
        self.method == method && self.status.is_none()
    }

    fn is_final(&self) -> bool {
        self.status.is_some_and(|status| status >= 200)
    }

    fn answers(&self, status: std::ops::Range<u16>) -> bool {
        self.method == "INVITE" && self.status.is_some_and(|own| status.contains(&own))
    }
}

/// An INVITE on one hop: Call-ID and branch.
type Hop<'a> = (&'a str, &'a str);

/// Calls that nothing but Replaces, Refer-To or Referred-By joins are calls of their own.
const OTHERS: [&str; 4] = ["call-c", "call-p", "call-t", "call-u"];

pub fn told(messages: &[Message], without: Option<Rule>) -> Told {
    let of = |message: &Message| message.facts.call_id.clone().filter(|call| OTHERS.contains(&call.as_str()));
    let own: Vec<Message> = messages.iter().filter(|message| of(message).is_none()).cloned().collect();
    let mut told = call(messages, &own, without);
    for other in OTHERS {
        let of = messages.iter().filter(|message| of(message).as_deref() == Some(other));
        let of: Vec<Message> = of.cloned().collect();
        if of.is_empty() {
            continue;
        }
        let whole = Whole::of((messages, &of), other, without);
        let mut own = attempt((messages, &of), (other, &whole), true, without);
        told.problems.append(&mut own.problems);
        told.others.insert(other.to_owned(), own);
    }
    told.problems.sort();
    told
}

/// Attempts stand one below the other: the last is the one that counts, and what a device did is that of the last in which it
/// was invited; what came of its push, that of the last in which it was pushed to. Problems are those of all.
fn call(everything: &[Message], messages: &[Message], without: Option<Rule>) -> Told {
    let begun = if without == Some(Rule::FurtherAttempt) { Vec::new() } else { further(messages, without) };
    let whole = Whole::of((everything, messages), "call-a", without);
    let mut all = Told::default();
    for nth in 0..=begun.len() {
        let own = messages.iter().filter(|message| number(message, messages, &begun) == nth);
        let Told { mut legs, mut problems, .. } = std::mem::take(&mut all);
        let own: Vec<Message> = own.cloned().collect();
        let own_joins =
            (without == Some(Rule::JoinedOverAllAttempts)).then(|| Whole::of((everything, &own), "call-a", without));
        let joins = own_joins.as_ref().unwrap_or(&whole);
        let last = attempt((everything, &own), ("call-a", joins), nth == begun.len(), without);
        for (name, (outcome, push)) in last.legs {
            let never = |push: &str| matches!(push, "not logged" | "not needed");
            match legs.entry(name) {
                Entry::Vacant(leg) => drop(leg.insert((outcome, push))),
                Entry::Occupied(mut leg) => {
                    let (outcome_before, push_before) = leg.get_mut();
                    if outcome != "not invited" {
                        *outcome_before = outcome;
                    }
                    if never(push_before) || !never(&push) && without != Some(Rule::PushOfLastAttempt) {
                        *push_before = push;
                    }
                }
            }
        }
        problems.extend(last.problems);
        all = Told { legs, problems, ..last };
    }
    all
}

fn attempt(of: (&[Message], &[Message]), (call, whole): (&str, &Whole), is_last: bool, without: Option<Rule>) -> Told {
    let mut model = Model::amid(of, (call, whole), is_last, without);
    model.legs();
    model.caller();
    model.devices();
    model.problems();
    model.told
}

fn millis(message: &Message) -> i64 {
    message.time.0.div_euclid(1000)
}

fn said(messages: &[Message]) -> Vec<Said<'_>> {
    let mut all: Vec<Said> = Vec::new();
    let mut sorted: Vec<&Message> = messages.iter().filter(|message| message.kind == Kind::Sip).collect();
    sorted.sort_by_key(|message| (message.time, message.id));
    for message in sorted {
        let facts = &message.facts;
        let sip = facts.sip.as_deref().unwrap();
        let own = Said {
            times: vec![millis(message)],
            logs: [message.place.source.as_str()].into(),
            from: machine(&message.source),
            to: machine(&message.destination),
            call: facts.call_id.as_deref().unwrap_or_default(),
            method: &facts.method,
            status: facts.status.filter(|_| facts.response),
            branch: &sip.vias[0].branch,
            above: sip.vias.get(1).map(|via| via.branch.as_str()),
            tags: (tag(sip.from.as_ref()), tag(sip.to.as_ref())),
            cseq: sip.cseq.unwrap_or_default(),
            sip,
        };
        let same = |other: &&mut Said| {
            (other.call, other.method, other.status, other.branch, other.tags, other.cseq)
                == (own.call, own.method, own.status, own.branch, own.tags, own.cseq)
        };
        // Half a second later, or in the same log, it was sent again.
        let source = message.place.source.as_str();
        match all.iter_mut().find(same) {
            Some(first) if !first.logs.contains(source) && own.at() - first.at() < 500 => {
                first.logs.insert(source);
            }
            Some(first) => first.times.push(own.at()),
            None => all.push(own),
        }
    }
    all
}

fn token(push: &Message) -> Option<&str> {
    push.facts.push.as_ref()?.token.as_deref()
}

fn tag(address: Option<&NameAddr>) -> &str {
    address.and_then(NameAddr::tag).unwrap_or_default()
}

/// A device, or what was pushed to.
#[derive(Clone, Default)]
struct Leg<'a> {
    hops: Vec<Hop<'a>>,
    /// When, the answer if there is one, and to which token.
    pushes: Vec<(i64, Option<u16>, &'a str)>,
    /// Somebody registered who may be it.
    unnamed: bool,
}

/// What is known of devices over all attempts of a caller.
#[derive(Default)]
struct Whole<'a> {
    said: Vec<Said<'a>>,
    /// By device.
    hops: BTreeMap<String, Vec<Hop<'a>>>,
    /// Devices of which an INVITE or a Contact is logged.
    shown: BTreeSet<String>,
    /// By token: the device that was pushed to.
    joined: BTreeMap<String, String>,
    /// Tokens of devices that may have registered without saying who they are.
    unnamed: BTreeSet<String>,
}

impl<'a> Whole<'a> {
    fn of(of: (&'a [Message], &'a [Message]), call: &'a str, without: Option<Rule>) -> Self {
        let none = Whole::default();
        let model = Model::amid(of, (call, &none), true, without);
        let hops = model.devices_hops();
        let shown = hops.iter().filter(|(_, hops)| model.shows(hops)).map(|(name, _)| name.clone()).collect();
        let (joined, unnamed) = model.joins(&hops);
        Self { said: said(of.1), hops, shown, joined, unnamed }
    }
}

/// One attempt of one caller, amid all that is logged.
struct Model<'a, 'w> {
    /// The caller's Call-ID.
    call: &'a str,
    messages: &'a [Message],
    all: Vec<Said<'a>>,
    said: Vec<Said<'a>>,
    whole: &'w Whole<'w>,
    without: Option<Rule>,
    is_last: bool,
    told: Told,
    legs: BTreeMap<String, Leg<'a>>,
    /// The leg whose call somebody picked up.
    picked_up: Option<String>,
}

impl<'a, 'w> Model<'a, 'w> {
    fn amid(
        of: (&'a [Message], &'a [Message]),
        (call, whole): (&'a str, &'w Whole<'w>),
        is_last: bool,
        without: Option<Rule>,
    ) -> Self {
        let (all, said, legs, told) = (said(of.0), said(of.1), BTreeMap::new(), Told::default());
        Model { call, messages: of.1, all, said, whole, without, is_last, told, legs, picked_up: None }
    }

    fn on(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

fn server_of(log: &str) -> &str {
    match log {
        "edge" => SERVERS[0],
        "core" => SERVERS[1],
        _ => SERVERS[2],
    }
}
