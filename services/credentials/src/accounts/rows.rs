//! Statements about linked accounts. The tokens are sealed values beside them.

use domain::{fault::Fault, ids::TenantId, platform::Platform};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Account, Status, profile::Profile};
use crate::store::Error;

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: String,
    platform: String,
    external_id: String,
    name: String,
    picture_url: String,
    scopes: Vec<String>,
    status: String,
    fault: Option<Json<Fault>>,
    token_version: i64,
    token_expires_ms: i64,
    refreshed_ms: i64,
    refresh_after_ms: i64,
    refresh_failures: i32,
    linked_ms: i64,
}

impl TryFrom<Row> for Account {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let platform: Platform = row
            .platform
            .parse()
            .map_err(|error| sqlx::Error::ColumnDecode { index: "platform".to_owned(), source: Box::new(error) })?;
        Ok(Self {
            id: row.id,
            tenant: TenantId(row.tenant_id),
            platform,
            external_id: row.external_id,
            name: row.name,
            picture_url: row.picture_url,
            scopes: row.scopes,
            status: if row.status == "ok" { Status::Ok } else { Status::ReauthRequired },
            fault: row.fault.map(|fault| fault.0),
            token_version: row.token_version,
            token_expires_ms: row.token_expires_ms,
            linked_ms: row.linked_ms,
            refreshed_ms: row.refreshed_ms,
            refresh_after_ms: row.refresh_after_ms,
            refresh_failures: row.refresh_failures,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, platform, external_id, name, picture_url, scopes, status, fault, token_version, \
             token_expires_ms, refreshed_ms, refresh_after_ms, refresh_failures, linked_ms FROM credentials.accounts ",
            $rest
        )
    };
}

/// A tenant's account. Another tenant's is none.
pub(super) async fn find(conn: &mut PgConnection, tenant: &TenantId, id: Uuid) -> Result<Option<Account>, Error> {
    let query = sqlx::query_as::<_, Row>(select!("WHERE id = $1 AND tenant_id = $2"));
    query.bind(id).bind(tenant.as_str()).fetch_optional(conn).await?.map(Account::try_from).transpose()
}

/// The same, held until the end of the transaction.
pub(super) async fn lock(conn: &mut PgConnection, tenant: &TenantId, id: Uuid) -> Result<Option<Account>, Error> {
    let query = sqlx::query_as::<_, Row>(select!("WHERE id = $1 AND tenant_id = $2 FOR UPDATE"));
    query.bind(id).bind(tenant.as_str()).fetch_optional(conn).await?.map(Account::try_from).transpose()
}

/// A tenant's accounts, oldest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    platform: Option<Platform>,
    limit: i64,
) -> Result<Vec<Account>, Error> {
    let sql = select!("WHERE tenant_id = $1 AND ($2::text IS NULL OR platform = $2) ORDER BY linked_ms, id LIMIT $3");
    let query = sqlx::query_as::<_, Row>(sql).bind(tenant.as_str()).bind(platform.map(Platform::as_str)).bind(limit);
    query.fetch_all(conn).await?.into_iter().map(Account::try_from).collect()
}

/// Accounts whose token ends before `expires_ms`, the most urgent first.
pub(super) async fn ending(
    conn: &mut PgConnection,
    platform: Platform,
    expires_ms: i64,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<Account>, Error> {
    let sql = select!(
        "WHERE platform = $1 AND status = 'ok' AND token_expires_ms > 0 AND token_expires_ms < $2 \
         AND refresh_after_ms <= $3 ORDER BY token_expires_ms, id LIMIT $4"
    );
    let query = sqlx::query_as::<_, Row>(sql).bind(platform.as_str()).bind(expires_ms).bind(now_ms).bind(limit);
    query.fetch_all(conn).await?.into_iter().map(Account::try_from).collect()
}

/// What a sign-in has brought.
pub(super) struct Linked<'a> {
    pub tenant: &'a TenantId,
    pub platform: Platform,
    pub profile: &'a Profile,
    pub scopes: &'a [String],
    pub expires_ms: i64,
    pub now_ms: i64,
}

