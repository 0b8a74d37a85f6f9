//! Keeps the leases of all sessions: one call a second, and one at once after a pause of this process.
//!
//! *Lost* means a higher epoch or another holder: the session is shut before anything else. *Redis unreachable* means
//! nothing at all: nobody else can take a lease either, so sessions go on. Only after a pause that is not enough: then the
//! relay is asked, whose fence knows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lease::{Desired, Renewed};
use service_kit::{CancellationToken, Readiness};
use tokio::time::{MissedTickBehavior, interval};

use super::{context::Context, registry::Word};
use crate::{
    metric,
    pulse::{Pulse, now_ms},
    session::state::StopReason,
};

/// Between two renewals: a third of the lease.
const EVERY: Duration = Duration::from_secs(1);
/// Between two beats.
const BEAT: Duration = Duration::from_millis(100);

/// Beats until cancelled.
pub async fn beat(pulse: Arc<Pulse>, stop: CancellationToken) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(beats.tick()).await.is_some() {
        if pulse.beat(now_ms()) {
            metrics::counter!(metric::PAUSES).increment(1);
            tracing::warn!("this process was paused: sessions are held until their leases are confirmed");
        }
    }
}

/// Renews until cancelled.
pub async fn keep(context: Arc<Context>, readiness: Readiness, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_ok = Instant::now();
    loop {
        let paused = tokio::select! {
            () = stop.cancelled() => return,
            () = context.pulse.gap_noticed() => true,
            _ = ticks.tick() => false,
        };
        let ok = renew(&context, paused).await;
        if ok {
            last_ok = Instant::now();
        }
        metrics::gauge!(metric::LEASE_AGE_SECONDS).set(last_ok.elapsed().as_secs_f64());
        readiness.set("redis", last_ok.elapsed() < EVERY * 5);
    }
}

/// Renews all. Returns whether Redis answered.
async fn renew(context: &Context, paused: bool) -> bool {
    let held = context.registry.held();
    let gaps = context.pulse.gaps();
    match context.leases.renew(&context.worker, &held).await {
        Ok(answers) => {
            for ((session, epoch), answer) in held.into_iter().zip(answers) {
                let Some(entry) = context.registry.get(session).filter(|entry| entry.epoch == epoch) else { continue };
                match answer {
                    Renewed::Held { desired } => {
                        entry.gate.vouch(gaps);
                        match desired {
                            Some(Desired::Stop) => entry.tell(Word::Stop(StopReason::Wanted)),
                            Some(Desired::Refresh(generation)) => context.registry.refresh(session, generation),
                            Some(Desired::Run) | None => {}
                        }
                    }
                    Renewed::Lost { epoch: newer } => {
                        tracing::warn!(%session, %epoch, %newer, "lease lost");
                        metrics::counter!(metric::LEASES_LOST).increment(1);
                        entry.tell(Word::Stop(StopReason::Lost));
                    }
                }
            }
            true
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, sessions = held.len(), "leases not renewed");
            if paused {
                context.registry.tell_all(Word::Doubted);
            }
            false
        }
    }
}
