//! Why an account could not be linked, found or used, with the sentence for the person who asked.

use domain::platform::Platform;
use service_kit::grpc;
use tonic::{Code, Status};

use crate::{
    platforms::{Failure, name},
    store, vault,
};

/// See the module. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credentials for it here, or it has no sign-in.
    #[error("platform {0} has no sign-in here")]
    NotConfigured(Platform),
    /// Unknown, or another tenant's.
    #[error("no such account")]
    NotFound,
    /// The tenant has as many as it may.
    #[error("too many accounts")]
    TooMany,
    /// The state is unknown, used, expired or another tenant's; or nothing is pending.
    #[error("no such authorization")]
    UnknownAuthorization,
    /// No state was given, and several sign-ins are pending.
    #[error("several authorizations are pending")]
    SeveralAuthorizations,
    /// No state was given, and the configuration asks for it.
    #[error("the state is missing")]
    StateRequired,
    /// The platform sent an error instead of a code.
    #[error("{0} gave no authorization")]
    Denied(Platform),
    /// The platform does not take the code, or gives no lasting grant for it.
    #[error("{0} did not accept the authorization: {1}")]
    Exchange(Platform, &'static str),
    /// The person left out permissions that are needed, named in people's words.
    #[error("{0} did not grant {1:?}")]
    ScopeMissing(Platform, Vec<&'static str>),
    /// What the platform's API said.
    #[error("{}", .0.fault)]
    Platform(Failure),
    /// The vault.
    #[error("the vault failed")]
    Vault(#[from] vault::Error),
    /// The database.
    #[error("the accounts' database failed")]
    Store(#[from] store::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Platform(failure)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Error {
    /// As a fault of whoever needs the account. Logs what is ours.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Platform(failure) => failure,
            Self::NotFound => not_linked(),
            error => {
                tracing::warn!(error = crate::api::chain(&error), "an account can't be used now");
                Failure::ours()
            }
        }
    }
}

/// There is no account, or it was unlinked.
pub(super) fn not_linked() -> Failure {
    let message =
        "The account is not linked any more. Sign in to the platform again, then start the destination again.";
    Failure::permanent("account_not_linked", message)
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::NotConfigured(platform) => {
                let message = format!("Signing in to {} is not set up here.", name(platform));
                grpc::status(Code::FailedPrecondition, "platform_not_configured", Some("platform"), message)
            }
            Error::NotFound => grpc::status(Code::NotFound, "account_not_found", None, "There is no such account."),
            Error::TooMany => {
                let message = "As many accounts are linked as there may be. Unlink one first.";
                grpc::status(Code::ResourceExhausted, "limit_reached", None, message)
            }
            Error::UnknownAuthorization => {
                let message = "This sign-in is unknown, already used, or older than ten minutes. Begin it again.";
                grpc::status(Code::FailedPrecondition, "authorization_invalid", Some("state"), message)
            }
            Error::SeveralAuthorizations => {
                let message = "Several sign-ins are pending. Send the `state` of the one that this code belongs to.";
                grpc::status(Code::FailedPrecondition, "authorization_ambiguous", Some("state"), message)
            }
            Error::StateRequired => {
                let message = "This installation wants the `state` that came back with the code.";
                grpc::status(Code::FailedPrecondition, "authorization_ambiguous", Some("state"), message)
            }
            Error::Denied(platform) => {
                let message = format!("Access was not allowed at {}, so nothing is linked.", name(platform));
                grpc::status(Code::FailedPrecondition, "authorization_denied", None, message)
            }
            Error::Exchange(platform, why) => {
                let message = format!("{} did not accept the sign-in: {why}", name(platform));
                grpc::status(Code::FailedPrecondition, "exchange_failed", None, message)
            }
            Error::ScopeMissing(platform, missing) => {
                let message = format!(
                    "The sign-in to {} lacks a permission: {}. Sign in again and leave every permission ticked.",
                    name(platform),
                    missing.join("; ")
                );
                grpc::status(Code::FailedPrecondition, "scope_missing", None, message)
            }
            Error::Platform(failure) => failure.into(),
            Error::Vault(error) => error.into(),
            Error::Store(error) => vault::Error::from(error).into(),
        }
    }
}
