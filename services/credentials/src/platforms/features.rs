//! What people can do on a platform beside going live. A platform implements what it has; the rest answers
//! `not_offered_by_platform`.

use domain::{platform::Platform, platform_settings::PlatformSettings};
use wire::v1;

use super::{Failure, Run, Thumbnail};

/// Which changes took effect at once. Names of fields of [`PlatformSettings`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// On the platform now.
    pub applied: Vec<String>,
    /// With the next broadcast.
    pub later: Vec<String>,
}

/// See the module. `run` is the destination with its present broadcast's progress, if there is one.
#[tonic::async_trait]
pub trait Features: Send + Sync {
    /// Which platform, for the refusals.
    fn platform_of_features(&self) -> Platform;

    /// Facebook: the Pages of the account.
    async fn pages(&self, _run: &Run) -> Result<Vec<v1::Page>, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "Pages"))
    }

    /// Twitch: categories by name.
    async fn categories(&self, _run: &Run, _query: &str, _limit: u32) -> Result<Vec<v1::Category>, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "a category search"))
    }

    /// Twitch: the channel's information as it is now.
    async fn channel(&self, _run: &Run) -> Result<v1::Channel, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "channel information"))
    }

    /// Puts changed settings into effect where that is possible now. `run.settings` holds the settings after the change.
    async fn apply(&self, _run: &Run, _changes: &PlatformSettings) -> Result<Applied, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "changes of a broadcast"))
    }

    /// YouTube: the broadcast's picture. It is kept already; this sets it on the present broadcast, if there is one.
    async fn thumbnail(&self, _run: &Run, _thumbnail: &Thumbnail) -> Result<(), Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "thumbnails"))
    }

    /// YouTube and Facebook: HTML to embed the broadcast.
    async fn embed(&self, _run: &Run) -> Result<v1::Embed, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "embedding"))
    }

    /// Facebook: figures of the live video.
    async fn insights(&self, _run: &Run) -> Result<Vec<v1::Insight>, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "insights"))
    }

    /// Cloudflare: HLS and DASH addresses.
    async fn playback(&self, _run: &Run) -> Result<v1::Playback, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "playback addresses"))
    }

    /// Cloudflare: minutes viewed, by country; dates are `YYYY-MM-DD`, `to` is exclusive.
    async fn analytics(&self, _run: &Run, _from: &str, _to: &str) -> Result<v1::Analytics, Failure> {
        Err(Failure::not_offered(self.platform_of_features(), "viewing analytics"))
    }
}
