//! What can go wrong on the bus. No variant carries an address: it may hold a password.

use std::time::Duration;

/// The boxed error of the NATS client.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a bus operation failed. After any of them the bus goes on reconnecting and healing by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no `nats://host:port` (nor a comma-separated list of such).
    #[error("the NATS address is not valid")]
    BadUrl,
    /// The client could not be set up at all.
    #[error("the NATS client could not be started")]
    Connect(#[source] Source),
    /// There is no connection now. Nothing was sent.
    #[error("not connected to NATS")]
    Disconnected,
    /// Filters and other features we rely on are silently ignored by older servers.
    #[error("the NATS server {version} is too old, 2.10 or later is needed")]
    ServerTooOld {
        /// What the server says it is.
        version: String,
    },
    /// The server did not answer in time. Whether it acted is unknown: repeat, duplicates are dropped.
    #[error("NATS did not answer within {0:?}")]
    Timeout(Duration),
    /// JetStream did not store the message.
    #[error("the message was not stored")]
    Publish(#[source] Source),
    /// A JetStream stream could not be created or updated.
    #[error("the stream {stream} could not be set up")]
    Stream {
        /// Its name.
        stream: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
    /// A JetStream consumer could not be created or read.
    #[error("the consumer of {stream} could not be set up")]
    Consumer {
        /// The stream's name.
        stream: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
    /// An acknowledgement could not be sent. The message will come again.
    #[error("the acknowledgement was not sent")]
    Ack(#[source] Source),
    /// The message could not be turned into JSON.
    #[error("the message could not be encoded")]
    Encode(#[source] serde_json::Error),
}
