//! Which failures an ending can have.

use std::collections::BTreeSet;

use crate::syntax::{CodeNames, End, Ending, Term};
use crate::words::{OTHERS, SIP};

/// Of REST and push, where [codes] does not count.
pub const CLIENT: &str = "client";
pub const SERVER: &str = "server";

/// The error is a status without a name.
pub fn classes(end: &End, names: &CodeNames) -> Result<BTreeSet<String>, u16> {
    match &end.outcome {
        Some(Ending::Failed(class)) => return Ok(BTreeSet::from([class.clone()])),
        Some(Ending::Ok | Ending::Business(_)) => return Ok(BTreeSet::new()),
        None => {}
    }
    let mut classes = BTreeSet::new();
    for term in &end.pattern.0 {
        let Some(codes) = &term.codes else { continue };
        if is_sip(term) {
            for status in (300..700).filter(|status| codes.holds(*status, names)) {
                let name = names.of(status).ok_or(status)?;
                classes.extend((!name.business).then(|| name.name.clone()));
            }
        } else {
            let some = |from: u16, to: u16| (from..=to).any(|status| codes.holds(status, names));
            classes.extend(some(400, 499).then(|| CLIENT.to_owned()));
            classes.extend(some(500, 599).then(|| SERVER.to_owned()));
        }
    }
    Ok(classes)
}

/// OPTIONS is taken for the one of SIP.
pub fn is_sip(term: &Term) -> bool {
    term.methods.iter().any(|method| SIP.contains(&method.as_str()) || !OTHERS.contains(&method.as_str()))
}
