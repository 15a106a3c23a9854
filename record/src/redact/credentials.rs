//! Which parts of a header's value are secret. When in doubt, the rest of it is.

use std::ops::Range;

use memchr::{memchr_iter, memchr2};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take, take_while, take_while1};
use nom::combinator::{fail, recognize, verify};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

/// What is secret in the value of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secret {
    /// All of it.
    Whole,
    /// It begins with the name of a scheme: of Digest some parameters are secret, of any other scheme all that follows.
    Credentials,
    /// It is parameters of Digest without the scheme's name.
    Parameters,
}

/// Headers that hold more than secrets.
const HEADERS: [(&str, Secret); 4] = [
    ("Authorization", Secret::Credentials),
    ("Proxy-Authorization", Secret::Credentials),
    ("Authentication-Info", Secret::Parameters),
    ("Proxy-Authentication-Info", Secret::Parameters),
];
/// Parameters of Digest that are not secret: loops of 401 and 407 are read by them. Any other one is masked.
const SHOWN: [&str; 12] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "nc",
    "qop",
    "algorithm",
    "opaque",
    "username*",
    "userhash",
    "nextnonce",
    "integrity-protected",
];
/// Where one of these is inside a value that is not secret, a quote is missing or too many.
const TELLING: [&str; 4] = ["response", "cnonce", "auts", "rspauth"];
/// Names of schemes that stand before a credential.
const SCHEMES: [&str; 11] =
    ["AWS4-HMAC-SHA256", "Basic", "Bearer", "DPoP", "GNAP", "HOBA", "Mutual", "Negotiate", "NTLM", "PGP", "Token"];
/// A name that is longer may be a secret itself.
const LONGEST_NAME: usize = 32;
/// So many parameters of one header are masked one by one, so that masks never outgrow what they stand for by much.
const MOST: usize = 8;

impl Secret {
    /// What is secret in this header.
    pub fn of(header: &[u8]) -> Secret {
        let known = HEADERS.iter().find(|(name, _)| header.eq_ignore_ascii_case(name.as_bytes()));
        known.map_or(Secret::Whole, |(_, secret)| *secret)
    }

    /// The secret ranges of a value, in order; folded lines belong to it.
    pub fn within(self, value: &[u8]) -> Vec<Range<usize>> {
        let text = value.trim_ascii_end();
        let mut secrets = Vec::new();
        match self {
            Secret::Whole => secrets.push(0..value.len()),
            Secret::Credentials => credentials(text, &mut secrets),
            Secret::Parameters => parameters(text, 0, &mut secrets),
        }
        secrets.retain(|range| !range.is_empty());
        secrets
    }
}

fn credentials(text: &[u8], secrets: &mut Vec<Range<usize>>) {
    let at = count(text, is_blank);
    match scheme(&text[at..]) {
        Ok((rest, scheme)) if is_digest(scheme) => parameters(text, text.len() - rest.len(), secrets),
        Ok((rest, scheme)) if is_one_of(&SCHEMES, scheme) => secrets.push(text.len() - rest.len()..text.len()),
        // Nobody knows that name of a scheme: it may be the credential.
        _ => secrets.push(at..text.len()),
    }
}

/// Those of Digest parameters, with commas between them, from `at` on.
fn parameters(text: &[u8], mut at: usize, secrets: &mut Vec<Range<usize>>) {
    loop {
        at += count(&text[at..], |b| is_blank(b) || b == b',');
        let item = &text[at..];
        match (Parameter::read(item), known_scheme(item)) {
            _ if item.is_empty() => return,
            (Some(parameter), _) if parameter.is_shown() => at += parameter.len,
            (Some(parameter), _) if secrets.len() < MOST => {
                secrets.push(at + parameter.value.start..at + parameter.value.end);
                at += parameter.len;
            }
            // Another credential after the first.
            (None, Ok((rest, scheme))) if is_digest(scheme) => at = text.len() - rest.len(),
            (None, Ok((rest, _))) => return secrets.push(text.len() - rest.len()..text.len()),
            _ => return secrets.push(at..text.len()),
        }
    }
}

/// `name=value`, of which nobody can doubt where it ends.
struct Parameter<'a> {
    name: &'a [u8],
    /// Where the value is, without its quotes.
    value: Range<usize>,
    len: usize,
}

impl<'a> Parameter<'a> {
    fn read(item: &'a [u8]) -> Option<Self> {
        let (from, name) = terminated(word, (blanks, tag("="), blanks)).parse(item).ok()?;
        let is_quoted = from.first() == Some(&b'"');
        let (rest, text) = alt((quoted, bare)).parse(from).ok()?;
        let start = item.len() - from.len() + usize::from(is_quoted);
        let value = start..start + text.len();
        let len = item.len() - rest.len() + count(rest, is_blank);
        let ends = matches!(item.get(len), None | Some(b','));
        let parameter = Self { name, value, len };
        let is_sure = if parameter.is_shown() {
            !tells_of_a_secret(text)
        } else {
            is_quoted || text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b))
        };
        (ends && is_sure).then_some(parameter)
    }

    fn is_shown(&self) -> bool {
        is_one_of(&SHOWN, self.name)
    }
}

