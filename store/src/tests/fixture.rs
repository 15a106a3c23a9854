//! Empty stores, and streams to put into them.

use std::time::{SystemTime, UNIX_EPOCH};

use message::event::{CallClass, CallEvent};
use message::keys::Key;
use message::kind::Kind;
use message::said::Said;
use record::id::{CallKey, Offset, StreamId};
use record::span::{Cause, Flags};
use record::time::{SECOND, Timestamp};
use record::wire::{FileIdentity, Guard, StreamMeta};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use crate::append::{FragmentRow, GapRow, Incoming, Item, MessageRow, Outcome, Packed};
use crate::correlate::Correlated;
use crate::{Location, Store};

/// 2026-11-23 12:00:00 UTC.
pub(crate) const NOON: Timestamp = Timestamp(1_795_435_200 * SECOND);
pub(crate) const OWNER: &str = "correlator-1";

pub(crate) async fn sqlite() -> (Store, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Directory(directory.path().into())).await.unwrap();
    (store, directory)
}

/// A schema of its own.
pub(crate) struct Schema {
    name: String,
    pub location: Location,
    pool: PgPool,
}

impl Schema {
    pub async fn drop(self) {
        let text = format!("drop schema {} cascade", self.name);
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&self.pool).await.unwrap();
        self.pool.close().await;
    }
}

/// The PostgreSQL that the environment names, else that of `scripts/postgres`.
fn server() -> String {
    std::env::var("SIPTRAIL_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");
        let said = std::process::Command::new(script).arg("url").output().unwrap();
        assert!(said.status.success(), "the tests need PostgreSQL: run scripts/postgres start");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    })
}

pub(crate) async fn postgres() -> (Store, Schema) {
    let url = server();
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await;
    let pool = pool.unwrap_or_else(|why| panic!("no PostgreSQL at {url} ({why}): run scripts/postgres start"));
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("test_{}_{nanos}", std::process::id());
    sqlx::raw_sql(AssertSqlSafe(format!("create schema {name}"))).execute(&pool).await.unwrap();
    let join = if url.contains('?') { '&' } else { '?' };
    let location = Location::postgres(&format!("{url}{join}options[search_path]={name}")).unwrap();
    (Store::open(&location).await.unwrap(), Schema { name, location, pool })
}

/// One followed file that is appended to.
pub(crate) struct File {
    pub stream: StreamId,
    pub agent: String,
    pub lease: i64,
    pub w: u64,
}

/// What a message of a test says.
#[derive(Clone)]
pub(crate) struct Says {
    pub call: &'static str,
    pub at: i64,
    pub method: &'static str,
    pub status: Option<u16>,
    pub kind: Kind,
    pub class: CallClass,
    pub from: Option<&'static str>,
    pub to: Option<&'static str>,
    pub keys: Vec<Key>,
    pub to_tag: bool,
    /// An answer of REST without anything that says whose it is.
    pub nameless: bool,
    /// The tag of From.
    pub from_tag: Option<&'static str>,
    pub identity: Option<&'static str>,
    /// `cid` of Referred-By.
    pub cid: Option<&'static str>,
    /// The id by which an answer of REST finds its request.
    pub exchange: Option<u8>,
}

/// A request of a call, so many seconds after noon, from alice to bob.
pub(crate) fn says(call: &'static str, at: i64, method: &'static str) -> Says {
    Says {
        call,
        at,
        method,
        status: None,
        kind: Kind::Sip,
        class: CallClass::Call,
        from: Some("alice"),
        to: Some("bob"),
        keys: Vec::new(),
        to_tag: false,
        nameless: false,
        from_tag: None,
        identity: None,
        cid: None,
        exchange: None,
    }
}

impl Says {
    /// What stands in the header line: of a response, its status.
    fn logged(&self) -> String {
        self.status.map_or_else(|| self.method.to_string(), |status| status.to_string())
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub fn key(mut self, space: &str, value: &str) -> Self {
        self.keys.push(Key::new(space, value));
        self
    }

    pub fn people(mut self, from: &'static str, to: &'static str) -> Self {
        (self.from, self.to) = (Some(from), Some(to));
        self
    }

    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// REST with this id; an answer names no call by anything else.
    pub fn exchange(mut self, id: u8) -> Self {
        (self.kind, self.exchange) = (Kind::Rest, Some(id));
        if self.status.is_some() {
            self.class = CallClass::Other;
        }
        self
    }

    pub fn tagged(mut self) -> Self {
        self.to_tag = true;
        self
    }

    /// As the network says.
    pub fn identity(mut self, user: &'static str) -> Self {
        self.identity = Some(user);
        self
    }

    /// Without an id, from whom was asked.
    pub fn nameless(mut self) -> Self {
        (self.kind, self.class, self.nameless) = (Kind::Rest, CallClass::Other, true);
        self
    }

    pub fn by_tag(mut self, tag: &'static str) -> Self {
        self.from_tag = Some(tag);
        self
    }

    pub fn class(mut self, class: CallClass) -> Self {
        self.class = class;
        self
    }
}

impl File {
    pub fn new(number: i64) -> Self {
        Self { stream: StreamId(number), agent: "agent-1".into(), lease: 0, w: 0 }
    }

