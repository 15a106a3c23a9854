//! How many live views each browser holds: it has six connections an origin, so a seventh tab would freeze.
//!
//! A browser is known by a cookie, since many may come from one address: through a tunnel, all of them do.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
#[cfg(test)]
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// All streams of one router; beyond them nobody is let in.
const ALL: usize = 1_000;
/// Those of one address: anybody may make up cookies.
const OF_AN_ADDRESS: usize = 400;
/// The cookie, and the digits of its value.
const COOKIE_NAME: &str = "browser";
const DIGITS: usize = 16;

/// A browser, or all of an address that have no cookie.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Client {
    Browser(String),
    NoCookie(IpAddr),
}

/// Why there is no seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    Browser,
    Server,
}

impl Full {
    pub fn says(self) -> &'static str {
        match self {
            Self::Browser => "Too many live views are open in this browser; close one and reload.",
            Self::Server => "Too many live views are open; reload in a moment.",
        }
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
pub(crate) struct Clients(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    all: usize,
    clients: HashMap<Client, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// One stream of a client; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Clients,
    client: Client,
    address: IpAddr,
}

impl Clients {
    pub(super) fn seat(&self, browser: Option<&str>, address: IpAddr, most: usize) -> Result<Seat, Full> {
        let client = browser.map_or(Client::NoCookie(address), |id| Client::Browser(id.to_owned()));
        let mut held = self.held();
        if held.clients.get(&client).is_some_and(|number| *number >= most) {
            return Err(Full::Browser);
        }
        if held.all >= ALL || held.addresses.get(&address).is_some_and(|number| *number >= OF_AN_ADDRESS) {
            return Err(Full::Server);
        }
        held.all += 1;
        *held.clients.entry(client.clone()).or_default() += 1;
        *held.addresses.entry(address).or_default() += 1;
        Ok(Seat { clients: self.clone(), client, address })
    }

    /// A count is right even after a panic elsewhere.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.clients.held();
        held.all -= 1;
        give_back(&mut held.clients, &self.client);
        give_back(&mut held.addresses, &self.address);
    }
}

fn give_back<K: Eq + Hash>(held: &mut HashMap<K, usize>, of: &K) {
    if let Some(number) = held.get_mut(of) {
        *number -= 1;
        if *number == 0 {
            held.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200));

    #[test]
    fn a_seat_is_free_again_when_its_stream_ends() {
        let clients = Clients::default();
        let seat = |browser| clients.seat(browser, ADDRESS, 2);
        let first = seat(None);
        let second = seat(None);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(seat(None).err(), Some(Full::Browser));
        assert!(clients.seat(None, IpAddr::from([192, 0, 2, 201]), 2).is_ok());
        assert!(seat(Some("0123456789abcdef")).is_ok(), "a browser is known by its cookie");
        drop(second);
        assert!(seat(None).is_ok());
    }

    #[test]
    fn made_up_cookies_do_not_take_all_seats() {
        let clients = Clients::default();
        let ids: Vec<String> = (0..ALL).map(|nth| format!("{nth:016x}")).collect();
        let seats: Vec<_> = ids.iter().map(|id| clients.seat(Some(id), ADDRESS, 4)).collect();
        assert_eq!(seats.iter().filter(|seat| seat.is_ok()).count(), OF_AN_ADDRESS);
        assert_eq!(seats[OF_AN_ADDRESS].as_ref().err(), Some(&Full::Server));
        assert!(clients.seat(None, IpAddr::from([192, 0, 2, 201]), 4).is_ok());
    }

    #[test]
    fn a_cookie_that_is_none_of_ours_makes_no_browser() {
        let of = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            browser(&headers).map(str::to_owned)
        };
        assert_eq!(of("theme=dark; browser=0123456789abcdef").as_deref(), Some("0123456789abcdef"));
        assert_eq!(of("browser=anything"), None);
    }
}
