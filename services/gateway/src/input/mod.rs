//! What clients may send: one file per body. Reading is pure; whatever is wrong is found before anything is asked,
//! stored or resolved.

pub mod attach;
pub mod destination;
pub mod query;
pub mod settings;
pub mod start;
pub mod stream;

use domain::ids::StreamId;
use uuid::Uuid;

/// A UUID in its one canonical form. `urn:uuid:…`, braces and missing hyphens would give one thing several names.
pub fn uuid(text: &str) -> Option<Uuid> {
    const CANONICAL: usize = 36;
    if text.len() == CANONICAL { Uuid::parse_str(text).ok() } else { None }
}

/// A stream's id in a body: a text that is no UUID names no stream, like any other unknown id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamName {
    /// May exist.
    Id(StreamId),
    /// Can't exist.
    Nothing,
}

impl StreamName {
    /// Reads the text of an id.
    pub fn of(text: &str) -> Self {
        uuid(text).map_or(Self::Nothing, |id| Self::Id(StreamId(id)))
    }
}
