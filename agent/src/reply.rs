//! What a collector says to a batch, over HTTP or in the same process.

use std::time::Duration;

use record::wire::Answer;

/// The same cases as the answers over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// 200: what is committed. A stream of it may still be refused.
    Answer(Answer),
    /// 4xx. 400 and 409 come with the watermarks.
    Refused { status: u16, text: String, answer: Option<Answer> },
    /// 429, 503: later, please.
    Busy { status: u16, retry_after: Option<Duration> },
    /// No answer, or one that says nothing: nobody knows what was stored.
    Lost { text: String },
}
