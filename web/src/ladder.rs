//! The ladder of a scenario as a value: columns, rows, marks and notes. Page, table and text draw this one value.
//!
//! Read in this order: [`view`] is what the reader asked for, [`entry`] which rows that leaves, [`columns`] where their
//! nodes stand; [`drawing`] makes each [`row`], [`note`] what stands between them,
//! [`unmet`] what rules waited for.

pub mod columns;
pub mod drawing;
pub mod entry;
mod find;
pub mod note;
pub mod refusal;
pub mod repeats;
pub mod row;
#[cfg(test)]
pub(crate) mod sample;
mod talk;
#[cfg(test)]
mod text;
pub mod unmet;
pub mod view;
pub mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use message::flow::{self, Flow};
use message::kind::Kind;
use message::logged::Message;
use rule::told::Told;

use columns::Columns;
use entry::{Entry, FILTERS, FIND, HIDE, Hidden, KIND, LEG, ONLY, entries, hidden, is_hit};
use note::Note;
use row::Row;
use unmet::{Expected, Unmet, expected};
use view::{Hide, View};

/// Rows in a page; the next ones have an address of their own.
pub const PAGE: usize = 2_000;
/// Over this, rows out of sight are not drawn by the browser until they come near.
const LONG: usize = 300;
/// Over this, the ladder scrolls sideways in its own box.
const WIDE: usize = 10;

