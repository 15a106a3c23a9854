//! A configured layout: placeholders and the text between them, matched from right to left, so nothing backtracks.

use memchr::memmem;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_until};
use nom::multi::many0;
use nom::sequence::delimited;
use nom::{IResult, Parser};

use super::Fields;
use super::timestamp::LONGEST;

/// `{time} {method} {source} -> {destination}`, compiled.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// The line may begin with anything.
    prefix: bool,
    /// The four fields as they stand, each with the text before it.
    fields: Vec<(Vec<u8>, Field)>,
    /// The text behind the last field.
    tail: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Time,
    Method,
    Source,
    Destination,
}

/// Longer header patterns are a mistake.
const LONGEST_PATTERN: usize = 1024;

impl Template {
    /// The error says what is wrong with the pattern and how to mend it.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        if pattern.len() > LONGEST_PATTERN {
            return Err(format!("header is longer than {LONGEST_PATTERN} bytes; give a shorter one"));
        }
        let mut template = Self { prefix: false, fields: Vec::new(), tail: Vec::new() };
        let (rest, tokens) = many0(token).parse(pattern).map_err(|why| format!("header cannot be read: {why}"))?;
        for token in tokens {
            match token {
                Token::Text(text) => template.tail.extend_from_slice(text.as_bytes()),
                Token::Placeholder(name) => template.placeholder(name)?,
            }
        }
        if rest.starts_with('{') {
            return Err("header has a \"{\" without \"}\"; write \"{{\" for the character itself".into());
        }
        if !rest.is_empty() {
            return Err("header has a \"}\" without \"{\"; write \"}}\" for the character itself".into());
        }
        for (field, name) in Field::ALL {
            if !template.fields.iter().any(|(_, f)| *f == field) {
                return Err(format!(
                    "header has no {{{name}}}; each of time, method, source, destination is needed once"
                ));
            }
        }
        Ok(template)
    }

    fn placeholder(&mut self, name: &str) -> Result<(), String> {
        if name == "prefix" {
            if self.prefix || !self.fields.is_empty() || !self.tail.is_empty() {
                return Err("{prefix} must be the first thing in header, and stand there once".into());
            }
            self.prefix = true;
            return Ok(());
        }
        let Some((field, _)) = Field::ALL.into_iter().find(|(_, known)| *known == name) else {
            return Err(format!(
                "header has an unknown {{{name}}}; known are prefix, time, method, source, destination (\"{{{{\" for the character itself)"
            ));
        };
        if self.fields.iter().any(|(_, f)| *f == field) {
            return Err(format!("header has {{{name}}} twice; leave one out"));
        }
        let before = std::mem::take(&mut self.tail);
        if before.is_empty() && !self.fields.is_empty() {
            return Err(format!("header has no text before {{{name}}}; put at least a blank between two placeholders"));
        }
        self.fields.push((before, field));
        Ok(())
    }

    /// A cheap test: can this line be one?
    pub fn candidate(&self, line: &[u8]) -> bool {
        let last = self.fields.last().map_or(&[][..], |(before, _)| before);
        line.strip_suffix(&self.tail[..]).is_some_and(|rest| memmem::rfind(rest, last).is_some())
    }

    /// `is_time` finds the start of a time that follows the prefix without any text between them.
    pub fn split<'a>(&self, line: &'a [u8], is_time: impl Fn(&[u8]) -> bool) -> Option<Fields<'a>> {
        let mut rest = line.strip_suffix(&self.tail[..])?;
        let mut fields = Fields { prefix: &[], time: &[], method: &[], source: &[], destination: &[], apart: false };
        for (i, (before, field)) in self.fields.iter().enumerate().rev() {
            let start = match (i, self.prefix) {
                (0, false) => rest.starts_with(before).then_some(0)?,
                (0, true) if before.is_empty() => first_after_prefix(rest, *field, &is_time)?,
                _ => memmem::rfind(rest, before)?,
            };
            let value = &rest[start + before.len()..];
            match field {
                Field::Time => fields.time = value,
                Field::Method => fields.method = value,
                Field::Source => fields.source = value,
                Field::Destination => fields.destination = value,
            }
            rest = &rest[..start];
        }
        fields.prefix = rest;
        Some(fields)
    }
}

/// What a pattern is made of.
enum Token<'a> {
    Text(&'a str),
    /// The name between braces.
    Placeholder(&'a str),
}

/// A brace that is meant as such is written twice.
fn token(pattern: &str) -> IResult<&str, Token<'_>> {
    let brace = alt((tag("{{"), tag("}}"))).map(|twice: &str| Token::Text(&twice[1..]));
    let placeholder = delimited(tag("{"), take_until("}"), tag("}")).map(Token::Placeholder);
    alt((brace, placeholder, is_not("{}").map(Token::Text))).parse(pattern)
}

