//! A stream.

use domain::{
    ids::{DestinationId, StreamId, TenantId},
    lifecycle::{UnknownWord, Wish},
    stream_state::Status,
    target::{StoredInput, TargetPolicy},
};
use sqlx::FromRow;
use uuid::Uuid;
use wire::v1;

use super::{SourceRow, SourceState, unsigned};

/// A row of `streams`.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct StreamRow {
    pub id: Uuid,
    pub tenant_id: String,
    pub title: String,
    pub end_grace_s: i32,
    pub wish: String,
    pub generation: i64,
    pub input_source: Option<String>,
    pub auto_started: bool,
    pub auto_handled: i64,
    pub status: String,
    pub started_at_ms: Option<i64>,
    pub live_at_ms: Option<i64>,
    pub traceparent: Option<String>,
    pub created_at_ms: i64,
    pub deleted_at_ms: Option<i64>,
}

impl StreamRow {
    /// Its id.
    pub fn id(&self) -> StreamId {
        StreamId(self.id)
    }

    /// Its owner.
    pub fn tenant(&self) -> TenantId {
        TenantId(self.tenant_id.clone())
    }

    /// The external source, if there is one. It was vetted when it was given.
    pub fn input(&self) -> Option<StoredInput> {
        StoredInput::parse(self.input_source.as_deref()?, TargetPolicy { allow_private: true }).ok()
    }

    /// Where the vault keeps the play path of the external source.
    pub fn input_record(&self) -> Option<DestinationId> {
        self.input()?.record
    }

    /// What is wanted; a deleted stream is never wanted.
    ///
    /// # Errors
    /// The stored word is none of ours.
    pub fn wish(&self) -> Result<Wish, UnknownWord> {
        if self.deleted_at_ms.is_some() { Ok(Wish::Stopped) } else { self.wish.parse() }
    }

    /// Whether it is wanted running.
    pub fn is_running(&self) -> bool {
        self.wish() == Ok(Wish::Running)
    }

    /// When the present (or last) run began; it names the run.
    pub fn run_ms(&self) -> i64 {
        self.started_at_ms.unwrap_or(0)
    }

    /// What people see.
    ///
    /// # Errors
    /// The stored word is none of ours.
    pub fn status(&self) -> Result<Status, UnknownWord> {
        self.status.parse()
    }

    /// How long it has been live.
    pub fn uptime_ms(&self, now_ms: i64) -> i64 {
        match self.live_at_ms {
            Some(at) if self.is_running() => (now_ms - at).max(0),
            _ => 0,
        }
    }

    /// As the gateway gets it.
    pub fn to_wire(&self, source: Option<&SourceRow>, viewer_count: u64) -> v1::Stream {
        let present = source.filter(|s| s.state() == SourceState::Connected);
        v1::Stream {
            id: self.id.to_string(),
            tenant_id: self.tenant_id.clone(),
            title: self.title.clone(),
            status: self.status.clone(),
            created_at_ms: self.created_at_ms,
            started_at_ms: self.started_at_ms.filter(|_| self.is_running()).unwrap_or(0),
            generation: unsigned(self.generation),
            source_connected: present.is_some(),
            source: present.map(|s| s.info.0.clone().into()),
            source_connected_at_ms: present.and_then(|s| s.connected_at_ms).unwrap_or(0),
            viewer_count,
            end_grace_s: u32::try_from(self.end_grace_s).unwrap_or(0),
        }
    }
}
