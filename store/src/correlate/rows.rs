//! Scenarios and their calls as rows: the statements of one correlation.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use message::keys::Key;
use message::summary::Summary;
use record::id::{CallKey, MessageId};
use record::time::Timestamp;
use sqlx::QueryBuilder;

use super::components::CallUse;
use crate::append::{key, searched};
use crate::backend::{Transaction, with_transaction};
use crate::statement::push_list;
use crate::text::{big, capped};
use crate::{Error, statement, summaries, verdict};

/// A call in its scenario, and the key by which it came there, with the message that carried it.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub scenario: i64,
    pub call: CallUse,
    pub joined_by: Option<(&'a Key, MessageId)>,
}

/// A scenario that is locked.
#[derive(Debug)]
pub(super) struct Kept {
    pub merged_into: Option<i64>,
    pub summary: Summary,
}

/// For each of these that is still there, the one that it is by now: another one where it was merged.
pub(super) async fn living(tx: &mut Transaction, ids: BTreeSet<i64>) -> Result<HashMap<i64, i64>, Error> {
    let mut steps: HashMap<i64, Option<i64>> = HashMap::new();
    let mut ask: Vec<i64> = ids.into_iter().collect();
    while !ask.is_empty() {
        let mut found: Vec<(i64, Option<i64>)> = Vec::new();
        for list in statement::lists(&ask) {
            let rows: Vec<(i64, Option<i64>)> = with_transaction!(tx, db => {
                let mut q = QueryBuilder::<Db>::new("select id, merged_into from scenario where id in ");
                push_list!(q, list);
                q.build_query_as().fetch_all(db).await?
            });
            found.extend(rows);
        }
        steps.extend(found.iter().copied());
        let next: BTreeSet<i64> = found.into_iter().filter_map(|(_, into)| into).collect();
        ask = next.into_iter().filter(|into| !steps.contains_key(into)).collect();
    }
    let last = |mut id: i64| {
        loop {
            match steps.get(&id)? {
                // A scenario goes into an older one: its number is lower.
                Some(into) if *into < id => id = *into,
                _ => return Some(id),
            }
        }
    };
    Ok(steps.keys().filter_map(|id| Some((*id, last(*id)?))).collect())
}

/// In id order. Ids that have no row are left out.
pub(super) async fn lock(tx: &mut Transaction, ids: &[i64]) -> Result<BTreeMap<i64, Kept>, Error> {
    let mut kept = BTreeMap::new();
    let for_update = tx.for_update();
    for list in statement::lists(ids) {
        let rows: Vec<(i64, Option<i64>, Vec<u8>)> = with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("select id, merged_into, summary from scenario where id in ");
            push_list!(q, list);
            q.push(" order by id").push(for_update);
            q.build_query_as().fetch_all(db).await?
        });
        for (id, merged_into, summary) in rows {
            let summary = match summaries::unpack(&summary) {
                Ok(summary) => summary,
                // What it says went into the other one when they were joined.
                Err(_) if merged_into.is_some() => Summary::default(),
                Err(_) => return Err(Error::Summary(id)),
            };
            kept.insert(id, Kept { merged_into, summary });
        }
    }
    Ok(kept)
}

/// The calls of `gone` (from, to) go over, and the scenarios stay as signposts. Their keys go on leading to them: whoever
/// moved keys here would wait for a correlator that has taken one of them and waits for a scenario.
pub(super) async fn merge(tx: &mut Transaction, gone: &[(i64, i64)]) -> Result<(), Error> {
    for some in statement::chunks(gone) {
        let from: Vec<i64> = some.iter().map(|(from, _)| *from).collect();
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into scenario_call (scenario_id, call, stream_id, day, class, first, call_id,
                     joined_space, joined_value, joined_sure, joined_stream, joined_off)
                 select m.column2, c.call, c.stream_id, c.day, c.class, c.first, c.call_id,
                     c.joined_space, c.joined_value, c.joined_sure, c.joined_stream, c.joined_off
                 from scenario_call c join (",
            );
            q.push_values(some, |mut row, (from, to)| {
                row.push_bind(*from).push_bind(*to);
            });
            q.push(") as m on c.scenario_id = m.column1 where 1 = 1 on conflict do nothing");
            q.build().execute(&mut *db).await?;

            for table in ["scenario_call", "scenario_try"] {
                let mut q = QueryBuilder::<Db>::new(format!("delete from {table} where scenario_id in "));
                push_list!(q, &from);
                q.build().execute(&mut *db).await?;
            }
        });
    }
    point(tx, gone).await?;
    verdict::merge(tx, gone).await?;
    turn(tx, gone).await
}

