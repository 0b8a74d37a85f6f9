//! FFmpeg as a child process.

pub mod binary;
pub mod child;
pub mod log;
pub mod output;
