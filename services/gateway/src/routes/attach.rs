//! Destinations that join and leave a simulcast, also while it is live.

use axum::{extract::State, http::StatusCode, response::Response};
use domain::ids::{DestinationId, StreamId, TenantId};
use wire::v1;

use super::{destinations, of_destination, streams::require_stream};
use crate::{
    app::App,
    codes,
    error::{ApiError, ErrorBody},
    input::{
        attach::{Attach, AttachBody},
        destination::New,
    },
    request::{Answer, Command},
    upstream::destination_ref,
    view::{Data, Done, destination::DestinationView},
};

/// The states of a stream that a destination can join.
const RUNNING: [&str; 2] = ["starting", "live"];

/// Add a destination to the simulcast
///
/// One that exists (`destination_id`) or a new one (the body of *Create a destination*, without `stream_id`). It starts
/// at once and the others go on untouched. Refused (409) while the stream does not run: then just create or enable it.
#[utoipa::path(post, path = "/api/simulcast/{id}/destinations", tag = "simulcast", request_body = AttachBody,
    params(("id" = Uuid, Path, description = "The stream"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 200, description = "An existing destination was added", body = Data<DestinationView>),
        (status = 201, description = "A new destination was made and added", body = Data<DestinationView>),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn add(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let stream = command.params.stream()?;
    let attach = Attach::read(command.body()?, stream, app.terms())?;
    let work = join(app.clone(), command.tenant().clone(), stream, attach);
    command.run(&app, work).await
}

/// Take a destination out of the simulcast
///
/// It stops; the others go on untouched. It is not deleted and takes part in the next start, unless it is disabled.
#[utoipa::path(delete, path = "/api/simulcast/{id}/destinations/{destId}", tag = "simulcast",
    params(("id" = Uuid, Path, description = "The stream"), ("destId" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
pub async fn remove(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let (stream, destination) = (command.params.stream()?, command.params.inner_destination()?);
    let work = leave(app.clone(), command.tenant().clone(), stream, destination);
    command.run(&app, work).await
}

async fn leave(app: App, tenant: TenantId, stream: StreamId, destination: DestinationId) -> Result<Answer, ApiError> {
    require_stream(&app, &tenant, stream).await?;
    let request = attachment(&tenant, stream, destination);
    app.upstream.detach_destination(request, app.budget()).await.map_err(of_destination)?;
    Answer::ok(&Done { success: true, message: "Destination removed from the simulcast" })
}

async fn join(app: App, tenant: TenantId, stream: StreamId, attach: Attach) -> Result<Answer, ApiError> {
    let state = require_stream(&app, &tenant, stream).await?.status;
    match attach {
        Attach::Existing(destination) => {
            let request = attachment(&tenant, stream, destination);
            let joined = app.upstream.attach_destination(request, app.budget()).await.map_err(of_destination)?;
            Answer::ok(&Data::of(DestinationView::from(joined)))
        }
        Attach::New(_) if !RUNNING.contains(&state.as_str()) => {
            let message = "The stream is not running. Start it first, or create the destination for the next start.";
            Err(ApiError::new(StatusCode::CONFLICT, codes::NOT_RUNNING, message))
        }
        Attach::New(new) => join_new(&app, &tenant, stream, *new).await,
    }
}

/// If the stream was stopped in between, the destination that was made for it goes again: the caller is told that
/// nothing happened.
async fn join_new(app: &App, tenant: &TenantId, stream: StreamId, new: New) -> Result<Answer, ApiError> {
    let made = destinations::make(app, tenant, stream, new).await?;
    let id: DestinationId = made.id.parse().map_err(|_| ApiError::internal())?;
    match app.upstream.attach_destination(attachment(tenant, stream, id), app.budget()).await {
        Ok(joined) => Answer::created(&Data::of(DestinationView::from(joined))),
        Err(status) => {
            let undone = app.upstream.delete_destination(destination_ref(tenant, id), app.budget()).await;
            if let Err(undone) = undone {
                tracing::warn!(code = ?undone.code(), destination = %id, "a destination that could not join is left");
            }
            Err(of_destination(status))
        }
    }
}

fn attachment(tenant: &TenantId, stream: StreamId, destination: DestinationId) -> v1::AttachRequest {
    v1::AttachRequest {
        tenant_id: tenant.0.clone(),
        stream_id: stream.to_string(),
        destination_id: destination.to_string(),
    }
}
