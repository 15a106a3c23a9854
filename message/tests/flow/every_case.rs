//! What holds for every case (`tests/cases`), whatever happened in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use message::clock::Clocks;
use message::flow::{End, Flow, Half, Outcome, PushState, Row, flow, flow_by};
use message::logged::{Message, Place};
use record::id::{Offset, StreamId};
use record::time::Timestamp;

use super::case::case;
use super::draw::tell;

/// The names of all cases.
fn names() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let entries = ["calls", "calls-one-log"].into_iter().flat_map(|folder| {
        let read = std::fs::read_dir(root.join(folder)).unwrap();
        read.map(|entry| entry.unwrap().path())
    });
    let cases = entries.filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "log"));
    let mut names: Vec<_> = cases.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(names.len() > 50, "{names:?}");
    names
}

fn each_case(mut check: impl FnMut(&str, &[Message])) {
    for name in names() {
        check(&name, &case(&name));
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    /// From 0 to below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.roll(last + 1));
        }
    }
}

/// What a person reads of a call; rows of one time in the order of their files. `stands` names messages alike before and after
/// a change.
fn told(flow: &Flow, messages: &[Message], stands: &dyn Fn(&Message) -> String) -> String {
    let mut rows: Vec<_> = flow
        .rows
        .iter()
        .map(|row| {
            let pair = row.pair.map(|pair| (stands(&messages[flow.rows[pair].message]), flow.rows[pair].half));
            (row.time, stands(&messages[row.message]), row.half, row.leg, (row.from, row.to), pair, &row.remark)
        })
        .collect();
    rows.sort();
    let ends = flow.course.callers.iter().map(|caller| caller.connected).collect::<Vec<_>>();
    format!(
        "{}\n{ends:#?}\n{:#?}\n{:#?}\n{:#?}\n{rows:#?}",
        tell(flow, messages),
        flow.legs,
        flow.nodes,
        flow.course.dialogs
    )
}

/// By its place in its source.
fn place(message: &Message) -> String {
    format!("{} {}", message.place.source, message.id.offset.0)
}

#[track_caller]
fn same(one: &str, other: &str, what: &str) {
    if one != other {
        let differing = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
        panic!("{what}: {differing:#?}\n{}\n{}", head(one), head(other));
    }
}

