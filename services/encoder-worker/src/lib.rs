//! Sessions: one FFmpeg and one publisher per destination.
//!
//! Two things are kept apart. *Work* is what this process does as a worker: it takes commands, keeps leases, listens,
//! reports, advertises itself. A *session* is one job with two halves, a source (relay → FFmpeg) and a sink (publisher),
//! held together by a pure state machine. A worker never touches Postgres, and FFmpeg never touches the network.

pub mod beat;
pub mod config;
pub mod encoder;
pub mod fault;
pub mod gate;
pub mod load;
pub mod metric;
pub mod pulse;
pub mod session;
pub mod sink;
pub mod source;
pub mod work;
