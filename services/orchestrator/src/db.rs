//! Postgres: the pool, the migrations, and the bound on every piece of work.

use std::{future::Future, str::FromStr, time::Duration};

use secret::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::error::Error;

/// Our schema; no other service reads it.
const SCHEMA: &str = "orchestrator";
/// The share of the bound that may go by waiting for a connection, in tenths.
const ACQUIRE_TENTHS: u32 = 7;
/// Held while schema and migrations are applied, so that replicas starting together take turns.
const MIGRATION_LOCK: i64 = 0x6578_7072_736e_0001;
/// How long a migration may take.
const MIGRATE: Duration = Duration::from_secs(60);
/// The server ends what takes longer, also when we have given up on it.
const STATEMENT_TIMEOUT_MS: &str = "5000";

/// The pool and its bound. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    options: PgConnectOptions,
    bound: Duration,
}

/// A transaction.
pub type Tx = Transaction<'static, Postgres>;

impl Db {
    /// Connects at the first use.
    ///
    /// # Errors
    /// The URL can't be read.
    pub fn new(url: &SecretString, connections: u32, bound: Duration) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url.expose_secret())?
            .application_name("orchestrator")
            .options([("search_path", SCHEMA), ("statement_timeout", STATEMENT_TIMEOUT_MS)]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(bound * ACQUIRE_TENTHS / 10)
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options, bound })
    }

    /// Creates the schema and applies the migrations, one replica at a time. Idempotent.
    ///
    /// # Errors
    /// Postgres is away or a migration fails.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        let mut conn = self.dedicated().await?;
        let work = async {
            sqlx::query("SET statement_timeout = 0").execute(&mut conn).await?;
            sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut conn).await?;
            sqlx::query("CREATE SCHEMA IF NOT EXISTS orchestrator").execute(&mut conn).await?;
            sqlx::migrate!("./migrations").run(&mut conn).await?;
            Ok(())
        };
        let done = timeout(MIGRATE, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        // Closing releases the lock.
        let _ = conn.close().await;
        done
    }

    /// A connection of one's own, outside the pool.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn dedicated(&self) -> Result<PgConnection, sqlx::Error> {
        timeout(self.bound, PgConnection::connect_with(&self.options)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn begin(&self) -> Result<Tx, Error> {
        Ok(self.pool.begin().await?)
    }

    /// The pool, for single statements.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs one piece of database work within the bound. A transaction left behind is rolled back.
    ///
    /// # Errors
    /// Its own, or [`Error::DatabaseTimeout`].
    pub async fn bounded<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout(self.bound, work).await.unwrap_or(Err(Error::DatabaseTimeout))
    }

    /// Whether Postgres answers.
    pub async fn ping(&self) -> bool {
        self.bounded(async { Ok(sqlx::query("SELECT 1").execute(&self.pool).await?) }).await.is_ok()
    }

    /// Closes the pool.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
