//! A platform, as people see it: whether it is set up, what it takes, what it recommends.

use domain::{
    limits::{Limits, Recommended, limits, recommended},
    platform::Platform,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::platforms::Info;

/// A platform of this installation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Platform)]
pub struct PlatformView {
    /// youtube, twitch, facebook, cloudflare or rtmp_custom.
    #[schema(example = "twitch")]
    pub platform: &'static str,
    /// Whether destinations can be made on it here.
    pub configured: bool,
    /// Whether people sign in to it.
    pub needs_account: bool,
    /// The most it takes.
    pub limits: LimitsView,
    /// What an encode uses where `settings` leaves it out and the source has no less, for a picture of 1920x1080 with 30
    /// frames per second.
    pub recommended: RecommendedView,
}

/// The most a platform takes. `null`: it publishes no limit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlatformLimits)]
pub struct LimitsView {
    /// FFmpeg's names.
    pub video_codecs: &'static [&'static str],
    /// Video, kbps.
    pub bitrate: u32,
    /// Video and audio together, kbps.
    pub total_bitrate: Option<u32>,
    /// WIDTHxHEIGHT; also upright.
    #[schema(example = "1920x1080")]
    pub resolution: String,
    /// Frames per second.
    pub framerate: u32,
    /// Longest distance between keyframes, ms.
    pub keyframe_interval_ms: Option<u32>,
    /// Shortest distance between keyframes, ms.
    pub keyframe_interval_min_ms: Option<u32>,
    /// FFmpeg's names.
    pub audio_codecs: &'static [&'static str],
    /// Audio, kbps.
    pub audio_bitrate: Option<u32>,
    /// Whether it refuses a stream without audio. (We add a silent track.)
    pub audio_required: bool,
}

/// What an encode uses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecommendedSettings)]
pub struct RecommendedView {
    /// kbps.
    #[schema(example = 4500)]
    pub bitrate: u32,
    /// WIDTHxHEIGHT.
    #[schema(example = "1920x1080")]
    pub resolution: String,
    /// Frames per second.
    #[schema(example = 30)]
    pub framerate: u32,
    /// Encoder speed.
    #[schema(example = "veryfast")]
    pub preset: &'static str,
    /// Distance between keyframes, ms.
    pub keyframe_interval_ms: u32,
    /// AAC, kbps.
    pub audio_bitrate: u32,
}

impl PlatformView {
    /// Of one platform.
    pub fn of(info: Info) -> Self {
        Self {
            platform: info.platform.as_str(),
            configured: info.configured,
            needs_account: info.needs_account,
            limits: limits(info.platform).into(),
            recommended: recommended_view(info.platform),
        }
    }
}

fn recommended_view(platform: Platform) -> RecommendedView {
    let Recommended { resolution, framerate, video_kbps, preset, gop_ms, audio_kbps } =
        recommended(platform, None, None);
    RecommendedView {
        bitrate: video_kbps,
        resolution: resolution.to_string(),
        framerate,
        preset: preset.as_str(),
        keyframe_interval_ms: gop_ms,
        audio_bitrate: audio_kbps,
    }
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        Self {
            video_codecs: limits.video_codecs,
            bitrate: limits.video_kbps,
            total_bitrate: limits.total_kbps,
            resolution: format!("{}x{}", limits.long_side, limits.short_side),
            framerate: limits.fps,
            keyframe_interval_ms: limits.gop_ms,
            keyframe_interval_min_ms: limits.gop_min_ms,
            audio_codecs: limits.audio_codecs,
            audio_bitrate: limits.audio_kbps,
            audio_required: limits.audio_required,
        }
    }
}
