//! Destinations.

use domain::{
    destination_state::State,
    fault::Fault,
    health::Verdict,
    ids::{DestinationId, StreamId, TenantId},
    platform::Platform,
    platform_settings::PlatformSettings,
    settings::Settings,
};
use sqlx::{PgConnection, types::Json};

use super::{one, streams::lock_tenant};
use crate::rows::{DestinationRow, StoredSettings};

/// A destination of a tenant. Another tenant's is none.
///
/// # Errors
/// Postgres is away.
pub async fn get(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: DestinationId,
) -> Result<Option<DestinationRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT d.* FROM destinations d JOIN streams s ON s.id = d.stream_id
         WHERE d.id = $1 AND d.tenant_id = $2 AND d.deleted_at_ms IS NULL AND s.deleted_at_ms IS NULL",
    )
    .bind(id.0)
    .bind(tenant.as_str())
    .fetch_optional(conn)
    .await
}

/// Any tenant's destination that is not deleted.
///
/// # Errors
/// Postgres is away.
pub async fn get_any(conn: &mut PgConnection, id: DestinationId) -> Result<Option<DestinationRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM destinations WHERE id = $1 AND deleted_at_ms IS NULL")
        .bind(id.0)
        .fetch_optional(conn)
        .await
}

/// All of a stream, also deleted ones that are not purged yet.
///
/// # Errors
/// Postgres is away.
pub async fn of_stream(conn: &mut PgConnection, stream: StreamId) -> Result<Vec<DestinationRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM destinations WHERE stream_id = $1 ORDER BY id").bind(stream.0).fetch_all(conn).await
}

/// What to list.
#[derive(Debug)]
pub struct Filter {
    /// Only of this stream.
    pub stream: Option<StreamId>,
    /// Only on this platform.
    pub platform: Option<Platform>,
    /// Only enabled, or only disabled.
    pub enabled: Option<bool>,
    /// Behind this one.
    pub after: Option<DestinationId>,
    /// At most so many.
    pub limit: i64,
}

/// A page of a tenant's destinations, oldest first. A foreign stream has none.
///
/// # Errors
/// Postgres is away.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    filter: Filter,
) -> Result<Vec<DestinationRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT d.* FROM destinations d JOIN streams s ON s.id = d.stream_id
         WHERE d.tenant_id = $1 AND d.deleted_at_ms IS NULL AND s.deleted_at_ms IS NULL
           AND ($2::uuid IS NULL OR d.stream_id = $2) AND ($3::text IS NULL OR d.platform = $3)
           AND ($4::boolean IS NULL OR d.is_enabled = $4) AND ($5::uuid IS NULL OR d.id > $5)
         ORDER BY d.id LIMIT $6",
    )
    .bind(tenant.as_str())
    .bind(filter.stream.map(|id| id.0))
    .bind(filter.platform.map(Platform::as_str))
    .bind(filter.enabled)
    .bind(filter.after.map(|id| id.0))
    .bind(filter.limit)
    .fetch_all(conn)
    .await
}

/// How many destinations a tenant and one of its streams have. Serializes creations of that tenant.
///
/// # Errors
/// Postgres is away.
pub async fn count_for_creation(
    conn: &mut PgConnection,
    tenant: &TenantId,
    stream: StreamId,
) -> Result<(i64, i64), sqlx::Error> {
    lock_tenant(conn, tenant).await?;
    sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE stream_id = $2) FROM destinations
         WHERE tenant_id = $1 AND deleted_at_ms IS NULL",
    )
    .bind(tenant.as_str())
    .bind(stream.0)
    .fetch_one(conn)
    .await
}

/// A new destination.
#[derive(Debug)]
pub struct New<'a> {
    /// Made by the gateway.
    pub id: DestinationId,
    /// Its stream.
    pub stream: StreamId,
    /// Its owner.
    pub tenant: &'a TenantId,
    /// Where it is.
    pub platform: Platform,
    /// For people.
    pub name: &'a str,
    /// Switched on.
    pub enabled: bool,
    /// What was asked for.
    pub settings: &'a Settings,
    /// Without a key.
    pub rtmp_url: &'a str,
    /// A linked platform account, or empty.
    pub account_id: &'a str,
    /// What was asked of the platform.
    pub platform_settings: &'a PlatformSettings,
}

