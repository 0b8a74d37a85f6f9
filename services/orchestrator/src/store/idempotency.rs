//! Answers kept under idempotency keys.

use domain::ids::TenantId;
use sqlx::PgConnection;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller has it now.
    New,
    /// Somebody else is working under it.
    InFlight,
    /// It was used for another request.
    Mismatch,
    /// The answer given then.
    Replay {
        /// HTTP status.
        status: i32,
        /// The body.
        body: Vec<u8>,
    },
}

#[derive(sqlx::FromRow)]
struct Row {
    fingerprint: Vec<u8>,
    begun_at_ms: i64,
    finished_at_ms: Option<i64>,
    status: Option<i32>,
    body: Option<Vec<u8>>,
}

/// Takes the key, or tells why not. A call in flight since before `stale_ms` is taken over: its caller died.
///
/// # Errors
/// Postgres is away.
pub async fn begin(
    conn: &mut PgConnection,
    tenant: &TenantId,
    key: &str,
    fingerprint: &[u8],
    now_ms: i64,
    stale_ms: i64,
    expired_ms: i64,
) -> Result<Outcome, sqlx::Error> {
    let taken = sqlx::query(
        "INSERT INTO idempotency (tenant_id, key, fingerprint, begun_at_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, key) DO UPDATE SET fingerprint = $3, begun_at_ms = $4, finished_at_ms = NULL,
            status = NULL, body = NULL
         WHERE idempotency.begun_at_ms < $6
            OR (idempotency.finished_at_ms IS NULL AND idempotency.begun_at_ms < $5 AND idempotency.fingerprint = $3)",
    )
    .bind(tenant.as_str())
    .bind(key)
    .bind(fingerprint)
    .bind(now_ms)
    .bind(stale_ms)
    .bind(expired_ms)
    .execute(&mut *conn)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(Outcome::New);
    }
    let row: Row = sqlx::query_as("SELECT * FROM idempotency WHERE tenant_id = $1 AND key = $2")
        .bind(tenant.as_str())
        .bind(key)
        .fetch_one(conn)
        .await?;
    debug_assert!(row.begun_at_ms >= expired_ms);
    Ok(match row {
        row if row.fingerprint != fingerprint => Outcome::Mismatch,
        Row { finished_at_ms: Some(_), status, body, .. } => {
            Outcome::Replay { status: status.unwrap_or(0), body: body.unwrap_or_default() }
        }
        _ => Outcome::InFlight,
    })
}

/// Keeps the answer.
///
/// # Errors
/// Postgres is away.
pub async fn finish(
    conn: &mut PgConnection,
    tenant: &TenantId,
    key: &str,
    status: i32,
    body: &[u8],
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE idempotency SET finished_at_ms = $3, status = $4, body = $5 WHERE tenant_id = $1 AND key = $2")
        .bind(tenant.as_str())
        .bind(key)
        .bind(now_ms)
        .bind(status)
        .bind(body)
        .execute(conn)
        .await?;
    Ok(())
}

/// Frees the key: the call failed in a way that may be tried again.
///
/// # Errors
/// Postgres is away.
pub async fn forget(conn: &mut PgConnection, tenant: &TenantId, key: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM idempotency WHERE tenant_id = $1 AND key = $2")
        .bind(tenant.as_str())
        .bind(key)
        .execute(conn)
        .await?;
    Ok(())
}

/// Drops what is older than the retention.
///
/// # Errors
/// Postgres is away.
pub async fn sweep(conn: &mut PgConnection, begun_before_ms: i64) -> Result<u64, sqlx::Error> {
    let done =
        sqlx::query("DELETE FROM idempotency WHERE begun_at_ms < $1").bind(begun_before_ms).execute(conn).await?;
    Ok(done.rows_affected())
}
