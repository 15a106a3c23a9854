//! A flow as text, for snapshots.

use message::flow::{By, Caller, End, Flow, Half, NodeKind, PushState, Row, Trouble, Try, flow};
use message::logged::Message;
use record::time::Timestamp;

use super::story::story;

/// The flow of a story, drawn.
pub fn drawn(lines: &str) -> String {
    let messages = story(lines);
    draw(&flow(&messages), &messages)
}

/// What happened, without the rows: callers, then legs, then problems. Times count from the first row, those of a try
/// from its INVITE.
pub fn tell(flow: &Flow, messages: &[Message]) -> String {
    let start = flow.rows.first().map_or(Timestamp(0), |row| row.time);
    let mut text = String::new();
    for caller in &flow.course.callers {
        text += &told(flow, caller);
    }
    text += &legs(flow, start);
    for problem in &flow.course.problems {
        let row = &flow.rows[problem.row];
        let what = match problem.what {
            Trouble::Unanswered { sent } => format!("not answered, sent {sent} times"),
            Trouble::NoAck { sent } => format!("no ACK, sent {sent} times"),
            Trouble::Refused(status) => format!("refused {status}"),
            Trouble::StillRinging => "still ringing".into(),
            Trouble::AnswerLost => "the answer was lost".into(),
            Trouble::Damaged => "damaged".into(),
        };
        text += &format!(
            "! {what}:{}",
            line(flow, row, messages, start)
                .trim_end()
                .trim_start_matches([' '])
                .split_once(' ')
                .map_or(String::new(), |(at, rest)| format!(" {at} {rest}"))
        );
        if problem.due != problem.time {
            text += &format!(", after {}", millis(problem.due.micros_since(problem.time)));
        }
        text += "\n";
    }
    text
}

fn told(flow: &Flow, caller: &Caller) -> String {
    let (from, to) = (flow.caller.as_deref().unwrap_or("?"), flow.callee.as_deref().unwrap_or("?"));
    let mut text = format!("{}:", flow.legs[caller.leg].tag);
    if caller.leg == 0 {
        text += &format!(" {from} -> {to},");
    }
    let tries: Vec<_> = caller.tries.iter().map(tried).collect();
    text += &format!(" {}", tries.join("; then "));
    if let Some(winner) = &caller.winner {
        let leg = |leg: usize| format!("{} {}", flow.legs[leg].tag, flow.legs[leg].target);
        text += &match (winner.leg, winner.node) {
            (Some(by), _) => format!(" by {}", leg(by)),
            (None, Some(node)) => format!(" by {} itself", flow.nodes[node].name),
            (None, None) => String::new(),
        };
        text += &winner.talked_to.map_or(String::new(), |to| format!(", talked to {}", leg(to)));
        text += &winner.picked_up.map_or(String::new(), |of| format!(", picked up from {}", leg(of)));
    }
    if let Some((answered, end)) = caller.connected {
        let lasted = |time: Timestamp| millis(time.micros_since(answered));
        text += &match end {
            End::Bye { time, by, .. } => format!(", lasted {}, ended by {}", lasted(time), who(flow, by)),
            End::Transferred { time, by, .. } => {
                format!(", transferred after {}, ended by {}", lasted(time), who(flow, by))
            }
            End::Open { .. } => ", no BYE yet".into(),
        };
    }
    text + "\n"
}

fn who(flow: &Flow, by: By) -> String {
    match by {
        By::Node(node) => flow.nodes[node].name.clone(),
        By::Side { .. } => flow.course.user(by).map_or("nobody knows whom".into(), |user| format!("the user {user}")),
    }
}

fn tried(of: &Try) -> String {
    let since = |time: Timestamp| of.begun.map_or("?".into(), |begun| millis(time.micros_since(begun)));
    let mut text = match &of.result {
        None => "no result".to_owned(),
        Some(got) => {
            let inferred = if got.inferred { "inferred " } else { "" };
            format!("{inferred}{} {} after {}", got.status, got.reason, since(got.time))
        }
    };
    for (word, time) in [
        ("forwarded", of.forwarded),
        ("queued", of.queued),
        ("rang", of.rang),
        ("media", of.early_media),
        ("cancelled", of.cancelled),
    ] {
        text += &time.map_or(String::new(), |time| format!(", {word} {}", since(time)));
    }
    if !of.forwarded_to.is_empty() {
        text += &format!(", to {}", of.forwarded_to.join(", then "));
    }
    text
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
    text += &legs(flow, start);
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

fn legs(flow: &Flow, start: Timestamp) -> String {
    let mut text = String::new();
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
            PushState::NotLogged => {}
            PushState::NotNeeded => text += ", no push needed",
            PushState::NeverWoke(_) => text += ", never woke",
            PushState::CannotTell(_) => text += ", cannot tell whether it woke",
            PushState::Sent(_) => text += ", push sent",
            PushState::Accepted(_, delay) => text += &format!(", push accepted {}", millis(delay)),
            PushState::Refused(status, _) => text += &format!(", push refused {status}"),
            PushState::Woke(_, delay) => text += &format!(", woke {}", millis(delay)),
        }
        text += &format!(", {} rows\n", leg.rows);
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
