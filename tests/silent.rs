//! An agent that is gone, and what is said of the logs that it no longer reads.

use std::path::Path;

use crate::support::{Api, Siptrail, eventually, free_port, log};

/// A collector and an agent of its own, which follows a log of a forked call.
struct Pair {
    dir: tempfile::TempDir,
    collector: Siptrail,
    api: Api,
}

impl Pair {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("http://127.0.0.1:{}", free_port());
        let listen = url.trim_start_matches("http://");
        let config = format!("listen = \"{listen}\"\ndata = \"{}\"\n", dir.path().join("data").display());
        std::fs::write(dir.path().join("collector.toml"), config).expect("written");
        std::fs::copy(log("two-servers/edge.log"), dir.path().join("sip.log")).expect("copied");
        let log = dir.path().join("sip.log").display().to_string();
        let config = format!(
            "id = \"proxy-1\"\nhost = \"proxy-1\"\ncollector = \"{url}\"\nstate = \"{}\"\n[[source]]\nname = \"sip\"\npaths = [{log:?}]\n",
            dir.path().join("agent").display(),
        );
        std::fs::write(dir.path().join("agent.toml"), config).expect("written");
        let collector = role(dir.path(), "collector");
        let api = collector.api().await;
        Self { dir, collector, api }
    }

    fn agent(&self) -> Siptrail {
        role(self.dir.path(), "agent")
    }

    /// Home, the ladder of the call, and `/readyz`.
    async fn says(&self) -> Result<(String, String, String), String> {
        let home = self.api.page("/").await?;
        let call = self.api.scenarios("&class=call").await?.first().map(Api::id).ok_or("no call yet")?;
        let ladder = self.api.page(&format!("/s/{call}")).await?;
        let ready = match self.api.get("/readyz").await {
            Ok(_) => String::new(),
            Err(why) if why.contains("503") => why,
            // The word is no JSON.
            Err(_) => String::new(),
        };
        Ok((home, ladder, ready))
    }

    async fn is_read(&self) {
        eventually("all say that the log is read", || async {
            let (home, ladder, ready) = self.says().await?;
            let sound = ready.is_empty() && !home.contains("Not working") && home.contains("complete");
            if sound && !ladder.contains("may be missing here") { Ok(()) } else { Err(format!("{ready} {home}")) }
        })
        .await;
    }

    /// Home, ladder and `/readyz` say this of the agent.
    async fn is_not_read(&self, what: &str) {
        eventually("all say that the log is not read", || async {
            let (home, ladder, ready) = self.says().await?;
            let trouble = format!("<b>The agent on proxy-1</b> {what}");
            let said = home.contains(&trouble) && ready.contains(&format!("The agent on proxy-1 {what}"));
            // On the column of the server whose log it is, too.
            let ladder_says = ladder.contains("Messages of sip on proxy-1 may be missing here: its agent ")
                && ladder.contains("class=\"late\"");
            if said && ladder_says && !home.contains("</svg>complete") {
                Ok(())
            } else {
                Err(format!("{ready}\n{home}\n{ladder}"))
            }
        })
        .await;
        let server = self.api.page("/readyz?of=server").await;
        assert_eq!(server.as_deref(), Ok("ready\n"));
    }
}

fn role(dir: &Path, role: &str) -> Siptrail {
    Siptrail::start(&[role, "--config", &dir.join(format!("{role}.toml")).display().to_string()])
}

#[tokio::test]
async fn an_agent_that_is_gone_is_named_on_home_in_readyz_and_on_each_ladder_of_its_logs() {
    let pair = Pair::start().await;
    let agent = pair.agent();
    pair.is_read().await;
    assert_eq!(agent.stop().await, Some(0));
    pair.is_not_read("was stopped at ").await;
    let agent = pair.agent();
    pair.is_read().await;
    agent.kill_9();
    pair.is_not_read("last reported at ").await;
    let agents = pair.api.get("/api/v1/agents").await.expect("agents");
    assert_eq!(agents["agents"][0]["presence"], "unheard");
    let agent = pair.agent();
    pair.is_read().await;
    assert_eq!((agent.stop().await, pair.collector.stop().await), (Some(0), Some(0)));
}
