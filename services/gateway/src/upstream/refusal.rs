//! Turns a gRPC refusal into an answer for the public. What is not clearly meant for people is replaced.

use axum::http::StatusCode;
use service_kit::grpc::{error_code, error_field};
use tonic::{Code, Status};

use super::spoken;
use crate::{
    codes,
    codes::INVALID,
    error::{ApiError, FieldError, NotFound},
};

/// Codes of UNAVAILABLE that mean something to the caller; others name parts of the inside.
const SPOKEN: [&str; 2] = ["no_capacity", "interrupted"];

/// The metadata key in which credentials says how long a platform wants us to wait.
pub const RETRY_AFTER_MS: &str = "x-retry-after-ms";

/// What `status` means to the caller; `missing` says what a bare NOT_FOUND is about.
pub fn refusal(status: &Status, missing: NotFound) -> ApiError {
    if let Some(word) = error_code(status).and_then(spoken::of) {
        let error = explained(status, word.http, codes::CONFLICT, word.otherwise);
        return match word.retry_after_s {
            Some(seconds) => error.with_retry_after(told_s(status).unwrap_or(seconds)),
            None => error,
        };
    }
    match status.code() {
        Code::NotFound => ApiError::not_found(match error_code(status) {
            Some(codes::STREAM_NOT_FOUND) => NotFound::Stream,
            Some(codes::DESTINATION_NOT_FOUND) => NotFound::Destination,
            Some(codes::ACCOUNT_NOT_FOUND) => NotFound::Account,
            _ => missing,
        }),
        Code::InvalidArgument | Code::OutOfRange => invalid(status),
        Code::FailedPrecondition | Code::AlreadyExists => {
            explained(status, StatusCode::CONFLICT, codes::CONFLICT, "The stream's state does not allow this now.")
        }
        Code::ResourceExhausted => exhausted(status),
        Code::Unavailable if error_code(status).is_some_and(|code| SPOKEN.contains(&code)) => {
            let message = "The service can't do this just now. Try again shortly.";
            explained(status, StatusCode::SERVICE_UNAVAILABLE, codes::UNAVAILABLE, message).with_retry_after(5)
        }
        _ if is_outage(status.code()) => {
            tracing::warn!(code = ?status.code(), message = status.message(), "upstream unavailable");
            ApiError::unavailable()
        }
        _ => {
            tracing::error!(code = ?status.code(), message = status.message(), "upstream failed");
            ApiError::internal()
        }
    }
}

/// The platform's own word on when to ask again, whole seconds.
fn told_s(status: &Status) -> Option<u64> {
    const LONGEST_S: u64 = 24 * 3_600;
    let ms: u64 = status.metadata().get(RETRY_AFTER_MS)?.to_str().ok()?.parse().ok()?;
    (ms > 0).then(|| ms.div_ceil(1_000).min(LONGEST_S))
}

/// Whether a refused call has certainly changed nothing. Otherwise the callee may have acted, and its answer was lost.
pub fn is_definite(status: &Status) -> bool {
    !is_outage(status.code()) && !matches!(status.code(), Code::Unknown | Code::Internal | Code::DataLoss)
}

/// A deadline of ours that passed arrives as CANCELLED or DEADLINE_EXCEEDED, depending on who noticed first.
fn is_outage(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted)
}

/// A field's code is the callee's; the answer's own code stays the one clients already handle.
fn invalid(status: &Status) -> ApiError {
    let Some(field) = error_field(status).filter(|field| is_plain(field)) else {
        let message = "The request is not valid.";
        return explained(status, StatusCode::UNPROCESSABLE_ENTITY, codes::VALIDATION_FAILED, message);
    };
    let code = error_code(status).filter(|code| is_plain(code)).unwrap_or(INVALID);
    let message = cut(status.message());
    ApiError::validation(vec![FieldError { field: field.to_owned(), code: code.to_owned(), message }])
}

/// Quotas need a person (409); anything else is asked too fast (429).
fn exhausted(status: &Status) -> ApiError {
    let code = error_code(status).unwrap_or_default();
    if code.contains("quota") || code.contains("limit_reached") {
        explained(status, StatusCode::CONFLICT, codes::CONFLICT, "A limit of the account is reached.")
    } else {
        let message = "Too many requests. Wait as long as Retry-After says.";
        explained(status, StatusCode::TOO_MANY_REQUESTS, codes::RATE_LIMITED, message).with_retry_after(1)
    }
}

