//! Order: repaired time, cause before effect, stream, offset.
