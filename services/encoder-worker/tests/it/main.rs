//! One worker process between stand-ins of orchestrator, vault and relay, on a real NATS, a real Redis and a real
//! FFmpeg, publishing to fault-injecting sinks.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code; the figures are for people")]

mod brains;
mod encoder_faults;
mod ownership;
mod pulling;
mod relay;
mod scale;
mod scene;
mod sink_faults;
mod stream;
