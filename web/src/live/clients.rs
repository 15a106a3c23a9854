//! How many streams each client holds: a browser has six connections an origin, so a seventh tab would freeze.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All streams of one router; beyond them nobody is let in.
const ALL: usize = 1_000;

/// Who holds how many streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One stream of a client; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Clients,
    client: IpAddr,
}

impl Clients {
    pub(super) fn seat(&self, client: IpAddr, most: usize) -> Option<Seat> {
        let mut held = self.held();
        if held.values().sum::<usize>() >= ALL || held.get(&client).is_some_and(|number| *number >= most) {
            return None;
        }
        *held.entry(client).or_default() += 1;
        Some(Seat { clients: self.clone(), client })
    }

    /// A count is right even after a panic elsewhere.
    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.clients.held();
        if let Some(number) = held.get_mut(&self.client) {
            *number -= 1;
            if *number == 0 {
                held.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_stream_ends() {
        let clients = Clients::default();
        let client = IpAddr::from([192, 0, 2, 200]);
        let first = clients.seat(client, 2);
        let second = clients.seat(client, 2);
        assert!(first.is_some() && second.is_some() && clients.seat(client, 2).is_none());
        assert!(clients.seat(IpAddr::from([192, 0, 2, 201]), 2).is_some());
        drop(second);
        assert!(clients.seat(client, 2).is_some());
    }
}
