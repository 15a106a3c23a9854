//! Groups for whom no mail is left: one mail tells of all of them.

use std::collections::BTreeMap;

use record::time::{HOUR, MINUTE, Timestamp};
use rule::syntax::Severity;
use store::Store;
use store::outgoing::MailKind;

use super::budget::may_storm;
use super::mails::{mask, new_mail};
use super::{Desk, Looking, keep, rule};
use crate::Error;
use crate::alert::Decision;
use crate::book::Book;
use crate::mail::notice::{About, Held, Reader, Storm};

/// Groups whose teams have had all the mails that they may have: once an hour one mail tells of all of them.
pub(super) async fn storms(
    store: &Store,
    book: &Book,
    desk: &Desk,
    held: Vec<(Looking, Decision)>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut by_teams: BTreeMap<Vec<String>, Vec<(Looking, Decision)>> = BTreeMap::new();
    for one in held {
        let names = one.0.teams(book).iter().map(|team| team.name.clone()).collect();
        by_teams.entry(names).or_default().push(one);
    }
    for (names, held) in by_teams {
        let drafts = held.iter().filter_map(|(_, decision)| decision.mail.as_ref());
        let severity = drafts.map(|draft| draft.severity).max().unwrap_or(Severity::Warning);
        let mut mails = Vec::new();
        if may_storm(store, book, &names, severity, now).await? {
            for team in &book.routes.teams {
                if !names.contains(&team.name) {
                    continue;
                }
                let (of_team, _) = store.mails_since(&team.name, Timestamp(now.0.saturating_sub(HOUR))).await?;
                let storm = storm(book, &held, of_team, now);
                let env = held.first().map(|(look, ..)| look.group.key.env.clone()).unwrap_or_default();
                let routes = held.iter().map(|(look, ..)| look.route_number(book)).collect();
                let reader = Reader { team: team.name.clone(), routes, zone: team.tz, mask: mask(team) };
                let seed = format!("storm.{}.{}", team.name, now.0.div_euclid(MINUTE));
                let about = About::Storm(storm);
                mails.extend(new_mail(desk, team, reader, about, &env, MailKind::Storm, severity, &seed, now));
            }
        }
        // What one mail has told of is told; the rest waits until there is room.
        let mut told = !mails.is_empty();
        for (look, decision) in held {
            let decision = if told { decision } else { look.later(now) };
            let carries = !mails.is_empty();
            let kept = keep(store, desk, &look, decision, std::mem::take(&mut mails), now).await?;
            // The mail went with a group that changed meanwhile: it is made anew.
            told &= kept || !carries;
        }
    }
    Ok(())
}

fn storm(book: &Book, held: &[(Looking, Decision)], mails: i64, now: Timestamp) -> Storm {
    let mut groups: Vec<Held> = held.iter().map(|(look, decision)| of_storm(book, look, decision)).collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.severity), std::cmp::Reverse(group.scenarios)));
    let times = || held.iter().flat_map(|(look, ..)| look.items.iter().map(|item| item.at));
    Storm {
        mails: mails.unsigned_abs(),
        begins: times().min().unwrap_or(now),
        ends: times().max().unwrap_or(now),
        groups,
    }
}

fn of_storm(book: &Book, look: &Looking, decision: &Decision) -> Held {
    let rule = rule(book, &look.group.key.rule);
    let failure = look.group.key.failure.clone();
    let says = rule.and_then(|rule| rule.says.get(&failure)).cloned().unwrap_or_else(|| failure.clone());
    Held {
        key: u64::from_be_bytes(look.group.key.hash),
        severity: decision.mail.as_ref().map_or(look.group.severity, |draft| draft.severity),
        failure,
        says,
        scenarios: decision.mail.as_ref().map_or(0, |draft| draft.new.len() as u64),
    }
}
