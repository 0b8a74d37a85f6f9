//! Pure product rules: no I/O, no clock, no randomness. Time and chance come in as parameters.

pub mod fault;
pub mod ids;
pub mod platform;
pub mod session;
pub mod settings;
pub mod source;
