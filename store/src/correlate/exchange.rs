//! Answers of REST and push that name no call: each goes to the call of its request, which an id that both carry tells, and is of
//! its kind.
//!
//! It is as if the answer named the Call-ID of that call. It names one call at most, so it never unites two. One without an id
//! goes to the only call that waits for an answer between its hosts, as far as this process knows.

pub(crate) mod asked;

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
use crate::{Error, Store, statement};
use asked::{Answer, Asked};

/// In place of `response`, of the row that is locked by whoever stores some.
const TURN: i16 = 2;

/// What a batch says of requests and their answers.
#[derive(Default)]
pub(super) struct Exchanges {
    /// What is to be known of requests, and of answers whose request is not known: by the name of the call of each.
    kept: BTreeMap<(ExchangeKey, bool, String), Kept>,
    /// What was looked for, and how many requests and answers were found.
    looked: BTreeMap<ExchangeKey, i64>,
    /// Requests by who asks whom, as they are once all this is joined.
    lately: Requests,
    /// Rows of answers to pushes that do not say so themselves.
    pushed: BTreeSet<MessageId>,
    /// How many of these were counted as REST before, by the call of their request.
    pub counted: BTreeMap<CallKey, u64>,
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
    /// By who asks whom.
    lately: Requests,
    waiting: BTreeMap<String, (Kind, Answer)>,
    rows: BTreeMap<ExchangeKey, i64>,
}

/// Gives answers the key of their request's call, and requests those of answers that came before them.
pub(super) async fn pair(store: &Store, rows: &mut [OutboxRow]) -> Result<Exchanges, Error> {
    let halves = || rows.iter().flat_map(|row| &row.events).filter(|event| is_half(event));
    if halves().next().is_none() {
        return Ok(Exchanges::default());
    }
    let carried = halves().filter(|event| event.is_bare_answer() || !event.response);
    let keys: BTreeSet<ExchangeKey> = carried.flat_map(|event| &event.exchange).copied().collect();
    let mut known = known(store, &keys.into_iter().collect::<Vec<_>>()).await?;
    let mut answers: Vec<(Answer, Name)> = Vec::new();
    for (row, events) in rows.iter().map(|row| &row.events).enumerate() {
        for (place, event) in events.iter().enumerate().filter(|(_, event)| is_half(event)) {
            let between = asked::between(event);
            let lately = known.lately.entry(between).or_insert_with(|| store.asked.of(&between));
            if event.response {
                let (ids, between) = (event.exchange.clone(), Some(between));
                let answer = Answer { ids, between, at: event.time, log: event.stream };
                answers.push((answer, Name::Event(row, place)));
                continue;
            }
            asked::ask(lately, event, (row, place));
            for key in &event.exchange {
                asked::ask(known.requests.entry(*key).or_default(), event, (row, place));
            }
        }
    }
    answers.extend(known.waiting.into_iter().map(|(name, (kind, answer))| (answer, Name::Known(name, kind))));
    answers.sort_by_key(|(answer, _)| (answer.at, answer.log));
    let mut exchanges = Exchanges { looked: known.rows, ..Exchanges::default() };
    for (answer, name) in answers {
        exchanges.answer(rows, (&mut known.requests, &mut known.lately), &answer, name);
    }
    exchanges.lately = known.lately;
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
    /// Once it is joined: what is read again knows nothing of the time before.
    pub fn remember(self, store: &Store) {
        for (between, asked) in self.lately {
            store.asked.keep(between, asked);
        }
    }

    /// What is known of it, it says to its request, and that to it.
    fn answer(
        &mut self,
        rows: &mut [OutboxRow],
        (requests, lately): (&mut Requests, &mut Requests),
        answer: &Answer,
        name: Name,
    ) {
        let lately = answer.between.and_then(|between| lately.get_mut(&between));
        let found = match &name {
            // It names its call itself.
            Name::Event(row, place) if !rows[*row].events[*place].nameless => {
                let own = &rows[*row].events[*place].call_id;
                let mut asked = lately.into_iter().flatten();
                if let Some(one) = asked.find(|one| one.answered.is_none() && one.call_id == *own) {
                    one.answered = Some((answer.at, answer.log));
                }
                return;
            }
            Name::Event(..) if answer.ids.is_empty() => {
                lately.as_ref().and_then(|asked| Some(asked[asked::only(asked, answer.at, answer.log)?].clone()))
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
        if let Some(one) = lately.and_then(|asked| asked.iter_mut().find(same)) {
            one.answered = one.answered.or(Some((answer.at, answer.log)));
        }
        for key in &answer.ids {
            let Some(one) = requests.get_mut(key).and_then(|all| all.iter_mut().find(same)) else { continue };
            one.changed |= one.answered.is_none();
            one.answered = one.answered.or(Some((answer.at, answer.log)));
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
    let mut known = Known { rows: keys.iter().map(|key| (*key, 0)).collect(), ..Known::default() };
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

impl Known {
    fn add(&mut self, row: Row) {
        let Ok(hash) = ExchangeKey::try_from(row.hash.as_slice()) else { return };
        *self.rows.entry(hash).or_default() += 1;
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

/// Whether another correlator stored meanwhile what was looked for: an answer and its request that come at the same moment, each
/// to one of them, would miss each other. Until the transaction ends, no other one stores any.
pub(super) async fn came_meanwhile(tx: &mut Transaction, exchanges: &Exchanges, now: Timestamp) -> Result<bool, Error> {
    if exchanges.looked.is_empty() {
        return Ok(false);
    }
    // A row that belongs to nobody: whoever comes later waits here.
    with_transaction!(&mut *tx, db => {
        sqlx::query(
            "insert into exchange (last, ts, response, kind, hash, call_id) values ($1, $1, $2, 0, $3, '')
             on conflict (hash, response, call_id) do update set ts = excluded.ts",
        )
        .bind(now.0)
        .bind(TURN)
        .bind(ExchangeKey::default().to_vec())
        .execute(&mut *db)
        .await?;
    });
    let keys: Vec<ExchangeKey> = exchanges.looked.keys().copied().collect();
    let mut rows = 0;
    for list in statement::lists(&keys) {
        rows += with_transaction!(&mut *tx, db => {
            let mut q = QueryBuilder::<Db>::new("select count(*) from exchange where hash in ");
            push_list!(q, list.iter().map(|key| key.to_vec()));
            q.build_query_scalar::<i64>().fetch_one(&mut *db).await?
        });
    }
    Ok(rows != exchanges.looked.values().sum::<i64>())
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
