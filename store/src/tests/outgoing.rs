//! Mails are sent at least once, with one Message-ID and the same bytes, by one sender at a time.

use record::time::{SECOND, Timestamp};
use rule::verdict::Outcome;

use super::alert::{alarm, judge, judged, later, look, mail, taken};
use super::fixture::{File, correlate, says};
use super::store_test;
use crate::Store;
use crate::alert::News;
use crate::outgoing::{Kept, Mail, MailKind, MailState, NewMail, Room, Sender, Tried, Undelivered};
use crate::verdict::Judged;

const LEASE: i64 = 120 * SECOND;
const ACCOUNT: &str = "siptrail@smtp.example.com:587";

/// A group whose look at the 30th second made these mails.
async fn made(store: &Store, mails: Vec<NewMail>, state: MailState) {
    File::new(1).log(store, [says("a", 0, "INVITE")]).await;
    correlate(store, 100).await;
    judge(store, 0, &judged(Outcome::Failed, "no-ack")).await;
    let group = taken(store, 30).await;
    let reported = look(store, &group, mails).await;
    assert!(store.report(&reported, state, later(30)).await.unwrap());
}

/// The account with its first settings.
fn by(owner: &str) -> Sender<'_> {
    Sender { owner, account: ACCOUNT, settings: 1 }
}

async fn next(store: &Store, owner: &str, at: i64) -> Option<(Mail, Vec<u8>)> {
    store.next_mail(owner, ACCOUNT, later(at), LEASE).await.unwrap()
}

fn sent() -> Tried {
    let said = "250 2.0.0 ok".to_owned();
    let (recipients, refused, hold) = (None, Vec::new(), None);
    Tried { state: MailState::Sent, code: Some(250), said, not_before: later(0), recipients, refused, hold }
}

fn again(not_before: Timestamp) -> Tried {
    Tried { state: MailState::Queued, code: Some(450), said: "450 4.2.1 later".into(), not_before, ..sent() }
}

async fn state(store: &Store) -> (MailState, i32) {
    let mail = store.mails(None, 10).await.unwrap().remove(0);
    (mail.state, mail.attempts)
}

