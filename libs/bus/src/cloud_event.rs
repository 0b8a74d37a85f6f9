//! The CloudEvents 1.0 JSON envelope that everything public on NATS travels in.
//!
//! Extension attributes are lower case without separators because the specification allows nothing else.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The only version there is.
const SPEC_VERSION: &str = "1.0";
/// The media type of `data`.
const JSON: &str = "application/json";

/// An event as it is on the wire (https://github.com/cloudevents/spec, version 1.0.2, JSON format).
#[derive(Serialize, Deserialize)]
pub(crate) struct CloudEvent<T> {
    specversion: String,
    pub id: Uuid,
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The destination's id, or the stream's when it is about the whole stream.
    pub subject: String,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    #[serde(default = "json", rename = "datacontenttype")]
    content_type: String,
    #[serde(rename = "streamid")]
    pub stream_id: Uuid,
    #[serde(rename = "destinationid", default, skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<Uuid>,
    #[serde(rename = "tenantid", default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    pub data: T,
}

fn json() -> String {
    JSON.to_owned()
}

impl<T> CloudEvent<T> {
    /// An envelope about a stream, or about one of its destinations.
    pub fn new(id: Uuid, kind: &str, stream: Uuid, destination: Option<Uuid>, time: OffsetDateTime, data: T) -> Self {
        Self {
            specversion: SPEC_VERSION.to_owned(),
            id,
            source: format!("/streams/{stream}"),
            kind: kind.to_owned(),
            subject: destination.unwrap_or(stream).to_string(),
            time,
            content_type: json(),
            stream_id: stream,
            destination_id: destination,
            tenant_id: None,
            data,
        }
    }

    /// Whether this is a version we know how to read.
    pub fn is_supported(&self) -> bool {
        self.specversion == SPEC_VERSION
    }
}
