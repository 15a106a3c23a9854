//! The command line as a new user meets it: help, mistakes, and what it says meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use record::id::ScenarioId;
use record::time::Timestamp;
use rule::verdict::Outcome;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use store::outgoing::MailState;
use store::{Location, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Siptrail, Truth, differences, eventually, log};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siptrail")).args(args).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_shows_a_new_user_what_to_type() {
    let help = text(&run(&["--help"]).stdout);
    for wanted in ["siptrail demo", "siptrail watch", "collector", "agent", "rules", "[timestamp][method]"] {
        assert!(help.contains(wanted), "{wanted} is not in\n{help}");
    }
    let watch = text(&run(&["watch", "--help"]).stdout);
    for wanted in
        ["--listen", "127.0.0.1:8480", "--data", "--from", "beginning", "--format", "--zone", "--config", "LOG"]
    {
        assert!(watch.contains(wanted), "{wanted} is not in\n{watch}");
    }
}

#[test]
fn a_wrong_config_exits_2_with_file_line_key_and_a_hint() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("collector.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\nstorage = \"/tmp\"\n").expect("written");
    let out = run(&["collector", "--config", &file.display().to_string()]);
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("collector.toml:2: storage: there is no key `storage` here"), "{said}");
    assert!(said.contains("etc/collector.toml"), "{said}");

    std::fs::write(&file, "[[source]]\nname = \"proxy\"\npaths = [\"/x/*.log\"]\nformat = \"pbx\"\n").expect("written");
    let out = run(&["agent", "--config", &file.display().to_string()]);
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("collector.toml:4: format: there is no [format.pbx]"), "{said}");

    let out = run(&["agent", "--config", "/nowhere/agent.toml"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("--config"), "{}", text(&out.stderr));
}

#[test]
fn rules_are_checked_and_explained() {
    let dir = tempfile::tempdir().expect("a directory");
    let rules = dir.path().display().to_string();
    let out = run(&["rules", "check", "--rules", &rules, "--routes", "etc/routes.toml"]);
    assert_eq!(text(&out.stdout), "10 rules and 4 watches are right\n3 teams and 5 routes are right\n");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));

    let shown = text(&run(&["rules", "explain", "answered-no-ack", "--rules", &rules]).stdout);
    assert!(shown.contains("an ACK must reach it within 32 s, else no-ack"), "{shown}");
    let shown = text(&run(&["rules", "explain", "--rules", &rules]).stdout);
    assert!(shown.contains("registration: A device registers") && shown.contains("retransmit-storm: "), "{shown}");
    let out = run(&["rules", "explain", "answered-no-akc", "--rules", &rules]);
    assert!(text(&out.stderr).contains("did you mean `answered-no-ack`?"), "{}", text(&out.stderr));
    assert_eq!(out.status.code(), Some(2));
}

#[test]
fn all_faults_of_rules_and_routes_are_shown_with_their_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name).display().to_string();
    let call = std::fs::read_to_string("etc/rules/10-call.toml").expect("a shipped rule");
    std::fs::write(file("10-call.toml"), call.replace("BYE", "BEY").replace("attempt", "atempt")).expect("written");
    std::fs::write(file("20-ack.toml"), "").expect("written");
    std::fs::write(file("30-push.toml.bak"), "no TOML").expect("written");
    std::fs::write(file("routes"), "[[route]]\nmatch = {}\nto = [\"nobody\"]\n").expect("written");
    let rules = dir.path().display().to_string();
    let out = run(&["rules", "check", "--rules", &rules, "--routes", &file("routes")]);
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    for wanted in [
        &format!("{}:5:13: `atempt` is no per\n", file("10-call.toml")),
        "did you mean `BYE`?",
        &format!("{}:3:8: there is no team `nobody`\n  to = [\"nobody\"]\n         ^^^^^^\n", file("routes")),
        "siptrail: 3 faults in 2 files",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }

    let out = run(&["rules", "check", "--rules", "/nowhere"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("name the directory of your rules with --rules"), "{}", text(&out.stderr));
}

#[test]
fn pages_are_served_on_loopback_only() {
    let out = run(&["watch", "--listen", "0.0.0.0:0", "/tmp/x.log"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("only loopback addresses"), "{}", text(&out.stderr));
}

#[test]
fn a_taken_port_is_told_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = taken.local_addr().expect("an address").to_string();
    let data = tempfile::tempdir().expect("a directory");
    let out = run(&["watch", "--listen", &listen, "--data", &data.path().display().to_string(), "/tmp/x.log"]);
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stderr);
    assert!(said.contains(&format!("{listen} is in use")) && said.contains("--listen"), "{said}");
}

