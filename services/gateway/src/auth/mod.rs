//! Who is calling: a bearer JWT whose `sub` owns what it makes.

pub mod jwks;
pub mod ring_provider;
pub mod token;

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::{codes, error::ApiError};

pub use token::{Identity, Scope};

/// The shortest HS256 secret that is taken (RFC 7518 §3.2: at least the size of the hash).
pub const MIN_SECRET_BYTES: usize = 32;

/// Checks bearer tokens. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    keys: Keys,
    policy: Arc<token::Policy>,
}

/// Where the keys come from: one secret, or an issuer. Never both, so no token can choose.
#[derive(Clone)]
pub enum Keys {
    /// HS256 with a shared secret.
    Secret(Arc<DecodingKey>),
    /// RS256 and ES256 with an issuer's public keys.
    Issuer(jwks::Jwks),
}

impl Authenticator {
    /// An authenticator. Installs ring as the provider of jsonwebtoken.
    pub fn new(keys: Keys, policy: token::Policy) -> Self {
        ring_provider::install();
        Self { keys, policy: Arc::new(policy) }
    }

    /// Who the request's only `Authorization: Bearer` header says is calling.
    ///
    /// # Errors
    /// 401 for anything but one valid token; 503 while there are no keys to check it with.
    pub async fn identify(&self, headers: &HeaderMap, now_s: i64) -> Result<Identity, ApiError> {
        let token = bearer(headers)?;
        let refuse = |invalid: token::Invalid| {
            metrics::counter!(crate::metric::TOKENS_REFUSED, "reason" => invalid.to_string()).increment(1);
            tracing::debug!(reason = %invalid, "token refused");
            ApiError::unauthorized("The bearer token is not valid. Get a new one and try again.")
        };
        let (kid, algorithm) = token::peek(token).map_err(refuse)?;
        let (key, algorithm) = match &self.keys {
            Keys::Secret(key) => (key.clone(), Algorithm::HS256),
            Keys::Issuer(jwks) => match jwks.key(kid.as_deref(), algorithm).await {
                Ok(key) => (key, algorithm),
                Err(jwks::Error::UnknownKey) => return Err(refuse(token::Invalid::UnknownKey)),
                Err(jwks::Error::Unreachable) => return Err(no_keys()),
            },
        };
        token::verify(token, &key, algorithm, &self.policy, now_s).map_err(refuse)
    }
}

/// Refuses a caller whose scope does not cover `needed`.
///
/// # Errors
/// 403.
pub fn require(identity: &Identity, needed: Scope) -> Result<(), ApiError> {
    if identity.scope >= needed {
        return Ok(());
    }
    let (challenge, message) = match needed {
        Scope::Read | Scope::None => (
            "Bearer realm=\"exprsn-live\", error=\"insufficient_scope\", scope=\"live:read\"",
            "The token's scope must contain live or live:read for this.",
        ),
        Scope::Full => (
            "Bearer realm=\"exprsn-live\", error=\"insufficient_scope\", scope=\"live\"",
            "The token's scope must contain live for this.",
        ),
    };
    let challenge = header::HeaderValue::from_static(challenge);
    Err(ApiError::new(StatusCode::FORBIDDEN, codes::INSUFFICIENT_SCOPE, message)
        .with_header(header::WWW_AUTHENTICATE, challenge))
}

/// The token of the one `Authorization` header. Two headers are refused: a proxy and we might pick different ones.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || ApiError::unauthorized("Send one header: Authorization: Bearer, followed by a token.");
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return Err(missing()) };
    let text = only.to_str().map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    Ok(token)
}

fn no_keys() -> ApiError {
    let message = "Tokens can't be checked just now, because the issuer's keys can't be fetched. Try again.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, codes::AUTH_UNAVAILABLE, message).with_retry_after(5)
}
