//! Nodes: which column of the ladder an address is.
