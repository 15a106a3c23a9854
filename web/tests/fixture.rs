//! Logs made here, read as the collector reads them, and stored: what tests and the example serve.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use message::event::CallEvent;
use message::facts::{self, Settings};
use message::kind::Kind;
use record::id::{MessageId, Offset, StreamId};
use record::span::Flags;
use record::time::{SECOND, Timestamp};
use record::wire::{FileIdentity, Guard, Heartbeat, SourceReport, StreamMeta};
use store::Store;
use store::append::{Incoming, Item, MessageRow, Packed};

/// One record of a host's log.
#[derive(Clone, Debug)]
pub struct Record {
    pub at: i64,
    pub host: &'static str,
    pub kind: Kind,
    pub method: String,
    pub from: String,
    pub to: String,
    /// Its header line, where it is not written as all others are.
    pub line: Option<String>,
    pub body: Vec<u8>,
    /// Read to its middle only.
    pub provisional: bool,
    /// Whole, behind a record that is not finished.
    pub waits: bool,
}

/// Writes records to a store: one stream a host.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    streams: HashMap<&'static str, Offset>,
}

impl Ingest {
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), streams: HashMap::new() }
    }

    /// Stores and correlates; ids in the order given.
    pub async fn add(&mut self, records: &[Record]) -> Vec<MessageId> {
        let ids = self.append(records).await;
        self.correlate().await;
        ids
    }

    pub async fn append(&mut self, records: &[Record]) -> Vec<MessageId> {
        let mut by_host: BTreeMap<&'static str, Vec<(usize, &Record)>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            by_host.entry(record.host).or_default().push((at, record));
        }
        let mut ids = vec![MessageId::default(); records.len()];
        for (host, records) in by_host {
            let stream = stream_of(host);
            let base = self.streams.get(host).copied().unwrap_or_default();
            let (mut end, mut at) = (base, base);
            let (mut items, mut tail) = (Vec::new(), Vec::new());
            let mut last = 0;
            for (place, record) in records {
                let row = row(stream, at, record);
                ids[place] = MessageId::new(stream, at);
                at = at.plus(row.len);
                last = last.max(record.at);
                if record.provisional || record.waits {
                    tail.push(row);
                } else {
                    end = at;
                    items.push(Item::Record(Box::new(row), Vec::new()));
                }
            }
            let incoming = incoming(host, stream, base, end, items, tail, Timestamp(last));
            let outcomes = self.store.append(vec![incoming]).await.expect("appended");
            assert!(matches!(outcomes[..], [store::append::Outcome::Stored { w }] if w == end), "{outcomes:?}");
            self.streams.insert(host, end);
            self.hear(host).await;
        }
        ids
    }

    /// Its agent says that all is read.
    async fn hear(&self, host: &'static str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
        let now = Timestamp(now.as_micros() as i64);
        let path = format!("/var/log/{host}/sip.log");
        let source = SourceReport { name: "sip".into(), path, files: 1, read_to: Some(now), ..SourceReport::default() };
        let heartbeat = Heartbeat {
            version: record::wire::VERSION,
            agent: host.into(),
            program: "0.0.0".into(),
            host: host.into(),
            clock: now,
            sources: vec![source],
            unread: Vec::new(),
            more_unread: 0,
            places: None,
            stops: false,
        };
        self.store.hear(&heartbeat, now).await.expect("heard");
    }

    /// What a correlator does, without its concern for size.
    pub async fn correlate(&mut self) {
        loop {
            let now = Timestamp(i64::MAX / 4);
            let rows = self.store.outbox("test", now, 60 * SECOND, 1000).await.expect("outbox");
            if rows.is_empty() {
                return;
            }
            let done = self.store.correlate("test", now, rows).await.expect("correlated");
            assert!(done.applied);
        }
    }
}

pub fn stream_of(host: &str) -> StreamId {
    StreamId::of(host, 1, 1, 0, 0, 0)
}

