//! Signing in to a platform: where the person is sent, and what becomes of the code they come back with.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use domain::{ids::DestinationId, ids::TenantId, platform::Platform};
use secret::{ExposeSecret, SecretString};
use wire::v1;

use super::{
    destinations::{make, platform_of},
    of_account, of_destination,
    streams::{known, require_stream},
};
use crate::{
    app::App,
    codes::{INVALID, UNAVAILABLE},
    error::{ApiError, ErrorBody, NotFound},
    input::{
        AccountName, StreamName,
        destination::{New, Place},
        exchange::{Denied, Ended, Exchange, ExchangeBody, Goal},
    },
    platforms,
    request::{Answer, Command, Read},
    upstream::{Budget, destination_ref},
    view::{
        Data,
        account::{LinkedDestination, SignIn},
    },
};

/// Get the address where a person signs in
///
/// Send the person to `authUrl`. The platform sends them back to your redirect URI with `code` and `state`: compare the
/// state, then *Exchange a code*. An address is good for ten minutes and once.
#[utoipa::path(get, path = "/api/destinations/platforms/{platform}/auth-url", tag = "accounts",
    params(("platform" = String, Path, description = "youtube, twitch or facebook")),
    responses((status = 200, body = Data<SignIn>), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
pub async fn auth_url(State(app): State<App>, read: Read) -> Result<Json<Data<SignIn>>, ApiError> {
    read.require_full_scope()?;
    let platform = read.params.platform()?;
    let budget = app.budget();
    platforms::check_sign_in(&app, platform, budget).await?;
    let request =
        v1::BeginLinkRequest { tenant_id: read.tenant().0.clone(), platform: v1::Platform::from(platform) as i32 };
    let begun = app.upstream.begin_link(request, budget).await.map_err(of_account)?;
    Ok(Json(Data::of(SignIn { auth_url: begun.auth_url, state: begun.state })))
}

/// Exchange a code for a linked account
///
/// Links the account and makes a destination of it, or gives it to one that exists (`destination_id`, then 200). The
/// account serves further destinations by its id, without signing in again. When the platform sent `error` instead of a
/// code, send that: the answer says what to do.
#[utoipa::path(post, path = "/api/destinations/platforms/{platform}/exchange-token", tag = "accounts",
    request_body = ExchangeBody,
    params(("platform" = String, Path, description = "youtube, twitch or facebook"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 200, description = "An existing destination has the account now", body = Data<LinkedDestination>),
        (status = 201, description = "A destination was made", body = Data<LinkedDestination>),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn exchange(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let platform = command.params.platform()?;
    if !platforms::has_accounts(platform) {
        return Err(platforms::without_oauth(platform));
    }
    let (tenant, ended) = (command.tenant().clone(), Exchange::read(command.body()?, platform, app.terms())?);
    let work = {
        let app = app.clone();
        async move {
            match ended {
                Ended::Allowed(exchange) => link(app, tenant, platform, exchange).await,
                Ended::Denied(denied) => give_up(app, tenant, platform, denied).await,
            }
        }
    };
    command.run(&app, work).await
}

/// Uses the sign-in up, so that the next one is not one of two. If that does not work, it ends by itself in ten minutes.
async fn give_up(app: App, tenant: TenantId, platform: Platform, denied: Denied) -> Result<Answer, ApiError> {
    let budget = app.budget();
    platforms::check_sign_in(&app, platform, budget).await?;
    let _used_up = finish(&app, &tenant, platform, &SecretString::default(), denied.state.as_ref(), budget).await;
    Err(denied.answer)
}

/// All that can be refused is refused before the code is spent: it works only once.
async fn link(app: App, tenant: TenantId, platform: Platform, exchange: Exchange) -> Result<Answer, ApiError> {
    platforms::check_sign_in(&app, platform, app.budget()).await?;
    let budget = app.platform_budget();
    match exchange.goal {
        Goal::New { stream, name, is_enabled, settings, platform_settings } => {
            let id = known(stream)?;
            require_stream(&app, &tenant, id).await?;
            let account = finish(&app, &tenant, platform, &exchange.code, exchange.state.as_ref(), budget).await?;
            let place = Place::Platform { account: None, settings: *platform_settings };
            let new = New { stream: Some(stream), platform, name, is_enabled, settings, place }
                .with_account(AccountName::of(&account.id));
            let made = make(&app, &tenant, id, new).await.map_err(|refused| but_linked(refused, &account))?;
            Answer::created(&Data::of(LinkedDestination::of(made, account)))
        }
        Goal::Existing { destination, stream, name } => {
            require_fit(&app, &tenant, platform, destination, stream, budget).await?;
            let account = finish(&app, &tenant, platform, &exchange.code, exchange.state.as_ref(), budget).await?;
            let request = v1::UpdateDestinationRequest {
                tenant_id: tenant.0.clone(),
                destination_id: destination.to_string(),
                name,
                account_id: Some(account.id.clone()),
                ..Default::default()
            };
            let changed = app.upstream.update_destination(request, app.budget()).await;
            let changed = changed.map_err(|status| but_linked(of_destination(status), &account))?;
            Answer::ok(&Data::of(LinkedDestination::of(changed, account)))
        }
    }
}

async fn finish(
    app: &App,
    tenant: &TenantId,
    platform: Platform,
    code: &SecretString,
    state: Option<&SecretString>,
    budget: Budget,
) -> Result<v1::Account, ApiError> {
    let request = v1::FinishLinkRequest {
        tenant_id: tenant.0.clone(),
        platform: v1::Platform::from(platform) as i32,
        code: code.expose_secret().to_owned(),
        state: state.map(|state| state.expose_secret().to_owned()).unwrap_or_default(),
    };
    app.upstream.finish_link(request, budget).await.map_err(of_account)
}

/// The destination that is to take the account: the tenant's own, of the platform, and of the stream if one is named.
async fn require_fit(
    app: &App,
    tenant: &TenantId,
    platform: Platform,
    id: DestinationId,
    stream: Option<StreamName>,
    budget: Budget,
) -> Result<(), ApiError> {
    let named = destination_ref(tenant, id);
    let destination = app.upstream.get_destination(named, budget).await.map_err(of_destination)?;
    if platform_of(&destination)? != platform {
        return Err(ApiError::field("destination_id", INVALID, format!("is not a destination on {platform}")));
    }
    match stream {
        Some(StreamName::Id(stream)) if stream.to_string() != destination.stream_id => {
            Err(ApiError::not_found(NotFound::Destination))
        }
        Some(StreamName::Nothing) => Err(ApiError::not_found(NotFound::Destination)),
        _ => Ok(()),
    }
}

/// The code is spent and the account linked, though the rest did not work: says how to go on without another sign-in.
fn but_linked(refused: ApiError, account: &v1::Account) -> ApiError {
    if refused.status() != StatusCode::SERVICE_UNAVAILABLE && !refused.status().is_server_error() {
        return refused;
    }
    let message = format!(
        "The account is linked, but the destination could not be stored just now. Do not sign in again: create or change \
         the destination with account_id {}.",
        account.id
    );
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, message).with_retry_after(2)
}