/// The same tenant's same account has the same id again when it is linked after it was unlinked: destinations that name it
/// go on.
fn id_of(linked: &Linked<'_>) -> Uuid {
    let name = format!("account/{}/{}/{}", linked.platform, linked.profile.external_id, linked.tenant.as_str());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// Adds the account, or brings the tenant's row of the same one up to date under its old id.
pub(super) async fn link(conn: &mut PgConnection, linked: &Linked<'_>) -> Result<Uuid, Error> {
    let sql = "INSERT INTO credentials.accounts AS a (id, tenant_id, platform, external_id, name, picture_url, scopes, \
               token_expires_ms, validated_ms, linked_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) \
               ON CONFLICT (tenant_id, platform, external_id) DO UPDATE SET name = excluded.name, \
               picture_url = excluded.picture_url, scopes = excluded.scopes, status = 'ok', fault = NULL, \
               token_version = a.token_version + 1, token_expires_ms = excluded.token_expires_ms, \
               validated_ms = excluded.validated_ms, refreshed_ms = 0, refresh_after_ms = 0, refresh_failures = 0 \
               RETURNING id";
    let query = sqlx::query_scalar::<_, Uuid>(sql)
        .bind(id_of(linked))
        .bind(linked.tenant.as_str())
        .bind(linked.platform.as_str())
        .bind(&linked.profile.external_id)
        .bind(&linked.profile.name)
        .bind(&linked.profile.picture_url)
        .bind(linked.scopes)
        .bind(linked.expires_ms)
        .bind(linked.now_ms);
    Ok(query.fetch_one(conn).await?)
}

/// How many accounts a tenant has beside this one.
pub(super) async fn others(conn: &mut PgConnection, linked: &Linked<'_>) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM credentials.accounts WHERE tenant_id = $1 AND (platform, external_id) <> ($2, $3)";
    let query = sqlx::query_scalar(sql)
        .bind(linked.tenant.as_str())
        .bind(linked.platform.as_str())
        .bind(&linked.profile.external_id);
    Ok(query.fetch_one(conn).await?)
}

/// A new pair is sealed. `false` when somebody else was first, or the account is gone.
pub(super) async fn refreshed(
    conn: &mut PgConnection,
    account: &Account,
    expires_ms: i64,
    refresh_after_ms: i64,
    now_ms: i64,
) -> Result<bool, Error> {
    let sql = "UPDATE credentials.accounts SET token_version = token_version + 1, token_expires_ms = $3, \
               refreshed_ms = $4, refresh_after_ms = $5, refresh_failures = 0, status = 'ok', fault = NULL \
               WHERE id = $1 AND token_version = $2";
    let query = sqlx::query(sql)
        .bind(account.id)
        .bind(account.token_version)
        .bind(expires_ms)
        .bind(now_ms)
        .bind(refresh_after_ms);
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// The grant is gone. `false` when somebody has brought a new one meanwhile.
pub(super) async fn died(conn: &mut PgConnection, account: &Account, fault: &Fault) -> Result<bool, Error> {
    let sql =
        "UPDATE credentials.accounts SET status = 'reauth_required', fault = $3 WHERE id = $1 AND token_version = $2";
    let query = sqlx::query(sql).bind(account.id).bind(account.token_version).bind(Json(fault));
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// Nobody asks again before `refresh_after_ms`.
pub(super) async fn postponed(conn: &mut PgConnection, account: &Account, refresh_after_ms: i64) -> Result<(), Error> {
    let sql = "UPDATE credentials.accounts SET refresh_failures = least(refresh_failures + 1, 1000), refresh_after_ms = $2 WHERE id = $1";
    sqlx::query(sql).bind(account.id).bind(refresh_after_ms).execute(conn).await?;
    Ok(())
}

/// Forgets it; whether it was there.
pub(super) async fn delete(conn: &mut PgConnection, account: &Account) -> Result<bool, Error> {
    let query = sqlx::query("DELETE FROM credentials.accounts WHERE id = $1").bind(account.id);
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

/// Whether somebody else has linked the same account.
pub(super) async fn is_shared(conn: &mut PgConnection, account: &Account) -> Result<bool, Error> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM credentials.accounts WHERE platform = $1 AND external_id = $2 AND id <> $3)";
    let query = sqlx::query_scalar(sql).bind(account.platform.as_str()).bind(&account.external_id).bind(account.id);
    Ok(query.fetch_one(conn).await?)
}

/// Takes accounts that were not validated since `before_ms`; another replica takes others.
pub(super) async fn claim_unvalidated(
    conn: &mut PgConnection,
    platform: Platform,
    before_ms: i64,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<(Uuid, TenantId)>, Error> {
    let sql = "UPDATE credentials.accounts SET validated_ms = $3 WHERE id IN (SELECT id FROM credentials.accounts \
               WHERE platform = $1 AND status = 'ok' AND validated_ms <= $2 ORDER BY validated_ms LIMIT $4 \
               FOR UPDATE SKIP LOCKED) RETURNING id, tenant_id";
    let query =
        sqlx::query_as::<_, (Uuid, String)>(sql).bind(platform.as_str()).bind(before_ms).bind(now_ms).bind(limit);
    let rows = query.fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(id, tenant)| (id, TenantId(tenant))).collect())
}

/// When it counts as validated.
pub(super) async fn validated(conn: &mut PgConnection, id: Uuid, at_ms: i64) -> Result<(), Error> {
    let query = sqlx::query("UPDATE credentials.accounts SET validated_ms = $2 WHERE id = $1").bind(id).bind(at_ms);
    query.execute(conn).await?;
    Ok(())
}
