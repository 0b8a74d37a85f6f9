//! Where a broadcast can be watched, and how much it was.

use axum::{Json, extract::State};
use wire::v1;

use super::{ANALYTICS, EMBED, PLAYBACK, Place};
use crate::{
    app::App,
    error::{ApiError, ErrorBody},
    input::{days::Days, query::Query},
    request::Read,
    routes::of_destination,
    view::{
        Data,
        features::{AnalyticsView, EmbedView, PlaybackView},
    },
};

/// Show how to embed a broadcast
///
/// youtube and facebook. `null` while there is no broadcast.
#[utoipa::path(get, path = "/api/destinations/{id}/embed", tag = "platforms",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<EmbedView>), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
pub async fn embed(State(app): State<App>, read: Read) -> Result<Json<Data<EmbedView>>, ApiError> {
    let (id, budget) = (read.params.destination()?, app.platform_budget());
    let place = Place::find(&app, read.tenant(), id, EMBED, budget).await?;
    let embed = app.upstream.get_embed(place.named(read.tenant()), budget).await.map_err(of_destination)?;
    Ok(Json(Data::of(embed.into())))
}

/// Show where a Cloudflare broadcast is played back
#[utoipa::path(get, path = "/api/destinations/{id}/playback", tag = "platforms",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<PlaybackView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn playback(State(app): State<App>, read: Read) -> Result<Json<Data<PlaybackView>>, ApiError> {
    let (id, budget) = (read.params.destination()?, app.platform_budget());
    let place = Place::find(&app, read.tenant(), id, PLAYBACK, budget).await?;
    let playback = app.upstream.get_playback(place.named(read.tenant()), budget).await.map_err(of_destination)?;
    Ok(Json(Data::of(playback.into())))
}

/// Show how much of a Cloudflare broadcast was watched
#[utoipa::path(get, path = "/api/destinations/{id}/analytics", tag = "platforms",
    params(("id" = Uuid, Path, description = "The destination"),
        ("from" = Option<String>, Query, description = "first day, YYYY-MM-DD; default seven days before `to`"),
        ("to" = Option<String>, Query, description = "day after the last, YYYY-MM-DD; default tomorrow. At most 31 days, \
            and not older than 90")),
    responses((status = 200, body = Data<AnalyticsView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn analytics(State(app): State<App>, read: Read) -> Result<Json<Data<AnalyticsView>>, ApiError> {
    let id = read.params.destination()?;
    let query = Query::read(read.query.as_deref(), &["from", "to"])?;
    let Days { from, to } = Days::read(&query, app.now_s())?;
    let budget = app.platform_budget();
    let place = Place::find(&app, read.tenant(), id, ANALYTICS, budget).await?;
    let on = Some(place.named(read.tenant()));
    let request = v1::AnalyticsRequest { on, from_date: from.to_string(), to_date: to.to_string() };
    let found = app.upstream.get_analytics(request, budget).await.map_err(of_destination)?;
    Ok(Json(Data::of(AnalyticsView::of(from.to_string(), to.to_string(), found))))
}
