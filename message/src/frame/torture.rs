//! The torture list of framing, row by row.
