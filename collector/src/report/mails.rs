//! The mails of a group, one for each of its teams.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use record::time::{DAY, HOUR, Timestamp};
use rule::routes::{Mask as RouteMask, Team};
use rule::syntax::Severity;
use sha2::{Digest, Sha256};
use store::outgoing::{MailKind, NewMail};

use super::{Desk, Looking};
use crate::alert::Draft;
use crate::book::Book;
use crate::mail::notice::{About, Mask, Notice, Reader};
use crate::mail::{self, Mailbox};

/// Mails that are not sent by then are not sent any more.
const CRITICAL: i64 = DAY;
const OTHERS: i64 = 6 * HOUR;

impl Looking {
    /// One mail for each team.
    pub(super) fn mails(&self, book: &Book, desk: &Desk, draft: &Draft, now: Timestamp) -> Vec<NewMail> {
        let about = About::Group(Box::new(self.notice(book, draft)));
        let kind = match (draft.first, draft.resolved_all) {
            (_, true) => MailKind::Resolved,
            (true, _) => MailKind::Firing,
            _ => MailKind::Update,
        };
        let made = |team: &&Team| {
            let seed = format!("{}.{}.{}", self.group.id, self.group.mails, team.name);
            let reader = Reader {
                team: team.name.clone(),
                routes: BTreeSet::from([self.route_number(book)]),
                zone: team.tz,
                mask: mask(team),
            };
            new_mail(desk, team, reader, about.clone(), &self.group.key.env, kind, draft.severity, &seed, now)
        };
        self.teams(book).iter().filter_map(made).collect()
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn new_mail(
    desk: &Desk,
    team: &Team,
    reader: Reader,
    about: About,
    env: &str,
    kind: MailKind,
    severity: Severity,
    seed: &str,
    now: Timestamp,
) -> Option<NewMail> {
    let notice = Notice {
        reader,
        base_url: desk.settings.pages().to_owned(),
        domain: desk.settings.domain().to_owned(),
        env: env.to_owned(),
        made: now,
        about,
    };
    let drawn = mail::render(&notice);
    let to: Vec<Mailbox> = team.to.iter().filter_map(|address| address.parse().ok()).collect();
    let message_id = mail::message_id(number(seed, now), desk.settings.domain());
    let made = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now.0).unwrap_or_default());
    let mime = mail::mime(&drawn, &desk.settings, &to, &message_id, made);
    let mime = mime.inspect_err(|error| tracing::error!(%error, team = team.name, "a mail cannot be written")).ok()?;
    let lasts = if severity == Severity::Critical { CRITICAL } else { OTHERS };
    Some(NewMail {
        kind,
        team: team.name.clone(),
        recipients: team.to.join(","),
        message_id,
        subject: drawn.subject,
        plain: drawn.text,
        mime,
        priority: severity as i16,
        expires: Timestamp(now.0.saturating_add(lasts)),
    })
}

/// The same for the same mail, and for no other.
fn number(seed: &str, now: Timestamp) -> i64 {
    let digest = Sha256::digest(format!("{seed} {}", now.0));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first) & i64::MAX
}

pub(super) fn mask(team: &Team) -> Mask {
    match team.mask {
        RouteMask::None => Mask::None,
        RouteMask::Last3 => Mask::Last3,
        RouteMask::All => Mask::All,
    }
}
