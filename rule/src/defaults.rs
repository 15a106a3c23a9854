//! `00-defaults.toml`: what all rules share.

use std::collections::BTreeMap;

use crate::document::{Key, Quoted, Table};
use crate::fault::Wrong;
use crate::grammar;
use crate::syntax::{CodeName, CodeNames, Defaults, OnSilence, SourceAlerts, Times};
use crate::words::{KEYWORDS, WHO, is_name};

pub const FILE: &str = "00-defaults.toml";

/// More names than these are a mistake.
const MOST_NAMES: usize = 200;

/// Longest sentence of a class: it stands in the subject of a mail.
const LONGEST_SENTENCE: usize = 120;

const LONGEST_TITLE: usize = 200;

pub const ON_SILENCE: [(&str, OnSilence); 2] = [("unknown", OnSilence::Unknown), ("failed", OnSilence::Failed)];

const SECOND: i64 = 1_000_000;

/// The times as shipped, and no names.
impl Default for Defaults {
    fn default() -> Self {
        Self {
            times: Times {
                lateness: 15 * SECOND,
                late_for: 600 * SECOND,
                give_up: 86_400 * SECOND,
                on_silence: OnSilence::Unknown,
            },
            mail_age: 3_600 * SECOND,
            codes: CodeNames::default(),
            who: BTreeMap::new(),
            says: BTreeMap::new(),
            source: SourceAlerts {
                silent_after: 120 * SECOND,
                lag_over: 60 * SECOND,
                clock_off: 2 * SECOND,
                gap: true,
            },
        }
    }
}

pub fn read(root: &Table<'_>) -> Defaults {
    root.only(&["lateness", "late_for", "give_up", "on_silence", "mail_age", "source", "who", "codes", "says"]);
    let shipped = Defaults::default();
    let mut defaults = Defaults {
        times: times(root, shipped.times),
        mail_age: root.time("mail_age").unwrap_or(shipped.mail_age),
        ..shipped
    };
    if let Some(source) = root.table("source") {
        source.only(&["silent_after", "lag_over", "clock_off", "gap"]);
        defaults.source = SourceAlerts {
            silent_after: source.time("silent_after").unwrap_or(shipped.source.silent_after),
            lag_over: source.time("lag_over").unwrap_or(shipped.source.lag_over),
            clock_off: source.time("clock_off").unwrap_or(shipped.source.clock_off),
            gap: source.flag("gap").unwrap_or(shipped.source.gap),
        };
    }
    if let Some(who) = root.table("who") {
        for (key, text) in named(&who) {
            if WHO.contains(&key.text) {
                who.complain(Wrong::new(key.at, format!("`{}` means something already", key.text)));
            } else if let Some(facts) = text.take(grammar::facts(text.text)) {
                defaults.who.insert(key.text.to_owned(), facts);
            }
        }
    }
    if let Some(codes) = root.table("codes") {
        codes.only(&["business", "failed"]);
        for (kind, business) in [("business", true), ("failed", false)] {
            for (key, text) in codes.table(kind).iter().flat_map(named) {
                if let Some(ranges) = text.take(grammar::ranges(text.text)) {
                    add(&mut defaults.codes, &key, &text, CodeName { name: key.text.to_owned(), business, ranges });
                }
            }
        }
    }
    if let Some(table) = root.table("says") {
        defaults.says =
            says(&table).into_iter().map(|(key, text)| (key.text.to_owned(), text.text.to_owned())).collect();
    }
    defaults
}

/// A rule may set them for itself.
pub fn times(table: &Table<'_>, otherwise: Times) -> Times {
    Times {
        lateness: table.time("lateness").unwrap_or(otherwise.lateness),
        late_for: table.time("late_for").unwrap_or(otherwise.late_for),
        give_up: table.time("give_up").unwrap_or(otherwise.give_up),
        on_silence: table.word("on_silence", &ON_SILENCE).unwrap_or(otherwise.on_silence),
    }
}

/// Classes with their sentences.
pub fn says<'d>(table: &Table<'d>) -> Vec<(Key<'d>, Quoted<'d>)> {
    named(table).into_iter().filter(|(_, text)| is_sentence(text)).collect()
}

/// It stands in the subject of a mail, which is one line of ASCII.
fn is_sentence(text: &Quoted<'_>) -> bool {
    let wrong = match text.text {
        "" => "a sentence is missing here",
        long if long.len() > LONGEST_SENTENCE => {
            "it is too long for the subject of a mail, which has at most 120 letters of it"
        }
        other if !other.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
            "it stands in the subject of a mail, so it is one line of ASCII letters"
        }
        _ => return true,
    };
    text.complain(wrong, []);
    false
}

/// One line.
pub fn is_title(text: &Quoted<'_>) -> bool {
    let wrong = match text.text {
        "" => "a title is missing here",
        long if long.len() > LONGEST_TITLE => "a title has at most 200 bytes",
        other if other.chars().any(char::is_control) => "a title is one line, without signs that cannot be seen",
        _ => return true,
    };
    text.complain(wrong, []);
    false
}

fn named<'d>(table: &Table<'d>) -> Vec<(Key<'d>, Quoted<'d>)> {
    let mut pairs = table.pairs();
    if let Some((key, _)) = pairs.get(MOST_NAMES) {
        table.complain(Wrong::new(key.at.clone(), format!("at most {MOST_NAMES} names are read")));
        pairs.truncate(MOST_NAMES);
    }
    pairs.retain(|(key, _)| {
        let good = is_name(key.text) && !KEYWORDS.contains(&key.text);
        if !good {
            let what = format!("`{}` is no name: a lower-case word with dashes that has no other meaning", key.text);
            table.complain(Wrong::new(key.at.clone(), what));
        }
        good
    });
    pairs
}

/// Two names for one and the same range would leave open which it is.
fn add(names: &mut CodeNames, key: &Key<'_>, text: &Quoted<'_>, new: CodeName) {
    let all = names.entries.iter().flat_map(|entry| entry.ranges.iter().map(move |range| (range, &entry.name)));
    let taken = all.into_iter().find(|(range, _)| new.ranges.contains(range));
    if names.entries.iter().any(|entry| entry.name == new.name) {
        text.complain_of(Wrong::new(key.at.clone(), format!("`{}` is a name already", new.name)));
    } else if let Some(((from, to), name)) = taken {
        text.complain(format!("{} has the name `{name}` already", crate::print::range(*from, *to)), []);
    } else {
        names.entries.push(new);
    }
}
