//! The loop that sends: one mail after another, at least once, each try kept.

use std::time::Duration;

use record::time::{SECOND, Timestamp};
use store::Store;
use store::health::Part;
use store::outgoing::{Mail, MailState, Sender, Tried};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::ingest::now;
use crate::mail::{Account, Address, Next, Sent, Settings, explain};

/// How long a mail is ours to send: longer than any try takes.
const LEASE: i64 = 120 * SECOND;
const LOOK: Duration = Duration::from_secs(1);
/// A mail that is being sent when the process is to end has so long to go.
const GRACE: Duration = Duration::from_secs(10);
/// Microseconds of the first hold that doubles.
const FIRST_HOLD: i64 = 15 * 60 * SECOND;

/// Runs until cancelled. Without an account it only sees to it that what nobody sends is not kept for ever.
pub async fn run(store: Store, owner: String, settings: Option<Settings>, cancel: CancellationToken) {
    let mut account = settings.as_ref().and_then(|settings| {
        let opened = Account::open(settings);
        opened.inspect_err(|error| tracing::error!(%error, "no mail is sent: its account cannot be opened")).ok()
    });
    if let (Some(settings), Some(account)) = (&settings, &account)
        // What has changed is tried at once. A start alone changes nothing: else each would be one more login that fails.
        && let Err(error) = store.release_account(&account_name(settings), account.fingerprint()).await
    {
        tracing::warn!(%error, "an account that waits is not released");
    }
    while !cancel.is_cancelled() {
        let sending = Box::pin(step(&store, &owner, settings.as_ref(), account.as_mut(), now()));
        let sent = tokio::select! {
            sent = store.health().step(Part::Mailing, sending) => sent,
            // It is sent again under the same Message-ID, by whoever runs next.
            () = late(&cancel) => {
                tracing::warn!("a mail server does not answer: its mail is sent again after the next start");
                return;
            }
        };
        let wait = match sent {
            Ok(true) => continue,
            Ok(false) => LOOK,
            Err(error) => {
                tracing::warn!(%error, "mails wait: the database does not answer as it should");
                LOOK * 5
            }
        };
        if let Some(account) = &mut account {
            account.close_if_idle().await;
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    if let Some(mut account) = account {
        account.close().await;
    }
}

/// So long after the process is to end that nothing more is waited for.
async fn late(cancel: &CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// What holds are kept by.
pub fn account_name(settings: &Settings) -> String {
    let user = settings.user.as_deref().unwrap_or_default();
    format!("{user}@{}:{}", settings.server, settings.port())
}

/// Sends one mail that is due. False: there is none.
pub async fn step(
    store: &Store,
    owner: &str,
    settings: Option<&Settings>,
    account: Option<&mut Account>,
    now: Timestamp,
) -> Result<bool, Error> {
    store.expire_mails(now, account.is_some()).await?;
    let (Some(settings), Some(account)) = (settings, account) else { return Ok(false) };
    let name = account_name(settings);
    let Some((mail, mime)) = store.next_mail(owner, &name, now, LEASE).await? else { return Ok(false) };
    let to: Vec<Address> = recipients(&mail).filter_map(|address| address.parse().ok()).collect();
    let sent = account.send(&settings.from.0.email, &to, &mime).await;
    let hold = store.mail_hold(&name).await?.map(|(_, wait, _)| wait);
    let now = crate::ingest::now();
    let tried = came_of(&mail, &sent, hold, settings, now);
    match &tried.state {
        MailState::Sent => tracing::info!(mail = mail.id, team = mail.team, "a mail was sent"),
        MailState::Failed => tracing::warn!(mail = mail.id, team = mail.team, said = tried.said, "a mail is given up"),
        _ => tracing::warn!(mail = mail.id, team = mail.team, said = tried.said, "a mail was not sent yet"),
    }
    if !tried.refused.is_empty() {
        // Who they are is said on the pages alone.
        let refused = tried.refused.len();
        tracing::warn!(mail = mail.id, team = mail.team, refused, "recipients are refused for good: they get no mail");
    }
    let by = Sender { owner, account: &name, settings: account.fingerprint() };
    store.tried(&mail, by, &tried, now).await?;
    Ok(true)
}

/// What is to be done after a try. `held`: how long the account had to wait last.
pub fn came_of(mail: &Mail, sent: &Sent, held: Option<i64>, settings: &Settings, now: Timestamp) -> Tried {
    let (code, said) = match &sent.said {
        Ok(answer) => (Some(i32::from(answer.code)), answer.to_string()),
        Err(failure) => (failure.code().map(i32::from), explain(failure, settings)),
    };
    let after = |wait: Duration| {
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        Timestamp(now.0.saturating_add(micros).saturating_add(spread(mail, micros)))
    };
    let before = u32::try_from(mail.attempts.saturating_sub(1)).unwrap_or_default();
    let left = left(mail, sent);
    let tried = |state: MailState, not_before: Timestamp| Tried {
        state,
        code,
        said: said.clone(),
        not_before,
        recipients: None,
        refused: refused(mail, sent),
        hold: None,
    };
    let queued = |not_before: Timestamp| Tried { recipients: left.clone(), ..tried(MailState::Queued, not_before) };
    match sent.next {
        Next::Done if left.is_some() => queued(after(Next::Again.wait(before).unwrap_or(LOOK))),
        Next::Done => tried(MailState::Sent, now),
        Next::GiveUp => tried(MailState::Failed, now),
        Next::Again | Next::Unknown => queued(after(sent.next.wait(before).unwrap_or(LOOK))),
        Next::Hold(_) => {
            let times = held.map_or(0, |held| (held / FIRST_HOLD).max(1).ilog2() + 1);
            let wait = sent.next.wait(times).unwrap_or(LOOK);
            // Without the spread: by it the next one is doubled.
            let kept = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
            let until = after(wait);
            Tried { hold: Some((until, kept)), ..queued(until) }
        }
    }
}

/// Those who are still to get it.
fn recipients(mail: &Mail) -> impl Iterator<Item = &str> {
    mail.left_to.as_ref().unwrap_or(&mail.recipients).split(',').map(str::trim)
}

/// Who will never get the mail, and why.
fn refused(mail: &Mail, sent: &Sent) -> Vec<String> {
    let by_server = sent.refused.iter().map(|(address, answer)| format!("{address}: {answer}"));
    let unreadable = recipients(mail).filter(|address| address.parse::<Address>().is_err());
    // Those who are left out are not asked for again.
    let unreadable =
        unreadable.map(|address| format!("{address}: no mail address")).filter(|line| !mail.refused.contains(line));
    by_server.chain(unreadable).collect()
}

/// Who is still to get the mail, where they are fewer than before: once it was taken, those who come later; before that, all but
/// those who are refused for good.
fn left(mail: &Mail, sent: &Sent) -> Option<String> {
    if sent.next == Next::Done {
        let later: Vec<String> = sent.later.iter().map(|(address, _)| address.to_string()).collect();
        return (!later.is_empty()).then(|| later.join(","));
    }
    let is_refused =
        |one: &str| sent.refused.iter().any(|(address, _)| one.parse().is_ok_and(|one: Address| one == *address));
    let before: Vec<&str> = recipients(mail).collect();
    let left: Vec<&str> = before.iter().copied().filter(|one| !is_refused(one)).collect();
    (!left.is_empty() && left.len() < before.len()).then(|| left.join(","))
}

/// Up to a fifth more or less, so that mails that failed together are not tried together.
fn spread(mail: &Mail, micros: i64) -> i64 {
    let dice = mail.id.wrapping_mul(0x9e37_79b9).wrapping_add(i64::from(mail.attempts).wrapping_mul(0x85eb_ca6b));
    let fifth = micros / 5;
    if fifth == 0 { 0 } else { dice.rem_euclid(2 * fifth) - fifth }
}

#[cfg(test)]
mod tests {
    use store::outgoing::MailKind;

    use super::*;
    use crate::mail::{Answer, Hold};

    const NOON: Timestamp = Timestamp(1_795_435_200 * SECOND);

    fn mail(attempts: i32) -> Mail {
        Mail {
            id: 4711,
            group: Some(1),
            kind: MailKind::Firing,
            state: MailState::Queued,
            team: "on-call".into(),
            recipients: "a@example.com,b@example.com".into(),
            left_to: None,
            refused: Vec::new(),
            message_id: "<n.1@example.com>".into(),
            subject: String::new(),
            created: NOON,
            not_before: NOON,
            expires: NOON,
            sent: None,
            attempts,
            last_code: None,
            last_text: None,
            lease_until: NOON,
        }
    }

    fn answered(next: Next, code: u16, text: &str) -> Sent {
        Sent { next, said: Ok(Answer::new(code, text)), refused: Vec::new(), later: Vec::new() }
    }

    fn came(attempts: i32, sent: &Sent, held: Option<i64>) -> Tried {
        came_of(&mail(attempts), sent, held, &Settings::nowhere("http://localhost"), NOON)
    }

    /// Seconds, give or take a fifth.
    fn about(until: Timestamp, seconds: i64) -> bool {
        (until.micros_since(NOON) / SECOND - seconds).abs() <= seconds / 5
    }

    #[test]
    fn what_was_sent_is_sent() {
        let tried = came(1, &answered(Next::Done, 250, "2.0.0 ok"), Some(FIRST_HOLD));
        assert_eq!((tried.state, tried.code, tried.hold), (MailState::Sent, Some(250), None));
        assert_eq!(came(1, &answered(Next::GiveUp, 554, "no"), None).state, MailState::Failed);
    }

    #[test]
    fn those_who_were_not_served_get_the_same_mail_once_more_and_the_others_do_not() {
        let later = vec![("b@example.com".parse().unwrap(), Answer::new(450, "4.2.1 full"))];
        let tried = came(1, &Sent { later, ..answered(Next::Done, 250, "ok") }, None);
        assert_eq!((tried.state, tried.recipients.as_deref()), (MailState::Queued, Some("b@example.com")));
        assert!(about(tried.not_before, 30));
    }

    #[test]
    fn who_is_refused_for_good_is_kept_with_the_try_also_of_a_mail_that_is_sent() {
        let refused = || vec![("b@example.com".parse().unwrap(), Answer::new(550, "5.1.1 no such user"))];
        for next in [Next::Done, Next::GiveUp, Next::Again, Next::Hold(Hold::Hourly)] {
            let tried = came(1, &Sent { refused: refused(), ..answered(next, 250, "ok") }, None);
            assert_eq!(tried.refused, ["b@example.com: 550 5.1.1 no such user"], "{next:?}");
        }
        let strange = Mail { recipients: "a@example.com, ???".into(), ..mail(1) };
        let settings = Settings::nowhere("http://localhost");
        let tried = came_of(&strange, &answered(Next::Done, 250, "ok"), None, &settings, NOON);
        assert_eq!((tried.state, tried.refused), (MailState::Sent, vec!["???: no mail address".to_owned()]));
    }

    #[test]
    fn a_mail_that_nobody_was_given_stays_for_all_but_those_who_are_refused_for_good() {
        let busy = || vec![("b@example.com".parse().unwrap(), Answer::new(450, "4.2.1 full"))];
        for next in [Next::Again, Next::Unknown, Next::Hold(Hold::Doubling), Next::Hold(Hold::Hourly)] {
            let tried = came(1, &Sent { later: busy(), ..answered(next, 421, "4.3.2 closing") }, None);
            assert_eq!((tried.state, tried.recipients), (MailState::Queued, None), "{next:?}: a gets it, too");
            let refused = vec![("b@example.com".parse().unwrap(), Answer::new(550, "5.1.1 no such user"))];
            let tried = came(1, &Sent { refused, ..answered(next, 421, "4.3.2 closing") }, None);
            assert_eq!(tried.recipients.as_deref(), Some("a@example.com"), "{next:?}");
        }
    }

    #[test]
    fn a_mail_is_tried_again_after_half_a_minute_and_then_less_and_less_often() {
        for (tries, seconds) in [(1, 30), (2, 60), (3, 120), (4, 300), (5, 900), (6, 1800), (7, 3600), (40, 3600)] {
            for next in [Next::Again, Next::Unknown] {
                let tried = came(tries, &answered(next, 450, "later"), None);
                assert_eq!((tried.state, tried.hold, tried.recipients), (MailState::Queued, None, None));
                assert!(about(tried.not_before, seconds), "{tries}: {:?}", tried.not_before);
            }
        }
    }

    #[test]
    fn an_account_rests_a_quarter_of_an_hour_and_twice_as_long_each_time_up_to_four_hours() {
        let mut held = None;
        for minutes in [15, 30, 60, 120, 240, 240] {
            let tried = came(1, &answered(Next::Hold(Hold::Doubling), 454, "4.7.0 too many"), held);
            let (until, wait) = tried.hold.expect("it rests");
            assert_eq!((wait, tried.state), (minutes * 60 * SECOND, MailState::Queued));
            assert!(about(until, minutes * 60) && tried.not_before == until);
            held = Some(wait);
        }
        let tried = came(1, &answered(Next::Hold(Hold::Hourly), 550, "5.4.5 limit"), held);
        assert_eq!(tried.hold.map(|(_, wait)| wait), Some(3600 * SECOND));
    }
}
