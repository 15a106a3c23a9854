//! UTF-16 in either order of bytes, given as UTF-8.

use super::docker::utf8;
use super::sink::Sink;
use super::{Unwrapper, Wrapper};

/// Bytes of a line that are taken at once.
const PIECE: usize = 8 << 10;
const MARK: u32 = 0xfeff;

/// Takes a line or a piece of one. A character that is cut waits for its rest.
pub(super) fn take(state: &mut Unwrapper, raw: &[u8], closed: bool, to: &mut Sink<'_>) -> Option<usize> {
    let unit = |at: usize| {
        let pair = [*raw.get(at)?, *raw.get(at + 1)?];
        Some(u32::from(if state.wrapper == Wrapper::Utf16Le {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        }))
    };
    let mut at = 0;
    let mut begun = state.begun;
    while to.stopped().is_none() && at < PIECE {
        let Some(first) = unit(at) else { break };
        let mut len = 2;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) {
            match unit(at + 2) {
                Some(second @ 0xdc00..0xe000) => {
                    (code, len) = (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 4);
                }
                None if !closed => break,
                _ => {}
            }
        }
        if code != MARK || begun {
            to.escaped(at, utf8(code, &mut [0; 4]));
        }
        begun = true;
        at += len;
        if code == u32::from(b'\n') {
            break;
        }
    }
    if closed && at + 1 == raw.len() {
        to.plain(at, &raw[at..]);
        at += 1;
    }
    state.begun = begun;
    state.gave(to);
    (at > 0).then_some(at)
}
