//! Legs without an INVITE: a registration, a MESSAGE, a REST call alone.

use super::branching::Branching;
use super::leg::{Leg, Outcome};
use crate::fold::Fold;
use crate::kind::Kind;
use crate::scene::{Scene, Verb};

/// Each ends with the last final response to what it opened with; `of` is the leg of each fold.
pub fn end(scene: &Scene, folds: &[Fold], branching: &Branching, of: &[usize], legs: &mut [Leg]) {
    let mut opened = vec![None; legs.len()];
    for (fold, &leg) in folds.iter().zip(of) {
        let message = fold.first.message;
        let within = matches!(scene.verb[message], Verb::Bye | Verb::Cancel | Verb::Ack);
        if within || !branching.legs.get(leg).is_some_and(|leg| leg.parent.is_none() && !leg.is_invited) {
            continue;
        }
        let sip = scene.messages[message].kind == Kind::Sip;
        let opening = *opened[leg].get_or_insert((sip, scene.method(message)));
        let same = if sip { opening == (true, scene.method(message)) } else { !opening.0 };
        if let Some(status) = fold.first.status(scene.messages).filter(|status| same && *status >= 200) {
            legs[leg].final_status = Some((status, fold.first.time));
            legs[leg].outcome = if status < 300 { Outcome::Answered } else { Outcome::Refused(status) };
        }
    }
}
