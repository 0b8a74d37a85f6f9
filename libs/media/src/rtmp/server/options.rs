//! Every bound of a session.

use std::time::Duration;

use crate::rtmp::chunk::Limits;

/// Bounds of one ingest connection.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From the first byte to the end of the handshake.
    pub handshake_timeout: Duration,
    /// From the end of the handshake to `publish`.
    pub command_timeout: Duration,
    /// Longest silence of a publisher: no complete message.
    pub idle_timeout: Duration,
    /// Longest time that an answer may take to leave.
    pub write_timeout: Duration,
    /// How long a refused peer may still send before the socket is closed. Closing at once would turn into a reset
    /// that can overtake the refusal.
    pub linger: Duration,
    /// Before `publish` is accepted: commands are small, and nobody has shown a key yet.
    pub limits_before_publish: Limits,
    /// While publishing.
    pub limits: Limits,
    /// Chunk size of our own (small) answers.
    pub chunk_size: u32,
    /// We ask for an acknowledgement, and give one unless the peer asks otherwise, each so many bytes.
    pub window: u32,
    /// Bytes read at once.
    pub read_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
            linger: Duration::from_secs(1),
            limits_before_publish: Limits { max_message: 64 << 10, max_chunk_streams: 16, max_pending: 128 << 10 },
            limits: Limits::default(),
            chunk_size: 4096,
            window: 2_500_000,
            read_buffer: 64 << 10,
        }
    }
}
