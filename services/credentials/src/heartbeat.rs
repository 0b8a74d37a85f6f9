//! Says every two seconds, in Postgres, that this instance runs and which keys it holds; so it learns at the same time
//! whether Postgres takes writes.

use std::{sync::Arc, time::Duration};

use service_kit::{Readiness, Shutdown};
use tokio::time::{MissedTickBehavior, interval};
use tonic_health::{ServingStatus, server::HealthReporter};
use uuid::Uuid;

use crate::{
    crypto::Keyring,
    store::{self, Store, replicas},
};

const EVERY: Duration = Duration::from_secs(2);
/// The name of the readiness check.
pub(crate) const CHECK: &str = "postgres";

/// Runs until the soft shutdown.
#[derive(Debug)]
pub struct Heartbeat {
    /// Where it is written.
    pub store: Store,
    /// What this instance can open.
    pub keyring: Arc<Keyring>,
    /// Told whether Postgres answers.
    pub readiness: Readiness,
    /// Told the same, for gRPC's health service.
    pub health: HealthReporter,
}

impl Heartbeat {
    /// The loop. Its last act is to say that this instance is gone.
    pub async fn run(self, shutdown: Shutdown) {
        let replica = Uuid::new_v4();
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.beat(replica).await,
                () = shutdown.soft.cancelled() => break,
            }
        }
        self.tell(false).await;
        // If it can't say so it is forgotten after a while.
        let _ = self.store.bounded(self.leave(replica)).await;
    }

    async fn beat(&self, replica: Uuid) {
        let work = async {
            let mut conn = self.store.pool().acquire().await.map_err(store::Error::from)?;
            replicas::beat(&mut conn, replica, &self.keyring.ids()).await
        };
        let outcome = self.store.bounded(work).await;
        if let Err(error) = &outcome {
            tracing::debug!(%error, "heartbeat failed");
        }
        self.tell(outcome.is_ok()).await;
    }

    async fn leave(&self, replica: Uuid) -> Result<(), store::Error> {
        let mut conn = self.store.pool().acquire().await.map_err(store::Error::from)?;
        replicas::leave(&mut conn, replica).await
    }

    async fn tell(&self, ok: bool) {
        self.readiness.set(CHECK, ok);
        let status = if ok { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["exprsn.live.v1.Vault", "exprsn.live.v1.Platforms", ""] {
            self.health.set_service_status(service, status).await;
        }
    }
}
