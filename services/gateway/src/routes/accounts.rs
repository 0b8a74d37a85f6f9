//! Linked accounts: list, show, unlink, renew a token.

use axum::{Json, extract::State, response::Response};
use domain::{
    ids::{DestinationId, TenantId},
    platform::Platform,
};
use wire::v1;

use super::{destinations::platform_of, of_account, of_destination};
use crate::{
    app::App,
    codes::{ACCOUNT_AMBIGUOUS, ACCOUNT_NOT_FOUND, ACCOUNT_NOT_LINKED, INVALID},
    error::{ApiError, ErrorBody, NotFound},
    input::{AccountId, AccountName, query::Query},
    platforms,
    request::{Answer, Command, Read},
    upstream::{Budget, destination_ref},
    view::{
        Data,
        account::{AccountView, LinkedDestination, Unlinked},
    },
};

/// List linked accounts
#[utoipa::path(get, path = "/api/accounts", tag = "accounts",
    params(("platform" = Option<String>, Query, description = "only those of this platform")),
    responses((status = 200, body = Data<Vec<AccountView>>), (status = 422, body = ErrorBody)))]
pub async fn list(State(app): State<App>, read: Read) -> Result<Json<Data<Vec<AccountView>>>, ApiError> {
    let query = Query::read(read.query.as_deref(), &["platform"])?;
    let platform: Option<Platform> = query.parsed("platform")?;
    let accounts = linked(&app, read.tenant(), platform, app.budget()).await?;
    Ok(Json(Data::of(accounts.into_iter().map(AccountView::from).collect())))
}

/// Show a linked account
#[utoipa::path(get, path = "/api/accounts/{id}", tag = "accounts",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, body = Data<AccountView>), (status = 404, body = ErrorBody)))]
pub async fn show(State(app): State<App>, read: Read) -> Result<Json<Data<AccountView>>, ApiError> {
    let account = require(&app, read.tenant(), read.params.account()?, app.budget()).await?;
    Ok(Json(Data::of(account.into())))
}

/// Unlink an account
///
/// Withdraws our access at the platform and forgets every token. Destinations of the account stay; they need another one
/// before they can start again.
#[utoipa::path(delete, path = "/api/accounts/{id}", tag = "accounts",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, body = Data<Unlinked>), (status = 404, body = ErrorBody)))]
pub async fn unlink(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    let named = account_ref(command.tenant(), command.params.account()?);
    let work = {
        let app = app.clone();
        async move {
            let id = named.account_id.clone();
            let unlinked = app.upstream.unlink(named, app.platform_budget()).await.map_err(of_account)?;
            Answer::ok(&Data::of(Unlinked { id, revoked: unlinked.revoked }))
        }
    };
    command.run(&app, work).await
}

/// Renew the token of a destination's account
///
/// Not needed in daily life: tokens are renewed by themselves before they end.
#[utoipa::path(post, path = "/api/destinations/{id}/refresh-token", tag = "accounts",
    params(("id" = Uuid, Path, description = "The destination"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats with the same key are done once")),
    responses((status = 200, body = Data<LinkedDestination>), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn refresh_token(State(app): State<App>, command: Command) -> Result<Response, ApiError> {
    command.no_fields()?;
    let work = refresh(app.clone(), command.tenant().clone(), command.params.destination()?);
    command.run(&app, work).await
}

async fn refresh(app: App, tenant: TenantId, destination: DestinationId) -> Result<Answer, ApiError> {
    let budget = app.platform_budget();
    let named = destination_ref(&tenant, destination);
    let destination = app.upstream.get_destination(named, budget).await.map_err(of_destination)?;
    let platform = platform_of(&destination)?;
    if !platforms::has_accounts(platform) {
        return Err(platforms::without_oauth(platform));
    }
    let account_id = match destination.account_id.as_str() {
        "" => only(linked(&app, &tenant, Some(platform), budget).await?, platform)?.id,
        chosen => chosen.to_owned(),
    };
    let named = v1::AccountRef { tenant_id: tenant.0.clone(), account_id };
    let account =
        app.upstream.refresh_token(named, budget).await.map_err(|status| unlinked(of_account(status), platform))?;
    Answer::ok(&Data::of(LinkedDestination::of(destination, account)))
}

/// The account that a body names, if it is the tenant's own and of the platform.
///
/// # Errors
/// 404 for an unknown or foreign one; 422 for one of another platform.
pub(super) async fn require_own(
    app: &App,
    tenant: &TenantId,
    platform: Platform,
    name: AccountName,
    budget: Budget,
) -> Result<v1::Account, ApiError> {
    let AccountName::Id(id) = name else { return Err(ApiError::not_found(NotFound::Account)) };
    let account = require(app, tenant, id, budget).await?;
    if v1::Platform::to_domain(account.platform) == Ok(platform) {
        return Ok(account);
    }
    Err(ApiError::field("account_id", INVALID, format!("is an account of another platform than {platform}")))
}

async fn require(app: &App, tenant: &TenantId, id: AccountId, budget: Budget) -> Result<v1::Account, ApiError> {
    let id = id.0.to_string();
    let found = linked(app, tenant, None, budget).await?.into_iter().find(|account| account.id == id);
    found.ok_or_else(|| ApiError::not_found(NotFound::Account))
}

async fn linked(
    app: &App,
    tenant: &TenantId,
    platform: Option<Platform>,
    budget: Budget,
) -> Result<Vec<v1::Account>, ApiError> {
    let platform = platform.map_or(v1::Platform::Unspecified, v1::Platform::from) as i32;
    let request = v1::ListAccountsRequest { tenant_id: tenant.0.clone(), platform };
    Ok(app.upstream.list_accounts(request, budget).await.map_err(of_account)?.accounts)
}

/// A destination that is there, with an account that is not, lacks an account.
fn unlinked(refused: ApiError, platform: Platform) -> ApiError {
    if refused.code() == ACCOUNT_NOT_FOUND {
        let message =
            format!("This destination's account is not linked any more. Sign in to {platform} again and choose it.");
        return conflict(ACCOUNT_NOT_LINKED, message);
    }
    refused
}

fn conflict(code: &'static str, message: String) -> ApiError {
    ApiError::new(axum::http::StatusCode::CONFLICT, code, message)
}

fn only(mut accounts: Vec<v1::Account>, platform: Platform) -> Result<v1::Account, ApiError> {
    match (accounts.pop(), accounts.is_empty()) {
        (Some(account), true) => Ok(account),
        (Some(_), false) => {
            let message = format!("Several {platform} accounts are linked. Choose the destination's account_id.");
            Err(conflict(ACCOUNT_AMBIGUOUS, message))
        }
        (None, _) => {
            Err(conflict(ACCOUNT_NOT_LINKED, format!("No {platform} account is linked. Sign in to {platform} first.")))
        }
    }
}

fn account_ref(tenant: &TenantId, account: AccountId) -> v1::AccountRef {
    v1::AccountRef { tenant_id: tenant.0.clone(), account_id: account.0.to_string() }
}
