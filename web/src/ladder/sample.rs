//! Flows drawn by hand for tests: nodes, legs and rows in a few words each.

use std::sync::Arc;

use message::event::CallClass;
use message::facts::{ExchangeResult, Facts, PushFacts, SipFacts};
use message::flow::{
    Branch, By, Caller, End, Flow, Fork, Got, Half, Leg, Node, NodeKind, Outcome, PushState, Row, Try, Winner,
};
use message::kind::Kind;
use message::logged::{Message, Place};
use message::sip::{NameAddr, Sdp, Uri, Via};
use record::id::{CallKey, MessageId, Offset, StreamId};
use record::span::Flags;
use record::time::Timestamp;
use rule::syntax::Severity;
use rule::told::{Seen, Step, Told};
use rule::verdict::Outcome as Judged;

/// 2026-09-14 12:00:00 UTC
pub const NOON: i64 = 1_789_387_200_000_000;

#[derive(Debug, Default)]
pub struct Sample {
    pub flow: Flow,
    pub messages: Vec<Message>,
}

impl Sample {
    /// Nodes in column order: `sbc-1`, or `bob-ios of bob` for a device.
    pub fn of(nodes: &[&str]) -> Self {
        let mut sample = Self::default();
        for text in nodes {
            let (name, person) = text.split_once(" of ").map_or((*text, None), |(name, person)| (name, Some(person)));
            sample.flow.nodes.push(Node {
                name: name.into(),
                detail: if person.is_some() { "App 7.4" } else { "192.0.2.10" }.into(),
                user_agent: person.map(|_| "App 7.4".into()),
                kind: if person.is_some() { NodeKind::Device } else { NodeKind::Server },
                person: person.map(String::from),
                leg: None,
                spoke: true,
                log: None,
                logs: Vec::new(),
                clock_shift: 0,
            });
        }
        sample
    }

    /// A leg: `A`, or `B1 bob-ios` for the branch to a device.
    pub fn leg(&mut self, text: &str) -> usize {
        let at = self.flow.legs.len();
        let (tag, device) = text.split_once(' ').map_or((text, None), |(tag, device)| (tag, Some(device)));
        let node = device.map(|name| self.node(name));
        if let Some(node) = node {
            self.flow.nodes[node].leg = Some(at);
        }
        self.flow.legs.push(Leg {
            tag: tag.into(),
            parent: (at > 0).then_some(0),
            call_id: "6f2a90c1d8@alice-ios".into(),
            class: CallClass::Call,
            target: device.unwrap_or("sip:bob@example.com").into(),
            node,
            platform: None,
            user_agent: device.map(|_| "App 7.4".into()),
            push: PushState::NotLogged,
            pushed: None,
            asked: None,
            begun: None,
            rang: None,
            final_status: None,
            outcome: Outcome::Open,
            blind: None,
            hops: Vec::new(),
            by_tag: false,
            rows: 0,
        });
        at
    }

    /// A row: `A alice-ios > sbc-1 INVITE sdp`, `A sbc-1 > alice-ios 180 INVITE Ringing`, `A proxy-1 > api-1 POST /v1/x`,
    /// `B1 proxy-1 > push-gw PUSH apns`. Gives its index.
    pub fn row(&mut self, at_ms: i64, text: &str) -> usize {
        self.row_at(NOON + at_ms * 1000, text)
    }

