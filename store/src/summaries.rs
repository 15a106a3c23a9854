//! Summaries of scenarios as they are stored.

use message::summary::Summary;

use crate::{Error, blob, compress};

pub(crate) fn pack(summary: &Summary) -> Vec<u8> {
    compress::pack_quickly(&blob::write_bare(summary))
}

pub(crate) fn unpack(packed: &[u8]) -> Result<Summary, Error> {
    blob::read(&compress::unpack_quick(packed)?, "the summary of a scenario")
}