/// The callee's code and sentence if it gave a stable code, ours otherwise: without a code the text may be anything.
fn explained(status: &Status, http: StatusCode, code: &'static str, message: &'static str) -> ApiError {
    match error_code(status).filter(|code| is_plain(code)) {
        Some(theirs) if !status.message().is_empty() => ApiError::new(http, theirs.to_owned(), cut(status.message())),
        Some(theirs) => ApiError::new(http, theirs.to_owned(), message),
        None => ApiError::new(http, code, message),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b))
}

fn cut(message: &str) -> String {
    const MAX_CHARS: usize = 500;
    message.chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use service_kit::grpc::status;

    use super::*;

    fn check(given: &Status, http: u16, code: &str, message: &str) {
        let error = refusal(given, NotFound::Stream);
        let body = error.body("r").error;
        assert_eq!((error.status().as_u16(), body.code.as_str()), (http, code), "{given:?}");
        assert!(body.message.contains(message), "{}", body.message);
    }

    #[test]
    fn a_platforms_own_wait_goes_on() {
        let mut limited = status(Code::ResourceExhausted, "platform_rate_limited", None, "Twitch limits us.");
        let after = |given: &Status| {
            let response = axum::response::IntoResponse::into_response(refusal(given, NotFound::Stream));
            response.headers()["retry-after"].to_str().ok().map(str::to_owned)
        };
        assert_eq!(after(&limited).as_deref(), Some("10"));
        limited.metadata_mut().insert(RETRY_AFTER_MS, "41001".parse().unwrap());
        assert_eq!(after(&limited).as_deref(), Some("42"));
    }

    #[test]
    fn codes_become_statuses() {
        check(&Status::not_found("row 7 of streams"), 404, "stream_not_found", "no such stream");
        check(
            &status(Code::NotFound, "destination_not_found", None, "x"),
            404,
            "destination_not_found",
            "no such dest",
        );
        check(
            &status(Code::FailedPrecondition, "no_destinations", None, "Add one."),
            409,
            "no_destinations",
            "Add one.",
        );
        check(&Status::failed_precondition("pq: deadlock"), 409, "conflict", "state");
        check(
            &status(Code::InvalidArgument, "invalid", Some("settings.bitrate"), "too high"),
            422,
            "validation_failed",
            "settings.bitrate: too high",
        );
        check(&Status::invalid_argument("bad uuid at db.internal"), 422, "validation_failed", "not valid");
        check(&status(Code::Unavailable, "no_capacity", None, "All are busy."), 503, "no_capacity", "All are busy.");
        check(&status(Code::Unavailable, "database_unavailable", None, "x"), 503, "unavailable", "can't answer");
        check(
            &status(Code::ResourceExhausted, "limit_reached", None, "At most 9."),
            409,
            "limit_reached",
            "At most 9.",
        );
        check(
            &status(Code::ResourceExhausted, "quota_exceeded", None, "At most 50."),
            409,
            "quota_exceeded",
            "At most 50.",
        );
        check(&Status::resource_exhausted("x"), 429, "rate_limited", "Too many");
        for outage in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Aborted] {
            check(&Status::new(outage, "tcp connect error 10.0.0.7:5432"), 503, "unavailable", "can't answer");
        }
        for fault in [Code::Internal, Code::Unknown, Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented]
        {
            check(&Status::new(fault, "SELECT * FROM secrets"), 500, "internal", "on our side");
        }
        check(
            &status(Code::FailedPrecondition, "reauth_required", None, "Sign in."),
            409,
            "reauth_required",
            "Sign in.",
        );
        check(&status(Code::Unavailable, "platform_unavailable", None, ""), 503, "platform_unavailable", "platform");
        check(&status(Code::InvalidArgument, "authorization_invalid", None, "x"), 422, "authorization_invalid", "x");
        check(&status(Code::NotFound, "account_not_found", None, "row 7"), 404, "account_not_found", "no such account");
        check(&status(Code::FailedPrecondition, "No Such\u{7f}", None, "SQL"), 409, "conflict", "state");
    }
}
