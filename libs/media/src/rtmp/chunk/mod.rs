//! The chunk stream (section 5.3): messages are cut into chunks, chunks of several messages may be interleaved.
//!
//! Our own: the public crates panic on interleaved messages or lose the time of type-3 chunks that start a message.

mod demux;
mod mux;
#[cfg(test)]
mod tests;

pub use demux::{ChunkError, Demuxer, Limits};
pub use mux::Muxer;

/// Chunk size until a peer says otherwise (5.4.1).
pub const DEFAULT_CHUNK_SIZE: usize = 128;

/// A timestamp field of this value says that the real one follows in 4 more bytes (5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;
