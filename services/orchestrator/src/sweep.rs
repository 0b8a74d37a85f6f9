//! The leader's housekeeping: silent sources, old keys, old tests, gauges.

use std::time::Duration;

use domain::ids::StreamId;
use service_kit::Shutdown;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    api::ingest::leave,
    ctx::Ctx,
    error::{Error, chain},
    names,
    store::{connection_tests, idempotency, outbox, sessions, sources, totals},
};

const LOOK: Duration = Duration::from_secs(1);
const CLEAN: Duration = Duration::from_secs(60);
/// Before a relay's silence counts, it must have been able to tell us for so long.
const LISTENED: Duration = Duration::from_secs(10);
/// A test nobody finished.
const TEST_MS: i64 = 60_000;

/// Sweeps until the shutdown.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listening_since: Option<Instant> = None;
    let mut cleaned: Option<Instant> = None;
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => return,
            _ = tick.tick() => {}
        }
        if !ctx.db.ping().await {
            listening_since = None;
            continue;
        }
        let since = *listening_since.get_or_insert_with(Instant::now);
        if !ctx.leader.leads() {
            continue;
        }
        if since.elapsed() >= LISTENED {
            report(silent_sources(&ctx).await);
        }
        report(gauges(&ctx).await);
        if cleaned.is_none_or(|at| at.elapsed() >= CLEAN) {
            cleaned = Some(Instant::now());
            report(clean(&ctx).await);
        }
    }
}

fn report(done: Result<(), Error>) {
    if let Err(error) = done {
        tracing::debug!(error = chain(&error), "sweep failed");
    }
}

/// A relay that died cannot say that its sources are gone.
async fn silent_sources(ctx: &Ctx) -> Result<(), Error> {
    let before = ctx.now_ms() - ctx.options.publisher_alive_ms;
    let silent = ctx.db.bounded(async {
        let mut conn = ctx.db.pool().acquire().await?;
        Ok(sources::silent(&mut conn, before).await?)
    });
    for stream in silent.await? {
        one_silent(ctx, stream, before).await?;
    }
    Ok(())
}

async fn one_silent(ctx: &Ctx, stream: StreamId, before: i64) -> Result<(), Error> {
    let left = ctx.db.bounded(async {
        let mut tx = ctx.db.begin().await?;
        let still = |seen: i64| seen < before;
        let left = leave(&mut tx, ctx, stream, None, "timeout", |row| still(row.last_seen_ms)).await?;
        tx.commit().await?;
        Ok(left)
    });
    if left.await? {
        tracing::warn!(%stream, "source silent: taken for gone");
        ctx.wake.reconcile(stream);
    }
    Ok(())
}

async fn gauges(ctx: &Ctx) -> Result<(), Error> {
    let now_ms = ctx.now_ms();
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            let (waiting, oldest) = outbox::waiting(&mut conn).await?;
            metrics::gauge!(names::OUTBOX_WAITING).set(waiting as f64);
            metrics::gauge!(names::OUTBOX_AGE).set(oldest.map_or(0.0, |at| (now_ms - at).max(0) as f64 / 1_000.0));
            let phases = sessions::by_phase(&mut conn).await?;
            for phase in domain::lifecycle::Phase::ALL {
                let n = phases.iter().find(|(name, _)| name == phase.as_str()).map_or(0, |(_, n)| *n);
                metrics::gauge!(names::SESSIONS, "phase" => phase.as_str()).set(n as f64);
            }
            Ok(())
        })
        .await
}

async fn clean(ctx: &Ctx) -> Result<(), Error> {
    let now_ms = ctx.now_ms();
    ctx.db
        .bounded(async {
            let mut conn = ctx.db.pool().acquire().await?;
            idempotency::sweep(&mut conn, now_ms - ctx.options.idempotency_kept_ms).await?;
            let dropped = outbox::sweep(&mut conn, now_ms - ctx.options.outbox_kept_ms).await?;
            if dropped > 0 {
                tracing::error!(dropped, "events dropped: the bus did not take them for a day");
            }
            connection_tests::sweep(&mut conn, now_ms - TEST_MS).await?;
            totals::sweep(&mut conn).await?;
            Ok(())
        })
        .await
}
