//! The toolbar: chips that are links, each with what it would show, and the form that finds text.

use message::flow::Flow;
use message::kind::Kind;

use crate::ladder::columns::colour;
use crate::ladder::row::glyph;
use crate::ladder::view::{Hide, View};
use crate::ladder::words::shortened;
use crate::ladder::{Counts, Ladder};
use crate::words::{count, counted};

/// Letters of a text that is looked for.
const LONGEST: usize = 40;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tools {
    pub legs: Vec<Chip>,
    pub kinds: Vec<Chip>,
    pub rows: Vec<Chip>,
    /// Hidden fields that keep the rest of the view when text is looked for.
    pub fields: Vec<(&'static str, String)>,
    pub find: String,
    /// `3 rows hold it`
    pub hits: String,
    pub shown: String,
    /// `of 29 rows`
    pub of: String,
    pub show_all: Option<String>,
    /// `hidden: 1 × 100 Trying, 12 of other legs`
    pub hidden: String,
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
    /// The key that follows it; with Shift it follows what stands beside it.
    pub key: String,
    /// Beside it: takes this into what is shown, or out of it.
    pub more: Option<More>,
    pub title: String,
}

/// The small link beside a chip.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct More {
    pub href: String,
    /// It is not shown yet.
    pub adds: bool,
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
    let shown = counts.shown + counts.unmet.0;
    let mut of = format!("of {}", counted(total, "row"));
    if ladder.pages > 1 {
        of = format!("rows on this page, {} in view, {of}", count(shown));
    }
    let all = link(&base.show_all());
    Tools {
        legs: legs(flow, counts, &base),
        kinds: kinds(counts, &base),
        rows: rows(ladder, &base),
        fields: View { find: String::new(), ..base.clone() }.fields(),
        find: view.find.clone(),
        hits: if view.find.is_empty() { String::new() } else { hits(counts.hits) },
        shown: count(if ladder.pages > 1 { counts.here } else { shown }),
        of,
        show_all: (shown < total).then_some(all),
        hidden: hidden(ladder, view),
    }
}

fn hits(rows: usize) -> String {
    match rows {
        0 => "no row holds it".into(),
        1 => "1 row holds it".into(),
        rows => format!("{} rows hold it", count(rows)),
    }
}

/// Legs that have rows. A click shows one alone, and, where it is alone, all again; what stands beside it adds it.
fn legs(flow: &Flow, counts: &Counts, base: &View) -> Vec<Chip> {
    let legs = flow.legs.iter().enumerate().filter(|(_, leg)| leg.rows > 0 || base.legs.contains(&leg.tag));
    let legs = legs.enumerate().map(|(place, (at, leg))| {
        let with = |legs| link(&View { legs, ..base.clone() });
        Chip {
            colour: Some(colour(at)),
            key: if place < 9 { (place + 1).to_string() } else { String::new() },
            title: titled(&leg.target),
            ..Chip::of(&base.legs, leg.tag.clone(), with, &leg.tag, counts.legs[at])
        }
    });
    legs.collect()
}

fn kinds(counts: &Counts, base: &View) -> Vec<Chip> {
    let asked = |kind: &Kind| base.kinds.contains(kind);
    let there = Kind::ALL.iter().enumerate().filter(|(at, kind)| counts.kinds[*at] > 0 || asked(kind));
    let kinds = there.map(|(at, kind)| {
        let with = |kinds| link(&View { kinds, ..base.clone() });
        let chip = Chip::of(&base.kinds, *kind, with, kind.name(), counts.kinds[at]);
        // MEDIA is off until asked for, and then it comes to the others.
        let off = *kind == Kind::Media && base.kinds.is_empty();
        let more = if off { Some(More { href: with(Kind::ALL.to_vec()), adds: true }) } else { chip.more };
        Chip { glyph: Some(glyph(*kind)), on: chip.on && !off, title: titled(""), more, ..chip }
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
    if !base.find.is_empty() {
        let href = link(&View { found: !base.found, ..base.clone() });
        let title = "the rows that hold the text, and no others".to_owned();
        chips.push(Chip { glyph: Some("g-find"), on: base.found, title, ..Chip::new(href, "Only found", counts.hits) });
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

fn titled(of: &str) -> String {
    let colon = if of.is_empty() { "" } else { ": " };
    format!("{of}{colon}click to see only this, with Ctrl or Shift to add it")
}

/// `hidden: 1 × 100 Trying, 12 of other legs, 33 not matching "zzz"`
fn hidden(ladder: &Ladder, view: &View) -> String {
    let counts = &ladder.counts;
    let mut told: Vec<String> = counts.hidden.iter().map(|(by, rows)| out_of_view(by, *rows, view)).collect();
    let unmet = counts.unmet.1 - counts.unmet.0;
    if unmet > 0 {
        told.push(format!("{} that rules waited for", count(unmet)));
    }
    if ladder.columns.hidden > 0 {
        told.push(format!("{} without a row", counted(ladder.columns.hidden, "node")));
    }
    if told.is_empty() { String::new() } else { format!("hidden: {}", told.join(", ")) }
}

/// So many rows, and what hides them, in words.
pub fn out_of_view(by: &str, rows: usize, view: &View) -> String {
    let rows = count(rows);
    match by {
        "100" => format!("{rows} × 100 Trying"),
        "options" => format!("{rows} × OPTIONS"),
        "keepalives" => format!("{rows} × keep-alive"),
        "kind" if view.kinds.is_empty() => format!("{rows} × MEDIA"),
        "only" => format!("{rows} without a problem"),
        "find" => format!("{rows} not matching \"{}\"", shortened(&view.find, LONGEST)),
        "status" => format!("{rows} of another status"),
        other => format!("{rows} of other {other}s"),
    }
}

impl Chip {
    /// Of a list in which none means all.
    fn of<T: Clone + PartialEq>(
        list: &[T],
        value: T,
        with: impl Fn(Vec<T>) -> String,
        text: &str,
        number: usize,
    ) -> Self {
        let on = list.is_empty() || list.contains(&value);
        let mut rest: Vec<T> = list.iter().filter(|other| **other != value).cloned().collect();
        let alone = on && rest.is_empty() && !list.is_empty();
        let only = if alone { Vec::new() } else { vec![value.clone()] };
        if !on {
            rest.push(value);
        }
        let more = (!rest.is_empty()).then(|| More { href: with(rest), adds: !on });
        Self { on, more, ..Self::new(with(only), text, number) }
    }

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
            more: None,
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
