//! What the collector has kept of it in the end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::Value;

use crate::load::Sum;
use crate::place::{Place, ask};
use crate::wait;

/// What is stored, once it is as much as was written, or does not become more.
pub fn stored(place: &Place, truth: Sum) -> Sum {
    let mut last = VecDeque::from([Sum::default(); 6]);
    loop {
        let now = count(place);
        let still = now.0 > 0 && last.iter().all(|before| *before == now);
        if now == truth || still {
            return now;
        }
        last.rotate_left(1);
        last[5] = now;
        wait(Duration::from_secs(5));
    }
}

fn count(place: &Place) -> Sum {
    let mut sum = Sum::default();
    let Some(answer) = ask(&place.address, "/api/v1/messages?format=ndjson") else { return sum };
    let lines = BufReader::new(answer).lines().map_while(Result::ok).skip_while(|line| !line.is_empty()).skip(1);
    for line in lines {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if let (Some(call), Some(body)) = (message["call_id"].as_str(), message["body"].as_str()) {
            sum.add(call, body.as_bytes());
        }
    }
    sum
}

/// Gaps of all files, page by page.
pub fn gaps(place: &Place) -> u64 {
    let (mut gaps, mut after) = (0, String::new());
    while let Some(page) = place.get(&format!("/api/v1/streams?limit=1000{after}")) {
        let page: Value = serde_json::from_str(&page).unwrap_or_default();
        let streams = page["streams"].as_array().cloned().unwrap_or_default();
        gaps += streams.iter().map(|stream| stream["gaps"].as_array().map_or(0, Vec::len) as u64).sum::<u64>();
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    gaps
}
