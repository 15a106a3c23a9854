//! How many streams each client holds: a browser has six connections an origin, so a seventh tab would freeze.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// All streams of this process; beyond them nobody is let in.
const ALL: usize = 1_000;

static HELD: LazyLock<Mutex<HashMap<IpAddr, usize>>> = LazyLock::new(Mutex::default);

/// One stream of a client; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    client: IpAddr,
}

impl Seat {
    pub(super) fn take(client: IpAddr, most: usize) -> Option<Self> {
        let mut held = held();
        if held.values().sum::<usize>() >= ALL {
            return None;
        }
        let number = held.entry(client).or_default();
        if *number >= most {
            return None;
        }
        *number += 1;
        Some(Self { client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = held();
        if let Some(number) = held.get_mut(&self.client) {
            *number -= 1;
            if *number == 0 {
                held.remove(&self.client);
            }
        }
    }
}

/// A count is right even after a panic elsewhere.
fn held() -> MutexGuard<'static, HashMap<IpAddr, usize>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_stream_ends() {
        let client = IpAddr::from([192, 0, 2, 200]);
        let first = Seat::take(client, 2);
        let second = Seat::take(client, 2);
        assert!(first.is_some() && second.is_some() && Seat::take(client, 2).is_none());
        assert!(Seat::take(IpAddr::from([192, 0, 2, 201]), 2).is_some());
        drop(second);
        assert!(Seat::take(client, 2).is_some());
    }
}
