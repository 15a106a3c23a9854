//! Answers of REST and push that name no call: each goes to the call of its request, which an id that both carry tells, and is of
//! its kind.
//!
//! It is as if the answer named the Call-ID of that call. It names one call at most, so it never unites two. One without an id
//! goes to the only call that waits for an answer between its hosts.

mod asked;
pub(super) mod turn;

use std::collections::{BTreeMap, BTreeSet};

use message::event::{CallEvent, ExchangeKey};
use message::keys::Key;
use message::kind::Kind;
use message::said::Said;
use record::id::{CallKey, MessageId, StreamId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::OutboxRow;
use super::components::own_of;
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::push_list;
use crate::text::{big, capped};
use crate::{Error, Store, blob, statement};
use asked::{Answer, Asked, Between};

/// Requests and answers that one id is remembered for: the newest. One that is used for all says nothing of whose it is.
const MOST: i64 = 256;

/// What a batch says of requests and their answers.
#[derive(Default)]
pub(super) struct Exchanges {
    /// What is to be known of requests, and of answers whose request is not known: by the name of the call of each.
    kept: BTreeMap<(ExchangeKey, bool, String), Kept>,
    /// What was looked for, and what was found of requests and answers.
    looked: BTreeMap<ExchangeKey, Stored>,
    /// Requests by who asks whom, as they are once all this is joined, and as they were of those that decided anything.
    lately: Requests,
    decided: Requests,
    between: BTreeMap<ExchangeKey, Between>,
    /// Rows of answers to pushes that do not say so themselves.
    pushed: BTreeSet<MessageId>,
    /// How many of these were counted as REST before, by the call of their request.
    pub counted: BTreeMap<CallKey, u64>,
}

/// What came while a round was made ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Came {
    Nothing,
    /// What it looked for: it is to be made ready anew.
    TooLate,
    /// Another correlator, which was too late before, goes first.
    Another,
}

struct Kept {
    kind: Kind,
    at: Timestamp,
    /// Of a request, its first answer; of an answer, its request.
    other: Option<(Timestamp, StreamId)>,
}

/// By hash: requests, and answers whose request is not known, with their names.
#[derive(Default)]
struct Known {
    requests: Requests,
    waiting: BTreeMap<String, (Kind, Answer)>,
    rows: BTreeMap<ExchangeKey, Stored>,
}

/// Rows of an id: whether each is a response, of which call, and when it was answered or asked for. They are those that decide.
type Stored = BTreeSet<(i16, String, i64, Option<i64>)>;
/// One of them, with its id.
type StoredHalf = (Vec<u8>, i16, String, i64, Option<i64>);

/// Gives answers the key of their request's call, and requests those of answers that came before them.
pub(super) async fn pair(store: &Store, rows: &mut [OutboxRow]) -> Result<Exchanges, Error> {
    let halves = || rows.iter().flat_map(|row| &row.events).filter(|event| is_half(event));
    if halves().next().is_none() {
        return Ok(Exchanges::default());
    }
    let carried = halves().filter(|event| event.is_bare_answer() || !event.response);
    let keys: BTreeSet<ExchangeKey> = carried.flat_map(|event| &event.exchange).copied().collect();
    let mut known = known(store, &keys.into_iter().collect::<Vec<_>>()).await?;
    let hosts: BTreeSet<ExchangeKey> = halves().map(asked::between).collect();
    let before = lately(store, &hosts.into_iter().collect::<Vec<_>>()).await?;
    let mut answers: Vec<(Answer, Name)> = Vec::new();
    let mut asking: BTreeMap<ExchangeKey, Vec<Asking<'_>>> = BTreeMap::new();
    for (row, events) in rows.iter().map(|row| &row.events).enumerate() {
        for (place, event) in events.iter().enumerate().filter(|(_, event)| is_half(event)) {
            let between = asked::between(event);
            if event.response {
                let (ids, between) = (event.exchange.clone(), Some(between));
                let answer = Answer { ids, between, at: event.time, log: event.stream };
                answers.push((answer, Name::Event(row, place)));
                continue;
            }
            asking.entry(between).or_default().push((event, (row, place)));
            for key in &event.exchange {
                asked::ask(known.requests.entry(*key).or_default(), event, (row, place));
            }
        }
    }
    let between = |(hosts, known): (&ExchangeKey, &Vec<Asked>)| {
        (*hosts, Between::new(known, asking.remove(hosts).unwrap_or_default()))
    };
    let between = before.iter().map(between).collect();
    answers.extend(known.waiting.into_iter().map(|(name, (kind, answer))| (answer, Name::Known(name, kind))));
    answers.sort_by_key(|(answer, _)| (answer.at, answer.log));
    let mut exchanges = Exchanges { looked: known.rows, between, ..Exchanges::default() };
    for (answer, name) in answers {
        exchanges.answer(rows, &mut known.requests, &answer, name);
    }
    let between = std::mem::take(&mut exchanges.between);
    exchanges.lately = between.into_iter().map(|(hosts, between)| (hosts, between.into_all())).collect();
    for (hosts, asked) in &mut exchanges.decided {
        asked.clone_from(&before[hosts]);
    }
    for (key, requests) in known.requests {
        // Of several of one call the last counts.
        let mut requests: Vec<Asked> = requests.into_iter().filter(|one| one.changed).collect();
        requests.sort_by_key(|one| one.at);
        let kept = requests.into_iter().map(|Asked { call_id, kind, at, answered, .. }| {
            ((key, false, call_id), Kept { kind, at, other: answered })
        });
        exchanges.kept.extend(kept);
    }
    Ok(exchanges)
}

