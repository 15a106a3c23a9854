//! The zone or the offset behind a time.

use record::time::{HOUR, MINUTE};

use crate::zone::Zone;

/// Where a time is the time of day.
pub(super) enum Place {
    Zone(Zone),
    /// Microseconds ahead of UTC.
    Offset(i64),
}

/// A time, and the zone or the offset behind it: `UTC`, `Z`, `+02:00`, `Europe/Berlin`, `+02:00 Europe/Berlin`.
pub(super) fn placed(text: &str) -> Option<(&str, Place)> {
    if let Some((rest, last)) = text.rsplit_once(char::is_whitespace) {
        let zone = || zone_named(last).map(Place::Zone);
        if let Some(place) = offset(last).map(Place::Offset).or_else(zone) {
            return Some((rest, place));
        }
    }
    let (rest, last) = text.split_at(text.rfind(['+', '-', 'Z', 'z'])?);
    let is_clock = rest.contains(':') && rest.ends_with(|c: char| c.is_ascii_digit());
    Some((rest, Place::Offset(offset(last).filter(|_| is_clock)?)))
}

/// `Z`, `+02:00`, `-0330`
fn offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let digits = rest.replacen(':', "", 1);
    let whole = digits.len() == 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && rest.find(':').is_none_or(|at| at == 2);
    let (hours, minutes): (i64, i64) =
        whole.then(|| Some((digits[..2].parse().ok()?, digits[2..].parse().ok()?)))??;
    (hours <= 14 && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

/// `utc`, `Europe/Berlin`, `CET`: a word of small letters is a name that somebody may look for.
fn zone_named(word: &str) -> Option<Zone> {
    let utc = ["utc", "gmt"].iter().any(|name| word.eq_ignore_ascii_case(name));
    let short = matches!(word.len(), 3..=5) && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if utc { Some(Zone::UTC) } else { Zone::parse(word).filter(|_| short || word.contains('/')) }
}