    pub fn row_at(&mut self, micros: i64, text: &str) -> usize {
        let mut words = text.split_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (tag, from, _, to, what) = (word(), word(), word(), word(), word());
        let rest: Vec<&str> = text.split_whitespace().skip(5).collect();
        let leg = self.flow.legs.iter().position(|leg| leg.tag == tag).expect("a leg of the sample");
        let (from, to) = (self.node(&from), self.node(&to));
        let (source, destination) = (self.flow.nodes[from].name.clone(), self.flow.nodes[to].name.clone());
        let message = self.messages.len();
        self.messages.push(message_of(message, micros, &source, &destination, &what, &rest));
        let facts = &self.messages[message].facts;
        let (method, response) = (facts.method.clone(), facts.response);
        let request = self.flow.rows.iter().rposition(|row| {
            let other = &self.messages[row.message].facts;
            response && !other.response && other.method == method && (row.leg, row.from, row.to) == (leg, to, from)
        });
        let row = self.flow.rows.len();
        let transaction = request.map_or(row, |request| self.flow.rows[request].transaction);
        if let Some(request) = request {
            self.flow.rows[request].pair.get_or_insert(row);
        }
        self.flow.rows.push(Row {
            message,
            kind: self.messages[message].kind,
            half: Half::Whole,
            from,
            to,
            leg,
            time: Timestamp(micros),
            repaired: false,
            sightings: Vec::new(),
            repeats: Vec::new(),
            repeat_sightings: Vec::new(),
            transaction,
            pair: request,
            unclear: false,
            likely: false,
            hop: None,
            dialog: None,
            on_first_hop: true,
            on_last_hop: true,
            cancels: None,
            set_back: 0,
            remark: None,
        });
        self.flow.legs[leg].rows += 1;
        row
    }

    /// The message of a row once more: as another host's log of it, or as a later sending.
    pub fn sighted(&mut self, row: usize, host: &str, micros_later: i64) {
        let at = self.again(row, micros_later);
        self.messages[at].place =
            Arc::new(Place { host: host.into(), source: format!("{host}/sip"), ..Place::default() });
        self.flow.rows[row].sightings.push(at);
    }

    pub fn repeated(&mut self, row: usize, ms_later: i64) {
        let at = self.again(row, ms_later * 1000);
        self.flow.rows[row].repeats.push(at);
    }

    /// An exchange logged as one record: two rows.
    pub fn exchange(&mut self, at_ms: i64, request: &str, status: Option<u16>, reason: &str) {
        let row = self.row(at_ms, request);
        let message = self.flow.rows[row].message;
        self.messages[message].facts.status = status;
        self.messages[message].facts.result = Some(ExchangeResult { status, reason: reason.into() });
        let asked = self.flow.rows[row].clone();
        self.flow.rows[row].half = Half::Request;
        self.flow.rows[row].pair = Some(row + 1);
        self.flow.rows.push(Row { half: Half::Response, from: asked.to, to: asked.from, pair: Some(row), ..asked });
        self.flow.legs[asked.leg].rows += 1;
    }

    pub fn fork(&mut self, before: usize, node: &str, tags: &[&str]) {
        let branches = tags.iter().map(|tag| {
            let leg = self.flow.legs.iter().position(|leg| leg.tag == *tag).expect("a leg of the sample");
            Branch { leg, node: self.flow.legs[leg].node.expect("a device"), then: false, by_push: false }
        });
        let branches = branches.collect();
        self.flow.forks.push(Fork { before, node: self.node(node), branches });
    }

    fn node(&self, name: &str) -> usize {
        self.flow.nodes.iter().position(|node| node.name == name).expect("a node of the sample")
    }

    fn again(&mut self, row: usize, micros_later: i64) -> usize {
        let at = self.messages.len();
        let mut message = self.messages[self.flow.rows[row].message].clone();
        message.id = id(at);
        message.time = Timestamp(message.time.0 + micros_later);
        self.messages.push(message);
        at
    }
}

fn id(at: usize) -> MessageId {
    MessageId::new(StreamId(1), Offset(at as u64 * 1000))
}

