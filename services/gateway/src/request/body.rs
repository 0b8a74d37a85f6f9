//! Reads a body: small, plain, UTF-8 JSON of the declared type, or nothing.

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::{codes, error::ApiError, strict_json};

/// The bytes of a body, as they came.
///
/// # Errors
/// 413 above `max_bytes`, 408 when it does not come in time, 400 when the connection breaks.
pub async fn read(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > max_bytes as u64) {
        return Err(too_large(max_bytes));
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if is_too_large(&*e) => Err(too_large(max_bytes)),
        Err(_) => {
            let message = "The body did not arrive completely and in time.";
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, codes::REQUEST_TIMEOUT, message)
                .with_header(header::CONNECTION, header::HeaderValue::from_static("close")))
        }
    }
}

/// The JSON of a body, or `None` when it is empty.
///
/// # Errors
/// 415 for another or no type and for a compressed body; 400 for what is no JSON.
pub fn json(headers: &HeaderMap, bytes: &[u8]) -> Result<Option<Value>, ApiError> {
    refuse_encodings(headers)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_json(headers) {
        return Err(unsupported("Send the body as JSON with Content-Type: application/json."));
    }
    strict_json::parse(bytes).map(Some).map_err(|unreadable| {
        ApiError::bad_request(codes::INVALID_JSON, format!("The body can't be read: {unreadable}."))
    })
}

/// Refuses compressed bodies.
///
/// # Errors
/// 415.
pub fn refuse_encodings(headers: &HeaderMap) -> Result<(), ApiError> {
    let encoded =
        headers.get_all(header::CONTENT_ENCODING).iter().any(|v| !v.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded { Err(unsupported("Send the body as it is, without Content-Encoding.")) } else { Ok(()) }
}

/// `application/json`, alone or with `charset=utf-8`.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = only.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_type = parts.next().is_some_and(|t| t.eq_ignore_ascii_case("application/json"));
    is_type
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) => {
                name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            None => parameter.is_empty(),
        })
}

fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn too_large(max_bytes: usize) -> ApiError {
    let message = format!("The body is larger than {max_bytes} bytes.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, codes::BODY_TOO_LARGE, message)
}

/// 415.
pub fn unsupported(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, codes::UNSUPPORTED_MEDIA_TYPE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn takes_json_only() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_json(&headers(&[(header::CONTENT_TYPE, text)])), expected, "{text}");
        };
        check("application/json", true);
        check("Application/JSON; charset=UTF-8", true);
        check("application/json;charset=\"utf-8\"", true);
        check("application/json;", true);
        check("application/json; charset=utf-16", false);
        check("application/json; boundary=x", false);
        check("application/problem+json", false);
        check("text/json", false);
        check("text/plain", false);
        check("", false);
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn refuses_encodings_and_takes_nothing() {
        let gzip = headers(&[(header::CONTENT_ENCODING, "gzip"), (header::CONTENT_TYPE, "application/json")]);
        assert_eq!(json(&gzip, b"{}").map_err(|e| e.status().as_u16()).err(), Some(415));
        assert_eq!(json(&HeaderMap::new(), b"").ok(), Some(None));
    }
}
