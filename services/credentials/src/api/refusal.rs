//! What callers see of a failure. Causes go to the log, never into a status.

use service_kit::grpc;
use tonic::{Code, Status};

use crate::{
    broadcasts, owner,
    platforms::{self, Failure},
    vault,
};

/// How long the platform wants to be left alone, beside a transient refusal.
const RETRY_AFTER_MS: &str = "x-retry-after-ms";
const OUR_SIDE: &str = "Something went wrong on our side.";
const TRY_AGAIN: &str = "The vault is not available. Try again in a few seconds.";

impl From<vault::Error> for Status {
    fn from(error: vault::Error) -> Self {
        match error {
            vault::Error::NotFound => grpc::status(Code::NotFound, "not_found", None, "There is no such thing."),
            vault::Error::Store(ref store) if store.is_unavailable() => {
                tracing::warn!(error = chain(&error), "database unavailable");
                grpc::status(Code::Unavailable, "database_unavailable", None, TRY_AGAIN)
            }
            vault::Error::KeyNotHeld(_) => {
                tracing::error!(error = chain(&error), "restart with the new ENCRYPTION_KEY");
                grpc::status(Code::Unavailable, "vault_unavailable", None, TRY_AGAIN)
            }
            error => internal(&error),
        }
    }
}

impl From<platforms::Error> for Status {
    fn from(error: platforms::Error) -> Self {
        match error {
            platforms::Error::Vault(error) => error.into(),
            platforms::Error::NoKey => {
                let message = "The destination has no stream key. Give it one, then start again.";
                grpc::status(Code::FailedPrecondition, "stream_key_missing", Some("stream_key"), message)
            }
            platforms::Error::Broadcast(error) => error.into(),
            platforms::Error::NotReady => {
                let message = "The broadcast is not ready to take the stream yet. Try again in a moment.";
                grpc::status(Code::Unavailable, "broadcast_not_ready", None, message)
            }
        }
    }
}

impl From<broadcasts::Error> for Status {
    fn from(error: broadcasts::Error) -> Self {
        match error {
            broadcasts::Error::Store(error) => vault::Error::from(error).into(),
            broadcasts::Error::Vault(error) => error.into(),
            broadcasts::Error::NotFound => vault::Error::NotFound.into(),
            broadcasts::Error::Failed(failure) => failure.into(),
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let code = match failure.code() {
            "account_not_found" => Code::NotFound,
            "platform_rate_limited" => Code::ResourceExhausted,
            _ if failure.is_transient() => Code::Unavailable,
            _ => Code::FailedPrecondition,
        };
        let field = (failure.code() == "platform_not_configured").then_some("platform");
        let mut status = grpc::status(code, failure.code(), field, failure.fault.message.clone());
        if let Some(after) = failure.after {
            status.metadata_mut().insert(RETRY_AFTER_MS, (after.as_millis() as u64).into());
        }
        status
    }
}

impl From<owner::Error> for Status {
    fn from(error: owner::Error) -> Self {
        match error {
            owner::Error::NotOwner => {
                let message = "This worker and epoch do not own the session.";
                grpc::status(Code::FailedPrecondition, "not_owner", None, message)
            }
            owner::Error::Unavailable(_) => {
                tracing::warn!(error = chain(&error), "ownership unknown");
                let message = "The owner of the session can't be determined now. Try again in a few seconds.";
                grpc::status(Code::Unavailable, "orchestrator_unavailable", None, message)
            }
            error @ owner::Error::Answer(_) => internal(&error),
        }
    }
}

fn internal(error: &dyn std::error::Error) -> Status {
    tracing::error!(error = chain(error), "internal error");
    grpc::status(Code::Internal, "internal", None, OUR_SIDE)
}

/// The whole chain of causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::{crypto::OpenError, store};

    use super::*;

    fn check(status: &Status, code: Code, error_code: &str) {
        assert_eq!((status.code(), grpc::error_code(status)), (code, Some(error_code)));
        assert!(!status.message().contains("sqlx"), "{status:?}");
    }

    #[test]
    fn what_callers_see() {
        let busy = store::Error::from(sqlx::Error::PoolTimedOut);
        check(&vault::Error::Store(busy).into(), Code::Unavailable, "database_unavailable");
        check(&vault::Error::Store(store::Error::Url).into(), Code::Internal, "internal");
        check(&vault::Error::Open(OpenError::Forged).into(), Code::Internal, "internal");
        check(&vault::Error::NotFound.into(), Code::NotFound, "not_found");
        check(&platforms::Error::NoKey.into(), Code::FailedPrecondition, "stream_key_missing");
        check(&platforms::Error::NotReady.into(), Code::Unavailable, "broadcast_not_ready");
        check(&broadcasts::Error::NotFound.into(), Code::NotFound, "not_found");
        check(&owner::Error::NotOwner.into(), Code::FailedPrecondition, "not_owner");
        let gone = owner::Error::Unavailable(Status::unavailable("x"));
        check(&gone.into(), Code::Unavailable, "orchestrator_unavailable");
    }

    #[test]
    fn what_a_platform_refuses() {
        let check_failure = |failure: Failure, code| check(&failure.clone().into(), code, failure.code());
        check_failure(Failure::transient("platform_unavailable", "x"), Code::Unavailable);
        check_failure(Failure::permanent("not_offered_by_platform", "x"), Code::FailedPrecondition);
        check_failure(Failure::permanent("account_not_found", "x"), Code::NotFound);
        let limited =
            Failure::rate_limited(domain::platform::Platform::Twitch, Some(std::time::Duration::from_secs(2)));
        let status = Status::from(limited);
        check(&status, Code::ResourceExhausted, "platform_rate_limited");
        assert_eq!(status.metadata().get(RETRY_AFTER_MS).and_then(|value| value.to_str().ok()), Some("2000"));
    }
}
