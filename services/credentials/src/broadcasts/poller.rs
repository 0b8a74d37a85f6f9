//! Looks at broadcasts when their time has come. Every replica does; a broadcast is claimed by moving its time, and stays
//! with the replica that has it as long as that one is in time: platforms' code remembers there what it need not ask.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use service_kit::Shutdown;
use sqlx::PgConnection;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::Instrument;
use uuid::Uuid;

use super::{Broadcasts, Core, Error, Options, look::later, row::Row};
use crate::store;

/// How often broadcasts of deleted destinations are looked for.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(5);

impl Broadcasts {
    /// The loop, until the soft shutdown. Looks under way are tasks of their own.
    pub async fn run(self, shutdown: Shutdown) {
        let core = self.0;
        let mut tick = interval(core.parts.options.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forgotten_at = Instant::now();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = core.wake.notified() => {}
                () = shutdown.soft.cancelled() => return,
            }
            // Postgres is away: the next round may find it. Its heartbeat says so already.
            if let Err(error) = core.round().await {
                tracing::debug!(%error, "no look at broadcasts");
            }
            if forgotten_at.elapsed() >= FORGOTTEN_EVERY {
                forgotten_at = Instant::now();
                let core = Arc::clone(&core);
                shutdown.tasks.spawn(async move {
                    if let Err(error) = core.end_forgotten().await {
                        tracing::debug!(%error, "broadcasts of deleted destinations are not ended now");
                    }
                });
            }
        }
    }
}

impl Core {
    /// Claims what is due and begins to look at it.
    async fn round(self: &Arc<Self>) -> Result<(), Error> {
        let accounts = self.looks.available_permits();
        if accounts == 0 {
            return Ok(());
        }
        let (store, options, now_ms) = (&self.parts.store, &self.parts.options, self.now_ms());
        let work = async {
            let mut conn = store.pool().acquire().await?;
            claim(&mut conn, accounts, options, self.replica, now_ms).await
        };
        for (_, rows) in by_account(store.bounded(work).await?) {
            for batch in rows.chunks(options.batch) {
                self.begin_look(batch.to_vec());
            }
        }
        Ok(())
    }

    /// With more batches than may run at a time the rest is due again when their claim is over.
    fn begin_look(self: &Arc<Self>, rows: Vec<Row>) {
        let Ok(permit) = Arc::clone(&self.looks).try_acquire_owned() else { return };
        let Some(platform) = rows.first().and_then(|row| row.platform().ok()) else { return };
        let core = Arc::clone(self);
        let span = tracing::debug_span!("broadcasts.look", %platform, count = rows.len());
        let work = async move {
            if let Err(error) = core.look(platform, rows).await {
                tracing::debug!(%error, "a look is lost");
            }
            drop(permit);
        };
        self.parts.tasks.spawn(work.instrument(span));
    }
}

/// What one call to a platform can answer for. Without an account the token is the installation's.
fn by_account(rows: Vec<Row>) -> BTreeMap<(String, Option<Uuid>), Vec<Row>> {
    let mut accounts = BTreeMap::<_, Vec<Row>>::new();
    for row in rows {
        accounts.entry((row.platform.clone(), row.account_id)).or_default().push(row);
    }
    accounts
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The due broadcasts of at most so many accounts, and what else of these accounts is due very soon. What another replica
/// looks at is left to it until it is overdue.
async fn claim(
    conn: &mut PgConnection,
    accounts: usize,
    options: &Options,
    replica: Uuid,
    now_ms: i64,
) -> Result<Vec<Row>, store::Error> {
    let sql = "WITH due AS (SELECT platform, account_id FROM credentials.broadcasts \
                   WHERE phase = 'ready' AND next_look_ms <= $1 AND observed_ms >= $2 \
                   AND (looked_by = $7 OR looked_by IS NULL OR next_look_ms <= $8) \
                   GROUP BY platform, account_id ORDER BY min(next_look_ms) LIMIT $5), \
               mine AS (SELECT b.destination_id FROM credentials.broadcasts b JOIN due \
                   ON due.platform = b.platform AND due.account_id IS NOT DISTINCT FROM b.account_id \
                   WHERE b.phase = 'ready' AND b.next_look_ms <= $3 AND b.observed_ms >= $2 \
                   AND (b.looked_by = $7 OR b.looked_by IS NULL OR b.next_look_ms <= $8) \
                   ORDER BY b.next_look_ms LIMIT $6 FOR UPDATE OF b SKIP LOCKED) \
               UPDATE credentials.broadcasts b SET next_look_ms = $4, looked_by = $7 FROM mine \
               WHERE b.destination_id = mine.destination_id RETURNING b.*";
    let most = i64::try_from(accounts * options.batch).unwrap_or(i64::MAX);
    let query = sqlx::query_as(sql)
        .bind(now_ms)
        .bind(now_ms.saturating_sub(millis(options.unobserved)))
        .bind(later(now_ms, options.along))
        .bind(later(now_ms, options.claim))
        .bind(i64::try_from(accounts).unwrap_or(i64::MAX))
        .bind(most)
        .bind(replica)
        .bind(now_ms.saturating_sub(millis(options.handover)));
    Ok(query.fetch_all(conn).await?)
}
