//! What must leave Postgres after a commit: events for the bus, deletions for the vault.

use bus::EventKind;
use domain::ids::{DestinationId, StreamId, TenantId};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, types::Json};
use uuid::Uuid;

/// A row of `outbox`.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct OutboxRow {
    pub id: i64,
    pub event_id: Uuid,
    pub kind: String,
    pub stream_id: Uuid,
    pub destination_id: Option<Uuid>,
    pub tenant_id: String,
    pub data: Json<Value>,
    pub traceparent: Option<String>,
    pub attempts: i32,
    pub created_at_ms: i64,
}

/// An event to be told.
#[derive(Debug)]
pub struct News<'a> {
    /// What happened.
    pub kind: EventKind,
    /// To which stream.
    pub stream: StreamId,
    /// To which destination, if not to the whole.
    pub destination: Option<DestinationId>,
    /// Whose.
    pub tenant: &'a TenantId,
    /// Details. Never a secret.
    pub data: Value,
}

/// Adds an event. The caller holds the lock of the stream's row: that keeps a stream's events in order.
///
/// # Errors
/// Postgres is away.
pub async fn tell(conn: &mut PgConnection, news: News<'_>, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO outbox (event_id, topic, kind, stream_id, destination_id, tenant_id, data, traceparent, created_at_ms)
         VALUES ($1, 'event', $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(Uuid::now_v7())
    .bind(news.kind.as_type())
    .bind(news.stream.0)
    .bind(news.destination.map(|id| id.0))
    .bind(news.tenant.as_str())
    .bind(Json(news.data))
    .bind(service_kit::trace::traceparent())
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Has the vault forget the secrets of a destination, or of a stream with `destination = None`.
///
/// # Errors
/// Postgres is away.
pub async fn delete_secrets(
    conn: &mut PgConnection,
    tenant: &TenantId,
    stream: StreamId,
    destination: Option<DestinationId>,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO outbox (event_id, topic, stream_id, destination_id, tenant_id, created_at_ms)
         VALUES ($1, 'delete_secrets', $2, $3, $4, $5)",
    )
    .bind(Uuid::now_v7())
    .bind(stream.0)
    .bind(destination.map(|id| id.0))
    .bind(tenant.as_str())
    .bind(now_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the oldest event of some stream that no other replica is sending, and returns that stream.
///
/// # Errors
/// Postgres is away.
pub async fn take_stream(conn: &mut PgConnection) -> Result<Option<StreamId>, sqlx::Error> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "SELECT o.stream_id FROM outbox o WHERE o.topic = 'event'
           AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.topic = 'event' AND p.stream_id = o.stream_id AND p.id < o.id)
         ORDER BY o.id LIMIT 1 FOR UPDATE SKIP LOCKED",
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(StreamId))
}

/// The oldest events of a stream, in order. The caller holds the lock of [`take_stream`].
///
/// # Errors
/// Postgres is away.
pub async fn events_of(conn: &mut PgConnection, stream: StreamId, limit: i64) -> Result<Vec<OutboxRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM outbox WHERE topic = 'event' AND stream_id = $1 ORDER BY id LIMIT $2")
        .bind(stream.0)
        .bind(limit)
        .fetch_all(conn)
        .await
}

/// One deletion whose time has come, locked. What a platform still has to end keeps its secrets until it has.
///
/// # Errors
/// Postgres is away.
pub async fn take_deletion(conn: &mut PgConnection, now_ms: i64) -> Result<Option<OutboxRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM outbox o WHERE o.topic = 'delete_secrets' AND o.not_before_ms <= $1
           AND NOT EXISTS (SELECT 1 FROM destinations d WHERE d.stream_id = o.stream_id AND d.open_run_ms IS NOT NULL
                             AND (o.destination_id IS NULL OR d.id = o.destination_id))
         ORDER BY o.not_before_ms, o.id LIMIT 1 FOR UPDATE SKIP LOCKED",
    )
    .bind(now_ms)
    .fetch_optional(conn)
    .await
}

/// Done with these rows.
///
/// # Errors
/// Postgres is away.
pub async fn remove(conn: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(ids).execute(conn).await?;
    Ok(())
}

/// Tries a row again later.
///
/// # Errors
/// Postgres is away.
pub async fn postpone(conn: &mut PgConnection, id: i64, until_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET attempts = attempts + 1, not_before_ms = $2 WHERE id = $1")
        .bind(id)
        .bind(until_ms)
        .execute(conn)
        .await?;
    Ok(())
}

/// Drops events that nobody could read any more. Deletions are kept until they are done.
///
/// # Errors
/// Postgres is away.
pub async fn sweep(conn: &mut PgConnection, created_before_ms: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("DELETE FROM outbox WHERE topic = 'event' AND created_at_ms < $1")
        .bind(created_before_ms)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

/// How many rows wait, and since when the oldest does.
///
/// # Errors
/// Postgres is away.
pub async fn waiting(conn: &mut PgConnection) -> Result<(i64, Option<i64>), sqlx::Error> {
    sqlx::query_as("SELECT count(*), min(created_at_ms) FROM outbox").fetch_one(conn).await
}
