//! A record that holds request and result splits into two halves on read.