fn message_of(at: usize, micros: i64, source: &str, destination: &str, what: &str, rest: &[&str]) -> Message {
    let status: Option<u16> = what.parse().ok();
    let kind = match what {
        "POST" | "GET" => Kind::Rest,
        "PUSH" => Kind::Push,
        _ => Kind::Sip,
    };
    let has_sdp = rest.contains(&"sdp");
    let words: Vec<&str> = rest.iter().copied().filter(|word| *word != "sdp").collect();
    let (method, reason) = match status {
        Some(_) => (words[0], words[1..].join(" ")),
        None => (what, String::new()),
    };
    let cseq = format!("314 {method}");
    let start = match status {
        Some(status) => format!("SIP/2.0 {status} {reason}"),
        None => format!("{method} sip:bob@example.com SIP/2.0"),
    };
    let sdp = if has_sdp { "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 20000 RTP/AVP 0\r\n" } else { "" };
    let body = match kind {
        Kind::Sip => format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-a1f09\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=7c1e55\r\n\
             To: <sip:bob@example.com>;tag=b2-94d0a7\r\nCall-ID: 6f2a90c1d8@alice-ios\r\nCSeq: {cseq}\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ),
        _ => "{\"callId\":\"6f2a90c1d8@alice-ios\",\"to\":\"bob\"}".to_owned(),
    };
    let head = format!("[{}][{what}][sip:{source}][sip:{destination}]\n", Timestamp(micros));
    let target = (kind == Kind::Rest).then(|| words.first().copied().unwrap_or_default().to_owned());
    let facts = Facts {
        ids: Vec::new(),
        kind,
        method: method.into(),
        status,
        reason,
        response: status.is_some(),
        call_id: Some("6f2a90c1d8@alice-ios".into()),
        keys: Vec::new(),
        target,
        sip: (kind == Kind::Sip).then(|| Box::new(sip_facts(has_sdp))),
        result: None,
        push: (kind == Kind::Push)
            .then(|| PushFacts { provider: words.first().map(|word| (*word).to_owned()), ..PushFacts::default() }),
        faults: Vec::new(),
    };
    let raw = format!("{head}{body}\n").into_bytes();
    Message {
        id: id(at),
        time: Timestamp(micros),
        kind,
        method: what.into(),
        status,
        source: source.into(),
        destination: destination.into(),
        call: CallKey::of(b"6f2a90c1d8@alice-ios"),
        flags: Flags::empty(),
        provisional: false,
        place: Arc::new(Place {
            learned: Arc::default(),
            agent: "agent-1".into(),
            host: "proxy-1".into(),
            source: "proxy/sip".into(),
            path: "/var/log/proxy/sip.log".into(),
        }),
        len: raw.len() as u64,
        head: head.len() as u32,
        line_end: 1,
        raw,
        masked: Vec::new(),
        facts,
    }
}

fn sip_facts(has_sdp: bool) -> SipFacts {
    let person = |user: &str, tag: &str| NameAddr {
        display: String::new(),
        uri: Uri { scheme: "sip".into(), user: user.into(), host: "example.com".into(), ..Uri::default() },
        params: if tag.is_empty() { Vec::new() } else { vec![("tag".into(), tag.into())] },
    };
    SipFacts {
        cseq: Some(314),
        from: Some(person("alice", "7c1e55")),
        to: Some(person("bob", "")),
        vias: vec![Via { transport: "UDP".into(), branch: "z9hG4bK-a1f09".into(), ..Via::default() }],
        sdp: has_sdp.then(Sdp::default),
        ..SipFacts::default()
    }
}

