//! Facebook: the Pages, which of them to go live on, and the figures of the live video.

use axum::{Json, extract::State, response::Response};
use domain::{
    ids::{DestinationId, TenantId},
    platform_settings::PlatformSettings,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{INSIGHTS, PAGES, Place, settings};
use crate::{
    app::App,
    codes::{INVALID, PLATFORM_PERMISSION_MISSING},
    error::{ApiError, ErrorBody},
    fields::Fields,
    input::platform_settings::MAX_ID_CHARS,
    request::{Answer, Command, Read},
    routes::of_destination,
    view::{
        Data,
        destination::{DestinationView, PlatformChanges},
        features::{InsightView, PageView},
    },
};

/// The Page to go live on.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChosenPage)]
#[allow(dead_code)] // the shape for the API description; `choose_page` does the reading
pub struct PageBody {
    /// Of the list of Pages.
    page_id: String,
}

/// List the Pages of a destination's Facebook account
#[utoipa::path(get, path = "/api/destinations/{id}/facebook/pages", tag = "platforms",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<Vec<PageView>>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn pages(State(app): State<App>, read: Read) -> Result<Json<Data<Vec<PageView>>>, ApiError> {
    let (id, budget) = (read.params.destination()?, app.platform_budget());
    let place = Place::find(&app, read.tenant(), id, PAGES, budget).await?;
    let list = app.upstream.list_pages(place.named(read.tenant()), budget).await.map_err(of_destination)?;
    Ok(Json(Data::of(list.pages.into_iter().map(PageView::from).collect())))
}

/// Choose the Page to go live on
///
/// From the next broadcast on. Without a Page, the account's own profile is used.
#[utoipa::path(put, path = "/api/destinations/{id}/facebook/page", tag = "platforms", request_body = PageBody,
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<DestinationView>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn choose_page(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let mut fields = Fields::of(command.body()?)?;
    let page = fields.text("page_id", MAX_ID_CHARS).map(str::to_owned);
    fields.require("page_id");
    fields.finish()?;
    let work = choose(app.clone(), command.tenant().clone(), command.params.destination()?, page.unwrap_or_default());
    command.run(&app, work).await
}

async fn choose(app: App, tenant: TenantId, id: DestinationId, page_id: String) -> Result<Answer, ApiError> {
    let budget = app.platform_budget();
    let place = Place::find(&app, &tenant, id, PAGES, budget).await?;
    let list = app.upstream.list_pages(place.named(&tenant), budget).await.map_err(of_destination)?;
    let Some(page) = list.pages.into_iter().find(|page| page.id == page_id) else {
        return Err(ApiError::field("page_id", INVALID, "is none of this account's Pages"));
    };
    if !page.can_go_live {
        let message = "is a Page on which this account may not create content: ask one of its administrators";
        return Err(ApiError::field("page_id", PLATFORM_PERMISSION_MISSING, message));
    }
    let after = place.settings.with(&PlatformSettings { page_id: Some(page_id), ..PlatformSettings::default() });
    let kept = settings::keep(&app, &tenant, id, after, app.budget()).await?;
    settings::answer(kept, PlatformChanges { later: vec!["page_id".to_owned()], ..PlatformChanges::default() })
}

/// Show the figures of a Facebook live video
#[utoipa::path(get, path = "/api/destinations/{id}/insights", tag = "platforms",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<Vec<InsightView>>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn insights(State(app): State<App>, read: Read) -> Result<Json<Data<Vec<InsightView>>>, ApiError> {
    let (id, budget) = (read.params.destination()?, app.platform_budget());
    let place = Place::find(&app, read.tenant(), id, INSIGHTS, budget).await?;
    let found = app.upstream.get_insights(place.named(read.tenant()), budget).await.map_err(of_destination)?;
    Ok(Json(Data::of(found.insights.into_iter().map(InsightView::from).collect())))
}
