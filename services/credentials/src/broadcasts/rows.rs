//! Statements about broadcasts.

use domain::{
    ids::{DestinationId, TenantId},
    platform::Platform,
};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Ask, Known, Phase, row::Row, thumbnails};
use crate::{platforms::Ready, store::Error};

/// The row of a destination, whosever it is.
pub(super) async fn find(conn: &mut PgConnection, id: DestinationId) -> Result<Option<Row>, Error> {
    let sql = "SELECT * FROM credentials.broadcasts WHERE destination_id = $1";
    Ok(sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await?)
}

/// The rows among these that can be looked at.
pub(super) async fn ready(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Row>, Error> {
    let sql = "SELECT * FROM credentials.broadcasts WHERE destination_id = ANY ($1) AND phase = 'ready'";
    Ok(sqlx::query_as(sql).bind(ids).fetch_all(conn).await?)
}

/// Begins a preparation, or goes on with it. What the platform's code remembers stays, unless it is another account's.
/// `None` when the row is another tenant's or of a later run.
pub(super) async fn begin(
    conn: &mut PgConnection,
    ask: &Ask,
    account: Option<Uuid>,
    now_ms: i64,
) -> Result<Option<Row>, Error> {
    let sql = "INSERT INTO credentials.broadcasts AS b \
               (destination_id, tenant_id, platform, account_id, run_ms, take, phase, title, settings, \
                observed_ms, updated_ms) \
               VALUES ($1, $2, $3, $4, $5, $6, 'preparing', $7, $8, $9, $9) \
               ON CONFLICT (destination_id) DO UPDATE SET platform = excluded.platform, \
               account_id = excluded.account_id, run_ms = excluded.run_ms, take = excluded.take, phase = 'preparing', \
               title = excluded.title, settings = excluded.settings, observed_ms = excluded.observed_ms, \
               updated_ms = excluded.updated_ms, version = b.version + 1, rtmp_url = '', backup_urls = '[]', \
               playback_url = '', notes = '[]', publishing_ms = 0, truth = '{}', failures = 0, \
               progress = CASE WHEN b.platform = excluded.platform \
                   AND b.account_id IS NOT DISTINCT FROM excluded.account_id THEN b.progress ELSE '{}' END \
               WHERE b.tenant_id = excluded.tenant_id AND (b.run_ms, b.take) <= (excluded.run_ms, excluded.take) \
               AND NOT b.forget RETURNING *";
    let reference = ask.reference;
    let query = sqlx::query_as(sql)
        .bind(reference.destination.0)
        .bind(ask.tenant.as_str())
        .bind(ask.platform.as_str())
        .bind(account)
        .bind(reference.run_ms)
        .bind(reference.stored_take())
        .bind(&ask.stream_title)
        .bind(Json(&ask.settings))
        .bind(now_ms);
    Ok(query.fetch_optional(conn).await?)
}

/// Stores what the platform's code remembers; the new version, or `None` when somebody else has written since.
pub(super) async fn save(
    conn: &mut PgConnection,
    id: DestinationId,
    version: i64,
    progress: &Value,
    now_ms: i64,
) -> Result<Option<i64>, Error> {
    let sql = "UPDATE credentials.broadcasts SET progress = $3, version = version + 1, updated_ms = $4 \
               WHERE destination_id = $1 AND version = $2 RETURNING version";
    let query = sqlx::query_scalar(sql).bind(id.0).bind(version).bind(progress).bind(now_ms);
    Ok(query.fetch_optional(conn).await?)
}

/// Whether nobody else has written since.
pub(super) async fn is_current(conn: &mut PgConnection, id: DestinationId, version: i64) -> Result<bool, Error> {
    let sql = "SELECT count(*) FROM credentials.broadcasts WHERE destination_id = $1 AND version = $2";
    Ok(sqlx::query_scalar::<_, i64>(sql).bind(id.0).bind(version).fetch_one(conn).await? == 1)
}

/// The preparation is complete; a first look is due. `false` when somebody else has written since.
pub(super) async fn set_ready(
    conn: &mut PgConnection,
    id: DestinationId,
    version: i64,
    ready: &Ready,
    known: &Known,
    now_ms: i64,
) -> Result<bool, Error> {
    let sql = "UPDATE credentials.broadcasts SET phase = 'ready', rtmp_url = $3, backup_urls = $4, playback_url = $5, \
               notes = $6, truth = $7, failures = 0, next_look_ms = $8, observed_ms = $8, updated_ms = $8, \
               version = version + 1 WHERE destination_id = $1 AND version = $2";
    let query = sqlx::query(sql)
        .bind(id.0)
        .bind(version)
        .bind(&ready.rtmp_url)
        .bind(Json(&ready.backup_urls))
        .bind(&ready.playback_url)
        .bind(Json(&ready.notes))
        .bind(Json(known))
        .bind(now_ms);
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// Begins an end; `None` when somebody else has written since.
pub(super) async fn set_finishing(
    conn: &mut PgConnection,
    id: DestinationId,
    version: i64,
    now_ms: i64,
) -> Result<Option<Row>, Error> {
    let sql = "UPDATE credentials.broadcasts SET phase = 'finishing', publishing_ms = 0, version = version + 1, \
               updated_ms = $3 WHERE destination_id = $1 AND version = $2 RETURNING *";
    Ok(sqlx::query_as(sql).bind(id.0).bind(version).bind(now_ms).fetch_optional(conn).await?)
}

/// It is over; `false` when somebody else has written since.
pub(super) async fn set_finished(
    conn: &mut PgConnection,
    id: DestinationId,
    version: i64,
    known: &Known,
    now_ms: i64,
) -> Result<bool, Error> {
    let sql = "UPDATE credentials.broadcasts SET phase = 'finished', truth = $3, failures = 0, version = version + 1, \
               updated_ms = $4 WHERE destination_id = $1 AND version = $2";
    let query = sqlx::query(sql).bind(id.0).bind(version).bind(Json(known)).bind(now_ms);
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// Changed wishes of a broadcast that is not over, so that its end knows them.
pub(super) async fn set_settings(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: DestinationId,
    settings: &Value,
) -> Result<(), Error> {
    let sql = "UPDATE credentials.broadcasts SET settings = $3 \
               WHERE destination_id = $1 AND tenant_id = $2 AND phase <> 'finished'";
    sqlx::query(sql).bind(id.0).bind(tenant.as_str()).bind(settings).execute(conn).await?;
    Ok(())
}

/// What other destinations on a platform have under a field of their progress.
pub(super) async fn taken(
    conn: &mut PgConnection,
    id: DestinationId,
    platform: Platform,
    field: &str,
) -> Result<Vec<String>, Error> {
    let sql = "SELECT progress->>$3 FROM credentials.broadcasts \
               WHERE platform = $2 AND destination_id <> $1 AND progress->>$3 IS NOT NULL";
    Ok(sqlx::query_scalar(sql).bind(id.0).bind(platform.as_str()).bind(field).fetch_all(conn).await?)
}

/// Marks the broadcast of a deleted destination, if the platform may have something to end; how far it is then. `None`:
/// there is nothing.
pub(super) async fn mark_forgotten(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: DestinationId,
    now_ms: i64,
) -> Result<Option<Phase>, Error> {
    let sql = "UPDATE credentials.broadcasts SET forget = true, updated_ms = $3, \
               phase = CASE WHEN phase = 'finished' THEN 'finishing' ELSE phase END \
               WHERE destination_id = $1 AND tenant_id = $2 AND NOT (phase = 'finished' AND progress = '{}') \
               RETURNING phase";
    let query = sqlx::query_scalar::<_, String>(sql).bind(id.0).bind(tenant.as_str()).bind(now_ms);
    let phase = query.fetch_optional(conn).await?;
    // What is unknown here is a newer release's: taken for one whose key is still needed.
    Ok(phase.map(|phase| Phase::try_from(phase).unwrap_or(Phase::Ready)))
}

/// Broadcasts of deleted destinations that nobody has touched since `before_ms`. They are claimed by touching them.
pub(super) async fn claim_forgotten(
    conn: &mut PgConnection,
    before_ms: i64,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let sql = "UPDATE credentials.broadcasts SET updated_ms = $2 WHERE destination_id IN \
               (SELECT destination_id FROM credentials.broadcasts WHERE forget AND updated_ms < $1 \
                ORDER BY updated_ms LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING *";
    Ok(sqlx::query_as(sql).bind(before_ms).bind(now_ms).bind(limit).fetch_all(conn).await?)
}

/// Removes the row and the picture.
pub(super) async fn remove(conn: &mut PgConnection, tenant: &TenantId, id: DestinationId) -> Result<(), Error> {
    let rows = "DELETE FROM credentials.broadcasts WHERE destination_id = $1 AND tenant_id = $2";
    sqlx::query(rows).bind(id.0).bind(tenant.as_str()).execute(&mut *conn).await?;
    thumbnails::remove(conn, tenant, id).await
}
