//! What is wrong with a message that was read all the same.

use serde::{Deserialize, Serialize};

/// Something wrong with a message that did not stop it from being read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// A stable short name.
    ///
    /// Of the start line: `start_line` `start_line_space` `version` `status` `request_uri`. Of lines: `header_line`
    /// `header_name` `header_block` (more than 64 KiB) `repeated` `too_many`. Of addresses: `uri` `bare_uri` `host`
    /// `ipv6` `ipv6_brackets` `port` `quote` `angle` `display` `params` `via` `branch`. Of values: `call_id` `cseq`
    /// `cseq_mismatch` `max_forwards` `expires` `retry_after` `warning` `date` `content_length` `extra_bytes`. Of what
    /// is not there: `empty` `missing_via` `missing_from` `missing_to` `missing_call_id` `missing_cseq`. Of REST and
    /// push: `json` `json_too_long`.
    pub what: String,
    /// Where, in bytes from the start of the message: the line it is about.
    pub at: u32,
}

/// The faults of one message while it is read: each name once a line, and not more than a page can show.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    at: usize,
    list: Vec<Fault>,
}

impl Faults {
    const MOST: usize = 32;

    /// From here on faults are about the line at this offset.
    pub(crate) fn stand_at(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn note(&mut self, what: &str) {
        let at = u32::try_from(self.at).unwrap_or(u32::MAX);
        let known = self.list.iter().any(|fault| fault.at == at && fault.what == what);
        if !known && self.list.len() < Self::MOST {
            self.list.push(Fault { what: what.to_owned(), at });
        }
    }

    pub(crate) fn into_list(self) -> Vec<Fault> {
        self.list
    }

    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<&str> {
        self.list.iter().map(|fault| fault.what.as_str()).collect()
    }
}
