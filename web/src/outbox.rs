//! Mails: what was made, sent and not sent, and each as it is sent.
//!
//! `/outbox` all of them · `/outbox/ID` one, and `POST /outbox/ID/resend` queues it once more

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use record::time::{HOUR, Timestamp};
use store::outgoing::{Attempt, COUNTED, Hold, Mail, MailKind, MailState};

use crate::ladder::words::{duration, shortened};
use crate::page::{Frame, Page};
use crate::params::{Params, quoted};
use crate::sending::Sending;
use crate::words::{count, counted};
use crate::{Error, Site};

/// Mails on the page.
const MOST: usize = 200;
/// A mail that is sent once more may take so long.
const EXPIRES: i64 = 6 * HOUR;
/// Letters of what a server says.
const LONGEST: usize = 300;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/outbox", get(list)).route("/outbox/{id}", get(one)).route("/outbox/{id}/resend", post(resend))
}

async fn list(State(site): State<Site>, frame: Frame) -> Result<Response, Error> {
    let mut frame = frame.with_only(&["before"]);
    let now = site.now();
    let before = frame.params.get("before").map(str::to_owned);
    let number = before.as_deref().and_then(|text| text.parse::<i64>().ok());
    if let (Some(text), None) = (&before, number) {
        frame.misread.push(format!("No mail has the number {}: the newest are shown.", quoted(text)));
    }
    let (mails, (counts, oldest), holds, book) = tokio::try_join!(
        site.store.mails_before(number.unwrap_or(i64::MAX), MOST + 1),
        site.store.mail_counts(),
        site.store.mail_holds(now),
        site.store.rulebook()
    )?;
    let book = book.map(|(book, _)| book);
    let counts = counts.into_iter().map(|(state, n)| {
        let note = match (state, oldest) {
            (MailState::Queued, Some(at)) => format!("the oldest waits for {}", duration(now.micros_since(at).max(0))),
            _ => String::new(),
        };
        let more = if n < COUNTED { "" } else { " or more" };
        (format!("{}{more}", count(n)), state_words(state).0, note)
    });
    let page = List {
        sending: Sending::of(book.as_ref()),
        server: book.and_then(|book| book.server),
        counts: counts.collect(),
        holds: holds
            .into_iter()
            .map(|Hold { account, since, until, why }| (account, frame.zone.full(since), frame.zone.full(until), why))
            .collect(),
        older: mails
            .get(MOST)
            .and_then(|_| mails.get(MOST - 1))
            .map(|last| frame.to_with("/outbox", &Params::default().with("before", last.id.to_string()))),
        is_first: number.is_none(),
        mails: mails.iter().take(MOST).map(|mail| Row::new(mail, &frame)).collect(),
        frame,
    };
    Ok(Page(page).into_response())
}

async fn one(State(site): State<Site>, Path(id): Path<String>, frame: Frame) -> Result<Response, Error> {
    let frame = frame.without_filters();
    let none = || nowhere(&id);
    let number: i64 = id.parse().map_err(|_| none())?;
    let (mail, plain, _) = site.store.mail(number).await?.ok_or_else(none)?;
    let (attempts, book) = tokio::try_join!(site.store.mail_attempts(number), site.store.rulebook())?;
    let attempt = |Attempt { at, code, said, refused }: Attempt| {
        let code = code.map_or(String::new(), |code| code.to_string());
        (frame.zone.full(at), code, shortened(&said, LONGEST), refused.len())
    };
    let page = One {
        sending: Sending::of(book.map(|(book, _)| book).as_ref()),
        row: Row::new(&mail, &frame),
        attempts: attempts.into_iter().map(attempt).collect(),
        refused: mail.refused.iter().map(|one| shortened(one, LONGEST)).collect(),
        left_to: mail.left_to.filter(|_| mail.state == MailState::Queued),
        message_id: mail.message_id,
        next: (mail.state == MailState::Queued).then(|| frame.zone.full(mail.not_before)),
        expires: frame.zone.full(mail.expires),
        plain,
        frame,
    };
    Ok(Page(page).into_response())
}

