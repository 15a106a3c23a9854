//! Where unwrapped bytes go; or, where so many are asked for, the place in the file of the one after them.

/// Takes unwrapped bytes, each with its place in the line of the file.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    out: Option<&'a mut Vec<u8>>,
    /// Bytes that may still come.
    left: usize,
    /// Bytes of the first character that are left out.
    leave_out: usize,
    last: Option<u8>,
    /// Where in the line it has enough, and bytes of the character there that were taken.
    stopped: Option<(usize, u8)>,
}

impl<'a> Sink<'a> {
    /// Takes all.
    pub fn into(out: &'a mut Vec<u8>) -> Self {
        Self { out: Some(out), left: usize::MAX, leave_out: 0, last: None, stopped: None }
    }

    /// Takes so many, keeps none, and says where it stopped.
    pub fn find(bytes: usize) -> Self {
        Self { out: None, left: bytes, leave_out: 0, last: None, stopped: None }
    }

    pub fn leave_out(&mut self, bytes: u8) {
        self.leave_out = bytes.into();
    }

    /// Bytes that stand in the line as they are.
    pub fn plain(&mut self, at: usize, bytes: &[u8]) {
        if self.stopped.is_some() || bytes.is_empty() {
            return;
        }
        let out = std::mem::take(&mut self.leave_out).min(bytes.len());
        let (at, bytes) = (at + out, &bytes[out..]);
        let take = bytes.len().min(self.left);
        self.give(&bytes[..take]);
        if take < bytes.len() {
            self.stopped = Some((at + take, 0));
        }
    }

    /// The bytes of one character that stands there in another way.
    pub fn escaped(&mut self, at: usize, bytes: &[u8]) {
        if self.stopped.is_some() || bytes.is_empty() {
            return;
        }
        let out = std::mem::take(&mut self.leave_out).min(bytes.len());
        let rest = &bytes[out..];
        let take = rest.len().min(self.left);
        self.give(&rest[..take]);
        if take < rest.len() {
            self.stopped = Some((at, (out + take) as u8));
        }
    }

    fn give(&mut self, bytes: &[u8]) {
        self.left -= bytes.len();
        self.last = bytes.last().copied().or(self.last);
        if let Some(out) = &mut self.out {
            out.extend_from_slice(bytes);
        }
    }

    /// The last byte it was given.
    pub fn last(&self) -> Option<u8> {
        self.last
    }

    pub fn stopped(&self) -> Option<(usize, u8)> {
        self.stopped
    }
}
