//! Destinations: make, list, show, change, remove, test.

use axum::{Json, extract::State, response::Response};
use domain::{
    ids::{DestinationId, StreamId, TenantId},
    platform::Platform,
};
use uuid::Uuid;
use wire::v1;

use super::{
    accounts, of_destination, of_stream, platform_changes,
    streams::{MAX_PAGE, after, known, next_page, require_stream},
};
use crate::{
    app::App,
    cleanup,
    error::{ApiError, ErrorBody},
    input::{
        AccountName, StreamName,
        destination::{Change, ChangedDestinationBody, New, NewDestinationBody, Place},
        query::Query,
    },
    platforms,
    request::{Answer, Command, Read},
    upstream::{Budget, destination_ref},
    view::{
        Data, Done, Page,
        destination::{DestinationView, read_settings},
        test_result::TestResult,
    },
};

/// Create a destination
///
/// On youtube, twitch and facebook with a linked account (*Exchange a code* links one and makes a destination in one
/// step), on cloudflare without, on rtmp_custom with `rtmp_url` and `stream_key`. The key is stored encrypted and never
/// shown again.
#[utoipa::path(post, path = "/api/destinations", tag = "destinations", request_body = NewDestinationBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 201, body = Data<DestinationView>), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn create(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let new = New::read(command.body()?, false, app.terms())?;
    let stream = known(new.stream.unwrap_or(StreamName::Nothing))?;
    let work = {
        let (app, tenant) = (app.clone(), command.tenant().clone());
        async move { Answer::created(&Data::of(DestinationView::from(make(&app, &tenant, stream, new).await?))) }
    };
    command.run(&app, work).await
}

/// List destinations
#[utoipa::path(get, path = "/api/destinations", tag = "destinations",
    params(("stream_id" = Option<Uuid>, Query, description = "only this stream's"),
        ("platform" = Option<String>, Query, description = "only on this platform"),
        ("is_enabled" = Option<bool>, Query, description = "only those that are, or are not"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 500"),
        ("after" = Option<Uuid>, Query, description = "the `next` of the page before")),
    responses((status = 200, body = Page<DestinationView>), (status = 404, body = ErrorBody)))]
pub async fn list(State(app): State<App>, read: Read) -> Result<Json<Page<DestinationView>>, ApiError> {
    let mut query = Query::read(read.query.as_deref(), &["stream_id", "platform", "is_enabled", "limit", "after"])?;
    let platform: Option<Platform> = query.parsed("platform")?;
    let is_enabled = query.boolean("is_enabled")?;
    let limit = query.whole("limit", 1..=MAX_PAGE)?.unwrap_or(MAX_PAGE);
    let after_id = after(&query)?;
    let stream = query.text("stream_id").map(|text| known(StreamName::of(text))).transpose()?;
    if let Some(stream) = stream {
        require_stream(&app, read.tenant(), stream).await?;
    }
    let request = v1::ListDestinationsRequest {
        tenant_id: read.tenant().0.clone(),
        stream_id: stream.map(|id| id.to_string()).unwrap_or_default(),
        platform: platform.map_or(v1::Platform::Unspecified, v1::Platform::from) as i32,
        is_enabled,
        limit,
        after_id,
    };
    let found = app.upstream.list_destinations(request, app.budget()).await.map_err(of_stream)?.destinations;
    let next = next_page(found.len(), limit, || found.last().map(|d| d.id.clone()));
    Ok(Json(Page { success: true, data: found.into_iter().map(DestinationView::from).collect(), next }))
}

/// Show a destination
#[utoipa::path(get, path = "/api/destinations/{id}", tag = "destinations",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<DestinationView>), (status = 404, body = ErrorBody)))]
pub async fn show(State(app): State<App>, read: Read) -> Result<Json<Data<DestinationView>>, ApiError> {
    let destination = destination_ref(read.tenant(), read.params.destination()?);
    let destination = app.upstream.get_destination(destination, app.budget()).await.map_err(of_destination)?;
    Ok(Json(Data::of(destination.into())))
}

/// Change a destination
///
/// What is left out stays; `settings` and `platform_settings` are each replaced as a whole. A running session takes the
/// change at once, without touching the other destinations; `platform_changes` says which platform settings the platform
/// shows now and which with the next broadcast.
#[utoipa::path(patch, path = "/api/destinations/{id}", tag = "destinations", request_body = ChangedDestinationBody,
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<DestinationView>), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn change(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let wish = Change::read(command.body()?, app.terms())?;
    let destination = command.params.destination()?;
    let work = alter(app.clone(), command.tenant().clone(), destination, wish);
    command.run(&app, work).await
}

/// Remove a destination
///
/// While its stream runs, it is stopped first; the other destinations go on.
#[utoipa::path(delete, path = "/api/destinations/{id}", tag = "destinations",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
pub async fn remove(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let named = destination_ref(command.tenant(), command.params.destination()?);
    let work = {
        let app = app.clone();
        async move {
            app.upstream.delete_destination(named, app.budget()).await.map_err(of_destination)?;
            Answer::ok(&Done { success: true, message: "Destination deleted" })
        }
    };
    command.run(&app, work).await
}

