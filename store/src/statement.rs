//! Lists of rows and values cut to a few sizes, so that few statements are ever prepared.

/// Rows of one `values` list: a multi-row insert gains little beyond this.
const ROWS: usize = 200;
const SIZES: [usize; 9] = [ROWS, 128, 64, 32, 16, 8, 4, 2, 1];

/// Slices of 200 rows; the rest in powers of two.
pub(crate) fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// Values for `in (…)`, at most 1,024 at a time, filled up to a power of two with the last of them.
pub(crate) fn lists<T: Clone>(values: &[T]) -> impl Iterator<Item = Vec<T>> {
    values.chunks(1024).map(|chunk| {
        let mut list = chunk.to_vec();
        if let Some(last) = chunk.last() {
            list.resize(chunk.len().next_power_of_two(), last.clone());
        }
        list
    })
}

/// `in (…)` of a list of binds.
macro_rules! push_list {
    ($query:expr, $values:expr) => {{
        $query.push("(");
        let mut list = $query.separated(", ");
        for value in $values {
            list.push_bind(value);
        }
        $query.push(")");
    }};
}

pub(crate) use push_list;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_all_rows_in_order_in_few_sizes() {
        let rows: Vec<usize> = (0..999).collect();
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert!(chunks(&rows).all(|chunk| SIZES.contains(&chunk.len())));
        assert_eq!(chunks::<u8>(&[]).count(), 0);
    }

    #[test]
    fn lists_are_filled_up_with_what_they_hold() {
        assert_eq!(lists(&[1, 2, 3]).collect::<Vec<_>>(), [[1, 2, 3, 3]]);
        assert_eq!(lists::<u8>(&[]).count(), 0);
        assert_eq!(lists(&vec![7; 1025]).map(|list| list.len()).collect::<Vec<_>>(), [1024, 1]);
    }
}
