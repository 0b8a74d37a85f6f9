//! The body that brings a destination into a simulcast: one that exists, or a new one.

use domain::{ids::DestinationId, ids::StreamId};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{StreamName, Terms, destination};
use crate::{
    codes::INVALID,
    error::{ApiError, NotFound},
    fields::Fields,
};

/// Either `destination_id` alone, or a new destination.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AttachedDestination)]
#[allow(dead_code)] // the shape for the API description; `Attach::read` does the reading
pub enum AttachBody {
    /// One that exists.
    Existing {
        /// A destination of this stream.
        destination_id: uuid::Uuid,
    },
    /// One that is made now.
    New(Box<destination::NewDestinationBody>),
}

/// What to attach.
#[derive(Debug)]
pub enum Attach {
    /// One that exists, perhaps.
    Existing(DestinationId),
    /// One to make first.
    New(Box<destination::New>),
}

impl Attach {
    /// Reads a body for the stream that the path names.
    ///
    /// # Errors
    /// 422 with every field at fault; 404 when `destination_id` is no UUID.
    pub fn read(body: &Value, stream: StreamId, terms: Terms) -> Result<Self, ApiError> {
        let mut fields = Fields::of(body)?;
        if fields.has("destination_id") {
            let id = fields.string("destination_id");
            fields.finish()?;
            let id = id.and_then(super::uuid).ok_or_else(|| ApiError::not_found(NotFound::Destination))?;
            return Ok(Self::Existing(DestinationId(id)));
        }
        let new = destination::New::read(body, true, terms)?;
        if new.stream.is_some_and(|named| named != StreamName::Id(stream)) {
            return Err(ApiError::field("stream_id", INVALID, "must be the stream of the path, or left out"));
        }
        Ok(Self::New(Box::new(new)))
    }
}
