//! What happened to a stream, told to people and programs.

use domain::ids::{DestinationId, StreamId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{EventKind, cloud_event::CloudEvent, error::Error};

/// One public event. Its id makes it unique: published twice, it is stored once.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique; the outbox row's id.
    pub id: Uuid,
    /// What happened.
    pub kind: EventKind,
    /// To which stream.
    pub stream: StreamId,
    /// To which of its destinations, if not to the whole.
    pub destination: Option<DestinationId>,
    /// Whose stream it is: the gateway shows an event to nobody else.
    pub tenant: TenantId,
    /// When it happened.
    pub time: OffsetDateTime,
    /// Whatever the kind carries. Never a secret.
    pub data: serde_json::Value,
}

/// An event and its place in the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Grows with every event; what SSE gives out as its id and takes back as `Last-Event-ID`.
    pub seq: u64,
    /// The event.
    pub event: Event,
}

/// The bytes are no event of ours.
#[derive(Debug, thiserror::Error)]
#[error("not an event")]
pub struct NotAnEvent(#[source] Option<serde_json::Error>);

impl NotAnEvent {
    pub(crate) fn because(error: serde_json::Error) -> Self {
        Self(Some(error))
    }

    pub(crate) fn other() -> Self {
        Self(None)
    }
}

impl Event {
    /// As CloudEvents 1.0 JSON.
    ///
    /// # Errors
    /// [`Error::Encode`] when `data` cannot be JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let destination = self.destination.map(|d| d.0);
        let mut envelope =
            CloudEvent::new(self.id, self.kind.as_type(), self.stream.0, destination, self.time, &self.data);
        envelope.tenant_id = Some(self.tenant.0.clone());
        serde_json::to_vec(&envelope).map_err(Error::Encode)
    }

    /// From CloudEvents 1.0 JSON.
    ///
    /// # Errors
    /// [`NotAnEvent`] when it is no JSON, another version, of an unknown type, or without a tenant.
    pub fn from_json(bytes: &[u8]) -> Result<Self, NotAnEvent> {
        let envelope: CloudEvent<serde_json::Value> = serde_json::from_slice(bytes).map_err(NotAnEvent::because)?;
        if !envelope.is_supported() {
            return Err(NotAnEvent::other());
        }
        Ok(Self {
            id: envelope.id,
            kind: envelope.kind.parse().map_err(|_| NotAnEvent::other())?,
            stream: StreamId(envelope.stream_id),
            destination: envelope.destination_id.map(DestinationId),
            tenant: TenantId(envelope.tenant_id.ok_or(NotAnEvent::other())?),
            time: envelope.time,
            data: envelope.data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Event {
        Event {
            id: Uuid::from_u128(1),
            kind: EventKind::DestinationError,
            stream: StreamId(Uuid::from_u128(2)),
            destination: Some(DestinationId(Uuid::from_u128(3))),
            tenant: TenantId("alice".into()),
            time: OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap(),
            data: serde_json::json!({"code": "bad_stream_key"}),
        }
    }

    #[test]
    fn an_event_survives_the_way_there_and_back() {
        let whole = Event { destination: None, kind: EventKind::StreamStarted, ..sample() };
        for event in [sample(), whole] {
            assert_eq!(Event::from_json(&event.to_json().unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn the_envelope_is_cloudevents_1_0() {
        let json: serde_json::Value = serde_json::from_slice(&sample().to_json().unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "specversion": "1.0",
                "id": "00000000-0000-0000-0000-000000000001",
                "source": "/streams/00000000-0000-0000-0000-000000000002",
                "type": "destination:error",
                "subject": "00000000-0000-0000-0000-000000000003",
                "time": "2023-11-14T22:13:20Z",
                "datacontenttype": "application/json",
                "streamid": "00000000-0000-0000-0000-000000000002",
                "destinationid": "00000000-0000-0000-0000-000000000003",
                "tenantid": "alice",
                "data": {"code": "bad_stream_key"},
            })
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let spoiled = |field: &str, value: serde_json::Value| {
            let mut json: serde_json::Value = serde_json::from_slice(&sample().to_json().unwrap()).unwrap();
            json[field] = value;
            Event::from_json(json.to_string().as_bytes()).unwrap_err();
        };
        spoiled("specversion", "0.3".into());
        spoiled("type", "stream:exploded".into());
        spoiled("streamid", "x".into());
        spoiled("tenantid", serde_json::Value::Null);
        Event::from_json(b"\xff\x00").unwrap_err();
    }
}
