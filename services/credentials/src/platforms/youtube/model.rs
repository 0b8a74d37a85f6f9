//! The resources of the YouTube Data API v3, as far as we read or write them. Members that only YouTube sets are never
//! sent. Source: the API's discovery document, revision 20260601.

use secret::StreamKey;
use serde::{Deserialize, Deserializer, Serialize};

/// One page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// A broadcast: an event with a watch page. Its id is the video's id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Broadcast {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<BroadcastSnippet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<BroadcastStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_details: Option<BroadcastDetails>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BroadcastSnippet {
    pub title: String,
    pub description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_end_time: Option<String>,
    /// When it was made.
    #[serde(skip_serializing)]
    pub published_at: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BroadcastStatus {
    #[serde(skip_serializing)]
    pub life_cycle_status: Life,
    pub privacy_status: String,
    pub self_declared_made_for_kids: bool,
}

/// `status.lifeCycleStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Life {
    Created,
    Ready,
    TestStarting,
    Testing,
    LiveStarting,
    Live,
    Complete,
    Revoked,
    #[default]
    #[serde(other)]
    Unknown,
}

impl Life {
    /// Not yet on its way to live: it can be changed, and deleted.
    pub fn is_early(self) -> bool {
        matches!(self, Self::Created | Self::Ready)
    }

    /// On its way.
    pub fn is_starting(self) -> bool {
        matches!(self, Self::TestStarting | Self::LiveStarting)
    }

    /// Nothing follows.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Complete | Self::Revoked)
    }
}

/// What is left out falls back to its default, also in an update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BroadcastDetails {
    #[serde(skip_serializing)]
    pub bound_stream_id: Option<String>,
    pub monitor_stream: Monitor,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_auto_start: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_auto_stop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_dvr: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_embed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_content_encryption: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_from_start: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_captions_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_preference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
}

/// With a monitor stream a broadcast has to pass through `testing`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Monitor {
    pub enable_monitor_stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast_stream_delay_ms: Option<u32>,
}

/// Where media goes; used again by one broadcast after the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Stream {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<StreamSnippet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdn: Option<Cdn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_details: Option<StreamDetails>,
    #[serde(skip_serializing)]
    pub status: Option<StreamStatus>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StreamSnippet {
    pub title: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Cdn {
    pub ingestion_type: String,
    pub resolution: String,
    pub frame_rate: String,
    #[serde(skip_serializing)]
    pub ingestion_info: Option<Ingestion>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Ingestion {
    /// The stream key.
    #[serde(deserialize_with = "key")]
    pub stream_name: Option<StreamKey>,
    pub ingestion_address: String,
    pub backup_ingestion_address: String,
    pub rtmps_ingestion_address: String,
    pub rtmps_backup_ingestion_address: String,
}

fn key<'de, D: Deserializer<'de>>(from: D) -> Result<Option<StreamKey>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.and_then(|text| StreamKey::new(text).ok()))
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StreamDetails {
    pub is_reusable: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StreamStatus {
    pub stream_status: Flow,
    pub health_status: Option<Health>,
}

/// `status.streamStatus`: whether media arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Flow {
    Created,
    Ready,
    Active,
    Inactive,
    Error,
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Health {
    /// `good`, `ok`, `bad`, `noData`, `revoked`.
    pub status: String,
    pub configuration_issues: Vec<Issue>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Issue {
    #[serde(rename = "type")]
    pub kind: String,
    /// `info`, `warning`, `error`.
    pub severity: String,
    pub description: String,
}

/// The broadcast as viewers have it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Video {
    pub id: String,
    pub live_streaming_details: Option<LiveDetails>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LiveDetails {
    pub actual_end_time: Option<String>,
    /// A decimal number; absent when nobody watches, when it is hidden, or after the end.
    pub concurrent_viewers: Option<String>,
}
