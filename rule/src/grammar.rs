//! The sentences of a rule, from text to values. What is wrong is said with its place and what may stand there.

mod fact;
mod sentence;
mod term;

use std::collections::BTreeMap;
use std::ops::Range;

use nom::Parser;
use nom::combinator::{cond, cut, map, map_opt, opt};
use nom::multi::separated_list1;
use nom::sequence::preceded;

use crate::fault::Wrong;
use crate::syntax::{
    Amount, Anchor, CodeNames, Codes, End, Ending, Fact, FactName, Much, Pattern, Side, Step, Timing, Unless,
};
use crate::words::{KEYWORDS, is_name};
use sentence::{Miss, Parsed, Sentence, lexeme};

/// Longer sentences are not read.
pub const LONGEST: usize = 10_000;

/// What the names in a sentence can stand for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    pub codes: &'n CodeNames,
    pub who: &'n BTreeMap<String, Vec<Fact>>,
    /// Of all steps of the rule, in order.
    pub labels: &'n [Option<String>],
    /// An instance is that of a device: there is a `device`, and an `other-leg`.
    pub of_a_device: bool,
}

/// `at` is the place of the step in its rule.
pub fn step(text: &str, names: &Names<'_>, at: usize) -> Result<Step, Wrong> {
    read(text, names, |sentence, input| {
        let (rest, label) = opt(label).parse(input)?;
        if let Some(label) = label.filter(|label| !is_name(label) || KEYWORDS.contains(label)) {
            let what = format!("a label is a lower-case word with dashes that has no other meaning; {label:?} is none");
            return Err(Miss::hard(label, what).into());
        }
        let (rest, forbidden) = opt(sentence.keyword("no")).parse(rest)?;
        let (rest, pattern) = sentence.pattern(rest)?;
        let (rest, timing) = sentence.timing(rest, at)?;
        let (rest, failure) = sentence.fate(rest, forbidden.is_some())?;
        let label = label.map(str::to_owned);
        Ok((rest, Step { label, forbidden: forbidden.is_some(), pattern, timing, failure }))
    })
}

/// The label of a step, whatever else is wrong with it.
pub fn label_of(text: &str) -> Option<&str> {
    label(text).ok().map(|(_, label)| label)
}

pub fn pattern(text: &str, names: &Names<'_>) -> Result<Pattern, Wrong> {
    read(text, names, Sentence::pattern)
}

pub fn unless(text: &str, names: &Names<'_>) -> Result<Unless, Wrong> {
    read(text, names, |sentence, input| {
        let (rest, pattern) = sentence.pattern(input)?;
        let before = preceded(sentence.keyword("before"), cut(|input| sentence.anchor(input)));
        let after = preceded(sentence.keyword("after"), cut(|input| sentence.anchor(input)));
        let (rest, before) = opt(before.map(|anchor| (Side::Before, anchor))).parse(rest)?;
        if before.is_some() {
            return Ok((rest, Unless { pattern, side: before }));
        }
        let (rest, side) = opt(after.map(|anchor| (Side::After, anchor))).parse(rest)?;
        Ok((rest, Unless { pattern, side }))
    })
}

pub fn end(text: &str, names: &Names<'_>) -> Result<End, Wrong> {
    read(text, names, |sentence, input| {
        let (rest, pattern) = sentence.pattern(input)?;
        let outcome = preceded(sentence.keyword("as"), cut(|input| sentence.ending(input)));
        map(opt(outcome), |outcome| End { pattern: pattern.clone(), outcome }).parse(rest)
    })
}

/// The facts of a name in `[who]`.
pub fn facts(text: &str) -> Result<Vec<Fact>, Wrong> {
    read(text, &Names::none(), Sentence::facts)
}

/// The statuses of a name in `[codes]`: ranges only.
pub fn ranges(text: &str) -> Result<Vec<(u16, u16)>, Wrong> {
    let codes: Codes = read(text, &Names::none(), |sentence, input| {
        opt(|input| sentence.codes(input)).parse(input).and_then(|(rest, codes)| match codes {
            Some(codes) => Ok((rest, codes)),
            None => Err(sentence.miss(rest, "a status is missing here", ["486", "4xx", "3xx-6xx"])),
        })
    })?;
    Ok(codes.0.iter().filter_map(crate::syntax::Code::range).collect())
}

