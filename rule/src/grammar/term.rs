//! Which messages: a status or a request, its method, whence and where to.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::{char, digit1};
use nom::combinator::{all_consuming, cut, map, map_opt, opt, verify};
use nom::multi::separated_list1;
use nom::sequence::{pair, preceded, terminated};
use nom::{IResult, Parser};

use super::fact::quoted;
use super::sentence::{Miss, Parsed, Sentence, lexeme};
use crate::near::nearest;
use crate::syntax::{Code, Codes, Path, Pattern, Term, Who};
use crate::words::{KEYWORDS, OTHERS, SIP, WHO};

/// What a pattern may begin with, for who wrote something else.
const A_MESSAGE: [&str; 2] = ["a method such as INVITE", "a status such as 2xx and a method"];

impl<'a> Sentence<'a> {
    pub fn pattern(&self, input: &'a str) -> Parsed<'a, Pattern> {
        map(separated_list1(self.keyword("or"), |input| self.term(input)), Pattern).parse(input)
    }

    fn term(&self, input: &'a str) -> Parsed<'a, Term> {
        let (rest, nth) = opt(nth).parse(input)?;
        if let Some((word, None)) = nth {
            return Err(Miss::hard(word, format!("`{word}` does not count messages"))
                .expecting(["2nd", "3rd", "4th"])
                .into());
        }
        let (rest, codes) = opt(|input| self.codes(input)).parse(rest)?;
        let (rest, methods) = self.methods(rest, codes.is_some())?;
        self.could_be(rest, "a path");
        let (rest, path) = opt(|input| path(input, &methods)).parse(rest)?;
        let (rest, from) = opt(preceded(self.keyword("from"), cut(|input| self.who(input)))).parse(rest)?;
        let (rest, to) = opt(preceded(self.keyword("to"), cut(|input| self.who(input)))).parse(rest)?;
        let (rest, with) = opt(preceded(self.keyword("with"), cut(|input| self.facts(input)))).parse(rest)?;
        let nth = nth.and_then(|(_, nth)| nth).unwrap_or(1);
        Ok((rest, Term { nth, codes, methods, path, from, to, with: with.unwrap_or_default() }))
    }

    /// Statuses and names of statuses. A word that begins with a capital, or means something else, is none.
    pub fn codes(&self, input: &'a str) -> Parsed<'a, Codes> {
        let (rest, word) = lexeme(input)?;
        let begins = word.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !begins || KEYWORDS.contains(&word) {
            return Err(nom::Err::Error(nom::error::ParseError::from_error_kind(input, nom::error::ErrorKind::Verify)));
        }
        let codes = word.split('|').map(|part| self.code(part, part.len() == word.len()));
        Ok((rest, Codes(codes.collect::<Result<_, _>>()?)))
    }

    fn code(&self, part: &'a str, alone: bool) -> Result<Code, nom::Err<Miss<'a>>> {
        if let Ok((_, code)) = all_consuming(range).parse(part) {
            return Ok(code);
        }
        if part.is_empty() {
            return Err(Miss::hard(part, "a status is missing beside the |").into());
        }
        if self.names.codes.entries.is_empty() || part.starts_with(|c: char| c.is_ascii_digit()) {
            let what = format!("`{part}` is no status from 100 to 699");
            return Err(Miss::hard(part, what).expecting(["486", "2xx", "3xx-6xx"]).into());
        }
        let names = || self.names.codes.entries.iter().map(|entry| entry.name.as_str());
        if names().any(|name| name == part) {
            return Ok(Code::Named(part.to_owned()));
        }
        let methods = || SIP.into_iter().chain(OTHERS).filter(|_| alone);
        if let Some(method) = methods().find(|method| method.eq_ignore_ascii_case(part)) {
            return Err(Miss::hard(part, "a method is written in capitals").meaning(Some(method)).into());
        }
        let what = format!("`{part}` is no name of [codes]");
        let meant = nearest(part, names().chain(methods()));
        Err(Miss::hard(part, what).expecting(names()).meaning(meant).into())
    }

    fn methods(&self, input: &'a str, after_codes: bool) -> Parsed<'a, Vec<String>> {
        let what = if after_codes { "the method is missing after the status" } else { "a message is missing here" };
        let Ok((rest, word)) = lexeme(input) else { return Err(self.miss(input, what, A_MESSAGE)) };
        let known = || SIP.into_iter().chain(OTHERS);
        let mut methods: Vec<String> = Vec::new();
        for part in word.split('|') {
            let is_method = part.starts_with(|c: char| c.is_ascii_uppercase())
                && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
            if !is_method {
                if let Some(method) = known().find(|method| method.eq_ignore_ascii_case(part)) {
                    return Err(Miss::hard(part, "a method is written in capitals").meaning(Some(method)).into());
                }
                if part.is_empty() {
                    return Err(Miss::hard(part, "a method is missing beside the |").into());
                }
                return Err(if KEYWORDS.contains(&word) || !word.contains('|') {
                    Miss::hard(word, format!("{what}, before `{word}`")).expecting(A_MESSAGE).into()
                } else {
                    Miss::hard(part, format!("`{part}` is no method")).of(part, known()).into()
                });
            }
            if let Some(near) = nearest(part, known()).filter(|near| *near != part) {
                return Err(Miss::hard(part, format!("`{part}` is no method"))
                    .meaning(Some(near))
                    .of(part, known())
                    .into());
            }
            if methods.iter().any(|method| method == part) {
                return Err(Miss::hard(part, format!("`{part}` stands here twice")).into());
            }
            methods.push(part.to_owned());
        }
        Ok((rest, methods))
    }

    pub fn who(&self, input: &'a str) -> Parsed<'a, Who> {
        let names = || WHO.into_iter().chain(self.names.who.keys().map(String::as_str));
        let input = input.trim_start();
        if input.starts_with('\'') {
            let (rest, node) = quoted(input)?;
            let end = rest.is_empty() || rest.starts_with(char::is_whitespace);
            let part = &input[..input.len() - rest.len()];
            return match node {
                _ if !end => Err(self.unknown(rest)),
                node if node.is_empty() => Err(Miss::hard(part, "a node has a name").into()),
                node => Ok((rest, Who::Node(node))),
            };
        }
        let Ok((rest, word)) = lexeme(input) else {
            return Err(self.miss(input, "say who", names().chain(["a node"])));
        };
        let who = match word {
            "caller" => Who::Caller,
            "callee" => Who::Callee,
            "device" => Who::Device,
            "other-leg" => Who::OtherLeg,
            "other-party" => Who::OtherParty,
            name => match self.names.who.get(name) {
                Some(with) => Who::Such { name: name.to_owned(), with: with.clone() },
                None => self.node(name)?,
            },
        };
        if matches!(who, Who::Device | Who::OtherLeg | Who::Such { .. }) && !self.names.of_a_device {
            let what = format!("`{word}` is a device of one leg, and this is not `per` leg or device");
            return Err(Miss::hard(word, what).expecting(["caller", "callee", "other-party", "a node"]).into());
        }
        Ok((rest, who))
    }

    /// A word that is near to one that means something is a slip, unless it is quoted.
    fn node(&self, word: &'a str) -> Result<Who, nom::Err<Miss<'a>>> {
        let names = || WHO.into_iter().chain(self.names.who.keys().map(String::as_str));
        let is_node = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'[' | b']' | b'@');
        if KEYWORDS.contains(&word) {
            let what = format!("say who, before `{word}`");
            return Err(Miss::hard(word, what).expecting(names().chain(["a node"])).into());
        }
        if let Some(near) = nearest(word, names()) {
            let what = format!("`{word}` is nearly `{near}`; a node of this name is written '{word}'");
            return Err(Miss::hard(word, what).expecting(names().chain(["a node"])).meaning(Some(near)).into());
        }
        if !word.bytes().all(is_node) {
            let what = format!("`{word}` is no name of a node; one with other signs stands in '…'");
            return Err(Miss::hard(word, what).expecting(names().chain(["a node"])).into());
        }
        Ok(Who::Node(word.to_owned()))
    }
}

/// `2nd`, with its number if it counts. A status has no such end.
fn nth(input: &str) -> Parsed<'_, (&str, Option<u32>)> {
    let (rest, word) = lexeme(input)?;
    let ordinal = terminated(digit1, alt((tag("st"), tag("nd"), tag("rd"), tag("th"))));
    let (_, digits) = all_consuming(ordinal).parse(word)?;
    Ok((rest, (word, digits.parse().ok().filter(|number| (1..=99).contains(number)))))
}

/// `486`, `4xx`, `3xx-6xx`, `480-489`.
fn range(input: &str) -> IResult<&str, Code> {
    let status =
        |digits: &str| digits.parse().ok().filter(|code| (100..=699).contains(code)).map(|code: u16| (code, code));
    let hundred = |digit: &str| digit.parse().ok().map(|digit: u16| (digit * 100, digit * 100 + 99));
    let one = || {
        let digits = |count| take_while_m_n(count, count, |c: char| c.is_ascii_digit());
        let hundreds = terminated(verify(digits(1), |digit: &str| ("1"..="6").contains(&digit)), tag("xx"));
        alt((map_opt(hundreds, hundred), map_opt(digits(3), status)))
    };
    map_opt(pair(one(), opt(preceded(char('-'), one()))), |((from, to), last)| {
        let to = last.map_or(to, |(_, to)| to);
        (from <= to).then_some(Code::Range { from, to })
    })
    .parse(input)
}

/// The methods are needed to say that SIP has none.
fn path<'a>(input: &'a str, methods: &[String]) -> Parsed<'a, Path> {
    let (rest, word) = verify(lexeme, |word: &str| word.starts_with('/')).parse(input)?;
    if let Some(method) = methods.iter().find(|method| SIP.contains(&method.as_str()) && *method != "OPTIONS") {
        return Err(Miss::hard(word, format!("{method} has no path; only REST and push have one")).into());
    }
    let (text, prefix) = word.strip_suffix('*').map_or((word, false), |text| (text, true));
    if text.contains(['*', '?', '#']) {
        let what = "a path is compared without its query, and a * stands at its end only";
        return Err(Miss::hard(word, what).expecting(["/v1/route", "/v1/*"]).into());
    }
    Ok((rest, Path { text: text.to_owned(), prefix }))
}
