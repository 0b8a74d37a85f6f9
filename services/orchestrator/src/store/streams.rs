//! Streams.

use domain::{
    ids::{StreamId, TenantId},
    stream_state::Status,
};
use sqlx::PgConnection;

use super::one;
use crate::rows::StreamRow;

/// A stream of a tenant. Another tenant's is none.
///
/// # Errors
/// Postgres is away.
pub async fn get(conn: &mut PgConnection, tenant: &TenantId, id: StreamId) -> Result<Option<StreamRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM streams WHERE id = $1 AND tenant_id = $2 AND deleted_at_ms IS NULL")
        .bind(id.0)
        .bind(tenant.as_str())
        .fetch_optional(conn)
        .await
}

/// The same, locked until the transaction ends.
///
/// # Errors
/// Postgres is away.
pub async fn lock(conn: &mut PgConnection, tenant: &TenantId, id: StreamId) -> Result<Option<StreamRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM streams WHERE id = $1 AND tenant_id = $2 AND deleted_at_ms IS NULL FOR UPDATE")
        .bind(id.0)
        .bind(tenant.as_str())
        .fetch_optional(conn)
        .await
}

/// Any tenant's stream, also a deleted one, locked: for background work.
///
/// # Errors
/// Postgres is away.
pub async fn lock_any(conn: &mut PgConnection, id: StreamId) -> Result<Option<StreamRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM streams WHERE id = $1 FOR UPDATE").bind(id.0).fetch_optional(conn).await
}

/// Any tenant's stream, also a deleted one.
///
/// # Errors
/// Postgres is away.
pub async fn get_any(conn: &mut PgConnection, id: StreamId) -> Result<Option<StreamRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM streams WHERE id = $1").bind(id.0).fetch_optional(conn).await
}

/// Like [`lock_any`], but none at once while somebody else holds it.
///
/// # Errors
/// Postgres is away.
pub async fn lock_free(conn: &mut PgConnection, id: StreamId) -> Result<Option<StreamRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM streams WHERE id = $1 FOR UPDATE SKIP LOCKED").bind(id.0).fetch_optional(conn).await
}

/// A page of a tenant's streams, oldest first.
///
/// # Errors
/// Postgres is away.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    after: Option<StreamId>,
    limit: i64,
) -> Result<Vec<StreamRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM streams WHERE tenant_id = $1 AND deleted_at_ms IS NULL AND ($2::uuid IS NULL OR id > $2)
         ORDER BY id LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(after.map(|id| id.0))
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// How many streams a tenant has. Serializes creations of that tenant until the transaction ends.
///
/// # Errors
/// Postgres is away.
pub async fn count_for_creation(conn: &mut PgConnection, tenant: &TenantId) -> Result<i64, sqlx::Error> {
    lock_tenant(conn, tenant).await?;
    sqlx::query_scalar("SELECT count(*) FROM streams WHERE tenant_id = $1 AND deleted_at_ms IS NULL")
        .bind(tenant.as_str())
        .fetch_one(conn)
        .await
}

/// One creation of a tenant at a time: counting and inserting are two statements.
pub(super) async fn lock_tenant(conn: &mut PgConnection, tenant: &TenantId) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))").bind(tenant.as_str()).execute(conn).await?;
    Ok(())
}

/// A new stream.
#[derive(Debug)]
pub struct New<'a> {
    /// Made by the gateway.
    pub id: StreamId,
    /// Its owner.
    pub tenant: &'a TenantId,
    /// For people.
    pub title: &'a str,
    /// SHA-256 of its ingest key.
    pub key_sha256: &'a [u8],
    /// How long it outlives its source when auto-started.
    pub end_grace_s: i32,
}

/// Inserts it, unless the id is taken.
///
/// # Errors
/// Postgres is away.
pub async fn insert(conn: &mut PgConnection, new: New<'_>, now_ms: i64) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO streams (id, tenant_id, title, ingest_key_sha256, end_grace_s, created_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
    )
    .bind(new.id.0)
    .bind(new.tenant.as_str())
    .bind(new.title)
    .bind(new.key_sha256)
    .bind(new.end_grace_s)
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Changes what people may change.
///
/// # Errors
/// Postgres is away.
pub async fn update(
    conn: &mut PgConnection,
    id: StreamId,
    title: Option<&str>,
    end_grace_s: Option<i32>,
) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE streams SET title = COALESCE($2, title), end_grace_s = COALESCE($3, end_grace_s) WHERE id = $1",
    )
    .bind(id.0)
    .bind(title)
    .bind(end_grace_s)
    .execute(conn)
    .await?;
    one(&done)
}

/// Replaces the ingest key's digest.
///
/// # Errors
/// Postgres is away.
pub async fn set_key(conn: &mut PgConnection, id: StreamId, key_sha256: &[u8]) -> Result<(), sqlx::Error> {
    let done = sqlx::query("UPDATE streams SET ingest_key_sha256 = $2 WHERE id = $1")
        .bind(id.0)
        .bind(key_sha256)
        .execute(conn)
        .await?;
    one(&done)
}

