//! The default layout, read from right to left: `prefix[time][method][source][destination]`.

use memchr::memrchr2;

use super::Fields;

/// Four touching groups with balanced inner brackets that end the line; what stands before them is the prefix.
pub(super) fn split(line: &[u8]) -> Option<Fields<'_>> {
    let (rest, destination) = group(line)?;
    let (rest, source) = group(rest)?;
    let (rest, method) = group(rest)?;
    let (prefix, time) = group(rest)?;
    Some(Fields { prefix, time, method, source, destination })
}

/// What stands before the last group of `line`, and the inside of that group.
fn group(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&b']', inside) = line.split_last()? else { return None };
    let mut depth = 1_usize;
    let mut end = inside.len();
    while let Some(at) = memrchr2(b'[', b']', &inside[..end]) {
        depth = if inside[at] == b']' { depth + 1 } else { depth - 1 };
        if depth == 0 {
            return Some((&inside[..at], &inside[at + 1..]));
        }
        end = at;
    }
    None
}
