//! The calling side of RTMP(S): what the publisher and the player share.

mod connection;
mod error;
mod gate;
mod open;
mod outbox;
mod redact;
mod socket;
mod stall;
mod status;
mod wire;

pub use error::{Error, Step};
pub use gate::{Gate, Opened, Shut};
pub use stall::{Sign, Stall};

pub(crate) use connection::{Connection, Limits};
pub(crate) use open::{Endpoint, Role, open, timed};
pub(crate) use stall::StallLimits;
pub(crate) use status::{into_error, is_error};
