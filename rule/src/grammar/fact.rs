//! What is known of a message: `platform=ios|android and registered_ago>60s`.

use message::event::CallClass;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till1};
use nom::character::complete::multispace0;
use nom::combinator::value;
use nom::multi::separated_list1;

use super::sentence::{Miss, Parsed, Sentence, lexeme};
use crate::duration;
use crate::syntax::{Fact, FactName, Op};
use crate::words::{KEYWORDS, OPERATORS};

impl<'a> Sentence<'a> {
    pub fn facts(&self, input: &'a str) -> Parsed<'a, Vec<Fact>> {
        separated_list1(self.keyword("and"), |input| self.fact(input)).parse(input)
    }

    fn fact(&self, input: &'a str) -> Parsed<'a, Fact> {
        let (rest, name) = self.fact_name(input)?;
        let operators = || OPERATORS.iter().map(|(text, _)| *text);
        let Ok((rest, op)) = operator(rest) else {
            return Err(self.miss(rest, "a comparison is missing after the fact", operators()));
        };
        let sign = &self.text[..self.text.len() - rest.len()];
        let sign = &sign[sign.trim_end_matches(['=', '<', '>', '!']).len()..];
        if !matches!(op, Op::Is | Op::IsNot) && !name.has_order() {
            let what = format!("`{}` has no order", name.show());
            return Err(Miss::hard(sign, what).expecting(["=", "!="]).into());
        }
        let (rest, values) = separated_list1(tag("|"), |input| self.value(input, &name)).parse(rest.trim_start())?;
        if values.len() > 1 && !matches!(op, Op::Is | Op::IsNot) {
            return Err(Miss::hard(sign, format!("`{}` compares with one value", op.show()))
                .expecting(["=", "!="])
                .into());
        }
        Ok((rest, Fact { name, op, values }))
    }

    pub fn fact_name(&self, input: &'a str) -> Parsed<'a, FactName> {
        let input = input.trim_start();
        let end = input.find(|c: char| c.is_whitespace() || "=<>!'".contains(c)).unwrap_or(input.len());
        let (word, rest) = input.split_at(end);
        if word.is_empty() || KEYWORDS.contains(&word) {
            return Err(self.miss(input, "a fact is missing here", FactName::known()));
        }
        let unknown =
            || Miss::hard(word, format!("there is no fact `{word}`")).of(word, FactName::known().collect::<Vec<_>>());
        FactName::read(word).map(|name| (rest, name)).ok_or_else(|| unknown().into())
    }

    /// As it is kept: times in microseconds.
    fn value(&self, input: &'a str, name: &FactName) -> Parsed<'a, String> {
        let (rest, text) = if input.starts_with('\'') {
            quoted(input)?
        } else {
            let plain = take_till1(|c: char| c.is_whitespace() || matches!(c, '|' | '\'' | '=' | '<' | '>' | '!'));
            let plain: Parsed<'a, &str> = { plain }.parse(input);
            plain
                .map(|(rest, text)| (rest, text.to_owned()))
                .map_err(|_| self.miss(input, "the value is missing", []))?
        };
        let part = &input[..input.len() - rest.len()];
        let expected: Vec<&str> = match name {
            name if name.is_yes_or_no() => vec!["yes", "no"],
            FactName::Scenario => CallClass::ALL.iter().map(|class| class.name()).collect(),
            FactName::RegisteredAgo => {
                let none = || Miss::hard(part, format!("`{part}` is no time")).expecting([duration::LIKE]);
                let micros = duration::read(&text).ok_or_else(none)?;
                return Ok((rest, micros.to_string()));
            }
            FactName::Expires => {
                let is_number = text.len() <= 10 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                let none = || Miss::hard(part, format!("`{part}` is no number of seconds")).expecting(["0", "3600"]);
                return if is_number { Ok((rest, text)) } else { Err(none().into()) };
            }
            _ => return Ok((rest, text)),
        };
        if expected.contains(&text.as_str()) {
            return Ok((rest, text));
        }
        Err(Miss::hard(part, format!("`{}` is never {part}", name.show())).of(&text, expected).into())
    }
}

fn operator(input: &str) -> Parsed<'_, Op> {
    let [a, b, c, d, e, f] = OPERATORS;
    let one = |(text, op): (&'static str, Op)| value(op, tag(text));
    let (rest, _) = multispace0(input)?;
    alt((one(a), one(b), one(c), one(d), one(e), one(f))).parse(rest)
}

/// `'…'` with `\'` and `\\` for the signs themselves.
pub fn quoted(input: &str) -> Parsed<'_, String> {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, c) in input.char_indices().skip(1) {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '\'' => return Ok((&input[at + 1..], text)),
            c => text.push(c),
        }
    }
    let word = lexeme(input).map_or(input, |(_, word)| word);
    Err(Miss::hard(word, "the quote is not closed").expecting(["'"]).into())
}
