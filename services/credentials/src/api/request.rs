//! Requests become typed before anything is done with them.

use std::str::FromStr;

use domain::ids::{DestinationId, Epoch, SessionId, StreamId, TenantId, WorkerId};
use secret::{InvalidKey, StreamKey};
use service_kit::grpc;
use tonic::{Code, Status};
use wire::v1::GetPublishTargetRequest;

use crate::owner::Claim;

/// The longest tenant or worker id that is taken.
const MAX_NAME_BYTES: usize = 256;

pub(super) fn tenant(text: String) -> Result<TenantId, Status> {
    name(text, "tenant_id").map(TenantId)
}

pub(super) fn destination(text: &str) -> Result<DestinationId, Status> {
    id(text, "destination_id")
}

pub(super) fn stream(text: &str) -> Result<StreamId, Status> {
    id(text, "stream_id")
}

/// `None` for a field left empty.
pub(super) fn optional<T>(text: &str, parse: impl Fn(&str) -> Result<T, Status>) -> Result<Option<T>, Status> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

pub(super) fn claim(request: GetPublishTargetRequest) -> Result<Claim, Status> {
    Ok(Claim {
        destination: destination(&request.destination_id)?,
        session: id::<SessionId>(&request.session_id, "session_id")?,
        epoch: Epoch(request.epoch),
        worker: WorkerId(name(request.worker_id, "worker_id")?),
    })
}

pub(super) fn stream_key(text: String) -> Result<StreamKey, Status> {
    StreamKey::new(text).map_err(|invalid| {
        let message = match invalid {
            InvalidKey::Empty => "stream_key must not be empty",
            InvalidKey::TooLong => "stream_key must have at most 512 bytes",
            InvalidKey::ControlCharacter => "stream_key must not contain line ends or other control characters",
        };
        grpc::status(Code::InvalidArgument, "invalid_stream_key", Some("stream_key"), message)
    })
}

pub(super) fn id<T: FromStr>(text: &str, field: &'static str) -> Result<T, Status> {
    T::from_str(text).map_err(|_| malformed(field))
}

fn name(text: String, field: &'static str) -> Result<String, Status> {
    if text.is_empty() || text.len() > MAX_NAME_BYTES { Err(malformed(field)) } else { Ok(text) }
}

pub(super) fn malformed(field: &'static str) -> Status {
    grpc::status(Code::InvalidArgument, "invalid", Some(field), format!("{field} is missing or malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(refused: Result<impl Sized, Status>) -> Option<String> {
        refused.err().as_ref().and_then(grpc::error_field).map(str::to_owned)
    }

    #[test]
    fn malformed_fields_are_named() {
        assert_eq!(field(tenant(String::new())).as_deref(), Some("tenant_id"));
        assert_eq!(field(destination("7")).as_deref(), Some("destination_id"));
        assert_eq!(field(stream_key("a\n".to_owned())).as_deref(), Some("stream_key"));
        let uuid = "018f3c0e-0000-7000-8000-000000000001".to_owned();
        let request = |session_id: &str, worker_id: &str| GetPublishTargetRequest {
            destination_id: uuid.clone(),
            session_id: session_id.to_owned(),
            epoch: 1,
            worker_id: worker_id.to_owned(),
        };
        assert_eq!(field(claim(request(&uuid, ""))).as_deref(), Some("worker_id"));
        assert_eq!(field(claim(request("", "w-1"))).as_deref(), Some("session_id"));
        assert_eq!(field(claim(request(&uuid, "w-1"))), None);
        assert!(optional("", destination).expect("left empty").is_none());
    }
}
