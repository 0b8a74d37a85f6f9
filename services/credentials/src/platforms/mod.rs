//! Where a destination's publish target comes from, platform by platform.
//!
//! `rtmp_custom` takes what the person gave. On a platform with an API a broadcast has been prepared before the session was
//! placed ([`crate::broadcasts`]); each platform's module knows how.

mod assemble;
pub mod budget;
pub mod cloudflare;
pub mod config;
pub mod facebook;
pub mod failure;
pub mod features;
pub mod lifecycle;
mod presence;
pub mod registry;
#[cfg(test)]
pub(crate) mod testing;
pub mod twitch;
mod words;
pub mod youtube;

use domain::platform::Platform;
use secret::{RedactedUrl, StreamKey};

use crate::{
    broadcasts::{self, Broadcasts},
    owner::Owned,
    vault::{self, Vault},
};

pub use assemble::assemble;
pub use budget::{Budget, Purpose};
pub use config::PlatformsConfig;
pub use failure::{Failure, name};
pub use features::{Applied, Features};
pub use lifecycle::{
    AccountInfo, Book, Judgement, Lifecycle, Ready, Repair, Run, State, Thumbnail, Token, Tokens, Truth,
};
pub use registry::{Platforms, not_configured};

/// Where to publish. `Debug` hides the key.
#[derive(Clone)]
pub struct Target {
    /// `rtmp(s)://host[:port]/app`.
    pub rtmp_url: String,
    /// The key.
    pub key: StreamKey,
    /// Other ingests of the platform that take the same key.
    pub backup_urls: Vec<String>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({} ***)", RedactedUrl(&self.rtmp_url))
    }
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The vault.
    #[error("the vault failed")]
    Vault(#[from] vault::Error),
    /// Nobody gave one.
    #[error("the destination has no stream key")]
    NoKey,
    /// The row of its broadcast.
    #[error("the broadcast can't be read")]
    Broadcast(#[from] broadcasts::Error),
    /// The platform does not take the stream yet, or any more.
    #[error("the broadcast is not ready")]
    NotReady,
}

/// The target of a destination whose owner asks for it.
///
/// # Errors
/// [`Error`].
pub async fn publish_target(owned: &Owned, vault: &Vault, broadcasts: &Broadcasts) -> Result<Target, Error> {
    match owned.platform {
        Platform::RtmpCustom => {
            let key = vault.stream_key(owned.tenant.clone(), owned.destination).await?.ok_or(Error::NoKey)?;
            Ok(Target { rtmp_url: owned.rtmp_url.clone(), key, backup_urls: Vec::new() })
        }
        Platform::Youtube | Platform::Twitch | Platform::Facebook | Platform::Cloudflare => {
            let place = broadcasts.target(&owned.tenant, owned.destination).await?.ok_or(Error::NotReady)?;
            let key = vault.stream_key(owned.tenant.clone(), owned.destination).await?.ok_or(Error::NotReady)?;
            Ok(Target { rtmp_url: place.rtmp_url, key, backup_urls: place.backup_urls })
        }
    }
}
