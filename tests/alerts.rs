//! From log to mailbox: what did not end as expected is mailed once, with a link to what is missing, and nothing else is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use record::time::{SECOND, Timestamp};

use crate::support::{Database, Exim, Oncall, eventually, said, with_least};

/// Calls that go well, by which it is learned what the logs hold.
pub const WELL: [&str; 4] = ["01-basic", "05-fork-busy-answer", "06-answered-elsewhere", "08-late-fork-push"];

/// What stands before the team.
pub const ROUTES: &str =
    "[defaults]\ngroup_wait = \"2s\"\ngroup_interval = \"5s\"\nrepeat = \"10s\"\n[budget]\nper_hour = 100\n";

/// A case that fails: its name, its Call-ID, and by which failures; of each, where its link leads.
pub type Failing = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

pub const FAIL: [Failing; 6] = [
    ("40-no-ack", "43d5ffca789d5a33", &[("no-ack", "answered-no-ack.ack.B1")]),
    ("41-still-ringing", "cef028d2dceec25e", &[("still-ringing", "loser-released.released.B2")]),
    ("32-bye-noanswer", "c9c9e88dc48808d9", &[("bye-unanswered", "bye-propagates.answered.B1")]),
    (
        "43-answer-lost",
        "c17f8389d3d10951",
        &[("answer-lost", "answer-reaches-caller.told.B1"), ("server", "call-completes.end.A")],
    ),
    ("63-push-410-other", "a9326054c66ec0d6", &[("push-rejected", "push-wakes-device.accepted.B2")]),
    ("09-push-never-wakes", "b791d4423b0ed07d", &[("push-no-wake", "push-wakes-device.wake.B1")]),
];

/// Between one case and the next, so that no registration of one is taken for that of another.
const BETWEEN: i64 = 90 * SECOND;

/// The records of a log, with their times.
fn records(log: &str) -> Vec<(Timestamp, String)> {
    let mut records: Vec<(Timestamp, String)> = Vec::new();
    for line in log.split_inclusive('\n') {
        let time = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).and_then(|(time, _)| read(time));
        match (time, records.last_mut()) {
            (Some(time), _) => records.push((time, line.to_owned())),
            (None, Some((_, record))) => record.push_str(line),
            (None, None) => {}
        }
    }
    records
}

/// `2026-11-23 10:03:00.064Z`.
fn read(time: &str) -> Option<Timestamp> {
    let time = chrono::NaiveDateTime::parse_from_str(time.strip_suffix('Z')?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(Timestamp(time.and_utc().timestamp_micros()))
}

/// The logs of cases, one after another, so that the last of them ended two minutes ago.
pub fn logs(cases: &[&str], into: &Path) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/calls");
    let mut end = collector::ingest::now().0 - 120 * SECOND;
    let mut logs: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for case in cases.iter().rev() {
        let files: Vec<PathBuf> =
            std::fs::read_dir(folder.join(case)).expect("a case").map(|entry| entry.expect("a log").path()).collect();
        let read: Vec<(String, Vec<(Timestamp, String)>)> = files
            .iter()
            .map(|file| {
                let name = file.file_name().expect("a name").to_string_lossy().into_owned();
                (name, records(&std::fs::read_to_string(file).expect("text")))
            })
            .collect();
        let times = || read.iter().flat_map(|(_, records)| records.iter().map(|(time, _)| time.0));
        let (first, last) = (times().min().expect("records"), times().max().expect("records"));
        for (name, records) in read {
            for (time, record) in records {
                let at = time.0 - last + end;
                let (_, rest) = record.split_once(']').expect("a header");
                let shown = chrono::DateTime::from_timestamp_micros(at).expect("a time");
                let header = format!("[{}Z]{rest}", shown.format("%Y-%m-%d %H:%M:%S%.6f"));
                logs.entry(name.clone()).or_default().push((at, header));
            }
        }
        end -= last - first + BETWEEN;
    }
    logs.into_iter()
        .map(|(name, mut records)| {
            records.sort_by_key(|(at, _)| *at);
            let path = into.join(name);
            std::fs::write(&path, records.into_iter().map(|(_, record)| record).collect::<String>()).expect("written");
            path
        })
        .collect()
}

