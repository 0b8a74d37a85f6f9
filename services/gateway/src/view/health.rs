//! The answers of health and metrics.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use wire::v1;

use super::{destination::platform_name, figure, some_text};

/// How a stream is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The stream.
    pub stream_id: String,
    /// The worst of its destinations: healthy, degraded, stale or error; unknown while nothing runs.
    #[schema(example = "healthy")]
    pub overall: String,
    /// Since it started, in ms.
    pub uptime: i64,
    /// By destination id.
    pub destinations: BTreeMap<String, DestinationHealth>,
}

/// How one destination is doing.
#[derive(Debug, Serialize, ToSchema)]
pub struct DestinationHealth {
    /// Where it is.
    pub platform: &'static str,
    /// healthy, degraded, stale, error or unknown.
    #[schema(example = "healthy")]
    pub health: String,
    /// The latest figures.
    pub metrics: HealthMetrics,
    /// What is wrong, in sentences with the next step.
    pub issues: Vec<String>,
}

/// The latest figures of one destination.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthMetrics {
    /// Frames per second.
    #[schema(example = 30.0)]
    pub fps: f64,
    /// kbps acknowledged by the destination.
    #[schema(example = 4500)]
    pub bitrate: u64,
    /// Since the start.
    pub frames_sent: u64,
    /// Acknowledged by the destination, since the start.
    pub bytes_sent: u64,
    /// Left out because the destination was too slow.
    pub dropped_frames: u64,
    /// Media time over wall time; 1 when it keeps up.
    pub speed: f64,
    /// Since the start.
    pub reconnects: u32,
    /// When the figures were taken, in ms since 1970; `null` before the first.
    pub last_update: Option<i64>,
}

/// The counters of a stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// ms since 1970; `null` while it does not run.
    pub start_time: Option<i64>,
    /// Over all destinations, acknowledged.
    pub bytes_sent: u64,
    /// Over all destinations.
    pub frames_sent: u64,
    /// What went wrong since the start, oldest first.
    pub errors: Vec<MetricsError>,
    /// By destination id.
    pub destination_metrics: BTreeMap<String, DestinationMetrics>,
}

/// Something that went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsError {
    /// ms since 1970.
    pub time: i64,
    /// At which destination; `null`: at the stream as a whole.
    pub destination_id: Option<String>,
    /// Stable.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// The counters of one destination.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationMetrics {
    /// Where it is.
    pub platform: &'static str,
    /// Acknowledged by the destination.
    pub bytes_sent: u64,
    /// Video frames.
    pub frames_sent: u64,
    /// kbps acknowledged.
    pub bitrate: u64,
    /// Frames per second.
    pub fps: f64,
    /// Left out because the destination was too slow.
    pub dropped_frames: u64,
    /// Media time over wall time; 1 when it keeps up.
    pub speed: f64,
    /// Since the start.
    pub reconnects: u32,
    /// ms since 1970; `null` before the first.
    pub last_update: Option<i64>,
}

impl From<v1::HealthResponse> for Health {
    fn from(response: v1::HealthResponse) -> Self {
        Self {
            stream_id: response.stream_id,
            overall: some_text(response.overall).unwrap_or_else(|| "unknown".to_owned()),
            uptime: response.uptime_ms.max(0),
            destinations: response.destinations.into_iter().map(|d| (d.destination_id.clone(), d.into())).collect(),
        }
    }
}

impl From<v1::DestinationMetrics> for DestinationHealth {
    fn from(d: v1::DestinationMetrics) -> Self {
        Self {
            platform: platform_name(d.platform),
            metrics: HealthMetrics {
                fps: figure(d.fps),
                bitrate: kbps(d.bitrate_kbps),
                frames_sent: d.frames_sent,
                bytes_sent: d.bytes_sent,
                dropped_frames: d.dropped_frames,
                speed: figure(d.speed),
                reconnects: d.reconnects,
                last_update: at(d.last_update_ms),
            },
            health: some_text(d.health).unwrap_or_else(|| "unknown".to_owned()),
            issues: d.issues,
        }
    }
}

impl From<v1::MetricsResponse> for Metrics {
    fn from(response: v1::MetricsResponse) -> Self {
        let error = |e: v1::MetricsError| MetricsError {
            time: e.at_ms,
            destination_id: some_text(e.destination_id),
            code: e.code,
            message: e.message,
        };
        let of = |d: v1::DestinationMetrics| (d.destination_id.clone(), DestinationMetrics::from(d));
        Self {
            start_time: at(response.start_time_ms),
            bytes_sent: response.bytes_sent,
            frames_sent: response.frames_sent,
            errors: response.errors.into_iter().map(error).collect(),
            destination_metrics: response.destinations.into_iter().map(of).collect(),
        }
    }
}

impl From<v1::DestinationMetrics> for DestinationMetrics {
    fn from(d: v1::DestinationMetrics) -> Self {
        Self {
            platform: platform_name(d.platform),
            bytes_sent: d.bytes_sent,
            frames_sent: d.frames_sent,
            bitrate: kbps(d.bitrate_kbps),
            fps: figure(d.fps),
            dropped_frames: d.dropped_frames,
            speed: figure(d.speed),
            reconnects: d.reconnects,
            last_update: at(d.last_update_ms),
        }
    }
}

/// The guide shows bitrates as whole numbers.
fn kbps(value: f64) -> u64 {
    figure(value).round() as u64 // finite, 0 to 10^12
}

fn at(ms: i64) -> Option<i64> {
    (ms > 0).then_some(ms)
}
