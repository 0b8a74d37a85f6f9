//! Calls of platforms: which are due, and who makes them.
//!
//! A claim is taken with the stream's row locked, like everything that is written of a destination; only the stamp of a
//! beginning end and the renewal of a claim are not: they decide nothing.

use domain::ids::{DestinationId, StreamId};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::rows::DestinationRow;

/// Calls of the platform that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Make it ready for the run.
    Prepare,
    /// End what was made.
    Finish,
}

impl Task {
    /// The word it is stored under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Finish => "finish",
        }
    }
}

/// A destination for which a call is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Due {
    id: Uuid,
    stream_id: Uuid,
}

impl Due {
    /// Which destination.
    pub fn id(&self) -> DestinationId {
        DestinationId(self.id)
    }

    /// Its stream.
    pub fn stream(&self) -> StreamId {
        StreamId(self.stream_id)
    }
}

/// A claimed destination, or one that is observed.
#[derive(Clone, Debug, FromRow)]
pub struct OnPlatform {
    /// It.
    #[sqlx(flatten)]
    pub destination: DestinationRow,
    /// When the stream's present run began.
    pub run_ms: i64,
    /// The stream's title.
    pub stream_title: String,
    /// Deleted, waiting to be purged.
    pub stream_is_deleted: bool,
}

/// Destinations that wait for their platform to be prepared, longest waiting first.
///
/// # Errors
/// Postgres is away.
pub async fn to_prepare(conn: &mut PgConnection, now_ms: i64, limit: i64) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as(
        "SELECT d.id, d.stream_id FROM destinations d JOIN streams s ON s.id = d.stream_id
         WHERE s.wish = 'running' AND s.deleted_at_ms IS NULL AND d.platform <> 'rtmp_custom' AND d.attached
           AND d.is_enabled AND d.deleted_at_ms IS NULL AND d.gave_up IS NULL
           AND (d.prepared_run_ms IS DISTINCT FROM s.started_at_ms OR d.prepared_take IS DISTINCT FROM d.take)
           AND COALESCE(d.prep_retry_at_ms, 0) <= $1
           AND (d.platform_claim_job <> 'prepare' OR d.platform_claim_until_ms <= $1)
         ORDER BY COALESCE(d.prep_retry_at_ms, 0), s.started_at_ms, d.id LIMIT $2",
    )
    .bind(now_ms)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Stamps the ends that begin now: nobody wants the broadcast, and its session is over. A stamp that is not true any
/// more (wanted again before anything was said to the platform) goes. Rows that somebody writes are left for the next look:
/// this waits for no lock.
///
/// # Errors
/// Postgres is away.
pub async fn stamp_ends(conn: &mut PgConnection, now_ms: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations d SET finish_since_ms = CASE WHEN x.ends THEN $1 END
         FROM (SELECT d.id, e.ends FROM destinations d JOIN streams s ON s.id = d.stream_id
               CROSS JOIN LATERAL (SELECT
                 NOT (s.wish = 'running' AND s.deleted_at_ms IS NULL AND d.attached AND d.is_enabled
                      AND d.deleted_at_ms IS NULL AND d.gave_up IS NULL)
                 AND NOT EXISTS (SELECT 1 FROM sessions p WHERE p.id = d.id
                      AND p.phase NOT IN ('failed', 'ended', 'released')) AS ends) e
               WHERE d.open_run_ms IS NOT NULL AND (d.finish_since_ms IS NULL) = e.ends
               FOR UPDATE OF d SKIP LOCKED) x
         WHERE d.id = x.id",
    )
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Destinations whose broadcast is to be ended, longest waiting first.
///
/// # Errors
/// Postgres is away.
pub async fn to_finish(conn: &mut PgConnection, now_ms: i64, limit: i64) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, stream_id FROM destinations
         WHERE open_run_ms IS NOT NULL AND finish_since_ms IS NOT NULL AND COALESCE(finish_retry_at_ms, 0) <= $1
           AND platform_claim_until_ms <= $1
         ORDER BY COALESCE(finish_retry_at_ms, 0), finish_since_ms, id LIMIT $2",
    )
    .bind(now_ms)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// Takes the right to prepare, and notes before the first call that there may be something to end. An end that is
