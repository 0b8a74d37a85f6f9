//! The publisher and the player against servers that behave and servers that do not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test stops where it fails, and prints its figures"
)]

mod figures;
mod gate;
mod play;
mod publish;
mod refused;
mod stall;
mod support;
