//! Values that are kept in one column: a version, then MessagePack. A build that meets a version it does not know says so,
//! and does not take the bytes for something else.

use record::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Raised whenever a form changes in a way that an older build would misread.
const VERSION: u8 = 1;

/// With names: fields can be added without a new version.
pub(crate) fn write(value: &impl Serialize) -> Vec<u8> {
    with_version(|out| {
        let mut out = rmp_serde::Serializer::new(out).with_struct_map();
        value.serialize(&mut out)
    })
}

/// Without names: they would be as long as what they name.
pub(crate) fn write_bare(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    with_version(|out| rmp_serde::encode::write(out, value))
}

/// Writing to memory, of values that have a form in MessagePack, does not fail; if it did, nothing would be there to be read.
fn with_version(write: impl FnOnce(&mut Vec<u8>) -> Result<(), rmp_serde::encode::Error>) -> Vec<u8> {
    let mut out = vec![VERSION];
    if write(&mut out).is_err() {
        out.clear();
    }
    out
}

/// `what` it is, for whoever reads of it; the decoder's own words may quote what is stored.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&VERSION, value)) => {
            wire::decode(value).map_err(|_| Error::Damaged(format!("{what}: it cannot be read")))
        }
        Some((version, _)) => Err(Error::Damaged(format!("{what}: version {version} is not known to this build"))),
        None => Err(Error::Damaged(format!("{what}: nothing is there"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_another_version_says_so() {
        let value = (vec![1_u8, 2], Some("a".to_owned()));
        for bytes in [write(&value), write_bare(&value)] {
            assert_eq!(read::<(Vec<u8>, Option<String>)>(&bytes, "it").unwrap(), value);
            let error = |bytes: &[u8]| read::<(Vec<u8>, Option<String>)>(bytes, "it").unwrap_err().to_string();
            assert!(error(&[&[2], &bytes[1..]].concat()).ends_with("it: version 2 is not known to this build"));
            assert!(error(&bytes[..3]).contains("it: "));
            assert!(error(&[]).ends_with("it: nothing is there"));
        }
    }
}
