//! Several dialogs on one branch, as a proxy whose log nobody has makes them: which of them are devices of their own.

use super::heard::{Heard, Response};
use super::tries::Tries;

/// What is known of the dialog of one To-tag.
struct Dialog<'a> {
    tag: &'a str,
    /// Which try of the caller it first belongs to.
    tried: usize,
    contact: Option<&'a str>,
    rang: bool,
    answered: bool,
}

/// More dialogs on one branch than this are not kept apart.
const MOST: usize = 32;

/// To-tags in groups, each of a device: two are apart if their Contacts differ, if both got a 2xx, or if both rang and
/// neither shows a Contact. A gateway may change its tag between 183 and 200 and still be one; so may a phone that is called
/// again.
pub fn apart(heard: &Heard, tries: &Tries, attempts: &[usize]) -> Vec<Vec<String>> {
    let mut dialogs: Vec<Dialog> = Vec::new();
    for attempt in attempts {
        for response in heard.0[*attempt].provisional.iter().chain(&heard.0[*attempt].finals) {
            note(&mut dialogs, response, tries.of[*attempt]);
        }
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, dialog) in dialogs.iter().enumerate() {
        let fits = |group: &&mut Vec<usize>| group.iter().all(|other| !are_apart(dialog, &dialogs[*other]));
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups.iter().map(|group| group.iter().map(|index| dialogs[*index].tag.to_owned()).collect()).collect()
}

fn note<'a>(dialogs: &mut Vec<Dialog<'a>>, response: &Response<'a>, tried: usize) {
    let Some(tag) = response.tag else { return };
    let at = dialogs.iter().position(|dialog| dialog.tag == tag);
    let at = at.unwrap_or_else(|| {
        dialogs.push(Dialog { tag, tried, contact: None, rang: false, answered: false });
        dialogs.len() - 1
    });
    if at >= MOST {
        dialogs.truncate(MOST);
        return;
    }
    let dialog = &mut dialogs[at];
    dialog.contact = dialog.contact.or(response.contact);
    dialog.rang |= matches!(response.status, 180 | 183);
    dialog.answered |= matches!(response.status, 200..=299);
}

fn are_apart(one: &Dialog, other: &Dialog) -> bool {
    match (one.contact, other.contact) {
        (Some(one), Some(other)) if one != other => true,
        _ if one.tried != other.tried => false,
        (None, None) if one.rang && other.rang => true,
        _ => one.answered && other.answered,
    }
}
