//! Bytes on disk to acknowledged bytes at the collector.
//!
//! Read in this order:
//! - [`config`], [`options`], [`error`](Error), [`wording`]: what an operator says, and what is wrong with it
//! - `content`, `generation`, `guard`: what a file is, and how it is known again
//! - `logname`, `pattern`, `place`, `discover`, `source`: which files there are, and the sources that they are of
//! - `cursor`, `unwrapped`, `turn`, `parcel`: a place in one file, in a wrapped one too, and what a turn of reading and framing makes of it
//! - `stream`: one stream, as an enum of its states
//! - `follow`: every decision about files and streams; pure. It names its parts in its own order
//! - `hints`, `watches`: what the operating system says of directories, and which ones it watches
//! - `read`, `reply`, [`http`], [`transport`], `ship`, `link`, `checkpoint`: the hands
//! - `run`: puts it all to work; [`progress`]: how far it is; [`unread`]: what is not read, and why
//! - [`logging`], [`stop`]: what every program around it needs

// Switched off for the workspace, and kept here: they say when one function or one argument holds too much.
#![warn(clippy::needless_pass_by_value, clippy::too_many_lines, clippy::similar_names, clippy::match_same_arms)]
#![warn(clippy::fn_params_excessive_bools, clippy::large_types_passed_by_value)]

pub mod config;
pub mod error;
pub mod http;
pub mod limit;
pub mod logging;
pub mod options;
pub mod progress;
pub mod reach;
pub mod stop;
pub mod transport;
pub mod unread;
pub mod wording;

mod checkpoint;
mod content;
mod cursor;
mod discover;
mod follow;
mod generation;
mod guard;
mod heart;
mod hints;
mod link;
mod logname;
mod names;
mod parcel;
mod pattern;
mod place;
mod read;
mod reply;
mod run;
mod ship;
mod source;
mod stream;
mod turn;
mod unwrapped;
mod watches;
pub mod zone;

pub use config::{Config, Source};
pub use error::Error;
pub use options::Options;
pub use pattern::is_pattern;
pub use progress::Progress;
pub use reply::Reply;
pub use run::run;
pub use source::Start;
pub use transport::{Call, Transport};
