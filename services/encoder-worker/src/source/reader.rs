//! Reads a stream from a relay: HTTP-FLV with a ticket.
//!
//! A body that ends cleanly means that the source ended; a body that breaks means that the relay, or the way to it, did
//! (or that a higher epoch of our session reads now: then the next attempt is answered 409).

use std::time::Duration;

use bytes::Bytes;
use domain::{ids::StreamId, source::SourceInfo};
use reqwest::{Client, Response, StatusCode};
use secret::{ExposeSecret, SecretString};
use tokio::time::timeout;

/// How the relay describes the source.
const SOURCE_INFO: &str = "x-source-info";
/// How long a relay may take to answer: it waits up to 8 s for the first keyframe of a new source.
const ANSWER: Duration = Duration::from_secs(10);

/// The relay's answer.
pub enum Opened {
    /// Media follows.
    Live(Box<Reader>, SourceInfo),
    /// No such live source there.
    Absent,
    /// A higher epoch of our session reads.
    Fenced,
    /// The ticket is not (or no longer) good.
    Unauthorized,
}

/// An open body.
pub struct Reader(Response);

/// What a read brought.
pub enum Chunk {
    /// Bytes of FLV.
    Data(Bytes),
    /// The source ended.
    End,
    /// The connection broke.
    Broken,
}

/// A client for relays: one connection per reader, none kept.
///
/// # Errors
/// The TLS library can't be set up (no crypto provider was installed).
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .connect_timeout(Duration::from_secs(1))
        .pool_max_idle_per_host(0)
        .tcp_nodelay(true)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Asks the relay at `base` for a stream. `None`: it can't be reached, or answers nonsense.
pub async fn open(client: &Client, base: &str, stream: StreamId, ticket: &SecretString) -> Option<Opened> {
    let url = format!("{}/live/{stream}.flv", base.trim_end_matches('/'));
    let asked = client.get(url).bearer_auth(ticket.expose_secret()).send();
    let response = match timeout(ANSWER, asked).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::debug!(error = %error.without_url(), "relay not reached");
            return None;
        }
        Err(_) => return None,
    };
    match response.status() {
        StatusCode::OK => {
            let info =
                response.headers().get(SOURCE_INFO).and_then(|value| serde_json::from_slice(value.as_bytes()).ok());
            Some(Opened::Live(Box::new(Reader(response)), info.unwrap_or_default()))
        }
        StatusCode::NOT_FOUND => Some(Opened::Absent),
        StatusCode::CONFLICT => Some(Opened::Fenced),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Opened::Unauthorized),
        other => {
            tracing::warn!(status = other.as_u16(), "unexpected answer of a relay");
            None
        }
    }
}

impl Reader {
    /// Waits for more. Cancel safe.
    pub async fn next(&mut self) -> Chunk {
        match self.0.chunk().await {
            Ok(Some(data)) => Chunk::Data(data),
            Ok(None) => Chunk::End,
            Err(error) => {
                tracing::debug!(error = %error.without_url(), "relay connection broke");
                Chunk::Broken
            }
        }
    }
}
