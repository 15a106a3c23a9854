//! What following needs of the config and of the system.

use std::sync::Arc;

use record::frame::Limits;

use crate::cursor::Framing;
use crate::follow::Rules;
use crate::place::Place;
use crate::place::SourceId;
use crate::source::Spec;
use crate::{Config, Error, zone};

pub(super) fn rules(config: &Config) -> Rules {
    Rules {
        poll: config.poll,
        provisional_after: config.provisional_after,
        close_after: config.close_after,
        memory: config.memory,
        batch_bytes: config.batch_bytes,
        batch_after: config.batch_after,
    }
}

pub(super) fn sources(config: &Config) -> Result<(Vec<Spec>, Vec<Place>), Error> {
    let fault = |fault: crate::config::Fault| Error::Config {
        file: "config".into(),
        line: 0,
        key: fault.key.to_owned(),
        hint: fault.hint,
    };
    config.check().map_err(fault)?;
    let (mut specs, mut places) = (Vec::new(), Vec::new());
    for (at, source) in config.sources.iter().enumerate() {
        let format = Arc::new(config.format(source.format.as_deref()).map_err(fault)?);
        let zone = source.zone.clone().unwrap_or_else(zone::host_zone);
        let limits = Limits { record: config.record_limit };
        let wrapping = source.wrapping().map_err(fault)?;
        let framing = Arc::new(Framing { format, limits, masks: config.redact.clone(), wrapping });
        let place = Place::new(SourceId(at as u32), &source.name, &source.paths);
        places.push(place.clone());
        specs.push(Spec { place, framing, zone, start: source.start });
    }
    Ok((specs, places))
}
