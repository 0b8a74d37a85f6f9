//! What holds for a destination: its settings, with everything that was left out filled in.

use domain::{
    limits::{limits, recommended},
    platform::Platform,
    settings::{DEFAULT_MAX_RETRIES, Resolution, Settings},
};
use serde::Serialize;
use utoipa::ToSchema;

/// A destination's settings with what was left out filled in. A source within `max_bitrate`, `resolution` and `framerate`
/// in a codec that the platform takes goes through as it is; any other is encoded, never above `bitrate` and never enlarged.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EffectiveSettings)]
pub struct EffectiveSettings {
    /// Of an encode, kbps: what was asked for, or what the platform recommends for this size and rate.
    #[schema(example = 4500)]
    pub bitrate: u32,
    /// Of a source that goes through as it is, kbps: what was asked for, or the platform's limit.
    #[schema(example = 6000)]
    pub max_bitrate: u32,
    /// The largest picture: what was asked for, or the platform's limit.
    #[schema(example = "1920x1080")]
    pub resolution: String,
    /// The most frames per second: what was asked for, or the platform's limit.
    #[schema(example = 60)]
    pub framerate: u32,
    /// Encoder speed.
    #[schema(example = "veryfast")]
    pub preset: &'static str,
    /// Of an encode, ms.
    #[schema(example = 2000)]
    pub keyframe_interval_ms: u32,
    /// Of an encode, AAC, kbps.
    #[schema(example = 128)]
    pub audio_bitrate: u32,
    /// Go live when the source connects.
    pub auto_start: bool,
    /// Reconnect when the connection is lost.
    pub auto_reconnect: bool,
    /// Consecutive attempts.
    pub max_retries: u32,
}

impl EffectiveSettings {
    /// Of a destination on `platform`.
    pub fn of(settings: &Settings, platform: Platform) -> Self {
        let limits = limits(platform);
        let largest = Resolution { width: limits.long_side, height: limits.short_side };
        let resolution = settings.resolution.unwrap_or(largest);
        let framerate = settings.framerate.unwrap_or(limits.fps).min(limits.fps);
        let filled = recommended(platform, Some(resolution), Some(framerate));
        Self {
            bitrate: settings.bitrate_kbps.unwrap_or(filled.video_kbps),
            max_bitrate: settings.bitrate_kbps.unwrap_or(limits.video_kbps),
            resolution: resolution.to_string(),
            framerate,
            preset: settings.preset.unwrap_or(filled.preset).as_str(),
            keyframe_interval_ms: filled.gop_ms,
            audio_bitrate: filled.audio_kbps,
            auto_start: settings.auto_start.unwrap_or(false),
            auto_reconnect: settings.auto_reconnect.unwrap_or(true),
            max_retries: settings.max_retries.unwrap_or(DEFAULT_MAX_RETRIES),
        }
    }
}
