//! SQLite and PostgreSQL behind the same log: every page and every list of the API says the same.

use std::path::Path;

use crate::support::{Api, Database, Siptrail, eventually, free_port, log};

#[tokio::test]
async fn every_page_says_the_same_on_both_databases() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("kamailio.log");
    std::fs::copy(log("kamailio.log"), &file).expect("copied");
    let database = Database::make("pages").await;
    let url = dir.path().join("url");
    std::fs::write(&url, database.url()).expect("written");

    let sqlite = Place::start(&dir.path().join("sqlite"), &file, "").await;
    let postgres = format!("postgres_url_file = \"{}\"\n", url.display());
    let postgres = Place::start(&dir.path().join("postgres"), &file, &postgres).await;

    // A collector describes its doors for agents beside what it serves to people.
    let document = sqlite.api.get("/api/openapi.json").await.expect("a document");
    for (door, method) in [("append", "post"), ("heartbeat", "post"), ("positions", "get")] {
        let said = &document["paths"][format!("/api/v1/{door}")][method];
        assert!(said["responses"]["503"].is_object() && said["responses"]["200"].is_object(), "{door}: {said}");
    }
    assert!(document["paths"]["/api/v1/scenarios"].is_object());

    for place in [&sqlite, &postgres] {
        place.api.settled(15).await;
    }
    let forked = sqlite.api.forked_call().await;
    let row = sqlite.api.rows(&forked).await.swap_remove(3);
    let registration = sqlite.api.scenarios("&class=registration").await.expect("scenarios").remove(0);
    let paths = [
        "/search?q=bob".to_owned(),
        "/search?q=dave&class=call".into(),
        "/search?caller=alice&status=200".into(),
        "/search?kind=push&limit=2".into(),
        "/search?q=1-16934%40127.0.0.1".into(),
        "/search?q=nobody".into(),
        forked.clone(),
        format!("{forked}?leg=B1&kind=sip"),
        format!("{forked}?m={row}"),
        format!("{forked}?m={row}&tab=raw"),
        format!("{forked}?m={row}&tab=log"),
        format!("/s/{}", Api::id(&registration)),
        "/api/v1/scenarios?limit=5".into(),
        "/api/v1/scenarios?method=CANCEL".into(),
        format!("/api/v1/scenarios/{}", &forked[3..]),
        "/api/v1/messages?limit=1000".into(),
        "/api/v1/messages?status=487&limit=3".into(),
        format!("/api/v1/messages/{row}"),
    ];
    for path in paths {
        let (one, other) = (sqlite.shows(&path).await, postgres.shows(&path).await);
        assert!(!one.is_empty(), "{path} is empty");
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other, "{path} differs: {differs:#?}");
    }
    sqlite.stop().await;
    postgres.stop().await;
    database.drop().await;
}

/// A collector and the agent that feeds it; the agent has the same id everywhere, so messages have the same ids.
struct Place {
    collector: Siptrail,
    agent: Siptrail,
    api: Api,
}

impl Place {
    async fn start(dir: &Path, log: &Path, config: &str) -> Self {
        std::fs::create_dir(dir).expect("made");
        let url = format!("127.0.0.1:{}", free_port());
        let file = dir.join("collector.toml");
        let data = dir.join("data");
        let text = format!("listen = \"{url}\"\ndata = \"{}\"\n{config}", data.display());
        std::fs::write(&file, text).expect("written");
        let collector = Siptrail::start(&["collector", "--config", &file.display().to_string()]);
        let file = dir.join("agent.toml");
        let text = format!(
            "id = \"same\"\ncollector = \"http://{url}\"\nstate = \"{}\"\n[[source]]\nname = \"sip\"\npaths = [\"{}\"]\n",
            dir.join("state").display(),
            log.display()
        );
        std::fs::write(&file, text).expect("written");
        let agent = Siptrail::start(&["agent", "--config", &file.display().to_string()]);
        let api = collector.api().await;
        eventually("all is stored and correlated", || async {
            let scenarios = api.scenarios("&class=call,registration").await?;
            let messages: u64 = scenarios.iter().filter_map(|scenario| scenario["messages"].as_u64()).sum();
            if messages == 288 { Ok(()) } else { Err(format!("{messages} of 288")) }
        })
        .await;
        Self { collector, agent, api }
    }

    /// A page without the address of its server, which stands in what is printed, and without links to "the last 15 minutes",
    /// which name the second in which it was asked for.
    async fn shows(&self, path: &str) -> String {
        let page = self.api.page(path).await.expect(path);
        let page = page.replace(self.api.url.trim_start_matches("http://"), "siptrail.example.com");
        page.lines().filter(|line| !line.contains("last 15 min")).collect::<Vec<_>>().join("\n")
    }

    async fn stop(self) {
        assert_eq!(self.agent.stop().await, Some(0));
        assert_eq!(self.collector.stop().await, Some(0));
    }
}