/// Does it hold `response=` or its like?
fn tells_of_a_secret(text: &[u8]) -> bool {
    memchr_iter(b'=', text).any(|at| {
        let before = text[..at].trim_ascii_end();
        let name = before.len() - before.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
        is_one_of(&TELLING, &before[name..])
    })
}

/// The name of a scheme and the blanks after it: no more than the name, if it is a known one and stands alone.
fn scheme(text: &[u8]) -> IResult<&[u8], &[u8]> {
    alt((known_scheme, terminated(word, verify(blanks, |blanks: &[u8]| !blanks.is_empty())))).parse(text)
}

fn known_scheme(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let (rest, name) = alt((tag_no_case("Digest"), tag_no_case("Bearer"), tag_no_case("Basic"))).parse(text)?;
    match blanks(rest)? {
        (after, blanks) if after.is_empty() || !blanks.is_empty() => Ok((after, name)),
        _ => fail().parse(text),
    }
}

/// A name as schemes and parameters have it.
fn word(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-_*".contains(&b);
    let is_name = |word: &[u8]| word.len() <= LONGEST_NAME && word[0].is_ascii_alphabetic();
    verify(take_while1(is_part), is_name).parse(text)
}

/// What stands between quotes.
fn quoted(text: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(tag("\""), up_to_a_quote, tag("\"")).parse(text)
}

/// Up to the next quote that no backslash escapes.
fn up_to_a_quote(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return take(at).parse(text);
        }
        at += 2;
    }
    fail().parse(text)
}

/// A value without quotes; only at its end may `=` be a part of it.
fn bare(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let is_part = |b: u8| !is_blank(b) && !b"\",=\\".contains(&b);
    recognize((take_while1(is_part), take_while(|b| b == b'='))).parse(text)
}

fn blanks(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(is_blank).parse(text)
}

/// Line ends are blanks: within a value they are those of folded lines.
fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn count(text: &[u8], of: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|b| of(**b)).count()
}

fn is_digest(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"Digest")
}

