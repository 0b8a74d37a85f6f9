//! A request that changes something. Its work runs to the end also when the client goes away in the middle, so that
//! nothing is left half made, and at most once per `Idempotency-Key`.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::ids::{StreamId, TenantId};
use secret::Zeroizing;
use serde::Serialize;
use serde_json::Value;
use tracing::Instrument;

use super::{Params, admit, body};
use crate::{
    app::App,
    auth::{Identity, Scope},
    codes,
    error::ApiError,
    idempotency::{self, Claim},
};

/// A request that changes something: token, scope, rate, headers and body are checked.
#[derive(Debug)]
pub struct Command {
    /// Who asks.
    pub identity: Identity,
    /// The ids in the path.
    pub params: Params,
    /// The query, undecoded.
    pub query: Option<String>,
    body: Option<Value>,
    claim: Option<Claim>,
}

/// What a command is answered with. A secret is kept apart from the body until the very end.
#[derive(Debug)]
pub struct Answer {
    /// 200 or 201.
    pub status: StatusCode,
    /// The JSON; with an ingest key, an empty string stands in its place.
    pub body: String,
    /// The ingest key and where it goes.
    pub ingest_key: Option<(IngestKeyAt, Zeroizing<String>)>,
}

/// Where in an answer an ingest key belongs, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestKeyAt {
    /// The stream.
    pub stream: StreamId,
    /// A JSON pointer into the body.
    pub pointer: &'static str,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::with(StatusCode::OK, body)
    }

    /// 201 with a body.
    pub fn created(body: &impl Serialize) -> Result<Self, ApiError> {
        Self::with(StatusCode::CREATED, body)
    }

    fn with(status: StatusCode, body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(no_json)?;
        Ok(Self { status, body, ingest_key: None })
    }

    /// The same answer with an ingest key to be filled in.
    pub fn with_ingest_key(mut self, at: IngestKeyAt, key: Zeroizing<String>) -> Self {
        self.ingest_key = Some((at, key));
        self
    }

    /// The answer on the wire, key included.
    ///
    /// # Errors
    /// 500: the body has no place for the key.
    pub fn into_response(self) -> Result<Response, ApiError> {
        let body = match self.ingest_key {
            None => self.body,
            Some((at, key)) => {
                let mut body: Value = serde_json::from_str(&self.body).map_err(no_json)?;
                *body.pointer_mut(at.pointer).ok_or_else(ApiError::internal)? = Value::String(key.to_string());
                body.to_string()
            }
        };
        let json = HeaderValue::from_static("application/json");
        Ok((self.status, [(header::CONTENT_TYPE, json)], body).into_response())
    }
}

fn no_json(error: serde_json::Error) -> ApiError {
    tracing::error!(%error, "an answer can't be JSON");
    ApiError::internal()
}

impl Command {
    /// Who owns what is changed.
    pub fn tenant(&self) -> &TenantId {
        &self.identity.tenant
    }

    /// The body, on routes that need one.
    ///
    /// # Errors
    /// 400 when there is none.
    pub fn body(&self) -> Result<&Value, ApiError> {
        self.body.as_ref().ok_or_else(|| {
            ApiError::bad_request(codes::BODY_MISSING, "Send a JSON body with Content-Type: application/json.")
        })
    }

    /// The body, on routes where it may be left out.
    pub fn optional_body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// Nothing, or an empty object, on routes that take no fields.
    ///
    /// # Errors
    /// 422 for anything else.
    pub fn no_fields(&self) -> Result<(), ApiError> {
        self.body.as_ref().map_or(Ok(()), |body| crate::fields::Fields::of(body)?.finish())
    }

    /// Does the work, or answers for it when its idempotency key has been used before. `work` has done nothing yet: it
    /// starts when it is first polled.
    ///
    /// # Errors
    /// Those of the work; 400, 409 and 422 for the idempotency key; 500 when the work panics.
    pub async fn run<W>(self, app: &App, work: W) -> Result<Response, ApiError>
    where
        W: Future<Output = Result<Answer, ApiError>> + Send + 'static,
    {
        let task = idempotency::once(app.clone(), self.identity.tenant, self.claim, Box::pin(work));
        let task = app.shutdown.tasks.spawn(task.instrument(tracing::Span::current()));
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a command panicked");
            Err(ApiError::internal())
        })
    }
}

impl FromRequest<App> for Command {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (mut parts, stream) = request.into_parts();
        let identity = admit(&parts, app, Scope::Full).await?;
        let params = Params::of(&mut parts).await;
        let key = if parts.method == Method::POST { idempotency::key(&parts.headers)? } else { None };
        let bytes = Zeroizing::new(body::read(&parts.headers, stream, app.options.max_body_bytes).await?.to_vec());
        // A DELETE's body has no meaning (RFC 9110 §9.3.5).
        let body = if parts.method == Method::DELETE { None } else { body::json(&parts.headers, &bytes)? };
        let claim = key.map(|key| Claim::new(key, &parts.method, &parts.uri, &bytes));
        Ok(Self { identity, params, query: parts.uri.query().map(str::to_owned), body, claim })
    }
}