/// `killed`: the collector is killed once this many mails were delivered, and started again.
async fn failures_are_mailed(database: &str, exim: &Exim, killed: &[usize]) {
    let pair = Oncall::make(&with_least(&exim.toml(&exim.trusted())), database, ROUTES);
    let cases: Vec<&str> = WELL.into_iter().chain(FAIL.iter().map(|(case, ..)| *case)).collect();
    logs(&cases, &pair.logs());
    let (mut collector, agent) = (pair.start("collector"), pair.start("agent"));
    let api = collector.api().await;
    for delivered in killed {
        exim.delivered("oncall", *delivered).await;
        collector.kill_9();
        collector = pair.start("collector");
        collector.api().await;
    }
    let expected: Vec<(&str, &str, &str)> = FAIL
        .iter()
        .flat_map(|(_, call, failures)| failures.iter().map(|(failure, fragment)| (*call, *failure, *fragment)))
        .collect();
    // A mail that was on its way when its sender was killed comes once more, with the same Message-ID.
    let mut mails: BTreeMap<String, String> = BTreeMap::new();
    for number in 1..=expected.len() {
        // What a killed sender had taken is another's after two minutes.
        mails = eventually(&format!("{number} mails"), || async {
            let mails = exim.delivered("oncall", 1).await;
            let mails: BTreeMap<_, _> =
                mails.into_iter().map(|mail| (said(&mail, "Message-ID:").concat(), mail)).collect();
            if mails.len() < number { Err(format!("{} mails", mails.len())) } else { Ok(mails) }
        })
        .await;
    }
    let mails: Vec<String> = mails.into_values().collect();
    let ids = pair.scenarios(&api).await;
    for (call, failure, fragment) in &expected {
        let id = &ids[*call];
        let own: Vec<&String> =
            mails.iter().filter(|mail| said(mail, "Subject:").concat().contains(&format!(" {failure}:"))).collect();
        let [mail] = own[..] else { panic!("{} mails of {failure}: {own:#?}", own.len()) };
        assert_eq!(said(mail, "scenarios:"), [id.as_str()], "{mail}");
        let link = format!("{}/s/{id}#{fragment}", pair.url);
        assert!(mail.contains(&link), "{link} in {mail}");
        // The link opens the ladder at what is missing.
        let page = api.page(&format!("/s/{id}")).await.expect("the page");
        assert!(page.contains(&format!("id=\"{fragment}\"")), "{fragment} in {page}");
    }
    assert_eq!(mails.len(), expected.len(), "nobody is woken for what went well");
    assert_eq!((agent.stop().await, collector.stop().await), (Some(0), Some(0)));
}

#[tokio::test]
async fn what_did_not_end_as_expected_is_mailed_once_and_nothing_else_is_on_sqlite() {
    let exim = Exim::start().await;
    let data = tempfile::tempdir().expect("a directory");
    failures_are_mailed(&format!("data = \"{}\"", data.path().display()), &exim, &[]).await;
}

#[tokio::test]
async fn a_collector_that_is_killed_amid_its_mails_loses_and_repeats_none_on_sqlite() {
    let exim = Exim::start().await;
    let data = tempfile::tempdir().expect("a directory");
    failures_are_mailed(&format!("data = \"{}\"", data.path().display()), &exim, &[1, 3]).await;
}

#[tokio::test]
async fn a_collector_that_is_killed_amid_its_mails_loses_and_repeats_none_on_postgresql() {
    let (exim, database) = (Exim::start().await, Database::make("alerts").await);
    let data = tempfile::tempdir().expect("a directory");
    let url = data.path().join("url");
    std::fs::write(&url, database.url()).expect("written");
    failures_are_mailed(&format!("postgres_url_file = \"{}\"", url.display()), &exim, &[1, 3]).await;
    database.drop().await;
}
