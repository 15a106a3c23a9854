//! The two ways to the collector: HTTP, or a channel to one in the same process.

use std::sync::Arc;

use record::wire::{Append, Asked, Heartbeat, Positions};
use tokio::sync::{mpsc, oneshot};

use crate::http;
use crate::reply::Reply;

#[derive(Clone, Debug)]
pub enum Transport {
    Http(http::Client),
    InProcess(mpsc::Sender<Call>),
}

/// What a collector in the same process is asked. A dropped answer counts as a lost connection.
#[derive(Debug)]
pub enum Call {
    /// Shared, not copied: the agent keeps a batch until it is acknowledged.
    Append(Arc<Append>, oneshot::Sender<Reply>),
    /// That the agent is there, and how far it is.
    Heartbeat(Heartbeat, oneshot::Sender<Result<(), String>>),
    /// How far streams of `agent` are, by id.
    Positions { agent: String, asked: Asked, answer: oneshot::Sender<Result<Positions, String>> },
}

impl Transport {
    /// `load` keeps what was packed for the next try.
    pub(crate) async fn append(&self, append: &Arc<Append>, load: &mut Option<http::Load>) -> Reply {
        match self {
            Transport::Http(client) => client.append(append, load).await,
            Transport::InProcess(calls) => {
                let (answer, answered) = oneshot::channel();
                let gone = || Reply::Lost { text: "the collector in this process has stopped".into() };
                if calls.send(Call::Append(Arc::clone(append), answer)).await.is_err() {
                    return gone();
                }
                answered.await.unwrap_or_else(|_| gone())
            }
        }
    }

    pub(crate) async fn positions(&self, agent: &str, asked: Asked) -> Result<Positions, String> {
        match self {
            Transport::Http(client) => client.positions(agent, asked).await,
            Transport::InProcess(calls) => {
                let (answer, answered) = oneshot::channel();
                let gone = || "the collector in this process has stopped".to_owned();
                let call = Call::Positions { agent: agent.to_owned(), asked, answer };
                calls.send(call).await.map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        }
    }

    pub(crate) async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<(), String> {
        match self {
            Transport::Http(client) => client.heartbeat(heartbeat).await,
            Transport::InProcess(calls) => {
                let (answer, answered) = oneshot::channel();
                let gone = || "the collector in this process has stopped".to_owned();
                calls.send(Call::Heartbeat(heartbeat, answer)).await.map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        }
    }
}
