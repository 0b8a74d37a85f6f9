//! FFmpeg argument lists, progress parser and error classifier; never spawns.
//!
//! FFmpeg is a filter without network here: FLV comes in at stdin, FLV leaves at stdout, log lines and progress leave
//! at stderr. So an argument list holds no address and no secret, and is the same for every destination.

pub mod arguments;
pub mod diagnosis;
pub mod frame_rate;
pub mod lines;
pub mod progress;
pub mod stderr;
pub mod version;
