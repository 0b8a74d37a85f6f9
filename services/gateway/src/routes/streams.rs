//! Streams: make, list, show, change, remove.

use axum::{Json, extract::State, response::Response};
use domain::ids::{StreamId, TenantId};
use secret::Zeroizing;
use uuid::Uuid;
use wire::v1;

use super::of_stream;
use crate::{
    app::App,
    cleanup,
    error::{ApiError, ErrorBody, NotFound},
    idempotency::STREAM_INGEST_KEY,
    input::{
        query::Query,
        stream::{Change, ChangedStreamBody, NewStreamBody},
        uuid,
    },
    request::{Answer, Command, IngestKeyAt, Read},
    upstream::stream_ref,
    view::{
        Data, Done, Page,
        stream::{CreatedStream, Ingest, StreamView},
    },
};

/// The most items of one page of a list.
pub const MAX_PAGE: u32 = 500;

/// Create a stream
///
/// The answer holds the ingest URL and key for the encoder. It is the only one that shows the key unasked.
#[utoipa::path(post, path = "/api/streams", tag = "streams", request_body = NewStreamBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 201, body = Data<CreatedStream>), (status = 422, body = ErrorBody)))]
pub async fn create(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let wish = Change::read_new(command.body()?)?;
    let work = make(app.clone(), command.tenant().clone(), wish);
    command.run(&app, work).await
}

/// List streams
#[utoipa::path(get, path = "/api/streams", tag = "streams",
    params(("limit" = Option<u32>, Query, description = "1 to 500, default 500"),
        ("after" = Option<Uuid>, Query, description = "the `next` of the page before")),
    responses((status = 200, body = Page<StreamView>)))]
pub async fn list(State(app): State<App>, read: Read) -> Result<Json<Page<StreamView>>, ApiError> {
    let mut query = Query::read(read.query.as_deref(), &["limit", "after"])?;
    let limit = query.whole("limit", 1..=MAX_PAGE)?.unwrap_or(MAX_PAGE);
    let after_id = after(&query)?;
    let request = v1::ListStreamsRequest { tenant_id: read.tenant().0.clone(), limit, after_id };
    let streams = app.upstream.list_streams(request, app.budget()).await.map_err(of_stream)?.streams;
    let next = next_page(streams.len(), limit, || streams.last().map(|s| s.id.clone()));
    Ok(Json(Page { success: true, data: streams.into_iter().map(StreamView::from).collect(), next }))
}

/// Show a stream
#[utoipa::path(get, path = "/api/streams/{id}", tag = "streams", params(("id" = Uuid, Path, description = "The stream")),
    responses((status = 200, body = Data<StreamView>), (status = 404, body = ErrorBody)))]
pub async fn show(State(app): State<App>, read: Read) -> Result<Json<Data<StreamView>>, ApiError> {
    let stream = stream_ref(read.tenant(), read.params.stream()?);
    let stream = app.upstream.get_stream(stream, app.budget()).await.map_err(of_stream)?;
    Ok(Json(Data::of(stream.into())))
}

/// Change a stream
#[utoipa::path(patch, path = "/api/streams/{id}", tag = "streams", request_body = ChangedStreamBody,
    params(("id" = Uuid, Path, description = "The stream")),
    responses((status = 200, body = Data<StreamView>), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn change(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let wish = Change::read(command.body()?)?;
    let request = v1::UpdateStreamRequest {
        tenant_id: command.tenant().0.clone(),
        stream_id: command.params.stream()?.to_string(),
        title: wish.title,
        end_grace_s: wish.end_grace_s,
    };
    let work = {
        let app = app.clone();
        async move {
            let stream = app.upstream.update_stream(request, app.budget()).await.map_err(of_stream)?;
            Answer::ok(&Data::of(StreamView::from(stream)))
        }
    };
    command.run(&app, work).await
}

/// Remove a stream
///
/// With its destinations and every key. If it runs, it is stopped first.
#[utoipa::path(delete, path = "/api/streams/{id}", tag = "streams",
    params(("id" = Uuid, Path, description = "The stream")),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
pub async fn remove(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let stream = stream_ref(command.tenant(), command.params.stream()?);
    let work = {
        let app = app.clone();
        async move {
            app.upstream.delete_stream(stream, app.budget()).await.map_err(of_stream)?;
            Answer::ok(&Done { success: true, message: "Stream deleted" })
        }
    };
    command.run(&app, work).await
}

/// The key goes into the vault first: a stream without a key could not be published to, a key without a stream is
/// unknown to every relay and is removed again.
async fn make(app: App, tenant: TenantId, wish: Change) -> Result<Answer, ApiError> {
    let stream = StreamId(Uuid::now_v7());
    let budget = app.budget();
    let key = v1::IngestKeyRequest { tenant_id: tenant.0.clone(), stream_id: stream.to_string() };
    let key = app.upstream.create_ingest_key(key, budget).await.map_err(of_stream)?;
    let request = v1::CreateStreamRequest {
        tenant_id: tenant.0.clone(),
        stream_id: stream.to_string(),
        title: wish.title.unwrap_or_default(),
        ingest_key_sha256: key.sha256,
        end_grace_s: wish.end_grace_s,
    };
    match app.upstream.create_stream(request, budget).await {
        Ok(created) => {
            let ingest = Ingest { url: app.options.public_ingest_url.clone(), key: String::new() };
            let answer = Answer::created(&Data::of(CreatedStream { stream: created.into(), ingest }))?;
            Ok(answer.with_ingest_key(IngestKeyAt { stream, pointer: STREAM_INGEST_KEY }, Zeroizing::new(key.key)))
        }
        Err(status) => {
            cleanup::after_failed_create(&app, &tenant, cleanup::Thing::Stream(stream), &status);
            Err(of_stream(status))
        }
    }
}

/// The `after` of a list: an id that can't be one of ours is an invalid parameter, not an unknown thing.
pub(super) fn after(query: &Query) -> Result<String, ApiError> {
    match query.text("after") {
        None => Ok(String::new()),
        Some(text) => uuid(text)
            .map(|id| id.to_string())
            .ok_or_else(|| ApiError::field("after", crate::codes::INVALID, "must be the next of the page before")),
    }
}

pub(super) fn next_page(got: usize, limit: u32, last: impl FnOnce() -> Option<String>) -> Option<String> {
    if got >= limit as usize { last() } else { None }
}

/// Refuses a tenant's request about a stream that it does not have.
pub(super) async fn require_stream(app: &App, tenant: &TenantId, stream: StreamId) -> Result<v1::Stream, ApiError> {
    app.upstream.get_stream(stream_ref(tenant, stream), app.budget()).await.map_err(of_stream)
}

/// 404 for a stream name that can't be one.
pub(super) fn known(name: crate::input::StreamName) -> Result<StreamId, ApiError> {
    match name {
        crate::input::StreamName::Id(id) => Ok(id),
        crate::input::StreamName::Nothing => Err(ApiError::not_found(NotFound::Stream)),
    }
}