#[test]
fn what_is_wrong_in_a_collectors_config_is_named_by_file_and_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, url) = (dir.path().join("collector.toml"), dir.path().join("url"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let with = |config: String| {
        std::fs::write(&file, config).expect("written");
        let out = run(&["collector", "--config", &file.display().to_string()]);
        (out.status.code(), text(&out.stderr))
    };
    let named = |key: &str| format!("{key} in {}", file.display());
    let (code, said) = with("listen = \"0.0.0.0:8480\"\n".into());
    assert!(code == Some(2) && said.contains(&named("`listen`")), "{said}");
    let (code, said) = with(format!("listen = \"{}\"\n", taken.local_addr().expect("an address")));
    assert!(code == Some(1) && said.contains(&named("`listen`")) && !said.contains("--listen"), "{said}");

    let database = || with(format!("listen = \"127.0.0.1:0\"\npostgres_url_file = \"{}\"\n", url.display()));
    for (holds, wanted) in [(None, "cannot read"), (Some("\n"), "is empty"), (Some("db.example.com"), "postgres://")] {
        if let Some(holds) = holds {
            std::fs::write(&url, holds).expect("written");
        }
        let (code, said) = database();
        assert!(code == Some(2) && said.contains("collector.toml: postgres_url_file: "), "{said}");
        assert!(said.contains(&url.display().to_string()) && said.contains(wanted), "{said}");
    }
    std::fs::write(&url, "postgres://siptrail:secret@127.0.0.1:1/calls\n").expect("written");
    let (code, said) = database();
    assert!(code == Some(1) && said.contains("PostgreSQL at 127.0.0.1:1, database calls"), "{said}");
    assert!(said.matches("refused").count() == 1 && !said.contains("secret"), "{said}");
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_process_and_must_be_writable() {
    let data = tempfile::tempdir().expect("a directory");
    let first = Siptrail::watch(data.path(), &[Path::new("/nowhere/a.log")]);
    first.api().await;
    let out =
        run(&["watch", "--listen", "127.0.0.1:0", "--data", &data.path().display().to_string(), "/nowhere/a.log"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains(&data.path().display().to_string()), "{}", text(&out.stderr));
    assert_eq!(first.stop().await, Some(0));

    let out = run(&["watch", "--listen", "127.0.0.1:0", "--data", "/proc/siptrail", "/nowhere/a.log"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("/proc/siptrail"), "{}", text(&out.stderr));
}

#[tokio::test]
async fn a_log_that_does_not_exist_is_said_and_followed_when_it_appears() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("logs/sip.log");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&file]);
    let api = siptrail.api().await;
    siptrail.says("does not exist yet; it is followed when it appears").await;
    std::fs::create_dir(dir.path().join("logs")).expect("made");
    std::fs::copy(log("kamailio.log"), &file).expect("copied");
    let truth = Truth::read(&log("kamailio.truth.tsv"));
    eventually("the log is read", || async {
        let wrong = differences(&truth, &api.truth().await?);
        if wrong.is_empty() { Ok(()) } else { Err(format!("{} differences", wrong.len())) }
    })
    .await;
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn a_glob_that_matches_nothing_is_said_and_what_appears_is_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&dir.path().join("*.log")]);
    let api = siptrail.api().await;
    siptrail.says("*.log matches no file yet; what appears is followed").await;
    std::fs::copy(log("kamailio.log"), dir.path().join("sip.log")).expect("copied");
    siptrail.says("following 1 file").await;
    eventually("the log is read", || async {
        let found = api.messages("").await?.len();
        if found == 288 { Ok(()) } else { Err(format!("{found} of 288")) }
    })
    .await;
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn a_log_is_followed_by_its_bare_name() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::copy(log("kamailio.log"), dir.path().join("sip.log")).expect("copied");
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail"));
    command.current_dir(dir.path()).args(["watch", "--listen", "127.0.0.1:0", "--data", "data", "sip.log"]);
    let siptrail = Siptrail::spawn(&mut command);
    let api = siptrail.api().await;
    eventually("the log is read", || async {
        let found = api.messages("").await?.len();
        if found == 288 { Ok(()) } else { Err(format!("{found} of 288")) }
    })
    .await;
    assert_eq!(siptrail.stop().await, Some(0));
}

/// A log with times of Seoul, in a layout of its own.
fn write_pbx_log(file: &Path) {
    let record = "INFO 2026-11-23 19:53:58.132 OPTIONS sip:192.0.2.1 -> sip:192.0.2.2\n\
                  OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: pbx@example.com\r\nContent-Length: 0\r\n\r\n\n";
    std::fs::write(file, record).expect("written");
}