/// `mail_when` and `critical_when`.
pub fn amounts(text: &str) -> Result<Vec<Amount>, Wrong> {
    read(text, &Names::none(), |sentence, input| {
        separated_list1(sentence.keyword("or"), |input| sentence.amount(input)).parse(input)
    })
}

pub fn fact_name(text: &str) -> Result<FactName, Wrong> {
    read(text, &Names::none(), Sentence::fact_name)
}

impl Names<'static> {
    const fn none() -> Self {
        static CODES: CodeNames = CodeNames { entries: Vec::new() };
        static WHO: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
        Self { codes: &CODES, who: &WHO, labels: &[], of_a_device: false }
    }
}

fn read<'a, T>(
    text: &'a str,
    names: &'a Names<'a>,
    parser: impl FnOnce(&Sentence<'a>, &'a str) -> Parsed<'a, T>,
) -> Result<T, Wrong> {
    if text.len() > LONGEST {
        return Err(Wrong::new(0..text.len(), format!("a sentence has at most {LONGEST} bytes")));
    }
    let sentence = Sentence::new(text, names);
    match parser(&sentence, text).and_then(|(rest, value)| sentence.over(rest).map(|_| value)) {
        Ok(value) => Ok(value),
        Err(nom::Err::Error(miss) | nom::Err::Failure(miss)) => Err(sentence.wrong(miss)),
        Err(nom::Err::Incomplete(_)) => Err(Wrong::new(text.len()..text.len(), "the sentence is not complete")),
    }
}

fn label(input: &str) -> Parsed<'_, &str> {
    map_opt(lexeme, |word: &str| word.strip_suffix(':')).parse(input)
}

