//! Mails: what they say, and how they reach their server.
//!
//! Read in this order:
//! - [`settings`]: `[mail]` of the config
//! - [`notice`]: what a mail tells, as a value; `clean`: what is shown of a stranger's text; `view`: a notice in words;
//!   `text`: its plain part; [`render`]: subject, parts and headers; [`mime`]: its bytes
//! - [`outcome`]: what became of a mail, and what is to be done next
//! - [`account`]: one account of a mail server, by which mails are sent; `trouble`: what its errors mean
//! - [`words`]: what went wrong, for people; [`trial`]: the mail that tries it all

pub mod account;
mod clean;
pub mod mime;
pub mod notice;
pub mod outcome;
pub mod render;
pub mod settings;
mod text;
pub mod trial;
mod trouble;
mod view;
pub mod words;

pub use account::Account;
pub use clean::{masked, masked_within};
pub use lettre::Address;
pub use lettre::message::Mailbox;
pub use mime::{Mail, message_id, mime};
pub use notice::Notice;
pub use outcome::{Answer, Failure, Hold, Next, Sent, Step, Trouble};
pub use render::render;
pub use settings::{Fault, Security, Sender, Settings};
pub use trial::{hints, trial};
pub use words::{explain, recipient};
