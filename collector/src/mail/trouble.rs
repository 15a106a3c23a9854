//! What lettre's errors mean: they say it in their causes, and in words.

use std::error::Error as _;
use std::io;

use lettre::transport::smtp::Error;

use super::outcome::{Answer, Step, Trouble};

/// What lettre's error means.
pub(super) fn trouble(step: Step, error: &Error) -> Trouble {
    if let Some(code) = error.status() {
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        return Trouble::Answered(Answer::new(code.into(), &text));
    }
    match (tls_error(error), io_error(error)) {
        (Some(rustls::Error::InvalidCertificate(why)), _) => return Trouble::Certificate(in_short(why)),
        (Some(why), _) => return Trouble::NotTls(why.to_string()),
        (None, Some(why)) if why.kind() == io::ErrorKind::TimedOut => return Trouble::TimedOut,
        (None, Some(why)) if why.kind() == io::ErrorKind::InvalidData => return Trouble::NotSmtp(why.to_string()),
        (None, Some(why)) if step == Step::Reach && !is_end(why) => return Trouble::Unreachable(why.to_string()),
        (None, Some(_)) => return Trouble::Closed,
        (None, None) => {}
    }
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    match text.as_str() {
        "incomplete response" => Trouble::Closed,
        _ if error.is_client() && step == Step::Login => Trouble::Challenge,
        _ => Trouble::NotSmtp(Answer::new(0, &text).text),
    }
}

/// What is wrong with a certificate, without the figures of it.
fn in_short(why: &rustls::CertificateError) -> String {
    let whole = format!("{why:?}");
    let short = whole.split([' ', '{']).next().unwrap_or_default().trim_end_matches("Context");
    short.to_owned()
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn io_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// It lies within an I/O error, whose source is that of what lies within.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    io_error(error)?.get_ref()?.downcast_ref()
}
