//! Statements about the vault's keys.

use sqlx::PgConnection;

use super::Error;
use crate::crypto::{Derivation, KeyId};

/// Held by whoever sets up, registers or rotates keys: one process at a time.
const KEYS_LOCK: i64 = 0x6578_7072_736e_0102;

/// A key as it is stored: how to derive it and how to tell whether it is the right one.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Its id.
    pub id: KeyId,
    /// How it comes from a passphrase.
    pub derivation: Derivation,
    /// A known text sealed with it.
    pub check: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    key_id: i32,
    salt: Vec<u8>,
    log_n: i16,
    key_check: Vec<u8>,
}

impl TryFrom<Row> for StoredKey {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let bad = |column: &str| sqlx::Error::ColumnDecode { index: column.to_owned(), source: "out of range".into() };
        let salt = row.salt.try_into().map_err(|_| bad("salt"))?;
        let log_n = row.log_n.try_into().map_err(|_| bad("log_n"))?;
        Ok(Self { id: KeyId(row.key_id), derivation: Derivation { salt, log_n }, check: row.key_check })
    }
}

/// Takes the lock until the end of the transaction.
///
/// # Errors
/// Postgres is away.
pub async fn lock(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(KEYS_LOCK).execute(conn).await?;
    Ok(())
}

/// The keys that may still be needed, newest first.
///
/// # Errors
/// Postgres is away.
pub async fn in_use(conn: &mut PgConnection) -> Result<Vec<StoredKey>, Error> {
    let sql = "SELECT key_id, salt, log_n, key_check FROM credentials.keys WHERE retired_at IS NULL \
               ORDER BY key_id DESC";
    let rows = sqlx::query_as::<_, Row>(sql).fetch_all(conn).await?;
    rows.into_iter().map(StoredKey::try_from).collect()
}

/// The key that seals. Held until the end of the transaction: a rotation waits for it. `None` before the first start.
///
/// # Errors
/// Postgres is away.
pub async fn active_for_share(conn: &mut PgConnection) -> Result<Option<KeyId>, Error> {
    let sql = "SELECT active_key_id FROM credentials.vault FOR SHARE";
    Ok(sqlx::query_scalar::<_, i32>(sql).fetch_optional(conn).await?.map(KeyId))
}

/// An id no key has had. Only under [`lock`].
///
/// # Errors
/// Postgres is away.
pub async fn next_id(conn: &mut PgConnection) -> Result<KeyId, Error> {
    let sql = "SELECT coalesce(max(key_id), 0) + 1 FROM credentials.keys";
    Ok(KeyId(sqlx::query_scalar::<_, i32>(sql).fetch_one(conn).await?))
}

/// Stores a new key.
///
/// # Errors
/// Postgres is away.
pub async fn insert(conn: &mut PgConnection, key: &StoredKey) -> Result<(), Error> {
    sqlx::query("INSERT INTO credentials.keys (key_id, salt, log_n, key_check) VALUES ($1, $2, $3, $4)")
        .bind(key.id.0)
        .bind(key.derivation.salt.as_slice())
        .bind(i16::from(key.derivation.log_n))
        .bind(&key.check)
        .execute(conn)
        .await?;
    Ok(())
}

/// From here on everything is sealed with this key. Waits for writers under way.
///
/// # Errors
/// Postgres is away.
pub async fn activate(conn: &mut PgConnection, id: KeyId) -> Result<(), Error> {
    let sql = "INSERT INTO credentials.vault (active_key_id) VALUES ($1) \
               ON CONFLICT (singleton) DO UPDATE SET active_key_id = excluded.active_key_id";
    sqlx::query(sql).bind(id.0).execute(conn).await?;
    Ok(())
}

/// Marks every key that nothing is sealed with as retired, except the active one; returns how many.
///
/// # Errors
/// Postgres is away.
pub async fn retire_unused(conn: &mut PgConnection) -> Result<u64, Error> {
    let sql = "UPDATE credentials.keys k SET retired_at = now() WHERE retired_at IS NULL \
               AND NOT EXISTS (SELECT 1 FROM credentials.vault v WHERE v.active_key_id = k.key_id) \
               AND NOT EXISTS (SELECT 1 FROM credentials.secrets s WHERE s.key_id = k.key_id)";
    Ok(sqlx::query(sql).execute(conn).await?.rows_affected())
}