fn row(stream: StreamId, start: Offset, record: &Record) -> MessageRow {
    let time = Timestamp(record.at);
    let written = || format!("[{time}][{}][{}][{}]", record.method, record.from, record.to);
    let line = format!("{}\n", record.line.clone().unwrap_or_else(written));
    let mut raw = line.clone().into_bytes();
    raw.extend_from_slice(&record.body);
    raw.push(b'\n');
    let settings = Settings::default();
    let facts = facts::read(record.kind, &record.method, &record.from, &record.to, &record.body, &settings);
    let id = MessageId::new(stream, start);
    let event = CallEvent::of(id, time.day(), time, &record.method, &record.from, &record.to, &facts);
    MessageRow {
        time,
        day: time.day(),
        start,
        len: raw.len() as u64,
        head: line.len() as u32,
        line_end: 1,
        call: event.call,
        kind: record.kind,
        method: record.method.clone(),
        status: facts.status,
        source: record.from.clone(),
        destination: record.to.clone(),
        flags: if record.provisional { Flags::UNFINISHED } else { Flags::empty() },
        masked: Vec::new(),
        text_len: None,
        masked_hash: None,
        raw: Packed::of(&raw),
        event,
    }
}

fn incoming(
    host: &str,
    stream: StreamId,
    base: Offset,
    end: Offset,
    items: Vec<Item>,
    tail: Vec<MessageRow>,
    at: Timestamp,
) -> Incoming {
    let size = tail.iter().fold(end, |end, row| end.plus(row.len)).0;
    let meta = StreamMeta {
        source: "sip".into(),
        format: record::format::Format::siptrail().definition().clone(),
        zone: "UTC".into(),
        path: format!("/var/log/{host}/sip.log").into_bytes(),
        host: host.into(),
        file: FileIdentity { inode: stream.0 as u64, ..FileIdentity::default() },
        epoch: 0,
        predecessor: None,
    };
    Incoming {
        agent: host.into(),
        lease: 0,
        stream,
        meta: Some(meta),
        base,
        end,
        items,
        tail,
        guard: Guard::default(),
        size,
        read_to: Offset(size),
        read_at: at,
        near_misses: Vec::new(),
        tail_near_misses: Vec::new(),
        closed: None,
        settled: false,
        received: at,
    }
}

/// A SIP message, a response if `start` is a number with its reason.
#[derive(Clone, Debug)]
pub struct Sip {
    pub call_id: String,
    pub caller: String,
    pub callee: String,
    pub branch: String,
    pub cseq: (u32, &'static str),
    pub to_tag: Option<&'static str>,
    pub more: String,
    pub sdp: bool,
}

impl Sip {
    pub fn new(call_id: &str, caller: &str, callee: &str) -> Self {
        Self {
            call_id: call_id.into(),
            caller: caller.into(),
            callee: callee.into(),
            branch: format!("z9hG4bK{call_id}"),
            cseq: (1, "INVITE"),
            to_tag: None,
            more: String::new(),
            sdp: false,
        }
    }

