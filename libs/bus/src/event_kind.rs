//! The names of public events: part of the contract.

use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $group:literal $name:literal),+ $(,)?) => {
        /// What happened. As a CloudEvents type `stream:started`, as a NATS token `stream_started`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $variant),+
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The CloudEvents type, as people know it: `stream:started`.
            pub fn as_type(self) -> &'static str {
                match self { $(Self::$variant => concat!($group, ":", $name)),+ }
            }

            /// The same as one NATS subject token: `stream_started`.
            pub fn as_token(self) -> &'static str {
                match self { $(Self::$variant => concat!($group, "_", $name)),+ }
            }
        }
    };
}

kinds! {
    /// A person or the source asked for it to go live.
    StreamStarting => "stream" "starting",
    /// The first destination has the stream.
    StreamStarted => "stream" "started",
    /// It was asked to stop.
    StreamStopping => "stream" "stopping",
    /// Every destination has ended.
    StreamEnded => "stream" "ended",
    /// An encoder publishes to us.
    StreamSourceConnected => "stream" "source_connected",
    /// The encoder is gone.
    StreamSourceDisconnected => "stream" "source_disconnected",
    /// A session is on its way to the destination.
    DestinationConnecting => "destination" "connecting",
    /// The destination has acknowledged media.
    DestinationConnected => "destination" "connected",
    /// The destination shows the stream.
    DestinationLive => "destination" "live",
    /// The connection was lost, another attempt is planned.
    DestinationReconnecting => "destination" "reconnecting",
    /// It failed for good.
    DestinationError => "destination" "error",
    /// It was stopped as asked.
    DestinationEnded => "destination" "ended",
    /// It joined the running stream.
    DestinationAdded => "destination" "added",
    /// It left the running stream.
    DestinationRemoved => "destination" "removed",
    /// Frame rate, bitrate or stability below what was asked.
    HealthDegraded => "health" "degraded",
    /// Healthy again.
    HealthRecovered => "health" "recovered",
    /// No update for 10 s.
    HealthStale => "health" "stale",
    /// The connection failed for good.
    HealthError => "health" "error",
    /// One sample of a destination's metrics.
    MetricsUpdate => "metrics" "update",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_type())
    }
}

/// The text names no kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a known kind of event")]
pub struct UnknownKind;

impl std::str::FromStr for EventKind {
    type Err = UnknownKind;

    /// Takes either spelling.
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.iter().copied().find(|k| k.as_type() == text || k.as_token() == text).ok_or(UnknownKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_type().parse(), Ok(*kind));
            assert_eq!(kind.as_token().parse(), Ok(*kind));
            assert!(kind.as_token().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        assert_eq!("stream:exploded".parse::<EventKind>(), Err(UnknownKind));
        assert_eq!(EventKind::StreamSourceConnected.as_type(), "stream:source_connected");
    }
}