/// being worked on does not hold it up: preparing ends what came before.
///
/// # Errors
/// Postgres is away.
pub async fn claim_prepare(
    conn: &mut PgConnection,
    id: DestinationId,
    token: Uuid,
    now_ms: i64,
    until_ms: i64,
) -> Result<Option<OnPlatform>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE destinations d SET platform_claim = $2, platform_claim_job = 'prepare', platform_claim_until_ms = $3,
            open_run_ms = s.started_at_ms, open_take = d.take, finish_since_ms = NULL, finish_retry_at_ms = NULL,
            finish_attempts = 0, finish_fault = NULL
         FROM streams s
         WHERE d.id = $1 AND s.id = d.stream_id AND s.wish = 'running' AND s.deleted_at_ms IS NULL
           AND d.platform <> 'rtmp_custom' AND d.attached AND d.is_enabled AND d.deleted_at_ms IS NULL
           AND d.gave_up IS NULL
           AND (d.prepared_run_ms IS DISTINCT FROM s.started_at_ms OR d.prepared_take IS DISTINCT FROM d.take)
           AND COALESCE(d.prep_retry_at_ms, 0) <= $4
           AND (d.platform_claim_job <> 'prepare' OR d.platform_claim_until_ms <= $4)
         RETURNING d.*, s.started_at_ms AS run_ms, s.title AS stream_title,
            s.deleted_at_ms IS NOT NULL AS stream_is_deleted",
    )
    .bind(id.0)
    .bind(token)
    .bind(until_ms)
    .bind(now_ms)
    .fetch_optional(conn)
    .await
}

/// Takes the right to end. From here on this broadcast is not used again: wanted once more in the same run, the
/// destination gets another take.
///
/// # Errors
/// Postgres is away.
pub async fn claim_finish(
    conn: &mut PgConnection,
    id: DestinationId,
    token: Uuid,
    now_ms: i64,
    until_ms: i64,
) -> Result<Option<OnPlatform>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE destinations d SET platform_claim = $2, platform_claim_job = 'finish', platform_claim_until_ms = $3,
            prepared_run_ms = NULL, prepared_take = NULL, viewer_count = 0,
            take = CASE WHEN d.open_run_ms = s.started_at_ms THEN GREATEST(d.take, d.open_take + 1) ELSE d.take END
         FROM streams s
         WHERE d.id = $1 AND s.id = d.stream_id AND d.open_run_ms IS NOT NULL
           AND NOT (s.wish = 'running' AND s.deleted_at_ms IS NULL AND d.attached AND d.is_enabled
                    AND d.deleted_at_ms IS NULL AND d.gave_up IS NULL)
           AND NOT EXISTS (SELECT 1 FROM sessions p WHERE p.id = d.id AND p.phase NOT IN ('failed', 'ended', 'released'))
           AND COALESCE(d.finish_retry_at_ms, 0) <= $4 AND d.platform_claim_until_ms <= $4
         RETURNING d.*, COALESCE(s.started_at_ms, 0) AS run_ms, s.title AS stream_title,
            s.deleted_at_ms IS NOT NULL AS stream_is_deleted",
    )
    .bind(id.0)
    .bind(token)
    .bind(until_ms)
    .bind(now_ms)
    .fetch_optional(conn)
    .await
}

/// Keeps a claim. `None`: somebody else has it. Otherwise whether the destination is still wanted.
///
/// # Errors
/// Postgres is away.
pub async fn renew(
    conn: &mut PgConnection,
    id: DestinationId,
    token: Uuid,
    until_ms: i64,
) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE destinations d SET platform_claim_until_ms = $3 FROM streams s
         WHERE d.id = $1 AND d.platform_claim = $2 AND s.id = d.stream_id
         RETURNING s.wish = 'running' AND s.deleted_at_ms IS NULL AND d.attached AND d.is_enabled
            AND d.deleted_at_ms IS NULL AND d.gave_up IS NULL",
    )
    .bind(id.0)
    .bind(token)
    .bind(until_ms)
    .fetch_optional(conn)
    .await
}

/// Gives a claim back. No-op when it is somebody else's by now.
///
/// # Errors
/// Postgres is away.
pub async fn release(conn: &mut PgConnection, id: DestinationId, token: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations SET platform_claim = NULL, platform_claim_job = '', platform_claim_until_ms = 0
         WHERE id = $1 AND platform_claim = $2",
    )
    .bind(id.0)
    .bind(token)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
