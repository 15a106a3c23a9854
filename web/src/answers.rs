//! Answers that are on their way. Whoever reads slowly keeps what is sent to it in memory; all of them together keep only so much.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::room::{Room, Taken};
use crate::{Error, Site};

/// Bytes of all answers that somebody still reads.
const ALL: usize = 256 << 20;
/// And of pages of messages that are read from the database and written: these take long, and keep no other answer waiting.
const READ: usize = 128 << 20;
/// Smaller ones find room when there is none: with them a server says how it is.
const SMALL: usize = 4 << 10;

/// The room that they take while they are made and sent. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    sent: Room,
    pub read: Room,
}

impl Default for Answers {
    fn default() -> Self {
        Self { sent: Room::of(ALL), read: Room::of(READ) }
    }
}

impl Answers {
    /// Room for an answer of so many bytes, or none within a few seconds. Small ones do not wait behind large ones.
    async fn room(&self, bytes: usize) -> Result<Taken, Error> {
        match self.sent.try_take(bytes) {
            Some(room) => Ok(room),
            None => self.sent.take(bytes).await,
        }
    }

    /// The same of a part of an answer that has begun: it waits until others have gone.
    pub async fn part(&self, bytes: usize) -> Result<Taken, Error> {
        self.sent.wait(bytes).await
    }
}

/// Bytes with the room that they take, until the last of them is sent.
struct Held {
    bytes: Bytes,
    _room: Taken,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

pub(crate) fn held(bytes: impl Into<Bytes>, room: Taken) -> Bytes {
    Bytes::from_owner(Held { bytes: bytes.into(), _room: room })
}

/// Answers that are made as a whole wait for room before they are sent. Those that are made as they are read see to it themselves.
pub(crate) async fn counted(State(site): State<Site>, request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let whole = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let Some(whole) = whole.filter(|whole| *whole > SMALL) else { return Response::from_parts(parts, body) };
    let room = match site.answers.room(whole).await {
        Ok(room) => room,
        Err(error) => return error.into_response(),
    };
    match to_bytes(body, whole).await {
        Ok(bytes) => Response::from_parts(parts, Body::from(held(bytes, room))),
        Err(error) => {
            Response::from_parts(parts, Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(error) })))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_room_until_the_last_of_its_bytes_is_sent() {
        let all = Room::of(10 << 10);
        let answer = held(vec![b'x'; 8 << 10], all.try_take(8 << 10).unwrap());
        assert!(all.try_take(4 << 10).is_none());
        let last = answer.slice(answer.len() - 1..);
        drop(answer);
        assert!(all.try_take(4 << 10).is_none(), "its last byte is not sent");
        drop(last);
        assert!(all.try_take(10 << 10).is_some());
    }
}
