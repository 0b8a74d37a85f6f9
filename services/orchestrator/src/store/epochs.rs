//! Epochs: of sessions and of publishes alike, so that a pulled source and an encoder compare.

use domain::ids::Epoch;
use sqlx::PgConnection;

use crate::rows::unsigned;

/// A new epoch, above every one given out before.
///
/// # Errors
/// Postgres is away.
pub async fn next(conn: &mut PgConnection) -> Result<Epoch, sqlx::Error> {
    let n: i64 = sqlx::query_scalar("SELECT nextval('epochs')").fetch_one(conn).await?;
    Ok(Epoch(unsigned(n)))
}
