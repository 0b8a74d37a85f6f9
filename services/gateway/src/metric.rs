//! Names of the gateway's metrics.

/// Answered requests, by `route`, `method` and `status`.
pub const REQUESTS: &str = "gateway_requests_total";
/// Time from the request's head to the answer's head, by `route`.
pub const REQUEST_SECONDS: &str = "gateway_request_duration_seconds";
/// Tokens refused, by `reason`.
pub const TOKENS_REFUSED: &str = "gateway_tokens_refused_total";
/// Requests refused by a rate limit, by `limit`: `tenant` or `address`.
pub const RATE_LIMITED: &str = "gateway_rate_limited_total";
/// Open event streams.
pub const EVENT_STREAMS: &str = "gateway_event_streams";
/// Event streams that were cut because their reader did not keep up.
pub const EVENT_STREAMS_CUT: &str = "gateway_event_streams_cut_total";
/// Answers replayed for an idempotency key.
pub const REPLAYED: &str = "gateway_idempotent_replays_total";
/// Secrets left in the vault because it could not be reached to delete them.
pub const SECRETS_LEFT: &str = "gateway_secrets_left_total";
