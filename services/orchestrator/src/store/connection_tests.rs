//! Connection tests: sessions that nobody plans. The call that wants one places it and waits for its result.

use domain::ids::{Epoch, SessionId, WorkerId};
use sqlx::PgConnection;

use super::sessions::Place;
use crate::rows::signed;

/// Places a connection test, or places it again under a new epoch while nobody has claimed it.
///
/// # Errors
/// Postgres is away.
pub async fn place(
    conn: &mut PgConnection,
    id: SessionId,
    epoch: Epoch,
    place: Place<'_>,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO sessions AS s (id, stream_id, destination_id, kind, epoch, generation, phase, placed_at_ms,
            unclaimed_since_ms, traceparent, updated_at_ms)
         VALUES ($1, $2, $3, 'test', $4, $5, 'placed', $6, $6, $7, $6)
         ON CONFLICT (id) DO UPDATE SET epoch = $4, placed_at_ms = $6, updated_at_ms = $6 WHERE s.phase = 'placed'",
    )
    .bind(id.0)
    .bind(place.stream.0)
    .bind(place.destination.map(|d| d.0))
    .bind(signed(epoch.0))
    .bind(signed(place.generation.0))
    .bind(now_ms)
    .bind(place.traceparent)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores a test's result, from its owner only.
///
/// # Errors
/// Postgres is away; no such owner.
pub async fn finish(
    conn: &mut PgConnection,
    id: SessionId,
    epoch: Epoch,
    worker: &WorkerId,
    result: &[u8],
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE sessions SET test_result = $4, phase = 'ended', updated_at_ms = $5
         WHERE id = $1 AND epoch = $2 AND worker_id = $3 AND kind = 'test'",
    )
    .bind(id.0)
    .bind(signed(epoch.0))
    .bind(worker.as_str())
    .bind(result)
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes tests that nobody waits for any more.
///
/// # Errors
/// Postgres is away.
pub async fn sweep(conn: &mut PgConnection, placed_before_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE kind = 'test' AND placed_at_ms < $1")
        .bind(placed_before_ms)
        .execute(conn)
        .await?;
    Ok(())
}
