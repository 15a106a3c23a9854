//! Messages that may be of a call or stand for themselves: answers go where their request went, and what is sent inside a dialog
//! goes where that was made, also where their call is known only after them.

use std::collections::{BTreeMap, BTreeSet};

use message::event::{CallClass, CallEvent};
use message::logged::Message;
use message::summary::Summary;
use record::id::{CallKey, MessageId, ScenarioId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::{OutboxRow, remake};
use crate::backend::{Transaction, with_pool, with_transaction};
use crate::scope::{Most, Scope};
use crate::statement::push_list;
use crate::stored::{StoredRow, call_key};
use crate::text::big;
use crate::{Error, Store, statement};

/// Requests that are looked for in the store, for the answers of one round.
const LOOK_UPS: usize = 100;
/// Messages that are read at once to be looked at again, now that there is a call of their Call-ID.
const EARLIER: usize = 1_000;
/// How often more are read: a name that tens of thousands carry within one day is hardly a call's.
const TIMES: usize = 20;
/// A scenario of a day that holds more is not counted anew for a few messages.
const MOST: u64 = 1_000;

/// What was decided of such messages.
#[derive(Default)]
pub(super) struct Decided {
    /// Rows that are of a call though their messages alone do not say so: stream, offset, day.
    moved: Vec<(i64, i64, i32)>,
    /// Scenarios of a day that some of these leave.
    pub left: BTreeMap<i64, Left>,
}

/// A scenario as it was when its messages were looked at, and as it is without those that leave it.
pub(super) struct Left {
    pub seen: Summary,
    pub rest: Summary,
}

/// OPTIONS of these rows, and their class: by call and branch.
type Requests = BTreeMap<(CallKey, String), CallClass>;

/// Files such messages with their requests and dialogs: those of these rows, and those of before whose call these rows bring;
/// these are added to the rows.
pub(super) async fn settle(store: &Store, rows: &mut [OutboxRow]) -> Result<Decided, Error> {
    let mut asking = Asking { store, requests: requests(rows), made: Made::default(), asked: 0 };
    events(rows).for_each(|event| asking.made.see(event));
    let mut decided = Decided::default();
    let doubtful: BTreeSet<CallKey> =
        events(rows).filter(|event| event.is_in_doubt()).map(|event| event.call).collect();
    // In most rounds none is.
    let calls = if doubtful.is_empty() { BTreeSet::new() } else { known_as_calls(store, rows, &doubtful).await? };
    let in_dialogs = events(rows).filter(|event| event.is_in_doubt() && event.method != "OPTIONS");
    let in_dialogs: BTreeSet<CallKey> =
        in_dialogs.map(|event| event.call).filter(|call| calls.contains(call)).collect();
    asking.read_dialogs(&in_dialogs.into_iter().collect::<Vec<_>>()).await?;
    for event in rows.iter_mut().flat_map(|row| &mut row.events) {
        if event.is_in_doubt() && calls.contains(&event.call) && asking.is_of_call(event).await? {
            event.class = CallClass::Call;
            decided.moved.push((event.stream.0, big(event.offset.0), event.day.0));
        }
    }
    let calls = events(rows).filter(|event| event.class == CallClass::Call).map(|event| event.call).collect();
    // Rarely anything, and large while it is awaited.
    let earlier = Box::pin(earlier(&calls, &mut asking, &mut decided)).await?;
    if let Some(row) = rows.first_mut() {
        row.events.extend(earlier);
    }
    Ok(decided)
}

/// What was filed by day of calls that are known: it was taken up in the same moment as these.
pub(super) async fn missed(store: &Store, calls: &BTreeSet<CallKey>) -> Result<(Vec<CallEvent>, Decided), Error> {
    let mut asking = Asking { store, requests: Requests::new(), made: Made::default(), asked: 0 };
    let mut decided = Decided::default();
    let events = Box::pin(earlier(calls, &mut asking, &mut decided)).await?;
    Ok((events, decided))
}

/// Calls that are known by now, and of which something of these rows was filed by day.
pub(super) async fn missing(store: &Store, rows: &[OutboxRow]) -> Result<BTreeSet<CallKey>, Error> {
    let doubtful = events(rows).filter(|event| event.is_in_doubt()).map(|event| event.call).collect();
    known_as_calls(store, &[], &doubtful).await
}

fn requests(rows: &[OutboxRow]) -> Requests {
    let asked = events(rows).filter(|event| !event.response && event.method == "OPTIONS");
    asked.map(|event| ((event.call, event.branch.clone()), event.class)).collect()
}

/// What made dialogs: the From-tags of SUBSCRIBEs and INVITEs without a To-tag, by call.
#[derive(Default)]
struct Made {
    subscriptions: BTreeMap<CallKey, BTreeSet<String>>,
    calls: BTreeMap<CallKey, BTreeSet<String>>,
}

impl Made {
    fn see(&mut self, event: &CallEvent) {
        let made = match event.method.as_str() {
            _ if event.response || event.to_tag => return,
            "SUBSCRIBE" => &mut self.subscriptions,
            "INVITE" => &mut self.calls,
            _ => return,
        };
        made.entry(event.call).or_default().extend(event.tags.first().cloned());
    }

    /// Not of a subscription that is known; and of a call that is, unless nothing says what made that.
    fn is_of_call(&self, event: &CallEvent) -> bool {
        let carries = |tags: &BTreeSet<String>| event.tags.iter().any(|tag| tags.contains(tag));
        let subscribed = self.subscriptions.get(&event.call).is_some_and(carries);
        !subscribed && self.calls.get(&event.call).is_none_or(|tags| tags.is_empty() || carries(tags))
    }
}

struct Asking<'a> {
    store: &'a Store,
    requests: Requests,
    made: Made,
    asked: usize,
}