#[derive(Clone, PartialEq, Debug)]
pub struct Ladder {
    pub columns: Columns,
    /// Of this page, top to bottom.
    pub lines: Vec<Line>,
    pub counts: Counts,
    /// Counts from 1.
    pub page: usize,
    pub pages: usize,
    /// Index into `lines` of the row whose detail is open, and the message asked for (it may be folded into the row).
    pub open: Option<(usize, usize)>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Line {
    Row(Box<Row>),
    Note(Note),
    Unmet(Box<Unmet>),
}

impl Line {
    pub fn is_open(&self) -> bool {
        matches!(self, Line::Row(row) if row.mark == row::Mark::Open)
    }
}

/// How many rows there are, and would be under each chip.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub shown: usize,
    pub total: usize,
    /// By leg, as in the flow.
    pub legs: Vec<usize>,
    /// In the order of `Kind::ALL`; with MEDIA also when it is not shown.
    pub kinds: [usize; 4],
    pub problems: usize,
    /// In the order of `Hide::ALL`: rows that are, or would be, hidden.
    pub hide: [usize; 3],
    /// Messages folded into rows.
    pub folded: usize,
    /// Rows of what did not come: in view, and all.
    pub unmet: (usize, usize),
    /// Rows that hold the text that is looked for.
    pub hits: usize,
    /// Rows on this page.
    pub here: usize,
    /// Rows that a filter hides, by its name in the address.
    pub hidden_by: Vec<(&'static str, usize)>,
    /// Each row out of view once, by the name of what hides it: of `Hide`, else of the filter.
    pub hidden: Vec<(&'static str, usize)>,
}

impl Ladder {
    /// Links in mails lead to their rows though the legs of these had other names when they were sent: by the place of a row
    /// those that it had before.
    pub fn keep_places(&mut self, places: &BTreeMap<String, Vec<String>>) {
        if places.is_empty() {
            return;
        }
        let of = |line: &Line| match line {
            Line::Unmet(unmet) => vec![unmet.id.clone()],
            Line::Row(row) => row.anchors().to_vec(),
            Line::Note(_) => Vec::new(),
        };
        let mut used: HashSet<String> = self.lines.iter().flat_map(of).collect();
        let mut were = |place: &String| -> Vec<String> {
            places.get(place).into_iter().flatten().filter(|was| used.insert((*was).clone())).cloned().collect()
        };
        for line in &mut self.lines {
            match line {
                Line::Unmet(unmet) => unmet.was = were(&unmet.id),
                Line::Row(row) => {
                    if let Some(said) = &mut row.said {
                        let more: Vec<String> = said.anchors.iter().flat_map(&mut were).collect();
                        said.anchors.extend(more);
                    }
                }
                Line::Note(_) => {}
            }
        }
    }
}

/// Lays out a flow, and what rules say of it, as the view asks for it. Linear in the number of messages.
pub fn layout(flow: &Flow, messages: &[Message], told: &[Told], view: &View) -> Ladder {
    let mut all = entries(flow, messages, view);
    let wrong = unmet::wrong(told, flow, messages);
    for entry in &mut all {
        entry.problem |= unmet::is_wrong(entry, &wrong, flow, messages, view.fold);
    }
    let why: Vec<Hidden> = all.iter().map(|entry| hidden(entry, flow, messages, view)).collect();
    let mut counts = counts(flow, messages, view, &all, &why);
    let in_view: Vec<usize> = (0..all.len()).filter(|at| why[*at].in_view()).collect();
    let shown: Vec<Entry> = in_view.iter().map(|at| all[*at]).collect();
    let columns = columns::columns(flow, &shown, view);
    let mut expected = expected(told, (flow, messages), &columns, view);
    count_unmet(&mut counts, &expected, view);
    let mut unmet = std::mem::take(&mut expected.unmet).into_iter().filter(|unmet| unmet.is_in(view)).peekable();

    let open = view.open.and_then(|id| {
        let exact = shown.iter().position(|entry| entry.id(flow, messages) == id);
        exact.or_else(|| shown.iter().position(|entry| entry::holds(entry, flow, messages, view.fold, id)))
    });
    let pages = shown.len().div_ceil(PAGE).max(1);
    let page = view.page.or(open.map(|at| at / PAGE + 1)).unwrap_or(1).min(pages);
    let range = (page - 1) * PAGE..(page * PAGE).min(shown.len());
    counts.here = range.len();

    let holds = talk::holds(flow, messages);
    let drawing = drawing::Drawing::new((flow, messages), view, &columns, &holds, open.map(|at| shown[at].row));
    let mut notes = note::Notes::new((flow, messages), &columns, view, &holds, &shown);
    let mut lines = Vec::with_capacity(range.len() + range.len() / 8);
    let mut opened = None;
    for (at, entry) in shown.iter().enumerate().take(range.end) {
        let before = at.checked_sub(1).map(|before| &shown[before]);
        let skipped = at.checked_sub(1).map_or(0, |before| in_view[at] - in_view[before] - 1);
        let (above, here): (Vec<_>, Vec<_>) =
            notes.before(entry, before, skipped).into_iter().partition(|note| note.says.is_of_time());
        let due = std::iter::from_fn(|| unmet.next_if(|unmet| unmet.at < entry.time));
        let due: Vec<Line> = due.map(|unmet| Line::Unmet(Box::new(unmet))).collect();
        let said = expected.take(entry, flow, messages, view.fold);
        if at < range.start {
            continue;
        }
        lines.extend(above.into_iter().map(Line::Note));
        lines.extend(due);
        lines.extend(here.into_iter().map(Line::Note));
        if open == Some(at) {
            opened = Some(lines.len());
        }
        let mut row = drawing.row(entry, before, open == Some(at));
        if let Some(said) = said {
            said.mark(&mut row, columns.columns.len());
        }
        lines.push(Line::Row(Box::new(row)));
    }
    if page == pages {
        lines.extend(unmet.map(|unmet| Line::Unmet(Box::new(unmet))));
    }
    let asked = |row: usize| {
        let wanted = view.open.map(|id| id.message);
        let of = &flow.rows[row];
        std::iter::once(of.message).chain(entry::folded(of)).find(|message| Some(messages[*message].id) == wanted)
    };
    let open = opened.zip(open).and_then(|(line, at)| Some((line, asked(shown[at].row)?)));
    Ladder { columns, lines, counts, page, pages, open }
}

impl Ladder {
    pub fn is_long(&self) -> bool {
        self.lines.len() > LONG
    }

    pub fn is_wide(&self) -> bool {
        self.columns.columns.len() > WIDE
    }

    /// Classes of the ladder's element.
    pub fn classes(&self) -> String {
        let long = if self.is_long() { " long" } else { "" };
        let many = if self.is_wide() { " many" } else { "" };
        format!("ladder n{}{long}{many}", self.columns.columns.len().max(1))
    }

    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.lines.iter().filter_map(|line| match line {
            Line::Row(row) => Some(row.as_ref()),
            Line::Note(_) | Line::Unmet(_) => None,
        })
    }
}

fn count_unmet(counts: &mut Counts, expected: &Expected, view: &View) {
    let in_view = expected.unmet.iter().filter(|unmet| unmet.is_in(view)).count();
    counts.unmet = (in_view, expected.unmet.len());
    let wrong = |unmet: &&Unmet| unmet.state != unmet::State::CannotTell && unmet.is_in_but_for_problems(view);
    counts.problems += expected.unmet.iter().filter(wrong).count();
}

fn counts(flow: &Flow, messages: &[Message], view: &View, all: &[Entry], why: &[Hidden]) -> Counts {
    let mut counts = Counts { total: all.len(), legs: vec![0; flow.legs.len()], ..Counts::default() };
    let mut by: HashMap<usize, usize> = HashMap::new();
    for (entry, why) in all.iter().zip(why) {
        let row = &flow.rows[entry.row];
        let message = &messages[entry.message];
        counts.shown += usize::from(why.in_view());
        counts.folded += if view.fold { entry::folded(row).count() } else { 0 };
        why.by().for_each(|filter| *by.entry(filter).or_default() += 1);
        if let Some(reason) = reason(*why, row, message, flow, view) {
            match counts.hidden.iter_mut().find(|(name, _)| *name == reason) {
                Some((_, rows)) => *rows += 1,
                None => counts.hidden.push((reason, 1)),
            }
        }
        counts.hits += usize::from(why.but_for(FIND) && is_hit(entry, flow, messages, view));
        if why.but_for(LEG)
            && let Some(leg) = counts.legs.get_mut(row.leg)
        {
            *leg += 1;
        }
        if why.but_for(KIND)
            && let Some(kind) = Kind::ALL.iter().position(|kind| *kind == row.kind)
        {
            counts.kinds[kind] += 1;
        }
        if why.but_for(ONLY) && entry.problem {
            counts.problems += 1;
        }
        if why.but_for(HIDE) {
            for (count, hide) in counts.hide.iter_mut().zip(Hide::ALL) {
                *count += usize::from(entry::is_hidden_as(hide, row, message, flow));
            }
        }
    }
    counts.hidden_by = FILTERS.iter().enumerate().filter_map(|(at, name)| Some((*name, *by.get(&at)?))).collect();
    counts
}

/// What hides a row, as its reader would say it: what is hidden by choice first.
fn reason(why: Hidden, row: &flow::Row, message: &Message, flow: &Flow, view: &View) -> Option<&'static str> {
    let hide = view.hide.iter().find(|hide| entry::is_hidden_as(**hide, row, message, flow));
    match hide.filter(|_| !why.in_view()) {
        Some(hide) => Some(hide.name()),
        None => why.by().next().map(|filter| FILTERS[filter]),
    }
}

#[cfg(test)]
mod tests;
