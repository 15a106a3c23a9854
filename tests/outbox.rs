//! The outbox against servers that do something wrong: what is kept of a mail, when it goes again, and that none is lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use collector::book::Book;
use collector::ingest::now;
use collector::mail::{Account, Settings};
use collector::outbox;
use collector::report::{self, Desk};
use collector::sources::Lookout;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use record::wire::{Heartbeat, SourceReport};
use rule::routes::Routes;
use rule::set::RuleSet;
use store::outgoing::{Mail, MailState};
use store::{Location, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{Faulty, eventually};

/// A database with mails that wait, and the only account by which they go.
struct Post {
    store: Store,
    server: Faulty,
    settings: Settings,
    account: Account,
    _dir: tempfile::TempDir,
}

impl Post {
    /// One mail for each of these lists of recipients.
    async fn open(fault: &str, to: &[&str]) -> Self {
        Self::patient(fault, to, "2s").await
    }

    /// Waits so long for an answer.
    async fn patient(fault: &str, to: &[&str], timeout: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&Location::Directory(dir.path().to_owned())).await.expect("a store");
        let server = Faulty::start(fault);
        let settings = server.settings_of_a_user(&format!("timeout = \"{timeout}\""));
        let account = Account::open(&settings).expect("an account");
        let post = Self { store, server, settings, account, _dir: dir };
        post.report(to).await;
        post
    }

    /// An agent fell silent a while ago, and each team is to be told.
    async fn report(&self, to: &[&str]) {
        let quoted =
            |to: &str| to.split(',').map(|one| format!("\"{one}@example.com\"")).collect::<Vec<_>>().join(", ");
        let team = |(nth, to): (usize, &&str)| format!("[[team]]\nname = \"team-{nth}\"\nto = [{}]\n", quoted(to));
        let names: Vec<String> = (0..to.len()).map(|nth| format!("\"team-{nth}\"")).collect();
        let teams: String = to.iter().enumerate().map(team).collect();
        let routes = format!("{teams}[[route]]\nmatch = {{}}\nto = [{}]\n", names.join(", "));
        let set = RuleSet::built_in();
        let routes = Routes::load("routes.toml", &routes, &set.ids()).expect("right");
        let (_, book) = watch::channel(Arc::new(Book { set, routes, has_routes: true, env: Vec::new() }));
        let begins = Timestamp(now().0 - 20 * MINUTE);
        let source = SourceReport { name: "core".into(), read_to: Some(begins), ..SourceReport::default() };
        let heartbeat = Heartbeat {
            version: 1,
            agent: "agent-1".into(),
            program: "0.1.0".into(),
            host: "host-1".into(),
            clock: begins,
            sources: vec![source],
            unread: Vec::new(),
            more_unread: 0,
            places: None,
            stops: false,
        };
        self.store.hear(&heartbeat, begins).await.expect("heard");
        let later = |minutes: i64| Timestamp(begins.0 + minutes * MINUTE);
        let mut lookout = Lookout::new(Timestamp(begins.0 - HOUR));
        lookout.look(&self.store, &book.borrow().clone(), later(5)).await.expect("a look");
        let desk = Desk { settings: self.settings.clone(), can_send: true };
        while report::step(&self.store, &book, &desk, later(6)).await.expect("reported") > 0 {}
        assert_eq!(self.mails().await.len(), to.len());
    }

    /// Those that were made first come first.
    async fn mails(&self) -> Vec<Mail> {
        let mut mails = self.store.mails(None, 10).await.expect("mails");
        mails.sort_by_key(|mail| mail.id);
        mails
    }

    /// Tries one mail, if any is due at this time.
    async fn step(&mut self, at: Timestamp) -> bool {
        let (settings, account) = (Some(&self.settings), Some(&mut self.account));
        outbox::step(&self.store, "one", settings, account, at).await.expect("a step")
    }

    async fn hold(&self) -> Option<Timestamp> {
        let account = outbox::account_name(&self.settings);
        self.store.mail_hold(&account).await.expect("read").map(|(until, ..)| until)
    }

    /// Message-IDs of all mails that the server was given, and how many they were.
    fn given(&self) -> (BTreeSet<String>, usize) {
        let mails = self.server.mails();
        let id = |mail: &String| mail.lines().find(|line| line.starts_with("Message-ID:")).expect("an id").to_owned();
        (mails.iter().map(id).collect(), mails.len())
    }
}