    pub fn meta(&self) -> StreamMeta {
        StreamMeta {
            source: "proxy".into(),
            format: record::format::Format::siptrail().definition().clone(),
            zone: "UTC".into(),
            path: format!("/var/log/proxy-{}.log", self.stream.0).into_bytes(),
            host: "proxy-1".into(),
            file: FileIdentity { device: 1, inode: u64::MAX, generation: 3, birth: 4 },
            epoch: 0,
            predecessor: None,
        }
    }

    /// From `base`, with these items in order, one behind the other.
    pub fn batch(&self, base: u64, items: Vec<Item>) -> Incoming {
        let end = base + items.iter().map(len).sum::<u64>();
        Incoming {
            agent: self.agent.clone(),
            lease: self.lease,
            stream: self.stream,
            meta: Some(self.meta()),
            base: Offset(base),
            end: Offset(end),
            items,
            tail: Vec::new(),
            guard: Guard::default(),
            size: end,
            read_to: Offset(end),
            read_at: NOON,
            near_misses: Vec::new(),
            tail_near_misses: Vec::new(),
            closed: None,
            settled: false,
            received: NOON,
        }
    }

    /// Records, appended at the watermark.
    pub async fn log(&mut self, store: &Store, messages: impl IntoIterator<Item = Says>) {
        let mut at = self.w;
        let items: Vec<Item> = messages
            .into_iter()
            .map(|says| {
                let item = self.record(at, &says);
                at += len(&item);
                item
            })
            .collect();
        let outcome = store.append(vec![self.batch(self.w, items)]).await.unwrap();
        assert_eq!(outcome, [Outcome::Stored { w: Offset(at) }]);
        self.w = at;
    }

    pub fn record(&self, start: u64, says: &Says) -> Item {
        Item::Record(Box::new(self.message(start, says)), Vec::new())
    }

    /// As a provisional row whose rest is not there yet.
    pub fn unfinished(&self, start: u64, says: &Says) -> MessageRow {
        let row = self.message(start, says);
        MessageRow { flags: row.flags.union(Flags::UNFINISHED), ..row }
    }

    /// What was read behind the watermark, as the agent tells it: whole records, all of which wait.
    pub async fn tail(&self, store: &Store, rows: Vec<MessageRow>) {
        let read_to = rows.last().map_or(Offset(self.w), |row| row.start.plus(row.len));
        let batch = self.batch(self.w, Vec::new());
        let incoming = Incoming { size: read_to.0, read_to, tail: rows, ..batch };
        let outcome = store.append(vec![incoming]).await.unwrap();
        assert_eq!(outcome, [Outcome::Stored { w: Offset(self.w) }]);
    }

