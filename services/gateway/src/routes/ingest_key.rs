//! The key that an encoder publishes with: show it, replace it.

use axum::{Json, extract::State, response::Response};
use domain::ids::{StreamId, TenantId};
use secret::Zeroizing;
use wire::v1;

use super::{of_stream, streams::require_stream};
use crate::{
    app::App,
    error::{ApiError, ErrorBody},
    idempotency::ROTATED_INGEST_KEY,
    request::{Answer, Command, IngestKeyAt, Read},
    view::{Data, stream::Ingest},
};

/// Show the ingest key
///
/// Needs full scope: `live:read` is not enough for a secret.
#[utoipa::path(get, path = "/api/streams/{id}/ingest-key", tag = "streams",
    params(("id" = Uuid, Path, description = "The stream")),
    responses((status = 200, body = Data<Ingest>), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn show(State(app): State<App>, read: Read) -> Result<Json<Data<Ingest>>, ApiError> {
    read.require_full_scope()?;
    let stream = read.params.stream()?;
    require_stream(&app, read.tenant(), stream).await?;
    let key = app.upstream.reveal_ingest_key(request(read.tenant(), stream), app.budget()).await.map_err(of_stream)?;
    Ok(Json(Data::of(Ingest { url: app.options.public_ingest_url.clone(), key: key.key })))
}

/// Replace the ingest key
///
/// The old key stops working at once; an encoder that is connected stays connected.
#[utoipa::path(post, path = "/api/streams/{id}/ingest-key/rotate", tag = "streams",
    params(("id" = Uuid, Path, description = "The stream"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 200, body = Data<Ingest>), (status = 404, body = ErrorBody)))]
pub async fn rotate(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    command.no_fields()?;
    let stream = command.params.stream()?;
    let work = replace(app.clone(), command.tenant().clone(), stream);
    command.run(&app, work).await
}

/// If the digest can't be stored after the key was made, the stream's old digest still holds and no key fits it: the
/// 503 asks the client to repeat, which makes both anew.
async fn replace(app: App, tenant: TenantId, stream: StreamId) -> Result<Answer, ApiError> {
    require_stream(&app, &tenant, stream).await?;
    let budget = app.budget();
    let key = app.upstream.create_ingest_key(request(&tenant, stream), budget).await.map_err(of_stream)?;
    let digest = v1::SetIngestKeyRequest {
        tenant_id: tenant.0.clone(),
        stream_id: stream.to_string(),
        ingest_key_sha256: key.sha256,
    };
    app.upstream.set_ingest_key(digest, budget).await.map_err(of_stream)?;
    let answer = Answer::ok(&Data::of(Ingest { url: app.options.public_ingest_url.clone(), key: String::new() }))?;
    Ok(answer.with_ingest_key(IngestKeyAt { stream, pointer: ROTATED_INGEST_KEY }, Zeroizing::new(key.key)))
}

fn request(tenant: &TenantId, stream: StreamId) -> v1::IngestKeyRequest {
    v1::IngestKeyRequest { tenant_id: tenant.0.clone(), stream_id: stream.to_string() }
}
