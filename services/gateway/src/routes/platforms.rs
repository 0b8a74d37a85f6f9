//! The platforms of this installation.

use axum::{Json, extract::State};

use crate::{
    app::App,
    error::{ApiError, ErrorBody},
    input::query::Query,
    platforms,
    request::Read,
    view::{Data, platform::PlatformView},
};

/// List the platforms
///
/// Which are set up here, which need a linked account, what each takes and recommends.
#[utoipa::path(get, path = "/api/destinations/platforms", tag = "destinations",
    responses((status = 200, body = Data<Vec<PlatformView>>), (status = 422, body = ErrorBody)))]
pub async fn list(State(app): State<App>, read: Read) -> Result<Json<Data<Vec<PlatformView>>>, ApiError> {
    Query::read(read.query.as_deref(), &[])?;
    let known = platforms::all(&app, app.budget()).await?;
    Ok(Json(Data::of(known.iter().copied().map(PlatformView::of).collect())))
}
