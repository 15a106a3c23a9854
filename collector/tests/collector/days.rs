//! Registrations: one Call-ID for weeks, of which every part is judged once, and what nobody answered is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use collector::book::Book;
use collector::correlate;
use collector::settle::{self, Known};
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use record::wire::{Heartbeat, SourceReport};
use rule::routes::Routes;
use rule::set::RuleSet;
use rule::verdict::Outcome;
use store::alert::ItemState;
use tokio::sync::watch;

use crate::door::{Door, stream};

/// What becomes of one registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Well,
    Challenged,
    /// Nobody answers, ever.
    Unanswered,
    /// The answer comes after 40 s.
    Late,
    /// A challenge after each challenge.
    Loop,
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    Timestamp(since.as_micros() as i64)
}

/// The log of a registrar to which a phone registers so often, in microseconds.
fn log(begins: Timestamp, phone: &str, every: i64, ends: &[End]) -> Vec<(Timestamp, String)> {
    let mut all = Vec::new();
    let mut cseq = 0;
    for (nth, end) in ends.iter().enumerate() {
        let at = |second: i64| Timestamp(begins.0 + nth as i64 * every + second * SECOND);
        let mut say = |second: i64, cseq: usize, status: Option<u16>| {
            let time = at(second);
            let (method, first, from, to) = match status {
                None => {
                    ("REGISTER".to_owned(), "REGISTER sip:example.com SIP/2.0".to_owned(), "203.0.113.5", "192.0.2.2")
                }
                Some(status) => (status.to_string(), format!("SIP/2.0 {status} x"), "192.0.2.2", "203.0.113.5"),
            };
            let mut text = format!("[{time}][{method}][sip:{from}:5060][sip:{to}:5060]\n{first}\r\n");
            let _ = write!(
                text,
                "Via: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK{phone}{nth}x{cseq}\r\nFrom: <sip:{phone}@example.com>;tag=a\r\n\
                 To: <sip:{phone}@example.com>\r\nCall-ID: reg-{phone}\r\nCSeq: {cseq} REGISTER\r\n\
                 Contact: <sip:{phone}@203.0.113.5:5060>\r\nExpires: 60\r\nContent-Length: 0\r\n\r\n\n"
            );
            all.push((time, text));
        };
        cseq += 1;
        say(0, cseq, None);
        match end {
            End::Well => say(1, cseq, Some(200)),
            End::Challenged => {
                say(1, cseq, Some(401));
                cseq += 1;
                say(2, cseq, None);
                say(3, cseq, Some(200));
            }
            End::Unanswered => {}
            End::Late => say(40, cseq, Some(200)),
            End::Loop => {
                for second in [1, 3, 5] {
                    say(second, cseq, Some(401));
                    cseq += 1;
                    say(second + 1, cseq, None);
                }
                say(7, cseq, Some(403));
            }
        }
    }
    all
}

struct World {
    door: Door,
    book: watch::Receiver<Arc<Book>>,
    known: Known,
    base: u64,
    looks: i64,
}

impl World {
    async fn new() -> Self {
        let mut set = RuleSet::built_in();
        set.defaults.mail_age = 1_000 * HOUR;
        let routes =
            "[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n[[route]]\nmatch = {}\nto = [\"voice\"]\n";
        let routes = Routes::load("routes.toml", routes, &set.ids()).expect("right");
        let (_, book) = watch::channel(Arc::new(Book { set, routes, has_routes: true, env: Vec::new() }));
        Self { door: Door::open().await, book, known: Known::default(), base: 0, looks: 0 }
    }

    /// Reads this part of the log, which ends at a time, and judges what is due.
    async fn read(&mut self, part: &str, read_to: Timestamp) {
        let source = SourceReport { name: "sip".into(), read_to: Some(read_to), ..SourceReport::default() };
        let heartbeat = Heartbeat {
            version: 1,
            agent: "agent-1".into(),
            program: "0.1.0".into(),
            host: "host-1".into(),
            clock: now(),
            sources: vec![source],
            unread: Vec::new(),
            more_unread: 0,
            places: None,
            stops: false,
        };
        if !part.is_empty() {
            let (status, answer) = self.door.append(vec![stream(1, self.base, part)]).await;
            assert!(status.is_success(), "{answer:?}");
            self.base += part.len() as u64;
        }
        while correlate::step(&self.door.store, "one").await.expect("correlated") > 0 {}
        for _ in 0..2 {
            self.looks += 1;
            // Its agent was heard just now, whatever time that is.
            let now = Timestamp(now().0 + self.looks * 2 * HOUR);
            self.door.store.hear(&heartbeat, now).await.expect("heard");
            settle::step(&self.door.store, "one", &self.book, &mut self.known, now).await.expect("settled");
        }
    }

    /// How many instances came to what, what failed, and what is reported of it.
    async fn says(&self) -> (BTreeMap<Outcome, i64>, Vec<(String, Timestamp)>, BTreeSet<(String, i32, String)>) {
        let store = &self.door.store;
        let (from, to) = (Timestamp(0), Timestamp(now().0 + HOUR));
        let counts = store.rule_counts(from, to).await.expect("read").remove("registration").unwrap_or_default().0;
        let mut failed = Vec::new();
        for failure in store.failed(from, to, 1_000).await.expect("read") {
            let told = store.told(&failure).await.expect("read").expect("it is there");
            failed.push((failure.failure, told.began));
        }
        failed.sort_by_key(|(_, began)| *began);
        let mut items = BTreeSet::new();
        for group in store.alert_groups(10).await.expect("read") {
            let all = store.alert_items(group.id, 1_000).await.expect("read");
            for item in all.into_iter().filter(|item| item.state == ItemState::Failed) {
                let device = item.told.facts.into_iter().find(|(name, _)| name == "device").expect("its device");
                items.insert((group.key.failure.clone(), item.nth, device.1));
            }
        }
        (counts, failed, items)
    }
}