const PBX: &str = "{prefix}{time} {method} {source} -> {destination}";

/// `siptrail watch` with flags of its own.
fn watch_as(flags: &[&str], data: &Path, logs: &[&Path]) -> Siptrail {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail"));
    command.args(["watch", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(flags).args(logs);
    Siptrail::spawn(&mut command)
}

async fn holds_the_pbx_call(siptrail: Siptrail) {
    let api = siptrail.api().await;
    let messages = eventually("the record is read", || async {
        let messages = api.all("messages", "").await?;
        if messages.len() == 1 { Ok(messages) } else { Err(format!("{} messages", messages.len())) }
    })
    .await;
    assert_eq!(messages[0]["time"], "2026-11-23T10:53:58.132000Z", "{messages:?}");
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn a_log_in_another_layout_and_zone_is_watched_as_the_command_line_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pbx.log");
    write_pbx_log(&file);
    let flags = ["--format", PBX, "--zone", "Asia/Seoul"];
    holds_the_pbx_call(watch_as(&flags, &dir.path().join("data"), &[&file])).await;
}

#[tokio::test]
async fn the_sources_and_formats_of_an_agents_config_are_watched() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, config) = (dir.path().join("pbx.log"), dir.path().join("agent.toml"));
    write_pbx_log(&file);
    let text = format!(
        "collector = \"https://siptrail.example.com\"\ntoken_file = \"/nowhere/token\"\n\
         [format.pbx]\nheader = \"{PBX}\"\n\
         [[source]]\nname = \"pbx\"\npaths = [\"{}\"]\nformat = \"pbx\"\nzone = \"Asia/Seoul\"\n",
        file.display()
    );
    std::fs::write(&config, text).expect("written");
    let config = config.display().to_string();
    let siptrail = watch_as(&["--config", &config], &dir.path().join("by-config"), &[]);
    siptrail.says("collector, token_file concern the agent alone and are ignored here").await;
    holds_the_pbx_call(siptrail).await;
    let flags = ["--config", &config, "--format", "pbx", "--zone", "Asia/Seoul"];
    holds_the_pbx_call(watch_as(&flags, &dir.path().join("by-log"), &[&file])).await;
}

#[test]
fn a_format_or_zone_that_is_none_is_named_with_what_to_write() {
    for (flags, wanted) in [
        (["--zone", "Europe/Berln"], "--zone Europe/Berln: there is no such zone; is \"Europe/Berlin\" meant?"),
        (["--format", "pbx"], "--format pbx: there is no [format.pbx]"),
        (["--format", "{time} {when}"], "--format \"{time} {when}\": "),
        (["--config", "/nowhere/agent.toml"], "/nowhere/agent.toml"),
    ] {
        let out = run(&["watch", "--listen", "127.0.0.1:0", "--data", "/nowhere", flags[0], flags[1], "/tmp/x.log"]);
        assert_eq!(out.status.code(), Some(2), "{flags:?}");
        assert!(text(&out.stderr).contains(wanted), "{flags:?}: {}", text(&out.stderr));
    }
}

/// Records of these numbers, a Call-ID each.
fn records(numbers: std::ops::Range<u32>) -> String {
    let one = |nth| {
        format!(
            "[2026-11-23 19:53:58.{nth:03}][OPTIONS][sip:192.0.2.1][sip:192.0.2.2]\n\
             OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: {nth}@example.com\r\nContent-Length: 0\r\n\r\n\n"
        )
    };
    numbers.map(one).collect()
}

/// Writes logs of two records each, and makes the first of them the oldest by far.
fn write_logs(dir: &Path, names: &[&str]) {
    for (at, name) in names.iter().enumerate() {
        let first = at as u32 * 2;
        let path = dir.join(name);
        std::fs::write(&path, records(first..first + 2)).expect("written");
        let ago = Duration::from_hours(24 * (names.len() - at) as u64);
        let old = std::time::SystemTime::now() - ago;
        std::fs::File::options().append(true).open(path).expect("open").set_modified(old).expect("set");
    }
}

