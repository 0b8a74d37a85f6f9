//! What a platform, or the person's account there, is the reason of: codes of the credentials service that people read,
//! each with the status that the public gets. Codes that are not here mean something by their gRPC code alone.

use axum::http::StatusCode;

/// How a code is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The status.
    pub http: StatusCode,
    /// The sentence when the callee gave none.
    pub otherwise: &'static str,
    /// `Retry-After`, when the platform does not say how long.
    pub retry_after_s: Option<u64>,
}

/// What the request asks for can't be.
const INVALID: &[(&str, &str)] = &[
    ("authorization_invalid", "This sign-in is not valid any more. Get a new auth-url and sign in again."),
    ("authorization_ambiguous", "Several sign-ins are pending. Send the state that came with the code."),
    ("authorization_denied", "Access was not allowed. Get a new auth-url and allow it."),
    ("exchange_failed", "The platform did not accept the code. Get a new auth-url and sign in again."),
    ("scope_missing", "A needed permission was not given. Sign in again and allow all of them."),
    ("platform_without_oauth", "This platform has no sign-in."),
    ("platform_not_configured", "This platform is not set up on this installation."),
    ("not_offered_by_platform", "The platform does not offer this by its API."),
    ("platform_refused", "The platform did not accept it."),
    ("thumbnail_invalid", "The platform did not accept the picture."),
];
/// The account, or the broadcast, does not allow it now.
const CONFLICT: &[(&str, &str)] = &[
    ("reauth_required", "Sign in to the platform again."),
    ("account_not_linked", "Sign in to the platform first."),
    ("account_ambiguous", "Several accounts are linked. Choose one with account_id."),
    ("account_not_eligible", "The platform does not let this account go live."),
    ("live_streaming_not_enabled", "Live streaming is not enabled on this channel."),
    ("broadcast_limit_reached", "The platform allows no more broadcasts on this account now."),
    ("broadcast_ended", "The broadcast is over."),
    ("platform_rejects_stream", "The platform does not take the stream as it is."),
];
/// The account may not.
const FORBIDDEN: &[(&str, &str)] =
    &[("platform_permission_missing", "The account lacks a permission that this needs.")];
/// The platform can't now; `Retry-After` says when to try again, in seconds.
const LATER: &[(&str, &str, u64)] = &[
    ("platform_unavailable", "The platform does not answer properly at the moment.", 5),
    ("platform_rate_limited", "The platform limits how often we may ask.", 10),
    ("platform_quota_exceeded", "The platform's quota of this installation is used up for today.", 3_600),
];

/// How a code is answered, if it is one of these.
pub fn of(code: &str) -> Option<Word> {
    let plain = |list: &'static [(&str, &'static str)], http| {
        let (_, otherwise) = list.iter().find(|(known, _)| *known == code)?;
        Some(Word { http, otherwise, retry_after_s: None })
    };
    let later = || {
        let (_, otherwise, seconds) = LATER.iter().find(|(known, ..)| *known == code)?;
        Some(Word { http: StatusCode::SERVICE_UNAVAILABLE, otherwise, retry_after_s: Some(*seconds) })
    };
    plain(INVALID, StatusCode::UNPROCESSABLE_ENTITY)
        .or_else(|| plain(CONFLICT, StatusCode::CONFLICT))
        .or_else(|| plain(FORBIDDEN, StatusCode::FORBIDDEN))
        .or_else(later)
}