fn is_one_of(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secret: Secret, value: &str) -> String {
        let (mut shown, mut from) = (String::new(), 0);
        for range in secret.within(value.as_bytes()) {
            shown += &value[from..range.start];
            shown += "***";
            from = range.end;
        }
        shown + &value[from..]
    }

    fn are_masked(cases: &[(&str, &str)]) {
        for (value, expect) in cases {
            assert_eq!(masked(Secret::Credentials, value), *expect, "{value}");
        }
    }

    #[test]
    fn of_digest_only_the_secret_parameters_are_masked() {
        are_masked(&[
            (
                r#"Digest username="alice", realm="example.com", nonce="84a4cc", uri="sip:example.com", response="7587", algorithm=MD5, cnonce="0a4f", opaque="5ccc", qop=auth, nc=00000001"#,
                r#"Digest username="alice", realm="example.com", nonce="84a4cc", uri="sip:example.com", response="***", algorithm=MD5, cnonce="***", opaque="5ccc", qop=auth, nc=00000001"#,
            ),
            (
                r#"Digest username="001010000000001@ims", nonce="CjPk9mRq==", auts="CjPk9mRqNuT25eRk", response="", algorithm=AKAv1-MD5"#,
                r#"Digest username="001010000000001@ims", nonce="CjPk9mRq==", auts="***", response="", algorithm=AKAv1-MD5"#,
            ),
            ("dIGEST RESPONSE = 6629,\tCnonce\t=\tab==,qop=auth", "dIGEST RESPONSE = ***,\tCnonce\t=\t***,qop=auth"),
            (
                "Digest\r\n username\r\n =\r\n \"al\r\n ice\"\n\t,\n response=\n \"66\r\n 29\",\r\n nc=1\r\n ",
                "Digest\r\n username\r\n =\r\n \"al\r\n ice\"\n\t,\n response=\n \"***\",\r\n nc=1\r\n ",
            ),
        ]);
    }

    #[test]
    fn quoted_commas_and_quotes_are_no_ends() {
        are_masked(&[
            (r#"Digest username="a, b", response="6, \"6=2", nc=1"#, r#"Digest username="a, b", response="***", nc=1"#),
            (
                r#"Digest username="a\", nc=", response="66\\", nc=1"#,
                r#"Digest username="a\", nc=", response="***", nc=1"#,
            ),
            ("Digest ,, nc=1,,response=66,", "Digest ,, nc=1,,response=***,"),
        ]);
    }

    #[test]
    fn a_parameter_that_is_not_known_is_masked() {
        are_masked(&[(r#"Digest password="66", ik=ab, nc=1"#, r#"Digest password="***", ik=***, nc=1"#)]);
    }

    #[test]
    fn of_other_schemes_the_name_stays_alone() {
        are_masked(&[
            ("Bearer abc.def", "Bearer ***"),
            ("basic  YWxpY2U6c2VjcmV0", "basic  ***"),
            ("Bearer a, Digest nc=1", "Bearer ***"),
            ("AWS4-HMAC-SHA256 Credential=a/b, Signature=c", "AWS4-HMAC-SHA256 ***"),
            (r#"NTLM qop="auth", realm="x", gssapi-data="YIIB""#, "NTLM ***"),
            ("key=AAAA:bbbb", "***"),
            ("0123456789abcdef", "***"),
            ("secret", "***"),
            ("hunter2 x", "***"),
            ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 x", "***"),
            ("Bearer", "Bearer"),
            ("Digest \r\n ", "Digest \r\n "),
            ("", ""),
            (" \r\n ", " \r\n "),
        ]);
    }

    #[test]
    fn several_credentials_of_one_header_are_masked_each() {
        are_masked(&[
            (
                "Digest nc=1, response=66, Digest nc=2, cnonce=\"a\"",
                "Digest nc=1, response=***, Digest nc=2, cnonce=\"***\"",
            ),
            ("Digest nc=1, Basic YWxp, nc=2", "Digest nc=1, Basic ***"),
            ("Digest nc=1, Unheard of, nc=2", "Digest nc=1, ***"),
        ]);
    }

    #[test]
    fn what_is_in_doubt_is_masked_to_the_end() {
        are_masked(&[
            (r#"Digest nc=1, username="alice, response="6629", qop=auth"#, "Digest nc=1, ***"),
            (r#"Digest nc=1, username="alice, response=6629, realm="x""#, "Digest nc=1, ***"),
            (r#"Digest nc=1, username="alice, response=6629, realm=", x""#, "Digest nc=1, ***"),
            (r#"Digest nc=1, username=alice", response="6629""#, "Digest nc=1, ***"),
            (r#"Digest nc=1, response="6629"#, "Digest nc=1, ***"),
            (r#"Digest nc=1, response="6629\"#, "Digest nc=1, ***"),
            (r#"Digest username="alice" response="6629", nc=1"#, "Digest ***"),
            ("Digest nc=1;response=6629", "Digest ***"),
            ("Digest nc=1, response='66, 29'", "Digest nc=1, ***"),
            ("Digest nc=1, response=66\u{201d}, nc=2", "Digest nc=1, ***"),
            ("Digest nc=1, response 6629", "Digest nc=1, ***"),
            ("Digest nc=1, response: 6629", "Digest nc=1, ***"),
            ("Digest nc=1, response=, 6629", "Digest nc=1, ***"),
            ("Digest nc=1, =6629", "Digest nc=1, ***"),
            ("Digest YWxpY2U6c2VjcmV0=", "Digest ***"),
            ("Digest, response=6629", "***"),
            ("Digest=6629", "***"),
        ]);
    }

    #[test]
    fn what_a_server_proves_with_is_as_secret_as_a_response() {
        assert_eq!(
            masked(Secret::Parameters, r#"nextnonce="a", qop=auth, rspauth="6629", cnonce="0a4f", nc=1"#),
            r#"nextnonce="a", qop=auth, rspauth="***", cnonce="***", nc=1"#
        );
        assert_eq!(masked(Secret::Parameters, r#"NTLM rspauth="0100", srand="a""#), "***");
    }

    #[test]
    fn headers_of_credentials_are_known_in_any_case() {
        assert_eq!(Secret::of(b"proxy-AUTHORIZATION"), Secret::Credentials);
        assert_eq!(Secret::of(b"authentication-info"), Secret::Parameters);
        assert_eq!(Secret::of(b"X-Authorization"), Secret::Whole);
    }

    #[test]
    fn hostile_values_cost_linear_time_and_few_masks() {
        for piece in [
            "a=b,",
            "nc=\"",
            "\\",
            "Digest ",
            "\"\\\"",
            "nc=\"=\",",
            " ",
            "a",
            "=",
            "nc=\" = = \",",
            "response,",
            "a =",
        ] {
            let value = format!("Digest {}", piece.repeat((1 << 20) / piece.len()));
            let secrets = Secret::Credentials.within(value.as_bytes());
            assert!(secrets.len() <= MOST + 1, "{piece}: {}", secrets.len());
        }
        let ninth = format!("Digest {}nc=1, response=66", "response=66, ".repeat(MOST + 1));
        assert!(masked(Secret::Credentials, &ninth).ends_with("response=***, ***"));
    }
}
