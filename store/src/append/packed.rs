//! Messages and fragments as rows, compressed.

use record::id::{CallKey, Offset, StreamId};
use record::time::{Day, Timestamp};

/// A row of `message` or `provisional`.
#[derive(Debug, Clone)]
pub(crate) struct PackedMessage {
    pub time: Timestamp,
    pub day: Day,
    pub start: Offset,
    pub len: u64,
    pub source: i64,
    pub destination: i64,
    pub head: i32,
    pub line_end: i16,
    pub kind: i16,
    /// How its call is filed, as far as it says itself.
    pub class: i16,
    /// 0 where there is none.
    pub status: i16,
    pub flags: i16,
    pub dictionary: i16,
    pub call: CallKey,
    pub method: String,
    /// Empty where the bytes are those of the file.
    pub masked: Vec<u8>,
    pub raw: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct PackedFragment {
    pub start: Offset,
    pub len: u64,
    pub flags: i16,
    pub of: Option<(StreamId, Offset)>,
    pub dictionary: i16,
    pub raw: Vec<u8>,
}
