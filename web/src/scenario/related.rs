//! Calls that may be of the same story: near in time, with one of its people, and joined by nothing.

use message::flow::Flow;
use message::logged::Message;
use message::user::normal;
use record::time::{HOUR, MINUTE, SECOND, Timestamp};
use store::Store;
use store::scenario::ScenarioRow;

use crate::Error;
use crate::ladder::words::{duration, shortened};
use crate::picture::Picture;
use crate::subject;
use crate::words::Came;
use crate::zone::Zone;

/// How long before and after a call.
const NEAR: i64 = MINUTE;
/// How far into a long call.
const LONGEST: i64 = HOUR;
/// How long whoever is sent somewhere takes to call there.
const SENT: i64 = 30 * SECOND;
/// Letters of a name.
const LETTERS: usize = 60;

/// A call that is possibly related, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Related {
    pub href: String,
    pub caller: String,
    pub callee: String,
    /// `answered`
    pub state: String,
    /// `12.0 s later, by the same caller`
    pub why: String,
    /// This call says itself that somebody was to make that one.
    pub strong: bool,
}

/// Of a call alone: what else there is of its people around it.
pub async fn related(store: &Store, picture: &Picture, zone: Zone) -> Result<Vec<Related>, Error> {
    let row = &picture.scenario.row;
    let people = [&row.caller, &row.callee].into_iter().flatten().map(String::as_str);
    // Whoever withholds a name has nothing in common with the next one.
    let people: Vec<&str> = people.filter(|user| !user.eq_ignore_ascii_case("anonymous")).collect();
    if picture.flow.course.callers.is_empty() || people.is_empty() {
        return Ok(Vec::new());
    }
    let from = Timestamp(row.first.0.saturating_sub(NEAR));
    let to = Timestamp(row.last.0.min(row.first.0.saturating_add(LONGEST)).saturating_add(NEAR));
    let near = store.nearby(&people, from, to).await?;
    let sent = sent(&picture.flow, &picture.messages);
    let mut all: Vec<(u8, u64, Related)> = near
        .iter()
        .filter(|other| other.subject != row.subject)
        .filter_map(|other| {
            let (rank, why) = why(row, other, &sent)?;
            let apart = other.first.micros_since(row.first);
            Some((rank, apart.unsigned_abs(), Related { strong: rank == 0, ..of(other, &why, apart, zone) }))
        })
        .collect();
    all.sort_by_key(|(rank, apart, _)| (*rank, *apart));
    Ok(all.into_iter().map(|(.., related)| related).collect())
}

fn of(other: &ScenarioRow, why: &str, apart: i64, zone: Zone) -> Related {
    let side = if apart < 0 { "earlier" } else { "later" };
    let zone = if zone.is_utc() { String::new() } else { format!("?zone={}", crate::params::encode(zone.name())) };
    let name = |who: &Option<String>| shortened(who.as_deref().unwrap_or("unknown"), LETTERS);
    Related {
        href: subject::path(&other.subject) + &zone,
        caller: name(&other.caller),
        callee: name(&other.callee),
        state: crate::words::outcome(&Came::of(other)).text,
        why: format!("{} {side}, {why}", duration(apart.saturating_abs())),
        strong: false,
    }
}

/// Where REFERs of this call sent somebody, and when.
fn sent(flow: &Flow, messages: &[Message]) -> Vec<(String, Timestamp)> {
    let refers = flow.rows.iter().filter_map(|row| {
        let facts = &messages[row.message].facts;
        let sip = facts.sip.as_ref().filter(|_| facts.method == "REFER" && !facts.response)?;
        Some((normal(&sip.refer_to.as_ref()?.uri.user), row.time))
    });
    refers.filter(|(user, _)| !user.is_empty()).collect()
}

/// What the two have in common, the strongest first.
fn why(this: &ScenarioRow, other: &ScenarioRow, sent: &[(String, Timestamp)]) -> Option<(u8, String)> {
    let user =
        |who: &Option<String>| who.as_deref().map(normal).filter(|user| !["", "anonymous"].contains(&user.as_str()));
    let (caller, callee) = (user(&this.caller), user(&this.callee));
    let (by, to) = (user(&other.caller), user(&other.callee));
    let both = |one: &Option<String>, two: &Option<String>| one.is_some() && one == two;
    let after = |(target, at): &&(String, Timestamp)| {
        to.as_ref() == Some(target) && (0..SENT).contains(&other.first.micros_since(*at))
    };
    Some(match () {
        () if sent.iter().any(|sent| after(&sent)) => (0, "after a REFER to this callee".to_owned()),
        () if both(&caller, &by) && both(&callee, &to) => (1, "by and to the same people".to_owned()),
        () if both(&caller, &to) && both(&callee, &by) => (2, "the other way round".to_owned()),
        () if both(&callee, &by) => (3, "by the callee of this call".to_owned()),
        () if both(&caller, &to) => (3, "to the caller of this call".to_owned()),
        () if both(&caller, &by) => (4, "by the same caller".to_owned()),
        () if both(&callee, &to) => (5, "to the same callee".to_owned()),
        () => return None,
    })
}
