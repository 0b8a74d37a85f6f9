//! What clients may send: one file per body. Reading is pure; whatever is wrong is found before anything is asked,
//! stored or resolved.

pub mod attach;
pub mod days;
pub mod destination;
pub mod exchange;
pub mod platform_settings;
pub mod query;
pub mod settings;
pub mod start;
pub mod stream;

use domain::{ids::StreamId, target::TargetPolicy};
use uuid::Uuid;

/// What bodies are held to besides their form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Where destinations may be.
    pub policy: TargetPolicy,
    /// Now, in seconds since 1970.
    pub now_s: i64,
}

/// A linked account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountId(pub Uuid);

/// A linked account's id in a body: a text that is no UUID is an id that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountName {
    /// May exist.
    Id(AccountId),
    /// Can't exist.
    Nothing,
}

impl AccountName {
    /// As the orchestrator wants it. What can't exist has been refused before.
    pub fn to_wire(self) -> String {
        match self {
            Self::Id(AccountId(id)) => id.to_string(),
            Self::Nothing => String::new(),
        }
    }

    /// Reads the text of an id.
    pub fn of(text: &str) -> Self {
        uuid(text).map_or(Self::Nothing, |id| Self::Id(AccountId(id)))
    }
}

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