impl Asking<'_> {
    /// What made the dialogs of these calls, as far as it was stored before.
    async fn read_dialogs(&mut self, calls: &[CallKey]) -> Result<(), Error> {
        if calls.is_empty() {
            return Ok(());
        }
        for (class, method) in [(CallClass::Subscription, "SUBSCRIBE"), (CallClass::Call, "INVITE")] {
            let scope = Scope {
                calls: Some(calls.to_vec()),
                method: Some(method.to_owned()),
                status: Some((0, 0)),
                class: Some(class),
                ..Scope::default()
            };
            events_of(self.store, &scope, |_| true).await?.iter().for_each(|event| self.made.see(event));
        }
        Ok(())
    }

    /// What is in doubt is of a call, where there is one of its Call-ID.
    async fn is_of_call(&mut self, event: &CallEvent) -> Result<bool, Error> {
        if event.method != "OPTIONS" {
            return Ok(self.made.is_of_call(event));
        }
        let class = match self.requests.get(&(event.call, event.branch.clone())) {
            Some(class) => Some(*class),
            None if self.asked < LOOK_UPS => {
                self.asked += 1;
                request_before(self.store, event).await?
            }
            // A log that holds so many answers without their requests holds none.
            None => None,
        };
        Ok(class.is_none_or(|class| class == CallClass::Call))
    }
}

/// Messages that were filed by day before there was a call of their Call-ID.
async fn earlier(
    calls: &BTreeSet<CallKey>,
    asking: &mut Asking<'_>,
    decided: &mut Decided,
) -> Result<Vec<CallEvent>, Error> {
    let store = asking.store;
    // By call, stream and class: scenarios of a day.
    let mut filed: BTreeMap<(CallKey, i64, i16), Vec<i64>> = BTreeMap::new();
    let (keepalive, subscription) = (CallClass::Keepalive.code(), CallClass::Subscription.code());
    for list in statement::lists(&calls.iter().copied().collect::<Vec<_>>()) {
        let found: Vec<(i64, Vec<u8>, i64, i16)> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new(
                "select c.scenario_id, c.call, c.stream_id, c.class from scenario_call c join scenario s on s.id = c.scenario_id
                 where s.messages <= ",
            );
            q.push_bind(big(MOST)).push(" and c.class in (").push_bind(keepalive).push(", ").push_bind(subscription);
            q.push(") and c.call in ");
            push_list!(q, list.iter().map(|call| call.0.to_vec()));
            q.build_query_as().fetch_all(pool).await?
        });
        for (scenario, call, stream, class) in found {
            filed.entry((call_key(&call)?, stream, class)).or_default().push(scenario);
        }
    }
    if filed.is_empty() {
        return Ok(Vec::new());
    }
    let of_day = filed.keys().filter(|(.., class)| *class == subscription).map(|(call, ..)| *call);
    asking.read_dialogs(&of_day.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()).await?;
    let mut scenarios: BTreeMap<i64, Option<Summary>> = BTreeMap::new();
    let mut leaving: BTreeMap<i64, BTreeSet<MessageId>> = BTreeMap::new();
    let mut moved = Vec::new();
    for mut event in doubtful(store, &filed).await? {
        let of = filed.get(&(event.call, event.stream.0, event.class.code()));
        let mut scenario = None;
        for id in of.into_iter().flatten() {
            let summary = match scenarios.get(id) {
                Some(known) => known,
                None => {
                    let read = remake::read(store, ScenarioId(*id)).await?.filter(|summary| summary.messages <= MOST);
                    scenarios.entry(*id).or_insert(read)
                }
            };
            let day = summary.as_ref().and_then(|summary| summary.first).map(Timestamp::day);
            scenario = scenario.or(Some(*id).filter(|_| day == Some(event.day)));
        }
        let Some(scenario) = scenario.filter(|_| event.is_in_doubt()) else { continue };
        if asking.is_of_call(&event).await? {
            event.class = CallClass::Call;
            decided.moved.push((event.stream.0, big(event.offset.0), event.day.0));
            leaving.entry(scenario).or_default().insert(event.message());
            moved.push(event);
        }
    }
    for (id, messages) in leaving {
        let Some(Some(seen)) = scenarios.remove(&id) else { continue };
        let rest = remake::without(store, ScenarioId(id), &messages).await?;
        decided.left.insert(id, Left { seen, rest });
    }
    Ok(moved)
}

