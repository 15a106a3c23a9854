//! Whom a call went on to when it was forwarded: Diversion, History-Info, and the Contacts of a redirection.

use super::{Caller, Ground};
use crate::node::{forwarded, shown, user};
use crate::number::ByNumber;
use crate::sip::Uri;
use crate::tree::Attempt;
use crate::user::normal;

/// Persons of one try that are named.
const MOST: usize = 16;

/// By the leg of a caller and the number of a try: users as they were logged, in display order.
type Named<'s> = ByNumber<(usize, usize), Vec<&'s str>>;

/// Names them in each try: persons other than the callee, each once.
pub fn name(ground: &Ground, callers: &mut [Caller]) {
    let named = named(ground);
    for caller in callers {
        for (number, tried) in caller.tries.iter_mut().enumerate() {
            let Some(users) = named.get(&(caller.leg, number)) else { continue };
            let mut met: Vec<String> = tried.attempts.iter().flat_map(|attempt| asked_for(ground, *attempt)).collect();
            for user in users {
                let (own, user) = (normal(&shown(user)), shown(user));
                if tried.forwarded_to.len() < MOST && !own.is_empty() && !met.contains(&own) {
                    met.push(own);
                    tried.forwarded_to.push(user);
                }
            }
        }
    }
}

/// Whom a caller asked for, in normal form.
fn asked_for(ground: &Ground, attempt: usize) -> Vec<String> {
    let Attempt { uri, fold, .. } = &ground.tree.attempts[attempt];
    let sip = fold.and_then(|fold| ground.scene.sip(ground.folds[fold].first.message));
    let to = sip.and_then(|sip| user(sip.to.as_ref()));
    // Who follows a redirection asks for somebody else, and says in To whom they wanted.
    let asked = to.or_else(|| uri.map(|uri| uri.user.as_str()));
    asked.into_iter().map(|user| normal(&shown(user))).collect()
}

fn named<'s>(ground: &Ground<'_, 's>) -> Named<'s> {
    let Ground { scene, folds, tree, branching, tries, .. } = ground;
    let mut named = Named::default();
    for fold in *folds {
        let message = fold.first.message;
        let attempt = tree.of.get(&scene.transaction[message]);
        let (Some(&attempt), Some(sip)) = (attempt, scene.sip(message)) else { continue };
        let uri = tree.attempts[attempt].uri;
        let users: Vec<&str> = match scene.invite_status(fold.first) {
            None if scene.opens(fold.first) => uri.and_then(|uri| forwarded(sip, uri)).into_iter().collect(),
            Some(181) => sip.forwarded_to.as_deref().into_iter().collect(),
            // The same user elsewhere is no other person.
            Some(300..=399) => {
                let others = sip.contacts.iter().map(|contact| &contact.uri).filter(|contact| !is_same(contact, uri));
                others.map(|contact| contact.user.as_str()).take(MOST).collect()
            }
            _ => Vec::new(),
        };
        let leg = branching.of[attempt].filter(|_| !users.is_empty());
        let trunk = std::iter::successors(leg, |leg| branching.legs[*leg].parent).last();
        if let Some(trunk) = trunk {
            let all: &mut Vec<&str> = named.entry((trunk, tries.of[attempt])).or_default();
            let room = (4 * MOST).saturating_sub(all.len());
            let new: Vec<&str> = users.into_iter().filter(|user| !user.is_empty() && !all.contains(user)).collect();
            all.extend(new.into_iter().take(room));
        }
    }
    named
}

fn is_same(one: &Uri, other: Option<&Uri>) -> bool {
    other.is_some_and(|other| normal(&shown(&one.user)) == normal(&shown(&other.user)))
}
