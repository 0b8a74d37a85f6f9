//! The credentials service as a real process, on a real Postgres, with a stand-in for the orchestrator.

#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers outside #[test] functions

mod boot;
mod calls;
mod orchestrator;
mod outage;
mod ownership;
mod rotation;
mod secrecy;
mod world;