/// Earlier signposts, so that a link follows one step. One that somebody has just locked stays as it is: it leads here in two.
async fn turn(tx: &mut Transaction, gone: &[(i64, i64)]) -> Result<(), Error> {
    let skip_locked = tx.skip_locked();
    let into: HashMap<i64, i64> = gone.iter().copied().collect();
    let mut turned: Vec<(i64, i64)> = Vec::new();
    for list in statement::lists(&gone.iter().map(|(from, _)| *from).collect::<Vec<_>>()) {
        let rows: Vec<(i64, i64)> = with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("select id, merged_into from scenario where merged_into in ");
            push_list!(q, list);
            q.push(skip_locked);
            q.build_query_as().fetch_all(db).await?
        });
        turned.extend(rows.iter().filter_map(|(id, from)| Some((*id, *into.get(from)?))));
    }
    point(tx, &turned).await
}

async fn point(tx: &mut Transaction, signposts: &[(i64, i64)]) -> Result<(), Error> {
    for some in statement::chunks(signposts) {
        with_transaction!(tx, db => {
            let mut q =
                QueryBuilder::<Db>::new("update scenario set merged_into = m.column2, due = null, version = version + 1 from (");
            q.push_values(some, |mut row, (from, to)| {
                row.push_bind(*from).push_bind(*to);
            });
            q.push(") as m where id = m.column1");
            q.build().execute(db).await?;
        });
    }
    Ok(())
}

/// What came to a scenario.
#[derive(Debug)]
pub(super) struct News {
    /// When it is to be settled.
    pub due: Option<Timestamp>,
    /// The time of the first message of it.
    pub first: Option<Timestamp>,
}

fn is_daily(summary: &Summary) -> bool {
    summary.class.is_some_and(message::event::CallClass::is_daily)
}

/// What the list shows, with the summary it comes from. A version rises by one each time.
pub(super) async fn scenarios(tx: &mut Transaction, scenarios: &[(i64, Summary, News)]) -> Result<(), Error> {
    for some in statement::chunks(scenarios) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into scenario (id, first, last, version, rang, answered, ending, ended, calls, legs, messages,
                     nodes, devices, sip, rest, push, media, class, said, status, caller, callee, caller_key, callee_key, answered_by, summary, due, judged_from) ",
            );
            q.push_values(some, |mut to, (id, summary, news)| {
                let [sip, rest, push, media] = summary.kinds;
                to.push_bind(*id)
                    .push_bind(summary.first.unwrap_or_default().0)
                    .push_bind(summary.last.unwrap_or_default().0)
                    .push_bind(1_i64)
                    .push_bind(summary.rang.map(|at| at.0))
                    .push_bind(summary.answered.map(|at| at.0))
                    .push_bind(summary.ending.map(|at| at.0))
                    .push_bind(summary.ended.map(|at| at.0))
                    .push_bind(summary.calls() as i64)
                    .push_bind(summary.legs() as i64)
                    .push_bind(big(summary.messages))
                    .push_bind(summary.nodes() as i64)
                    .push_bind(summary.devices() as i64)
                    .push_bind(big(sip))
                    .push_bind(big(rest))
                    .push_bind(big(push))
                    .push_bind(big(media))
                    .push_bind(summary.class.map_or(0, message::event::CallClass::code))
                    .push_bind(summary.said.bits())
                    .push_bind(summary.status().and_then(|status| i16::try_from(status).ok()))
                    .push_bind(summary.caller().map(searched))
                    .push_bind(summary.callee().map(searched))
                    .push_bind(summary.caller().map(key))
                    .push_bind(summary.callee().map(key))
                    .push_bind(summary.answered_by.as_deref().map(searched))
                    .push_bind(summaries::pack(summary))
                    .push_bind(news.due.map(|at| at.0))
                    .push_bind(news.first.filter(|_| is_daily(summary)).map(|at| at.0));
            });
            q.push(
                " on conflict (id) do update set first = excluded.first, last = excluded.last,
                    version = scenario.version + 1, calls = excluded.calls,
                    messages = excluded.messages, nodes = excluded.nodes,
                    sip = excluded.sip, rest = excluded.rest, push = excluded.push, media = excluded.media,
                    class = excluded.class, said = excluded.said, caller = excluded.caller,
                    callee = excluded.callee, caller_key = excluded.caller_key, callee_key = excluded.callee_key,
                    summary = excluded.summary,",
            );
            // What was worked out stands until that is done again.
            for column in ["status", "rang", "answered", "ending", "ended", "answered_by", "legs", "devices"] {
                q.push(format_args!(
                    " {column} = case when scenario.told = 0 then excluded.{column} else scenario.{column} end,"
                ));
            }
            // What comes from before what is judged for good has the whole day judged again.
            q.push(
                "
                    judged_from = case when excluded.judged_from < scenario.judged_from then excluded.first
                        else scenario.judged_from end,
                    due = case when scenario.due <= excluded.due then scenario.due
                        when excluded.due < scenario.rest_until then scenario.rest_until else excluded.due end",
            );
            q.build().execute(db).await?;
        });
    }
    Ok(())
}