    pub fn text(&self, start: &str) -> Vec<u8> {
        let first = if start.as_bytes()[0].is_ascii_digit() {
            format!("SIP/2.0 {start}")
        } else {
            format!("{start} sip:{}@example.com SIP/2.0", self.callee)
        };
        let to_tag = self.to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
        let body = if self.sdp {
            "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n"
        } else {
            ""
        };
        let kind = if self.sdp { "Content-Type: application/sdp\r\n" } else { "" };
        format!(
            "{first}\r\nVia: SIP/2.0/TCP 192.0.2.10:5060;branch={}\r\nMax-Forwards: 70\r\n\
             From: \"{}\" <sip:{}@example.com>;tag=f1\r\nTo: <sip:{}@example.com>{to_tag}\r\nCall-ID: {}\r\n\
             CSeq: {} {}\r\n{}{kind}Content-Length: {}\r\n\r\n{body}",
            self.branch,
            self.caller,
            self.caller,
            self.callee,
            self.call_id,
            self.cseq.0,
            self.cseq.1,
            self.more,
            body.len(),
        )
        .into_bytes()
    }
}

/// A record of a SIP message; its method is the first word of `start`.
pub fn sip(at: i64, host: &'static str, from: &str, to: &str, start: &str, message: &Sip) -> Record {
    let method = start.split(' ').next().unwrap_or("").to_owned();
    let (from, to) = (from.into(), to.into());
    let body = message.text(start);
    Record { at, host, kind: Kind::Sip, method, from, to, line: None, body, provisional: false, waits: false }
}

pub fn other(at: i64, host: &'static str, kind: Kind, method: &str, (from, to): (&str, &str), body: &str) -> Record {
    let (method, from, to) = (method.into(), from.into(), to.into());
    let body = body.as_bytes().to_vec();
    Record { at, host, kind, method, from, to, line: None, body, provisional: false, waits: false }
}

pub const ALICE: &str = "sip:198.51.100.24:51714;transport=tls";
pub const SBC: &str = "sip:10.0.0.10:5060;transport=tcp";
pub const PROXY: &str = "sip:10.0.0.20:5060;transport=tcp";
pub const BOB_WEB: &str = "sip:203.0.113.9:60001;transport=wss";
pub const BOB_DESK: &str = "sip:203.0.113.77:5060;transport=udp";
pub const API: &str = "https://api.example.com:443/v1/route";
pub const PUSH: &str = "https://push.example.com:443/3/device";

/// A call that is busy, cancelled, refused or answered: caller, callee, final status, seconds it lasted.
pub fn call(begun: i64, number: u32, caller: &str, callee: &str, status: u16, seconds: i64) -> Vec<Record> {
    let message = Sip { sdp: true, ..Sip::new(&format!("{number:08x}@192.0.2.10"), caller, callee) };
    let bare = Sip { sdp: false, to_tag: Some("t1"), ..message.clone() };
    let at = |ms: i64| begun + ms * 1000;
    let end = seconds * 1000;
    let mut records = vec![
        sip(at(0), "sbc-1", ALICE, SBC, "INVITE", &message),
        sip(at(4), "sbc-1", SBC, PROXY, "INVITE", &message),
        sip(at(9), "proxy-1", PROXY, BOB_DESK, "INVITE", &message),
        sip(at(140), "proxy-1", BOB_DESK, PROXY, "180 Ringing", &bare),
        sip(at(142), "sbc-1", PROXY, SBC, "180 Ringing", &bare),
        sip(at(144), "sbc-1", SBC, ALICE, "180 Ringing", &bare),
    ];
    let said = match status {
        200 => "200 OK",
        486 => "486 Busy Here",
        487 => "487 Request Terminated",
        503 => "503 Service Unavailable",
        _ => "404 Not Found",
    };
    let answer = Sip { sdp: status == 200, ..bare.clone() };
    let ack = Sip { cseq: (1, "ACK"), ..bare.clone() };
    let bye = Sip { cseq: (2, "BYE"), branch: format!("{}b", bare.branch), ..bare.clone() };
    records.push(sip(at(3200), "proxy-1", BOB_DESK, PROXY, said, &answer));
    records.push(sip(at(3202), "sbc-1", PROXY, SBC, said, &answer));
    records.push(sip(at(3204), "sbc-1", SBC, ALICE, said, &answer));
    records.push(sip(at(3260), "sbc-1", ALICE, SBC, "ACK", &ack));
    if status == 200 {
        records.push(sip(at(end), "sbc-1", ALICE, SBC, "BYE", &bye));
        records.push(sip(at(end + 2), "sbc-1", SBC, PROXY, "BYE", &bye));
        records.push(sip(at(end + 4), "proxy-1", PROXY, BOB_DESK, "BYE", &bye));
        records.push(sip(at(end + 60), "proxy-1", BOB_DESK, PROXY, "200 OK", &bye));
        records.push(sip(at(end + 64), "sbc-1", SBC, ALICE, "200 OK", &bye));
    }
    records
}

pub fn registration(begun: i64, number: u32, user: &str) -> Vec<Record> {
    let message = Sip { cseq: (1, "REGISTER"), ..Sip::new(&format!("reg{number}@192.0.2.10"), user, user) };
    vec![
        sip(begun, "sbc-1", ALICE, SBC, "REGISTER", &message),
        sip(begun + 12_000, "sbc-1", SBC, ALICE, "200 OK", &Sip { to_tag: Some("r1"), ..message }),
    ]
}

/// alice calls bob, who has three devices: one must be woken by push, one rings late, one answers.
pub fn forked(begun: i64) -> Vec<Record> {
    let at = |ms: i64| begun + ms * 1000;
    let first = Sip { sdp: true, ..Sip::new("6f2a90c1d8@alice-ios", "alice", "bob") };
    let leg = |branch: &str| Sip { branch: format!("z9hG4bK-{branch}"), ..first.clone() };
    let bare = |of: &Sip, tag| Sip { sdp: false, to_tag: Some(tag), ..of.clone() };
    let (a, web, desk) = (leg("a"), leg("web"), leg("desk"));
    let core = Sip { branch: "z9hG4bK-core".into(), ..first.clone() };
    let ack = Sip { cseq: (1, "ACK"), ..bare(&a, "w1") };
    let bye = Sip { cseq: (2, "BYE"), ..bare(&leg("bye"), "w1") };
    let cancel = Sip { cseq: (1, "CANCEL"), sdp: false, ..desk.clone() };
    let body = "{\"callId\":\"6f2a90c1d8@alice-ios\",\"to\":\"bob\"}";
    vec![
        sip(at(0), "sbc-1", ALICE, SBC, "INVITE", &a),
        sip(at(8), "sbc-1", SBC, PROXY, "INVITE", &core),
        sip(at(12), "proxy-1", SBC, PROXY, "INVITE", &core),
        other(at(19), "proxy-1", Kind::Rest, "POST", ("http://10.0.0.20", API), body),
        other(at(88), "proxy-1", Kind::Push, "PUSH", ("http://10.0.0.20", PUSH), body),
        sip(at(90), "proxy-1", PROXY, BOB_WEB, "INVITE", &web),
        sip(at(91), "proxy-1", PROXY, BOB_DESK, "INVITE", &desk),
        sip(at(591), "proxy-1", PROXY, BOB_DESK, "INVITE", &desk),
        sip(at(158), "proxy-1", BOB_WEB, PROXY, "180 Ringing", &bare(&web, "w1")),
        sip(at(160), "proxy-1", PROXY, SBC, "180 Ringing", &bare(&core, "w1")),
        sip(at(162), "sbc-1", SBC, ALICE, "180 Ringing", &bare(&a, "w1")),
        sip(at(2108), "proxy-1", BOB_DESK, PROXY, "180 Ringing", &bare(&desk, "d1")),
        sip(at(12_899), "proxy-1", BOB_WEB, PROXY, "200 OK", &Sip { sdp: true, ..bare(&web, "w1") }),
        sip(at(12_900), "proxy-1", PROXY, BOB_DESK, "CANCEL", &cancel),
        sip(at(12_902), "proxy-1", PROXY, SBC, "200 OK", &Sip { sdp: true, ..bare(&core, "w1") }),
        sip(at(12_904), "sbc-1", SBC, ALICE, "200 OK", &Sip { sdp: true, ..bare(&a, "w1") }),
        sip(at(12_916), "proxy-1", BOB_DESK, PROXY, "200 OK", &bare(&cancel, "d1")),
        sip(at(12_918), "proxy-1", BOB_DESK, PROXY, "487 Request Terminated", &bare(&desk, "d1")),
        sip(at(12_960), "sbc-1", ALICE, SBC, "ACK", &ack),
        sip(at(44_908), "proxy-1", BOB_WEB, PROXY, "BYE", &bye),
        sip(at(44_912), "sbc-1", SBC, ALICE, "BYE", &bye),
        sip(at(44_969), "sbc-1", ALICE, SBC, "200 OK", &bye),
        sip(at(44_973), "proxy-1", PROXY, BOB_WEB, "200 OK", &bye),
    ]
}
