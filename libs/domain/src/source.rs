//! What a live source is made of, as measured by the relay.

use serde::{Deserialize, Serialize};

/// A live source, measured from its tags. Empty and zero mean "not known yet" or "not there".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceInfo {
    /// FFmpeg's name of the codec: `h264`, `hevc`, `av1`; empty without video.
    pub video_codec: String,
    /// `baseline`, `main`, `high`, … when the sequence header says so.
    pub video_profile: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Video bitrate in kbit/s over the last seconds.
    pub video_kbps: u32,
    /// Longest distance between keyframes seen lately, in ms.
    pub gop_ms: u32,
    /// `aac`, `mp3`, `opus`; empty without audio.
    pub audio_codec: String,
    /// Samples per second.
    pub audio_rate_hz: u32,
    /// Channels.
    pub audio_channels: u32,
    /// Audio bitrate in kbit/s.
    pub audio_kbps: u32,
    /// Whether the video comes in Enhanced RTMP tags (FFmpeg < 6.1 cannot read them).
    pub enhanced: bool,
    /// Whether the video has B-frames.
    pub b_frames: bool,
}
