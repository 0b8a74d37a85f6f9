//! The half of a session towards the source: find the relay, read, run FFmpeg.

pub mod feed;
pub mod half;
pub mod reader;
