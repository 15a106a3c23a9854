//! What agent and collector say to each other: MessagePack maps with names, so fields can be added on either side.

mod heartbeat;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::format::Definition;
use crate::frame::Resume;
use crate::id::{Offset, StreamId, first_16};
use crate::miss::NearMiss;
use crate::redact::Mask;
use crate::span::{Cause, Continues, Flags, SpanKind};
use crate::time::Timestamp;

pub use heartbeat::{Heard, Heartbeat, SourceReport, Unread};

pub const VERSION: u16 = 1;
pub const CONTENT_TYPE: &str = "application/vnd.siptrail.append+msgpack";
/// The largest request body accepted, compressed and unpacked.
pub const MAX_COMPRESSED: usize = 8 << 20;
pub const MAX_UNPACKED: usize = 32 << 20;

/// `POST /api/v1/append`. Each stream is stored whole or not at all, independent of the others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Append {
    pub version: u16,
    pub agent: String,
    /// Fencing number; 0 where no lease is held.
    pub lease: i64,
    /// Counted up by the agent and echoed in the answer.
    pub batch: u64,
    pub streams: Vec<StreamAppend>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StreamAppend {
    pub stream: StreamId,
    /// Sent when new or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<StreamMeta>,
    pub base: Offset,
    pub end: Offset,
    /// Tile [base, end) exactly. A gap may have `len` 0.
    pub spans: Vec<WireSpan>,
    /// Provisional spans after `end`; replace the former tail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<WireSpan>,
    /// Guards at `end`.
    pub guard: Guard,
    /// Size of the file when the agent looked.
    pub size: u64,
    pub read_to: Offset,
    /// The agent's clock when it looked.
    pub read_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<EndMarker>,
    /// The file is gone and nothing is missing of it: the agent will not ask for this stream any more. Whatever comes after
    /// all takes that back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StreamMeta {
    /// Name of the source: the operator's pattern, with `/LOGNAME` where it matches several logs.
    pub source: String,
    pub format: Definition,
    /// IANA name of the zone for times without offset.
    pub zone: String,
    /// The path as bytes: file names need not be UTF-8.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    pub host: String,
    pub file: FileIdentity,
    pub epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<StreamId>,
}

/// What tells one file from another, over renames.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct FileIdentity {
    pub device: u64,
    pub inode: u64,
    /// `FS_IOC_GETVERSION`, or 0.
    pub generation: u64,
    /// Birth time in microseconds (`statx`), or 0.
    pub birth: i64,
}

/// A span as sent: with its bytes where it has any.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WireSpan {
    pub start: Offset,
    /// Bytes of the file, before masking.
    pub len: u64,
    pub kind: SpanKind,
    #[serde(default)]
    pub flags: Flags,
    /// First 16 bytes of SHA-256 of the file's bytes, or of what they were unwrapped to; of a masked span an HMAC. Zero for
    /// noise and gaps.
    #[serde(default)]
    pub hash: ByteArray<16>,
    #[serde(default)]
    pub head: u32,
    #[serde(default)]
    pub line_end: u8,
    /// The span's bytes: records and fragments.
    #[serde(default)]
    pub bytes: ByteBuf,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<Mask>,
    /// Lines of noise.
    #[serde(default)]
    pub lines: u64,
    /// Lines in it that are nearly header lines, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<NearMiss>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Continues>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Bytes lost beyond those the gap covers; none = unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// The log is wrapped: `bytes` is what `len` bytes of the file were unwrapped to. Or the record goes on in the next file:
    /// `bytes` are all of it, and `len` those that stand in this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwrapped: Option<Box<Unwrapped>>,
}

/// How the bytes of a span lie in a wrapped file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Unwrapped {
    /// Unwrapped bytes, before masking.
    pub len: u64,
    /// Where messages within the span begin and end: in its unwrapped bytes, before masking, and in the file, both from
    /// the start of the span. In ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<(u64, u64)>,
}

impl WireSpan {
    /// A span without bytes, to fill in.
    pub fn new(start: Offset, len: u64, kind: SpanKind) -> Self {
        Self {
            start,
            len,
            kind,
            flags: Flags::empty(),
            hash: ByteArray::new([0; 16]),
            head: 0,
            line_end: 0,
            bytes: ByteBuf::new(),
            masked: Vec::new(),
            lines: 0,
            near_misses: Vec::new(),
            of: None,
            part: None,
            cause: None,
            lost: None,
            unwrapped: None,
        }
    }

    pub fn end(&self) -> Offset {
        self.start.plus(self.len)
    }

    /// Bytes of the span before masking: of the file, or unwrapped ones.
    pub fn text_len(&self) -> u64 {
        self.unwrapped.as_ref().map_or(self.len, |unwrapped| unwrapped.len)
    }