/// A stream by the digest of its ingest key, locked. One indexed look-up of a digest, found or not: the time tells nothing
/// about keys.
///
/// # Errors
/// Postgres is away.
pub async fn by_key(conn: &mut PgConnection, key_sha256: &[u8]) -> Result<Option<StreamRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM streams WHERE ingest_key_sha256 = $1 AND deleted_at_ms IS NULL FOR UPDATE")
        .bind(key_sha256)
        .fetch_optional(conn)
        .await
}

/// Begins a run.
#[derive(Debug)]
pub struct Begin<'a> {
    /// Begun by the source instead of a person.
    pub auto: bool,
    /// An external source to pull.
    pub input_source: Option<&'a str>,
    /// The trace that asked for it.
    pub traceparent: Option<&'a str>,
}

/// Wishes it running: generation + 1, a new run. Its beginning names the run: later than every earlier one, also when the
/// clock of another replica is behind.
///
/// # Errors
/// Postgres is away.
pub async fn begin(conn: &mut PgConnection, id: StreamId, how: Begin<'_>, now_ms: i64) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE streams SET wish = 'running', generation = generation + 1, status = 'starting', auto_started = $2,
            input_source = $3, traceparent = $4, started_at_ms = GREATEST($5, started_at_ms + 1), live_at_ms = NULL, ended_at_ms = NULL,
            auto_handled = GREATEST(auto_handled, COALESCE((SELECT epoch FROM sources WHERE stream_id = $1), 0))
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(how.auto)
    .bind(how.input_source)
    .bind(how.traceparent)
    .bind(now_ms)
    .execute(conn)
    .await?;
    one(&done)
}

/// Wishes it stopped: generation + 1. The present publish does not begin it again.
///
/// # Errors
/// Postgres is away.
pub async fn end(conn: &mut PgConnection, id: StreamId) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE streams SET wish = 'stopped', generation = generation + 1,
            auto_handled = GREATEST(auto_handled, COALESCE((SELECT epoch FROM sources WHERE stream_id = $1), 0))
         WHERE id = $1",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    one(&done)
}

/// From now on a person's run: it does not end with its source.
///
/// # Errors
/// Postgres is away.
pub async fn adopt(conn: &mut PgConnection, id: StreamId) -> Result<(), sqlx::Error> {
    let done = sqlx::query("UPDATE streams SET auto_started = false WHERE id = $1").bind(id.0).execute(conn).await?;
    one(&done)
}

/// Writes what people see.
///
/// # Errors
/// Postgres is away.
pub async fn set_status(
    conn: &mut PgConnection,
    id: StreamId,
    status: Status,
    live_at_ms: Option<i64>,
    ended_at_ms: Option<i64>,
) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE streams SET status = $2, live_at_ms = COALESCE($3, live_at_ms), ended_at_ms = COALESCE($4, ended_at_ms)
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(status.as_str())
    .bind(live_at_ms)
    .bind(ended_at_ms)
    .execute(conn)
    .await?;
    one(&done)
}

/// Hides it; its row goes when its last session has ended.
///
/// # Errors
/// Postgres is away.
pub async fn delete(conn: &mut PgConnection, id: StreamId, now_ms: i64) -> Result<(), sqlx::Error> {
    let done = sqlx::query("UPDATE streams SET deleted_at_ms = $2 WHERE id = $1")
        .bind(id.0)
        .bind(now_ms)
        .execute(conn)
        .await?;
    one(&done)
}

/// Removes its row and all that hangs on it.
///
/// # Errors
/// Postgres is away.
pub async fn purge(conn: &mut PgConnection, id: StreamId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM totals WHERE stream_id = $1").bind(id.0).execute(&mut *conn).await?;
    sqlx::query("DELETE FROM streams WHERE id = $1").bind(id.0).execute(conn).await?;
    Ok(())
}

/// The streams a reconciler has to look at.
///
/// # Errors
/// Postgres is away.
pub async fn unsettled(conn: &mut PgConnection) -> Result<Vec<StreamId>, sqlx::Error> {
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
        "SELECT id FROM streams WHERE wish = 'running' OR deleted_at_ms IS NOT NULL
         UNION SELECT stream_id FROM sessions WHERE phase NOT IN ('failed', 'ended', 'released') AND kind <> 'test'
         UNION SELECT stream_id FROM destinations WHERE deleted_at_ms IS NOT NULL
         UNION SELECT id FROM streams WHERE status = 'stopping'
         UNION SELECT stream_id FROM destinations WHERE open_run_ms IS NOT NULL AND status = 'stopping'
         UNION SELECT c.stream_id FROM sources c JOIN streams s ON s.id = c.stream_id
            WHERE c.state = 'connected' AND c.epoch > s.auto_handled AND s.wish = 'stopped'
              AND EXISTS (SELECT 1 FROM destinations d WHERE d.stream_id = s.id AND d.auto_start AND d.is_enabled)",
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(StreamId).collect())
}
