//! Destinations that join and leave a simulcast, also while it is live.

use axum::{extract::State, response::Response};
use domain::ids::{DestinationId, StreamId, TenantId};
use wire::v1;

use super::{destinations, of_destination};
use crate::{
    app::App,
    error::{ApiError, ErrorBody},
    input::attach::{Attach, AttachBody},
    request::{Answer, Command},
    view::{Data, Done, destination::DestinationView},
};

/// Add a destination to the simulcast
///
/// One that exists (`destination_id`) or a new one (the body of *Create a destination*, without `stream_id`). It is
/// enabled; while the stream runs it starts at once, and the others go on untouched.
#[utoipa::path(post, path = "/api/simulcast/{id}/destinations", tag = "simulcast", request_body = AttachBody,
    params(("id" = Uuid, Path, description = "The stream"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 200, description = "An existing destination was added", body = Data<DestinationView>),
        (status = 201, description = "A new destination was made and added", body = Data<DestinationView>),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn add(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let stream = command.params.stream()?;
    let attach = Attach::read(command.body()?, stream, app.options.target_policy)?;
    let work = join(app.clone(), command.tenant().clone(), stream, attach);
    command.run(&app, work).await
}

/// Take a destination out of the simulcast
///
/// It stops and is disabled, but not removed. The others go on untouched.
#[utoipa::path(delete, path = "/api/simulcast/{id}/destinations/{destId}", tag = "simulcast",
    params(("id" = Uuid, Path, description = "The stream"), ("destId" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
pub async fn remove(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let (stream, destination) = (command.params.stream()?, command.params.inner_destination()?);
    let request = attachment(command.tenant(), stream, destination);
    let work = {
        let app = app.clone();
        async move {
            app.upstream.detach_destination(request, app.budget()).await.map_err(of_destination)?;
            Answer::ok(&Done { success: true, message: "Destination removed from the simulcast" })
        }
    };
    command.run(&app, work).await
}

async fn join(app: App, tenant: TenantId, stream: StreamId, attach: Attach) -> Result<Answer, ApiError> {
    match attach {
        Attach::Existing(destination) => {
            let request = attachment(&tenant, stream, destination);
            let joined = app.upstream.attach_destination(request, app.budget()).await.map_err(of_destination)?;
            Answer::ok(&Data::of(DestinationView::from(joined)))
        }
        Attach::New(new) => {
            let made = destinations::make(&app, &tenant, stream, *new).await?;
            let id: DestinationId = made.id.parse().map_err(|_| ApiError::internal())?;
            let request = attachment(&tenant, stream, id);
            let joined = app.upstream.attach_destination(request, app.budget()).await.map_err(of_destination)?;
            Answer::created(&Data::of(DestinationView::from(joined)))
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
