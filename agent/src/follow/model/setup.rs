//! The agent as each walk begins with it, and what it is given to do.

use std::sync::Arc;
use std::time::Duration;

use record::format::Format;
use record::frame::Limits;
use record::redact;

use super::disk::Memory;
use super::{ACTIVE, OTHER};
use crate::cursor::Framing;
use crate::follow::{Action, Follow, Rules};
use crate::place::{Place, SourceId};
use crate::source::{Spec, Start};

pub enum Job {
    /// With the files it is about, as they were open when it was given.
    Do(Action, Option<Memory>, Option<Memory>),
    /// The collector is asked how far each stream is.
    Recover,
}

pub fn follow() -> Follow {
    let rules = Rules {
        poll: Duration::from_millis(100),
        provisional_after: Duration::from_secs(1),
        close_after: Duration::from_secs(10),
        // Little, so that reading stops now and then.
        memory: 4 << 10,
        batch_bytes: 64 << 10,
        batch_after: Duration::from_millis(200),
    };
    let format = Arc::new(Format::siptrail());
    let framing = Arc::new(Framing {
        format,
        limits: Limits::default(),
        masks: redact::Rules::default(),
        wrapping: crate::unwrapped::Wrapping::default(),
    });
    let specs = [(0, "app", ACTIVE), (1, "web", OTHER)].map(|(source, name, log)| Spec {
        place: Place::new(SourceId(source), name, &[format!("/log/{log}")]),
        framing: Arc::clone(&framing),
        zone: "UTC".into(),
        start: Start::Beginning,
    });
    Follow::new("agent".into(), "host".into(), rules, specs.into())
}