type Requests = BTreeMap<ExchangeKey, Vec<Asked>>;

/// A request that is joined now: row and place.
type Asking<'a> = (&'a CallEvent, (usize, usize));

/// Which answer: an event that is joined now, or one that waits under this name.
enum Name {
    Event(usize, usize),
    Known(String, Kind),
}

/// One half of an exchange of REST or push, in a record of its own.
fn is_half(event: &CallEvent) -> bool {
    matches!(event.kind, Kind::Rest | Kind::Push) && (event.response || event.status.is_none())
}

impl Exchanges {
    /// What is known of it, it says to its request, and that to it.
    fn answer(&mut self, rows: &mut [OutboxRow], requests: &mut Requests, answer: &Answer, name: Name) {
        let by = (answer.at, answer.log);
        let found = match &name {
            // It names its call itself.
            Name::Event(row, place) if !rows[*row].events[*place].nameless => {
                if let Some(between) = self.between_of(answer) {
                    between.answer_named(&rows[*row].events[*place].call_id, by);
                }
                return;
            }
            Name::Event(..) if answer.ids.is_empty() => {
                self.decided.extend(answer.between.map(|hosts| (hosts, Vec::new())));
                self.between_of(answer).and_then(|between| between.only(answer.at, answer.log)).cloned()
            }
            _ => answer.ids.iter().find_map(|key| {
                let asked = requests.get(key)?;
                Some(asked[asked::request(asked, answer.at, answer.log)?].clone())
            }),
        };
        // What was known before cannot be told anything any more.
        let found = found.filter(|request| matches!(name, Name::Event(..)) || request.event.is_some());
        let Some(request) = found else {
            if let Name::Event(row, place) = name {
                let event = &rows[row].events[place];
                let kept = |key: &ExchangeKey| {
                    let kept = Kept { kind: event.kind, at: event.time, other: None };
                    ((*key, true, event.call_id.clone()), kept)
                };
                self.kept.extend(event.exchange.iter().map(kept));
            }
            return;
        };
        let same = |one: &&mut Asked| one.call_id == request.call_id && one.at == request.at;
        if let Some(between) = self.between_of(answer) {
            between.answer(&request, by);
        }
        for key in &answer.ids {
            let Some(one) = requests.get_mut(key).and_then(|all| all.iter_mut().find(same)) else { continue };
            one.changed |= one.answered.is_none();
            one.answered.get_or_insert(by);
        }
        match name {
            Name::Event(row, place) => {
                let event = &mut rows[row].events[place];
                event.keys.push(request.key.clone());
                self.is_of(event, request.kind);
            }
            Name::Known(name, kind) => {
                let Some((row, place)) = request.event else { return };
                let event = &mut rows[row].events[place];
                event.keys.extend(Key::own(&name));
                let kind = self.was_of(event, &name, kind);
                let other = Some((request.at, event.stream));
                let kept = |key: &ExchangeKey| ((*key, true, name.clone()), Kept { kind, at: answer.at, other });
                self.kept.extend(answer.ids.iter().map(kept));
            }
        }
    }

    fn between_of(&mut self, answer: &Answer) -> Option<&mut Between> {
        answer.between.and_then(|hosts| self.between.get_mut(&hosts))
    }

