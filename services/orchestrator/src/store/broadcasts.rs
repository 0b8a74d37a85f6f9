//! Broadcasts of destinations on platforms: what came of the calls, and what platforms say. Written with the stream's row
//! locked, like everything of a destination.

use std::collections::HashMap;

use domain::{
    fault::Fault,
    ids::{DestinationId, StreamId},
};
use sqlx::{PgConnection, types::Json};

use wire::v1;

use super::platform_claims::OnPlatform;
use crate::{platforms::FORGIVEN_MS, rows::unsigned};

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

/// The platform is ready. A destination that named no account has the one that was used from now on. Does nothing when
/// another broadcast is wanted by now.
///
/// # Errors
/// Postgres is away.
pub async fn prepared(conn: &mut PgConnection, named: Named, ready: &v1::Ready) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations d SET prepared_run_ms = $2, prepared_take = $3, prep_fault = NULL, prep_retry_at_ms = NULL,
            prep_attempts = 0, prep_notes = $5,
            playback_url = CASE WHEN $4 = '' THEN playback_url ELSE $4 END,
            account_id = CASE WHEN account_id = '' THEN $6 ELSE account_id END, platform_state = '',
            platform_seen_ms = 0, platform_health = 'unknown', platform_issues = '[]', platform_fault = NULL
         FROM streams s WHERE d.id = $1 AND s.id = d.stream_id AND s.started_at_ms = $2 AND d.take = $3",
    )
    .bind(named.destination.0)
    .bind(named.run_ms)
    .bind(named.take)
    .bind(&ready.playback_url)
    .bind(Json(&ready.notes))
    .bind(&ready.account_id)
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

/// Another broadcast is wanted within the run; what the platform said was of the old one, and so is the session: however
/// fast the new one is prepared, it connects anew.
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
        "UPDATE destinations d SET take = take + 1,
            stale_epoch = COALESCE((SELECT p.epoch FROM sessions p WHERE p.id = d.id), stale_epoch), prep_fault = $2,
            prep_retry_at_ms = NULL, prep_attempts = 0, prep_notes = '[]', platform_claim = NULL, platform_claim_job = '', platform_claim_until_ms = 0,
            platform_state = '', platform_seen_ms = 0, platform_health = 'unknown', platform_issues = '[]',
            platform_fault = NULL, viewer_count = 0, repaired_at_ms = GREATEST(repaired_at_ms, $3), 
            renewals = CASE WHEN $3 - repaired_at_ms >= $5 THEN $4 ELSE renewals + $4 END
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(why.map(Json))
    .bind(now_ms)
    .bind(counted)
    .bind(FORGIVEN_MS)
    .execute(conn)
    .await?;
    Ok(())
}

/// People watching, by stream.
///
/// # Errors
/// Postgres is away.
pub async fn viewers(conn: &mut PgConnection, streams: &[StreamId]) -> Result<HashMap<StreamId, u64>, sqlx::Error> {
    let ids: Vec<uuid::Uuid> = streams.iter().map(|id| id.0).collect();
    let sums: Vec<(uuid::Uuid, i64)> = sqlx::query_as(
        "SELECT stream_id, sum(viewer_count)::bigint FROM destinations
         WHERE stream_id = ANY($1) AND deleted_at_ms IS NULL AND viewer_count > 0 GROUP BY stream_id",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(sums.into_iter().map(|(id, sum)| (StreamId(id), unsigned(sum))).collect())
}
