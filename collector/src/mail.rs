//! Mails: what they say, and how they reach their server.
//!
//! Read in this order:
//! - [`settings`]: `[mail]` of the config
//! - [`mime`]: a mail, and its bytes
//! - [`outcome`]: what became of a mail, and what is to be done next
//! - [`account`]: one account of a mail server, by which mails are sent; `trouble`: what its errors mean
//! - [`words`]: what went wrong, for people; [`trial`]: the mail that tries it all

pub mod account;
pub mod mime;
pub mod outcome;
pub mod settings;
pub mod trial;
mod trouble;
pub mod words;

pub use account::Account;
pub use lettre::Address;
pub use lettre::message::Mailbox;
pub use mime::{Mail, message_id, mime};
pub use outcome::{Answer, Failure, Hold, Next, Sent, Step, Trouble};
pub use settings::{Fault, Security, Sender, Settings};
pub use trial::{hints, trial};
pub use words::{explain, recipient};