/// The next of a row of numbers that looks like chance and is always the same.
fn next(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

#[tokio::test]
async fn a_day_that_is_read_piece_by_piece_is_judged_as_one_that_is_read_at_once() {
    for mut seed in 0..6_u64 {
        let ends: Vec<End> = (0..90)
            .map(|nth| match next(&mut seed) % 12 {
                // What goes well comes first, so that it is known what the log holds.
                _ if nth < 10 => End::Well,
                0 => End::Unanswered,
                1 => End::Late,
                2 => End::Loop,
                3..6 => End::Challenged,
                _ => End::Well,
            })
            .collect();
        let begins = Timestamp(now().0 - 3 * HOUR);
        let mut lines = log(begins, "bob", MINUTE, &ends);
        lines.sort_by_key(|(time, _)| *time);
        let last = Timestamp(now().0);

        // Both have learned what the log holds.
        let (well, rest): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|(time, _)| time.micros_since(begins) < 10 * MINUTE);
        let (mut once, mut pieces) = (World::new().await, World::new().await);
        let text = |some: &[(Timestamp, String)]| some.iter().map(|(_, text)| text.as_str()).collect::<String>();
        for world in [&mut once, &mut pieces] {
            world.read(&text(&well), Timestamp(begins.0 + 11 * MINUTE)).await;
        }
        once.read(&text(&rest), last).await;
        let mut rest = &rest[..];
        while !rest.is_empty() {
            let (part, others) = rest.split_at((next(&mut seed) % 9 + 1).min(rest.len()));
            // The log ends where it was read to, or is quiet for a while.
            let after = others.first().map_or(last, |(time, _)| *time);
            let ends = if next(&mut seed).is_multiple_of(2) { after } else { part[part.len() - 1].0 };
            pieces.read(&text(part), ends).await;
            rest = others;
        }
        pieces.read("", last).await;

        let (at_once, piece_by_piece) = (once.says().await, pieces.says().await);
        assert_eq!(at_once, piece_by_piece, "{seed}: {ends:?}");
        // One that nobody answers is answered late: with the next.
        let (counts, failed, items) = at_once;
        assert!(counts[&Outcome::Failed] > 2 && counts[&Outcome::Late] > 2 && counts[&Outcome::Ok] > 40, "{counts:?}");
        assert_eq!((failed.len() as i64, items.len()), (counts[&Outcome::Failed], failed.len()));
    }
}

#[tokio::test]
async fn a_request_outside_of_any_call_is_judged_too() {
    let mut world = World::new().await;
    let begins = Timestamp(now().0 - 2 * HOUR);
    let mut log = String::new();
    for nth in 0..12 {
        let time = |second| Timestamp(begins.0 + (nth * 60 + second) * SECOND);
        let way = |second, method: &str, from: &str, to: &str, first: &str, id: i64| {
            format!(
                "[{}][{method}][http://{from}:80][http://{to}:80]\n{first}\r\nX-Request-ID: {id:08}-lookup\r\nContent-Length: 0\r\n\r\n\n",
                time(second)
            )
        };
        let (core, api) = ("192.0.2.2", "192.0.2.9");
        log += &way(0, "GET", core, api, "GET /v1/route?to=bob HTTP/1.1", nth);
        // The last but one is not answered in time.
        log += &way(if nth == 10 { 5 } else { 1 }, "200", api, core, "HTTP/1.1 200 OK", nth);
    }
    world.read(&log, Timestamp(begins.0 + HOUR)).await;
    world.read("", now()).await;
    let store = &world.door.store;
    let counts = store.rule_counts(begins, now()).await.expect("read").remove("rest-answers").unwrap_or_default().0;
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(Outcome::Late, 1), (Outcome::Ok, 11)]);
}

/// More of one day than is judged at once, as of a log that was long not read: no answer is missed where it is cut.
#[tokio::test]
async fn a_day_of_thousands_is_judged_part_by_part_and_nothing_fails_where_it_is_cut() {
    let mut world = World::new().await;
    // An answer comes with each full minute, so there is no quiet one.
    let begins = Timestamp((now().0 - 3 * HOUR) / MINUTE * MINUTE + SECOND);
    // The first is answered with the second, so that it is cut between a request and its answer.
    let mut ends = vec![End::Well; 5_401];
    ends[0] = End::Unanswered;
    let mut lines = log(begins, "bob", 2 * SECOND, &ends);
    lines.sort_by_key(|(time, _)| *time);
    assert!(lines.len() > store::settle::AT_ONCE);
    let text: String = lines.iter().map(|(_, text)| text.as_str()).collect();
    let read_to = Timestamp(now().0 + MINUTE);
    world.read(&text, read_to).await;
    world.read("", read_to).await;
    let (counts, failed, items) = world.says().await;
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(Outcome::Ok, 5_400)]);
    assert_eq!((failed, items), (vec![], BTreeSet::new()));
}
