//! How a connection to an RTMP server can fail, named by what the peer or the network did.

use std::{fmt, io, time::Duration};

use super::{gate::Shut, stall::Stall};
use crate::rtmp::{amf, chunk::ChunkError, handshake::HandshakeError, tls::TlsError};

/// The steps of a connection, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// TCP.
    Connect,
    /// TLS session, certificate and host name; RTMPS only.
    Tls,
    /// C0 to S2.
    Handshake,
    /// The `connect` command: is there such an application?
    RtmpConnect,
    /// `createStream` and `publish` (or `play`): is the key right?
    Publish,
    /// Media flows.
    Live,
}

impl Step {
    /// `snake_case`, stable: goes into metrics and the test-connection answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Handshake => "handshake",
            Self::RtmpConnect => "rtmp_connect",
            Self::Publish => "publish",
            Self::Live => "live",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a connection could not be made or ended. No text of it holds a piece of the stream key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TCP refused or unreachable.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// No TLS session, so the key was not sent.
    #[error("no TLS session")]
    Tls(#[from] TlsError),
    /// What answered is no RTMP server.
    #[error("not an RTMP server")]
    Handshake(#[source] HandshakeError),
    /// The server said no.
    #[error("refused: {code} {description}")]
    Refused {
        /// `NetStream.Publish.BadName`, …; empty when the server gave none.
        code: String,
        /// The server's own words.
        description: String,
    },
    /// Somebody already publishes to this key.
    #[error("already published to: {description}")]
    Conflict {
        /// The server's own words.
        description: String,
    },
    /// The peer closed or reset the connection. In [`Step::Publish`] that is how nginx and several platforms refuse a
    /// key.
    #[error("closed by the peer ({0})")]
    Closed(Step),
    /// No answer within the step's limit.
    #[error("no answer in time ({0})")]
    Timeout(Step),
    /// The connection stands, but the peer takes nothing.
    #[error("the peer takes nothing: {0}")]
    Stalled(Stall),
    /// The peer sends nothing (players only).
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    /// The gate said that the session belongs to somebody else.
    #[error("fenced")]
    Fenced(#[source] Shut),
    /// The peer does not speak RTMP as specified.
    #[error("broken chunk stream")]
    Chunk(#[from] ChunkError),
    /// A command of the peer cannot be read.
    #[error("broken command")]
    Command(#[from] amf::DecodeError),
    /// A tag too big for RTMP.
    #[error("a tag of {0} bytes")]
    TagTooBig(usize),
    /// Anything else of the operating system.
    #[error("i/o error")]
    Io(#[source] io::Error),
}

impl Error {
    /// Names an I/O error that came in `step`.
    pub(crate) fn from_io(error: io::Error, step: Step) -> Self {
        if let Some(shut) = error.get_ref().and_then(|inner| inner.downcast_ref::<Shut>()) {
            return Self::Fenced(*shut);
        }
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::NotConnected => Self::Closed(step),
            io::ErrorKind::TimedOut => Self::Timeout(step),
            _ => Self::Io(error),
        }
    }
}
