//! Folding on read: sender's and receiver's sighting of one message, and retransmissions.
