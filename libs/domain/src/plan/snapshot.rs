//! What the planner looks at: one stream as it is stored, and the little that is known of its leases.

use crate::{
    ids::{DestinationId, Epoch, Generation, SessionId, StreamId},
    lifecycle::{Phase, Wish},
    session::SessionKind,
};

/// One stream at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which stream.
    pub stream: StreamId,
    /// What is wanted.
    pub wish: Wish,
    /// Which wish this is.
    pub generation: Generation,
    /// Freshly drawn, above every epoch given out before. All placements of one plan share it.
    pub next_epoch: Epoch,
    /// Whether the source is to be pulled from elsewhere.
    pub pull: bool,
    /// The source at the relay.
    pub source: Source,
    /// Auto start.
    pub auto: Auto,
    /// The stream's destinations.
    pub destinations: Vec<Destination>,
    /// The stream's sessions, also those of destinations that are gone.
    pub sessions: Vec<Session>,
}

/// The source as the relay last told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Whether media comes in.
    pub connected: bool,
    /// The epoch of its latest publish.
    pub epoch: Epoch,
    /// When it left, while it is not connected and once was.
    pub gone_since_ms: Option<i64>,
}

/// Auto start and auto end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auto {
    /// Whether the present run was begun by the source.
    pub started: bool,
    /// The latest publish that auto start has dealt with: it begins at most one run per publish.
    pub handled: Epoch,
    /// How long an auto-started stream outlives its source.
    pub end_grace_ms: i64,
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Which.
    pub id: DestinationId,
    /// Switched on by its owner.
    pub enabled: bool,
    /// Takes part in the present run.
    pub attached: bool,
    /// Goes live with the source.
    pub auto_start: bool,
    /// Grows with each change of settings, address or key.
    pub spec_version: u64,
    /// The code of the fault for which it is not tried any more.
    pub gave_up: Option<String>,
    /// Its platform takes the stream: prepared for this run, or nothing to prepare.
    pub ready: bool,
    /// A session of this epoch or an older one must connect anew.
    pub stale: Option<Epoch>,
}

/// What a session does. A rendition becomes one more variant with the sessions that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// Plays an external source into the relay.
    Pull,
    /// Sends the stream to one destination.
    Deliver(DestinationId),
}

impl Job {
    /// The kind of session that does it.
    pub fn kind(self) -> SessionKind {
        match self {
            Self::Pull => SessionKind::Pull,
            Self::Deliver(_) => SessionKind::Deliver,
        }
    }
}

/// What is known of a session's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    /// Held, or nothing is known: the owner is believed to live.
    Presumed,
    /// Its deadline passed without a renewal: the owner is believed dead.
    Expired,
}

/// A request to the owner, repeated until it is seen to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The first time, for the present purpose.
    pub first_ms: i64,
    /// The last time.
    pub last_ms: i64,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// What it does.
    pub job: Job,
    /// Its present epoch.
    pub epoch: Epoch,
    /// How far it has come.
    pub phase: Phase,
    /// The specification its owner runs.
    pub spec_version: u64,
    /// When the present epoch was placed.
    pub placed_at_ms: i64,
    /// How many placements in a row led to nothing, this one included.
    pub placements: u32,
    /// Its lease.
    pub lease: Lease,
    /// Whether its owner was asked to stop.
    pub stop: Option<Asked>,
    /// Whether its owner was asked to take the new specification.
    pub refresh: Option<Asked>,
}
