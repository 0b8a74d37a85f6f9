//! HTTP to the platforms: one client, bounded in time and size, that never follows a redirect and never prints a URL
//! (Facebook takes tokens in the query).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use reqwest::{
    Client, RequestBuilder, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// The bounds of every call.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// To connect.
    pub connect: Duration,
    /// The whole call, body included.
    pub total: Duration,
    /// Largest answer that is read, bytes.
    pub body: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(10), body: 1 << 20 }
    }
}

/// Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    options: Options,
}

/// A complete answer, whatever its status. `Debug` hides the body: it may hold a token or key.
#[derive(Clone)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, complete.
    pub body: Bytes,
}

/// Why there is no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing was sent: no connection.
    #[error("no connection")]
    NotSent,
    /// It was sent, and no complete answer came: it may have been done or not.
    #[error("no complete answer")]
    Unknown,
    /// A complete answer that isn't what was expected; too large, or not JSON.
    #[error("an answer that makes no sense")]
    Nonsense,
}

/// The client could not be built: no TLS provider or no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client can't be built")]
pub struct Unusable(#[from] reqwest::Error);

impl Http {
    /// A client with these bounds.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn new(options: Options) -> Result<Self, Unusable> {
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(options.connect)
            .user_agent(concat!("exprsn-live/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .build()?;
        Ok(Self { client, options })
    }

    /// To build requests with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends once; never retries.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn send(&self, request: RequestBuilder) -> Result<Reply, Trouble> {
        timeout(self.options.total, self.exchange(request)).await.unwrap_or(Err(Trouble::Unknown))
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Reply, Trouble> {
        let answer = request.send().await.map_err(|error| {
            let trouble = if error.is_connect() || error.is_builder() { Trouble::NotSent } else { Trouble::Unknown };
            tracing::debug!(error = %error.without_url(), "a platform gave no answer");
            trouble
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = BytesMut::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Trouble::Unknown)?;
            if body.len() + part.len() > self.options.body {
                return Err(Trouble::Nonsense);
            }
            body.extend_from_slice(&part);
        }
        Ok(Reply { status, headers, body: body.freeze() })
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`Trouble::Nonsense`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Where, not what: the text may hold a token.
            tracing::debug!(
                status = self.status.as_u16(),
                line = error.line(),
                column = error.column(),
                "not the JSON expected"
            );
            Trouble::Nonsense
        })
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `Retry-After` in seconds, if it is given as a number.
    pub fn retry_after(&self) -> Option<Duration> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({}, {} bytes)", self.status, self.body.len())
    }
}
