//! Two collectors on one PostgreSQL, each fed by an agent of its own and killed in turn: they join what one would.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::{Api, Database, Siptrail, eventually, free_port};

/// Logs that each agent follows, and calls that share a value.
const LOGS: usize = 12;
const SIZES: [usize; 4] = [2, 4, 40, 60];
const TIMES: usize = 4;
/// Calls written between two kills.
const BURST: usize = 60;

#[tokio::test]
async fn two_collectors_that_are_killed_in_turn_join_what_one_would() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = Database::make("two").await;
    let sites = ["one", "two"].map(|name| Site::new(&dir.path().join(name), &database.url()));
    let mut running = sites.each_ref().map(|site| (site.start("collector"), site.start("agent")));
    let api = Api::at(&sites[0].url);

    let groups: Vec<usize> = (0..TIMES).flat_map(|_| SIZES).collect();
    let calls: Vec<(usize, usize)> =
        groups.iter().enumerate().flat_map(|(group, size)| (0..*size).map(move |at| (group, at))).collect();
    for (burst, calls) in calls.chunks(BURST).enumerate() {
        for (group, at) in calls {
            // Each call is logged at both sites.
            for site in &sites {
                site.log(*group, *at);
            }
        }
        let written = 2 * (burst * BURST + calls.len());
        eventually("half of it is stored", || async {
            let streams = api.all("streams", "").await?;
            let stored: u64 = streams.iter().filter_map(|stream| stream["records"].as_u64()).sum();
            if stored as usize * 2 >= written { Ok(()) } else { Err(format!("{stored} of {written}")) }
        })
        .await;
        // The other one answers meanwhile, and takes over what this one had leased.
        if burst % 2 == 1 {
            let [answers, (collector, agent)] = running;
            collector.kill_9();
            agent.kill_9();
            running = [answers, (sites[1].start("collector"), sites[1].start("agent"))];
        }
    }

    let mut wanted: BTreeMap<u64, usize> = BTreeMap::new();
    for size in groups {
        // A value that no call has as its Call-ID joins 50.
        *wanted.entry(size.min(50) as u64).or_default() += 1;
        *wanted.entry(1).or_default() += size.saturating_sub(50);
    }
    eventually("all groups are joined", || async {
        let mut found: BTreeMap<u64, usize> = BTreeMap::new();
        let mut messages = 0;
        for scenario in api.scenarios("&class=call").await? {
            *found.entry(scenario["calls"].as_u64().unwrap_or(0)).or_default() += 1;
            messages += scenario["messages"].as_u64().unwrap_or(0);
        }
        let all = 2 * calls.len() as u64;
        if found == wanted && messages == all {
            Ok(())
        } else {
            Err(format!("{found:?}, {messages} of {all} messages"))
        }
    })
    .await;
    for (collector, agent) in running {
        let said = collector.said();
        assert!(!said.iter().any(|line| line.contains("deadlock") || line.contains("database")), "{said:#?}");
        assert_eq!(agent.stop().await, Some(0));
        assert_eq!(collector.stop().await, Some(0));
    }
    database.drop().await;
}

struct Site {
    dir: PathBuf,
    url: String,
}

impl Site {
    fn new(dir: &Path, database: &str) -> Self {
        std::fs::create_dir_all(dir.join("logs")).expect("made");
        let url = format!("127.0.0.1:{}", free_port());
        std::fs::write(dir.join("url"), database).expect("written");
        let config = format!(
            "listen = \"{url}\"\ndata = \"{}\"\npostgres_url_file = \"{}\"\n[[key]]\nspace = \"group\"\nheader = \"X-Group\"\n",
            dir.join("data").display(),
            dir.join("url").display()
        );
        std::fs::write(dir.join("collector.toml"), config).expect("written");
        let url = format!("http://{url}");
        let config = format!(
            "collector = \"{url}\"\nstate = \"{}\"\n[[source]]\nname = \"sip\"\npaths = [\"{}/*.log\"]\n",
            dir.join("state").display(),
            dir.join("logs").display()
        );
        std::fs::write(dir.join("agent.toml"), config).expect("written");
        Self { dir: dir.to_owned(), url }
    }

    fn start(&self, role: &str) -> Siptrail {
        Siptrail::start(&[role, "--config", &self.dir.join(format!("{role}.toml")).display().to_string()])
    }

    fn log(&self, group: usize, at: usize) {
        let name = format!("{}.log", (group + at * 5) % LOGS);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("logs").join(name));
        log.expect("a log").write_all(record(group, at).as_bytes()).expect("written");
    }
}

fn record(group: usize, at: usize) -> String {
    let call = format!("group-{group}-call-{at}@two.example.com");
    let (second, micros) = (1_795_463_450 + group, at * 10_000);
    format!(
        "[{second}.{micros:06}][INVITE][sip:192.0.2.1:5060][sip:192.0.2.2:5060]\n\
         INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{group}x{at}\r\n\
         From: <sip:alice@example.com>;tag={at}\r\nTo: <sip:bob@example.com>\r\nCall-ID: {call}\r\n\
         CSeq: 1 INVITE\r\nX-Group: conference-{group}\r\nContent-Length: 0\r\n\r\n\n"
    )
}
