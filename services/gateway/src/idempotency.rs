//! `Idempotency-Key`: a POST that is repeated with the same key is done once, and answered twice.
//!
//! The orchestrator keeps the keys, so all gateways agree. Only good answers are kept: after any error the key is given
//! back and the request may be repeated. An answer with an ingest key is kept without it; a replay asks the vault
//! again, so the key is nowhere but there (and a replay after a rotation shows the key that works now).

use std::{future::Future, pin::Pin, time::Duration};

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    response::Response,
};
use domain::ids::{StreamId, TenantId};
use ring::digest;
use secret::Zeroizing;
use serde::{Deserialize, Serialize};
use wire::v1::{self, begin_idempotent_response::Outcome};

use crate::{
    app::App,
    codes,
    error::{ApiError, NotFound},
    metric,
    request::{Answer, IngestKeyAt},
    upstream::{Budget, refusal},
};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;
/// How long keeping the answer may take. The client waits for it: a replay must not come before it.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// The places in answers where an ingest key may be.
pub const STREAM_INGEST_KEY: &str = "/data/ingest/key";
/// See [`STREAM_INGEST_KEY`].
pub const ROTATED_INGEST_KEY: &str = "/data/key";

/// A key and the digest of the request it was used with.
#[derive(Clone, Debug)]
pub struct Claim {
    key: String,
    fingerprint: Vec<u8>,
}

impl Claim {
    /// Of one request. The digest covers method, path, query and the body's bytes.
    pub fn new(key: String, method: &Method, uri: &Uri, body: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in
            [method.as_str().as_bytes(), uri.path().as_bytes(), uri.query().unwrap_or_default().as_bytes(), body]
        {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Self { key, fingerprint: context.finish().as_ref().to_vec() }
    }
}

/// The request's key, if it has one.
///
/// # Errors
/// 400 unless it is one header of 1 to 255 visible ASCII characters.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut all = headers.get_all("idempotency-key").iter();
    let Some(first) = all.next() else { return Ok(None) };
    let bytes = first.as_bytes();
    let good =
        all.next().is_none() && (1..=MAX_KEY_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match first.to_str() {
        Ok(text) if good => Ok(Some(text.to_owned())),
        _ => {
            let message = "Idempotency-Key must be 1 to 255 visible ASCII characters, for example a UUID.";
            Err(ApiError::bad_request(codes::IDEMPOTENCY_KEY_INVALID, message))
        }
    }
}

/// Work that has not begun.
pub type Work = Pin<Box<dyn Future<Output = Result<Answer, ApiError>> + Send>>;

/// Does the work unless the claim's key says that it was done, is being done, or was something else.
///
/// # Errors
/// Those of the work; 409 while the first request runs; 422 for a key of another request.
pub async fn once(app: App, tenant: TenantId, claim: Option<Claim>, work: Work) -> Result<Response, ApiError> {
    let Some(claim) = claim else { return work.await?.into_response() };
    let begin = v1::BeginIdempotentRequest {
        tenant_id: tenant.0.clone(),
        key: claim.key.clone(),
        fingerprint: claim.fingerprint,
    };
    let begun = app.upstream.begin_idempotent(begin, app.budget()).await.map_err(|s| refusal(&s, NotFound::Route))?;
    match begun.outcome() {
        Outcome::New => {
            let answer = work.await;
            finish(&app, &tenant, claim.key, answer.as_ref().ok()).await;
            answer?.into_response()
        }
        Outcome::Replay => replay(&app, &tenant, &begun).await,
        Outcome::InFlight => {
            let message = "The first request with this Idempotency-Key is still running. Ask again in a moment.";
            Err(ApiError::new(StatusCode::CONFLICT, codes::IDEMPOTENCY_IN_FLIGHT, message).with_retry_after(1))
        }
        Outcome::Mismatch => {
            let message = "This Idempotency-Key was used with another request. Use a new key for a new request.";
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, codes::IDEMPOTENCY_KEY_REUSED, message))
        }
        Outcome::Unspecified => {
            tracing::error!("the orchestrator gave no outcome for an idempotency key");
            Err(ApiError::internal())
        }
    }
}

