//! The torture tests of RFC 4475, a test for each of its 49 messages, named by section.
//!
//! Each was compared with the text of its section and of its message. The messages are not copied: each was written
//! anew and holds what makes the RFC's message hard to read. A test asserts what is understood of the message and which
//! faults are told; whether a server should answer it is not asked here.

mod malformed;
mod meaning;
mod unusual;
mod well_formed;