    /// How many bytes of the file stand before a byte of the span, which is counted before masking.
    pub fn in_file(&self, at: u64) -> u64 {
        let Some(unwrapped) = &self.unwrapped else { return at };
        let behind = unwrapped.places.partition_point(|(text, _)| *text <= at);
        let before = behind.checked_sub(1).and_then(|nth| unwrapped.places.get(nth)).copied().unwrap_or((0, 0));
        let after = unwrapped.places.get(behind).copied().unwrap_or((unwrapped.len, self.len));
        // What nobody said lies as far between the two places that are known.
        let (text, file) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        let part = u128::from(at.saturating_sub(before.0)) * u128::from(file) / u128::from(text.max(1));
        before.1 + u64::try_from(part).unwrap_or(file).min(file)
    }

    /// The hash that must stand in `hash` of an unmasked record or fragment.
    pub fn hash_of(bytes: &[u8]) -> ByteArray<16> {
        use sha2::Digest;
        ByteArray::new(first_16(&sha2::Sha256::digest(bytes)))
    }
}

/// Kept with a watermark on both sides: how a file is recognised and framing resumed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Guard {
    /// Hash (first 16 bytes of SHA-256) of the first `head_len` ≤ 1,024 bytes.
    pub head: ByteArray<16>,
    pub head_len: u16,
    /// Hash of the `before_len` ≤ 64 bytes before the watermark.
    pub before: ByteArray<16>,
    pub before_len: u8,
    /// CRC-32C of [`crc_from`, watermark).
    pub crc: u32,
    pub crc_from: Offset,
    pub resume: Resume,
}

/// Sent once the file is closed; the collector compares, and a difference is an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EndMarker {
    pub size: u64,
    pub crc: u32,
    pub counters: Counters,
}

/// Spans and bytes by kind; the four byte counts add up to the watermark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    pub records: u64,
    pub record_bytes: u64,
    pub noise: u64,
    pub noise_bytes: u64,
    pub noise_lines: u64,
    pub fragments: u64,
    pub fragment_bytes: u64,
    pub gaps: u64,
    pub gap_bytes: u64,
}

impl Counters {
    pub fn add(&mut self, kind: SpanKind, len: u64, lines: u64) {
        let (number, bytes) = match kind {
            SpanKind::Record => (&mut self.records, &mut self.record_bytes),
            SpanKind::Noise => (&mut self.noise, &mut self.noise_bytes),
            SpanKind::Fragment => (&mut self.fragments, &mut self.fragment_bytes),
            SpanKind::Gap => (&mut self.gaps, &mut self.gap_bytes),
        };
        *number += 1;
        *bytes += len;
        self.noise_lines += lines;
    }

    pub fn bytes(&self) -> u64 {
        self.record_bytes + self.noise_bytes + self.fragment_bytes + self.gap_bytes
    }
}

/// The body of 200, 400 and 409: the watermark of each stream, and why it was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub version: u16,
    pub batch: u64,
    pub lease: i64,
    pub streams: Vec<StreamAnswer>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamAnswer {
    pub stream: StreamId,
    /// The committed offset.
    pub w: Offset,
    /// The part of an unfinished long record that is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Why a stream of a batch was not stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Refused {
    /// `base` is beyond the watermark, or the stream is not known and came without `meta`: go back to `w`.
    Base,
    /// A span lies on both sides of the watermark: frame again from `w`.
    Straddle,
    /// Another agent holds the lease.
    Lease { holder: i64 },
    /// The stream belongs to another agent (409).
    Owner,
    /// This span cannot be accepted (400).
    Span { start: Offset, text: String },
    /// How the stream is to be read cannot be followed (400), such as a zone that is not known here: hold this stream,
    /// send its `meta` again later. Nothing is wrong with its bytes.
    Meta { text: String },
    /// A span's bytes do not match its hash: damaged on the way (422), send again.
    Damaged { start: Offset },
}

/// Which positions an agent asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// `after=STREAM`: those of streams with higher ids, without those that are settled.
    After(Option<StreamId>),
    /// `stream=STREAM`: that of one stream, settled or not.
    One(StreamId),
}

/// `GET /api/v1/positions?agent=ID&after=STREAM&limit=N`, or `stream=STREAM`: what the collector has of this agent's streams,
/// by stream id.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Positions {
    pub positions: Vec<Position>,
    /// With the first page: the names of all sources that the agent ever sent anything of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// More follow after the last.
    pub more: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Position {
    pub stream: StreamId,
    pub file: FileIdentity,
    pub epoch: u64,
    pub w: Offset,
    pub guard: Guard,
    pub size: u64,
    pub source: String,
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    pub closed: bool,
}

pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(value)
}

pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}
