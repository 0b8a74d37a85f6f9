//! The recent errors of a stream's run.

use domain::{
    fault::Fault,
    ids::{DestinationId, StreamId},
};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;
use wire::v1;

/// A row of `run_errors`.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct RunError {
    pub destination_id: Option<Uuid>,
    pub at_ms: i64,
    pub code: String,
    pub message: String,
}

impl From<RunError> for v1::MetricsError {
    fn from(row: RunError) -> Self {
        Self {
            at_ms: row.at_ms,
            destination_id: row.destination_id.map(|id| id.to_string()).unwrap_or_default(),
            code: row.code,
            message: row.message,
        }
    }
}

/// Adds one; the oldest beyond `keep` go.
///
/// # Errors
/// Postgres is away.
pub async fn add(
    conn: &mut PgConnection,
    stream: StreamId,
    destination: Option<DestinationId>,
    fault: &Fault,
    keep: i64,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO run_errors (stream_id, destination_id, at_ms, code, message) VALUES ($1, $2, $3, $4, $5)")
        .bind(stream.0)
        .bind(destination.map(|id| id.0))
        .bind(now_ms)
        .bind(&fault.code)
        .bind(&fault.message)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "DELETE FROM run_errors WHERE stream_id = $1 AND id <
            (SELECT min(id) FROM (SELECT id FROM run_errors WHERE stream_id = $1 ORDER BY id DESC LIMIT $2) AS kept)",
    )
    .bind(stream.0)
    .bind(keep)
    .execute(conn)
    .await?;
    Ok(())
}

/// The errors of a stream, oldest first.
///
/// # Errors
/// Postgres is away.
pub async fn of_stream(conn: &mut PgConnection, stream: StreamId) -> Result<Vec<RunError>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM run_errors WHERE stream_id = $1 ORDER BY id").bind(stream.0).fetch_all(conn).await
}

/// A new run begins without errors.
///
/// # Errors
/// Postgres is away.
pub async fn clear(conn: &mut PgConnection, stream: StreamId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM run_errors WHERE stream_id = $1").bind(stream.0).execute(conn).await?;
    Ok(())
}
