//! A destination, as people see it. Its stream key is nowhere.

use domain::{platform_settings::PlatformSettings, settings::Settings};
use serde::Serialize;
use utoipa::ToSchema;
use wire::v1;

use super::{effective::EffectiveSettings, rfc3339, some_text};
use crate::input::platform_settings::PlatformSettingsBody;

/// One place a stream is sent to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Destination)]
pub struct DestinationView {
    /// Its id, a UUID.
    pub id: String,
    /// The stream it belongs to.
    pub stream_id: String,
    /// youtube, twitch, facebook, cloudflare or rtmp_custom.
    #[schema(example = "rtmp_custom")]
    pub platform: &'static str,
    /// For people.
    pub name: String,
    /// pending, preparing, waiting_source, connecting, connected, live, reconnecting, stopping, ended or error.
    #[schema(example = "pending")]
    pub status: String,
    /// Whether a start includes it.
    pub is_enabled: bool,
    /// People watching there, where the platform says so.
    pub viewer_count: u64,
    /// Where to watch; `null` while there is no such page.
    pub playback_url: Option<String>,
    /// What was asked for; what was left out follows the source.
    pub settings: SettingsView,
    /// What holds, with everything that was left out filled in.
    pub effective_settings: Option<EffectiveSettings>,
    /// rtmp_custom: where we publish, without the key.
    pub rtmp_url: Option<String>,
    /// The linked account; `null`: the only one of the platform is used at start.
    pub account_id: Option<String>,
    /// What it asks of its platform.
    pub platform_settings: PlatformSettingsBody,
    /// The platform's own word on the broadcast: waiting, live, ended or unknown; `null` before there is one.
    #[schema(example = "live")]
    pub platform_state: Option<String>,
    /// In the answer of a change of `platform_settings`: what has become of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform_changes: Option<PlatformChanges>,
    /// healthy, degraded, stale, error or unknown.
    #[schema(example = "healthy")]
    pub health: String,
    /// What is wrong, in sentences with the next step.
    pub issues: Vec<String>,
    /// Why it failed or reconnects; `null` when all is well.
    pub error: Option<FaultView>,
    /// Since it was started.
    pub reconnects: u32,
    /// When it tries again, RFC 3339.
    pub retry_at: Option<String>,
    /// copy or encode, once it is known.
    pub mode: Option<String>,
    /// RFC 3339.
    pub created_at: Option<String>,
    /// RFC 3339; `null` while not connected.
    pub connected_at: Option<String>,
}

/// What has become of changed platform settings.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct PlatformChanges {
    /// In effect on the platform now.
    pub applied: Vec<String>,
    /// In effect with the next broadcast.
    pub later: Vec<String>,
    /// Why the platform did not take them now.
    pub error: Option<ChangeFault>,
}

/// Why a platform did not take a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeFault {
    /// Stable; each has a page in `docs/errors`.
    #[schema(example = "platform_unavailable")]
    pub code: String,
    /// A sentence with the next step.
    pub message: String,
}

/// Why something failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub struct FaultView {
    /// Stable; each has a page in `docs/errors`.
    #[schema(example = "publish_refused")]
    pub code: String,
    /// A sentence with the next step.
    pub message: String,
    /// Whose fault: destination, source, platform or us.
    pub blame: &'static str,
    /// Whether trying again can help.
    pub retryable: bool,
}

/// What was asked for.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ShownSettings)]
pub struct SettingsView {
    /// kbps.
    #[serde(skip_serializing_if = "Option::is_none")]
    bitrate: Option<u32>,
    /// WIDTHxHEIGHT.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    /// Frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    framerate: Option<u32>,
    /// Encoder speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<&'static str>,
    /// Go live when the source connects.
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_start: Option<bool>,
    /// Reconnect when the connection is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_reconnect: Option<bool>,
    /// Consecutive attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
}

impl From<v1::Destination> for DestinationView {
    fn from(d: v1::Destination) -> Self {
        let settings = d.settings.map(settings_of).unwrap_or_default();
        let platform = v1::Platform::to_domain(d.platform).ok();
        Self {
            platform: platform_name(d.platform),
            id: d.id,
            stream_id: d.stream_id,
            name: d.name,
            status: d.status,
            is_enabled: d.is_enabled,
            viewer_count: d.viewer_count,
            playback_url: some_text(d.playback_url),
            effective_settings: platform.map(|platform| EffectiveSettings::of(&settings, platform)),
            settings: settings.into(),
            rtmp_url: some_text(d.rtmp_url),
            account_id: some_text(d.account_id),
            platform_settings: d.platform_settings.map(read_settings).unwrap_or_default().into(),
            platform_state: some_text(d.platform_state),
            platform_changes: None,
            health: some_text(d.health).unwrap_or_else(|| "unknown".to_owned()),
            issues: d.issues,
            error: d.fault.and_then(FaultView::of),
            reconnects: d.reconnects,
            retry_at: rfc3339(d.retry_at_ms),
            mode: some_text(d.mode),
            created_at: rfc3339(d.created_at_ms),
            connected_at: rfc3339(d.connected_at_ms),
        }
    }
}

impl FaultView {
    /// `None` for an empty fault: "nothing is wrong".
    pub fn of(fault: v1::Fault) -> Option<Self> {
        let blame = match fault.blame() {
            v1::Blame::Destination => "destination",
            v1::Blame::Source => "source",
            v1::Blame::Platform => "platform",
            v1::Blame::Us | v1::Blame::Unspecified => "us",
        };
        let retryable = fault.retry() == v1::Retry::Transient;
        some_text(fault.code).map(|code| Self { code, message: fault.message, blame, retryable })
    }
}

fn settings_of(wire: v1::Settings) -> Settings {
    Settings::try_from(wire).unwrap_or_else(|malformed| {
        tracing::error!(%malformed, "the orchestrator sent settings that can't be");
        Settings::default()
    })
}

impl From<Settings> for SettingsView {
    fn from(settings: Settings) -> Self {
        Self {
            bitrate: settings.bitrate_kbps,
            resolution: settings.resolution.map(|r| r.to_string()),
            framerate: settings.framerate,
            preset: settings.preset.map(domain::settings::Preset::as_str),
            auto_start: settings.auto_start,
            auto_reconnect: settings.auto_reconnect,
            max_retries: settings.max_retries,
        }
    }
}

/// Platform settings that the orchestrator sent.
pub fn read_settings(wire: v1::PlatformSettings) -> PlatformSettings {
    PlatformSettings::try_from(wire).unwrap_or_else(|malformed| {
        tracing::error!(%malformed, "the orchestrator sent platform settings that can't be");
        PlatformSettings::default()
    })
}

/// The platform's name in the contract.
pub fn platform_name(number: i32) -> &'static str {
    v1::Platform::to_domain(number).map_or("unknown", domain::platform::Platform::as_str)
}