/// Messages of these calls, by day, that are joined: of keepalives the answers.
async fn doubtful(store: &Store, filed: &BTreeMap<(CallKey, i64, i16), Vec<i64>>) -> Result<Vec<CallEvent>, Error> {
    let mut found = Vec::new();
    let offsets = remake::joined(store, filed.keys().map(|(_, stream, _)| *stream)).await?;
    for class in [CallClass::Keepalive, CallClass::Subscription] {
        let keys = || filed.keys().filter(|(.., of)| *of == class.code());
        let calls: BTreeSet<CallKey> = keys().map(|(call, ..)| *call).collect();
        if calls.is_empty() {
            continue;
        }
        let scope = Scope {
            calls: Some(calls.into_iter().collect()),
            streams: keys().map(|(_, stream, _)| *stream).collect::<BTreeSet<_>>().into_iter().collect(),
            status: Some((100, 699)).filter(|_| class == CallClass::Keepalive),
            class: Some(class),
            ..Scope::default()
        };
        let is_joined =
            |row: &StoredRow| row.provisional == 0 && offsets.get(&row.stream_id).is_some_and(|off| row.off < *off);
        found.extend(events_of(store, &scope, is_joined).await?);
    }
    Ok(found)
}

/// Some rows of a scope after the others.
async fn events_of(store: &Store, scope: &Scope, keep: impl Fn(&StoredRow) -> bool) -> Result<Vec<CallEvent>, Error> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..TIMES {
        let mut read = store.rows_of(scope, after, Most::rows(EARLIER)).await?;
        after = read.rows.last().filter(|_| read.more).map(StoredRow::place);
        read.rows.retain(&keep);
        found.extend(store.messages_of(read.rows).await?.rows.iter().map(Message::event));
        if after.is_none() {
            break;
        }
    }
    Ok(found)
}

/// Those of these Call-IDs that are known as calls: nothing else is of one.
async fn known_as_calls(
    store: &Store,
    rows: &[OutboxRow],
    doubtful: &BTreeSet<CallKey>,
) -> Result<BTreeSet<CallKey>, Error> {
    let mut calls: BTreeSet<CallKey> =
        events(rows).filter(|event| event.class == CallClass::Call).map(|event| event.call).collect();
    let asked: Vec<CallKey> = doubtful.difference(&calls).copied().collect();
    for list in statement::lists(&asked) {
        let found: Vec<Vec<u8>> = with_pool!(store.backend, pool => {
            let mut q = QueryBuilder::<Db>::new("select distinct call from scenario_call where class = ");
            q.push_bind(CallClass::Call.code()).push(" and call in ");
            push_list!(q, list.iter().map(|call| call.0.to_vec()));
            q.build_query_scalar().fetch_all(pool).await?
        });
        for call in found {
            calls.insert(call_key(&call)?);
        }
    }
    Ok(calls)
}

/// The class of the last such request before the answer in its log, if it was stored earlier. An answer comes within the day,
/// or just after midnight.
async fn request_before(store: &Store, event: &CallEvent) -> Result<Option<CallClass>, Error> {
    // By its call: a log has many rows before it.
    let unindexed = store.backend.unindexed();
    let class: Option<i16> = with_pool!(store.backend, pool => {
        let mut q = QueryBuilder::<Db>::new("select class from message where call = ");
        q.push_bind(event.call.0.to_vec()).push(" and day between ").push_bind(event.day.0 - 1);
        q.push(" and ").push_bind(event.day.0);
        q.push(" and ").push(unindexed).push("stream_id = ").push_bind(event.stream.0);
        q.push(" and ").push(unindexed).push("off < ").push_bind(big(event.offset.0));
        q.push(" and status = 0 and method = ").push_bind(&event.method);
        q.push(" order by ").push(unindexed).push("off desc limit 1");
        q.build_query_scalar().fetch_optional(pool).await?
    });
    Ok(class.and_then(CallClass::from_code))
}

/// The rows say from now on that they are of a call: pages read them by their class.
pub(super) async fn file(tx: &mut Transaction, decided: &Decided) -> Result<(), Error> {
    for (stream, offset, day) in &decided.moved {
        with_transaction!(tx, db => {
            sqlx::query("update message set class = $1 where stream_id = $2 and off = $3 and day = $4")
                .bind(CallClass::Call.code())
                .bind(stream)
                .bind(offset)
                .bind(day)
                .execute(&mut *db)
                .await?;
        });
    }
    Ok(())
}

fn events(rows: &[OutboxRow]) -> impl Iterator<Item = &CallEvent> {
    rows.iter().flat_map(|row| &row.events)
}
