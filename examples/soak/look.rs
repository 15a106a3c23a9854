//! Viewers that come and go, and one who reads slowly.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::place::{Place, ask};
use crate::wait;

/// A viewer: home, a list, a ladder, its live view for a few seconds, and again.
pub fn look(place: &Place, viewer: usize, over: &AtomicBool, viewed: &AtomicU64) {
    while !over.load(Ordering::Relaxed) {
        let paths = ["/", "/search?q=alice", "/api/v1/scenarios?limit=20"];
        let list = paths.map(|path| place.get(path)).into_iter().next_back().flatten().unwrap_or_default();
        let id = list.split("\"id\":\"").nth(1 + viewer).and_then(|rest| rest.split('"').next());
        if let Some(id) = id {
            let page = place.get(&format!("/s/{id}")).is_some();
            viewed.fetch_add(3 + u64::from(page), Ordering::Relaxed);
            let mut events = ask(&place.address, &format!("/s/{id}/live")).map(BufReader::new);
            let until = Instant::now() + Duration::from_secs(2 + viewer as u64 % 5);
            let mut line = String::new();
            while let Some(events) = &mut events
                && Instant::now() < until
                && !over.load(Ordering::Relaxed)
                && events.get_ref().set_read_timeout(Some(Duration::from_millis(500))).is_ok()
            {
                line.clear();
                match events.read_line(&mut line) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
            viewed.fetch_add(1, Ordering::Relaxed);
        }
        wait(Duration::from_millis(300));
    }
}

/// Takes a long answer a little at a time, until the end.
pub fn read_slowly(place: &Place, over: &AtomicBool) {
    let Some(mut answer) = ask(&place.address, "/api/v1/messages?format=ndjson") else { return };
    let mut some = [0; 4096];
    while !over.load(Ordering::Relaxed) && matches!(answer.read(&mut some), Ok(1..)) {
        wait(Duration::from_millis(200));
    }
}
