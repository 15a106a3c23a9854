//! Reads single values of a JSON text by their pointers; all else is skipped and takes no memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::settings::Pointer;

/// A value that is neither object nor array.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Scalar {
    Text(String),
    Integer(i64),
    /// A fraction, a truth value or null.
    Other,
}

/// What one JSON value at the start of a text holds.
pub(crate) struct Picked {
    /// In the order of the pointers.
    pub(crate) values: Vec<Option<Scalar>>,
    /// Bytes of the value; none where the text breaks off or is no JSON. What came before the break is read.
    pub(crate) len: Option<usize>,
    pub(crate) fault: Option<&'static str>,
}

impl Scalar {
    /// Texts, and numbers as texts.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Scalar::Text(text) => Some(text),
            Scalar::Integer(number) => Some(number.to_string()),
            Scalar::Other => None,
        }
    }
}

/// Reads the values at `pointers` from the JSON value that `text` begins with; no byte beyond `most` is looked at.
pub(crate) fn pick(text: &[u8], most: usize, pointers: &[&Pointer]) -> Picked {
    let (looked_at, cut) = (&text[..text.len().min(most)], text.len() > most);
    let mut values = vec![None; pointers.len()];
    let mut reader = serde_json::Deserializer::from_slice(looked_at);
    let all = (0..pointers.len()).collect();
    let result = Walk { pointers, wanted: all, depth: 0, values: &mut values }.deserialize(&mut reader);
    let len = result.is_ok().then(|| reader.into_iter::<IgnoredAny>().byte_offset());
    let fault = match result {
        Err(error) if cut && error.is_eof() => Some("json_too_long"),
        Err(_) => Some("json"),
        Ok(()) => None,
    };
    Picked { values, len, fault }
}

/// One value on the way, and the pointers that lead to it or through it.
struct Walk<'w> {
    pointers: &'w [&'w Pointer],
    wanted: Vec<usize>,
    depth: usize,
    values: &'w mut [Option<Scalar>],
}

impl Walk<'_> {
    fn keep(self, scalar: impl Fn() -> Scalar) {
        for at in self.wanted {
            if self.pointers[at].steps().len() == self.depth {
                self.values[at].get_or_insert_with(&scalar);
            }
        }
    }

    /// The pointers whose next step takes this name.
    fn through(&self, name: impl Fn(&str) -> bool) -> Vec<usize> {
        let next = |at: usize| self.pointers[at].steps().get(self.depth);
        self.wanted.iter().copied().filter(|at| next(*at).is_some_and(|step| name(step))).collect()
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.keep(|| Scalar::Text(text.to_owned()));
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.keep(|| Scalar::Integer(number));
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.keep(|| i64::try_from(number).map_or_else(|_| Scalar::Text(number.to_string()), Scalar::Integer));
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.keep(|| Scalar::Other);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.keep(|| Scalar::Other);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.keep(|| Scalar::Other);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(wanted) = map.next_key_seed(NextName(&self))? {
            if wanted.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                let depth = self.depth + 1;
                map.next_value_seed(Walk { wanted, depth, values: &mut *self.values, pointers: self.pointers })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for nth in 0_usize.. {
            let wanted = self.through(|step| step.parse() == Ok(nth));
            let more = if wanted.is_empty() {
                list.next_element::<IgnoredAny>()?.is_some()
            } else {
                let depth = self.depth + 1;
                let walk = Walk { wanted, depth, values: &mut *self.values, pointers: self.pointers };
                list.next_element_seed(walk)?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// Compares a name with the next steps without keeping it.
struct NextName<'n, 'w>(&'n Walk<'w>);

impl<'de> DeserializeSeed<'de> for NextName<'_, '_> {
    type Value = Vec<usize>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for NextName<'_, '_> {
    type Value = Vec<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Vec<usize>, E> {
        Ok(self.0.through(|step| step == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1 << 10;

    #[track_caller]
    fn check(text: &str, pointer: &str, expect: Option<Scalar>) {
        let pointer = Pointer::try_from(pointer.to_owned()).unwrap();
        assert_eq!(pick(text.as_bytes(), MOST, &[&pointer]).values, [expect], "{text}");
    }

    #[test]
    fn values_are_found_by_their_pointers() {
        let text = |text: &str| Some(Scalar::Text(text.into()));
        check(r#"{"a":{"b":["x",{"c":"y"}]}}"#, "/a/b/1/c", text("y"));
        check(r#"{"a/b":{"~":"x"}}"#, "/a~1b/~0", text("x"));
        check(r#"{"a":"first","a":"second"}"#, "/a", text("first"));
        check(r#"{"a":-1}"#, "/a", Some(Scalar::Integer(-1)));
        check(r#"{"a":null}"#, "/a", Some(Scalar::Other));
        check(r#"{"a":{}}"#, "/a", None);
        check(r#""x""#, "", text("x"));
        check("[1,2]", "/1", Some(Scalar::Integer(2)));
    }

    #[test]
    fn what_stands_before_a_break_is_read() {
        let pointer = Pointer::try_from("/a".to_owned()).unwrap();
        for (text, fault) in [
            (r#"{"a":7,"b""#.to_owned(), "json"),
            (format!(r#"{{"a":7,"b":"{}"}}"#, "x".repeat(MOST)), "json_too_long"),
        ] {
            let picked = pick(text.as_bytes(), MOST, &[&pointer]);
            assert_eq!(picked.values, [Some(Scalar::Integer(7))]);
            assert_eq!((picked.len, picked.fault), (None, Some(fault)));
        }
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let pointer = Pointer::try_from("/a".to_owned()).unwrap();
        let deep = format!(r#"{{"b":{}{},"a":7}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let picked = pick(deep.as_bytes(), usize::MAX, &[&pointer]);
        assert_eq!((picked.values, picked.fault), (vec![Some(Scalar::Integer(7))], None));
    }

    #[test]
    fn the_length_of_a_value_tells_where_the_next_begins() {
        assert_eq!(pick(b"{\"a\":1}\n{\"b\":2}", MOST, &[]).len, Some(7));
    }
}
