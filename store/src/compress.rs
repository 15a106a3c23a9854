//! Message bytes in the database: zstd with a trained dictionary, or as they are where that is not smaller.

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

use crate::Error;

/// Names the bundled dictionary in each row. A dictionary never changes; a better one gets the next number.
pub(crate) const BUNDLED: i16 = 1;
/// Trained by `store/examples/train_dictionary.rs`.
pub(crate) const BUNDLED_BYTES: &[u8] = include_bytes!("../dictionary/1.zdict");
const LEVEL: i32 = 4;
/// What a thread keeps to compress into.
const ROOM: usize = 1 << 20;
/// More than the call events of one batch of 32 MiB.
const MOST_QUICK: usize = 256 << 20;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(BUNDLED_BYTES, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(BUNDLED_BYTES));

// A context holds tables of hundreds of KiB, so each thread keeps its own.
thread_local! {
    static COMPRESSOR: RefCell<(Option<Compressor<'static>>, Vec<u8>)> = const { RefCell::new((None, Vec::new())) };
    static QUICK: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNQUICK: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The bytes of a span as they are stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packed {
    /// 0 = none.
    pub(crate) dictionary: i16,
    pub(crate) bytes: Vec<u8>,
}

impl Packed {
    /// Takes some microseconds a message. Its bytes lie in a vector of their size: of each batch there are thousands.
    pub fn of(raw: &[u8]) -> Self {
        let packed = COMPRESSOR.with_borrow_mut(|(slot, room)| {
            if slot.is_none() {
                *slot = compressor().ok();
            }
            room.clear();
            room.reserve(zstd::zstd_safe::compress_bound(raw.len()));
            let packed = slot.as_mut()?.compress_to_buffer(raw, room).ok().map(|len| room[..len].to_vec());
            if room.capacity() > ROOM {
                *room = Vec::new();
            }
            packed
        });
        match packed {
            Some(bytes) if bytes.len() < raw.len() => Self { dictionary: BUNDLED, bytes },
            _ => Self { dictionary: 0, bytes: raw.to_vec() },
        }
    }
}

/// `most` is the length that the row says it has: no stored byte decides how much memory is taken.
pub(crate) fn unpack(dictionary: i16, bytes: Vec<u8>, most: usize) -> Result<Vec<u8>, Error> {
    match dictionary {
        0 => Ok(bytes),
        BUNDLED => DECOMPRESSOR.with_borrow_mut(|slot| {
            let damaged = |why: std::io::Error| Error::Damaged(format!("a message cannot be unpacked: {why}"));
            if slot.is_none() {
                *slot = Some(Decompressor::with_prepared_dictionary(&DECODER).map_err(damaged)?);
            }
            let context = slot.as_mut().ok_or_else(|| Error::Damaged("no decompressor".into()))?;
            context.decompress(&bytes, most).map_err(damaged)
        }),
        other => Err(Error::Damaged(format!("dictionary {other} is not known; it was written by a newer siptrail"))),
    }
}

/// For what is not a message (call events of a batch, summaries): no dictionary, and its length before it.
pub(crate) fn pack_quickly(raw: &[u8]) -> Vec<u8> {
    let packed = QUICK.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Compressor::new(1).ok();
        }
        slot.as_mut()?.compress(raw).ok()
    });
    let mut out = (raw.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(packed.as_deref().unwrap_or_default());
    out
}

/// Of bytes packed quickly, or of the first four of them.
pub(crate) fn unpacked_len(bytes: &[u8]) -> usize {
    bytes.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len) as usize)
}

pub(crate) fn unpack_quick(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let damaged = || Error::Damaged("packed bytes cannot be unpacked".into());
    let (_, packed) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    let len = unpacked_len(bytes);
    if len > MOST_QUICK {
        return Err(damaged());
    }
    UNQUICK.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Decompressor::new().ok();
        }
        slot.as_mut().and_then(|context| context.decompress(packed, len).ok()).ok_or_else(damaged)
    })
}

fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&ENCODER)?;
    // The row names the dictionary.
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    compressor.set_parameter(CParameter::ChecksumFlag(false))?;
    Ok(compressor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_back_identical(raw in prop::collection::vec(any::<u8>(), 0..2000), times in 1..20usize) {
            let raw = raw.repeat(times);
            let packed = Packed::of(&raw);
            prop_assert!(packed.bytes.len() <= raw.len());
            prop_assert_eq!(unpack(packed.dictionary, packed.bytes, raw.len()).unwrap(), raw);
        }

        #[test]
        fn damaged_bytes_are_an_error_or_short(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(raw) = unpack(BUNDLED, bytes, 1000) {
                prop_assert!(raw.len() <= 1000);
            }
        }
    }

    #[test]
    fn what_does_not_shrink_is_kept_as_it_is() {
        for raw in [&b"x"[..], b""] {
            assert_eq!(Packed::of(raw), Packed { dictionary: 0, bytes: raw.to_vec() });
        }
    }

    #[test]
    fn what_is_packed_quickly_comes_back_or_is_an_error() {
        for raw in [&b""[..], b"x", &[7; 10_000]] {
            assert_eq!(unpack_quick(&pack_quickly(raw)).unwrap(), raw);
        }
        for damaged in [&b""[..], b"abc", b"\xff\xff\xff\xffx", b"\x09\0\0\0nonsense"] {
            assert!(unpack_quick(damaged).is_err());
        }
    }

    #[test]
    fn no_more_is_unpacked_than_the_row_allows() {
        let packed = Packed::of(&[b'a'; 10_000]);
        assert!(unpack(packed.dictionary, packed.bytes, 9_999).is_err());
        assert!(unpack(77, Vec::new(), 10).is_err());
    }
}
