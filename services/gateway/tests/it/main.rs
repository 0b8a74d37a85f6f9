//! The gateway over real HTTP, with the services behind it in memory.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may fail by panicking

mod accounts;
mod bad_inputs;
mod bad_urls;
mod bodies;
mod contract;
mod describe;
mod events;
mod fake;
mod fake_platforms;
mod fake_vault;
mod features;
mod harness;
mod idempotency;
mod limits;
mod oauth;
mod outages;
mod paths;
mod platforms;
mod tenancy;
mod tokens;
