//! A TOML file with places: what is wrong with a key or a value is collected, and reading goes on.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Wrong};

/// Larger files are not read.
pub const LARGEST: usize = 1 << 20;

/// Of one file: nobody reads more.
const MOST_FAULTS: usize = 200;

/// One file, and what is wrong in it.
#[derive(Debug)]
pub struct Source<'d> {
    pub file: &'d str,
    pub text: &'d str,
    faults: RefCell<Vec<Fault>>,
}

/// Its keys as they are written.
#[derive(Debug)]
pub struct Table<'d> {
    source: &'d Source<'d>,
    /// Where it begins.
    pub at: Range<usize>,
    /// In the order in which they are written.
    entries: Vec<(Key<'d>, &'d Spanned<DeValue<'d>>)>,
}

#[derive(Clone, Debug)]
pub struct Key<'d> {
    pub text: &'d str,
    pub at: Range<usize>,
}

/// A text in quotes.
#[derive(Clone, Debug)]
pub struct Quoted<'d> {
    pub text: &'d str,
    /// With its quotes.
    pub at: Range<usize>,
    /// Where its first letter stands, if nothing in it is escaped.
    begin: Option<usize>,
    source: &'d Source<'d>,
}

impl<'d> Source<'d> {
    pub fn new(file: &'d str, text: &'d str) -> Self {
        Self { file, text, faults: RefCell::default() }
    }

    pub fn complain(&self, wrong: Wrong) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < MOST_FAULTS {
            faults.push(Fault::new(self.file, self.text, wrong));
        }
    }

    /// In the order of their places.
    pub fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }

    /// The file as TOML; what is wrong with it is complained of.
    pub fn parse(&self) -> Option<Spanned<DeTable<'d>>> {
        if self.text.len() > LARGEST {
            let what = format!("the file has {} bytes, and at most {LARGEST} are read", self.text.len());
            self.complain(Wrong::new(0..0, what));
            return None;
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().unwrap_or(self.text.len()..self.text.len());
            self.complain(Wrong::new(at, error.message().lines().collect::<Vec<_>>().join("; ")));
        }
        errors.is_empty().then_some(table)
    }
}

impl<'d> Table<'d> {
    pub fn root(source: &'d Source<'d>, table: &'d Spanned<DeTable<'d>>) -> Self {
        Self::new(source, table.get_ref(), 0..0)
    }

