//! What is in a file, a recording in memory or a live address, as FFprobe sees it.

use std::{ffi::OsStr, io::Write, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{temp, tools};

const DEADLINE: Duration = Duration::from_secs(30);

/// One elementary stream.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Track {
    /// `video`, `audio`, …
    #[serde(default)]
    pub codec_type: String,
    /// `h264`, `aac`, …
    #[serde(default)]
    pub codec_name: String,
    /// `High`, `Constrained Baseline`, `LC`, …
    #[serde(default)]
    pub profile: String,
    /// Pixels.
    #[serde(default)]
    pub width: u32,
    /// Pixels.
    #[serde(default)]
    pub height: u32,
    /// A fraction such as `30/1`.
    #[serde(default)]
    pub avg_frame_rate: String,
    /// Hz, as text.
    #[serde(default)]
    pub sample_rate: String,
    /// Audio channels.
    #[serde(default)]
    pub channels: u32,
}

impl Track {
    /// Average frames per second.
    pub fn fps(&self) -> f64 {
        let mut parts = self.avg_frame_rate.split('/').filter_map(|part| part.parse::<f64>().ok());
        match (parts.next(), parts.next()) {
            (Some(frames), Some(seconds)) if seconds > 0.0 => frames / seconds,
            _ => 0.0,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Probe {
    /// All elementary streams.
    #[serde(default)]
    pub streams: Vec<Track>,
}

impl Probe {
    /// The first video track.
    pub fn video(&self) -> Option<&Track> {
        self.streams.iter().find(|track| track.codec_type == "video")
    }

    /// The first audio track.
    pub fn audio(&self) -> Option<&Track> {
        self.streams.iter().find(|track| track.codec_type == "audio")
    }

    /// For example `h264 1280x720, aac`.
    pub fn summary(&self) -> String {
        let video = self.video().map(|track| format!("{} {}x{}", track.codec_name, track.width, track.height));
        let audio = self.audio().map(|track| track.codec_name.clone());
        [video, audio].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Probes a file or an address that FFmpeg can open.
///
/// # Errors
/// When FFprobe finds nothing, fails, or takes more than 30 s.
pub async fn ffprobe(input: impl AsRef<OsStr>) -> anyhow::Result<Probe> {
    let mut command = tokio::process::Command::new(tools::ffprobe()?);
    command
        .args(["-v", "error", "-print_format", "json", "-show_streams", "-i"])
        .arg(input.as_ref())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output()).await.context("ffprobe takes too long")??;
    let probe: Probe = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if probe.streams.is_empty() {
        bail!("ffprobe found nothing: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(probe)
}

/// Probes bytes in memory, for example what a sink has recorded.
///
/// # Errors
/// As [`ffprobe`].
pub async fn ffprobe_bytes(bytes: &[u8]) -> anyhow::Result<Probe> {
    let dir = temp::dir("probe")?;
    let path = dir.path().join("media.flv");
    std::fs::File::create(&path)?.write_all(bytes)?;
    ffprobe(&path).await
}
