//! One replica leads: it writes health, saves counters and sweeps. Leadership is an advisory lock on a connection of its
//! own; losing the connection loses the lock, and with it the leadership.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use service_kit::Shutdown;
use sqlx::PgConnection;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::{db::Db, error::chain, names};

const LOCK: i64 = 0x6578_7072_736e_0002;
const CHECK: Duration = Duration::from_secs(1);
const CHECK_BOUND: Duration = Duration::from_secs(1);
/// A leadership that was not confirmed for so long is over.
const VALID: Duration = Duration::from_secs(3);

/// Whether this replica leads. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Leadership(Arc<Mutex<Option<Instant>>>);

impl Leadership {
    /// Whether it leads now. Two replicas may both say yes for a moment: whatever a leader writes must bear that.
    pub fn leads(&self) -> bool {
        let confirmed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.is_some_and(|at| at.elapsed() < VALID)
    }

    fn set(&self, leads: bool) {
        let was = self.leads();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = leads.then(Instant::now);
        metrics::gauge!(names::LEADER).set(f64::from(u8::from(leads)));
        match (was, leads) {
            (false, true) => tracing::info!("leading"),
            (true, false) => tracing::info!("no longer leading"),
            _ => {}
        }
    }
}

/// Seeks and keeps the leadership until the shutdown.
pub async fn run(db: Db, leadership: Leadership, shutdown: Shutdown) {
    let mut tick = interval(CHECK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut conn = None;
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => break,
            _ = tick.tick() => {}
        }
        let leads = match timeout(CHECK_BOUND, look(&db, &mut conn)).await {
            Ok(Ok(leads)) => leads,
            Ok(Err(error)) => {
                tracing::debug!(error = chain(&error), "cannot seek the leadership");
                conn = None;
                false
            }
            Err(_) => {
                conn = None;
                false
            }
        };
        leadership.set(leads);
    }
    leadership.set(false);
}

/// The lock is held as long as this very connection lives; asking again on it counts the lock up, so ask only once.
async fn look(db: &Db, held: &mut Option<(PgConnection, bool)>) -> Result<bool, sqlx::Error> {
    let (conn, leads) = match held {
        Some(held) => held,
        None => held.insert((db.dedicated().await?, false)),
    };
    if *leads {
        sqlx::query("SELECT 1").execute(conn).await?;
    } else {
        *leads = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(conn).await?;
    }
    Ok(*leads)
}
