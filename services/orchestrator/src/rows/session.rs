//! A session: the present epoch of a leased job.

use domain::{
    destination_state::SessionSeen,
    fault::Fault,
    ids::{DestinationId, Epoch, SessionId, WorkerId},
    lifecycle::{Phase, UnknownWord},
    plan::{self, Asked, Job, Lease},
};
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use wire::v1;

use super::{small, unsigned};

/// A row of `sessions`.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct SessionRow {
    pub id: Uuid,
    pub stream_id: Uuid,
    pub destination_id: Option<Uuid>,
    pub kind: String,
    pub epoch: i64,
    pub generation: i64,
    pub phase: String,
    pub worker_id: Option<String>,
    pub spec_version: i64,
    pub placed_at_ms: i64,
    pub unclaimed_since_ms: i64,
    pub placements: i32,
    pub claimed_at_ms: Option<i64>,
    pub lease_expired: bool,
    pub stop_first_ms: Option<i64>,
    pub stop_last_ms: Option<i64>,
    pub refresh_first_ms: Option<i64>,
    pub refresh_last_ms: Option<i64>,
    pub sequence: i64,
    pub fault: Option<Json<Fault>>,
    pub retry_at_ms: Option<i64>,
    pub mode: String,
    pub flowing: bool,
    pub ever_connected: bool,
    pub reconnects: i32,
    pub prior_reconnects: i32,
    pub test_result: Option<Vec<u8>>,
    pub traceparent: Option<String>,
    pub updated_at_ms: i64,
}

impl SessionRow {
    /// Its id.
    pub fn id(&self) -> SessionId {
        SessionId(self.id)
    }

    /// Its present epoch.
    pub fn epoch(&self) -> Epoch {
        Epoch(unsigned(self.epoch))
    }

    /// Its owner, once claimed.
    pub fn worker(&self) -> Option<WorkerId> {
        self.worker_id.clone().map(WorkerId)
    }

    /// How far it has come.
    ///
    /// # Errors
    /// The stored word is none of ours.
    pub fn phase(&self) -> Result<Phase, UnknownWord> {
        self.phase.parse()
    }

    /// Its kind on the wire.
    pub fn kind(&self) -> v1::SessionKind {
        match self.kind.as_str() {
            "deliver" => v1::SessionKind::Deliver,
            "rendition" => v1::SessionKind::Rendition,
            "pull" => v1::SessionKind::Pull,
            "test" => v1::SessionKind::Test,
            _ => v1::SessionKind::Unspecified,
        }
    }

    /// Its job; none for a test, which the planner doesn't see.
    pub fn job(&self) -> Option<Job> {
        match (self.kind(), self.destination_id) {
            (v1::SessionKind::Pull, _) => Some(Job::Pull),
            (v1::SessionKind::Deliver, Some(id)) => Some(Job::Deliver(DestinationId(id))),
            _ => None,
        }
    }

    /// Reconnects in this run, over all epochs: a worker counts on from what its specification told it.
    pub fn total_reconnects(&self) -> i32 {
        self.prior_reconnects.max(self.reconnects)
    }

    /// For the planner.
    ///
    /// # Errors
    /// The stored word is none of ours.
    pub fn to_plan(&self, job: Job) -> Result<plan::Session, UnknownWord> {
        Ok(plan::Session {
            id: self.id(),
            job,
            epoch: self.epoch(),
            phase: self.phase()?,
            spec_version: unsigned(self.spec_version),
            placed_at_ms: self.placed_at_ms,
            placements: small(self.placements),
            lease: if self.lease_expired { Lease::Expired } else { Lease::Presumed },
            stop: asked(self.stop_first_ms, self.stop_last_ms),
            refresh: asked(self.refresh_first_ms, self.refresh_last_ms),
        })
    }

    /// For the destination's state.
    ///
    /// # Errors
    /// The stored word is none of ours.
    pub fn seen(&self, now_ms: i64) -> Result<SessionSeen, UnknownWord> {
        let phase = self.phase()?;
        Ok(SessionSeen {
            phase,
            fault: self.fault.clone().map(|f| f.0),
            retry_at_ms: self.retry_at_ms,
            flowing: self.flowing,
            starved: plan::is_starved(phase, self.unclaimed_since_ms, now_ms),
        })
    }
}

fn asked(first_ms: Option<i64>, last_ms: Option<i64>) -> Option<Asked> {
    Some(Asked { first_ms: first_ms?, last_ms: last_ms? })
}
