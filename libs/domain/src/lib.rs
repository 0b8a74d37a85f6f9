//! Pure product rules: no I/O, no clock, no randomness. Time and chance come in as parameters.

pub mod address;
pub mod destination_state;
pub mod fault;
pub mod health;
pub mod ids;
pub mod lifecycle;
pub mod limits;
pub mod output;
pub mod plan;
pub mod platform;
pub mod platform_settings;
pub mod retry;
pub mod session;
pub mod settings;
pub mod source;
pub mod stream_state;
pub mod target;
