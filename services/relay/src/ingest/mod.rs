//! RTMP ingest: from an accepted socket to a live source.

mod authorize;
mod connection;
mod listener;
mod paced;
mod publish;
mod refusals;

pub(crate) use listener::listen;

use std::sync::Arc;

use lease::Directory;
use service_kit::{Clock, Shutdown, grpc::InternalChannel};
use wire::v1::ingest_client::IngestClient;

use crate::{Options, fence::Fence, hub::Hub};

/// What every connection of this process shares.
pub(crate) struct Relay {
    pub(crate) options: Options,
    pub(crate) hub: Hub,
    pub(crate) fence: Fence,
    pub(crate) directory: Directory,
    pub(crate) shutdown: Shutdown,
    pub(crate) clock: Arc<dyn Clock>,
    /// `http://host:port` as workers reach it.
    pub(crate) http: String,
    /// `rtmp://host:port/app` as workers reach it.
    pub(crate) rtmp: String,
}

impl Relay {
    pub(crate) fn orchestrator(&self) -> IngestClient<InternalChannel> {
        IngestClient::new(self.options.orchestrator.clone())
    }
}
