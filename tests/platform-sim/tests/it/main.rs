//! The simulator through its public boundary: HTTP, RTMP and the handle.

mod client;
mod cloudflare;
mod contract;
mod control;
mod facebook;
mod faults;
mod media;
mod oauth;
mod twitch;
mod youtube;
