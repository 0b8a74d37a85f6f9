//! Broadcasts of destinations on platforms: what is due, who calls, and what came of it.
//!
//! Claims and results are written with the stream's row locked, like everything else of a destination; only the stamp of
//! a beginning end and the renewal of a claim are not: they decide nothing.

use domain::{
    fault::Fault,
    ids::{DestinationId, StreamId},
};
use sqlx::{FromRow, PgConnection, types::Json};
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
/// more (wanted again before anything was said to the platform) goes.
///
/// # Errors
/// Postgres is away.
pub async fn stamp_ends(conn: &mut PgConnection, now_ms: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations d SET finish_since_ms = CASE WHEN x.ends THEN $1 END
         FROM (SELECT d.id,
                 NOT (s.wish = 'running' AND s.deleted_at_ms IS NULL AND d.attached AND d.is_enabled
                      AND d.deleted_at_ms IS NULL AND d.gave_up IS NULL)
                 AND NOT EXISTS (SELECT 1 FROM sessions p WHERE p.id = d.id
                      AND p.phase NOT IN ('failed', 'ended', 'released')) AS ends
               FROM destinations d JOIN streams s ON s.id = d.stream_id WHERE d.open_run_ms IS NOT NULL) x
         WHERE d.id = x.id AND (d.finish_since_ms IS NULL) = x.ends",
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

/// A broadcast, as this service names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Of which destination.
    pub destination: DestinationId,
    /// In which run.
    pub run_ms: i64,
    /// Which take of it.
    pub take: i32,
}

/// The platform is ready. Does nothing when another broadcast is wanted by now.
///
/// # Errors
/// Postgres is away.
pub async fn prepared(
    conn: &mut PgConnection,
    named: Named,
    playback_url: &str,
    notes: &[String],
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations d SET prepared_run_ms = $2, prepared_take = $3, prep_fault = NULL, prep_retry_at_ms = NULL,
            prep_attempts = 0, prep_notes = $5,
            playback_url = CASE WHEN $4 = '' THEN playback_url ELSE $4 END
         FROM streams s WHERE d.id = $1 AND s.id = d.stream_id AND s.started_at_ms = $2 AND d.take = $3",
    )
    .bind(named.destination.0)
    .bind(named.run_ms)
    .bind(named.take)
    .bind(playback_url)
    .bind(Json(notes))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It is not ready, and tried again later.
///
/// # Errors
/// Postgres is away.
pub async fn prepare_failed(
    conn: &mut PgConnection,
    id: DestinationId,
    fault: &Fault,
    retry_at_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE destinations SET prep_fault = $2, prep_retry_at_ms = $3, prep_attempts = prep_attempts + 1 WHERE id = $1",
    )
    .bind(id.0)
    .bind(Json(fault))
    .bind(retry_at_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// The platform has ended it. Does nothing when another broadcast is open by now.
///
/// # Errors
/// Postgres is away.
pub async fn finished(conn: &mut PgConnection, named: Named) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations SET open_run_ms = NULL, open_take = NULL, finish_since_ms = NULL, finish_retry_at_ms = NULL,
            finish_attempts = 0, finish_fault = NULL, prep_notes = '[]', viewer_count = 0,
            platform_state = CASE WHEN platform_state = '' THEN '' ELSE 'ended' END
         WHERE id = $1 AND open_run_ms = $2 AND open_take = $3",
    )
    .bind(named.destination.0)
    .bind(named.run_ms)
    .bind(named.take)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It is not ended yet, and tried again later.
///
/// # Errors
/// Postgres is away.
pub async fn finish_failed(
    conn: &mut PgConnection,
    id: DestinationId,
    fault: &Fault,
    retry_at_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE destinations SET finish_fault = $2, finish_retry_at_ms = $3, finish_attempts = finish_attempts + 1
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(Json(fault))
    .bind(retry_at_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// The prepared destinations of running streams: whose platform is asked what it shows.
///
/// # Errors
/// Postgres is away.
pub async fn observed(conn: &mut PgConnection) -> Result<Vec<OnPlatform>, sqlx::Error> {
    sqlx::query_as(
        "SELECT d.*, s.started_at_ms AS run_ms, s.title AS stream_title,
            s.deleted_at_ms IS NOT NULL AS stream_is_deleted
         FROM destinations d JOIN streams s ON s.id = d.stream_id
         WHERE s.wish = 'running' AND s.deleted_at_ms IS NULL AND d.platform <> 'rtmp_custom' AND d.attached
           AND d.is_enabled AND d.deleted_at_ms IS NULL AND d.gave_up IS NULL
           AND d.prepared_run_ms = s.started_at_ms AND d.prepared_take = d.take",
    )
    .fetch_all(conn)
    .await
}

/// What a platform says, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// waiting, live, ended or unknown.
    pub state: String,
    /// When it said so.
    pub seen_ms: i64,
    /// People watching.
    pub viewers: i64,
    /// good, ok, bad or unknown.
    pub health: String,
    /// Sentences.
    pub issues: Vec<String>,
    /// Why nothing is known.
    pub fault: Option<Fault>,
    /// Empty: not known.
    pub playback_url: String,
}

/// Writes it.
///
/// # Errors
/// Postgres is away.
pub async fn set_said(conn: &mut PgConnection, id: DestinationId, said: &Said) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE destinations SET platform_state = $2, platform_seen_ms = $3, viewer_count = $4, platform_health = $5,
            platform_issues = $6, platform_fault = $7, playback_url = CASE WHEN $8 = '' THEN playback_url ELSE $8 END
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(&said.state)
    .bind(said.seen_ms)
    .bind(said.viewers)
    .bind(&said.health)
    .bind(Json(&said.issues))
    .bind(said.fault.as_ref().map(Json))
    .bind(&said.playback_url)
    .execute(conn)
    .await?;
    Ok(())
}

/// Its session, up to this epoch, connects anew.
///
/// # Errors
/// Postgres is away.
pub async fn reconnect(conn: &mut PgConnection, id: DestinationId, epoch: i64, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE destinations SET stale_epoch = $2, repaired_at_ms = $3 WHERE id = $1")
        .bind(id.0)
        .bind(epoch)
        .bind(now_ms)
        .execute(conn)
        .await?;
    Ok(())
}

/// Another broadcast is wanted within the run; what the platform said was of the old one.
///
/// # Errors
/// Postgres is away.
pub async fn another(conn: &mut PgConnection, id: DestinationId) -> Result<(), sqlx::Error> {
    renew_take(conn, id, None, 0, 0).await
}

/// The same as a repair, which is counted.
///
/// # Errors
/// Postgres is away.
pub async fn repair(
    conn: &mut PgConnection,
    id: DestinationId,
    why: Option<&Fault>,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    renew_take(conn, id, why, now_ms, 1).await
}

async fn renew_take(
    conn: &mut PgConnection,
    id: DestinationId,
    why: Option<&Fault>,
    now_ms: i64,
    counted: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE destinations SET take = take + 1, prep_fault = $2, prep_retry_at_ms = NULL, prep_attempts = 0,
            prep_notes = '[]', platform_claim = NULL, platform_claim_job = '', platform_claim_until_ms = 0,
            platform_state = '', platform_seen_ms = 0, platform_health = 'unknown', platform_issues = '[]',
            platform_fault = NULL, viewer_count = 0, repaired_at_ms = GREATEST(repaired_at_ms, $3), renewals = renewals + $4
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(why.map(Json))
    .bind(now_ms)
    .bind(counted)
    .execute(conn)
    .await?;
    Ok(())
}
