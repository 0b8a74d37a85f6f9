//! RTMP ingest with GOP cache, inner HTTP-FLV and the fence.
//!
//! An encoder (or a pulling worker) publishes by RTMP; the key is checked with the orchestrator before a byte is kept.
//! Workers read the source as HTTP-FLV with a signed ticket. The relay enforces who may: per session the highest epoch
//! wins. It holds no state that outlives it, and never touches Postgres or NATS.

pub mod config;
mod directory;
mod fence;
mod http;
mod hub;
mod ingest;
mod meters;
pub mod options;
mod report;
pub mod service;
mod source;

pub use config::Config;
pub use options::Options;
pub use service::Service;