/// Scenarios that are locked and hold nothing any more. A key that leads to one is as good as none.
pub(super) async fn delete(tx: &mut Transaction, scenarios: &[i64]) -> Result<(), Error> {
    verdict::forget(tx, scenarios).await?;
    for list in statement::lists(scenarios) {
        with_transaction!(tx, db => {
            for (table, id) in [("scenario_call", "scenario_id"), ("scenario_try", "scenario_id"), ("scenario", "id")] {
                let mut q = QueryBuilder::<Db>::new(format!("delete from {table} where {id} in "));
                push_list!(q, &list);
                q.build().execute(&mut *db).await?;
            }
        });
    }
    Ok(())
}

/// Calls that are locked, and to which nothing came: what was worked out of them counts no more.
pub(super) async fn settle_again(tx: &mut Transaction, calls: &[i64], due: Timestamp) -> Result<(), Error> {
    for list in statement::lists(calls) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new("update scenario set version = version + 1, due = case when due <= ");
            q.push_bind(due.0).push(" then due when rest_until > ").push_bind(due.0).push(" then rest_until else ");
            q.push_bind(due.0).push(" end where id in ");
            push_list!(q, list);
            q.build().execute(db).await?;
        });
    }
    Ok(())
}

/// How a call came to its scenario is kept from the first time it was known.
pub(super) async fn calls(tx: &mut Transaction, calls: &[Placed<'_>]) -> Result<(), Error> {
    let mut each: BTreeMap<(i64, CallKey, i64, i32), &Placed<'_>> = BTreeMap::new();
    for placed in calls {
        let call = &placed.call;
        let known = each.entry((placed.scenario, call.call, call.stream.0, call.day.0)).or_insert(placed);
        if known.joined_by.is_none() {
            *known = placed;
        }
    }
    let each: Vec<_> = each.into_iter().collect();
    for some in statement::chunks(&each) {
        with_transaction!(tx, db => {
            let mut q = QueryBuilder::<Db>::new(
                "insert into scenario_call (scenario_id, call, stream_id, day, class, first, call_id,
                     joined_space, joined_value, joined_sure, joined_stream, joined_off) ",
            );
            q.push_values(some, |mut to, ((scenario, ..), Placed { call, joined_by: by, .. })| {
                to.push_bind(*scenario)
                    .push_bind(call.call.0.as_slice())
                    .push_bind(call.stream.0)
                    .push_bind(call.day.0)
                    .push_bind(call.class.code())
                    .push_bind(call.first.0)
                    .push_bind(capped(&call.call_id, 1024))
                    .push_bind(by.map(|(key, _)| capped(&key.space, 64)))
                    .push_bind(by.map(|(key, _)| capped(&key.value, 1024)))
                    .push_bind(by.map(|(key, _)| i16::from(key.sure)))
                    .push_bind(by.map(|(_, id)| id.stream.0))
                    .push_bind(by.map(|(_, id)| big(id.offset.0)));
            });
            q.push(
                " on conflict (scenario_id, stream_id, day, call) do update set
                    joined_space = coalesce(scenario_call.joined_space, excluded.joined_space),
                    joined_value = coalesce(scenario_call.joined_value, excluded.joined_value),
                    joined_sure = coalesce(scenario_call.joined_sure, excluded.joined_sure),
                    joined_stream = coalesce(scenario_call.joined_stream, excluded.joined_stream),
                    joined_off = coalesce(scenario_call.joined_off, excluded.joined_off),
                    first = case when excluded.first < scenario_call.first then excluded.first else scenario_call.first end
                  where excluded.first < scenario_call.first
                     or (excluded.joined_space is not null and scenario_call.joined_space is null)",
            );
            q.build().execute(db).await?;
        });
    }
    Ok(())
}
