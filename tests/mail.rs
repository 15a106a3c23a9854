//! Mails to real servers: one that delivers, and one that answers as Gmail does on a bad day.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime};

use collector::mail::notice::{
    About, Common, Group, Held, Hidden, Item, Mask, Notice, Reader, Severity, Share, State, Storm,
};
use collector::mail::{
    Account, Address, Failure, Hold, Mailbox, Next, Sender, Sent, Settings, Step, Trouble, mime, render, trial,
};
use record::time::{MINUTE, SECOND, Timestamp};
use serde_json::json;

use crate::support::{Browser, Exim, Faulty, free_port, mail_settings, with_least};

const ID: &str = "<n.4711@siptrail.example.com>";

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

async fn send(account: &mut Account, settings: &Settings, to: &[&str]) -> Sent {
    let to: Vec<Address> = to.iter().map(|to| address(to)).collect();
    let readers: Vec<Mailbox> = to.iter().map(|to| Mailbox::new(None, to.clone())).collect();
    let bytes = mime(&trial(settings), settings, &readers, ID, SystemTime::UNIX_EPOCH).expect("a mail");
    account.send(&settings.from.0.email, &to, &bytes).await
}

/// One mail to one reader of a server with this fault.
async fn sent(fault: &str) -> (Sent, Faulty) {
    let server = Faulty::start(fault);
    let settings = server.settings_of_a_user("timeout = \"2s\"");
    let mut account = Account::open(&settings).expect("an account");
    (send(&mut account, &settings, &["oncall@example.com"]).await, server)
}

fn step(sent: &Sent) -> Step {
    sent.said.as_ref().expect_err("a failure").step
}

