//! The half of a session towards the source: find the relay, read, run FFmpeg.

pub mod feed;
pub mod half;
pub mod http;
pub mod reader;
