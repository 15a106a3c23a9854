//! What may be wrong with a log or its agent: alerts that no rule asks for.

use crate::syntax::Severity;

/// What is wrong with a log, as far as agents and the collector see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogFault {
    /// Its agent does not report any more.
    Silent,
    /// Its agent reports, and is far behind the end of the file.
    Behind,
    /// The clock of its agent is far from that of the collector.
    ClockOff,
    /// Bytes of it are lost.
    BytesLost,
}

impl LogFault {
    pub const ALL: [Self; 4] = [Self::Silent, Self::Behind, Self::ClockOff, Self::BytesLost];

    /// What stands where otherwise the id of a rule does: in `routes.toml`, on pages, in mails.
    pub fn id(self) -> &'static str {
        match self {
            Self::Silent => "source-silent",
            Self::Behind => "source-behind",
            Self::ClockOff => "clock-off",
            Self::BytesLost => "bytes-lost",
        }
    }

    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.id() == id)
    }

    /// The failure.
    pub fn failure(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Behind => "behind",
            Self::ClockOff => "clock",
            Self::BytesLost => "gap",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Silent => "An agent reports every few seconds",
            Self::Behind => "A log is read as fast as it is written",
            Self::ClockOff => "The clocks of agents and collector agree",
            Self::BytesLost => "No byte of a log is lost",
        }
    }

    /// The sentence of the failure.
    pub fn says(self) -> &'static str {
        match self {
            Self::Silent => "an agent does not report, so its logs cannot be judged",
            Self::Behind => "a log is read far behind its end",
            Self::ClockOff => "the clock of an agent is wrong",
            Self::BytesLost => "bytes of a log were lost before anybody could read them",
        }
    }

    pub fn severity(self) -> Severity {
        Severity::Critical
    }

    /// It goes on until it is over; bytes that are lost stay lost.
    pub fn lasts(self) -> bool {
        self != Self::BytesLost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_found_by_its_id() {
        assert_eq!(LogFault::ALL.map(|fault| LogFault::of(fault.id())), LogFault::ALL.map(Some));
        assert_eq!(LogFault::of("call-completes"), None);
    }
}
