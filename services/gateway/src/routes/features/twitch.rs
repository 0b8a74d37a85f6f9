//! Twitch: categories by name, and the channel as it is now.

use axum::{Json, extract::State};
use wire::v1;

use super::{CATEGORIES, CHANNEL, Place};
use crate::{
    app::App,
    codes::{INVALID, REQUIRED},
    error::{ApiError, ErrorBody},
    input::query::Query,
    request::Read,
    routes::of_destination,
    view::{
        Data,
        features::{CategoryView, ChannelView},
    },
};

/// The longest search, in characters.
const MAX_QUERY_CHARS: usize = 100;
/// The most that Twitch gives at once (Helix, search/categories).
const MAX_CATEGORIES: u32 = 100;
/// What it gives by itself.
const DEFAULT_CATEGORIES: u32 = 20;

/// Search Twitch categories
#[utoipa::path(get, path = "/api/destinations/{id}/twitch/categories", tag = "platforms",
    params(("id" = Uuid, Path, description = "The destination"),
        ("query" = String, Query, description = "part of the name, 1 to 100 characters"),
        ("limit" = Option<u32>, Query, description = "1 to 100, default 20")),
    responses((status = 200, body = Data<Vec<CategoryView>>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn categories(State(app): State<App>, read: Read) -> Result<Json<Data<Vec<CategoryView>>>, ApiError> {
    let id = read.params.destination()?;
    let mut query = Query::read(read.query.as_deref(), &["query", "limit"])?;
    let limit = query.whole("limit", 1..=MAX_CATEGORIES)?.unwrap_or(DEFAULT_CATEGORIES);
    let text = query.text("query").ok_or_else(|| ApiError::field("query", REQUIRED, "is required"))?;
    if text.trim().is_empty() || text.chars().count() > MAX_QUERY_CHARS || text.chars().any(char::is_control) {
        let message = format!("must be 1 to {MAX_QUERY_CHARS} characters without control characters");
        return Err(ApiError::field("query", INVALID, message));
    }
    let budget = app.platform_budget();
    let place = Place::find(&app, read.tenant(), id, CATEGORIES, budget).await?;
    let request = v1::SearchCategoriesRequest { on: Some(place.named(read.tenant())), query: text.to_owned(), limit };
    let found = app.upstream.search_categories(request, budget).await.map_err(of_destination)?;
    Ok(Json(Data::of(found.categories.into_iter().map(CategoryView::from).collect())))
}

/// Show the Twitch channel as it is now
#[utoipa::path(get, path = "/api/destinations/{id}/twitch/channel", tag = "platforms",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<ChannelView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn channel(State(app): State<App>, read: Read) -> Result<Json<Data<ChannelView>>, ApiError> {
    let (id, budget) = (read.params.destination()?, app.platform_budget());
    let place = Place::find(&app, read.tenant(), id, CHANNEL, budget).await?;
    let channel = app.upstream.get_channel(place.named(read.tenant()), budget).await.map_err(of_destination)?;
    Ok(Json(Data::of(channel.into())))
}
