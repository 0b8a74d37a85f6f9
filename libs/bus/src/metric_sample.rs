//! What a worker measured of one destination: one sample a second.

use domain::{
    ids::{DestinationId, SessionId, StreamId},
    platform::Platform,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{EventKind, cloud_event::CloudEvent, error::Error, event::NotAnEvent};

/// One sample. Counters grow within a session, over reconnects as well; the field names on the wire are camelCase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricSample {
    /// The stream.
    #[serde(rename = "streamId")]
    pub stream: StreamId,
    /// The destination.
    #[serde(rename = "destinationId")]
    pub destination: DestinationId,
    /// The session that measured.
    #[serde(rename = "sessionId")]
    pub session: SessionId,
    /// The session's epoch; samples of an older one are dropped.
    pub epoch: u64,
    /// Grows within one epoch.
    pub sequence: u64,
    /// Where the destination is.
    pub platform: Platform,
    /// Frames per second sent over the last second.
    pub fps: f64,
    /// kbit/s acknowledged over the last second.
    pub bitrate: f64,
    /// Video frames since the session started.
    pub frames_sent: u64,
    /// Bytes acknowledged by the sink since the session started.
    pub bytes_sent: u64,
    /// Frames left out because the sink was too slow.
    pub dropped_frames: u64,
    /// Media time over wall time, 1.0 when it keeps up.
    pub speed: f64,
    /// Since the session started.
    pub reconnects: u32,
    /// When it was measured, in ms since 1970.
    pub at_ms: i64,
}

impl MetricSample {
    /// As CloudEvents 1.0 JSON of type `metrics:update`.
    pub(crate) fn to_json(&self, id: Uuid) -> Result<Vec<u8>, Error> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.at_ms) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let kind = EventKind::MetricsUpdate.as_type();
        let envelope = CloudEvent::new(id, kind, self.stream.0, Some(self.destination.0), time, self);
        serde_json::to_vec(&envelope).map_err(Error::Encode)
    }

    /// From CloudEvents 1.0 JSON of type `metrics:update`.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, NotAnEvent> {
        let envelope: CloudEvent<Self> = serde_json::from_slice(bytes).map_err(NotAnEvent::because)?;
        if !envelope.is_supported() || envelope.kind != EventKind::MetricsUpdate.as_type() {
            return Err(NotAnEvent::other());
        }
        Ok(envelope.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_the_way_there_and_back_in_camel_case() {
        let sample = MetricSample {
            stream: StreamId(Uuid::from_u128(2)),
            destination: DestinationId(Uuid::from_u128(3)),
            session: SessionId(Uuid::from_u128(3)),
            epoch: 7,
            sequence: 12,
            platform: Platform::RtmpCustom,
            fps: 29.97,
            bitrate: 5998.5,
            frames_sent: 300,
            bytes_sent: 7_500_000,
            dropped_frames: 1,
            speed: 1.0,
            reconnects: 2,
            at_ms: 1_700_000_000_123,
        };
        let bytes = sample.to_json(Uuid::from_u128(1)).unwrap();
        assert_eq!(MetricSample::from_json(&bytes).unwrap(), sample);
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["type"], "metrics:update");
        assert_eq!(json["time"], "2023-11-14T22:13:20.123Z");
        assert_eq!(json["data"]["bytesSent"], 7_500_000);
        assert_eq!(json["data"]["platform"], "rtmp_custom");
        assert_eq!(json["data"]["streamId"], "00000000-0000-0000-0000-000000000002");
    }
}
