//! Which platforms this installation can deliver to, as the credentials service says.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use domain::platform::Platform;
use tokio::{sync::Mutex, time::Instant};
use wire::v1;

use crate::{
    app::App,
    codes,
    error::{ApiError, FieldError, NotFound},
    upstream::{Budget, refusal},
};

/// How long an answer serves. What is set up changes with a restart of the credentials service only.
const MAX_AGE: Duration = Duration::from_secs(30);

/// What is known of one platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Which.
    pub platform: Platform,
    /// Whether destinations can be made on it.
    pub configured: bool,
    /// Whether people sign in to it.
    pub needs_account: bool,
}

/// The answers, kept for half a minute at most. While one request asks, the others wait for its answer.
#[derive(Debug, Default)]
pub struct Directory(Mutex<Option<(Instant, Arc<[Info]>)>>);

/// Whether people sign in to a platform, so that its destinations belong to an account there.
pub const fn has_accounts(platform: Platform) -> bool {
    matches!(platform, Platform::Youtube | Platform::Twitch | Platform::Facebook)
}

/// All platforms, in the order people see them.
///
/// # Errors
/// 503 while the credentials service is away.
pub async fn all(app: &App, budget: Budget) -> Result<Arc<[Info]>, ApiError> {
    let mut kept = app.platforms.0.lock().await;
    if let Some((_, known)) = kept.as_ref().filter(|(at, _)| at.elapsed() < MAX_AGE) {
        return Ok(known.clone());
    }
    let told = app.upstream.list_platforms(v1::PlatformsEmpty {}, budget).await;
    let told = told.map_err(|status| refusal(&status, NotFound::Route))?.platforms;
    let known: Arc<[Info]> = Platform::ALL.into_iter().map(|platform| info(platform, &told)).collect();
    *kept = Some((Instant::now(), known.clone()));
    Ok(known)
}

fn info(platform: Platform, told: &[v1::PlatformInfo]) -> Info {
    let one = told.iter().find(|one| v1::Platform::to_domain(one.platform) == Ok(platform));
    let configured = platform == Platform::RtmpCustom || one.is_some_and(|one| one.configured);
    Info { platform, configured, needs_account: has_accounts(platform) }
}

/// Whether a destination on this platform can be made here.
///
/// # Errors
/// 422 `platform_not_configured`; 503 while nobody knows.
pub async fn check_configured(app: &App, platform: Platform, budget: Budget) -> Result<(), ApiError> {
    if platform == Platform::RtmpCustom {
        return Ok(());
    }
    let known = all(app, budget).await?;
    if known.iter().any(|info| info.platform == platform && info.configured) {
        return Ok(());
    }
    let message = format!(
        "{platform} is not set up on this installation yet. Use platform rtmp_custom with the server URL and stream \
         key that {platform} shows you."
    );
    let (field, code) = ("platform".to_owned(), codes::PLATFORM_NOT_CONFIGURED.to_owned());
    let fields = vec![FieldError { field, code, message: "is not set up on this installation".to_owned() }];
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, codes::PLATFORM_NOT_CONFIGURED, message).with_fields(fields))
}

/// Whether people sign in to this platform, and it is set up here.
///
/// # Errors
/// 422 `platform_without_oauth` or `platform_not_configured`; 503 while nobody knows.
pub async fn check_sign_in(app: &App, platform: Platform, budget: Budget) -> Result<(), ApiError> {
    if has_accounts(platform) { check_configured(app, platform, budget).await } else { Err(without_oauth(platform)) }
}

/// 422: nobody signs in to this platform.
pub fn without_oauth(platform: Platform) -> ApiError {
    let message = match platform {
        Platform::Cloudflare => {
            "cloudflare has no sign-in: this installation's API token serves it. Create the destination directly."
        }
        _ => "rtmp_custom has no sign-in. Create the destination with rtmp_url and stream_key.",
    };
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, codes::PLATFORM_WITHOUT_OAUTH, message)
}
