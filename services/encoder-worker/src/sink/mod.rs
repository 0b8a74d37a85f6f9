//! The half of a session towards the destination.

pub mod half;
pub mod meter;
pub mod outbox;
pub mod resolve;
pub mod retime;
pub mod target;
