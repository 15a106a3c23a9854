//! The toolbar: chips that are links, each with what it would show, and the form that finds text.

use message::flow::Flow;
use message::kind::Kind;

use crate::ladder::columns::colour;
use crate::ladder::row::glyph;
use crate::ladder::view::{Hide, View};
use crate::ladder::{Counts, Ladder};
use crate::words::{count, counted};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tools {
    pub legs: Vec<Chip>,
    pub kinds: Vec<Chip>,
    pub rows: Vec<Chip>,
    /// Hidden fields that keep the rest of the view when text is looked for.
    pub fields: Vec<(&'static str, String)>,
    pub find: String,
    pub shown: String,
    /// `of 29 rows, 3 nodes hidden`
    pub of: String,
    pub show_all: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chip {
    pub href: String,
    pub text: String,
    /// Behind the text, as code.
    pub code: String,
    /// The text is the tag of a leg of this colour.
    pub colour: Option<usize>,
    pub glyph: Option<&'static str>,
    pub count: String,
    pub on: bool,
    pub bad: bool,
    /// The key that follows it.
    pub key: String,
    pub title: String,
}

/// An address on the same page.
pub fn link(view: &View) -> String {
    format!("?{}", view.query())
}

pub fn tools(flow: &Flow, ladder: &Ladder, view: &View) -> Tools {
    let counts = &ladder.counts;
    // A filter of rows begins at the first page again.
    let base = View { page: None, ..view.clone() };
    let total = counts.total + counts.unmet.1;
    let of = match ladder.columns.hidden {
        0 => format!("of {}", counted(total, "row")),
        nodes => format!("of {}, {} hidden", counted(total, "row"), counted(nodes, "node")),
    };
    let all = link(&base.show_all());
    Tools {
        legs: legs(flow, counts, &base),
        kinds: kinds(counts, &base),
        rows: rows(ladder, &base),
        fields: View { find: String::new(), ..base.clone() }.fields(),
        find: view.find.clone(),
        shown: count(counts.shown + counts.unmet.0),
        of,
        show_all: (counts.shown + counts.unmet.0 < total).then_some(all),
    }
}

/// Legs that have rows. Without a filter a click shows one leg alone; with one it takes a leg in or out.
fn legs(flow: &Flow, counts: &Counts, base: &View) -> Vec<Chip> {
    let legs = flow.legs.iter().enumerate().filter(|(_, leg)| leg.rows > 0 || base.legs.contains(&leg.tag));
    let legs = legs.enumerate().map(|(place, (at, leg))| {
        let (on, legs) = toggled(&base.legs, leg.tag.clone());
        Chip {
            colour: Some(colour(at)),
            on,
            key: if place < 9 { (place + 1).to_string() } else { String::new() },
            title: leg.target.clone(),
            ..Chip::new(link(&View { legs, ..base.clone() }), &leg.tag, counts.legs[at])
        }
    });
    legs.collect()
}

fn kinds(counts: &Counts, base: &View) -> Vec<Chip> {
    let asked = |kind: &Kind| base.kinds.contains(kind);
    let there = Kind::ALL.iter().enumerate().filter(|(at, kind)| counts.kinds[*at] > 0 || asked(kind));
    let kinds = there.map(|(at, kind)| {
        let (on, kinds) = toggled(&base.kinds, *kind);
        // MEDIA is off until asked for, and then it comes to the others.
        let off = *kind == Kind::Media && base.kinds.is_empty();
        let kinds = if off { Kind::ALL.to_vec() } else { kinds };
        Chip {
            glyph: Some(glyph(*kind)),
            on: on && !off,
            ..Chip::new(link(&View { kinds, ..base.clone() }), kind.name(), counts.kinds[at])
        }
    });
    kinds.collect()
}

fn rows(ladder: &Ladder, base: &View) -> Vec<Chip> {
    let counts = &ladder.counts;
    let mut chips = Vec::new();
    if counts.problems > 0 || base.problems {
        let href = link(&View { problems: !base.problems, ..base.clone() });
        let title = "rows on which something went wrong".to_owned();
        let glyph = Some("g-missing");
        chips.push(Chip { glyph, bad: true, on: base.problems, title, ..Chip::new(href, "Problems", counts.problems) });
    }
    for (hide, number) in Hide::ALL.into_iter().zip(counts.hide) {
        let on = base.hide.contains(&hide);
        if number == 0 {
            continue;
        }
        let mut hidden = base.hide.clone();
        hidden.retain(|other| *other != hide);
        hidden.extend((!on).then_some(hide));
        let chip = Chip::new(link(&View { hide: hidden, ..base.clone() }), "Hide", number);
        let code = match hide {
            Hide::Trying => "100",
            Hide::Options => "OPTIONS",
            Hide::Keepalives => "keep-alives",
        };
        chips.push(Chip { code: code.into(), on, ..chip });
    }
    if counts.folded > 0 || !base.fold {
        let href = link(&View { fold: !base.fold, ..base.clone() });
        chips.push(Chip { on: base.fold, key: "f".into(), ..Chip::new(href, "Fold repeats", counts.folded) });
    }
    for (person, devices) in &ladder.columns.folded {
        let cols = base.cols.iter().cloned().chain([format!("{person}*")]).collect();
        chips.push(Chip::new(link(&View { cols, ..base.clone() }), &format!("Unfold {person}"), *devices));
    }
    chips.extend(given("method", &base.methods, |methods| View { methods, ..base.clone() }));
    chips.extend(given("status", &base.statuses, |statuses| View { statuses, ..base.clone() }));
    chips.extend(given("node", &base.nodes, |nodes| View { nodes, ..base.clone() }));
    chips
}

/// Filters that have no chip of their own until they are in the address: a click drops one.
fn given(name: &str, values: &[String], without: impl Fn(Vec<String>) -> View) -> Vec<Chip> {
    let chip = |value: &String| {
        let rest = values.iter().filter(|other| *other != value).cloned().collect();
        let title = format!("only rows of this {name}; click to drop");
        Chip { code: value.clone(), on: true, title, count: String::new(), ..Chip::new(link(&without(rest)), name, 0) }
    };
    values.iter().map(chip).collect()
}

/// Whether a value is in view under a list in which none means all, and the list after a click on it.
fn toggled<T: Clone + PartialEq>(list: &[T], value: T) -> (bool, Vec<T>) {
    if list.is_empty() {
        return (true, vec![value]);
    }
    let on = list.contains(&value);
    let mut list: Vec<T> = list.iter().filter(|other| **other != value).cloned().collect();
    if !on {
        list.push(value);
    }
    (on, list)
}

impl Chip {
    fn new(href: String, text: &str, number: usize) -> Self {
        Self {
            href,
            text: text.to_owned(),
            code: String::new(),
            colour: None,
            glyph: None,
            count: count(number),
            on: false,
            bad: false,
            key: String::new(),
            title: String::new(),
        }
    }

    pub fn classes(&self) -> String {
        let mut classes = String::from("chip");
        if let Some(colour) = self.colour {
            classes.push_str(&format!(" leg{colour}"));
        }
        if self.bad {
            classes.push_str(" bad");
        }
        if self.on {
            classes.push_str(" on");
        }
        classes
    }
}