fn head(text: &str) -> String {
    text.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn any_order_of_arrival_gives_the_same_value() {
    each_case(|name, messages| {
        let expect = flow(messages);
        let value = told(&expect, messages, &place);
        let mut dice = Dice(0x5eed);
        for _ in 0..4 {
            let mut shuffled = messages.to_vec();
            dice.shuffle(&mut shuffled);
            let other = flow(&shuffled);
            assert_eq!(other.course, expect.course, "{name}");
            let ids = |flow: &Flow, messages: &[Message]| -> Vec<_> {
                flow.rows.iter().map(|row| messages[row.message].id).collect()
            };
            assert_eq!(ids(&other, &shuffled), ids(&expect, messages), "{name}");
            same(&value, &told(&other, &shuffled, &place), name);
        }
    });
}

/// A rotation puts what comes after it in another file of the same source.
#[test]
fn a_log_that_was_split_at_one_point_in_time_gives_the_same_value() {
    each_case(|name, messages| {
        let value = told(&flow(messages), messages, &place);
        let mut times: Vec<_> = messages.iter().map(|message| message.time).collect();
        times.sort_unstable();
        for part in 1..8 {
            let at = times[times.len() * part / 8];
            // A stream's number says nothing of its age.
            for stream in [-100, 100] {
                let split = split(messages, at, stream);
                same(&value, &told(&flow(&split), &split, &place), &format!("{name} split at {at:?}"));
            }
        }
    });
}

/// Each log is cut before its first record of this time or later.
fn split(messages: &[Message], at: Timestamp, stream: i64) -> Vec<Message> {
    let mut cut: HashMap<StreamId, Offset> = HashMap::new();
    for message in messages.iter().filter(|message| message.time >= at) {
        let first = cut.entry(message.id.stream).or_insert(message.id.offset);
        *first = message.id.offset.min(*first);
    }
    let mut split = messages.to_vec();
    for message in &mut split {
        if cut.get(&message.id.stream).is_some_and(|cut| message.id.offset >= *cut) {
            message.id.stream.0 += stream;
        }
    }
    split
}

/// Another agent reads a copy of each log.
#[test]
fn a_second_copy_of_a_log_adds_sightings_only() {
    each_case(|name, messages| {
        let (expect, sightings) = uncounted(flow(messages));
        let value = told(&expect, messages, &place);
        let mut streams: Vec<_> = messages.iter().map(|message| message.id.stream).collect();
        streams.sort();
        streams.dedup();
        for stream in streams {
            let mut places: HashMap<*const Place, Arc<Place>> = HashMap::new();
            let mut both = messages.to_vec();
            for original in messages.iter().filter(|message| message.id.stream == stream) {
                let mut copy = original.clone();
                copy.id.stream.0 += 100;
                let own = places.entry(Arc::as_ptr(&original.place)).or_insert_with(|| {
                    Arc::new(Place { agent: format!("{} copy", original.place.agent), ..(*original.place).clone() })
                });
                copy.place = own.clone();
                both.push(copy);
            }
            let (other, more) = uncounted(flow(&both));
            same(&value, &told(&other, &both, &place), &format!("{name} with two copies of {}", stream.0));
            assert!(more > sightings, "{name}");
        }
    });
}

/// Without its sightings and the logs of its machines, and how many sightings there were.
fn uncounted(mut flow: Flow) -> (Flow, usize) {
    flow.nodes.iter_mut().for_each(|node| node.logs.clear());
    let own =
        |row: &mut Row| std::mem::take(&mut row.sightings).len() + std::mem::take(&mut row.repeat_sightings).len();
    let count = flow.rows.iter_mut().map(own).sum();
    (flow, count)
}

/// How often each case is tried with other clocks.
const TRIALS: usize = 6;

/// Clocks are off by up to 0.9 s.
#[test]
fn wrong_clocks_change_nothing_where_messages_went_both_ways() {
    let mut dice = Dice(0xc10c);
    let (mut count, mut exact) = (0, 0);
    each_case(|name, messages| {
        let expect = flow(messages);
        let sources: BTreeSet<&str> = messages.iter().map(|message| message.place.source.as_str()).collect();
        let measured = measured(&expect, messages, &sources);
        count += usize::from(measured);
        for _ in 0..TRIALS {
            let off: HashMap<&str, i64> =
                sources.iter().map(|source| (*source, (dice.roll(1801) as i64 - 900) * 1000)).collect();
            let mut wrong = messages.to_vec();
            for message in &mut wrong {
                message.time.0 += off[message.place.source.as_str()];
            }
            let alone = flow(&wrong);
            let by_table = flow_by(&wrong, &alone.measured.clocks());
            for (other, how) in [(alone, "alone"), (by_table, "by the table")] {
                let what = format!("{name} {how}, clocks off by {off:?}");
                causal(&what, &other, &wrong);
                lasting(&what, &other);
                if measured && told_apart(&expect, &other, &off, &what) {
                    exact += 1;
                    same(&tell(&unrepaired(&expect), messages), &tell(&unrepaired(&other), &wrong), &what);
                }
            }
        }
    });
    assert!(count > 40 && exact > 2 * count * TRIALS * 9 / 10, "{exact} of {count}");
}

/// Others may have measured clocks before these were set.
#[test]
fn whatever_others_measured_no_effect_stands_before_its_cause() {
    let mut dice = Dice(0x0dd);
    each_case(|name, messages| {
        let logs: BTreeSet<_> =
            messages.iter().map(|message| (message.place.agent.clone(), message.place.source.clone())).collect();
        for _ in 0..TRIALS {
            let off = |log: &(String, String)| (log.clone(), (dice.roll(1801) as i64 - 900) * 1000);
            let clocks: Clocks = logs.iter().map(off).collect();
            let flow = flow_by(messages, &clocks);
            let what = format!("{name} by {clocks:?}");
            causal(&what, &flow, messages);
            lasting(&what, &flow);
        }
    });
}

/// Whether clocks count as wrong by as much as they are. Where nothing impossible is logged they are left alone; then
/// they are no further apart than a message takes.
fn told_apart(expect: &Flow, other: &Flow, off: &HashMap<&str, i64>, what: &str) -> bool {
    let own = |flow: &Flow| -> BTreeMap<String, i64> {
        let logs = flow.nodes.iter().filter_map(|node| Some((node.log.as_ref()?.source.clone(), node.clock_shift)));
        logs.collect()
    };
    let (before, after) = (own(expect), own(other));
    let left: Vec<i64> = before.iter().map(|(source, shift)| after[source] + off[source.as_str()] - shift).collect();
    let apart = left.iter().max().zip(left.iter().min()).map_or(0, |(most, least)| most - least);
    assert!(apart < 60_000, "{what}: {apart}");
    apart == 0
}

/// Without the marks of what was repaired.
fn unrepaired(flow: &Flow) -> Flow {
    let mut flow = flow.clone();
    flow.rows.iter_mut().for_each(|row| row.repaired = false);
    flow
}

/// Whether all sources are measured against each other, by messages that both ends logged, in both directions.
fn measured(flow: &Flow, messages: &[Message], sources: &BTreeSet<&str>) -> bool {
    let source = |message: usize| messages[message].place.source.as_str();
    let mut ways: BTreeSet<(&str, &str)> = BTreeSet::new();
    for row in &flow.rows {
        let writes = |node: usize| flow.nodes[node].log.as_ref().map(|log| log.source.as_str());
        let all = || std::iter::once(row.message).chain(row.sightings.iter().copied()).map(source);
        if let (Some(from), Some(to)) = (writes(row.from), writes(row.to))
            && from != to
            && all().any(|source| source == from)
            && all().any(|source| source == to)
        {
            ways.insert((from, to));
        }
    }
    let mut reached: BTreeSet<&str> = sources.first().copied().into_iter().collect();
    for _ in sources {
        let next = ways.iter().filter(|(from, to)| reached.contains(from) && ways.contains(&(*to, *from)));
        let next: Vec<&str> = next.map(|(_, to)| *to).collect();
        reached.extend(next);
    }
    reached.len() == sources.len()
}

#[test]
fn no_effect_stands_before_its_cause() {
    each_case(|name, messages| causal(name, &flow(messages), messages));
}

/// By the words of RFC 3261 alone: a request comes before what answers it; what a proxy got before what it passed on.
fn causal(name: &str, flow: &Flow, messages: &[Message]) {
    let mut first: HashMap<(String, String, Option<u16>, String), usize> = HashMap::new();
    let key = |message: &Message, via: usize| {
        let sip = message.facts.sip.as_ref()?;
        let via = sip.vias.get(via)?;
        let tag = sip.to.as_ref().and_then(|to| to.tag()).filter(|_| message.facts.response).unwrap_or_default();
        let status = message.facts.status.filter(|_| message.facts.response);
        let method = format!("{} {:?}", message.facts.method, sip.cseq);
        Some((format!("{} {:?}", via.branch, message.call), method, status, tag.to_owned()))
    };
    for (index, row) in flow.rows.iter().enumerate() {
        if let Some(key) = key(&messages[row.message], 0) {
            first.entry(key).or_insert(index);
        }
    }
    for (index, row) in flow.rows.iter().enumerate() {
        let message = &messages[row.message];
        let answer = message.facts.response || row.half == Half::Response;
        if let Some(request) = row.pair.filter(|_| answer) {
            assert!(request < index, "{name}: an answer stands before its request, row {index}");
        }
        let Some(own) = key(message, 0) else { continue };
        // What is said again may have been passed on the first time.
        let again = first.get(&own) != Some(&index);
        let (_, method, status, tag) = own;
        if answer {
            let own = key(message, 0).map(|(via, method, ..)| (via, method, None, String::new()));
            if let Some(request) = own.and_then(|own| first.get(&own)) {
                assert!(*request < index, "{name}: an answer stands before its request, row {index}");
            }
        }
        if again {
            continue;
        }
        // A final answer may be another machine's own; it is passed on with its tag.
        let Some(above) = key(message, 1).and_then(|(via, ..)| first.get(&(via, method, status, tag)).copied()) else {
            continue;
        };
        if answer {
            assert!(index < above || status == Some(100), "{name}: row {index} was passed on before it came");
        } else {
            assert!(above < index, "{name}: row {index} was passed on before it came");
        }
    }
}

#[test]
fn no_duration_is_negative() {
    each_case(|name, messages| lasting(name, &flow(messages)));
}

fn lasting(name: &str, flow: &Flow) {
    let check = |from: Option<Timestamp>, to: Option<Timestamp>, what: &str| {
        if let Some((from, to)) = from.zip(to) {
            assert!(to >= from, "{name}: {what} from {from:?} to {to:?}");
        }
    };
    for caller in &flow.course.callers {
        for tried in &caller.tries {
            let got = tried.result.as_ref().map(|got| got.time);
            for (time, what) in [
                (tried.rang, "rang"),
                (tried.early_media, "media"),
                (tried.forwarded, "forwarded"),
                (tried.queued, "queued"),
                (tried.cancelled, "cancelled"),
                (got, "got"),
            ] {
                check(tried.begun, time, what);
            }
        }
        if let Some((answered, end)) = caller.connected {
            let end = match end {
                End::Bye { time, .. } | End::Transferred { time, .. } => time,
                End::Open { until } => until,
            };
            check(Some(answered), Some(end), "lasted");
        }
    }
    for dialog in &flow.course.dialogs {
        check(dialog.answered, dialog.ended.map(|bye| bye.time), "dialog");
    }
    for leg in &flow.legs {
        check(leg.begun, leg.rang, "leg rang");
        check(leg.begun, leg.final_status.map(|(_, time)| time), "leg");
        if let PushState::Woke(_, span) | PushState::Accepted(_, span) = leg.push {
            assert!(span >= 0, "{name}: {:?}", leg.push);
        }
        if let Outcome::ConnectedAfter(span) = leg.outcome {
            assert!(span >= 0, "{name}: {:?}", leg.outcome);
        }
    }
    for problem in &flow.course.problems {
        check(Some(problem.time), Some(problem.due), "due");
    }
    assert!(flow.rows.is_sorted_by_key(|row| row.time), "{name}");
}