    /// An answer is of the kind of its request.
    fn is_of(&mut self, answer: &mut CallEvent, kind: Kind) {
        if kind == Kind::Push && answer.kind == Kind::Rest {
            answer.kind = kind;
            answer.said = answer.said.and(Said::kind(kind));
            self.pushed.insert(answer.message());
        }
    }

    /// So is one that came before it; whoever is named by nothing else is named by its id.
    fn was_of(&mut self, request: &CallEvent, name: &str, kind: Kind) -> Kind {
        let answer = name.parse::<MessageId>().ok().filter(|_| request.kind == Kind::Push && kind == Kind::Rest);
        let Some(answer) = answer else { return kind };
        if self.pushed.insert(answer) {
            *self.counted.entry(request.call).or_default() += 1;
        }
        Kind::Push
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    hash: Vec<u8>,
    response: i16,
    call_id: String,
    kind: i16,
    ts: i64,
    other: Option<i64>,
    other_stream: Option<i64>,
}

async fn known(store: &Store, keys: &[ExchangeKey]) -> Result<Known, Error> {
    let mut known = Known { rows: keys.iter().map(|key| (*key, Stored::new())).collect(), ..Known::default() };
    for list in statement::lists(keys) {
        let rows: Vec<Row> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select hash, response, call_id, kind, ts, other, other_stream from exchange where hash in ",
            );
            push_list!(q, list.iter().map(|key| key.to_vec()));
            q.push(" order by ts, call_id");
            q.build_query_as().fetch_all(pool).await?
        });
        for row in rows {
            known.add(row);
        }
    }
    Ok(known)
}

/// What was asked lately between these hosts; of each something, if only that nothing was.
async fn lately(store: &Store, hosts: &[ExchangeKey]) -> Result<Requests, Error> {
    let mut lately: Requests = hosts.iter().map(|between| (*between, Vec::new())).collect();
    for list in statement::lists(hosts) {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select hash, requests from asked where hash in ");
            push_list!(q, list.iter().map(|key| key.to_vec()));
            q.build_query_as().fetch_all(pool).await?
        });
        lately.extend(rows.iter().filter_map(asked_of));
    }
    Ok(lately)
}

/// What cannot be read is as good as nothing: it is of the last seconds.
fn asked_of((hash, requests): &(Vec<u8>, Vec<u8>)) -> Option<(ExchangeKey, Vec<Asked>)> {
    let hash = ExchangeKey::try_from(hash.as_slice()).ok()?;
    Some((hash, blob::read(requests, "what was asked lately").unwrap_or_default()))
}

impl Known {
    fn add(&mut self, row: Row) {
        let Ok(hash) = ExchangeKey::try_from(row.hash.as_slice()) else { return };
        self.rows.entry(hash).or_default().insert((row.response, row.call_id.clone(), row.ts, row.other));
        let kind = Kind::from_code(row.kind).unwrap_or(Kind::Rest);
        let (at, call_id) = (Timestamp(row.ts), row.call_id);
        let other = row.other.zip(row.other_stream).map(|(at, stream)| (Timestamp(at), StreamId(stream)));
        if row.response == 0 {
            let key = Key::own(&call_id).unwrap_or_else(|| own_of(CallKey::of(call_id.as_bytes())));
            let asked = Asked { call_id, key, kind, at, answered: other, event: None, changed: false };
            self.requests.entry(hash).or_default().push(asked);
        } else if other.is_none() {
            let log = call_id.parse::<MessageId>().map_or(StreamId(0), |id| id.stream);
            let waiting = self.waiting.entry(call_id);
            let answer = || Answer { ids: Vec::new(), between: None, at, log };
            waiting.or_insert_with(|| (kind, answer())).1.ids.push(hash);
        }
    }
}

/// Whether another correlator goes first. Asked before anything is locked that it may wait for.
pub(super) async fn is_of_another(
    tx: &mut Transaction,
    exchanges: &Exchanges,
    owner: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    Ok(!exchanges.lately.is_empty() && turn::is_of_another(tx, owner, now).await?)
}

