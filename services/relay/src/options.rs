//! What a relay is built from, and every bound of it.

use std::{net::SocketAddr, time::Duration};

use domain::ids::RelayId;
use media::rtmp::server;
use secret::SecretString;
use service_kit::{grpc::InternalChannel, ticket::TicketKey};

/// What a relay is built from.
#[derive(Clone)]
pub struct Options {
    /// This relay.
    pub relay: RelayId,
    /// Where health and metrics are served.
    pub ops_listen: SocketAddr,
    /// Where encoders publish.
    pub rtmp_listen: SocketAddr,
    /// Where workers read.
    pub http_listen: SocketAddr,
    /// How workers reach the HTTP listener; the bound address when `None`.
    pub http_advertise: Option<String>,
    /// How workers reach the RTMP listener; the bound address when `None`.
    pub rtmp_advertise: Option<String>,
    /// Whether a second publisher replaces the first.
    pub takeover: bool,
    /// Verifies tickets.
    pub ticket_key: TicketKey,
    /// The orchestrator.
    pub orchestrator: InternalChannel,
    /// The directory.
    pub redis_url: SecretString,
    /// Every bound.
    pub bounds: Bounds,
}

/// Bounds.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// RTMP connections at a time; more are closed at once.
    pub max_rtmp_connections: usize,
    /// Live sources at a time; more publishes are refused.
    pub max_sources: usize,
    /// One RTMP connection.
    pub session: server::Options,
    /// The inner HTTP listener.
    pub http: HttpBounds,
    /// How long a publisher waits while the orchestrator does not answer.
    pub authorize_wait: Duration,
    /// One call to the orchestrator.
    pub call_timeout: Duration,
    /// Pause between two tries to authorize.
    pub authorize_pause: Duration,
    /// Sources are reported, and announced in the directory, this often.
    pub report_every: Duration,
    /// How long the end of a source is still reported when the orchestrator does not answer.
    pub last_report_wait: Duration,
    /// A publisher's socket is read, and readers are woken, this often: one write per reader instead of one per tag.
    /// At 25 ms twenty readers cost what they cost nginx-rtmp, at 40 ms 40 % less; it adds 20 ms on average.
    pub collect_every: Duration,
    /// A batch is cut at this size.
    pub flush_bytes: usize,
    /// Memory of one source's tags.
    pub max_cached_bytes: usize,
    /// Beyond the last GOP, so much media is kept for readers that are slow for a moment.
    pub keep_for_slow: Duration,
    /// Longest wait of a new reader for the headers and a keyframe.
    pub join_wait: Duration,
    /// With one of audio and video there, the other is waited for so long.
    pub second_kind_wait: Duration,
    /// The same when the encoder's metadata announces it.
    pub announced_kind_wait: Duration,
    /// Sessions whose epochs are remembered.
    pub max_fenced_sessions: usize,
    /// An unused session's epoch is remembered so long.
    pub fence_memory: Duration,
}

/// Bounds of the inner HTTP listener.
#[derive(Clone, Debug)]
pub struct HttpBounds {
    /// Connections at a time; more are closed at once.
    pub max_connections: usize,
    /// From the connection to the end of the request's header.
    pub header_read_timeout: Duration,
    /// Bytes that are gathered for one write (and the most a request may have).
    pub max_buffer: usize,
    /// `SO_SNDBUF`; the kernel doubles it. It bounds what a slow reader ties up and how stale its media gets.
    pub send_buffer: usize,
    /// A reader that takes nothing for so long is dead rather than slow.
    pub stalled_write_timeout: Duration,
}

impl Default for HttpBounds {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            header_read_timeout: Duration::from_secs(5),
            max_buffer: 128 << 10,
            send_buffer: 256 << 10,
            stalled_write_timeout: Duration::from_secs(60),
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_rtmp_connections: 1_000,
            max_sources: 500,
            // What 10 Mbps bring between two looks.
            session: server::Options { read_buffer: 32 << 10, ..server::Options::default() },
            http: HttpBounds::default(),
            authorize_wait: Duration::from_secs(3),
            call_timeout: Duration::from_secs(1),
            authorize_pause: Duration::from_millis(200),
            report_every: Duration::from_secs(1),
            last_report_wait: Duration::from_secs(30),
            collect_every: Duration::from_millis(40),
            flush_bytes: 64 << 10,
            // 10 s at 20 Mbps, the longest GOP and highest bitrate that platforms take.
            max_cached_bytes: 32 << 20,
            keep_for_slow: Duration::from_secs(4),
            join_wait: Duration::from_secs(8),
            second_kind_wait: Duration::from_millis(500),
            announced_kind_wait: Duration::from_secs(2),
            max_fenced_sessions: 100_000,
            fence_memory: Duration::from_secs(3600),
        }
    }
}
