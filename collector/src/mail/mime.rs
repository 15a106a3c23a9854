//! A mail, and the bytes that are stored and handed to the server.

use std::time::SystemTime;

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::settings::Settings;

/// What a mail says, and the headers by which programs sort and thread it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// All but those of each mail: From, To, Date, Message-ID, MIME.
    pub headers: Vec<(&'static str, String)>,
}

/// Why a mail cannot be put together.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the mail: {0}")]
pub struct Unwritable(String);

/// The Message-ID of the mail with this number. Each try has the same.
pub fn message_id(number: i64, domain: &str) -> String {
    format!("<n.{number}@{domain}>")
}

/// All of it, ASCII alone. Who gets it is said by the envelope; `to` is what readers see. One to nobody can be looked at here.
pub fn mime(
    mail: &Mail,
    settings: &Settings,
    to: &[Mailbox],
    message_id: &str,
    made: SystemTime,
) -> Result<Vec<u8>, Unwritable> {
    let mut message = Message::builder()
        .from(settings.from.0.clone())
        .subject(mail.subject.clone())
        .message_id(Some(message_id.to_owned()))
        .date(made);
    for reader in to {
        message = message.to(reader.clone());
    }
    if to.is_empty() {
        let own = settings.from.0.email.clone();
        let envelope = Envelope::new(Some(own.clone()), vec![own]).map_err(|error| Unwritable(error.to_string()))?;
        message = message.envelope(envelope);
    }
    if let Some(reply_to) = &settings.reply_to {
        message = message.reply_to(reply_to.0.clone());
    }
    for (name, value) in &mail.headers {
        let name = HeaderName::new_from_ascii((*name).to_owned()).map_err(|error| Unwritable(error.to_string()))?;
        message = message.raw_header(HeaderValue::new(name, value.clone()));
    }
    let parts = MultiPart::alternative()
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    let message = message.multipart(parts).map_err(|error| Unwritable(error.to_string()))?;
    Ok(message.formatted())
}