/// Whether another correlator stored meanwhile what was looked for, or goes first. Until the transaction ends, no other one stores
/// any. What others have asked between the same hosts is added to.
pub(super) async fn came_meanwhile(
    tx: &mut Transaction,
    exchanges: &mut Exchanges,
    owner: &str,
    now: Timestamp,
) -> Result<Came, Error> {
    if exchanges.lately.is_empty() {
        return Ok(Came::Nothing);
    }
    if !turn::take(tx, owner, now).await? {
        return Ok(Came::Another);
    }
    let keys: Vec<ExchangeKey> = exchanges.looked.keys().copied().collect();
    let mut stored: BTreeMap<ExchangeKey, Stored> = keys.iter().map(|key| (*key, Stored::new())).collect();
    for list in statement::lists(&keys) {
        let rows: Vec<StoredHalf> = with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("select hash, response, call_id, ts, other from exchange where hash in ");
            push_list!(q, list.iter().map(|key| key.to_vec()));
            q.build_query_as().fetch_all(&mut *db).await?
        });
        for (hash, response, call_id, ts, other) in rows {
            let Ok(hash) = ExchangeKey::try_from(hash.as_slice()) else { continue };
            stored.entry(hash).or_default().insert((response, call_id, ts, other));
        }
    }
    if stored != exchanges.looked {
        return Ok(Came::TooLate);
    }
    let hosts: Vec<ExchangeKey> = exchanges.lately.keys().copied().collect();
    let mut known = Requests::new();
    for list in statement::lists(&hosts) {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("select hash, requests from asked where hash in ");
            push_list!(q, list.iter().map(|key| key.to_vec()));
            q.build_query_as().fetch_all(&mut *db).await?
        });
        known.extend(rows.iter().filter_map(asked_of));
    }
    let now_known = |between: &ExchangeKey| known.get(between).map_or(&[][..], Vec::as_slice);
    if exchanges.decided.iter().any(|(between, before)| now_known(between) != before.as_slice()) {
        return Ok(Came::TooLate);
    }
    for (between, brought) in &mut exchanges.lately {
        *brought = asked::merged(now_known(between), brought);
    }
    exchanges.lately.retain(|between, merged| now_known(between) != merged.as_slice());
    Ok(Came::Nothing)
}

/// In one order, so that correlators that meet never wait for each other in a circle.
pub(super) async fn keep(tx: &mut Transaction, exchanges: &Exchanges, now: Timestamp) -> Result<(), Error> {
    let all: Vec<_> = exchanges.kept.iter().collect();
    for some in statement::chunks(&all) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into exchange (last, ts, other, other_stream, response, kind, hash, call_id) ",
            );
            q.push_values(some, |mut row, ((hash, response, call_id), kept)| {
                row.push_bind(now.0).push_bind(kept.at.0);
                row.push_bind(kept.other.map(|(at, _)| at.0)).push_bind(kept.other.map(|(_, stream)| stream.0));
                row.push_bind(i16::from(*response)).push_bind(kept.kind.code());
                row.push_bind(hash.to_vec()).push_bind(capped(call_id, 1024));
            });
            q.push(
                " on conflict (hash, response, call_id) do update set kind = excluded.kind, ts = excluded.ts,
                    other = excluded.other, other_stream = excluded.other_stream
                  where exchange.ts <= excluded.ts",
            );
            q.build().execute(&mut *db).await?;
        });
    }
    for (hash, known) in &exchanges.looked {
        let brought = exchanges.kept.range((*hash, false, String::new())..).take_while(|((of, ..), _)| of == hash);
        if (known.len() + brought.count()) as i64 > MOST {
            with_transaction!(tx, db => {
                sqlx::query(
                    "delete from exchange where hash = $1 and (ts, call_id) <= (
                         select ts, call_id from exchange where hash = $1 order by ts desc, call_id desc limit 1 offset $2)",
                )
                .bind(hash.to_vec())
                .bind(MOST)
                .execute(&mut *db)
                .await?;
            });
        }
    }
    let lately: Vec<_> = exchanges.lately.iter().collect();
    for some in statement::chunks(&lately) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into asked (last, hash, requests) ");
            q.push_values(some, |mut row, (between, asked)| {
                row.push_bind(now.0).push_bind(between.to_vec()).push_bind(blob::write_bare(asked.as_slice()));
            });
            q.push(" on conflict (hash) do update set last = excluded.last, requests = excluded.requests");
            q.build().execute(&mut *db).await?;
        });
    }
    for message in &exchanges.pushed {
        with_transaction!(tx, db => {
            sqlx::query("update message set kind = $1 where stream_id = $2 and off = $3")
                .bind(Kind::Push.code())
                .bind(message.stream.0)
                .bind(big(message.offset.0))
                .execute(&mut *db)
                .await?;
        });
    }
    Ok(())
}
