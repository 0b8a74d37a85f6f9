//! What each platform takes. One table, with the source of each figure.

use crate::platform::Platform;

/// The most a platform takes. `None` means that it publishes no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Video codecs by FFmpeg's names.
    pub video_codecs: &'static [&'static str],
    /// Video bitrate in kbit/s.
    pub video_kbps: u32,
    /// Longer side, pixels.
    pub long_side: u32,
    /// Shorter side, pixels.
    pub short_side: u32,
    /// Frames per second.
    pub fps: u32,
    /// Longest distance between keyframes, ms.
    pub gop_ms: Option<u32>,
    /// Audio codecs by FFmpeg's names.
    pub audio_codecs: &'static [&'static str],
    /// Whether the platform refuses a stream without audio.
    pub audio_required: bool,
}

/// H.264 over classic FLV, which every RTMP server takes.
const H264: &[&str] = &["h264"];
/// What Enhanced RTMP servers take as well.
const ENHANCED: &[&str] = &["h264", "hevc", "av1"];
const AAC: &[&str] = &["aac"];
const AAC_MP3: &[&str] = &["aac", "mp3"];

/// The limits of a platform.
pub const fn limits(platform: Platform) -> Limits {
    match platform {
        // developers.google.com/youtube/v3/live/guides/rtmps-ingestion: H.264, HEVC, AV1; keyframe 2 s, at most 4 s;
        // AAC or MP3. No hard bitrate cap is published; the product's own range ends at 20 Mbps. Size: product guide.
        Platform::Youtube => Limits {
            video_codecs: ENHANCED,
            video_kbps: 20_000,
            long_side: 3840,
            short_side: 2160,
            fps: 60,
            gop_ms: Some(4_000),
            audio_codecs: AAC_MP3,
            audio_required: true,
        },
        // help.twitch.tv broadcasting guidelines: H.264, 6000 kbps, 1080p60. Keyframe 2 s is the recommendation.
        Platform::Twitch => Limits {
            video_codecs: H264,
            video_kbps: 6_000,
            long_side: 1920,
            short_side: 1080,
            fps: 60,
            gop_ms: Some(4_000),
            audio_codecs: AAC,
            audio_required: false,
        },
        // Facebook live video: H.264, 1080p60, 9000 kbps, keyframe at most 4 s, audio mandatory.
        Platform::Facebook => Limits {
            video_codecs: H264,
            video_kbps: 9_000,
            long_side: 1920,
            short_side: 1080,
            fps: 60,
            gop_ms: Some(4_000),
            audio_codecs: AAC,
            audio_required: true,
        },
        // developers.cloudflare.com/stream/stream-live: H.264 + AAC, up to 14 Mbps in all, keyframe 2–10 s.
        Platform::Cloudflare => Limits {
            video_codecs: H264,
            video_kbps: 13_000,
            long_side: 1920,
            short_side: 1080,
            fps: 60,
            gop_ms: Some(10_000),
            audio_codecs: AAC,
            audio_required: true,
        },
        // Only the product's own ranges. What the server cannot take, it refuses itself.
        Platform::RtmpCustom => Limits {
            video_codecs: ENHANCED,
            video_kbps: 20_000,
            long_side: 3840,
            short_side: 2160,
            fps: 60,
            gop_ms: None,
            audio_codecs: AAC_MP3,
            audio_required: false,
        },
    }
}