#[tokio::test]
async fn a_real_server_takes_mails_over_starttls_with_a_login_and_delivers_them() {
    let exim = Exim::start().await;
    let settings = exim.settings(&exim.trusted());
    let mut account = Account::open(&settings).expect("an account");
    let first = send(&mut account, &settings, &["oncall@example.com", "gone@example.com", "lead@example.com"]).await;
    assert_eq!(first.next, Next::Done, "{first:?}; {}", exim.log());
    let refused: Vec<String> = first.refused.iter().map(|(to, answer)| format!("{to}: {answer}")).collect();
    assert_eq!(refused, ["gone@example.com: 550 5.1.1 no such user"]);
    let second = send(&mut account, &settings, &["oncall@example.com"]).await;
    assert_eq!(second.next, Next::Done, "{second:?}");
    account.close().await;
    for (user, mails) in [("oncall", 2), ("lead", 1)] {
        for mail in exim.delivered(user, mails).await {
            assert!(mail.contains(&format!("Message-ID: {ID}")), "{mail}");
            assert!(mail.contains("This is the test mail of Siptrail."), "{mail}");
        }
    }
    let log = exim.log();
    assert!(log.lines().filter(|line| line.contains("<=")).all(|line| line.contains("A=plain:siptrail")), "{log}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    let exim = Exim::start().await;
    let settings = exim.settings("");
    let mut account = Account::open(&settings).expect("an account");
    let sent = send(&mut account, &settings, &["oncall@example.com"]).await;
    let said = sent.said.expect_err("a failure");
    assert_eq!(said, Failure { step: Step::Secure, trouble: Trouble::Certificate("UnknownIssuer".into()) });
    assert_eq!(sent.next, Next::Hold(Hold::Broken));
    assert!(!exim.log().contains("siptrail"), "no name was said before TLS: {}", exim.log());
}

#[tokio::test]
async fn a_wrong_password_and_a_foreign_sender_stop_the_account() {
    let exim = Exim::start().await;
    let mut settings = exim.settings(&exim.trusted());
    settings.from = Sender(Mailbox::new(None, address("president@example.org")));
    let mut account = Account::open(&settings).expect("an account");
    let sent = send(&mut account, &settings, &["oncall@example.com"]).await;
    assert_eq!((step(&sent), sent.next), (Step::From, Next::Hold(Hold::Broken)), "{sent:?}");

    settings.user = Some("somebody".into());
    let mut account = Account::open(&settings).expect("an account");
    let sent = send(&mut account, &settings, &["oncall@example.com"]).await;
    assert_eq!((step(&sent), sent.next), (Step::Login, Next::Hold(Hold::Broken)), "{sent:?}");
}

#[tokio::test]
async fn each_fault_of_a_server_decides_what_is_done_next() {
    let (doubling, hourly, broken) = (Hold::Doubling, Hold::Hourly, Hold::Broken);
    for (fault, at, next) in [
        ("too-many-logins", Step::Login, Next::Hold(doubling)),
        ("wrong-password", Step::Login, Next::Hold(broken)),
        ("challenge", Step::Login, Next::Hold(broken)),
        ("wrong-sender", Step::From, Next::Hold(broken)),
        ("no-recipient", Step::To, Next::GiveUp),
        ("slow-recipients", Step::To, Next::Again),
        ("unusual-rate", Step::Announce, Next::Again),
        ("daily-limit", Step::Content, Next::Hold(hourly)),
        ("too-big", Step::Content, Next::GiveUp),
        ("dropped-after-data", Step::Content, Next::Unknown),
        ("silent", Step::Reach, Next::Again),
        ("silent-after-data", Step::Content, Next::Unknown),
    ] {
        let (sent, _server) = sent(fault).await;
        assert_eq!((step(&sent), sent.next), (at, next), "{fault}: {sent:?}");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_left_out_and_a_slow_one_is_kept_for_later() {
    for (fault, other) in [("one-bad", "gone@example.com"), ("one-slow", "busy@example.com")] {
        let server = Faulty::start(fault);
        let settings = server.settings("");
        let mut account = Account::open(&settings).expect("an account");
        let sent = send(&mut account, &settings, &["oncall@example.com", other, "lead@example.com"]).await;
        assert_eq!(sent.next, Next::Done, "{sent:?}");
        let names = |of: &[(Address, _)]| of.iter().map(|(to, _)| to.to_string()).collect::<Vec<_>>();
        let left_out = if fault == "one-bad" { &sent.refused } else { &sent.later };
        assert_eq!(names(left_out), [other], "{sent:?}");
        assert_eq!(sent.refused.len() + sent.later.len(), 1);
        server.was_asked("CONTENT oncall@example.com,lead@example.com", 1).await;
    }
}

#[tokio::test]
async fn mails_share_a_connection_also_after_one_is_refused() {
    let server = Faulty::start("one-bad");
    let settings = server.settings_of_a_user("");
    let mut account = Account::open(&settings).expect("an account");
    for (to, next) in [("oncall", Next::Done), ("gone", Next::GiveUp), ("lead", Next::Done)] {
        let sent = send(&mut account, &settings, &[&format!("{to}@example.com")]).await;
        assert_eq!(sent.next, next, "{sent:?}");
    }
    for (what, times) in [("CONTENT", 2), ("CONNECTED", 1), ("AUTH", 1)] {
        server.was_asked(what, times).await;
    }
    account.close().await;
    account.reach().await.expect("it is reached again");
    server.was_asked("AUTH", 2).await;
}

// Exim delivers ten of one connection at once, and the others when its queue is run.
#[tokio::test]
async fn of_many_mails_none_is_left_in_the_queue_of_the_server() {
    let exim = Exim::start().await;
    let settings = exim.settings(&exim.trusted());
    let mut account = Account::open(&settings).expect("an account");
    for _ in 0..12 {
        let sent = send(&mut account, &settings, &["oncall@example.com"]).await;
        assert_eq!(sent.next, Next::Done, "{sent:?}");
    }
    account.close().await;
    exim.delivered("oncall", 12).await;
}

#[tokio::test]
async fn what_may_have_arrived_is_sent_again_byte_for_byte() {
    let server = Faulty::start("dropped-after-data");
    let settings = server.settings("");
    let mut account = Account::open(&settings).expect("an account");
    let to = address("oncall@example.com");
    let bytes = mime(&trial(&settings), &settings, &[Mailbox::new(None, to.clone())], ID, SystemTime::UNIX_EPOCH)
        .expect("a mail");
    for _ in 0..2 {
        let sent = account.send(&settings.from.0.email, std::slice::from_ref(&to), &bytes).await;
        assert_eq!(sent.next, Next::Unknown, "{sent:?}");
    }
    let mails = server.mails();
    assert!(mails[0].contains(&format!("Message-ID: {ID}")), "{}", mails[0]);
    assert_eq!((mails.len(), mails[0] == mails[1]), (2, true));
    // A broken connection is not used again.
    server.was_asked("CONNECTED", 2).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_in_time() {
    let started = Instant::now();
    let (sent, server) = sent("silent-after-data").await;
    assert_eq!(sent.said.expect_err("a failure").trouble, Trouble::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    server.was_asked("CONTENT", 1).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_asked_again() {
    let nowhere = mail_settings(&format!("server = \"127.0.0.1\"\nsecurity = \"none\"\nport = {}", free_port()));
    let mut account = Account::open(&nowhere).expect("an account");
    let sent = send(&mut account, &nowhere, &["oncall@example.com"]).await;
    assert!(matches!(&sent.said, Err(Failure { trouble: Trouble::Unreachable(_), .. })), "{sent:?}");
    assert_eq!(sent.next, Next::Again);

    let nobody = mail_settings("server = \"no-such-host.invalid\"");
    let mut account = Account::open(&nobody).expect("an account");
    let sent = send(&mut account, &nobody, &["oncall@example.com"]).await;
    assert!(matches!(&sent.said, Err(Failure { trouble: Trouble::NotFound(_), .. })), "{sent:?}");

    let server = Faulty::start("none");
    let plain = mail_settings(&format!("server = \"127.0.0.1\"\nport = {}", server.port));
    let mut account = Account::open(&plain).expect("an account");
    let sent = send(&mut account, &plain, &["oncall@example.com"]).await;
    assert_eq!(sent.said, Err(Failure { step: Step::Secure, trouble: Trouble::NoStarttls }));
    let tls = mail_settings(&format!("server = \"127.0.0.1\"\nsecurity = \"tls\"\nport = {}", server.port));
    let mut account = Account::open(&tls).expect("an account");
    let sent = send(&mut account, &tls, &["oncall@example.com"]).await;
    assert!(matches!(&sent.said, Err(Failure { trouble: Trouble::NotTls(_), .. })), "{sent:?}");
}

/// `siptrail mail test` with a config that holds this.
fn mail_test(config: &str, to: &str) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("collector.toml");
    std::fs::write(&file, config).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail"));
    command.args(["mail", "test", "--to", to, "--config", &file.display().to_string()]).env_remove("SIPTRAIL_CONFIG");
    command.output().expect("the binary runs")
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[out.stdout.as_slice(), out.stderr.as_slice()].concat()).into_owned()
}

#[tokio::test]
async fn mail_test_sends_one_and_says_what_works() {
    let exim = Exim::start().await;
    let config = |more: &str| format!("[mail]\n{}", with_least(&exim.toml(more)));
    let out = mail_test(&config(&exim.trusted()), "oncall@example.com");
    let words = said(&out);
    assert_eq!(out.status.code(), Some(0), "{words}");
    for wanted in [
        "(STARTTLS) is reached, and siptrail is logged in",
        "oncall@example.com is sent a mail by siptrail@example.com: 250",
    ] {
        assert!(words.contains(wanted), "{words}");
    }
    let mail = exim.delivered("oncall", 1).await.remove(0);
    assert!(mail.contains("Subject: [siptrail] test mail"), "{mail}");

    for (more, to, wanted) in [
        ("", "oncall@example.com", "signed by nobody whom this machine trusts (UnknownIssuer)"),
        (
            exim.trusted().as_str(),
            "gone@example.com",
            "gone@example.com gets no mail: localhost does not take mails for it (550 5.1.1 no such user)",
        ),
    ] {
        let out = mail_test(&config(more), to);
        let words = said(&out);
        assert_eq!(out.status.code(), Some(1), "{words}");
        assert!(words.contains(wanted), "{words}");
    }
}

#[test]
fn mail_test_says_what_does_not_work() {
    for (fault, wanted) in [
        ("wrong-password", "refuses user and password (535 5.7.8 Username and Password not accepted"),
        ("wrong-sender", "will not send as siptrail@example.com (553 5.7.1"),
        ("dropped-after-data", "closed the connection after it had been given the mail"),
        ("daily-limit", "as many mails as it may in a day (550 5.4.5"),
    ] {
        let server = Faulty::start(fault);
        let settings = server.settings_of_a_user("");
        let out = mail_test(&format!("[mail]\n{}", toml::to_string(&settings).expect("TOML")), "oncall@example.com");
        let words = said(&out);
        assert_eq!(out.status.code(), Some(1), "{words}");
        assert!(words.contains(wanted), "{words}");
    }
}

#[test]
fn mail_test_names_what_is_wrong_in_the_config() {
    let least = with_least("server = \"smtp.example.com\"");
    for (config, to, wanted) in [
        (String::new(), "oncall@example.com", "collector.toml: there is no [mail], so nothing is mailed"),
        (
            format!("[mail]\n{least}\nsecurity = \"none\"\n"),
            "oncall@example.com",
            "collector.toml: mail.security: without TLS",
        ),
        (
            format!("[mail]\n{least}\nca_file = \"/nowhere.pem\"\n"),
            "oncall@example.com",
            "mail.ca_file: cannot read /nowhere.pem",
        ),
        (
            format!("[mail]\n{least}\npasword_file = \"/x\"\n"),
            "oncall@example.com",
            "collector.toml:5: pasword_file: there is no key",
        ),
        (format!("[mail]\n{least}\n"), "oncall", "give a mail address, such as oncall@example.com"),
    ] {
        let out = mail_test(&config, to);
        let words = said(&out);
        assert_eq!(out.status.code(), Some(2), "{words}");
        assert!(words.contains(wanted), "{words}");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("collector.toml");
    let wrong = format!("listen = \"127.0.0.1:0\"\n[mail]\n{least}\nuser = \"siptrail\"\n");
    std::fs::write(&file, wrong).expect("written");
    let out = Command::new(env!("CARGO_BIN_EXE_siptrail"))
        .args(["collector", "--config", &file.display().to_string()])
        .output()
        .expect("the binary runs");
    assert_eq!(out.status.code(), Some(2));
    assert!(said(&out).contains("mail.password_file: a `user` needs a password"), "{}", said(&out));
}

/// A mail with all that one can have, and with words that do not break.
fn notice(about: About) -> Notice {
    Notice {
        reader: Reader {
            team: "oncall-voice".into(),
            routes: BTreeSet::from([1, 2]),
            zone: "Europe/Berlin".parse().expect("a zone"),
            mask: Mask::None,
        },
        base_url: "https://siptrail.example.com".into(),
        domain: "siptrail.example.com".into(),
        env: "prod".into(),
        made: Timestamp(1_789_387_500 * SECOND),
        about,
    }
}

fn failures() -> Group {
    let begins = Timestamp(1_789_387_500 * SECOND);
    let item = |scenario, late_by| Item {
        scenario,
        at: begins,
        caller: "+4930123482".into(),
        callee: "x".repeat(80),
        leg: "B1".into(),
        device: "iPhone15 7.4.1".into(),
        seen: "PUSH 200 after 0.19 s".into(),
        unseen: "nothing until 12:05:11Z".into(),
        fragment: format!("push-wakes-device.wake.{}", "B".repeat(80)),
        late_by,
        times: 40,
        also: vec!["call-completes".into()],
    };
    let common = Common { name: "header.X-Long".into(), value: "y".repeat(80), has: 7, of: 7 };
    Group {
        state: State::Firing,
        key: 0x7f3a_91c2_0b44_e1d2,
        severity: Severity::Critical,
        rule: "push-wakes-device".into(),
        version: "3f9c2a".into(),
        title: "A push wakes the mobile: it registers, gets the INVITE and rings".into(),
        failure: "push-no-wake".into(),
        says: "device did not wake after PUSH".into(),
        step: "wake".into(),
        missed: "no REGISTER from device within 10 s of PUSH".into(),
        begins,
        ends: Timestamp(begins.0 + 5 * MINUTE),
        share: Some(Share { failed: 7, judged: 412, persons: Some(6), week_ago: Some(0.002) }),
        common: vec![common],
        new: (0..30).map(|nth| item(0x018f_3c7a + nth, None)).collect(),
        continuing: vec![item(0x018f_3c22, None)],
        resolved: vec![item(0x018f_3c61, Some(4 * SECOND))],
        gone: vec![item(0x018f_3c62, None)],
        max_listed: 40,
        hidden: Hidden { silences: 2, scenarios: 5, older: 0 },
    }
}

/// Texts that stand out from their ground by less than WCAG's 4.5, as mail programs draw them.
const PALE: &str = "
    const colour = (text) => text.match(/[\\d.]+/g).map(Number);
    const probe = document.body.appendChild(document.createElement('div'));
    probe.style.background = 'Canvas';
    const canvas = colour(getComputedStyle(probe).backgroundColor);
    probe.remove();
    const over = (top, part, ground) => ground.map((of, at) => top[at] * part + of * (1 - part));
    const light = (rgb) => rgb.slice(0, 3).map((of) => of / 255).map((of) => of <= 0.04045 ? of / 12.92 : ((of + 0.055) / 1.055) ** 2.4)
        .reduce((sum, of, at) => sum + of * [0.2126, 0.7152, 0.0722][at], 0);
    const pale = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        if (!walker.currentNode.data.trim()) continue;
        let [part, ground, up] = [1, null, walker.currentNode.parentElement];
        const text = colour(getComputedStyle(up).color);
        for (; up; up = up.parentElement) {
            const style = getComputedStyle(up);
            const own = colour(style.backgroundColor);
            if (!ground && own[3] !== 0) ground = own;
            part *= Number(style.opacity);
        }
        ground = over(ground || canvas, 1, canvas);
        const [a, b] = [light(over(text, part, ground.slice(0, 3))), light(ground)].sort((a, b) => b - a);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) pale.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
    }
    return [canvas[0] > 127 ? 'light' : 'dark', document.documentElement.scrollWidth, pale];";

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_fits_a_phone_and_is_legible_in_light_and_dark() {
    let dir = tempfile::tempdir().expect("a directory");
    let over =
        Group { state: State::Resolved, severity: Severity::Warning, new: vec![], continuing: vec![], ..failures() };
    let info = Group { state: State::Update, severity: Severity::Info, ..failures() };
    let held = [Severity::Critical, Severity::Warning, Severity::Info].map(|severity| Held {
        key: u64::MAX,
        severity,
        failure: "no-ack".into(),
        says: "200 OK was never acknowledged".into(),
        scenarios: 9_120,
        over: 0,
    });
    let (begins, ends) = (failures().begins, failures().ends);
    let storm = About::Storm(Storm { mails: 12, begins, ends, groups: held.into() });
    let groups = [failures(), over, info].map(|group| About::Group(Box::new(group)));
    let browser = Browser::start().await;
    let mut found = Vec::new();
    for (nth, about) in groups.into_iter().chain([storm]).enumerate() {
        let file = dir.path().join(format!("{nth}.html"));
        std::fs::write(&file, render(&notice(about)).html).expect("written");
        for theme in ["light", "dark"] {
            let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
            browser.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await;
            for width in [600, 390, 320] {
                browser.size(width, 800).await;
                browser.driver.goto(format!("file://{}", file.display())).await.expect("opened");
                let shown = browser.run(PALE).await;
                assert_eq!(shown[0], theme, "mail {nth} follows its reader");
                if shown[1].as_u64() > Some(width) {
                    found.push(format!("mail {nth}, {width} px: {} px wide", shown[1]));
                }
                let pale = shown[2].as_array().expect("a list").iter();
                found.extend(pale.map(|text| format!("mail {nth}, {theme}, {width} px: {text}")));
            }
        }
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
    browser.quit().await;
}
