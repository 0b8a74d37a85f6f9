//! What a session does and how far it has come.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// From the relay through FFmpeg to one destination.
    Deliver,
    /// From the relay through FFmpeg back into the relay.
    Rendition,
    /// From an external source into the relay.
    Pull,
    /// A handshake with a destination, without media.
    Test,
}

impl SessionKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Deliver, Self::Rendition, Self::Pull, Self::Test];

    /// The name in logs, metrics and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Rendition => "rendition",
            Self::Pull => "pull",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for SessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a session has come, as its worker reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A worker owns it.
    Claimed,
    /// There is no source to read yet.
    WaitingSource,
    /// On the way to the sink.
    Connecting,
    /// The sink has acknowledged media.
    Connected,
    /// The connection was lost; another attempt is planned.
    Reconnecting,
    /// Over for good; the fault says why.
    Failed,
    /// Stopped as asked.
    Ended,
    /// Given back by its worker: place it again.
    Released,
}

impl Phase {
    /// All phases, in the order of a session's life.
    pub const ALL: [Self; 8] = [
        Self::Claimed,
        Self::WaitingSource,
        Self::Connecting,
        Self::Connected,
        Self::Reconnecting,
        Self::Failed,
        Self::Ended,
        Self::Released,
    ];

    /// The name in logs, metrics and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::WaitingSource => "waiting_source",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Released => "released",
        }
    }

    /// Whether nothing follows within this epoch.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Ended | Self::Released)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
