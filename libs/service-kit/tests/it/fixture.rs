//! A gRPC service of ours and an OTLP collector, both on private ports.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use secret::SecretString;
use service_kit::{Shutdown, grpc, trace};
use tokio::{net::TcpListener, sync::Notify};
use tonic::{Code, Request, Response, Status};
use wire::v1::{
    CheckOwnerRequest, ClaimSessionRequest, Empty, FinishTestRequest, OwnedTarget, SessionSpec,
    sessions_server::{Sessions, SessionsServer},
};

pub fn token() -> SecretString {
    SecretString::from("0123456789abcdef".to_owned())
}

/// Told when `FinishTest`, which never answers, is entered.
pub static ENTERED: Notify = Notify::const_new();

/// Answers `CheckOwner` with the trace it runs in.
pub struct Echo;

#[tonic::async_trait]
impl Sessions for Echo {
    async fn claim_session(&self, _: Request<ClaimSessionRequest>) -> Result<Response<SessionSpec>, Status> {
        Err(grpc::status(Code::FailedPrecondition, "not_wanted", Some("epoch"), "no"))
    }

    async fn check_owner(&self, _: Request<CheckOwnerRequest>) -> Result<Response<OwnedTarget>, Status> {
        let tenant_id = trace::trace_id().unwrap_or_default();
        Ok(Response::new(OwnedTarget { tenant_id, ..OwnedTarget::default() }))
    }

    async fn finish_test(&self, _: Request<FinishTestRequest>) -> Result<Response<Empty>, Status> {
        ENTERED.notify_one();
        std::future::pending().await
    }
}

/// Serves [`Echo`] behind the internal token; returns its URL.
pub async fn serve_echo(shutdown: &Shutdown) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let guard = grpc::require_internal(&token());
    let router = grpc::server().add_service(SessionsServer::with_interceptor(Echo, guard));
    shutdown.tasks.spawn(grpc::serve(router, listener, shutdown.clone()));
    url
}

/// Keeps what it is sent.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.0.lock().expect("spans").extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Serves it; returns its URL.
    pub async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        url
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.0.lock().expect("spans").clone()
    }
}