impl<'a> Sentence<'a> {
    fn timing(&self, input: &'a str, step: usize) -> Parsed<'a, Option<Timing>> {
        let (rest, micros) = opt(preceded(self.keyword("within"), cut(|input| self.time(input)))).parse(input)?;
        let (rest, before) = opt(preceded(self.keyword("before"), cut(|input| self.anchor(input)))).parse(rest)?;
        if let Some(label) = before {
            if label == Anchor::Step(step) {
                return Err(self.refused(input, rest, "a step cannot come before itself"));
            }
            return Ok((rest, Some(Timing::Before { micros, label })));
        }
        let Some(micros) = micros else { return Ok((rest, None)) };
        let (after, of) = opt(preceded(self.keyword("of"), cut(|input| self.anchor(input)))).parse(rest)?;
        if let Some(Anchor::Step(other)) = of.filter(|anchor| *anchor >= Anchor::Step(step)) {
            let whose = if other == step { "itself" } else { "a later one" };
            return Err(self.refused(rest, after, &format!("a step counts from an earlier one, not from {whose}")));
        }
        Ok((after, Some(Timing::Within { micros, of })))
    }

    /// What it means that the step is missed.
    fn fate(&self, input: &'a str, forbidden: bool) -> Parsed<'a, Option<String>> {
        if !forbidden {
            let (rest, optional) = opt(self.keyword("optional")).parse(input)?;
            if optional.is_some() {
                return Ok((rest, None));
            }
        }
        let (rest, failure) = opt(preceded(self.keyword("else"), cut(|input| self.class(input)))).parse(input)?;
        match failure {
            Some(failure) => Ok((rest, Some(failure))),
            None if rest.trim_start().is_empty() => {
                Err(self.miss(rest, "say what it is when this step is missed: `else` and the name of a failure", []))
            }
            None => Err(self.unknown(rest)),
        }
    }

    fn ending(&self, input: &'a str) -> Parsed<'a, Ending> {
        let (rest, ok) = opt(self.keyword("ok")).parse(input)?;
        if ok.is_some() {
            return Ok((rest, Ending::Ok));
        }
        let (rest, business) = opt(self.keyword("business")).parse(input)?;
        if business.is_some() {
            let named = !rest.trim_start().is_empty();
            self.could_be(rest, "a name");
            let (rest, class) = cond(named, |input| self.class(input)).parse(rest)?;
            return Ok((rest, Ending::Business(class)));
        }
        let (rest, failed) = opt(preceded(self.keyword("failed"), cut(|input| self.class(input)))).parse(input)?;
        failed.map_or_else(|| Err(self.unknown(input)), |class| Ok((rest, Ending::Failed(class))))
    }

    fn class(&self, input: &'a str) -> Parsed<'a, String> {
        match lexeme(input) {
            Ok((rest, word)) if is_name(word) => Ok((rest, word.to_owned())),
            Ok((_, word)) => {
                Err(Miss::hard(word, format!("`{word}` is no name: a lower-case word with dashes")).into())
            }
            Err(_) => Err(self.miss(input, "the name is missing", ["a lower-case word with dashes"])),
        }
    }

    fn anchor(&self, input: &'a str) -> Parsed<'a, Anchor> {
        let labels = || self.names.labels.iter().flatten().map(String::as_str).chain(["start"]);
        let Ok((rest, word)) = lexeme(input) else { return Err(self.miss(input, "the label is missing", labels())) };
        if word == "start" {
            return Ok((rest, Anchor::Start));
        }
        match self.names.labels.iter().position(|label| label.as_deref() == Some(word)) {
            Some(step) => Ok((rest, Anchor::Step(step))),
            None => Err(Miss::hard(word, format!("no step has the label `{word}`")).of(word, labels()).into()),
        }
    }

    fn time(&self, input: &'a str) -> Parsed<'a, i64> {
        let Ok((rest, word)) = lexeme(input) else {
            return Err(self.miss(input, "the time is missing", [crate::duration::LIKE]));
        };
        let micros = crate::duration::read(word);
        let none = || Miss::hard(word, format!("`{word}` is no time")).expecting([crate::duration::LIKE]);
        micros.map(|micros| (rest, micros)).ok_or_else(|| none().into())
    }

    fn amount(&self, input: &'a str) -> Parsed<'a, Amount> {
        let (rest, below) = opt(self.keyword("below")).parse(input)?;
        let (rest, above) = if below.is_some() { (rest, None) } else { opt(self.keyword("above")).parse(rest)? };
        let Ok((rest, number)) = lexeme(rest) else {
            return Err(self.miss(rest, "a number is missing", ["a number such as 10", "a share such as 3%"]));
        };
        let much = amount_of(number);
        let (rest, much) = match (below.or(above), much) {
            (None, Some(much)) => (rest, much),
            (Some(_), Some(Much::Share(share))) => {
                let (rest, _) = self.needs(rest, "of")?;
                let (rest, _) = self.needs(rest, "last")?;
                let (rest, _) = self.needs(rest, "week")?;
                (rest, if below.is_some() { Much::BelowLastWeek(share) } else { Much::AboveLastWeek(share) })
            }
            (Some(side), _) => {
                let what = format!("`{side}` compares with last week, so a percentage is needed, not `{number}`");
                return Err(Miss::hard(number, what).expecting(["20% of last week"]).into());
            }
            (None, None) => {
                let like = ["10", "3%", "below 20% of last week", "above 200% of last week"];
                let miss = Miss::hard(number, format!("`{number}` is no number of failures")).expecting(like);
                return Err(miss.of(number, ["below", "above"]).into());
            }
        };
        let (rest, _) = self.needs(rest, "in")?;
        let (rest, span) = self.time(rest)?;
        let before = rest;
        let (rest, per) = opt(preceded(self.keyword("per"), cut(|input| self.fact_name(input)))).parse(rest)?;
        if per.is_some() && !matches!(much, Much::Count(_)) {
            let what = "a percentage is one of all instances of the rule: `per` counts numbers such as `10 in 5m`";
            return Err(self.refused(before, rest, what));
        }
        Ok((rest, Amount { much, span, per }))
    }
}

/// `10`, `3%`, `0.25%`.
fn amount_of(text: &str) -> Option<Much> {
    let digits = |text: &str| -> Option<u32> {
        (text.len() <= 7 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let Some(share) = text.strip_suffix('%') else {
        return digits(text).filter(|count| *count > 0).map(Much::Count);
    };
    let (whole, part) = share.split_once('.').unwrap_or((share, "0"));
    let part = match part.len() {
        1 => digits(part)? * 10,
        2 => digits(part)?,
        _ => return None,
    };
    Some(digits(whole)? * 100 + part).filter(|share| *share > 0).map(Much::Share)
}

/// A part of a text that is one with it in memory.
pub(crate) fn place(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    start..(start + part.len()).min(text.len())
}

#[cfg(test)]
mod tests;