/// What is kept of an answer.
#[derive(Serialize, Deserialize)]
struct Stored {
    body: String,
    /// An ingest key belongs into it: whose, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reveal: Option<Reveal>,
}

#[derive(Serialize, Deserialize)]
struct Reveal {
    stream: StreamId,
    pointer: String,
}

/// Keeps a good answer, or gives the key back. If neither works, the key stays claimed until the orchestrator lets it
/// go, and repeats are answered with 409 until then: late, but never twice.
async fn finish(app: &App, tenant: &TenantId, key: String, answer: Option<&Answer>) {
    let stored = answer.and_then(|answer| {
        let reveal = answer.ingest_key.as_ref();
        let reveal = reveal.map(|(at, _)| Reveal { stream: at.stream, pointer: at.pointer.to_owned() });
        let body = serde_json::to_vec(&Stored { body: answer.body.clone(), reveal }).ok()?;
        Some((u32::from(answer.status.as_u16()), body))
    });
    let forget = stored.is_none();
    let (status, body) = stored.unwrap_or_default();
    let request = v1::FinishIdempotentRequest { tenant_id: tenant.0.clone(), key, status, body, forget };
    if let Err(status) = app.upstream.finish_idempotent(request, Budget::of(FINISH_TIMEOUT)).await {
        tracing::warn!(code = ?status.code(), "an idempotency key could not be settled");
    }
}

async fn replay(app: &App, tenant: &TenantId, begun: &v1::BeginIdempotentResponse) -> Result<Response, ApiError> {
    let stored = serde_json::from_slice::<Stored>(&begun.body).ok();
    let status = u16::try_from(begun.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(stored), Some(status)) = (stored, status) else {
        tracing::error!("a kept answer can't be read");
        return Err(ApiError::internal());
    };
    let mut answer = Answer { status, body: stored.body, ingest_key: None };
    if let Some(reveal) = stored.reveal {
        let pointer = [STREAM_INGEST_KEY, ROTATED_INGEST_KEY].into_iter().find(|p| *p == reveal.pointer);
        let request = v1::IngestKeyRequest { tenant_id: tenant.0.clone(), stream_id: reveal.stream.to_string() };
        let key =
            app.upstream.reveal_ingest_key(request, app.budget()).await.map_err(|s| refusal(&s, NotFound::Stream))?;
        let at = IngestKeyAt { stream: reveal.stream, pointer: pointer.ok_or_else(ApiError::internal)? };
        answer = answer.with_ingest_key(at, Zeroizing::new(key.key));
    }
    metrics::counter!(metric::REPLAYED).increment(1);
    let mut response = answer.into_response()?;
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&[u8]], expected: Result<Option<&str>, ()>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("idempotency-key", HeaderValue::from_bytes(value).unwrap());
        }
        assert_eq!(key(&headers).map_err(|_| ()), expected.map(|k| k.map(str::to_owned)), "{values:?}");
    }

    #[test]
    fn keys() {
        check(&[], Ok(None));
        check(&[b"a"], Ok(Some("a")));
        check(&[&[b'~'; 255]], Ok(Some(&"~".repeat(255))));
        check(&[b""], Err(()));
        check(&[&[b'a'; 256]], Err(()));
        check(&[b"a b"], Err(()));
        check(&[b"a\tb"], Err(()));
        check(&[b"\xff"], Err(()));
        check(&[b"a", b"a"], Err(()));
    }

    #[test]
    fn a_fingerprint_covers_all_parts() {
        let claim = |method: &Method, uri: &str, body: &[u8]| {
            Claim::new("k".into(), method, &uri.parse().unwrap(), body).fingerprint
        };
        let base = claim(&Method::POST, "/a?b", b"c");
        assert_eq!(base, claim(&Method::POST, "/a?b", b"c"));
        for other in [
            claim(&Method::PUT, "/a?b", b"c"),
            claim(&Method::POST, "/a", b"c"),
            claim(&Method::POST, "/a?bc", b""),
            claim(&Method::POST, "/a?b", b"d"),
        ] {
            assert_ne!(base, other);
        }
    }
}
