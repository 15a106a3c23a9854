//! Parts of a list, and how they become a page.

use record::id::ScenarioId;
use record::time::Timestamp;

use crate::page::Page;
use crate::scenario::ScenarioRow;

/// A place in the list, which is newest first.
pub(crate) type Place = (Timestamp, ScenarioId);

/// What was found in a part of what there is.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Newest first.
    pub rows: Vec<ScenarioRow>,
    /// All from here on up was looked at, and nothing below it. None: nothing lies below.
    pub to: Option<Place>,
}

impl Part {
    /// The newest of all parts, as far as each of them was looked at.
    pub fn page(parts: Vec<Self>, limit: usize) -> Page<ScenarioRow, ScenarioId> {
        let to = parts.iter().filter_map(|part| part.to).max();
        let mut rows: Vec<ScenarioRow> = parts.into_iter().flat_map(|part| part.rows).collect();
        rows.retain(|row| to.is_none_or(|to| row.place() >= to));
        rows.sort_by_key(|row| std::cmp::Reverse(row.place()));
        let full = rows.len() > limit;
        rows.truncate(limit);
        let next = if full { rows.last().map(ScenarioRow::place) } else { to };
        let searched_to = next.filter(|_| rows.len() < limit).map(|(first, _)| first);
        Page { rows, next, searched_to, ..Page::default() }
    }
}
