//! Where a page of a list ends and the next begins: a time and an id, as text in addresses.

use std::fmt::Display;
use std::str::FromStr;

use record::time::Timestamp;

/// `0006...c5.018f3c7a`
pub fn write(time: Timestamp, id: impl Display) -> String {
    format!("{:x}.{id}", time.0)
}

/// None where the text is no cursor of ours.
pub fn read<T: FromStr>(text: &str) -> Option<(Timestamp, T)> {
    let (time, id) = text.split_once('.')?;
    let micros = u64::from_str_radix(time, 16).ok()? as i64;
    Some((Timestamp(micros), id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use record::id::{MessageId, Offset, ScenarioId, StreamId};

    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_is_written() {
        for time in [Timestamp(0), Timestamp(-1), Timestamp(i64::MAX)] {
            assert_eq!(read(&write(time, ScenarioId(7))), Some((time, ScenarioId(7))));
            let id = MessageId::new(StreamId(1), Offset(2));
            assert_eq!(read(&write(time, id)), Some((time, id)));
        }
        for text in ["", ".", "x.00000001", "1.zz", "1"] {
            assert_eq!(read::<ScenarioId>(text), None, "{text}");
        }
    }
}
