//! The dialog that a header names: `Replaces` (RFC 3891).

use super::params::parameter;

/// A dialog as `Replaces` names it: its tags are those of the receiver (to) and of the other side (from).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DialogId {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
}

impl DialogId {
    /// `ID;to-tag=1;from-tag=2`, with blanks anywhere between; none without a Call-ID.
    pub fn read(value: &str) -> Option<Self> {
        let call_id = value.split(';').next().unwrap_or("").trim().to_owned();
        let tag = |name| parameter(value, name).unwrap_or_default().trim().to_owned();
        (!call_id.is_empty()).then(|| Self { call_id, to_tag: tag("to-tag"), from_tag: tag("from-tag") })
    }
}

#[cfg(test)]
mod tests {
    use super::DialogId;

    #[test]
    fn a_dialog_is_named_with_or_without_blanks() {
        let expect = DialogId { call_id: "42@a.example".into(), to_tag: "t1".into(), from_tag: "f1".into() };
        for value in ["42@a.example;to-tag=t1;from-tag=f1", "42@a.example ; from-tag = f1 ;to-tag= t1"] {
            assert_eq!(DialogId::read(value).as_ref(), Some(&expect), "{value}");
        }
        assert_eq!(DialogId::read(" ;to-tag=1"), None);
    }
}
