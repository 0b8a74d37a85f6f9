//! A destination's broadcast on its platform: how far it is prepared, what the platform says, what is left to end.

use domain::{
    destination_state::Preparing, fault::Fault, ids::Epoch, lifecycle::Truth, platform_settings::PlatformSettings,
};
use sqlx::{FromRow, types::Json};
use wire::v1;

use super::{small, unsigned};

/// So long the end of a broadcast shows as `stopping`, ms. After that the destination has ended for people, whatever the
/// platform does; finishing goes on behind it.
pub const FINISH_SHOWN_MS: i64 = 30_000;

/// The columns of `destinations` that only destinations on platforms use.
#[derive(Clone, Debug, Default, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct BroadcastRow {
    pub platform_settings: Json<PlatformSettings>,
    pub take: i32,
    pub prepared_run_ms: Option<i64>,
    pub prepared_take: Option<i32>,
    pub prep_fault: Option<Json<Fault>>,
    pub prep_retry_at_ms: Option<i64>,
    pub prep_attempts: i32,
    pub prep_notes: Json<Vec<String>>,
    pub platform_state: String,
    pub platform_seen_ms: i64,
    pub platform_health: String,
    pub platform_issues: Json<Vec<String>>,
    pub platform_fault: Option<Json<Fault>>,
    pub stale_epoch: Option<i64>,
    pub repaired_at_ms: i64,
    pub renewals: i32,
    pub open_run_ms: Option<i64>,
    pub open_take: Option<i32>,
    pub finish_since_ms: Option<i64>,
    pub finish_attempts: i32,
    pub finish_fault: Option<Json<Fault>>,
}

impl BroadcastRow {
    /// Whether the platform is ready for the run's present broadcast.
    pub fn is_prepared(&self, run_ms: i64) -> bool {
        self.prepared_run_ms == Some(run_ms) && self.prepared_take == Some(self.take)
    }

    /// How the preparation stands, while it is not done.
    pub fn preparing(&self, run_ms: i64) -> Option<Preparing> {
        let fault = self.prep_fault.clone().map(|f| f.0);
        let retry_at_ms = self.prep_retry_at_ms.filter(|_| fault.is_some());
        (!self.is_prepared(run_ms)).then_some(Preparing { fault, retry_at_ms })
    }

    /// What the platform says.
    pub fn truth(&self) -> Truth {
        self.platform_state.parse().unwrap_or_default()
    }

    /// Whether something is left to end.
    pub fn is_open(&self) -> bool {
        self.open_run_ms.is_some()
    }

    /// Whether its end still holds up people's view of it.
    pub fn is_finishing(&self, now_ms: i64) -> bool {
        self.is_open() && self.finish_since_ms.is_none_or(|at| now_ms - at < FINISH_SHOWN_MS)
    }

    /// Sessions up to this epoch connect anew.
    pub fn stale(&self) -> Option<Epoch> {
        self.stale_epoch.map(|e| Epoch(unsigned(e)))
    }

    /// What the platform complains of, and why less is known.
    pub fn complaints(&self) -> Vec<String> {
        let fault = self.platform_fault.iter().map(|f| f.message.clone());
        self.platform_issues.0.iter().cloned().chain(fault).collect()
    }

    /// Whether the platform finds that viewers notice.
    pub fn is_bad(&self) -> bool {
        self.platform_health == "bad"
    }

    /// What is left to end, as the credentials service knows it.
    pub fn open(&self, destination: uuid::Uuid) -> Option<v1::BroadcastRef> {
        Some(v1::BroadcastRef {
            destination_id: destination.to_string(),
            run_ms: self.open_run_ms?,
            take: small(self.open_take?),
        })
    }

    /// The run's present broadcast.
    pub fn present(&self, destination: uuid::Uuid, run_ms: i64) -> v1::BroadcastRef {
        v1::BroadcastRef { destination_id: destination.to_string(), run_ms, take: small(self.take) }
    }
}
