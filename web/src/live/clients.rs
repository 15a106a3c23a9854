//! How many live views each browser holds: it has six connections an origin, so a seventh tab would freeze.
//!
//! A browser is known by a cookie, since many may come from one address: through a tunnel, all of them do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// All streams of one router; beyond them nobody is let in.
const ALL: usize = 1_000;
/// The cookie, and the digits of its value.
const COOKIE_NAME: &str = "browser";
const DIGITS: usize = 16;

/// A browser, or all of an address that have no cookie.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Client {
    Browser(String),
    Address(IpAddr),
}

impl Client {
    pub fn of(headers: &HeaderMap, address: IpAddr) -> Self {
        browser(headers).map_or(Self::Address(address), |id| Self::Browser(id.to_owned()))
    }
}

/// The value of the cookie, if it is one of ours.
pub(crate) fn browser(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let is_ours = |value: &&str| value.len() == DIGITS && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    pairs.filter(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value).find(is_ours)
}

/// Makes a browser known that is not yet: the value of `Set-Cookie`.
pub(crate) fn cookie_for(headers: &HeaderMap) -> Option<HeaderValue> {
    if browser(headers).is_some() {
        return None;
    }
    let id: u64 = rand::random();
    let cookie = format!("{COOKIE_NAME}={id:016x}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
    HeaderValue::from_str(&cookie).ok()
}

/// Who holds how many streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients(Arc<Mutex<HashMap<Client, usize>>>);

/// One stream of a client; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Clients,
    client: Client,
}

impl Clients {
    pub(super) fn seat(&self, client: Client, most: usize) -> Option<Seat> {
        let mut held = self.held();
        if held.values().sum::<usize>() >= ALL || held.get(&client).is_some_and(|number| *number >= most) {
            return None;
        }
        *held.entry(client.clone()).or_default() += 1;
        Some(Seat { clients: self.clone(), client })
    }

    /// A count is right even after a panic elsewhere.
    fn held(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
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
        let client = Client::Address(IpAddr::from([192, 0, 2, 200]));
        let first = clients.seat(client.clone(), 2);
        let second = clients.seat(client.clone(), 2);
        assert!(first.is_some() && second.is_some() && clients.seat(client.clone(), 2).is_none());
        assert!(clients.seat(Client::Address(IpAddr::from([192, 0, 2, 201])), 2).is_some());
        drop(second);
        assert!(clients.seat(client, 2).is_some());
    }

    #[test]
    fn a_browser_is_known_by_its_cookie_wherever_it_comes_from() {
        let of = |cookie: &'static str, last: u8| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            Client::of(&headers, IpAddr::from([127, 0, 0, last]))
        };
        let browser = of("theme=dark; browser=0123456789abcdef", 1);
        assert_eq!(browser, of("browser=0123456789abcdef", 2));
        assert_ne!(browser, of("browser=0123456789abcdee", 1));
        assert_eq!(of("browser=anything", 1), Client::Address(IpAddr::from([127, 0, 0, 1])));
    }
}
