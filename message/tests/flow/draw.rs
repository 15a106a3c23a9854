//! A flow as text, for snapshots.

use message::flow::{Flow, Half, NodeKind, PushState, Row, flow};
use message::logged::Message;
use record::time::Timestamp;

use super::story::story;

/// The flow of a story, drawn.
pub fn drawn(lines: &str) -> String {
    let messages = story(lines);
    draw(&flow(&messages), &messages)
}

/// Columns, then legs, then rows with fork rows between them. Times count from the first row.
pub fn draw(flow: &Flow, messages: &[Message]) -> String {
    let start = flow.rows.first().map_or(Timestamp(0), |row| row.time);
    let mut text = String::new();
    for node in &flow.nodes {
        let kind = match node.kind {
            NodeKind::Server => "server",
            NodeKind::Device => "device",
            NodeKind::External => "outside",
        };
        let leg = node.leg.map_or(String::new(), |leg| format!(" {}", flow.legs[leg].tag));
        let silent = if node.spoke { "" } else { " silent" };
        let clock =
            if node.clock_shift == 0 { String::new() } else { format!(" clock {:+} ms", node.clock_shift / 1000) };
        text += &format!("| {} ({kind}{leg}{silent}{clock}) {}\n", node.name, node.detail);
    }
    for leg in &flow.legs {
        let since = |time: Timestamp| millis(time.micros_since(leg.begun.unwrap_or(start)));
        text += &format!("{}: {} {:?}", leg.tag, leg.target, leg.outcome);
        if let Some(rang) = leg.rang {
            text += &format!(", rang {}", since(rang));
        }
        if let Some((status, time)) = leg.final_status {
            text += &format!(", {status} {}", since(time));
        }
        if let Some(blind) = leg.blind {
            text += &format!(", {} logs none of its answers", flow.nodes[blind].name);
        }
        match leg.push {
            PushState::NotNeeded => {}
            PushState::Sent(_) => text += ", push sent",
            PushState::Accepted(_, delay) => text += &format!(", push accepted {}", millis(delay)),
            PushState::Refused(status, _) => text += &format!(", push refused {status}"),
            PushState::Woke(_, delay) => text += &format!(", woke {}", millis(delay)),
        }
        text += &format!(", {} rows\n", leg.rows);
    }
    for (index, row) in flow.rows.iter().enumerate() {
        for fork in flow.forks.iter().filter(|fork| fork.before == index) {
            let branch = |branch: &message::flow::Branch| {
                let (then, push) =
                    (if branch.then { "then " } else { "" }, if branch.by_push { " by push" } else { "" });
                format!("{then}{} {}{push}", flow.legs[branch.leg].tag, flow.nodes[branch.node].name)
            };
            let branches: Vec<_> = fork.branches.iter().map(branch).collect();
            text += &format!("  -- fork at {}: {}\n", flow.nodes[fork.node].name, branches.join(", "));
        }
        text += &line(flow, row, messages, start);
    }
    text
}

fn line(flow: &Flow, row: &Row, messages: &[Message], start: Timestamp) -> String {
    let facts = &messages[row.message].facts;
    let result = facts.result.as_ref().filter(|_| row.half == Half::Response);
    let status = result.and_then(|result| result.status).or(facts.status.filter(|_| facts.response));
    let what = status.map_or(facts.method.clone(), |status| format!("{status} {}", facts.method));
    let sdp = if facts.sip.as_ref().is_some_and(|sip| sip.sdp.is_some()) { " sdp" } else { "" };
    let arrow = if row.from == row.to { "to itself" } else { &format!("-> {}", flow.nodes[row.to].name) };
    let mut text = format!(
        "{:>9}{} {:<2} #{} {} {arrow}: {}{sdp}",
        millis(row.time.micros_since(start)),
        if row.repaired { "*" } else { " " },
        flow.legs[row.leg].tag,
        row.transaction,
        flow.nodes[row.from].name,
        what.trim(),
    );
    if !row.sightings.is_empty() {
        let apart = |message: &usize| flow.times[*message].micros_since(row.time).abs();
        let most = row.sightings.iter().map(apart).max().unwrap_or(0);
        text += &format!(", {} sightings {} apart", row.sightings.len() + 1, millis(most));
    }
    if !row.repeats.is_empty() {
        let last = row.repeats.iter().map(|message| flow.times[*message].micros_since(row.time)).max().unwrap_or(0);
        text += &format!(", x{} over {}", row.repeats.len() + 1, millis(last));
    }
    if !row.repeat_sightings.is_empty() {
        text += &format!(" ({} seen twice)", row.repeat_sightings.len());
    }
    if messages[row.message].provisional {
        text += ", provisional";
    }
    if let Some(remark) = &row.remark {
        text += &format!(" [{remark}]");
    }
    text + "\n"
}

fn millis(micros: i64) -> String {
    match micros % 1000 {
        0 => format!("{} ms", micros / 1000),
        _ => format!("{}.{:03} ms", micros / 1000, micros.abs() % 1000),
    }
}
