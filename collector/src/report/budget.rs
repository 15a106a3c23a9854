//! How many mails a team may have in an hour, and an account in a day.

use record::time::{DAY, HOUR, Timestamp};
use rule::routes::Team;
use rule::syntax::Severity;
use store::Store;
use store::outgoing::Room;

use crate::Error;
use crate::book::Book;

/// One of the teams, or the account, has had all the mails that it may have.
pub(super) async fn is_over(
    store: &Store,
    book: &Book,
    teams: &[&Team],
    severity: Severity,
    now: Timestamp,
) -> Result<bool, Error> {
    for team in teams {
        let (of_team, _) = store.mails_since(&team.name, Timestamp(now.0.saturating_sub(HOUR))).await?;
        if of_team >= i64::from(book.routes.budget.per_hour) {
            return Ok(true);
        }
    }
    let (_, of_all) = store.mails_since("", Timestamp(now.0.saturating_sub(DAY))).await?;
    Ok(of_all.saturating_add(teams.len() as i64) > a_day(book, severity))
}

/// One an hour to each; and what is not critical leaves the reserve to what is.
pub(super) async fn may_storm(
    store: &Store,
    book: &Book,
    names: &[String],
    severity: Severity,
    now: Timestamp,
) -> Result<bool, Error> {
    for name in names {
        if store.storms_since(name, Timestamp(now.0.saturating_sub(HOUR))).await? > 0 {
            return Ok(false);
        }
    }
    let (_, of_all) = store.mails_since("", Timestamp(now.0.saturating_sub(DAY))).await?;
    Ok(of_all.saturating_add(names.len() as i64) <= room_of_storm(book, severity).of_all)
}

/// Mails of this severity that there may be.
pub(super) fn room(book: &Book, severity: Severity) -> Room {
    Room { of_team: i64::from(book.routes.budget.per_hour), of_all: a_day(book, severity) }
}

/// One that tells of something critical is made in any case.
pub(super) fn room_of_storm(book: &Book, severity: Severity) -> Room {
    let of_all = if severity == Severity::Critical { i64::MAX } else { a_day(book, severity) };
    Room { of_all, ..room(book, severity) }
}

/// Mails of a day, without what is kept for those that are worse.
pub fn a_day(book: &Book, severity: Severity) -> i64 {
    let budget = &book.routes.budget;
    let reserve = if severity == Severity::Critical { 0 } else { budget.reserve_critical };
    i64::from(budget.per_day.saturating_sub(reserve))
}
