//! Answers of REST and push that name no call: each goes to the call of its request, which an id that both carry tells, and is of
//! its kind.
//!
//! It is as if the answer named the Call-ID of that call. It names one call at most, so it never unites two.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::event::{CallEvent, ExchangeKey};
use message::keys::Key;
use message::kind::Kind;
use message::said::Said;
use record::id::{CallKey, MessageId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::OutboxRow;
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::statement::push_list;
use crate::text::{big, capped};
use crate::{Error, Store, statement};

/// In place of `response`, of the row that is locked by whoever stores some.
const TURN: i16 = 2;

/// What a batch says of requests and their answers.
#[derive(Default)]
pub(super) struct Exchanges {
    /// What is to be known of requests, and of answers whose request is not known: the name of the call of each, and its kind.
    kept: BTreeMap<(ExchangeKey, bool, String), Kind>,
    /// What was looked for, requests (false) and answers, and how many were found.
    looked: BTreeMap<(ExchangeKey, bool), usize>,
    /// Rows of answers to pushes that do not say so themselves.
    pushed: BTreeSet<MessageId>,
    /// How many of these were counted as REST before, by the call of their request.
    pub counted: BTreeMap<CallKey, u64>,
}

/// By hash: names of calls, as they came, and kinds.
type Known = HashMap<ExchangeKey, Vec<(String, Kind)>>;

/// Gives answers the key of their request's call, and requests those of answers that came before them.
pub(super) async fn pair(store: &Store, rows: &mut [OutboxRow]) -> Result<Exchanges, Error> {
    let mut asked: BTreeMap<ExchangeKey, (Timestamp, String, Kind)> = BTreeMap::new();
    let mut answered = BTreeSet::new();
    for event in rows.iter().flat_map(|row| &row.events).filter(|event| !event.exchange.is_empty()) {
        if event.is_bare_answer() {
            answered.extend(event.exchange.iter().copied());
        } else if !event.response {
            for key in &event.exchange {
                let request = (event.time, event.call_id.clone(), event.kind);
                let first = asked.entry(*key).or_insert_with(|| request.clone());
                // Of requests that carry one id the earlier one.
                *first = request.min(first.clone());
            }
        }
    }
    let mut exchanges = Exchanges::default();
    if asked.is_empty() && answered.is_empty() {
        return Ok(exchanges);
    }
    let answered: Vec<_> = answered.into_iter().collect();
    let asking: Vec<_> = asked.keys().copied().collect();
    let requests = known(store, &answered, false).await?;
    let waiting = known(store, &asking, true).await?;
    for (keys, found, response) in [(&answered, &requests, false), (&asking, &waiting, true)] {
        exchanges.looked.extend(keys.iter().map(|key| ((*key, response), found.get(key).map_or(0, Vec::len))));
    }
    exchanges.kept = asked.iter().map(|(key, (_, id, kind))| ((*key, false, id.clone()), *kind)).collect();
    for event in rows.iter_mut().flat_map(|row| &mut row.events).filter(|event| !event.exchange.is_empty()) {
        if event.is_bare_answer() {
            let before = |key| requests.get(key).and_then(|all| all.first()).map(|(id, kind)| (id, *kind));
            let of = |key| before(key).or_else(|| asked.get(key).map(|(_, id, kind)| (id, *kind)));
            match event.exchange.iter().find_map(of) {
                Some((call_id, kind)) => {
                    event.keys.extend(Key::own(call_id));
                    exchanges.is_of(event, kind);
                }
                None => {
                    let names = event.exchange.iter().map(|key| (*key, true, event.call_id.clone()));
                    exchanges.kept.extend(names.map(|name| (name, event.kind)));
                }
            }
        } else if !event.response {
            let answers: Vec<_> = event.exchange.iter().filter_map(|key| Some((*key, waiting.get(key)?))).collect();
            for (key, (name, kind)) in answers.into_iter().flat_map(|(key, all)| all.iter().map(move |one| (key, one)))
            {
                event.keys.extend(Key::own(name));
                exchanges.was_of(event, key, name, *kind);
            }
        }
    }
    Ok(exchanges)
}

impl Exchanges {
    /// An answer is of the kind of its request.
    fn is_of(&mut self, answer: &mut CallEvent, kind: Kind) {
        if kind == Kind::Push && answer.kind == Kind::Rest {
            answer.kind = kind;
            answer.said = answer.said.and(Said::kind(kind));
            self.pushed.insert(answer.message());
        }
    }

    /// So is one that came before it; whoever is named by nothing else is named by its id.
    fn was_of(&mut self, request: &mut CallEvent, key: ExchangeKey, name: &str, kind: Kind) {
        if request.kind != Kind::Push || kind != Kind::Rest {
            return;
        }
        let Ok(answer) = name.parse::<MessageId>() else { return };
        self.kept.insert((key, true, name.to_owned()), Kind::Push);
        if self.pushed.insert(answer) {
            *self.counted.entry(request.call).or_default() += 1;
        }
    }
}

async fn known(store: &Store, keys: &[ExchangeKey], response: bool) -> Result<Known, Error> {
    let mut known = Known::new();
    for list in statement::lists(keys) {
        let rows: Vec<(Vec<u8>, String, i16)> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select hash, call_id, kind from exchange where response = ");
            q.push_bind(i16::from(response)).push(" and hash in ");
            push_list!(q, list.iter().map(|key| key.to_vec()));
            q.push(" order by last, call_id");
            q.build_query_as().fetch_all(pool).await?
        });
        for (hash, call_id, kind) in rows {
            let kind = Kind::from_code(kind).unwrap_or(Kind::Rest);
            if let Ok(hash) = ExchangeKey::try_from(hash.as_slice()) {
                known.entry(hash).or_default().push((call_id, kind));
            }
        }
    }
    Ok(known)
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
            "insert into exchange (last, response, kind, hash, call_id) values ($1, $2, 0, $3, '')
             on conflict (hash, response, call_id) do update set last = excluded.last",
        )
        .bind(now.0)
        .bind(TURN)
        .bind(ExchangeKey::default().to_vec())
        .execute(&mut *db)
        .await?;
    });
    for response in [false, true] {
        let looked = exchanges.looked.iter().filter(|((_, of), _)| *of == response);
        let (keys, before): (Vec<_>, Vec<_>) = looked.map(|((key, _), count)| (*key, *count as i64)).unzip();
        let mut count = 0;
        for list in statement::lists(&keys) {
            count += with_transaction!(&mut *tx, db => {
                let mut q = QueryBuilder::<Db>::new("select count(*) from exchange where response = ");
                q.push_bind(i16::from(response)).push(" and hash in ");
                push_list!(q, list.iter().map(|key| key.to_vec()));
                q.build_query_scalar::<i64>().fetch_one(&mut *db).await?
            });
        }
        if count != before.iter().sum::<i64>() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// In one order, so that correlators that meet never wait for each other in a circle.
pub(super) async fn keep(tx: &mut Transaction, exchanges: &Exchanges, now: Timestamp) -> Result<(), Error> {
    let all: Vec<_> = exchanges.kept.iter().collect();
    for some in statement::chunks(&all) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("insert into exchange (last, response, kind, hash, call_id) ");
            q.push_values(some, |mut row, ((hash, response, call_id), kind)| {
                row.push_bind(now.0).push_bind(i16::from(*response)).push_bind(kind.code()).push_bind(hash.to_vec()).push_bind(capped(call_id, 1024));
            });
            q.push(" on conflict (hash, response, call_id) do update set kind = excluded.kind where exchange.kind <> excluded.kind");
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
