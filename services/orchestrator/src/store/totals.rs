//! Counters of a run, saved now and then so that a new replica goes on where the old one was.

use domain::ids::{DestinationId, StreamId};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A row of `totals`. `base_*` is what earlier epochs of the run brought; a run that began in mid-epoch has a negative base.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct TotalsRow {
    pub destination_id: Uuid,
    pub stream_id: Uuid,
    pub run_ms: i64,
    pub platform: String,
    pub epoch: i64,
    pub base_bytes: i64,
    pub base_frames: i64,
    pub base_dropped: i64,
    pub last_bytes: i64,
    pub last_frames: i64,
    pub last_dropped: i64,
    pub last_at_ms: i64,
}

/// The saved counters of one destination.
///
/// # Errors
/// Postgres is away.
pub async fn get(conn: &mut PgConnection, id: DestinationId) -> Result<Option<TotalsRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM totals WHERE destination_id = $1").bind(id.0).fetch_optional(conn).await
}

/// The saved counters of a stream's run, also of destinations that left it.
///
/// # Errors
/// Postgres is away.
pub async fn of_run(conn: &mut PgConnection, stream: StreamId, run_ms: i64) -> Result<Vec<TotalsRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM totals WHERE stream_id = $1 AND run_ms = $2")
        .bind(stream.0)
        .bind(run_ms)
        .fetch_all(conn)
        .await
}

/// Saves counters. Within a run they never go back.
///
/// # Errors
/// Postgres is away.
pub async fn save(conn: &mut PgConnection, row: &TotalsRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO totals AS t VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (destination_id) DO UPDATE SET run_ms = $3, epoch = $5, base_bytes = $6, base_frames = $7,
            base_dropped = $8, last_bytes = $9, last_frames = $10, last_dropped = $11, last_at_ms = $12
         WHERE t.run_ms < $3 OR (t.run_ms = $3 AND t.base_bytes + t.last_bytes <= $6 + $9)",
    )
    .bind(row.destination_id)
    .bind(row.stream_id)
    .bind(row.run_ms)
    .bind(&row.platform)
    .bind(row.epoch)
    .bind(row.base_bytes)
    .bind(row.base_frames)
    .bind(row.base_dropped)
    .bind(row.last_bytes)
    .bind(row.last_frames)
    .bind(row.last_dropped)
    .bind(row.last_at_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops the counters of streams that are gone.
///
/// # Errors
/// Postgres is away.
pub async fn sweep(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM totals t WHERE NOT EXISTS (SELECT 1 FROM streams s WHERE s.id = t.stream_id)")
        .execute(conn)
        .await?;
    Ok(())
}
