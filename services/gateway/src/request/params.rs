//! The ids in a path. A text that is no UUID is an id that nobody has.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use domain::{
    ids::{DestinationId, StreamId},
    platform::Platform,
};

use crate::{
    error::{ApiError, NotFound},
    input::{self, AccountId},
};

/// The path parameters of one request.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; a path that is no UTF-8 has none.
    pub(super) async fn of(parts: &mut Parts) -> Self {
        match RawPathParams::from_request_parts(parts, &()).await {
            Ok(raw) => Self(raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
            Err(_) => Self::default(),
        }
    }

    /// The `{id}` of a path below a stream.
    ///
    /// # Errors
    /// 404.
    pub fn stream(&self) -> Result<StreamId, ApiError> {
        self.uuid("id").map(StreamId).ok_or_else(|| ApiError::not_found(NotFound::Stream))
    }

    /// The `{id}` of a path below a destination.
    ///
    /// # Errors
    /// 404.
    pub fn destination(&self) -> Result<DestinationId, ApiError> {
        self.uuid("id").map(DestinationId).ok_or_else(|| ApiError::not_found(NotFound::Destination))
    }

    /// The `{destId}` of a path below a stream.
    ///
    /// # Errors
    /// 404.
    pub fn inner_destination(&self) -> Result<DestinationId, ApiError> {
        self.uuid("destId").map(DestinationId).ok_or_else(|| ApiError::not_found(NotFound::Destination))
    }

    /// The `{id}` of a path below a linked account.
    ///
    /// # Errors
    /// 404.
    pub fn account(&self) -> Result<AccountId, ApiError> {
        self.uuid("id").map(AccountId).ok_or_else(|| ApiError::not_found(NotFound::Account))
    }

    /// The `{platform}` of a path.
    ///
    /// # Errors
    /// 404: there is no path of a platform that does not exist.
    pub fn platform(&self) -> Result<Platform, ApiError> {
        let text = self.0.iter().find(|(name, _)| name == "platform").map(|(_, text)| text.as_str());
        text.and_then(|text| text.parse().ok()).ok_or_else(|| ApiError::not_found(NotFound::Route))
    }

    fn uuid(&self, name: &str) -> Option<uuid::Uuid> {
        self.0.iter().find(|(n, _)| n == name).and_then(|(_, text)| input::uuid(text))
    }
}
