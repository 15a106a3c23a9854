//! A second model of what happened in a call: the sentences of the design one by one, each as plainly as can be. It knows one
//! caller's call, right clocks, and which machines are servers; it shares nothing with the other model but the parser.

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
    // 3. How long, and who ended it.
    ByeEndsItsDialog,
    ByeIsPassedOn,
    // 4. Problems.
    Unanswered,
    FarthestHop,
    AnsweredOnOtherHop,
    InviteOfEndedCall,
    RingingIsNoSilence,
    NoAck,
    AcksAreLogged,
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

/// An address as it is told: without a port.
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
}

struct Model<'a> {
    messages: &'a [Message],
    said: Vec<Said<'a>>,
    without: Option<Rule>,
    told: Told,
    legs: BTreeMap<String, Leg<'a>>,
}

impl<'a> Model<'a> {
    fn on(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// Hops of the caller's INVITEs: those below no other, in the order in which they were sent.
    fn roots(&self) -> Vec<Hop<'a>> {
        let mut roots: Vec<Hop> = Vec::new();
        for hop in self.hops() {
            if self.above(hop).is_none() && hop.0 == "call-a" {
                roots.push(hop);
            }
        }
        roots
    }

    /// Every INVITE that is logged, or that an answer or the Via of another tells of.
    fn hops(&self) -> Vec<Hop<'a>> {
        let mut hops: Vec<Hop> = Vec::new();
        for said in self.said.iter().filter(|said| said.method == "INVITE") {
            for branch in said.above.into_iter().chain([said.branch]) {
                if !hops.contains(&(said.call, branch)) {
                    hops.push((said.call, branch));
                }
            }
        }
        hops
    }

    fn of(&self, hop: Hop<'a>) -> impl Iterator<Item = &Said<'a>> {
        self.said.iter().filter(move |said| (said.call, said.branch) == hop)
    }

    fn invite(&self, hop: Hop<'a>) -> Option<&Said<'a>> {
        self.of(hop).find(|said| said.is("INVITE"))
    }

    /// From where to where an INVITE went.
    fn ends(&self, hop: Hop<'a>) -> Option<(String, String)> {
        let said = self.of(hop).find(|said| said.method == "INVITE")?;
        let ends = (said.from.clone(), said.to.clone());
        Some(if said.status.is_some() { (ends.1, ends.0) } else { ends })
    }

    /// The hop that an INVITE was made of: by its Via, or since an agent made it of the caller's.
    fn above(&self, hop: Hop<'a>) -> Option<Hop<'a>> {
        if let Some(above) = self.of(hop).find_map(|said| said.above.filter(|_| said.method == "INVITE")) {
            return Some((hop.0, above));
        }
        let invite = self.invite(hop).filter(|invite| invite.call != "call-a")?;
        let mut came = self.said.iter().rev().filter(|said| said.is("INVITE") && said.to == invite.from);
        came.find(|said| said.call == "call-a" && said.at() <= invite.at()).map(|said| (said.call, said.branch))
    }

    fn below(&self, level: &[Hop<'a>]) -> Vec<Hop<'a>> {
        let mut below = self.hops();
        below.retain(|hop| self.above(*hop).is_some_and(|above| level.contains(&above)));
        below
    }

    /// Every device or target that was invited or pushed is a leg of its own.
    fn legs(&mut self) {
        let mut legs: BTreeMap<String, Leg> = BTreeMap::new();
        let mut tokens: BTreeMap<&str, String> = BTreeMap::new();
        for hop in self.hops() {
            let Some((_, to)) = self.ends(hop).filter(|(_, to)| !is_server(to)) else { continue };
            let uri = self.invite(hop).and_then(|invite| invite.sip.request_uri.as_ref());
            if let Some(token) = uri.and_then(|uri| uri.param("pn-prid")) {
                tokens.insert(token, to.clone());
            }
            legs.entry(to).or_default().hops.push(hop);
        }
        let registers: Vec<&Said> = self.said.iter().filter(|said| said.is("REGISTER")).collect();
        for said in registers.iter().filter(|said| legs.get(&said.from).is_some_and(|leg| self.shows(leg))) {
            if let Some(token) = said.sip.contacts[0].uri.param("pn-prid") {
                tokens.insert(token, said.from.clone());
            }
        }
        let decided = self.decided();
        let pushes = || self.messages.iter().filter(|message| message.kind == Kind::Push);
        let pushed =
            |name: &String| pushes().filter_map(|push| token(push)).any(|token| tokens.get(token) == Some(name));
        let mut taken: Vec<String> = legs.keys().filter(|name| pushed(name)).cloned().collect();
        for message in pushes() {
            let (at, facts) = (millis(message), &message.facts);
            let token = token(message).unwrap();
            let status = facts.result.as_ref().and_then(|result| result.status);
            let known = tokens.get(token).filter(|_| self.on(Rule::TokenJoinsInvite));
            // Else the next that registered a contact which was not bound before is likely meant.
            let likely = registers.iter().map(|said| (said.at(), &said.from)).find(|(registered, device)| {
                let invited = legs.get(*device).into_iter().flat_map(|leg| &leg.hops);
                let first = invited.filter_map(|hop| self.invite(*hop)).map(Said::at).min();
                *registered >= at
                    && legs.get(*device).is_some_and(|leg| self.shows(leg))
                    && !taken.contains(device)
                    && first.is_none_or(|first| first >= at)
            });
            let likely = likely.filter(|_| status.is_none_or(|status| status < 300) && self.on(Rule::LikelyJoin));
            let known = known.or(likely.map(|(_, device)| device));
            taken.extend(known.cloned());
            let missed = decided.is_some_and(|decided| at > decided) && self.on(Rule::MissedCallOpensNone);
            if known.is_none() && (missed || !self.on(Rule::PushOpensLeg)) {
                continue;
            }
            let name = known.cloned().unwrap_or_else(|| format!("fcm …{}", &token[token.len() - 6..]));
            legs.entry(name).or_default().pushes.push((at, status, token));
        }
        self.legs = legs;
    }

    /// Of an INVITE that is not logged, the Contact of its answers says to whom it went.
    fn shows(&self, leg: &Leg<'a>) -> bool {
        let mut all = leg.hops.iter().flat_map(|hop| self.of(*hop));
        all.any(|said| said.is("INVITE") || said.answers(101..300))
    }

    /// When the caller got a final answer that is no challenge, on its own hop.
    fn decided(&self) -> Option<i64> {
        let roots = self.roots();
        let own = self.said.iter().filter(|said| roots.contains(&(said.call, said.branch)));
        own.filter(|said| said.answers(200..700) && said.status != Some(407)).map(Said::at).min()
    }

    fn caller(&mut self) {
        let Some((level, status, inferred)) = self.result() else {
            self.rings();
            return;
        };
        self.told.result = Some((status, inferred));
        self.rings();
        if status < 300 {
            self.winner(&level);
        }
    }

    /// The final answer on the nearest hop to the caller that shows one; else what a proxy would choose of the branches.
    fn result(&self) -> Option<(Vec<Hop<'a>>, u16, bool)> {
        let mut level = self.roots();
        if !self.on(Rule::NearestHopDecides) {
            let inside = self.said.iter().find(|said| said.answers(200..300))?;
            return Some((vec![(inside.call, inside.branch)], inside.status?, false));
        }
        while !level.is_empty() {
            let is_fork = level.iter().any(|hop| self.ends(*hop).is_some_and(|(_, to)| !is_server(&to)));
            let mut ends: Vec<Option<&Said>> = level.iter().map(|hop| self.final_of(*hop)).collect();
            if self.on(Rule::ChallengeIsNoEnd) && ends.len() > 1 && !is_fork {
                ends.retain(|end| end.is_none_or(|end| end.status != Some(407)));
            }
            let finals: Vec<&Said> = ends.iter().flatten().copied().collect();
            let answered = finals.iter().filter(|end| end.answers(200..300)).min_by_key(|end| end.at());
            if let Some(answered) = answered {
                return Some((level, answered.status?, is_fork))
                    .filter(|_| !is_fork || self.on(Rule::InferredFromBranches));
            }
            if is_fork && finals.len() == level.len() && self.on(Rule::InferredFromBranches) {
                let status = self.chosen(&finals)?;
                return Some((level, status, true));
            }
            if let Some(end) = finals.first().filter(|_| !is_fork) {
                let status = end.status?;
                return Some((level, status, false));
            }
            if self.on(Rule::KnownToLogFinals) && level.iter().any(|hop| self.logs_finals(*hop)) {
                return None;
            }
            level = self.below(&level);
        }
        None
    }

    /// A 2xx, else the first final answer.
    fn final_of(&self, hop: Hop<'a>) -> Option<&Said<'a>> {
        self.of(hop).find(|said| said.answers(200..300)).or_else(|| self.of(hop).find(|said| said.answers(300..700)))
    }

    /// The machine that this INVITE went to is known to log its final answers to INVITE.
    fn logs_finals(&self, hop: Hop<'a>) -> bool {
        let Some(to) = self.invite(hop).map(|invite| invite.to.clone()) else { return false };
        let own = |said: &&Said| said.answers(200..700) && said.from == to;
        self.said.iter().filter(own).any(|said| said.logs.iter().any(|log| server_of(log) == to))
    }

    /// RFC 3261, 16.7, step 6.
    fn chosen(&self, finals: &[&Said]) -> Option<u16> {
        let mut finals = finals.to_vec();
        finals.sort_by_key(|end| end.at());
        let class = |end: &&&Said| end.status.unwrap_or_default() / 100;
        let for_all = finals.iter().find(|end| class(end) == 6).filter(|_| self.on(Rule::RefusalForAllFirst));
        let lowest = || {
            if self.on(Rule::LowestClassFirst) { finals.iter().min_by_key(class) } else { finals.first() }
        };
        let status = for_all.or_else(lowest)?.status?;
        Some(if status == 503 && self.on(Rule::UnavailableIsError) { 500 } else { status })
    }

    /// The first 180 at the caller, and the first 18x with a session description, each on the nearest hop that shows it.
    fn rings(&mut self) {
        let first = |test: &dyn Fn(&Said) -> bool| {
            let mut level = self.roots();
            if !self.on(Rule::FirstRingAtCaller) {
                level = self.legs.values().flat_map(|leg| leg.hops.clone()).collect();
            }
            while !level.is_empty() {
                let times = level.iter().flat_map(|hop| self.of(*hop)).filter(|said| test(said)).map(Said::at);
                if let Some(at) = times.min() {
                    return Some(at);
                }
                level = self.below(&level);
            }
            None
        };
        let rang = first(&|said| said.answers(180..181));
        let media = first(&|said| said.answers(180..190) && said.sip.sdp.is_some());
        let roots = self.roots();
        let cancels = self.said.iter().filter(|said| said.is("CANCEL") && roots.contains(&(said.call, said.branch)));
        let cancelled = cancels.map(Said::at).min();
        self.told.rang = rang;
        self.told.early_media = media.filter(|_| self.on(Rule::EarlyMedia));
        self.told.cancelled = cancelled;
    }

    fn is_below_agent(&self, leg: &str) -> bool {
        self.legs[leg].hops.iter().any(|hop| hop.0 != "call-a")
    }

    fn winner(&mut self, level: &[Hop<'a>]) {
        let mut answers: Vec<Said> =
            level.iter().flat_map(|hop| self.of(*hop)).filter(|said| said.answers(200..300)).cloned().collect();
        answers.sort_by_key(Said::at);
        let stays = |said: &&Said| !self.on(Rule::HungUpAtOnceIsNoWinner) || !self.hung_up_at_once(said);
        let Some(answer) = answers.iter().find(stays).or(answers.first()).cloned() else { return };
        let at = answer.at();
        let by_tag = self.legs.iter().find(|(_, leg)| {
            let all = leg.hops.iter().flat_map(|hop| self.of(*hop));
            all.filter(|said| said.method == "INVITE")
                .any(|said| (said.call, said.tags.1) == (answer.call, answer.tags.1))
        });
        let by_tag = by_tag.filter(|_| self.on(Rule::SameTagWins)).map(|(name, _)| name.clone());
        let mut legs: Vec<(i64, &String, bool)> = Vec::new();
        for (name, leg) in &self.legs {
            if let Some(own) = self.answer(leg) {
                legs.push((own.at(), name, self.hung_up_at_once(own)));
            }
        }
        // Of one millisecond the first leg.
        legs.sort_by_key(|(at, name, _)| (*at, std::cmp::Reverse(*name)));
        let before: Vec<_> = legs.iter().filter(|(own, ..)| *own <= at).collect();
        let stay = before.iter().rev().find(|(.., at_once)| !at_once).or(before.last());
        let stay = stay.filter(|_| self.on(Rule::LastBeforeCallersWins)).map(|(_, name, _)| (*name).clone());
        // No log shows the end of one device alone: nobody else can have answered.
        let mut open = self.legs.iter().filter(|(name, leg)| {
            let own = |said: &Said| said.answers(200..700);
            !leg.hops.is_empty()
                && !self.is_below_agent(name)
                && !leg.hops.iter().flat_map(|hop| self.of(*hop)).any(own)
        });
        let only = open.next().filter(|_| open.next().is_none()).map(|(name, _)| name.clone());
        self.told.winner = by_tag.or(stay).or(only);
        if self.told.winner.is_none() && self.on(Rule::AgentAnswered) {
            let after = legs.iter().filter(|(own, ..)| *own > at).min();
            self.told.talked_to = after.map(|(_, name, _)| (*name).clone());
        }
        self.told.answered = Some(at);
        self.told.ended = self.bye(&answer).map(|bye| (bye.at(), self.sender(bye)));
    }

    fn answer(&self, leg: &Leg<'a>) -> Option<&Said<'a>> {
        let all = leg.hops.iter().flat_map(|hop| self.of(*hop)).filter(|said| said.answers(200..300));
        all.min_by_key(|said| said.at())
    }

    /// The first BYE of the dialog that a 2xx made.
    fn bye(&self, answer: &Said) -> Option<&Said<'a>> {
        let (one, other) = answer.tags;
        let own = |said: &&Said| {
            let of_dialog = said.tags == (one, other) || said.tags == (other, one);
            said.is("BYE") && (of_dialog || !self.on(Rule::ByeEndsItsDialog)) && said.call == answer.call
        };
        self.said.iter().find(own)
    }

    fn hung_up_at_once(&self, answer: &Said) -> bool {
        let all = self.said.iter().filter(|said| said.answers(200..300));
        let first = all.filter(|said| (said.call, said.tags) == (answer.call, answer.tags)).map(Said::at).min();
        self.bye(answer).zip(first).is_some_and(|(bye, first)| bye.at() - first <= 5_000)
    }

    /// Who sent a BYE, or the one in another dialog that it passes on.
    fn sender(&self, bye: &Said) -> String {
        let came = |said: &&Said| {
            let soon = (0..=2_000).contains(&(bye.at() - said.at()));
            said.is("BYE") && said.to == bye.from && said.call != bye.call && soon
        };
        let came = self.said.iter().find(came).filter(|_| self.on(Rule::ByeIsPassedOn));
        let first = came.and_then(|came| {
            self.said.iter().find(|said| said.is("BYE") && (said.call, said.tags) == (came.call, came.tags))
        });
        first.map_or(bye.from.clone(), |first| first.from.clone())
    }

    fn devices(&mut self) {
        for (name, leg) in &self.legs {
            self.told.legs.insert(name.clone(), (self.outcome(name, leg), self.push(leg)));
        }
    }

    fn outcome(&self, name: &String, leg: &Leg<'a>) -> String {
        let all: Vec<&Said> = leg.hops.iter().flat_map(|hop| self.of(*hop)).collect();
        let answered_at = self.told.answered;
        if leg.hops.is_empty() {
            return "not invited".into();
        }
        if self.told.winner.as_ref() == Some(name) {
            return "answered".into();
        }
        if let Some(own) = self.answer(leg) {
            return match answered_at {
                Some(at)
                    if own.at() > at
                        && !self.hung_up_at_once(own)
                        && self.is_below_agent(name)
                        && self.on(Rule::ConnectedAfter) =>
                {
                    format!("connected after {}", own.at() - at)
                }
                Some(_) if self.on(Rule::AnsweredTooHungUp) => "answered too".into(),
                Some(_) => "answered".into(),
                None => {
                    let late = self.told.cancelled.is_some_and(|cancelled| cancelled <= own.at());
                    let heeded = late && self.hung_up_at_once(own) && self.on(Rule::CancelledBeforeAnswer);
                    let lost = if self.on(Rule::NeverGotIt) { "never got it" } else { "answered" };
                    if heeded { "answered too".into() } else { lost.into() }
                }
            };
        }
        let cancel = all.iter().find(|said| said.is("CANCEL"));
        let elsewhere =
            cancel.is_some_and(|cancel| cancel.sip.reasons.iter().any(|reason| reason.contains("cause=200")));
        let end = all.iter().filter(|said| said.answers(300..700)).min_by_key(|said| said.at());
        if let Some(end) = end {
            let status = end.status.unwrap();
            return match status {
                487 => self.released(name, end.at(), elsewhere),
                408 if self.on(Rule::TimeoutIsUnreachable) => "unreachable".into(),
                300..400 if self.on(Rule::Redirected) => format!("redirected {status}"),
                _ => format!("refused {status}"),
            };
        }
        let ringing = || all.iter().filter(|said| said.answers(101..200));
        let rang = ringing().flat_map(|said| said.times.iter().copied()).max();
        let stop = cancel.map(|cancel| cancel.at()).into_iter().chain(answered_at).min();
        let still = stop.zip(rang).is_some_and(|(stop, rang)| rang - stop > 500);
        if still && self.on(Rule::StillRinging) {
            return "still ringing".into();
        }
        let over = self.told.result.is_some();
        if cancel.is_some() {
            let answered = all.iter().any(|said| said.method == "CANCEL" && said.is_final());
            return match answered {
                true if self.on(Rule::CancelAnsweredOnly) => "CANCEL 200, no 487".into(),
                false if self.on(Rule::CancelUnanswered) => "no answer to CANCEL".into(),
                _ => "cancelled".into(),
            };
        }
        match (over, rang) {
            (false, _) => "open".into(),
            (true, Some(_)) if self.on(Rule::RangEndNotLogged) => "rang, end not logged".into(),
            (true, _) if all.iter().any(|said| said.answers(100..200)) && self.on(Rule::TryingOnly) => {
                "no response".into()
            }
            (true, _) => "unreachable".into(),
        }
    }

    /// 487, and why.
    fn released(&self, name: &String, at: i64, elsewhere: bool) -> String {
        let others = || self.legs.iter().filter(|(other, _)| *other != name);
        let earlier = |test: &dyn Fn(&Said) -> bool| {
            let all = others().flat_map(|(_, leg)| leg.hops.iter().flat_map(|hop| self.of(*hop)));
            all.filter(|said| test(said)).any(|said| said.at() <= at)
        };
        let answered =
            earlier(&|said| said.answers(200..300)) || self.told.answered.is_some_and(|answered| answered <= at);
        if elsewhere && self.on(Rule::ElsewhereByReason) {
            return "answered elsewhere".into();
        }
        if answered && self.on(Rule::ReleasedByAnswer) {
            return "released".into();
        }
        if self.told.cancelled.is_some_and(|cancelled| cancelled <= at) && self.on(Rule::CancelledByCaller) {
            return "cancelled".into();
        }
        if earlier(&|said| said.answers(600..700)) && self.on(Rule::RefusedForAll) {
            return "released, refused for all".into();
        }
        if self.on(Rule::RangOut) { "rang out".into() } else { "cancelled".into() }
    }

    fn push(&self, leg: &Leg<'a>) -> String {
        let registers = |said: &&Said| {
            let own = |hop: &Hop<'a>| self.ends(*hop).is_some_and(|(_, to)| to == said.from);
            let named = || {
                let token = said.sip.contacts[0].uri.param("pn-prid");
                leg.pushes.iter().any(|(.., pushed)| token == Some(*pushed))
            };
            said.is("REGISTER") && (self.shows(leg) && leg.hops.iter().any(own) || named())
        };
        let Some(&(sent, status, _)) = leg.pushes.last() else {
            let bare = |said: &Said| said.sip.contacts[0].uri.param("pn-prid").is_none();
            let needless = self.said.iter().filter(registers).any(bare) && self.on(Rule::NotNeeded);
            return if needless { "not needed".into() } else { "not logged".into() };
        };
        if let Some(status) = status.filter(|status| *status >= 300 && self.on(Rule::RefusedPush)) {
            return format!("refused {status}");
        }
        let mut awake: Vec<i64> = Vec::new();
        for said in &self.said {
            // That it was silent, or was cancelled, says nothing of when it woke.
            let answers = leg.hops.contains(&(said.call, said.branch)) && said.answers(101..700);
            let answers = answers && !matches!(said.status, Some(408 | 487));
            if (registers(&said) || answers) && said.at() >= sent {
                awake.push(said.at());
            }
        }
        if let Some(woke) = awake.first().filter(|_| self.on(Rule::Woke)) {
            return format!("woke after {}", woke - sent);
        }
        // No telephone wakes within a second.
        if self.decided().is_some_and(|decided| decided - sent > 1_000) && self.on(Rule::NeverWoke) {
            let invited = leg.hops.iter().filter_map(|hop| self.invite(*hop)).any(|invite| invite.at() - sent > 1_000);
            return if invited && self.on(Rule::MaySleepUnseen) { "cannot tell".into() } else { "never woke".into() };
        }
        if status.is_some() { "accepted".into() } else { "sent".into() }
    }

    fn problem(&mut self, what: &str, of: &Said) {
        self.told.problems.push(format!("{what} {} {}>{}", of.method, of.from, of.to));
    }

    fn problems(&mut self) {
        self.unanswered();
        self.without_ack();
        for message in self.messages.iter().filter(|message| message.kind != Kind::Sip) {
            let what = match message.facts.result.as_ref().and_then(|result| result.status) {
                None => "unanswered",
                Some(400..) if self.on(Rule::RefusedRest) => "refused",
                Some(_) => continue,
            };
            let ends = (machine(&message.source), machine(&message.destination));
            let (from, to) = if what == "refused" { (ends.1, ends.0) } else { ends };
            self.told.problems.push(format!("{what} {} {from}>{to}", message.facts.method));
        }
        if let Some((level, status, _)) = self.result()
            && status >= 400
            && (status != 487 || !self.on(Rule::CancelledIsNoRefusal))
            && self.on(Rule::RefusedCaller)
        {
            let mut ends: Vec<Said> = level.iter().filter_map(|hop| self.final_of(*hop)).cloned().collect();
            ends.sort_by_key(Said::at);
            let own = ends.iter().find(|end| end.status == Some(status));
            let own = own.or_else(|| ends.iter().find(|end| end.status == Some(503) && status == 500));
            if let Some(end) = own {
                self.problem("refused", end);
            }
        }
        for (name, (outcome, _)) in self.told.legs.clone() {
            let all = self.legs[&name].hops.clone();
            let all: Vec<Said> = all.iter().flat_map(|hop| self.of(*hop)).cloned().collect();
            if outcome == "still ringing" {
                self.problem("still ringing", all.iter().find(|said| said.answers(101..200)).unwrap());
            }
            if outcome == "never got it" && self.on(Rule::AnswerLost) {
                self.problem("answer lost", all.iter().find(|said| said.answers(200..300)).unwrap());
            }
        }
    }

    fn unanswered(&mut self) {
        let ended = self.result().and_then(|(level, ..)| {
            let finals = level.iter().filter_map(|hop| self.final_of(*hop)).map(Said::at).max();
            finals.into_iter().chain(self.told.ended.as_ref().map(|(at, _)| *at)).max()
        });
        let mut found: Vec<Said> = Vec::new();
        for said in self.said.iter().filter(|said| said.status.is_none() && said.method != "ACK") {
            let own = |other: &&Said| (other.call, other.branch, other.method) == (said.call, said.branch, said.method);
            let responses: Vec<&Said> = self.said.iter().filter(own).filter(|other| other.status.is_some()).collect();
            if responses.iter().any(|response| response.is_final()) {
                continue;
            }
            let passed_on = self.said.iter().any(|other| {
                other.method == said.method
                    && other.call == said.call
                    && other.status.is_none()
                    && other.above == Some(said.branch)
            });
            if passed_on && said.method != "CANCEL" && self.on(Rule::FarthestHop) {
                continue;
            }
            if said.method == "INVITE" {
                let rings_on = self.told.legs.get(&said.to).is_some_and(|(outcome, _)| outcome == "still ringing");
                let excused = if ended.is_some_and(|ended| ended > said.at()) {
                    rings_on || !self.on(Rule::InviteOfEndedCall)
                } else {
                    !responses.is_empty() && self.on(Rule::RingingIsNoSilence)
                };
                if excused {
                    continue;
                }
            }
            // What a machine never logs an answer of says nothing.
            let speaks =
                !is_server(&said.to) || self.said.iter().any(|other| other.status.is_some() && other.from == said.to);
            let forked = said.method == "INVITE"
                && self.above((said.call, said.branch)).is_some_and(|above| self.below(&[above]).len() > 1);
            let elsewhere = said.method != "CANCEL"
                && !forked
                && self.on(Rule::AnsweredOnOtherHop)
                && self.said.iter().any(|other| {
                    let same = (other.call, other.method, other.tags.0, other.cseq)
                        == (said.call, said.method, said.tags.0, said.cseq);
                    same && other.is_final() && !matches!(other.status, Some(408 | 480 | 487 | 500 | 503 | 504))
                });
            if speaks && !elsewhere && self.on(Rule::Unanswered) {
                found.push(said.clone());
            }
        }
        for said in found {
            self.problem("unanswered", &said);
        }
    }

    /// A 2xx to INVITE without an ACK, where ACKs are logged.
    fn without_ack(&mut self) {
        let mut met: Vec<(&str, (&str, &str))> = Vec::new();
        for said in self.said.clone().iter().filter(|said| said.answers(200..300)) {
            let dialog = (said.call, said.tags);
            let lost = self.told.legs.iter().any(|(name, (outcome, _))| {
                let own = self.answer(&self.legs[name]).map(|answer| (answer.call, answer.tags));
                outcome == "never got it" && own == Some(dialog)
            });
            let logged = self.said.iter().any(|other| other.is("ACK") && other.call == said.call);
            let acked = self.said.iter().any(|other| other.is("ACK") && (other.call, other.tags) == dialog);
            if met.contains(&dialog) || lost || acked || !logged && self.on(Rule::AcksAreLogged) {
                continue;
            }
            met.push(dialog);
            if self.on(Rule::NoAck) {
                self.problem("no ACK", said);
            }
        }
    }
}

fn server_of(log: &str) -> &str {
    match log {
        "edge" => SERVERS[0],
        "core" => SERVERS[1],
        _ => SERVERS[2],
    }
}
