//! A stream, as people see it.

use serde::Serialize;
use utoipa::ToSchema;
use wire::v1;

use super::{figure, rfc3339, some_text};

/// A stream: one source, many destinations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub struct StreamView {
    /// Its id, a UUID.
    pub id: String,
    /// For people.
    pub title: String,
    /// idle, starting, live, stopping or ended.
    #[schema(example = "live")]
    pub status: String,
    /// RFC 3339.
    pub created_at: Option<String>,
    /// RFC 3339; `null` while it does not run.
    pub started_at: Option<String>,
    /// Over all destinations.
    pub viewer_count: u64,
    /// A stream that started by itself ends so many seconds after its source is gone.
    pub end_grace_s: u32,
    /// What comes in.
    pub source: SourceView,
}

/// What comes in, as measured.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
pub struct SourceView {
    /// Whether an encoder publishes to us (or the pulled source plays).
    pub connected: bool,
    /// RFC 3339; `null` while not connected.
    pub connected_at: Option<String>,
    /// h264, hevc, av1; `null` without video.
    pub video_codec: Option<String>,
    /// WIDTHxHEIGHT; `null` while not known.
    pub resolution: Option<String>,
    /// Frames per second; `null` while not known.
    pub framerate: Option<f64>,
    /// Video, kbps.
    pub bitrate: Option<u32>,
    /// Longest distance between keyframes, in seconds.
    pub keyframe_interval: Option<f64>,
    /// aac, mp3, opus; `null` without audio.
    pub audio_codec: Option<String>,
}

/// Where an encoder publishes to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ingest {
    /// The server URL of the encoder's settings.
    #[schema(example = "rtmp://live.example.com/live")]
    pub url: String,
    /// The stream key of the encoder's settings. A secret.
    pub key: String,
}

/// A stream that was just made: the only answer about a stream that holds its ingest key.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedStream {
    /// The stream.
    #[serde(flatten)]
    pub stream: StreamView,
    /// Where to publish.
    pub ingest: Ingest,
}

impl From<v1::Stream> for StreamView {
    fn from(stream: v1::Stream) -> Self {
        let source = SourceView::of(&stream);
        Self {
            id: stream.id,
            title: stream.title,
            status: stream.status,
            created_at: rfc3339(stream.created_at_ms),
            started_at: rfc3339(stream.started_at_ms),
            viewer_count: stream.viewer_count,
            end_grace_s: stream.end_grace_s,
            source,
        }
    }
}

impl SourceView {
    fn of(stream: &v1::Stream) -> Self {
        let info = stream.source.clone().filter(|_| stream.source_connected).unwrap_or_default();
        let size = (info.width > 0 && info.height > 0).then(|| format!("{}x{}", info.width, info.height));
        Self {
            connected: stream.source_connected,
            connected_at: rfc3339(stream.source_connected_at_ms).filter(|_| stream.source_connected),
            video_codec: some_text(info.video_codec),
            resolution: size,
            framerate: Some(figure(info.fps)).filter(|fps| *fps > 0.0),
            bitrate: Some(info.video_kbps).filter(|kbps| *kbps > 0),
            keyframe_interval: Some(figure(f64::from(info.gop_ms) / 1_000.0)).filter(|s| *s > 0.0),
            audio_codec: some_text(info.audio_codec),
        }
    }
}
