//! What settled calls measured of clocks, by the hour in which they began: kept in the clock table once it says something new.

use std::collections::BTreeMap;

use message::clock::{Clocks, Measured};
use record::time::{MINUTE, Timestamp};
use store::Store;

use crate::Error;

/// Hours that are kept in mind: beyond that they are read again.
const HOURS: usize = 50;
/// An hour in which clocks were looked at rests for so long.
const REST: i64 = MINUTE;

/// What was measured in each hour so far.
#[derive(Debug, Default)]
pub struct Hours {
    hours: BTreeMap<i64, Hour>,
}

#[derive(Debug, Default)]
struct Hour {
    measured: Measured,
    known: Clocks,
    /// Something was measured since it was looked at.
    news: bool,
    looked: Option<Timestamp>,
}

impl Hours {
    /// Adds what a call of that hour measured.
    pub fn see(&mut self, hour: i64, measured: &Measured) {
        if measured.is_empty() {
            return;
        }
        if self.hours.len() >= HOURS && !self.hours.contains_key(&hour) {
            self.hours.retain(|_, hour| hour.news);
            if self.hours.len() >= HOURS {
                self.hours.pop_first();
            }
        }
        let hour = self.hours.entry(hour).or_default();
        hour.news |= hour.measured.merge(measured);
    }

    /// Keeps what is new, of hours that do not rest.
    pub async fn learn(&mut self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let mut failed = None;
        let rests = |hour: &Hour| hour.looked.is_some_and(|since| now.micros_since(since) < REST);
        for (&number, hour) in self.hours.iter_mut().filter(|(_, hour)| hour.news && !rests(hour)) {
            (hour.news, hour.looked) = (false, Some(now));
            if hour.known.clone().take(&hour.measured.clocks()).is_none() {
                continue;
            }
            match store.learn_clocks(number, &hour.measured, now).await {
                Ok((measured, known)) => {
                    tracing::debug!(hour = number, "learned how far clocks are apart");
                    (hour.measured, hour.known) = (measured, known);
                }
                Err(error) => {
                    hour.news = true;
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}
