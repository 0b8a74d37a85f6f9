//! The routes, one file per group.

pub mod accounts;
pub mod attach;
pub mod destinations;
pub mod events;
pub mod features;
pub mod ingest_key;
pub mod oauth;
pub mod platform_changes;
pub mod platforms;
pub mod simulcast;
pub mod streams;

use tonic::Status;

use crate::{
    error::{ApiError, NotFound},
    upstream::refusal,
};

/// Turns a refusal about a linked account into an answer.
fn of_account(status: Status) -> ApiError {
    refusal(&status, NotFound::Account)
}

/// Turns a refusal about a stream into an answer.
fn of_stream(status: Status) -> ApiError {
    refusal(&status, NotFound::Stream)
}

/// Turns a refusal about a destination into an answer.
fn of_destination(status: Status) -> ApiError {
    refusal(&status, NotFound::Destination)
}
