//! Feeds the board: samples from the bus, and each second a look at Postgres and a judgement.

use std::time::Duration;

use bus::MetricFilter;
use futures::StreamExt;
use service_kit::Shutdown;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Taken, rows, write};
use crate::{
    ctx::Ctx,
    error::{Error, chain},
    names,
    store::totals,
};

/// A destination that left its run stays on the board so long, for its last samples.
const KEEP_MS: i64 = 30_000;
/// A sample of an unknown destination makes us look, at most this often.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Feeds the board until the shutdown.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut samples = ctx.bus.metrics(MetricFilter::All).await;
    let mut tick = interval(ctx.options.judge);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut save = interval(ctx.options.totals);
    save.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked = Instant::now();
    let mut feed_since_ms = None;
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => break,
            Some(sample) = samples.next() => {
                let (taken, flowing) = ctx.board.take(&sample);
                names::count(names::SAMPLES, label(taken));
                if let Some(flowing) = flowing {
                    write::note_flow(&ctx, flowing).await;
                }
                if taken == Taken::Unknown && looked.elapsed() >= LOOK_AGAIN {
                    looked = Instant::now();
                    look(&ctx).await;
                    ctx.board.take(&sample);
                }
            }
            _ = tick.tick() => {
                feed_since_ms = ctx.bus.connected().then(|| feed_since_ms.unwrap_or(ctx.now_ms()));
                looked = Instant::now();
                look(&ctx).await;
                judge(&ctx, feed_since_ms).await;
            }
            _ = save.tick() => write::save_totals(&ctx).await,
        }
    }
    write::save_totals(&ctx).await;
}

fn label(taken: Taken) -> &'static str {
    match taken {
        Taken::Fresh => "fresh",
        Taken::Older => "older",
        Taken::Unknown => "unknown",
    }
}

/// Brings the board up to date with Postgres.
async fn look(ctx: &Ctx) {
    if let Err(error) = refresh(ctx).await {
        tracing::debug!(error = chain(&error), "the board could not be refreshed");
    }
}

async fn refresh(ctx: &Ctx) -> Result<(), Error> {
    let found = ctx.db.bounded(async {
        let mut conn = ctx.db.pool().acquire().await?;
        let found = rows(&mut conn).await?;
        for row in ctx.board.missing(&found) {
            let saved = totals::get(&mut conn, row.destination.id()).await?;
            ctx.board.put(&row, saved);
        }
        Ok(found)
    });
    ctx.board.refresh(&found.await?, ctx.now_ms(), KEEP_MS);
    Ok(())
}

async fn judge(ctx: &Ctx, feed_since_ms: Option<i64>) {
    let verdicts = ctx.board.verdicts(ctx.now_ms(), feed_since_ms);
    if ctx.leader.leads() {
        write::health(ctx, verdicts).await;
    }
}
