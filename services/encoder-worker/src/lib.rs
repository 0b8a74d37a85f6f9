//! Sessions: one FFmpeg and one publisher per destination.

pub mod config;
pub mod gate;
pub mod metric;
pub mod pulse;
pub mod session;
pub mod sink;
