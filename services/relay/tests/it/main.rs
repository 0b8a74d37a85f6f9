//! The relay through its public boundary: RTMP in, HTTP-FLV out, a stand-in orchestrator, real Redis, real FFmpeg.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

mod drain;
mod encoders;
mod fence;
mod ingest;
mod orchestrator;
mod others;
mod reading;
mod reporting;
mod rig;
mod script;
