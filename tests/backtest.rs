//! `siptrail rules test`: what rules would have reported and mailed of stored calls, while nothing of these is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use collector::backtest::{self, Bounds};
use collector::book::Book;
use record::id::ScenarioId;
use record::time::{DAY, Timestamp};
use rule::set::RuleSet;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{Location, Store};

use crate::alerts::{FAIL, ROUTES, WELL, logs};
use crate::support::{Database, Oncall, Siptrail, eventually, sha256};

fn rules_test(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrail"));
    for name in ["SIPTRAIL_DATA", "SIPTRAIL_CONFIG", "SIPTRAIL_RULES"] {
        command.env_remove(name);
    }
    command.args(["rules", "test"]).args(args).output().expect("the binary runs")
}

/// What it says; it ended well.
fn tried(args: &[&str]) -> String {
    let out = rules_test(args);
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), String::new()));
    text(&out.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Without what differs from run to run: times, and ids that come as logs are read.
fn alike(said: &str) -> String {
    let is_number = |word: &str, signs: &str| {
        word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || signs.contains(c))
    };
    let word = |word: &str| match word {
        word if word.len() == 8 && word.chars().all(|c| c.is_ascii_hexdigit()) => Some("ID".to_owned()),
        // A day other than today's.
        word if word.len() == 5 && is_number(word, "-") => None,
        word if word.len() == 10 && is_number(word, "-") => Some("DATE".to_owned()),
        word if word.contains(':') && is_number(word, ":Z,.") => {
            Some(word.trim_end_matches(',').len()).map(|end| format!("TIME{}", &word[end..]))
        }
        word => Some(word.to_owned()),
    };
    let line = |line: &str| line.split(' ').filter_map(word).collect::<Vec<_>>().join(" ");
    said.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// By rule and class: how many mails to the team, and of which scenarios.
type Mails = BTreeMap<(String, String), (i64, BTreeSet<ScenarioId>)>;

async fn mailed(store: &Store) -> Result<Mails, String> {
    let mut mails = Mails::new();
    for group in store.alert_groups(1_000).await.map_err(|error| error.to_string())? {
        let items = store.alert_items(group.id, 1_000).await.map_err(|error| error.to_string())?;
        let of = items.into_iter().filter(|item| item.reported.is_some()).map(|item| item.scenario).collect();
        if group.mails > 0 {
            mails.insert((group.key.rule, group.key.failure), (group.mails, of));
        }
    }
    let all: usize = FAIL.iter().map(|(.., failures)| failures.len()).sum();
    if mails.len() == all { Ok(mails) } else { Err(format!("{mails:#?}")) }
}

/// What is said is what was mailed, once each.
fn is_mailed(said: &str, mails: &Mails) -> bool {
    let sent = said.lines().filter(|line| line.starts_with("would have sent ")).count();
    sent == mails.len()
        && mails.iter().all(|((rule, class), (number, scenarios))| {
            assert_eq!((*number, scenarios.len()), (1, 1));
            let sent = format!("would have sent 1 mail to oncall about {rule} ({class}): ");
            let of = |line: &str, id: &ScenarioId| {
                line.starts_with(&id.to_string()) && line.contains(&format!(" {rule} {class}: "))
            };
            said.lines().any(|line| line.starts_with(&sent) && line.ends_with(" (1 scenario)"))
                && scenarios.iter().all(|id| said.lines().any(|line| of(line, id)))
        })
}

/// All that stands in the database, in few bytes.
async fn contents(location: &Location, url: Option<&str>) -> String {
    let Some(url) = url else {
        let Location::Directory(directory) = location else { panic!("a directory") };
        let wal = std::fs::metadata(directory.join("siptrail.db-wal")).map_or(0, |wal| wal.len());
        return format!("{} {wal}", sha256(&std::fs::read(directory.join("siptrail.db")).expect("a database")));
    };
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let tables = "select tablename from pg_tables where schemaname = 'public' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.expect("tables");
    assert!(tables.len() > 20, "{tables:?}");
    let mut all = String::new();
    for table in tables {
        let hash = format!("select coalesce(md5(string_agg(t::text, ' ' order by t::text)), '') from {table} t");
        let hash: String = sqlx::query_scalar(AssertSqlSafe(hash)).fetch_one(&mut connection).await.expect("rows");
        all += &format!("{table} {hash}\n");
    }
    all
}

/// The oldest calls first, so many and for so long.
async fn are_bounded(store: &Store) {
    let now = collector::ingest::now();
    let window = (Timestamp(now.0 - DAY), now);
    let book = Arc::new(Book::new(RuleSet::built_in(), None, Vec::new()));
    let mut told = Vec::new();
    let bounds = Bounds { calls: 3, ..Bounds::default() };
    let some = backtest::run(store, Arc::clone(&book), window, bounds, |calls, began| told.push((calls, began))).await;
    let some = some.expect("judged");
    assert_eq!((some.calls, told), (3, vec![(3, some.ends_at.expect("there are more"))]));
    let bounds = Bounds { time: Duration::ZERO, ..Bounds::default() };
    let none = backtest::run(store, Arc::clone(&book), window, bounds, |_, _| {}).await.expect("judged");
    assert!(none.calls == 0 && none.ends_at.is_some());
    let all = backtest::run(store, book, window, Bounds::default(), |_, _| {}).await.expect("judged");
    assert!(all.calls > 9 && all.ends_at.is_none());
}

async fn rules_are_tried(location: Location, database: &str, url: Option<&str>) {
    let pair = Oncall::make("", database, ROUTES);
    let cases: Vec<&str> = WELL.into_iter().chain(FAIL.iter().map(|(case, ..)| *case)).collect();
    logs(&cases, &pair.dir.path().join("logs"));
    let file = |name: &str| pair.dir.path().join(name).display().to_string();
    let config = file("collector.toml");
    let (collector, agent) = (pair.start("collector"), pair.start("agent"));
    collector.api().await.settled(cases.len()).await;

    // Beside the collector: what would have been mailed is what was mailed.
    let store = Store::open_to_read(&location).await.expect("a store");
    let mailed = eventually("all that fails is mailed", || mailed(&store)).await;
    are_bounded(&store).await;
    store.close().await;
    let said = eventually("as much is known of the logs as the collector knew", || async {
        let said = tried(&["--config", &config]);
        if is_mailed(&said, &mailed) { Ok(said) } else { Err(format!("{said}\n{mailed:#?}")) }
    })
    .await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(alike(&said), @"
        12 scenarios since DATE TIME, judged by 10 rules; nothing was changed. Times are UTC.

        call-completes         10 judged  7 ok  2 business  1 failed (server 1)
        answered-no-ack         8 judged  6 ok  2 failed (no-ack 2)
        answer-reaches-caller   8 judged  7 ok  1 failed (answer-lost 1)
        push-wakes-device       3 judged  1 ok  2 failed (push-no-wake 1, push-rejected 1)
        loser-released          5 judged  4 ok  1 failed (still-ringing 1)
        bye-propagates          7 judged  6 ok  1 failed (bye-unanswered 1)
        rest-answers            3 judged  3 ok
        registration            1 judged  1 ok
        Nothing was judged by invite-without-push, second-answer-released.

        would have sent 1 mail to oncall about answered-no-ack (no-ack): TIME (1 scenario)
        would have sent 1 mail to oncall about loser-released (still-ringing): TIME (1 scenario)
        would have sent 1 mail to oncall about bye-propagates (bye-unanswered): TIME (1 scenario)
        would have sent 1 mail to oncall about call-completes (server): TIME (1 scenario)
        would have sent 1 mail to oncall about answer-reaches-caller (answer-lost): TIME (1 scenario)
        would have sent 1 mail to oncall about push-wakes-device (push-rejected): TIME (1 scenario)
        would have sent 1 mail to oncall about push-wakes-device (push-no-wake): TIME (1 scenario)
        would have mailed nobody about answered-no-ack (no-ack): 1 scenario; explained by answer-reaches-caller

        ID  DATE TIME  alice -> bob  B1 192.0.2.7 -> bob  answered-no-ack no-ack: no ACK to device within 32 s, by TIME
        ID  DATE TIME  alice -> bob  B2 bob JsSIP -> 192.0.2.7  loser-released still-ringing: no 3xx-6xx INVITE from device within 8 s of answer, by TIME
        ID  DATE TIME  alice -> bob  B1 192.0.2.1 -> alice  bye-propagates bye-unanswered: no 2xx-6xx BYE within 32 s of start, by TIME
        ID  DATE TIME  alice -> bob  A  call-completes server: 500 Server Internal Error, at TIME
        ID  DATE TIME  alice -> bob  B1 192.0.2.7 -> bob  answered-no-ack no-ack: no ACK to device within 32 s, by TIME
        ID  DATE TIME  alice -> bob  B1 192.0.2.1 -> alice  answer-reaches-caller answer-lost: no 2xx INVITE to caller within 2 s, by TIME
        ID  DATE TIME  alice -> bob  B2 api.push.apple.com -> 192.0.2.20  push-wakes-device push-rejected: no 2xx PUSH within 3 s, by TIME
        ID  DATE TIME  alice -> bob  B1  push-wakes-device push-no-wake: no REGISTER from device within 10 s of start, by TIME
        ");
    }
    assert_eq!((agent.stop().await, collector.stop().await), (Some(0), Some(0)));

    // Nothing is changed, whatever the rules.
    let before = contents(&location, url).await;
    let strict = std::fs::read_to_string("etc/rules/20-ack.toml").expect("a shipped rule");
    let strict = strict.replace("within 32s", "within 1ms").replace("[rule.says]", "late_for = \"1ms\"\n[rule.says]");
    std::fs::write(file("20-ack.toml"), strict).expect("written");
    let stricter = tried(&["--config", &config, "--since", "2h", &file("20-ack.toml")]);
    let failed = |said: &str| -> usize {
        let line = said.lines().find(|line| line.starts_with("answered-no-ack ")).expect("its line");
        line.split("(no-ack ").nth(1).and_then(|rest| rest.split(')').next()?.parse().ok()).expect("a number")
    };
    assert_eq!(failed(&said), 2, "{said}");
    assert!(failed(&stricter) > 6, "{stricter}");
    assert!(stricter.contains(" about answered-no-ack (no-ack): "), "{stricter}");
    assert_eq!(contents(&location, url).await, before);
}

#[tokio::test]
async fn what_rules_would_have_mailed_is_what_was_mailed_and_nothing_is_changed_on_sqlite() {
    let data = tempfile::tempdir().expect("a directory");
    let location = Location::Directory(data.path().into());
    rules_are_tried(location, &format!("data = \"{}\"", data.path().display()), None).await;
}

#[tokio::test]
async fn what_rules_would_have_mailed_is_what_was_mailed_and_nothing_is_changed_on_postgresql() {
    let database = Database::make("backtest").await;
    let data = tempfile::tempdir().expect("a directory");
    let url = data.path().join("url");
    std::fs::write(&url, database.url()).expect("written");
    let location = Location::postgres(&database.url()).expect("a database");
    rules_are_tried(location, &format!("postgres_url_file = \"{}\"", url.display()), Some(&database.url())).await;
    database.drop().await;
}

#[tokio::test]
async fn rules_are_tried_beside_a_watch_without_routes_and_without_a_config() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let logs = logs(&["01-basic"], dir.path());
    let logs: Vec<&Path> = logs.iter().map(AsRef::as_ref).collect();
    let data = data.display().to_string();
    let nothing = rules_test(&["--data", &data]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        text(&nothing.stderr).ends_with("name another with --data DIR, or a collector's config with --config FILE\n")
    );

    let watch = Siptrail::watch(Path::new(&data), &logs);
    watch.api().await.settled(1).await;
    let rule = "[[rule]]\nid = \"own\"\ntitle = \"Nobody calls\"\nseverity = \"warning\"\nper = \"attempt\"\n\
         start = \"INVITE from caller with initial=yes\"\nsteps = [\"no 2xx INVITE to caller within 60s else answered\"]\n\
         [rule.says]\nanswered = \"somebody answered\"\n";
    let own = dir.path().join("own.toml").display().to_string();
    std::fs::write(&own, rule).expect("written");
    let said = tried(&["--data", &data, "--since", "1h", &own]);
    insta::assert_snapshot!(alike(&said), @"
    1 scenario since DATE TIME, judged by 11 rules; nothing was changed. Times are UTC.

    call-completes         1 judged  1 ok
    answered-no-ack        1 judged  1 ok
    answer-reaches-caller  1 judged  1 ok
    bye-propagates         1 judged  1 ok
    own                    1 judged  1 failed (answered 1)
    Nothing was judged by push-wakes-device, invite-without-push, loser-released, second-answer-released, rest-answers, registration.

    Nobody would have been mailed, as there are no routes (--routes FILE; docs/alerts.md has an example).
    With one route for all failures:
    would have sent 1 mail about own (answered): TIME (1 scenario)

    ID  DATE TIME  alice -> bob  A  own answered: 2xx INVITE to caller within 1 min came, at TIME
    ");
    let said = tried(&["--data", &data, "--since", "1s"]);
    assert!(
        said.starts_with("There is no call since ") && said.ends_with("Give a longer time: --since 7d\n"),
        "{said}"
    );
    assert_eq!(watch.stop().await, Some(0));
}

#[test]
fn faults_of_files_are_shown_as_by_rules_check_before_any_database_is_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(file("own.toml"), "[[rule]]\nid = \"own\"\nper = \"atempt\"\n").expect("written");
    let nowhere = file("nowhere");
    let out = rules_test(&["--data", &nowhere, &file("own.toml")]);
    let check = ["rules", "check", "--rules", &dir.path().display().to_string()];
    let check = Command::new(env!("CARGO_BIN_EXE_siptrail")).args(check).output().expect("the binary runs");
    assert_eq!((out.status.code(), check.status.code()), (Some(2), Some(2)));
    assert!(
        text(&out.stderr).contains(&format!("{}:3:8: `atempt` is no per", file("own.toml"))),
        "{}",
        text(&out.stderr)
    );
    assert_eq!(text(&out.stderr), text(&check.stderr));
    std::fs::write(file("routes"), "[[route]]\nmatch = {}\nto = [\"nobody\"]\n").expect("written");
    for (args, wanted) in [
        (&["--routes", &file("routes")][..], "there is no team `nobody`"),
        (&["--since", "2 weeks"], "give a time such as 500ms, 2s, 5m or 4h, of a year at most"),
        (&[&file("own.txt")], "the name of a file of rules ends in .toml"),
        (&[&file("gone.toml")], "cannot read"),
        (&["--config", &nowhere], "name the file with --config"),
    ] {
        let out = rules_test(&[&["--data", &nowhere], args].concat());
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(text(&out.stderr).contains(wanted), "{args:?}: {}", text(&out.stderr));
    }
}
