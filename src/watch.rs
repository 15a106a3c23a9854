//! `siptrail watch LOG…`: agent, collector and pages in one process on SQLite.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::agent::stop::until_signal;
use ::agent::{Call, Config, Progress, Reply, Transport};
use anyhow::Context;
use collector::Ingest;
use store::Location;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cli::{self, Following};
use crate::outcome::WrongConfig;
use crate::serve::{self, Agents, Server};
use crate::{count, progress, screen, sources};

/// Appends the agent may have waiting; it has four in flight at most.
const WAITING: usize = 8;
/// After a batch could not be stored.
const RETRY: Duration = Duration::from_secs(2);

pub async fn run(asked: cli::Watch) -> anyhow::Result<()> {
    let data = asked.data.map_or_else(default_data, Ok)?;
    let cancel = until_signal(screen::say).context("cannot wait for signals")?;
    Watch::start(asked.pages.listen, data, asked.follow).await?.follow(cancel).await
}

/// A collector that serves its pages, and what an agent beside it is to follow.
pub struct Watch {
    server: Server,
    serving: CancellationToken,
    agent: Config,
}

impl Watch {
    pub async fn start(listen: SocketAddr, data: PathBuf, follow: Following) -> anyhow::Result<Self> {
        let agent = sources::config(&data, follow)?;
        let listener = serve::bind(listen, "--listen").await?;
        let serving = CancellationToken::new();
        let following = agent
            .sources
            .iter()
            .flat_map(|source| source.paths.iter().map(|path| path.display().to_string()))
            .collect();
        let (location, config) = (Location::Directory(data.clone()), collector::Config::default());
        let agents = Agents::Here { following };
        let server = Server::start(listener, location, &config, agents, serving.clone()).await?;
        screen::say(&format!("Siptrail is at http://{}/ (data in {})", server.address, data.display()));
        Ok(Self { server, serving, agent })
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Follows and serves until cancelled.
    pub async fn follow(self, cancel: CancellationToken) -> anyhow::Result<()> {
        let (calls, answers) = mpsc::channel(WAITING);
        let bridge = tokio::spawn(answer_calls(self.server.ingest.clone(), answers));
        let (tell, told) = watch::channel(Progress::default());
        let telling = tokio::spawn(progress::tell(told.clone(), self.server.store.clone()));
        // Without its collector, the agent would only wait.
        let (serving, agent) = (self.serving.clone(), cancel.clone());
        let linked = tokio::spawn(async move {
            serving.cancelled().await;
            agent.cancel();
        });
        let result = ::agent::run(self.agent, Transport::InProcess(calls), tell, cancel).await;
        linked.abort();
        telling.abort();
        count::last(&told, &self.server.store).await;
        self.serving.cancel();
        bridge.await.context("the in-process collector stopped")?;
        self.server.finish().await?;
        result.context("following stopped")
    }
}

/// What HTTP would do, without HTTP.
async fn answer_calls(ingest: Ingest, mut calls: mpsc::Receiver<Call>) {
    while let Some(call) = calls.recv().await {
        let ingest = ingest.clone();
        tokio::spawn(async move {
            match call {
                Call::Append(append, reply) => {
                    let answer = match ingest.append(append).await {
                        Ok(answer) => Reply::Answer(answer),
                        Err(error) => refusal(&error),
                    };
                    // The agent may have gone; then nobody waits for the answer.
                    let _ = reply.send(answer);
                }
                Call::Heartbeat(heartbeat, heard) => {
                    let said = ingest.heartbeat(heartbeat).await;
                    let _ = heard.send(said.map(|_| ()).map_err(|error| error.to_string()));
                }
                Call::Positions { agent, asked, answer } => {
                    let positions = ingest.positions(&agent, asked, 1000).await.map_err(|e| e.to_string());
                    let _ = answer.send(positions);
                }
            }
        });
    }
}

/// As the status over HTTP would say it.
fn refusal(error: &collector::Error) -> Reply {
    let status = collector::http::status_of(error);
    if status.is_client_error() {
        return Reply::Refused { status: status.as_u16(), text: error.to_string(), answer: None };
    }
    tracing::warn!(error = %error, "a batch could not be stored; it is sent again");
    // Whoever makes room on a full disk looks whether it helped.
    Reply::Busy { status: status.as_u16(), retry_after: Some(RETRY) }
}

pub fn default_data() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let none = || WrongConfig("there is no home directory to keep data in; name one with --data DIR".into());
    Ok(base.ok_or_else(none)?.join("siptrail"))
}
