//! The SQL: plain functions over a connection, one file per table.

pub mod broadcasts;
pub mod connection_tests;
pub mod destinations;
pub mod epochs;
pub mod idempotency;
pub mod outbox;
pub mod platform_claims;
pub mod run_errors;
pub mod sessions;
pub mod sources;
pub mod streams;
pub mod totals;

/// An UPDATE or INSERT that must have met exactly one row.
pub(crate) fn one(result: &sqlx::postgres::PgQueryResult) -> Result<(), sqlx::Error> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}
