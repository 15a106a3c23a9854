//! The messages of a scenario: as many as one picture holds, for pages, live view and API alike.

use std::panic::resume_unwind;

use message::logged::Message;
use store::Store;
use store::scenario::Scenario;

use crate::Error;

/// Messages and bytes that one picture holds at most; what is beyond is told on the page.
const MOST_MESSAGES: usize = 50_000;
const MOST_BYTES: usize = 128 << 20;
/// Messages asked of the store at a time.
const CHUNK: usize = 2_000;

/// The messages of a scenario, and whether these are all.
pub(crate) async fn load(store: &Store, scenario: &Scenario) -> Result<(Vec<Message>, bool), Error> {
    let mut messages: Vec<Message> = Vec::new();
    let mut size = 0;
    loop {
        let after = messages.last().map(|message| (message.time, message.id));
        let chunk = store.scenario_messages(scenario, after, CHUNK).await?;
        size += chunk.rows.iter().map(|message| message.raw.len()).sum::<usize>();
        messages.extend(chunk.rows);
        if !chunk.more || messages.len() >= MOST_MESSAGES || size >= MOST_BYTES {
            return Ok((messages, !chunk.more));
        }
    }
}

/// Runs what takes long on a thread of its own; a panic in it is one of this request.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
        Err(_) => Err(Error::BadRequest("Siptrail is stopping; try again in a moment.".into())),
    }
}