    fn new(source: &'d Source<'d>, table: &'d DeTable<'d>, at: Range<usize>) -> Self {
        let entries = table.iter().map(|(key, value)| (Key { text: key.get_ref(), at: key.span() }, value));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(key, value)| (key.at.start, value.span().start));
        Self { source, at, entries }
    }

    /// Complains of all other keys.
    pub fn only(&self, known: &[&str]) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !known.contains(&key.text)) {
            let wrong = Wrong::new(key.at.clone(), format!("there is no key `{}` here", key.text));
            self.complain(wrong.expecting(known.iter().copied()).meaning(key.text, known.iter().copied()));
        }
    }

    pub fn complain(&self, wrong: Wrong) {
        self.source.complain(wrong);
    }

    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn place(&self, key: &str) -> Range<usize> {
        self.entries.iter().find(|(known, _)| known.text == key).map_or(self.at.clone(), |(key, _)| key.at.clone())
    }

    /// Complains if it is missing.
    pub fn needed(&self, key: &str, like: &str) -> bool {
        if !self.has(key) {
            self.complain(
                Wrong::new(self.at.clone(), format!("`{key}` is missing here")).expecting([format!("{key} = {like}")]),
            );
        }
        self.has(key)
    }

    pub fn text(&self, key: &str) -> Option<Quoted<'d>> {
        let value = self.value(key)?;
        let text = self.as_text(value);
        if text.is_none() {
            self.not(value, "a text in quotes");
        }
        text
    }

    /// A list of texts.
    pub fn texts(&self, key: &str) -> Vec<Quoted<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(list) = value.get_ref() else {
            self.not(value, "a list of texts such as [\"…\"]");
            return Vec::new();
        };
        let text = |item: &'d Spanned<DeValue<'d>>| {
            let text = self.as_text(item);
            if text.is_none() {
                self.not(item, "a text in quotes");
            }
            text
        };
        list.iter().filter_map(text).collect()
    }

    /// One text, or a list of them.
    pub fn one_or_more(&self, key: &str) -> Vec<Quoted<'d>> {
        match self.value(key).map(Spanned::get_ref) {
            Some(DeValue::String(_)) => self.text(key).into_iter().collect(),
            _ => self.texts(key),
        }
    }

    pub fn number(&self, key: &str) -> Option<u32> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if number.is_none() {
            self.not(value, "a whole number of 0 or more");
        }
        number
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        self.not(value, "true or false");
        None
    }

    pub fn time(&self, key: &str) -> Option<i64> {
        let text = self.text(key)?;
        let micros = crate::duration::read(text.text);
        if micros.is_none() {
            text.complain(format!("`{}` is no time", text.text), [crate::duration::LIKE]);
        }
        micros
    }

    /// One of these words.
    pub fn word<T: Copy>(&self, key: &str, all: &[(&str, T)]) -> Option<T> {
        self.text(key)?.word(key, all)
    }

    pub fn table(&self, key: &str) -> Option<Table<'d>> {
        let (at, value) = self.entries.iter().find(|(known, _)| known.text == key)?;
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Self::new(self.source, table, at.at.clone()));
        }
        self.not(value, "a table");
        None
    }

    /// `[[key]]`.
    pub fn tables(&self, key: &str) -> Vec<Table<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(list) = value.get_ref() else {
            self.not(value, &format!("a list of tables: [[{key}]]"));
            return Vec::new();
        };
        let table = |item: &'d Spanned<DeValue<'d>>| match item.get_ref() {
            DeValue::Table(table) => Some(Self::new(self.source, table, item.span())),
            _ => {
                self.not(item, "a table");
                None
            }
        };
        list.iter().filter_map(table).collect()
    }

    /// Names with texts, in the order in which they are written.
    pub fn pairs(&self) -> Vec<(Key<'d>, Quoted<'d>)> {
        let pair = |(key, value): &(Key<'d>, &'d Spanned<DeValue<'d>>)| {
            let text = self.as_text(value);
            if text.is_none() {
                self.not(value, "a text in quotes");
            }
            Some((key.clone(), text?))
        };
        self.entries.iter().filter_map(pair).collect()
    }

    fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.entries.iter().find(|(known, _)| known.text == key).map(|(_, value)| *value)
    }

    fn as_text(&self, value: &'d Spanned<DeValue<'d>>) -> Option<Quoted<'d>> {
        let DeValue::String(text) = value.get_ref() else { return None };
        let at = value.span();
        let written = self.source.text.get(at.clone()).unwrap_or_default();
        let quotes = if written.starts_with("\"\"\"") || written.starts_with("'''") { 3 } else { 1 };
        let begin = at.end.checked_sub(quotes + text.len()).filter(|begin| *begin >= at.start + quotes);
        let begin = begin.filter(|begin| self.source.text.get(*begin..begin + text.len()) == Some(&**text));
        Some(Quoted { text, at, begin, source: self.source })
    }

    fn not(&self, value: &Spanned<DeValue<'_>>, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text".to_owned(),
            DeValue::Integer(number) => format!("the number {number}"),
            DeValue::Float(number) => format!("the number {number}"),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.complain(Wrong::new(value.span(), format!("{expected} is expected here, not {found}")));
    }
}

impl Quoted<'_> {
    /// The value, or a fault with its place in the file.
    pub fn take<T>(&self, read: Result<T, Wrong>) -> Option<T> {
        read.map_err(|wrong| {
            let at = self.part(wrong.at.clone());
            self.source.complain(Wrong { at, ..wrong });
        })
        .ok()
    }

    /// Bytes of it, as bytes of the file.
    pub fn part(&self, part: Range<usize>) -> Range<usize> {
        match self.begin {
            Some(begin) => begin + part.start..begin + part.end,
            None => self.at.start..self.at.start + 1,
        }
    }

    /// `FILE:LINE`.
    pub fn position(&self) -> String {
        let before = &self.source.text[..self.at.start.min(self.source.text.len())];
        format!("{}:{}", self.source.file, before.matches('\n').count() + 1)
    }

    /// Of the text as a whole.
    pub fn complain<'e>(&self, what: impl Into<String>, expected: impl IntoIterator<Item = &'e str>) {
        self.source.complain(Wrong::new(self.part(0..self.text.len()), what).expecting(expected));
    }

    pub fn complain_of(&self, wrong: Wrong) {
        self.source.complain(wrong);
    }

    pub fn word<T: Copy>(&self, key: &str, all: &[(&str, T)]) -> Option<T> {
        let found = all.iter().find(|(word, _)| *word == self.text).map(|(_, value)| *value);
        if found.is_none() {
            let words = || all.iter().map(|(word, _)| *word);
            let wrong = Wrong::new(self.part(0..self.text.len()), format!("`{}` is no {key}", self.text));
            self.source.complain(wrong.expecting(words()).meaning(self.text, words()));
        }
        found
    }
}
