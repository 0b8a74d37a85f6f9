//! The answers of start and status.

use serde::Serialize;
use utoipa::ToSchema;
use wire::v1;

use super::{
    destination::{DestinationView, FaultView, platform_name},
    rfc3339,
    stream::StreamView,
};

/// A started simulcast.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// The stream.
    pub stream_id: String,
    /// starting or live.
    #[schema(example = "live")]
    pub status: String,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// Those that take part, as they are when the answer is sent.
    pub destinations: Vec<StartedDestination>,
}

/// One destination of a started simulcast.
#[derive(Debug, Serialize, ToSchema)]
pub struct StartedDestination {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub platform: &'static str,
    /// For people.
    pub name: String,
    /// connecting, waiting_source, connected, live, reconnecting or error.
    #[schema(example = "connected")]
    pub status: String,
    /// Why it failed or reconnects.
    pub error: Option<FaultView>,
}

/// The state of a stream, its destinations and its simulcast.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// The stream.
    pub stream: StreamView,
    /// All its destinations.
    pub destinations: Vec<DestinationView>,
    /// The simulcast.
    pub simulcast: Simulcast,
}

/// The simulcast of a stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Simulcast {
    /// The stream.
    pub stream_id: String,
    /// idle, starting, live, stopping or ended.
    #[schema(example = "live")]
    pub status: String,
    /// Since it started, in ms.
    pub uptime: i64,
}

impl From<v1::StartResponse> for Started {
    fn from(response: v1::StartResponse) -> Self {
        let stream = response.stream.unwrap_or_default();
        Self {
            stream_id: stream.id,
            status: stream.status,
            started_at: rfc3339(stream.started_at_ms),
            destinations: response.destinations.into_iter().map(StartedDestination::from).collect(),
        }
    }
}

impl From<v1::Destination> for StartedDestination {
    fn from(d: v1::Destination) -> Self {
        let error = d.fault.and_then(FaultView::of);
        Self { platform: platform_name(d.platform), id: d.id, name: d.name, status: d.status, error }
    }
}

impl From<v1::StatusResponse> for Status {
    fn from(response: v1::StatusResponse) -> Self {
        let stream = StreamView::from(response.stream.unwrap_or_default());
        let (stream_id, status) = (stream.id.clone(), stream.status.clone());
        Self {
            stream,
            destinations: response.destinations.into_iter().map(DestinationView::from).collect(),
            simulcast: Simulcast { stream_id, status, uptime: response.uptime_ms.max(0) },
        }
    }
}