    pub fn message(&self, start: u64, says: &Says) -> MessageRow {
        let time = Timestamp(NOON.0 + says.at * SECOND);
        let ends = ["sip:192.0.2.1:5060", "sip:192.0.2.2:5060"].map(String::from);
        let answers = says.kind == Kind::Rest && says.status.is_some() && says.exchange.is_none();
        let [source, destination] = if answers { [ends[1].clone(), ends[0].clone()] } else { ends };
        let header = format!("[{time}][{}][{source}][{destination}]\n", says.method);
        // What is said to have a To-tag has one, and an answer to such is one.
        let (first, to) = match says.status.filter(|_| says.to_tag) {
            Some(status) => (format!("SIP/2.0 {status} x"), ";tag=b"),
            None => (format!("{} sip:bob@example.com SIP/2.0", says.method), if says.to_tag { ";tag=b" } else { "" }),
        };
        let tagged = if says.to_tag {
            format!("To: <sip:bob@example.com>{to}\r\nCSeq: 1 {}\r\n", says.method)
        } else {
            String::new()
        };
        let from = says.from_tag.map_or_else(String::new, |tag| format!("From: <sip:alice@example.com>;tag={tag}\r\n"));
        let identity =
            says.identity.map_or_else(String::new, |user| format!("P-Asserted-Identity: <sip:{user}@example.com>\r\n"));
        let referred =
            says.cid.map_or_else(String::new, |cid| format!("Referred-By: <sip:carol@example.com>;cid=\"{cid}\"\r\n"));
        let raw = format!("{header}{first}\r\n{from}{identity}{referred}{tagged}Call-ID: {}\r\n\r\n\n", says.call);
        let call = CallKey::of(says.call.as_bytes());
        let day = time.clamped(NOON).day();
        let stream = self.stream;
        MessageRow {
            time,
            day,
            start: Offset(start),
            len: raw.len() as u64,
            head: header.len() as u32,
            line_end: 1,
            call,
            kind: says.kind,
            method: says.logged(),
            status: says.status,
            source: source.clone(),
            destination: destination.clone(),
            flags: Flags::AMBIGUOUS_BOUNDARY,
            masked: Vec::new(),
            text_len: None,
            masked_hash: None,
            raw: Packed::of(raw.as_bytes()),
            event: CallEvent {
                exchange: says.exchange.map(|id| [id; 16]).into_iter().collect(),
                nameless: says.nameless || says.exchange.is_some() && says.status.is_some(),
                stream,
                offset: Offset(start),
                call,
                call_id: says.call.into(),
                class: says.class,
                day,
                time,
                kind: says.kind,
                method: says.method.into(),
                status: says.status,
                response: says.status.is_some(),
                said: Said::of(says.kind, &says.logged(), says.status),
                from: says.from.map(Into::into),
                to: says.to.map(Into::into),
                identity: says.identity.map(Into::into),
                target: None,
                branch: String::new(),
                to_tag: says.to_tag,
                tags: says.from_tag.into_iter().chain(says.to_tag.then_some("b")).map(Into::into).collect(),
                source,
                destination,
                keys: if says.class.is_daily() && !says.to_tag {
                    Vec::new()
                } else {
                    Key::own(says.call).into_iter().chain(says.keys.clone()).collect()
                },
                cid: says.cid.map(Into::into),
                hop: None,
                answered_by: None,
            },
        }
    }
}

pub(crate) fn noise(start: u64, len: u64) -> Item {
    Item::Noise { start: Offset(start), len, lines: 2 }
}

pub(crate) fn gap(start: u64, len: u64) -> Item {
    Item::Gap(GapRow { start: Offset(start), len, cause: Cause::Copytruncate, lost: None, hash: None })
}

pub(crate) fn fragment(start: u64, bytes: &[u8]) -> Item {
    let flags = Flags::ORPHAN_FRAGMENT;
    let (start, len) = (Offset(start), bytes.len() as u64);
    Item::Fragment(FragmentRow { start, len, flags, raw: Packed::of(bytes), of: None }, Vec::new())
}

pub(crate) fn len(item: &Item) -> u64 {
    match item {
        Item::Record(first, others) => first.len + others.iter().map(|row| row.len).sum::<u64>(),
        Item::Noise { len, .. } => *len,
        Item::Fragment(row, _) => row.len,
        Item::Gap(row) => row.len,
    }
}

/// Correlates all that waits, `most` rows at a time.
pub(crate) async fn correlate(store: &Store, most: usize) -> Vec<Correlated> {
    let mut done = Vec::new();
    loop {
        let rows = store.outbox(OWNER, NOON, 30 * SECOND, most).await.unwrap();
        if rows.is_empty() {
            return done;
        }
        let correlated = store.correlate(OWNER, NOON, rows).await.unwrap();
        assert!(correlated.applied);
        done.push(correlated);
    }
}

/// All scenarios that are not merged: the Call-IDs of each, sorted.
pub(crate) async fn scenarios(store: &Store) -> Vec<Vec<String>> {
    let filter = crate::search::Filter { classes: CallClass::ALL.to_vec(), ..Default::default() };
    let page = store.search(&filter, None, 1000).await.unwrap();
    let mut out = Vec::new();
    for row in page.rows {
        let crate::scenario::Found::Here(scenario) = store.scenario(row.subject.scenario().unwrap()).await.unwrap()
        else {
            panic!("merged")
        };
        let mut calls: Vec<String> = scenario.calls.into_iter().map(|call| call.call_id).collect();
        calls.sort();
        out.push(calls);
    }
    out.sort();
    out
}
