//! What a call or a piece of background work can fail with, and what callers see of it.

use service_kit::grpc;
use tonic::{Code, Status};

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown, or another tenant's: nobody can tell which.
    #[error("not found")]
    NotFound,
    /// Understood and refused; the code is stable.
    #[error("refused: {error_code}")]
    Refused {
        /// gRPC's own code.
        code: Code,
        /// The stable code, with a page in `docs/errors`.
        error_code: &'static str,
        /// The field at fault, by its REST name.
        field: Option<&'static str>,
        /// For people.
        message: String,
    },
    /// Postgres refused or is away.
    #[error("database failure")]
    Database(#[from] sqlx::Error),
    /// Postgres did not answer in time.
    #[error("the database did not answer in time")]
    DatabaseTimeout,
    /// A stored word is none of ours.
    #[error("a stored value is malformed")]
    Stored(#[from] domain::lifecycle::UnknownWord),
}

impl Error {
    /// A state that forbids it.
    pub fn state(error_code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { code: Code::FailedPrecondition, error_code, field: None, message: message.into() }
    }

    /// A field that can't be taken.
    pub fn field(error_code: &'static str, field: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { code: Code::InvalidArgument, error_code, field: Some(field), message: message.into() }
    }

    /// A quota that is used up.
    pub fn limit(message: impl Into<String>) -> Self {
        let error_code = "limit_reached";
        Self::Refused { code: Code::ResourceExhausted, error_code, field: None, message: message.into() }
    }

    /// Whether Postgres is away, so that trying again later helps.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::DatabaseTimeout => true,
            Self::Database(error) => is_away(error),
            _ => false,
        }
    }
}

fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Class 57 operator intervention, 53 insufficient resources, 08 connection; 25006 read-only, 40001/40P01 retry.
        sqlx::Error::Database(db) => db.code().is_some_and(|code| {
            ["57", "53", "08"].iter().any(|class| code.starts_with(class))
                || ["25006", "40001", "40P01", "55P03"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if error.is_unavailable() {
            tracing::warn!(error = chain(&error), "database unavailable");
            let message = "The database is not available. Try again in a few seconds.";
            return grpc::status(Code::Unavailable, "database_unavailable", None, message);
        }
        match error {
            Error::NotFound => grpc::status(Code::NotFound, "not_found", None, "There is no such thing."),
            Error::Refused { code, error_code, field, message } => grpc::status(code, error_code, field, message),
            other => {
                tracing::error!(error = chain(&other), "internal error");
                grpc::status(Code::Internal, "internal", None, "Something went wrong on our side.")
            }
        }
    }
}

/// The whole chain of causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
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
    use super::*;

    #[test]
    fn what_callers_see() {
        let check = |error: Error, code: Code, error_code: &str| {
            let status = Status::from(error);
            assert_eq!((status.code(), grpc::error_code(&status)), (code, Some(error_code)));
            assert!(!status.message().contains("sqlx") && !status.message().contains("SQL"));
        };
        check(Error::NotFound, Code::NotFound, "not_found");
        check(Error::Database(sqlx::Error::PoolTimedOut), Code::Unavailable, "database_unavailable");
        check(Error::DatabaseTimeout, Code::Unavailable, "database_unavailable");
        check(Error::Database(sqlx::Error::RowNotFound), Code::Internal, "internal");
        check(Error::state("not_running", "x"), Code::FailedPrecondition, "not_running");
        check(Error::field("invalid_rtmp_url", "rtmp_url", "x"), Code::InvalidArgument, "invalid_rtmp_url");
        check(Error::limit("x"), Code::ResourceExhausted, "limit_reached");
    }
}
