//! The torture tests of RFC 4475, a test for each of its messages, named by section.
//!
//! The messages are not those of the RFC: each was written anew from what its section describes. A test asserts what
//! is understood of the message and which faults are told; whether a server should answer it is not asked here.

mod malformed;
mod meaning;
mod well_formed;
