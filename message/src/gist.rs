//! What lists show of a call's course: what its caller got, how long they talked, who answered, what went wrong.

use crate::flow::Flow;
use crate::flow::{End, NodeKind};
use record::time::Timestamp;

/// The course of the first caller's call in a few values.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gist {
    /// What the caller got.
    pub status: Option<u16>,
    pub rang: Option<Timestamp>,
    /// When the caller sent the INVITE that counts. Times are displayed ones: repaired where a clock is off.
    pub begun: Option<Timestamp>,
    /// The caller's 2xx.
    pub answered: Option<Timestamp>,
    /// Where the last dialog that served the caller ended, and when that BYE was answered.
    pub ended: Option<Timestamp>,
    pub closed: Option<Timestamp>,
    /// Microseconds between these two.
    pub talked: Option<i64>,
    /// The person who answered, else the machine.
    pub answered_by: Option<String>,
    /// Whom a transfer connected last to the caller, or to who had answered.
    pub transferred_to: Option<String>,
    pub legs: usize,
    /// Devices and targets that were invited or pushed to.
    pub devices: usize,
    /// What went wrong, as far as all logs had been read.
    pub problems: usize,
    /// What the caller got in earlier attempts.
    pub tried: Vec<u16>,
}

impl Gist {
    /// None: nobody was invited. `read_to`: all logs that could show more had been read to this event time.
    pub fn of(flow: &Flow, read_to: Timestamp) -> Option<Self> {
        let caller = flow.course.first()?;
        let last = caller.last();
        let got = caller.result();
        let (ended, talked, bye) = match caller.connected {
            Some((answered, End::Bye { time, row, .. } | End::Transferred { time, row, .. })) => {
                (Some(time), Some(time.micros_since(answered)), flow.rows.get(row))
            }
            _ => (None, None, None),
        };
        let closed = bye.and_then(|bye| flow.rows.get(bye.pair?));
        let earlier = caller.tries.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let winner = caller.winner.as_ref();
        let node = winner.and_then(|winner| winner.node).map(|node| &flow.nodes[node]);
        let target = winner.and_then(|winner| winner.leg).map(|leg| flow.legs[leg].target.as_str());
        let answered_by = node.map(|node| match (&node.person, node.kind) {
            (Some(person), NodeKind::Device) => person.clone(),
            // Behind a peer of which no more is known is whoever was asked for.
            (None, NodeKind::External) => {
                winner.and_then(|winner| flow.reached(winner.leg?)).unwrap_or_else(|| node.name.clone())
            }
            _ => node.name.clone(),
        });
        Some(Self {
            status: got.map(|got| got.status),
            rang: last.and_then(|last| last.rang),
            begun: last.and_then(|last| last.begun),
            answered: got.filter(|got| got.status < 300).map(|got| got.time),
            ended,
            closed: closed.map(|answer| answer.time),
            talked,
            answered_by: answered_by.or_else(|| target.map(str::to_owned)),
            transferred_to: flow.transfers().last().map(|of| of.to.clone()),
            legs: flow.legs.len(),
            devices: flow.legs.iter().filter(|leg| leg.parent.is_some()).count(),
            problems: flow.course.problems_at(read_to).count(),
            tried: earlier.iter().filter_map(|tried| Some(tried.result.as_ref()?.status)).collect(),
        })
    }
}
