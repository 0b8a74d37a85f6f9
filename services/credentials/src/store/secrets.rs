//! Statements about sealed values.

use domain::ids::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::crypto::{KeyId, Place, Table};

/// A sealed value and its place.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Where it belongs.
    pub place: Place,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    record_id: Uuid,
    field: String,
    tenant_id: String,
    sealed: Vec<u8>,
}

impl From<Row> for Sealed {
    fn from(row: Row) -> Self {
        let tenant = TenantId(row.tenant_id);
        let place = Place { tenant, table: row.kind, record: row.record_id, field: row.field };
        Self { place, bytes: row.sealed }
    }
}

/// Stores or replaces. `false` when the record is another tenant's; then nothing is changed.
///
/// # Errors
/// Postgres is away.
pub async fn put(conn: &mut PgConnection, sealed: &Sealed, key: KeyId) -> Result<bool, Error> {
    let sql = "INSERT INTO credentials.secrets AS s (kind, record_id, field, tenant_id, key_id, sealed) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, record_id, field) DO UPDATE \
               SET key_id = excluded.key_id, sealed = excluded.sealed, updated_at = now() \
               WHERE s.tenant_id = excluded.tenant_id";
    let place = &sealed.place;
    let done = sqlx::query(sql)
        .bind(&place.table)
        .bind(place.record)
        .bind(&place.field)
        .bind(place.tenant.as_str())
        .bind(key.0)
        .bind(&sealed.bytes)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The sealed value of a place, if there is one. Another tenant's is none.
///
/// # Errors
/// Postgres is away.
pub async fn get(conn: &mut PgConnection, place: &Place) -> Result<Option<Vec<u8>>, Error> {
    let sql = "SELECT sealed FROM credentials.secrets \
               WHERE kind = $1 AND record_id = $2 AND field = $3 AND tenant_id = $4";
    let found = sqlx::query_scalar::<_, Vec<u8>>(sql)
        .bind(&place.table)
        .bind(place.record)
        .bind(&place.field)
        .bind(place.tenant.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(found)
}

/// Removes every secret of a record; returns how many there were.
///
/// # Errors
/// Postgres is away.
pub async fn delete(conn: &mut PgConnection, tenant: &TenantId, table: Table, record: Uuid) -> Result<u64, Error> {
    let sql = "DELETE FROM credentials.secrets WHERE kind = $1 AND record_id = $2 AND tenant_id = $3";
    let query = sqlx::query(sql).bind(table.as_str()).bind(record).bind(tenant.as_str());
    Ok(query.execute(conn).await?.rows_affected())
}

/// How many values each key has sealed.
///
/// # Errors
/// Postgres is away.
pub async fn count_by_key(conn: &mut PgConnection) -> Result<Vec<(KeyId, i64)>, Error> {
    let sql = "SELECT key_id, count(*) FROM credentials.secrets GROUP BY key_id ORDER BY key_id";
    let rows = sqlx::query_as::<_, (i32, i64)>(sql).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(id, count)| (KeyId(id), count)).collect())
}

/// Values behind `after` that are not sealed with `key`, in order, locked until the end of the transaction. Values that
/// somebody is writing just now are left out.
///
/// # Errors
/// Postgres is away.
pub async fn outdated(
    conn: &mut PgConnection,
    key: KeyId,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Sealed>, Error> {
    let sql = "SELECT kind, record_id, field, tenant_id, sealed FROM credentials.secrets \
               WHERE key_id <> $1 AND ($2::text IS NULL OR (kind, record_id, field) > ($2, $3, $4)) \
               ORDER BY kind, record_id, field LIMIT $5 FOR UPDATE SKIP LOCKED";
    let rows = sqlx::query_as::<_, Row>(sql)
        .bind(key.0)
        .bind(after.map(|place| place.table.as_str()))
        .bind(after.map(|place| place.record))
        .bind(after.map(|place| place.field.as_str()))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(Sealed::from).collect())
}
