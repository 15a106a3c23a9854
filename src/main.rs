//! The binary `siptrail`: wires the libraries together and nothing else.
//!
//! [`cli`] says what can be asked; [`watch`] of [`sources`], [`demo`], [`collector`], [`agent`], [`mail`], [`rules`] do
//! it; [`serve`] with its [`doors`], [`settings`], [`progress`] and its [`count`], [`screen`], [`words`] and [`outcome`] are what they share.

mod agent;
mod cli;
mod collector;
mod count;
mod demo;
mod doors;
mod logging;
mod mail;
mod outcome;
mod progress;
mod rules;
mod screen;
mod serve;
mod settings;
mod sources;
mod watch;
mod words;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command, Mail};
use tikv_jemallocator::Jemalloc;

/// What many short allocations of many threads leave behind is given back; the C libraries in it (SQLite, zstd) share it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.verbose, matches!(cli.command, Command::Watch(_) | Command::Demo(_)));
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return outcome::failed(&anyhow::Error::new(error).context("cannot start")),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Watch(asked) => watch::run(asked).await,
            Command::Demo(asked) => demo::run(asked).await,
            Command::Rules(asked) => rules::run(asked).await,
            Command::Collector(asked) => collector::run(asked).await,
            Command::Agent(asked) => agent::run(asked).await,
            Command::Mail(Mail::Test(asked)) => mail::test(asked).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => outcome::failed(&error),
    }
}