/// Only a form of a page of ours may ask: whoever names neither its site nor its origin is refused.
async fn resend(State(site): State<Site>, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    if !headers.contains_key("sec-fetch-site") && !headers.contains_key(ORIGIN) {
        let text =
            "A mail is sent again by the button on its page only: this request does not say where it comes from.";
        return Err(Error::Forbidden(text.to_owned()));
    }
    let none = || nowhere(&id);
    let number: i64 = id.parse().map_err(|_| none())?;
    site.store.mail(number).await?.ok_or_else(none)?;
    let now = site.now();
    site.store.resend(number, now, Timestamp(now.0 + EXPIRES)).await?;
    Ok(Redirect::to(&format!("/outbox/{number}")).into_response())
}

fn nowhere(id: &str) -> Error {
    Error::not_found(format!("There is no mail {}.", shortened(id, 40)), id)
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct List {
    frame: Frame,
    sending: Sending,
    server: Option<String>,
    /// Number, state, a note.
    counts: Vec<(String, &'static str, String)>,
    /// Account, since and until when, why.
    holds: Vec<(String, String, String, String)>,
    mails: Vec<Row>,
    /// Where those before these are.
    older: Option<String>,
    /// The newest are among them.
    is_first: bool,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct One {
    frame: Frame,
    sending: Sending,
    row: Row,
    message_id: String,
    /// Who will never get it, and why.
    refused: Vec<String>,
    /// Who is still to get it, where that is not everybody.
    left_to: Option<String>,
    next: Option<String>,
    expires: String,
    /// When, code, what the server said, and how many it refused for good.
    attempts: Vec<(String, String, String, usize)>,
    plain: String,
}

/// A mail, as lists show it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub id: i64,
    pub href: String,
    pub subject: String,
    pub kind: &'static str,
    pub state: &'static str,
    /// A class of `app.css`.
    pub tone: &'static str,
    pub team: String,
    pub recipients: String,
    /// How many of them get nothing.
    pub refused: Option<String>,
    pub created: String,
    pub sent: Option<String>,
    pub tries: String,
    /// What the server said last.
    pub said: String,
    /// It does not wait to be sent, and could be.
    pub can_resend: bool,
}

impl Row {
    pub fn new(mail: &Mail, frame: &Frame) -> Self {
        let (state, tone) = state_words(mail.state);
        Self {
            id: mail.id,
            href: frame.to(&format!("/outbox/{}", mail.id)),
            subject: shortened(&mail.subject, LONGEST),
            kind: match mail.kind {
                MailKind::Firing => "first",
                MailKind::Update => "update",
                MailKind::Resolved => "resolved",
                MailKind::Storm => "many at once",
            },
            state,
            tone,
            team: mail.team.clone(),
            recipients: mail.recipients.clone(),
            refused: (!mail.refused.is_empty()).then(|| counted(mail.refused.len(), "recipient")),
            created: frame.zone.full(mail.created),
            sent: mail.sent.map(|at| frame.zone.full(at)),
            tries: count(mail.attempts),
            said: match (&mail.last_text, mail.last_code) {
                (Some(text), Some(code)) => shortened(&format!("{code} {text}"), LONGEST),
                (Some(text), None) => shortened(text, LONGEST),
                (None, _) => String::new(),
            },
            can_resend: mail.state != MailState::Queued && !mail.recipients.is_empty(),
        }
    }
}

fn state_words(state: MailState) -> (&'static str, &'static str) {
    match state {
        MailState::Queued => ("queued", ""),
        MailState::Sent => ("sent", "good"),
        MailState::Failed => ("failed", "bad"),
        MailState::Expired => ("expired", "bad"),
        MailState::NotSent => ("not sent", ""),
    }
}
