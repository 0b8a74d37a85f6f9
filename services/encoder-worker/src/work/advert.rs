//! Tells everybody that this worker is there, how much room it has and how busy its machine is.

use std::{sync::Arc, time::Duration};

use lease::WorkerInfo;
use service_kit::{CancellationToken, Readiness};
use tokio::time::{MissedTickBehavior, interval};

use super::context::Context;
use crate::load::{Load, Sampler};

/// Adverts last three seconds.
const EVERY: Duration = Duration::from_secs(1);

/// Advertises (and measures the load) until cancelled, then takes the advert back.
pub async fn run(context: Arc<Context>, capacity: u32, load: Arc<Load>, readiness: Readiness, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sampler = Sampler::default();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        load.set_cpu(sampler.sample().await);
        readiness.set("nats", context.bus.connected());
        let info = WorkerInfo {
            worker: context.worker.clone(),
            capacity,
            running: u32::try_from(context.registry.len()).unwrap_or(u32::MAX),
            cpu: load.cpu(),
            ffmpeg_version: context.ffmpeg.binary.text.clone(),
        };
        if let Err(error) = context.directory.announce_worker(&info).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "not advertised");
        }
    }
    let _ = context.directory.forget_worker(&context.worker).await;
}
