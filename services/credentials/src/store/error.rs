//! What can go wrong with Postgres, and whether trying again can help.

/// SQLSTATE classes of a server that can't serve now: connection, resources, operator intervention, system.
const AWAY: [&str; 4] = ["08", "53", "57", "58"];
/// A standby, or a server switched to read-only.
const READ_ONLY: &str = "25006";

/// Postgres did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `DATABASE_URL` can't be read. Its text is not repeated: it holds a password.
    #[error("DATABASE_URL is not a Postgres URL")]
    Url,
    /// It took too long.
    #[error("the database did not answer in time")]
    Timeout,
    /// A statement failed.
    #[error("a database statement failed")]
    Statement(#[from] sqlx::Error),
    /// A migration failed.
    #[error("a database migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl Error {
    /// Whether Postgres is away for now, so that the same work may succeed later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Url => false,
            Self::Timeout => true,
            Self::Statement(error) | Self::Migration(sqlx::migrate::MigrateError::Execute(error)) => is_away(error),
            Self::Migration(_) => false,
        }
    }
}

fn is_away(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls, WorkerCrashed};
    match error {
        Io(_) | Tls(_) | PoolTimedOut | PoolClosed | WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code == READ_ONLY || AWAY.iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_may_pass() {
        assert!(Error::Timeout.is_unavailable());
        assert!(Error::from(sqlx::Error::PoolTimedOut).is_unavailable());
        assert!(Error::from(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())).is_unavailable());
        assert!(!Error::from(sqlx::Error::RowNotFound).is_unavailable());
        assert!(!Error::Url.is_unavailable());
    }
}
