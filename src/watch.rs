//! `siptrail watch LOG…`: agent, collector and pages in one process on SQLite.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::agent::{Call, Config, Progress, Reply, Source, Start, Transport};
use anyhow::Context;
use collector::Ingest;
use store::Location;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cli::{self, From};
use crate::outcome::WrongConfig;
use crate::progress;
use crate::serve::{self, Server};

/// Appends the agent may have waiting; it has four in flight at most.
const WAITING: usize = 8;
/// Bytes read ahead of the database: one batch on its way and one behind it, as no network is to be bridged.
const READ_AHEAD: usize = 8 << 20;

pub async fn run(asked: cli::Watch) -> anyhow::Result<()> {
    let data = asked.data.map_or_else(default_data, Ok)?;
    let cancel = until_signal();
    Watch::start(asked.pages.listen, data, &asked.logs, asked.from).await?.follow(cancel).await
}

/// A collector that serves its pages, and what an agent beside it is to follow.
pub struct Watch {
    server: Server,
    serving: CancellationToken,
    agent: Config,
}

impl Watch {
    pub async fn start(listen: SocketAddr, data: PathBuf, logs: &[PathBuf], from: From) -> anyhow::Result<Self> {
        let agent = agent_config(&data, logs, from)?;
        let listener = serve::bind(listen, "--listen").await?;
        let serving = CancellationToken::new();
        let following = agent.sources.iter().flat_map(|source| source.paths.clone()).collect();
        let (location, config) = (Location::Directory(data.clone()), collector::Config::default());
        let server = Server::start(listener, location, &config, following, serving.clone()).await?;
        progress::say(&format!("Siptrail is at http://{}/ (data in {})", server.address, data.display()));
        Ok(Self { server, serving, agent })
    }

    /// Follows and serves until cancelled.
    pub async fn follow(self, cancel: CancellationToken) -> anyhow::Result<()> {
        let (calls, answers) = mpsc::channel(WAITING);
        let bridge = tokio::spawn(answer_calls(self.server.ingest.clone(), answers));
        let (tell, told) = watch::channel(Progress::default());
        let telling = tokio::spawn(progress::tell(told, self.server.store.clone()));
        let result = ::agent::run(self.agent, Transport::InProcess(calls), tell, cancel).await;
        self.serving.cancel();
        telling.abort();
        bridge.await.context("the in-process collector stopped")?;
        self.server.finish().await?;
        result.context("following stopped")
    }
}

fn agent_config(data: &Path, logs: &[PathBuf], from: From) -> anyhow::Result<Config> {
    let start = match from {
        From::Beginning => Start::Beginning,
        From::End => Start::End,
    };
    let logs = logs.iter().map(|log| absolute(log)).collect::<anyhow::Result<BTreeSet<String>>>()?;
    let sources = names(&logs)
        .into_iter()
        .zip(logs)
        .map(|(name, log)| Source { start, ..Source::new(name, vec![log]) })
        .collect();
    let config = Config { state: data.join("agent"), sources, memory: READ_AHEAD, ..Config::default() };
    match config.check() {
        Ok(()) => Ok(config),
        Err(fault) => Err(WrongConfig(format!("cannot follow {}: {}", fault.value, fault.hint)).into()),
    }
}

/// The same wherever Siptrail is started: a log must not get another name by it.
fn absolute(log: &Path) -> anyhow::Result<String> {
    if log.starts_with("~") {
        let text = format!("{}: a quoted ~ is not your home directory; write the path out", log.display());
        return Err(WrongConfig(text).into());
    }
    let path = std::path::absolute(log).with_context(|| format!("cannot tell where {} is", log.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

/// A source is named after its log: the file's name without extension, or its directory's for a pattern. Where two would
/// be alike, with more of their path before it; the order in which they are given does not matter.
fn names(logs: &BTreeSet<String>) -> Vec<String> {
    let places: Vec<Vec<&str>> = logs.iter().map(|log| place(log)).collect();
    let name = |place: &[&str], parts: usize| place[place.len().saturating_sub(parts)..].join("-");
    let unlike = |place: &Vec<&str>, parts: &usize| {
        places.iter().filter(|other| name(other, *parts) == name(place, *parts)).count() == 1
    };
    let short =
        |place: &Vec<&str>| (1..=place.len()).find(|parts| unlike(place, parts)).map(|parts| name(place, parts));
    let numbered =
        |(at, place): (usize, &Vec<&str>)| short(place).unwrap_or_else(|| format!("{}-{at}", name(place, 1)));
    places.iter().enumerate().map(numbered).collect()
}

/// The parts of a path that tell what is followed, a pattern left out.
fn place(log: &str) -> Vec<&str> {
    let fixed = log.find(['*', '?', '[']).map_or(log, |at| &log[..log[..at].rfind('/').unwrap_or(0)]);
    let mut parts: Vec<&str> = fixed.split('/').filter(|part| !part.is_empty()).collect();
    if let Some(last) = parts.last_mut().filter(|_| fixed == log) {
        *last = Path::new(*last).file_stem().and_then(|stem| stem.to_str()).unwrap_or(last);
    }
    if parts.is_empty() { vec!["log"] } else { parts }
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
                Call::Positions { agent, after, answer } => {
                    let positions = ingest.positions(&agent, after, 1000).await.map_err(|e| e.to_string());
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
    Reply::Busy { status: status.as_u16(), retry_after: None }
}

fn default_data() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let none = || WrongConfig("there is no home directory to keep data in; name one with --data DIR".into());
    Ok(base.ok_or_else(none)?.join("siptrail"))
}

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
pub fn until_signal() -> CancellationToken {
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    tokio::spawn(async move {
        stop_asked().await;
        progress::say("stopping: what is read is being stored; press Ctrl-C again to stop at once");
        token.cancel();
        stop_asked().await;
        std::process::exit(1);
    });
    cancel
}

async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_after_its_log_and_two_never_alike() {
        let named = |logs: &[&str]| names(&logs.iter().map(|log| (*log).to_owned()).collect());
        assert_eq!(named(&["/a/sip.log", "/var/log/app/*.log", "/var/log/kamailio"]), ["sip", "app", "kamailio"]);
        assert_eq!(named(&["/b/sip.log", "/a/sip.log", "/"]), ["log", "a-sip", "b-sip"]);
        assert_eq!(named(&["/srv/a/x/sip.log", "/srv/b/x/sip.log"]), ["a-x-sip", "b-x-sip"]);
        assert_eq!(named(&["/a/*.log", "/a/*.txt", "/*.log"]), ["log", "a-1", "a-2"]);
    }

    #[test]
    fn a_log_is_the_same_from_wherever_it_is_named() {
        let here = std::env::current_dir().expect("a directory");
        let named = absolute(Path::new("sip.log")).expect("absolute");
        assert_eq!(named, here.join("sip.log").to_string_lossy());
        assert_eq!(absolute(Path::new("./sip.log")).expect("absolute"), named);
        assert!(absolute(Path::new("~/sip.log")).is_err());
    }

    #[test]
    fn a_pattern_that_is_none_is_wrong_usage() {
        let wrong = agent_config(Path::new("/data"), &[PathBuf::from("/tmp/[z")], From::Beginning).expect_err("wrong");
        assert!(wrong.downcast_ref::<WrongConfig>().is_some());
        assert!(wrong.to_string().contains("/tmp/[z"), "{wrong}");
    }
}
