//! Where a session publishes, as the vault releases it.

use domain::target::{RtmpUrl, TargetPolicy};
use secret::StreamKey;
use wire::v1;

use crate::fault;

/// A publish target. Lives in this process's memory only.
#[derive(Clone, Debug)]
pub struct Target {
    /// Server and application; the first is preferred, the others are tried in turn.
    pub urls: Vec<RtmpUrl>,
    /// The key.
    pub key: StreamKey,
}

impl Target {
    /// Reads what the vault sent.
    ///
    /// # Errors
    /// The fault to report: no usable key or URL.
    pub fn read(wire: v1::PublishTarget, policy: TargetPolicy) -> Result<Self, domain::fault::Fault> {
        let key = StreamKey::new(wire.stream_key).map_err(|_| fault::key_missing())?;
        let first = RtmpUrl::parse(&wire.rtmp_url, policy).map_err(|error| {
            let message = format!("The RTMP URL {error}.");
            domain::fault::Fault::new(
                domain::fault::Blame::Destination,
                domain::fault::Retry::Permanent,
                error.code(),
                message,
            )
        })?;
        let others = wire.backup_urls.iter().filter_map(|url| RtmpUrl::parse(url, policy).ok());
        Ok(Self { urls: std::iter::once(first).chain(others).collect(), key })
    }

    /// Whether both lead to the same place with the same key.
    pub fn is_same(&self, other: &Self) -> bool {
        self.urls == other.urls && self.key.expose() == other.key.expose()
    }

    /// The URL for the n-th attempt.
    pub fn url(&self, attempt: u32) -> &RtmpUrl {
        &self.urls[attempt as usize % self.urls.len()]
    }
}