/// The call of the design's picture, as far as logs show it: forked to three devices, one answers, no ACK.
pub fn forked_call() -> Sample {
    let mut s = Sample::of(&[
        "alice-ios of alice",
        "sbc-1",
        "proxy-1",
        "api-1",
        "push-gw",
        "bob-ios of bob",
        "bob-web of bob",
        "bob-desk of bob",
    ]);
    for leg in ["A", "B1 bob-ios", "B2 bob-web", "B3 bob-desk"] {
        s.leg(leg);
    }
    s.flow.caller = Some("alice".into());
    s.flow.callee = Some("bob".into());
    s.flow.nodes[0].leg = Some(0);
    s.flow.nodes[5].spoke = false;
    s.row(1_102, "A alice-ios > sbc-1 INVITE sdp");
    let forwarded = s.row(1_110, "A sbc-1 > proxy-1 INVITE sdp");
    s.sighted(forwarded, "proxy-1", 4_000);
    s.row(1_121, "A proxy-1 > api-1 POST /v1/route");
    let routed = s.row(1_180, "A api-1 > proxy-1 200 POST OK");
    s.flow.rows[routed].kind = Kind::Rest;
    s.messages[s.flow.rows[routed].message].kind = Kind::Rest;
    s.messages[s.flow.rows[routed].message].facts.kind = Kind::Rest;
    let push = s.row(1_190, "B1 proxy-1 > push-gw PUSH apns");
    s.fork(push, "proxy-1", &["B1", "B2", "B3"]);
    s.flow.forks[0].branches[0].by_push = true;
    s.row(1_192, "B2 proxy-1 > bob-web INVITE sdp");
    let desk = s.row(1_193, "B3 proxy-1 > bob-desk INVITE sdp");
    s.repeated(desk, 500);
    s.repeated(desk, 1500);
    s.row(1_194, "A proxy-1 > sbc-1 100 INVITE Trying");
    s.row(1_260, "B2 bob-web > proxy-1 180 INVITE Ringing");
    s.row(1_262, "A proxy-1 > sbc-1 180 INVITE Ringing");
    s.row(1_264, "A sbc-1 > alice-ios 180 INVITE Ringing");
    s.row(3_210, "B3 bob-desk > proxy-1 180 INVITE Ringing");
    let answer = s.row(14_001, "B2 bob-web > proxy-1 200 INVITE OK sdp");
    let cancel = s.row(14_002, "B3 proxy-1 > bob-desk CANCEL");
    s.flow.rows[cancel].cancels = Some(desk);
    for ms in [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
        s.repeated(answer, ms);
    }
    s.row(14_004, "A proxy-1 > sbc-1 200 INVITE OK sdp");
    let answered = s.row(14_006, "A sbc-1 > alice-ios 200 INVITE OK sdp");
    s.row(14_018, "B3 bob-desk > proxy-1 200 CANCEL OK");
    s.row(14_020, "B3 bob-desk > proxy-1 487 INVITE Request Terminated");
    let ack = s.row(14_021, "B3 proxy-1 > bob-desk ACK");
    s.flow.rows[ack].transaction = s.flow.rows[desk].transaction;
    let bye = s.row(46_010, "B2 bob-web > proxy-1 BYE");
    s.row(46_012, "A proxy-1 > sbc-1 BYE");
    s.row(46_014, "A sbc-1 > alice-ios BYE");
    s.row(46_071, "A alice-ios > sbc-1 200 BYE OK");
    s.row(46_073, "A sbc-1 > proxy-1 200 BYE OK");
    s.row(46_075, "B2 proxy-1 > bob-web 200 BYE OK");
    s.flow.course.callers.push(answered_by_web(answered, bye));
    s
}

/// What happened in it: bob-web answered, and hung up.
#[allow(clippy::field_reassign_with_default)]
fn answered_by_web(answered: usize, bye: usize) -> Caller {
    let at = |ms: i64| Timestamp(NOON + ms * 1000);
    let mut winner = Winner::default();
    (winner.leg, winner.node) = (Some(2), Some(6));
    let mut tried = Try::default();
    (tried.begun, tried.rang) = (Some(at(1_102)), Some(at(1_264)));
    tried.result = Some(Got { status: 200, reason: "OK".into(), time: at(14_006), row: answered, inferred: false });
    let end = End::Bye { time: at(46_010), by: By::Node(6), row: bye };
    Caller { leg: 0, tries: vec![tried], winner: Some(winner), connected: Some((at(14_006), end)) }
}

/// An instance of a rule on leg `A` with one step, as seen by the message of a row or by none.
pub fn told(text: &str, class: &str, seen: Seen, of: Option<MessageId>, due_ms: i64) -> Told {
    let outcome = match seen {
        Seen::Late => Judged::Late,
        Seen::CannotTell => Judged::Unknown,
        _ => Judged::Failed,
    };
    let step = Step {
        name: "ack".into(),
        text: text.into(),
        failure: Some(class.into()),
        seen,
        due: Some(Timestamp(NOON + due_ms * 1000)),
        from: Some("alice-ios".into()),
        to: Some("sbc-1".into()),
        message: of,
        time: None,
        late_by: (seen == Seen::Late).then_some(4_200_000),
        why: (seen == Seen::CannotTell).then(|| "sbc-1 is not known to log ACK".into()),
    };
    Told {
        rule: "answered-no-ack".into(),
        version: 7,
        severity: Severity::Critical,
        outcome,
        failure: Some(class.into()),
        step: Some(0),
        due: step.due,
        late_by: step.late_by,
        leg: "A".into(),
        target: "alice-ios".into(),
        nth: None,
        start: of.unwrap_or_default(),
        began: Timestamp(NOON),
        ended: None,
        ending: None,
        steps: vec![step],
        why: None,
    }
}