/// Test the connection
///
/// Resolves, connects, checks the certificate and asks to publish, without sending media. Says which step failed.
/// While the destination is live, the last step is left out: it would disturb the stream.
#[utoipa::path(post, path = "/api/destinations/{id}/test", tag = "destinations",
    params(("id" = Uuid, Path, description = "The destination")),
    responses((status = 200, body = Data<TestResult>), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn test(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    command.no_fields()?;
    let named = destination_ref(command.tenant(), command.params.destination()?);
    let work = {
        let app = app.clone();
        async move {
            let budget = Budget::of(app.options.test_timeout);
            let result = app.upstream.test_destination(named, budget).await.map_err(of_destination)?;
            Answer::ok(&Data::of(TestResult::from(result)))
        }
    };
    command.run(&app, work).await
}

/// Makes a destination. A key goes into the vault first: a destination without a key could be started and fail, a key
/// without a destination is never released and is removed again.
pub(super) async fn make(
    app: &App,
    tenant: &TenantId,
    stream: StreamId,
    new: New,
) -> Result<v1::Destination, ApiError> {
    let budget = app.budget();
    platforms::check_configured(app, new.platform, budget).await?;
    require_stream(app, tenant, stream).await?;
    let destination = DestinationId(Uuid::now_v7());
    let request = request(tenant, stream, destination, &new);
    match new.place {
        Place::Server { key, .. } => {
            put_key(app, tenant, destination, &key, budget).await?;
            app.upstream.create_destination(request, budget).await.map_err(|status| {
                cleanup::after_failed_create(app, tenant, cleanup::Thing::Destination(destination), &status);
                of_stream(status)
            })
        }
        Place::Platform { account, .. } => {
            if let Some(name) = account {
                accounts::require_own(app, tenant, new.platform, name, budget).await?;
            }
            app.upstream.create_destination(request, budget).await.map_err(of_stream)
        }
    }
}

fn request(tenant: &TenantId, stream: StreamId, destination: DestinationId, new: &New) -> v1::CreateDestinationRequest {
    let (rtmp_url, account_id, platform_settings) = match &new.place {
        Place::Server { target, .. } => (target.to_string(), String::new(), None),
        Place::Platform { account, settings } => {
            let account = account.map(AccountName::to_wire).unwrap_or_default();
            (String::new(), account, Some(settings.clone().into()))
        }
    };
    v1::CreateDestinationRequest {
        tenant_id: tenant.0.clone(),
        destination_id: destination.to_string(),
        stream_id: stream.to_string(),
        platform: v1::Platform::from(new.platform) as i32,
        name: new.name.clone(),
        is_enabled: new.is_enabled,
        settings: Some(new.settings.clone().into()),
        rtmp_url,
        account_id,
        platform_settings,
    }
}

/// A destination's platform.
pub(super) fn platform_of(destination: &v1::Destination) -> Result<Platform, ApiError> {
    v1::Platform::to_domain(destination.platform).map_err(|malformed| {
        tracing::error!(%malformed, "the orchestrator sent a destination that can't be");
        ApiError::internal()
    })
}

async fn alter(app: App, tenant: TenantId, destination: DestinationId, wish: Change) -> Result<Answer, ApiError> {
    let budget = app.budget();
    let named = destination_ref(&tenant, destination);
    let before = app.upstream.get_destination(named, budget).await.map_err(of_destination)?;
    let platform = platform_of(&before)?;
    let stored = before.platform_settings.clone().map(read_settings).unwrap_or_default();
    wish.check_platform(platform, &stored, app.terms())?;
    if let Some(name) = wish.wishes.account {
        accounts::require_own(&app, &tenant, platform, name, budget).await?;
    }
    if let Some(key) = &wish.wishes.key {
        put_key(&app, &tenant, destination, key, budget).await?;
    }
    let Change { name, is_enabled, settings, wishes } = wish;
    let platform_settings = wishes.settings;
    let request = v1::UpdateDestinationRequest {
        tenant_id: tenant.0.clone(),
        destination_id: destination.to_string(),
        name,
        is_enabled,
        settings: settings.map(v1::Settings::from),
        rtmp_url: wishes.target.map(|url| url.to_string()),
        key_changed: wishes.key.is_some(),
        account_id: wishes.account.map(AccountName::to_wire),
        platform_settings: platform_settings.clone().map(v1::PlatformSettings::from),
    };
    let changed = app.upstream.update_destination(request, budget).await.map_err(of_destination)?;
    let outcome = match platform_settings {
        None => None,
        Some(_) => Some(platform_changes::after_update(&app, &tenant, &before, &changed).await),
    };
    let view = DestinationView { platform_changes: outcome, ..DestinationView::from(changed) };
    Answer::ok(&Data::of(view))
}

async fn put_key(
    app: &App,
    tenant: &TenantId,
    destination: DestinationId,
    key: &secret::StreamKey,
    budget: Budget,
) -> Result<(), ApiError> {
    let request = v1::PutStreamKeyRequest {
        tenant_id: tenant.0.clone(),
        destination_id: destination.to_string(),
        stream_key: key.expose().to_owned(),
    };
    app.upstream.put_stream_key(request, budget).await.map(|_| ()).map_err(of_destination)
}