impl Field {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Time, "time"), (Self::Method, "method"), (Self::Source, "source"), (Self::Destination, "destination")];
}

/// Where the prefix ends: before the longest time, else before the last word.
fn first_after_prefix(rest: &[u8], field: Field, is_time: impl Fn(&[u8]) -> bool) -> Option<usize> {
    if field == Field::Time {
        return (rest.len().saturating_sub(LONGEST)..rest.len()).find(|&start| is_time(&rest[start..]));
    }
    Some(rest.iter().rposition(u8::is_ascii_whitespace).map_or(0, |blank| blank + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pattern: &str, line: &str) -> Option<[String; 5]> {
        let digits = |text: &[u8]| !text.is_empty() && text.iter().all(|b| b.is_ascii_digit() || b": ".contains(b));
        let template = Template::compile(pattern).unwrap();
        let found = template.split(line.as_bytes(), |text| digits(text) && text[0] != b' ');
        assert!(found.is_none() || template.candidate(line.as_bytes()), "a line that splits is a candidate");
        let f = found?;
        Some([f.prefix, f.time, f.method, f.source, f.destination].map(|t| String::from_utf8_lossy(t).into_owned()))
    }

    const ARROW: &str = "{prefix}{time} {method} {source} -> {destination}";

    #[test]
    fn fields_are_taken_from_right_to_left() {
        assert_eq!(
            split(ARROW, "pbx- 23 19:53:58 INVITE a -> b"),
            Some(["pbx- ", "23 19:53:58", "INVITE", "a", "b"].map(String::from))
        );
        assert_eq!(
            split(ARROW, "23 19:53:58 INVITE a -> b"),
            Some(["", "23 19:53:58", "INVITE", "a", "b"].map(String::from))
        );
        assert_eq!(
            split(ARROW, "1 2 M a -> b -> c"),
            None,
            "the last arrow is the one, so no time stands before the method"
        );
        assert_eq!(split(ARROW, "hello INVITE a -> b"), None);
        assert_eq!(split(ARROW, "a -> b"), None);
        assert_eq!(split(ARROW, ""), None);
    }

    #[test]
    fn fields_may_come_in_any_order_and_the_line_may_have_a_tail() {
        let pattern = "<{source}|{destination}> {method} @{time};";
        assert_eq!(split(pattern, "<a|b> BYE @7;"), Some(["", "7", "BYE", "a", "b"].map(String::from)));
        assert_eq!(split(pattern, "x<a|b> BYE @7;"), None, "without a prefix the line begins with the first text");
        assert_eq!(split(pattern, "<a|b> BYE @7"), None);
        assert_eq!(
            split("{prefix}{method} {time} {source} {destination}", "x BYE 7 a b"),
            Some(["x ", "7", "BYE", "a", "b"].map(String::from))
        );
    }

    #[test]
    fn braces_are_written_twice() {
        let pattern = "{{{time}}} {method} {source} {destination}";
        assert_eq!(split(pattern, "{7} BYE a b"), Some(["", "7", "BYE", "a", "b"].map(String::from)));
    }

    #[test]
    fn a_pattern_that_cannot_work_is_refused_with_what_to_do() {
        let error = |pattern: &str| Template::compile(pattern).map(|_| ()).unwrap_err();
        insta::assert_snapshot!(error(""), @r#"header has no {time}; each of time, method, source, destination is needed once"#);
        insta::assert_snapshot!(error("{time}{method} {source} {destination}"), @r#"header has no text before {method}; put at least a blank between two placeholders"#);
        insta::assert_snapshot!(error("{time} {method} {source} {source}"), @r#"header has {source} twice; leave one out"#);
        insta::assert_snapshot!(error("x{prefix}{time} {method} {source} {destination}"), @r#"{prefix} must be the first thing in header, and stand there once"#);
        insta::assert_snapshot!(error("{time} {methode} {source} {destination}"), @r#"header has an unknown {methode}; known are prefix, time, method, source, destination ("{{" for the character itself)"#);
        insta::assert_snapshot!(error("{time} {method"), @r#"header has a "{" without "}"; write "{{" for the character itself"#);
        insta::assert_snapshot!(error("} {time}"), @r#"header has a "}" without "{"; write "}}" for the character itself"#);
        insta::assert_snapshot!(error(&"x".repeat(2000)), @r#"header is longer than 1024 bytes; give a shorter one"#);
    }
}
