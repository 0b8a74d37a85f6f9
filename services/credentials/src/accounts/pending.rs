//! Statements about sign-ins that were begun. The state is kept as its SHA-256, the verifier sealed.

use domain::{ids::TenantId, platform::Platform};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::Error;

/// One sign-in.
pub(super) struct Pending<'a> {
    pub id: Uuid,
    pub tenant: &'a TenantId,
    pub platform: Platform,
    pub state_sha256: &'a [u8],
    pub expires_ms: i64,
}

/// Notes one, and forgets those of the tenant that are over or beyond the newest `most`.
pub(super) async fn begin(conn: &mut PgConnection, new: &Pending<'_>, now_ms: i64, most: i64) -> Result<(), Error> {
    let sql = "INSERT INTO credentials.authorizations (id, tenant_id, platform, state_sha256, expires_ms) \
               VALUES ($1, $2, $3, $4, $5)";
    let query = sqlx::query(sql).bind(new.id).bind(new.tenant.as_str()).bind(new.platform.as_str());
    query.bind(new.state_sha256).bind(new.expires_ms).execute(&mut *conn).await?;
    let sql = "WITH gone AS (DELETE FROM credentials.authorizations WHERE tenant_id = $1 AND (expires_ms <= $2 OR id IN \
               (SELECT id FROM credentials.authorizations WHERE tenant_id = $1 ORDER BY expires_ms DESC, id DESC OFFSET $3)) \
               RETURNING id) \
               DELETE FROM credentials.secrets s USING gone WHERE s.kind = 'authorization' AND s.record_id = gone.id";
    sqlx::query(sql).bind(new.tenant.as_str()).bind(now_ms).bind(most).execute(conn).await?;
    Ok(())
}

/// Takes the one with this state: whoever comes second gets none.
pub(super) async fn take(
    conn: &mut PgConnection,
    tenant: &TenantId,
    platform: Platform,
    state_sha256: &[u8],
    now_ms: i64,
) -> Result<Option<Uuid>, Error> {
    let sql = "DELETE FROM credentials.authorizations WHERE state_sha256 = $1 AND tenant_id = $2 AND platform = $3 \
               AND expires_ms > $4 RETURNING id";
    let query = sqlx::query_scalar(sql).bind(state_sha256).bind(tenant.as_str()).bind(platform.as_str()).bind(now_ms);
    Ok(query.fetch_optional(conn).await?)
}

/// Those that are pending; two are enough to know that there is not one.
pub(super) async fn two(
    conn: &mut PgConnection,
    tenant: &TenantId,
    platform: Platform,
    now_ms: i64,
) -> Result<Vec<Vec<u8>>, Error> {
    let sql = "SELECT state_sha256 FROM credentials.authorizations WHERE tenant_id = $1 AND platform = $2 \
               AND expires_ms > $3 LIMIT 2";
    let query = sqlx::query_scalar(sql).bind(tenant.as_str()).bind(platform.as_str()).bind(now_ms);
    Ok(query.fetch_all(conn).await?)
}

/// Forgets those of everybody that are over.
pub(super) async fn sweep(conn: &mut PgConnection, now_ms: i64) -> Result<u64, Error> {
    let sql = "WITH gone AS (DELETE FROM credentials.authorizations WHERE expires_ms <= $1 RETURNING id) \
               DELETE FROM credentials.secrets s USING gone WHERE s.kind = 'authorization' AND s.record_id = gone.id";
    Ok(sqlx::query(sql).bind(now_ms).execute(conn).await?.rows_affected())
}
