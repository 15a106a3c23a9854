//! Users and numbers as they are searched: in one form, however they were written.

use percent_encoding::percent_decode_str;

/// Letters of a user that is somebody; what a stranger sends may be a million.
const LONGEST: usize = 256;
/// Digits that are enough to look for the end of a number.
const END: usize = 5;
/// And where it is said to be an end.
const MARKED_END: usize = 4;
/// A number that begins with 00 is an international one from this length on; a shorter one is an extension.
const INTERNATIONAL: usize = 7;

/// A number as its digits, without `+` or `00` before it; a name in small letters.
///
/// `+49 (30) 123-45`, `004930123 45` and `493012345` are one; so are `Bob` and `bob`.
pub fn normal(user: &str) -> String {
    match digits(user) {
        Some(Digits { digits, plus }) => {
            let abroad = digits.strip_prefix("00").filter(|_| !plus && digits.len() >= INTERNATIONAL);
            abroad.map_or_else(|| digits.clone(), str::to_owned)
        }
        None => user.trim().to_lowercase(),
    }
}

/// Whether two users, as SIP writes them, are one person: escapes, separators and letters' case do not count.
pub fn is_same(one: &str, other: &str) -> bool {
    let form = |user: &str| normal(&percent_decode_str(user).decode_utf8_lossy());
    one == other || one.len() <= LONGEST && other.len() <= LONGEST && form(one) == form(other)
}

/// A number in its normal form from its last digit to its first; none where it is too short, or no number.
pub fn backwards(normal: &str) -> Option<String> {
    let number = normal.len() >= END && normal.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| normal.chars().rev().collect())
}

/// What somebody typed to find a user by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sought {
    /// Normal forms begin with one of these.
    pub begins: Vec<String>,
    /// Or, read backwards, with one of these.
    pub ends: Vec<String>,
}

impl Sought {
    /// The beginning of a name or number, or at least five digits of the end of a number. `…1234` and `...1234` are the end of
    /// a number and nothing else; `*1234` may be its beginning, too, and a code that is dialled.
    pub fn of(text: &str) -> Self {
        let name = text.trim().to_lowercase();
        let marked = ["…", "...", "*"].into_iter().find_map(|mark| digits(name.strip_prefix(mark)?));
        if let Some(Digits { digits, .. }) = marked.filter(|end| end.digits.len() >= MARKED_END) {
            let ends = vec![digits.chars().rev().collect()];
            return Self { begins: if name.starts_with('*') { vec![digits, name] } else { Vec::new() }, ends };
        }
        let Some(Digits { digits, plus }) = digits(text) else {
            return Self { begins: vec![name], ends: Vec::new() };
        };
        // The beginning of an address, too.
        let address = Some(name.as_str()).filter(|name| !plus && name.contains('.') && is_dotted(name));
        let abroad = digits.strip_prefix("00").filter(|rest| !plus && !rest.is_empty());
        // Within a country a 0 stands before the number, and its code abroad.
        let home = digits.strip_prefix('0').filter(|rest| !plus && !rest.starts_with('0'));
        let begins = [Some(digits.as_str()), abroad, address];
        let ends = [Some(abroad.unwrap_or(&digits)), home];
        Self {
            begins: begins.into_iter().flatten().map(str::to_owned).collect(),
            ends: ends.into_iter().flatten().filter_map(backwards).collect(),
        }
    }

    pub fn is(&self, user: &str) -> bool {
        let normal = normal(user);
        let end = || backwards(&normal).is_some_and(|back| self.ends.iter().any(|end| back.starts_with(end)));
        self.begins(&normal) || end()
    }

    /// By its beginning alone.
    pub fn begins(&self, normal: &str) -> bool {
        self.begins.iter().any(|begin| normal.starts_with(begin))
    }
}

struct Digits {
    digits: String,
    plus: bool,
}

/// Of a number: without its separators (RFC 3966) and parameters. An address such as `192.0.2.1` is none.
fn digits(text: &str) -> Option<Digits> {
    let text = text.trim();
    let text = text.split(';').next().unwrap_or(text).trim_end();
    let (plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    if !plus && rest.split('.').count() == 4 && is_dotted(rest) {
        return None;
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let other = |c: char| !(c.is_ascii_digit() || matches!(c, '-' | '.' | '(' | ')' | ' ' | '/'));
    (!digits.is_empty() && !rest.contains(other)).then_some(Digits { digits, plus })
}

/// Bytes of an address, or some of them.
fn is_dotted(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    text.split('.').count() <= 4 && text.split('.').all(|group| group.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_number_has_one_form() {
        for written in
            ["+49 (30) 123-45", "0049 30 123 45", "493012345", "+49.30.12345", "+493012345;phone-context=example.com"]
        {
            assert_eq!(normal(written), "493012345", "{written}");
        }
        assert_eq!(
            ["Bob", "bob.smith", "1001", "0012", "*67", "192.0.2.10", "Älice"].map(normal),
            ["bob", "bob.smith", "1001", "0012", "*67", "192.0.2.10", "älice"]
        );
        assert_eq!(["493012345", "1001", "bob"].map(backwards), [Some("543210394".into()), None, None]);
    }

    #[test]
    fn one_person_is_the_same_however_written() {
        for (one, other, expect) in [
            ("+493012345", "0049-30-12345", true),
            ("%2B493012345", "+493012345;phone-context=example.com", true),
            ("Bob", "bob", true),
            ("b%6fb", "bob", true),
            ("bob", "bobby", false),
            ("493012345", "3012345", false),
        ] {
            assert_eq!(is_same(one, other), expect, "{one} {other}");
        }
    }

    #[test]
    fn a_number_is_found_by_its_beginning_and_its_end() {
        let number = "+493012345";
        for typed in ["+49", "49 30", "0049", "004930", "+49 (30) 12345", "12345", "012345", "03012345", "3012345"] {
            assert!(Sought::of(typed).is(number), "{typed}");
        }
        for typed in ["1234", "2345", "+30", "0030", "112345", "bob"] {
            assert!(!Sought::of(typed).is(number), "{typed}");
        }
        for typed in ["…2345", "...2345", "*2345", "… 12-345", "*4930"] {
            assert!(Sought::of(typed).is(number), "{typed}");
        }
        for typed in ["…345", "…4930", "*345", "...", "*bob"] {
            assert!(!Sought::of(typed).is(number), "{typed}");
        }
        assert!(Sought::of("*1234").is("*1234") && Sought::of("*67").is("*67"));
        assert!(Sought::of("00").is("0012") && Sought::of("0012").is("0012"));
        assert!(Sought::of("AL").is("alice") && Sought::of("1.202.555").is("1.202.555.0142"));
        for typed in ["192", "192.", "192.0", "192.0.2", "192.0.2.1"] {
            assert!(Sought::of(typed).is("192.0.2.10"), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn what_is_typed_as_it_is_logged_is_found(user in "\\PC{0,20}|[+]?[0-9() ./-]{1,20}") {
            prop_assert!(Sought::of(&user).begins(&normal(&user)), "{} is {}", user, normal(&user));
        }
    }
}