/// Inserts it, unless the id is taken.
///
/// # Errors
/// Postgres is away.
pub async fn insert(conn: &mut PgConnection, new: New<'_>, now_ms: i64) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO destinations
            (id, stream_id, tenant_id, platform, name, is_enabled, auto_start, settings, rtmp_url, account_id, created_at_ms,
             platform_settings)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING",
    )
    .bind(new.id.0)
    .bind(new.stream.0)
    .bind(new.tenant.as_str())
    .bind(new.platform.as_str())
    .bind(new.name)
    .bind(new.enabled)
    .bind(new.settings.auto_start.unwrap_or(false))
    .bind(Json(StoredSettings::from(new.settings)))
    .bind(new.rtmp_url)
    .bind(new.account_id)
    .bind(now_ms)
    .bind(Json(new.platform_settings))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What people may change; what is left out stays.
#[derive(Debug, Default)]
pub struct Change<'a> {
    /// For people.
    pub name: Option<&'a str>,
    /// Switched on or off.
    pub enabled: Option<bool>,
    /// Takes part in the present run.
    pub attached: Option<bool>,
    /// Replaces all settings.
    pub settings: Option<&'a Settings>,
    /// Without a key.
    pub rtmp_url: Option<&'a str>,
    /// A running session must take the change.
    pub respec: bool,
    /// Another linked platform account.
    pub account_id: Option<&'a str>,
    /// Replaces all that is asked of the platform.
    pub platform_settings: Option<&'a PlatformSettings>,
    /// What stood in the way may be gone: an old fault is forgiven, and a preparation that waits is tried at once.
    pub forgive: bool,
}

/// Changes it.
///
/// # Errors
/// Postgres is away.
pub async fn update(conn: &mut PgConnection, id: DestinationId, change: Change<'_>) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations SET name = COALESCE($2, name), is_enabled = COALESCE($3, is_enabled),
            attached = COALESCE($4, attached), settings = COALESCE($5, settings),
            auto_start = COALESCE($6, auto_start), rtmp_url = COALESCE($7, rtmp_url),
            spec_version = spec_version + CASE WHEN $8 THEN 1 ELSE 0 END,
            account_id = COALESCE($9, account_id), platform_settings = COALESCE($10, platform_settings),
            gave_up = CASE WHEN $11 THEN NULL ELSE gave_up END,
            prep_retry_at_ms = CASE WHEN $11 THEN NULL ELSE prep_retry_at_ms END,
            prep_attempts = CASE WHEN $11 THEN 0 ELSE prep_attempts END
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(change.name)
    .bind(change.enabled)
    .bind(change.attached)
    .bind(change.settings.map(|s| Json(StoredSettings::from(s))))
    .bind(change.settings.map(|s| s.auto_start.unwrap_or(false)))
    .bind(change.rtmp_url)
    .bind(change.respec)
    .bind(change.account_id)
    .bind(change.platform_settings.map(Json))
    .bind(change.forgive)
    .execute(conn)
    .await?;
    one(&done)
}

/// Brings it into the run (forgiving an old fault) or takes it out.
///
/// # Errors
/// Postgres is away.
pub async fn attach(conn: &mut PgConnection, id: DestinationId, attached: bool) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations SET attached = $2, is_enabled = is_enabled OR $2,
            gave_up = CASE WHEN $2 THEN NULL ELSE gave_up END, prep_fault = NULL, prep_retry_at_ms = NULL, prep_attempts = 0
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(attached)
    .execute(conn)
    .await?;
    one(&done)
}

/// Prepares a stream's destinations for a new run: the chosen ones take part (all enabled ones if none are named),
/// old faults are forgiven, counters are cleared. On a platform a session of the last run has the last run's address: it
/// connects anew. Returns how many take part.
///
/// # Errors
/// Postgres is away.
pub async fn enlist(
    conn: &mut PgConnection,
    stream: StreamId,
    chosen: Option<&[DestinationId]>,
) -> Result<usize, sqlx::Error> {
    let chosen: Option<Vec<uuid::Uuid>> = chosen.map(|ids| ids.iter().map(|id| id.0).collect());
    let attached: Vec<bool> = sqlx::query_scalar(
        "UPDATE destinations d SET attached = is_enabled AND ($2::uuid[] IS NULL OR id = ANY($2)), gave_up = NULL,
            fault = NULL, retry_at_ms = NULL, reconnects = 0, connected_at_ms = NULL, mode = '', health = 'unknown',
            issues = '[]', take = 0, prepared_run_ms = NULL, prepared_take = NULL, prep_fault = NULL,
            prep_retry_at_ms = NULL, prep_attempts = 0, prep_notes = '[]', platform_claim = NULL, platform_claim_job = '',
            platform_claim_until_ms = 0, platform_state = '', platform_seen_ms = 0, platform_health = 'unknown',
            platform_issues = '[]', platform_fault = NULL, viewer_count = 0, repaired_at_ms = 0,
            renewals = 0, playback_url = CASE WHEN platform = 'rtmp_custom' THEN playback_url ELSE '' END,
            stale_epoch = CASE WHEN platform <> 'rtmp_custom' THEN (SELECT p.epoch FROM sessions p WHERE p.id = d.id) END
         WHERE stream_id = $1 AND deleted_at_ms IS NULL RETURNING attached",
    )
    .bind(stream.0)
    .bind(chosen)
    .fetch_all(conn)
    .await?;
    Ok(attached.into_iter().filter(|a| *a).count())
}

