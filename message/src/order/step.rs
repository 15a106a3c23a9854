//! A clock that was set back within one file: there the file keeps the order.

use crate::logged::Message;
use crate::number::ByNumber;
use record::span::Flags;
use record::time::SECOND;

/// Loggers that write from several threads jump less.
const LEAST: i64 = SECOND;
/// A jump of more is another log that was appended.
const MOST: i64 = 3 * 3600 * SECOND;
/// What stays behind for so many lines, or for so long, was set back.
const LINES: usize = 20;
const LONG: i64 = 60 * SECOND;
const HOUR: i64 = 3600 * SECOND;

/// Clocks that were set back.
pub struct Steps {
    /// By message: microseconds to add to its time, so that what stands later in its file is not earlier.
    pub add: Vec<i64>,
    /// By message: microseconds that the clock went back just before it; mostly 0.
    pub back: Vec<i64>,
}

/// Where an hour occurs twice (the end of summer time), the second one is that hour later.
pub fn steps(messages: &[Message]) -> Steps {
    let mut steps = Steps { add: vec![0; messages.len()], back: vec![0; messages.len()] };
    let mut streams: ByNumber<i64, Vec<usize>> = ByNumber::default();
    for (index, message) in messages.iter().enumerate() {
        streams.entry(message.id.stream.0).or_default().push(index);
    }
    for mut lines in streams.into_values() {
        lines.sort_unstable_by_key(|line| messages[*line].id);
        let (mut latest, mut step) = (i64::MIN, 0_i64);
        for at in 0..lines.len() {
            let time = messages[lines[at]].time.0.saturating_add(step);
            let back = latest.saturating_sub(time);
            if (LEAST + 1..=MOST).contains(&back) && stays_behind(messages, &lines[at..], step, latest) {
                let twice = messages[lines[at]].flags.contains(Flags::AMBIGUOUS_TIME) && back <= HOUR;
                steps.back[lines[at]] = if twice { HOUR } else { back };
                step = step.saturating_add(steps.back[lines[at]]);
            }
            let time = messages[lines[at]].time.0.saturating_add(step);
            latest = latest.max(time);
            steps.add[lines[at]] = step;
        }
    }
    steps
}

/// All that follows is earlier than what stood before it: for some lines, for some time, or to the end.
fn stays_behind(messages: &[Message], lines: &[usize], step: i64, latest: i64) -> bool {
    let first = messages[lines[0]].time.0;
    // One line alone came late.
    let near = lines.iter().take(LINES).map(|line| messages[*line].time.0);
    let mut near = near.take_while(|time| time.saturating_sub(first) <= LONG);
    lines.len() > 1 && near.all(|time| time.saturating_add(step) < latest)
}
