//! A stand-in for the orchestrator's `Ingest` service: answers as told, remembers what it heard.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use domain::ids::StreamId;
use ring::digest;
use secret::SecretString;
use service_kit::{Shutdown, grpc};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};
use wire::v1::{
    self,
    authorize_publish_response::Decision,
    ingest_server::{Ingest, IngestServer},
};

#[derive(Clone, Default)]
pub struct Orchestrator(Arc<Mutex<State>>);

#[derive(Default)]
pub struct State {
    keys: HashMap<Vec<u8>, StreamId>,
    next_epoch: u64,
    pub superseded: bool,
    pub unavailable: bool,
    pub decision: Option<Decision>,
    pub asked: Vec<v1::AuthorizePublishRequest>,
    pub reports: Vec<v1::ReportSourceRequest>,
}

impl Orchestrator {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn add_key(&self, key: &str, stream: StreamId) {
        self.state().keys.insert(digest::digest(&digest::SHA256, key.as_bytes()).as_ref().to_vec(), stream);
    }

    /// Serves on a free port.
    pub async fn serve(&self, token: &SecretString, shutdown: Shutdown) -> SocketAddr {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let bound = listener.local_addr().unwrap();
        let service = IngestServer::with_interceptor(self.clone(), grpc::require_internal(token));
        tokio::spawn(grpc::serve(grpc::server().add_service(service), listener, shutdown));
        bound
    }
}

#[tonic::async_trait]
impl Ingest for Orchestrator {
    async fn authorize_publish(
        &self,
        request: Request<v1::AuthorizePublishRequest>,
    ) -> Result<Response<v1::AuthorizePublishResponse>, Status> {
        let (mut state, request) = (self.state(), request.into_inner());
        if state.unavailable {
            return Err(Status::unavailable("told so"));
        }
        state.asked.push(request.clone());
        state.next_epoch += 1;
        let known = state.keys.get(&request.key_sha256).copied();
        let decision =
            state.decision.unwrap_or(if known.is_some() { Decision::Accepted } else { Decision::UnknownKey });
        let answer = v1::AuthorizePublishResponse {
            decision: decision.into(),
            stream_id: known.map(|id| id.to_string()).unwrap_or_default(),
            tenant_id: "tenant".into(),
            source_epoch: state.next_epoch,
        };
        Ok(Response::new(answer))
    }

    async fn report_source(
        &self,
        request: Request<v1::ReportSourceRequest>,
    ) -> Result<Response<v1::ReportSourceResponse>, Status> {
        let mut state = self.state();
        if state.unavailable {
            return Err(Status::unavailable("told so"));
        }
        state.reports.push(request.into_inner());
        Ok(Response::new(v1::ReportSourceResponse { superseded: state.superseded }))
    }
}
