//! Alerts about the logs themselves, from heartbeats to the text of the mail.

use std::sync::Arc;

use collector::book::Book;
use collector::mail::Settings;
use collector::report::{self, Desk};
use collector::sources::Lookout;
use record::time::{DAY, MINUTE, SECOND, Timestamp};
use record::wire::{Heartbeat, SourceReport};
use rule::routes::Routes;
use rule::set::RuleSet;
use store::alert::OF_A_LOG;
use tokio::sync::watch;

use crate::door::Door;

/// 2026-09-14 12:00:00 UTC.
const NOON: i64 = 1_789_387_200 * SECOND;

fn at(seconds: i64) -> Timestamp {
    Timestamp(NOON + seconds * SECOND)
}

fn heartbeat(agent: &str, clock: Timestamp) -> Heartbeat {
    let source =
        |name: &str| SourceReport { name: name.into(), files: 1, read_to: Some(clock), ..SourceReport::default() };
    Heartbeat {
        version: 1,
        agent: agent.into(),
        program: "0.1.0".into(),
        host: format!("{agent}.example.com"),
        clock,
        sources: vec![source("core"), source("push")],
        unread: Vec::new(),
        more_unread: 0,
        places: None,
        stops: false,
    }
}

/// An agent falls silent, another one's clock is off, and both are well again: one mail each, and one that says so.
#[tokio::test]
async fn an_agent_that_falls_silent_is_reported_once_and_so_is_its_return() {
    let door = Door::open().await;
    let set = RuleSet::built_in();
    let routes = "[[team]]\nname = \"voice\"\nto = [\"voice@example.com\"]\n[[route]]\nmatch = {}\nto = [\"voice\"]\n";
    let routes = Routes::load("routes.toml", routes, &set.ids()).expect("right");
    let (_, book) = watch::channel(Arc::new(Book { set, routes, has_routes: true, env: Vec::new() }));
    let desk = Desk { settings: Settings::nowhere("http://localhost:8480"), can_send: true };
    let mut lookout = Lookout::new(at(-3600));
    let mut mails = async |second: i64| {
        lookout.look(&door.store, &book.borrow(), at(second)).await.expect("a look");
        while report::step(&door.store, &book, &desk, at(second)).await.expect("reported") > 0 {}
        let mut texts = Vec::new();
        for mail in door.store.mails(None, 100).await.expect("mails") {
            let (mail, plain, _) = door.store.mail(mail.id).await.expect("read").expect("there");
            let plain = plain
                .lines()
                .filter(|line| !line.starts_with("dedup_key") && !line.contains("/a/"))
                .collect::<Vec<_>>();
            texts.push(format!("{}\n{}", mail.subject, plain.join("\n")));
        }
        texts.reverse();
        texts
    };
    door.store.hear(&heartbeat("sbc-1", at(0)), at(0)).await.expect("heard");
    for second in [0, 60, 120] {
        door.store.hear(&heartbeat("core-1", at(second)), at(second)).await.expect("heard");
        assert_eq!(mails(second).await, Vec::<String>::new());
    }
    for second in [125, 140, 160] {
        door.store.hear(&heartbeat("core-1", at(second)), at(second)).await.expect("heard");
        mails(second).await;
    }
    let first = mails(165).await;
    assert_eq!(first.len(), 1);
    insta::assert_snapshot!(first[0], @"
    [siptrail prod] CRITICAL silent: an agent does not report, so its logs cannot be judged
    1 agent or log needs attention: 1 new.

    Expect  An agent reports every few seconds (critical)
    Since   2026-09-14 12:00:00 UTC

    NEW
      1  12:00:00Z  sbc-1
         no report since 12:00:00Z: core, push are not read
         http://localhost:8480/

    You get this by route 1 of routes.toml (team voice).
    ");

    // It is reported once, however long it lasts, and its return closes the alert.
    door.store.hear(&heartbeat("core-1", at(600)), at(600)).await.expect("heard");
    assert_eq!(mails(600).await.len(), 1);
    door.store.hear(&heartbeat("sbc-1", at(700)), at(700)).await.expect("heard");
    assert_eq!(mails(705).await.len(), 1, "it is looked at soon");
    let second = mails(708).await;
    assert_eq!(second.len(), 2);
    insta::assert_snapshot!(second[1], @"
    [siptrail prod] CRITICAL silent: an agent does not report, so its logs cannot be judged
    Over: 1 well again.

    Expect  An agent reports every few seconds (critical)
    Since   2026-09-14 12:00:00 UTC

    WELL AGAIN
      1  12:00:00Z  sbc-1
         well again after 11 min
         http://localhost:8480/

    You get this by route 1 of routes.toml (team voice).
    ");
    let group = door.store.alert_groups(10).await.expect("read").pop().expect("one");
    let items = door.store.alert_items(group.id, 10).await.expect("read");
    assert_eq!((items.len(), items[0].scenario, group.closed.is_some()), (1, OF_A_LOG, true));

    // The next time is another story.
    let silent = 705 + MINUTE / SECOND * 5;
    mails(silent).await;
    assert_eq!(mails(silent + 31).await.len(), 3);
    for day in 1..7 {
        assert_eq!(mails(silent + day * DAY / SECOND).await.len(), 3);
    }
    assert_eq!(door.store.count_open_alerts().await.expect("read"), 1);
    // After a week it counts as removed: nothing is mailed, neither now nor when it is back.
    mails(silent + 8 * DAY / SECOND).await;
    assert_eq!(mails(silent + 9 * DAY / SECOND).await.len(), 3);
    assert_eq!(door.store.count_open_alerts().await.expect("read"), 0);
    let back = silent + 10 * DAY / SECOND;
    door.store.hear(&heartbeat("sbc-1", at(back)), at(back)).await.expect("heard");
    assert_eq!(mails(back + 5).await.len(), 3);
}
