//! What a handler gets of a request, checked in one order on every route: token, scope, rate, headers, body; then, by
//! the handler, path ids and fields. So a stranger learns nothing from any path, and a bad request costs nothing.

mod body;
mod command;
mod params;
mod upload;

use axum::{extract::FromRequestParts, http::request::Parts};
use domain::ids::TenantId;

pub use command::{Answer, Command, IngestKeyAt};
pub use params::Params;
pub use upload::{Picture, Upload};

use crate::{
    app::App,
    auth::{self, Identity, Scope},
    error::ApiError,
};

/// A request that changes nothing.
#[derive(Debug)]
pub struct Read {
    /// Who asks.
    pub identity: Identity,
    /// The ids in the path.
    pub params: Params,
    /// The query, undecoded.
    pub query: Option<String>,
}

impl Read {
    /// Who owns what is asked for.
    pub fn tenant(&self) -> &TenantId {
        &self.identity.tenant
    }

    /// Refuses callers that may only look.
    ///
    /// # Errors
    /// 403.
    pub fn require_full_scope(&self) -> Result<(), ApiError> {
        auth::require(&self.identity, Scope::Full)
    }
}

impl FromRequestParts<App> for Read {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let identity = admit(parts, app, Scope::Read).await?;
        let params = Params::of(parts).await;
        Ok(Self { identity, params, query: parts.uri.query().map(str::to_owned) })
    }
}

/// Token, scope, rate.
async fn admit(parts: &Parts, app: &App, needed: Scope) -> Result<Identity, ApiError> {
    let identity = app.auth.identify(&parts.headers, app.now_s()).await?;
    tracing::Span::current().record("tenant", identity.tenant.as_str());
    app.rates.tenant(&identity.tenant)?;
    auth::require(&identity, needed)?;
    Ok(identity)
}
