//! Changes of what one platform shows: brought there at once where that is possible, and kept for the next broadcast.

use axum::{extract::State, response::Response};
use domain::{
    ids::{DestinationId, TenantId},
    platform_settings::PlatformSettings,
};
use wire::v1;

use super::{CHANNEL, CLOUDFLARE, FACEBOOK, Feature, Place, YOUTUBE};
use crate::{
    app::App,
    error::{ApiError, ErrorBody},
    fields::Fields,
    input::platform_settings::{self, PlatformSettingsBody},
    request::{Answer, Command},
    routes::{of_destination, platform_changes::feature_ref},
    upstream::Budget,
    view::{
        Data,
        destination::{DestinationView, PlatformChanges},
    },
};

/// Change a YouTube broadcast
///
/// `title`, `description`, `privacy`, `dvr`, `content_encryption`, `latency`, `made_for_kids` and what else platform settings
/// have for YouTube. What is left out stays. `platform_changes` says what YouTube shows now and what the next broadcast will.
#[utoipa::path(patch, path = "/api/destinations/{id}/youtube", tag = "platforms", request_body = PlatformSettingsBody,
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<DestinationView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn youtube(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    change(app, command, YOUTUBE).await
}

/// Change the Twitch channel
///
/// `title`, `category_id`, `tags`, `language`, also while live. What is left out stays. Low latency is no part of Twitch's
/// API: it is switched on in the channel's dashboard.
#[utoipa::path(patch, path = "/api/destinations/{id}/twitch/channel", tag = "platforms",
    request_body = PlatformSettingsBody,
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<DestinationView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn twitch(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    change(app, command, CHANNEL).await
}

/// Change a Facebook live video
///
/// `title`, `description`, `privacy`, `scheduled_start`. What is left out stays.
#[utoipa::path(patch, path = "/api/destinations/{id}/facebook", tag = "platforms", request_body = PlatformSettingsBody,
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<DestinationView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn facebook(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    change(app, command, FACEBOOK).await
}

/// Change a Cloudflare live input
///
/// `recording`, `low_latency`, `on_stop`. What is left out stays.
#[utoipa::path(patch, path = "/api/destinations/{id}/cloudflare", tag = "platforms", request_body = PlatformSettingsBody,
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<DestinationView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn cloudflare(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    change(app, command, CLOUDFLARE).await
}

async fn change(app: App, command: Command, feature: Feature) -> Result<Response, ApiError> {
    let mut fields = Fields::of(command.body()?)?;
    let changes = platform_settings::read(&mut fields);
    fields.finish()?;
    let work = apply(app.clone(), command.tenant().clone(), command.params.destination()?, feature, changes);
    command.run(&app, work).await
}

/// The platform is asked first: what it refuses is not kept.
async fn apply(
    app: App,
    tenant: TenantId,
    destination: DestinationId,
    feature: Feature,
    changes: PlatformSettings,
) -> Result<Answer, ApiError> {
    let budget = app.platform_budget();
    let place = Place::find(&app, &tenant, destination, feature, budget).await?;
    platform_settings::check(&changes, &place.settings, place.platform, "", app.now_s())?;
    let after = place.settings.with(&changes);
    if changes == PlatformSettings::default() {
        return answer(place.destination, PlatformChanges::default());
    }
    let request = v1::ApplySettingsRequest {
        on: Some(feature_ref(&tenant, &place.destination, &after)),
        changes: Some(changes.into()),
    };
    let applied = app.upstream.apply_settings(request, budget).await.map_err(of_destination)?;
    let kept = keep(&app, &tenant, destination, after, app.budget()).await?;
    answer(kept, applied.into())
}

/// Stores all that a destination asks of its platform.
pub(super) async fn keep(
    app: &App,
    tenant: &TenantId,
    destination: DestinationId,
    settings: PlatformSettings,
    budget: Budget,
) -> Result<v1::Destination, ApiError> {
    let request = v1::UpdateDestinationRequest {
        tenant_id: tenant.0.clone(),
        destination_id: destination.to_string(),
        platform_settings: Some(settings.into()),
        ..Default::default()
    };
    app.upstream.update_destination(request, budget).await.map_err(of_destination)
}

/// The destination with what has become of the change.
pub(super) fn answer(destination: v1::Destination, changes: PlatformChanges) -> Result<Answer, ApiError> {
    let view = DestinationView { platform_changes: Some(changes), ..DestinationView::from(destination) };
    Answer::ok(&Data::of(view))
}
