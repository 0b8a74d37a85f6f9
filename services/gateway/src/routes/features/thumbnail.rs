//! YouTube: the broadcast's picture.

use axum::{extract::State, response::Response};
use domain::ids::{DestinationId, TenantId};
use wire::v1;

use super::{Place, THUMBNAIL};
use crate::{
    app::App,
    error::{ApiError, ErrorBody},
    request::{Answer, Picture, Upload},
    routes::of_destination,
    view::Done,
};

/// Set the picture of a YouTube broadcast
///
/// A JPEG or PNG of at most 2 MiB as the body; 1280x720 is best. It is kept and set again for each new broadcast.
#[utoipa::path(put, path = "/api/destinations/{id}/youtube/thumbnail", tag = "platforms",
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png")), description = "The picture"),
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Done), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
pub async fn put(State(app): State<App>, upload: Upload) -> Result<Response, ApiError> {
    let work = set(app.clone(), upload.tenant().clone(), upload.params.destination()?, upload.picture.clone());
    upload.run(&app, work).await
}

async fn set(app: App, tenant: TenantId, id: DestinationId, picture: Picture) -> Result<Answer, ApiError> {
    let budget = app.platform_budget();
    let place = Place::find(&app, &tenant, id, THUMBNAIL, budget).await?;
    let request = v1::SetThumbnailRequest {
        on: Some(place.named(&tenant)),
        content_type: picture.content_type.to_owned(),
        image: picture.bytes.to_vec(),
    };
    app.upstream.set_thumbnail(request, budget).await.map_err(of_destination)?;
    Answer::ok(&Done { success: true, message: "Thumbnail set" })
}
