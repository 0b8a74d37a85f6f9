//! The orchestrator through its public boundary: gRPC, the bus and Redis, on real servers. Workers and relays are played
//! by the test.

// What helpers unwrap is the test's own: clippy's exception knows only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod auto;
mod crud;
mod harness;
mod ingest;
mod lifecycle;
mod live_changes;
mod metrics;
mod outages;
mod outbox;
mod platforms;
mod platforms_ends;
mod platforms_fake;
mod platforms_repairs;
mod replicas;
mod tenancy;
mod vault;
mod worker;
