//! Identities: numbers of 63 bits in the database, hex strings in JSON, addresses and mails.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// One file's bytes, over renames: 63 bits, so that it is a `bigint` in every database. Shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId(pub i64);

/// A byte offset in a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

/// Everything that belongs together. Counts up, so the least is the oldest. Shown as at least 8 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ScenarioId(pub i64);

/// The position of a record is its identity, shown as `STREAM-OFFSET`; the same while provisional and when final.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MessageId {
    pub stream: StreamId,
    pub offset: Offset,
}

/// The first 16 bytes of SHA-256 of a Call-ID, which is compared byte by byte (RFC 3261, 8.1.1.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CallKey(pub [u8; 16]);

/// 63 bits of SHA-256 of an address as logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EndpointId(pub i64);

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an id: expected {0}")]
pub struct IdError(&'static str);

impl StreamId {
    /// 63 bits of SHA-256 over what identifies a file; each part is length-prefixed so that no two lists collide.
    pub fn of(agent: &str, device: u64, inode: u64, generation: u64, birth: i64, epoch: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update((agent.len() as u64).to_be_bytes());
        hash.update(agent.as_bytes());
        for part in [device, inode, generation, birth as u64, epoch] {
            hash.update(part.to_be_bytes());
        }
        Self(low_63_bits(&hash.finalize()))
    }
}

impl CallKey {
    pub fn of(call_id: &[u8]) -> Self {
        Self(first_16(&Sha256::digest(call_id)))
    }
}

impl EndpointId {
    pub fn of(address: &str) -> Self {
        Self(low_63_bits(&Sha256::digest(address.as_bytes())))
    }
}

impl Offset {
    pub fn plus(self, len: u64) -> Self {
        Self(self.0.saturating_add(len))
    }
}

impl MessageId {
    pub fn new(stream: StreamId, offset: Offset) -> Self {
        Self { stream, offset }
    }
}

/// The first 16 bytes of a longer hash.
pub fn first_16(hash: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&hash[..16]);
    out
}

fn low_63_bits(hash: &[u8]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    (u64::from_be_bytes(first) >> 1) as i64
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ScenarioId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream, self.offset)
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for StreamId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        hex_63(text, 16, 16).map(Self).ok_or(IdError("a stream id of 16 hex digits"))
    }
}

impl FromStr for ScenarioId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        hex_63(text, 8, 16).map(Self).ok_or(IdError("a scenario id of 8 to 16 hex digits"))
    }
}

impl FromStr for MessageId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError("a message id such as 05e1c2a97f3b4d10-70120");
        let (stream, offset) = text.split_once('-').ok_or(error)?;
        let digits = !offset.is_empty() && offset.bytes().all(|b| b.is_ascii_digit());
        if !digits || (offset.len() > 1 && offset.starts_with('0')) {
            return Err(error);
        }
        let stream = stream.parse().map_err(|_| error)?;
        let offset = offset.parse::<u64>().ok().filter(|off| i64::try_from(*off).is_ok()).ok_or(error)?;
        Ok(Self { stream, offset: Offset(offset) })
    }
}

fn hex_63(text: &str, least: usize, most: usize) -> Option<i64> {
    let plain = text.bytes().all(|b| b.is_ascii_hexdigit()) && (least..=most).contains(&text.len());
    plain.then(|| i64::from_str_radix(text, 16).ok()).flatten()
}

/// Numbers in MessagePack, hex strings in JSON.
macro_rules! serde_as_hex {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                if out.is_human_readable() { out.collect_str(self) } else { out.serialize_i64(self.0) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
                } else {
                    let number = i64::deserialize(from)?;
                    (number >= 0).then_some(Self(number)).ok_or_else(|| serde::de::Error::custom("negative id"))
                }
            }
        }
    };
}
serde_as_hex!(StreamId);
serde_as_hex!(ScenarioId);

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for CallKey {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        if out.is_human_readable() { out.collect_str(self) } else { out.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for CallKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteArray::<16>::deserialize(from)?;
        Ok(Self(bytes.into_array()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_as_they_are_shown() {
        let id = MessageId::new(StreamId(0x05e1_c2a9_7f3b_4d10), Offset(70_120));
        assert_eq!(id.to_string(), "05e1c2a97f3b4d10-70120");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(ScenarioId(0x018f_3c7a).to_string(), "018f3c7a");
        assert_eq!("018f3c7a".parse(), Ok(ScenarioId(0x018f_3c7a)));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in
            ["", "-", "05e1c2a97f3b4d10-", "05e1c2a97f3b4d10-07", "05e1c2a97f3b4d10-+7", "5e1-7", "ffffffffffffffff-1"]
        {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
        assert!("18f3c7a".parse::<ScenarioId>().is_err());
        assert!("+18f3c7a".parse::<ScenarioId>().is_err());
    }

    #[test]
    fn a_stream_id_fits_63_bits_and_changes_with_the_epoch() {
        let first = StreamId::of("a", 1, 2, 3, 4, 0);
        assert!(first.0 >= 0);
        assert_ne!(first, StreamId::of("a", 1, 2, 3, 4, 1));
    }
}
