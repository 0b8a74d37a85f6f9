//! The system as its users meet it: real NATS, Redis, Postgres and FFmpeg, real sinks, real faults.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its proof fails")]

mod add_remove;
mod auto_start;
mod bad_key;
mod bus_faults;
mod collector;
mod events;
mod ffmpegs;
mod input_source;
mod leaks;
mod many;
mod mixed_settings;
mod networks;
mod outages;
mod partitions;
mod platform_kills;
mod platform_troubles;
mod platforms;
mod private_addresses;
mod pulls;
mod relays;
mod replicas;
mod rtmps;
mod sink_faults;
mod soak;
mod source_faults;
mod start_faults;
mod start_stop;
mod tenants;
mod traces;
mod worker_faults;
