//! The latest publish of a stream.

use domain::{ids::Epoch, plan, source::SourceInfo};
use sqlx::{FromRow, types::Json};
use uuid::Uuid;

use super::unsigned;

/// A row of `sources`.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct SourceRow {
    pub stream_id: Uuid,
    pub publish_id: Uuid,
    pub relay_id: String,
    pub relay_http: String,
    pub epoch: i64,
    pub sequence: i64,
    pub state: String,
    pub announced: bool,
    pub info: Json<SourceInfo>,
    pub connected_at_ms: Option<i64>,
    pub last_seen_ms: i64,
    pub gone_at_ms: Option<i64>,
}

/// How far a publish has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// Let in; its first report is to come.
    Authorized,
    /// Media comes in.
    Connected,
    /// Over.
    Gone,
}

impl SourceState {
    /// The word it is stored under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Connected => "connected",
            Self::Gone => "gone",
        }
    }
}

impl SourceRow {
    /// How far it has come.
    pub fn state(&self) -> SourceState {
        match self.state.as_str() {
            "connected" => SourceState::Connected,
            "authorized" => SourceState::Authorized,
            _ => SourceState::Gone,
        }
    }

    /// For the planner.
    pub fn to_plan(&self) -> plan::Source {
        let connected = self.state() == SourceState::Connected;
        let epoch = Epoch(unsigned(self.epoch));
        // A publish that was let in and never sent anything counts as gone since it was last seen.
        let gone_since_ms = (!connected).then(|| self.gone_at_ms.unwrap_or(self.last_seen_ms));
        plan::Source { connected, epoch, gone_since_ms }
    }
}
