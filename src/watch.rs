//! `siptrail watch LOG…`: agent, collector and pages in one process on SQLite.

use std::path::PathBuf;

use ::agent::{Call, Config, Progress, Reply, Source, Start, Transport};
use anyhow::Context;
use collector::Ingest;
use store::Location;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cli::{From, Place, Watch};
use crate::outcome::WrongConfig;
use crate::progress;
use crate::serve::{self, Server};

/// Appends the agent may have waiting; it has four in flight at most.
const WAITING: usize = 8;
/// Bytes read ahead of the database: one batch on its way and one behind it, as no network is to be bridged.
const READ_AHEAD: usize = 8 << 20;

pub async fn run(asked: Watch) -> anyhow::Result<()> {
    let data = match asked.place.data.clone() {
        Some(data) => data,
        None => default_data()?,
    };
    let cancel = until_signal();
    follow(&asked.place, data, asked.logs, asked.from, cancel).await
}

/// Follows and serves until cancelled.
pub async fn follow(
    place: &Place,
    data: PathBuf,
    logs: Vec<PathBuf>,
    from: From,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let listener = serve::bind(place.listen).await?;
    let location = Location::Directory(data.clone());
    let serving = CancellationToken::new();
    let following = logs.iter().map(|log| log.display().to_string()).collect();
    let config = collector::Config::default();
    let server = Server::start(listener, location, &config, following, serving.clone()).await?;
    progress::say(&format!("Siptrail is at http://{}/ (data in {})", server.address, data.display()));

    let config = agent_config(&data, &logs, from);
    let (calls, answers) = mpsc::channel(WAITING);
    let bridge = tokio::spawn(answer_calls(server.ingest.clone(), answers));
    let (tell, told) = watch::channel(Progress::default());
    let telling = tokio::spawn(progress::tell(told, server.store.clone()));
    let result = ::agent::run(config, Transport::InProcess(calls), tell, cancel).await;
    serving.cancel();
    telling.abort();
    bridge.await.context("the in-process collector stopped")?;
    server.finish().await?;
    result.context("following stopped")
}

fn agent_config(data: &std::path::Path, logs: &[PathBuf], from: From) -> Config {
    let start = match from {
        From::Beginning => Start::Beginning,
        From::End => Start::End,
    };
    let sources = names(logs)
        .into_iter()
        .zip(logs)
        .map(|(name, log)| Source { start, ..Source::new(name, vec![log.to_string_lossy().into_owned()]) })
        .collect();
    Config { state: data.join("agent"), sources, memory: READ_AHEAD, ..Config::default() }
}

/// A source is named after its log: the file's name without extension, or its directory's for a pattern; numbered where
/// two would be alike.
fn names(logs: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for log in logs {
        let last = log.file_stem().unwrap_or(log.as_os_str()).to_string_lossy().into_owned();
        let parent = log.parent().and_then(|p| p.file_name()).map(|p| p.to_string_lossy().into_owned());
        let short = if last.contains(['*', '?', '[']) { parent.unwrap_or(last) } else { last };
        let short = if short.is_empty() || short == "/" { "log".to_owned() } else { short.replace('/', "-") };
        let taken = |name: &String| names.contains(name);
        let numbered = (2..).map(|n| format!("{short}-{n}"));
        let name = std::iter::once(short.clone()).chain(numbered).find(|name| !taken(name));
        names.push(name.unwrap_or(short));
    }
    names
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
        let named = |logs: &[&str]| names(&logs.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(named(&["/a/sip.log", "/var/log/app/*.log", "/var/log/kamailio"]), ["sip", "app", "kamailio"]);
        assert_eq!(named(&["/a/sip.log", "/b/sip.log", "/c/sip.log", "/"]), ["sip", "sip-2", "sip-3", "log"]);
    }
}
