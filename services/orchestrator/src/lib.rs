//! Streams, destinations, desired state, reconciler, health and outbox.
//!
//! Postgres holds the truth. Everything else here either writes it (`api`, `reports`, `liveness`, `board`), carries it
//! out (`reconcile`) or tells it (`dispatch`). NATS and Redis may be down: it costs time, never correctness.

pub mod api;
pub mod app;
pub mod board;
pub mod config;
pub mod ctx;
pub mod db;
pub mod dispatch;
pub mod error;
pub mod leader;
pub mod liveness;
pub mod names;
pub mod options;
pub mod platforms;
pub mod reconcile;
pub mod reports;
pub mod rows;
pub mod settle;
pub mod store;
pub mod sweep;
pub mod wake;
pub mod world;
