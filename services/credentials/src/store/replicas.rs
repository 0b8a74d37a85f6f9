//! Statements about running instances.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::crypto::KeyId;

/// Says that this instance runs and which keys it holds. Also the check that Postgres takes writes.
///
/// # Errors
/// Postgres is away.
pub async fn beat(conn: &mut PgConnection, replica: Uuid, key_ids: &[i32]) -> Result<(), Error> {
    let sql = "INSERT INTO credentials.replicas (replica_id, key_ids) VALUES ($1, $2) \
               ON CONFLICT (replica_id) DO UPDATE SET key_ids = excluded.key_ids, seen_at = now()";
    sqlx::query(sql).bind(replica).bind(key_ids).execute(conn).await?;
    Ok(())
}

/// Says that this instance is gone, and forgets those that never said so.
///
/// # Errors
/// Postgres is away.
pub async fn leave(conn: &mut PgConnection, replica: Uuid) -> Result<(), Error> {
    let sql = "DELETE FROM credentials.replicas WHERE replica_id = $1 OR seen_at < now() - interval '1 hour'";
    sqlx::query(sql).bind(replica).execute(conn).await?;
    Ok(())
}

/// How many instances were seen lately that don't hold this key.
///
/// # Errors
/// Postgres is away.
pub async fn without(conn: &mut PgConnection, key: KeyId, seen_within: Duration) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM credentials.replicas \
               WHERE NOT ($1 = ANY (key_ids)) AND seen_at > now() - make_interval(secs => $2)";
    let query = sqlx::query_scalar::<_, i64>(sql).bind(key.0).bind(seen_within.as_secs_f64());
    Ok(query.fetch_one(conn).await?)
}