/// Start was pressed again while running: every enabled destination takes part, and faults are forgiven.
///
/// # Errors
/// Postgres is away.
pub async fn rejoin(conn: &mut PgConnection, stream: StreamId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE destinations SET attached = true, gave_up = NULL, prep_fault = NULL, prep_retry_at_ms = NULL, prep_attempts = 0
         WHERE stream_id = $1 AND is_enabled AND deleted_at_ms IS NULL
           AND (NOT attached OR gave_up IS NOT NULL OR prep_retry_at_ms IS NOT NULL)",
    )
    .bind(stream.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes why it is not tried any more.
///
/// # Errors
/// Postgres is away.
pub async fn give_up(conn: &mut PgConnection, id: DestinationId, fault: &Fault) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE destinations SET gave_up = $2 WHERE id = $1")
        .bind(id.0)
        .bind(Json(fault))
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes what people see of its state.
///
/// # Errors
/// Postgres is away.
pub async fn set_state(
    conn: &mut PgConnection,
    id: DestinationId,
    state: &State,
    extra: Extra<'_>,
) -> Result<(), sqlx::Error> {
    let done = sqlx::query(
        "UPDATE destinations SET status = $2, fault = $3, retry_at_ms = $4, mode = $5, reconnects = $6,
            connected_at_ms = $7, health = $8, issues = $9
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(state.status().as_str())
    .bind(state.fault().map(Json))
    .bind(state.retry_at_ms())
    .bind(extra.mode)
    .bind(extra.reconnects)
    .bind(extra.connected_at_ms)
    .bind(extra.health)
    .bind(Json(extra.issues))
    .execute(conn)
    .await?;
    one(&done)
}

/// What is written together with a state.
#[derive(Debug)]
pub struct Extra<'a> {
    /// `copy`, `encode`, or empty while unknown.
    pub mode: &'a str,
    /// In this run.
    pub reconnects: i32,
    /// Since when the present connection stands.
    pub connected_at_ms: Option<i64>,
    /// One word.
    pub health: &'a str,
    /// Sentences.
    pub issues: &'a [String],
}

/// Writes a verdict.
///
/// # Errors
/// Postgres is away.
pub async fn set_health(conn: &mut PgConnection, id: DestinationId, verdict: &Verdict) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE destinations SET health = $2, issues = $3 WHERE id = $1")
        .bind(id.0)
        .bind(verdict.health.as_str())
        .bind(Json(&verdict.issues))
        .execute(conn)
        .await?;
    Ok(())
}

/// Hides it; its row goes when its session has ended.
///
/// # Errors
/// Postgres is away.
pub async fn delete(conn: &mut PgConnection, id: DestinationId, now_ms: i64) -> Result<(), sqlx::Error> {
    let done = sqlx::query("UPDATE destinations SET deleted_at_ms = $2, is_enabled = false WHERE id = $1")
        .bind(id.0)
        .bind(now_ms)
        .execute(conn)
        .await?;
    one(&done)
}

/// Removes deleted destinations of a stream whose session has ended, and whose platform has nothing left to end.
///
/// # Errors
/// Postgres is away.
pub async fn purge(conn: &mut PgConnection, stream: StreamId) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM destinations d WHERE d.stream_id = $1 AND d.deleted_at_ms IS NOT NULL
           AND d.open_run_ms IS NULL
           AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.destination_id = d.id AND s.kind <> 'test'
                             AND s.phase NOT IN ('failed', 'ended', 'released'))",
    )
    .bind(stream.0)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
