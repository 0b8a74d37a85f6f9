//! What to do next for one stream: a pure function of what is stored, never of a message.
//!
//! A plan may be executed twice or half: the next snapshot tells what is still missing. It stops before it starts,
//! is keyed by session id, and is empty when the world is as wished.

mod decide;
mod show;
mod snapshot;
#[cfg(test)]
mod tests;

pub use decide::{AUTO_START_QUIET_MS, CLAIM_PATIENCE_MS, STARVED_MS, is_starved, plan};
pub use snapshot::{Asked, Auto, Destination, Job, Lease, Session, Snapshot, Source};

use crate::ids::{DestinationId, Epoch, SessionId};

/// What to do next, in this order: begin or end, stop, forget, refresh, run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The source came: wish these destinations running.
    pub begin: Vec<DestinationId>,
    /// The source of an auto-started stream is gone for good: wish it stopped.
    pub end: bool,
    /// Tell the owner to stop.
    pub stop: Vec<Aim>,
    /// Nobody runs it and nobody shall: note it as ended.
    pub forget: Vec<Aim>,
    /// Tell the owner that the specification changed.
    pub refresh: Vec<Aim>,
    /// Place under a new epoch.
    pub run: Vec<Run>,
    /// Nothing to do before this long.
    pub wait: Vec<Wait>,
    /// Wanted, but a person must change something first.
    pub give_up: Vec<GiveUp>,
}

/// A session in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// Which session.
    pub session: SessionId,
    /// Its job, for people.
    pub job: Job,
    /// The epoch meant: another epoch is left alone.
    pub epoch: Epoch,
}

/// A placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which session.
    pub session: SessionId,
    /// What it does.
    pub job: Job,
    /// The new epoch, above every earlier one.
    pub epoch: Epoch,
    /// The epoch it replaces; none for the first placement.
    pub replaces: Option<Epoch>,
}

/// A session that is left alone for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Its job.
    pub job: Job,
    /// How long at most.
    pub for_ms: i64,
}

/// A destination that is not tried any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// Which destination.
    pub destination: DestinationId,
    /// The code of its fault.
    pub code: String,
}

impl Plan {
    /// Whether executing it would change nothing.
    pub fn is_idle(&self) -> bool {
        self.begin.is_empty()
            && !self.end
            && self.stop.is_empty()
            && self.forget.is_empty()
            && self.refresh.is_empty()
            && self.run.is_empty()
    }
}