/// Each Call-ID is stored once; gives the names of the sources.
async fn all_once(siptrail: &Siptrail, records: usize) -> Vec<String> {
    let api = siptrail.api().await;
    eventually("each record is stored once", || async {
        let messages = api.messages("").await?;
        let ids: BTreeSet<String> = messages.iter().map(|one| one.call_id.clone()).collect();
        if (messages.len(), ids.len()) == (records, records) {
            Ok(())
        } else {
            Err(format!("{} messages", messages.len()))
        }
    })
    .await;
    let streams = api.get("/api/v1/streams").await.expect("streams");
    let streams = streams["streams"].as_array().expect("a list").clone();
    let mut names: Vec<String> =
        streams.iter().map(|stream| stream["source_name"].as_str().expect("a source").to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_log_that_is_named_is_read_whatever_rotation_it_looks_like() {
    for (names, sources) in [
        (vec!["proxy.log", "proxy-1.log"], vec!["proxy", "proxy-1"]),
        (vec!["proxy-1.log", "proxy.log", "proxy-2.log"], vec!["proxy", "proxy-1", "proxy-2"]),
        (vec!["sbc-100200.log", "sbc-200300.log"], vec!["sbc-100200", "sbc-200300"]),
        // By their names these are one log.
        (vec!["app.log.2", "app.log.1", "app.log"], vec!["app"; 3]),
        (vec!["app-20261122.log", "app-20261123.log", "app.log"], vec!["app"; 3]),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        write_logs(dir.path(), &names);
        let logs: Vec<_> = names.iter().map(|name| dir.path().join(name)).collect();
        let logs: Vec<&Path> = logs.iter().map(std::path::PathBuf::as_path).collect();
        let siptrail = Siptrail::watch(&dir.path().join("data"), &logs);
        assert_eq!(all_once(&siptrail, names.len() * 2).await, sources, "{names:?}");
        assert_eq!(siptrail.stop().await, Some(0));
    }
}

#[tokio::test]
async fn a_rotation_that_was_passed_over_is_read_once_it_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    write_logs(dir.path(), &["app.log.1", "app.log"]);
    let (data, log, rotation) = (dir.path().join("data"), dir.path().join("app.log"), dir.path().join("app.log.1"));
    let siptrail = Siptrail::watch(&data, &[&log]);
    all_once(&siptrail, 2).await;
    assert_eq!(siptrail.stop().await, Some(0));
    let siptrail = Siptrail::watch(&data, &[&log, &rotation]);
    all_once(&siptrail, 4).await;
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn logs_that_are_compressed_are_named_and_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    write_logs(dir.path(), &["app.log.2.xz", "app.log"]);
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[dir.path()]);
    assert_eq!(
        all_once(&siptrail, 2).await,
        [format!("{}/app.log", dir.path().file_name().expect("a name").display())]
    );
    let line = siptrail.says("compressed").await;
    assert!(line.contains("app.log.2.xz"), "{line}");
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("collector.toml");
    let config = format!("listen = \"127.0.0.1:0\"\ndata = \"{}\"\n", dir.path().join("data").display());
    std::fs::write(&file, config).expect("written");
    let siptrail = Siptrail::start(&["collector", "--config", &file.display().to_string()]);
    let api = siptrail.api().await;
    let address = api.url.trim_start_matches("http://");
    let mut stalled = std::net::TcpStream::connect(address).expect("connected");
    stalled
        .write_all(b"POST /api/v1/append HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        .expect("sent");
    api.page("/healthz").await.expect("it answers others");
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn the_count_on_the_terminal_is_true_at_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("app.log");
    let record = |nth: usize| {
        let message =
            format!("MESSAGE sip:b@x SIP/2.0\r\nCall-ID: {nth}@count\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
        format!("[2026-11-23T12:00:{nth:02}Z][MESSAGE][sip:192.0.2.1][sip:192.0.2.2]\n{message}\n")
    };
    std::fs::write(&log, [record(0), record(1)].concat()).expect("written");
    let siptrail = Siptrail::watch(&dir.path().join("data"), &[&log]);
    siptrail.says("stored: 2 messages of 2 scenarios").await;
    let api = siptrail.api().await;
    let mut more = std::fs::OpenOptions::new().append(true).open(&log).expect("opened");
    for nth in 2..12 {
        more.write_all(record(nth).as_bytes()).expect("written");
    }
    eventually("all are stored", || async {
        let found = api.all("messages", "").await?.len();
        if found == 12 { Ok(()) } else { Err(format!("{found} of 12")) }
    })
    .await;
    let said = siptrail.said_to_the_end().await;
    assert_eq!(said.last().map(String::as_str), Some("stored: 12 messages of 12 scenarios"), "{said:#?}");
    let counts = said.iter().filter(|line| line.starts_with("stored: ")).count();
    assert!(counts <= 3, "they are no flood: {said:#?}");
}

/// Some of them say nothing at all.
#[tokio::test]
async fn connections_that_never_say_what_they_want_are_closed_and_hold_nobody_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let siptrail = Siptrail::start(&[
        "watch",
        "--listen",
        "127.0.0.1:0",
        "--data",
        &dir.path().display().to_string(),
        "/none.log",
    ]);
    let api = siptrail.api().await;
    let address = api.url.trim_start_matches("http://").to_owned();
    agent::limit::raise_file_limit();
    let mut open = JoinSet::new();
    for nth in 0..1_200 {
        let mut connection = TcpStream::connect(&address).await.expect("connected");
        let said = &b"GET / HTTP/1.1\r\nHost: localhost\r\nX-"[..nth % 36];
        connection.write_all(said).await.expect("sent");
        open.spawn(async move {
            tokio::time::timeout(Duration::from_secs(30), connection.read_to_end(&mut Vec::new())).await.is_ok()
        });
    }
    for _ in 0..20 {
        api.page("/healthz").await.expect("it answers others");
    }
    let closed = open.join_all().await;
    assert!(closed.into_iter().all(|closed| closed));
    assert_eq!(siptrail.stop().await, Some(0));
}

#[tokio::test]
async fn the_demo_breaks_what_it_says_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("demo");
    let path = data.display().to_string();
    let demo = Siptrail::start(&["demo", "--listen", "127.0.0.1:0", "--data", &path, "--speed", "60"]);
    let api = demo.api().await;
    let said = demo.says(" of them broken").await;
    let numbers: Vec<usize> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [calls, broken] = numbers[..] else { panic!("how many, and how many broken: {said}") };
    eventually("the demo's calls are scenarios", || async {
        // What is not joined yet is a scenario of its own.
        let all = api.scenarios("").await?;
        let found = all.iter().filter(|one| one["class"] == "call").count();
        if found == calls && all.iter().all(|one| !one["id"].is_null()) {
            Ok(())
        } else {
            Err(format!("{found} of {calls} calls"))
        }
    })
    .await;

    // A mail waits until others of its group had time to come: by then all is judged.
    let mailed = ["answer-lost", "api-timeout", "bye-unanswered", "no-ack", "push-no-wake"];
    let options = SqliteConnectOptions::new().filename(data.join("data/siptrail.db")).read_only(true);
    let reader = SqlitePool::connect_with(options).await.expect("its database");
    eventually("each kind of failure is mailed", || async {
        // Played in the past, what the look-up explains may be judged, and mailed, before it.
        let asked =
            "select distinct failure from alert_group where mails > 0 and rule <> 'call-completes' order by failure";
        let groups: Vec<String> = sqlx::query_scalar(asked).fetch_all(&reader).await.map_err(|e| e.to_string())?;
        if groups == mailed { Ok(()) } else { Err(format!("{groups:?}")) }
    })
    .await;
    reader.close().await;
    assert_eq!(demo.stop().await, Some(0));

    let store = Store::open(&Location::Directory(data.join("data"))).await.expect("its database");
    let always = (Timestamp(0), Timestamp(i64::MAX));
    let failed = store.failed(always.0, always.1, 1_000).await.expect("failures");
    let scenarios: BTreeSet<ScenarioId> = failed.iter().map(|failure| failure.scenario).collect();
    assert_eq!(scenarios.len(), broken);
    let mut breaks: BTreeMap<String, usize> = BTreeMap::new();
    for failure in failed {
        *breaks.entry(format!("{} {}", failure.rule, failure.failure)).or_default() += 1;
    }
    let expected = [
        ("answer-reaches-caller answer-lost", 1),
        // One of them is the answer that was lost.
        ("answered-no-ack no-ack", 2),
        ("bye-propagates bye-unanswered", 1),
        // Whom the look-up does not answer the core refuses.
        ("call-completes server", 10),
        ("push-wakes-device push-no-wake", 1),
        ("rest-answers api-timeout", 10),
    ];
    assert!(breaks.iter().map(|(what, times)| (&**what, *times)).eq(expected), "{breaks:?}");
    for (rule, counts) in store.rule_counts(always.0, always.1).await.expect("counts") {
        let doubtful = [Outcome::Late, Outcome::Unknown].map(|outcome| counts.0.get(&outcome));
        assert_eq!(doubtful, [None; 2], "{rule}: of each call it is clear whether it went well");
    }
    let mails = store.mails(None, 100).await.expect("mails");
    assert!(mails.iter().all(|mail| mail.state == MailState::NotSent && mail.sent.is_none()), "nothing can be sent");
    store.close().await;

    let again = run(&["demo", "--listen", "127.0.0.1:0", "--data", &path]);
    assert_eq!(again.status.code(), Some(2), "the demo wants a fresh directory");
}
