//! The ingest side of one RTMP connection, over any byte stream: handshake, commands up to `publish`, then tags.
//!
//! The caller decides between the two: nothing of a publisher's media is kept before [`ServerSession::accept`].

mod io;
mod options;
mod session;
#[cfg(test)]
mod tests;

pub use options::Options;
pub use session::{PublishRequest, Refusal, ServerSession, SessionError};
