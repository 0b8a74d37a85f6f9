//! The scan of deadlines. Redis tells an expiry several times until a higher epoch is there, so a crash between telling
//! and writing loses nothing.

use std::collections::BTreeSet;

use domain::ids::{Epoch, SessionId};
use service_kit::Shutdown;
use tokio::time::{MissedTickBehavior, interval};

use super::note;
use crate::{ctx::Ctx, error::chain};

/// Scans until the shutdown.
pub async fn run(ctx: Ctx, shutdown: Shutdown) {
    let mut tick = interval(ctx.options.lease_scan);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unwritten: BTreeSet<(SessionId, Epoch)> = BTreeSet::new();
    loop {
        tokio::select! {
            () = shutdown.soft.cancelled() => return,
            _ = tick.tick() => {}
        }
        match ctx.leases.expired(ctx.options.lease_batch).await {
            Ok(found) => unwritten.extend(found),
            Err(error) => tracing::debug!(error = chain(&error), "no lease scan"),
        }
        write(&ctx, &mut unwritten).await;
    }
}

async fn write(ctx: &Ctx, unwritten: &mut BTreeSet<(SessionId, Epoch)>) {
    if unwritten.is_empty() {
        return;
    }
    let batch: Vec<_> = unwritten.iter().copied().collect();
    match note(ctx, &batch, "scan").await {
        Ok(()) => unwritten.clear(),
        Err(error) => tracing::debug!(error = chain(&error), "expired leases not written yet"),
    }
}
