//! The outermost layer: request id, trace, metrics, security headers, and the JSON of every error.

use std::net::SocketAddr;

use axum::{
    Json,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use crate::{app::App, error::ApiError, metric};

/// Names a request, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is taken from a client.
const MAX_ID_BYTES: usize = 64;
/// Nothing may run or load in an API answer that somebody opens in a browser.
const CSP_API: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// The API page: its own scripts and styles, talking to its own host. Swagger UI sets inline styles.
const CSP_DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                        connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Wraps every request.
pub async fn edge(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().as_str().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = span(&method, &route, &id, request.headers());
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| log(&response, &method, &route, begun));
    response = with_error_body(response, &id);
    add_headers(response.headers_mut(), &route, &id);
    response
}

/// Bounds what one address may ask, before anything is looked at.
///
/// # Errors
/// 429.
pub async fn limit_address(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        app.rates.address(peer.ip())?;
    }
    Ok(next.run(request).await)
}

/// What a handler's panic is answered with. The panic itself is in the log.
pub fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("?"), "a handler panicked");
    ApiError::internal().into_response()
}

/// A sane id of the client's, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        (1..=MAX_ID_BYTES).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let mut all = headers.get_all(X_REQUEST_ID).iter();
    match (all.next(), all.next()) {
        (Some(only), None) if sane(only) => only.clone(),
        // The text of a UUID is a header value.
        _ => HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("none")),
    }
}

fn span(method: &str, route: &str, id: &HeaderValue, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        request_id = id.to_str().unwrap_or_default(),
        tenant = Empty,
        trace_id = Empty,
    );
    service_kit::trace::set_parent_from(&span, headers);
    span
}

fn log(response: &Response, method: &str, route: &str, begun: Instant) {
    let status = response.status();
    let took = begun.elapsed();
    let code = response.extensions().get::<ApiError>().map_or("", ApiError::code);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if status.is_server_error() {
        tracing::warn!(status = status.as_u16(), code, took_ms, "answered");
    } else {
        tracing::debug!(status = status.as_u16(), code, took_ms, "answered");
    }
    let (method, route) = (known_method(method), route.to_owned());
    metrics::histogram!(metric::REQUEST_SECONDS, "route" => route.clone()).record(took.as_secs_f64());
    metrics::counter!(metric::REQUESTS, "route" => route, "method" => method, "status" => status.as_u16().to_string())
        .increment(1);
}

/// Methods are the client's text: a label has a bounded set of values.
fn known_method(method: &str) -> &'static str {
    ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"].into_iter().find(|m| *m == method).unwrap_or("other")
}

fn with_error_body(mut response: Response, id: &HeaderValue) -> Response {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let (mut parts, _) = response.into_parts();
    let body = Json(error.body(id.to_str().unwrap_or_default())).into_response();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, body.into_body())
}

fn add_headers(headers: &mut HeaderMap, route: &str, id: &HeaderValue) {
    let is_docs = route.starts_with("/api/docs");
    let csp = if is_docs { CSP_DOCS } else { CSP_API };
    headers.insert(X_REQUEST_ID, id.clone());
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if !is_docs {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// What a path that nothing answers to is answered with.
pub async fn no_route() -> ApiError {
    ApiError::not_found(crate::error::NotFound::Route)
}

/// What another method than the route's is answered with; axum adds `Allow`.
pub async fn no_method() -> ApiError {
    let message = "This path takes other methods; the Allow header lists them.";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, crate::codes::METHOD_NOT_ALLOWED, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], kept: bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, value.parse().unwrap());
        }
        let id = request_id(&headers);
        assert_eq!(values.first().is_some_and(|v| id.as_bytes() == v.as_bytes()), kept, "{values:?}");
        assert!(!id.is_empty());
    }

    #[test]
    fn takes_sane_ids_only() {
        check(&["0190b3c4-7a6e-7cc3-8a11-2f6f0a1b2c3d"], true);
        check(&["a"], true);
        check(&[&"a".repeat(64)], true);
        check(&[&"a".repeat(65)], false);
        check(&[""], false);
        check(&["a b"], false);
        check(&["<script>"], false);
        check(&["a", "b"], false);
        check(&[], false);
    }
}
