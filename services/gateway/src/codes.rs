//! The stable error codes that the gateway itself gives. Each has a page in `docs/errors`.
//!
//! Codes of the orchestrator and of faults (`publish_refused`, `dns_failed`, …) pass through as they are.

/// 401: no token, or one that is not valid.
pub const UNAUTHORIZED: &str = "unauthorized";
/// 403: the token's `scope` does not cover the request.
pub const INSUFFICIENT_SCOPE: &str = "insufficient_scope";
/// 503: the keys that tokens are checked with can't be fetched.
pub const AUTH_UNAVAILABLE: &str = "auth_unavailable";
/// 400: the body is missing.
pub const BODY_MISSING: &str = "body_missing";
/// 400: the body is no JSON.
pub const INVALID_JSON: &str = "invalid_json";
/// 413: the body is too large.
pub const BODY_TOO_LARGE: &str = "body_too_large";
/// 415: not `application/json`, or compressed.
pub const UNSUPPORTED_MEDIA_TYPE: &str = "unsupported_media_type";
/// 408: the body did not come in time.
pub const REQUEST_TIMEOUT: &str = "request_timeout";
/// 422: fields are not valid.
pub const VALIDATION_FAILED: &str = "validation_failed";
/// 422: the platform is not set up here.
pub const PLATFORM_NOT_CONFIGURED: &str = "platform_not_configured";
/// 422: the platform has no sign-in.
pub const PLATFORM_WITHOUT_OAUTH: &str = "platform_without_oauth";
/// 422: the platform has no such thing in its API. Also of a field.
pub const NOT_OFFERED_BY_PLATFORM: &str = "not_offered_by_platform";
/// 422: the person did not allow access at the platform.
pub const AUTHORIZATION_DENIED: &str = "authorization_denied";
/// 409: no account of the platform is linked.
pub const ACCOUNT_NOT_LINKED: &str = "account_not_linked";
/// 409: several are, and none is chosen.
pub const ACCOUNT_AMBIGUOUS: &str = "account_ambiguous";
/// 422: a picture that is none, or none that the platform takes.
pub const THUMBNAIL_INVALID: &str = "thumbnail_invalid";
/// A field names something that the account may not use.
pub const PLATFORM_PERMISSION_MISSING: &str = "platform_permission_missing";
/// 404: no such account.
pub const ACCOUNT_NOT_FOUND: &str = "account_not_found";
/// 404: a path that nothing answers to.
pub const ROUTE_NOT_FOUND: &str = "route_not_found";
/// 404: no such stream.
pub const STREAM_NOT_FOUND: &str = "stream_not_found";
/// 404: no such destination.
pub const DESTINATION_NOT_FOUND: &str = "destination_not_found";
/// 405: another method is needed; `Allow` says which.
pub const METHOD_NOT_ALLOWED: &str = "method_not_allowed";
/// 409: the state does not allow it, when the orchestrator gives no closer code.
pub const CONFLICT: &str = "conflict";
/// 409: the stream does not run.
pub const NOT_RUNNING: &str = "not_running";
/// 400: the idempotency key is not 1 to 255 visible ASCII characters.
pub const IDEMPOTENCY_KEY_INVALID: &str = "idempotency_key_invalid";
/// 422: the key was used with another request.
pub const IDEMPOTENCY_KEY_REUSED: &str = "idempotency_key_reused";
/// 409: the first request with the key is still running.
pub const IDEMPOTENCY_IN_FLIGHT: &str = "idempotency_in_flight";
/// 400: `Last-Event-ID` is none of ours.
pub const LAST_EVENT_ID_INVALID: &str = "last_event_id_invalid";
/// 429: too many requests.
pub const RATE_LIMITED: &str = "rate_limited";
/// 429: too many open event streams.
pub const TOO_MANY_EVENT_STREAMS: &str = "too_many_event_streams";
/// 503: a part of the service can't be reached.
pub const UNAVAILABLE: &str = "unavailable";
/// 500: a fault of ours.
pub const INTERNAL: &str = "internal";

/// A field's value is of the wrong type, form or range.
pub const INVALID: &str = "invalid";
/// A field must be there.
pub const REQUIRED: &str = "required";
/// A field is none of this request's.
pub const UNKNOWN_FIELD: &str = "unknown_field";
/// A field is set by the server.
pub const READ_ONLY: &str = "read_only";
/// The product takes this setting, the destination's platform does not.
pub const ABOVE_PLATFORM_LIMIT: &str = "above_platform_limit";

/// All of the above, for the documentation check.
pub const ALL: &[&str] = &[
    UNAUTHORIZED,
    INSUFFICIENT_SCOPE,
    AUTH_UNAVAILABLE,
    BODY_MISSING,
    INVALID_JSON,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    REQUEST_TIMEOUT,
    VALIDATION_FAILED,
    PLATFORM_NOT_CONFIGURED,
    PLATFORM_WITHOUT_OAUTH,
    NOT_OFFERED_BY_PLATFORM,
    AUTHORIZATION_DENIED,
    ACCOUNT_NOT_LINKED,
    ACCOUNT_AMBIGUOUS,
    THUMBNAIL_INVALID,
    PLATFORM_PERMISSION_MISSING,
    ACCOUNT_NOT_FOUND,
    ROUTE_NOT_FOUND,
    STREAM_NOT_FOUND,
    DESTINATION_NOT_FOUND,
    METHOD_NOT_ALLOWED,
    CONFLICT,
    NOT_RUNNING,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_REUSED,
    IDEMPOTENCY_IN_FLIGHT,
    LAST_EVENT_ID_INVALID,
    RATE_LIMITED,
    TOO_MANY_EVENT_STREAMS,
    UNAVAILABLE,
    INTERNAL,
    INVALID,
    REQUIRED,
    UNKNOWN_FIELD,
    READ_ONLY,
    ABOVE_PLATFORM_LIMIT,
];
