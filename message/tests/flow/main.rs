//! Scenarios as pictures: stories written for one question each, recorded logs, and the laws that hold for any.

// Helpers outside of test functions are test code too.
#![allow(clippy::unwrap_used)]

mod acks;
mod attempts;
mod calls;
mod case;
mod cases;
mod clock_table;
mod clocks;
mod columns;
mod draw;
mod endings;
mod every_case;
mod forks;
mod forwards;
mod hang_ups;
mod laws;
mod naive;
mod one_log;
mod pushes;
mod random_call;
mod recorded;
mod refers;
mod repeats;
mod requests;
mod ringing;
mod story;
mod two_models;
mod unlogged;
