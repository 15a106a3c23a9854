//! A record that holds request and result splits into two halves on read.

use crate::logged::Message;
use record::time::Timestamp;

/// Which half of an exchange logged as one record a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Half {
    #[default]
    Whole,
    Request,
    /// Its id ends in `r`.
    Response,
}

/// What one log tells of one sending: a record, or one half of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// Index into the messages given.
    pub message: usize,
    pub half: Half,
    /// As logged until `order` repairs it. Both halves have the time of their record.
    pub time: Timestamp,
}

impl Sighting {
    /// The status this sighting shows; none for a request.
    pub fn status(self, messages: &[Message]) -> Option<u16> {
        let facts = &messages[self.message].facts;
        match self.half {
            Half::Request => None,
            Half::Response => facts.result.as_ref().and_then(|result| result.status),
            Half::Whole => facts.status.filter(|_| facts.response),
        }
    }

    pub fn is_response(self, messages: &[Message]) -> bool {
        match self.half {
            Half::Request => false,
            Half::Response => true,
            Half::Whole => messages[self.message].facts.response,
        }
    }
}

/// Splits what holds two halves. A result without a status (0, −1) says that no answer came: only the request half
/// is drawn. A record without a result stays whole.
pub fn split(messages: &[Message]) -> Vec<Sighting> {
    let mut sightings = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let sighting = |half| Sighting { message: index, half, time: message.time };
        match &message.facts.result {
            None => sightings.push(sighting(Half::Whole)),
            Some(result) => {
                sightings.push(sighting(Half::Request));
                if result.status.is_some() {
                    sightings.push(sighting(Half::Response));
                }
            }
        }
    }
    sightings
}