/// How long it is until then, as it is meant: up to a fifth more or less.
fn about(from: Timestamp, until: Timestamp) -> String {
    let wait = until.micros_since(from) / SECOND;
    let is = |meant: i64| (wait - meant).abs() <= meant / 5 + 5;
    let meant = [(30, "30 s"), (60, "1 min"), (900, "15 min"), (1_800, "30 min"), (3_600, "1 h")];
    meant.iter().find(|(meant, _)| is(*meant)).map_or_else(|| format!("{wait} s"), |(_, words)| (*words).to_owned())
}

/// What becomes of the first of two mails at a server that does this wrong once, and what then: as a line.
async fn line(fault: &str) -> String {
    let mut post = Post::open(&format!("{fault}:1"), &["oncall", "lead"]).await;
    let began = now();
    assert!(post.step(began).await, "{fault}: one is due");
    let mails = post.mails().await;
    let tried = mails.iter().find(|mail| mail.attempts == 1).expect("it was tried").clone();
    let held = post.hold().await;
    let text = tried.last_text.clone().unwrap_or_default();
    let said = tried.last_code.map_or("no answer".to_owned(), |code| code.to_string());
    let mut line = format!("{fault}: {:?} after {said}", tried.state);
    assert!(!text.is_empty(), "{fault}: it is said why");
    if tried.state == MailState::Queued {
        line += &format!(", again in {}", about(began, tried.not_before));
    }
    line += if held.is_some() { ", the account waits" } else { "" };
    // The other one waits with the account, or goes at once.
    let other = post.step(now()).await;
    assert_eq!(other, held.is_none(), "{fault}");
    line += if other { "; the other is sent" } else { "; the other waits" };
    assert!(!post.step(Timestamp(tried.not_before.0 - SECOND)).await, "{fault}: nothing is due before its time");
    let mut at = tried.not_before;
    if tried.state == MailState::Failed {
        let asked = post.store.resend(tried.id, now(), Timestamp(now().0 + HOUR)).await.expect("asked");
        assert!(asked, "{fault}: a dead letter can be sent again");
        (at, line) = (now(), line + ", sent again by hand");
    }
    while post.step(Timestamp(at.0 + 1)).await {}
    let mails = post.mails().await;
    let states: Vec<MailState> = mails.iter().map(|mail| mail.state).collect();
    assert_eq!(states, [MailState::Sent; 2], "{fault}: {mails:#?}");
    assert_eq!(post.hold().await, None, "{fault}: what was delivered releases the account");
    let tries = post.store.mail_attempts(tried.id).await.expect("read").len();
    // Whatever it was given, it was given two mails.
    let ((ids, given), own) = (post.given(), tried.message_id.clone());
    assert_eq!(ids.len(), 2, "{fault}: {ids:?}");
    assert!(ids.iter().any(|id| id.contains(&own)), "{fault}: {ids:?}");
    let alike: Vec<String> = post.server.mails().into_iter().filter(|mail| mail.contains(&own)).collect();
    assert!(alike.iter().all(|mail| *mail == alike[0]), "{fault}: byte for byte");
    post.account.close().await;
    format!("{line}; {tries} tries, {given} mails at the server, 2 Message-IDs\n")
}

