//! The gRPC surface: `Streams` for the gateway, `Ingest` for relays, `Sessions` for workers and the vault.

mod attach;
mod destinations;
mod idempotency;
pub mod ingest;
mod read;
mod respond;
mod sessions;
mod start;
mod stop;
mod streams;
mod test_destination;
mod test_platform;

use domain::ids::{DestinationId, SessionId, StreamId, TenantId, WorkerId};
use tonic::{Request, Response, Status};
use wire::v1::{self, ingest_server, sessions_server, streams_server};

use crate::{ctx::Ctx, error::Error};

/// Implements the three services.
#[derive(Clone)]
pub struct Api {
    ctx: Ctx,
    stopping: service_kit::CancellationToken,
}

impl Api {
    /// `stopping` ends calls that wait.
    pub fn new(ctx: Ctx, stopping: service_kit::CancellationToken) -> Self {
        Self { ctx, stopping }
    }
}

/// Who asks. Never empty.
fn tenant(text: &str) -> Result<TenantId, Error> {
    if text.is_empty() {
        return Err(Error::field("invalid_request", "tenant_id", "The tenant is missing."));
    }
    Ok(TenantId(text.to_owned()))
}

/// A text that is no id names nothing, exactly like an unknown id.
fn stream_id(text: &str) -> Result<StreamId, Error> {
    text.parse().map_err(|_| Error::NotFound)
}

fn destination_id(text: &str) -> Result<DestinationId, Error> {
    text.parse().map_err(|_| Error::NotFound)
}

fn session_id(text: &str) -> Result<SessionId, Error> {
    text.parse().map_err(|_| Error::NotFound)
}

fn worker_id(text: &str) -> Result<WorkerId, Error> {
    if text.is_empty() || text.len() > 128 {
        return Err(Error::field("invalid_request", "worker_id", "The worker's id is missing or too long."));
    }
    Ok(WorkerId(text.to_owned()))
}

type Answer<T> = Result<Response<T>, Status>;

fn answer<T>(result: Result<T, Error>) -> Answer<T> {
    result.map(Response::new).map_err(Status::from)
}

#[tonic::async_trait]
impl streams_server::Streams for Api {
    async fn create_stream(&self, r: Request<v1::CreateStreamRequest>) -> Answer<v1::Stream> {
        answer(streams::create(&self.ctx, r.into_inner()).await)
    }
    async fn get_stream(&self, r: Request<v1::StreamRef>) -> Answer<v1::Stream> {
        answer(streams::get(&self.ctx, r.into_inner()).await)
    }
    async fn list_streams(&self, r: Request<v1::ListStreamsRequest>) -> Answer<v1::ListStreamsResponse> {
        answer(streams::list(&self.ctx, r.into_inner()).await)
    }
    async fn update_stream(&self, r: Request<v1::UpdateStreamRequest>) -> Answer<v1::Stream> {
        answer(streams::update(&self.ctx, r.into_inner()).await)
    }
    async fn delete_stream(&self, r: Request<v1::StreamRef>) -> Answer<v1::Empty> {
        answer(streams::delete(&self.ctx, r.into_inner()).await)
    }
    async fn set_ingest_key(&self, r: Request<v1::SetIngestKeyRequest>) -> Answer<v1::Empty> {
        answer(streams::set_key(&self.ctx, r.into_inner()).await)
    }
    async fn create_destination(&self, r: Request<v1::CreateDestinationRequest>) -> Answer<v1::Destination> {
        answer(destinations::create(&self.ctx, r.into_inner()).await)
    }
    async fn get_destination(&self, r: Request<v1::DestinationRef>) -> Answer<v1::Destination> {
        answer(destinations::get(&self.ctx, r.into_inner()).await)
    }
    async fn list_destinations(&self, r: Request<v1::ListDestinationsRequest>) -> Answer<v1::ListDestinationsResponse> {
        answer(destinations::list(&self.ctx, r.into_inner()).await)
    }
    async fn update_destination(&self, r: Request<v1::UpdateDestinationRequest>) -> Answer<v1::Destination> {
        answer(destinations::update(&self.ctx, r.into_inner()).await)
    }
    async fn delete_destination(&self, r: Request<v1::DestinationRef>) -> Answer<v1::Empty> {
        answer(destinations::delete(&self.ctx, r.into_inner()).await)
    }
    async fn test_destination(&self, r: Request<v1::DestinationRef>) -> Answer<v1::TestDestinationResponse> {
        answer(test_destination::test(&self.ctx, &self.stopping, r.into_inner()).await)
    }
    async fn start(&self, r: Request<v1::StartRequest>) -> Answer<v1::StartResponse> {
        answer(start::start(&self.ctx, &self.stopping, r.into_inner()).await)
    }
    async fn stop(&self, r: Request<v1::StreamRef>) -> Answer<v1::StopResponse> {
        answer(stop::stop(&self.ctx, r.into_inner()).await)
    }
    async fn get_status(&self, r: Request<v1::StreamRef>) -> Answer<v1::StatusResponse> {
        answer(read::status(&self.ctx, r.into_inner()).await)
    }
    async fn get_health(&self, r: Request<v1::StreamRef>) -> Answer<v1::HealthResponse> {
        answer(read::health(&self.ctx, r.into_inner()).await)
    }
    async fn get_metrics(&self, r: Request<v1::StreamRef>) -> Answer<v1::MetricsResponse> {
        answer(read::metrics(&self.ctx, r.into_inner()).await)
    }
    async fn attach_destination(&self, r: Request<v1::AttachRequest>) -> Answer<v1::Destination> {
        answer(attach::attach(&self.ctx, r.into_inner()).await)
    }
    async fn detach_destination(&self, r: Request<v1::AttachRequest>) -> Answer<v1::Empty> {
        answer(attach::detach(&self.ctx, r.into_inner()).await)
    }
    async fn begin_idempotent(&self, r: Request<v1::BeginIdempotentRequest>) -> Answer<v1::BeginIdempotentResponse> {
        answer(idempotency::begin(&self.ctx, r.into_inner()).await)
    }
    async fn finish_idempotent(&self, r: Request<v1::FinishIdempotentRequest>) -> Answer<v1::Empty> {
        answer(idempotency::finish(&self.ctx, r.into_inner()).await)
    }
}

#[tonic::async_trait]
impl ingest_server::Ingest for Api {
    async fn authorize_publish(&self, r: Request<v1::AuthorizePublishRequest>) -> Answer<v1::AuthorizePublishResponse> {
        answer(ingest::authorize(&self.ctx, r.into_inner()).await)
    }
    async fn report_source(&self, r: Request<v1::ReportSourceRequest>) -> Answer<v1::ReportSourceResponse> {
        answer(ingest::report(&self.ctx, r.into_inner()).await)
    }
}

#[tonic::async_trait]
impl sessions_server::Sessions for Api {
    async fn claim_session(&self, r: Request<v1::ClaimSessionRequest>) -> Answer<v1::SessionSpec> {
        answer(sessions::claim(&self.ctx, r.into_inner()).await)
    }
    async fn check_owner(&self, r: Request<v1::CheckOwnerRequest>) -> Answer<v1::OwnedTarget> {
        answer(sessions::check_owner(&self.ctx, r.into_inner()).await)
    }
    async fn finish_test(&self, r: Request<v1::FinishTestRequest>) -> Answer<v1::Empty> {
        answer(sessions::finish_test(&self.ctx, r.into_inner()).await)
    }
}
