//! Message bytes in the database: zstd with a trained dictionary, or as they are where that is not smaller.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

use crate::Error;

/// Names the bundled dictionary in each row. A dictionary never changes; a better one gets the next number.
pub(crate) const BUNDLED: i16 = 1;
/// Trained by `store/examples/train_dictionary.rs`.
pub(crate) const BUNDLED_BYTES: &[u8] = include_bytes!("../dictionary/1.zdict");
const LEVEL: i32 = 4;
/// What is kept to compress into, with each compressor.
const ROOM: usize = 1 << 20;
/// More than the call events of one batch of 32 MiB.
const MOST_QUICK: usize = 256 << 20;

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(BUNDLED_BYTES, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(BUNDLED_BYTES));

static COMPRESSORS: Shelf<(Compressor<'static>, Vec<u8>)> = Shelf::new();
static QUICK: Shelf<Compressor<'static>> = Shelf::new();
static UNQUICK: Shelf<Decompressor<'static>> = Shelf::new();
static DECOMPRESSORS: Shelf<Decompressor<'static>> = Shelf::new();
/// As many as can be at work at once, and as many again for those that are interrupted.
static KEPT: LazyLock<usize> = LazyLock::new(|| 2 * std::thread::available_parallelism().map_or(2, usize::from));

/// Contexts that nobody uses just now. Each holds tables of hundreds of KiB: kept a thread, they were as many as there ever were
/// threads at once, which come to be many by chance.
struct Shelf<T>(Mutex<Vec<T>>);

impl<T> Shelf<T> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// With one that is there, or a new one. After a panic it is not put back.
    fn with<R, E>(&self, make: impl FnOnce() -> Result<T, E>, work: impl FnOnce(&mut T) -> R) -> Result<R, E> {
        let kept = self.kept().pop();
        let mut context = kept.map_or_else(make, Ok)?;
        let done = work(&mut context);
        let mut kept = self.kept();
        if kept.len() < *KEPT {
            kept.push(context);
        }
        Ok(done)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let make = || compressor().map(|compressor| (compressor, Vec::new()));
        let packed = COMPRESSORS.with(make, |(compressor, room)| {
            room.clear();
            room.reserve(zstd::zstd_safe::compress_bound(raw.len()));
            let packed = compressor.compress_to_buffer(raw, room).map(|len| room[..len].to_vec());
            if room.capacity() > ROOM {
                *room = Vec::new();
            }
            packed
        });
        match packed.flatten() {
            Ok(bytes) if bytes.len() < raw.len() => Self { dictionary: BUNDLED, bytes },
            _ => Self { dictionary: 0, bytes: raw.to_vec() },
        }
    }
}

/// `most` is the length that the row says it has: no stored byte decides how much memory is taken.
pub(crate) fn unpack(dictionary: i16, bytes: Vec<u8>, most: usize) -> Result<Vec<u8>, Error> {
    match dictionary {
        0 => Ok(bytes),
        BUNDLED => {
            let make = || Decompressor::with_prepared_dictionary(&DECODER);
            let unpacked = DECOMPRESSORS.with(make, |context| context.decompress(&bytes, most)).flatten();
            unpacked.map_err(|why| Error::Damaged(format!("a message cannot be unpacked: {why}")))
        }
        other => Err(Error::Damaged(format!("dictionary {other} is not known; it was written by a newer siptrail"))),
    }
}

/// For what is not a message (call events of a batch, summaries): no dictionary, and its length before it.
pub(crate) fn pack_quickly(raw: &[u8]) -> Vec<u8> {
    let packed = QUICK.with(|| Compressor::new(1), |context| context.compress(raw)).flatten();
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
    UNQUICK.with(Decompressor::new, |context| context.decompress(packed, len)).flatten().map_err(|_| damaged())
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
    fn however_many_threads_pack_few_contexts_are_kept() {
        std::thread::scope(|scope| {
            for at in 0..100 {
                scope.spawn(move || {
                    let raw = format!("INVITE sip:bob{at}@example.com SIP/2.0\r\n").repeat(20);
                    let packed = Packed::of(raw.as_bytes());
                    assert_eq!(unpack(packed.dictionary, packed.bytes, raw.len()).unwrap(), raw.as_bytes());
                    assert_eq!(unpack_quick(&pack_quickly(raw.as_bytes())).unwrap(), raw.as_bytes());
                });
            }
        });
        let kept = [COMPRESSORS.kept().len(), DECOMPRESSORS.kept().len(), QUICK.kept().len(), UNQUICK.kept().len()];
        assert!(kept.iter().all(|kept| (1..=*KEPT).contains(kept)), "{kept:?}");
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
