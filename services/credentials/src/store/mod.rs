//! Postgres: the pool, the migrations and a bound on all work. The statements are in the modules, as plain functions.

pub mod error;
pub mod keys;
pub mod replicas;
pub mod secrets;

use std::{future::Future, str::FromStr, time::Duration};

use secret::{ExposeSecret, SecretString};
use sqlx::{
    PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

pub use error::Error;

/// Our schema; no other service reads it.
const SCHEMA: &str = "credentials";
const MIGRATIONS_TABLE: &str = "credentials._sqlx_migrations";

/// A transaction.
pub type Tx = Transaction<'static, Postgres>;

/// The bounds of the store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections of the pool, all opened at start.
    pub connections: u32,
    /// How long to wait for one.
    pub acquire_timeout: Duration,
    /// How long one piece of work may take.
    pub work_timeout: Duration,
    /// How long migrations and unlocking may take at start, other replicas' turns included.
    pub start_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 8,
            acquire_timeout: Duration::from_millis(1_200),
            work_timeout: Duration::from_millis(1_500),
            start_timeout: Duration::from_secs(60),
        }
    }
}

/// The pool and its bounds. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    options: Options,
}

impl Store {
    /// Connects at the first use.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn new(url: &SecretString, options: Options) -> Result<Self, Error> {
        let server_side = options.start_timeout.as_millis().to_string();
        // The parse error may repeat the URL with its password: it is dropped.
        let connect = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| Error::Url)?
            .application_name("credentials")
            .options([("statement_timeout", server_side)]);
        // Open them all at start and keep them: SCRAM yields to the runtime 819 times for one connection, so under load a
        // new one takes longer than a caller waits (12 of 1600 calls of 32 callers timed out with a pool that grows).
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .min_connections(options.connections)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(connect);
        Ok(Self { pool, options })
    }

    /// Creates the schema and applies the migrations, one replica at a time. Idempotent.
    ///
    /// # Errors
    /// Postgres is away or a migration fails.
    pub async fn migrate(&self) -> Result<(), Error> {
        let mut migrator: Migrator = sqlx::migrate!("./migrations");
        migrator.create_schema(SCHEMA);
        migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
        let work = async { Ok(migrator.run(&self.pool).await?) };
        timeout(self.options.start_timeout, work).await.unwrap_or(Err(Error::Timeout))
    }

    /// Returns when all connections are open.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn warm(&self) -> Result<(), Error> {
        let mut held = Vec::new();
        for _ in 0..self.options.connections {
            held.push(self.pool.acquire().await?);
        }
        Ok(())
    }

    /// The pool, for single statements.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction; dropping it rolls back.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn begin(&self) -> Result<Tx, Error> {
        Ok(self.pool.begin().await?)
    }

    /// Runs one piece of work within [`Options::work_timeout`].
    ///
    /// # Errors
    /// Its own, or [`Error::Timeout`].
    pub async fn bounded<T, E: From<Error>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        timeout(self.options.work_timeout, work).await.unwrap_or_else(|_| Err(Error::Timeout.into()))
    }

    /// Runs a piece of work of the start within [`Options::start_timeout`].
    ///
    /// # Errors
    /// Its own, or [`Error::Timeout`].
    pub async fn bounded_start<T, E: From<Error>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        timeout(self.options.start_timeout, work).await.unwrap_or_else(|_| Err(Error::Timeout.into()))
    }

    /// Closes the pool.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