#[tokio::test]
async fn after_each_fault_of_a_server_nothing_is_lost_and_it_is_tried_again_in_its_time() {
    let mut lines = String::new();
    for fault in [
        "too-many-logins",
        "unusual-rate",
        "daily-limit",
        "wrong-password",
        "challenge",
        "wrong-sender",
        "slow-recipients",
        "no-recipient",
        "too-big",
        "dropped-after-data",
        "silent",
        "silent-after-data",
    ] {
        lines += &line(fault).await;
    }
    insta::assert_snapshot!(lines, @"
    too-many-logins: Queued after 454, again in 15 min, the account waits; the other waits; 2 tries, 2 mails at the server, 2 Message-IDs
    unusual-rate: Queued after 421, again in 30 s; the other is sent; 2 tries, 2 mails at the server, 2 Message-IDs
    daily-limit: Queued after 550, again in 1 h, the account waits; the other waits; 2 tries, 3 mails at the server, 2 Message-IDs
    wrong-password: Queued after 535, again in 1 h, the account waits; the other waits; 2 tries, 2 mails at the server, 2 Message-IDs
    challenge: Queued after no answer, again in 1 h, the account waits; the other waits; 2 tries, 2 mails at the server, 2 Message-IDs
    wrong-sender: Queued after 553, again in 1 h, the account waits; the other waits; 2 tries, 2 mails at the server, 2 Message-IDs
    slow-recipients: Queued after 450, again in 30 s; the other is sent; 2 tries, 2 mails at the server, 2 Message-IDs
    no-recipient: Failed after 550; the other is sent, sent again by hand; 2 tries, 2 mails at the server, 2 Message-IDs
    too-big: Failed after 552; the other is sent, sent again by hand; 2 tries, 3 mails at the server, 2 Message-IDs
    dropped-after-data: Queued after no answer, again in 30 s; the other is sent; 2 tries, 3 mails at the server, 2 Message-IDs
    silent: Queued after no answer, again in 30 s; the other is sent; 2 tries, 2 mails at the server, 2 Message-IDs
    silent-after-data: Queued after no answer, again in 30 s; the other is sent; 2 tries, 3 mails at the server, 2 Message-IDs
    ");
}

#[tokio::test]
async fn one_bad_recipient_of_a_mail_is_named_and_the_others_have_it() {
    let mut post = Post::open("one-bad", &["oncall,gone,lead"]).await;
    assert!(post.step(now()).await);
    let mail = post.mails().await.remove(0);
    assert_eq!((mail.state, mail.left_to.as_deref()), (MailState::Sent, None));
    let [refused] = &mail.refused[..] else { panic!("{:?}", mail.refused) };
    assert!(refused.starts_with("gone@example.com: 550 5.1.1"), "{refused}");
    assert_eq!(post.server.asked("CONTENT"), ["oncall@example.com,lead@example.com"]);
    assert!(!post.step(Timestamp(now().0 + HOUR)).await, "it is done");
    assert_eq!(post.store.undelivered(Timestamp(0)).await.expect("read").refused, 1, "home says so");
}

#[tokio::test]
async fn a_recipient_who_is_busy_gets_the_same_mail_later_and_nobody_else_does() {
    let mut post = Post::open("one-slow:1", &["oncall,busy,lead"]).await;
    let began = now();
    assert!(post.step(began).await);
    let mail = post.mails().await.remove(0);
    assert_eq!((mail.state, mail.left_to.as_deref()), (MailState::Queued, Some("busy@example.com")));
    assert_eq!(about(began, mail.not_before), "30 s");
    assert!(post.step(Timestamp(mail.not_before.0 + 1)).await);
    assert_eq!(post.mails().await[0].state, MailState::Sent);
    assert_eq!(post.server.asked("CONTENT"), ["oncall@example.com,lead@example.com", "busy@example.com"]);
    let mails = post.server.mails();
    assert_eq!(mails[0], mails[1]);
}

#[tokio::test]
async fn a_server_that_says_nothing_does_not_keep_the_process_from_ending() {
    let post = Post::patient("silent", &["oncall"], "100s").await;
    let cancel = CancellationToken::new();
    let sending = outbox::run(post.store.clone(), "one".into(), Some(post.settings.clone()), cancel.clone());
    let sending = tokio::spawn(sending);
    post.server.was_asked("CONNECTED", 1).await;
    cancel.cancel();
    eventually("it ends long before the time of a try is over", || async {
        if sending.is_finished() { Ok(()) } else { Err("it still waits".into()) }
    })
    .await;
    let mail = post.mails().await.remove(0);
    assert_eq!((mail.state, mail.attempts), (MailState::Queued, 1), "it is sent again");
}

/// The wait of an account doubles, and that of a mail, whose server cannot be reached, grows; when it is too old it is given up.
#[tokio::test]
async fn waits_grow_until_a_mail_is_too_old() {
    let mut post = Post::open("too-many-logins", &["oncall"]).await;
    let mut at = now();
    let mut waits = Vec::new();
    for _ in 0..4 {
        assert!(post.step(at).await);
        let real = now();
        let mail = post.mails().await.remove(0);
        assert_eq!((mail.state, mail.last_code), (MailState::Queued, Some(454)));
        waits.push(mail.not_before.micros_since(real) / MINUTE);
        // Waits count from the clock; here each is over at once.
        at = Timestamp(at.0.max(mail.not_before.0) + SECOND);
    }
    let doubles = [15, 30, 60, 120];
    assert!(waits.iter().zip(doubles).all(|(wait, meant)| (wait - meant).abs() <= meant / 5 + 1), "{waits:?}");
    let expires = post.mails().await[0].expires;
    assert!(!post.step(Timestamp(expires.0 + 1)).await, "after a day nobody is mailed about it");
    assert_eq!(post.mails().await[0].state, MailState::Expired);
    assert_eq!(post.given().1, 0);
}