store_test! {
    async fn a_mail_whose_sender_was_killed_is_sent_by_another_with_the_same_bytes(store) {
        made(&store, vec![mail("1", MailKind::Firing)], MailState::Queued).await;
        let (first, bytes) = next(&store, "one", 31).await.unwrap();
        assert_eq!(next(&store, "two", 31 + 120).await, None);
        let (second, again) = next(&store, "two", 31 + 121).await.unwrap();
        assert_eq!((&second.message_id, &again, second.id), (&first.message_id, &bytes, first.id));
        assert_eq!(second.attempts, 2);
        // The first was only slow: what it says counts for nothing.
        let held = Tried { hold: Some((later(9000), 900 * SECOND)), ..again_at(9000) };
        assert!(!store.tried(&first, by("one"), &held, later(160)).await.unwrap());
        assert!(!store.tried(&first, by("one"), &sent(), later(161)).await.unwrap());
        assert_eq!(state(&store).await, (MailState::Queued, 2));
        assert_eq!(store.mail_hold(ACCOUNT).await.unwrap(), None);
        assert_eq!(next(&store, "one", 162).await, None);
        assert!(store.tried(&second, by("two"), &sent(), later(163)).await.unwrap());
        assert_eq!(state(&store).await, (MailState::Sent, 2));
        assert_eq!(store.mail_attempts(first.id).await.unwrap().len(), 3, "whoever asks sees all tries");
        assert_eq!(next(&store, "one", 9999).await, None);
    }

    async fn two_senders_never_take_the_same_mail(store) {
        made(&store, (0..20).map(|n| mail(&n.to_string(), MailKind::Firing)).collect(), MailState::Queued).await;
        let work: Vec<_> = ["one", "two"].into_iter().map(|owner| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some((mail, _)) = next(&store, owner, 31).await {
                    taken.push(mail.id);
                }
                taken
            })
        }).collect();
        let mut taken = Vec::new();
        for one in work {
            taken.extend(one.await.unwrap());
        }
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), 20);
    }

    async fn by_one_account_one_sender_sends_at_a_time_and_another_goes_on_once_it_rests(store) {
        made(&store, (0..4).map(|n| mail(&n.to_string(), MailKind::Firing)).collect(), MailState::Queued).await;
        let (first, _) = next(&store, "one", 31).await.unwrap();
        assert_eq!(next(&store, "two", 32).await, None);
        let other = store.next_mail("two", "another@smtp.example.com:587", later(32), LEASE).await.unwrap();
        assert!(other.is_some(), "by another account it may");
        assert!(store.tried(&first, by("one"), &sent(), later(40)).await.unwrap());
        assert_eq!(next(&store, "two", 50).await, None, "the first one is still connected");
        let (second, _) = next(&store, "one", 50).await.unwrap();
        assert!(store.tried(&second, by("one"), &sent(), later(51)).await.unwrap());
        assert!(next(&store, "two", 62).await.is_some());
        assert_eq!(next(&store, "one", 63).await, None);
    }

    async fn however_many_make_mails_there_are_never_more_than_there_may_be(store) {
        File::new(1).log(&store, [says("a", 0, "INVITE")]).await;
        correlate(&store, 100).await;
        let names = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"];
        let alarms = names.map(|failure| alarm(failure, News::Fresh)).into();
        judge(&store, 0, &Judged { alarms, ..judged(Outcome::Failed, "f0") }).await;
        let groups = store.due_alerts(later(30), LEASE, 10).await.unwrap();
        assert_eq!(groups.len(), names.len());
        let mut work = Vec::new();
        for (group, name) in groups.iter().zip(names) {
            let reported = look(&store, group, vec![mail(name, MailKind::Firing)]).await;
            let store = store.clone();
            work.push(tokio::spawn(async move {
                let room = Room { of_team: 3, of_all: 100 };
                store.report_within(&reported, room, MailState::Queued, later(30)).await.unwrap()
            }));
        }
        let mut kept = Vec::new();
        for one in work {
            kept.push(one.await.unwrap());
        }
        let of = |what| kept.iter().filter(|kept| **kept == what).count();
        assert_eq!((of(Kept::Yes), of(Kept::Full)), (3, 5));
        assert_eq!(store.mails_since("on-call", later(30)).await.unwrap(), (3, 3));
        // An hour later there is room for a team again, and none is left of the day.
        let full = kept.iter().position(|kept| *kept == Kept::Full).unwrap();
        let reported = look(&store, &groups[full], vec![mail("later", MailKind::Firing)]).await;
        let report = async |of_all| {
            let room = Room { of_team: 3, of_all };
            store.report_within(&reported, room, MailState::Queued, later(3631)).await.unwrap()
        };
        assert_eq!((report(3).await, report(4).await, report(4).await), (Kept::Full, Kept::Yes, Kept::Changed));
    }

    async fn a_mail_is_sent_again_when_it_may_be_and_no_sooner(store) {
        made(&store, vec![mail("1", MailKind::Firing)], MailState::Queued).await;
        let (first, _) = next(&store, "one", 31).await.unwrap();
        let left = Tried { recipients: Some("b@example.com".into()), ..again(later(60)) };
        assert!(store.tried(&first, by("one"), &left, later(32)).await.unwrap());
        assert_eq!(next(&store, "one", 59).await, None);
        let (second, _) = next(&store, "one", 60).await.unwrap();
        assert_eq!((second.left_to.as_deref(), second.last_code), (Some("b@example.com"), Some(450)));
        assert_eq!(second.recipients, first.recipients, "whom it is to is not forgotten");
    }

    async fn who_will_never_get_a_mail_is_kept_with_it_and_with_the_try(store) {
        made(&store, vec![mail("1", MailKind::Firing)], MailState::Queued).await;
        let (first, _) = next(&store, "one", 31).await.unwrap();
        let gone = "gone@example.com: 550 5.1.1 no such user".to_owned();
        let some = Tried { refused: vec![gone.clone()], ..again(later(60)) };
        assert!(store.tried(&first, by("one"), &some, later(32)).await.unwrap());
        let (second, _) = next(&store, "one", 60).await.unwrap();
        let left = "left@example.com: 550 5.1.1 no such user".to_owned();
        let others = Tried { refused: vec![left.clone()], ..sent() };
        assert!(store.tried(&second, by("one"), &others, later(61)).await.unwrap());
        let (kept, ..) = store.mail(first.id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.refused), (MailState::Sent, vec![gone.clone(), left.clone()]));
        let tries = store.mail_attempts(first.id).await.unwrap();
        assert_eq!(tries.into_iter().map(|one| one.refused).collect::<Vec<_>>(), [[gone], [left]]);
    }

    async fn mails_that_somebody_did_not_get_are_counted_since_that_turned_out(store) {
        made(&store, (0..4).map(|n| mail(&n.to_string(), MailKind::Firing)).collect(), MailState::Queued).await;
        let count = async |since| store.undelivered(later(since)).await.unwrap();
        assert_eq!(count(0).await, Undelivered::default());
        let failed = Tried { state: MailState::Failed, ..again(later(40)) };
        let refused = vec!["gone@example.com: 550 5.1.1 no such user".to_owned()];
        let some = Tried { refused, not_before: later(50), ..sent() };
        for (nth, tried) in [failed, some, Tried { not_before: later(60), ..sent() }].into_iter().enumerate() {
            let (mail, _) = next(&store, "one", 31).await.unwrap();
            assert!(store.tried(&mail, by("one"), &tried, later(32 + nth as i64)).await.unwrap());
        }
        assert_eq!(store.expire_mails(later(7 * 3600), true).await.unwrap(), 1);
        assert_eq!(count(0).await, Undelivered { failed: 1, expired: 1, refused: 1 });
        assert_eq!(count(45).await, Undelivered { failed: 0, expired: 1, refused: 1 });
        assert_eq!(count(7 * 3600).await, Undelivered { expired: 1, ..Undelivered::default() });
        assert_eq!(count(7 * 3600 + 1).await, Undelivered::default());
    }

    async fn what_is_worse_is_sent_first(store) {
        let critical = NewMail { priority: 2, ..mail("critical", MailKind::Firing) };
        made(&store, vec![mail("1", MailKind::Storm), mail("2", MailKind::Firing), critical], MailState::Queued).await;
        let mut order = Vec::new();
        while let Some((mail, _)) = next(&store, "one", 31).await {
            order.push(mail.message_id);
        }
        assert_eq!(order, ["critical", "1", "2"]);
    }

    async fn an_account_that_must_wait_sends_nothing_until_then_and_a_success_ends_it(store) {
        made(&store, vec![mail("1", MailKind::Firing), mail("2", MailKind::Firing)], MailState::Queued).await;
        let (first, _) = next(&store, "one", 31).await.unwrap();
        let held = Tried { hold: Some((later(900), 900 * SECOND)), ..again_at(900) };
        assert!(store.tried(&first, by("one"), &held, later(32)).await.unwrap());
        assert_eq!(next(&store, "one", 899).await, None, "not the other one either");
        let holds = async |at| store.mail_holds(later(at)).await.unwrap();
        assert_eq!(holds(40).await[0].since, later(32));
        let (first, _) = next(&store, "one", 901).await.unwrap();
        assert_eq!(holds(960).await.len(), 1, "a try is on its way");
        let again = Tried { hold: Some((later(2700), 1800 * SECOND)), ..again_at(902) };
        assert!(store.tried(&first, by("one"), &again, later(961)).await.unwrap());
        assert_eq!(holds(970).await[0].since, later(32), "nothing was sent since then");
        assert!(holds(2900).await.is_empty());
        let (second, _) = next(&store, "one", 2701).await.unwrap();
        assert_eq!(store.mail_hold(ACCOUNT).await.unwrap().map(|(_, wait, _)| wait), Some(1800 * SECOND));
        assert!(store.tried(&second, by("one"), &sent(), later(2702)).await.unwrap());
        assert_eq!(store.mail_hold(ACCOUNT).await.unwrap(), None);
    }

    async fn an_account_whose_config_changed_is_tried_at_once(store) {
        made(&store, vec![mail("1", MailKind::Firing), mail("2", MailKind::Firing)], MailState::Queued).await;
        let (first, _) = next(&store, "one", 31).await.unwrap();
        let held = Tried { hold: Some((later(900), 900 * SECOND)), ..again_at(900) };
        store.tried(&first, by("one"), &held, later(32)).await.unwrap();
        // A collector that was started again has the same settings.
        store.release_account(ACCOUNT, 1).await.unwrap();
        assert_eq!(next(&store, "one", 33).await, None);
        store.release_account(ACCOUNT, 2).await.unwrap();
        assert!(next(&store, "one", 33).await.is_some());
    }

    async fn a_mail_that_was_not_sent_in_time_expires_and_is_queued_again_when_somebody_asks(store) {
        made(&store, vec![mail("1", MailKind::Firing)], MailState::Queued).await;
        let (taken, _) = next(&store, "one", 6 * 3600 - 10).await.unwrap();
        assert_eq!(store.expire_mails(later(6 * 3600), true).await.unwrap(), 0, "a try is on its way");
        store.tried(&taken, by("one"), &again(later(6 * 3600 + 10)), later(6 * 3600)).await.unwrap();
        assert_eq!(store.expire_mails(later(6 * 3600 + 1), true).await.unwrap(), 1);
        assert_eq!((state(&store).await.0, next(&store, "one", 7 * 3600).await), (MailState::Expired, None));
        let (now, until) = (later(8 * 3600), later(14 * 3600));
        assert!(store.resend(taken.id, now, until).await.unwrap());
        assert!(!store.resend(taken.id, now, until).await.unwrap(), "it waits already");
        assert!(!store.resend(taken.id + 1, now, until).await.unwrap());
        let (again, _) = next(&store, "one", 8 * 3600).await.unwrap();
        assert_eq!((again.id, again.message_id), (taken.id, taken.message_id));
    }

    async fn a_mail_that_is_sent_once_more_goes_to_all_and_is_tried_as_if_for_the_first_time(store) {
        made(&store, vec![mail("1", MailKind::Firing)], MailState::Queued).await;
        let (first, _) = next(&store, "one", 31).await.unwrap();
        let refused = vec!["a@example.com: 550 5.1.1 no such user".to_owned()];
        let some = Tried { recipients: Some("b@example.com".into()), refused, ..again(later(60)) };
        assert!(store.tried(&first, by("one"), &some, later(32)).await.unwrap());
        let (second, _) = next(&store, "one", 60).await.unwrap();
        let failed = Tried { state: MailState::Failed, hold: Some((later(900), 900 * SECOND)), ..again(later(61)) };
        assert!(store.tried(&second, by("one"), &failed, later(61)).await.unwrap());
        assert!(store.resend(first.id, later(70), later(9000)).await.unwrap());
        let (third, _) = next(&store, "one", 71).await.expect("the account is tried again, as somebody asks for it");
        assert_eq!((third.attempts, third.left_to, third.refused), (1, None, Vec::<String>::new()));
        assert_eq!(third.recipients, first.recipients);
        assert_eq!(store.mail_hold(ACCOUNT).await.unwrap().map(|(_, wait, _)| wait), Some(900 * SECOND));
    }

    async fn what_nothing_could_send_is_sent_once_something_can_unless_it_is_too_late(store) {
        let short = NewMail { expires: later(60), ..mail("short", MailKind::Firing) };
        made(&store, vec![mail("1", MailKind::Firing), short], MailState::NotSent).await;
        store.expire_mails(later(100), false).await.unwrap();
        assert_eq!((next(&store, "one", 100).await, state(&store).await), (None, (MailState::NotSent, 0)));
        store.expire_mails(later(101), true).await.unwrap();
        let (first, _) = next(&store, "one", 101).await.unwrap();
        assert_eq!(first.message_id, "1");
        assert_eq!(next(&store, "one", 102).await, None);
        let (counts, oldest) = store.mail_counts().await.unwrap();
        assert_eq!((counts, oldest), (vec![(MailState::Queued, 1), (MailState::NotSent, 1)], Some(later(30))));
    }

    async fn mails_are_counted_by_team_and_for_all(store) {
        let other = NewMail { team: "lead".into(), ..mail("2", MailKind::Firing) };
        made(&store, vec![mail("1", MailKind::Storm), other], MailState::Queued).await;
        assert_eq!(store.mails_since("on-call", later(30)).await.unwrap(), (1, 2));
        assert_eq!(store.mails_since("on-call", later(31)).await.unwrap(), (0, 0));
        assert_eq!(store.storms_since("on-call", later(0)).await.unwrap(), 1);
        assert_eq!(store.storms_since("lead", later(0)).await.unwrap(), 0);
    }
}

fn again_at(second: i64) -> Tried {
    again(later(second))
}
