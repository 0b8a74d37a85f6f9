//! Which platforms there are, from the configuration.

use std::sync::Arc;

use secret::{ExposeSecret, SecretString};
use service_kit::Clock;

use super::{
    Platforms, PlatformsConfig,
    cloudflare::{self, Cloudflare},
    facebook::{self, Facebook},
    twitch::{self, Twitch},
    youtube::{self, Youtube},
};
use crate::{http::Http, quota::Quota, store::Store};

/// Those with an id and a secret. `docker compose` passes what is not set as an empty text: that is not set.
pub fn assemble(config: &PlatformsConfig, http: &Http, store: &Store, clock: &Arc<dyn Clock>) -> Platforms {
    let mut platforms = Platforms::default();
    if let Some((project, _)) = pair(&config.youtube_client_id, &config.youtube_client_secret) {
        let budget = Quota::new(store.clone(), project, config.youtube_daily_quota, Arc::clone(clock));
        let endpoints =
            youtube::Endpoints { api: config.youtube_api_url.clone(), upload: config.youtube_upload_url.clone() };
        let youtube = Youtube::new(http.clone(), endpoints, Arc::new(budget), Arc::clone(clock));
        platforms = platforms.with(youtube);
    }
    if let Some((client_id, _)) = pair(&config.twitch_client_id, &config.twitch_client_secret) {
        let endpoints =
            twitch::Endpoints { api: config.twitch_api_url.clone(), ingests: config.twitch_ingests_url.clone() };
        platforms = platforms.with(Twitch::new(http.clone(), endpoints, client_id, Arc::clone(clock)));
    }
    if let Some((_, secret)) = pair(&config.facebook_app_id, &config.facebook_app_secret) {
        let endpoints = facebook::Endpoints { graph: config.facebook_graph_url.clone() };
        platforms = platforms.with(Facebook::new(http.clone(), endpoints, secret, Arc::clone(clock)));
    }
    if let Some((account, _)) = pair(&config.cloudflare_account_id, &config.cloudflare_api_token) {
        let endpoints = cloudflare::Endpoints {
            api: config.cloudflare_api_url.clone(),
            customer: config.cloudflare_customer_url.clone(),
        };
        let code = config.cloudflare_customer_code.clone().filter(|code| !code.is_empty());
        platforms = platforms.with(Cloudflare::new(http.clone(), endpoints, account, code, Arc::clone(clock)));
    }
    platforms
}

/// Both, if both are set.
fn pair(id: &Option<String>, secret: &Option<SecretString>) -> Option<(String, SecretString)> {
    let id = id.clone().filter(|id| !id.is_empty())?;
    let secret = secret.clone().filter(|secret| !secret.expose_secret().is_empty())?;
    Some((id, secret))
}
