//! One sentence: its words, the place that was reached, and what was looked for there.

use std::cell::RefCell;

use nom::bytes::complete::take_till1;
use nom::character::complete::multispace0;
use nom::combinator::verify;
use nom::error::{ErrorKind, ParseError};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::{Names, place};
use crate::fault::Wrong;
use crate::near::nearest;
use crate::words::KEYWORDS;

pub type Parsed<'a, T> = IResult<&'a str, T, Miss<'a>>;

#[derive(Debug)]
pub struct Sentence<'a> {
    pub text: &'a str,
    pub names: &'a Names<'a>,
    /// The furthest place at which a word was looked for, and which words.
    tried: RefCell<(usize, Vec<&'static str>)>,
}

/// What stands in the way. Without `what` it only is another word than the one that was looked for.
#[derive(Debug)]
pub struct Miss<'a> {
    /// The part of the sentence that is wrong.
    part: &'a str,
    what: Option<String>,
    expected: Vec<String>,
    meant: Option<String>,
    /// Any of the words that were looked for at this place would do.
    open: bool,
}

impl<'a> ParseError<&'a str> for Miss<'a> {
    fn from_error_kind(part: &'a str, _: ErrorKind) -> Self {
        Self { part, what: None, expected: Vec::new(), meant: None, open: true }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// A run of letters up to the next blank, after blanks.
pub fn lexeme(input: &str) -> Parsed<'_, &str> {
    preceded(multispace0, take_till1(char::is_whitespace)).parse(input)
}

impl<'a> Sentence<'a> {
    pub fn new(text: &'a str, names: &'a Names<'a>) -> Self {
        Self { text, names, tried: RefCell::default() }
    }

    /// This word, as a whole.
    pub fn keyword(&self, word: &'static str) -> impl Parser<&'a str, Output = &'a str, Error = Miss<'a>> {
        move |input| {
            self.could_be(input, word);
            verify(lexeme, |found: &str| found == word).parse(input)
        }
    }

    pub fn needs(&self, input: &'a str, word: &'static str) -> Parsed<'a, &'a str> {
        self.keyword(word).parse(input).map_err(|_: nom::Err<Miss<'a>>| self.unknown(input))
    }

    /// It is kept that this may stand here.
    pub fn could_be(&self, input: &'a str, what: &'static str) {
        let at = place(self.text, input.trim_start()).start;
        let mut tried = self.tried.borrow_mut();
        if at > tried.0 {
            *tried = (at, Vec::new());
        }
        if at == tried.0 && !tried.1.contains(&what) {
            tried.1.push(what);
        }
    }

    /// Nothing is left.
    pub fn over(&self, rest: &'a str) -> Parsed<'a, ()> {
        if rest.trim_start().is_empty() { Ok((rest, ())) } else { Err(self.unknown(rest)) }
    }

    /// The next word is none of those that may stand there.
    pub fn unknown(&self, input: &'a str) -> nom::Err<Miss<'a>> {
        match lexeme(input) {
            Ok((_, word)) if KEYWORDS.contains(&word) => {
                Miss::hard(word, format!("`{word}` cannot stand here")).open().into()
            }
            Ok((_, word)) => Miss::hard(word, format!("`{word}` is not understood here")).open().into(),
            Err(_) => self.miss(input, "the sentence ends too early", []),
        }
    }

    /// Something is missing before the next word.
    pub fn miss<'w>(
        &self,
        input: &'a str,
        what: &str,
        expected: impl IntoIterator<Item = &'w str>,
    ) -> nom::Err<Miss<'a>> {
        let part = lexeme(input).map_or(&self.text[self.text.trim_end().len()..], |(_, word)| word);
        Miss::hard(part, what).expecting(expected).open().into()
    }

    /// What stands between these two is understood, and makes no sense.
    pub fn refused(&self, from: &'a str, to: &'a str, what: &str) -> nom::Err<Miss<'a>> {
        let from = place(self.text, from.trim_start()).start;
        Miss::hard(&self.text[from..place(self.text, to).start], what).into()
    }

    pub fn wrong(&self, miss: Miss<'a>) -> Wrong {
        let at = place(self.text, miss.part);
        let tried = self.tried.borrow();
        let looked_for = if miss.open && tried.0 == at.start { tried.1.as_slice() } else { &[] };
        let slip = || nearest(miss.part, looked_for.iter().copied()).filter(|_| !KEYWORDS.contains(&miss.part));
        let meant = miss.meant.or_else(|| slip().map(str::to_owned));
        let expected = if miss.expected.is_empty() {
            looked_for.iter().map(|word| (*word).to_owned()).collect()
        } else {
            miss.expected
        };
        let understood = self.text[..at.start].split_whitespace().collect::<Vec<_>>().join(" ");
        let what = miss.what.unwrap_or_else(|| "this is not understood".to_owned());
        Wrong { at, what, understood, expected, meant }
    }
}

impl<'a> Miss<'a> {
    pub fn hard(part: &'a str, what: impl Into<String>) -> Hard<'a> {
        Hard(Self { part, what: Some(what.into()), expected: Vec::new(), meant: None, open: false })
    }
}

/// A miss after which nothing else is tried.
#[derive(Debug)]
pub struct Hard<'a>(Miss<'a>);

impl Hard<'_> {
    pub fn expecting<'w>(mut self, expected: impl IntoIterator<Item = &'w str>) -> Self {
        self.0.expected.extend(expected.into_iter().take(MOST).map(str::to_owned));
        self
    }

    /// One of these was expected; one that is near is offered.
    pub fn of<'w>(mut self, written: &str, known: impl IntoIterator<Item = &'w str> + Clone) -> Self {
        self.0.meant = nearest(written, known.clone()).map(str::to_owned);
        if self.0.expected.is_empty() { self.expecting(known) } else { self }
    }

    fn open(mut self) -> Self {
        self.0.open = true;
        self
    }

    pub fn meaning(mut self, meant: Option<&str>) -> Self {
        self.0.meant = meant.map(str::to_owned);
        self
    }
}

/// More words than these help nobody.
const MOST: usize = 24;

impl<'a> From<Hard<'a>> for nom::Err<Miss<'a>> {
    fn from(hard: Hard<'a>) -> Self {
        nom::Err::Failure(hard.0)
    }
}
