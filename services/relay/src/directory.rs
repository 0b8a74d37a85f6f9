//! Adverts in Redis: this relay, and each of its sources. Redis away costs nothing but the advert.

use std::sync::Arc;

use lease::{Directory, Location, RelayInfo};
use tokio_util::sync::CancellationToken;

use crate::{ingest::Relay, source::Source};

/// Announces a source until `ended`. A later publish elsewhere ends this one.
pub(crate) async fn announce_source(relay: Arc<Relay>, source: Arc<Source>, ended: CancellationToken) {
    let identity = source.identity();
    let location = Location {
        stream: identity.stream,
        relay: relay.options.relay.clone(),
        http: relay.http.clone(),
        source_epoch: identity.source_epoch,
    };
    let mut ticks = tokio::time::interval(relay.options.bounds.report_every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ended.cancelled() => break,
        }
        match relay.directory.announce(&location).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(stream = %identity.stream, "a later publish of this stream is announced elsewhere");
                source.supersede();
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "cannot announce a source"),
        }
    }
    if let Err(error) = relay.directory.forget(identity.stream, identity.source_epoch).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot take a source's advert back");
    }
}

/// Announces this relay until the soft shutdown.
pub(crate) async fn announce_relay(relay: Arc<Relay>) {
    let mut ticks = tokio::time::interval(relay.options.bounds.report_every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = relay.shutdown.soft.cancelled() => break,
        }
        let info = RelayInfo {
            relay: relay.options.relay.clone(),
            rtmp: relay.rtmp.clone(),
            http: relay.http.clone(),
            sources: relay.hub.len() as u32,
            readers: relay.hub.readers() as u32,
        };
        let announced = relay.directory.announce_relay(&info).await;
        if let Err(error) = announced {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot announce this relay");
        }
    }
    forget(&relay.directory, &relay).await;
}

async fn forget(directory: &Directory, relay: &Relay) {
    if let Err(error) = directory.forget_relay(&relay.options.relay).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot take this relay's advert back");
    }
}
