//! A second model of what happened in a call: the sentences of the design one by one, each as plainly as can be. It knows one
//! caller's call, right clocks, and which machines are servers; it shares nothing with the other model but the parser.

mod devices;
mod legs;
mod problems;
mod result;

use std::collections::{BTreeMap, BTreeSet};

use message::facts::SipFacts;
use message::kind::Kind;
use message::logged::Message;
use message::sip::NameAddr;

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
    // 3. How long, and who ended it.
    ByeEndsItsDialog,
    ByeIsPassedOn,
    ByeNamesItsSide,
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
    CancelledIsNoRefusal,
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
    /// By the address of the device, or the name of its push: outcome and push.
    pub legs: BTreeMap<String, (String, String)>,
    pub problems: Vec<String>,
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

pub fn told(messages: &[Message], without: Option<Rule>) -> Told {
    let mut model = Model { messages, said: said(messages), without, told: Told::default(), legs: BTreeMap::new() };
    model.legs();
    model.caller();
    model.devices();
    model.problems();
    model.told.problems.sort();
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

struct Model<'a> {
    messages: &'a [Message],
    said: Vec<Said<'a>>,
    without: Option<Rule>,
    told: Told,
    legs: BTreeMap<String, Leg<'a>>,
}

impl Model<'_> {
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
