//! The rows as they are stored, and what they mean in the domain and on the wire.

mod broadcast;
mod destination;
mod session;
mod settings;
mod source;
mod stream;

pub use broadcast::BroadcastRow;
pub use destination::DestinationRow;
pub use session::SessionRow;
pub use settings::StoredSettings;
pub use source::{SourceRow, SourceState};
pub use stream::StreamRow;

/// A stored counter as the wire has it. Stored counters are never negative.
pub(crate) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A counter as it is stored.
pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A small counter as the wire has it.
pub(crate) fn small(n: i32) -> u32 {
    u32::try_from(n).unwrap_or(0)
}
