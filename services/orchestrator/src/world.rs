//! One stream with everything that belongs to it, read under the lock of its row.

use domain::{
    ids::{Epoch, Generation, StreamId},
    lifecycle::UnknownWord,
    plan::{self, Snapshot},
};
use sqlx::PgConnection;

use crate::{
    error::Error,
    rows::{DestinationRow, SessionRow, SourceRow, SourceState, StreamRow, unsigned},
    store::{destinations, sessions, sources},
};

/// What is stored of one stream. Tests (of a connection) are left out: nobody plans them.
#[derive(Clone, Debug)]
pub struct World {
    /// The stream.
    pub stream: StreamRow,
    /// Its latest publish.
    pub source: Option<SourceRow>,
    /// Its destinations, also deleted ones whose session has not ended.
    pub destinations: Vec<DestinationRow>,
    /// Its sessions.
    pub sessions: Vec<SessionRow>,
}

impl World {
    /// Reads the rest of a locked stream.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn load(conn: &mut PgConnection, stream: StreamRow) -> Result<Self, Error> {
        let id = stream.id();
        Ok(Self {
            source: sources::get(conn, id).await?,
            destinations: destinations::of_stream(conn, id).await?,
            sessions: sessions::of_stream(conn, id).await?,
            stream,
        })
    }

    /// Its id.
    pub fn id(&self) -> StreamId {
        self.stream.id()
    }

    /// Whether media comes in.
    pub fn source_connected(&self) -> bool {
        self.source.as_ref().is_some_and(|s| s.state() == SourceState::Connected)
    }

    /// Whether anything of it is still going on: a session, or a platform that is ending its broadcast.
    pub fn is_active(&self, now_ms: i64) -> bool {
        let session = |s: &SessionRow| s.phase().is_ok_and(|p| !p.is_over());
        let ending = |d: &DestinationRow| !self.wants(d) && d.broadcast.is_finishing(now_ms);
        self.sessions.iter().any(session) || self.destinations.iter().any(ending)
    }

    /// Whether the run shall reach this destination.
    pub fn wants(&self, destination: &DestinationRow) -> bool {
        self.stream.is_running() && destination.is_wanted()
    }

    /// The session of a destination.
    pub fn session_of(&self, destination: &DestinationRow) -> Option<&SessionRow> {
        self.sessions.iter().find(|s| s.id == destination.id)
    }

    /// The session that pulls the source.
    pub fn pull_session(&self) -> Option<&SessionRow> {
        self.sessions.iter().find(|s| s.id == self.stream.id)
    }

    /// For the planner.
    ///
    /// # Errors
    /// A stored word is none of ours.
    pub fn snapshot(&self, next_epoch: Epoch) -> Result<Snapshot, UnknownWord> {
        let sessions = self.sessions.iter().filter_map(|s| s.job().map(|job| s.to_plan(job)));
        Ok(Snapshot {
            stream: self.id(),
            wish: self.stream.wish()?,
            generation: Generation(unsigned(self.stream.generation)),
            next_epoch,
            pull: self.stream.input_source.is_some(),
            source: self.source.as_ref().map(SourceRow::to_plan).unwrap_or_default(),
            auto: plan::Auto {
                started: self.stream.auto_started,
                handled: Epoch(unsigned(self.stream.auto_handled)),
                end_grace_ms: i64::from(self.stream.end_grace_s) * 1_000,
            },
            destinations: self.destinations.iter().map(|d| d.to_plan(self.stream.run_ms())).collect(),
            sessions: sessions.collect::<Result<_, _>>()?,
        })
    }
}
