//! Where the next look at a scenario of one day may begin: a phone may register every minute under one Call-ID, and what is
//! judged for good is not read again.

use message::flow::Flow;
use message::logged::Message;
use record::time::{DAY, MINUTE, Timestamp};
use rule::syntax::Rule;
use rule::verdict::{Outcome, State, Verdict, Why};
use store::settle::AT_ONCE;
use store::verdict::Window;

/// How far a log may lag.
const LATER: i64 = 5 * MINUTE;

/// From the first message of an instance to the last that it is judged by, as logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Span {
    began: Timestamp,
    last: Timestamp,
    is_decided: bool,
}

/// When an instance began, as logged.
pub fn began(verdict: &Verdict, flow: &Flow, messages: &[Message]) -> Timestamp {
    times(verdict.start, flow, messages).min().unwrap_or_default()
}

/// Those that began after midnight are of the day after.
pub fn is_of_day(from: Timestamp, began: Timestamp) -> bool {
    began >= from && began.0.div_euclid(DAY) == from.0.div_euclid(DAY)
}

/// What was looked at, and from where on is looked the next time: never within an instance, and not after one that may still
/// change. `read`: how far all logs of it are read.
pub fn window<'a>(
    from: Timestamp,
    read: Timestamp,
    flow: &Flow,
    messages: &[Message],
    verdicts: impl Iterator<Item = (&'a Verdict, &'a Rule)>,
) -> Window {
    // The log of another machine may lag by so much without the day being read anew.
    let until = Timestamp(read.0.saturating_sub(LATER));
    if until <= from {
        return Window { from, next: from };
    }
    let ends = (from.0.div_euclid(DAY) + 1).saturating_mul(DAY);
    let spans: Vec<Span> = verdicts.map(|(verdict, rule)| span(verdict, rule, read, flow, messages)).collect();
    let last = messages.iter().map(|message| message.time).max().unwrap_or(from);
    let open = spans.iter().filter(|span| !span.is_decided).map(|span| span.began).min();
    let mut next = minute(open.unwrap_or(last).min(last).min(until).min(Timestamp(ends - MINUTE)));
    let full = next;
    while let Some(cut) = spans.iter().find(|span| span.began < next && next <= span.last) {
        next = minute(cut.began);
    }
    // So many come that something is always going on: it is cut at a full minute all the same.
    if next <= from && messages.len() >= AT_ONCE {
        next = full;
    }
    Window { from, next: next.max(from) }
}

fn span(verdict: &Verdict, rule: &Rule, read: Timestamp, flow: &Flow, messages: &[Message]) -> Span {
    let met = verdict.steps.iter().filter_map(|step| match step.state {
        State::Met(row) | State::Missed(row) => row,
        State::Late(row, _) => Some(row),
        _ => None,
    });
    let rows = met.chain(verdict.ended).chain([verdict.start]);
    let shown = rows.flat_map(|row| times(row, flow, messages).chain(repeats(row, flow, messages))).max();
    let began = began(verdict, flow, messages);
    // Deadlines are in repaired time.
    let repaired = began.micros_since(flow.rows[verdict.start].time);
    let due = verdict.due.map(|due| Timestamp(due.0.saturating_add(repaired)));
    let is_decided = match verdict.outcome {
        Outcome::Ok | Outcome::Business => true,
        Outcome::Open => false,
        Outcome::Unknown => !matches!(verdict.why, Some(Why::Silent(_))),
        // It may still turn out to be late.
        Outcome::Failed | Outcome::Late => due.is_none_or(|due| {
            let waits = rule.times.late_for.saturating_add(rule.times.lateness);
            read.0 > due.0.saturating_add(waits)
        }),
    };
    Span { began, last: shown.into_iter().chain(due).max().unwrap_or(began), is_decided }
}

/// The times at which a message was logged.
fn times<'a>(row: usize, flow: &'a Flow, messages: &'a [Message]) -> impl Iterator<Item = Timestamp> + 'a {
    let row = &flow.rows[row];
    std::iter::once(row.message).chain(row.sightings.iter().copied()).map(|message| messages[message].time)
}

/// And those at which it was logged again.
fn repeats<'a>(row: usize, flow: &'a Flow, messages: &'a [Message]) -> impl Iterator<Item = Timestamp> + 'a {
    let row = &flow.rows[row];
    row.repeats.iter().chain(&row.repeat_sightings).map(|message| messages[*message].time)
}

fn minute(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(MINUTE))
}
