//! Carries the outbox out: events to the bus, deletions to the vault. Each on its own, so that one being away does not
//! hold up the other.

pub mod events;
pub mod secrets;
