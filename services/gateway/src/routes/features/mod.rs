//! What people can do on one platform beside going live, on a destination there.

pub mod facebook;
pub mod settings;
pub mod thumbnail;
pub mod twitch;
pub mod watch;

use axum::http::StatusCode;
use domain::{
    ids::{DestinationId, TenantId},
    platform::Platform,
    platform_settings::PlatformSettings,
};
use wire::v1;

use super::{destinations::platform_of, of_destination, platform_changes::feature_ref};
use crate::{
    app::App,
    codes::NOT_OFFERED_BY_PLATFORM,
    error::ApiError,
    upstream::{Budget, destination_ref},
    view::destination::read_settings,
};

/// Something that only some platforms have.
#[derive(Clone, Copy, Debug)]
struct Feature {
    /// Its name in a sentence.
    name: &'static str,
    /// The platforms that have it.
    on: &'static [Platform],
}

const PAGES: Feature = Feature { name: "Pages", on: &[Platform::Facebook] };
const CATEGORIES: Feature = Feature { name: "a category search", on: &[Platform::Twitch] };
const CHANNEL: Feature = Feature { name: "channel information", on: &[Platform::Twitch] };
const THUMBNAIL: Feature = Feature { name: "thumbnails", on: &[Platform::Youtube] };
const EMBED: Feature = Feature { name: "embedding", on: &[Platform::Youtube, Platform::Facebook] };
const INSIGHTS: Feature = Feature { name: "insights", on: &[Platform::Facebook] };
const PLAYBACK: Feature = Feature { name: "playback addresses", on: &[Platform::Cloudflare] };
const ANALYTICS: Feature = Feature { name: "viewing analytics", on: &[Platform::Cloudflare] };
const YOUTUBE: Feature = Feature { name: "YouTube's settings", on: &[Platform::Youtube] };
const FACEBOOK: Feature = Feature { name: "Facebook's settings", on: &[Platform::Facebook] };
const CLOUDFLARE: Feature = Feature { name: "Cloudflare's settings", on: &[Platform::Cloudflare] };

/// A destination whose platform has the feature.
struct Place {
    destination: v1::Destination,
    platform: Platform,
    settings: PlatformSettings,
}

impl Place {
    /// # Errors
    /// 404; 422 when the platform does not have it.
    async fn find(
        app: &App,
        tenant: &TenantId,
        destination: DestinationId,
        feature: Feature,
        budget: Budget,
    ) -> Result<Self, ApiError> {
        let named = destination_ref(tenant, destination);
        let destination = app.upstream.get_destination(named, budget).await.map_err(of_destination)?;
        let platform = platform_of(&destination)?;
        if !feature.on.contains(&platform) {
            let message =
                format!("This destination is on {platform}, which does not offer {} by its API.", feature.name);
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, NOT_OFFERED_BY_PLATFORM, message));
        }
        let settings = destination.platform_settings.clone().map(read_settings).unwrap_or_default();
        Ok(Self { destination, platform, settings })
    }

    /// As the credentials service wants it named.
    fn named(&self, tenant: &TenantId) -> v1::FeatureRef {
        feature_ref(tenant, &self.destination, &self.settings)
    }
}
