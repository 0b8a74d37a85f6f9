//! Start, stop, status, health, metrics.

use axum::{Json, extract::State, response::Response};
use domain::{
    ids::{StreamId, TenantId},
    target::{InputSource, StoredInput},
};
use wire::v1;

use super::of_stream;
use crate::{
    app::App,
    cleanup::{self, Thing},
    error::{ApiError, ErrorBody},
    input::start::{Start, StartBody},
    request::{Answer, Command, Read},
    upstream::{Budget, is_definite, stream_ref},
    view::{
        Data, Done,
        health::{Health, Metrics},
        simulcast::{Started, Status},
    },
};

/// Start multi-platform streaming
///
/// Waits up to `wait` seconds for the destinations to connect; what is not connected by then is answered as it is.
/// Starting what runs changes nothing.
#[utoipa::path(post, path = "/api/simulcast/{id}/start", tag = "simulcast", request_body = Option<StartBody>,
    params(("id" = Uuid, Path, description = "The stream"),
        ("wait" = Option<u32>, Query, description = "Seconds, 0 to 10, default 10"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 200, body = Data<Started>), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn start(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let options = &app.options;
    let query = command.query.as_deref();
    let wish = Start::read(command.optional_body(), query, options.target_policy, &app.own_ingest)?;
    let (tenant, stream) = (command.tenant().clone(), command.params.stream()?);
    let work = {
        let app = app.clone();
        async move {
            let budget = Budget::of(wish.wait + app.options.upstream_timeout);
            let input = match wish.input_source {
                Some(input) => Some(keep_play_path(&app, &tenant, stream, &input, budget).await?),
                None => None,
            };
            let request = v1::StartRequest {
                tenant_id: tenant.0.clone(),
                stream_id: stream.to_string(),
                input_source: input.as_ref().map(StoredInput::to_string).unwrap_or_default(),
                wait_ms: u32::try_from(wish.wait.as_millis()).unwrap_or(u32::MAX),
            };
            match app.upstream.start(request, budget).await {
                Ok(started) => Answer::ok(&Data::of(Started::from(started))),
                Err(status) => {
                    if let Some(record) = input.and_then(|input| input.record).filter(|_| is_definite(&status)) {
                        cleanup::after_failed_create(&app, &tenant, Thing::Destination(record), &status);
                    }
                    Err(of_stream(status))
                }
            }
        }
    };
    command.run(&app, work).await
}

/// Puts the play path, which may be a secret, into the vault. What goes on from here names only its record.
async fn keep_play_path(
    app: &App,
    tenant: &TenantId,
    stream: StreamId,
    input: &InputSource,
    budget: Budget,
) -> Result<StoredInput, ApiError> {
    let stored = StoredInput::of(input, stream);
    if let Some(record) = stored.record {
        let request = v1::PutStreamKeyRequest {
            tenant_id: tenant.0.clone(),
            destination_id: record.to_string(),
            stream_key: input.play_path.clone(),
        };
        app.upstream.put_stream_key(request, budget).await.map_err(of_stream)?;
    }
    Ok(stored)
}

/// Stop the simulcast
///
/// Stopping what does not run changes nothing.
#[utoipa::path(post, path = "/api/simulcast/{id}/stop", tag = "simulcast",
    params(("id" = Uuid, Path, description = "The stream"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
pub async fn stop(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    command.no_fields()?;
    let stream = stream_ref(command.tenant(), command.params.stream()?);
    let work = {
        let app = app.clone();
        async move {
            app.upstream.stop(stream, app.budget()).await.map_err(of_stream)?;
            Answer::ok(&Done { success: true, message: "Simulcast stopped" })
        }
    };
    command.run(&app, work).await
}

/// Get stream status
#[utoipa::path(get, path = "/api/simulcast/{id}/status", tag = "simulcast",
    params(("id" = Uuid, Path, description = "The stream")),
    responses((status = 200, body = Data<Status>), (status = 404, body = ErrorBody)))]
pub async fn status(State(app): State<App>, read: Read) -> Result<Json<Data<Status>>, ApiError> {
    let stream = stream_ref(read.tenant(), read.params.stream()?);
    let status = app.upstream.get_status(stream, app.budget()).await.map_err(of_stream)?;
    Ok(Json(Data::of(status.into())))
}

/// Get stream health
#[utoipa::path(get, path = "/api/simulcast/{id}/health", tag = "simulcast",
    params(("id" = Uuid, Path, description = "The stream")),
    responses((status = 200, body = Data<Health>), (status = 404, body = ErrorBody)))]
pub async fn health(State(app): State<App>, read: Read) -> Result<Json<Data<Health>>, ApiError> {
    let stream = stream_ref(read.tenant(), read.params.stream()?);
    let health = app.upstream.get_health(stream, app.budget()).await.map_err(of_stream)?;
    Ok(Json(Data::of(health.into())))
}

/// Get stream metrics
#[utoipa::path(get, path = "/api/simulcast/{id}/metrics", tag = "simulcast",
    params(("id" = Uuid, Path, description = "The stream")),
    responses((status = 200, body = Data<Metrics>), (status = 404, body = ErrorBody)))]
pub async fn metrics(State(app): State<App>, read: Read) -> Result<Json<Data<Metrics>>, ApiError> {
    let stream = stream_ref(read.tenant(), read.params.stream()?);
    let metrics = app.upstream.get_metrics(stream, app.budget()).await.map_err(of_stream)?;
    Ok(Json(Data::of(metrics.into())))
}
