//! A destination.

use domain::{
    destination_state::State,
    fault::Fault,
    ids::{DestinationId, StreamId},
    lifecycle::UnknownWord,
    plan,
    platform::Platform,
    settings::Settings,
};
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use wire::v1;

use super::{BroadcastRow, StoredSettings, small, unsigned};

/// A row of `destinations`.
#[derive(Clone, Debug, FromRow)]
#[allow(missing_docs)] // the columns; see the migration
pub struct DestinationRow {
    pub id: Uuid,
    pub stream_id: Uuid,
    pub tenant_id: String,
    pub platform: String,
    pub name: String,
    pub is_enabled: bool,
    pub auto_start: bool,
    pub settings: Json<StoredSettings>,
    pub rtmp_url: String,
    pub account_id: String,
    pub playback_url: String,
    pub viewer_count: i64,
    pub attached: bool,
    pub spec_version: i64,
    pub gave_up: Option<Json<Fault>>,
    pub status: String,
    pub fault: Option<Json<Fault>>,
    pub retry_at_ms: Option<i64>,
    pub mode: String,
    pub reconnects: i32,
    pub connected_at_ms: Option<i64>,
    pub health: String,
    pub issues: Json<Vec<String>>,
    pub created_at_ms: i64,
    pub deleted_at_ms: Option<i64>,
    #[sqlx(flatten)]
    pub broadcast: BroadcastRow,
}

impl DestinationRow {
    /// Its id.
    pub fn id(&self) -> DestinationId {
        DestinationId(self.id)
    }

    /// Its stream.
    pub fn stream(&self) -> StreamId {
        StreamId(self.stream_id)
    }

    /// Where it is. A word that is none of ours counts as a plain RTMP server.
    pub fn platform(&self) -> Platform {
        self.platform.parse().unwrap_or(Platform::RtmpCustom)
    }

    /// What was asked for. Stored settings were checked; what can't be read any more counts as not asked for.
    pub fn settings(&self) -> Settings {
        Settings::try_from(&self.settings.0).unwrap_or_default()
    }

    /// Whether the stream's run shall reach it. The planner decides by the same.
    pub fn is_wanted(&self) -> bool {
        self.is_enabled && self.attached && self.deleted_at_ms.is_none()
    }

    /// Whether it is on a platform with an API, which must be prepared and says itself what it shows.
    pub fn is_on_platform(&self) -> bool {
        self.platform() != Platform::RtmpCustom
    }

    /// Whether a session of this run has somewhere to send to.
    pub fn is_ready(&self, run_ms: i64) -> bool {
        !self.is_on_platform() || self.broadcast.is_prepared(run_ms)
    }

    /// What people see.
    ///
    /// # Errors
    /// The stored word is none of ours.
    pub fn state(&self) -> Result<State, UnknownWord> {
        let fault = self.fault.clone().map(|f| f.0);
        Ok(State::from_parts(self.status.parse()?, fault, self.retry_at_ms))
    }

    /// For the planner, in the run that began at `run_ms`.
    pub fn to_plan(&self, run_ms: i64) -> plan::Destination {
        plan::Destination {
            id: self.id(),
            enabled: self.is_enabled && self.deleted_at_ms.is_none(),
            attached: self.attached,
            auto_start: self.auto_start,
            spec_version: unsigned(self.spec_version),
            gave_up: self.gave_up.as_ref().map(|f| f.code.clone()),
            ready: self.is_ready(run_ms),
            stale: self.broadcast.stale(),
        }
    }

    /// As the gateway gets it.
    pub fn to_wire(&self) -> v1::Destination {
        v1::Destination {
            id: self.id.to_string(),
            stream_id: self.stream_id.to_string(),
            tenant_id: self.tenant_id.clone(),
            platform: v1::Platform::from(self.platform()).into(),
            name: self.name.clone(),
            is_enabled: self.is_enabled,
            status: self.status.clone(),
            settings: Some(self.settings().into()),
            rtmp_url: self.rtmp_url.clone(),
            playback_url: self.playback_url.clone(),
            viewer_count: unsigned(self.viewer_count),
            fault: self.fault.clone().map(|f| f.0.into()),
            health: self.health.clone(),
            issues: self.issues_with_notes(),
            reconnects: small(self.reconnects),
            retry_at_ms: self.retry_at_ms.unwrap_or(0),
            mode: self.mode.clone(),
            created_at_ms: self.created_at_ms,
            connected_at_ms: self.connected_at_ms.unwrap_or(0),
            account_id: self.account_id.clone(),
            platform_settings: Some(self.broadcast.platform_settings.0.clone().into()),
            platform_state: self.broadcast.platform_state.clone(),
        }
    }

    /// What could not be prepared as wished is said as long as the broadcast is there.
    fn issues_with_notes(&self) -> Vec<String> {
        let notes = self.broadcast.prep_notes.0.iter().filter(|_| self.broadcast.is_open());
        self.issues.0.iter().chain(notes).cloned().collect()
    }
}
