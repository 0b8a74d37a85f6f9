//! The half of a session towards the destination.

pub mod meter;
pub mod outbox;
pub mod retime;
