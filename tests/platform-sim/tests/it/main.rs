//! The simulator through its public boundary: HTTP, RTMP and the handle.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

mod client;
mod cloudflare;
mod contract;
mod control;
mod facebook;
mod faults;
mod long;
mod media;
mod oauth;
mod twitch;
mod youtube;
