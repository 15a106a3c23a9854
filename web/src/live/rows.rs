//! What a reader has of a ladder, and what it lacks.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::scenario::Row;

/// Rows that a reader has, in order, with their hash.
#[derive(Debug, Default)]
pub(super) struct Known {
    order: Vec<String>,
    hashes: HashMap<String, u64>,
}

/// One thing to tell a reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Row { row: Row, after: Option<String> },
    Gone(String),
    Keep(Vec<String>),
}

impl Known {
    pub(super) fn new(rows: &[Row]) -> Self {
        Self {
            order: rows.iter().map(|row| row.id.clone()).collect(),
            hashes: rows.iter().map(|row| (row.id.clone(), hash(&row.html))).collect(),
        }
    }

    /// What changed since, in the order to apply it: each row's predecessor stands before the row is told.
    pub(super) fn update(&mut self, rows: Vec<Row>) -> Vec<Change> {
        let now = Self::new(&rows);
        let gone = self.order.iter().filter(|id| !now.hashes.contains_key(*id)).cloned();
        let mut changes: Vec<_> = gone.map(Change::Gone).collect();
        let moved = !self
            .order
            .iter()
            .filter(|id| now.hashes.contains_key(*id))
            .eq(now.order.iter().filter(|id| self.hashes.contains_key(*id)));
        let mut after = None;
        for row in rows {
            let id = row.id.clone();
            if moved || self.hashes.get(&id) != now.hashes.get(&id) {
                changes.push(Change::Row { row, after });
            }
            after = Some(id);
        }
        *self = now;
        changes
    }
}

fn hash(html: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(id: &str, html: &str) -> Row {
        Row { id: id.into(), html: html.into() }
    }

    /// What a browser does with the changes.
    fn apply(list: &mut Vec<Row>, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Gone(id) => list.retain(|row| row.id != id),
                Change::Keep(ids) => list.retain(|row| ids.contains(&row.id)),
                Change::Row { row, after } => {
                    list.retain(|old| old.id != row.id);
                    let at = after.map_or(0, |id| list.iter().position(|row| row.id == id).unwrap() + 1);
                    list.insert(at, row);
                }
            }
        }
    }

    #[test]
    fn a_late_row_goes_to_its_place_and_nothing_else_is_sent() {
        let mut known = Known::new(&[row("a", "1"), row("c", "3")]);
        let changes = known.update(vec![row("a", "1"), row("b", "2"), row("c", "3")]);
        assert_eq!(changes, [Change::Row { row: row("b", "2"), after: Some("a".into()) }]);
    }

    #[test]
    fn a_provisional_row_is_replaced_under_its_own_id() {
        let mut known = Known::new(&[row("a", "begun")]);
        assert_eq!(known.update(vec![row("a", "whole")]), [Change::Row { row: row("a", "whole"), after: None }]);
        assert_eq!(known.update(vec![row("a", "whole")]), []);
    }

    proptest! {
        #[test]
        fn a_reader_ends_with_the_rows_that_are_drawn_even_when_they_change_places(
            steps in prop::collection::vec(prop::collection::vec((0..12_u8, 0..3_u8), 0..12), 1..5)
        ) {
            let (mut known, mut list) = (Known::default(), Vec::new());
            for step in steps {
                let mut rows: Vec<Row> = Vec::new();
                for (id, html) in step {
                    let next = row(&format!("m{id}"), &html.to_string());
                    if rows.iter().all(|row| row.id != next.id) {
                        rows.push(next);
                    }
                }
                apply(&mut list, known.update(rows.clone()));
                prop_assert_eq!(&list, &rows);
            }
        }
    }
}
