//! The agent with real files against a collector that checks what it is sent. Tests are named by their row of the
//! torture list (`docs/agent.md`).

// Helpers outside of test functions are test code too.
#![allow(clippy::unwrap_used)]

mod binary;
mod collector;
mod crashes;
mod delivery;
mod environment;
mod heartbeat;
mod hints;
mod http;
mod identity;
mod load;
mod reserved;
mod restarts;
mod rotate;
mod rotation;
mod truncation;
mod world;
mod wrapped;
