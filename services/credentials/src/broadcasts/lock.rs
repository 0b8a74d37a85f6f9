//! One call at a time for one destination, across replicas. Postgres keeps the locks, each with the transaction of one
//! connection: it releases them when that connection or the process behind it dies.

use std::{collections::HashSet, time::Duration};

use domain::ids::DestinationId;
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::store::{Error, Store, Tx};

/// Sets these keys apart from other advisory locks of this database.
const SPACE: u64 = 0x6578_7072_736e_0202;
/// A connection that can't be had within this time means: all are in use.
const ACQUIRE: Duration = Duration::from_millis(1_200);
/// Unused connections beyond [`KEPT`] go.
const IDLE: Duration = Duration::from_mins(1);
/// These stay: to open one takes longer than to prepare a broadcast may.
const KEPT: u32 = 2;
/// A process that stands still (stopped, swapped out) loses its locks after this time: longer than any call, which could
/// not write any more by then.
const STANDSTILL: &str = "25s";
/// `lock_not_available`
const NOT_AVAILABLE: &str = "55P03";

/// The pool that holds the locks.
#[derive(Clone, Debug)]
pub(super) struct Locks {
    pool: PgPool,
}

/// Locks, until it is released or dropped.
#[derive(Debug)]
pub(super) struct Held(Tx);

impl Locks {
    /// At most `connections` calls at a time hold locks; one waits for `patience` for a lock.
    pub(super) fn new(store: &Store, connections: usize, patience: Duration) -> Self {
        let options = store.pool().connect_options().as_ref().clone().application_name("credentials-locks").options([
            ("lock_timeout", patience.as_millis().to_string().as_str()),
            ("idle_in_transaction_session_timeout", STANDSTILL),
            // A replica whose machine is gone says no goodbye.
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(u32::try_from(connections).unwrap_or(u32::MAX))
            .min_connections(KEPT)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(IDLE)
            .connect_lazy_with(options);
        Self { pool }
    }

    /// The lock of one destination; `None` while somebody else has it, or while all connections are in use.
    ///
    /// # Errors
    /// Postgres is away.
    pub(super) async fn one(&self, id: DestinationId) -> Result<Option<Held>, Error> {
        let mut tx = match self.pool.begin().await {
            Err(sqlx::Error::PoolTimedOut) if self.is_exhausted() => return Ok(None),
            begun => begun?,
        };
        let taken = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(key(id.0)).execute(&mut *tx).await;
        match taken {
            Ok(_) => Ok(Some(Held(tx))),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NOT_AVAILABLE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The locks of those destinations that nobody else has now.
    ///
    /// # Errors
    /// Postgres is away.
    pub(super) async fn free_ones(&self, ids: &[Uuid]) -> Result<(Held, HashSet<Uuid>), Error> {
        let mut tx = self.pool.begin().await?;
        let keys: Vec<i64> = ids.iter().copied().map(key).collect();
        let sql = "SELECT key FROM unnest($1::bigint[]) AS key WHERE pg_try_advisory_xact_lock(key)";
        let taken: Vec<i64> = sqlx::query_scalar(sql).bind(&keys).fetch_all(&mut *tx).await?;
        let taken: HashSet<i64> = taken.into_iter().collect();
        Ok((Held(tx), ids.iter().copied().filter(|id| taken.contains(&key(*id))).collect()))
    }

    fn is_exhausted(&self) -> bool {
        self.pool.num_idle() == 0 && self.pool.size() >= self.pool.options().get_max_connections()
    }
}

impl Held {
    /// Ends the locks now.
    pub(super) async fn release(self) {
        // A connection that is gone has ended them already.
        if let Err(error) = self.0.rollback().await {
            tracing::debug!(%error, "a lock's connection is gone");
        }
    }
}

/// Two destinations may share a key (1 in 2^64): then one waits for the other.
fn key(id: Uuid) -> i64 {
    let (high, low) = id.as_u64_pair();
    (high ^ low.rotate_left(1) ^ SPACE).cast_signed()
}
