//! What the host says of itself: its name and the zone of its clock.

use std::path::Path;

use crate::wording::nearest;

/// The host's name, or `localhost`.
pub fn host_name() -> String {
    let name = hostname::get().map(|name| name.to_string_lossy().into_owned());
    name.ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}

/// The zone of this name, or in words why there is none.
pub fn check(zone: &str) -> Result<(), String> {
    if zone.parse::<chrono_tz::Tz>().is_ok() {
        return Ok(());
    }
    let meant = nearest(zone, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
    let meant = meant.map_or_else(
        || "use an IANA name such as \"Asia/Seoul\" or \"UTC\"".to_owned(),
        |meant| format!("is {meant:?} meant?"),
    );
    Err(format!("there is no such zone; {meant}"))
}

/// The IANA name of the host's zone, or `UTC`: `TZ`, else where `/etc/localtime` points, as for all who log,
/// else `/etc/timezone`.
pub fn host_zone() -> String {
    let variable = std::env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned());
    let file = || std::fs::read_to_string("/etc/timezone").ok().map(|zone| zone.trim().to_owned());
    let link = || std::fs::read_link("/etc/localtime").ok().and_then(|target| zone_of_link(&target));
    let known = |zone: &String| zone.parse::<chrono_tz::Tz>().is_ok();
    variable
        .filter(known)
        .or_else(|| link().filter(known))
        .or_else(|| file().filter(known))
        .unwrap_or_else(|| "UTC".into())
}

fn zone_of_link(target: &Path) -> Option<String> {
    let text = target.to_str()?;
    text.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_from_a_link() {
        assert_eq!(zone_of_link(Path::new("/usr/share/zoneinfo/Asia/Seoul")).as_deref(), Some("Asia/Seoul"));
        assert_eq!(zone_of_link(Path::new("/somewhere")), None);
        assert!(host_zone().parse::<chrono_tz::Tz>().is_ok());
    }
}
