//! The system as a whole: the real binary, real logs, real rotation, real HTTP, PostgreSQL, SIP traffic and a browser.

mod access;
mod alerts;
mod backtest;
mod browser;
mod calls;
mod collectors;
mod command_line;
mod corpus;
mod databases;
mod durability;
mod framing;
mod full_disk;
mod hostile;
mod house;
mod keyboard;
mod layouts;
mod live;
mod loggers;
mod mail;
mod oncall;
mod silent;
mod strangers;
mod support;
mod torn;
mod traffic;
mod wrapped;
