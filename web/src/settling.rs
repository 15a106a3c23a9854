//! How far what happened in calls is worked out: what lists and rules rest on.

use record::time::{SECOND, Timestamp};
use store::scenario::ScenarioRow;
use store::settle::{COUNTED, Late, MOST};

use crate::ladder::words::duration;
use crate::{Error, Site, words};

/// Nobody need know of less.
const LATE: i64 = 10 * SECOND;

/// How far it is behind, in words; none where it is in time.
pub(crate) async fn late(site: &Site) -> Result<Option<String>, Error> {
    let now = site.now();
    let late = site.store.late(Timestamp(now.0.saturating_sub(LATE))).await?;
    Ok(late.map(|late| says(late, now)))
}

/// What keeps a scenario from being worked out.
pub(crate) fn never(row: &ScenarioRow) -> Option<String> {
    let is_too_large = !row.class.is_daily() && row.messages > MOST;
    is_too_large.then(|| {
        let most = words::count(MOST);
        format!(
            "It holds more than {most} messages: what happened in it is no longer worked out, and no rule judges it."
        )
    })
}

fn says(late: Late, now: Timestamp) -> String {
    let more = if late.scenarios >= COUNTED { " and more" } else { "" };
    let behind = duration(now.micros_since(late.since).max(0));
    format!("{}{more} not worked out yet, the first for {behind}", words::count(late.scenarios))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_behind_is_said() {
        let says = |scenarios: i64| says(Late { scenarios, since: Timestamp(0) }, Timestamp(90 * SECOND));
        assert_eq!(says(1), "1 not worked out yet, the first for 1 min 30 s");
        assert_eq!(says(COUNTED), "10,000 and more not worked out yet, the first for 1 min 30 s");
    }
}
